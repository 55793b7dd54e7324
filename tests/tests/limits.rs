//! The limits, each set small enough to be met: past one, a request is refused with the limit's own text, and
//! nothing else changes.
#![forbid(unsafe_code)]

use forum_common::wire::{Closing, OwnedFromServer, OwnedNotice, Refusal, Request, Transfer};
use forum_tests::{Forumd, PASSWORD, SAFE_TIMEOUT_SECONDS, Server, Wire, hello, outcome, until};
use rustix::process::Signal;

fn limit_reached(text: &str) -> (Refusal, String) {
    (Refusal::LimitReached, format!("Limit reached: {text}"))
}

fn create(wire: &mut Wire, title: &str) {
    assert_eq!(wire.done(&Request::CreateThread { title, key: None }), format!("Thread {title} created"));
}

#[test]
fn threads_are_limited_and_a_removal_makes_room() {
    let server = Server::start(&["--max-threads", "2"]);
    let mut yoda = server.user("yoda");
    create(&mut yoda, "a");
    create(&mut yoda, "b");
    let full = limit_reached("at most 2 threads");
    assert_eq!(yoda.refused(&Request::CreateThread { title: "c", key: None }), full);
    assert_eq!(yoda.titles(), ["a", "b"]);
    yoda.done(&Request::RemoveThread { title: "a", key: None });
    create(&mut yoda, "c");
    assert_eq!(yoda.titles(), ["b", "c"]);
}

#[test]
fn people_are_told_which_limit() {
    let server = Server::start(&["--max-threads", "1"]);
    let mut yoda = server.sign_up("yoda");
    yoda.does("CRT a", "Thread a created");
    yoda.fails("CRT b", "Limit reached: at most 1 threads");
}

#[test]
fn limits_count_what_is_still_on_its_way() {
    let server = Server::start(&["--max-threads", "5", "--max-posts", "7"]);
    let mut yoda = server.user("yoda");
    let titles: Vec<String> = (0..40).map(|number| format!("t{number}")).collect();
    let tags = yoda.send_all(titles.iter().map(|title| Request::CreateThread { title, key: None }));
    let answers = yoda.outcomes(tags);
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 5, "{answers:?}");
    assert_eq!(yoda.titles().len(), 5);

    let tags = yoda.send_all([Request::Post { title: "t0", text: "m", key: None }; 40]);
    let answers = yoda.outcomes(tags);
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 7, "{answers:?}");
    assert_eq!(yoda.read_thread("t0").len(), 7);
}

#[test]
fn posts_of_a_thread_are_limited() {
    let server = Server::start(&["--max-posts", "2"]);
    let mut yoda = server.user("yoda");
    create(&mut yoda, "a");
    create(&mut yoda, "b");
    for title in ["a", "b"] {
        for _ in 0..2 {
            yoda.done(&Request::Post { title, text: "m", key: None });
        }
        let (code, text) = yoda.refused(&Request::Post { title, text: "m", key: None });
        assert_eq!(code, Refusal::LimitReached);
        assert!(text.starts_with("Limit reached: at most 2 "), "{text}");
    }
    yoda.done(&Request::DeletePost { title: "a", number: 1, id: None, key: None });
    yoda.done(&Request::Post { title: "a", text: "room again", key: None });
    assert_eq!(yoda.read_thread("a"), ["1 yoda: m", "2 yoda: room again"]);
}

#[test]
fn accounts_are_limited() {
    let server = Server::start(&["--max-accounts", "2"]);
    let (_yoda, _hans) = (server.user("yoda"), server.user("hans"));
    let mut third = server.wire();
    let (code, text) = third.sign_up("vader", PASSWORD).unwrap_err();
    assert_eq!(code, Refusal::LimitReached);
    assert!(text.starts_with("Limit reached: at most 2 "), "{text}");
    third.ping();
}

#[test]
fn files_of_a_thread_are_limited() {
    let server = Server::start(&["--max-files", "2"]);
    let mut yoda = server.user("yoda");
    create(&mut yoda, "t");
    assert!(yoda.upload("t", "a", b"x").is_ok());
    assert!(yoda.upload("t", "b", b"x").is_ok());
    let (code, text) = yoda.upload("t", "c", b"x").unwrap_err();
    assert_eq!(code, Refusal::LimitReached);
    assert!(text.starts_with("Limit reached: at most 2 "), "{text}");
    assert_eq!(server.stored_files(), 2);
}

#[test]
fn a_file_s_size_is_limited() {
    let server = Server::start(&["--max-file-bytes", "1000"]);
    let mut yoda = server.user("yoda");
    create(&mut yoda, "t");
    assert!(yoda.upload("t", "fits", &[7; 1_000]).is_ok());
    for size in [1_001, u64::MAX] {
        let (code, text) = yoda.start_upload("t", "large", size).unwrap_err();
        assert_eq!(code, Refusal::LimitReached);
        assert!(text.starts_with("Limit reached: at most 1000 "), "{text}");
    }
}

#[test]
fn a_user_s_files_are_limited_in_all_and_a_removal_makes_room() {
    let server = Server::start(&["--max-user-file-bytes", "1000"]);
    let mut yoda = server.user("yoda");
    let mut hans = server.user("hans");
    create(&mut yoda, "t");
    create(&mut yoda, "u");
    assert!(yoda.upload("t", "a", &[7; 600]).is_ok());
    let (code, text) = yoda.upload("u", "b", &[7; 401]).unwrap_err();
    assert_eq!(code, Refusal::LimitReached);
    assert!(text.starts_with("Limit reached: at most 1000 "), "{text}");
    // What is announced counts before it has come.
    let (tag, _) = yoda.start_upload("u", "b", 400).unwrap();
    assert_eq!(yoda.start_upload("u", "c", 1).unwrap_err().0, Refusal::LimitReached);
    assert!(hans.upload("t", "of-hans", &[7; 1_000]).is_ok(), "others have their own limit");
    yoda.send_transfer(tag, &Transfer::Abort);
    assert_eq!(yoda.last_word(tag).unwrap_err().0, Refusal::TransferAborted);
    yoda.done(&Request::RemoveThread { title: "t", key: None });
    assert!(yoda.upload("u", "whole", &[7; 1_000]).is_ok());
}

#[test]
fn uploads_of_one_user_at_once_are_limited() {
    let server = Server::start(&["--max-uploads", "2"]);
    let mut yoda = server.user("yoda");
    create(&mut yoda, "t");
    let (first, credit) = yoda.start_upload("t", "a", 1).unwrap();
    yoda.start_upload("t", "b", 1).unwrap();
    let (code, text) = yoda.start_upload("t", "c", 1).unwrap_err();
    assert_eq!(code, Refusal::LimitReached);
    assert!(text.starts_with("Limit reached: at most 2 "), "{text}");
    yoda.send_data(first, credit, b"x");
    assert!(yoda.end_upload(first, b"x").is_ok());
    yoda.start_upload("t", "c", 1).unwrap();
}

#[test]
fn uploads_of_all_users_at_once_are_limited() {
    let server = Server::start(&["--max-total-uploads", "2"]);
    let mut yoda = server.user("yoda");
    let mut hans = server.user("hans");
    create(&mut yoda, "t");
    yoda.start_upload("t", "a", 1).unwrap();
    hans.start_upload("t", "b", 1).unwrap();
    let (code, text) = hans.start_upload("t", "c", 1).unwrap_err();
    assert_eq!(code, Refusal::LimitReached);
    assert!(text.starts_with("Limit reached: at most 2 "), "{text}");
    // Who leaves gives back what was being uploaded.
    drop(yoda);
    until("room for another upload", || hans.start_upload("t", "c", 1).ok());
}

#[test]
fn downloads_of_a_connection_at_once_are_limited() {
    let server = Server::start(&["--max-downloads", "2"]);
    let mut yoda = server.user("yoda");
    create(&mut yoda, "t");
    assert!(yoda.upload("t", "f", &[7; 100_000]).is_ok());
    let (first, _) = yoda.start_download("t", "f").unwrap();
    yoda.start_download("t", "f").unwrap();
    let (code, text) = yoda.start_download("t", "f").unwrap_err();
    assert_eq!(code, Refusal::LimitReached);
    assert!(text.starts_with("Limit reached: at most 2 "), "{text}");
    assert!(server.user("hans").download("t", "f", 1 << 20).is_ok(), "others have their own limit");
    yoda.send_transfer(first, &Transfer::Abort);
    assert_eq!(yoda.last_word(first).unwrap_err().0, Refusal::TransferAborted);
    yoda.start_download("t", "f").unwrap();
}

#[test]
fn a_full_queue_of_passwords_is_said_and_harms_nobody() {
    let narrow = ["--hash-queue", "1", "--hash-threads", "1"];
    let server = Forumd::with_dear_hashes().args(&narrow).start();
    let mut wires: Vec<Wire> = (0..12).map(|_| server.wire()).collect();
    for (number, wire) in wires.iter_mut().enumerate() {
        assert_eq!(wire.name(&format!("user{number}")), Ok(false));
    }
    let sign_up = Request::SignUp { password: PASSWORD, confirmation: PASSWORD };
    // They wait for the server, and so it finds them all at once.
    server.signal(Signal::STOP);
    let tags: Vec<u32> = wires.iter_mut().map(|wire| wire.send(&sign_up)).collect();
    server.signal(Signal::CONT);
    let answers: Vec<_> = wires.iter_mut().zip(tags).map(|(wire, tag)| wire.outcome_of(tag)).collect();
    let busy = outcome::refused(Refusal::Busy, "Server busy. Please try again later");
    assert!(answers.iter().all(|answer| *answer == busy || *answer == outcome::welcome()), "{answers:?}");
    assert!(answers.contains(&busy), "twelve at once fit a queue of one");
    assert!(answers.contains(&outcome::welcome()));
    for (number, (wire, answer)) in wires.iter_mut().zip(&answers).enumerate() {
        if *answer == busy {
            until("a place in the queue", || {
                (wire.sign_up(&format!("user{number}"), PASSWORD) == outcome::welcome()).then_some(())
            });
        }
    }
}

#[test]
fn requests_a_second_are_limited_when_asked_for() {
    let server = Server::start(&["--max-requests-per-second", "20"]);
    let mut yoda = server.user("yoda");
    let titles: Vec<String> = (0..200).map(|number| format!("t{number}")).collect();
    let tags = yoda.send_all(titles.iter().map(|title| Request::CreateThread { title, key: None }));
    let slow_down = outcome::refused(Refusal::SlowDown, "Slow down. Please try again later");
    let answers = yoda.outcomes(tags);
    assert!(answers.iter().all(|answer| answer.is_ok() || *answer == slow_down));
    let refused = answers.iter().filter(|answer| **answer == slow_down).count();
    assert!((100..200).contains(&refused), "{refused} of 200 were refused");
    until("the next second", || {
        yoda.outcome(&Request::CreateThread { title: "later", key: None }).is_ok().then_some(())
    });
}

#[test]
fn a_full_server_says_so_and_has_room_again_when_somebody_leaves() {
    let server = Server::start(&["--max-connections", "2"]);
    let mut yoda = server.user("yoda");
    let _hans = server.user("hans");
    let mut third = server.raw();
    let full = "Server is full. Please try again later";
    assert_eq!(third.expect_closing(), (Closing::ServerFull, full.to_owned()));
    let mut client = server.forum().start();
    client.complains(full);
    assert_eq!(client.finish().code, Some(77));
    yoda.done(&Request::LogOut);
    drop((yoda, third));
    until("room", || {
        let mut wire = server.raw();
        let (_, hello) = wire.frame(&hello());
        wire.send_bytes_regardless(&hello);
        matches!(wire.next_frame(), Some(OwnedFromServer::Reply(..))).then_some(())
    });
}

#[test]
fn who_does_nothing_is_logged_out_and_who_does_something_is_not() {
    let server = Server::start(&["--timeout", &SAFE_TIMEOUT_SECONDS.to_string()]);
    let mut idle = server.user("idle");
    let mut busy = server.user("busy");
    let mut active = server.user("active");
    let mut pinging = server.user("pinging");
    // Pings are no activity, requests are, and so is what the user did without the server.
    let said = until("the end of who only pings", || {
        busy.titles();
        active.send(&Request::Active);
        active.ping();
        let (_, ping) = pinging.frame(&Request::Ping { payload: b"" });
        pinging.send_bytes_regardless(&ping);
        match pinging.next_frame() {
            Some(OwnedFromServer::Notice(OwnedNotice::Closing { code, text })) => Some((code, text)),
            Some(_) => None,
            None => panic!("it ended without a word"),
        }
    });
    let text = format!("You have been logged out: no activity for {SAFE_TIMEOUT_SECONDS} seconds");
    let timed_out = (Closing::Idle, text);
    assert_eq!(said, timed_out);
    assert_eq!(idle.expect_closing(), timed_out);
    busy.titles();
    active.ping();
}

#[test]
fn people_who_are_logged_out_for_doing_nothing_are_told_and_end_well() {
    let server = Server::start(&["--timeout", "1"]);
    let mut client = server.sign_up("yoda");
    client.hears("You have been logged out: no activity for 1 seconds");
    assert_eq!(client.wait_exit(), Some(0));
}

#[test]
fn a_script_that_is_too_fast_hears_so_once_a_command_and_logs_out() {
    let server = Server::start(&["--max-requests-per-second", "1"]);
    let forum = server.forum().args(&["--user", "yoda"]).env("FORUM_PASSWORD", PASSWORD);
    let finished = forum.run("LST\nLST\nLST\nXIT\n");
    assert_eq!(finished.stdout.last().map(String::as_str), Some("Goodbye"), "{finished:?}");
    let refused = finished.stderr.len();
    assert!(refused <= 3, "{finished:?}");
    assert!(finished.stderr.iter().all(|line| line == "Slow down. Please try again later"), "{finished:?}");
    assert_eq!(finished.code, Some(i32::from(refused > 0)), "{finished:?}");
}
