//! What a restart shows: nothing that a power cut could still take back.

use super::*;

/// The entries that are in the database without its write-ahead log.
fn database_alone(path: &Path) -> Vec<String> {
    let (_copy_dir, copy) = crash(path);
    fs::remove_file(paths::wal(&copy)).unwrap();
    check(&copy).unwrap().entries.into_iter().map(|entry| String::from_utf8(entry).unwrap()).collect()
}

#[test]
fn what_a_restart_shows_is_durable_before_anybody_sees_it() {
    let (_dir, path) = place();
    let mut running = Running::open(&path);
    running.commit(&[b"1"]);
    running.commit(&[b"2"]);
    let (_crash_dir, crashed) = crash(&path);
    assert_eq!(database_alone(&crashed), [""; 0], "until the restart all is in the log");
    let (read, replayed) = open(&crashed).unwrap();
    assert_eq!(read.entries, [b"1", b"2"]);
    // SQLite fsyncs the log before it moves it, and the database before it truncates the log.
    assert_eq!(database_alone(&crashed), ["1", "2"]);
    assert_eq!(fs::metadata(paths::wal(&crashed)).unwrap().len(), 0);
    drop(replayed);
}

#[test]
fn writing_back_writes_every_byte_and_changes_none() {
    let (_dir, path) = place();
    durable::write_back(&path).unwrap();
    assert!(!path.exists(), "nothing was made");
    for length in [0, 1, durable::PIECE_BYTES, durable::PIECE_BYTES + 1] {
        let bytes: Vec<u8> = (0..=250).cycle().take(length).collect();
        fs::write(&path, &bytes).unwrap();
        let long_ago = SystemTime::UNIX_EPOCH;
        fs::File::options().write(true).open(&path).unwrap().set_modified(long_ago).unwrap();
        durable::write_back(&path).unwrap();
        assert!(fs::read(&path).unwrap() == bytes);
        let written = fs::metadata(&path).unwrap().modified().unwrap() > long_ago;
        assert_eq!(written, length > 0);
    }
}
