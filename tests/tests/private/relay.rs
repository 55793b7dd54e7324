//! Private messaging of two who can't reach each other: the server passes on what they say.

use forum_common::wire::{OwnedNotice, Request};
use forum_tests::{Client, Forum, Gate, Nat, Server, Wire};
use rustix::process::Signal;

use crate::sealed::Relay;
use crate::{accepts, agree, asked, not_enabled, question, said, talk};

fn goes_through_the_server(user: &str) -> String {
    format!("Private messages with {user} go through the server: no direct connection could be made")
}

/// yoda and hans, who can't be reached where the server sees him, and talk through the server.
fn relayed_pair(server: &Server) -> (Client, Client) {
    let nat = Nat::before(server.address());
    let mut yoda = server.sign_up("yoda");
    let mut hans = Forum::at(nat.address()).sign_up("hans");
    yoda.hears("hans logged in");
    agree(&mut yoda, "yoda", &mut hans, "hans");
    yoda.hears(&goes_through_the_server("hans"));
    hans.hears(&goes_through_the_server("yoda"));
    (yoda, hans)
}

#[test]
fn who_cannot_be_reached_is_talked_to_through_the_server() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = relayed_pair(&server);
    talk(&mut yoda, "yoda", &mut hans, "hans", "  as it is  ");
    talk(&mut hans, "hans", &mut yoda, "yoda", "so it came");
    yoda.fails("private hans \u{7}bell", "Invalid text");
    yoda.fails("startprivate hans", "Error. Private messaging to hans already enabled");
    hans.does("stopprivate yoda", "Stop private messaging with yoda");
    yoda.hears("hans stopped private messaging");
    yoda.fails("private hans hello?", &not_enabled("hans"));
    hans.fails("private yoda hello?", &not_enabled("yoda"));
    hans.hears_nothing_else();
    yoda.hears_nothing_else();
    // Asked from where nobody can be reached, hans is met directly: it is he who comes.
    agree(&mut hans, "hans", &mut yoda, "yoda");
    hans.hears_nothing_else();
}

#[test]
fn what_is_relayed_arrives_in_order_and_before_the_log_out() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = relayed_pair(&server);
    let mut lines: String = (0..300).map(|number| format!("private hans text {number}\n")).collect();
    lines.push_str("XIT\n");
    yoda.write(&lines);
    for number in 0..300 {
        hans.hears(&said("yoda", &format!("text {number}")));
    }
    hans.hears("yoda logged out");
    hans.fails("private yoda hello?", &not_enabled("yoda"));
    hans.hears_nothing_else();
    let finished = yoda.finish();
    assert_eq!((finished.code, finished.stderr), (Some(0), vec![]));
}

#[test]
fn a_crash_of_one_who_is_relayed_is_a_log_out() {
    let server = Server::start(&[]);
    let (mut yoda, hans) = relayed_pair(&server);
    hans.signal(Signal::KILL);
    yoda.hears("hans logged out");
    yoda.fails("private hans hello?", &not_enabled("hans"));
    yoda.hears_nothing_else();
}

/// yoda, whose client is started like this, and hans, made of nothing but the protocol, who can't be reached and
/// says so.
fn relayed_to_wire(server: &Server, forum: &Forum) -> (Client, Wire, Relay) {
    let mut hans = server.user("hans");
    let mut yoda = forum.sign_up("yoda");
    yoda.does("startprivate hans", &asked("hans"));
    let OwnedNotice::PrivateQuestion { link, .. } = hans.link_notice() else { panic!("no question") };
    hans.send(&Request::AnswerQuestion { link, yes: true });
    let OwnedNotice::PrepareLink { token, .. } = hans.link_notice() else { panic!("no token") };
    hans.send(&Request::LinkListening { link, port: 0 });
    assert_eq!(hans.link_notice(), OwnedNotice::LinkEstablished { link, relayed: true });
    let relay = Relay::answering(&mut hans, link, &token);
    yoda.hears(&accepts("hans"));
    yoda.hears(&goes_through_the_server("hans"));
    (yoda, hans, relay)
}

#[test]
fn what_goes_through_the_server_is_not_for_the_server() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans, mut relay) = relayed_to_wire(&server, &server.forum());
    yoda.says("private hans attack at dawn");
    let notice = hans.link_notice();
    let OwnedNotice::RelayedSealed { ciphertext, .. } = &notice else { panic!("{notice:?}") };
    assert!(!ciphertext.windows(6).any(|bytes| bytes == b"attack"));
    assert_eq!(relay.text(&notice), "attack at dawn");
    let sealed = relay.seal("at dawn");
    let link = relay.link;
    hans.done(&Request::RelaySealed { link, ciphertext: &sealed });
    yoda.hears(&said("hans", "at dawn"));
    // The same once more, or anything that hans has not said, ends it.
    hans.done(&Request::RelaySealed { link, ciphertext: &sealed });
    yoda.hears("Private messaging with hans has ended: the connection is gone");
    yoda.fails("private hans hello?", &not_enabled("hans"));
    assert_eq!(hans.link_notice(), OwnedNotice::LinkEnded { link, stopped: false });
}

#[test]
fn who_does_not_make_keys_is_given_up() {
    let server = Server::start(&[]);
    let mut hans = server.user("hans");
    let mut yoda = server.sign_up("yoda");
    yoda.does("startprivate hans", &asked("hans"));
    let OwnedNotice::PrivateQuestion { link, .. } = hans.link_notice() else { panic!("no question") };
    hans.send(&Request::AnswerQuestion { link, yes: true });
    assert!(matches!(hans.link_notice(), OwnedNotice::PrepareLink { .. }));
    hans.send(&Request::LinkListening { link, port: 0 });
    assert_eq!(hans.link_notice(), OwnedNotice::LinkEstablished { link, relayed: true });
    hans.send(&Request::RelayDatagram { link, datagram: &[7; 48] });
    yoda.hears("Private messaging to hans could not be set up");
    yoda.fails("private hans hello?", &not_enabled("hans"));
}

#[test]
fn both_compare_the_same_words_however_they_talk() {
    let server = Server::start(&[]);
    let words = |client: &mut Client, user: &str| {
        client.says(&format!("verify {user}"));
        let line = client.line();
        let words = line.strip_prefix(&format!("Compare with {user}: ")).expect("words").to_owned();
        assert_eq!(words.split(' ').count(), 6, "{line}");
        words
    };
    let (mut yoda, mut hans) = relayed_pair(&server);
    let relayed = words(&mut yoda, "hans");
    assert_eq!(words(&mut hans, "yoda"), relayed);
    hans.does("stopprivate yoda", "Stop private messaging with yoda");
    yoda.hears("hans stopped private messaging");
    agree(&mut hans, "hans", &mut yoda, "yoda");
    let direct = words(&mut yoda, "hans");
    assert_eq!(words(&mut hans, "yoda"), direct);
    assert_ne!(direct, relayed, "other keys each time");
    for user in ["leia", "yoda"] {
        yoda.fails(&format!("verify {user}"), &not_enabled(user));
    }
    yoda.fails("verify", "Incorrect syntax for verify");
    yoda.complains("Usage: verify user");
}

#[test]
fn a_message_that_crosses_the_end_is_refused_like_any_other() {
    let server = Server::start(&[]);
    // yoda hears the answers to some of his messages, and no more until hans has ended it.
    let gate = Gate::before(server.address(), 2_000);
    let (mut yoda, mut hans, mut relay) = relayed_to_wire(&server, &Forum::at(gate.address()));
    yoda.write(&"private hans there?\n".repeat(500));
    for _ in 0..10 {
        assert_eq!(relay.text(&hans.link_notice()), "there?");
    }
    gate.wait_full();
    hans.send(&Request::EndLink { link: relay.link, stopped: true });
    hans.ping();
    gate.open();
    yoda.hears("hans stopped private messaging");
    let finished = yoda.finish();
    assert!(!finished.stderr.is_empty(), "not all of the 500 were said when hans ended it");
    assert!(finished.stderr.iter().all(|line| *line == not_enabled("hans")), "{:#?}", finished.stderr);
}

#[test]
fn a_yes_that_comes_to_nothing_is_told_to_the_asker() {
    let server = Server::start(&[]);
    let mut hans = server.user("hans");
    let mut yoda = server.sign_up("yoda");
    yoda.does("startprivate hans", &asked("hans"));
    let OwnedNotice::PrivateQuestion { link, .. } = hans.link_notice() else { panic!("no question") };
    hans.send(&Request::AnswerQuestion { link, yes: true });
    hans.send(&Request::EndLink { link, stopped: false });
    yoda.hears("Private messaging to hans could not be set up");
    yoda.fails("private hans hello?", &not_enabled("hans"));
    yoda.does("startprivate hans", &asked("hans"));
}

#[test]
fn a_yes_that_comes_to_nothing_is_told_to_nobody_else() {
    let server = Server::start(&[]);
    let mut hans = server.user("hans");
    let mut leia = server.sign_up("leia");
    let (link, _) = hans.ask(&Request::AskPrivate { user: "leia", enabled: false });
    leia.hears(&question("hans"));
    leia.says("y");
    assert!(matches!(hans.link_notice(), OwnedNotice::LinkIntroduction { .. }));
    hans.send(&Request::EndLink { link, stopped: false });
    // What hans said is with leia before what he says to all.
    hans.done(&Request::SendBroadcast { text: "never mind" });
    leia.hears("hans: never mind");
    leia.fails("private hans hello?", &not_enabled("hans"));
    leia.hears_nothing_else();
}
