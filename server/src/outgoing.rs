//! What waits to be written to one socket: own bytes, and frames shared by many receivers.
//!
//! A notice for ten thousand receivers is encoded once; here it is a pointer. What a turn has for one
//! receiver leaves in one vectored write.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Write};
use std::rc::Rc;

/// Slices handed to the kernel at once; Linux takes at most 1,024.
const SLICES_MAX: usize = 64;
/// Own bytes that are still appended to: past it a new piece begins, so that growing never copies much.
const PIECE_BYTES_MAX: usize = 64 * 1024;
/// Pieces this small are worth keeping for the next answer; larger ones go back to the allocator.
const KEPT_BYTES_MAX: usize = 4 * 1024;
/// Likewise for the places of a queue.
const KEPT_PIECES_MAX: usize = 16;

/// What a notice costs each receiver beside its shared bytes: a place in the queue, which at worst is half
/// empty.
pub const NOTICE_PLACE_BYTES: usize = 64;

const _: () = assert!(2 * size_of::<Piece>() <= NOTICE_PLACE_BYTES);

/// Bytes of all shared frames that are alive, each counted once.
#[derive(Debug, Clone, Default)]
pub struct SharedBytes(Rc<Cell<usize>>);

impl SharedBytes {
    /// How many there are.
    pub fn total(&self) -> usize {
        self.0.get()
    }

    /// Frames for many receivers.
    pub fn share(&self, frames: &[u8]) -> Shared {
        self.0.set(self.0.get() + frames.len());
        Shared(Rc::new(Counted { frames: frames.into(), total: self.clone() }))
    }
}

/// Whole frames, encoded once and queued for many. A clone is a pointer.
#[derive(Debug, Clone)]
pub struct Shared(Rc<Counted>);

impl Shared {
    fn len(&self) -> usize {
        self.0.frames.len()
    }
}

#[derive(Debug)]
struct Counted {
    frames: Box<[u8]>,
    total: SharedBytes,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.total.0.set(self.total.0.get() - self.frames.len());
    }
}

#[derive(Debug)]
enum Piece {
    Own(Vec<u8>),
    /// From this byte on.
    Shared(Shared, u32),
}

impl Piece {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Shared(shared, start) => &shared.0.frames[*start as usize..],
        }
    }
}

/// Emptied buffers and queues of all connections, so that a busy server allocates nothing and an idle
/// connection owns nothing.
#[derive(Debug, Default)]
pub struct Pool {
    buffers: Vec<Vec<u8>>,
    #[allow(clippy::vec_box, reason = "the box itself is what is kept")]
    queues: Vec<Box<Queue>>,
}

/// Buffers, and queues, that the pool keeps; more are freed.
const POOLED_MAX: usize = 1_024;

impl Pool {
    fn buffer(&mut self) -> Vec<u8> {
        self.buffers.pop().unwrap_or_default()
    }

    fn put_buffer(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() <= KEPT_BYTES_MAX && self.buffers.len() < POOLED_MAX {
            buffer.clear();
            self.buffers.push(buffer);
        }
    }

    fn queue(&mut self) -> Box<Queue> {
        self.queues.pop().unwrap_or_default()
    }

    fn put_queue(&mut self, queue: Box<Queue>) {
        debug_assert!(queue.pieces.is_empty(), "nothing waits in a queue that is given back");
        if queue.pieces.capacity() <= KEPT_PIECES_MAX && self.queues.len() < POOLED_MAX {
            self.queues.push(queue);
        }
    }
}

/// Bytes on their way out.
#[derive(Debug, Default)]
pub enum Outgoing {
    /// Nothing waits, and no memory is held for it.
    #[default]
    Empty,
    /// One frame that others get too, of which so many bytes are written: what most receivers of a notice
    /// have waiting, so it costs no allocation.
    Notice(Shared, u32),
    /// Whatever else.
    Queue(Box<Queue>),
}

/// Several pieces on their way out.
#[derive(Debug, Default)]
pub struct Queue {
    pieces: VecDeque<Piece>,
    /// Bytes of the first piece that are written already.
    written: usize,
    /// Bytes that wait.
    length: usize,
    /// Of the pieces, those that are shared: how many, and their bytes.
    notices: usize,
    notice_bytes: usize,
}

// A frame's length fits the count of written bytes, and a batch of frames is bounded far below it.
const _: () = assert!(size_of::<Outgoing>() <= 16);

impl Outgoing {
    /// How many shared pieces wait.
    pub fn notices(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::Notice(..) => 1,
            Self::Queue(queue) => queue.notices,
        }
    }

    /// What the notices that wait cost: their bytes, and a place each.
    pub fn notice_cost(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::Notice(shared, _) => shared.len() + NOTICE_PLACE_BYTES,
            Self::Queue(queue) => queue.notice_bytes + queue.notices * NOTICE_PLACE_BYTES,
        }
    }

    /// Drops whatever waits behind a piece that is partly written: for a receiver who is cut off, but
    /// is still to understand the last word.
    pub fn cut(&mut self) {
        match self {
            Self::Queue(queue) if queue.written > 0 => queue.cut(),
            Self::Notice(_, written) if *written > 0 => {}
            _ => *self = Self::Empty,
        }
    }

    /// Bytes that wait to be written.
    pub fn len(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::Notice(shared, written) => shared.len() - *written as usize,
            Self::Queue(queue) => queue.length,
        }
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Lets `encode` append own bytes.
    pub fn append(&mut self, pool: &mut Pool, encode: impl FnOnce(&mut Vec<u8>)) {
        let queue = self.queue(pool);
        if !matches!(queue.pieces.back(), Some(Piece::Own(bytes)) if bytes.len() < PIECE_BYTES_MAX) {
            queue.pieces.push_back(Piece::Own(pool.buffer()));
        }
        let Some(Piece::Own(bytes)) = queue.pieces.back_mut() else { unreachable!("pushed above") };
        let before = bytes.len();
        encode(bytes);
        queue.length += bytes.len() - before;
    }

    /// Queues a buffer as it is.
    pub fn push_own(&mut self, pool: &mut Pool, bytes: Vec<u8>) {
        let queue = self.queue(pool);
        queue.length += bytes.len();
        queue.pieces.push_back(Piece::Own(bytes));
    }

    /// Queues frames that others get too, from the byte `start` on.
    pub fn push_shared(&mut self, pool: &mut Pool, shared: Shared, start: usize) {
        match self {
            Self::Empty if start == 0 => *self = Self::Notice(shared, 0),
            // A batch that is shared is bounded far below the 4 GiB that would not fit.
            _ => self.queue(pool).push_shared(shared, start as u32),
        }
    }

    fn queue(&mut self, pool: &mut Pool) -> &mut Queue {
        if !matches!(self, Self::Queue(_)) {
            let before = std::mem::replace(self, Self::Queue(pool.queue()));
            if let (Self::Notice(shared, written), Self::Queue(queue)) = (before, &mut *self) {
                queue.push_shared(shared, 0);
                queue.length -= written as usize;
                queue.written = written as usize;
            }
        }
        let Self::Queue(queue) = self else { unreachable!("made above") };
        queue
    }

    /// Writes until all is out or the kernel takes no more; says whether all is out.
    ///
    /// # Errors
    /// Those of the stream, except would-block and interrupted.
    pub fn write_to(&mut self, stream: &mut impl Write, pool: &mut Pool) -> io::Result<bool> {
        while !self.is_empty() {
            let written = match self {
                Self::Empty => break,
                Self::Notice(shared, written) => stream.write(&shared.0.frames[*written as usize..]),
                Self::Queue(queue) => queue.write_once(stream),
            };
            match written {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => self.advance(count, pool),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if let Self::Queue(mut queue) = std::mem::take(self) {
            queue.written = 0;
            pool.put_queue(queue);
        }
        Ok(true)
    }

    fn advance(&mut self, count: usize, pool: &mut Pool) {
        match self {
            Self::Empty => {}
            // What is written of a notice is less than its length, which fits.
            Self::Notice(_, written) => *written += count as u32,
            Self::Queue(queue) => queue.advance(count, pool),
        }
    }
}

impl Queue {
    fn push_shared(&mut self, shared: Shared, start: u32) {
        let piece = Piece::Shared(shared, start);
        let length = piece.bytes().len();
        self.length += length;
        self.notice_bytes += length;
        self.notices += 1;
        self.pieces.push_back(piece);
    }

    fn cut(&mut self) {
        self.pieces.truncate(1);
        self.length = self.pieces.iter().map(|piece| piece.bytes().len()).sum::<usize>() - self.written;
        self.notices = self.pieces.iter().filter(|piece| matches!(piece, Piece::Shared(..))).count();
        self.notice_bytes = if self.notices > 0 { self.length + self.written } else { 0 };
    }

    fn write_once(&self, stream: &mut impl Write) -> io::Result<usize> {
        let Some(first) = self.pieces.front() else { return Ok(0) };
        let first = &first.bytes()[self.written..];
        if self.pieces.len() == 1 {
            return stream.write(first);
        }
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        slices[0] = IoSlice::new(first);
        let mut count = 1;
        for (slice, piece) in slices[1..].iter_mut().zip(self.pieces.iter().skip(1)) {
            *slice = IoSlice::new(piece.bytes());
            count += 1;
        }
        stream.write_vectored(&slices[..count])
    }

    fn advance(&mut self, mut count: usize, pool: &mut Pool) {
        self.length -= count;
        while let Some(first) = self.pieces.front() {
            let left = first.bytes().len() - self.written;
            if count < left {
                self.written += count;
                return;
            }
            let length = left + self.written;
            count -= left;
            self.written = 0;
            match self.pieces.pop_front() {
                Some(Piece::Own(buffer)) => pool.put_buffer(buffer),
                Some(Piece::Shared(..)) => {
                    self.notices -= 1;
                    self.notice_bytes -= length;
                }
                None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a given number of bytes at each call, then says would-block once.
    struct Trickle {
        taken: Vec<u8>,
        at_once: usize,
        blocked: bool,
        calls: usize,
    }

    impl Write for Trickle {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.write_vectored(&[IoSlice::new(bytes)])
        }

        fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            self.blocked = !self.blocked;
            if self.blocked {
                return Err(ErrorKind::WouldBlock.into());
            }
            self.calls += 1;
            let all: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
            let count = all.len().min(self.at_once);
            self.taken.extend_from_slice(&all[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn mixed() -> (Outgoing, Vec<u8>) {
        let (mut outgoing, mut pool) = (Outgoing::default(), Pool::default());
        outgoing.append(&mut pool, |out| out.extend_from_slice(b"own "));
        outgoing.append(&mut pool, |out| out.extend_from_slice(b"bytes "));
        outgoing.push_shared(&mut pool, SharedBytes::default().share(b"shared "), 0);
        outgoing.push_own(&mut pool, b"chunk ".to_vec());
        outgoing.push_shared(&mut pool, SharedBytes::default().share(b"end"), 0);
        (outgoing, b"own bytes shared chunk end".to_vec())
    }

    #[test]
    fn bytes_leave_in_order_however_few_the_kernel_takes() {
        for at_once in 1..30 {
            let (mut outgoing, expected) = mixed();
            assert_eq!(outgoing.len(), expected.len());
            let mut stream = Trickle { taken: Vec::new(), at_once, blocked: false, calls: 0 };
            while !outgoing.write_to(&mut stream, &mut Pool::default()).unwrap() {}
            assert_eq!(stream.taken, expected);
            assert!(outgoing.is_empty());
        }
    }

    #[test]
    fn a_turns_output_leaves_in_one_write() {
        let (mut outgoing, _) = mixed();
        let mut stream = Trickle { taken: Vec::new(), at_once: 1_000, blocked: true, calls: 0 };
        assert!(outgoing.write_to(&mut stream, &mut Pool::default()).unwrap());
        assert_eq!(stream.calls, 1);
    }

    #[test]
    fn shared_bytes_are_counted_once_and_places_for_each_receiver() {
        let (ledger, mut pool) = (SharedBytes::default(), Pool::default());
        let mut receivers: Vec<_> = (0..3).map(|_| Outgoing::default()).collect();
        let shared = ledger.share(b"hello");
        for receiver in &mut receivers {
            receiver.push_shared(&mut pool, shared.clone(), 0);
        }
        drop(shared);
        assert_eq!(ledger.total(), 5);
        assert_eq!(receivers[0].notice_cost(), 5 + NOTICE_PLACE_BYTES);
        let mut stream = Trickle { taken: Vec::new(), at_once: 9, blocked: true, calls: 0 };
        assert!(receivers[0].write_to(&mut stream, &mut pool).unwrap());
        assert_eq!(receivers[0].notice_cost(), 0);
        receivers.truncate(2);
        assert_eq!(ledger.total(), 5);
        receivers.clear();
        assert_eq!(ledger.total(), 0);
    }

    #[test]
    fn a_cut_keeps_what_was_begun_and_nothing_else() {
        let (mut outgoing, _) = mixed();
        outgoing.cut();
        assert_eq!((outgoing.len(), outgoing.notices()), (0, 0));
        let (mut outgoing, expected) = mixed();
        let mut stream = Trickle { taken: Vec::new(), at_once: 12, blocked: true, calls: 0 };
        assert!(!outgoing.write_to(&mut stream, &mut Pool::default()).unwrap());
        outgoing.cut();
        assert_eq!(outgoing.notices(), 1);
        while !outgoing.write_to(&mut stream, &mut Pool::default()).unwrap() {}
        assert_eq!(stream.taken, expected[..b"own bytes shared ".len()]);
        assert_eq!(outgoing.notice_cost(), 0);
    }

    #[test]
    fn a_drained_queue_owns_no_memory_and_its_buffer_is_used_again() {
        let (mut outgoing, mut pool) = (Outgoing::default(), Pool::default());
        outgoing.append(&mut pool, |out| out.extend_from_slice(b"x"));
        let mut stream = Trickle { taken: Vec::new(), at_once: 9, blocked: true, calls: 0 };
        assert!(outgoing.write_to(&mut stream, &mut pool).unwrap());
        assert!(matches!(outgoing, Outgoing::Empty));
        assert_eq!((pool.buffers.len(), pool.queues.len()), (1, 1));
        outgoing.append(&mut pool, |out| out.extend_from_slice(b"y"));
        assert!(pool.buffers.is_empty() && pool.queues.is_empty());
    }

    #[test]
    fn a_notice_that_is_partly_written_stays_in_front_of_what_comes_behind_it() {
        let (mut outgoing, mut pool) = (Outgoing::default(), Pool::default());
        outgoing.push_shared(&mut pool, SharedBytes::default().share(b"notice "), 0);
        let mut stream = Trickle { taken: Vec::new(), at_once: 3, blocked: true, calls: 0 };
        assert!(!outgoing.write_to(&mut stream, &mut pool).unwrap());
        outgoing.append(&mut pool, |out| out.extend_from_slice(b"answer"));
        assert_eq!((outgoing.len(), outgoing.notices()), (10, 1));
        while !outgoing.write_to(&mut stream, &mut pool).unwrap() {}
        assert_eq!(stream.taken, b"notice answer");
    }

    #[test]
    fn a_shared_batch_may_begin_later_for_some() {
        for others in [0, 1] {
            let (mut outgoing, mut pool) = (Outgoing::default(), Pool::default());
            for _ in 0..others {
                outgoing.push_shared(&mut pool, SharedBytes::default().share(b"x "), 0);
            }
            outgoing.push_shared(&mut pool, SharedBytes::default().share(b"for others, for all"), 12);
            assert_eq!((outgoing.len(), outgoing.notices()), (2 * others + 7, others + 1));
            let mut stream = Trickle { taken: Vec::new(), at_once: 4, blocked: true, calls: 0 };
            while !outgoing.write_to(&mut stream, &mut pool).unwrap() {}
            assert_eq!(stream.taken, ["for all", "x for all"][others].as_bytes());
            assert_eq!(outgoing.notice_cost(), 0);
        }
    }
}
