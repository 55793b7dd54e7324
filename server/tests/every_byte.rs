//! Every byte of a log is flipped and every length is cut: what a start makes of it is the whole log, a part of
//! it that reaches the anchor, or a refusal in words; never another state, never a panic, and nothing is
//! deleted. What `check` finds is what a start finds.
//!
//! The suite takes a sample; `tests/scripts/every_byte` tries them all.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use forumd::journal::{
    Class, Durability, DurableLog, Journal, JournalError, LogReader, Outcome, Replay, Sequence, ServerState,
    SqliteJournal, Ticket,
};
use tempfile::TempDir;

/// How many of all trials the suite makes.
const SAMPLE: usize = 2_000;
/// Longer than any wait of a test that passes.
const DEADLINE: Duration = Duration::from_secs(60);
const THREADS: usize = 2;

const DATABASE: &str = "journal.sqlite3";
const LOG: &str = "journal.sqlite3-wal";
const ANCHOR: &str = "journal.anchor";

/// The files of a journal, by name.
type Files = BTreeMap<&'static str, Vec<u8>>;

/// A directory for a journal, in memory where that is possible: nothing here depends on a disk.
fn place() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let path = dir.path().join(DATABASE);
    (dir, path)
}

fn files_in(directory: &Path) -> Files {
    let read = |name| fs::read(directory.join(name)).ok().map(|bytes| (name, bytes));
    [DATABASE, LOG, ANCHOR].into_iter().filter_map(read).collect()
}

/// Puts these files into a directory, and no others.
fn put(directory: &Path, files: &Files) {
    for name in [DATABASE, LOG, ANCHOR, "journal.sqlite3-shm"] {
        match files.get(name) {
            Some(bytes) => fs::write(directory.join(name), bytes).unwrap(),
            None => _ = fs::remove_file(directory.join(name)),
        }
    }
}

/// All entries ever committed: those that the snapshot holds, a chunk each, and those after it.
#[derive(Default)]
struct Entries(Vec<Vec<u8>>);

impl Replay for Entries {
    type Error = Infallible;

    fn take_chunk(&mut self, chunk: &[u8]) -> Result<(), Infallible> {
        self.0.push(chunk.to_vec());
        Ok(())
    }

    fn end_snapshot(&mut self, _: Sequence) {}

    fn take_entry(&mut self, _: Sequence, entry: &[u8]) -> Result<(), Infallible> {
        self.0.push(entry.to_vec());
        Ok(())
    }
}

/// Reads as `check` does.
fn read(path: &Path) -> Result<Vec<Vec<u8>>, JournalError> {
    let mut entries = Entries::default();
    LogReader::open(path, ServerState::Stopped)?.replay(&mut entries)?;
    Ok(entries.0)
}

/// Opens and reads as a start does.
fn open(path: &Path) -> Result<(Vec<Vec<u8>>, DurableLog), JournalError> {
    let mut entries = Entries::default();
    let replayed = LogReader::open_or_create(path)?.replay(&mut entries)?;
    Ok((entries.0, replayed.make_durable()?))
}

struct Running {
    journal: SqliteJournal,
    woken: Receiver<()>,
    entries: Vec<Vec<u8>>,
}

impl Running {
    fn open(path: &Path) -> Self {
        let (entries, log) = open(path).unwrap();
        let (wake, woken) = mpsc::channel();
        let journal = log.start(Durability::Always, move || _ = wake.send(())).unwrap();
        Self { journal, woken, entries }
    }

    fn wait_for<T>(&mut self, mut ask: impl FnMut(&mut SqliteJournal) -> Option<T>) -> T {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(answer) = ask(&mut self.journal) {
                return answer;
            }
            self.woken.recv_timeout(deadline - Instant::now()).expect("the journal wakes us in time");
        }
    }

    fn commit(&mut self, bytes: usize) {
        let entry = vec![self.entries.len() as u8; bytes];
        self.journal.propose(Ticket(1), Class::Kept, |out| out.extend_from_slice(&entry));
        self.journal.end_turn(true);
        let outcome = self.wait_for(Journal::next_outcome);
        assert!(matches!(outcome, Outcome::Committed { entries, .. } if entries.len() == 1));
        self.entries.push(entry);
    }

    /// Takes a snapshot of all entries.
    fn snapshot(&mut self) {
        assert!(self.journal.begin_snapshot(self.entries.clone().into_iter()));
        self.wait_for(|journal| {
            (journal.next_outcome().is_none() && journal.tail_bytes() == 0).then_some(())
        });
    }
}

/// A log as a kill leaves it, of some 256 KiB: a database with a snapshot, commits and free pages, half of it
/// outdated by a write-ahead log, and an anchor that lags behind.
struct Sample {
    files: Files,
    entries: Vec<Vec<u8>>,
    /// So many entries the anchor knows.
    anchored: usize,
    /// The files when they were new, and when the journal was closed before the last start.
    new: Files,
    closed: Files,
}

fn sample() -> Sample {
    let (dir, path) = place();
    let mut running = Running::open(&path);
    let new = files_in(dir.path());
    (0..60).for_each(|n| running.commit(500 + n * 10));
    running.snapshot();
    (0..20).for_each(|_| running.commit(700));
    running.journal.close().unwrap();
    let closed = files_in(dir.path());
    let mut running = Running::open(&path);
    (0..9).for_each(|_| running.commit(600));
    let (anchor, anchored) = (fs::read(dir.path().join(ANCHOR)).unwrap(), running.entries.len());
    (0..9).for_each(|_| running.commit(600));
    let mut files = files_in(dir.path());
    files.insert(ANCHOR, anchor);
    Sample { files, entries: running.entries.clone(), anchored, new, closed }
}

/// One thing that a disk, or somebody, did to a file.
#[derive(Debug, Clone, Copy)]
enum Harm {
    Flip(&'static str, usize),
    Cut(&'static str, usize),
}

fn harmed(files: &Files, harm: Harm) -> Files {
    let mut files = files.clone();
    match harm {
        Harm::Flip(name, at) => files.get_mut(name).unwrap()[at] ^= 1 << (at % 8),
        Harm::Cut(name, length) => files.get_mut(name).unwrap().truncate(length),
    }
    files
}

/// What came of a trial.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Found {
    Whole,
    /// The last so many entries are missing.
    Part(usize),
    Refused,
}

/// What a start makes of these files; `Err` says what is wrong with that.
fn attempt(directory: &Path, files: &Files, sample: &Sample) -> Result<Found, String> {
    put(directory, files);
    let path = directory.join(DATABASE);
    let checked = read(&path);
    if files_in(directory) != *files {
        return Err("reading changed something".to_owned());
    }
    let opened = open(&path);
    let (mut entries, log) = match (opened, checked) {
        (Err(error), Err(checked)) if error.to_string() == checked.to_string() => {
            let changed = files_in(directory) != *files;
            return if changed { Err("a refusal changed something".to_owned()) } else { Ok(Found::Refused) };
        }
        (Ok((entries, log)), Ok(checked)) if entries == checked => (entries, log),
        (opened, checked) => {
            let found = |entries: Vec<_>| format!("{} entries", entries.len());
            let opened = opened.map(|(entries, _)| entries);
            return Err(format!("start found {:?}, check {:?}", opened.map(found), checked.map(found)));
        }
    };
    if !sample.entries.starts_with(&entries) || entries.len() < sample.anchored {
        return Err(format!("another state of {} entries", entries.len()));
    }
    let missing = sample.entries.len() - entries.len();
    log.append(&[b"after"]).map_err(|error| format!("it starts, and then: {error}"))?;
    entries.push(b"after".to_vec());
    match read(&path) {
        Ok(again) if again == entries => {}
        Ok(again) => return Err(format!("{} entries after another start", again.len())),
        Err(error) => return Err(format!("it starts, goes on, and then: {error}")),
    }
    Ok(if missing == 0 { Found::Whole } else { Found::Part(missing) })
}

fn try_all(sample: &Sample, trials: &[(String, Files)]) -> BTreeMap<Found, usize> {
    tally(sample, trials.len(), |index| trials[index].clone())
}

/// Makes trials 0 to `count`, and counts what came of them.
fn tally(
    sample: &Sample,
    count: usize,
    trial: impl Fn(usize) -> (String, Files) + Sync,
) -> BTreeMap<Found, usize> {
    let next = AtomicUsize::new(0);
    let work = || {
        let (dir, _) = place();
        let (mut tally, mut wrong) = (BTreeMap::new(), Vec::new());
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                return (tally, wrong);
            }
            let (name, files) = trial(index);
            let attempt = AssertUnwindSafe(|| attempt(dir.path(), &files, sample));
            match catch_unwind(attempt) {
                Ok(Ok(found)) => *tally.entry(found).or_insert(0) += 1,
                Ok(Err(what)) => wrong.push(format!("{name}: {what}")),
                Err(_) => wrong.push(format!("{name}: a panic")),
            }
        }
    };
    let (mut sum, mut wrong) = (BTreeMap::new(), Vec::new());
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        for (tally, found_wrong) in threads.into_iter().map(|thread| thread.join().unwrap()) {
            tally.into_iter().for_each(|(found, count)| *sum.entry(found).or_insert(0) += count);
            wrong.extend(found_wrong);
        }
    });
    assert!(wrong.is_empty(), "{} of {count} are not as promised:\n{}", wrong.len(), wrong.join("\n"));
    sum
}

/// Every flip and every cut there is.
fn harms(files: &Files) -> Vec<Harm> {
    let each = |(name, bytes): (&&'static str, &Vec<u8>)| {
        let (name, length) = (*name, bytes.len());
        (0..length).flat_map(move |at| [Harm::Flip(name, at), Harm::Cut(name, at)])
    };
    files.iter().flat_map(each).collect()
}

#[test]
fn a_log_with_a_flipped_byte_or_a_cut_is_whole_or_reaches_its_anchor_or_is_refused() {
    let sample = sample();
    let sizes: Vec<_> = sample.files.iter().map(|(name, bytes)| (name, bytes.len())).collect();
    let mut harms = harms(&sample.files);
    if std::env::var_os("EVERY_BYTE").is_none() {
        let total = harms.len();
        // Beside an empty database SQLite behaves in its own way.
        let ends = harms.iter().copied().filter(|harm| matches!(harm, Harm::Cut(_, 0 | 1)));
        let ends: Vec<_> = ends.collect();
        // A stride that has no divisor in common with a page, so that all parts of pages come up.
        harms =
            (0..SAMPLE).map(|n| harms[(n * ((total / SAMPLE) | 1) + n % 7) % total]).chain(ends).collect();
    }
    let began = Instant::now();
    let found = tally(&sample, harms.len(), |index| {
        (format!("{:?}", harms[index]), harmed(&sample.files, harms[index]))
    });
    println!(
        "{sizes:?}: {} trials in {:?}; {} entries, {} of them anchored; {found:?}",
        harms.len(),
        began.elapsed(),
        sample.entries.len(),
        sample.anchored
    );
    assert!(found.contains_key(&Found::Whole) && found.contains_key(&Found::Refused), "{found:?}");
    let part = |found: &Found| matches!(found, Found::Part(_));
    assert!(found.keys().any(part), "what follows the anchor may go: {found:?}");
}

#[test]
fn a_log_without_its_write_ahead_log_or_with_a_zeroed_one_is_refused() {
    let sample = sample();
    let mut removed = sample.files.clone();
    removed.remove(LOG);
    let mut zeroed = sample.files.clone();
    zeroed.get_mut(LOG).unwrap().fill(0);
    let mut older = sample.closed.clone();
    older.insert(ANCHOR, sample.files[ANCHOR].clone());
    let trials =
        [("removed".to_owned(), removed), ("zeroed".to_owned(), zeroed), ("as it was".to_owned(), older)];
    assert_eq!(try_all(&sample, &trials), [(Found::Refused, 3)].into());
}

#[test]
fn a_database_with_a_page_that_was_never_written_is_refused_or_did_not_need_it() {
    const PAGE_BYTES: usize = 4 * 1024;
    let mut sample = sample();
    let (dir, path) = place();
    put(dir.path(), &sample.files);
    Running::open(&path).journal.close().unwrap();
    sample.files = files_in(dir.path());
    sample.anchored = sample.entries.len();
    let with_page = |older: &[u8], page: usize| {
        let (mut files, at) = (sample.files.clone(), page * PAGE_BYTES);
        let database = files.get_mut(DATABASE).unwrap();
        let bytes = older.get(at..at + PAGE_BYTES).unwrap_or(&[0; PAGE_BYTES]);
        database[at..at + PAGE_BYTES].copy_from_slice(bytes);
        files
    };
    let pages = sample.files[DATABASE].len() / PAGE_BYTES;
    for (when, older) in [("new", &sample.new), ("closed before", &sample.closed)] {
        let trial = |page| (format!("page {} {when}", page + 1), with_page(&older[DATABASE], page));
        let trials: Vec<_> = (0..pages).map(trial).collect();
        let found = try_all(&sample, &trials);
        assert!(found[&Found::Refused] > 1, "{found:?}");
    }
    // The table of commits begins on page 3.
    let third = [("page 3 as it was when new".to_owned(), with_page(&sample.new[DATABASE], 2))];
    assert_eq!(try_all(&sample, &third), [(Found::Refused, 1)].into());
}
