//! Check: what is wrong is found, and nothing is changed.

use super::*;

#[test]
fn a_check_of_a_sound_forum_tells_what_there_is_and_leaves_no_trace() {
    let place = Place::with_forum();
    let before = traces(&place.data());
    let (lines, checked) = place.check();
    assert_eq!(checked, Ok(()));
    assert_eq!(
        lines,
        "snapshot: none\nlog: 1 commit, up to entry 15\naccounts: 2\nthreads: 3\nmessages: 2\nfiles: 2 (1000 bytes)\n\
         uploads that broke off, deleted by the next start: 0\neverything is in order\n"
    );
    assert_eq!(traces(&place.data()), before);
}

#[test]
fn a_check_lists_every_damaged_file() {
    let place = Place::with_forum();
    let mut bytes = test_exe();
    bytes[500] ^= 1;
    fs::write(TEST_EXE.path_in(&place.files()), bytes).unwrap();
    fs::remove_file(EMPTY.path_in(&place.files())).unwrap();
    assert_eq!(
        place.problems(),
        [
            format!("file test.exe of thread 3331 (files/{TEST_EXE}) is damaged: its digest does not match"),
            format!("file a-b of thread .h-i% (files/{EMPTY}) is missing"),
        ]
    );
}

#[test]
fn a_check_finds_what_others_could_read() {
    let place = Place::with_forum();
    let journal = place.journal();
    let file = TEST_EXE.path_in(&place.files());
    for (path, mode) in [(&place.data(), 0o755), (&journal, 0o640), (&place.files(), 0o701), (&file, 0o604)] {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }
    assert_eq!(
        place.problems(),
        [
            format!("{} has mode 0755 instead of 0700", place.data().display()),
            format!("{} has mode 0640 instead of 0600", journal.display()),
            format!("{} has mode 0701 instead of 0700", place.files().display()),
            format!("{} has mode 0604 instead of 0600", file.display()),
        ]
    );
}

#[test]
fn files_that_nothing_names_are_no_problem() {
    let place = Place::with_forum();
    let (whole, part) = (FileId(99).path_in(&place.files()), FileId(98).part_in(&place.files()));
    for path in [&whole, &part] {
        fs::write(path, "").unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    }
    fs::write(place.files().join("notes\u{9b}.txt"), "").unwrap();
    let (lines, checked) = place.check();
    assert_eq!(checked, Ok(()));
    assert!(lines.contains("\nuploads that broke off, deleted by the next start: 1\n"), "{lines}");
    let orphan = format!("\nno thread has files/{}: the next start moves it to files/orphaned\n", FileId(99));
    assert!(lines.contains(&orphan), "{lines}");
    assert!(lines.contains("\nnot put there by forumd: files/notes\\u{9b}.txt\n"), "{lines}");
    {
        let (_journal, _store) = served(&place);
        assert!(place.check().0.contains("\nuploads under way: 1\n"));
    }
    crate::workers::files::move_aside(
        &crate::directory::Directory::open(&place.files()).unwrap(),
        FileId(99),
    )
    .unwrap();
    let (lines, checked) = place.check();
    assert_eq!(checked, Ok(()));
    let orphan = format!("\nno thread has files/orphaned/{}: delete it if nobody misses it\n", FileId(99));
    assert!(lines.contains(&orphan), "{lines}");
}

#[test]
fn files_of_removed_threads_are_no_problem_and_not_exported() {
    let place = Place::with_forum();
    let thread = place.point().forum.files().find(|(_, upload)| upload.id == TEST_EXE).unwrap().0.clone();
    place.append(&[entry(Some(0), Change::RemoveThread { title: thread })]);
    let (lines, checked) = place.check();
    assert_eq!(checked, Ok(()));
    assert!(lines.contains("\nfiles of removed threads, deleted by the next start: 1\n"), "{lines}");
    assert!(!lines.contains("no thread has"), "{lines}");
    place.export("out").unwrap();
    assert!(!TEST_EXE.path_in(&place.at("out").join("files")).exists());
    let other = Place::new();
    other.import(&place.at("out")).unwrap();
    assert_eq!(other.point().forum.removed_files().count(), 0);
}

#[test]
fn a_file_that_is_missing_beside_a_server_is_missing() {
    let place = Place::with_forum();
    let (_journal, _store) = served(&place);
    fs::remove_file(EMPTY.path_in(&place.files())).unwrap();
    assert_eq!(place.problems(), [format!("file a-b of thread .h-i% (files/{EMPTY}) is missing")]);
}

#[test]
fn an_empty_log_beside_uploads_is_a_problem() {
    let place = Place::with_forum();
    for part in crate::journal::parts(&place.journal()) {
        fs::remove_file(part).ok();
    }
    drop(open_log(&place.data().join("journal.sqlite3")));
    let problems = place.problems();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].contains("it is empty, although files have been uploaded"), "{problems:?}");
    let refused = place.export("out").unwrap_err();
    assert!(refused.contains("it is empty, although files have been uploaded"), "{refused}");
    assert!(!place.at("out").exists());
}

#[test]
fn a_damaged_journal_is_a_problem() {
    let place = Place::with_forum();
    let journal = place.journal();
    let mut bytes = fs::read(&journal).unwrap();
    let needle = b"hello  there";
    let at = bytes.windows(needle.len()).position(|window| window == needle).unwrap();
    bytes[at] ^= 1;
    fs::write(&journal, bytes).unwrap();
    let problems = place.problems();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].starts_with("journal "), "{problems:?}");
    assert!(
        problems[0].ends_with("damaged at entry 1: the digest of its batch does not match"),
        "{problems:?}"
    );
}

#[test]
fn an_entry_that_cannot_be_read_is_a_problem() {
    let place = Place::with_forum();
    open_log(&place.journal()).append(&[&[1, 2, 3]]).unwrap();
    assert_eq!(place.problems().len(), 1);
    assert!(place.problems()[0].contains("unreadable at entry 16: "));
}

#[test]
fn without_a_forum_nothing_is_made() {
    let place = Place::new();
    let none = format!("there is no forum in data directory {}", place.data().display());
    assert_eq!(place.check(), (String::new(), Err(none.clone())));
    assert_eq!(place.export("out"), Err(none.clone()));
    assert_eq!(place.reset("yoda", "new\n"), Err(none));
    assert_eq!(tree(place.0.path()).len(), 1, "the directory itself");
}
