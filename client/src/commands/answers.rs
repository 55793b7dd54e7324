//! What the server says to somebody who is logged in, and what it means.

use forum_common::text::{Listing, Shown, lines};
use forum_common::wire::{Notice, Refusal, Reply, Request, Tag, Transfer};

use super::{Commands, Outcome};
use crate::asked::{Asked, Awaits};
use crate::connection::Server;
use crate::output::Output;
use crate::peer::Desk;
use crate::peer::links::Links;
use crate::peer::private;
use crate::transfer::Step;

impl Awaits {
    pub(super) fn answer_to(request: &Request<'_>) -> Self {
        match request {
            Request::LogOut => Self::Goodbye,
            Request::ShutDown { .. } => Self::ShutDown,
            request => Listing::answering(request).map_or(Self::Word, Self::List),
        }
    }
}

impl Commands {
    /// Takes in an item of a list.
    pub fn listed(&mut self, asked: &mut Asked, item: &Reply<'_>, output: &mut Output) -> Outcome {
        match &mut asked.awaits {
            Awaits::List(listing) => match listing.take(item, self.clock.zone()) {
                Shown::Item { heading, line } => {
                    heading.iter().chain([&line]).for_each(|line| output.say(line));
                    self.memory.names.learn_reply(item);
                    Outcome::Going
                }
                Shown::End { .. } | Shown::Foreign => Outcome::Unexpected,
            },
            Awaits::Names(lookup) => match lookup.take(item) {
                true => Outcome::Going,
                false => Outcome::Unexpected,
            },
            _ => Outcome::Unexpected,
        }
    }

    /// Takes in the last word on a request.
    pub fn answered(
        &mut self,
        asked: Asked,
        reply: &Reply<'_>,
        links: &mut Links,
        desk: &mut Desk<'_>,
    ) -> Outcome {
        match (asked.awaits, reply) {
            (Awaits::Pong, Reply::Pong { .. }) => Outcome::Going,
            (Awaits::Names(lookup), reply) => match lookup.end(reply, &mut self.memory.names) {
                true => Outcome::NamesCame,
                false => Outcome::Unexpected,
            },
            (Awaits::Upload(upload, _), reply) => end_transfer(upload.answered(reply), desk.output),
            (Awaits::Download(download, _), reply) => end_transfer(download.answered(reply), desk.output),
            // The other end was faster. The server does not remember whose link it was.
            (Awaits::Relayed(user), Reply::Refused { code: Refusal::NotPrivate, .. }) => {
                desk.output.refuse(private::not_enabled(&user));
                Outcome::Going
            }
            // It is over all the same: who has nothing more to enter would only ask again, and again.
            (Awaits::Goodbye, Reply::Refused { text, .. }) => {
                desk.output.refuse(text);
                Outcome::Goodbye
            }
            (_, Reply::Refused { text, .. }) => {
                self.memory.names.learn_reply(reply);
                desk.output.refuse(text);
                Outcome::Going
            }
            (Awaits::PrivateQuestion(user), Reply::Asked { link, text }) => {
                desk.output.say(text);
                links.privates.asked(*link, &user);
                Outcome::Going
            }
            (Awaits::FileQuestion(user, source), Reply::Asked { link, .. }) => {
                links.files.asked(*link, &user, source, desk);
                Outcome::Going
            }
            (Awaits::List(mut listing), reply) => match listing.take(reply, self.clock.zone()) {
                Shown::End { instead } => {
                    instead.iter().for_each(|line| desk.output.say(line));
                    Outcome::Going
                }
                Shown::Item { .. } | Shown::Foreign => Outcome::Unexpected,
            },
            (awaits, reply) => self.done(awaits, reply, desk.output),
        }
    }

    /// Something was done.
    fn done(&mut self, awaits: Awaits, reply: &Reply<'_>, output: &mut Output) -> Outcome {
        let (Reply::Done { text, .. }
        | Reply::ThreadCreated { text, .. }
        | Reply::Posted { text, .. }
        | Reply::RoomCreated { text, .. }) = reply
        else {
            return Outcome::Unexpected;
        };
        let outcome = match awaits {
            Awaits::Word | Awaits::Relayed(_) | Awaits::ShutDown => Outcome::Going,
            Awaits::NewPassword(password) => Outcome::PasswordChanged(password),
            Awaits::Goodbye => Outcome::Goodbye,
            _ => return Outcome::Unexpected,
        };
        self.memory.names.learn_reply(reply);
        // Some commands have nothing to say for themselves: their effect is seen elsewhere.
        if !text.is_empty() {
            output.say(text);
        }
        outcome
    }

    /// Takes in what nobody asked for. A message that came once already, on a connection that broke before
    /// the server knew, is not shown again.
    pub fn noticed(&mut self, notice: &Notice<'_>, output: &mut Output) {
        if let Notice::Message { number, .. } = notice {
            self.owes_acknowledgement = true;
            if !self.memory.is_fresh(*number) {
                return;
            }
        }
        self.memory.names.learn_notice(notice);
        if let Some(line) = lines::notice(notice, self.reader, self.clock.zone()) {
            output.say(line);
        }
    }
}

/// Does what a transfer wants that goes on.
pub fn go_on(step: Step, tag: Tag, server: &mut Server, output: &mut Output) -> Outcome {
    match step {
        Step::Going => {}
        Step::Credit(bytes) => server.transfer(tag, &Transfer::Credit { bytes }),
        Step::GaveUp(reason) => {
            server.transfer(tag, &Transfer::Abort);
            output.refuse(reason);
        }
        Step::Done(_) | Step::Refused(_) | Step::Over | Step::Unexpected => return Outcome::Unexpected,
    }
    Outcome::Going
}

/// Says what came of a transfer.
pub fn end_transfer(step: Step, output: &mut Output) -> Outcome {
    match step {
        Step::Done(text) => output.say(text),
        Step::Refused(text) => output.refuse(text),
        Step::Over => {}
        Step::Going | Step::Credit(_) | Step::GaveUp(_) | Step::Unexpected => return Outcome::Unexpected,
    }
    Outcome::Going
}
