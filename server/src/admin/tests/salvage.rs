//! Salvage: of a damaged forum, all that verifies.

use super::super::{Totals, salvage};
use super::*;

impl Place {
    fn salvage(&self, name: &str) -> Result<String, String> {
        said(|out| salvage::run(&self.data(), &self.at(name), out, &Interrupts::Deadly))
    }

    fn messages(&self) -> u64 {
        Totals::of(&self.point().forum).messages
    }
}

/// Damages the log as a disk would.
fn damage(place: &Place, sql: &str) {
    let conn = rusqlite::Connection::open(place.journal()).unwrap();
    conn.execute_batch(sql).unwrap();
    conn.close().unwrap();
}

#[test]
fn a_salvage_saves_every_entry_before_the_damage_and_says_where_the_log_stops() {
    let (place, other) = (Place::with_forum(), Place::new());
    (0..20).for_each(|n| place.append(&[post(0, "none", &format!("{n}"))]));
    // Entries 1 to 15 are the sample.
    damage(&place, "UPDATE batches SET entries = zeroblob(length(entries)) WHERE first = 31");
    let damaged = "damaged at entry 31: the digest of its batch does not match";
    let refused = place.export("whole").unwrap_err();
    assert!(refused.ends_with(damaged), "{refused}");
    let said = place.salvage("out").unwrap();
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 3, "{said}");
    assert!(lines[0].starts_with("salvaged 2 accounts, 3 threads, 17 messages, 2 files (1000 bytes) to "));
    assert_eq!(lines[1], "log entries saved: 30, up to entry 30");
    let stop = format!("the log stops there: journal {}: {damaged}", place.journal().display());
    assert_eq!(lines[2], stop);
    other.import(&place.at("out")).unwrap();
    assert_eq!(other.messages(), 17);
    assert_eq!(other.problems(), [""; 0]);
}

#[test]
fn a_salvage_of_a_damaged_snapshot_saves_the_records_before_the_damage() {
    let (place, other, third) = (Place::with_forum(), Place::new(), Place::new());
    let posts: Vec<_> = (0..100).map(|n| post(n % 2, "none", &format!("{n}").repeat(4_000))).collect();
    place.append(&posts);
    place.export("out").unwrap();
    other.import(&place.at("out")).unwrap();
    damage(&other, "UPDATE snapshot_chunks SET bytes = zeroblob(length(bytes)) WHERE number = 1");
    let said = other.salvage("out").unwrap();
    assert!(said.contains("damaged at snapshot chunk 1: its digest does not match"), "{said}");
    third.import(&other.at("out")).unwrap();
    assert!((1..100).contains(&third.messages()), "{}", third.messages());
}

#[test]
fn a_salvage_leaves_out_the_files_that_are_missing_or_damaged_and_saves_the_rest() {
    let (place, other) = (Place::with_forum(), Place::new());
    fs::write(TEST_EXE.path_in(&place.files()), "damaged").unwrap();
    let said = place.salvage("out").unwrap();
    let left_out = format!("left out: file test.exe of thread 3331 ({TEST_EXE}) has 7 bytes instead of 1000");
    assert_eq!(said.lines().nth(2), Some(left_out.as_str()), "{said}");
    let saved = "salvaged 2 accounts, 3 threads, 2 messages, 1 file (0 bytes) to ";
    assert!(said.starts_with(saved), "what was left out does not count: {said}");
    assert_eq!(said.lines().last(), Some("the log is whole"));
    other.import(&place.at("out")).unwrap();
    assert_eq!(other.point().forum.files().count(), 1);
    assert_eq!(other.problems(), [""; 0]);
}

#[test]
fn a_salvage_of_an_undamaged_forum_is_its_export() {
    let place = Place::with_forum();
    place.export("export").unwrap();
    place.salvage("salvage").unwrap();
    assert_eq!(tree(&place.at("export")), tree(&place.at("salvage")));
}

#[test]
fn a_salvage_leaves_out_what_cannot_be_read_and_saves_the_rest() {
    // Linked, it can't be read; on another file system, it can't even be copied.
    let elsewhere = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    for (case, fault) in
        ["is not a file", "can't be read: Input/output error (os error 5)"].iter().enumerate()
    {
        let place = Place::with_forum();
        let path = TEST_EXE.path_in(&place.files());
        fs::remove_file(&path).unwrap();
        match case {
            0 => fs::create_dir(&path).unwrap(),
            // Reading it at its beginning is an I/O error.
            _ => std::os::unix::fs::symlink("/proc/self/mem", &path).unwrap(),
        }
        for out in [place.at("out"), elsewhere.path().join(case.to_string())] {
            let said = said(|lines| salvage::run(&place.data(), &out, lines, &Interrupts::Deadly)).unwrap();
            let left_out = format!("left out: file test.exe of thread 3331 ({TEST_EXE}) {fault}");
            assert_eq!(said.lines().nth(2), Some(left_out.as_str()), "{said}");
            assert!(said.contains(", 1 file (0 bytes) to "), "{said}");
            let other = Place::new();
            other.import(&out).unwrap();
            assert_eq!(other.point().forum.files().count(), 1);
            assert_eq!(other.problems(), [""; 0]);
        }
    }
}

#[test]
fn a_salvage_saves_the_log_when_the_directory_of_the_files_cannot_be_read() {
    let place = Place::with_forum();
    fs::remove_dir_all(place.files()).unwrap();
    fs::write(place.files(), "no directory").unwrap();
    let said = place.salvage("out").unwrap();
    assert!(said.starts_with("salvaged 2 accounts, 3 threads, 2 messages, 0 files (0 bytes) to "), "{said}");
    assert_eq!(said.matches("left out: ").count(), 2, "{said}");
}

/// Zeroes the page that a table begins with.
fn zero_root_page(place: &Place, table: &str) {
    let journal = place.journal();
    let conn = rusqlite::Connection::open(&journal).unwrap();
    const ROOT: &str = "SELECT rootpage FROM sqlite_schema WHERE name = ?1";
    let root: u32 = conn.query_row(ROOT, [table], |row| row.get(0)).unwrap();
    let root = root as usize;
    conn.close().unwrap();
    let mut bytes = fs::read(&journal).unwrap();
    bytes[(root - 1) * 4_096..root * 4_096].fill(0);
    fs::write(&journal, bytes).unwrap();
}

#[test]
fn a_salvage_needs_neither_the_format_nor_a_snapshot_when_it_has_every_entry() {
    for table in ["meta", "snapshots"] {
        let (place, other) = (Place::with_forum(), Place::new());
        zero_root_page(&place, table);
        assert!(place.export("whole").is_err());
        let said = place.salvage("out").unwrap();
        assert!(
            said.starts_with("salvaged 2 accounts, 3 threads, 2 messages, 2 files (1000 bytes)"),
            "{said}"
        );
        assert!(said.contains("\nlog entries saved: 15, up to entry 15\n"), "{said}");
        assert_eq!(said.contains("\nthe snapshot can't be read: journal "), table == "snapshots", "{said}");
        other.import(&place.at("out")).unwrap();
        assert_eq!(other.messages(), 2);
    }
}

#[test]
fn a_salvage_that_saves_nothing_fails_and_leaves_no_export() {
    let (place, imported) = (Place::with_forum(), Place::new());
    place.export("out").unwrap();
    imported.import(&place.at("out")).unwrap();
    for (place, table) in [(&place, "batches"), (&imported, "snapshots")] {
        zero_root_page(place, table);
        let refused = place.salvage("saved").unwrap_err();
        assert!(refused.starts_with("nothing could be saved: journal "), "{refused}");
        assert!(!place.at("saved").exists());
    }
}
