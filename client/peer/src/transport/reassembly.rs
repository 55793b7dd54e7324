//! What has arrived, put in order: a ring of fixed size between the network and the sink.
//!
//! Each byte is copied into the ring once, wherever it belongs, and handed on in large blocks, which is what
//! both a digest and a disk want. It knows offsets but neither packets nor sessions.

use std::io;

use super::content::Sink;
use super::ranges::RangeSet;

/// Bytes that may arrive beyond what the sink has. Pages of the ring that are never written cost nothing.
pub(super) const WINDOW_BYTES: u64 = 8 << 20;
/// Bytes that are worth handing on, if there is no reason to hurry.
const BLOCK_BYTES: u64 = 256 << 10;
/// Ranges that may have arrived with gaps between them.
const RANGES_MAX: usize = 4_096;

const _: () = assert!(WINDOW_BYTES >= 8 * BLOCK_BYTES);

/// The ring.
#[derive(Debug)]
pub(super) struct Reassembly {
    ring: Vec<u8>,
    /// The offset that lies at the beginning of the ring.
    origin: u64,
    size: u64,
    /// All bytes before this one have been handed on.
    handed_on: u64,
    /// What has arrived, counting from the beginning of the file.
    arrived: RangeSet,
    hasher: blake3::Hasher,
}

impl Reassembly {
    /// Takes the bytes from `offset` on; the hasher has seen those before.
    pub(super) fn new(size: u64, offset: u64, hasher: blake3::Hasher) -> Self {
        let mut arrived = RangeSet::default();
        arrived.insert(0..offset);
        let ring_bytes = WINDOW_BYTES.min(size - offset).max(1) as usize;
        Self { ring: vec![0; ring_bytes], origin: offset, size, handed_on: offset, arrived, hasher }
    }

    /// All bytes before this one have arrived.
    pub(super) fn delivered(&self) -> u64 {
        self.arrived.first().filter(|first| first.start == 0).map_or(0, |first| first.end)
    }

    /// Bytes from here on have no room yet.
    pub(super) fn window_end(&self) -> u64 {
        self.size.min(self.handed_on + self.ring.len() as u64)
    }

    /// Whether all bytes have arrived and been handed on.
    pub(super) fn is_complete(&self) -> bool {
        self.handed_on == self.size
    }

    /// The digest of everything handed on.
    pub(super) fn digest(&self) -> [u8; blake3::OUT_LEN] {
        self.hasher.finalize().into()
    }

    /// Takes in bytes; `false`: there is no room for them, and the sender must not think that they arrived.
    pub(super) fn insert(&mut self, offset: u64, bytes: &[u8]) -> bool {
        let range = offset..offset + bytes.len() as u64;
        if range.end > self.window_end() {
            return false;
        }
        if self.arrived.covers(&range) {
            return true;
        }
        if self.arrived.len() >= RANGES_MAX && self.arrived.is_apart(&range) {
            return false;
        }
        let start = range.start.max(self.handed_on);
        self.write(start, &bytes[(start - offset) as usize..]);
        self.arrived.insert(range);
        true
    }

    fn position(&self, offset: u64) -> usize {
        ((offset - self.origin) % self.ring.len() as u64) as usize
    }

    fn write(&mut self, start: u64, bytes: &[u8]) {
        let position = self.position(start);
        let (head, wrapped) = bytes.split_at(bytes.len().min(self.ring.len() - position));
        self.ring[position..][..head.len()].copy_from_slice(head);
        self.ring[..wrapped.len()].copy_from_slice(wrapped);
    }

    /// Hands on what has arrived without a gap, if it is worth it or the end of the file.
    ///
    /// # Errors
    /// Those of the sink.
    pub(super) fn hand_on(&mut self, sink: &mut impl Sink) -> io::Result<()> {
        let delivered = self.delivered();
        if delivered < self.size && delivered - self.handed_on < BLOCK_BYTES {
            return Ok(());
        }
        self.hand_on_all(sink)
    }

    /// Hands on all that has arrived without a gap.
    ///
    /// # Errors
    /// Those of the sink.
    pub(super) fn hand_on_all(&mut self, sink: &mut impl Sink) -> io::Result<()> {
        let end = self.delivered();
        while self.handed_on < end {
            let position = self.position(self.handed_on);
            let length = (end - self.handed_on).min(BLOCK_BYTES).min((self.ring.len() - position) as u64);
            let block = &self.ring[position..][..length as usize];
            sink.append(block)?;
            self.hasher.update(block);
            self.handed_on += length;
        }
        // With nothing left in it the ring starts again at its beginning, which is still in the cache.
        if self.arrived.len() == 1 {
            self.origin = self.handed_on;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Kept(Vec<u8>);

    impl Sink for Kept {
        fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
            self.0.extend_from_slice(bytes);
            Ok(())
        }

        fn finish(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn content(size: u64) -> Vec<u8> {
        (0..size).map(|n| (n % 253) as u8).collect()
    }

    #[test]
    fn whatever_the_order_it_comes_out_once_and_in_order() {
        let content = content(20 * WINDOW_BYTES / 8);
        let mut reassembly = Reassembly::new(content.len() as u64, 0, blake3::Hasher::new());
        let mut kept = Kept::default();
        let pieces: Vec<_> = content.chunks(1_000_003).zip(0..).collect();
        // Four at a time, backwards and twice, with an overlap.
        for group in pieces.chunks(4) {
            for (piece, index) in group.iter().rev().chain(group) {
                let offset = index * 1_000_003;
                assert!(reassembly.insert(offset, piece));
                let overlap = offset.saturating_sub(17);
                assert!(reassembly.insert(overlap, &content[overlap as usize..][..40.min(piece.len())]));
            }
            reassembly.hand_on(&mut kept).unwrap();
        }
        assert!(reassembly.is_complete());
        assert!(kept.0 == content);
        assert_eq!(reassembly.digest(), *blake3::hash(&content).as_bytes());
    }

    #[test]
    fn what_lies_beyond_the_window_is_not_taken() {
        let mut reassembly = Reassembly::new(2 * WINDOW_BYTES, 0, blake3::Hasher::new());
        assert!(reassembly.insert(WINDOW_BYTES - 1, &[1]));
        assert!(!reassembly.insert(WINDOW_BYTES, &[1]));
        assert!(!reassembly.insert(WINDOW_BYTES - 1, &[1, 2]));
        assert_eq!((reassembly.delivered(), reassembly.window_end()), (0, WINDOW_BYTES));
    }

    #[test]
    fn gaps_are_bounded_but_filling_one_is_always_possible() {
        let mut reassembly = Reassembly::new(WINDOW_BYTES, 0, blake3::Hasher::new());
        for index in 1..=RANGES_MAX as u64 {
            assert!(reassembly.insert(2 * index, &[1]));
        }
        assert!(!reassembly.insert(2 * RANGES_MAX as u64 + 10, &[1]));
        assert!(reassembly.insert(0, &[1, 1]));
        assert_eq!(reassembly.delivered(), 3);
    }

    #[test]
    fn after_a_break_the_rest_is_handed_on_as_far_as_it_goes() {
        let content = content(10_000);
        let mut hasher = blake3::Hasher::new();
        hasher.update(&content[..3_000]);
        let mut reassembly = Reassembly::new(10_000, 3_000, hasher);
        let mut kept = Kept::default();
        assert!(reassembly.insert(3_000, &content[3_000..5_000]));
        assert!(reassembly.insert(6_000, &content[6_000..]));
        reassembly.hand_on(&mut kept).unwrap();
        assert!(kept.0.is_empty());
        reassembly.hand_on_all(&mut kept).unwrap();
        assert!(kept.0 == content[3_000..5_000]);
        assert!(!reassembly.is_complete());
    }
}
