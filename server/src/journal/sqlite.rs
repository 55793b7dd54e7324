//! The journal on disk: SQLite in WAL mode, one row a commit. This is the side that the loop sees: it hands
//! batches over and fetches what became of them, and knows nothing of files.
//!
//! A thread of its own writes, so that the loop never waits for a disk. Where a commit waits for none, because
//! nothing is fsynced before the answer, the loop commits itself whenever the thread is not at the database:
//! waking it and being woken costs more than a quarter of the commit. It leaves two kinds of commits to the
//! thread all the same: long ones, and those in which SQLite might fsync.

mod anchor;
mod anchor_check;
mod chain;
mod durable;
mod error;
mod file;
mod index;
mod interval;
mod journal_thread;
mod messages;
mod paths;
mod reader;
mod replay;
mod snapshot;
mod structure;
#[cfg(test)]
mod tests;

mod unreadable;
mod verify;
mod writer;

use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use blake3::Hash;
use log::warn;

use self::chain::{ChunkChain, Tip};
use self::durable::close;
use self::error::{io, sqlite};
use self::file::Database;
use self::interval::IntervalSync;
use self::journal_thread::{Reporter, run};
use self::messages::{Report, Work};
use self::snapshot::{CHUNKS_AHEAD, SnapshotSender, insert_chunk, validate};
use self::writer::{Broken, Start, Syncs, Writer};
use super::batch::{Batch, Gathering, Turn};
use super::{Chunks, Class, Durability, Journal, Outcome, Sequence, Ticket};
use crate::inbox::{Inbox, Sender, inbox};

pub use self::durable::DurableLog;
pub use self::error::{JournalError, JournalErrorKind, Place};
pub use self::file::{ServerState, parts, sync_directory, temporary_parts};
pub use self::reader::{LogReader, Replayed};
pub use self::replay::{Contents, DroppedTail, Replay};
pub use self::snapshot::SNAPSHOT_CHUNK_BYTES;

/// The version of the tables.
const FORMAT: u32 = 2;
/// The version of what is in a row: how entries lie in a batch, and how digests are taken.
const LAYOUT: u32 = 1;

/// What is known of a thread that ended without a word.
const DIED: &str = "the journal's thread died";

/// A journal in the database file of a data directory whose lock the caller holds.
pub struct SqliteJournal {
    path: PathBuf,
    gathering: Gathering,
    works: Sender<Work>,
    reports: Receiver<Report>,
    /// What the loop's own commits have come to.
    own_reports: VecDeque<Report>,
    /// None once the journal is closed.
    writer: Option<Arc<Mutex<Writer>>>,
    thread: Option<JoinHandle<Result<(), Broken>>>,
    /// Where the log ended at the last outcome: the state that a snapshot can be taken of.
    reported: Tip,
    /// Up to where the log survives a power cut, as far as the durability promises that.
    durable: Sequence,
    durability: Durability,
    /// Bytes of the batches after the newest snapshot, up to there.
    tail_bytes: u64,
    /// While a snapshot is being written: how many of these bytes it covers.
    snapshot_covers_bytes: Option<u64>,
    ended: bool,
}

impl DurableLog {
    /// Starts the thread that writes after what was replayed. It calls `wake` after each thing that
    /// [`Journal::next_outcome`] has to tell, and when it ends.
    ///
    /// # Errors
    /// The database can't be set up as `durability` wants, or there is no thread to be had.
    pub fn start(
        self,
        durability: Durability,
        wake: impl Fn() + Send + 'static,
    ) -> Result<SqliteJournal, JournalError> {
        SqliteJournal::start(self, durability, Box::new(wake))
    }

    /// Adds entries without a server, durably, as one commit, and closes the journal.
    ///
    /// # Errors
    /// The commit failed; none of the entries is in the log.
    pub fn append(self, entries: &[&[u8]]) -> Result<(), JournalError> {
        let Self { files, end } = self;
        if entries.is_empty() {
            return close(files, end.tip);
        }
        let mut batch = Batch::default();
        for entry in entries {
            batch.push(None, |out| out.extend_from_slice(entry));
        }
        let tip = writer::append(&files.database.conn, end.tip, &batch)
            .map_err(|error| files.database.error(sqlite("commit")(error)))?;
        close(files, tip)
    }
}

/// Makes a journal at `path` that holds nothing but a snapshot. It is there whole, or not at all.
///
/// # Errors
/// There is a journal already, or it can't be written.
pub fn write_fresh(path: &Path, chunks: impl Iterator<Item = Vec<u8>>) -> Result<(), JournalError> {
    const ID: i64 = 1;
    let covers = beginning();
    file::create(path, covers, |conn| {
        let mut chain = ChunkChain::start(LAYOUT, &covers);
        for chunk in chunks {
            insert_chunk(conn, ID, &mut chain, &chunk)?;
        }
        validate(conn, ID, &chain, &covers)
    })
}

/// Where a log begins that is not empty at first: entry 1 stands for all of it. The digest is like no other, so
/// that the anchor names this very log; beside a database that lost its snapshot, it tells.
fn beginning() -> Tip {
    let mut digest = [0; 32];
    getrandom::fill(&mut digest).expect("a system on which Rust's hash maps work has random bytes");
    Tip { last: Sequence(1), hash: Hash::from_bytes(digest) }
}

/// What the three durabilities are to SQLite. Opening left it at FULL: fsynced within each commit.
fn set_durability(database: &Database, durability: Durability) -> Result<Syncs, JournalError> {
    let (synchronous, syncs) = match durability {
        Durability::Always => ("FULL", Syncs::WithCommit),
        Durability::Interval => {
            let wal = File::open(paths::wal(&database.path));
            let wal = wal.map_err(|error| database.error(io("open its write-ahead log")(error)))?;
            ("NORMAL", Syncs::EachSecond(IntervalSync::new(wal)))
        }
        Durability::None => ("OFF", Syncs::Never),
    };
    let set = database.conn.pragma_update(None, "synchronous", synchronous);
    set.map_err(|error| database.error(sqlite("configure it")(error)))?;
    Ok(syncs)
}

/// The thread, to its end, of which the loop learns in any case.
fn serve(writer: &Mutex<Writer>, reporter: &Reporter, works: &Inbox<Work>) -> Result<(), Broken> {
    let served = run(writer, reporter, works);
    if let Err(Broken(reason)) = &served {
        reporter.tell(Report::Broken { reason: reason.clone() });
    }
    served
}

fn spawn<T: Send + 'static>(
    path: &Path,
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, JournalError> {
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(run);
    spawned.map_err(|error| JournalError::new(path, io("start its thread")(error)))
}

impl SqliteJournal {
    fn start(
        DurableLog { files, end }: DurableLog,
        durability: Durability,
        wake: Box<dyn Fn() + Send>,
    ) -> Result<Self, JournalError> {
        let path = files.database.path.clone();
        let syncs = set_durability(&files.database, durability)?;
        let start = Start { tip: end.tip, snapshot: (end.snapshot_id, end.contents.covered), syncs };
        let writer = Arc::new(Mutex::new(Writer::new(files, start)));
        let (works, given) = inbox();
        let (tell, reports) = mpsc::channel();
        let (reporter, shared) = (Reporter::new(tell, wake), Arc::clone(&writer));
        let thread = spawn(&path, "journal", move || serve(&shared, &reporter, &given))?;
        let works = works.sender(thread.thread());
        Ok(Self {
            path,
            gathering: Gathering::default(),
            works,
            reports,
            own_reports: VecDeque::new(),
            writer: Some(writer),
            thread: Some(thread),
            reported: end.tip,
            durable: end.tip.last,
            durability,
            tail_bytes: end.contents.tail_bytes,
            snapshot_covers_bytes: None,
            ended: false,
        })
    }

    /// Begins a snapshot of the state that all outcomes told so far have made, from `chunks` of at most
    /// [`SNAPSHOT_CHUNK_BYTES`] each. They are made on a thread of their own. When the last of them is
    /// durable, a replay starts from the snapshot, and what it covers is deleted bit by bit.
    ///
    /// Returns whether it began: one at a time, and a journal that has ended takes none.
    pub fn begin_snapshot(&mut self, chunks: impl Iterator<Item = Vec<u8>> + Send + 'static) -> bool {
        if self.ended || self.snapshot_covers_bytes.is_some() {
            return false;
        }
        let (steps, taken) = mpsc::sync_channel(CHUNKS_AHEAD);
        self.hand_over(Work::Snapshot { covers: self.reported, steps: taken });
        let sender = SnapshotSender::new(steps, self.works.clone());
        // Without a thread the sender is dropped here, which tells the writer to abandon the snapshot.
        let maker = spawn(&self.path, "snapshot", move || sender.send_all(chunks));
        maker.inspect_err(|error| warn!("{error}")).ok();
        self.snapshot_covers_bytes = Some(self.tail_bytes);
        true
    }

    /// Commits what was handed over, makes it durable, moves the log into the database, and closes it. Entries that were
    /// gathered and never handed over are dropped, as is a snapshot that is under way.
    ///
    /// # Errors
    /// The journal broke, or the database can't be closed. What was told to be committed is.
    pub fn close(mut self) -> Result<(), JournalError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), JournalError> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        self.hand_over(Work::Close);
        let ended = thread.join().unwrap_or_else(|_| Err(Broken(DIED.to_owned())));
        let broken = |reason| JournalError::new(&self.path, JournalErrorKind::Broken(reason));
        ended.map_err(|Broken(reason)| broken(reason))?;
        // The thread has gone, so nobody else has the writer. Opened as it was, a database that is in doubt
        // closes without a checkpoint: nothing more is written.
        let writer = self.writer.take().and_then(Arc::into_inner).and_then(|writer| writer.into_inner().ok());
        let files = writer.map_or_else(|| Err(Broken(DIED.to_owned())), Writer::into_files);
        let (files, tip) = files.map_err(|Broken(reason)| broken(reason))?;
        close(files, tip)
    }

    /// Commits in the loop if that takes neither an fsync nor long, and nobody else is at the database;
    /// otherwise the thread gets the batch.
    fn commit(&mut self, batch: Batch) {
        let is_quick = self.durability != Durability::Always && !batch.is_long();
        let writer = self.writer.as_ref().filter(|_| is_quick).and_then(|writer| writer.try_lock().ok());
        let Some(mut writer) = writer.filter(|writer| writer.commits_at_once()) else {
            return self.hand_over(Work::Batch(batch));
        };
        let report = writer.commit(batch).unwrap_or_else(|broken| {
            writer.fail(broken.clone());
            Report::Broken { reason: broken.0 }
        });
        let needs_maintenance = writer.needs_maintenance();
        drop(writer);
        self.own_reports.push_back(report);
        if needs_maintenance {
            self.hand_over(Work::Maintain);
        }
    }

    fn next_report(&mut self) -> Result<Report, TryRecvError> {
        // While the thread has a batch the loop commits none, so either queue may be asked first.
        self.own_reports.pop_front().map_or_else(|| self.reports.try_recv(), Ok)
    }

    fn hand_over(&self, work: Work) {
        // A writer that has ended has told why, or `next_outcome` will find its reports ended.
        self.works.send(work);
    }

    fn committed(&mut self, tip: Tip, entries: Batch) -> Outcome {
        let first = self.reported.last.plus(1);
        self.reported = tip;
        self.tail_bytes += entries.bytes().len() as u64;
        if self.durability != Durability::Interval {
            self.durable = tip.last;
        }
        self.gathering.came_back();
        Outcome::Committed { first, entries }
    }

    fn end_snapshot(&mut self, valid: bool) {
        let covered = self.snapshot_covers_bytes.take();
        if valid {
            self.tail_bytes -= covered.unwrap_or(0);
        }
    }

    fn broke(&mut self, reason: String) -> Outcome {
        self.ended = true;
        Outcome::Broken { reason }
    }
}

impl Drop for SqliteJournal {
    fn drop(&mut self) {
        // Those who want to know of errors close it.
        let _ = self.end();
    }
}

impl Journal for SqliteJournal {
    fn durable(&self) -> Sequence {
        self.durable
    }

    fn tail_bytes(&self) -> u64 {
        self.tail_bytes
    }

    fn snapshot(&mut self, chunks: Chunks) -> bool {
        self.begin_snapshot(chunks)
    }

    fn propose(&mut self, ticket: Ticket, class: Class, encode: impl FnOnce(&mut Vec<u8>)) -> usize {
        self.gathering.add(ticket, class, encode)
    }

    fn end_turn(&mut self, quiet: bool) -> bool {
        match self.gathering.end_turn(quiet) {
            Turn::HandOver(batch) => self.commit(batch),
            Turn::AwaitQuiet => return true,
            Turn::Rest => {}
        }
        false
    }

    fn has_outcome(&self) -> bool {
        !self.ended && self.gathering.has_passing()
    }

    fn next_outcome(&mut self) -> Option<Outcome> {
        if self.ended {
            return None;
        }
        if let Some(entries) = self.gathering.take_passing() {
            return Some(Outcome::Passed { entries });
        }
        loop {
            match self.next_report() {
                Ok(Report::Committed { tip, batch }) => return Some(self.committed(tip, batch)),
                Ok(Report::NoSpace { batch }) => {
                    self.gathering.came_back();
                    return Some(Outcome::NoSpace { entries: batch });
                }
                Ok(Report::Synced { tip }) => self.durable = tip.last,
                Ok(Report::Snapshot { valid }) => self.end_snapshot(valid),
                Ok(Report::Broken { reason }) => return Some(self.broke(reason)),
                Err(TryRecvError::Empty) => return None,
                Err(TryRecvError::Disconnected) => return Some(self.broke(DIED.to_owned())),
            }
        }
    }

    fn recycle(&mut self, entries: Batch) {
        self.gathering.recycle(entries);
    }
}
