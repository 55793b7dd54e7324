//! Rung 4: no last answer is lost, and no silence is kept for ever.

use std::io::ErrorKind;

use crate::rung::{Client, Rung};

const BEFORE: &str = "rung3_queues";
const RUNG: &str = "rung4_closing";

/// A client that has said this and, if told so, that nothing more comes; the server finds all of that at once.
fn client_that_said(rung: &Rung, text: &str, ends: bool) -> Client {
    let mut client = rung.connect();
    rung.in_one_turn(|| {
        client.say(text);
        if ends {
            client.end();
        }
    });
    client
}

#[test]
fn the_last_answer_reaches_a_client_that_has_said_all() {
    let before = Rung::start(BEFORE);
    assert_eq!(client_that_said(&before, "hello\n", true).rest().expect("a FIN"), "");
    let rung = Rung::start(RUNG);
    assert_eq!(client_that_said(&rung, "hello\n", true).rest().expect("a FIN"), "1 hello\n");
}

#[test]
fn answers_that_no_kernel_holds_reach_a_client_that_has_said_all() {
    let rung = Rung::start(RUNG);
    let (lines, asked) = (1_000, 40);
    let line = "x".repeat(999);
    let mut client = rung.connect();
    for _ in 0..lines {
        client.say(&format!("{line}\n"));
        client.line();
    }
    let mut client = client_that_said(&rung, &"all\n".repeat(asked), true);
    rung.barrier();
    let heard = client.rest().expect("a FIN");
    assert_eq!(heard.matches(" messages\n").count(), asked);
    assert_eq!(heard.matches(&line).count(), asked * lines);
}

#[test]
fn a_goodbye_is_followed_by_a_fin_and_not_by_a_reset() {
    let too_long = "x".repeat(65_536);
    let before = Rung::start(BEFORE);
    let mut client = client_that_said(&before, &too_long, false);
    assert_eq!(client.rest().expect_err("a reset").kind(), ErrorKind::ConnectionReset);

    let rung = Rung::start(RUNG);
    let mut client = client_that_said(&rung, &too_long, false);
    assert_eq!(client.rest().expect("a FIN"), "Goodbye: that line is too long\n");
    // The server waits for it to close, asleep. What it says meanwhile is thrown away.
    rung.until_state('S');
    client.say(&too_long);
    client.end();
}

#[test]
fn a_silent_client_is_told_so_and_let_go() {
    let before = Rung::start(BEFORE);
    let rung = Rung::start_with(RUNG, &["1".as_ref()]);
    let (mut kept, mut silent) = (before.connect(), rung.connect());
    // Neither says anything while this one waits.
    assert_eq!(silent.rest().expect("a FIN"), "Goodbye: you were silent for too long\n");
    kept.say("still here\n");
    assert_eq!(kept.line(), "1 still here");
}
