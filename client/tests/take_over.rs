//! A user who is logged in elsewhere: that session is ended when the user says so, and the one that is ended leaves
//! for good.
#![forbid(unsafe_code)]

mod stage;

use forum_common::wire::{Closing, Refusal, Reply, Request, TakeOver};
use stage::{AT_MS, Peer, Place, Script, WELCOME};

const QUESTION: &str = "yoda is logged in elsewhere. End that session? y or n: ";

/// Takes yoda's password, after this wish about another session.
fn takes_password(peer: &mut Peer, wish: TakeOver) -> u32 {
    let tag = peer.hears_wish("yoda", Some(wish), None);
    peer.reply(tag, &Reply::PasswordWanted { known: true });
    peer.hears(&Request::Password { password: "jedi" })
}

#[test]
fn in_pipes_a_session_elsewhere_stays_unless_an_option_says_otherwise() {
    for (arg, wish) in [("--force", TakeOver::Never), ("--take-over", TakeOver::Always)] {
        let script = Script::new();
        let client = Place::new(&script).arg(arg).pipe_all("yoda\njedi\n");
        let mut peer = script.greet_taking_over();
        let tag = takes_password(&mut peer, wish);
        peer.reply(tag, &WELCOME);
        peer.say_goodbye();
        assert_eq!(client.end().0, Some(0));
    }
}

#[test]
fn on_a_terminal_the_user_is_asked_after_the_right_password() {
    let script = Script::new();
    let mut terminal = Place::new(&script).terminal();
    let mut peer = script.greet_taking_over();
    for (answer, yes) in [("n", false), ("y", true)] {
        terminal.shows("Enter username: ");
        terminal.types("yoda\rjedi\r");
        let tag = takes_password(&mut peer, TakeOver::Ask);
        peer.reply(tag, &Reply::TakeOverWanted { since_ms: AT_MS, address: "10.0.0.1" });
        terminal.shows(QUESTION);
        terminal.types(&format!("{answer}\r"));
        let tag = peer.hears(&Request::EndOtherSession { yes });
        if yes {
            peer.reply(tag, &WELCOME);
            terminal.shows("Welcome to the forum\r\n");
        } else {
            peer.refuse(tag, Refusal::AlreadyLoggedIn, "yoda has already logged in");
            terminal.shows("yoda has already logged in\r\n");
        }
    }
    terminal.types("XIT\r");
    peer.say_goodbye();
    assert_eq!(terminal.end().code(), Some(0));
}

#[test]
fn a_session_that_is_ended_from_elsewhere_leaves_with_77_and_does_not_come_back() {
    let script = Script::new();
    let mut terminal = Place::of_yoda(&script).terminal();
    let peer = script.admit();
    terminal.shows("Welcome to the forum\r\n");
    peer.close(Closing::LoggedInElsewhere, "You have logged in elsewhere");
    terminal.shows("You have logged in elsewhere\r\n");
    assert_eq!(terminal.end().code(), Some(77));
    script.expect_nobody();
}

#[test]
fn a_client_that_reconnects_takes_over_its_own_session_only() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script).arg("--take-over");
    let mut terminal = place.terminal();
    let mut peer = script.greet_taking_over();
    let tag = takes_password(&mut peer, TakeOver::Always);
    peer.reply(tag, &Reply::Welcome { session: 7, since_ms: AT_MS, text: "Welcome to the forum" });
    terminal.shows("Welcome to the forum\r\n");
    drop(peer);
    terminal.shows("Connection lost: the server closed it\r\n");
    let mut peer = script.greet_taking_over();
    peer.hears_wish("yoda", Some(TakeOver::OwnSession), Some(7));
}

#[test]
fn on_a_terminal_a_refused_command_does_not_change_the_exit_status() {
    let script = Script::new();
    let mut terminal = Place::of_yoda(&script).terminal();
    let peer = script.admit();
    terminal.shows("Welcome to the forum\r\n");
    terminal.types("nonsense\r");
    terminal.shows("Error. Invalid command\r\n");
    terminal.types("XIT\r");
    peer.say_goodbye();
    assert_eq!(terminal.end().code(), Some(0));
}
