//! Logging in: what section 3 of the contract promises, to people with the real client and to programs on
//! the wire.
#![forbid(unsafe_code)]

use std::sync::{Arc, Barrier};
use std::thread;

use forum_common::wire::{Closing, Refusal, Request};
use forum_tests::outcome::Outcome;
use forum_tests::{PASSWORD, SAFE_TIMEOUT_SECONDS, Server, outcome};
use rustix::process::Signal;

#[test]
fn a_new_user_signs_up_and_logs_in_again_later() {
    let server = Server::start(&[]);
    server.sign_up("yoda").leaves();
    server.log_in("yoda").leaves();
}

#[test]
fn an_account_outlives_the_server() {
    let mut server = Server::start(&[]);
    server.sign_up("yoda").leaves();
    server.stop();
    server.start_again();
    server.log_in("yoda").leaves();
}

#[test]
fn a_confirmation_that_differs_leads_back_to_the_username() {
    let server = Server::start(&[]);
    let mut client = server.forum().start();
    client.write("yoda\nlong ago\nfar away\n");
    client.complains("Passwords do not match");
    client.write("yoda\nlong ago\nlong ago\n");
    client.hears("Welcome to the forum");
    client.leaves();
}

#[test]
fn a_wrong_password_leads_back_to_the_username() {
    let server = Server::start(&[]);
    server.sign_up("yoda").leaves();
    let mut client = server.forum().start();
    client.write("yoda\nnot this\n");
    client.complains("Invalid password");
    client.write(&format!("yoda\n{PASSWORD}\n"));
    client.hears("Welcome to the forum");
}

#[test]
fn bad_names_and_passwords_lead_back_to_the_username() {
    let server = Server::start(&[]);
    let mut client = server.forum().start();
    client.fails("two words", "Invalid name");
    client.fails(&"x".repeat(33), "Invalid name");
    client.fails("jöda", "Invalid name");
    let long = "x".repeat(129);
    client.write(&format!("yoda\n{long}\n{long}\n"));
    client.complains("Invalid password format");
    client.write("yoda\n\u{1}\n\u{1}\n");
    client.complains("Invalid password format");
    client.write("yoda\nx\nx\n");
    client.hears("Welcome to the forum");
}

#[test]
fn the_wire_says_why_a_log_in_fails_and_stays_open() {
    let server = Server::start(&[]);
    let mut online = server.user("yoda");
    let mut wire = server.wire();
    let differ = Request::SignUp { password: "a", confirmation: "b" };
    assert_eq!(wire.name("hans solo"), outcome::refused(Refusal::InvalidName, "Invalid name"));
    assert_eq!(wire.name(""), outcome::refused(Refusal::InvalidName, "Invalid name"));
    assert_eq!(wire.name("yoda"), outcome::refused(Refusal::AlreadyLoggedIn, "yoda has already logged in"));
    assert_eq!(wire.name("hans"), Ok(false));
    assert_eq!(wire.outcome(&differ), outcome::refused(Refusal::PasswordsDiffer, "Passwords do not match"));
    assert_eq!(
        wire.sign_up("hans", ""),
        outcome::refused(Refusal::InvalidPasswordFormat, "Invalid password format")
    );
    assert_eq!(
        wire.sign_up("hans", "a\tb"),
        outcome::refused(Refusal::InvalidPasswordFormat, "Invalid password format")
    );
    assert_eq!(wire.sign_up("hans", PASSWORD), outcome::welcome());
    assert_eq!(online.done(&Request::LogOut), "Goodbye");
    online.expect_closed();
    let mut again = server.wire();
    assert_eq!(again.log_in("yoda", "guess"), outcome::refused(Refusal::InvalidPassword, "Invalid password"));
    assert_eq!(again.log_in("yoda", PASSWORD), outcome::welcome());
}

#[test]
fn names_are_exact_and_no_prefixes() {
    let server = Server::start(&[]);
    let mut wires: Vec<_> = ["yo", "yoda", "yod", "Yoda", "yoda2"].map(|name| server.user(name)).into();
    for wire in &mut wires {
        wire.ping();
    }
    let mut wire = server.wire();
    assert_eq!(wire.name("yoda"), outcome::refused(Refusal::AlreadyLoggedIn, "yoda has already logged in"));
    assert_eq!(wire.name("YODA"), Ok(false));
    assert_eq!(wire.name("y"), Ok(false));
}

#[test]
fn passwords_are_exact() {
    let server = Server::start(&["--max-attempts", "5"]);
    let mut wire = server.wire();
    assert_eq!(wire.sign_up("yoda", " pass word "), outcome::welcome());
    assert_eq!(wire.done(&Request::LogOut), "Goodbye");
    let mut wire = server.wire();
    for wrong in ["pass word", " pass word", " Pass word ", " pass word  "] {
        assert_eq!(
            wire.log_in("yoda", wrong),
            outcome::refused(Refusal::InvalidPassword, "Invalid password")
        );
    }
    assert_eq!(wire.log_in("yoda", " pass word "), outcome::welcome());
}

#[test]
fn who_is_online_cannot_log_in_twice() {
    let server = Server::start(&[]);
    let mut first = server.sign_up("yoda");
    let mut second = server.forum().start();
    second.fails("yoda", "yoda has already logged in");
    first.leaves();
    second.write(&format!("yoda\n{PASSWORD}\n"));
    second.hears("Welcome to the forum");
    second.leaves();
}

#[test]
fn a_client_that_dies_frees_its_name() {
    let server = Server::start(&[]);
    for signal in [Signal::INT, Signal::KILL, Signal::TERM] {
        let client = server.forum().args(&["--user", "yoda"]).env("FORUM_PASSWORD", PASSWORD).start();
        let mut client = client;
        client.hears("Welcome to the forum");
        client.signal(signal);
        client.finish();
        // The server learns of it by an event of its own; the name may take it a moment.
        forum_tests::until("the name to be free", || {
            let mut wire = server.wire();
            wire.log_in("yoda", PASSWORD).is_ok().then(|| {
                assert_eq!(wire.done(&Request::LogOut), "Goodbye");
                wire.expect_closed();
            })
        });
    }
}

/// Runs `act` on `count` connections at the same moment.
fn at_once(
    server: &Server,
    count: usize,
    act: impl Fn(&mut forum_tests::Wire) -> Outcome + Sync,
) -> Vec<Outcome> {
    let start = Arc::new(Barrier::new(count));
    // The winners must stay connected until all are done, or their names would be free again.
    let end = Barrier::new(count);
    thread::scope(|scope| {
        let racers: Vec<_> = (0..count)
            .map(|_| {
                let start = Arc::clone(&start);
                let (act, end) = (&act, &end);
                scope.spawn(move || {
                    let mut wire = server.wire();
                    start.wait();
                    let reply = act(&mut wire);
                    end.wait();
                    reply
                })
            })
            .collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).collect()
    })
}

#[test]
fn of_sign_ups_racing_for_a_name_one_wins() {
    let server = Server::start(&[]);
    for round in 0..5 {
        let name = format!("clone{round}");
        let mut first = server.wire();
        let mut second = server.wire();
        assert_eq!(first.name(&name), Ok(false));
        assert_eq!(second.name(&name), Ok(false));
        let sign_up = Request::SignUp { password: PASSWORD, confirmation: PASSWORD };
        let (tag_1, tag_2) = (first.send(&sign_up), second.send(&sign_up));
        let replies = [first.outcome_of(tag_1), second.outcome_of(tag_2)];
        let taken = outcome::refused(Refusal::NameTaken, &format!("Username {name} is taken"));
        assert!(replies.contains(&outcome::welcome()), "{replies:?}");
        assert!(replies.contains(&taken), "{replies:?}");
        // The loser is back to the username.
        let loser = if replies[0] == taken { &mut first } else { &mut second };
        assert_eq!(loser.sign_up(&format!("{name}-2"), PASSWORD), outcome::welcome());
    }
}

#[test]
fn of_log_ins_racing_for_a_name_one_wins() {
    let server = Server::start(&[]);
    for round in 0..5 {
        let name = format!("yoda{round}");
        let mut founder = server.user(&name);
        assert_eq!(founder.done(&Request::LogOut), "Goodbye");
        let replies = at_once(&server, 6, |wire| wire.log_in(&name, PASSWORD));
        let late = outcome::refused(Refusal::AlreadyLoggedIn, &format!("{name} has already logged in"));
        assert_eq!(replies.iter().filter(|reply| **reply == outcome::welcome()).count(), 1, "{replies:?}");
        assert_eq!(replies.iter().filter(|reply| **reply == late).count(), 5, "{replies:?}");
    }
}

#[test]
fn of_two_who_were_both_asked_for_the_password_one_gets_in() {
    let server = Server::start(&[]);
    assert_eq!(server.user("yoda").done(&Request::LogOut), "Goodbye");
    let (mut first, mut second) = (server.wire(), server.wire());
    assert_eq!(first.name("yoda"), Ok(true));
    assert_eq!(second.name("yoda"), Ok(true));
    assert_eq!(first.outcome(&Request::Password { password: PASSWORD }), outcome::welcome());
    let late = second.outcome(&Request::Password { password: PASSWORD });
    assert_eq!(late, outcome::refused(Refusal::AlreadyLoggedIn, "yoda has already logged in"));
    assert_eq!(second.sign_up("hans", PASSWORD), outcome::welcome());
}

#[test]
fn a_sign_up_whose_connection_dies_leaves_the_server_well() {
    let server = Server::start(&[]);
    for number in 0..20 {
        // A name of its own each: a hash may be done before the end of its connection is seen, and then
        // there is an account.
        let mut wire = server.wire();
        assert_eq!(wire.name(&format!("ghost{number}")), Ok(false));
        wire.send(&Request::SignUp { password: PASSWORD, confirmation: PASSWORD });
        drop(wire);
    }
    let mut wire = server.wire();
    assert_eq!(wire.sign_up("yoda", PASSWORD), outcome::welcome());
}

#[test]
fn passwd_changes_the_password() {
    let server = Server::start(&[]);
    let mut client = server.sign_up("yoda");
    client.write(&format!("passwd\nwrong\nnew one\nnew one\npasswd\n{PASSWORD}\nnew one\nold one\n"));
    client.complains("Invalid password");
    client.complains("Passwords do not match");
    let long = "x".repeat(129);
    client.write(&format!("passwd\n{PASSWORD}\n{long}\n{long}\n"));
    client.complains("Invalid password format");
    client.fails("passwd now", "Incorrect syntax for passwd");
    client.complaint();
    client.write(&format!("passwd\n{PASSWORD}\nnew one\nnew one\n"));
    client.hears("Password changed");
    client.says("XIT");
    client.hears("Goodbye");
    assert_eq!(client.finish().code, Some(1), "some commands were refused");

    let mut wire = server.wire();
    assert_eq!(wire.log_in("yoda", PASSWORD), outcome::refused(Refusal::InvalidPassword, "Invalid password"));
    assert_eq!(wire.log_in("yoda", "new one"), outcome::welcome());
}

#[test]
fn a_changed_password_outlives_kill_9() {
    let mut server = Server::start(&[]);
    let mut wire = server.user("yoda");
    let change = Request::ChangePassword { old: PASSWORD, new: "n", confirmation: "n" };
    assert_eq!(wire.done(&change), "Password changed");
    server.kill();
    server.start_again();
    assert_eq!(server.wire().log_in("yoda", "n"), outcome::welcome());
}

#[test]
fn who_does_not_log_in_in_time_is_told_and_let_go() {
    let server = Server::start(&["--login-timeout", &SAFE_TIMEOUT_SECONDS.to_string()]);
    let timed_out = (Closing::LoginTimedOut, "Login timed out".to_owned());
    let mut logged_in = server.user("yoda");
    let mut silent = server.raw();
    let mut greeted = server.wire();
    let mut named = server.wire();
    assert_eq!(named.name("hans"), Ok(false));
    let mut client = server.forum().start();
    assert_eq!(silent.expect_closing(), timed_out);
    assert_eq!(greeted.expect_closing(), timed_out);
    assert_eq!(named.expect_closing(), timed_out);
    logged_in.ping();
    client.complains("Login timed out");
    assert_eq!(client.wait_exit(), Some(77));
}

#[test]
fn the_log_tells_who_came_and_went_but_no_password() {
    let mut server = Server::start(&["-v"]);
    let mut client = server.forum().start();
    server.wait_log("Client connected");
    client.write("yoda\nvery secret\nvery secret\n");
    client.hears("Welcome to the forum");
    server.wait_log("New user");
    server.wait_log("yoda successfully logged in");
    client.does("CRT 3331", "Thread 3331 created");
    server.wait_log("yoda issued CRT command");
    server.wait_log("Thread 3331 created");
    client.fails("SHT topsecret", "Incorrect password");
    client.says("XIT");
    client.hears("Goodbye");
    server.wait_log("yoda exited");
    server.stop();
    assert!(!server.log().iter().any(|line| line.contains("secret")), "{:#?}", server.log());
}
