//! What forumd does with its data besides serving it: export, import, check, and new passwords.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use forum_common::wire::Request;
use forum_tests::{Finished, Forumd, PASSWORD, Server, killed_at_change};

/// Every file below `directory`: its path there, and its bytes.
fn files_below(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut pending = vec![directory.to_owned()];
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            pending.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            let bytes = fs::read(&path).unwrap();
            found.insert(path.strip_prefix(directory).unwrap().to_owned(), bytes);
        }
    }
    found
}

fn expect_success(finished: &Finished) {
    assert_eq!(finished.code, Some(0), "{finished:#?}");
}

/// A server with a bit of everything, odd names included.
fn populated() -> Server {
    let server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    let mut odd = server.user("a/b\\c%.");
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    yoda.done(&Request::CreateThread { title: "gone", key: None });
    for title in ["3331", ".hidden", "%41", "A"] {
        yoda.done(&Request::CreateThread { title, key: None });
        yoda.done(&Request::Post { title, text: "first", key: None });
        odd.done(&Request::Post { title, text: "  second\tgrüße 🙂 ", key: None });
        assert!(yoda.upload(title, "test.exe", &bytes).is_ok());
        yoda.done(&Request::Post { title, text: "third", key: None });
        assert!(odd.upload(title, "empty", b"").is_ok());
        yoda.done(&Request::DeletePost { title, number: 1, id: None, key: None });
        odd.done(&Request::EditPost { title, number: 1, text: "edited", id: None, key: None });
    }
    yoda.done(&Request::RemoveThread { title: "gone", key: None });
    odd.done(&Request::CreateThread { title: "empty", key: None });
    server
}

/// Exports what `launch` has; the directory.
fn export(launch: &Forumd, name: &str) -> PathBuf {
    let directory = launch.directory().join(name);
    expect_success(&launch.admin(&["export", directory.to_str().unwrap()], ""));
    directory
}

fn import(launch: &Forumd, from: &Path) -> Finished {
    launch.admin(&["import", from.to_str().unwrap()], "")
}

#[test]
fn export_import_export_is_the_same() {
    let mut server = populated();
    server.stop();
    let first = export(server.launch(), "first");
    let other = Forumd::new();
    expect_success(&import(&other, &first));
    let second = export(&other, "second");
    let (first, second) = (files_below(&first), files_below(&second));
    assert_eq!(first.keys().collect::<Vec<_>>(), second.keys().collect::<Vec<_>>());
    assert!(first == second);
    expect_success(&other.admin(&["check"], ""));

    let imported = other.start();
    let mut yoda = imported.user("yoda");
    assert_eq!(yoda.titles(), ["3331", ".hidden", "%41", "A", "empty"]);
    let lines = ["1 a/b\\c%.: edited", "yoda uploaded test.exe", "2 yoda: third", "a/b\\c%. uploaded empty"];
    assert_eq!(yoda.read_thread("3331"), lines);
    assert_eq!(yoda.download("A", "test.exe", 1 << 20).unwrap().len(), 100_000);
    assert_eq!(yoda.done(&Request::RemoveThread { title: "3331", key: None }), "Thread 3331 removed");
}

#[test]
fn what_users_watch_and_have_read_is_exported_and_imported() {
    let mut server = populated();
    let mut leia = server.user("leia");
    leia.done(&Request::Watch { title: "A", key: None });
    leia.send(&Request::MarkRead { title: "A", up_to: u64::MAX, from: None });
    let unread = Request::ListUnread { after: None, at_most: None };
    let news = leia.lines(&unread);
    assert_eq!(news.len(), 3, "of four threads one was read: {news:?}");
    server.stop();
    let other = Forumd::new();
    expect_success(&import(&other, &export(server.launch(), "all")));

    let imported = other.start();
    let mut leia = imported.log_in("leia");
    leia.says("unread");
    for line in news {
        leia.hears(&line);
    }
    leia.fails("watch A", "Already watching A");
    imported.log_in("yoda").does("MSG A new", "Message posted to A thread");
    leia.hears("yoda logged in");
    leia.hears("yoda posted to A: #3 new");
    leia.hears("yoda logged out");
    leia.does("RDT A new", "3 yoda: new");
}

#[test]
fn an_export_beside_a_running_server_is_the_same_as_after_it() {
    let mut server = populated();
    let beside = export(server.launch(), "beside");
    server.user("yoda").ping();
    server.stop();
    let after = export(server.launch(), "after");
    assert!(files_below(&beside) == files_below(&after));
}

#[test]
fn an_export_beside_a_busy_server_is_one_instant() {
    let server = populated();
    let mut yoda = server.user("yoda");
    yoda.done(&Request::CreateThread { title: "busy", key: None });
    std::thread::scope(|scope| {
        let exporting = scope.spawn(|| {
            (0..5).map(|round| export(server.launch(), &format!("export{round}"))).collect::<Vec<_>>()
        });
        let mut number = 0;
        while !exporting.is_finished() {
            yoda.done(&Request::Post { title: "busy", text: &format!("m{number}"), key: None });
            let file = format!("f{number}");
            assert!(yoda.upload("busy", &file, file.as_bytes()).is_ok());
            if number % 3 == 2 {
                yoda.done(&Request::RemoveThread { title: "busy", key: None });
                yoda.done(&Request::CreateThread { title: "busy", key: None });
            }
            number += 1;
        }
        for directory in exporting.join().unwrap() {
            let other = Forumd::new();
            expect_success(&import(&other, &directory));
            expect_success(&other.admin(&["check"], ""));
        }
    });
}

#[test]
fn an_export_holds_the_assignments_files_and_hides_the_hashes() {
    let mut server = populated();
    server.stop();
    let directory = export(server.launch(), "export");
    let files = files_below(&directory);
    let thread = files.iter().find(|(path, _)| path.file_name().is_some_and(|name| name == "3331"));
    let (path, text) = thread.unwrap_or_else(|| panic!("no thread 3331 in {:?}", files.keys()));
    assert_eq!(
        String::from_utf8(text.clone()).unwrap(),
        "yoda\n1 a/b\\c%.: edited\nyoda uploaded test.exe\n2 yoda: third\na/b\\c%. uploaded empty\n",
        "{}",
        path.display()
    );
    let jsonl = directory.join("forum.jsonl");
    assert_eq!(fs::metadata(&jsonl).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(
        fs::read_to_string(&jsonl).unwrap().lines().all(|line| line.starts_with('{') && line.ends_with('}'))
    );
    // No name of a user or a thread makes a path of its own, and no file is hidden by a leading dot.
    for path in files.keys() {
        let names = path.components().map(|part| part.as_os_str().to_string_lossy().into_owned());
        assert!(names.into_iter().all(|name| !name.starts_with('.')), "{}", path.display());
    }
}

#[test]
fn an_export_wants_an_empty_directory() {
    let mut server = populated();
    server.stop();
    let directory = server.launch().directory().join("full");
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("mine"), "precious").unwrap();
    let finished = server.launch().admin(&["export", directory.to_str().unwrap()], "");
    assert_eq!(finished.code, Some(1), "{finished:#?}");
    assert_eq!(files_below(&directory).len(), 1);
}

#[test]
fn an_import_wants_an_empty_data_directory() {
    let mut server = populated();
    server.stop();
    let directory = export(server.launch(), "export");
    let mut other = Server::start(&[]);
    other.user("hans").done(&Request::CreateThread { title: "kept", key: None });
    assert_eq!(import(other.launch(), &directory).code, Some(1), "beside a running server");
    other.stop();
    assert_eq!(import(other.launch(), &directory).code, Some(1), "into what is not empty");
    other.start_again();
    assert_eq!(other.user("hans").titles(), ["kept"]);
}

#[test]
fn a_damaged_export_is_refused_as_a_whole() {
    let mut server = populated();
    server.stop();
    let directory = export(server.launch(), "export");
    let jsonl = directory.join("forum.jsonl");
    let text = fs::read_to_string(&jsonl).unwrap();
    let cut = text.len() - text.len() / 3;
    fs::write(&jsonl, &text[..text.floor_char_boundary(cut)]).unwrap();
    let other = Forumd::new();
    let finished = import(&other, &directory);
    assert_eq!(finished.code, Some(1), "{finished:#?}");
    assert!(!finished.stderr.is_empty());
    // Nothing is there: the whole one goes in afterwards.
    fs::write(&jsonl, text).unwrap();
    expect_success(&import(&other, &directory));
}

/// Whatever was done when an import was killed, it is not taken for a forum, and another import is possible.
#[test]
fn an_import_killed_at_any_step_can_be_repeated() {
    let mut server = populated();
    server.stop();
    let directory = export(server.launch(), "export");
    let words = ["import", directory.to_str().unwrap()];
    let mut marked = 0;
    for step in 1.. {
        let other = Forumd::new();
        let killed = killed_at_change(Forumd::bare().on_data_of(&other).args(&words), step).run("");
        if killed.code == Some(0) {
            assert!(step > 30, "only {step} steps");
            assert!(marked > 20, "only {marked} of {step} steps were marked");
            expect_success(&other.admin(&["check"], ""));
            break;
        }
        assert_eq!(killed.signal, Some(9), "step {step}: {killed:#?}");
        if other.data().join("importing").exists() {
            marked += 1;
            let started = other.run("");
            assert_eq!(started.code, Some(1), "step {step}: {started:#?}");
            assert!(started.stderr.concat().contains("repeat `forumd import` there"), "{started:#?}");
        } else if other.data().join("journal.sqlite3").exists() {
            // All was done but saying so.
            expect_success(&other.admin(&["check"], ""));
            continue;
        }
        expect_success(&import(&other, &directory));
    }
}

#[test]
fn a_check_finds_a_damaged_file() {
    let mut server = populated();
    expect_success(&server.launch().admin(&["check"], ""));
    server.stop();
    expect_success(&server.launch().admin(&["check"], ""));
    let files = server.launch().data().join("files");
    let victim = fs::read_dir(files).unwrap().map(|entry| entry.unwrap().path());
    let victim = victim.max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    let mut bytes = fs::read(&victim).unwrap();
    bytes[50_000] ^= 1;
    fs::write(&victim, bytes).unwrap();
    let finished = server.launch().admin(&["check"], "");
    assert_eq!(finished.code, Some(1), "{finished:#?}");
}

#[test]
fn a_password_can_be_reset() {
    let mut server = populated();
    let running = server.launch().admin(&["reset-password", "yoda"], "new one\n");
    assert_eq!(running.code, Some(1), "beside a running server");
    server.stop();
    let unknown = server.launch().admin(&["reset-password", "nobody"], "new one\n");
    assert_eq!(unknown.code, Some(1), "{unknown:#?}");
    let bad = server.launch().admin(&["reset-password", "yoda"], "\n");
    assert_eq!(bad.code, Some(1), "{bad:#?}");
    expect_success(&server.launch().admin(&["reset-password", "yoda"], "new one\n"));
    server.start_again();
    let mut wire = server.wire();
    assert!(wire.log_in("yoda", PASSWORD).is_err());
    assert!(wire.log_in("yoda", "new one").is_ok());
    assert!(server.wire().log_in("a/b\\c%.", PASSWORD).is_ok(), "others keep theirs");
}
