//! Whole exports, imports, checks and resets of a small forum in a directory of its own.

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
use crate::forum::{AccountId, Change, Entry, Key, Keyed, ThreadId};
use crate::interrupts::Interrupts;
use crate::journal::{Durability, DurableLog, LogReader, ServerState, SqliteJournal};
use crate::replay::replay;
use crate::startup::Failed;
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
fn an_export_holds_the_assignments_files() {
    let place = Place::with_forum();
    let line = place.export("out").unwrap();
    let out = place.at("out");
    let totals = "2 accounts, 3 threads, 2 messages, 2 files (1000 bytes)";
    assert_eq!(line, format!("exported {totals} to {}, up to log entry 15\n", out.display()));

    let read = |name: &str| fs::read_to_string(out.join(name)).unwrap();
    let lines = "yoda\n1 yoda: hello  there\na/b\\c%. uploaded test.exe\n2 a/b\\c%.: grüße\t🙂\n";
    assert_eq!(read("threads/3331"), lines);
    assert_eq!(read("threads/%2Eh-i%25"), "yoda\na/b\\c%. uploaded a-b\n");
    assert_eq!(read("threads/none"), "yoda\n");
    assert_eq!(fs::read(out.join("uploads/3331-test.exe")).unwrap(), test_exe());
    assert_eq!(read("uploads/%2Eh%2Di%25-a-b"), "");
    assert_eq!(read("forum.jsonl").lines().last(), Some(r#"{"end":{"records":11}}"#));
    for (path, (_, _, mode)) in traces(&out) {
        let promised = if out.join(&path).is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode & 0o777, promised, "{}", path.display());
    }
}

#[test]
fn export_import_export_is_the_same() {
    let (place, other) = (Place::with_forum(), Place::new());
    place.export("out").unwrap();
    let line = other.import(&place.at("out")).unwrap();
    assert!(
        line.starts_with("imported 2 accounts, 3 threads, 2 messages, 2 files (1000 bytes) from "),
        "{line}"
    );
    other.export("out").unwrap();
    assert_eq!(tree(&place.at("out")), tree(&other.at("out")));
    assert_eq!(place.point().forum.state_hash(), other.point().forum.state_hash());
    assert_eq!(other.problems(), [""; 0]);
}

#[test]
fn an_empty_forum_survives_the_trip() {
    let (place, other) = (Place::new(), Place::new());
    place.append(&[]);
    assert!(place.export("out").unwrap().contains("0 accounts, 0 threads, 0 messages, 0 files (0 bytes)"));
    other.import(&place.at("out")).unwrap();
    other.export("out").unwrap();
    assert_eq!(tree(&place.at("out")), tree(&other.at("out")));
}

#[test]
fn a_forum_of_many_chunks_survives_the_trip() {
    let (place, other) = (Place::with_forum(), Place::new());
    let posts: Vec<_> = (0..100).map(|n| post(n % 2, "none", &format!("{n}").repeat(4_000))).collect();
    place.append(&posts);
    place.export("out").unwrap();
    other.import(&place.at("out")).unwrap();
    assert!(other.point().contents.chunks >= 3, "{:?}", other.point().contents);
    other.export("out").unwrap();
    assert_eq!(tree(&place.at("out")), tree(&other.at("out")));
}

/// As `forumd export` wrote it before posts had ids and times.
#[test]
fn an_export_from_before_posts_had_ids_is_imported_and_its_posts_get_the_next_ones_in_order() {
    let before = SystemClock.wall_ms();
    let place = Place::new();
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/export_without_ids");
    let line = place.import(&recorded).unwrap();
    assert!(line.starts_with("imported 3 accounts, 2 threads, 5 messages, 1 file (11 bytes), "), "{line}");
    let forum = place.point().forum;
    let of = |title: &str| forum.threads.titled(title).unwrap().posts().clone();
    let ids = |title: &str| of(title).iter().map(|post| post.id.0).collect::<Vec<_>>();
    assert_eq!((ids("alderaan"), ids("3331")), (vec![1, 2, 3], vec![4, 6]));
    assert!(of("3331").iter().all(|post| (before..=forum.at_ms()).contains(&post.at_ms)));
    place.append(&[post(0, "3331", "the next")]);
    assert_eq!(place.point().forum.threads.titled("3331").unwrap().posts().get(2).unwrap().id.0, 7);
    assert_eq!(place.problems(), [""; 0]);
}

#[test]
fn an_import_shares_nothing_with_the_export() {
    let (place, other) = (Place::with_forum(), Place::new());
    place.export("out").unwrap();
    other.import(&place.at("out")).unwrap();
    fs::write(place.at("out").join("files").join(TEST_EXE.to_string()), "changed").unwrap();
    assert_eq!(other.problems(), [""; 0]);
}

#[test]
fn an_export_goes_into_an_empty_directory_and_makes_it_private() {
    let place = Place::with_forum();
    fs::create_dir(place.at("empty")).unwrap();
    fs::set_permissions(place.at("empty"), Permissions::from_mode(0o755)).unwrap();
    place.export("empty").unwrap();
    assert_eq!(fs::metadata(place.at("empty")).unwrap().mode() & 0o777, 0o700);

    let before = tree(&place.at("empty"));
    let refused = place.export("empty").unwrap_err();
    assert!(refused.ends_with("is not empty; choose an empty or a new directory"), "{refused}");
    assert_eq!(tree(&place.at("empty")), before);
    assert!(place.export("no/such").unwrap_err().starts_with("can't create "));
}

#[test]
fn an_export_that_fails_leaves_nothing() {
    let place = Place::with_forum();
    fs::create_dir(place.at("empty")).unwrap();
    let path = TEST_EXE.path_in(&place.files());
    for damaged in [Some("too short".into()), Some(vec![0; 1_000]), None] {
        match damaged {
            Some(bytes) => fs::write(&path, bytes).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        for name in ["new", "empty"] {
            let reason = place.export(name).unwrap_err();
            assert!(reason.starts_with(&format!("file test.exe of thread 3331 ({TEST_EXE}) ")), "{reason}");
        }
        assert!(!place.at("new").exists());
        assert_eq!(tree(&place.at("empty")).len(), 1, "the directory itself");
    }
}

#[test]
fn an_interrupt_leaves_neither_an_export_nor_an_import() {
    let (place, other) = (Place::with_forum(), Place::new());
    place.export("out").unwrap();
    let exported = said(|out| export::run(&place.data(), &place.at("cut"), out, &Interrupts::fired()));
    assert_eq!(exported, Err("interrupted".into()));
    assert!(!place.at("cut").exists());
    let imported = said(|out| import::run(&other.data(), &place.at("out"), out, &Interrupts::fired()));
    assert_eq!(imported, Err("interrupted".into()));
    assert!(!other.data().exists());
}

#[test]
fn an_export_beside_a_server_is_what_it_has_committed() {
    let place = Place::with_forum();
    let after = {
        let (_journal, _store) = served(&place);
        // An upload under way.
        fs::write(FileId(99).path_in(&place.files()), "half of it").unwrap();
        place.export("beside").unwrap();
        assert_eq!(fs::read(FileId(99).path_in(&place.files())).unwrap(), b"half of it");
        fs::remove_file(FileId(99).path_in(&place.files())).unwrap();
        tree(&place.at("beside"))
    };
    place.export("after").unwrap();
    assert_eq!(tree(&place.at("after")), after);
}

/// What an import says about an export whose records are changed like this.
fn import_changed(change: impl FnOnce(&mut Vec<String>)) -> String {
    let (place, other) = (Place::with_forum(), Place::new());
    place.export("out").unwrap();
    let path = place.at("out/forum.jsonl");
    let mut lines: Vec<String> = fs::read_to_string(&path).unwrap().lines().map(str::to_owned).collect();
    change(&mut lines);
    fs::write(&path, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    let reason = other.import(&place.at("out")).unwrap_err();
    assert!(!other.data().exists(), "{reason}");
    // An existing directory is left as it was, too.
    fs::create_dir(other.data()).unwrap();
    assert_eq!(other.import(&place.at("out")), Err(reason.clone()));
    assert_eq!(tree(&other.data()).len(), 1, "the directory itself");
    reason.strip_prefix(&format!("{}", path.display())).map_or(reason.clone(), str::to_owned)
}

#[test]
fn a_bad_line_is_reported_with_its_number() {
    let replace = |at: usize, line: &str| {
        let line = line.to_owned();
        import_changed(move |lines| lines[at - 1] = line)
    };
    assert_eq!(replace(5, ""), ", line 5: EOF while parsing a value");
    assert_eq!(
        replace(1, r#"{"post":{"author":"yoda","text":"x"}}"#),
        ", line 1: the first record must be `forum`"
    );
    assert_eq!(
        replace(4, r#"{"forum":{"at_ms":1,"next_thread":1}}"#),
        ", line 4: `forum` must be the first record"
    );
    assert_eq!(
        replace(4, r#"{"post":{"author":"yoda","text":"x"}}"#),
        ", line 4: a message or file stands before what it belongs to"
    );
    assert_eq!(
        replace(5, r#"{"post":{"author":"nobody","text":"x"}}"#),
        ", line 5: no account is named nobody"
    );
    assert_eq!(replace(5, r#"{"post":{"author":"yoda","text":""}}"#), ", line 5: Invalid text");
    assert_eq!(
        replace(8, r#"{"thread":{"id":3,"title":"3331","creator":"yoda"}}"#),
        ", line 8: thread 3331 comes twice or out of order"
    );
    assert_eq!(
        replace(8, r#"{"thread":{"id":18446744073709551615,"title":"x","creator":"yoda"}}"#),
        ", line 8: no thread has this id"
    );
    let escape = replace(8, "{\"\u{9b}\":1}");
    assert!(escape.starts_with(", line 8: unknown variant `\\u{9b}`"), "{escape}");
}

#[test]
fn names_come_once() {
    let twice = |at: usize| import_changed(move |lines| lines.insert(at, lines[at - 1].clone()));
    assert_eq!(twice(2), ", line 3: two accounts are named yoda");
    assert_eq!(twice(6), format!(", line 7: another file has the id {TEST_EXE}"));
}

#[test]
fn an_export_that_was_cut_anywhere_is_refused() {
    for kept in 0..11 {
        let reason = import_changed(|lines| lines.truncate(kept));
        assert_eq!(reason, " is cut off: its last line is missing");
    }
    let lost = import_changed(|lines| drop(lines.remove(4)));
    assert_eq!(lost, ", line 11: there should be 11 lines before this one");
    let behind = import_changed(|lines| lines.push(lines[0].clone()));
    assert_eq!(behind, ", line 13: it stands behind the end");
}

#[test]
fn a_damaged_or_missing_file_is_refused() {
    let damaged = [
        (Some(b"short".to_vec()), "has 5 bytes instead of 1000"),
        (Some(vec![0; 1_001]), "has more than 1000 bytes"),
        (Some(vec![0; 1_000]), "is damaged: its digest does not match"),
        (None, "is missing"),
    ];
    for (bytes, reason) in damaged {
        let (place, other) = (Place::with_forum(), Place::new());
        place.export("out").unwrap();
        let path = TEST_EXE.path_in(&place.at("out/files"));
        fs::remove_file(&path).unwrap();
        if let Some(bytes) = bytes {
            fs::write(&path, bytes).unwrap();
        }
        let refused = other.import(&place.at("out")).unwrap_err();
        assert!(refused.ends_with(&format!("forum.jsonl, line 6: files/{TEST_EXE} {reason}")), "{refused}");
        assert!(!other.data().exists());
    }
}

#[test]
fn a_directory_without_records_is_no_export() {
    let other = Place::new();
    fs::create_dir(other.at("out")).unwrap();
    let reason = other.import(&other.at("out")).unwrap_err();
    assert!(
        reason.ends_with("holds no export, or one that was cut short: there is no forum.jsonl in it"),
        "{reason}"
    );
    assert!(!other.data().exists());
}

#[test]
fn an_import_leaves_a_forum_alone() {
    let place = Place::with_forum();
    place.export("out").unwrap();
    let before = tree(&place.data());
    let reason = place.import(&place.at("out")).unwrap_err();
    assert!(reason.ends_with("holds a forum already; import needs an empty or a new one"), "{reason}");
    assert_eq!(tree(&place.data()), before);
}

#[test]
fn a_check_of_a_sound_forum_tells_what_there_is_and_leaves_no_trace() {
    let place = Place::with_forum();
    let before = traces(&place.data());
    let (lines, checked) = place.check();
    assert_eq!(checked, Ok(()));
    assert_eq!(
        lines,
        "snapshot: none\nlog: 1 commit, up to entry 15\naccounts: 2\nthreads: 3\nmessages: 2\nfiles: 2 (1000 bytes)\n\
         uploads that broke off, deleted by the next start: 0\neverything is in order\n"
    );
    assert_eq!(traces(&place.data()), before);
}

#[test]
fn a_check_lists_every_damaged_file() {
    let place = Place::with_forum();
    let mut bytes = test_exe();
    bytes[500] ^= 1;
    fs::write(TEST_EXE.path_in(&place.files()), bytes).unwrap();
    fs::remove_file(EMPTY.path_in(&place.files())).unwrap();
    assert_eq!(
        place.problems(),
        [
            format!("file test.exe of thread 3331 (files/{TEST_EXE}) is damaged: its digest does not match"),
            format!("file a-b of thread .h-i% (files/{EMPTY}) is missing"),
        ]
    );
}

#[test]
fn a_check_finds_what_others_could_read() {
    let place = Place::with_forum();
    let journal = place.journal();
    let file = TEST_EXE.path_in(&place.files());
    for (path, mode) in [(&place.data(), 0o755), (&journal, 0o640), (&place.files(), 0o701), (&file, 0o604)] {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }
    assert_eq!(
        place.problems(),
        [
            format!("{} has mode 0755 instead of 0700", place.data().display()),
            format!("{} has mode 0640 instead of 0600", journal.display()),
            format!("{} has mode 0701 instead of 0700", place.files().display()),
            format!("{} has mode 0604 instead of 0600", file.display()),
        ]
    );
}

#[test]
fn files_that_nothing_names_are_no_problem() {
    let place = Place::with_forum();
    let (whole, part) = (FileId(99).path_in(&place.files()), FileId(98).part_in(&place.files()));
    for path in [&whole, &part] {
        fs::write(path, "").unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    }
    fs::write(place.files().join("notes\u{9b}.txt"), "").unwrap();
    let (lines, checked) = place.check();
    assert_eq!(checked, Ok(()));
    assert!(lines.contains("\nuploads that broke off, deleted by the next start: 1\n"), "{lines}");
    let orphan = format!("\nno thread has files/{}: the next start moves it to files/orphaned\n", FileId(99));
    assert!(lines.contains(&orphan), "{lines}");
    assert!(lines.contains("\nnot put there by forumd: files/notes\\u{9b}.txt\n"), "{lines}");
    {
        let (_journal, _store) = served(&place);
        assert!(place.check().0.contains("\nuploads under way: 1\n"));
    }
    crate::workers::files::move_aside(
        &crate::directory::Directory::open(&place.files()).unwrap(),
        FileId(99),
    )
    .unwrap();
    let (lines, checked) = place.check();
    assert_eq!(checked, Ok(()));
    let orphan = format!("\nno thread has files/orphaned/{}: delete it if nobody misses it\n", FileId(99));
    assert!(lines.contains(&orphan), "{lines}");
}

#[test]
fn files_of_removed_threads_are_no_problem_and_not_exported() {
    let place = Place::with_forum();
    let thread = place.point().forum.files().find(|(_, upload)| upload.id == TEST_EXE).unwrap().0.clone();
    place.append(&[entry(Some(0), Change::RemoveThread { title: thread })]);
    let (lines, checked) = place.check();
    assert_eq!(checked, Ok(()));
    assert!(lines.contains("\nfiles of removed threads, deleted by the next start: 1\n"), "{lines}");
    assert!(!lines.contains("no thread has"), "{lines}");
    place.export("out").unwrap();
    assert!(!TEST_EXE.path_in(&place.at("out").join("files")).exists());
    let other = Place::new();
    other.import(&place.at("out")).unwrap();
    assert_eq!(other.point().forum.removed_files().count(), 0);
}

#[test]
fn a_file_that_is_missing_beside_a_server_is_missing() {
    let place = Place::with_forum();
    let (_journal, _store) = served(&place);
    fs::remove_file(EMPTY.path_in(&place.files())).unwrap();
    assert_eq!(place.problems(), [format!("file a-b of thread .h-i% (files/{EMPTY}) is missing")]);
}

#[test]
fn an_empty_log_beside_uploads_is_a_problem() {
    let place = Place::with_forum();
    for part in crate::journal::parts(&place.journal()) {
        fs::remove_file(part).ok();
    }
    drop(open_log(&place.data().join("journal.sqlite3")));
    let problems = place.problems();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].contains("it is empty, although files have been uploaded"), "{problems:?}");
    let refused = place.export("out").unwrap_err();
    assert!(refused.contains("it is empty, although files have been uploaded"), "{refused}");
    assert!(!place.at("out").exists());
}

#[test]
fn a_damaged_journal_is_a_problem() {
    let place = Place::with_forum();
    let journal = place.journal();
    let mut bytes = fs::read(&journal).unwrap();
    let needle = b"hello  there";
    let at = bytes.windows(needle.len()).position(|window| window == needle).unwrap();
    bytes[at] ^= 1;
    fs::write(&journal, bytes).unwrap();
    let problems = place.problems();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].starts_with("journal "), "{problems:?}");
    assert!(
        problems[0].ends_with("damaged at entry 1: the digest of its batch does not match"),
        "{problems:?}"
    );
}

#[test]
fn an_entry_that_cannot_be_read_is_a_problem() {
    let place = Place::with_forum();
    open_log(&place.journal()).append(&[&[1, 2, 3]]).unwrap();
    assert_eq!(place.problems().len(), 1);
    assert!(place.problems()[0].contains("unreadable at entry 16: "));
}

#[test]
fn without_a_forum_nothing_is_made() {
    let place = Place::new();
    let none = format!("there is no forum in data directory {}", place.data().display());
    assert_eq!(place.check(), (String::new(), Err(none.clone())));
    assert_eq!(place.export("out"), Err(none.clone()));
    assert_eq!(place.reset("yoda", "new\n"), Err(none));
    assert_eq!(tree(place.0.path()).len(), 1, "the directory itself");
}

fn is_password(place: &Place, name: &str, password: &str) -> bool {
    let accounts = place.point().forum.accounts.clone();
    let against = accounts[accounts.find(name).unwrap()].hash;
    let password = Password::parse(password).unwrap();
    let mut hasher = PasswordHasher::start(0, 1, HashParameters::default(), Arc::new(|| {})).unwrap();
    hasher.submit((), Job::Verify { password, against }).unwrap();
    hasher.next_result() == Some(((), HashResult::Right))
}

#[test]
fn a_password_is_reset_for_good_and_for_nobody_else() {
    let place = Place::with_forum();
    assert_eq!(place.reset("yoda", "new one\n"), Ok("password of yoda reset\n".into()));
    assert!(is_password(&place, "yoda", "new one") && !is_password(&place, "yoda", "old"));
    assert!(is_password(&place, "a/b\\c%.", "old"));
    let point = place.point();
    assert_eq!(point.forum.at_ms(), AT_MS, "time in the log never goes back");
    let hash = point.forum.accounts[AccountId(0)].hash;
    assert_eq!(hash.parameters(), HashParameters::default());
    assert_eq!(place.problems(), [""; 0]);
}

#[test]
fn a_reset_that_is_refused_leaves_no_trace() {
    let place = Place::with_forum();
    // Taking the lock touches the directory's files once.
    drop(Store::open(&place.data()).unwrap());
    let before = traces(&place.data());
    assert_eq!(place.reset("Yoda", "new\n"), Err("no account is named Yoda".into()));
    assert_eq!(place.reset("yo\x1bda", "new\n"), Err("no account is named yo\\u{1b}da".into()));
    assert_eq!(place.reset("yoda", "\n"), Err("Invalid password format".into()));
    assert_eq!(traces(&place.data()), before);

    let (_journal, _store) = served(&place);
    let running = place.reset("yoda", "new\n").unwrap_err();
    assert!(running.ends_with("is in use by another forumd"), "{running}");
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
