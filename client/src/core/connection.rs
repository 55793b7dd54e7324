//! The connection to the server as the core sees it: what is said over it, and whether the server is still there.
//!
//! Pure: bytes and the time come in. The socket is the loop's.

use std::time::{Duration, Instant};

use forum_common::wire::Request;

use crate::asked::{Asked, Awaits, Server};

/// How long the server may be silent before it is asked for a sign of life; at most half of what it may be in all.
const ASK_AFTER: Duration = Duration::from_secs(25);

/// How long the kernel may go without an acknowledgement, if the server may be silent for so long in all: what is left
/// for the answer to a ping.
pub fn answer_within(silence_max: Duration) -> Duration {
    silence_max - ask_after(silence_max)
}

/// When a server that may be silent for so long is asked for a sign of life.
fn ask_after(silence_max: Duration) -> Duration {
    ASK_AFTER.min(silence_max / 2)
}

/// The server did not answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Silent;

/// The connection.
#[derive(Debug)]
pub struct Connection {
    /// What is said over it.
    pub server: Server,
    /// When the server was last heard.
    heard: Instant,
    /// When it was asked for a sign of life that has not come.
    asked: Option<Instant>,
    /// How long it may give none.
    silence_max: Duration,
    /// The kernel took no more when something was last sent.
    is_full: bool,
    /// Sending failed: what the server still had to say is read, but nothing is sent.
    cannot_send: bool,
}

impl Connection {
    /// One that stands since now, to a server that is given up when it has given no sign of life for `silence_max`.
    pub fn new(silence_max: Duration, now: Instant) -> Self {
        let server = Server::default();
        Self { server, heard: now, asked: None, silence_max, is_full: false, cannot_send: false }
    }

    /// What is to be sent.
    pub fn unsent(&self) -> &[u8] {
        if self.cannot_send { &[] } else { self.server.unsent() }
    }

    /// So many bytes have been taken by the kernel; `all_taken`: it would have taken more. One that was full takes
    /// bytes again because the other end has taken some, which is a sign of life: a file may be on a slow way, and the
    /// ping after it.
    pub fn sent(&mut self, bytes: usize, all_taken: bool, now: Instant) {
        self.server.sent(bytes);
        if bytes > 0 && std::mem::replace(&mut self.is_full, !all_taken) {
            self.heard = now;
            self.asked = self.asked.and(Some(now));
        } else {
            self.is_full |= !all_taken;
        }
    }

    /// Nothing more can be sent. This is not the end: the server may have said why it closed, and reading comes to that.
    pub fn cannot_send(&mut self) {
        self.cannot_send = true;
    }

    /// How many bytes may be received now.
    pub fn receive_room(&mut self) -> usize {
        self.server.input().space().len()
    }

    /// Takes in bytes, no more than there is room for.
    pub fn received(&mut self, bytes: &[u8], now: Instant) {
        let taken = self.server.input().feed(bytes);
        debug_assert_eq!(taken, bytes.len(), "there was no room for these");
        self.hear(now);
    }

    /// The server is there, or is not being listened to.
    pub fn hear(&mut self, now: Instant) {
        self.heard = now;
        self.asked = None;
    }

    /// Asks for a sign of life when there was none for a while.
    ///
    /// # Errors
    /// The server was asked, and gave none in the rest of the time that there may be none.
    pub fn probe(&mut self, now: Instant) -> Result<(), Silent> {
        match self.asked {
            Some(_) if now >= self.probe_at() => Err(Silent),
            None if now >= self.probe_at() => {
                self.server.ask(&Request::Ping { payload: &[] }, Asked::silently(Awaits::Pong));
                self.asked = Some(now);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// When [`Connection::probe`] is due again.
    pub fn probe_at(&self) -> Instant {
        match self.asked {
            Some(asked) => asked + answer_within(self.silence_max),
            None => self.heard + ask_after(self.silence_max),
        }
    }
}

#[cfg(test)]
mod tests {
    use forum_common::wire::{Event, Notice};

    use super::*;

    const SILENCE_MAX: Duration = Duration::from_secs(90);
    const PING_AFTER: Duration = Duration::from_secs(25);

    fn connection() -> (Connection, Instant) {
        let now = Instant::now();
        (Connection::new(SILENCE_MAX, now), now)
    }

    #[test]
    fn a_silent_server_is_asked_once_and_then_given_up() {
        let (mut connection, start) = connection();
        connection.probe(start + PING_AFTER / 2).unwrap();
        assert!(connection.unsent().is_empty());
        let asked = connection.probe_at();
        assert_eq!(asked, start + PING_AFTER);
        connection.probe(asked).unwrap();
        let length = connection.unsent().len();
        assert!(length > 0);
        connection.probe(asked + PING_AFTER).unwrap();
        assert_eq!(connection.unsent().len(), length);
        assert_eq!(connection.probe_at(), start + SILENCE_MAX);
        assert_eq!(connection.probe(connection.probe_at()), Err(Silent));
    }

    #[test]
    fn a_short_silence_is_halved() {
        assert_eq!(ask_after(Duration::from_secs(8)), Duration::from_secs(4));
        assert_eq!(answer_within(SILENCE_MAX), Duration::from_secs(65));
    }

    #[test]
    fn a_server_that_takes_what_was_held_up_is_alive_and_one_that_takes_nothing_is_not() {
        let (mut connection, start) = connection();
        connection.server.tell(&Request::Active);
        connection.sent(1, false, start);
        connection.probe(start + PING_AFTER).unwrap();
        // The ping waits for a file that moves slowly.
        let late = start + SILENCE_MAX - Duration::from_secs(1);
        connection.sent(1, true, late);
        connection.probe(start + SILENCE_MAX).unwrap();
        assert_eq!(connection.probe_at(), late + (SILENCE_MAX - PING_AFTER));
        // What a kernel takes that was not full proves nothing.
        connection.sent(1, true, late + PING_AFTER);
        assert_eq!(connection.probe_at(), late + (SILENCE_MAX - PING_AFTER));
        // Nor does that it still takes nothing.
        connection.sent(0, false, late + PING_AFTER);
        connection.sent(0, false, late + PING_AFTER);
        assert_eq!(connection.probe(late + SILENCE_MAX), Err(Silent));
    }

    #[test]
    fn any_byte_is_a_sign_of_life() {
        let (mut connection, start) = connection();
        connection.probe(start + PING_AFTER).unwrap();
        let heard = start + PING_AFTER * 3;
        connection.received(&[0], heard);
        connection.probe(heard).unwrap();
        assert_eq!(connection.probe_at(), heard + PING_AFTER);
    }

    #[test]
    fn what_the_server_said_before_closing_is_still_read() {
        let (mut connection, now) = connection();
        connection.server.tell(&Request::Active);
        connection.cannot_send();
        assert!(connection.unsent().is_empty());
        connection.received(&[0, 0, 0, 5, 0xc8, 0, 0, 0, 0], now);
        assert!(matches!(connection.server.next_event(), Ok(Some(Event::Notice(Notice::Probe)))));
    }
}
