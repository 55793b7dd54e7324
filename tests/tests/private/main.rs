//! Private messaging with the real server and the real client: `startprivate`, `private` and `stopprivate`.
//! Here is what everybody does with it; the modules have what goes on at its edges.
#![forbid(unsafe_code)]

mod door;
mod ends;
mod questions;
mod relay;
mod sealed;
mod terminal;

use forum_tests::{Client, Server};

/// How a user is asked.
fn question(from: &str) -> String {
    format!("{from} would like to private message, enter y or n: ")
}

/// The answer to `startprivate`.
fn asked(user: &str) -> String {
    format!("Start private messaging with {user}")
}

/// The good news.
fn accepts(user: &str) -> String {
    format!("{user} accepts private messaging")
}

/// How a private message is shown.
fn said(from: &str, text: &str) -> String {
    format!("{from}(private): {text}")
}

/// How a private message to a user is refused with whom there is no session.
fn not_enabled(user: &str) -> String {
    format!("Error. Private messaging to {user} not enabled")
}

/// yoda and hans, new ones.
fn pair(server: &Server) -> (Client, Client) {
    let mut yoda = server.sign_up("yoda");
    let hans = server.sign_up("hans");
    yoda.hears("hans logged in");
    (yoda, hans)
}

/// One asks, the other one says yes, and both can use it.
fn agree(asker: &mut Client, from: &str, other: &mut Client, to: &str) {
    asker.does(&format!("startprivate {to}"), &asked(to));
    other.hears(&question(from));
    other.says("y");
    asker.hears(&accepts(to));
}

/// yoda and hans, who can talk privately.
fn talking_pair(server: &Server) -> (Client, Client) {
    let (mut yoda, mut hans) = pair(server);
    agree(&mut yoda, "yoda", &mut hans, "hans");
    (yoda, hans)
}

/// One says something to the other.
fn talk(from: &mut Client, from_name: &str, to: &mut Client, to_name: &str, text: &str) {
    from.says(&format!("private {to_name} {text}"));
    to.hears(&said(from_name, text));
}

#[test]
fn once_both_agree_messages_go_both_ways_and_all_is_well() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = talking_pair(&server);
    talk(&mut yoda, "yoda", &mut hans, "hans", "hello");
    talk(&mut hans, "hans", &mut yoda, "yoda", "hello yourself");
    talk(&mut yoda, "yoda", &mut hans, "hans", "y");
    yoda.does("stopprivate hans", "Stop private messaging with hans");
    hans.hears("yoda stopped private messaging");
    yoda.leaves();
    hans.hears("yoda logged out");
    hans.leaves();
    for client in [&mut yoda, &mut hans] {
        let finished = client.finish();
        assert_eq!((finished.code, finished.stderr), (Some(0), vec![]));
    }
}

#[test]
fn a_text_is_kept_as_it_is() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = talking_pair(&server);
    let longest = "x".repeat(8_192);
    for text in ["  two  spaces  ", "a\ttab", "grüße, 世界", "private hans x", &longest] {
        talk(&mut yoda, "yoda", &mut hans, "hans", text);
    }
    yoda.fails("private hans \u{7}bell", "Invalid text");
    yoda.fails("private hans \u{202e}backwards", "Invalid text");
    yoda.fails(&format!("private hans {longest}x"), "Invalid text");
    hans.hears_nothing_else();
}

#[test]
fn refusals_come_in_their_order() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = pair(&server);
    yoda.fails("startprivate yoda", "Error. Cannot message self");
    yoda.fails("startprivate nobody", "Error. Invalid user");
    yoda.fails("startprivate Hans", "Error. Invalid user");
    hans.does("block yoda", "yoda is blocked");
    let blocked = "Your message could not be delivered as the recipient has blocked you";
    yoda.fails("startprivate hans", blocked);
    hans.hears_nothing_else();
    hans.leaves();
    // Whoever is blocked by hans is not told that he has come or gone.
    yoda.fails("startprivate hans", blocked);
    let mut hans = server.log_in("hans");
    hans.does("unblock yoda", "yoda is unblocked");
    hans.leaves();
    yoda.hears("hans logged out");
    yoda.fails("startprivate hans", "Error. hans is offline");
    let mut hans = server.log_in("hans");
    yoda.hears("hans logged in");
    agree(&mut yoda, "yoda", &mut hans, "hans");
    yoda.fails("startprivate hans", "Error. Private messaging to hans already enabled");
    hans.fails("startprivate yoda", "Error. Private messaging to yoda already enabled");
    talk(&mut yoda, "yoda", &mut hans, "hans", "it goes on");
    hans.hears_nothing_else();
}

#[test]
fn without_a_session_there_is_nothing_to_say_or_to_stop() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = pair(&server);
    for user in ["hans", "yoda", "nobody"] {
        yoda.fails(&format!("private {user} hello"), &not_enabled(user));
        yoda.fails(&format!("stopprivate {user}"), &not_enabled(user));
    }
    for (command, usage) in [
        ("startprivate", "Usage: startprivate user"),
        ("private hans", "Usage: private user text"),
        ("stopprivate a b", "Usage: stopprivate user"),
    ] {
        let word = command.split(' ').next().unwrap();
        yoda.fails(command, &format!("Incorrect syntax for {word}"));
        yoda.complains(usage);
    }
    hans.hears_nothing_else();
    yoda.does("XIT", "Goodbye");
    assert_eq!(yoda.wait_exit(), Some(1));
}

#[test]
fn a_refused_startprivate_is_in_the_exit_status() {
    let server = Server::start(&[]);
    let mut yoda = server.sign_up("yoda");
    yoda.fails("startprivate nobody", "Error. Invalid user");
    assert_eq!(yoda.finish().code, Some(1));
}

#[test]
fn everybody_hears_what_is_meant_for_them() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = talking_pair(&server);
    let mut leia = server.sign_up("leia");
    for client in [&mut yoda, &mut hans] {
        client.hears("leia logged in");
    }
    agree(&mut leia, "leia", &mut yoda, "yoda");
    agree(&mut hans, "hans", &mut leia, "leia");
    yoda.write("private hans 1\nprivate leia 2\nprivate hans 3\n");
    hans.write("private leia 4\nprivate yoda 5\n");
    leia.write("private yoda 6\nprivate hans 7\n");
    for (client, wanted) in [
        (&mut yoda, vec![said("hans", "5"), said("leia", "6")]),
        (&mut hans, vec![said("leia", "7"), said("yoda", "1"), said("yoda", "3")]),
        (&mut leia, vec![said("hans", "4"), said("yoda", "2")]),
    ] {
        let mut heard: Vec<String> = wanted.iter().map(|_| client.line()).collect();
        heard.sort();
        assert_eq!(heard, wanted);
    }
    yoda.does("stopprivate leia", "Stop private messaging with leia");
    leia.hears("yoda stopped private messaging");
    leia.fails("private yoda hello?", &not_enabled("yoda"));
    talk(&mut leia, "leia", &mut hans, "hans", "gone");
    talk(&mut hans, "hans", &mut yoda, "yoda", "still here");
}

#[test]
fn either_side_may_stop_and_either_may_begin_anew_at_once() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = pair(&server);
    for round in 0..12 {
        // yoda asks in each other round, and stops in each other pair of rounds.
        if round % 2 == 0 {
            agree(&mut yoda, "yoda", &mut hans, "hans");
        } else {
            agree(&mut hans, "hans", &mut yoda, "yoda");
        }
        talk(&mut yoda, "yoda", &mut hans, "hans", &format!("round {round}"));
        talk(&mut hans, "hans", &mut yoda, "yoda", &format!("round {round}"));
        let (stops, stopper, other, name) = match round % 4 {
            0 | 1 => (&mut yoda, "yoda", &mut hans, "hans"),
            _ => (&mut hans, "hans", &mut yoda, "yoda"),
        };
        stops.does(&format!("stopprivate {name}"), &format!("Stop private messaging with {name}"));
        other.hears(&format!("{stopper} stopped private messaging"));
        stops.fails(&format!("private {name} x"), &not_enabled(name));
        other.fails(&format!("private {stopper} x"), &not_enabled(stopper));
        other.fails(&format!("stopprivate {stopper}"), &not_enabled(stopper));
    }
}

#[test]
fn many_messages_in_one_go_arrive_in_order() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = talking_pair(&server);
    let lines = |to: &str| (0..500).map(|number| format!("private {to} text {number}\n")).collect::<String>();
    yoda.write(&lines("hans"));
    hans.write(&lines("yoda"));
    for number in 0..500 {
        hans.hears(&said("yoda", &format!("text {number}")));
        yoda.hears(&said("hans", &format!("text {number}")));
    }
}
