//! What a server makes of a clock that is wrong, and of one that was wrong once.
#![forbid(unsafe_code)]

use forum_common::wire::{OwnedReply, Request};
use forum_tests::{Forumd, Wire, with_clock_ahead};

const HOUR_SECONDS: i64 = 3_600;

/// Posts to the board: when that was, and how it is shown.
fn post(yoda: &mut Wire, text: &str) -> (u64, String) {
    match yoda.request(&Request::PostToBoard { text, key: None }) {
        OwnedReply::Posted { at_ms, text, .. } => {
            (at_ms, text.rsplit_once(" at ").expect("a time").1.trim_end_matches('.').to_owned())
        }
        other => panic!("{other:?}"),
    }
}

/// Each message is found from the time that was shown for the one before it.
#[test]
fn after_a_clock_that_was_an_hour_ahead_each_message_is_found_from_the_last_time_seen_over_restarts() {
    let launch = Forumd::new();
    let mut server = with_clock_ahead(launch.clone(), HOUR_SECONDS).start();
    let (mut last_seen_ms, _) = post(&mut server.user("yoda"), "from the future");
    server.stop();
    for start in 0..3 {
        let mut server = launch.clone().start();
        let mut yoda = server.user("yoda");
        for number in 0..3 {
            let text = format!("{start}-{number}");
            let (seen_ms, seen) = post(&mut yoda, &text);
            let lines = yoda.lines(&Request::ReadBoard {
                later_than_ms: Some(last_seen_ms),
                after: None,
                at_most: None,
                from: None,
            });
            assert_eq!(lines.len(), 1, "{lines:?}");
            assert!(lines[0].contains(&text) && lines[0].contains(&seen), "{lines:?}");
            last_seen_ms = seen_ms;
        }
        drop(yoda);
        server.stop();
        let warnings = server.log().iter().filter(|line| line.contains("ahead of this")).count();
        assert_eq!(warnings, 1, "it is said once");
    }
}

#[test]
fn a_clock_beyond_the_year_9999_stops_nothing() {
    // Year 11,000 or so.
    let mut server = with_clock_ahead(Forumd::new(), 285_000_000_000).start();
    let mut yoda = server.user("yoda");
    assert_eq!(post(&mut yoda, "hello").1, "30 Dec 9999 22:00:00");
    yoda.done(&Request::CreateThread { title: "t", key: None });
    assert!(yoda.upload("t", "f", b"bytes").is_ok());
    drop(yoda);
    server.stop();
    assert!(server.log().iter().any(|line| line.starts_with("9999-12-30T22:00:00")));
}

#[test]
fn times_that_no_deadline_can_have_are_usage_errors_and_the_longest_allowed_ones_work() {
    for option in ["--timeout", "--block-duration", "--login-timeout"] {
        for seconds in ["1000000001", "18446744073709551615", "99999999999999999999"] {
            let ended = Forumd::new().args(&[option, seconds]).run("");
            assert_eq!(ended.code, Some(2), "{ended:#?}");
            let said = ended.stderr.join("\n");
            assert!(said.contains(option) && said.contains("1000000000"), "{said}");
        }
    }
    let longest = "1000000000";
    let options = ["--timeout", longest, "--block-duration", longest, "--login-timeout", longest];
    let server = Forumd::new().args(&options).args(&["--max-attempts", "1"]).start();
    server.user("yoda").ping();
    let mut wrong = server.wire();
    assert_eq!(wrong.name("yoda"), Ok(true));
    wrong.refused(&Request::Password { password: "wrong" });
    server.user("hans").ping();
}
