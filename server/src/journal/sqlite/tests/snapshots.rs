//! Snapshots: begun beside commits, valid at one moment, and never in the way of a replay before that.

use std::sync::{Arc, Mutex};

use super::*;

impl Running {
    /// Takes a snapshot and waits until it is valid.
    fn snapshot(&mut self, chunks: &[&[u8]]) {
        let chunks: Vec<Vec<u8>> = chunks.iter().map(|chunk| chunk.to_vec()).collect();
        assert!(self.journal.begin_snapshot(chunks.into_iter()));
        self.end_of_snapshot();
    }

    fn end_of_snapshot(&mut self) {
        self.wait_for(|journal| {
            assert_eq!(journal.next_outcome(), None);
            journal.snapshot_covers_bytes.is_none().then_some(())
        });
    }
}

#[test]
fn a_replay_brings_the_newest_snapshot_and_then_what_came_after_it() {
    let (_dir, path) = place();
    let mut running = Running::open(&path);
    running.commit(&[b"1", b"2"]);
    running.snapshot(&[b"one and", b"two"]);
    assert_eq!(running.journal.tail_bytes(), 0);
    running.commit(&[b"3"]);
    running.snapshot(&[b"one to three"]);
    running.commit(&[b"4"]);
    assert_eq!(running.journal.tail_bytes(), 5);
    running.journal.close().unwrap();
    let read = recover(&path);
    assert_eq!((read.chunks, read.entries), (vec![b"one to three".to_vec()], vec![b"4".to_vec()]));
    let contents = Contents { covered: Sequence(3), chunks: 1, batches: 1, last: Sequence(4), tail_bytes: 5 };
    assert_eq!(read.contents, contents);
}

#[test]
fn commits_go_on_while_a_snapshot_is_made_and_lie_behind_it() {
    let (_dir, path) = place();
    let mut running = Running::open(&path);
    running.commit(&[b"covered"]);
    let (go, wait) = mpsc::channel();
    assert!(running.journal.begin_snapshot(wait.into_iter()));
    assert!(!running.journal.begin_snapshot(std::iter::empty()), "one at a time");
    for chunk in [b"a", b"b", b"c", b"d"] {
        go.send(chunk.to_vec()).unwrap();
        running.commit(&[b"behind"]);
    }
    drop(go);
    running.end_of_snapshot();
    running.journal.close().unwrap();
    let read = recover(&path);
    assert_eq!((read.chunks.concat(), read.entries.len()), (b"abcd".to_vec(), 4));
}

#[test]
fn a_crash_at_any_step_of_a_snapshot_loses_nothing() {
    let (_dir, path) = place();
    let mut running = Running::open(&path);
    (0..100).for_each(|_| running.commit(&[b"old"]));
    running.snapshot(&[&[b'0'; 9_000][..]; 20]);
    (0..100).for_each(|_| running.commit(&[b"new"]));
    let crashes = Arc::new(Mutex::new(Vec::new()));
    let (seen, from) = (Arc::clone(&crashes), path.clone());
    let chunks = (0..20).map(move |_| {
        seen.lock().unwrap().push(crash(&from));
        vec![b'1'; 9_000]
    });
    assert!(running.journal.begin_snapshot(chunks));
    running.end_of_snapshot();
    let mut crashes = std::mem::take(&mut *crashes.lock().unwrap());
    let deadline = Instant::now() + TEST_DEADLINE;
    while count(&path, "batches") > 0 {
        assert!(Instant::now() < deadline, "what is covered is deleted in time");
        crashes.push(crash(&path));
    }
    assert_eq!(count(&path, "snapshot_chunks"), 20);
    for (_dir, path) in &crashes {
        let read = recover(path);
        match read.chunks[0][0] {
            b'0' => assert_eq!((read.chunks.len(), read.entries.len()), (20, 100)),
            _ => assert_eq!((read.chunks.len(), read.entries.len()), (20, 0)),
        }
    }
}

#[test]
fn a_maker_that_fails_leaves_the_journal_as_it_was() {
    let (_dir, path) = place();
    let mut running = Running::open(&path);
    running.commit(&[b"1"]);
    assert!(running.journal.begin_snapshot((0..5).map(|n| if n < 3 {
        vec![n]
    } else {
        panic!("on purpose")
    })));
    running.end_of_snapshot();
    assert_eq!(running.journal.tail_bytes(), 5, "it is not covered");
    running.commit(&[b"2"]);
    running.snapshot(&[b"one and two"]);
    running.journal.close().unwrap();
    assert_eq!(recover(&path).chunks, [b"one and two"]);
}

#[test]
fn a_full_disk_ends_a_snapshot_and_nothing_else() {
    let (_dir, path) = place();
    let mut running = Running::open_with_room(&path, 30);
    running.commit(&[b"1"]);
    assert!(running.journal.begin_snapshot(std::iter::repeat_with(|| vec![0; 50_000])), "an endless one");
    running.end_of_snapshot();
    running.commit(&[b"2"]);
    running.snapshot(&[b"one and two"]);
    running.journal.close().unwrap();
    assert_eq!(recover(&path).chunks, [b"one and two"]);
}

#[test]
fn closing_does_not_wait_for_a_snapshot_and_the_next_start_clears_it_away() {
    let (_dir, path) = place();
    let mut running = Running::open(&path);
    running.commit(&[b"1"]);
    let (go, wait) = mpsc::channel();
    assert!(running.journal.begin_snapshot(wait.into_iter()));
    go.send(vec![0; 10]).unwrap();
    wait_for_rows(&path, "snapshot_chunks", 1);
    running.journal.close().unwrap();
    assert_eq!(count(&path, "snapshot_chunks"), 1);
    let mut running = Running::open(&path);
    wait_for_rows(&path, "snapshot_chunks", 0);
    running.commit(&[b"2"]);
    running.journal.close().unwrap();
    assert_eq!(recover(&path).entries, [b"1", b"2"]);
}

#[test]
fn a_journal_written_fresh_holds_the_snapshot_and_goes_on_behind_it() {
    let (dir, path) = place();
    write_fresh(&path, (0..40).map(|n| vec![n; 100_000])).unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "no draft is left");
    let again = write_fresh(&path, std::iter::empty()).unwrap_err();
    assert_eq!(again.to_string(), format!("journal {}: it exists already", path.display()));
    Running::open(&path).commit(&[b"1"]);
    let read = check(&path).unwrap();
    assert!(read.chunks.into_iter().eq((0..40).map(|n| vec![n; 100_000])));
    assert_eq!(read.entries, [b"1"]);
}

#[test]
fn a_journal_that_was_not_made_to_the_end_does_not_exist_and_the_next_attempt_succeeds() {
    let (dir, path) = place();
    let chunks = (0..2).map(|n| if n == 0 { vec![0; 10] } else { panic!("on purpose") });
    let attempt = std::panic::AssertUnwindSafe(|| write_fresh(&path, chunks));
    assert!(std::panic::catch_unwind(attempt).is_err());
    assert!(!path.exists());
    assert!(fs::read_dir(dir.path()).unwrap().count() > 0, "this test needs a draft to be left");
    write_fresh(&path, std::iter::once(b"state".to_vec())).unwrap();
    assert_eq!(check(&path).unwrap().chunks, [b"state"]);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
}
