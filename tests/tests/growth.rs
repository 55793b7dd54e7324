//! A protocol that can grow: what a newer client adds is ignored, what a simple one leaves out is not missed, and a
//! server says at the beginning what it speaks and takes.
#![forbid(unsafe_code)]

use forum_common::limits::{FRAME_BYTES_MAX, HEADER_BYTES};
use forum_common::wire::drafts::Draft;
use forum_common::wire::frame::{self, EARLY_FRAME_BYTES_MAX};
use forum_common::wire::{
    Closing, Limit, OwnedFromServer, OwnedNotice, OwnedReply, Refusal, Request, Tag, Transfer, VERSION,
};
use forum_tests::{Forumd, PASSWORD, Server, Wire, hello, notice, now_seconds, outcome, read};

fn hello_of(version: u16, presence: bool) -> Request<'static> {
    Request::ClientHello { version, client: "growth", presence }
}

/// Sends a frame with this body in the place of a request, whose answer is then waited for.
fn send_instead(wire: &mut Wire, request: &Request<'_>, body: &[u8]) -> Tag {
    let (tag, _) = wire.frame(request);
    let mut bytes = Vec::new();
    frame::append(&mut bytes, request.kind(), tag, body);
    wire.send_bytes(&bytes);
    tag
}

/// The body of a request.
fn body_of(request: &Request<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    request.encode(1, &mut bytes);
    bytes.split_off(HEADER_BYTES)
}

/// Sends a request whose body goes on after its last field.
fn send_longer(wire: &mut Wire, request: &Request<'_>) -> Tag {
    // The last field may be an absent one that was left out.
    let body = [&body_of(request), &[0; 4][..], b"from a later version"].concat();
    send_instead(wire, request, &body)
}

#[test]
fn a_version_below_3_is_refused_in_words_and_a_higher_one_answered_with_3() {
    let server = Server::start(&[]);
    for version in 0..VERSION {
        let mut old = server.raw();
        old.send(&hello_of(version, true));
        let text = format!("Protocol version {version} is not spoken here, only 3");
        assert_eq!(old.expect_closing(), (Closing::ProtocolError, text));
    }
    for version in [VERSION, VERSION + 1, u16::MAX] {
        let mut newer = server.raw();
        let answer = newer.request(&hello_of(version, true));
        assert!(matches!(answer, OwnedReply::ServerHello { version: 3, .. }), "{answer:?}");
        newer.ping();
    }
}

#[test]
fn the_hello_says_what_the_server_takes_and_what_time_it_is_where() {
    let options = ["--max-threads", "5", "--timeout", "77", "--max-file-bytes", "123456"];
    let server = Forumd::new().args(&options).env("TZ", "Australia/Sydney").start();
    let before = now_seconds();
    let answer = server.raw().request(&hello());
    let OwnedReply::ServerHello { version, server: name, features, limits, zone, now_ms, servers } = answer
    else {
        panic!("{answer:?}")
    };
    assert_eq!(
        (version, &*features, &*zone, servers),
        (VERSION, "take-over resume", "Australia/Sydney", None)
    );
    assert!(name.starts_with("forumd "), "{name}");
    assert!((before..=now_seconds()).contains(&(now_ms / 1_000)), "{now_ms}");
    let limits = limits.as_list();
    for (limit, value) in [
        (Limit::Threads, 5),
        (Limit::IdleSeconds, 77),
        (Limit::FileBytes, 123_456),
        (Limit::ChangesInFlight, 64),
        (Limit::LoginSeconds, 60),
    ] {
        assert_eq!(limits.get(limit), Some(value), "{limit:?}");
    }
}

#[test]
fn bodies_may_be_longer_than_the_server_knows() {
    let server = Server::start(&[]);
    let mut wire = server.raw();
    let tag = send_longer(&mut wire, &hello());
    assert!(matches!(wire.answer(tag), OwnedReply::ServerHello { .. }));
    let tag =
        send_longer(&mut wire, &Request::LogIn { name: "yoda", udp_port: 0, take_over: None, session: None });
    assert_eq!(wire.answer(tag), OwnedReply::PasswordWanted { known: false });
    let tag = send_longer(&mut wire, &Request::SignUp { password: PASSWORD, confirmation: PASSWORD });
    assert_eq!(wire.outcome_of(tag), outcome::welcome());
    for (request, answer) in [
        (Request::CreateThread { title: "t", key: Some([1; 16]) }, "Thread t created"),
        (Request::Post { title: "t", text: "m", key: Some([2; 16]) }, "Message posted to t thread"),
        (Request::SendBroadcast { text: "to nobody" }, ""),
    ] {
        let tag = send_longer(&mut wire, &request);
        assert_eq!(wire.outcome_of(tag), outcome::done(answer));
    }
    let threads = Request::ListThreads { after: Some(0), at_most: Some(10), unread: None };
    let tag = send_longer(&mut wire, &threads);
    assert_eq!(wire.lines_of(tag, &threads), ["t"]);
    send_longer(&mut wire, &Request::Active);
    let tag = send_longer(&mut wire, &Request::LogOut);
    assert_eq!(wire.outcome_of(tag), outcome::done("Goodbye"));
    wire.expect_closed();
}

#[test]
fn optional_fields_may_be_missing_one_by_one() {
    let server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    yoda.done(&Request::CreateThread { title: "t", key: None });
    yoda.done(&Request::Post { title: "t", text: "m", key: None });
    let read = read("t", None);
    // The title, and then each of the optional fields as absent, up to all of them.
    for fields in 0..=5 {
        let body = [&b"\0\x01t"[..], &vec![0; fields]].concat();
        let tag = send_instead(&mut yoda, &read, &body);
        assert_eq!(yoda.lines_of(tag, &read), ["1 yoda: m"], "{fields}");
    }
    // And as present ones: the range, and what the page comes after.
    let body = [&b"\0\x01t\x01\0\0\0\x01\0\0\0\x09\x01"[..], &0_u64.to_be_bytes()].concat();
    let tag = send_instead(&mut yoda, &read, &body);
    assert_eq!(yoda.lines_of(tag, &read), ["1 yoda: m"]);
}

#[test]
fn before_the_welcome_frames_are_small_and_after_it_they_fill_64_kib() {
    let server = Server::start(&[]);
    let log_in = Request::LogIn { name: "yoda", udp_port: 0, take_over: None, session: None };
    let largest = |request: &Request<'_>, bytes: usize| {
        let mut body = body_of(request);
        body.resize(bytes - HEADER_BYTES, 0);
        body
    };
    let mut wire = server.wire();
    let tag = send_instead(&mut wire, &log_in, &largest(&log_in, EARLY_FRAME_BYTES_MAX));
    assert_eq!(wire.answer(tag), OwnedReply::PasswordWanted { known: false });
    let sign_up = Request::SignUp { password: PASSWORD, confirmation: PASSWORD };
    let tag = send_instead(&mut wire, &sign_up, &largest(&sign_up, EARLY_FRAME_BYTES_MAX));
    assert_eq!(wire.outcome_of(tag), outcome::welcome());
    let create = Request::CreateThread { title: "t", key: None };
    let tag = send_instead(&mut wire, &create, &largest(&create, FRAME_BYTES_MAX));
    assert_eq!(wire.outcome_of(tag), outcome::done("Thread t created"));
    let too_long = "x".repeat(60_000);
    let body = [&b"\0\x01t"[..], &60_000_u16.to_be_bytes(), too_long.as_bytes()].concat();
    let post = Request::Post { title: "t", text: "x", key: None };
    let tag = send_instead(&mut wire, &post, &body);
    assert_eq!(wire.outcome_of(tag), outcome::refused(Refusal::InvalidText, "Invalid text"));
    wire.ping();

    for mut wire in [server.raw(), server.wire()] {
        send_instead(&mut wire, &log_in, &largest(&log_in, EARLY_FRAME_BYTES_MAX + 1));
        let text = "Frame of 2049 bytes; at most 2048 are allowed".to_owned();
        assert_eq!(wire.expect_closing(), (Closing::ProtocolError, text));
    }
}

#[test]
fn strangers_with_unfinished_frames_cost_little_memory() {
    const STRANGERS: usize = 500;
    const EACH_BYTES_MAX: usize = 8 * 1_024;
    let server = Server::start(&[]);
    let mut strangers: Vec<Wire> = (0..STRANGERS).map(|_| server.wire()).collect();
    let mut other = server.wire();
    let before = server.rss_bytes();
    let mut unfinished = vec![0; EARLY_FRAME_BYTES_MAX - 1];
    unfinished[..4].copy_from_slice(&(EARLY_FRAME_BYTES_MAX as u32 - 4).to_be_bytes());
    for stranger in &mut strangers {
        stranger.send_bytes(&unfinished);
    }
    (0..5).for_each(|_| other.ping());
    let each = server.rss_bytes().saturating_sub(before) / STRANGERS;
    assert!(each <= EACH_BYTES_MAX, "{each} bytes for each stranger with an unfinished frame");
}

#[test]
fn an_upload_may_end_without_a_digest_and_the_answer_has_it() {
    let server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    yoda.done(&Request::CreateThread { title: "t", key: None });
    for bytes in [&b""[..], b"some bytes"] {
        let file = format!("f{}", bytes.len());
        let (tag, credit) = yoda.start_upload("t", &file, bytes.len() as u64).unwrap();
        yoda.send_data(tag, credit, bytes);
        yoda.send_transfer(tag, &Transfer::DataEnd { digest: None });
        match yoda.answer(tag) {
            OwnedReply::Uploaded { digest, .. } => assert_eq!(digest, *blake3::hash(bytes).as_bytes()),
            other => panic!("{other:?}"),
        }
        assert_eq!(yoda.download("t", &file, 100), Ok(bytes.to_vec()));
    }
}

#[test]
fn more_credit_than_a_number_holds_breaks_the_protocol() {
    let server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    yoda.done(&Request::CreateThread { title: "t", key: None });
    // It is not read, so most of the first credit is left when the second comes.
    assert!(yoda.upload("t", "f", &vec![7; 20_000_000]).is_ok());
    let mut hans = server.user("hans");
    hans.shrink_receive_buffer();
    let (tag, _) = hans.start_download("t", "f").unwrap();
    for _ in 0..2 {
        hans.send_transfer(tag, &Transfer::Credit { bytes: u32::MAX });
    }
    let closing = loop {
        match hans.next_heard_or_reset().expect("an orderly end") {
            Some(OwnedFromServer::Transfer(..)) => {}
            Some(OwnedFromServer::Notice(closing)) => break closing,
            other => panic!("wanted the end, not {other:?}"),
        }
    };
    let text = "More credit than 4294967295 bytes".to_owned();
    let code = Closing::ProtocolError;
    assert_eq!(closing, OwnedNotice::Closing { code, text });
    hans.expect_closed();
}

#[test]
fn who_does_not_want_presence_hears_nobody_come_and_go_and_all_else() {
    let server = Server::start(&[]);
    let mut bot = server.raw();
    assert!(matches!(bot.request(&hello_of(VERSION, false)), OwnedReply::ServerHello { .. }));
    bot.become_user("bot");
    let mut yoda = server.user("yoda");
    yoda.tell("bot", "hello");
    server.user("hans").log_out();
    assert_eq!(yoda.done(&Request::SendBroadcast { text: "to all" }), "");
    bot.expect_notices(&[notice::message(1, "yoda", "hello"), notice::broadcast("yoda", "to all")]);
    bot.log_out();
    // Its own coming and going is seen by those who want to.
    yoda.expect_notices(&[notice::logged_in("hans"), notice::logged_out("hans"), notice::logged_out("bot")]);
}

/// The id of a post that is made now.
fn post(wire: &mut Wire, text: &str) -> u64 {
    match wire.request(&Request::Post { title: "t", text, key: None }) {
        OwnedReply::Posted { id, .. } => id,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_post_that_has_moved_is_neither_edited_nor_deleted_by_its_old_number_and_id() {
    let server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    yoda.done(&Request::CreateThread { title: "t", key: None });
    let [first, second, third] = ["a", "b", "c"].map(|text| post(&mut yoda, text));
    let edit = |number, id| Request::EditPost { title: "t", number, text: "edited", id: Some(id), key: None };
    let delete = |number, id| Request::DeletePost { title: "t", number, id: Some(id), key: None };
    assert_eq!(yoda.done(&delete(1, first)), "The message has been deleted");
    // b is number 1 now, and c number 2.
    for request in [edit(2, second), delete(2, second), edit(1, first), delete(1, third), edit(1, 0)] {
        assert_eq!(yoda.refused(&request).0, Refusal::MessageMoved, "{request:?}");
    }
    for request in [edit(3, third), delete(3, third)] {
        assert_eq!(yoda.refused(&request).0, Refusal::InvalidMessageNumber, "{request:?}");
    }
    assert_eq!(yoda.read_thread("t"), ["1 yoda: b", "2 yoda: c"]);
    assert_eq!(yoda.done(&edit(1, second)), "The message has been edited");
    assert_eq!(yoda.done(&delete(2, third)), "The message has been deleted");
    assert_eq!(yoda.read_thread("t"), ["1 yoda: edited"]);
}

#[test]
fn what_the_features_of_later_bring_is_unknown_today() {
    let server = Server::start(&[]);
    for draft in Draft::INFO.iter().filter(|draft| draft.kind < 0x70) {
        let mut bytes = Vec::new();
        frame::append(&mut bytes, draft.kind, 1, b"");
        let mut wire = server.user(&format!("user{}", draft.kind));
        wire.send_bytes(&bytes);
        let text = format!("Unknown frame kind 0x{:02x}", draft.kind);
        assert_eq!(wire.expect_closing(), (Closing::ProtocolError, text), "{}", draft.name);
    }
}
