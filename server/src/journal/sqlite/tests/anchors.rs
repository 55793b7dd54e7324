//! The anchor: what it says is never more than what is durable, and a log that says less is refused.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use super::*;
use crate::journal::sqlite::anchor::{Anchor, newest, path_of, read};

fn start(path: &Path, durability: Durability) -> Running {
    Running::start(open(path).unwrap().1, durability)
}

/// The last entry that the anchor names.
fn anchored(path: &Path) -> u64 {
    read(path).unwrap().expect("there is an anchor").last.0
}

/// A log of three commits of which the anchor knows, as a kill leaves it.
fn killed() -> (tempfile::TempDir, PathBuf) {
    let (_dir, path) = place();
    let mut running = start(&path, Durability::Always);
    for entry in [b"1", b"2", b"3"] {
        running.commit(&[entry]);
    }
    crash(&path)
}

/// Refused in these words, by all who read the log; and nothing is changed.
fn expect_refusal(path: &Path, expected: &str) {
    let before = trace(path);
    for error in [check(path).unwrap_err(), open(path).map(drop).unwrap_err()] {
        assert_eq!(error.to_string(), format!("journal {}: {expected}", path.display()));
    }
    assert_eq!(trace(path), before, "nothing was changed");
}

const NO_ANCHOR: &str = "its anchor, which says how far the log reached, is missing or damaged; restore \
                         journal.anchor, or start once with --accept-log to take the log as it is";

#[test]
fn the_anchor_follows_what_is_fsynced_and_all_is_when_the_journal_is_closed() {
    for (durability, after_commit) in
        [(Durability::Always, 2), (Durability::Interval, 0), (Durability::None, 0)]
    {
        let (_dir, path) = place();
        let mut running = start(&path, durability);
        assert_eq!(anchored(&path), 0);
        running.commit(&[b"1", b"2"]);
        assert_eq!(anchored(&path), after_commit, "{durability:?}");
        running.journal.close().unwrap();
        assert_eq!(anchored(&path), 2, "{durability:?}");
    }
}

#[test]
fn with_an_interval_the_anchor_follows_within_seconds() {
    let (_dir, path) = place();
    let mut running = start(&path, Durability::Interval);
    running.commit(&[b"1"]);
    let deadline = Instant::now() + TEST_DEADLINE;
    while anchored(&path) == 0 {
        assert!(Instant::now() < deadline, "the log is fsynced, and the anchor moved");
        std::thread::yield_now();
    }
}

#[test]
fn a_start_puts_the_anchor_at_the_end_of_the_log() {
    let (_dir, path) = place();
    let mut running = start(&path, Durability::None);
    running.commit(&[b"1"]);
    let (_crash_dir, crashed) = crash(&path);
    assert_eq!(anchored(&crashed), 0);
    drop(start(&crashed, Durability::None));
    assert_eq!(anchored(&crashed), 1);
}

#[test]
fn a_log_that_lost_what_the_anchor_knows_is_refused() {
    let ends_early = "damaged at entry 1: the log ends here; its anchor says that it reached entry 3";
    let (_dir, path) = killed();
    let wal = paths::wal(&path);
    let log = fs::read(&wal).unwrap();
    for lost in [None, Some(vec![]), Some(vec![0; log.len()]), Some(flipped(&log, 20))] {
        match lost {
            Some(bytes) => fs::write(&wal, bytes).unwrap(),
            None => fs::remove_file(&wal).unwrap(),
        }
        expect_refusal(&path, ends_early);
    }
    fs::write(&wal, &log[..log.len() - 1]).unwrap();
    let last = "damaged at entry 3: the log ends here; its anchor says that it reached entry 3";
    expect_refusal(&path, last);
    fs::write(&wal, &log).unwrap();
    assert_eq!(recover(&path).entries, [b"1", b"2", b"3"], "with its log it is whole");
}

fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut flipped = bytes.to_vec();
    flipped[at] ^= 1;
    flipped
}

#[test]
fn a_log_with_another_history_than_the_anchors_is_refused() {
    let (_dir, path) = killed();
    let (_other_dir, other) = place();
    let mut running = start(&other, Durability::Always);
    running.commit(&[b"1"]);
    running.commit(&[b"another"]);
    running.commit(&[b"3"]);
    let (_crash_dir, crashed) = crash(&other);
    fs::copy(path_of(&path), path_of(&crashed)).unwrap();
    expect_refusal(&crashed, "damaged at entry 3: its batch is not the one that the anchor names");
    // Nor does it fit when its commits are others.
    running.commit(&[b"4", b"5"]);
    let (_crash_dir, crashed) = crash(&other);
    Anchor::open(&crashed, Tip { last: Sequence(4), hash: Hash::from_bytes([0; 32]) }).unwrap();
    expect_refusal(&crashed, "damaged at entry 4: its batch is not the one that the anchor names");
}

#[test]
fn an_import_that_lost_its_snapshot_is_refused() {
    let (_dir, path) = place();
    write_fresh(&path, std::iter::once(b"state".to_vec())).unwrap();
    assert_eq!(check(&path).unwrap().chunks, [b"state"]);
    rusqlite::Connection::open(&path).unwrap().execute_batch("DELETE FROM snapshots").unwrap();
    fs::remove_file(paths::wal(&path)).ok();
    let lost = "damaged at entry 1: the log ends here; its anchor says that it reached entry 1";
    assert_eq!(check(&path).unwrap_err().to_string(), format!("journal {}: {lost}", path.display()));
}

#[test]
fn without_an_anchor_a_log_is_refused_until_it_is_accepted() {
    for damaged in [None, Some(vec![]), Some(vec![0; 8_192])] {
        let (_dir, path) = killed();
        match damaged {
            Some(bytes) => fs::write(path_of(&path), bytes).unwrap(),
            None => fs::remove_file(path_of(&path)).unwrap(),
        }
        expect_refusal(&path, NO_ANCHOR);
        let accepted = start_from(LogReader::open_or_create(&path).unwrap().accept_without_anchor()).unwrap();
        assert_eq!(accepted.0.entries, [b"1", b"2", b"3"]);
        drop(accepted);
        assert_eq!(recover(&path).entries, [b"1", b"2", b"3"], "once is enough");
    }
    let (_dir, path) = place();
    write_fresh(&path, std::iter::once(b"state".to_vec())).unwrap();
    fs::remove_file(path_of(&path)).unwrap();
    expect_refusal(&path, NO_ANCHOR);
}

#[test]
fn without_an_anchor_an_empty_log_is_refused_until_it_is_accepted() {
    // All of a first run is in the write-ahead log; without it the database is intact and empty.
    for damaged in [None, Some(vec![]), Some(vec![0; 8_192])] {
        let (_dir, path) = killed();
        fs::remove_file(paths::wal(&path)).unwrap();
        match damaged {
            Some(bytes) => fs::write(path_of(&path), bytes).unwrap(),
            None => fs::remove_file(path_of(&path)).unwrap(),
        }
        expect_refusal(&path, NO_ANCHOR);
        let accepted = start_from(LogReader::open_or_create(&path).unwrap().accept_without_anchor()).unwrap();
        assert_eq!(accepted.0, Read::default());
        drop(accepted);
        assert_eq!(recover(&path), Read::default(), "once is enough");
    }
}

#[test]
fn a_creation_cut_short_between_anchor_and_database_is_a_fresh_start() {
    let (_dir, path) = place();
    drop(LogReader::open_or_create(&path).unwrap());
    fs::rename(&path, paths::with(&path, ".new")).unwrap();
    assert!(path_of(&path).exists());
    assert_eq!(recover(&path), Read::default());
    assert!(!paths::with(&path, ".new").exists());
}

#[test]
fn a_log_without_entries_is_refused_where_entries_are_expected() {
    let (_dir, path) = place();
    drop(LogReader::open_or_create(&path).unwrap());
    let before = trace(&path);
    let error =
        start_from(LogReader::open_or_create(&path).unwrap().expecting_entries(true)).map(drop).unwrap_err();
    let expected = "it is empty, although files have been uploaded; put journal.sqlite3-wal back, or start \
                    once with --accept-log to take the log as it is";
    assert_eq!(error.to_string(), format!("journal {}: {expected}", path.display()));
    assert_eq!(trace(&path), before, "nothing was changed");
    start_from(LogReader::open_or_create(&path).unwrap().expecting_entries(false)).unwrap();
    for write in [fill_with_snapshot, fill_with_entry] {
        let (_dir, path) = place();
        write(&path);
        start_from(LogReader::open_or_create(&path).unwrap().expecting_entries(true)).unwrap();
    }
}

fn fill_with_snapshot(path: &Path) {
    write_fresh(path, std::iter::once(b"state".to_vec())).unwrap();
}

fn fill_with_entry(path: &Path) {
    open(path).unwrap().1.append(&[b"1"]).unwrap();
}

#[test]
fn accepting_a_log_accepts_no_damage() {
    let (_dir, path) = killed();
    fs::remove_file(paths::wal(&path)).unwrap();
    let error =
        start_from(LogReader::open_or_create(&path).unwrap().accept_without_anchor()).map(drop).unwrap_err();
    assert!(error.to_string().contains("damaged at entry 1"), "{error}");
}

#[test]
fn a_torn_slot_leaves_the_other_one() {
    let (_dir, path) = place();
    let tip = |last| Tip { last: Sequence(last), hash: Hash::from_bytes([7; 32]) };
    let now = Instant::now();
    // What is read when a byte of the file is another one, whichever.
    let torn = || {
        let bytes = fs::read(path_of(&path)).unwrap();
        let read = |at| newest(&flipped(&bytes, at)).map(|(.., tip)| tip.last.0);
        (0..bytes.len()).map(read).collect::<BTreeSet<_>>()
    };
    let anchor = Anchor::open(&path, tip(1)).unwrap();
    anchor.move_to(tip(2), now).unwrap();
    anchor.move_to(tip(3), now).unwrap();
    assert_eq!(torn(), [Some(1), Some(3)].into(), "before the fsync all went to one slot");
    anchor.sync().unwrap();
    anchor.move_to(tip(4), now).unwrap();
    assert_eq!(torn(), [Some(3), Some(4)].into());
}

#[test]
fn the_fsync_of_the_anchor_is_due_a_second_after_the_first_write() {
    let (_dir, path) = place();
    let tip = |last| Tip { last: Sequence(last), hash: Hash::from_bytes([7; 32]) };
    let start = Instant::now();
    let at = |ms| start + Duration::from_millis(ms);
    let anchor = Anchor::open(&path, tip(1)).unwrap();
    assert_eq!(anchor.wait(at(0)), None, "what it was opened with is durable");
    anchor.move_to(tip(1), at(0)).unwrap();
    assert_eq!(anchor.wait(at(0)), None, "and is not written again");
    anchor.move_to(tip(2), at(0)).unwrap();
    anchor.move_to(tip(3), at(600)).unwrap();
    assert_eq!(anchor.wait(at(700)), Some(Duration::from_millis(300)));
    anchor.sync().unwrap();
    assert_eq!(anchor.wait(at(700)), None);
}

#[test]
fn what_follows_the_anchor_is_kept_as_far_as_it_verifies_and_the_rest_is_dropped() {
    let (_dir, path) = place();
    let mut running = Running::open(&path);
    for entry in [b"1", b"2", b"3", b"4"] {
        running.commit(&[entry]);
    }
    running.journal.close().unwrap();
    let mut tip = Tip::GENESIS;
    for entry in [b"\0\0\0\x011", b"\0\0\0\x012"] {
        tip = tip.extended(LAYOUT, 1, entry);
    }
    let conn = rusqlite::Connection::open(&path).unwrap();
    conn.execute_batch("UPDATE batches SET hash = zeroblob(32) WHERE first = 4").unwrap();
    conn.close().unwrap();
    let damaged = "damaged at entry 4: the digest of its batch does not match";
    expect_refusal(&path, damaged);

    // With an anchor that lags, the same is a tail.
    Anchor::open(&path, tip).unwrap();
    let words = "the log ends after entry 3; what follows does not verify and is dropped at entry 4: the \
                 digest of its batch does not match";
    let (read, replayed) = read_log(LogReader::open(&path, ServerState::Stopped).unwrap()).unwrap();
    assert_eq!(read.entries, [b"1", b"2", b"3"]);
    assert_eq!(replayed.dropped_tail().unwrap().to_string(), words);
    drop(replayed);
    let (read, log) = open(&path).unwrap();
    assert_eq!(read.entries, [b"1", b"2", b"3"]);
    assert_eq!(log.end.dropped_tail.as_ref().unwrap().to_string(), words);
    let mut running = Running::start(log, Durability::Always);
    running.commit(&[b"5"]);
    running.journal.close().unwrap();
    assert_eq!(recover(&path).entries, [b"1", b"2", b"3", b"5"]);
    assert_eq!(anchored(&path), 4);
}

#[test]
fn an_anchor_that_lost_its_journal_is_not_taken_for_that_of_a_new_one() {
    let (_dir, path) = killed();
    fs::remove_file(&path).unwrap();
    fs::remove_file(paths::wal(&path)).unwrap();
    let before = trace(&path);
    assert!(LogReader::open_or_create(&path).is_err());
    assert!(write_fresh(&path, std::iter::empty()).is_err());
    assert_eq!(trace(&path), before);
}

#[test]
fn an_anchor_that_was_removed_or_replaced_is_made_anew_when_it_is_fsynced() {
    type Act = fn(&Path);
    let acts: [Act; 3] = [
        |anchor| fs::remove_file(anchor).unwrap(),
        |anchor| fs::rename(anchor, anchor.with_extension("old")).unwrap(),
        |anchor| {
            fs::write(anchor.with_extension("old"), "no anchor").unwrap();
            fs::rename(anchor.with_extension("old"), anchor).unwrap();
        },
    ];
    for act in acts {
        let (_dir, path) = place();
        let mut running = start(&path, Durability::Always);
        running.commit(&[b"1"]);
        act(&path_of(&path));
        running.commit(&[b"2"]);
        let deadline = Instant::now() + TEST_DEADLINE;
        while !read(&path).is_ok_and(|anchor| anchor.is_some_and(|tip| tip.last.0 == 2)) {
            assert!(Instant::now() < deadline, "the anchor is fsynced a second after the commit");
            std::thread::yield_now();
        }
        assert_eq!(fs::metadata(path_of(&path)).unwrap().permissions().mode() & 0o777, 0o600);
        act(&path_of(&path));
        running.journal.close().unwrap();
        assert_eq!(anchored(&path), 2);
    }
}
