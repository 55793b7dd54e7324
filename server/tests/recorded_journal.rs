//! A journal that an earlier forumd wrote, in a format that no longer is read.
//!
//! `journal-v1.sqlite3` is a session of three users with every kind of entry there was in format 1.

#![forbid(unsafe_code)]

use std::path::Path;

use forumd::journal::{LogReader, ServerState};

#[test]
fn a_journal_of_an_older_format_is_refused_in_words_and_left_as_it_is() {
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/journal-v1.sqlite3");
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("journal.sqlite3");
    std::fs::copy(&recorded, &copy).unwrap();
    let Err(refused) = LogReader::open(&copy, ServerState::Stopped) else { panic!("it was read") };
    let promised = "format 1 is older than format 2, which this forumd reads: export it with the forumd that \
                    wrote it, and import that into a new directory";
    assert!(refused.to_string().ends_with(promised), "{refused}");
    assert_eq!(std::fs::read(&copy).unwrap(), std::fs::read(&recorded).unwrap());
}
