//! How private sessions end without being stopped, and what they survive.

use forum_tests::{Client, SAFE_TIMEOUT_SECONDS, Server, until};
use rustix::process::Signal;

use crate::{accepts, agree, asked, not_enabled, pair, question, said, talk, talking_pair};

/// yoda has gone: that is all hans has heard, and there is nobody to talk to any more.
fn expect_gone(hans: &mut Client) {
    hans.hears("yoda logged out");
    hans.fails("private yoda still there?", &not_enabled("yoda"));
    hans.fails("startprivate yoda", "Error. yoda is offline");
    hans.hears_nothing_else();
}

#[test]
fn a_log_out_ends_it_and_is_all_that_is_shown() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = talking_pair(&server);
    yoda.leaves();
    expect_gone(&mut hans);
    // A new session needs a new question.
    let mut yoda = server.log_in("yoda");
    hans.hears("yoda logged in");
    hans.fails("private yoda hello again", &not_enabled("yoda"));
    agree(&mut hans, "hans", &mut yoda, "yoda");
}

#[test]
fn the_end_of_input_ends_it_too() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = talking_pair(&server);
    yoda.says("private hans the last word");
    let finished = yoda.finish();
    assert_eq!((finished.code, finished.stderr), (Some(0), vec![]));
    hans.hears(&said("yoda", "the last word"));
    expect_gone(&mut hans);
}

#[test]
fn a_crash_ends_it_and_the_log_out_is_all_that_is_shown() {
    let server = Server::start(&[]);
    let (yoda, mut hans) = talking_pair(&server);
    yoda.signal(Signal::KILL);
    expect_gone(&mut hans);
}

#[test]
fn a_log_out_for_idleness_ends_it() {
    let server = Server::start(&["--timeout", &SAFE_TIMEOUT_SECONDS.to_string()]);
    let (mut yoda, mut hans) = talking_pair(&server);
    until("yoda is idle", || {
        hans.says("LST");
        let gone = match hans.line().as_str() {
            "No threads to list" => return None,
            "yoda logged out" => Some(()),
            other => panic!("hans heard {other}"),
        };
        hans.hears("No threads to list");
        gone
    });
    hans.fails("private yoda still there?", &not_enabled("yoda"));
    hans.hears_nothing_else();
    yoda.hears(&format!("You have been logged out: no activity for {SAFE_TIMEOUT_SECONDS} seconds"));
    let finished = yoda.finish();
    assert_eq!((finished.code, finished.stderr), (Some(0), vec![]));
}

#[test]
fn whatever_was_said_before_the_log_out_arrives_before_it_and_in_order() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = talking_pair(&server);
    let texts: Vec<String> = (0..2_000).map(|number| format!("{number} {}", "x".repeat(80))).collect();
    let mut lines: String = texts.iter().map(|text| format!("private hans {text}\n")).collect();
    lines.push_str("XIT\n");
    yoda.write(&lines);
    for text in &texts {
        hans.hears(&said("yoda", text));
    }
    expect_gone(&mut hans);
    let finished = yoda.finish();
    assert_eq!((finished.code, finished.stderr), (Some(0), vec![]));
}

#[test]
fn who_stops_and_leaves_in_one_go_has_stopped_first() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = talking_pair(&server);
    yoda.write("private hans enough\nstopprivate hans\nXIT\n");
    hans.hears_all(&[&said("yoda", "enough"), "yoda stopped private messaging"]);
    expect_gone(&mut hans);
}

#[test]
fn it_goes_on_when_the_other_blocks_and_a_new_one_is_refused() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = talking_pair(&server);
    hans.does("block yoda", "yoda is blocked");
    talk(&mut yoda, "yoda", &mut hans, "hans", "you hear me");
    talk(&mut hans, "hans", &mut yoda, "yoda", "for now");
    yoda.does("stopprivate hans", "Stop private messaging with hans");
    hans.hears("yoda stopped private messaging");
    let blocked = "Your message could not be delivered as the recipient has blocked you";
    yoda.fails("startprivate hans", blocked);
    hans.hears_nothing_else();
    // A block has one direction.
    agree(&mut hans, "hans", &mut yoda, "yoda");
}

#[test]
fn who_was_asked_may_block_and_still_say_yes() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = pair(&server);
    yoda.does("startprivate hans", &asked("hans"));
    hans.hears(&question("yoda"));
    hans.does("block yoda", "yoda is blocked");
    hans.says("y");
    yoda.hears(&accepts("hans"));
    talk(&mut hans, "hans", &mut yoda, "yoda", "well then");
}

#[test]
fn who_only_talks_privately_is_not_idle() {
    let server = Server::start(&["-q", "--timeout", &SAFE_TIMEOUT_SECONDS.to_string()]);
    let (mut yoda, mut hans) = talking_pair(&server);
    // Whatever the two did before this is older than the witness.
    let witness = server.user("witness");
    yoda.hears("witness logged in");
    hans.hears("witness logged in");
    let (mut yoda_knows, mut hans_knows) = (false, false);
    until("the witness is idle", || {
        yoda.says("private hans now");
        hans.says("private yoda and then");
        yoda_knows |= hears_of_witness_before(&mut yoda, &said("hans", "and then"));
        hans_knows |= hears_of_witness_before(&mut hans, &said("yoda", "now"));
        (yoda_knows && hans_knows).then_some(())
    });
    drop(witness);
    talk(&mut yoda, "yoda", &mut hans, "hans", "still here");
    talk(&mut hans, "hans", &mut yoda, "yoda", "so am I");
}

/// Reads on to `wanted`; whether the witness went before.
fn hears_of_witness_before(client: &mut Client, wanted: &str) -> bool {
    let mut gone = false;
    loop {
        let line = client.line();
        if line == wanted {
            return gone;
        }
        assert_eq!(line, "witness logged out");
        gone = true;
    }
}
