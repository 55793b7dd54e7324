//! What waits to be written to one socket: own bytes, and frames shared by many receivers.
//!
//! A notice for ten thousand receivers is encoded once; here it is a pointer. What a turn has for one
//! receiver leaves in one vectored write.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Write};
use std::rc::Rc;

/// Slices handed to the kernel at once; Linux takes at most 1,024.
const SLICES_MAX: usize = 64;
/// Own bytes that are still appended to: past it a new piece begins, so that growing never copies much.
const PIECE_BYTES_MAX: usize = 64 * 1024;
/// Pieces this small are worth keeping for the next answer; larger ones go back to the allocator.
const KEPT_BYTES_MAX: usize = 4 * 1024;

#[derive(Debug)]
enum Piece {
    Own(Vec<u8>),
    Shared(Rc<[u8]>),
}

impl Piece {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Shared(bytes) => bytes,
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
}

impl Outgoing {
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
    pub fn push_shared(&mut self, bytes: Rc<[u8]>) {
        self.length += bytes.len();
        self.pieces.push_back(Piece::Shared(bytes));
    }

    /// Drops everything that waits.
    pub fn clear(&mut self) {
        *self = Self::default();
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
            if let Some(Piece::Own(buffer)) = self.pieces.pop_front() {
                pool.put(buffer);
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
        outgoing.push_shared(b"shared ".as_slice().into());
        outgoing.push_own(b"chunk ".to_vec());
        outgoing.push_shared(b"end".as_slice().into());
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
