//! The journal's thread: it alone writes the database. Between two batches it puts a snapshot's chunks in,
//! fsyncs when that is due, moves the write-ahead log into the database, and deletes what a snapshot covers;
//! each in steps so short that no batch waits long. It refuses to know who waits for its outcomes.

use std::fs::File;
use std::io;
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use log::{debug, info, warn};
use rusqlite::{Connection, ErrorCode, Statement, params};

use super::LAYOUT;
use super::chain::Tip;
use super::draft::{Draft, Progress, Step};
use super::error::Extended;
use super::file::PAGE_BYTES;
use super::replay::stored;
use crate::clock::{Clock, SystemClock};
use crate::inbox::{Inbox, Taken};
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

/// What the thread is given to do, in order.
pub(super) enum Work {
    /// Commit these entries.
    Batch(Batch),
    /// A snapshot begins, of the state at this tip; its steps come through a bounded channel.
    Snapshot { covers: Tip, steps: Receiver<Step> },
    /// There is a step to take, or the sender of the steps has gone.
    SnapshotStep,
    /// Finish.
    Close,
}

/// What the thread tells, in order.
pub(super) enum Report {
    /// A batch is done with: where the log ends now, and the batch's memory.
    Batch { outcome: Outcome, tip: Tip, batch: Batch },
    /// The snapshot is valid, or was given up.
    Snapshot { valid: bool },
    /// The last report: the process must end.
    Broken { reason: String },
}

/// Tells reports to the loop and wakes it; also when the thread ends in any other way, since a loop that
/// waits for an outcome would never learn that none will come.
pub(super) struct Reporter {
    reports: Option<Sender<Report>>,
    wake: Box<dyn Fn() + Send>,
}

impl Reporter {
    pub(super) fn new(reports: Sender<Report>, wake: Box<dyn Fn() + Send>) -> Self {
        Self { reports: Some(reports), wake }
    }

    pub(super) fn tell(&self, report: Report) {
        if let Some(reports) = &self.reports {
            // Nobody listens any more once the journal was dropped; then nobody needs to know.
            let _ = reports.send(report);
        }
        (self.wake)();
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        self.reports = None;
        (self.wake)();
    }
}

/// Why the thread can't go on.
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

    pub(super) fn committed(&mut self, now: Instant) {
        self.due.get_or_insert(now + SYNC_INTERVAL);
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

/// What a thread starts from.
pub(super) struct Start {
    pub(super) tip: Tip,
    /// The newest valid snapshot's id, 0 if there is none, and the last entry that it covers.
    pub(super) snapshot: (i64, Sequence),
    pub(super) interval: Option<IntervalSync>,
}

/// The thread's state.
pub(super) struct Writer<'c> {
    conn: &'c Connection,
    insert: Statement<'c>,
    checkpoint: Statement<'c>,
    reporter: &'c Reporter,
    tip: Tip,
    snapshot: (i64, Sequence),
    draft: Option<Draft>,
    /// What a snapshot made superfluous may still be there.
    untidy: bool,
    /// About as many pages were written since the last checkpoint.
    wal_pages: usize,
    interval: Option<IntervalSync>,
}

impl<'c> Writer<'c> {
    pub(super) fn new(conn: &'c Connection, reporter: &'c Reporter, start: Start) -> Result<Self, Broken> {
        let prepare = |sql| conn.prepare(sql).map_err(broken("prepare"));
        Ok(Self {
            conn,
            insert: prepare(INSERT_BATCH)?,
            checkpoint: prepare("PRAGMA wal_checkpoint(PASSIVE)")?,
            reporter,
            tip: start.tip,
            snapshot: start.snapshot,
            draft: None,
            untidy: true,
            wal_pages: 0,
            interval: start.interval,
        })
    }

    /// Works until it is told to close.
    pub(super) fn serve(&mut self, works: &Inbox<Work>) -> Result<(), Broken> {
        loop {
            match self.next_work(works) {
                Some(Work::Batch(batch)) => self.commit(batch)?,
                Some(Work::Snapshot { covers, steps }) => self.begin_snapshot(covers, steps)?,
                Some(Work::SnapshotStep) => self.take_step()?,
                Some(Work::Close) => return Ok(()),
                None if self.untidy => self.tidy()?,
                None => {}
            }
            self.sync_if_due()?;
            if self.wal_pages >= CHECKPOINT_PAGES {
                self.checkpoint()?;
            }
        }
    }

    /// The next thing to do; `None` when there is time to tidy up, or an fsync is due.
    fn next_work(&self, works: &Inbox<Work>) -> Option<Work> {
        let taken = match self.untidy {
            true => works.try_take(),
            false => works.take(self.interval.as_ref().and_then(|interval| interval.wait(SystemClock.now()))),
        };
        match taken {
            Taken::Item(work) => Some(work),
            Taken::Nothing => None,
            Taken::End => Some(Work::Close),
        }
    }

    fn commit(&mut self, batch: Batch) -> Result<(), Broken> {
        let entries = batch.entries();
        let tip = self.tip.extended(LAYOUT, entries, batch.bytes());
        let outcome = match insert_batch(&mut self.insert, self.tip, tip, &batch) {
            Ok(()) => {
                self.tip = tip;
                self.wrote(batch.bytes().len());
                Outcome::Committed { entries }
            }
            Err(error) if is_full(&error) => Outcome::NoSpace { entries },
            Err(error) => return Err(broken("commit")(error)),
        };
        self.reporter.tell(Report::Batch { outcome, tip: self.tip, batch });
        Ok(())
    }

    fn begin_snapshot(&mut self, covers: Tip, steps: Receiver<Step>) -> Result<(), Broken> {
        let draft = Draft::begin(self.conn, self.snapshot.0, covers, steps);
        self.draft = Some(draft.map_err(broken("begin a snapshot"))?);
        Ok(())
    }

    fn take_step(&mut self) -> Result<(), Broken> {
        let Some(mut draft) = self.draft.take() else { return Ok(()) };
        match draft.step(self.conn) {
            Ok(Progress::None) => self.draft = Some(draft),
            Ok(Progress::Chunk(bytes)) => {
                self.wrote(bytes);
                self.draft = Some(draft);
            }
            Ok(Progress::Valid) => {
                info!("snapshot {} covers everything up to entry {}", draft.id, draft.covers.last);
                self.snapshot = (draft.id, draft.covers.last);
                self.end_snapshot(true);
            }
            Ok(Progress::Abandoned) => {
                warn!("snapshot {} was given up: making it failed", draft.id);
                self.end_snapshot(false);
            }
            Err(error) if is_full(&error) => {
                warn!("snapshot {} was given up: no space left on the disk", draft.id);
                self.end_snapshot(false);
            }
            Err(error) => return Err(broken("write a snapshot")(error)),
        }
        Ok(())
    }

    fn end_snapshot(&mut self, valid: bool) {
        self.wrote(0);
        self.untidy = true;
        self.reporter.tell(Report::Snapshot { valid });
    }

    /// Deletes a slice of what the newest snapshot made superfluous.
    fn tidy(&mut self) -> Result<(), Broken> {
        match delete_slice(self.conn, self.snapshot, self.draft.as_ref().map_or(0, |draft| draft.id)) {
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
        self.wal_pages += 2 + bytes / PAGE_BYTES;
        if let Some(interval) = &mut self.interval {
            interval.committed(SystemClock.now());
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
        match self.checkpoint.query_row([], |row| Ok((row.get(1)?, row.get(2)?))) {
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
fn insert_batch(insert: &mut Statement<'_>, from: Tip, to: Tip, batch: &Batch) -> rusqlite::Result<()> {
    let count = to.last.0 - from.last.0;
    let count = i64::try_from(count).expect("a batch has fewer than 2^63 entries");
    insert.execute(params![stored(from.last.plus(1)), count, LAYOUT, to.hash.as_bytes(), batch.bytes()])?;
    Ok(())
}

/// Adds entries outside a running server.
pub(super) fn append(conn: &Connection, tip: Tip, batch: &Batch) -> rusqlite::Result<()> {
    let to = tip.extended(LAYOUT, batch.entries(), batch.bytes());
    insert_batch(&mut conn.prepare(INSERT_BATCH)?, tip, to, batch)
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
