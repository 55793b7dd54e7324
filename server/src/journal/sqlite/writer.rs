//! Everything that writes the database: commits batches, puts a snapshot's chunks in, fsyncs when that is due,
//! moves the write-ahead log into the database, and deletes what a snapshot covers; each in steps so short
//! that no batch waits long. One thread at a time does it.

use std::io::{self, ErrorKind};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use log::{debug, info, warn};
use rusqlite::{Connection, Transaction, params};

use super::LAYOUT;
use super::anchor::Anchor;
use super::chain::Tip;
use super::durable::LogFiles;
use super::error::{Extended, is_full};
use super::file::{PAGE_BYTES, stored, without_waiting};
use super::interval::{DueSync, IntervalSync};
use super::messages::{Report, Step};
use super::snapshot::{Progress, SnapshotWriter};
use crate::clock::{Clock, SystemClock};
use crate::journal::Sequence;
use crate::journal::batch::{Batch, Row};

/// Pages of write-ahead log after which it is moved into the database: 16 MB, so that a restart has little to
/// recover, and seldom enough that its two fsyncs don't count even where a rush commits 5 MB at a time. With
/// more than 4,062 the index of the log would need another piece of shared memory, and on a full disk that is
/// an error which comes after the commit.
pub(super) const CHECKPOINT_PAGES: usize = 4_000;
/// Covered batches that one transaction deletes; each is a walk along its overflow pages.
const BATCHES_DELETED_MAX: usize = 64;
/// Chunks of outdated snapshots that one transaction deletes, likewise.
const CHUNKS_DELETED_MAX: usize = 8;

/// Why nothing more can be written.
#[derive(Clone)]
pub(super) struct Broken(pub(super) String);

fn broken(doing: &'static str) -> impl Fn(rusqlite::Error) -> Broken {
    move |error| Broken(format!("cannot {doing}: {error}{}", Extended(&error)))
}

/// An anchor that finds no room only lags further behind, and its space was taken when it was made; any other
/// error would let a loss go unnoticed.
fn anchored(moved: io::Result<()>) -> Result<(), Broken> {
    match moved {
        Err(error) if !matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
            Err(Broken(format!("cannot write the log's anchor: {error}")))
        }
        Err(error) => {
            warn!("cannot write the log's anchor: {error}");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

/// When commits are fsynced.
pub(super) enum Syncs {
    /// By SQLite, before a commit is told.
    WithCommit,
    /// By us.
    EachSecond(IntervalSync),
    Never,
}

/// Fsyncs that are due, of the log or of its anchor alone. They need nothing but the files, so commits go on
/// while they run.
pub(super) struct Due {
    log: Option<DueSync>,
    anchor: Anchor,
}

impl Due {
    /// Makes them; says where the log ended that is durable now, if it was fsynced.
    pub(super) fn run(&self) -> Result<Option<Tip>, Broken> {
        if let Some(log) = &self.log {
            let synced = log.run();
            synced.map_err(|error| Broken(format!("cannot fsync the write-ahead log: {error}")))?;
            anchored(self.anchor.move_to(log.tip, SystemClock.now()))?;
        }
        anchored(self.anchor.sync())?;
        Ok(self.log.as_ref().map(|log| log.tip))
    }
}

/// What a writer starts from.
pub(super) struct Start {
    pub(super) tip: Tip,
    /// The newest valid snapshot's id, 0 if there is none, and the last entry that it covers.
    pub(super) snapshot: (i64, Sequence),
    pub(super) syncs: Syncs,
}

/// The one writer of a database.
pub(super) struct Writer {
    files: LogFiles,
    tip: Tip,
    snapshot: (i64, Sequence),
    writing: Option<SnapshotWriter>,
    /// What a snapshot made superfluous may still be there.
    has_outdated_rows: bool,
    /// About as many pages were written since the last checkpoint.
    wal_pages: usize,
    syncs: Syncs,
    /// The next commit may start the log anew: it is the first since a checkpoint, or since the start.
    log_may_start_anew: bool,
    /// A commit made something due that is not its own business.
    needs_maintenance: bool,
    /// What failed, if something did that leaves in doubt what is on disk: nothing more is written.
    broken: Option<Broken>,
}

/// What there is to do for a writer that is given nothing.
pub(super) enum Idle {
    /// To delete outdated rows, at once.
    DeleteOutdated,
    /// An fsync, at the latest after this time.
    Sync(Duration),
    /// Nothing.
    Nothing,
}

impl Writer {
    pub(super) fn new(files: LogFiles, start: Start) -> Self {
        Self {
            files,
            tip: start.tip,
            snapshot: start.snapshot,
            writing: None,
            has_outdated_rows: true,
            wal_pages: 0,
            syncs: start.syncs,
            log_may_start_anew: true,
            needs_maintenance: false,
            broken: None,
        }
    }

    pub(super) fn when_idle(&self) -> Idle {
        let now = SystemClock.now();
        let log = match &self.syncs {
            Syncs::EachSecond(interval) => interval.wait(now),
            Syncs::WithCommit | Syncs::Never => None,
        };
        match log.into_iter().chain(self.files.anchor.wait(now)).min() {
            _ if self.has_outdated_rows => Idle::DeleteOutdated,
            Some(wait) => Idle::Sync(wait),
            None => Idle::Nothing,
        }
    }

    /// Whether commits made something due since this was last asked: [`Self::maintain`] is to be called soon.
    pub(super) fn needs_maintenance(&mut self) -> bool {
        std::mem::take(&mut self.needs_maintenance)
    }

    /// Whether the next commit waits for nothing, where those of this durability do not in general: no
    /// checkpoint is due, and SQLite fsyncs nothing in it. It does so in a commit that finds all of the log moved
    /// into the database: that one starts the log anew, and its header is fsynced. After it the log is never as
    /// short again before the next checkpoint.
    pub(super) fn commits_at_once(&self) -> bool {
        self.wal_pages < CHECKPOINT_PAGES && (matches!(self.syncs, Syncs::Never) || !self.log_may_start_anew)
    }

    /// The fsyncs that are due now, or before the checkpoint that is: what the database is given replaces what
    /// was there, so the anchor has to say first what it must hold.
    pub(super) fn take_due(&mut self) -> Option<Due> {
        let (now, hurry) = (SystemClock.now(), self.wal_pages >= CHECKPOINT_PAGES);
        let anchor = self.files.anchor.clone();
        let log = match &mut self.syncs {
            Syncs::EachSecond(interval) => interval.take_due(self.tip, now, hurry),
            Syncs::WithCommit | Syncs::Never => None,
        };
        let is_due = log.is_some() || anchor.wait(now).is_some_and(|wait| hurry || wait.is_zero());
        is_due.then_some(Due { log, anchor })
    }

    /// Does what is due beside the commits.
    pub(super) fn maintain(&mut self) -> Result<(), Broken> {
        if self.wal_pages >= CHECKPOINT_PAGES {
            self.checkpoint()?;
        }
        Ok(())
    }

    /// Nothing is to be written any more, for this reason, unless there was one before.
    pub(super) fn fail(&mut self, broken: Broken) {
        self.broken.get_or_insert(broken);
    }

    /// Whether something may be written.
    pub(super) fn check(&self) -> Result<(), Broken> {
        self.broken.clone().map_or(Ok(()), Err)
    }

    /// The database, to be closed, and where its log ends, unless what it holds is in doubt.
    pub(super) fn into_files(self) -> Result<(LogFiles, Tip), Broken> {
        self.check()?;
        Ok((self.files, self.tip))
    }

    fn conn(&self) -> &Connection {
        &self.files.database.conn
    }

    pub(super) fn commit(&mut self, batch: Batch) -> Result<Report, Broken> {
        self.check()?;
        match insert_batch(self.conn(), self.tip, &batch) {
            Ok(tip) => {
                self.tip = tip;
                if matches!(self.syncs, Syncs::WithCommit) {
                    anchored(self.files.anchor.move_to(tip, SystemClock.now()))?;
                }
                self.wrote(batch.bytes().len());
                Ok(Report::Committed { tip, batch })
            }
            Err(error) if is_full(&error) && self.conn().is_autocommit() => {
                self.make_room();
                Ok(Report::NoSpace { batch })
            }
            Err(error) => Err(broken("commit")(error)),
        }
    }

    pub(super) fn begin_snapshot(&mut self, covers: Tip, steps: Receiver<Step>) -> Result<(), Broken> {
        let writing = SnapshotWriter::begin(self.conn(), self.snapshot.0, covers, steps);
        self.writing = Some(writing.map_err(broken("begin a snapshot"))?);
        Ok(())
    }

    /// Takes a step of the snapshot that is under way; what it came to is told when it ends.
    pub(super) fn take_step(&mut self) -> Result<Option<Report>, Broken> {
        let Some(mut writing) = self.writing.take() else { return Ok(None) };
        match writing.step(self.conn()) {
            Ok(Progress::None) => self.writing = Some(writing),
            Ok(Progress::Chunk(bytes)) => {
                self.wrote(bytes);
                self.writing = Some(writing);
            }
            Ok(Progress::Valid) => {
                info!("snapshot {} covers everything up to entry {}", writing.id, writing.covers.last);
                self.snapshot = (writing.id, writing.covers.last);
                return Ok(Some(self.end_snapshot(true)));
            }
            Ok(Progress::Abandoned) => {
                warn!("snapshot {} was abandoned: making it failed", writing.id);
                return Ok(Some(self.end_snapshot(false)));
            }
            Err(error) if is_full(&error) => {
                warn!("snapshot {} was abandoned: no space left on the disk", writing.id);
                return Ok(Some(self.end_snapshot(false)));
            }
            Err(error) => return Err(broken("write a snapshot")(error)),
        }
        Ok(None)
    }

    fn end_snapshot(&mut self, valid: bool) -> Report {
        self.wrote(0);
        self.has_outdated_rows = true;
        Report::Snapshot { valid }
    }

    /// Deletes a slice of what the newest snapshot made superfluous.
    pub(super) fn delete_outdated(&mut self) -> Result<(), Broken> {
        if !self.has_outdated_rows {
            return Ok(());
        }
        let writing = self.writing.as_ref().map_or(0, |writing| writing.id);
        match without_waiting(self.conn(), || delete_slice(self.conn(), self.snapshot, writing)) {
            Ok(0) => self.has_outdated_rows = false,
            Ok(rows) => self.wrote(rows * PAGE_BYTES),
            // Deleting takes space too. The next snapshot or start tries again.
            Err(error) if is_full(&error) => {
                warn!("cannot delete outdated rows: no space left on the disk");
                self.has_outdated_rows = false;
            }
            Err(error) => return Err(broken("delete outdated rows")(error)),
        }
        Ok(())
    }

    fn wrote(&mut self, bytes: usize) {
        // The pages of the bytes themselves, one begun before and one for the way there.
        self.log_may_start_anew = false;
        let before = self.wal_pages;
        self.wal_pages += 2 + bytes / PAGE_BYTES;
        self.needs_maintenance |= before < CHECKPOINT_PAGES && self.wal_pages >= CHECKPOINT_PAGES;
        if let Syncs::EachSecond(interval) = &mut self.syncs {
            self.needs_maintenance |= interval.committed(SystemClock.now());
        }
    }

    /// There was no room for a commit. There may be some once the log is moved into the database, because it
    /// then starts anew: a checkpoint is due, unless nothing was written since the last one.
    fn make_room(&mut self) {
        if self.wal_pages > 0 {
            self.wal_pages = CHECKPOINT_PAGES;
            self.needs_maintenance = true;
        }
    }

    /// Moves the log into the database as far as readers let us; the log then starts anew, and a log that is
    /// overwritten in place syncs faster than one that grows.
    fn checkpoint(&mut self) -> Result<(), Broken> {
        self.wal_pages = 0;
        self.log_may_start_anew = true;
        let statement = self.conn().prepare_cached("PRAGMA wal_checkpoint(PASSIVE)");
        match statement.and_then(|mut done| done.query_row([], |row| Ok((row.get(1)?, row.get(2)?)))) {
            Ok::<(i64, i64), _>((pages, moved)) => debug!("checkpoint: {moved} of {pages} pages"),
            // Every commit is in the log all the same, which goes on growing as long as it can.
            Err(error) if is_full(&error) => warn!("cannot checkpoint: no space left on the disk"),
            Err(error) => return Err(broken("checkpoint")(error)),
        }
        Ok(())
    }
}

const INSERT_BATCH: &str =
    "INSERT INTO batches (first, count, version, hash, entries) VALUES (?1, ?2, ?3, ?4, ?5)";

/// Adds a batch where the log ends, all of it or nothing; says where the log ends then. One statement outside a
/// transaction is a transaction: begun, committed and, if need be, rolled back with it.
fn insert_batch(conn: &Connection, from: Tip, batch: &Batch) -> rusqlite::Result<Tip> {
    let transaction = batch.is_long().then(|| conn.unchecked_transaction()).transpose()?;
    let mut tip = from;
    for row in batch.rows() {
        let next = tip.extended(LAYOUT, row.entries, row.bytes);
        insert_row(conn, tip, next, row)?;
        tip = next;
    }
    transaction.map_or(Ok(()), Transaction::commit)?;
    Ok(tip)
}

/// Adds the row that leads from one tip to the next.
fn insert_row(conn: &Connection, from: Tip, to: Tip, row: Row<'_>) -> rusqlite::Result<()> {
    let mut insert = conn.prepare_cached(INSERT_BATCH)?;
    let count = i64::try_from(row.entries).expect("a row has fewer than 2^63 entries");
    insert.execute(params![stored(from.last.plus(1)), count, LAYOUT, to.hash.as_bytes(), row.bytes])?;
    Ok(())
}

/// Adds entries outside a running server; gives the tip after them.
pub(super) fn append(conn: &Connection, tip: Tip, batch: &Batch) -> rusqlite::Result<Tip> {
    insert_batch(conn, tip, batch)
}

/// Deletes some rows that no replay needs, if there are any: chunks of all snapshots but the valid one and
/// the writing, then the batches that are covered. Says how many.
fn delete_slice(conn: &Connection, valid: (i64, Sequence), writing: i64) -> rusqlite::Result<usize> {
    let chunks = conn.execute(
        "DELETE FROM snapshot_chunks WHERE (snapshot, number) IN (
            SELECT snapshot, number FROM snapshot_chunks WHERE snapshot NOT IN (?1, ?2) LIMIT ?3)",
        params![valid.0, writing, CHUNKS_DELETED_MAX as i64],
    )?;
    if chunks > 0 {
        return Ok(chunks);
    }
    conn.execute(
        "DELETE FROM batches WHERE first IN (
            SELECT first FROM batches WHERE first <= ?1 ORDER BY first LIMIT ?2)",
        params![stored(valid.1), BATCHES_DELETED_MAX as i64],
    )
}
