//! Few users, or strangers, who shut everybody else out: C2, C4 and C5.

use forum_common::wire::{OwnedFromServer, OwnedNotice, OwnedReply, Request, Transfer};
use forum_tests::{Forumd, PASSWORD, Server, Wire, hello, outcome};

use crate::{ALARM, ALARM_SECONDS, ring};

/// A newcomer that got in, or what it heard instead.
fn come_in(server: &Server) -> Result<Wire, String> {
    let mut wire = server.raw();
    wire.send(&hello());
    match wire.next_frame_or_reset() {
        Ok(Some(OwnedFromServer::Reply(_, OwnedReply::ServerHello { .. }))) => Ok(wire),
        other => Err(format!("{other:?}")),
    }
}

/// Begins as many transfers as a user may, has a byte of each file read, and does nothing more. Some may be
/// refused.
fn begin_transfers(wire: &mut Wire, uploads: &[String]) {
    for _ in 0..16 {
        let tag = wire.send(&Request::Download { title: "t", file: "f", offset: None, digest: None });
        wire.send_transfer(tag, &Transfer::Credit { bytes: 1 });
    }
    for file in uploads {
        wire.send(&Request::Upload { title: "t", file, size: 1_000_000, key: None });
    }
    let tag = wire.send(&Request::Ping { payload: b"?" });
    while !matches!(wire.next_frame(), Some(OwnedFromServer::Reply(its_tag, _)) if its_tag == tag) {}
}

/// Descriptors are a budget: transfers that wait hold none, and never those of connections.
#[test]
fn c2_transfers_that_stand_still_leave_descriptors_for_newcomers() {
    let limit = "ulimit -n 400 && exec \"$@\"";
    let server = Forumd::new().under(&["sh", "-c", limit, "sh"]).start();
    let mut yoda = server.user("yoda");
    yoda.done(&Request::CreateThread { title: "t", key: None });
    assert!(yoda.upload("t", "f", &[7; 1_000_000]).is_ok());
    let mut users: Vec<Wire> = (0..19).map(|n| server.user(&format!("user{n}"))).collect();
    for (n, user) in users.iter_mut().enumerate() {
        begin_transfers(user, &[0, 1, 2, 3].map(|file| format!("{n}-{file}")));
    }
    let newcomers: Result<Vec<Wire>, String> = (0..20).map(|_| come_in(&server)).collect();
    let heard = newcomers.err();
    assert_eq!(
        heard,
        None,
        "C2: {} users have taken all descriptors, and a newcomer hears that",
        users.len()
    );
}

/// An upload that sends nothing for a minute is given up.
#[test]
fn c2_uploads_that_send_nothing_do_not_keep_others_out_for_ever() {
    let server = Server::start(&[&ALARM[..], &["--max-total-uploads", "8"]].concat());
    let mut yoda = server.user("yoda");
    yoda.done(&Request::CreateThread { title: "t", key: None });
    let mut silent = [server.user("one"), server.user("other")];
    for (n, user) in silent.iter_mut().enumerate() {
        for file in 0..4 {
            user.start_upload("t", &format!("{n}-{file}"), 1_000_000).expect("a free slot");
        }
    }
    assert!(yoda.start_upload("t", "f", 1).is_err(), "all slots are taken");
    for _ in 0..70 / ALARM_SECONDS {
        ring(&server);
    }
    let started = yoda.start_upload("t", "f", 1);
    assert!(started.is_ok(), "C2: after 70 s the slots are still taken: {started:?}");
}

/// Who is turned away does not count as a connection.
#[test]
fn c2_who_was_turned_away_keeps_nobody_out() {
    const CONNECTIONS: usize = 20;
    let server = Server::start(&["--max-connections", "20"]);
    let mut inside: Vec<Wire> = (0..CONNECTIONS).map(|_| server.wire()).collect();
    // They hear that the server is full, and keep their sockets.
    let turned_away: Vec<Wire> = (0..32)
        .map(|_| {
            let mut wire = server.raw();
            assert!(matches!(wire.next_frame(), Some(OwnedFromServer::Notice(OwnedNotice::Closing { .. }))));
            wire
        })
        .collect();
    for wire in &mut inside {
        wire.close_output();
        wire.expect_closed();
    }
    let newcomer = come_in(&server);
    let (left, waiting) = (inside.len(), turned_away.len());
    assert!(newcomer.is_ok(), "C2: {left} have left, {waiting} who were turned away remain: {newcomer:?}");
}

/// Open questions are limited per pair, so nobody uses up another's.
#[test]
fn c4_one_users_offers_leave_room_for_anothers_question() {
    let server = Server::start(&[]);
    let [mut yoda, mut mallory, mut hans] = server.online(["yoda", "mallory", "hans"]);
    for n in 0..64 {
        mallory.send(&Request::OfferFile { user: "yoda", size: 1, file: &format!("f{n}") });
    }
    // Each is answered, allowed or not.
    for _ in 0..64 {
        assert!(matches!(mallory.next_frame(), Some(OwnedFromServer::Reply(..))));
    }
    let answer = hans.outcome(&Request::AskPrivate { user: "yoda", enabled: false });
    assert!(answer.is_ok(), "C4: 64 offers of another user are open: {answer:?}");
    yoda.ping();
}

/// A right password from an address that did not fail passes.
#[test]
fn c5_a_stranger_with_wrong_passwords_does_not_keep_the_owner_out() {
    let server = Server::start(&["--max-attempts", "3", "--block-duration", "600"]);
    server.user("yoda").log_out();
    let mut stranger = Wire::connect_from([127, 0, 0, 2].into(), server.address());
    stranger.hello();
    for _ in 0..3 {
        stranger.log_in("yoda", "guess").unwrap_err();
    }
    let owner = server.wire().log_in("yoda", PASSWORD);
    assert_eq!(owner, outcome::welcome(), "C5: the owner, from another address");
}
