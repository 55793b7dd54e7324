//! Presence: who sees whom come and go, who is shown to whom, and when silence ends a session.
#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use forum_common::wire::{Closing, OwnedFromServer, OwnedNotice, OwnedReply, Refusal, Request};
use forum_tests::{
    Forum, Forumd, PASSWORD, SAFE_TIMEOUT_SECONDS, Server, Wire, notice, now_seconds, outcome, shown_since,
    until,
};
use rustix::process::Signal;

fn who_else(wire: &mut Wire) -> Vec<String> {
    wire.lines(&Request::WhoElse { after: None, at_most: None })
}

fn who_else_since(wire: &mut Wire, seconds: u64) -> Vec<String> {
    wire.lines(&Request::WhoElseSince { seconds, after: None, at_most: None })
}

#[test]
fn everyone_else_sees_who_comes_and_goes_and_nobody_their_own() {
    let server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    let mut hans = server.user("hans");
    yoda.expect_notices(&[notice::logged_in("hans")]);
    hans.expect_notices(&[]);
    let mut luke = server.user("luke");
    for wire in [&mut yoda, &mut hans] {
        wire.expect_notices(&[notice::logged_in("luke")]);
    }
    luke.expect_notices(&[]);
    yoda.log_out();
    for wire in [&mut hans, &mut luke] {
        wire.expect_notices(&[notice::logged_out("yoda")]);
    }
    let mut yoda = server.user("yoda");
    for wire in [&mut hans, &mut luke] {
        wire.expect_notices(&[notice::logged_in("yoda")]);
    }
    yoda.expect_notices(&[]);
}

#[test]
fn only_a_log_in_that_went_well_is_seen() {
    let server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    server.user("hans").log_out();
    yoda.expect_notices(&[notice::logged_in("hans"), notice::logged_out("hans")]);
    let mut stranger = server.wire();
    assert!(matches!(stranger.log_in("hans", "wrong"), Err((Refusal::InvalidPassword, _))));
    assert!(matches!(stranger.log_in("yoda", PASSWORD), Err((Refusal::AlreadyLoggedIn, _))));
    assert_eq!(stranger.name("luke"), Ok(false));
    drop(stranger);
    drop(server.raw());
    server.wire().ping();
    yoda.expect_notices(&[]);
}

#[test]
fn however_a_session_ends_it_is_seen_once() {
    let server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    let both = [notice::logged_in("hans"), notice::logged_out("hans")];
    server.user("hans").log_out();
    yoda.expect_notices(&both);
    // Cut off.
    drop(server.user("hans"));
    yoda.expect_notices(&both);
    // Says politely that nothing more will come.
    let mut hans = server.user("hans");
    hans.close_output();
    yoda.expect_notices(&both);
    drop(hans);
    // Breaks the protocol.
    let mut hans = server.user("hans");
    hans.send(&Request::ClientHello { version: 1, client: "test", presence: true });
    assert_eq!(hans.expect_closing().0, Closing::ProtocolError);
    yoda.expect_notices(&both);
    // A process that dies.
    let hans = server.log_in("hans");
    hans.signal(Signal::KILL);
    yoda.expect_notices(&both);
}

#[test]
fn whom_name_has_blocked_does_not_see_name_come_and_go() {
    let server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    let mut hans = server.user("hans");
    let mut luke = server.user("luke");
    yoda.expect_notices(&[notice::logged_in("hans"), notice::logged_in("luke")]);
    hans.expect_notices(&[notice::logged_in("luke")]);
    hans.block("yoda");
    hans.log_out();
    luke.expect_notices(&[notice::logged_out("hans")]);
    yoda.expect_notices(&[]);
    let mut hans = server.user("hans");
    luke.expect_notices(&[notice::logged_in("hans")]);
    yoda.expect_notices(&[]);
    // The blocked one's own comings and goings still reach the blocker.
    yoda.log_out();
    hans.expect_notices(&[notice::logged_out("yoda")]);
    let mut yoda = server.user("yoda");
    hans.expect_notices(&[notice::logged_in("yoda")]);
    hans.unblock("yoda");
    hans.log_out();
    yoda.expect_notices(&[notice::logged_out("hans")]);
}

#[test]
fn whoelse_lists_the_others_in_the_order_they_came() {
    let server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    assert_eq!(who_else(&mut yoda), Vec::<String>::new());
    let zorro = server.user("zorro");
    let mut hans = server.user("hans");
    let _adam = server.user("adam");
    assert_eq!(who_else(&mut yoda), ["zorro", "hans", "adam"]);
    assert_eq!(who_else(&mut hans), ["yoda", "zorro", "adam"]);
    zorro.log_out();
    let _zorro = server.user("zorro");
    assert_eq!(who_else(&mut hans), ["yoda", "adam", "zorro"]);
    // Who has not finished logging in is not there yet.
    let mut half = server.wire();
    assert_eq!(half.name("half"), Ok(false));
    assert_eq!(who_else(&mut hans), ["yoda", "adam", "zorro"]);
}

#[test]
fn who_blocked_the_asker_is_in_no_list() {
    let server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    let mut hans = server.user("hans");
    let mut luke = server.user("luke");
    hans.block("yoda");
    assert_eq!(who_else(&mut yoda), ["luke"]);
    assert_eq!(who_else(&mut hans), ["yoda", "luke"]);
    assert_eq!(who_else(&mut luke), ["yoda", "hans"]);
    assert_eq!(who_else_since(&mut yoda, 1000), ["luke"]);
    assert_eq!(yoda.list(&Request::ListActive { after: None, at_most: None }).len(), 1);
    assert_eq!(hans.list(&Request::ListActive { after: None, at_most: None }).len(), 2);
    hans.log_out();
    assert_eq!(who_else_since(&mut yoda, 1000), ["luke"]);
    assert_eq!(who_else_since(&mut luke, 1000), ["yoda", "hans"]);
    luke.block("yoda");
    assert_eq!(who_else(&mut yoda), Vec::<String>::new());
    assert_eq!(who_else_since(&mut yoda, 1000), Vec::<String>::new());
    assert_eq!(yoda.list(&Request::ListActive { after: None, at_most: None }), []);
}

#[test]
fn whoelsesince_lists_those_online_and_then_those_who_went_the_latest_first() {
    let mut server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    let hans = server.user("hans");
    let luke = server.user("luke");
    let leia = server.user("leia");
    let twice = server.user("twice");
    twice.log_out();
    luke.log_out();
    hans.log_out();
    // Who came back is listed once.
    let twice = server.user("twice");
    for seconds in [1_000, 31_536_000_000, u64::MAX] {
        assert_eq!(who_else_since(&mut yoda, seconds), ["leia", "twice", "hans", "luke"], "{seconds}");
    }
    twice.log_out();
    assert_eq!(who_else_since(&mut yoda, 1000), ["leia", "twice", "hans", "luke"]);
    // It reaches back to the server's start and no further.
    drop((yoda, leia));
    server.stop();
    server.start_again();
    let mut yoda = server.user("yoda");
    assert_eq!(who_else_since(&mut yoda, 1000), Vec::<String>::new());
}

#[test]
fn whoelsesince_forgets_after_the_time_asked_for() {
    let server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    let hans = server.user("hans");
    assert_eq!(who_else_since(&mut yoda, 0), ["hans"]);
    let start = Instant::now();
    hans.log_out();
    until("hans is forgotten by 0", || who_else_since(&mut yoda, 0).is_empty().then_some(()));
    assert_eq!(who_else_since(&mut yoda, 60), ["hans"]);
    until("hans is forgotten by 1", || who_else_since(&mut yoda, 1).is_empty().then_some(()));
    assert!(start.elapsed() >= Duration::from_secs(1), "{:?}", start.elapsed());
    assert_eq!(who_else_since(&mut yoda, 60), ["hans"]);
}

#[test]
fn atu_shows_where_the_others_are_and_since_when() {
    const ZONE: &str = "Australia/Sydney";
    let server = Forumd::new().env("TZ", ZONE).start();
    let mut yoda = server.user("yoda");
    assert_eq!(yoda.list(&Request::ListActive { after: None, at_most: None }), []);
    let before = now_seconds();
    let (mut obi, mut anakin) = (server.wire(), server.wire());
    obi.become_user_at_port("Obi-wan", 8001);
    anakin.become_user_at_port("anakin", 65535);
    let times = before..=now_seconds();
    let active = yoda.list(&Request::ListActive { after: None, at_most: None });
    let mut wanted = [("Obi-wan", 8001), ("anakin", 65535)].into_iter();
    for user in &active {
        let OwnedReply::ActiveUserItem { name, address, udp_port, since_ms } = user else {
            panic!("{user:?}")
        };
        assert_eq!(Some((&**name, *udp_port)), wanted.next());
        assert_eq!(address, "127.0.0.1");
        assert!(times.contains(&(since_ms / 1_000)), "{since_ms} is not among {times:?}");
    }
    assert_eq!(wanted.next(), None);
    let lines = anakin.lines(&Request::ListActive { after: None, at_most: None });
    assert!(lines[0].starts_with("yoda, 127.0.0.1, 0, active since "), "{lines:?}");
    let since = |time: &String| lines[1] == format!("Obi-wan, 127.0.0.1, 8001, active since {time}.");
    assert!(shown_since(before, ZONE).iter().any(since), "{lines:?}");
    assert_eq!(lines.len(), 2);
}

#[test]
fn silence_ends_a_session_and_pings_are_silence() {
    let server = Server::start(&["--timeout", &SAFE_TIMEOUT_SECONDS.to_string()]);
    let start = Instant::now();
    let (mut yoda, mut active) = (server.user("yoda"), server.user("active"));
    let (mut hans, mut silent) = (server.user("hans"), server.user("silent"));
    let mut closings = Vec::new();
    until("two are logged out", || {
        // What is refused is activity all the same, and so is what the server never sees.
        assert_eq!(
            yoda.refused(&Request::SendMessage { user: "nobody", text: "x", key: None }).0,
            Refusal::InvalidUser
        );
        active.send(&Request::Active);
        if closings.is_empty() {
            let (_, silence) =
                hans.frames([Request::AckMessages { up_to: 0 }, Request::Ping { payload: b"?" }]);
            hans.send_bytes_regardless(&silence);
            match hans.next_frame_or_reset() {
                Ok(Some(OwnedFromServer::Reply(_, OwnedReply::Pong { .. }))) => {}
                Ok(Some(OwnedFromServer::Notice(OwnedNotice::Closing { code, text }))) => {
                    closings.push((code, text))
                }
                other => panic!("{other:?}"),
            }
        }
        (who_else(&mut yoda) == ["active"]).then_some(())
    });
    assert!(start.elapsed() >= Duration::from_secs(SAFE_TIMEOUT_SECONDS), "after {:?}", start.elapsed());
    if closings.is_empty() {
        closings.push(hans.expect_closing());
    }
    closings.push(silent.expect_closing());
    let text = format!("You have been logged out: no activity for {SAFE_TIMEOUT_SECONDS} seconds");
    assert_eq!(closings, vec![(Closing::Idle, text); 2]);
    let seen = yoda.notices_so_far();
    for name in ["hans", "silent"] {
        assert_eq!(seen.iter().filter(|notice| **notice == notice::logged_out(name)).count(), 1);
    }
}

/// Sends all that a log-in takes in one piece; the tags of its two answers.
fn start_log_in(wire: &mut Wire, name: &str) -> Vec<u32> {
    wire.send_all([
        Request::LogIn { name, udp_port: 0, take_over: None, session: None },
        Request::Password { password: PASSWORD },
    ])
}

#[test]
fn of_many_who_come_at_once_each_sees_exactly_those_who_came_behind_it() {
    const USERS: usize = 40;
    let server = Server::start(&["--durability", "none"]);
    let names: Vec<String> = (0..USERS).map(|number| format!("user{number}")).collect();
    let has_blocked =
        |blocker: usize, blocked: usize| blocker != blocked && (blocker + blocked).is_multiple_of(7);
    let index_of = |name: &str| names.iter().position(|other| other == name).expect("one of them");
    let mut wires: Vec<Wire> = names.iter().map(|name| server.user(name)).collect();
    for (blocker, wire) in wires.iter_mut().enumerate() {
        for blocked in (0..USERS).filter(|index| has_blocked(blocker, *index)) {
            wire.block(&names[blocked]);
        }
    }
    for wire in wires {
        wire.log_out();
    }
    let mut witness = server.user("witness");
    let mut wires: Vec<Wire> = names.iter().map(|_| server.wire()).collect();
    let tags: Vec<_> = wires.iter_mut().zip(&names).map(|(wire, name)| start_log_in(wire, name)).collect();
    for (wire, tags) in wires.iter_mut().zip(tags) {
        let welcome = tags.into_iter().map(|tag| wire.answer(tag)).last();
        assert_eq!(welcome.map(outcome::of), Some(outcome::welcome()));
    }
    let order: Vec<usize> = who_else(&mut witness).iter().map(|name| index_of(name)).collect();
    assert_eq!(order.len(), USERS);
    let coming = |index: &usize| notice::logged_in(&names[*index]);
    witness.expect_notices(&order.iter().map(coming).collect::<Vec<_>>());
    for (place, index) in order.iter().enumerate() {
        let visible = order[place + 1..].iter().filter(|other| !has_blocked(**other, *index));
        wires[*index].expect_notices(&visible.map(coming).collect::<Vec<_>>());
    }
    // And all of them go at once: each is seen going by all who are still there, and by nobody twice.
    for wire in &mut wires {
        wire.send(&Request::LogOut);
    }
    let mut going = witness.notices_until(USERS);
    going.sort_by_key(|notice| match notice {
        OwnedNotice::LoggedOut { name } => index_of(name),
        other => panic!("{other:?}"),
    });
    assert_eq!(going, names.iter().map(|name| notice::logged_out(name)).collect::<Vec<_>>());
}

#[test]
fn people_see_presence_and_the_lists_as_lines() {
    let server = Forumd::new().start();
    let mut yoda = server.sign_up("yoda");
    yoda.does("whoelse", "No one else is online");
    yoda.does("whoelsesince 1000", "No one else is online");
    yoda.does("ATU", "no other active user");
    let address = server.address();
    let place = [address.ip().to_string(), address.port().to_string(), "8001".to_owned()];
    let before = now_seconds();
    let mut hans = Forum::with_place(&place).sign_up("hans");
    yoda.hears("hans logged in");
    let times = shown_since(before, "UTC");
    let mut luke = server.sign_up("luke");
    for client in [&mut yoda, &mut hans] {
        client.hears("luke logged in");
    }
    yoda.says("whoelse");
    yoda.hears_all(&["hans", "luke"]);
    luke.leaves();
    for client in [&mut yoda, &mut hans] {
        client.hears("luke logged out");
    }
    yoda.says("whoelsesince 1000");
    yoda.hears_all(&["hans", "luke"]);
    yoda.says("ATU");
    let line = yoda.line();
    let since = line.strip_prefix("hans, 127.0.0.1, 8001, active since ").and_then(|at| at.strip_suffix('.'));
    assert!(since.is_some_and(|at| times.iter().any(|time| time == at)), "{line} has none of {times:?}");
    hans.does("block yoda", "yoda is blocked");
    yoda.does("whoelse", "No one else is online");
    yoda.does("ATU", "no other active user");
    hans.leaves();
    // yoda does not see that; the next thing is the goodbye.
    yoda.leaves();
}

#[test]
fn atu_takes_no_words() {
    let server = Server::start(&[]);
    let mut yoda = server.sign_up("yoda");
    yoda.fails_with_usage("ATU now");
}
