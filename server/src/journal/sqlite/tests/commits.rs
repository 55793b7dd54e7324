//! Commits: how many there are, what they survive, and what happens when one fails.

use super::*;
use crate::journal::batch::ROW_BYTES_FULL;

#[test]
fn what_was_committed_is_replayed_in_order_whatever_the_durability() {
    for durability in [Durability::Always, Durability::Interval, Durability::None] {
        let (_dir, path) = place();
        let mut running = Running::start(open(&path).unwrap().1, durability);
        running.commit(&[b"one", b""]);
        running.commit(&[b"three"]);
        running.journal.close().unwrap();
        let mut running = Running::open(&path);
        running.commit(&[b"four"]);
        running.journal.close().unwrap();
        let read = recover(&path);
        assert_eq!(read.entries, [&b"one"[..], b"", b"three", b"four"], "{durability:?}");
        assert_eq!(read.contents.last, Sequence(4));
    }
}

#[test]
fn proposals_of_many_turns_that_were_not_quiet_make_one_commit() {
    let (_dir, path) = place();
    let mut running = Running::open(&path);
    for _ in 0..500 {
        running.propose(b"entry");
        assert!(running.journal.end_turn(false), "it waits for quiet");
    }
    assert!(!running.journal.end_turn(true));
    assert_eq!(running.committed().len(), 500);
    running.journal.close().unwrap();
    assert_eq!(recover(&path).contents.batches, 1);
}

#[test]
fn everything_that_waits_for_a_commit_goes_with_the_next_one_in_as_many_rows_as_it_takes() {
    for durability in [Durability::Always, Durability::Interval, Durability::None] {
        let (_dir, path) = place();
        let (_, log) = open(&path).unwrap();
        let mut running = Running::start(log, durability);
        running.propose(b"first");
        running.journal.end_turn(true);
        let large = vec![7; ROW_BYTES_FULL];
        (0..5).for_each(|_| running.propose(&large));
        running.propose(b"small");
        running.journal.end_turn(true);
        assert_eq!(running.committed().len(), 1);
        running.journal.end_turn(true);
        assert_eq!(running.committed().len(), 6, "{durability:?}");
        assert_eq!(running.journal.next_outcome(), None);
        running.commit(&[b"last"]);
        drop(running);
        let read = recover(&path);
        let large = &large[..];
        assert_eq!(read.entries, [b"first", large, large, large, large, large, b"small", b"last"]);
        assert_eq!(read.contents.batches, 8, "rows");
    }
}

#[test]
fn a_batch_of_many_rows_that_finds_no_space_leaves_none_of_them() {
    let (_dir, path) = place();
    let mut running = Running::open_with_room(&path, 150);
    running.commit(&[b"before"]);
    (0..3).for_each(|_| running.propose(&[7; ROW_BYTES_FULL]));
    running.journal.end_turn(true);
    assert_eq!(running.refused(), 3);
    running.commit(&[&[8; ROW_BYTES_FULL]]);
    running.journal.close().unwrap();
    assert_eq!(recover(&path).entries, [b"before".to_vec(), vec![8; ROW_BYTES_FULL]]);
}

#[test]
fn with_an_interval_entries_are_durable_once_the_log_was_fsynced_and_the_loop_is_told() {
    let (_dir, path) = place();
    let (_, log) = open(&path).unwrap();
    let mut running = Running::start(log, Durability::Interval);
    running.commit(&[b"one", b"two"]);
    running.wait_for(|journal| {
        assert_eq!(journal.next_outcome(), None);
        (journal.durable() == Sequence(2)).then_some(())
    });
    drop(running);
    for durability in [Durability::Always, Durability::None] {
        let mut running = Running::start(open(&path).unwrap().1, durability);
        let before = running.journal.durable();
        running.commit(&[b"one more"]);
        assert_eq!(running.journal.durable(), before.plus(1), "{durability:?}");
    }
}

#[test]
fn what_was_told_committed_survives_a_kill_at_any_time() {
    for durability in [Durability::Always, Durability::Interval, Durability::None] {
        let (_dir, path) = place();
        let mut running = Running::start(open(&path).unwrap().1, durability);
        for entries in 0..5 {
            let (_copy_dir, copy) = crash(&path);
            assert_eq!(recover(&copy).entries.len(), entries, "{durability:?}");
            running.commit(&[b"entry"]);
        }
    }
}

#[test]
fn entries_never_handed_over_are_not_in_the_log() {
    let (_dir, path) = place();
    let mut running = Running::open(&path);
    running.commit(&[b"one"]);
    running.propose(b"two");
    running.journal.close().unwrap();
    assert_eq!(recover(&path).entries, [b"one"]);
}

#[test]
fn a_full_disk_refuses_a_batch_whole_and_takes_the_next_that_fits() {
    let (_dir, path) = place();
    let mut running = Running::open_with_room(&path, 4);
    running.commit(&[b"before"]);
    for _ in 0..3 {
        running.propose(b"goes down with the next");
        running.propose(&[7; 100_000]);
        running.journal.end_turn(true);
        assert_eq!(running.refused(), 2);
        let (_copy_dir, copy) = crash(&path);
        assert!(!recover(&copy).entries.iter().any(|entry| entry.starts_with(b"goes down")));
        running.commit(&[b"after"]);
    }
    assert_eq!(running.journal.tail_bytes(), 4 * 4 + 6 + 3 * 5, "what was refused does not count");
    running.journal.close().unwrap();
    assert_eq!(recover(&path).entries, [&b"before"[..], b"after", b"after", b"after"]);
}

#[test]
fn any_other_error_is_the_last_outcome_and_wakes_the_loop() {
    // The thread commits, or the loop itself while the thread has nothing to do.
    for durability in [Durability::Always, Durability::Interval, Durability::None] {
        breaks_with_its_reason(durability);
    }
}

fn breaks_with_its_reason(durability: Durability) {
    let (_dir, path) = place();
    let (_, log) = open(&path).unwrap();
    let mut running = Running::start(log, durability);
    running.commit(&[b"one"]);
    let saboteur = rusqlite::Connection::open(&path).unwrap();
    let trigger = "CREATE TRIGGER t BEFORE INSERT ON batches BEGIN SELECT raise(ABORT, 'sabotage'); END";
    saboteur.execute_batch(trigger).unwrap();
    running.propose(b"two");
    running.journal.end_turn(true);
    let Outcome::Broken { reason } = running.outcome() else { panic!("it was sabotaged") };
    assert_eq!(reason, "cannot commit: sabotage (SQLite code 1811)");
    running.propose(&[7; ROW_BYTES_FULL]);
    assert_eq!(running.journal.next_outcome(), None);
    assert!(!running.journal.begin_snapshot(std::iter::empty()), "a broken journal takes no snapshot");
    let closed = running.journal.close().unwrap_err();
    assert_eq!(closed.to_string(), format!("journal {}: {reason}", path.display()));
}

#[test]
fn the_write_ahead_log_is_moved_into_the_database_before_it_grows_far() {
    let (_dir, path) = place();
    let mut running = Running::open(&path);
    let batch_pages = (ROW_BYTES_FULL / file::PAGE_BYTES + 2) as u64;
    let mut longest = 0;
    for _ in 0..2 * writer::CHECKPOINT_PAGES as u64 / batch_pages + 2 {
        running.commit(&[&[7; ROW_BYTES_FULL]]);
        longest = longest.max(fs::metadata(paths::wal(&path)).unwrap().len());
    }
    let pages = longest / file::PAGE_BYTES as u64;
    assert!(pages < writer::CHECKPOINT_PAGES as u64 + 3 * batch_pages, "{pages} pages of log");
    let moved = fs::metadata(&path).unwrap().len() / file::PAGE_BYTES as u64;
    assert!(moved > writer::CHECKPOINT_PAGES as u64 * 9 / 10, "only {moved} pages in the database");
}

#[test]
fn closing_leaves_database_and_anchor_of_mode_0600_and_so_are_those_beside_them_before() {
    use std::os::unix::fs::PermissionsExt;
    let (dir, path) = place();
    let mut running = Running::open(&path);
    running.commit(&[b"one"]);
    let modes = || {
        let entries = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap());
        entries.map(|entry| entry.metadata().unwrap().permissions().mode() & 0o777).collect::<Vec<_>>()
    };
    assert_eq!(modes(), [0o600; 4], "database, anchor, log and shared memory");
    running.journal.close().unwrap();
    assert_eq!(modes(), [0o600; 2]);
}

#[test]
fn entries_appended_without_a_server_follow_the_others() {
    let (_dir, path) = place();
    Running::open(&path).commit(&[b"one"]);
    let (_, log) = open(&path).unwrap();
    log.append(&[b"two", b"three"]).unwrap();
    assert_eq!(check(&path).unwrap().entries, [&b"one"[..], b"two", b"three"]);
}

#[test]
fn passing_entries_are_neither_reader_nor_do_they_wait_for_a_commit_under_way() {
    for durability in [Durability::Always, Durability::Interval, Durability::None] {
        let (_dir, path) = place();
        let (_, log) = open(&path).unwrap();
        let mut running = Running::start(log, durability);
        // Nobody can commit meanwhile.
        let writer = Arc::clone(running.journal.writer.as_ref().unwrap());
        let held = writer.lock().unwrap();
        running.propose(b"kept");
        running.journal.end_turn(true);
        for ticket in [3, 1, 2] {
            running.journal.propose(Ticket(ticket), Class::Passing, |_| panic!("nobody needs its bytes"));
        }
        assert!(running.journal.has_outcome());
        let Some(Outcome::Passed { entries }) = running.journal.next_outcome() else { panic!("they pass") };
        let tickets: Vec<_> = entries.iter().map(|(ticket, _)| ticket).collect();
        assert_eq!(tickets, [3, 1, 2].map(|ticket| Some(Ticket(ticket))), "{durability:?}");
        assert!(!running.journal.has_outcome());
        assert_eq!(running.journal.next_outcome(), None);
        drop(held);
        assert_eq!(running.committed(), [b"kept"]);
        drop(writer);
        running.journal.close().unwrap();
        assert_eq!(recover(&path).entries, [b"kept"]);
    }
}
