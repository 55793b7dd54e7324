//! Data directories: taken, refused without a trace, read, and wiped, at any point.

mod wipe;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use super::file_system::names;
use super::*;
use crate::journal::{
    Class, Durability, DurableLog, Journal, LogReader, Outcome, Replay, Sequence, ServerState, Ticket,
};
use crate::workers::files::FileId;

/// Every path below a directory, with its mode and, for a file, its bytes.
fn tree(root: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    for name in names(root).unwrap() {
        let path = root.join(name);
        let data = fs::metadata(&path).unwrap();
        let bytes = if data.is_dir() { Vec::new() } else { fs::read(&path).unwrap() };
        if data.is_dir() {
            found.extend(tree(&path));
        }
        found.insert(path, (data.permissions().mode() & 0o777, bytes));
    }
    found
}

fn listing(root: &Path) -> Vec<String> {
    let relative = |path: &PathBuf| path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
    tree(root).keys().map(relative).collect()
}

/// A directory for data that is not there yet.
fn place() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("forum-data");
    (dir, root)
}

/// Takes everything for what it should be.
struct Unread;

impl Replay for Unread {
    type Error = Infallible;

    fn take_chunk(&mut self, _: &[u8]) -> Result<(), Infallible> {
        Ok(())
    }

    fn end_snapshot(&mut self, _: Sequence) {}

    fn take_entry(&mut self, _: Sequence, _: &[u8]) -> Result<(), Infallible> {
        Ok(())
    }
}

fn open_log(store: &Store) -> DurableLog {
    let log = LogReader::open_or_create(&store.journal()).unwrap();
    log.replay(&mut Unread).unwrap().make_durable().unwrap()
}

/// A forum with an entry and an upload.
fn fill(store: &Store) {
    let log = open_log(store);
    log.append(&[b"entry"]).unwrap();
    fs::write(FileId(7).path_in(store.files().path()), "upload").unwrap();
}

fn text<T>(result: Result<T, StoreError>) -> String {
    let text = result.map(drop).unwrap_err().to_string();
    assert!(!text.contains('\n'), "one line: {text}");
    text
}

#[test]
fn a_new_data_directory_is_private_and_so_is_what_is_in_it() {
    let (_dir, root) = place();
    let store = Store::open(&root).unwrap();
    assert!(!store.journal().exists());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (mode(&root), mode(&root.join("files")), mode(&root.join("forumd.tag"))),
        (0o700, 0o700, 0o600)
    );
    fill(&store);
    assert!(store.journal().exists());
    assert_eq!(mode(&store.journal()), 0o600);
}

#[test]
fn an_empty_directory_of_anybody_is_taken_and_made_private() {
    let (_dir, root) = place();
    fs::create_dir(&root).unwrap();
    fs::set_permissions(&root, Permissions::from_mode(0o755)).unwrap();
    Store::open(&root).unwrap();
    assert_eq!(fs::metadata(&root).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_second_forumd_is_refused_until_the_first_is_gone() {
    let (_dir, root) = place();
    let store = Store::open(&root).unwrap();
    fill(&store);
    let before = tree(&root);
    let refused = format!("data directory {} is in use by another forumd", root.display());
    assert_eq!(text(Store::open(&root)), refused);
    assert_eq!(tree(&root), before);
    drop(store);
    assert!(Store::open(&root).unwrap().journal().exists());
}

#[test]
fn what_is_not_ours_is_refused_and_left_as_it_was() {
    let cases: [(&[&str], &str); 9] = [
        (&["notes.txt"], "holds no forum, but notes.txt; choose an empty directory"),
        (&["forumd.tag"], "holds no forum, but forumd.tag; choose an empty directory"),
        (&["importing"], "holds no forum, but importing; choose an empty directory"),
        (&["wiping"], "holds no forum, but wiping; choose an empty directory"),
        (&["files/notes.txt"], "holds no forum, but notes.txt; choose an empty directory"),
        (
            &["files/0000000000000000000000000000000a"],
            "holds parts of a forum, but its journal.sqlite3 is missing",
        ),
        (
            &["files/orphaned/0000000000000000000000000000000a"],
            "holds parts of a forum, but its journal.sqlite3 is missing",
        ),
        (
            &["files/0000000000000000000000000000000a.part"],
            "holds parts of a forum, but its journal.sqlite3 is missing",
        ),
        (&["journal.sqlite3-wal"], "holds parts of a forum, but its journal.sqlite3 is missing"),
    ];
    for (files, expected) in cases {
        let (_dir, root) = place();
        for file in files {
            fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
            fs::write(root.join(file), "somebody's").unwrap();
        }
        let before = tree(&root);
        assert_eq!(text(Store::open(&root)), format!("data directory {} {expected}", root.display()));
        assert_eq!(tree(&root), before);
    }
    let (_dir, root) = place();
    fs::write(&root, "a file").unwrap();
    let refused = format!("data directory {} is not a directory", root.display());
    assert_eq!((text(Store::open(&root)), text(StoreReader::open(&root))), (refused.clone(), refused));
    assert!(text(Store::open(&root.join("below"))).contains("cannot open it"));
    let missing = root.with_file_name("a").join("b");
    assert!(text(Store::open(&missing)).contains("cannot create it: No such file or directory"));
}

#[test]
fn a_forum_that_lost_its_journal_is_not_started_empty() {
    let (_dir, root) = place();
    let store = Store::open(&root).unwrap();
    fill(&store);
    fs::remove_file(store.journal()).unwrap();
    drop(store);
    let before = tree(&root);
    assert!(text(Store::open(&root)).ends_with("but its journal.sqlite3 is missing"));
    assert_eq!(tree(&root), before);
}

#[test]
fn a_start_that_was_cut_short_can_be_repeated() {
    for made in [
        &["forumd.tag"][..],
        &["forumd.tag", "files/"],
        &["forumd.tag", "journal.sqlite3.new", "journal.sqlite3.new-wal"],
    ] {
        let (_dir, root) = place();
        fs::create_dir(&root).unwrap();
        for name in made {
            match name.strip_suffix('/') {
                Some(directory) => fs::create_dir(root.join(directory)).unwrap(),
                None => fs::write(root.join(name), "").unwrap(),
            }
        }
        fill(&Store::open(&root).unwrap());
        assert!(StoreReader::open(&root).is_ok());
    }
}

#[test]
fn reading_changes_nothing_and_tells_whether_a_server_runs() {
    let (_dir, root) = place();
    let no_forum = format!("there is no forum in data directory {}", root.display());
    assert_eq!(text(StoreReader::open(&root)), no_forum);
    assert!(!root.exists());
    let store = Store::open(&root).unwrap();
    assert_eq!(text(StoreReader::open(&root)), no_forum);
    fill(&store);
    let before = tree(&root);
    assert_eq!(StoreReader::open(&root).unwrap().server(), ServerState::Running);
    drop(store);
    let reader = StoreReader::open(&root).unwrap();
    assert_eq!(reader.server(), ServerState::Stopped);
    assert_eq!(StoreReader::open(&root).unwrap().server(), ServerState::Stopped, "two may read");
    assert!(text(Store::open(&root)).ends_with("is in use by another forumd"));
    assert_eq!((reader.journal(), reader.files()), (root.join("journal.sqlite3"), root.join("files")));
    drop(reader);
    assert_eq!(tree(&root), before);
}

#[test]
fn nothing_that_can_be_removed_is_the_lock() {
    let (_dir, root) = place();
    let store = Store::open(&root).unwrap();
    fill(&store);
    fs::remove_file(root.join("forumd.tag")).unwrap();
    let before = tree(&root);
    assert!(text(Store::open(&root)).ends_with("is in use by another forumd"));
    assert_eq!(tree(&root), before);
    assert_eq!(StoreReader::open(&root).unwrap().server(), ServerState::Running);
    let other_name = root.with_file_name("link");
    std::os::unix::fs::symlink(&root, &other_name).unwrap();
    assert!(text(Store::open(&other_name)).ends_with("is in use by another forumd"));
    drop(store);
    assert_eq!(StoreReader::open(&root).unwrap().server(), ServerState::Stopped, "a copy may lack the tag");
    Store::open(&root).unwrap();
    assert!(root.join("forumd.tag").exists());
}

#[test]
fn a_new_volume_is_an_empty_directory() {
    let (_dir, root) = place();
    fs::create_dir_all(root.join("lost+found")).unwrap();
    let store = Store::open(&root).unwrap();
    fill(&store);
    store.wipe().unwrap();
    assert_eq!(listing(&root), ["lost+found"]);
    fs::create_dir_all(root.join("files/lost+found")).unwrap();
    drop(Store::open(&root).unwrap());
    fs::remove_file(root.join("forumd.tag")).unwrap();
    fs::remove_dir(root.join("lost+found")).unwrap();
    fs::write(root.join("lost+found"), "a file").unwrap();
    assert!(text(Store::open(&root)).contains("holds no forum, but lost+found"));
}

/// What an import has come to when it is cut off: any part of this.
const IMPORTED: [&str; 5] = [
    "files/00000000000000000000000000000007",
    "files/00000000000000000000000000000008",
    "journal.sqlite3.new",
    "journal.sqlite3.new-wal",
    "journal.sqlite3",
];

#[test]
fn an_import_cut_short_anywhere_can_be_repeated_and_is_never_started() {
    for left in 0..1 << IMPORTED.len() {
        let (_dir, root) = place();
        drop(Store::open_for_import(&root).unwrap());
        for (_, part) in IMPORTED.iter().enumerate().filter(|(n, _)| left & (1 << n) != 0) {
            fs::write(root.join(part), "some of it").unwrap();
        }
        let before = tree(&root);
        let refused =
            "holds an import that was cut off; repeat `forumd import` there, or choose another directory";
        assert!(text(Store::open(&root)).ends_with(refused));
        assert!(text(StoreReader::open(&root)).ends_with(refused));
        assert_eq!(tree(&root), before);
        let store = Store::open_for_import(&root).unwrap();
        assert_eq!(listing(&root), ["files", "forumd.tag", "importing"]);
        assert!(text(Store::open(&root)).ends_with("is in use by another forumd"), "while it runs");
        assert!(text(StoreReader::open(&root)).ends_with("is in use by another forumd"));
        fill(&store);
        store.finish_import().unwrap();
        drop(store);
        assert!(StoreReader::open(&root).is_ok());
        assert!(text(Store::open_for_import(&root)).contains("holds a forum already"));
        Store::open(&root).unwrap();
    }
}

#[test]
fn an_import_that_gives_up_leaves_nothing_even_if_that_is_cut_short() {
    let (_dir, root) = place();
    let store = Store::open_for_import(&root).unwrap();
    fill(&store);
    store.paths.mark_wiped().unwrap();
    drop(store);
    assert!(text(StoreReader::open(&root)).starts_with("there is no forum"));
    Store::open(&root).unwrap().wipe().unwrap();
    assert_eq!(listing(&root), [""; 0]);
}

#[test]
fn a_lock_on_a_directory_that_lost_its_name_counts_for_nothing() {
    let (_dir, root) = place();
    let store = Store::open(&root).unwrap();
    assert!(store.lock.is_at(&root).unwrap());
    fs::rename(&root, root.with_file_name("moved")).unwrap();
    fs::create_dir(&root).unwrap();
    assert!(!store.lock.is_at(&root).unwrap());
    assert!(text(store.wipe()).ends_with("was moved or replaced while it was in use; nothing was wiped"));
}

#[test]
fn a_journal_runs_in_the_store_with_everything_private() {
    let (_dir, root) = place();
    let store = Store::open(&root).unwrap();
    fill(&store);
    let log = open_log(&store);
    let (wake, woken) = std::sync::mpsc::channel();
    let mut journal = log.start(Durability::Always, move || _ = wake.send(())).unwrap();
    journal.propose(Ticket(1), Class::Kept, |out| out.extend_from_slice(b"entry"));
    journal.end_turn(true);
    woken.recv_timeout(crate::TEST_DEADLINE).unwrap();
    assert!(matches!(journal.next_outcome(), Some(Outcome::Committed { first: Sequence(2), .. })));
    for (path, (mode, _)) in tree(&root) {
        let uploads_own = path.starts_with(store.files().path()) && path != store.files().path();
        assert!(uploads_own || mode & 0o077 == 0, "{} has mode {mode:o}", path.display());
    }
    assert!(root.join("journal.sqlite3-wal").exists());
}

#[test]
fn what_is_in_the_place_of_a_file_is_refused_in_words_and_a_fifo_is_not_waited_for() {
    let (_dir, root) = place();
    fill(&Store::open(&root).unwrap());
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    for name in ["forumd.tag", "journal.sqlite3", "journal.sqlite3-wal", "journal.anchor", "wiping"] {
        let (path, aside) = (root.join(name), root.join("aside"));
        let was_there = fs::rename(&path, &aside).is_ok();
        for kind in ["a FIFO", "a directory"] {
            match kind {
                "a directory" => fs::create_dir(&path).unwrap(),
                _ => rustix::fs::mkfifoat(rustix::fs::CWD, &path, mode).unwrap(),
            }
            let expected =
                format!("data directory {}: {name} is {kind}, not a file; move it away", root.display());
            assert_eq!(text(Store::open(&root)), expected);
            assert_eq!(text(StoreReader::open(&root)), expected);
            fs::remove_dir(&path).or_else(|_| fs::remove_file(&path)).unwrap();
        }
        if was_there {
            fs::rename(&aside, &path).unwrap();
        }
    }
    drop(Store::open(&root).unwrap());
}

#[test]
fn an_error_of_the_file_system_says_what_to_do() {
    let (_dir, root) = place();
    let said = |errno: rustix::io::Errno| {
        text::<()>(Err(Paths::at(&root).error(StoreErrorKind::Io("write its tag", errno.into()))))
    };
    let start = format!("data directory {}: cannot write its tag: ", root.display());
    assert_eq!(
        said(rustix::io::Errno::ROFS),
        format!(
            "data directory {} is on a read-only file system; mount it writable, or choose another directory",
            root.display()
        )
    );
    assert_eq!(
        said(rustix::io::Errno::FBIG),
        format!("{start}File too large (os error 27); raise the limit for the size of files (ulimit -f)")
    );
}
