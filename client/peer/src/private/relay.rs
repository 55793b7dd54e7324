//! A private session through the server: the same handshake, as datagrams of the link, and then sealed texts.
//!
//! The server passes on what it can't read. It may keep something back, so each text has its number with it; none
//! counts twice, and none that comes after a later one.

use std::io;
use std::time::Instant;

use forum_common::text::Answer;
use forum_common::wire::{Direct, Key, LinkId, Request};

use super::door::HANDSHAKE_TIMEOUT;
use super::line::{Heard, meant, plain};
use super::session::has_ended;
use super::{Private, Privates, Stage};
use crate::Context;
use crate::noise::{Handshake, Keys, Purpose, Secret, TAG_BYTES};

const NUMBER_BYTES: usize = 8;

/// What an end has of its link's token.
#[derive(Debug, Clone, Copy)]
pub(super) struct Introduced {
    pub(super) token: Key,
    /// It was introduced to the other one, so it is the one that calls.
    pub(super) calls: bool,
}

/// Two ends that make their keys.
#[derive(Debug)]
pub(super) enum Agreement {
    /// This one has begun.
    Begun(Handshake),
    /// The other one is to begin.
    Awaited(Secret),
}

/// The keys, and how many texts were sealed: the number of the next, and the least that may come.
#[derive(Debug)]
pub(super) struct Relay {
    keys: Keys,
    said: u64,
    heard: u64,
}

impl Relay {
    fn new(keys: Keys) -> Self {
        Self { keys, said: 0, heard: 0 }
    }

    /// What both ends have in common.
    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Seals a text.
    pub(super) fn seal(&mut self, text: &str) -> Vec<u8> {
        let plain = plain(&Direct::PrivateText { text });
        let mut sealed = vec![0; NUMBER_BYTES + plain.len() + TAG_BYTES];
        let (number, rest) = sealed.split_at_mut(NUMBER_BYTES);
        number.copy_from_slice(&self.said.to_be_bytes());
        self.keys.seal(self.said, &plain, rest);
        self.said += 1;
        sealed
    }

    /// Opens one; `None`: the other end did not say this, or said it before.
    fn open(&mut self, sealed: &[u8]) -> Option<String> {
        let (number, sealed) = sealed.split_first_chunk()?;
        let number = u64::from_be_bytes(*number);
        let mut out = vec![0; sealed.len()];
        let bytes = self.keys.open(number, sealed, &mut out).filter(|_| number >= self.heard)?;
        self.heard = number + 1;
        match meant(&out[..bytes]) {
            Ok(Heard::Text(text)) => Some(text),
            _ => None,
        }
    }
}

impl Agreement {
    fn begin(secret: &Secret) -> io::Result<(Self, Vec<u8>)> {
        let mut handshake = secret.begin()?;
        let first = handshake.write(&[])?;
        Ok((Self::Begun(handshake), first))
    }

    /// Takes what the other end said: the keys, and what is to be answered.
    ///
    /// # Errors
    /// It is not of this handshake, which may still go on.
    fn take(self, message: &[u8]) -> Result<(Keys, Vec<u8>), Option<Self>> {
        match self {
            Self::Begun(mut handshake) => match handshake.read(message) {
                Some(_) => handshake.finish().map(|keys| (keys, Vec::new())).map_err(|_| None),
                None => Err(Some(Self::Begun(handshake))),
            },
            Self::Awaited(secret) => {
                let answer = || {
                    let mut handshake = secret.await_other().ok()?;
                    handshake.read(message)?;
                    let second = handshake.write(&[]).ok()?;
                    Some((handshake.finish().ok()?, second))
                };
                answer().ok_or(Some(Self::Awaited(secret)))
            }
        }
    }
}

impl Privates {
    /// The server has brought a message of the handshake.
    pub(crate) fn relayed_datagram(&mut self, link: LinkId, datagram: &[u8], context: &mut Context<'_>) {
        let Some(private) = self.of_link(link) else { return };
        let (agreement, until) = match std::mem::replace(&mut private.stage, Stage::Over) {
            Stage::Agreeing(agreement, until) => (agreement, until),
            stage => return private.stage = stage,
        };
        match agreement.take(datagram) {
            Ok((keys, answer)) => {
                if !answer.is_empty() {
                    context.tell(&Request::RelayDatagram { link, datagram: &answer });
                }
                private.stage = Stage::Relayed(Relay::new(keys));
                private.announce(true, context);
            }
            Err(Some(agreement)) => private.stage = Stage::Agreeing(agreement, until),
            Err(None) => private.give_up(context),
        }
    }

    /// The server has brought a text.
    pub(crate) fn relayed(&mut self, link: LinkId, sealed: &[u8], context: &mut Context<'_>) {
        let Some(private) = self.of_link(link) else { return };
        let Stage::Relayed(relay) = &mut private.stage else { return };
        match relay.open(sealed) {
            Some(text) => context.private_text(&private.user, &text),
            None => {
                private.tell_end(false, context);
                context.say(has_ended(&private.user));
                private.stage = Stage::Over;
            }
        }
    }
}

impl Private {
    /// The two can't meet, and make keys through the server.
    pub(super) fn agree_through_server(&mut self, link: LinkId, context: &mut Context<'_>) {
        let Some(Introduced { token, calls }) = self.introduced else { return self.give_up(context) };
        let secret = Secret::new(&token, link, Purpose::Relayed);
        let agreement = match calls {
            true => Agreement::begin(&secret),
            false => Ok((Agreement::Awaited(secret), Vec::new())),
        };
        let Ok((agreement, first)) = agreement else { return self.give_up(context) };
        if !first.is_empty() {
            context.tell(&Request::RelayDatagram { link, datagram: &first });
        }
        self.stage = Stage::Agreeing(agreement, context.now + HANDSHAKE_TIMEOUT);
    }

    /// Looks whether the other end has taken too long.
    pub(super) fn agree(&mut self, agreement: Agreement, until: Instant, context: &mut Context<'_>) -> Stage {
        if context.now < until {
            return Stage::Agreeing(agreement, until);
        }
        self.give_up(context);
        Stage::Over
    }

    /// It came to nothing, and the other end is to know.
    fn give_up(&mut self, context: &mut Context<'_>) {
        self.tell_end(false, context);
        self.fail(context);
    }

    /// Both ends can use it.
    pub(super) fn announce(&self, relayed: bool, context: &mut Context<'_>) {
        if self.has_asked {
            context.say(Answer::PrivateAccepted { user: &self.user });
        } else {
            let user = &self.user;
            context.show(&format!("Private messaging with {user} is on: private {user} text"));
        }
        if relayed {
            context.say(format_args!(
                "Private messages with {} go through the server: {}",
                self.user,
                crate::NO_DIRECT_WAY
            ));
        }
    }
}
