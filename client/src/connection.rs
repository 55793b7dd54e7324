//! The connection to the server: a socket that is polled, and a [`Peer`] that speaks the protocol over it.
//!
//! It knows bytes and signs of life, and nothing of what a request or a reply means to the user.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use forum_common::wire::{Peer, Request};
use rustix::event::PollFlags;
use rustix::net::sockopt;

use crate::asked::{Asked, Awaits};

/// How long the server may be silent before it is asked for a sign of life; at most half of what it may be in all.
const ASK_AFTER: Duration = Duration::from_secs(25);

/// Bytes that wait to be sent when files stop adding to them. What else is to be sent waits behind them, so they
/// are few.
const AHEAD_BYTES: usize = 256 << 10;

/// The server, as it is spoken to. While there is no connection, what is said to it goes nowhere.
pub type Server = Peer<Asked>;

/// Whether there is room for more of a file among what waits to be sent.
pub fn has_room(server: &Server) -> bool {
    server.unsent().len() < AHEAD_BYTES
}

/// The connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    /// What is said over it.
    pub server: Server,
    /// When the server was last heard.
    heard: Instant,
    /// When it was asked for a sign of life that has not come.
    asked: Option<Instant>,
    /// How long it may give none.
    silence_max: Duration,
    /// The kernel took no more when something was last written.
    is_full: bool,
    /// Writing failed: what the server still had to say is read, but nothing is sent.
    deaf: bool,
}

impl Connection {
    /// Takes over a connected, nonblocking socket, to a server that is given up when it has given no sign of life
    /// for `silence_max`.
    ///
    /// # Errors
    /// The kernel refuses an option.
    pub fn new(stream: TcpStream, silence_max: Duration, now: Instant) -> io::Result<Self> {
        sockopt::set_tcp_nodelay(&stream, true)?;
        // The ping finds a server that has vanished: the kernel gives it up when nothing acknowledges that. Its own
        // keepalive is not needed.
        let answer_within = silence_max - ask_after(silence_max);
        let user_timeout_ms = u32::try_from(answer_within.as_millis()).unwrap_or(u32::MAX);
        sockopt::set_tcp_user_timeout(&stream, user_timeout_ms)?;
        Ok(Self {
            stream,
            server: Server::default(),
            heard: now,
            asked: None,
            silence_max,
            is_full: false,
            deaf: false,
        })
    }

    /// Whether there is something to be sent when the socket takes it.
    pub fn wants_to_write(&self) -> bool {
        !self.deaf && !self.server.unsent().is_empty()
    }

    /// What to poll for; `has_more`: something would be added to what waits if there was room.
    pub fn interest(&self, has_more: bool) -> PollFlags {
        let writes = self.wants_to_write() || (has_more && !self.deaf);
        if writes { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN }
    }

    /// Sends what the socket takes. A failure is not reported here: the server may have said why it
    /// closed, and reading comes to that first.
    pub fn write(&mut self, now: Instant) {
        while self.wants_to_write() {
            match self.stream.write(self.server.unsent()) {
                Ok(count) => {
                    self.server.sent(count);
                    self.noted_progress(now);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.is_full = true;
                    return;
                }
                Err(_) => self.deaf = true,
            }
        }
    }

    /// A kernel that was full takes bytes again because the other end has taken some, which is a sign of life: a
    /// file may be on a slow way, and the ping behind it.
    fn noted_progress(&mut self, now: Instant) {
        if std::mem::take(&mut self.is_full) {
            self.heard = now;
            self.asked = self.asked.and(Some(now));
        }
    }

    /// Takes in what has come, up to a frame. Take all events before the next read.
    ///
    /// # Errors
    /// The connection is over, regularly (`UnexpectedEof`) or not.
    pub fn read(&mut self, now: Instant) -> io::Result<()> {
        match self.stream.read(self.server.input().space()) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                self.server.input().filled(count);
                self.heard = now;
                self.asked = None;
                Ok(())
            }
            Err(error) if is_passing(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Asks for a sign of life when there was none for a while.
    ///
    /// # Errors
    /// The server was asked, and gave none in the rest of the time that there may be none.
    pub fn probe(&mut self, now: Instant) -> io::Result<()> {
        match self.asked {
            Some(_) if now >= self.probe_at() => Err(io::ErrorKind::TimedOut.into()),
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
            Some(asked) => asked + (self.silence_max - ask_after(self.silence_max)),
            None => self.heard + ask_after(self.silence_max),
        }
    }
}

/// When a server that may be silent for so long is asked for a sign of life.
fn ask_after(silence_max: Duration) -> Duration {
    ASK_AFTER.min(silence_max / 2)
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// Whether a socket only had nothing to say, or took nothing, at this moment.
pub(crate) fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use forum_common::wire::{Event, Notice};
    use rustix::event::{PollFd, Timespec, poll};
    use rustix::io::retry_on_intr;

    use super::*;

    const SILENCE_MAX: Duration = Duration::from_secs(90);
    const PING_AFTER: Duration = Duration::from_secs(25);

    fn pair() -> (Connection, TcpStream, Instant) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let now = Instant::now();
        stream.set_nonblocking(true).unwrap();
        (Connection::new(stream, SILENCE_MAX, now).unwrap(), listener.accept().unwrap().0, now)
    }

    /// Waits until something has come.
    fn readable(connection: &Connection) {
        let deadline = Timespec { tv_sec: 60, tv_nsec: 0 };
        let mut fds = [PollFd::new(connection, PollFlags::IN)];
        assert_eq!(retry_on_intr(|| poll(&mut fds, Some(&deadline))).unwrap(), 1, "nothing came");
    }

    #[test]
    fn a_silent_server_is_asked_once_and_then_given_up() {
        let (mut connection, _server, start) = pair();
        connection.probe(start + PING_AFTER / 2).unwrap();
        assert!(!connection.wants_to_write());
        let asked = connection.probe_at();
        connection.probe(asked).unwrap();
        assert!(connection.wants_to_write());
        let length = connection.server.unsent().len();
        connection.probe(asked + PING_AFTER).unwrap();
        assert_eq!(connection.server.unsent().len(), length);
        assert_eq!(connection.probe_at(), start + SILENCE_MAX);
        let error = connection.probe(connection.probe_at()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    /// Fills the kernel until it takes no more.
    fn fill(connection: &mut Connection, now: Instant) {
        while !connection.is_full {
            connection.server.tell(&Request::Ping { payload: &[0; 1_024] });
            connection.write(now);
        }
    }

    #[test]
    fn a_server_that_takes_what_was_held_up_is_alive_and_one_that_takes_nothing_is_not() {
        let (mut connection, mut server, start) = pair();
        fill(&mut connection, start);
        connection.probe(start + PING_AFTER).unwrap();
        // The ping waits behind a file that moves slowly.
        let late = start + SILENCE_MAX - Duration::from_secs(1);
        let mut bytes = [0; 65_536];
        while connection.is_full {
            assert!(server.read(&mut bytes).unwrap() > 0);
            connection.write(late);
        }
        connection.probe(start + SILENCE_MAX).unwrap();
        assert_eq!(connection.probe_at(), late + (SILENCE_MAX - PING_AFTER));
        // What a kernel takes that was not full proves nothing.
        let (mut connection, _server, start) = pair();
        connection.probe(start + PING_AFTER).unwrap();
        connection.write(late);
        fill(&mut connection, late);
        assert_eq!(connection.probe(start + SILENCE_MAX).unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn any_byte_is_a_sign_of_life() {
        let (mut connection, mut server, start) = pair();
        connection.probe(start + PING_AFTER).unwrap();
        server.write_all(&[0]).unwrap();
        let heard = start + PING_AFTER * 3;
        readable(&connection);
        connection.read(heard).unwrap();
        connection.probe(heard).unwrap();
        assert_eq!(connection.probe_at(), heard + PING_AFTER);
    }

    #[test]
    fn what_the_server_said_before_closing_is_still_read() {
        let (mut connection, mut server, now) = pair();
        server.write_all(&[0, 0, 0, 5, 0xc8, 0, 0, 0, 0]).unwrap();
        drop(server);
        connection.server.tell(&Request::Active);
        connection.write(now);
        connection.server.tell(&Request::Active);
        connection.write(now);
        readable(&connection);
        connection.read(now).unwrap();
        assert!(matches!(connection.server.next_event(), Ok(Some(Event::Notice(Notice::Probe)))));
    }
}
