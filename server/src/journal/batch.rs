//! Batches: entries that are committed together, and the decision when a batch is complete.
//!
//! Waiting for quiet is what fills a commit: each poll that finds more work puts more entries under the
//! price of one fsync. How a batch gets to a disk, this module refuses to know.

use byteorder::{BigEndian, ByteOrder};

/// Bytes after which a row of the log is full and the next entry begins another: a row is what replay reads,
/// and what damage takes, at once. It is longer by at most one entry.
pub(super) const ROW_BYTES_FULL: usize = 256 * 1024;

/// Bytes of gathered entries that share a commit well enough: an idle writer gets them without waiting for
/// quiet, and the loop gathers the next batch while it works.
const BATCH_BYTES_FULL: usize = 32 * 1024;

/// Bytes of memory that a batch keeps for the next one. Most are smaller; what one rush took is given back.
const SPARE_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of the length in front of each entry of a batch.
const LENGTH_BYTES: usize = 4;

/// Entries in the form they have on disk: each a length (`u32`, big-endian) and its bytes, one after the other
/// in rows. However many rows there are, they are committed together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    entries: usize,
    /// The rows that are full; what comes after them is one more.
    full_rows: Vec<RowEnd>,
}

/// Where a row ends in its batch.
#[derive(Debug, Clone, Copy, Default)]
struct RowEnd {
    bytes: usize,
    entries: usize,
}

/// The entries of a batch that lie in one row of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) entries: usize,
}

impl Batch {
    pub(super) fn push(&mut self, entry: &[u8]) {
        let row_start = self.full_rows.last().map_or(0, |row| row.bytes);
        if self.bytes.len() - row_start >= ROW_BYTES_FULL {
            self.full_rows.push(self.end());
        }
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

    /// The rows, in order; an empty batch has none.
    pub(super) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let last = (!self.is_empty()).then(|| self.end());
        let mut start = RowEnd::default();
        self.full_rows.iter().copied().chain(last).map(move |end| {
            let row =
                Row { bytes: &self.bytes[start.bytes..end.bytes], entries: end.entries - start.entries };
            start = end;
            row
        })
    }

    /// Whether it fills a row, and perhaps more than one.
    pub(super) fn is_long(&self) -> bool {
        self.bytes.len() >= ROW_BYTES_FULL
    }

    fn is_empty(&self) -> bool {
        self.entries == 0
    }

    fn end(&self) -> RowEnd {
        RowEnd { bytes: self.bytes.len(), entries: self.entries }
    }

    /// Its memory, to be filled anew.
    fn cleared(mut self) -> Self {
        self.bytes.clear();
        self.bytes.shrink_to(SPARE_BYTES_MAX);
        self.full_rows.clear();
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

/// Gathers entries while the writer works, and decides when they become a batch. One batch is under way at a
/// time, and everything proposed meanwhile goes with the next one, so no entry waits for more than two commits.
/// How many bytes that may be is for the proposer to decide: the service lets a connection have 256 KiB in
/// flight and all of them together 64 MiB.
#[derive(Default)]
pub(super) struct Gathering {
    batch: Batch,
    /// The writer has a batch.
    is_under_way: bool,
    /// The memory of a batch that came back, for the next one.
    spare: Batch,
}

impl Gathering {
    pub(super) fn add(&mut self, entry: &[u8]) {
        self.batch.push(entry);
    }

    pub(super) fn end_turn(&mut self, quiet: bool) -> Turn {
        if self.batch.is_empty() || self.is_under_way {
            Turn::Rest
        } else if quiet || self.batch.bytes.len() >= BATCH_BYTES_FULL {
            self.is_under_way = true;
            Turn::HandOver(std::mem::replace(&mut self.batch, std::mem::take(&mut self.spare)))
        } else {
            Turn::AwaitQuiet
        }
    }

    /// The writer is done with a batch.
    pub(super) fn came_back(&mut self, batch: Batch) {
        self.is_under_way = false;
        self.spare = batch.cleared();
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
        gathering.add(b"1");
        assert!(matches!(gathering.end_turn(false), Turn::AwaitQuiet));
        let Turn::HandOver(first) = gathering.end_turn(true) else { panic!("quiet and idle") };
        gathering.add(b"2");
        assert!(matches!(gathering.end_turn(true), Turn::Rest), "the writer is busy");
        gathering.came_back(first);
        let Turn::HandOver(second) = gathering.end_turn(true) else { panic!("idle again") };
        assert_eq!(read(second.bytes()), Some(vec![&b"2"[..]]));
    }

    #[test]
    fn everything_that_waits_for_a_busy_writer_goes_with_the_next_batch() {
        let mut gathering = Gathering::default();
        gathering.add(b"first");
        let Turn::HandOver(first) = gathering.end_turn(true) else { panic!("quiet and idle") };
        let entry = vec![7; 8_000];
        for _ in 0..10 {
            (0..100).for_each(|_| gathering.add(&entry));
            assert!(matches!(gathering.end_turn(true), Turn::Rest));
        }
        gathering.add(b"small");
        gathering.came_back(first);
        let Turn::HandOver(second) = gathering.end_turn(false) else { panic!("that is enough for a commit") };
        assert_eq!(second.entries(), 1_001);
        gathering.came_back(second);
        assert!(gathering.spare.bytes.capacity() <= SPARE_BYTES_MAX);
    }

    #[test]
    fn rows_split_a_batch_between_entries_and_lose_none() {
        let mut batch = Batch::default();
        assert_eq!(batch.rows().count(), 0);
        batch.push(b"alone");
        assert_eq!(batch.rows().collect::<Vec<_>>(), [Row { bytes: batch.bytes(), entries: 1 }]);
        assert!(!batch.is_long());
        for length in [1, ROW_BYTES_FULL / 3, ROW_BYTES_FULL / 3, ROW_BYTES_FULL, 0, 2 * ROW_BYTES_FULL, 5] {
            batch.push(&vec![7; length]);
        }
        let counts: Vec<_> = batch.rows().map(|row| row.entries).collect();
        assert_eq!(counts, [5, 2, 1]);
        assert!(batch.is_long());
        assert!(batch.rows().all(|row| read(row.bytes).is_some_and(|entries| entries.len() == row.entries)));
        assert_eq!(batch.rows().flat_map(|row| row.bytes).copied().collect::<Vec<_>>(), batch.bytes());
    }
}
