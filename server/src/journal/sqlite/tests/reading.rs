//! Reading: beside a running server without disturbing it, and alone without leaving a trace.

use super::*;

#[test]
fn a_reader_beside_the_writer_sees_one_point_of_the_log_and_holds_nobody_up() {
    let (_dir, path) = place();
    let mut running = Running::open(&path);
    running.commit(&[b"1"]);
    running.commit(&[b"2"]);
    let reader = LogReader::open(&path, ServerState::Running).unwrap();
    running.commit(&[b"3"]);
    let (read, replayed) = read_log(reader).unwrap();
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
    let (_crash_dir, crashed) = crash(&path);
    let (_with_memory_dir, with_memory) = crash(&path);
    fs::copy(path.with_extension("sqlite3-shm"), with_memory.with_extension("sqlite3-shm")).unwrap();
    running.journal.close().unwrap();
    let (_clean_dir, clean) = crash(&path);
    for path in [crashed, with_memory, clean] {
        let before = trace(&path);
        assert_eq!(check(&path).unwrap().entries, [b"1"]);
        assert_eq!(trace(&path), before);
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
    assert_eq!(read_log(LogReader::open(&path, ServerState::Running).unwrap()).unwrap().0.entries, [b"1"]);
    running.journal.close().unwrap();
    assert_eq!(check(&path).unwrap().entries, [b"1"]);
}
