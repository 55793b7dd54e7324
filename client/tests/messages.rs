//! Messages and rooms, in pipes and in front of a scripted server: what is shown, what is said about it to
//! the server, and what a command waits for.
#![forbid(unsafe_code)]

mod stage;

use forum_common::notice::Notice;
use forum_common::refusal::{Closing, Refusal};
use forum_common::reply::Reply;
use forum_common::request::Request;
use rustix::process::Signal;
use stage::{Place, Script};

const AT: &str = "1 Jun 2022 16:00:01";

fn message(number: u64, text: &str) -> Notice<'_> {
    Notice::Message { number, late: true, from: "hans", at: AT, text }
}

#[test]
fn notices_are_lines_of_their_own() {
    let script = Script::new();
    let client = Place::of_yoda(&script).pipe();
    let mut peer = script.admit();
    client.says("Welcome to the forum");
    for (notice, line) in [
        (Notice::LoggedIn("hans"), "hans logged in"),
        (Notice::Broadcast { from: "hans", text: " hi" }, "hans:  hi"),
        (Notice::BoardPost { number: 1, author: "hans", text: "\x1b[2J" }, "hans (BCM #1): \\u{1b}[2J"),
        (
            Notice::PutInRoom { room: 1, by: "hans", users: "hans, yoda" },
            "hans put you in separate room 1: hans, yoda",
        ),
        (Notice::RoomPost { room: 1, number: 1, author: "hans", text: "hi" }, "hans (room-1 #1): hi"),
        (Notice::LoggedOut("hans"), "hans logged out"),
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
    peer.hears(&Request::Taken { up_to: 8 });
    // The server did not learn it; the message is not shown again, but acknowledged again.
    peer.notices(&[message(8, "two"), message(9, "three")]);
    client.says("hans: three");
    peer.hears(&Request::Taken { up_to: 9 });
    peer.notice(&message(9, "three"));
    peer.hears(&Request::Taken { up_to: 9 });
    peer.expect_silence();
}

#[test]
fn nothing_is_taken_that_nobody_has_read() {
    let script = Script::new();
    let client = Place::of_yoda(&script).pipe_stuck("RDT a\nLST\n");
    let mut peer = script.admit();
    let text = "x".repeat(8_000);
    let tag = peer.hears(&Request::ReadThread { title: "a", range: None });
    for number in 1..=4 {
        peer.reply(tag, &Reply::Post { number, author: "hans", text: &text });
    }
    peer.reply(tag, &Reply::EndOfList);
    // Half of the pipe is full now, and no more than four of the messages fit the other half.
    peer.hears(&Request::ListThreads);
    let messages: Vec<_> = (1..=7).map(|number| message(number, &text)).collect();
    peer.notices(&messages);
    let taken = |request: &Request<'_>| match request {
        Request::Taken { up_to } => *up_to,
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
    message(1, "wait").encode(&mut bytes);
    Reply::Done { text: "Goodbye" }.encode(tag, &mut bytes);
    peer.send(&bytes);
    peer.hears(&Request::Taken { up_to: 1 });
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
    let tag = peer.hears(&Request::Message { user: "hans", text: " hi there" });
    peer.expect_silence();
    peer.done(tag, "");
    let tag = peer.hears(&Request::Broadcast { text: "hi" });
    peer.done(tag, "");
    let tag = peer.hears(&Request::Broadcast { text: "ho" });
    peer.refuse(tag, Refusal::NotToAll, "Your message could not be delivered to some recipients");
    let tag = peer.hears(&Request::Block { user: "hans" });
    peer.done(tag, "hans is blocked");
    let tag = peer.hears(&Request::Unblock { user: "luke" });
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
    let tag = peer.hears(&Request::WhoElse);
    peer.reply(tag, &Reply::User("hans"));
    peer.notice(&Notice::LoggedIn("luke"));
    peer.reply(tag, &Reply::User("obi"));
    peer.reply(tag, &Reply::EndOfList);
    let tag = peer.hears(&Request::WhoElseSince { seconds: "60" });
    peer.reply(tag, &Reply::EndOfList);
    let tag = peer.hears(&Request::WhoElseSince { seconds: "x" });
    peer.refuse(tag, Refusal::InvalidNumber, "Invalid number");
    let tag = peer.hears(&Request::ListActive);
    peer.reply(tag, &Reply::EndOfList);
    let tag = peer.hears(&Request::ListActive);
    let user = Reply::ActiveUser { name: "Obi-wan", address: "129.129.2.1", udp_port: 8_001, since: AT };
    peer.reply(tag, &user);
    peer.reply(tag, &Reply::EndOfList);
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
        RDM s 1 Jun 2022 16:00:00\nRDM s\nRDM x 1 Jun 2022 16:00:00\n";
    let client = Place::of_yoda(&script).pipe_all(input);
    let mut peer = script.admit();
    let tag = peer.hears(&Request::PostToBoard { text: " hi" });
    peer.done(tag, "Broadcast message, #1 broadcast at 1 Jun 2022 15:00:01.");
    let tag = peer.hears(&Request::CreateRoom { users: "hans luke" });
    peer.done(tag, "Separate chat room has been created, room ID: 1, users in this room: yoda, hans, luke");
    let tag = peer.hears(&Request::PostToRoom { room: 1, text: "hi" });
    peer.done(tag, "Message #1 sent to separate room 1 at 1 Jun 2022 16:05:00.");
    let tag = peer.hears(&Request::PostToRoom { room: 0, text: "hi" });
    peer.refuse(tag, Refusal::NoSuchRoom, "The separate room does not exist");
    let tag = peer.hears(&Request::ReadBoard { after: "1 Jun 2022 16:00:00" });
    peer.reply(tag, &Reply::BoardPost { number: 1, author: "yoda", at: AT, text: " hi" });
    peer.reply(tag, &Reply::EndOfList);
    let tag = peer.hears(&Request::ReadRooms { after: "1 Jun" });
    peer.refuse(tag, Refusal::InvalidTimestamp, "Invalid timestamp");
    let tag = peer.hears(&Request::ReadRooms { after: "1 Jun 2022 16:00:00" });
    for (room, number) in [(1, 1), (1, 2), (4, 1)] {
        peer.reply(tag, &Reply::RoomPost { room, number, author: "yoda", at: AT, text: "hi" });
    }
    peer.reply(tag, &Reply::EndOfList);
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
    peer.hears(&Request::Taken { up_to: 1 });
    peer.close(Closing::TooSlow, "You have been disconnected: too slow");
    let (status, out, err) = client.end();
    assert_eq!((status, out, err), (Some(69), vec![], vec!["You have been disconnected: too slow".into()]));
}
