//! What one address may have, and a server at which nobody new can sign up.
#![forbid(unsafe_code)]

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use forum_common::wire::{Closing, Refusal, Request};
use forum_tests::{Forumd, PASSWORD, Server, Wire};
use socket2::SockRef;

const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9));

/// A server that limits this machine's addresses as well, in this way.
fn limited(options: &[&str]) -> Server {
    Forumd::new().args(&["--limit-loopback"]).args(options).start()
}

fn named(name: &str) -> Request<'_> {
    Request::LogIn { name, udp_port: 0, take_over: None, session: None }
}

#[test]
fn past_the_connections_of_one_address_the_next_is_told_so_and_others_get_in() {
    let server = limited(&["--max-address-connections", "3"]);
    let mut inside = server.online(["yoda", "luke", "leia"]);
    let too_many = "Too many connections from your address. Please try again later";
    assert_eq!(server.raw().expect_closing(), (Closing::ServerFull, too_many.to_owned()));
    Wire::connect_from(ELSEWHERE, server.address()).hello();
    inside[0].close_output();
    inside[0].expect_closing();
    inside[1].ping();
    // Whose connection is gone makes room for the next.
    forum_tests::until("room for one more", || {
        let mut wire = server.raw();
        wire.send(&forum_tests::hello());
        let answer = wire.next_heard_or_reset().ok().flatten()?;
        (!format!("{answer:?}").contains("Closing")).then_some(())
    });
}

#[test]
fn who_is_logged_in_makes_room_for_others_who_are_not() {
    let server = limited(&["--max-address-logins", "2"]);
    let (mut first, _second) = (server.wire(), server.wire());
    assert_eq!(server.raw().expect_closing().0, Closing::ServerFull);
    first.become_user("yoda");
    server.wire();
}

#[test]
fn connections_that_are_not_logged_in_take_at_most_half_of_all_places_and_the_server_is_full_for_more() {
    let mut server = limited(&["--max-connections", "8"]);
    let full = (Closing::ServerFull, "Server is full. Please try again later".to_owned());
    let mut guests: Vec<Wire> = (0..4).map(|_| server.wire()).collect();
    assert_eq!(server.raw().expect_closing(), full);
    // From wherever it comes.
    assert_eq!(Wire::connect_from(ELSEWHERE, server.address()).expect_closing(), full);
    server.wait_log("turned away: too many that are not logged in");
    guests[0].become_user("yoda");
    server.wire();
}

#[test]
fn those_who_are_turned_away_take_no_place_of_their_address() {
    let server = limited(&["--max-address-logins", "2"]);
    let mut guests = [server.wire(), server.wire()];
    // They keep their end open after they were turned away.
    let mut turned_away = [server.raw(), server.raw(), server.raw()];
    for wire in &mut turned_away {
        assert_eq!(wire.expect_closing().0, Closing::ServerFull);
    }
    guests[0].become_user("yoda");
    server.wire();
    drop(turned_away);
}

#[test]
fn a_wrong_password_counts_even_if_the_connection_ends_before_the_answer() {
    let options = ["--limit-loopback", "--max-address-failures", "3", "--trace-user", "yoda"];
    let mut server = Forumd::with_dear_hashes().args(&options).start();
    server.user("yoda").log_out();
    for _ in 0..3 {
        let mut wire = server.wire();
        assert_eq!(wire.name("yoda"), Ok(true));
        wire.send(&Request::Password { password: "wrong" });
        server.wait_log("yoda < 0x05");
        SockRef::from(&wire.stream()).set_linger(Some(Duration::ZERO)).expect("a TCP socket");
        drop(wire);
        server.wait_log("gave a wrong password for yoda and did not wait");
    }
    let mut wire = server.wire();
    assert_eq!(wire.name("yoda"), Ok(true));
    assert_eq!(wire.log_in("yoda", PASSWORD).expect_err("it has to wait").0, Refusal::SlowDown);
}

#[test]
fn past_the_names_that_nobody_has_nothing_is_told_of_any_name() {
    let server = limited(&["--max-address-unknown-names", "3"]);
    server.user("yoda").close_output();
    let mut wire = server.wire();
    // Yoda was unknown as well, when that one came.
    for name in ["a", "b"] {
        wire.request(&named(name));
    }
    let slow_down = (Refusal::SlowDown, "Slow down. Please try again later".to_owned());
    assert_eq!(wire.refused(&named("c")), slow_down);
    // A known name that is answered otherwise would tell which are not.
    assert_eq!(wire.refused(&named("yoda")), slow_down);
    let mut other = Wire::connect_from(ELSEWHERE, server.address());
    other.hello();
    other.become_user("d");
}

#[test]
fn names_that_nobody_has_are_counted_with_sign_up_closed_as_well() {
    let server = limited(&["--max-address-unknown-names", "2", "--sign-up", "closed"]);
    let mut wire = server.wire();
    let refusals = ["a", "b", "c"].map(|name| wire.refused(&named(name)).0);
    assert_eq!(refusals, [Refusal::SignUpClosed, Refusal::SignUpClosed, Refusal::SlowDown]);
}

#[test]
fn past_the_new_accounts_of_an_hour_no_more_are_made() {
    let server = limited(&["--max-address-sign-ups", "2"]);
    server.online(["yoda", "luke"]);
    let mut wire = server.wire();
    wire.request(&named("leia"));
    let refused = wire.refused(&Request::SignUp { password: PASSWORD, confirmation: PASSWORD });
    assert_eq!(refused.0, Refusal::SlowDown);
    // Who has an account logs in.
    drop(wire);
    server.user("yoda").ping();
}

#[test]
fn past_the_wrong_passwords_of_one_address_the_next_has_to_wait_whatever_its_name() {
    let server = limited(&["--max-address-failures", "2", "--max-attempts", "5"]);
    for name in ["yoda", "luke", "leia"] {
        server.user(name);
    }
    let mut wire = server.wire();
    for name in ["yoda", "luke"] {
        wire.request(&named(name));
        assert_eq!(wire.refused(&Request::Password { password: "wrong" }).0, Refusal::InvalidPassword);
    }
    wire.request(&named("leia"));
    assert_eq!(wire.refused(&Request::Password { password: PASSWORD }).0, Refusal::SlowDown);
    let mut other = Wire::connect_from(ELSEWHERE, server.address());
    other.hello();
    other.become_user("leia");
    drop(other);
    forum_tests::until("the end of the wait", || {
        wire.request(&named("yoda"));
        wire.outcome(&Request::Password { password: PASSWORD }).ok()
    });
}

#[test]
fn this_machine_is_not_limited_unless_that_is_asked_for() {
    let server = Server::start(&["--max-address-connections", "1", "--max-address-logins", "1"]);
    let _wires = [server.wire(), server.wire(), server.wire()];
}

#[test]
fn where_sign_up_is_closed_only_those_who_have_an_account_get_in() {
    let mut server = Server::start(&[]);
    server.user("yoda");
    server.stop();
    let launch = Forumd::new().args(&["--sign-up", "closed"]).on_data_of(server.launch());
    let server = launch.start();
    let closed = (Refusal::SignUpClosed, "Sign-up is closed".to_owned());
    let mut wire = server.wire();
    assert_eq!(wire.refused(&named("luke")), closed);
    wire.become_user("yoda");
    let finished = server.forum().run(&format!("luke\n{PASSWORD}\n{PASSWORD}\n"));
    assert!(finished.stderr.contains(&"Sign-up is closed".to_owned()), "{finished:#?}");
    assert_eq!(finished.code, Some(77), "{finished:#?}");
}
