//! What goes over the network: the handshake that makes the keys, and packets that only the two ends can read.
//!
//! ```text
//!   receiver   knocking ──Answer──► open          sender   calling ──Knock──► open
//! ```
//!
//! It knows datagrams and numbers, not what the packets in them say. A datagram that is not of this
//! session, or not from who has the keys, changes nothing.

use std::io;

use super::packet::{SessionId, Sessions, Token};
use super::replay::ReplayWindow;
use crate::noise::{HANDSHAKE_BYTES, Handshake, Keys, Secret, TAG_BYTES, VERSION};

/// Bytes in front of every datagram: kind (1) and session (8).
pub(super) const HEADER_BYTES: usize = 9;
/// Bytes that a sealed packet has more than the packet: header, number and tag.
pub(super) const SEALED_BYTES: usize = HEADER_BYTES + 8 + TAG_BYTES;
/// Bytes of a Call, and of a Knock: nobody gains by repeating the one to get the other.
const KNOCK_BYTES: usize = HEADER_BYTES + 1 + HANDSHAKE_BYTES;

const CALL: u8 = 0x01;
const ANSWER: u8 = 0x02;
const SEALED: u8 = 0x10;
const KNOCK: u8 = 0x81;

/// The session that a datagram claims to belong to, for an owner of many transfers on one socket.
pub fn session_of(datagram: &[u8]) -> Option<SessionId> {
    let (_, rest) = datagram.split_first()?;
    Some(SessionId::new(*rest.first_chunk()?))
}

/// One end's side of it.
#[derive(Debug)]
pub(super) struct Channel {
    sessions: Sessions,
    is_sender: bool,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The receiver says this Knock until it is answered.
    Knocking {
        handshake: Handshake,
        knock: Vec<u8>,
    },
    /// The sender waits for a Knock.
    Calling(Secret),
    /// The Knock was right, and is to be answered.
    Knocked {
        handshake: Handshake,
        knock: Vec<u8>,
    },
    Open(Box<Open>),
    /// The system has no random numbers: nothing is said, and nothing understood.
    Broken,
}

/// There are keys.
#[derive(Debug)]
struct Open {
    keys: Keys,
    /// The number of the next packet.
    next: u64,
    seen: ReplayWindow,
    /// To a sender: the Knock, and its answer, until the other end is known to have the keys, too. To a receiver:
    /// nothing, and the answer that it had.
    knock: Vec<u8>,
    answer: Vec<u8>,
}

/// What a datagram was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// Nothing of this session, or nothing new.
    Nothing,
    /// Part of a handshake of another version.
    Foreign,
    /// To a receiver that knocks: the sender is there.
    Call,
    /// To a sender: the receiver is there. [`Channel::answer`] is to be called if this is news.
    Knock { is_news: bool },
    /// To a receiver: the keys are made. The packet in the answer is in the buffer, so many bytes of it.
    Answer(usize),
    /// The answer once more: the sender does not know that it has come.
    AnswerAgain,
    /// A packet is in the buffer.
    Packet {
        /// Its number.
        number: u64,
        /// Whether none with a larger number has come.
        is_newest: bool,
        /// How many bytes it has.
        bytes: usize,
    },
}

impl Channel {
    /// The receiver's side; it begins the handshake.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub(super) fn of_receiver(token: &Token) -> io::Result<Self> {
        let mut handshake = token.secret().begin()?;
        let message = handshake.write(&[])?;
        let knock = opening(KNOCK, token.sessions().to_sender, &message);
        Ok(Self { sessions: token.sessions(), is_sender: false, state: State::Knocking { handshake, knock } })
    }

    /// The sender's side.
    pub(super) fn of_sender(token: &Token) -> Self {
        Self { sessions: token.sessions(), is_sender: true, state: State::Calling(token.secret()) }
    }

    /// The session of what comes in.
    pub(super) fn session(&self) -> SessionId {
        if self.is_sender { self.sessions.to_sender } else { self.sessions.to_receiver }
    }

    fn other_session(&self) -> SessionId {
        if self.is_sender { self.sessions.to_receiver } else { self.sessions.to_sender }
    }

    /// Whether there are keys.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// What both ends have in common, once there are keys.
    #[cfg(test)]
    pub(super) fn hash(&self) -> Option<[u8; 32]> {
        match &self.state {
            State::Open(open) => Some(*open.keys.hash()),
            _ => None,
        }
    }

    /// Takes in a datagram; the packet in it, if any, goes to the beginning of `plain`, which has
    /// [`DATAGRAM_BYTES_MAX`](super::packet::DATAGRAM_BYTES_MAX) bytes.
    pub(super) fn take(&mut self, datagram: &[u8], plain: &mut [u8]) -> Taken {
        if session_of(datagram) != Some(self.session()) {
            return Taken::Nothing;
        }
        let body = &datagram[HEADER_BYTES..];
        match (datagram[0], body.split_first()) {
            (SEALED, _) => self.take_sealed(body, plain),
            (CALL | ANSWER | KNOCK, Some((version, _))) if *version != VERSION => Taken::Foreign,
            (CALL, Some((_, padding))) => match &self.state {
                State::Knocking { .. } if padding == [0; HANDSHAKE_BYTES] => Taken::Call,
                _ => Taken::Nothing,
            },
            (KNOCK, Some((_, message))) if self.is_sender => self.take_knock(message),
            (ANSWER, Some((_, message))) if !self.is_sender => self.take_answer(message, plain),
            _ => Taken::Nothing,
        }
    }

    fn take_sealed(&mut self, body: &[u8], plain: &mut [u8]) -> Taken {
        let (State::Open(open), Some((number, sealed))) = (&mut self.state, body.split_first_chunk()) else {
            return Taken::Nothing;
        };
        let number = u64::from_be_bytes(*number);
        // Looked at before the work, and noted after it: a forged number must not shut out the right one.
        if !open.seen.is_new(number) {
            return Taken::Nothing;
        }
        let Some(bytes) = open.keys.open(number, sealed, plain) else { return Taken::Nothing };
        // The other end has the keys, so nothing needs to be answered any more.
        if self.is_sender {
            (open.knock, open.answer) = (Vec::new(), Vec::new());
        }
        Taken::Packet { number, is_newest: open.seen.note(number), bytes }
    }

    fn take_knock(&mut self, message: &[u8]) -> Taken {
        match &mut self.state {
            State::Calling(secret) => {
                let Ok(mut handshake) = secret.await_other() else { return Taken::Nothing };
                if handshake.read(message).is_none_or(|payload| !payload.is_empty()) {
                    return Taken::Nothing;
                }
                self.state = State::Knocked { handshake, knock: message.to_vec() };
                Taken::Knock { is_news: true }
            }
            State::Open(open) if !open.answer.is_empty() && open.knock == message => {
                Taken::Knock { is_news: false }
            }
            // One of another handshake is not of this receiver.
            _ => Taken::Nothing,
        }
    }

    fn take_answer(&mut self, message: &[u8], plain: &mut [u8]) -> Taken {
        if let State::Open(open) = &self.state {
            return if open.answer == message { Taken::AnswerAgain } else { Taken::Nothing };
        }
        let State::Knocking { handshake, .. } = &mut self.state else { return Taken::Nothing };
        let Some(payload) = handshake.read(message) else { return Taken::Nothing };
        let bytes = payload.len();
        plain[..bytes].copy_from_slice(&payload);
        if let State::Knocking { handshake, .. } = std::mem::replace(&mut self.state, State::Broken) {
            self.open(handshake, Vec::new(), message.to_vec());
        }
        Taken::Answer(bytes)
    }

    /// Answers the Knock that has come, with a packet that goes along.
    pub(super) fn answer(&mut self, packet: &[u8]) {
        let to = self.other_session();
        if let State::Knocked { mut handshake, knock } = std::mem::replace(&mut self.state, State::Broken)
            && let Ok(message) = handshake.write(packet)
        {
            self.open(handshake, knock, opening(ANSWER, to, &message));
        }
    }

    /// Both messages have been said.
    fn open(&mut self, handshake: Handshake, knock: Vec<u8>, answer: Vec<u8>) {
        if let Ok(keys) = handshake.finish() {
            let seen = ReplayWindow::default();
            self.state = State::Open(Box::new(Open { keys, next: 0, seen, knock, answer }));
        }
    }

    /// Writes what is said until there are keys at both ends. Returns its bytes; 0: there is nothing to be said.
    pub(super) fn write_opening(&self, buffer: &mut [u8]) -> usize {
        let call: Vec<u8>;
        let said = match &self.state {
            State::Knocking { knock, .. } => knock,
            State::Calling(_) => {
                call = opening(CALL, self.other_session(), &[0; HANDSHAKE_BYTES]);
                &call
            }
            State::Open(open) if self.is_sender => &open.answer,
            State::Knocked { .. } | State::Open(_) | State::Broken => return 0,
        };
        buffer[..said.len()].copy_from_slice(said);
        said.len()
    }

    /// The number of the next packet.
    pub(super) fn next_number(&self) -> u64 {
        match &self.state {
            State::Open(open) => open.next,
            _ => 0,
        }
    }

    /// Seals a packet into a datagram at the beginning of `buffer`. Returns the bytes of the datagram; 0: there
    /// are no keys.
    pub(super) fn seal(&mut self, packet: &[u8], buffer: &mut [u8]) -> usize {
        let to = self.other_session();
        let State::Open(open) = &mut self.state else { return 0 };
        let (head, rest) = buffer.split_at_mut(HEADER_BYTES + 8);
        head[0] = SEALED;
        head[1..HEADER_BYTES].copy_from_slice(&to.bytes());
        head[HEADER_BYTES..].copy_from_slice(&open.next.to_be_bytes());
        let sealed = open.keys.seal(open.next, packet, rest);
        open.next += 1;
        head.len() + sealed
    }
}

/// A datagram of the handshake.
fn opening(kind: u8, to: SessionId, message: &[u8]) -> Vec<u8> {
    [&[kind], &to.bytes()[..], &[VERSION], message].concat()
}

const _: () = assert!(KNOCK_BYTES <= super::mtu::FLOOR_BYTES);
