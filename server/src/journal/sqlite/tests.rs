//! The journal on disk, tested on disk: what it told must be what a replay finds, whatever happened between.

mod anchors;
mod commits;
mod damage;
mod reading;
mod sequences;
mod snapshots;
mod write_back;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::time::{Instant, SystemTime};

use super::*;
use crate::TEST_DEADLINE;

/// What a replay brought.
#[derive(Debug, Default, PartialEq, Eq)]
struct Read {
    chunks: Vec<Vec<u8>>,
    entries: Vec<Vec<u8>>,
    contents: Contents,
}

impl Replay for Read {
    type Error = Infallible;

    fn take_chunk(&mut self, chunk: &[u8]) -> Result<(), Infallible> {
        self.chunks.push(chunk.to_vec());
        Ok(())
    }

    fn end_snapshot(&mut self, covered: Sequence) {
        self.contents.last = covered;
    }

    fn take_entry(&mut self, sequence: Sequence, entry: &[u8]) -> Result<(), Infallible> {
        assert_eq!(sequence, self.contents.last.plus(1));
        self.contents.last = sequence;
        self.entries.push(entry.to_vec());
        Ok(())
    }
}

fn read_log(reader: LogReader) -> Result<(Read, Replayed), JournalError> {
    let mut read = Read::default();
    let replayed = reader.replay(&mut read)?;
    assert_eq!(replayed.contents().last, read.contents.last);
    read.contents = replayed.contents();
    Ok((read, replayed))
}

/// Opens and replays as the server does.
fn open(path: &Path) -> Result<(Read, DurableLog), JournalError> {
    start_from(LogReader::open_or_create(path)?)
}

fn start_from(log: LogReader) -> Result<(Read, DurableLog), JournalError> {
    let (read, replayed) = read_log(log)?;
    Ok((read, replayed.make_durable()?))
}

/// A journal that runs, and what its `wake` said.
struct Running {
    journal: SqliteJournal,
    woken: Receiver<()>,
}

impl Running {
    fn start(log: DurableLog, durability: Durability) -> Self {
        let (wake, woken) = mpsc::channel();
        let journal = log.start(durability, move || _ = wake.send(())).unwrap();
        Self { journal, woken }
    }

    fn open(path: &Path) -> Self {
        Self::start(open(path).unwrap().1, Durability::None)
    }

    /// On a disk that has room for so many pages more.
    fn open_with_room(path: &Path, room_pages: i64) -> Self {
        let (_, log) = open(path).unwrap();
        let database = &log.files.database;
        let pages: i64 = database.conn.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        database.conn.pragma_update(None, "max_page_count", pages + room_pages).unwrap();
        let (wake, woken) = mpsc::channel();
        let wake = Box::new(move || _ = wake.send(()));
        Self { journal: SqliteJournal::start(log, Durability::Always, wake).unwrap(), woken }
    }

    fn outcome(&mut self) -> Outcome {
        self.wait_for(|journal| journal.next_outcome())
    }

    /// Asks again after each time that the thread woke us.
    fn wait_for<T>(&mut self, mut ask: impl FnMut(&mut SqliteJournal) -> Option<T>) -> T {
        let deadline = Instant::now() + TEST_DEADLINE;
        loop {
            if let Some(answer) = ask(&mut self.journal) {
                return answer;
            }
            self.woken.recv_timeout(deadline - Instant::now()).expect("the journal wakes us in time");
        }
    }

    /// One commit of these entries.
    fn commit(&mut self, entries: &[&[u8]]) {
        entries.iter().for_each(|entry| self.propose(entry));
        assert!(!self.journal.end_turn(true));
        assert_eq!(self.committed(), entries);
    }

    /// Its ticket is its length.
    fn propose(&mut self, entry: &[u8]) {
        let ticket = Ticket(entry.len() as u64);
        let length = self.journal.propose(ticket, Class::Kept, |out| out.extend_from_slice(entry));
        assert_eq!(length, entry.len());
    }

    /// The entries of the next outcome, which is a commit.
    fn committed(&mut self) -> Vec<Vec<u8>> {
        let last = self.journal.reported.last;
        let Outcome::Committed { first, entries } = self.outcome() else { panic!("not committed") };
        assert_eq!(first, last.plus(1));
        let taken = entries.iter().map(|(ticket, entry)| {
            assert_eq!(ticket, Some(Ticket(entry.len() as u64)));
            entry.to_vec()
        });
        let taken = taken.collect();
        self.journal.recycle(entries);
        taken
    }

    /// The next outcome is that so many entries found no room.
    fn refused(&mut self) -> usize {
        let Outcome::NoSpace { entries } = self.outcome() else { panic!("there was room") };
        assert!(entries.iter().all(|(ticket, entry)| ticket == Some(Ticket(entry.len() as u64))));
        entries.len()
    }
}

fn count(path: &Path, table: &str) -> i64 {
    let conn =
        rusqlite::Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    conn.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

/// Until a table has so many rows.
fn wait_for_rows(path: &Path, table: &str, rows: i64) {
    let deadline = Instant::now() + TEST_DEADLINE;
    while count(path, table) != rows {
        assert!(Instant::now() < deadline, "{table} has {} rows, not {rows}", count(path, table));
        std::thread::yield_now();
    }
}

/// A place for a journal.
fn place() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.sqlite3");
    (dir, path)
}

/// What `kill -9` at this moment would leave: database and log as the operating system has them. The anchor is
/// copied first and the log last: they grow while the copy is made, and no test that does this writes enough
/// for a checkpoint.
fn crash(path: &Path) -> (tempfile::TempDir, PathBuf) {
    let (dir, copy) = place();
    fs::copy(anchor::path_of(path), anchor::path_of(&copy)).unwrap();
    fs::copy(path, &copy).unwrap();
    if paths::wal(path).exists() {
        fs::copy(paths::wal(path), paths::wal(&copy)).unwrap();
    }
    (dir, copy)
}

/// Every file beside a journal, with its time of change and its bytes.
fn trace(path: &Path) -> BTreeMap<PathBuf, (SystemTime, Vec<u8>)> {
    let files = fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    let changed = |file: &PathBuf| fs::metadata(file).unwrap().modified().unwrap();
    files.map(|file| (file.clone(), (changed(&file), fs::read(&file).unwrap()))).collect()
}

/// Replays as the server would.
fn recover(path: &Path) -> Read {
    open(path).unwrap().0
}

/// Replays as `forumd check` would, while no server runs.
fn check(path: &Path) -> Result<Read, JournalError> {
    read_log(LogReader::open(path, ServerState::Stopped)?).map(|(read, _)| read)
}
