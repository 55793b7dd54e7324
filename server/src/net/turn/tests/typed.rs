//! What programs read: typed results, keys, pages, and notices that were not wanted.

use forum_common::limits::FRAME_BYTES_MAX;
use forum_common::wire::{Limit, frame};

use super::*;

const KEY: [u8; 16] = *b"sixteen bytes 16";

/// The one reply to a request, as it came.
fn with_reply(stage: &mut Stage, client: &mut Client, request: &Request<'_>, see: impl FnOnce(Reply<'_>)) {
    client.send(9, request);
    stage.settle(client);
    let bytes = client.frame();
    let (frame, used) = frame::split(&bytes, FRAME_BYTES_MAX).unwrap().expect("a reply");
    assert_eq!((frame.tag, used), (9, bytes.len()), "one reply");
    see(Reply::decode(&frame).unwrap());
}

#[test]
fn answers_are_typed() {
    let (mut stage, mut yoda) = stage_with_thread();
    let hans = stage.sign_up("hans");
    let _ = yoda.frame();
    let at = |at_ms: u64| assert!(at_ms >= 1_000_000, "the time of the log, not {at_ms}");
    let post = Request::Post { title: "t", text: "x", key: None };
    with_reply(&mut stage, &mut yoda, &post, |reply| {
        let Reply::Posted { number: 1, id: 1, at_ms, text } = reply else { panic!("{reply:?}") };
        assert_eq!(text, "Message posted to t thread");
        at(at_ms);
    });
    let create = Request::CreateThread { title: "u", key: None };
    with_reply(&mut stage, &mut yoda, &create, |reply| {
        assert!(matches!(reply, Reply::ThreadCreated { thread: 2, .. }), "{reply:?}");
    });
    with_reply(&mut stage, &mut yoda, &Request::PostToBoard { text: "x", key: None }, |reply| {
        assert!(matches!(reply, Reply::Posted { number: 1, id: 1, .. }), "{reply:?}");
    });
    let room = Request::CreateRoom { users: "hans", key: None };
    with_reply(&mut stage, &mut yoda, &room, |reply| {
        assert!(matches!(reply, Reply::RoomCreated { room: 1, .. }), "{reply:?}");
    });
    with_reply(&mut stage, &mut yoda, &room, |reply| {
        let Reply::Refused { code, value, .. } = reply else { panic!("{reply:?}") };
        assert_eq!((code, value), (Refusal::RoomExists, Some(1)));
    });
    stage.close(&hans);
    let _ = yoda.frame();
    let room = Request::CreateRoom { users: "yoda2 hans", key: None };
    with_reply(&mut stage, &mut yoda, &room, |reply| {
        let Reply::Refused { code, name, .. } = reply else { panic!("{reply:?}") };
        assert_eq!((code, name), (Refusal::InvalidUser, Some("yoda2")));
    });
}

#[test]
fn a_limit_that_is_reached_is_named_with_its_value() {
    let mut stage = stage(&["--max-threads", "1"]);
    let mut yoda = stage.sign_up("yoda");
    stage.ask(&mut yoda, 4, &Request::CreateThread { title: "t", key: None });
    with_reply(&mut stage, &mut yoda, &Request::CreateThread { title: "u", key: None }, |reply| {
        let Reply::Refused { code, limit, value, .. } = reply else { panic!("{reply:?}") };
        assert_eq!((code, limit, value), (Refusal::LimitReached, Some(Limit::Threads), Some(1)));
    });
}

#[test]
fn a_change_that_is_asked_for_again_with_its_key_is_made_once() {
    let (mut stage, mut yoda) = stage_with_thread();
    let post = Request::Post { title: "t", text: "once", key: Some(KEY) };
    let first = stage.ask(&mut yoda, 5, &post);
    stage.cut(&yoda);
    let mut again = stage.log_in("yoda");
    let _ = again.answers();
    assert_eq!(stage.ask(&mut again, 5, &post), first);
    let read =
        Request::ReadThread { title: "t", range: None, after: None, at_most: None, last: None, unread: None };
    assert_eq!(stage.ask(&mut again, 6, &read).len(), 2, "one message and the end");
    let other = Request::Post { title: "t", text: "twice", key: Some(KEY) };
    let reused = "This key was used for another command";
    assert_eq!(stage.ask(&mut again, 7, &other), [refused(7, Refusal::KeyReused, reused)]);
}

#[test]
fn a_key_is_known_before_anything_else_is_looked_at() {
    let (mut stage, mut yoda) = stage_with_thread();
    let remove = Request::RemoveThread { title: "t", key: Some(KEY) };
    assert_eq!(stage.ask(&mut yoda, 5, &remove), [done(5, "Thread t removed")]);
    assert_eq!(stage.ask(&mut yoda, 6, &remove), [done(6, "Thread t removed")], "there is no such thread");
}

#[test]
fn two_of_one_key_in_flight_are_made_once_and_both_are_answered() {
    let (mut stage, mut yoda) = stage_with_thread();
    let post = Request::Post { title: "t", text: "once", key: Some(KEY) };
    yoda.send(5, &post);
    yoda.send(6, &post);
    stage.settle(&yoda);
    let text = "Message posted to t thread";
    assert_eq!(yoda.answers(), [done(5, text), done(6, text)]);
    assert_eq!(stage.server.core.forum.threads.titled("t").unwrap().posts().len(), 1);
}

#[test]
fn an_upload_that_is_asked_for_again_with_its_key_is_done_at_once() {
    let (mut stage, mut yoda) = stage_with_thread();
    let upload = Request::Upload { title: "t", file: "f", size: 1, key: Some(KEY) };
    stage.ask(&mut yoda, 5, &upload);
    yoda.send_transfer(5, &Transfer::Data { piece: b"x" });
    yoda.send_transfer(5, &Transfer::DataEnd { digest: None });
    stage.settle(&yoda);
    let stored = yoda.answers();
    assert_eq!(stored, [done(5, "f uploaded to t thread")]);
    with_reply(&mut stage, &mut yoda, &upload, |reply| {
        let Reply::Uploaded { id: 1, digest, .. } = reply else { panic!("{reply:?}") };
        assert_eq!(digest, *blake3::hash(b"x").as_bytes());
    });
    assert_eq!(stage.stored_files(), 1);
}

#[test]
fn a_list_in_pages_is_the_list() {
    let mut stage = stage(&[]);
    let mut yoda = stage.sign_up("yoda");
    for title in ["a", "b", "c"] {
        stage.ask(&mut yoda, 4, &Request::CreateThread { title, key: None });
    }
    let mut page = |after, at_most| {
        let items =
            stage.ask(&mut yoda, 5, &Request::ListThreads { after, at_most: Some(at_most), unread: None });
        let titles = items.iter().filter(|item| item.contains("ThreadItem")).count();
        (titles, items.last().cloned().unwrap())
    };
    assert_eq!(page(None, 2), (2, "5 EndOfList { next: Some(2) }".into()));
    assert_eq!(page(Some(2), 2), (1, "5 EndOfList".into()));
    assert_eq!(page(None, 3), (3, "5 EndOfList".into()), "exactly the list");
    assert_eq!(page(Some(9), 2), (0, "5 EndOfList".into()));
    assert_eq!(page(None, 0), (1, "5 EndOfList { next: Some(1) }".into()), "no page stands still");
}

#[test]
fn who_does_not_want_presence_hears_of_no_comings_and_goings_but_of_all_else() {
    let mut stage = stage(&[]);
    let link = Rc::new(RefCell::new(Link { room: 1 << 30, ..Link::default() }));
    let id = stage.server.admit(Pipe(Rc::clone(&link)), "127.0.0.1:1".parse().unwrap()).unwrap();
    let mut bot = Client { id, link, input: Input::default() };
    bot.send(1, &Request::ClientHello { version: VERSION, client: "bot", presence: false });
    let mut bot = stage.sign_up_on(bot, "bot", NO_PORT);
    let mut yoda = stage.sign_up("yoda");
    let hans = stage.sign_up("hans");
    stage.close(&hans);
    assert_eq!(yoda.heard(), ["LoggedIn { name: \"hans\" }", "LoggedOut { name: \"hans\" }"]);
    stage.ask(&mut yoda, 4, &Request::SendBroadcast { text: "hi" });
    stage.settle(&bot);
    assert_eq!(bot.heard(), ["Broadcast { from: \"yoda\", text: \"hi\" }"]);
}

#[test]
fn a_request_with_the_tag_of_a_transfer_under_way_closes() {
    let (mut stage, mut yoda) = stage_with_thread();
    stage.ask(&mut yoda, 5, &Request::Upload { title: "t", file: "f", size: 1, key: None });
    let heard = stage.ask(&mut yoda, 5, &Request::Post { title: "t", text: "x", key: None }).concat();
    assert!(heard.contains("Tag 5 belongs to a transfer under way"), "{heard}");
}

#[test]
fn an_acknowledgement_of_an_old_number_does_no_harm_and_one_of_no_message_closes() {
    let mut stage = stage(&[]);
    let (yoda, mut hans) = (stage.sign_up("yoda"), stage.sign_up("hans"));
    stage.cut(&yoda);
    for text in ["a", "b"] {
        stage.ask(&mut hans, 4, &Request::SendMessage { user: "yoda", text, key: None });
    }
    let mut yoda = stage.log_in("yoda");
    assert_eq!(yoda.answers().iter().filter(|heard| heard.contains("Message")).count(), 2);
    stage.ask(&mut yoda, 5, &Request::AckMessages { up_to: 2 });
    stage.cut(&yoda);
    // Its client can't know whether that acknowledgement arrived, so it says it again.
    let mut again = stage.log_in("yoda");
    let _ = again.answers();
    assert_eq!(stage.ask(&mut again, 6, &Request::AckMessages { up_to: 2 }), [""; 0]);
    assert_eq!(stage.ask(&mut again, 7, &Request::Ping { payload: b"?" }), ["7 Pong { payload: [63] }"]);
    let heard = stage.ask(&mut again, 8, &Request::AckMessages { up_to: 3 }).concat();
    assert!(heard.contains("Message 3 was acknowledged, and there never was one"), "{heard}");
}
