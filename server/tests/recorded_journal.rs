//! Journals that released versions of forumd wrote must replay to the forum they were then, for ever. Each
//! format version has a recorded journal here and the digest of its state; a change of the code that changes
//! either breaks somebody's forum at the next start.
//!
//! `journal-v1.sqlite3` is a session of three users with every kind of entry there is in version 1.

#![forbid(unsafe_code)]

use std::path::Path;

use forumd::forum::{Change, Entry, Forum, Restorer};
use forumd::journal::{Beside, Reading, Stored};

/// Replays a recorded journal; gives the forum and the number of its entries.
fn replay(recorded: &str) -> (Forum, u64) {
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("journal.sqlite3");
    std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(recorded), &copy).unwrap();
    let mut restorer = Restorer::default();
    // It was recorded before there were anchors, and is taken as it is.
    let stored = Stored::<Reading>::read(&copy, Beside::Nobody).unwrap().accept_without_anchor();
    let tail = stored.chunks(|chunk| restorer.take_chunk(chunk)).unwrap();
    let mut forum = restorer.finish();
    let replayed =
        tail.entries(|_, bytes| Entry::decode(bytes).map(|entry| drop(forum.apply(&entry)))).unwrap();
    (forum, replayed.contents().last.0)
}

#[test]
fn a_journal_of_version_1_replays_to_the_forum_it_was() {
    let (mut forum, entries) = replay("journal-v1.sqlite3");
    assert_eq!(entries, 28);
    assert_eq!((forum.accounts.len(), forum.threads.len(), forum.rooms.len()), (3, 1, 1));
    // The server that wrote it unlinked files on the spot and kept no list of them.
    let files: Vec<_> = forum.removed_files().collect();
    assert_eq!(files.len(), 1);
    let unlinked = Entry { at_ms: forum.at_ms(), actor: None, change: Change::Unlinked { files } };
    forum.apply(&unlinked).unwrap();
    assert_eq!(
        forum.state_hash().to_hex().as_str(),
        "a0a566fe5d9213a175764bbe2d056dfd7ff5a71d00b945aea9421383cccaa98e"
    );
}
