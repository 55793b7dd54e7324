//! What was acknowledged is never lost, whenever the server is killed.
#![forbid(unsafe_code)]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use forum_common::wire::{OwnedFromServer, OwnedReply, Request};
use forum_tests::outcome::Outcome;
use forum_tests::{Forumd, Server, Wire, read};

/// How often the server is killed in one test.
const ROUNDS: usize = 6;

/// Posts in flight, and so in one commit or several, when the server dies.
const POSTS: usize = 200;

/// Pipelines posts `round-number`, and kills the server as soon as `acknowledged` of them are answered. How
/// many answers came in the end.
fn post_until_killed(server: &mut Server, yoda: &mut Wire, round: usize, acknowledged: usize) -> usize {
    let texts: Vec<String> = (0..POSTS).map(|number| format!("{round}-{number}")).collect();
    yoda.send_all(texts.iter().map(|text| Request::Post { title: "t", text, key: None }));
    let mut answered = 0;
    while answered < acknowledged {
        let Some(OwnedFromServer::Reply(_, OwnedReply::Posted { .. })) = yoda.next_frame() else {
            panic!("wanted an answer")
        };
        answered += 1;
    }
    server.kill();
    // What was on its way counts as well: it was acknowledged.
    let rest = yoda.outcomes_to_the_end();
    assert!(rest.iter().all(Outcome::is_ok), "{rest:?}");
    answered + rest.len()
}

fn kill_9_loses_nothing(durability: &str) {
    let mut server = Forumd::new().args(&["--durability", durability]).start();
    server.user("yoda").done(&Request::CreateThread { title: "t", key: None });
    let mut kept: Vec<String> = Vec::new();
    for round in 0..ROUNDS {
        let mut yoda = server.user("yoda");
        let answered = post_until_killed(&mut server, &mut yoda, round, 1 + round * 25);
        server.start_again();
        let mut yoda = server.user("yoda");
        let lines = yoda.read_thread("t");
        let texts: Vec<String> =
            lines.iter().map(|line| line.split_once(": ").expect("a message").1.to_owned()).collect();
        assert_eq!(texts[..kept.len()], kept, "what was there before round {round}");
        let new = &texts[kept.len()..];
        assert!(new.len() >= answered, "{answered} were acknowledged, {} kept", new.len());
        let in_order = new.iter().enumerate().all(|(number, text)| *text == format!("{round}-{number}"));
        assert!(in_order, "not what was sent: {new:?}");
        kept = texts;
    }
}

#[test]
fn kill_9_loses_nothing_with_durability_always() {
    kill_9_loses_nothing("always");
}

#[test]
fn kill_9_loses_nothing_with_durability_interval() {
    kill_9_loses_nothing("interval");
}

#[test]
fn kill_9_loses_nothing_with_durability_none() {
    kill_9_loses_nothing("none");
}

/// A change, and the lines of thread `t` behind it.
type Step<'a> = (&'a dyn Fn(&mut Wire), &'static [&'static str]);

#[test]
fn every_kind_of_change_outlives_kill_9_from_the_moment_of_its_answer() {
    let mut server = Server::start(&[]);
    let bytes: Vec<u8> = (0..200_000_u32).map(|index| (index / 3) as u8).collect();
    let steps: [Step<'_>; 7] = [
        (&|yoda| drop(yoda.done(&Request::CreateThread { title: "t", key: None })), &[]),
        (&|yoda| drop(yoda.done(&Request::Post { title: "t", text: "a", key: None })), &["1 yoda: a"]),
        (
            &|yoda| drop(yoda.done(&Request::Post { title: "t", text: "b", key: None })),
            &["1 yoda: a", "2 yoda: b"],
        ),
        (
            &|yoda| {
                drop(yoda.done(&Request::EditPost { title: "t", number: 1, text: "A", id: None, key: None }))
            },
            &["1 yoda: A", "2 yoda: b"],
        ),
        (
            &|yoda| assert!(yoda.upload("t", "f", &bytes).is_ok()),
            &["1 yoda: A", "2 yoda: b", "yoda uploaded f"],
        ),
        (
            &|yoda| drop(yoda.done(&Request::DeletePost { title: "t", number: 1, id: None, key: None })),
            &["1 yoda: b", "yoda uploaded f"],
        ),
        (
            &|yoda| drop(yoda.done(&Request::CreateThread { title: "u", key: None })),
            &["1 yoda: b", "yoda uploaded f"],
        ),
    ];
    for (step, lines) in steps {
        step(&mut server.user("yoda"));
        server.kill();
        server.start_again();
        assert_eq!(server.user("hans").read_thread("t"), lines);
    }
    assert!(server.user("hans").download("t", "f", 1 << 20) == Ok(bytes));
    server.user("yoda").done(&Request::RemoveThread { title: "t", key: None });
    server.kill();
    server.start_again();
    let mut yoda = server.user("yoda");
    assert_eq!(yoda.titles(), ["u"]);
    forum_tests::until("the file of the removed thread to be gone", || {
        yoda.ping();
        (server.stored_files() == 0).then_some(())
    });
}

#[test]
fn a_start_deletes_beginnings_and_moves_whole_files_that_nothing_names_aside() {
    let mut server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    yoda.done(&Request::CreateThread { title: "t", key: None });
    assert!(yoda.upload("t", "f", b"named").is_ok());
    server.stop();
    let (files, orphan) = (server.launch().data().join("files"), "0123456789abcdef0123456789abcdef");
    std::fs::write(files.join(orphan), "somebody may miss it").unwrap();
    std::fs::set_permissions(files.join(orphan), Permissions::from_mode(0o600)).unwrap();
    std::fs::write(files.join("00000000000000000000000000000007.part"), "never acknowledged").unwrap();
    server.start_again();
    let aside = files.join("orphaned").join(orphan);
    let told = format!("no thread has file {orphan}: moved to {}", aside.display());
    let mut yoda = server.user("yoda");
    server.logged(&told);
    assert_eq!(yoda.download("t", "f", 100), Ok(b"named".to_vec()));
    drop(yoda);
    server.stop();
    assert_eq!(std::fs::read(aside).unwrap(), b"somebody may miss it");
    assert_eq!(forum_tests::files_below(&files).len(), 2);
    let check = server.launch().admin(&["check"], "");
    check.expect_success();
    let told = format!("no thread has files/orphaned/{orphan}: delete it if nobody misses it");
    assert!(check.stdout.contains(&told), "{check:#?}");
}

#[test]
fn a_start_brings_back_what_was_moved_aside_if_a_thread_has_it() {
    let mut server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    yoda.done(&Request::CreateThread { title: "t", key: None });
    assert!(yoda.upload("t", "f", b"named").is_ok());
    server.stop();
    let files = server.launch().data().join("files");
    let [name] =
        &std::fs::read_dir(&files).unwrap().map(|file| file.unwrap().file_name()).collect::<Vec<_>>()[..]
    else {
        panic!("one file")
    };
    // As a start with an older log would have done.
    std::fs::create_dir(files.join("orphaned")).unwrap();
    std::fs::rename(files.join(name), files.join("orphaned").join(name)).unwrap();
    server.start_again();
    assert_eq!(server.user("yoda").download("t", "f", 100), Ok(b"named".to_vec()));
}

#[test]
fn hundreds_of_accounts_come_back() {
    let mut server = Server::start(&["--durability", "interval"]);
    for number in 0..300 {
        let mut wire = server.wire();
        assert!(wire.sign_up(&format!("user{number}"), "pw").is_ok());
    }
    server.kill();
    server.start_again();
    let mut wire = server.wire();
    for number in 0..300 {
        assert_eq!(wire.name(&format!("user{number}")), Ok(true));
        let wrong = wire.outcome(&Request::Password { password: "not it" });
        assert!(wrong.is_err(), "{wrong:?}");
    }
    assert!(wire.log_in("user7", "pw").is_ok());
}

/// Whatever a long log is turned into while the server runs or starts, it stays the same forum: after kill -9
/// in the midst of it, after a restart in order, and after one more change.
#[test]
fn a_long_log_is_the_same_forum_after_every_start() {
    const POSTS_EACH: usize = 500;
    let mut server = Server::start(&["--durability", "none"]);
    let mut yoda = server.user("yoda");
    let text = "x".repeat(8_192);
    for title in 0..17 {
        let title = title.to_string();
        yoda.done(&Request::CreateThread { title: &title, key: None });
        let post = Request::Post { title: &title, text: &text, key: None };
        let tags = yoda.send_all(std::iter::repeat_n(post, POSTS_EACH));
        assert!(yoda.outcomes(tags).iter().all(Outcome::is_ok));
    }
    assert!(yoda.upload("7", "f", b"bytes").is_ok());
    drop(yoda);
    for start in 0..3 {
        if start % 2 == 0 {
            server.kill()
        } else {
            server.stop()
        }
        drop(server.launch().process());
        server.start_again();
        let mut yoda = server.user("yoda");
        assert_eq!(yoda.titles().len(), 17);
        let number = (POSTS_EACH + start) as u32;
        let refused = yoda.refused(&read("7", Some((number + 1, number + 1))));
        assert_eq!(refused.1, "Invalid message number");
        let last = yoda.lines(&read("7", Some((POSTS_EACH as u32, number))));
        assert_eq!(last[0], format!("{POSTS_EACH} yoda: {text}"));
        // The file stands behind the last of the first messages: in the range only once others follow it.
        assert_eq!(last.len(), if start == 0 { 1 } else { start + 2 });
        assert_eq!(yoda.download("7", "f", 100), Ok(b"bytes".to_vec()));
        yoda.done(&Request::Post { title: "7", text: "one more", key: None });
    }
    assert!(server.launch().admin(&["check"], "").code == Some(0));
}

#[test]
fn a_server_killed_while_it_starts_starts_again() {
    let mut server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    yoda.done(&Request::CreateThread { title: "t", key: None });
    for number in 0..50 {
        yoda.done(&Request::Post { title: "t", text: &number.to_string(), key: None });
    }
    server.kill();
    for _ in 0..10 {
        let process = server.launch().process();
        drop(process);
    }
    server.start_again();
    assert_eq!(server.user("yoda").read_thread("t").len(), 50);
}

#[test]
fn a_log_that_lost_something_is_refused_before_listening_and_in_the_words_of_check() {
    let mut server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    yoda.done(&Request::CreateThread { title: "t", key: None });
    yoda.done(&Request::Post { title: "t", text: "m", key: None });
    assert!(yoda.upload("t", "f", b"bytes").is_ok());
    server.kill();
    let (launch, data) = (server.launch(), server.launch().data());
    let log = data.join("journal.sqlite3-wal");
    let mut bytes = fs::read(&log).unwrap();
    bytes[20] ^= 1;
    fs::write(&log, bytes).unwrap();

    let reason = format!(
        "journal {}: damaged at entry 1: the log ends here; its anchor says that it reached entry 4",
        data.join("journal.sqlite3").display()
    );
    for arguments in [&[][..], &["--accept-log"]] {
        let again = Forumd::new().args(arguments).on_data_of(launch).run("");
        assert_eq!(again.code, Some(1), "{again:#?}");
        assert_eq!(again.stderr.last(), Some(&format!("forumd: {reason}")));
        assert!(!again.stderr.iter().any(|line| line.starts_with("listening on")), "{again:#?}");
        assert_eq!(server.stored_files(), 1, "no upload is deleted");
    }
    let check = launch.admin(&["check"], "");
    assert_eq!(check.stdout.first(), Some(&format!("problem: {reason}")), "{check:#?}");
    assert_eq!(check.code, Some(1));

    // All of it was in the log that lost its header.
    let salvaged =
        launch.admin(&["export", "--salvage", launch.directory().join("out").to_str().unwrap()], "");
    assert_eq!(salvaged.code, Some(1), "{salvaged:#?}");
    assert_eq!(salvaged.stderr, [format!("forumd: nothing could be saved: {reason}")]);
    assert!(!launch.directory().join("out").exists());
}

#[test]
fn an_anchor_that_is_removed_under_a_running_server_is_made_anew() {
    for durability in ["always", "interval", "none"] {
        let mut server = Server::start(&["--durability", durability]);
        server.user("yoda").done(&Request::CreateThread { title: "t", key: None });
        let anchor = server.launch().data().join("journal.anchor");
        fs::remove_file(&anchor).unwrap();
        server.stop();
        assert_eq!(fs::metadata(&anchor).unwrap().permissions().mode() & 0o777, 0o600);
        server.logged("journal.anchor was removed or replaced; it was made anew");
        server.start_again();
        assert_eq!(server.user("yoda").titles(), ["t"]);
    }
}
