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
    Shared(Shared),
}

impl Piece {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Shared(shared) => &shared.0.frames,
        }
    }
}

/// Emptied buffers of all connections, so that a busy server allocates nothing and an idle connection owns
/// nothing.
#[derive(Debug, Default)]
pub struct Pool {
    spare: Vec<Vec<u8>>,
}

/// Buffers that the pool keeps; more are freed.
const POOLED_MAX: usize = 1_024;

impl Pool {
    fn take(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_default()
    }

    fn put(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() <= KEPT_BYTES_MAX && self.spare.len() < POOLED_MAX {
            buffer.clear();
            self.spare.push(buffer);
        }
    }
}

/// A queue of bytes on their way out.
#[derive(Debug, Default)]
pub struct Outgoing {
    pieces: VecDeque<Piece>,
    /// Bytes of the first piece that are written already.
    written: usize,
    /// Bytes that wait.
    length: usize,
    /// Of the pieces, those that are shared: how many, and their bytes.
    notices: usize,
    notice_bytes: usize,
}

impl Outgoing {
    /// How many shared pieces wait.
    pub fn notices(&self) -> usize {
        self.notices
    }

    /// What the notices that wait cost: their bytes, and a place each.
    pub fn notice_cost(&self) -> usize {
        self.notice_bytes + self.notices * NOTICE_PLACE_BYTES
    }

    /// Drops whatever waits behind a piece that is partly written: for a receiver who is cut off, but
    /// is still to understand the last word.
    pub fn cut(&mut self) {
        let keep = usize::from(self.written > 0);
        self.pieces.truncate(keep);
        self.length = self.pieces.iter().map(|piece| piece.bytes().len()).sum::<usize>() - self.written;
        self.notices = self.pieces.iter().filter(|piece| matches!(piece, Piece::Shared(_))).count();
        self.notice_bytes = if self.notices > 0 { self.length + self.written } else { 0 };
    }

    /// Bytes that wait to be written.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Lets `encode` append own bytes.
    pub fn append(&mut self, pool: &mut Pool, encode: impl FnOnce(&mut Vec<u8>)) {
        if !matches!(self.pieces.back(), Some(Piece::Own(bytes)) if bytes.len() < PIECE_BYTES_MAX) {
            self.pieces.push_back(Piece::Own(pool.take()));
        }
        let Some(Piece::Own(bytes)) = self.pieces.back_mut() else { unreachable!("pushed above") };
        let before = bytes.len();
        encode(bytes);
        self.length += bytes.len() - before;
    }

    /// Queues a buffer as it is.
    pub fn push_own(&mut self, bytes: Vec<u8>) {
        self.length += bytes.len();
        self.pieces.push_back(Piece::Own(bytes));
    }

    /// Queues a frame that others get too.
    pub fn push_shared(&mut self, shared: Shared) {
        self.length += shared.0.frames.len();
        self.notice_bytes += shared.0.frames.len();
        self.notices += 1;
        self.pieces.push_back(Piece::Shared(shared));
    }

    /// Writes until all is out or the kernel takes no more; says whether all is out.
    ///
    /// # Errors
    /// Those of the stream, except would-block and interrupted.
    pub fn write_to(&mut self, stream: &mut impl Write, pool: &mut Pool) -> io::Result<bool> {
        while self.length > 0 {
            match self.write_once(stream) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => self.advance(count, pool),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        // The queue's own memory too: an idle connection owns nothing.
        if self.pieces.capacity() > 0 {
            *self = Self::default();
        }
        Ok(true)
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
            count -= left;
            self.written = 0;
            match self.pieces.pop_front() {
                Some(Piece::Own(buffer)) => pool.put(buffer),
                Some(Piece::Shared(shared)) => {
                    self.notices -= 1;
                    self.notice_bytes -= shared.0.frames.len();
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
        outgoing.push_shared(SharedBytes::default().share(b"shared "));
        outgoing.push_own(b"chunk ".to_vec());
        outgoing.push_shared(SharedBytes::default().share(b"end"));
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
            receiver.push_shared(shared.clone());
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
        assert_eq!(outgoing.pieces.capacity(), 0);
        assert_eq!(pool.spare.len(), 1);
        outgoing.append(&mut pool, |out| out.extend_from_slice(b"y"));
        assert!(pool.spare.is_empty());
    }
}
