//! Export: all of a forum, at one point of its log, in files for people and for `import`.

use super::*;

#[test]
fn an_export_holds_the_assignments_files() {
    let place = Place::with_forum();
    let line = place.export("out").unwrap();
    let out = place.at("out");
    let totals = "2 accounts, 3 threads, 2 messages, 2 files (1000 bytes)";
    assert_eq!(line, format!("exported {totals} to {}, up to log entry 15\n", out.display()));

    let read = |name: &str| fs::read_to_string(out.join(name)).unwrap();
    let lines = "yoda\n1 yoda: hello  there\na/b\\c%. uploaded test.exe\n2 a/b\\c%.: grüße\t🙂\n";
    assert_eq!(read("threads/3331"), lines);
    assert_eq!(read("threads/%2Eh-i%25"), "yoda\na/b\\c%. uploaded a-b\n");
    assert_eq!(read("threads/none"), "yoda\n");
    assert_eq!(fs::read(out.join("uploads/3331-test.exe")).unwrap(), test_exe());
    assert_eq!(read("uploads/%2Eh%2Di%25-a-b"), "");
    assert_eq!(read("forum.jsonl").lines().last(), Some(r#"{"end":{"records":11}}"#));
    for (path, (_, _, mode)) in traces(&out) {
        let promised = if out.join(&path).is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode & 0o777, promised, "{}", path.display());
    }
}

#[test]
fn export_import_export_is_the_same() {
    let (place, other) = (Place::with_forum(), Place::new());
    place.export("out").unwrap();
    let line = other.import(&place.at("out")).unwrap();
    assert!(
        line.starts_with("imported 2 accounts, 3 threads, 2 messages, 2 files (1000 bytes) from "),
        "{line}"
    );
    other.export("out").unwrap();
    assert_eq!(tree(&place.at("out")), tree(&other.at("out")));
    assert_eq!(place.point().forum.state_hash(), other.point().forum.state_hash());
    assert_eq!(other.problems(), [""; 0]);
}

#[test]
fn an_empty_forum_survives_the_trip() {
    let (place, other) = (Place::new(), Place::new());
    place.append(&[]);
    assert!(place.export("out").unwrap().contains("0 accounts, 0 threads, 0 messages, 0 files (0 bytes)"));
    other.import(&place.at("out")).unwrap();
    other.export("out").unwrap();
    assert_eq!(tree(&place.at("out")), tree(&other.at("out")));
}

#[test]
fn a_forum_of_many_chunks_survives_the_trip() {
    let (place, other) = (Place::with_forum(), Place::new());
    let posts: Vec<_> = (0..100).map(|n| post(n % 2, "none", &format!("{n}").repeat(4_000))).collect();
    place.append(&posts);
    place.export("out").unwrap();
    other.import(&place.at("out")).unwrap();
    assert!(other.point().contents.chunks >= 3, "{:?}", other.point().contents);
    other.export("out").unwrap();
    assert_eq!(tree(&place.at("out")), tree(&other.at("out")));
}

/// As `forumd export` wrote it before posts had ids and times.
#[test]
fn an_export_from_before_posts_had_ids_is_imported_and_its_posts_get_the_next_ones_in_order() {
    let before = SystemClock.wall_ms();
    let place = Place::new();
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/export_without_ids");
    let line = place.import(&recorded).unwrap();
    assert!(line.starts_with("imported 3 accounts, 2 threads, 5 messages, 1 file (11 bytes), "), "{line}");
    let forum = place.point().forum;
    let of = |title: &str| forum.threads.titled(title).unwrap().posts().clone();
    let ids = |title: &str| of(title).iter().map(|post| post.id.0).collect::<Vec<_>>();
    assert_eq!((ids("alderaan"), ids("3331")), (vec![1, 2, 3], vec![4, 6]));
    assert!(of("3331").iter().all(|post| (before..=forum.at_ms()).contains(&post.at_ms)));
    place.append(&[post(0, "3331", "the next")]);
    assert_eq!(place.point().forum.threads.titled("3331").unwrap().posts().get(2).unwrap().id.0, 7);
    assert_eq!(place.problems(), [""; 0]);
}

#[test]
fn an_import_shares_nothing_with_the_export() {
    let (place, other) = (Place::with_forum(), Place::new());
    place.export("out").unwrap();
    other.import(&place.at("out")).unwrap();
    fs::write(place.at("out").join("files").join(TEST_EXE.to_string()), "changed").unwrap();
    assert_eq!(other.problems(), [""; 0]);
}

#[test]
fn an_export_goes_into_an_empty_directory_and_makes_it_private() {
    let place = Place::with_forum();
    fs::create_dir(place.at("empty")).unwrap();
    fs::set_permissions(place.at("empty"), Permissions::from_mode(0o755)).unwrap();
    place.export("empty").unwrap();
    assert_eq!(fs::metadata(place.at("empty")).unwrap().mode() & 0o777, 0o700);

    let before = tree(&place.at("empty"));
    let refused = place.export("empty").unwrap_err();
    assert!(refused.ends_with("is not empty; choose an empty or a new directory"), "{refused}");
    assert_eq!(tree(&place.at("empty")), before);
    assert!(place.export("no/such").unwrap_err().starts_with("can't create "));
}

#[test]
fn an_export_that_fails_leaves_nothing() {
    let place = Place::with_forum();
    fs::create_dir(place.at("empty")).unwrap();
    let path = TEST_EXE.path_in(&place.files());
    for damaged in [Some("too short".into()), Some(vec![0; 1_000]), None] {
        match damaged {
            Some(bytes) => fs::write(&path, bytes).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        for name in ["new", "empty"] {
            let reason = place.export(name).unwrap_err();
            assert!(reason.starts_with(&format!("file test.exe of thread 3331 ({TEST_EXE}) ")), "{reason}");
        }
        assert!(!place.at("new").exists());
        assert_eq!(tree(&place.at("empty")).len(), 1, "the directory itself");
    }
}

#[test]
fn an_interrupt_leaves_neither_an_export_nor_an_import() {
    let (place, other) = (Place::with_forum(), Place::new());
    place.export("out").unwrap();
    let exported = said(|out| export::run(&place.data(), &place.at("cut"), out, &Interrupts::fired()));
    assert_eq!(exported, Err("interrupted".into()));
    assert!(!place.at("cut").exists());
    let imported = said(|out| import::run(&other.data(), &place.at("out"), out, &Interrupts::fired()));
    assert_eq!(imported, Err("interrupted".into()));
    assert!(!other.data().exists());
}

#[test]
fn an_export_beside_a_server_is_what_it_has_committed() {
    let place = Place::with_forum();
    let after = {
        let (_journal, _store) = served(&place);
        // An upload under way.
        fs::write(FileId(99).path_in(&place.files()), "half of it").unwrap();
        place.export("beside").unwrap();
        assert_eq!(fs::read(FileId(99).path_in(&place.files())).unwrap(), b"half of it");
        fs::remove_file(FileId(99).path_in(&place.files())).unwrap();
        tree(&place.at("beside"))
    };
    place.export("after").unwrap();
    assert_eq!(tree(&place.at("after")), after);
}
