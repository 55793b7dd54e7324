//! Lines of a pipe: which are on their way at once, which wait, and how they are answered.
#![forbid(unsafe_code)]

mod stage;

use forum_common::wire::{Refusal, Reply, Request, Transfer};
use stage::{AT_MS, END, LIST_THREADS, Place, Script, post, read_thread, thread};

#[test]
fn a_command_is_sent_when_the_one_before_is_answered() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script).arg("--pipeline").arg("1");
    let _client = place.pipe_all("CRT a\nCRT b\n");
    let mut peer = script.admit();
    let tag = peer.hears(&Request::CreateThread { title: "a", key: None });
    peer.expect_silence();
    peer.done(tag, "Thread a created");
    peer.hears(&Request::CreateThread { title: "b", key: None });
}

#[test]
fn thirty_two_lines_are_in_flight_and_answers_come_in_their_order() {
    let script = Script::new();
    let lines: String = (0..40).map(|n| format!("CRT {n}\n")).collect();
    let client = Place::of_yoda(&script).pipe_all(&lines);
    let mut peer = script.admit();
    let hear = |peer: &mut stage::Peer, n: u32| {
        let title = n.to_string();
        peer.hears(&Request::CreateThread { title: &title, key: None })
    };
    let tags: Vec<_> = (0..32).map(|n| hear(&mut peer, n)).collect();
    peer.expect_silence();
    for (n, tag) in tags.into_iter().enumerate() {
        peer.done(tag, &format!("Thread {n} created"));
    }
    for n in 32..40 {
        let tag = hear(&mut peer, n);
        peer.done(tag, &format!("Thread {n} created"));
    }
    peer.say_goodbye();
    let (status, out, _) = client.end();
    let created: Vec<String> = (0..40).map(|n| format!("Thread {n} created")).collect();
    assert_eq!((status, &out[1..41]), (Some(0), &created[..]));
}

#[test]
fn with_stop_on_error_a_refused_command_is_the_last() {
    let script = Script::new();
    let client = Place::of_yoda(&script).arg("--stop-on-error").pipe_all("CRT a\nCRT b\nCRT c\n");
    let mut peer = script.admit();
    let tag = peer.hears(&Request::CreateThread { title: "a", key: None });
    peer.expect_silence();
    peer.done(tag, "Thread a created");
    let tag = peer.hears(&Request::CreateThread { title: "b", key: None });
    peer.refuse(tag, Refusal::ThreadExists, "Thread b exists");
    peer.say_goodbye();
    let (status, out, err) = client.end();
    assert_eq!(out, ["Welcome to the forum", "Thread a created", "Goodbye"]);
    assert_eq!((status, err), (Some(1), vec!["Thread b exists".into()]));
}

#[test]
fn a_cancel_overtakes_the_command_that_takes_a_while() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script);
    let client = place.pipe_all("cancel\nDWN a f\ncancel g\ncancel f\nLST\n");
    let mut peer = script.admit();
    peer.hears(&Request::Active);
    let download = peer.hears(&Request::Download { title: "a", file: "f", offset: None, digest: None });
    peer.hears(&Request::Active);
    peer.reply(download, &stage::download_of(b"abc"));
    let mut heard_abort = false;
    while !heard_abort {
        heard_abort = peer.transferred(download, |transfer| matches!(transfer, Transfer::Abort));
    }
    peer.refuse(download, Refusal::TransferAborted, "The transfer was given up");
    let tag = peer.hears(&LIST_THREADS);
    peer.reply(tag, &END);
    peer.say_goodbye();
    let (status, out, err) = client.end();
    assert_eq!(out, ["Welcome to the forum", "f was cancelled", "No threads to list", "Goodbye"]);
    assert_eq!((status, err), (Some(1), vec!["Nothing to cancel".into(), "Nothing to cancel".into()]));
    assert!(place.names().is_empty());
}

#[test]
fn lists_are_printed_as_the_forum_prints_them() {
    let script = Script::new();
    let client = Place::of_yoda(&script).pipe_all("LST\nRDT a\nRDT b 1-2\n");
    let mut peer = script.admit();
    let tag = peer.hears(&LIST_THREADS);
    for title in ["a", "b"] {
        peer.reply(tag, &thread(title));
    }
    peer.reply(tag, &END);
    let tag = peer.hears(&read_thread("a", None));
    peer.reply(tag, &post(1, "yoda", "hi \x1b[31mthere"));
    peer.reply(tag, &Reply::UploadItem { id: 2, at_ms: AT_MS, author: "yoda", file: "test.exe", size: 3 });
    peer.reply(tag, &END);
    let tag = peer.hears(&read_thread("b", Some((1, 2))));
    peer.reply(tag, &END);
    peer.say_goodbye();
    let (_, out, _) = client.end();
    let lists = ["The list of active threads:", "a", "b", "1 yoda: hi \\u{1b}[31mthere"];
    assert_eq!(out[1..5], lists);
    assert_eq!(out[5..], ["yoda uploaded test.exe", "Thread b is empty", "Goodbye"]);
}

#[test]
fn passwd_takes_the_next_three_lines_as_they_are() {
    let script = Script::new();
    let client = Place::of_yoda(&script).pipe_all("passwd\n jedi\n\nnew \npasswd\njedi\n");
    let mut peer = script.admit();
    peer.hears(&Request::Active);
    let tag = peer.hears(&Request::ChangePassword { old: " jedi", new: "", confirmation: "new " });
    peer.refuse(tag, Refusal::PasswordsDiffer, "Passwords do not match");
    peer.hears(&Request::Active);
    peer.say_goodbye();
    let (status, _, err) = client.end();
    assert_eq!(
        (status, err),
        (Some(1), vec!["Passwords do not match".into(), "Password not changed".into()])
    );
}

#[test]
fn what_is_refused_as_too_fast_is_said_once_and_a_refused_log_out_is_the_end() {
    let said = "Slow down. Please try again later";
    for (lines, refused) in [("LST\nXIT\n", 2), ("LST\n", 2)] {
        let script = Script::new();
        let client = Place::of_yoda(&script).pipe_all(lines);
        let mut peer = script.admit();
        let tag = peer.hears(&LIST_THREADS);
        peer.refuse(tag, Refusal::SlowDown, said);
        let tag = peer.hears(&Request::LogOut);
        peer.refuse(tag, Refusal::SlowDown, said);
        peer.expect_end();
        let (status, out, err) = client.end();
        assert_eq!((status, out), (Some(1), vec!["Welcome to the forum".to_owned()]), "{lines}");
        assert_eq!(err, vec![said; refused], "{lines}");
    }
}

#[test]
fn with_retry_a_lost_connection_is_made_anew_and_changes_keep_their_keys() {
    let script = Script::new();
    let client = Place::of_yoda(&script).arg("--retry").arg("60").pipe_all("CRT a\nCRT b\n");
    let mut peer = script.admit();
    let create = |title| Request::CreateThread { title, key: None };
    let keys = ["a", "b"].map(|title| peer.hears_key(&create(title)).1);
    drop(peer);
    let mut peer = script.admit();
    for (title, key) in ["a", "b"].into_iter().zip(keys) {
        let (tag, again) = peer.hears_key(&create(title));
        assert_eq!(again, key);
        peer.done(tag, &format!("Thread {title} created"));
    }
    peer.say_goodbye();
    let (status, out, err) = client.end();
    assert_eq!(out, ["Welcome to the forum", "Thread a created", "Thread b created", "Goodbye"]);
    assert_eq!((status, err), (Some(0), vec!["Connection lost: the server closed it".into()]));
}

#[test]
fn with_retry_a_log_out_that_was_lost_with_its_connection_is_asked_for_again() {
    let script = Script::new();
    let client = Place::of_yoda(&script).arg("--retry").arg("60").pipe_all("CRT a\nXIT\nCRT b\n");
    let mut peer = script.admit();
    let tag = peer.hears(&Request::CreateThread { title: "a", key: None });
    peer.done(tag, "Thread a created");
    peer.hears(&Request::LogOut);
    drop(peer);
    // What comes after XIT is not taken on the new connection either.
    script.admit().say_goodbye();
    let (status, out, err) = client.end();
    assert_eq!((status, out.last().map(String::as_str)), (Some(0), Some("Goodbye")));
    assert_eq!(err, ["Connection lost: the server closed it"]);
}
