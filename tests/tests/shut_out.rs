//! Few users, or strangers, who would shut everybody else out: from the server, from what it has only so many of, from
//! another user, from their own account.
#![forbid(unsafe_code)]

use forum_common::wire::{Closing, OwnedFromServer, OwnedNotice, Refusal, Request, Transfer};
use forum_tests::{Forumd, PASSWORD, SAFE_TIMEOUT_SECONDS, Server, Wire, outcome};

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
fn transfers_that_stand_still_leave_descriptors_for_newcomers() {
    let limit = "ulimit -n 400 && exec \"$@\"";
    let server = Forumd::new().under(&["sh", "-c", limit, "sh"]).start();
    let mut yoda = server.user("yoda");
    yoda.done(&Request::CreateThread { title: "t", key: None });
    assert!(yoda.upload("t", "f", &[7; 1_000_000]).is_ok());
    let mut users: Vec<Wire> = (0..19).map(|n| server.user(&format!("user{n}"))).collect();
    for (n, user) in users.iter_mut().enumerate() {
        begin_transfers(user, &[0, 1, 2, 3].map(|file| format!("{n}-{file}")));
    }
    for _ in 0..20 {
        server.wire();
    }
}

#[test]
fn uploads_that_send_nothing_give_their_slots_back() {
    let seconds = SAFE_TIMEOUT_SECONDS.to_string();
    let server = Server::start(&["--transfer-timeout", &seconds, "--max-total-uploads", "8"]);
    let mut yoda = server.user("yoda");
    yoda.done(&Request::CreateThread { title: "t", key: None });
    let mut silent = [server.user("one"), server.user("other")];
    let tags = [0, 1].map(|n| {
        let files = [0, 1, 2, 3].map(|file| format!("{n}-{file}"));
        files.map(|file| silent[n].start_upload("t", &file, 1_000_000).expect("a free slot").0)
    });
    assert!(yoda.start_upload("t", "f", 1).is_err(), "all slots are taken");
    for (n, user) in silent.iter_mut().enumerate() {
        for (file, tag) in tags[n].iter().enumerate() {
            let text = format!("{n}-{file} was given up: no progress for {seconds} seconds");
            assert_eq!(user.outcome_of(*tag), outcome::refused(Refusal::TransferAborted, &text));
        }
    }
    assert!(yoda.upload("t", "f", b"x").is_ok());
    assert_eq!(server.stored_files(), 1);
}

#[test]
fn who_was_turned_away_keeps_nobody_out() {
    const CONNECTIONS: usize = 20;
    let server = Server::start(&["--max-connections", "20"]);
    let mut inside: Vec<Wire> = (0..CONNECTIONS).map(|_| server.wire()).collect();
    // They hear that the server is full, and keep their sockets.
    let _turned_away: Vec<Wire> = (0..32)
        .map(|_| {
            let mut wire = server.raw();
            assert!(matches!(wire.next_frame(), Some(OwnedFromServer::Notice(OwnedNotice::Closing { .. }))));
            wire
        })
        .collect();
    for wire in &mut inside {
        wire.close_output();
        assert_eq!(wire.expect_closing().0, Closing::EndOfInput);
    }
    let _newcomers: Vec<Wire> = (0..CONNECTIONS).map(|_| server.wire()).collect();
}

/// Open questions are limited per pair.
#[test]
fn one_users_offers_leave_room_for_anothers_question() {
    let server = Server::start(&[]);
    let [mut yoda, mut mallory, mut hans] = server.online(["yoda", "mallory", "hans"]);
    let text = "Limit reached: at most 8 open questions from one user to another";
    for n in 0..64 {
        let answer = mallory.outcome(&Request::OfferFile { user: "yoda", size: 1, file: &format!("f{n}") });
        match n {
            0..8 => assert!(answer.is_ok(), "{answer:?}"),
            _ => assert_eq!(answer, outcome::refused(Refusal::LimitReached, text)),
        }
    }
    let answer = hans.outcome(&Request::AskPrivate { user: "yoda", enabled: false });
    assert!(answer.is_ok(), "{answer:?}");
    yoda.ping();
}

/// A right password from an address that did not fail passes.
#[test]
fn a_stranger_with_wrong_passwords_does_not_keep_the_owner_out() {
    let server = Server::start(&["--max-attempts", "3", "--block-duration", "600"]);
    server.user("yoda").log_out();
    let stranger = || {
        let mut stranger = Wire::connect_from([127, 0, 0, 2].into(), server.address());
        stranger.hello();
        stranger
    };
    let mut guessing = stranger();
    for _ in 0..3 {
        guessing.log_in("yoda", "guess").unwrap_err();
    }
    let mut owner = server.wire();
    assert_eq!(owner.log_in("yoda", PASSWORD), outcome::welcome());
    owner.log_out();
    let text = "Your account is blocked due to multiple login failures. Please try again later";
    assert_eq!(stranger().log_in("yoda", PASSWORD), outcome::refused(Refusal::Blocked, text));
}
