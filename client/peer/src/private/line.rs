//! The TCP connection of a private session: a door where the other end is awaited, and the line between the
//! two once it has come in.
//!
//! It knows sockets and the messages between clients of `forum_common::wire`. It knows nothing of users, of the server and of what is
//! printed. Nothing here waits: sockets are nonblocking, and somebody else polls them.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use forum_common::limits::HEADER_BYTES;
use forum_common::names::Text;
use forum_common::wire::field::KEY_BYTES;
use forum_common::wire::{Direct, Input, Key, NO_TAG};
use rustix::event::{PollFd, PollFlags};
use subtle::ConstantTimeEq;

use super::keepalive::keep_alive;
use crate::is_passing;

/// How long whoever comes to the door has to prove that the server has introduced it.
const PROVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Callers that may stand at the door at once. One is expected, and it has much to say for itself; for one
/// more, whoever has stood there longest is sent away.
const CALLERS_MAX: usize = 8;

/// Bytes of the frame that proves it. A stranger's are never more than these in memory.
const PROVE_BYTES: usize = HEADER_BYTES + KEY_BYTES;

/// Bytes that may wait for a peer that does not read. Past it, nothing more is said: the user is told.
const UNSENT_BYTES_MAX: usize = 256 << 10;

/// Where one peer is awaited.
#[derive(Debug)]
pub(super) struct Door {
    listener: TcpListener,
    token: Key,
    callers: Vec<Caller>,
}

/// Somebody who has not proved anything yet.
#[derive(Debug)]
struct Caller {
    stream: TcpStream,
    said: Input,
    until: Instant,
}

impl Door {
    /// Opens a door at any free port of this address, for whoever has the token.
    ///
    /// # Errors
    /// Those of the kernel.
    pub(super) fn open(address: IpAddr, token: Key) -> io::Result<Self> {
        let listener = TcpListener::bind((address, 0))?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener, token, callers: Vec::new() })
    }

    /// Its port.
    ///
    /// # Errors
    /// Those of the kernel.
    pub(super) fn port(&self) -> io::Result<u16> {
        self.listener.local_addr().map(|address| address.port())
    }

    /// What to poll for.
    pub(super) fn poll_fds<'a>(&'a self, fds: &mut Vec<PollFd<'a>>) {
        fds.push(PollFd::new(&self.listener, PollFlags::IN));
        fds.extend(self.callers.iter().map(|caller| PollFd::new(&caller.stream, PollFlags::IN)));
    }

    /// When somebody at the door has to be sent away.
    pub(super) fn due(&self) -> Option<Instant> {
        self.callers.iter().map(|caller| caller.until).min()
    }

    /// Lets in who proves to be the one. Whoever says anything else, or nothing for too long, is sent away
    /// without a word.
    pub(super) fn attend(&mut self, now: Instant) -> Option<Line> {
        for _ in 0..CALLERS_MAX {
            let Ok((stream, _)) = self.listener.accept() else { break };
            if stream.set_nonblocking(true).is_ok() {
                self.callers.push(Caller {
                    stream,
                    said: Input::new(PROVE_BYTES),
                    until: now + PROVE_TIMEOUT,
                });
            }
        }
        let mut proved = None;
        for mut caller in std::mem::take(&mut self.callers) {
            match caller.listen(&self.token) {
                Verdict::Unknown if now < caller.until => self.callers.push(caller),
                Verdict::Proved if proved.is_none() => proved = Line::answering(caller.stream).ok(),
                Verdict::Unknown | Verdict::Proved | Verdict::Stranger => {}
            }
        }
        let surplus = self.callers.len().saturating_sub(CALLERS_MAX);
        self.callers.drain(..surplus);
        proved
    }
}

/// What is known of a caller.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// It has not said enough.
    Unknown,
    /// It has the token.
    Proved,
    /// It has not, or is gone.
    Stranger,
}

impl Caller {
    fn listen(&mut self, token: &Key) -> Verdict {
        match self.stream.read(self.said.space()) {
            Ok(0) => return Verdict::Stranger,
            Ok(count) => self.said.filled(count),
            Err(error) if is_passing(&error) => {}
            Err(_) => return Verdict::Stranger,
        }
        match self.said.take().map(|frame| frame.map(|frame| Direct::decode(&frame))) {
            Ok(None) => Verdict::Unknown,
            Ok(Some(Ok(Direct::Prove { token: shown }))) if bool::from(shown.ct_eq(token)) => Verdict::Proved,
            _ => Verdict::Stranger,
        }
    }
}

/// What the peer said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// The peer knows that we are who we should be.
    Ready,
    /// A private message.
    Text(String),
    /// Its user has stopped the session.
    Bye,
}

/// The connection to a peer.
#[derive(Debug)]
pub(super) struct Line {
    stream: TcpStream,
    input: Input,
    unsent: Vec<u8>,
    /// Nothing more will be sent, and once `unsent` has gone, the peer is to see that.
    hung_up: bool,
    /// The peer takes no more, or has broken the rules: nothing can be said any more.
    broken: bool,
}

impl Line {
    /// The line of the end that has connected; it proves itself first.
    ///
    /// # Errors
    /// The kernel refuses an option.
    pub(super) fn calling(stream: TcpStream, token: Key) -> io::Result<Self> {
        let mut line = Self::over(stream)?;
        line.put(&Direct::Prove { token });
        Ok(line)
    }

    fn answering(stream: TcpStream) -> io::Result<Self> {
        let mut line = Self::over(stream)?;
        line.put(&Direct::Ready);
        Ok(line)
    }

    fn over(stream: TcpStream) -> io::Result<Self> {
        keep_alive(&stream)?;
        Ok(Self { stream, input: Input::default(), unsent: Vec::new(), hung_up: false, broken: false })
    }

    /// What to poll for.
    pub(super) fn poll_fd(&self) -> PollFd<'_> {
        let mut interest = PollFlags::IN;
        interest.set(PollFlags::OUT, !self.unsent.is_empty() && !self.broken);
        PollFd::from_borrowed_fd(self.stream.as_fd(), interest)
    }

    /// Sends a private message, or as much of it as the kernel takes now. Returns whether there was room for
    /// it; if not, the peer has left too much unread.
    #[must_use]
    pub(super) fn say(&mut self, text: &str) -> bool {
        let has_room = self.unsent.len() < UNSENT_BYTES_MAX;
        if has_room {
            self.put(&Direct::PrivateText { text });
        }
        has_room
    }

    /// Tells the peer that its counterpart has stopped the session, and hangs up.
    pub(super) fn say_bye(&mut self) {
        self.put(&Direct::Bye);
        self.hang_up();
    }

    /// Says nothing more. What was said before still goes out.
    pub(super) fn hang_up(&mut self) {
        self.hung_up = true;
        self.write();
    }

    /// Whether everything that was said has left.
    pub(super) fn is_flushed(&self) -> bool {
        self.unsent.is_empty() || self.broken
    }

    fn put(&mut self, message: &Direct<'_>) {
        message.encode(NO_TAG, &mut self.unsent);
        self.write();
    }

    fn write(&mut self) {
        while !self.is_flushed() {
            match self.stream.write(&self.unsent) {
                Ok(count) => drop(self.unsent.drain(..count)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // What the peer said before it went is read first; that read sees the end.
                Err(_) => self.broken = true,
            }
        }
        if self.hung_up {
            // One that can't be told so is gone.
            let _ = self.stream.shutdown(Shutdown::Write);
        }
    }

    /// Sends what waits and takes in what has come, up to a share. The second value is whether there may be
    /// more to come: a peer that has hung up, or says what no peer says, is heard no more.
    pub(super) fn attend(&mut self) -> (Vec<Heard>, bool) {
        self.write();
        let goes_on = match self.stream.read(self.input.space()) {
            Ok(count) => {
                self.input.filled(count);
                count > 0
            }
            Err(error) => is_passing(&error),
        };
        let mut heard = Vec::new();
        loop {
            match self.next_heard() {
                Ok(Some(next)) => heard.push(next),
                Ok(None) => return (heard, goes_on),
                Err(Nonsense) => return (heard, false),
            }
        }
    }

    fn next_heard(&mut self) -> Result<Option<Heard>, Nonsense> {
        let Some(frame) = self.input.take().map_err(|_| Nonsense)? else { return Ok(None) };
        match Direct::decode(&frame).map_err(|_| Nonsense)? {
            Direct::Ready => Ok(Some(Heard::Ready)),
            Direct::PrivateText { text } => match Text::parse(text) {
                Ok(_) => Ok(Some(Heard::Text(text.to_owned()))),
                Err(_) => Err(Nonsense),
            },
            Direct::Bye => Ok(Some(Heard::Bye)),
            Direct::Prove { .. } => Err(Nonsense),
        }
    }
}

/// The peer said what no peer says.
#[derive(Debug)]
struct Nonsense;

#[cfg(test)]
mod tests;
