//! What people who live in a terminal would miss beside the assignments' commands.
#![forbid(unsafe_code)]

use forum_common::wire::Request;
use forum_tests::{Server, notice, now_seconds, shown_since};

#[test]
fn rooms_lists_ones_own_rooms_with_their_members_and_messages() {
    let server = Server::start(&[]);
    let mut yoda = server.sign_up("yoda");
    yoda.does("rooms", "You are in no room");
    let mut leia = server.sign_up("leia");
    let _hans = server.sign_up("hans");
    yoda.hears_all(&["leia logged in", "hans logged in"]);
    yoda.does(
        "SRB leia hans",
        "Separate chat room has been created, room ID: 1, users in this room: yoda, leia, hans",
    );
    yoda.does("SRB leia", "Separate chat room has been created, room ID: 2, users in this room: yoda, leia");
    leia.hears_all(&[
        "hans logged in",
        "yoda put you in separate room 1: yoda, leia, hans",
        "yoda put you in separate room 2: yoda, leia",
    ]);
    for number in 1..=3 {
        yoda.says(&format!("SRM 1 m{number}"));
        leia.hears(&format!("yoda (room-1 #{number}): m{number}"));
    }
    yoda.says("SRM 2 alone");
    leia.hears("yoda (room-2 #1): alone");
    leia.does("rooms", "1: yoda, leia, hans (3 messages)");
    leia.hears("2: yoda, leia (1 message)");
}

#[test]
fn rdm_reads_from_a_number_on_whatever_the_clock_says() {
    let server = Server::start(&[]);
    let (mut yoda, mut leia) = (server.user("yoda"), server.user("leia"));
    for text in ["a", "b", "c"] {
        yoda.done(&Request::PostToBoard { text, key: None });
    }
    yoda.done(&Request::CreateRoom { users: "leia", key: None });
    for text in ["d", "e"] {
        yoda.done(&Request::PostToRoom { room: 1, text, key: None });
    }
    leia.expect_notices(&[
        notice::board_post(1, "yoda", "a"),
        notice::board_post(2, "yoda", "b"),
        notice::board_post(3, "yoda", "c"),
        notice::put_in_room(1, "yoda", "yoda leia"),
        notice::room_post(1, 1, "yoda", "d"),
        notice::room_post(1, 2, "yoda", "e"),
    ]);
    let mut luke = server.sign_up("luke");
    luke.says("RDM b #2");
    for start in ["#2; yoda: b at ", "#3; yoda: c at "] {
        let line = luke.line();
        assert!(line.starts_with(start), "{line}");
    }
    luke.does("RDM b #4", "no new message");
    luke.fails("RDM s 1 #1", "You are not in this separate room chat");
    luke.fails("RDM s 2 #1", "The separate room does not exist");
    luke.fails("RDM s x #1", "The separate room does not exist");
    luke.fails("RDM s #1", "Invalid timestamp");
    leia.log_out();
    let mut leia = server.log_in("leia");
    leia.does("RDM s 1 #2", "room-1:");
    let line = leia.line();
    assert!(line.starts_with("#2; yoda: e at "), "{line}");
}

#[test]
fn presence_is_told_from_on_until_off() {
    let server = Server::start(&[]);
    let mut yoda = server.sign_up("yoda");
    yoda.does("presence off", "Presence off");
    server.user("hans").log_out();
    yoda.does("presence on", "Presence on");
    server.user("luke").log_out();
    yoda.hears_all(&["luke logged in", "luke logged out"]);
    yoda.does("presence on", "Presence on");
    yoda.does("presence off", "Presence off");
    let _leia = server.user("leia");
    yoda.does("whoelse", "leia");
}

#[test]
fn whoami_names_the_user_the_server_and_the_time() {
    let server = Server::start(&[]);
    let before = now_seconds();
    let mut yoda = server.sign_up("yoda");
    yoda.says("whoami");
    let line = yoda.line();
    let moments = shown_since(before, "UTC");
    let lines = moments.iter().map(|at| format!("yoda at {}, logged in since {at}", server.address()));
    assert!(lines.into_iter().any(|wanted| line == wanted), "{line}");
}
