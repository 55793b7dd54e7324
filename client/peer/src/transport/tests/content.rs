//! Files of any size that take no memory: each byte follows from its offset.

use std::io;
use std::rc::Rc;

use crate::transport::{Offer, Sink, Source};

/// After so many bytes the content begins again. A prime, so that no power of two hides an error.
const PERIOD: u64 = 65_521;

/// A file that is not there.
#[derive(Debug, Clone)]
pub(super) struct Virtual {
    period: Rc<[u8]>,
    pub(super) size: u64,
    /// Reading from here on fails.
    pub(super) readable: u64,
}

impl Virtual {
    pub(super) fn new(seed: u64, size: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut period = vec![0; PERIOD as usize];
        random.fill(&mut period);
        Self { period: period.into(), size, readable: size }
    }

    /// The bytes from `offset` on, as many as there are in one piece.
    fn piece(&self, offset: u64) -> &[u8] {
        &self.period[(offset % PERIOD) as usize..]
    }

    /// The digest's state after so many bytes.
    pub(super) fn hasher(&self, bytes: u64) -> blake3::Hasher {
        let mut hasher = blake3::Hasher::new();
        let periods = self.period.repeat(bytes.div_ceil(PERIOD).min(32) as usize);
        let mut left = bytes;
        while left > 0 {
            let count = left.min(periods.len() as u64);
            hasher.update(&periods[..count as usize]);
            left -= count;
        }
        hasher
    }

    pub(super) fn offer(&self) -> Offer {
        Offer { size: self.size, digest: self.hasher(self.size).finalize().into() }
    }
}

impl Source for Virtual {
    fn read_at(&mut self, offset: u64, mut buffer: &mut [u8]) -> io::Result<()> {
        if offset + buffer.len() as u64 > self.readable {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut at = offset;
        while !buffer.is_empty() {
            let piece = self.piece(at);
            let count = piece.len().min(buffer.len());
            let (head, rest) = buffer.split_at_mut(count);
            head.copy_from_slice(&piece[..count]);
            at += count as u64;
            buffer = rest;
        }
        Ok(())
    }
}

/// A sink that keeps nothing and knows what should come.
#[derive(Debug, Clone)]
pub(super) struct Checked {
    expected: Virtual,
    pub(super) bytes: u64,
    pub(super) is_finished: bool,
    /// Storing fails from here on.
    pub(super) room: u64,
    pub(super) refused: u32,
    /// Whatever comes is taken, as the owner does who compares a digest at the end.
    is_indifferent: bool,
}

impl Checked {
    /// Expects `expected` from `offset` on.
    pub(super) fn new(expected: &Virtual, offset: u64) -> Self {
        Self {
            expected: expected.clone(),
            bytes: offset,
            is_finished: false,
            room: u64::MAX,
            refused: 0,
            is_indifferent: false,
        }
    }

    /// Takes whatever comes.
    pub(super) fn indifferent(expected: &Virtual) -> Self {
        Self { is_indifferent: true, ..Self::new(expected, 0) }
    }
}

impl Sink for Checked {
    fn append(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        if self.bytes + bytes.len() as u64 > self.room {
            self.refused += 1;
            return Err(io::ErrorKind::StorageFull.into());
        }
        while !bytes.is_empty() {
            let piece = self.expected.piece(self.bytes);
            let count = piece.len().min(bytes.len());
            assert!(
                self.is_indifferent || bytes[..count] == piece[..count],
                "other bytes than were sent, near {}",
                self.bytes
            );
            self.bytes += count as u64;
            bytes = &bytes[count..];
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        assert_eq!(self.bytes, self.expected.size);
        self.is_finished = true;
        Ok(())
    }
}
