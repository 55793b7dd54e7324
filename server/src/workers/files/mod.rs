//! The files that users upload, seen from the loop, which never touches a disk: orders go to a few worker
//! threads, reports come back. Knows files by their id and transfers by the caller's key `K`, and neither
//! users nor threads of the forum nor sockets.
//!
//! A transfer belongs to one worker, so what happens to it happens in order. An upload is
//! [`create`](FileWorkers::create), any number of [`write`](FileWorkers::write)s and
//! [`finish`](FileWorkers::finish); a download is [`open`](FileWorkers::open) and any number of
//! [`read`](FileWorkers::read)s. Either is over when it is stored, read to its end or failed, or when
//! [`end`](FileWorkers::end) says so; after that, no report mentions it any more.
//!
//! Memory is bounded by what is granted: an upload holds no more bytes than the credit its client has, and
//! at most two buffers; a download has one chunk under way. So are descriptors: an upload holds one, a download
//! only while a chunk is read, which makes one for each thread.

mod id;
mod report;
mod scan;
mod storage;
mod threads;
mod worker;

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::{io, mem};

use forum_common::limits::DATA_BYTES_MAX;
use forum_common::wire::Tag;

use crate::directory::Directory;

use self::id::PART;
pub use self::id::{FileId, NotAFileId};
pub use self::report::{Announced, Expected, Failure, FileSync, Report};
pub use self::scan::{
    Kind, Scan, bring_back, has_whole, is_lost_and_found, move_aside, orphaned, scan, sync_orphaned,
};
pub use self::storage::{Storage, StoredFile};
pub use self::threads::Stepper;
use self::threads::{News, Workers};
use self::worker::{Direction, Done, Order, TransferNumber};

/// Bytes that an upload may have on the way to the disk: the client's first credit, and what
/// [`Report::Written`] renews. It takes 100 ms to cross a line of 80 Mbit/s.
pub const UPLOAD_CREDIT_BYTES: u32 = 1024 * 1024;
/// Bytes of file in one chunk of a download: four full frames.
pub const CHUNK_BYTES_MAX: u64 = 4 * DATA_BYTES_MAX as u64;
/// Worker threads by default, for uploads and as many again for downloads. More than one, because an fsync
/// blocks its thread; few, because it is one disk; and threads of their own for downloads, because what is read
/// is mostly in memory and is not to wait for fsyncs.
pub const THREADS: usize = 4;
/// Buffers that are kept for the next transfer; more are freed when they come back.
const SPARE_BUFFERS_MAX: usize = 16;

// A client with full credit fits more than one frame into it, or it would send them one by one.
const _: () = assert!(UPLOAD_CREDIT_BYTES as usize >= 2 * DATA_BYTES_MAX);

/// Called from a worker thread when there is a report to fetch.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// The file workers.
pub struct FileWorkers<K> {
    workers: Workers<K>,
    transfers: HashMap<K, Transfer>,
    next_number: u64,
    spares: Spares,
    /// Files that are gone for good, until somebody asks.
    unlinked: Vec<FileId>,
}

#[derive(Debug)]
struct Transfer {
    number: TransferNumber,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    /// Upload: all bytes that came are written.
    Waiting,
    /// Upload: a write is under way, and what came meanwhile makes up the next. However small the frames
    /// are, there is one order and one write for many.
    Writing { gathered: Vec<u8> },
    /// Upload: all bytes came, and the verdict is awaited.
    Finishing,
    /// Download: nothing is asked for.
    Opened,
    /// Download: a chunk is under way.
    Reading,
}

/// A transfer of the caller's, and which of those that ever had this key.
#[derive(Debug, Clone, Copy)]
struct Ticket<K> {
    key: K,
    number: TransferNumber,
}

impl<K: Copy + Eq + Hash + Send + 'static> FileWorkers<K> {
    /// Starts `threads` workers for uploads to `dir` and as many for downloads from it; 0 =
    /// every order is obeyed when it is given, by the caller's own thread.
    ///
    /// # Errors
    /// The operating system refuses a thread.
    pub fn start(dir: Directory, threads: usize, sync: FileSync, wake: Wake) -> io::Result<Self> {
        Ok(Self::with(Workers::start(dir, threads, sync, wake)?))
    }

    /// Workers for simulations: every order waits until the stepper has it obeyed.
    pub fn stepped(dir: Box<dyn Storage>, sync: FileSync, wake: Wake) -> (Self, Stepper<K>) {
        let (workers, stepper) = Workers::stepped(dir, sync, wake);
        (Self::with(workers), stepper)
    }

    fn with(workers: Workers<K>) -> Self {
        let (spares, unlinked) = (Spares::default(), Vec::new());
        Self { workers, transfers: HashMap::new(), next_number: 0, spares, unlinked }
    }

    /// Begins an upload as `id`, which no file may have yet. A transfer that had the key is ended.
    pub fn create(&mut self, key: K, id: FileId) {
        let ticket = self.begin(key, Direction::Upload);
        self.workers.order(ticket, Order::Create(id));
    }

    /// Appends `bytes`, which the client had credit for, to an upload. Does nothing when it is over: bytes
    /// may have been on their way when it failed.
    pub fn write(&mut self, key: K, bytes: &[u8]) {
        let Some(transfer) = self.transfers.get_mut(&key) else { return };
        match &mut transfer.phase {
            _ if bytes.is_empty() => {}
            Phase::Writing { gathered } => {
                if gathered.is_empty() {
                    *gathered = self.spares.take();
                }
                gathered.extend_from_slice(bytes);
                debug_assert!(gathered.len() <= UPLOAD_CREDIT_BYTES as usize, "more than the credit");
            }
            Phase::Waiting => {
                let mut buffer = self.spares.take();
                buffer.extend_from_slice(bytes);
                transfer.phase = Phase::Writing { gathered: Vec::new() };
                self.workers.order(Ticket { key, number: transfer.number }, Order::Write(buffer));
            }
            phase => debug_assert!(false, "bytes for a transfer that is {phase:?}"),
        }
    }

    /// All bytes of an upload came: is it what it should be? Either [`Report::Stored`] or
    /// [`Report::Failed`] answers.
    pub fn finish(&mut self, key: K, announced: Announced) {
        let Some(transfer) = self.transfers.get_mut(&key) else { return };
        let ticket = Ticket { key, number: transfer.number };
        if let Phase::Writing { gathered } = mem::replace(&mut transfer.phase, Phase::Finishing)
            && !gathered.is_empty()
        {
            self.workers.order(ticket, Order::Write(gathered));
        }
        self.workers.order(ticket, Order::Finish(announced));
    }

    /// Begins a download of `id` from `offset` on, whose data frames will have the tag `tag`. A transfer that had the key
    /// is ended. Should the file turn out not to be as `expected`, it fails, at its last chunk at the latest; from
    /// another `offset` than 0, only its size is looked at.
    pub fn open(&mut self, key: K, id: FileId, tag: Tag, expected: Expected, offset: u64) {
        let ticket = self.begin(key, Direction::Download);
        self.workers.order(ticket, Order::Open(id, tag, expected, offset));
    }

    /// Asks for the next chunk of a download, of at most `bytes_max` (at least 1) and at most
    /// [`CHUNK_BYTES_MAX`] bytes of file. The one before must have come.
    pub fn read(&mut self, key: K, bytes_max: u64) {
        debug_assert!(bytes_max > 0, "a chunk of nothing");
        let Some(transfer) = self.transfers.get_mut(&key) else { return };
        debug_assert!(matches!(transfer.phase, Phase::Opened), "read while it is {:?}", transfer.phase);
        transfer.phase = Phase::Reading;
        let order = Order::Read { bytes_max: bytes_max.min(CHUNK_BYTES_MAX), frames: self.spares.take() };
        self.workers.order(Ticket { key, number: transfer.number }, order);
    }

    /// Ends a transfer, whatever its state. An upload leaves no trace, even one that is being stored at
    /// this moment; once [`Report::Stored`] was fetched it takes [`Self::unlink`].
    pub fn end(&mut self, key: K) {
        if let Some(Transfer { number, .. }) = self.transfers.remove(&key) {
            self.workers.order(Ticket { key, number }, Order::End);
        }
    }

    /// Deletes stored files; downloads of them fail at their next chunk. When they are gone for good (with
    /// [`FileSync::Never`]: from the directory) [`Self::take_unlinked`] tells of them. One that can't be
    /// deleted is logged and never told of.
    pub fn unlink(&mut self, ids: Vec<FileId>) {
        self.workers.unlink(ids);
    }

    /// The files that are gone since this was last asked, as far as [`Self::next_report`] has come.
    pub fn take_unlinked(&mut self) -> Vec<FileId> {
        mem::take(&mut self.unlinked)
    }

    /// Takes back the buffer of a chunk that is on the wire.
    pub fn recycle(&mut self, frames: Vec<u8>) {
        self.spares.give(frames);
    }

    /// News of a transfer, if there is any.
    pub fn next_report(&mut self) -> Option<(K, Report)> {
        loop {
            match self.workers.next_news()? {
                News::Unlinked(mut ids) => self.unlinked.append(&mut ids),
                News::Transfer(ticket, done) => {
                    if let Some(report) = self.note(ticket, done) {
                        return Some((ticket.key, report));
                    }
                }
            }
        }
    }

    /// For tests: after `writes` more that go well, the disk is full for one. Only without threads.
    pub fn fill_up_after(&mut self, writes: u64) {
        match &mut self.workers {
            Workers::Inline(inline) => inline.borrow_mut().worker.fill_up_after(writes),
            Workers::Threads { .. } => debug_assert!(false, "which of the threads?"),
        }
    }

    /// For tests: a slow disk, of which nothing is heard until it is released. Only without threads.
    pub fn hold(&mut self, hold: bool) {
        match &mut self.workers {
            Workers::Inline(inline) => inline.borrow_mut().held = hold,
            Workers::Threads { .. } => debug_assert!(false, "threads can't be held"),
        }
    }

    fn begin(&mut self, key: K, direction: Direction) -> Ticket<K> {
        self.end(key);
        let number = TransferNumber { number: self.next_number, direction };
        self.next_number += 1;
        let phase = match direction {
            Direction::Upload => Phase::Waiting,
            Direction::Download => Phase::Opened,
        };
        self.transfers.insert(key, Transfer { number, phase });
        Ticket { key, number }
    }

    /// Brings the books up to date; what is for the caller is returned.
    fn note(&mut self, ticket: Ticket<K>, done: Done) -> Option<Report> {
        let transfer = self.transfers.get_mut(&ticket.key).filter(|known| known.number == ticket.number);
        let Some(transfer) = transfer else {
            self.clear_away(done);
            return None;
        };
        let (report, is_over) = match done {
            Done::Wrote(buffer) => return self.note_written(ticket, buffer),
            Done::Stored(id, digest) => (Report::Stored { id, digest }, true),
            Done::Opened { size } => (Report::Opened { size }, size == 0),
            Done::Read { frames, bytes, last } => {
                transfer.phase = Phase::Opened;
                (Report::Chunk { frames, bytes }, last)
            }
            Done::Failed(failure) => (Report::Failed(failure), true),
        };
        if is_over {
            self.transfers.remove(&ticket.key);
        }
        Some(report)
    }

    /// A write is over: the next one goes, if something gathered.
    fn note_written(&mut self, ticket: Ticket<K>, buffer: Vec<u8>) -> Option<Report> {
        let bytes = u32::try_from(buffer.len()).expect("the credit is an u32");
        self.spares.give(buffer);
        let phase = &mut self.transfers.get_mut(&ticket.key)?.phase;
        match phase {
            Phase::Writing { gathered } if gathered.is_empty() => *phase = Phase::Waiting,
            Phase::Writing { gathered } => {
                let next = Order::Write(mem::take(gathered));
                self.workers.order(ticket, next);
            }
            // Who has sent everything needs no credit.
            _ => return None,
        }
        Some(Report::Written { bytes })
    }

    /// What was done for a transfer that was ended meanwhile.
    fn clear_away(&mut self, done: Done) {
        match done {
            Done::Stored(id, _) => self.unlink(vec![id]),
            Done::Wrote(buffer) | Done::Read { frames: buffer, .. } => self.spares.give(buffer),
            Done::Opened { .. } | Done::Failed(_) => {}
        }
    }
}

/// Buffers between two uses.
#[derive(Debug, Default)]
struct Spares(Vec<Vec<u8>>);

impl Spares {
    fn take(&mut self) -> Vec<u8> {
        self.0.pop().unwrap_or_default()
    }

    fn give(&mut self, mut buffer: Vec<u8>) {
        buffer.clear();
        if self.0.len() < SPARE_BUFFERS_MAX {
            self.0.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests;
