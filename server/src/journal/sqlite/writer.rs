//! Everything that writes the database: commits batches, puts a snapshot's chunks in, fsyncs when that is due,
//! moves the write-ahead log into the database, and deletes what a snapshot covers; each in steps so short
//! that no batch waits long. One thread at a time does it, and it refuses to know which.

use std::fs::File;
use std::io;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use log::{debug, info, warn};
use rusqlite::{Connection, ErrorCode, params};

use super::LAYOUT;
use super::chain::Tip;
use super::draft::{Draft, Progress, Step};
use super::error::Extended;
use super::file::{Database, PAGE_BYTES};
use super::keeper::Report;
use super::replay::stored;
use crate::clock::{Clock, SystemClock};
use crate::journal::batch::Batch;
use crate::journal::{Outcome, Sequence};

/// Pages of write-ahead log after which it is moved into the database: some megabytes, so that a restart
/// has little to recover, and seldom enough that its two fsyncs don't count.
pub(super) const CHECKPOINT_PAGES: usize = 1_000;
/// With `Durability::Interval`, how long a commit may be known to the operating system alone.
const SYNC_INTERVAL: Duration = Duration::from_secs(1);
/// Covered batches that one transaction deletes; each is a walk along its overflow pages.
const TIDY_BATCHES: usize = 64;
/// Chunks of outdated snapshots that one transaction deletes, likewise.
const TIDY_CHUNKS: usize = 8;

/// Why nothing more can be written.
#[derive(Clone)]
pub(super) struct Broken(pub(super) String);

fn broken(doing: &'static str) -> impl Fn(rusqlite::Error) -> Broken {
    move |error| Broken(format!("cannot {doing}: {error}{}", Extended(&error)))
}

/// The one error that SQLite rolls back and that leaves nothing in doubt: a write found no room (it gives
/// this code for ENOSPC), and without the last page of a commit the log does not have the commit. An fsync
/// that fails for want of space has another code, as has the shared memory file, which grows after the commit.
pub(super) fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
}

/// An fsync of our own, each second in which something was committed. It goes to the write-ahead log alone:
/// with `synchronous=NORMAL`, SQLite fsyncs the log before it moves pages into the database, the database
/// before it starts the log anew, and the header of a log started anew; so power loss cuts off what was not
/// fsynced yet from the log's end, and the rest is sound. The descriptor lives as long as the connection.
/// SQLite has its POSIX locks on other files, so closing it takes none of them away.
pub(super) struct IntervalSync {
    wal: File,
    /// When the oldest commit that is not fsynced has to be.
    due: Option<Instant>,
}

impl IntervalSync {
    pub(super) fn new(wal: File) -> Self {
        Self { wal, due: None }
    }

    /// Something was committed; says whether it is the first that waits for an fsync.
    pub(super) fn committed(&mut self, now: Instant) -> bool {
        let is_first = self.due.is_none();
        self.due.get_or_insert(now + SYNC_INTERVAL);
        is_first
    }

    pub(super) fn sync_if_due(&mut self, now: Instant) -> io::Result<()> {
        if self.due.is_some_and(|due| due <= now) {
            self.wal.sync_data()?;
            self.due = None;
        }
        Ok(())
    }

    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        self.due.map(|due| due.saturating_duration_since(now))
    }
}

/// What a writer starts from.
pub(super) struct Start {
    pub(super) tip: Tip,
    /// The newest valid snapshot's id, 0 if there is none, and the last entry that it covers.
    pub(super) snapshot: (i64, Sequence),
    pub(super) interval: Option<IntervalSync>,
}

/// The one writer of a database.
pub(super) struct Writer {
    database: Database,
    tip: Tip,
    snapshot: (i64, Sequence),
    draft: Option<Draft>,
    /// What a snapshot made superfluous may still be there.
    untidy: bool,
    /// About as many pages were written since the last checkpoint.
    wal_pages: usize,
    interval: Option<IntervalSync>,
    /// A commit made something due that is not its own business.
    wants_tending: bool,
    /// What failed, if something did that leaves in doubt what is on disk: nothing more is written.
    broken: Option<Broken>,
}

/// What there is to do for a writer that is given nothing.
pub(super) enum Rest {
    /// To tidy up, at once.
    Tidy,
    /// An fsync, at the latest after this time.
    Sync(Duration),
    /// Nothing.
    Idle,
}

impl Writer {
    pub(super) fn new(database: Database, start: Start) -> Self {
        Self {
            database,
            tip: start.tip,
            snapshot: start.snapshot,
            draft: None,
            untidy: true,
            wal_pages: 0,
            interval: start.interval,
            wants_tending: false,
            broken: None,
        }
    }

    pub(super) fn rest(&self) -> Rest {
        match self.interval.as_ref().and_then(|interval| interval.wait(SystemClock.now())) {
            _ if self.untidy => Rest::Tidy,
            Some(wait) => Rest::Sync(wait),
            None => Rest::Idle,
        }
    }

    /// Whether commits made something due since this was last asked: [`Self::tend`] is to be called soon.
    pub(super) fn wants_tending(&mut self) -> bool {
        std::mem::take(&mut self.wants_tending)
    }

    /// Does what is due beside the commits.
    pub(super) fn tend(&mut self) -> Result<(), Broken> {
        self.sync_if_due()?;
        if self.wal_pages >= CHECKPOINT_PAGES {
            self.checkpoint()?;
        }
        Ok(())
    }

    /// Nothing is to be written any more, for this reason, unless there was one before.
    pub(super) fn give_up(&mut self, broken: Broken) {
        self.broken.get_or_insert(broken);
    }

    /// Whether something may be written.
    pub(super) fn check(&self) -> Result<(), Broken> {
        self.broken.clone().map_or(Ok(()), Err)
    }

    /// The database, to be closed, unless what it holds is in doubt.
    pub(super) fn into_database(self) -> Result<Database, Broken> {
        self.check()?;
        Ok(self.database)
    }

    fn conn(&self) -> &Connection {
        &self.database.conn
    }

    pub(super) fn commit(&mut self, batch: Batch) -> Result<Report, Broken> {
        self.check()?;
        let entries = batch.entries();
        let tip = self.tip.extended(LAYOUT, entries, batch.bytes());
        let outcome = match insert_batch(self.conn(), self.tip, tip, &batch) {
            Ok(()) => {
                self.tip = tip;
                self.wrote(batch.bytes().len());
                Outcome::Committed { entries }
            }
            Err(error) if is_full(&error) => Outcome::NoSpace { entries },
            Err(error) => return Err(broken("commit")(error)),
        };
        Ok(Report::Batch { outcome, tip: self.tip, batch })
    }

    pub(super) fn begin_snapshot(&mut self, covers: Tip, steps: Receiver<Step>) -> Result<(), Broken> {
        let draft = Draft::begin(self.conn(), self.snapshot.0, covers, steps);
        self.draft = Some(draft.map_err(broken("begin a snapshot"))?);
        Ok(())
    }

    /// Takes a step of the snapshot that is under way; what it came to is told when it ends.
    pub(super) fn take_step(&mut self) -> Result<Option<Report>, Broken> {
        let Some(mut draft) = self.draft.take() else { return Ok(None) };
        match draft.step(self.conn()) {
            Ok(Progress::None) => self.draft = Some(draft),
            Ok(Progress::Chunk(bytes)) => {
                self.wrote(bytes);
                self.draft = Some(draft);
            }
            Ok(Progress::Valid) => {
                info!("snapshot {} covers everything up to entry {}", draft.id, draft.covers.last);
                self.snapshot = (draft.id, draft.covers.last);
                return Ok(Some(self.end_snapshot(true)));
            }
            Ok(Progress::Abandoned) => {
                warn!("snapshot {} was given up: making it failed", draft.id);
                return Ok(Some(self.end_snapshot(false)));
            }
            Err(error) if is_full(&error) => {
                warn!("snapshot {} was given up: no space left on the disk", draft.id);
                return Ok(Some(self.end_snapshot(false)));
            }
            Err(error) => return Err(broken("write a snapshot")(error)),
        }
        Ok(None)
    }

    fn end_snapshot(&mut self, valid: bool) -> Report {
        self.wrote(0);
        self.untidy = true;
        Report::Snapshot { valid }
    }

    /// Deletes a slice of what the newest snapshot made superfluous.
    pub(super) fn tidy(&mut self) -> Result<(), Broken> {
        if !self.untidy {
            return Ok(());
        }
        match delete_slice(self.conn(), self.snapshot, self.draft.as_ref().map_or(0, |draft| draft.id)) {
            Ok(0) => self.untidy = false,
            Ok(rows) => self.wrote(rows * PAGE_BYTES),
            // Deleting takes space too. The next snapshot or start tries again.
            Err(error) if is_full(&error) => {
                warn!("cannot delete outdated rows: no space left on the disk");
                self.untidy = false;
            }
            Err(error) => return Err(broken("delete outdated rows")(error)),
        }
        Ok(())
    }

    fn wrote(&mut self, bytes: usize) {
        // The pages of the bytes themselves, one begun before and one for the way there.
        let before = self.wal_pages;
        self.wal_pages += 2 + bytes / PAGE_BYTES;
        self.wants_tending |= before < CHECKPOINT_PAGES && self.wal_pages >= CHECKPOINT_PAGES;
        if let Some(interval) = &mut self.interval {
            self.wants_tending |= interval.committed(SystemClock.now());
        }
    }

    fn sync_if_due(&mut self) -> Result<(), Broken> {
        let Some(interval) = &mut self.interval else { return Ok(()) };
        let synced = interval.sync_if_due(SystemClock.now());
        synced.map_err(|error| Broken(format!("cannot fsync the write-ahead log: {error}")))
    }

    /// Moves the log into the database as far as readers let us; the log then starts anew, and a log that is
    /// overwritten in place syncs faster than one that grows.
    fn checkpoint(&mut self) -> Result<(), Broken> {
        self.wal_pages = 0;
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

/// Adds the row that leads from one tip to the next. One statement outside a transaction is a transaction:
/// begun, committed and, if need be, rolled back with it.
fn insert_batch(conn: &Connection, from: Tip, to: Tip, batch: &Batch) -> rusqlite::Result<()> {
    let mut insert = conn.prepare_cached(INSERT_BATCH)?;
    let count = to.last.0 - from.last.0;
    let count = i64::try_from(count).expect("a batch has fewer than 2^63 entries");
    insert.execute(params![stored(from.last.plus(1)), count, LAYOUT, to.hash.as_bytes(), batch.bytes()])?;
    Ok(())
}

/// Adds entries outside a running server.
pub(super) fn append(conn: &Connection, tip: Tip, batch: &Batch) -> rusqlite::Result<()> {
    let to = tip.extended(LAYOUT, batch.entries(), batch.bytes());
    insert_batch(conn, tip, to, batch)
}

/// Deletes some rows that no replay needs, if there are any: chunks of all snapshots but the valid one and
/// the draft, then the batches that are covered. Says how many.
fn delete_slice(conn: &Connection, valid: (i64, Sequence), draft: i64) -> rusqlite::Result<usize> {
    let chunks = conn.execute(
        "DELETE FROM snapshot_chunks WHERE (snapshot, number) IN (
            SELECT snapshot, number FROM snapshot_chunks WHERE snapshot NOT IN (?1, ?2) LIMIT ?3)",
        params![valid.0, draft, TIDY_CHUNKS as i64],
    )?;
    if chunks > 0 {
        return Ok(chunks);
    }
    conn.execute(
        "DELETE FROM batches WHERE first IN (
            SELECT first FROM batches WHERE first <= ?1 ORDER BY first LIMIT ?2)",
        params![stored(valid.1), TIDY_BATCHES as i64],
    )
}
