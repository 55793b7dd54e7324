//! The languages of the servers that can be asked: how a request is written, and what the bytes that come
//! back mean to a load generator. Nothing here knows a socket, a clock or who waits for what.
//!
//! Answers are only counted, so they are recognised by their first bytes and skipped by their length.

mod echo;
pub(crate) mod forum;
mod mqtt;
mod nats;
mod resp;

use clap::ValueEnum;
use forum_common::wire::Key;

use crate::args::Arguments;
use crate::connection::Role;

/// Who is asked, and in which language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// forumd
    Forum,
    /// Redis
    Resp,
    /// NATS
    Nats,
    /// MQTT 3.1.1, for instance Mosquitto
    Mqtt,
    /// forum-floor, which echoes the bytes
    Echo,
}

/// What a server has said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// The next request in order was done.
    Answer,
    /// The next request in order was about a room, which is there now: its number.
    Room(u32),
    /// The next request in order was not done, and why.
    Refused(&'a [u8]),
    /// What somebody else said has arrived here.
    Delivery,
    /// The same, and the server wants to hear that this number has arrived.
    Mail(u64),
    /// The server wants the password; and whether it knows the name.
    PasswordWanted(bool),
    /// The server asks whether we live.
    Probe,
    /// The server is about to close the connection, and why.
    Closing(&'a [u8]),
}

/// The first message of some bytes, if it means anything, and its length; nothing while it is not all there.
/// The error says what no server of this protocol would send.
type Split<'a> = Result<Option<(Option<Event<'a>>, usize)>, String>;

/// Who logs in.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a> {
    /// The user's name.
    pub name: &'a str,
    /// The password.
    pub password: &'a str,
    /// What it is for: a listener is to hear what is published.
    pub role: Role,
    /// Whether it wants to hear who comes and goes, where the server tells that on request.
    pub presence: bool,
}

impl<'a> Identity<'a> {
    /// The user with this name, as the arguments have it.
    pub fn new(arguments: &'a Arguments, name: &'a str, role: Role) -> Self {
        Self { name, password: &arguments.password, role, presence: arguments.presence }
    }
}

impl Protocol {
    /// Its name, as on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Forum => "forum",
            Self::Resp => "resp",
            Self::Nats => "nats",
            Self::Mqtt => "mqtt",
            Self::Echo => "echo",
        }
    }

    /// Hears every whole message in `bytes`, and says how many bytes those were.
    ///
    /// # Errors
    /// What no server of this protocol would send.
    #[inline]
    pub fn scan(self, bytes: &[u8], hear: impl FnMut(Event<'_>)) -> Result<usize, String> {
        match self {
            Self::Forum => each(bytes, forum::split, hear),
            Self::Resp => each(bytes, resp::split, hear),
            Self::Nats => each(bytes, nats::split, hear),
            Self::Mqtt => each(bytes, mqtt::split, hear),
            Self::Echo => each(bytes, echo::split, hear),
        }
    }

    /// Writes what a new connection says first. Returns how many answers make it a ready one.
    pub fn greet(self, who: Identity<'_>, out: &mut Vec<u8>) -> u32 {
        match self {
            Self::Forum => forum::greet(who, out),
            Self::Resp => resp::greet(who, out),
            Self::Nats => nats::greet(who, out),
            Self::Mqtt => mqtt::greet(who, out),
            Self::Echo => echo::greet(who, out),
        }
    }

    /// Writes the password, or the sign-up of a new name.
    pub fn prove(self, who: Identity<'_>, known: bool, out: &mut Vec<u8>) {
        if self == Self::Forum {
            forum::prove(who, known, out);
        }
    }

    /// Writes the answer to [`Event::Mail`].
    pub fn acknowledge(self, up_to: u64, out: &mut Vec<u8>) {
        if self == Self::Forum {
            forum::acknowledge(up_to, out);
        }
    }

    /// Writes the answer to [`Event::Probe`].
    pub fn live(self, out: &mut Vec<u8>) {
        if self == Self::Nats {
            out.extend_from_slice(nats::PONG);
        }
    }

    /// Writes the least that has an answer.
    pub fn ping(self, out: &mut Vec<u8>) {
        match self {
            Self::Forum | Self::Echo => forum::ping(out),
            Self::Resp => out.extend_from_slice(resp::PING),
            Self::Nats => out.extend_from_slice(nats::PING),
            Self::Mqtt => out.extend_from_slice(mqtt::PING),
        }
    }

    /// Writes a message that is to be kept in `place` (a thread, a list), as far as the server keeps any; the key is
    /// the end of it, where there is such a thing.
    pub fn post(self, place: &str, text: &str, key: Option<Key>, out: &mut Vec<u8>) {
        match self {
            Self::Forum | Self::Echo => forum::post(place, text, key, out),
            Self::Resp => resp::post(place, text, out),
            Self::Nats => nats::publish(place, text, out),
            Self::Mqtt => mqtt::post(place, text, out),
        }
    }

    /// Writes a message to all that listen.
    pub fn publish(self, text: &str, out: &mut Vec<u8>) {
        match self {
            Self::Forum => forum::broadcast(text, out),
            Self::Resp => resp::publish(text, out),
            Self::Nats => nats::publish(TOPIC, text, out),
            Self::Mqtt => mqtt::publish(text, out),
            Self::Echo => echo::publish(text, out),
        }
    }
}

/// Where all that listen do so, in protocols that need a name for it.
const TOPIC: &str = "load";

#[inline]
fn each<'a>(
    bytes: &'a [u8],
    split: impl Fn(&'a [u8]) -> Split<'a>,
    mut hear: impl FnMut(Event<'a>),
) -> Result<usize, String> {
    let mut used = 0;
    while let Some((event, length)) = split(&bytes[used..])? {
        used += length;
        if let Some(event) = event {
            hear(event);
        }
    }
    Ok(used)
}

/// A line up to CR LF, without it, and its length with it.
fn line(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let end = bytes.iter().position(|&byte| byte == b'\n')?;
    let line = &bytes[..end];
    Some((line.strip_suffix(b"\r").unwrap_or(line), end + 1))
}

/// A decimal number.
fn decimal(digits: &[u8]) -> Option<i64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Some bytes of a peer, for people.
fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).into_owned()
}

#[cfg(test)]
mod tests {
    use forum_common::wire::{NO_TAG, Notice, Refusal, Reply};

    use super::*;

    fn refusal(code: Refusal, value: Option<u64>) -> Reply<'static> {
        Reply::Refused { code, limit: None, value, name: None, text: "no" }
    }

    fn events(protocol: Protocol, pieces: &[&[u8]]) -> Vec<String> {
        let mut heard = Vec::new();
        let mut rest = Vec::new();
        for piece in pieces {
            rest.extend_from_slice(piece);
            let used = protocol.scan(&rest, |event| heard.push(format!("{event:?}"))).unwrap();
            rest.drain(..used);
        }
        assert!(rest.is_empty(), "{rest:?}");
        heard
    }

    fn samples() -> [(Protocol, Vec<u8>, usize); 5] {
        let mut forum = Vec::new();
        Reply::Pong { payload: b"" }.encode(forum::TAG, &mut forum);
        Notice::Broadcast { at_ms: 1, from: "a", text: "hi" }.encode(NO_TAG, &mut forum);
        refusal(Refusal::InvalidText, None).encode(forum::TAG, &mut forum);
        Notice::LoggedIn { name: "a" }.encode(NO_TAG, &mut forum);
        Reply::UserItem { name: "a", left_ms: None }.encode(forum::TAG, &mut forum);
        let resp =
            b"+PONG\r\n:12\r\n-ERR no\r\n*3\r\n$7\r\nmessage\r\n$4\r\nload\r\n$2\r\nhi\r\n$-1\r\n*0\r\n"
                .to_vec();
        let nats = b"INFO {}\r\nPONG\r\n+OK\r\n-ERR 'no'\r\nMSG load 1 4\r\na\r\nb\r\nPING\r\n".to_vec();
        let mqtt = b"\x20\x02\0\0\xd0\0\x40\x02\0\x01\x30\x08\0\x04loadhi\x90\x03\0\x01\0".to_vec();
        let mut echo = Vec::new();
        forum::ping(&mut echo);
        echo::publish("hi", &mut echo);
        [
            (Protocol::Forum, forum, 3),
            (Protocol::Resp, resp, 6),
            (Protocol::Nats, nats, 5),
            (Protocol::Mqtt, mqtt, 5),
            (Protocol::Echo, echo, 2),
        ]
    }

    #[test]
    fn what_is_heard_does_not_depend_on_how_the_bytes_are_cut() {
        for (protocol, bytes, count) in samples() {
            let whole = events(protocol, &[&bytes]);
            assert_eq!(whole.len(), count, "{protocol:?}: {whole:?}");
            for cut in 0..=bytes.len() {
                let (left, right) = bytes.split_at(cut);
                assert_eq!(events(protocol, &[left, right]), whole, "{protocol:?} cut at {cut}");
            }
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            assert_eq!(events(protocol, &single), whole, "{protocol:?} byte by byte");
        }
    }

    #[test]
    fn deliveries_and_refusals_are_told_from_answers() {
        for (protocol, bytes, _) in samples() {
            let heard = events(protocol, &[&bytes]).concat();
            assert!(heard.contains("Answer") && heard.contains("Delivery"), "{protocol:?}: {heard}");
        }
    }

    #[test]
    fn a_room_is_known_by_its_number_whether_it_was_there_or_not() {
        for reply in
            [Reply::RoomCreated { room: 7, at_ms: 1, text: "" }, refusal(Refusal::RoomExists, Some(7))]
        {
            let mut bytes = Vec::new();
            reply.encode(forum::TAG, &mut bytes);
            assert_eq!(events(Protocol::Forum, &[&bytes]), ["Room(7)"], "{reply:?}");
        }
    }

    #[test]
    fn what_no_server_sends_is_an_error() {
        let mut request = Vec::new();
        forum::ping(&mut request);
        assert_eq!(Protocol::Forum.scan(&request, |_| {}), Err("Unknown frame kind 0x02".to_owned()));
    }

    #[test]
    fn no_bytes_make_a_parser_panic() {
        let mut random = fastrand::Rng::with_seed(7);
        for (protocol, sample, _) in samples() {
            for _ in 0..2_000 {
                let mut bytes = sample.clone();
                let at = random.usize(..bytes.len());
                bytes[at] = random.u8(..);
                let _ = protocol.scan(&bytes, |_| {});
            }
        }
    }
}
