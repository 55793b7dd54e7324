//! One end of a connection without any I/O: bytes go in, events come out; requests go in, bytes come out.
//!
//! It gives each request its tag, remembers what the caller wants to know when the answer comes, and insists
//! on the order of answers. The shells around it do the reading and writing: blocking, with `poll`, or with mio.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt;

use zeroize::{Zeroize, Zeroizing};

use super::field::Malformed;
use super::frame::{Frame, FrameError, NO_TAG, Tag};
use super::input::Input;
use super::messages::kinds;
use super::replies::{Notice, OwnedNotice, OwnedReply, Reply};
use super::requests::{OwnedTransfer, Request, Transfer};
use crate::limits::FRAME_BYTES_MAX;
use crate::wiping;

/// Whatever a server sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FromServer<'a> {
    /// An answer, or an item of one.
    Reply(Tag, Reply<'a>),
    /// A piece of a file, or what controls the pieces.
    Transfer(Tag, Transfer<'a>),
    /// What nobody asked for.
    Notice(Notice<'a>),
}

/// [`FromServer`] with memory of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnedFromServer {
    /// An answer, or an item of one.
    Reply(Tag, OwnedReply),
    /// A piece of a file, or what controls the pieces.
    Transfer(Tag, OwnedTransfer),
    /// What nobody asked for.
    Notice(OwnedNotice),
}

impl<'a> FromServer<'a> {
    /// Reads a frame of a server.
    ///
    /// # Errors
    /// No server of this version sends it.
    #[inline]
    pub fn decode(frame: &Frame<'a>) -> Result<Self, Malformed> {
        match frame.kind {
            0x40..=0x4f => Transfer::decode(frame).map(|transfer| Self::Transfer(frame.tag, transfer)),
            0xc0.. => Notice::decode(frame).map(Self::Notice),
            _ => Reply::decode(frame).map(|reply| Self::Reply(frame.tag, reply)),
        }
    }

    /// Copies it out of its frame.
    pub fn owned(self) -> OwnedFromServer {
        match self {
            Self::Reply(tag, reply) => OwnedFromServer::Reply(tag, reply.owned()),
            Self::Transfer(tag, transfer) => OwnedFromServer::Transfer(tag, transfer.owned()),
            Self::Notice(notice) => OwnedFromServer::Notice(notice.owned()),
        }
    }
}

/// Why the other end can't be understood any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProtocolError {
    /// The stream can't be cut into frames.
    Frame(FrameError),
    /// A frame can't be read.
    Malformed(Malformed),
    /// An answer to nothing that was asked, or out of its turn.
    OutOfOrder(Tag),
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame(error) => error.fmt(f),
            Self::Malformed(error) => error.fmt(f),
            Self::OutOfOrder(tag) => write!(f, "An answer to request {tag}, which is not the next one"),
        }
    }
}

impl std::error::Error for ProtocolError {}

impl From<FrameError> for ProtocolError {
    fn from(error: FrameError) -> Self {
        Self::Frame(error)
    }
}

impl From<Malformed> for ProtocolError {
    fn from(error: Malformed) -> Self {
        Self::Malformed(error)
    }
}

/// What has come, and what the caller noted of the request that it belongs to.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'p, T> {
    /// An item of the list that answers a request; more follows.
    Item(Tag, &'p mut T, Reply<'p>),
    /// The last word on a request: its answer, or the end of the list or transfer that is its answer.
    Answer(Tag, T, Reply<'p>),
    /// A transfer may begin; the request goes on as that.
    Starts(Tag, &'p mut T, Reply<'p>),
    /// A frame of a transfer.
    Transfer(Tag, &'p mut T, Transfer<'p>),
    /// The last frame of a download.
    Downloaded(Tag, T, Transfer<'p>),
    /// What nobody asked for.
    Notice(Notice<'p>),
}

/// Room for a frame that holds passwords, three of 128 bytes at most.
const SECRET_FRAME_BYTES: usize = 1_024;

/// A client's end of a connection. `T` is what it notes of each request.
#[derive(Debug)]
pub struct Peer<T> {
    input: Input,
    output: Zeroizing<Vec<u8>>,
    /// Bytes at the front of the output that have gone.
    sent: usize,
    /// The output holds a secret, which is wiped when it has gone.
    has_secret: bool,
    last_tag: Tag,
    /// Requests whose answer has not ended, in order.
    unanswered: VecDeque<(Tag, T)>,
    /// Requests that go on as transfers. They are few.
    transfers: Vec<(Tag, T)>,
}

impl<T> Default for Peer<T> {
    fn default() -> Self {
        Self {
            input: Input::default(),
            output: Zeroizing::default(),
            sent: 0,
            has_secret: false,
            last_tag: NO_TAG,
            unanswered: VecDeque::new(),
            transfers: Vec::new(),
        }
    }
}

impl<T> Peer<T> {
    /// Queues a request that is answered, and notes `note` with it; its tag.
    pub fn ask(&mut self, request: &Request<'_>, note: T) -> Tag {
        debug_assert!(request.is_answered(), "{} has no answer", request.name());
        let tag = self.tell(request);
        self.unanswered.push_back((tag, note));
        tag
    }

    /// Queues a request that is not answered; its tag.
    pub fn tell(&mut self, request: &Request<'_>) -> Tag {
        self.last_tag = self.last_tag.checked_add(1).unwrap_or(NO_TAG + 1);
        let is_secret = holds_secret(request);
        self.has_secret |= is_secret;
        self.make_room(if is_secret { SECRET_FRAME_BYTES } else { FRAME_BYTES_MAX });
        request.encode(self.last_tag, &mut self.output);
        self.last_tag
    }

    /// Queues a frame of a transfer.
    pub fn transfer(&mut self, tag: Tag, transfer: &Transfer<'_>) {
        self.make_room(FRAME_BYTES_MAX);
        transfer.encode(tag, &mut self.output);
    }

    /// Makes room for a frame before it is written, so that no copy of a secret is left where the output was.
    fn make_room(&mut self, bytes: usize) {
        if self.has_secret {
            wiping::reserve(&mut self.output, bytes);
        }
    }

    /// Bytes that are to be sent.
    pub fn unsent(&self) -> &[u8] {
        &self.output[self.sent..]
    }

    /// Says that the first `count` of them have gone.
    pub fn sent(&mut self, count: usize) {
        self.sent += count;
        if self.sent == self.output.len() {
            if std::mem::take(&mut self.has_secret) {
                self.output.zeroize();
            }
            self.output.clear();
            self.sent = 0;
        } else if self.sent > self.output.len() / 2 {
            match self.has_secret {
                true => wiping::drop_front(&mut self.output, self.sent),
                false => drop(self.output.drain(..self.sent)),
            }
            self.sent = 0;
        }
    }

    /// Where bytes from the other end go.
    pub fn input(&mut self) -> &mut Input {
        &mut self.input
    }

    /// Requests that are not answered to the end, transfers included.
    pub fn unanswered(&self) -> impl Iterator<Item = &T> {
        self.unanswered.iter().chain(&self.transfers).map(|(_, note)| note)
    }

    /// The same with their tags, to be changed.
    pub fn unanswered_mut(&mut self) -> impl Iterator<Item = (Tag, &mut T)> {
        self.unanswered.iter_mut().chain(&mut self.transfers).map(|(tag, note)| (*tag, note))
    }

    /// All notes of what will not be answered any more, in the order of the requests.
    pub fn into_unanswered(self) -> impl Iterator<Item = (Tag, T)> {
        let mut unanswered: Vec<_> = self.unanswered.into_iter().chain(self.transfers).collect();
        unanswered.sort_by_key(|(tag, _)| *tag);
        unanswered.into_iter()
    }

    /// Whether an event has come.
    ///
    /// # Errors
    /// The stream can't be cut into frames.
    pub fn has_event(&mut self) -> Result<bool, ProtocolError> {
        // Frames of a transfer that is over are skipped: the other end could not know.
        while let Some(Frame { kind: 0x40..=0x4f, tag, .. }) = self.input.peek()?
            && !self.transfers.iter().any(|(other, _)| *other == tag)
        {
            self.input.take()?;
        }
        Ok(self.input.peek()?.is_some())
    }

    /// What has come next; `None`: more bytes have to come first.
    ///
    /// # Errors
    /// The other end does not speak this protocol, and the connection is to be closed.
    pub fn next_event(&mut self) -> Result<Option<Event<'_, T>>, ProtocolError> {
        if !self.has_event()? {
            return Ok(None);
        }
        let Self { input, unanswered, transfers, .. } = self;
        let Some(frame) = input.peek()? else { return Ok(None) };
        let known = match frame.kind {
            0x40..=0xbf => place(unanswered, transfers, frame.tag)?,
            _ => Place::None,
        };
        let Some(frame) = input.take()? else { return Ok(None) };
        Ok(Some(match (FromServer::decode(&frame)?, known) {
            (FromServer::Notice(notice), _) => Event::Notice(notice),
            (FromServer::Transfer(tag, transfer), Place::Transfer(at)) => {
                if frame.kind == kinds::DataEnd {
                    Event::Downloaded(tag, transfers.swap_remove(at).1, transfer)
                } else {
                    Event::Transfer(tag, &mut transfers[at].1, transfer)
                }
            }
            (FromServer::Reply(tag, reply), Place::Transfer(at)) => {
                Event::Answer(tag, transfers.swap_remove(at).1, reply)
            }
            (FromServer::Reply(tag, reply), Place::Front) => answer(unanswered, transfers, tag, reply)?,
            (FromServer::Reply(tag, _) | FromServer::Transfer(tag, _), _) => {
                return Err(ProtocolError::OutOfOrder(tag));
            }
        }))
    }
}

/// Whether it carries a password.
fn holds_secret(request: &Request<'_>) -> bool {
    matches!(
        request,
        Request::Password { .. }
            | Request::SignUp { .. }
            | Request::ChangePassword { .. }
            | Request::ShutDown { .. }
    )
}

/// Which request a frame belongs to.
enum Place {
    /// None.
    None,
    /// The oldest that is unanswered.
    Front,
    /// The transfer with this index.
    Transfer(usize),
}

fn place<T>(
    unanswered: &VecDeque<(Tag, T)>,
    transfers: &[(Tag, T)],
    tag: Tag,
) -> Result<Place, ProtocolError> {
    if unanswered.front().is_some_and(|(front, _)| *front == tag) {
        return Ok(Place::Front);
    }
    let at = transfers.iter().position(|(other, _)| *other == tag);
    at.map(Place::Transfer).ok_or(ProtocolError::OutOfOrder(tag))
}

/// A reply to the oldest request.
fn answer<'p, T>(
    unanswered: &'p mut VecDeque<(Tag, T)>,
    transfers: &'p mut Vec<(Tag, T)>,
    tag: Tag,
    reply: Reply<'p>,
) -> Result<Event<'p, T>, ProtocolError> {
    if reply.is_item() {
        let (_, note) = unanswered.front_mut().ok_or(ProtocolError::OutOfOrder(tag))?;
        return Ok(Event::Item(tag, note, reply));
    }
    let (_, note) = unanswered.pop_front().ok_or(ProtocolError::OutOfOrder(tag))?;
    if !matches!(reply, Reply::UploadStarts { .. } | Reply::DownloadStarts { .. }) {
        return Ok(Event::Answer(tag, note, reply));
    }
    transfers.push((tag, note));
    match transfers.last_mut() {
        Some((_, note)) => Ok(Event::Starts(tag, note, reply)),
        None => Err(ProtocolError::OutOfOrder(tag)),
    }
}
