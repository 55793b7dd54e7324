//! What one connection is still to be sent: pieces of its own, and a position in the feed.
//!
//! A piece remembers how far the feed had come when it was queued. The feed is sent up to there, then the piece: so
//! all that a client sees is in the order in which it was told.

use std::io::{self, ErrorKind, IoSlice, Write};

use super::queue::{Pool, Queue};
use crate::core::feed::{Feed, Listener, NEVER, Position, Slice, Topic};
use crate::forum::AccountId;

/// Slices handed to the kernel at once. A turn's notices are one slice; only answers among them make more.
const SLICES_MAX: usize = 32;
/// How far a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// There is none.
    Vacant,
    /// More may follow.
    Open,
    /// The last word is in: nothing may follow.
    Sealed,
}

/// What is held of a connection while it is idle.
#[derive(Debug)]
pub(super) struct Output {
    own: Option<Box<Queue>>,
    /// Its position in the feed; [`NEVER`] if it does not listen.
    at: Position,
    presence_from: Position,
    account: AccountId,
    /// Bytes that the kernel has taken, ever.
    pub(super) written: u64,
    pub(super) generation: u32,
    /// Its place in the roster in which it stands.
    pub(super) place: u32,
    pub(super) stage: Stage,
    pub(super) awaits_flush: bool,
    /// It stands in a roster.
    pub(super) is_swept: bool,
    /// It is known to lag.
    pub(super) lags: bool,
}

// There may be a million of them, and all that an idle session costs is to be 300 bytes.
const _: () = assert!(size_of::<Output>() <= 48);

/// What became of an attempt to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Written {
    /// Bytes that the kernel has taken.
    pub(crate) bytes: usize,
    /// It would take more; so nothing waits.
    pub(crate) is_all: bool,
}

/// A piece of what is handed to the kernel at once.
#[derive(Debug, Clone, Copy)]
enum Part<'a> {
    Own(&'a [u8]),
    Feed(Slice<'a>),
}

impl<'a> Part<'a> {
    fn bytes(&self) -> &'a [u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Feed(slice) => slice.bytes(),
        }
    }
}

/// How far a write has come: own pieces that are out, bytes written of the next one, and the position in the feed.
struct Reached {
    pieces: usize,
    written: usize,
    at: Position,
}

impl Output {
    pub(super) fn vacant() -> Self {
        Self {
            own: None,
            at: NEVER,
            presence_from: NEVER,
            account: AccountId(0),
            written: 0,
            generation: 0,
            place: 0,
            stage: Stage::Vacant,
            awaits_flush: false,
            is_swept: false,
            lags: false,
        }
    }

    /// Bytes of its own that wait.
    pub(super) fn queued(&self) -> usize {
        self.own.as_ref().map_or(0, |queue| queue.length())
    }

    /// Those of them that it did not ask for.
    pub(super) fn unasked(&self) -> usize {
        self.own.as_ref().map_or(0, |queue| queue.unasked())
    }

    #[cfg(test)]
    pub(super) fn owns_nothing(&self) -> bool {
        self.own.is_none()
    }

    pub(super) fn queue_mut(&mut self) -> Option<&mut Queue> {
        self.own.as_deref_mut()
    }

    pub(super) fn take_queue(&mut self) -> Option<Box<Queue>> {
        self.own.take()
    }

    pub(super) fn at(&self) -> Position {
        self.at
    }

    pub(super) fn hears_presence(&self) -> bool {
        self.presence_from != NEVER
    }

    pub(super) fn listener(&self) -> Listener {
        Listener { account: self.account, at: self.at, presence_from: self.presence_from }
    }

    /// From here on it listens to what is said and, if it wants to, to who comes and goes.
    pub(super) fn listen(&mut self, account: AccountId, head: Position, presence: bool) {
        (self.account, self.at) = (account, head);
        self.presence_from = if presence { head } else { NEVER };
    }

    /// Listens to who comes and goes from the head on.
    pub(super) fn hear_presence(&mut self, feed: &Feed) {
        self.presence_from = feed.head();
    }

    /// Listens no more to who comes and goes: what it was told of that and was not sent is dropped at a frame's end.
    pub(super) fn ignore_presence(&mut self, feed: &Feed, pool: &mut Pool) {
        self.keep_rest_of_frame(feed, pool);
        self.presence_from = NEVER;
    }

    /// Listens no more.
    pub(super) fn stop_listening(&mut self) {
        (self.at, self.presence_from) = (NEVER, NEVER);
    }

    /// Up to where the feed is for it.
    fn end(&self, feed: &Feed) -> Position {
        match self.stage {
            Stage::Open => feed.head(),
            Stage::Vacant | Stage::Sealed => self.own.as_ref().map_or(0, |own| own.end()),
        }
    }

    /// Whether something of the feed waits for it. If not, it stands at the head.
    pub(super) fn lacks_feed(&mut self, feed: &Feed) -> bool {
        if self.at == NEVER {
            return false;
        }
        let end = self.end(feed);
        if feed.next(self.listener(), end).is_some() {
            return true;
        }
        match self.stage {
            Stage::Open => self.at = end,
            Stage::Vacant | Stage::Sealed => self.stop_listening(),
        }
        false
    }

    /// Lets `encode` append own bytes; says how many they were.
    pub(super) fn append(
        &mut self,
        feed: &Feed,
        pool: &mut Pool,
        is_asked: bool,
        encode: impl FnOnce(&mut Vec<u8>),
    ) -> usize {
        let after = self.mark(feed);
        self.own.get_or_insert_with(|| pool.queue()).append(after, pool, is_asked, encode)
    }

    /// Queues a buffer as it is.
    pub(super) fn push(&mut self, feed: &Feed, pool: &mut Pool, bytes: Vec<u8>) {
        let after = self.mark(feed);
        self.own.get_or_insert_with(|| pool.queue()).push(after, bytes);
    }

    /// How far the feed has come for it.
    fn mark(&self, feed: &Feed) -> Position {
        match (self.at, self.hears_presence()) {
            (NEVER, _) => 0,
            (_, true) => feed.head(),
            (_, false) => feed.end_of(Topic::Said),
        }
    }

    /// Drops all that waits but for the rest of a frame that is begun.
    pub(super) fn cut(&mut self, feed: &Feed, pool: &mut Pool) {
        let begun = match self.own.as_ref().map_or(&[][..], |own| own.begun()) {
            [] => self.begun_of_feed(feed).to_vec(),
            own => own.to_vec(),
        };
        if let Some(queue) = self.own.take() {
            pool.put_queue(queue);
        }
        self.stop_listening();
        self.put_in_front(begun, pool);
    }

    /// Takes a copy of all that is still to be sent of the feed, and listens no more.
    pub(super) fn leave_feed(&mut self, feed: &Feed, pool: &mut Pool) {
        self.keep_rest_of_frame(feed, pool);
        let mut listener = self.listener();
        if let Some(own) = &mut self.own {
            own.take_in(|end, bytes| {
                while let Some(slice) = feed.next(listener, end) {
                    bytes.extend_from_slice(slice.bytes());
                    listener.at = slice.position_after(slice.bytes().len());
                }
            });
        }
        self.stop_listening();
    }

    fn begun_of_feed<'a>(&self, feed: &'a Feed) -> &'a [u8] {
        if self.at == NEVER { &[] } else { feed.rest_of_frame(self.at) }
    }

    /// Puts the rest of a frame of the feed that is begun in front of the own pieces.
    fn keep_rest_of_frame(&mut self, feed: &Feed, pool: &mut Pool) {
        let rest = self.begun_of_feed(feed).to_vec();
        if !rest.is_empty() {
            self.at += rest.len() as Position;
            self.put_in_front(rest, pool);
        }
    }

    fn put_in_front(&mut self, rest: Vec<u8>, pool: &mut Pool) {
        if !rest.is_empty() {
            self.own.get_or_insert_with(|| pool.queue()).put_in_front(rest);
        }
    }

    /// Writes until all is out or the kernel takes no more.
    pub(super) fn write_to(
        &mut self,
        feed: &Feed,
        stream: &mut impl Write,
        pool: &mut Pool,
    ) -> io::Result<Written> {
        let mut bytes = 0;
        loop {
            let mut parts = [Part::Own(&[]); SLICES_MAX];
            let (count, is_all) = self.gather(feed, &mut parts);
            let parts = &parts[..count];
            if parts.is_empty() {
                break;
            }
            match write_once(stream, parts) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(taken) => {
                    bytes += taken;
                    let reached = self.reached(parts, taken);
                    let is_out =
                        is_all && parts.iter().map(|part| part.bytes().len()).sum::<usize>() == taken;
                    self.advance(&reached, pool);
                    if is_out {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Ok(Written { bytes, is_all: false });
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if let Some(queue) = self.own.take() {
            pool.put_queue(queue);
        }
        match self.stage {
            Stage::Open if self.at != NEVER => self.at = feed.head(),
            Stage::Open => {}
            Stage::Vacant | Stage::Sealed => self.stop_listening(),
        }
        Ok(Written { bytes, is_all: true })
    }

    /// What is to be written next; says how many parts it has, and whether that is all.
    fn gather<'a>(&'a self, feed: &'a Feed, parts: &mut [Part<'a>; SLICES_MAX]) -> (usize, bool) {
        let mut count = 0;
        let mut listener = self.listener();
        let mut add = |part: Part<'a>| {
            let Some(place) = parts.get_mut(count) else { return false };
            *place = part;
            count += 1;
            true
        };
        let mut feed_up_to = |end: Position, add: &mut dyn FnMut(Part<'a>) -> bool| {
            while let Some(slice) = feed.next(listener, end) {
                if !add(Part::Feed(slice)) {
                    return false;
                }
                listener.at = slice.position_after(slice.bytes().len());
            }
            true
        };
        if let Some(own) = &self.own {
            for (after, bytes) in own.pieces() {
                if !feed_up_to(after, &mut add) || !add(Part::Own(bytes)) {
                    return (SLICES_MAX, false);
                }
            }
        }
        let is_all = self.stage != Stage::Open || feed_up_to(feed.head(), &mut add);
        (count, is_all)
    }

    fn reached(&self, parts: &[Part<'_>], mut taken: usize) -> Reached {
        let mut reached =
            Reached { pieces: 0, written: self.own.as_ref().map_or(0, |own| own.written()), at: self.at };
        for part in parts {
            let length = part.bytes().len();
            let count = length.min(taken);
            match part {
                Part::Own(_) if count == length => {
                    (reached.pieces, reached.written) = (reached.pieces + 1, 0)
                }
                Part::Own(_) => reached.written += count,
                Part::Feed(slice) if count > 0 => reached.at = slice.position_after(count),
                Part::Feed(_) => {}
            }
            taken -= count;
            if count < length {
                break;
            }
        }
        reached
    }

    fn advance(&mut self, reached: &Reached, pool: &mut Pool) {
        self.at = reached.at;
        if let Some(own) = &mut self.own {
            own.advance(reached.pieces, reached.written, pool);
        }
    }
}

fn write_once(stream: &mut impl Write, parts: &[Part<'_>]) -> io::Result<usize> {
    if let [part] = parts {
        return stream.write(part.bytes());
    }
    let mut slices = [IoSlice::new(&[]); SLICES_MAX];
    for (slice, part) in slices.iter_mut().zip(parts) {
        *slice = IoSlice::new(part.bytes());
    }
    stream.write_vectored(&slices[..parts.len()])
}
