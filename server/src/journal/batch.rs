//! Batches: entries that are committed together, and the decision when a batch is complete.
//!
//! Waiting for quiet is what fills a commit: each poll that finds more work puts more entries under the
//! price of one fsync.

use std::fmt;

use byteorder::{BigEndian, ByteOrder};

use super::{Class, Ticket};
use crate::planted::{Bug, planted};

/// Bytes after which a row of the log is full and the next entry begins another: a row is what replay reads,
/// and what damage takes, at once. It is longer by at most one entry.
pub(super) const ROW_BYTES_FULL: usize = 256 * 1024;

/// Bytes of gathered entries that share a commit well enough: an idle writer gets them without waiting for
/// quiet, and the loop gathers the next batch while it works.
const BATCH_BYTES_FULL: usize = 32 * 1024;

/// Bytes of memory that a batch keeps for the next one. Most are smaller; what one rush took is given back.
const SPARE_BYTES_MAX: usize = 1024 * 1024;

/// Tickets for which a batch keeps memory, likewise.
const SPARE_TICKETS_MAX: usize = 16 * 1024;

/// Batches whose memory is kept: one is filled while another is committed, and there are passing entries.
const SPARES_MAX: usize = 3;

/// Bytes of the length in front of each entry of a batch.
const LENGTH_BYTES: usize = 4;

/// Entries in the form they have on disk: each a length (`u32`, big-endian) and its bytes, one after the other
/// in rows; and beside them the tickets of those that were proposed here. However many rows there are, they are
/// committed together.
#[derive(Default, PartialEq, Eq)]
pub struct Batch {
    bytes: Vec<u8>,
    /// One for each entry.
    tickets: Vec<Option<Ticket>>,
    /// The rows that are full; what comes after them is one more.
    full_rows: Vec<RowEnd>,
}

/// Where a row ends in its batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct RowEnd {
    bytes: usize,
    entries: usize,
}

/// How far a batch was read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cursor {
    entry: usize,
    byte: usize,
}

/// The entries of a batch that lie in one row of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) entries: usize,
}

impl Batch {
    /// Each entry's ticket and bytes, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Option<Ticket>, &[u8])> {
        let mut cursor = Cursor::default();
        std::iter::from_fn(move || self.next(&mut cursor))
    }

    /// The ticket and bytes of the entry at `cursor`, which goes on to the one after it; none at the end.
    pub fn next(&self, cursor: &mut Cursor) -> Option<(Option<Ticket>, &[u8])> {
        let ticket = *self.tickets.get(cursor.entry)?;
        let (entry, _) = split_entry(&self.bytes[cursor.byte..]).expect("push has written it");
        cursor.entry += 1;
        cursor.byte += LENGTH_BYTES + entry.len();
        Some((ticket, entry))
    }

    /// Whether nothing follows `cursor`.
    #[must_use]
    pub fn is_read(&self, cursor: &Cursor) -> bool {
        cursor.entry >= self.tickets.len()
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tickets.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tickets.is_empty()
    }

    /// Adds an entry, whose bytes `encode` appends; returns how many these are.
    pub(super) fn push(&mut self, ticket: Option<Ticket>, encode: impl FnOnce(&mut Vec<u8>)) -> usize {
        let row_start = self.full_rows.last().map_or(0, |row| row.bytes);
        if self.bytes.len() - row_start >= ROW_BYTES_FULL {
            self.full_rows.push(self.end());
        }
        let start = self.bytes.len() + LENGTH_BYTES;
        self.bytes.extend_from_slice(&[0; LENGTH_BYTES]);
        encode(&mut self.bytes);
        let length = self.bytes.len() - start;
        let stored = u32::try_from(length).expect("an entry is not much longer than a frame");
        self.bytes[start - LENGTH_BYTES..start].copy_from_slice(&stored.to_be_bytes());
        self.tickets.push(ticket);
        length
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
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

    fn end(&self) -> RowEnd {
        RowEnd { bytes: self.bytes.len(), entries: self.len() }
    }

    /// Its memory, to be filled anew.
    fn cleared(mut self) -> Self {
        self.bytes.clear();
        self.bytes.shrink_to(SPARE_BYTES_MAX);
        self.full_rows.clear();
        self.tickets.clear();
        self.tickets.shrink_to(SPARE_TICKETS_MAX);
        self
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
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
/// How many bytes that may be is for the proposer to decide: the core lets a connection have 256 KiB in
/// flight and all of them together 64 MiB.
#[derive(Default)]
pub(super) struct Gathering {
    batch: Batch,
    /// The writer has a batch.
    is_under_way: bool,
    /// Entries that no writer gets.
    passing: Batch,
    /// The memory of batches that were dealt with, for the next ones.
    spares: Vec<Batch>,
}

impl Gathering {
    /// Takes an entry as [`Journal::propose`](super::Journal::propose) does on a single node.
    pub(super) fn add(&mut self, ticket: Ticket, class: Class, encode: impl FnOnce(&mut Vec<u8>)) -> usize {
        match class {
            Class::Kept if planted(Bug::AnswerBeforeTheCommit) => {
                self.passing.push(Some(ticket), |_| {});
                self.batch.push(Some(Ticket::PLANTED), encode)
            }
            Class::Kept => self.batch.push(Some(ticket), encode),
            Class::Passing => self.passing.push(Some(ticket), |_| {}),
        }
    }

    pub(super) fn has_passing(&self) -> bool {
        !self.passing.is_empty()
    }

    /// The passing entries since the last time, if there are any.
    pub(super) fn take_passing(&mut self) -> Option<Batch> {
        self.has_passing()
            .then(|| std::mem::replace(&mut self.passing, self.spares.pop().unwrap_or_default()))
    }

    pub(super) fn end_turn(&mut self, quiet: bool) -> Turn {
        if self.batch.is_empty() || self.is_under_way {
            Turn::Rest
        } else if quiet || self.batch.bytes.len() >= BATCH_BYTES_FULL {
            self.is_under_way = true;
            Turn::HandOver(std::mem::replace(&mut self.batch, self.spares.pop().unwrap_or_default()))
        } else {
            Turn::AwaitQuiet
        }
    }

    /// The writer is done with its batch.
    pub(super) fn came_back(&mut self) {
        self.is_under_way = false;
    }

    pub(super) fn recycle(&mut self, batch: Batch) {
        if self.spares.len() < SPARES_MAX {
            self.spares.push(batch.cleared());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(batch: &mut Batch, entry: &[u8]) {
        assert_eq!(batch.push(None, |out| out.extend_from_slice(entry)), entry.len());
    }

    fn add(gathering: &mut Gathering, entry: &[u8]) {
        gathering.add(Ticket(0), Class::Kept, |out| out.extend_from_slice(entry));
    }

    fn read(bytes: &[u8]) -> Option<Vec<&[u8]>> {
        entries_of(bytes).collect()
    }

    #[test]
    fn a_batch_gives_its_entries_back_in_order() {
        let mut batch = Batch::default();
        for entry in [&b"one"[..], b"", b"three"] {
            push(&mut batch, entry);
        }
        assert_eq!(read(batch.bytes()), Some(vec![&b"one"[..], b"", b"three"]));
        assert_eq!(batch.len(), 3);
    }

    #[test]
    fn bytes_cut_inside_an_entry_are_no_batch() {
        let mut batch = Batch::default();
        push(&mut batch, b"one");
        for cut in 1..batch.bytes().len() {
            assert_eq!(read(&batch.bytes()[..cut]), None, "cut at {cut}");
        }
    }

    #[test]
    fn a_turn_that_is_not_quiet_waits_and_a_busy_writer_is_left_alone() {
        let mut gathering = Gathering::default();
        assert!(matches!(gathering.end_turn(true), Turn::Rest), "nothing was gathered");
        add(&mut gathering, b"1");
        assert!(matches!(gathering.end_turn(false), Turn::AwaitQuiet));
        let Turn::HandOver(first) = gathering.end_turn(true) else { panic!("quiet and idle") };
        add(&mut gathering, b"2");
        assert!(matches!(gathering.end_turn(true), Turn::Rest), "the writer is busy");
        gathering.came_back();
        gathering.recycle(first);
        let Turn::HandOver(second) = gathering.end_turn(true) else { panic!("idle again") };
        assert_eq!(read(second.bytes()), Some(vec![&b"2"[..]]));
    }

    #[test]
    fn everything_that_waits_for_a_busy_writer_goes_with_the_next_batch() {
        let mut gathering = Gathering::default();
        add(&mut gathering, b"first");
        let Turn::HandOver(first) = gathering.end_turn(true) else { panic!("quiet and idle") };
        let entry = vec![7; 8_000];
        for _ in 0..10 {
            (0..100).for_each(|_| add(&mut gathering, &entry));
            assert!(matches!(gathering.end_turn(true), Turn::Rest));
        }
        add(&mut gathering, b"small");
        gathering.came_back();
        gathering.recycle(first);
        let Turn::HandOver(second) = gathering.end_turn(false) else { panic!("that is enough for a commit") };
        assert_eq!(second.len(), 1_001);
        gathering.came_back();
        gathering.recycle(second);
        assert!(gathering.spares.iter().all(|spare| spare.bytes.capacity() <= SPARE_BYTES_MAX));
    }

    #[test]
    fn memory_that_came_back_is_filled_again() {
        let mut gathering = Gathering::default();
        let turn = |gathering: &mut Gathering| {
            (0..100).for_each(|n| _ = gathering.add(Ticket(n), Class::Kept, |out| out.push(7)));
            gathering.add(Ticket(100), Class::Passing, |_| {});
            let Turn::HandOver(kept) = gathering.end_turn(true) else { panic!("quiet and idle") };
            let passing = gathering.take_passing().expect("one is gathered");
            gathering.came_back();
            let mut memory = [&kept, &passing].map(|batch| batch.bytes.as_ptr());
            memory.sort();
            gathering.recycle(kept);
            gathering.recycle(passing);
            memory
        };
        // What is filled first has not been given back yet; from then on the same memory goes round.
        let used: Vec<_> = (0..9).map(|_| turn(&mut gathering)).collect();
        assert!(used[5..].iter().flatten().all(|memory| used[..5].concat().contains(memory)));
    }

    #[test]
    fn rows_split_a_batch_between_entries_and_lose_none() {
        let mut batch = Batch::default();
        assert_eq!(batch.rows().count(), 0);
        push(&mut batch, b"alone");
        assert_eq!(batch.rows().collect::<Vec<_>>(), [Row { bytes: batch.bytes(), entries: 1 }]);
        assert!(!batch.is_long());
        for length in [1, ROW_BYTES_FULL / 3, ROW_BYTES_FULL / 3, ROW_BYTES_FULL, 0, 2 * ROW_BYTES_FULL, 5] {
            push(&mut batch, &vec![7; length]);
        }
        let counts: Vec<_> = batch.rows().map(|row| row.entries).collect();
        assert_eq!(counts, [5, 2, 1]);
        assert!(batch.is_long());
        assert!(batch.rows().all(|row| read(row.bytes).is_some_and(|entries| entries.len() == row.entries)));
        assert_eq!(batch.rows().flat_map(|row| row.bytes).copied().collect::<Vec<_>>(), batch.bytes());
    }
}
