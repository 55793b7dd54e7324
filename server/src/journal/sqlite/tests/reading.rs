//! Reading: beside a running server without disturbing it, and alone without leaving a trace.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::*;

/// Every file of a directory, with its time of change and its bytes.
fn trace(dir: &Path) -> BTreeMap<PathBuf, (SystemTime, Vec<u8>)> {
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    files
        .map(|path| {
            (path.clone(), (fs::metadata(&path).unwrap().modified().unwrap(), fs::read(&path).unwrap()))
        })
        .collect()
}

#[test]
fn a_reader_beside_the_writer_sees_one_point_of_the_log_and_holds_nobody_up() {
    let (_dir, path) = place();
    let mut running = Running::open(&path);
    running.commit(&[b"1"]);
    running.commit(&[b"2"]);
    let stored = Stored::read(&path, Beside::Server).unwrap();
    running.commit(&[b"3"]);
    let (read, replayed) = read_all(stored).unwrap();
    assert_eq!(read.entries, [b"1", b"2"]);
    running.commit(&[b"4"]);
    running.journal.close().unwrap();
    drop(replayed);
    assert_eq!(recover(&path).entries, [b"1", b"2", b"3", b"4"]);
}

#[test]
fn a_reader_alone_changes_nothing_after_a_clean_end_or_a_crash() {
    let (_dir, path) = place();
    let mut running = Running::open(&path);
    running.commit(&[b"1"]);
    let (crash_dir, crashed) = crash(&path);
    let (with_memory_dir, with_memory) = crash(&path);
    fs::copy(path.with_extension("sqlite3-shm"), with_memory.with_extension("sqlite3-shm")).unwrap();
    running.journal.close().unwrap();
    let (clean_dir, clean) = crash(&path);
    for (dir, path) in [(crash_dir, crashed), (with_memory_dir, with_memory), (clean_dir, clean)] {
        let before = trace(dir.path());
        assert_eq!(look(&path).unwrap().entries, [b"1"]);
        assert_eq!(trace(dir.path()), before);
    }
}

#[test]
fn a_path_that_looks_like_a_uri_is_a_path() {
    let dir = tempfile::tempdir().unwrap();
    let odd = dir.path().join("file:a?mode=memory#%20 ü");
    fs::create_dir(&odd).unwrap();
    let path = odd.join("journal.sqlite3");
    let mut running = Running::open(&path);
    running.commit(&[b"1"]);
    assert_eq!(read_all(Stored::read(&path, Beside::Server).unwrap()).unwrap().0.entries, [b"1"]);
    running.journal.close().unwrap();
    assert_eq!(look(&path).unwrap().entries, [b"1"]);
}
