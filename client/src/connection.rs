//! The connection to the server: bytes in, bytes out, and frames cut out of them.
//!
//! It knows sockets and frames and refuses to know what a request or a reply means to the user.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use forum_common::frame::{Decoder, Frame, NO_TAG, Tag};
use forum_common::link::{LinkNotice, LinkRequest};
use forum_common::notice::Notice;
use forum_common::reader::Malformed;
use forum_common::reply::Reply;
use forum_common::request::Request;
use forum_common::transfer::Transfer;
use rustix::event::PollFlags;
use rustix::net::sockopt;

/// Bytes taken from the socket at a time; also what a turn of the loop may spend on the server.
const READ_BYTES: usize = 65_536;

/// Bytes that wait in the outbox when files stop adding to it. What else is to be sent waits behind them, so they
/// are few.
const AHEAD_BYTES: usize = 256 << 10;

/// What waits to be sent, and the tags that requests get.
#[derive(Debug, Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    last_tag: Tag,
}

impl Outbox {
    /// Queues a request; the tag that its answer will carry.
    pub fn ask(&mut self, request: &Request<'_>) -> Tag {
        let tag = self.next_tag();
        request.encode(tag, &mut self.bytes);
        tag
    }

    /// Queues what there is to say about a link; the tag that its answer, if it has one, will carry.
    pub fn link(&mut self, request: &LinkRequest<'_>) -> Tag {
        let tag = self.next_tag();
        request.encode(tag, &mut self.bytes);
        tag
    }

    /// Queues a frame of a transfer.
    pub fn transfer(&mut self, tag: Tag, transfer: &Transfer<'_>) {
        transfer.encode(tag, &mut self.bytes);
    }

    /// Whether there is room for more of a file.
    pub fn has_room(&self) -> bool {
        self.bytes.len() < AHEAD_BYTES
    }

    fn next_tag(&mut self) -> Tag {
        self.last_tag = self.last_tag.checked_add(1).unwrap_or(NO_TAG + 1);
        self.last_tag
    }

    /// What waits.
    pub fn unsent(&self) -> &[u8] {
        &self.bytes
    }

    /// Notes that the first `count` bytes have gone.
    pub fn sent(&mut self, count: usize) {
        self.bytes.drain(..count);
    }
}

/// One frame of the server, understood.
#[derive(Debug)]
pub enum Incoming<'a> {
    /// An answer.
    Reply(Tag, Reply<'a>),
    /// Part of a file, or credit for one.
    Transfer(Tag, Transfer<'a>),
    /// What nobody asked for.
    Notice(Notice<'a>),
    /// What there is to know of a link.
    Link(Tag, LinkNotice<'a>),
}

impl<'a> Incoming<'a> {
    /// Reads a frame.
    ///
    /// # Errors
    /// No server of this version sends it.
    pub fn decode(frame: &Frame<'a>) -> Result<Self, Malformed> {
        if Notice::is_kind(frame.kind) {
            Ok(Self::Notice(Notice::decode(frame)?))
        } else if Transfer::is_kind(frame.kind) {
            Ok(Self::Transfer(frame.tag, Transfer::decode(frame)?))
        } else if LinkNotice::is_kind(frame.kind) {
            Ok(Self::Link(frame.tag, LinkNotice::decode(frame)?))
        } else {
            Ok(Self::Reply(frame.tag, Reply::decode(frame)?))
        }
    }
}

/// The connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    /// What came and has not been read.
    pub decoder: Decoder,
    /// What waits to be sent.
    pub outbox: Outbox,
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
        // The probe finds a server that has vanished; what was sent to it need not be kept longer than that.
        let user_timeout_ms = u32::try_from(silence_max.as_millis()).unwrap_or(u32::MAX);
        sockopt::set_tcp_user_timeout(&stream, user_timeout_ms)?;
        Ok(Self {
            stream,
            decoder: Decoder::default(),
            outbox: Outbox::default(),
            heard: now,
            asked: None,
            silence_max,
            is_full: false,
            deaf: false,
        })
    }

    /// Whether there is something to be sent when the socket takes it.
    pub fn wants_to_write(&self) -> bool {
        !self.deaf && !self.outbox.bytes.is_empty()
    }

    /// What to poll for; `has_more`: something would be put into the outbox if it had room.
    pub fn interest(&self, has_more: bool) -> PollFlags {
        let writes = self.wants_to_write() || (has_more && !self.deaf);
        if writes { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN }
    }

    /// Sends what the socket takes. A failure is not reported here: the server may have said why it
    /// closed, and reading comes to that first.
    pub fn write(&mut self, now: Instant) {
        while self.wants_to_write() {
            match self.stream.write(&self.outbox.bytes) {
                Ok(count) => {
                    self.outbox.sent(count);
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

    /// Takes in what has come, up to a share.
    ///
    /// # Errors
    /// The connection is over, regularly (`UnexpectedEof`) or not.
    pub fn read(&mut self, now: Instant) -> io::Result<()> {
        let mut bytes = [0; READ_BYTES];
        match self.stream.read(&mut bytes) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                self.decoder.feed(&bytes[..count]);
                self.heard = now;
                self.asked = None;
                Ok(())
            }
            Err(error) if is_passing(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Asks for a sign of life when there was none for half of the time that there may be none.
    ///
    /// # Errors
    /// The server was asked, and gave none in the other half.
    pub fn probe(&mut self, now: Instant) -> io::Result<()> {
        match self.asked {
            Some(_) if now >= self.probe_at() => Err(io::ErrorKind::TimedOut.into()),
            None if now >= self.probe_at() => {
                self.outbox.ask(&Request::Ping(&[]));
                self.asked = Some(now);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// When [`Connection::probe`] is due again.
    pub fn probe_at(&self) -> Instant {
        self.asked.unwrap_or(self.heard) + self.silence_max / 2
    }
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

    use rustix::event::{PollFd, Timespec, poll};
    use rustix::io::retry_on_intr;

    use super::*;

    const SILENCE_MAX: Duration = Duration::from_secs(60);
    const PING_AFTER: Duration = Duration::from_secs(30);

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
    fn tags_count_up_and_are_never_zero() {
        let mut outbox = Outbox { bytes: Vec::new(), last_tag: u32::MAX - 1 };
        let tags = [(); 3].map(|()| outbox.ask(&Request::ListThreads));
        assert_eq!(tags, [u32::MAX, 1, 2]);
    }

    #[test]
    fn a_silent_server_is_asked_once_and_then_given_up() {
        let (mut connection, _server, start) = pair();
        connection.probe(start + PING_AFTER / 2).unwrap();
        assert!(!connection.wants_to_write());
        let asked = connection.probe_at();
        connection.probe(asked).unwrap();
        assert!(connection.wants_to_write());
        let length = connection.outbox.unsent().len();
        connection.probe(asked + PING_AFTER / 2).unwrap();
        assert_eq!(connection.outbox.unsent().len(), length);
        assert_eq!(connection.probe_at(), start + SILENCE_MAX);
        let error = connection.probe(connection.probe_at()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    /// Fills the kernel until it takes no more.
    fn fill(connection: &mut Connection, now: Instant) {
        while !connection.is_full {
            connection.outbox.ask(&Request::Ping(&[0; 1_024]));
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
        assert_eq!(connection.probe_at(), late + PING_AFTER);
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
        server.write_all(&[0, 0, 0, 5, 0x88, 0, 0, 0, 1]).unwrap();
        drop(server);
        connection.outbox.ask(&Request::ListThreads);
        connection.write(now);
        connection.outbox.ask(&Request::ListThreads);
        connection.write(now);
        readable(&connection);
        connection.read(now).unwrap();
        let frame = connection.decoder.next_frame().unwrap().unwrap();
        assert!(matches!(Incoming::decode(&frame), Ok(Incoming::Reply(1, Reply::EndOfList))));
    }
}
