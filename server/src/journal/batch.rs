//! Batches: entries that are committed together, and the decision when a batch is complete.
//!
//! Waiting for quiet is what fills a commit: each poll that finds more work puts more entries under the
//! price of one fsync. How a batch gets to a disk, this module refuses to know.

use byteorder::{BigEndian, ByteOrder};

/// Bytes of gathered entries that are worth a commit of their own, quiet or not: writing them takes about
/// as long as the fsync that they share. It also bounds a row, to this and one entry more.
pub const BATCH_BYTES_LARGE: usize = 256 * 1024;

/// Bytes of gathered entries that share a commit well enough: an idle writer gets them without waiting for
/// quiet, and the loop gathers the next batch while it works.
const BATCH_BYTES_FULL: usize = 32 * 1024;

/// Bytes of the length in front of each entry of a batch.
const LENGTH_BYTES: usize = 4;

/// Entries in the form they have on disk: each a length (`u32`, big-endian) and its bytes.
#[derive(Debug, Default)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    entries: usize,
}

impl Batch {
    pub(super) fn push(&mut self, entry: &[u8]) {
        let length = u32::try_from(entry.len()).expect("an entry is not much longer than a frame");
        self.bytes.extend_from_slice(&length.to_be_bytes());
        self.bytes.extend_from_slice(entry);
        self.entries += 1;
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn entries(&self) -> usize {
        self.entries
    }

    fn is_empty(&self) -> bool {
        self.entries == 0
    }

    fn is_large(&self) -> bool {
        self.bytes.len() >= BATCH_BYTES_LARGE
    }

    /// The same memory, to be filled anew.
    fn cleared(mut self) -> Self {
        self.bytes.clear();
        self.entries = 0;
        self
    }
}

/// The entries of a batch, in order; `None` where the bytes are no batch, after which nothing follows.
pub(super) fn entries_of(mut bytes: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        match split_entry(bytes) {
            Some((entry, rest)) => {
                bytes = rest;
                Some(Some(entry))
            }
            None => {
                bytes = &[];
                Some(None)
            }
        }
    })
}

fn split_entry(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_at_checked(LENGTH_BYTES)?;
    rest.split_at_checked(BigEndian::read_u32(length) as usize)
}

/// What the end of a turn brings.
pub(super) enum Turn {
    /// A batch for the writer.
    HandOver(Batch),
    /// Something was gathered, the writer is idle, and only quiet is missing.
    AwaitQuiet,
    /// Nothing was gathered, or the writer is busy and will wake the loop.
    Rest,
}

/// Gathers entries while the writer works, and decides when they become a batch.
#[derive(Default)]
pub(super) struct Gathering {
    batch: Batch,
    /// Batches in the writer's hands.
    under_way: usize,
    /// The memory of a batch that came back, for the next one.
    spare: Batch,
}

impl Gathering {
    /// Takes an entry; a batch that has become large is complete at once.
    #[must_use]
    pub(super) fn add(&mut self, entry: &[u8]) -> Option<Batch> {
        self.batch.push(entry);
        self.batch.is_large().then(|| self.complete())
    }

    pub(super) fn end_turn(&mut self, quiet: bool) -> Turn {
        if self.batch.is_empty() || self.under_way > 0 {
            Turn::Rest
        } else if quiet || self.batch.bytes.len() >= BATCH_BYTES_FULL {
            Turn::HandOver(self.complete())
        } else {
            Turn::AwaitQuiet
        }
    }

    /// The writer is done with a batch.
    pub(super) fn came_back(&mut self, batch: Batch) {
        self.under_way -= 1;
        self.spare = batch.cleared();
    }

    fn complete(&mut self) -> Batch {
        self.under_way += 1;
        std::mem::replace(&mut self.batch, std::mem::take(&mut self.spare))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Option<Vec<&[u8]>> {
        entries_of(bytes).collect()
    }

    #[test]
    fn a_batch_gives_its_entries_back_in_order() {
        let mut batch = Batch::default();
        for entry in [&b"one"[..], b"", b"three"] {
            batch.push(entry);
        }
        assert_eq!(read(batch.bytes()), Some(vec![&b"one"[..], b"", b"three"]));
        assert_eq!(batch.entries(), 3);
    }

    #[test]
    fn bytes_cut_inside_an_entry_are_no_batch() {
        let mut batch = Batch::default();
        batch.push(b"one");
        for cut in 1..batch.bytes().len() {
            assert_eq!(read(&batch.bytes()[..cut]), None, "cut at {cut}");
        }
    }

    #[test]
    fn a_turn_that_is_not_quiet_waits_and_a_busy_writer_is_left_alone() {
        let mut gathering = Gathering::default();
        assert!(matches!(gathering.end_turn(true), Turn::Rest), "nothing was gathered");
        assert!(gathering.add(b"1").is_none());
        assert!(matches!(gathering.end_turn(false), Turn::AwaitQuiet));
        let Turn::HandOver(first) = gathering.end_turn(true) else { panic!("quiet and idle") };
        assert!(gathering.add(b"2").is_none());
        assert!(matches!(gathering.end_turn(true), Turn::Rest), "the writer is busy");
        gathering.came_back(first);
        let Turn::HandOver(second) = gathering.end_turn(true) else { panic!("idle again") };
        assert_eq!(read(second.bytes()), Some(vec![&b"2"[..]]));
    }

    #[test]
    fn a_large_batch_goes_at_once_even_to_a_busy_writer() {
        let mut gathering = Gathering::default();
        let entry = vec![7; BATCH_BYTES_LARGE / 4];
        for _ in 0..2 {
            assert!((0..3).all(|_| gathering.add(&entry).is_none()));
            assert_eq!(gathering.add(&entry).map(|batch| batch.entries()), Some(4));
        }
    }
}
