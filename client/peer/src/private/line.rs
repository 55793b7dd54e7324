//! The TCP connection of a private session: the line between the two once one has called the other.
//!
//! It knows sockets and the messages between clients of `forum_common::wire`. It knows nothing of users, of the server and of what is
//! printed. Nothing here waits: sockets are nonblocking, and somebody else polls them.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;

use forum_common::limits::HEADER_BYTES;
use forum_common::names::Text;
use forum_common::wire::{Direct, Frame, Input, NO_TAG};
use rustix::event::{PollFd, PollFlags};

use super::keepalive::keep_alive;
use crate::is_passing;
use crate::noise::{Handshake, Keys, Secret, TAG_BYTES};

/// Bytes that may wait for a peer that does not read. Past it, nothing more is said: the user is told.
const UNSENT_BYTES_MAX: usize = 256 << 10;

/// What the peer said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// The peer is who it should be, and knows that we are.
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
    cipher: Cipher,
    input: Input,
    unsent: Vec<u8>,
    /// Nothing more will be sent, and once `unsent` has gone, the peer is to see that.
    hung_up: bool,
    /// The peer takes no more, or has broken the rules: nothing can be said any more.
    broken: bool,
}

/// What only the two ends can read.
#[derive(Debug)]
enum Cipher {
    /// The other end has yet to answer the handshake.
    Awaiting(Handshake),
    /// The keys, and how many messages each end has sealed: the number of the next.
    Keys { keys: Keys, said: u64, heard: u64 },
    /// What the other end said is no handshake.
    Broken,
}

impl Line {
    /// The line of the end that has connected; it begins the handshake.
    ///
    /// # Errors
    /// The kernel refuses an option, or has no random numbers.
    pub(super) fn calling(stream: TcpStream, secret: &Secret) -> io::Result<Self> {
        let mut handshake = secret.begin()?;
        let first = handshake.write(&[])?;
        let mut line = Self::over(stream, Cipher::Awaiting(handshake))?;
        line.put(&Direct::Handshake { message: &first });
        Ok(line)
    }

    /// The line of the end at which somebody has said this first message.
    ///
    /// # Errors
    /// It is a stranger's, or the kernel refuses something.
    pub(super) fn answering(stream: TcpStream, secret: &Secret, first: &[u8]) -> io::Result<Self> {
        let mut handshake = secret.await_other()?;
        handshake.read(first).ok_or(ErrorKind::InvalidData)?;
        let second = handshake.write(&[])?;
        let mut line = Self::over(stream, Cipher::Keys { keys: handshake.finish()?, said: 0, heard: 0 })?;
        line.put(&Direct::Handshake { message: &second });
        Ok(line)
    }

    fn over(stream: TcpStream, cipher: Cipher) -> io::Result<Self> {
        keep_alive(&stream)?;
        Ok(Self {
            stream,
            cipher,
            input: Input::default(),
            unsent: Vec::new(),
            hung_up: false,
            broken: false,
        })
    }

    /// The keys of both ends, once there are any.
    pub(super) fn keys(&self) -> Option<&Keys> {
        match &self.cipher {
            Cipher::Keys { keys, .. } => Some(keys),
            Cipher::Awaiting(_) | Cipher::Broken => None,
        }
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
            self.seal(&Direct::PrivateText { text });
        }
        has_room
    }

    /// Tells the peer that its counterpart has stopped the session, and hangs up.
    pub(super) fn say_bye(&mut self) {
        self.seal(&Direct::Bye);
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

    /// Sends a message that only the other end can read.
    fn seal(&mut self, message: &Direct<'_>) {
        let Cipher::Keys { keys, said, .. } = &mut self.cipher else { return };
        let plain = plain(message);
        let mut ciphertext = vec![0; plain.len() + TAG_BYTES];
        keys.seal(*said, &plain, &mut ciphertext);
        *said += 1;
        self.put(&Direct::Sealed { ciphertext: &ciphertext });
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
        match (Direct::decode(&frame).map_err(|_| Nonsense)?, &mut self.cipher) {
            (Direct::Sealed { ciphertext }, Cipher::Keys { keys, heard, .. }) => {
                let mut plain = vec![0; ciphertext.len()];
                let bytes = keys.open(*heard, ciphertext, &mut plain).ok_or(Nonsense)?;
                *heard += 1;
                meant(&plain[..bytes]).map(Some)
            }
            (Direct::Handshake { message }, cipher @ Cipher::Awaiting(_)) => {
                let Cipher::Awaiting(mut handshake) = std::mem::replace(cipher, Cipher::Broken) else {
                    return Err(Nonsense);
                };
                handshake.read(message).ok_or(Nonsense)?;
                let keys = handshake.finish().map_err(|_| Nonsense)?;
                *cipher = Cipher::Keys { keys, said: 0, heard: 0 };
                self.seal(&Direct::Ready);
                Ok(Some(Heard::Ready))
            }
            _ => Err(Nonsense),
        }
    }
}

/// What is sealed of a message: the kind and the body. Lengths and tags are those of the frame around it.
pub(super) fn plain(message: &Direct<'_>) -> Vec<u8> {
    let mut frame = Vec::new();
    message.encode(NO_TAG, &mut frame);
    [&[message.kind()], &frame[HEADER_BYTES..]].concat()
}

/// What a sealed message says.
///
/// # Errors
/// No peer says that.
pub(super) fn meant(plain: &[u8]) -> Result<Heard, Nonsense> {
    let (kind, body) = plain.split_first().ok_or(Nonsense)?;
    match Direct::decode(&Frame { kind: *kind, tag: NO_TAG, body }).map_err(|_| Nonsense)? {
        Direct::Ready => Ok(Heard::Ready),
        Direct::PrivateText { text } => match Text::parse(text) {
            Ok(_) => Ok(Heard::Text(text.to_owned())),
            Err(_) => Err(Nonsense),
        },
        Direct::Bye => Ok(Heard::Bye),
        Direct::Handshake { .. } | Direct::Sealed { .. } => Err(Nonsense),
    }
}

/// The peer said what no peer says.
#[derive(Debug)]
pub(super) struct Nonsense;

#[cfg(test)]
mod tests;
