//! Frames for one receiver alone, on their way out.

use std::collections::VecDeque;

use forum_common::limits::FRAME_BYTES_MAX;
use forum_common::wire::frame;

use crate::core::feed::Position;

/// A piece with as many bytes takes no more: so that growing never copies much.
const PIECE_BYTES_MAX: usize = 64 * 1024;
/// Buffers this small are worth keeping for the next answer; larger ones go back to the allocator.
const KEPT_BYTES_MAX: usize = 4 * 1024;
/// Likewise for the places of a queue.
const KEPT_PIECES_MAX: usize = 16;
/// Buffers, and queues, that the pool keeps; more are freed.
const POOLED_MAX: usize = 1_024;

/// Emptied buffers and queues of all connections, so that a busy server allocates nothing and an idle connection owns
/// nothing.
#[derive(Debug, Default)]
pub(super) struct Pool {
    buffers: Vec<Vec<u8>>,
    #[allow(clippy::vec_box, reason = "the box itself is what is kept")]
    queues: Vec<Box<Queue>>,
}

impl Pool {
    pub(super) fn queue(&mut self) -> Box<Queue> {
        self.queues.pop().unwrap_or_default()
    }

    /// Takes a queue back, with what is still in it.
    pub(super) fn put_queue(&mut self, mut queue: Box<Queue>) {
        for piece in queue.pieces.drain(..) {
            self.put_buffer(piece.bytes);
        }
        if queue.pieces.capacity() <= KEPT_PIECES_MAX && self.queues.len() < POOLED_MAX {
            *queue = Queue { pieces: std::mem::take(&mut queue.pieces), ..Queue::default() };
            self.queues.push(queue);
        }
    }

    fn put_buffer(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() <= KEPT_BYTES_MAX && self.buffers.len() < POOLED_MAX {
            buffer.clear();
            self.buffers.push(buffer);
        }
    }
}

/// Whole frames, but for the first piece, which may be the rest of one.
#[derive(Debug)]
struct Piece {
    /// The feed is sent up to here before it.
    after: Position,
    bytes: Vec<u8>,
    /// How many of them are notices that the receiver did not ask for.
    unasked: usize,
    /// They are what is left of a frame whose first bytes are written.
    is_rest: bool,
}

/// Pieces in the order of telling.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pieces: VecDeque<Piece>,
    /// Bytes of the first piece that are written already.
    written: usize,
    /// Bytes that wait.
    length: usize,
    /// Bytes of pieces that wait, as far as the receiver did not ask for them.
    unasked: usize,
    /// With how many bytes it is known to be stuck.
    pub(super) stuck_with: usize,
}

impl Queue {
    /// Bytes that wait.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Those of them, and of the piece that is being written, that the receiver did not ask for.
    pub(super) fn unasked(&self) -> usize {
        self.unasked
    }

    /// How far the feed is sent before the last piece.
    pub(super) fn end(&self) -> Position {
        self.pieces.back().map_or(0, |last| last.after)
    }

    /// How much of the first piece is written.
    pub(super) fn written(&self) -> usize {
        self.written
    }

    /// What waits, each piece with how far the feed is sent before it.
    pub(super) fn pieces(&self) -> impl Iterator<Item = (Position, &[u8])> {
        let written = std::iter::once(self.written).chain(std::iter::repeat(0));
        self.pieces.iter().zip(written).map(|(piece, written)| (piece.after, &piece.bytes[written..]))
    }

    /// Lets `encode` append frames; says how many bytes they have.
    pub(super) fn append(
        &mut self,
        after: Position,
        pool: &mut Pool,
        is_asked: bool,
        encode: impl FnOnce(&mut Vec<u8>),
    ) -> usize {
        let is_open =
            |last: &Piece| last.after == after && !last.is_rest && last.bytes.len() < PIECE_BYTES_MAX;
        if !self.pieces.back().is_some_and(is_open) {
            let bytes = pool.buffers.pop().unwrap_or_default();
            self.pieces.push_back(Piece { after, bytes, unasked: 0, is_rest: false });
        }
        let Some(piece) = self.pieces.back_mut() else { unreachable!("pushed above") };
        let before = piece.bytes.len();
        encode(&mut piece.bytes);
        let added = piece.bytes.len() - before;
        self.length += added;
        if !is_asked {
            piece.unasked += added;
            self.unasked += added;
        }
        added
    }

    /// Queues a buffer as it is.
    pub(super) fn push(&mut self, after: Position, bytes: Vec<u8>) {
        self.length += bytes.len();
        self.pieces.push_back(Piece { after, bytes, unasked: 0, is_rest: false });
    }

    /// What is left of a frame that is begun; nothing if none is.
    pub(super) fn begun(&self) -> &[u8] {
        match self.pieces.front() {
            Some(first) if first.is_rest => &first.bytes[self.written..],
            Some(first) => rest_of_frame(&first.bytes, self.written),
            None => &[],
        }
    }

    /// Puts what is left of a frame that is begun before everything else.
    pub(super) fn put_in_front(&mut self, rest: Vec<u8>) {
        debug_assert_eq!(self.written, 0, "one frame is begun at a time");
        self.length += rest.len();
        self.pieces.push_front(Piece { after: 0, bytes: rest, unasked: 0, is_rest: true });
    }

    /// Has `feed_up_to` append what is sent of the feed before each piece, and so needs the feed no more.
    pub(super) fn take_in(&mut self, mut feed_up_to: impl FnMut(Position, &mut Vec<u8>)) {
        for piece in std::mem::take(&mut self.pieces) {
            let mut bytes = Vec::new();
            feed_up_to(piece.after, &mut bytes);
            if !bytes.is_empty() {
                debug_assert!(
                    self.written == 0 || !self.pieces.is_empty(),
                    "nothing comes before what is begun"
                );
                self.push(0, bytes);
            }
            self.pieces.push_back(piece);
        }
    }

    /// So many pieces are written, and of the next one the first `written` bytes.
    pub(super) fn advance(&mut self, pieces: usize, written: usize, pool: &mut Pool) {
        for piece in self.pieces.drain(..pieces) {
            self.length -= piece.bytes.len() - std::mem::take(&mut self.written);
            self.unasked -= piece.unasked;
            pool.put_buffer(piece.bytes);
        }
        self.length -= written - self.written;
        self.written = written;
    }
}

/// What is left of the frame in the midst of which `offset` is; nothing where a frame begins.
fn rest_of_frame(frames: &[u8], offset: usize) -> &[u8] {
    let mut start = 0;
    while start < offset {
        match frame::split(&frames[start..], FRAME_BYTES_MAX) {
            Ok(Some((_, bytes))) => start += bytes,
            _ => {
                debug_assert!(false, "own pieces are whole frames");
                return &frames[offset..];
            }
        }
    }
    &frames[offset..start]
}
