//! The messenger: who may write to whom, what each of them sees of it, and every refusal.
#![forbid(unsafe_code)]

use forum_common::wire::{OwnedNotice, Refusal, Request};
use forum_tests::outcome::Outcome;
use forum_tests::{Server, notice, outcome};

const BLOCKED: &str = "Your message could not be delivered as the recipient has blocked you";
const NOT_TO_ALL: &str = "Your message could not be delivered to some recipients";

fn message<'a>(user: &'a str, text: &'a str) -> Request<'a> {
    Request::SendMessage { user, text, key: None }
}

#[test]
fn a_message_is_shown_to_its_receiver_and_to_nobody_else() {
    let server = Server::start(&[]);
    let [mut yoda, mut hans, mut luke] = server.online(["yoda", "hans", "luke"]);
    yoda.tell("hans", "hello");
    luke.tell("hans", "  verbatim \t spaces  ");
    yoda.tell("hans", "grüße 🙂");
    hans.expect_notices(&[
        notice::message(1, "yoda", "hello"),
        notice::message(2, "luke", "  verbatim \t spaces  "),
        notice::message(3, "yoda", "grüße 🙂"),
    ]);
    hans.tell("yoda", "and back");
    yoda.expect_notices(&[notice::message(1, "hans", "and back")]);
    luke.expect_notices(&[]);
    hans.expect_notices(&[]);
}

#[test]
fn a_message_that_cannot_be_is_refused_with_the_reason() {
    let server = Server::start(&[]);
    let [mut yoda, mut hans] = server.online(["yoda", "hans"]);
    let long = "x".repeat(8_193);
    let invalid_user = (Refusal::InvalidUser, "Error. Invalid user".into());
    let to_self = (Refusal::NotToSelf, "Error. Cannot message self".into());
    let invalid_text = (Refusal::InvalidText, "Invalid text".into());
    assert_eq!(yoda.refused(&message("nobody", "hello")), invalid_user);
    // Names are exact: no prefix, no other case.
    assert_eq!(yoda.refused(&message("han", "hello")), invalid_user);
    assert_eq!(yoda.refused(&message("Hans", "hello")), invalid_user);
    assert_eq!(yoda.refused(&message("yoda", "hello")), to_self);
    for text in ["", &long, "a\x1b[2Jb", "a\nb", "a\u{202e}b", "a\u{85}b", "a\x7fb"] {
        assert_eq!(yoda.refused(&message("hans", text)), invalid_text, "{text:?}");
        assert_eq!(yoda.refused(&Request::SendBroadcast { text }), invalid_text, "{text:?}");
    }
    hans.block("yoda");
    assert_eq!(yoda.refused(&message("hans", "hello")), (Refusal::BlockedByUser, BLOCKED.into()));
    hans.expect_notices(&[]);
    let longest = "x".repeat(8_192);
    hans.tell("yoda", &longest);
    yoda.expect_notices(&[notice::message(1, "hans", &longest)]);
}

#[test]
fn a_block_works_in_one_direction_until_it_is_lifted() {
    let server = Server::start(&[]);
    let [mut yoda, mut hans, mut luke] = server.online(["yoda", "hans", "luke"]);
    hans.block("yoda");
    yoda.expect_notices(&[]);
    assert_eq!(yoda.refused(&message("hans", "1")).0, Refusal::BlockedByUser);
    hans.tell("yoda", "2");
    luke.tell("hans", "3");
    yoda.tell("luke", "4");
    yoda.expect_notices(&[notice::message(1, "hans", "2")]);
    hans.expect_notices(&[notice::message(1, "luke", "3")]);
    luke.expect_notices(&[notice::message(1, "yoda", "4")]);
    hans.unblock("yoda");
    yoda.expect_notices(&[]);
    yoda.tell("hans", "5");
    hans.expect_notices(&[notice::message(2, "yoda", "5")]);
}

#[test]
fn a_block_holds_while_the_blocker_is_away() {
    let server = Server::start(&[]);
    let [mut yoda, mut hans] = server.online(["yoda", "hans"]);
    hans.block("yoda");
    hans.log_out();
    assert_eq!(yoda.refused(&message("hans", "1")), (Refusal::BlockedByUser, BLOCKED.into()));
    let mut hans = server.user("hans");
    hans.expect_notices(&[]);
    hans.unblock("yoda");
    hans.log_out();
    yoda.tell("hans", "2");
    server.user("hans").expect_notices(&[notice::late_message(1, "yoda", "2")]);
}

#[test]
fn blocks_outlive_kill_9_from_the_moment_of_their_answer() {
    let mut server = Server::start(&[]);
    let [_yoda, mut hans, _luke] = server.online(["yoda", "hans", "luke"]);
    hans.block("luke");
    hans.block("yoda");
    hans.unblock("luke");
    server.kill();
    server.start_again();
    let [mut hans, mut yoda, mut luke] = server.online(["hans", "yoda", "luke"]);
    assert_eq!(yoda.refused(&message("hans", "1")), (Refusal::BlockedByUser, BLOCKED.into()));
    luke.tell("hans", "2");
    hans.expect_notices(&[notice::message(1, "luke", "2")]);
    let again = (Refusal::AlreadyBlocked, "Error. yoda is already blocked".into());
    assert_eq!(hans.refused(&Request::Block { user: "yoda", key: None }), again);
    hans.unblock("yoda");
    server.kill();
    server.start_again();
    let (mut yoda, mut hans) = (server.user("yoda"), server.user("hans"));
    hans.expect_notices(&[notice::late_message(1, "luke", "2")]);
    yoda.tell("hans", "3");
    hans.expect_notices(&[notice::message(2, "yoda", "3")]);
}

#[test]
fn what_was_stored_before_a_block_is_still_delivered() {
    let server = Server::start(&[]);
    let [mut yoda, mut hans] = server.online(["yoda", "hans"]);
    yoda.tell("hans", "before");
    hans.expect_notices(&[notice::message(1, "yoda", "before")]);
    hans.block("yoda");
    hans.log_out();
    let mut hans = server.user("hans");
    hans.expect_notices(&[notice::late_message(1, "yoda", "before")]);
}

#[test]
fn a_block_that_cannot_be_is_refused_with_the_reason() {
    let server = Server::start(&[]);
    let [mut yoda, _hans] = server.online(["yoda", "hans"]);
    let refusals = [
        (Request::Block { user: "yoda", key: None }, Refusal::NotToSelf, "Error. Cannot block self"),
        (Request::Unblock { user: "yoda", key: None }, Refusal::NotToSelf, "Error. Cannot unblock self"),
        (Request::Block { user: "nobody", key: None }, Refusal::InvalidUser, "Error. Invalid user"),
        (Request::Unblock { user: "nobody", key: None }, Refusal::InvalidUser, "Error. Invalid user"),
        (Request::Unblock { user: "hans", key: None }, Refusal::NotBlocked, "Error. hans was not blocked"),
    ];
    for (request, code, text) in refusals {
        assert_eq!(yoda.refused(&request), (code, text.into()), "{request:?}");
    }
    yoda.block("hans");
    let again = (Refusal::AlreadyBlocked, "Error. hans is already blocked".into());
    assert_eq!(yoda.refused(&Request::Block { user: "hans", key: None }), again);
    yoda.unblock("hans");
    let gone = (Refusal::NotBlocked, "Error. hans was not blocked".into());
    assert_eq!(yoda.refused(&Request::Unblock { user: "hans", key: None }), gone);
}

#[test]
fn blocks_of_a_user_are_limited_and_an_unblock_makes_room() {
    let server = Server::start(&["--max-blocks", "2"]);
    let [mut yoda, mut hans, _luke, _vader] = server.online(["yoda", "hans", "luke", "vader"]);
    yoda.block("hans");
    yoda.block("luke");
    let (code, text) = yoda.refused(&Request::Block { user: "vader", key: None });
    assert_eq!(code, Refusal::LimitReached);
    assert!(text.starts_with("Limit reached: at most 2 "), "{text}");
    hans.block("vader");
    yoda.unblock("hans");
    yoda.block("vader");
}

#[test]
fn pipelined_blocks_are_decided_in_their_order() {
    let server = Server::start(&[]);
    let [mut yoda, mut hans] = server.online(["yoda", "hans"]);
    let (on, off) =
        (Request::Block { user: "hans", key: None }, Request::Unblock { user: "hans", key: None });
    let tags = yoda.send_all([off, on, on, off, off, on]);
    let answers = yoda.outcomes(tags);
    let not_blocked = outcome::refused(Refusal::NotBlocked, "Error. hans was not blocked");
    let already = outcome::refused(Refusal::AlreadyBlocked, "Error. hans is already blocked");
    let (blocked, unblocked) = (outcome::done("hans is blocked"), outcome::done("hans is unblocked"));
    let wanted = [not_blocked.clone(), blocked.clone(), already, unblocked, not_blocked, blocked];
    assert_eq!(answers, wanted);
    assert_eq!(hans.refused(&message("yoda", "1")).0, Refusal::BlockedByUser);
}

#[test]
fn a_broadcast_reaches_everyone_online_but_its_sender_and_is_not_stored() {
    let server = Server::start(&[]);
    let [mut yoda, mut hans, mut luke, vader] = server.online(["yoda", "hans", "luke", "vader"]);
    vader.log_out();
    for wire in [&mut yoda, &mut hans, &mut luke] {
        wire.expect_notices(&[notice::logged_out("vader")]);
    }
    assert_eq!(yoda.done(&Request::SendBroadcast { text: " hello all" }), "");
    hans.expect_notices(&[notice::broadcast("yoda", " hello all")]);
    luke.expect_notices(&[notice::broadcast("yoda", " hello all")]);
    yoda.expect_notices(&[]);
    server.user("vader").expect_notices(&[]);
}

#[test]
fn a_broadcast_to_nobody_is_fine() {
    let server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    assert_eq!(yoda.done(&Request::SendBroadcast { text: "anybody?" }), "");
    yoda.expect_notices(&[]);
}

#[test]
fn a_broadcast_says_when_a_block_kept_it_from_somebody_online() {
    let server = Server::start(&[]);
    let [mut yoda, mut hans, mut luke] = server.online(["yoda", "hans", "luke"]);
    hans.block("yoda");
    // The other direction is none of its business.
    yoda.block("luke");
    let skipped = yoda.refused(&Request::SendBroadcast { text: "1" });
    assert_eq!(skipped, (Refusal::NotToAll, NOT_TO_ALL.into()));
    luke.expect_notices(&[notice::broadcast("yoda", "1")]);
    hans.expect_notices(&[]);
    assert_eq!(hans.done(&Request::SendBroadcast { text: "2" }), "");
    yoda.expect_notices(&[notice::broadcast("hans", "2")]);
    luke.expect_notices(&[notice::broadcast("hans", "2")]);
    // Who is away was not skipped for a block.
    hans.log_out();
    assert_eq!(yoda.done(&Request::SendBroadcast { text: "3" }), "");
    luke.expect_notices(&[notice::logged_out("hans"), notice::broadcast("yoda", "3")]);
}

#[test]
fn a_broadcast_between_two_messages_keeps_its_place() {
    let server = Server::start(&[]);
    let [mut yoda, mut hans] = server.online(["yoda", "hans"]);
    let tags =
        yoda.send_all([message("hans", "1"), Request::SendBroadcast { text: "2" }, message("hans", "3")]);
    assert_eq!(yoda.outcomes(tags), vec![outcome::done(""); 3]);
    hans.expect_notices(&[
        notice::message(1, "yoda", "1"),
        notice::broadcast("yoda", "2"),
        notice::message(2, "yoda", "3"),
    ]);
}

#[test]
fn two_senders_at_once_are_each_heard_in_order_without_a_gap() {
    const MESSAGES: usize = 300;
    let server = Server::start(&["--durability", "none"]);
    let [yoda, luke, mut hans] = server.online(["yoda", "luke", "hans"]);
    std::thread::scope(|scope| {
        for (mut wire, name) in [(yoda, "yoda"), (luke, "luke")] {
            scope.spawn(move || {
                let texts: Vec<String> = (0..MESSAGES).map(|number| format!("{name} {number}")).collect();
                let tags = wire.send_all(texts.iter().map(|text| message("hans", text)));
                assert!(wire.outcomes(tags).iter().all(Outcome::is_ok));
            });
        }
        let mut heard = [Vec::new(), Vec::new()];
        let mut number = 0;
        while number < 2 * MESSAGES as u64 {
            match hans.notice() {
                OwnedNotice::Message { number: its_number, late: false, from, text, .. } => {
                    number += 1;
                    assert_eq!(its_number, number);
                    heard[usize::from(from == "luke")].push(text);
                }
                OwnedNotice::LoggedOut { .. } => {}
                other => panic!("{other:?} is no message"),
            }
        }
        for (texts, name) in heard.iter().zip(["yoda", "luke"]) {
            let wanted: Vec<String> = (0..MESSAGES).map(|number| format!("{name} {number}")).collect();
            assert_eq!(*texts, wanted);
        }
    });
}

#[test]
fn everybody_writing_to_everybody_loses_nothing() {
    const NAMES: [&str; 5] = ["yoda", "hans", "luke", "leia", "vader"];
    let server = Server::start(&["--durability", "none"]);
    let mut wires = server.online(NAMES);
    for round in 0..20 {
        for (sender, wire) in NAMES.iter().zip(&mut wires) {
            let text = format!("{sender} {round}");
            for receiver in NAMES.iter().filter(|receiver| *receiver != sender) {
                wire.tell(receiver, &text);
            }
        }
    }
    for (receiver, wire) in NAMES.iter().zip(&mut wires) {
        let senders = || NAMES.iter().filter(|sender| *sender != receiver);
        let texts = (0..20).flat_map(|round| senders().map(move |sender| (sender, round)));
        let wanted: Vec<OwnedNotice> = (1..)
            .zip(texts)
            .map(|(number, (sender, round))| notice::message(number, sender, &format!("{sender} {round}")))
            .collect();
        wire.expect_notices(&wanted);
    }
}

#[test]
fn people_see_messages_and_broadcasts_as_lines() {
    let server = Server::start(&[]);
    let mut yoda = server.sign_up("yoda");
    let mut hans = server.sign_up("hans");
    yoda.hears("hans logged in");
    let mut luke = server.sign_up("luke");
    yoda.hears("luke logged in");
    hans.hears("luke logged in");
    // A success says nothing: what is heard next answers the next line.
    yoda.says("message hans  two spaces, and hans ");
    yoda.does("CRT t", "Thread t created");
    hans.hears("yoda:  two spaces, and hans ");
    hans.says("broadcast hello all");
    for client in [&mut yoda, &mut luke] {
        client.hears("hans: hello all");
    }
    hans.does("block yoda", "yoda is blocked");
    yoda.fails("message hans are you there?", BLOCKED);
    yoda.fails("broadcast hello?", NOT_TO_ALL);
    luke.hears("yoda: hello?");
    hans.does("unblock yoda", "yoda is unblocked");
    yoda.says("message hans now");
    hans.hears("yoda: now");
    luke.leaves();
    for client in [&mut yoda, &mut hans] {
        client.hears("luke logged out");
    }
    yoda.says("message luke for later");
    yoda.does("whoelse", "hans");
    let mut luke = server.log_in("luke");
    luke.hears("yoda: for later");
    luke.says("XIT");
    luke.hears("Goodbye");
}

#[test]
fn people_see_every_refusal_as_a_line() {
    let server = Server::start(&["--max-mailbox-messages", "1"]);
    let _hans = server.user("hans");
    drop(server.user("vader"));
    let mut yoda = server.sign_up("yoda");
    for (command, refusal) in [
        ("message nobody hi", "Error. Invalid user"),
        ("message yoda hi", "Error. Cannot message self"),
        ("block yoda", "Error. Cannot block self"),
        ("unblock yoda", "Error. Cannot unblock self"),
        ("block nobody", "Error. Invalid user"),
        ("unblock nobody", "Error. Invalid user"),
        ("unblock hans", "Error. hans was not blocked"),
        ("whoelsesince soon", "Invalid number"),
        ("whoelsesince -1", "Invalid number"),
        ("whoelsesince 1.5", "Invalid number"),
        ("startchat hans", "Error. Invalid command"),
        ("Message hans hi", "Invalid command"),
        ("BLOCK hans", "Invalid command"),
    ] {
        yoda.fails(command, refusal);
    }
    yoda.does("block hans", "hans is blocked");
    yoda.fails("block hans", "Error. hans is already blocked");
    yoda.says("message hans fits");
    yoda.fails("message hans does not", "hans's mailbox is full");
    let finished = yoda.finish();
    assert_eq!((finished.code, finished.stdout), (Some(1), vec!["Goodbye".to_owned()]));
}

#[test]
fn a_wrong_number_of_words_is_answered_with_the_usage() {
    let server = Server::start(&[]);
    let mut yoda = server.sign_up("yoda");
    for command in [
        "message",
        "message hans",
        "broadcast",
        "whoelse hans",
        "whoelsesince",
        "whoelsesince 1 2",
        "block",
        "block hans luke",
        "unblock",
        "unblock hans luke",
    ] {
        yoda.fails_with_usage(command);
    }
    yoda.does("whoelse", "No one else is online");
}
