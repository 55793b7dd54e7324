//! Changes with a key: repeated on another connection, after a restart or after kill -9, each is done once and
//! answered as it was the first time.
#![forbid(unsafe_code)]

use forum_common::wire::{Key, OwnedReply, Refusal, Request, Transfer};
use forum_tests::{PASSWORD, Server, Wire, notice, outcome, until};

/// Changes that are unanswered at most: as many as the server remembers keys of each user.
const UNANSWERED_MAX: usize = 64;

fn key(number: u8) -> Option<Key> {
    Some([number; 16])
}

/// One of each change that takes a key, in an order in which all succeed, on a server with `hans` online.
fn changes() -> Vec<Request<'static>> {
    vec![
        Request::CreateThread { title: "t", key: key(1) },
        Request::CreateThread { title: "u", key: key(2) },
        Request::Post { title: "t", text: "first", key: key(3) },
        Request::Post { title: "t", text: "second", key: key(4) },
        Request::EditPost { title: "t", number: 2, text: "edited", id: None, key: key(5) },
        Request::DeletePost { title: "t", number: 1, id: None, key: key(6) },
        Request::RemoveThread { title: "u", key: key(7) },
        Request::SendMessage { user: "hans", text: "m", key: key(8) },
        Request::Block { user: "hans", key: key(9) },
        Request::Unblock { user: "hans", key: key(10) },
        Request::PostToBoard { text: "b", key: key(11) },
        Request::CreateRoom { users: "hans", key: key(12) },
        Request::PostToRoom { room: 1, text: "r", key: key(13) },
    ]
}

const UPLOAD: Request<'_> = Request::Upload { title: "t", file: "f", size: 5, key: Some([14; 16]) };

/// Uploads the file; the whole answer.
fn upload(wire: &mut Wire) -> OwnedReply {
    let tag = wire.send(&UPLOAD);
    let OwnedReply::UploadStarts { credit } = wire.answer(tag) else { panic!("no upload") };
    wire.send_data(tag, credit, b"bytes");
    wire.send_transfer(tag, &Transfer::DataEnd { digest: None });
    wire.answer(tag)
}

/// What there is of all that, as somebody sees it.
fn state(server: &Server) -> [Vec<String>; 4] {
    let mut hans = server.user("hans");
    let board = Request::ReadBoard { later_than_ms: None, after: None, at_most: None, from: None };
    let rooms =
        Request::ReadRooms { later_than_ms: None, after: None, at_most: None, room: None, from: None };
    [hans.titles(), hans.read_thread("t"), hans.lines(&board), hans.lines(&rooms)]
}

#[test]
fn every_change_with_a_key_is_done_once_over_reconnects_and_kill_9_and_answered_the_same() {
    let mut server = Server::start(&[]);
    let mut hans = server.user("hans");
    let mut yoda = server.user("yoda");
    let mut first: Vec<OwnedReply> = changes().iter().map(|change| yoda.request(change)).collect();
    assert!(!first.iter().any(|reply| matches!(reply, OwnedReply::Refused { .. })), "{first:#?}");
    first.push(upload(&mut yoda));
    hans.ping();
    drop((yoda, hans));
    let before = state(&server);
    for round in 0..3 {
        if round > 0 {
            server.kill();
            server.start_again();
        }
        // hans is offline, which a new room would be refused for.
        let mut yoda = server.user("yoda");
        let tags = yoda.send_all(changes().into_iter().chain([UPLOAD]));
        let again: Vec<OwnedReply> = tags.into_iter().map(|tag| yoda.answer(tag)).collect();
        assert_eq!(again, first, "round {round}");
        drop(yoda);
        assert_eq!(state(&server), before, "round {round}");
    }
    // The message came once.
    let mut hans = server.user("hans");
    assert_eq!(hans.notices_so_far(), [notice::late_message(1, "yoda", "m")]);
}

#[test]
fn the_same_key_with_other_content_is_refused_and_belongs_to_one_user() {
    let server = Server::start(&[]);
    let [mut yoda, mut hans] = server.online(["yoda", "hans"]);
    let create = |title, key| Request::CreateThread { title, key };
    yoda.done(&create("t", key(1)));
    for other in [
        create("u", key(1)),
        Request::RemoveThread { title: "t", key: key(1) },
        Request::Post { title: "t", text: "m", key: key(1) },
        Request::Upload { title: "t", file: "f", size: 1, key: key(1) },
    ] {
        assert_eq!(yoda.refused(&other).0, Refusal::KeyReused, "{other:?}");
    }
    assert_eq!(hans.done(&create("u", key(1))), "Thread u created");
    assert_eq!(hans.refused(&create("t", key(2))).0, Refusal::ThreadExists);
    assert_eq!(yoda.titles(), ["t", "u"]);
    assert_eq!(yoda.read_thread("t"), Vec::<String>::new());
}

#[test]
fn a_refusal_for_a_limit_is_forgotten_and_the_repetition_tries_again() {
    let server = Server::start(&["--max-threads", "1"]);
    let mut yoda = server.user("yoda");
    yoda.done(&Request::CreateThread { title: "t", key: None });
    let second = Request::CreateThread { title: "u", key: key(1) };
    assert_eq!(yoda.refused(&second).0, Refusal::LimitReached);
    yoda.done(&Request::RemoveThread { title: "t", key: None });
    assert_eq!(yoda.done(&second), "Thread u created");
    assert_eq!(yoda.done(&second), "Thread u created");
    assert_eq!(yoda.titles(), ["u"]);
}

#[test]
fn without_a_key_the_same_change_is_done_again() {
    let server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    yoda.done(&Request::CreateThread { title: "t", key: None });
    let post = Request::Post { title: "t", text: "m", key: None };
    let tags = yoda.send_all([post; 2]);
    assert!(
        yoda.outcomes(tags).iter().all(|outcome| *outcome == outcome::done("Message posted to t thread"))
    );
    assert_eq!(yoda.read_thread("t"), ["1 yoda: m", "2 yoda: m"]);
}

/// Posts of one connection, each with its own key.
fn posts<'a>(texts: &'a [String], random: &'a [Key]) -> impl Iterator<Item = Request<'a>> {
    texts.iter().zip(random).map(|(text, key)| Request::Post { title: "t", text, key: Some(*key) })
}

/// Repeats what a lost connection may or may not have done; all of it is there once, in order.
fn repeat_all(server: &Server, texts: &[String], keys: &[Key], all: &[String]) {
    let mut yoda = until("the old session to end", || {
        let mut wire = server.wire();
        wire.log_in("yoda", PASSWORD).is_ok().then_some(wire)
    });
    let tags = yoda.send_all(posts(texts, keys));
    assert!(yoda.outcomes(tags).iter().all(|outcome| outcome.is_ok()));
    let lines: Vec<String> = (1..).zip(all).map(|(number, text)| format!("{number} yoda: {text}")).collect();
    assert_eq!(yoda.read_thread("t"), lines);
}

#[test]
fn posts_in_flight_when_the_line_or_the_server_dies_are_repeated_and_stand_once_in_order() {
    const ROUNDS: usize = 8;
    let mut server = Server::start(&[]);
    server.user("yoda").done(&Request::CreateThread { title: "t", key: None });
    let mut all = Vec::new();
    for round in 0..ROUNDS {
        let texts: Vec<String> = (0..UNANSWERED_MAX).map(|number| format!("{round}-{number}")).collect();
        let keys: Vec<Key> = texts.iter().map(|_| std::array::from_fn(|_| fastrand::u8(..))).collect();
        let mut yoda = server.user("yoda");
        let (tags, bytes) = yoda.frames(posts(&texts, &keys));
        // The less of it arrives, the later the round.
        yoda.send_bytes(&bytes[..bytes.len() - round * bytes.len() / ROUNDS]);
        if round % 2 == 0 {
            // Some of it is answered.
            let answered = tags.iter().take(round).filter(|tag| yoda.outcome_of(**tag).is_ok());
            assert_eq!(answered.count(), round);
        }
        if round % 3 == 0 {
            server.kill();
            server.start_again();
        }
        drop(yoda);
        all.extend(texts.iter().cloned());
        repeat_all(&server, &texts, &keys, &all);
    }
}
