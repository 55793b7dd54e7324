//! Whole exports, imports, checks and resets of a small forum in a directory of its own.

mod checks;
mod exports;
mod imports;
mod resets;
mod salvage;

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use forum_common::names::{FileName, Password, Text, Title, UserName};
use tempfile::TempDir;

use super::{Point, check, export, import, reset};
use crate::clock::{Clock, SystemClock};
use crate::failed::Failed;
use crate::forum::{AccountId, Change, Entry, Key, Keyed, ThreadId};
use crate::interrupts::Interrupts;
use crate::journal::{Durability, DurableLog, LogReader, ServerState, SqliteJournal};
use crate::replay::replay;
use crate::store::Store;
use crate::workers::files::FileId;
use crate::workers::passwords::{HashParameters, HashResult, Job, PasswordHash, PasswordHasher, hash_all};

/// Later than any clock says: 2200.
const AT_MS: u64 = 7_258_118_400_000;
const TEST_EXE: FileId = FileId(1);
const EMPTY: FileId = FileId(2);
const KEYED: Keyed = Keyed { key: Key([7; 16]), content: 1 };

/// A temporary directory with a data directory `data` in it.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// One with a forum: two users, three threads, two files.
    fn with_forum() -> Self {
        let place = Self::new();
        place.append(&sample());
        fs::write(TEST_EXE.path_in(&place.files()), test_exe()).unwrap();
        fs::write(EMPTY.path_in(&place.files()), "").unwrap();
        for id in [TEST_EXE, EMPTY] {
            fs::set_permissions(id.path_in(&place.files()), Permissions::from_mode(0o600)).unwrap();
        }
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn data(&self) -> PathBuf {
        self.at("data")
    }

    fn files(&self) -> PathBuf {
        self.data().join("files")
    }

    fn journal(&self) -> PathBuf {
        Store::open(&self.data()).unwrap().journal()
    }

    fn append(&self, entries: &[Entry]) {
        let encoded: Vec<Vec<u8>> = entries.iter().map(encoded).collect();
        let entries: Vec<&[u8]> = encoded.iter().map(Vec::as_slice).collect();
        open_log(&self.journal()).append(&entries).unwrap();
    }

    fn point(&self) -> Point {
        Point::replay(LogReader::open(&self.journal(), ServerState::Stopped).unwrap()).unwrap()
    }

    fn export(&self, name: &str) -> Result<String, String> {
        said(|out| export::run(&self.data(), &self.at(name), out, &Interrupts::Deadly))
    }

    fn import(&self, from: &Path) -> Result<String, String> {
        said(|out| import::run(&self.data(), from, out, &Interrupts::Deadly))
    }

    /// All lines, and the error that ended them.
    fn check(&self) -> (String, Result<(), String>) {
        let mut out = Vec::new();
        let checked = check::run(&self.data(), &mut out).map_err(text);
        (String::from_utf8(out).unwrap(), checked)
    }

    /// The problems that a check lists; it counts as many.
    fn problems(&self) -> Vec<String> {
        let (lines, checked) = self.check();
        let problems: Vec<_> =
            lines.lines().filter_map(|line| line.strip_prefix("problem: ")).map(str::to_owned).collect();
        match problems.len() {
            0 => assert_eq!(checked, Ok(()), "{lines}"),
            1 => assert_eq!(checked, Err("1 problem found".into())),
            count => assert_eq!(checked, Err(format!("{count} problems found"))),
        }
        assert_eq!(problems.is_empty(), lines.ends_with("everything is in order\n"));
        problems
    }

    fn reset(&self, name: &str, typed: &str) -> Result<String, String> {
        let (input, mut user) = UnixStream::pair().unwrap();
        user.write_all(typed.as_bytes()).unwrap();
        drop(user);
        said(|out| reset::run(&self.data(), name, &input, out, &Interrupts::Deadly))
    }
}

fn open_log(journal: &Path) -> DurableLog {
    let (_, replayed) = replay(LogReader::open_or_create(journal).unwrap()).unwrap();
    replayed.make_durable().unwrap()
}

fn said(run: impl FnOnce(&mut Vec<u8>) -> Result<(), Failed>) -> Result<String, String> {
    let mut out = Vec::new();
    match run(&mut out) {
        Ok(()) => Ok(String::from_utf8(out).unwrap()),
        Err(failed) => {
            assert_eq!(out, b"", "who fails says nothing else");
            Err(text(failed))
        }
    }
}

fn text(failed: Failed) -> String {
    match failed {
        Failed::Other(text) | Failed::Usage(text) => text,
    }
}

fn encoded(entry: &Entry) -> Vec<u8> {
    let mut bytes = Vec::new();
    entry.encode(&mut bytes);
    bytes
}

fn cheap_hash() -> PasswordHash {
    let parameters = HashParameters::new(8, 1, 1).unwrap();
    hash_all(&[Password::parse("old").unwrap()], parameters)[0]
}

fn entry(actor: Option<u32>, change: Change) -> Entry {
    Entry { at_ms: AT_MS, actor: actor.map(AccountId), key: None, change }
}

fn title(raw: &str) -> Title {
    Title::parse(raw).unwrap()
}

fn account(name: &str) -> Entry {
    entry(None, Change::CreateAccount { name: UserName::parse(name).unwrap(), hash: cheap_hash() })
}

fn thread(raw: &str) -> Entry {
    entry(Some(0), Change::CreateThread { title: title(raw) })
}

fn post(actor: u32, raw: &str, text: &str) -> Entry {
    entry(Some(actor), Change::Post { title: title(raw), text: Text::parse(text).unwrap() })
}

fn file(thread: u64, raw: &str, file: &str, id: FileId, bytes: &[u8]) -> Entry {
    let (size, digest) = (bytes.len() as u64, *blake3::hash(bytes).as_bytes());
    let (thread, title, file) = (ThreadId(thread), title(raw), FileName::parse(file).unwrap());
    entry(Some(1), Change::AddFile { thread, title, file, id, size, digest })
}

fn test_exe() -> Vec<u8> {
    (0..=255).cycle().take(1_000).collect()
}

fn sample() -> Vec<Entry> {
    vec![
        account("yoda"),
        account("a/b\\c%."),
        thread("gone"),
        thread("3331"),
        post(0, "3331", "hello  there"),
        file(2, "3331", "test.exe", TEST_EXE, &test_exe()),
        post(1, "3331", "grüße\t🙂"),
        entry(Some(0), Change::DeletePost { title: title("gone"), number: 1, id: None }),
        Entry { key: Some(KEYED), ..post(0, "gone", "with a key") },
        Entry { key: Some(KEYED), ..post(0, "gone", "with a key") },
        thread(".h-i%"),
        file(3, ".h-i%", "a-b", EMPTY, b""),
        thread("none"),
        entry(Some(0), Change::RemoveThread { title: title("gone") }),
        // Refused when it is applied, and no harm to anybody.
        entry(Some(1), Change::RemoveThread { title: title("3331") }),
    ]
}

/// Everything below `directory`: directories with their names alone, files with what they hold.
fn tree(directory: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    walk(directory, |path| (!path.is_dir()).then(|| fs::read(path).unwrap()))
}

/// Everything below `directory`, and when it was changed.
fn traces(directory: &Path) -> BTreeMap<PathBuf, (i64, i64, u32)> {
    walk(directory, |path| {
        let found = fs::symlink_metadata(path).unwrap();
        (found.mtime(), found.mtime_nsec(), found.mode())
    })
}

fn walk<T>(directory: &Path, see: impl Fn(&Path) -> T) -> BTreeMap<PathBuf, T> {
    let mut seen = BTreeMap::new();
    let mut pending = vec![directory.to_owned()];
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            pending.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        seen.insert(path.strip_prefix(directory).unwrap().to_owned(), see(&path));
    }
    seen
}

/// A server's hold on the data directory of `place`: the lock, and a journal that is open.
fn served(place: &Place) -> (SqliteJournal, Store) {
    let store = Store::open(&place.data()).unwrap();
    let journal = open_log(&store.journal()).start(Durability::None, || {}).unwrap();
    (journal, store)
}

#[test]
fn a_closed_output_is_an_error_and_no_panic() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let place = Place::with_forum();
    let reason = text(check::run(&place.data(), &mut Closed).unwrap_err());
    assert!(reason.starts_with("can't write to standard output: "), "{reason}");
}
