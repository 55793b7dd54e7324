//! The journal on disk, tested on disk: what it told must be what a replay finds, whatever happened between.

mod anchors;
mod commits;
mod damage;
mod durable;
mod reading;
mod sequences;
mod snapshots;

use std::collections::BTreeMap;
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

fn read_all<A: Access>(stored: Stored<A>) -> Result<(Read, Replayed<A>), JournalError> {
    let (mut chunks, mut entries) = (Vec::new(), Vec::new());
    let tail = stored.chunks(|chunk| {
        chunks.push(chunk.to_vec());
        Ok::<_, String>(())
    })?;
    let mut last = None;
    let replayed = tail.entries(|sequence, entry| {
        assert!(last.is_none_or(|last: Sequence| last.plus(1) == sequence));
        last = Some(sequence);
        entries.push(entry.to_vec());
        Ok::<_, String>(())
    })?;
    let contents = replayed.contents();
    assert_eq!(contents.last, contents.covered.plus(entries.len()));
    Ok((Read { chunks, entries, contents }, replayed))
}

/// A journal that runs, and what its `wake` said.
struct Running {
    journal: SqliteJournal,
    woken: Receiver<()>,
}

impl Running {
    fn start(replayed: Replayed<Writing>, durability: Durability) -> Self {
        let (wake, woken) = mpsc::channel();
        let journal = replayed.start(durability, move || _ = wake.send(())).unwrap();
        Self { journal, woken }
    }

    fn open(path: &Path) -> Self {
        let (_, replayed) = read_all(Stored::open(path).unwrap()).unwrap();
        Self::start(replayed, Durability::None)
    }

    /// On a disk that has room for so many pages more.
    fn open_with_room(path: &Path, room_pages: i64) -> Self {
        let (_, replayed) = read_all(Stored::open(path).unwrap()).unwrap();
        let (settled, end) = replayed.into_parts();
        let database = &settled.database;
        let pages: i64 = database.conn.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        database.conn.pragma_update(None, "max_page_count", pages + room_pages).unwrap();
        let (wake, woken) = mpsc::channel();
        let wake = Box::new(move || _ = wake.send(()));
        Self { journal: SqliteJournal::start(settled, end, Durability::Always, wake).unwrap(), woken }
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
        let last = self.journal.told.last;
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
    if file::wal(path).exists() {
        fs::copy(file::wal(path), file::wal(&copy)).unwrap();
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
    read_all(Stored::open(path).unwrap()).unwrap().0
}

/// Replays as `forumd check` would, while no server runs.
fn look(path: &Path) -> Result<Read, JournalError> {
    read_all(Stored::read(path, Beside::Nobody)?).map(|(read, _)| read)
}
