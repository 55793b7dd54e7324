//! Messages and rooms, in pipes and in front of a scripted server: what is shown, what is said about it to
//! the server, and what a command waits for.
#![forbid(unsafe_code)]

mod stage;

use forum_common::wire::{Closing, NO_TAG, Notice, Refusal, Reply, Request};
use rustix::process::Signal;
use stage::{AT, AT_MS, END, LIST_THREADS, Place, Script, post, read_thread, user};

fn message(number: u64, text: &str) -> Notice<'_> {
    Notice::Message { number, late: true, at_ms: AT_MS, from: "hans", text }
}

#[test]
fn notices_are_lines_of_their_own() {
    let script = Script::new();
    let client = Place::of_yoda(&script).pipe();
    let mut peer = script.admit();
    client.says("Welcome to the forum");
    for (notice, line) in [
        (Notice::LoggedIn { name: "hans" }, "hans logged in"),
        (Notice::Broadcast { at_ms: AT_MS, from: "hans", text: " hi" }, "hans:  hi"),
        (
            Notice::BoardPost { at_ms: AT_MS, number: 1, author: "hans", text: "\x1b[2J" },
            "hans (BCM #1): \\u{1b}[2J",
        ),
        (
            Notice::PutInRoom { room: 1, by: "hans", users: "hans yoda" },
            "hans put you in separate room 1: hans, yoda",
        ),
        (
            Notice::RoomPost { at_ms: AT_MS, room: 1, number: 1, author: "hans", text: "hi" },
            "hans (room-1 #1): hi",
        ),
        (Notice::LoggedOut { name: "hans" }, "hans logged out"),
    ] {
        peer.notice(&notice);
        client.says(line);
    }
    peer.expect_silence();
}

#[test]
fn messages_are_taken_once_all_of_a_read_are_shown() {
    let script = Script::new();
    let client = Place::of_yoda(&script).pipe();
    let mut peer = script.admit();
    client.says("Welcome to the forum");
    peer.notices(&[message(7, "one"), message(8, "two")]);
    client.says("hans: one");
    client.says("hans: two");
    peer.hears(&Request::AckMessages { up_to: 8 });
    // The server did not learn it; the message is not shown again, but acknowledged again.
    peer.notices(&[message(8, "two"), message(9, "three")]);
    client.says("hans: three");
    peer.hears(&Request::AckMessages { up_to: 9 });
    peer.notice(&message(9, "three"));
    peer.hears(&Request::AckMessages { up_to: 9 });
    peer.expect_silence();
}

#[test]
fn nothing_is_taken_that_nobody_has_read() {
    let script = Script::new();
    let client = Place::of_yoda(&script).pipe_stuck("RDT a\nLST\n");
    let mut peer = script.admit();
    let text = "x".repeat(8_000);
    let tag = peer.hears(&read_thread("a", None));
    for number in 1..=4 {
        peer.reply(tag, &post(number, "hans", &text));
    }
    peer.reply(tag, &END);
    // Half of the pipe is full now, and no more than four of the messages fit the other half.
    peer.hears(&LIST_THREADS);
    let messages: Vec<_> = (1..=7).map(|number| message(number, &text)).collect();
    peer.notices(&messages);
    let taken = |request: &Request<'_>| match request {
        Request::AckMessages { up_to } => *up_to,
        other => panic!("{other:?}"),
    };
    client.wait_stuck();
    client.signal(Signal::TERM);
    for up_to in peer.hears_to_the_end(taken) {
        assert!(up_to <= 4, "message {up_to} was acknowledged, and nobody can read it");
    }
}

#[test]
fn messages_that_come_with_the_goodbye_are_taken_all_the_same() {
    let script = Script::new();
    let client = Place::of_yoda(&script).pipe_all("");
    let mut peer = script.admit();
    let tag = peer.hears(&Request::LogOut);
    let mut bytes = Vec::new();
    message(1, "wait").encode(NO_TAG, &mut bytes);
    Reply::Done { at_ms: AT_MS, text: "Goodbye" }.encode(tag, &mut bytes);
    peer.send(&bytes);
    peer.hears(&Request::AckMessages { up_to: 1 });
    peer.expect_end();
    let (status, out, _) = client.end();
    assert_eq!(
        (status, out),
        (Some(0), ["Welcome to the forum", "hans: wait", "Goodbye"].map(String::from).to_vec())
    );
}

#[test]
fn a_done_without_words_prints_nothing_and_lets_the_next_line_go() {
    let script = Script::new();
    let input = "message hans  hi there\nbroadcast hi\nbroadcast ho\nblock hans\nunblock luke\n";
    let client = Place::of_yoda(&script).pipe_all(input);
    let mut peer = script.admit();
    let tag = peer.hears(&Request::SendMessage { user: "hans", text: " hi there", key: None });
    peer.expect_silence();
    peer.done(tag, "");
    let tag = peer.hears(&Request::SendBroadcast { text: "hi" });
    peer.done(tag, "");
    let tag = peer.hears(&Request::SendBroadcast { text: "ho" });
    peer.refuse(tag, Refusal::NotToAll, "Your message could not be delivered to some recipients");
    let tag = peer.hears(&Request::Block { user: "hans", key: None });
    peer.done(tag, "hans is blocked");
    let tag = peer.hears(&Request::Unblock { user: "luke", key: None });
    peer.refuse(tag, Refusal::NotBlocked, "Error. luke was not blocked");
    peer.say_goodbye();
    let (status, out, err) = client.end();
    assert_eq!(out, ["Welcome to the forum", "hans is blocked", "Goodbye"]);
    assert_eq!(
        err,
        ["Your message could not be delivered to some recipients", "Error. luke was not blocked"]
    );
    assert_eq!(status, Some(1));
}

#[test]
fn users_are_listed_or_said_not_to_be_there() {
    let script = Script::new();
    let client = Place::of_yoda(&script).pipe_all("whoelse\nwhoelsesince 60\nwhoelsesince x\nATU\nATU\n");
    let mut peer = script.admit();
    let tag = peer.hears(&Request::WhoElse { after: None, at_most: None });
    peer.reply(tag, &user("hans"));
    peer.notice(&Notice::LoggedIn { name: "luke" });
    peer.reply(tag, &user("obi"));
    peer.reply(tag, &END);
    let tag = peer.hears(&Request::WhoElseSince { seconds: 60, after: None, at_most: None });
    peer.reply(tag, &END);
    // A word that is no number has no place on the wire; saying so is activity.
    peer.hears(&Request::Active);
    let tag = peer.hears(&Request::ListActive { after: None, at_most: None });
    peer.reply(tag, &END);
    let tag = peer.hears(&Request::ListActive { after: None, at_most: None });
    let (name, address) = ("Obi-wan", "129.129.2.1");
    let user = Reply::ActiveUserItem { name, address, udp_port: 8_001, since_ms: AT_MS };
    peer.reply(tag, &user);
    peer.reply(tag, &END);
    peer.say_goodbye();
    let (_, out, err) = client.end();
    assert_eq!(out[1..4], ["hans", "luke logged in", "obi"]);
    let active = "Obi-wan, 129.129.2.1, 8001, active since 1 Jun 2022 16:00:01.";
    assert_eq!(out[4..], ["No one else is online", "no other active user", active, "Goodbye"]);
    assert_eq!(err, ["Invalid number"]);
}

#[test]
fn rooms_and_the_board_are_posted_to_and_read() {
    let script = Script::new();
    let input = "BCM  hi\nSRB  hans   luke \nSRM 1 hi\nSRM x hi\nRDM b 1 Jun 2022 16:00:00\nRDM s 1 Jun\n\
        RDM s 2022-06-01T06:00:00Z\nRDM s\nRDM x 1 Jun 2022 16:00:00\n";
    let client = Place::of_yoda(&script).pipe_all(input);
    let mut peer = script.admit();
    let tag = peer.hears(&Request::PostToBoard { text: " hi", key: None });
    peer.done(tag, "Broadcast message, #1 broadcast at 1 Jun 2022 15:00:01.");
    let tag = peer.hears(&Request::CreateRoom { users: " hans   luke ", key: None });
    peer.done(tag, "Separate chat room has been created, room ID: 1, users in this room: yoda, hans, luke");
    let tag = peer.hears(&Request::PostToRoom { room: 1, text: "hi", key: None });
    peer.done(tag, "Message #1 sent to separate room 1 at 1 Jun 2022 16:05:00.");
    let tag = peer.hears(&Request::PostToRoom { room: 0, text: "hi", key: None });
    peer.refuse(tag, Refusal::NoSuchRoom, "The separate room does not exist");
    let later_than_ms = Some(AT_MS - 1_000);
    let tag = peer.hears(&Request::ReadBoard { later_than_ms, after: None, at_most: None, from: None });
    peer.reply(tag, &Reply::BoardItem { number: 1, at_ms: AT_MS, author: "yoda", text: " hi" });
    peer.reply(tag, &END);
    // A time that is none has no place on the wire; saying so is activity.
    peer.hears(&Request::Active);
    let (after, at_most, room, from) = (None, None, None, None);
    let tag = peer.hears(&Request::ReadRooms { later_than_ms, after, at_most, room, from });
    for (room, number) in [(1, 1), (1, 2), (4, 1)] {
        peer.reply(tag, &Reply::RoomItem { room, number, at_ms: AT_MS, author: "yoda", text: "hi" });
    }
    peer.reply(tag, &END);
    peer.say_goodbye();
    let (_, out, err) = client.end();
    let post = |number| format!("#{number}; yoda: hi at {AT}.");
    assert_eq!(out[1], "Broadcast message, #1 broadcast at 1 Jun 2022 15:00:01.");
    assert_eq!(out[4], format!("#1; yoda:  hi at {AT}."));
    assert_eq!(out[5..], ["room-1:".into(), post(1), post(2), "room-4:".into(), post(1), "Goodbye".into()]);
    let syntax = ["Incorrect syntax for RDM", "Usage: RDM b|s timestamp"];
    assert_eq!(err[..2], ["The separate room does not exist", "Invalid timestamp"]);
    assert_eq!([&err[2..4], &err[4..]], [&syntax, &syntax]);
}

#[test]
fn a_client_that_was_too_slow_is_told_and_ends_with_69() {
    let script = Script::new();
    let client = Place::of_yoda(&script).pipe();
    let mut peer = script.admit();
    client.says("Welcome to the forum");
    peer.notice(&message(1, "hi"));
    client.says("hans: hi");
    peer.hears(&Request::AckMessages { up_to: 1 });
    peer.close(Closing::TooSlow, "You have been disconnected: too slow");
    let (status, out, err) = client.end();
    assert_eq!((status, out, err), (Some(69), vec![], vec!["You have been disconnected: too slow".into()]));
}
