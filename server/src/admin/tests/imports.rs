//! Import: what an export wrote, to the last byte, and nothing else.

use super::*;

/// What an import says about an export whose records are changed like this.
fn import_changed(change: impl FnOnce(&mut Vec<String>)) -> String {
    let (place, other) = (Place::with_forum(), Place::new());
    place.export("out").unwrap();
    let path = place.at("out/forum.jsonl");
    let mut lines: Vec<String> = fs::read_to_string(&path).unwrap().lines().map(str::to_owned).collect();
    change(&mut lines);
    fs::write(&path, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    let reason = other.import(&place.at("out")).unwrap_err();
    assert!(!other.data().exists(), "{reason}");
    // An existing directory is left as it was, too.
    fs::create_dir(other.data()).unwrap();
    assert_eq!(other.import(&place.at("out")), Err(reason.clone()));
    assert_eq!(tree(&other.data()).len(), 1, "the directory itself");
    reason.strip_prefix(&format!("{}", path.display())).map_or(reason.clone(), str::to_owned)
}

#[test]
fn a_bad_line_is_reported_with_its_number() {
    let replace = |at: usize, line: &str| {
        let line = line.to_owned();
        import_changed(move |lines| lines[at - 1] = line)
    };
    assert_eq!(replace(5, ""), ", line 5: EOF while parsing a value");
    assert_eq!(
        replace(1, r#"{"post":{"author":"yoda","text":"x"}}"#),
        ", line 1: the first record must be `forum`"
    );
    assert_eq!(
        replace(4, r#"{"forum":{"at_ms":1,"next_thread":1}}"#),
        ", line 4: `forum` must be the first record"
    );
    assert_eq!(
        replace(4, r#"{"post":{"author":"yoda","text":"x"}}"#),
        ", line 4: a message or file stands before what it belongs to"
    );
    assert_eq!(
        replace(5, r#"{"post":{"author":"nobody","text":"x"}}"#),
        ", line 5: no account is named nobody"
    );
    assert_eq!(replace(5, r#"{"post":{"author":"yoda","text":""}}"#), ", line 5: Invalid text");
    assert_eq!(
        replace(8, r#"{"thread":{"id":3,"title":"3331","creator":"yoda"}}"#),
        ", line 8: thread 3331 comes twice or out of order"
    );
    assert_eq!(
        replace(8, r#"{"thread":{"id":18446744073709551615,"title":"x","creator":"yoda"}}"#),
        ", line 8: no thread has this id"
    );
    let escape = replace(8, "{\"\u{9b}\":1}");
    assert!(escape.starts_with(", line 8: unknown variant `\\u{9b}`"), "{escape}");
}

#[test]
fn names_come_once() {
    let twice = |at: usize| import_changed(move |lines| lines.insert(at, lines[at - 1].clone()));
    assert_eq!(twice(2), ", line 3: two accounts are named yoda");
    assert_eq!(twice(6), format!(", line 7: another file has the id {TEST_EXE}"));
}

#[test]
fn an_export_that_was_cut_anywhere_is_refused() {
    for kept in 0..11 {
        let reason = import_changed(|lines| lines.truncate(kept));
        assert_eq!(reason, " is cut off: its last line is missing");
    }
    let lost = import_changed(|lines| drop(lines.remove(4)));
    assert_eq!(lost, ", line 11: there should be 11 lines before this one");
    let behind = import_changed(|lines| lines.push(lines[0].clone()));
    assert_eq!(behind, ", line 13: it stands behind the end");
}

#[test]
fn a_damaged_or_missing_file_is_refused() {
    let damaged = [
        (Some(b"short".to_vec()), "has 5 bytes instead of 1000"),
        (Some(vec![0; 1_001]), "has more than 1000 bytes"),
        (Some(vec![0; 1_000]), "is damaged: its digest does not match"),
        (None, "is missing"),
    ];
    for (bytes, reason) in damaged {
        let (place, other) = (Place::with_forum(), Place::new());
        place.export("out").unwrap();
        let path = TEST_EXE.path_in(&place.at("out/files"));
        fs::remove_file(&path).unwrap();
        if let Some(bytes) = bytes {
            fs::write(&path, bytes).unwrap();
        }
        let refused = other.import(&place.at("out")).unwrap_err();
        assert!(refused.ends_with(&format!("forum.jsonl, line 6: files/{TEST_EXE} {reason}")), "{refused}");
        assert!(!other.data().exists());
    }
}

#[test]
fn a_directory_without_records_is_no_export() {
    let other = Place::new();
    fs::create_dir(other.at("out")).unwrap();
    let reason = other.import(&other.at("out")).unwrap_err();
    assert!(
        reason.ends_with("holds no export, or one that was cut short: there is no forum.jsonl in it"),
        "{reason}"
    );
    assert!(!other.data().exists());
}

#[test]
fn an_import_leaves_a_forum_alone() {
    let place = Place::with_forum();
    place.export("out").unwrap();
    let before = tree(&place.data());
    let reason = place.import(&place.at("out")).unwrap_err();
    assert!(reason.ends_with("holds a forum already; import needs an empty or a new one"), "{reason}");
    assert_eq!(tree(&place.data()), before);
}
