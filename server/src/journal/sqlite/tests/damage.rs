//! Damage: what is read is what was written, or an error that says where it is not.

use super::*;

/// Three commits behind a snapshot of two chunks that covers two entries.
fn journal_to_damage() -> (tempfile::TempDir, PathBuf) {
    let (dir, path) = place();
    let mut running = Running::open(&path);
    running.commit(&[b"1", b"2"]);
    assert!(running.journal.begin_snapshot(vec![b"state".to_vec(), b"more".to_vec()].into_iter()));
    running.wait_for(|journal| (journal.next_outcome().is_none() && journal.tail_bytes() == 0).then_some(()));
    wait_for_rows(&path, "batches", 0);
    running.commit(&[b"3"]);
    running.commit(&[b"4", b"5"]);
    running.commit(&[b"6"]);
    running.journal.close().unwrap();
    (dir, path)
}

fn damage(path: &Path, sql: &str) {
    let conn = rusqlite::Connection::open(path).unwrap();
    conn.execute_batch(sql).unwrap();
    conn.close().unwrap();
}

#[test]
fn every_kind_of_damage_is_found_and_located() {
    let cases = [
        (
            "UPDATE batches SET entries = x'00000001340000000136' WHERE first = 4",
            "damaged at entry 4: the digest of its batch does not match",
        ),
        (
            "UPDATE batches SET hash = zeroblob(32) WHERE first = 3",
            "damaged at entry 3: the digest of its batch does not match",
        ),
        (
            "UPDATE batches SET count = 1 WHERE first = 4",
            "damaged at entry 4: the digest of its batch does not match",
        ),
        ("UPDATE batches SET count = -1 WHERE first = 4", "damaged at entry 4: a negative number of entries"),
        ("DELETE FROM batches WHERE first = 3", "damaged at entry 3: it is missing; the next one there is 4"),
        ("DELETE FROM batches WHERE first = 4", "damaged at entry 4: it is missing; the next one there is 6"),
        (
            "UPDATE batches SET first = 7 WHERE first = 6",
            "damaged at entry 6: it is missing; the next one there is 7",
        ),
        (
            "UPDATE batches SET version = 2 WHERE first = 6",
            "unreadable at entry 6: its layout is 2, this forumd reads 1",
        ),
        (
            "UPDATE snapshot_chunks SET bytes = x'00' WHERE number = 0",
            "damaged at snapshot chunk 0: its digest does not match",
        ),
        (
            "UPDATE snapshot_chunks SET bytes = x'00' WHERE number = 1",
            "damaged at snapshot chunk 1: its digest does not match",
        ),
        ("DELETE FROM snapshot_chunks WHERE number = 0", "damaged at snapshot chunk 0: "),
        (
            "DELETE FROM snapshot_chunks WHERE number = 1",
            "damaged at the snapshot: chunks are missing at its end",
        ),
        ("UPDATE snapshots SET chunks = 1", "damaged at the snapshot: chunks are missing at its end"),
        ("UPDATE snapshots SET covers = 3", "damaged at snapshot chunk 0: its digest does not match"),
        (
            "UPDATE snapshots SET covers = -1",
            "damaged at the snapshot: it covers a negative number of entries",
        ),
        (
            "UPDATE snapshots SET covers_hash = zeroblob(32)",
            "damaged at snapshot chunk 0: its digest does not match",
        ),
        ("UPDATE snapshots SET hash = zeroblob(32)", "damaged at the snapshot: its digest does not match"),
        ("UPDATE snapshots SET hash = zeroblob(31)", "damaged: "),
        (
            "UPDATE snapshots SET version = 9",
            "unreadable at the snapshot: its layout is 9, this forumd reads 1",
        ),
        ("DELETE FROM snapshots", "damaged at entry 1: it is missing; the next one there is 3"),
        ("UPDATE meta SET format = 3", "format 3 is newer than this forumd, which reads format 2"),
        ("UPDATE meta SET format = 1", "format 1 is older than format 2, which this forumd reads: "),
        ("DELETE FROM meta", "damaged: "),
        ("PRAGMA application_id = 0", "this is not a journal of forumd"),
    ];
    for (sql, expected) in cases {
        let (_dir, path) = journal_to_damage();
        assert_eq!(check(&path).unwrap().entries, [b"3", b"4", b"5", b"6"]);
        damage(&path, sql);
        let prefix = format!("journal {}: {expected}", path.display());
        let before = trace(&path);
        for error in [check(&path).unwrap_err(), open(&path).map(drop).unwrap_err()] {
            let text = error.to_string();
            assert!(text.starts_with(&prefix), "{sql}\n gave {text}\n not  {prefix}");
            assert!(
                !text.contains('\n') && (text.len() > prefix.len() || !expected.ends_with(' ')),
                "{text}"
            );
        }
        assert_eq!(trace(&path), before, "nothing was changed");
    }
}

#[test]
fn files_that_are_no_journal_are_refused_and_left_as_they_are() {
    let (_dir, path) = place();
    let contents: [&[u8]; 3] = [b"", b"Dear diary", &[b'x'; 20_000]];
    for content in contents {
        fs::write(&path, content).unwrap();
        for error in [check(&path).unwrap_err(), LogReader::open_or_create(&path).map(drop).unwrap_err()] {
            assert_eq!(
                error.to_string(),
                format!("journal {}: this is not a journal of forumd", path.display())
            );
        }
        assert_eq!(fs::read(&path).unwrap(), content);
    }
    let (_dir, path) = place();
    let error = check(&path).unwrap_err().to_string();
    assert!(error.ends_with("cannot open it: No such file or directory (os error 2)"), "{error}");
}

#[test]
fn a_log_that_lost_its_database_is_not_taken_for_that_of_a_new_one() {
    let (_dir, path) = place();
    let mut running = Running::open(&path);
    running.commit(&[b"1"]);
    let (_crash_dir, crashed) = crash(&path);
    fs::remove_file(&crashed).unwrap();
    let log = fs::read(paths::wal(&crashed)).unwrap();
    assert!(LogReader::open_or_create(&crashed).is_err());
    assert_eq!(fs::read(paths::wal(&crashed)).unwrap(), log);
}

/// Understands neither chunks, if it is told so, nor entry 5.
struct Rejecting {
    chunks: bool,
}

impl Replay for Rejecting {
    type Error = &'static str;

    fn take_chunk(&mut self, _: &[u8]) -> Result<(), &'static str> {
        if self.chunks { Err("gibberish") } else { Ok(()) }
    }

    fn end_snapshot(&mut self, _: Sequence) {}

    fn take_entry(&mut self, sequence: Sequence, _: &[u8]) -> Result<(), &'static str> {
        if sequence == Sequence(5) { Err("gibberish") } else { Ok(()) }
    }
}

#[test]
fn what_the_reader_rejects_is_told_with_its_place() {
    let (_dir, path) = journal_to_damage();
    for (chunks, place) in [(true, "snapshot chunk 0"), (false, "entry 5")] {
        let log = LogReader::open(&path, ServerState::Stopped).unwrap();
        let error = log.replay(&mut Rejecting { chunks }).map(drop).unwrap_err();
        assert!(error.to_string().ends_with(&format!("unreadable at {place}: gibberish")), "{error}");
    }
}

#[test]
fn a_database_that_was_cut_short_is_found_though_the_log_has_all_that_a_replay_reads() {
    let (_dir, path) = place();
    let mut running = Running::open(&path);
    (0..40).for_each(|_| running.commit(&[&[7; 8_000]]));
    running.journal.close().unwrap();
    let mut running = Running::open(&path);
    assert!(running.journal.begin_snapshot(std::iter::once(b"state".to_vec())));
    running.wait_for(|journal| (journal.next_outcome().is_none() && journal.tail_bytes() == 0).then_some(()));
    wait_for_rows(&path, "batches", 0);
    let (_crash_dir, crashed) = crash(&path);
    assert_eq!(check(&crashed).unwrap().chunks, [b"state"]);
    let database = fs::File::options().write(true).open(&crashed).unwrap();
    let pages = database.metadata().unwrap().len() / file::PAGE_BYTES as u64;
    database.set_len(5 * file::PAGE_BYTES as u64).unwrap();
    let before = trace(&crashed);
    for error in [check(&crashed).unwrap_err(), open(&crashed).map(drop).unwrap_err()] {
        let expected = format!("damaged: the file is cut short: it has 5 of {pages} pages");
        assert_eq!(error.to_string(), format!("journal {}: {expected}", crashed.display()));
    }
    assert_eq!(trace(&crashed), before, "nothing was changed");
}

#[test]
fn a_page_that_no_replay_reads_and_the_next_commit_needs_is_found_when_it_is_damaged() {
    let (_dir, path) = place();
    let mut running = Running::open(&path);
    (0..40).for_each(|_| running.commit(&[&[7; 8_000]]));
    assert!(running.journal.begin_snapshot(std::iter::once(b"state".to_vec())));
    running.wait_for(|journal| (journal.next_outcome().is_none() && journal.tail_bytes() == 0).then_some(()));
    wait_for_rows(&path, "batches", 0);
    running.journal.close().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    // The header says where the list of free pages begins.
    let trunk = u32::from_be_bytes(bytes[32..36].try_into().unwrap()) as usize;
    assert!(trunk > 0, "there are free pages");
    bytes[(trunk - 1) * file::PAGE_BYTES + 4] ^= 0x40;
    fs::write(&path, bytes).unwrap();
    for error in [check(&path).unwrap_err(), open(&path).map(drop).unwrap_err()] {
        assert!(error.to_string().contains("damaged: "), "{error}");
        assert!(error.to_string().to_lowercase().contains("freelist"), "{error}");
    }
}

#[test]
fn a_database_that_was_emptied_does_not_take_its_log_with_it() {
    let (_dir, path) = place();
    let mut running = Running::open(&path);
    running.commit(&[b"1"]);
    let (_crash_dir, crashed) = crash(&path);
    for bytes in [0, 1, file::PAGE_BYTES - 1] {
        fs::write(&crashed, vec![0; bytes]).unwrap();
        let before = trace(&crashed);
        for error in [check(&crashed).unwrap_err(), open(&crashed).map(drop).unwrap_err()] {
            let expected = format!("damaged: the file is cut short: it has {bytes} bytes");
            assert_eq!(error.to_string(), format!("journal {}: {expected}", crashed.display()));
        }
        assert_eq!(trace(&crashed), before, "nothing was changed or deleted");
    }
}
