//! The stream of bytes: however it is cut, and whatever garbage it holds, the server understands it or closes
//! that one connection with a reason, and everybody else goes on.
#![forbid(unsafe_code)]

use std::cell::RefCell;

use forum_common::limits::{FRAME_BYTES_MAX, PING_BYTES_MAX};
use forum_common::wire::{
    Closing, OwnedFromServer, OwnedNotice, OwnedReply, Refusal, Request, Tag, Transfer, VERSION, frame,
};
use forum_tests::outcome::Outcome;
use forum_tests::{PASSWORD, Server, Wire, hello, outcome, read};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// The bytes of one frame.
fn bytes_of(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::append(&mut bytes, kind, 1, body);
    bytes
}

/// A request as one frame, of whose answer nobody knows.
fn frame_of(request: Request<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    request.encode(1, &mut bytes);
    bytes
}

/// Sends `bytes` on a connection that has said nothing yet, and insists on the end for the peer's fault.
fn expect_protocol_error(server: &Server, bytes: &[u8]) -> String {
    expect_protocol_error_on(&mut server.raw(), bytes)
}

fn expect_protocol_error_on(wire: &mut Wire, bytes: &[u8]) -> String {
    wire.send_bytes(bytes);
    let (code, text) = wire.expect_closing();
    assert_eq!(code, Closing::ProtocolError, "{text}");
    assert!(!text.is_empty());
    text
}

/// What a user of this name says in a whole life.
fn life<'a>(name: &'a str, title: &'a str) -> Vec<Request<'a>> {
    let mut requests = vec![
        hello(),
        Request::LogIn { name, udp_port: 0, take_over: None, session: None },
        Request::SignUp { password: PASSWORD, confirmation: PASSWORD },
        Request::CreateThread { title, key: None },
        Request::Post { title, text: "was here", key: None },
        read(title, Some((1, 1))),
    ];
    requests.extend(link_requests(name).map(|(request, _)| request));
    requests.push(Request::LogOut);
    requests
}

/// Insists on the answers that it must bring.
fn expect_life(wire: &mut Wire, tags: &[Tag], name: &str, title: &str) {
    assert!(matches!(wire.answer(tags[0]), OwnedReply::ServerHello { version: VERSION, .. }));
    assert_eq!(wire.answer(tags[1]), OwnedReply::PasswordWanted { known: false });
    assert_eq!(wire.outcome_of(tags[2]), outcome::welcome());
    assert_eq!(wire.outcome_of(tags[3]), outcome::done(&format!("Thread {title} created")));
    assert_eq!(wire.outcome_of(tags[4]), outcome::done(&format!("Message posted to {title} thread")));
    assert_eq!(wire.lines_of(tags[5], &read(title, None)), [format!("1 {name}: was here")]);
    for ((_, answer), tag) in link_requests(name).into_iter().zip(&tags[6..]) {
        if let Some(answer) = answer {
            assert_eq!(wire.outcome_of(*tag), answer);
        }
    }
    assert_eq!(wire.outcome_of(tags[tags.len() - 1]), outcome::done("Goodbye"));
    wire.expect_closed();
}

/// Every kind of request about links, from somebody who has none, with its answer, if it has one.
fn link_requests(name: &str) -> [(Request<'_>, Option<Outcome>); 8] {
    let to_self = |text| Some(outcome::refused(Refusal::NotToSelf, text));
    let not_enabled = outcome::refused(Refusal::NotPrivate, "Error. Private messaging not enabled");
    [
        (Request::AskPrivate { user: name, enabled: false }, to_self("Error. Cannot message self")),
        (Request::OfferFile { user: name, size: 1, file: "f" }, to_self("Error. Cannot send to self")),
        (Request::AnswerQuestion { link: 1, yes: true }, None),
        (Request::LinkListening { link: 1, port: 1 }, None),
        (Request::LinkReached { link: 1 }, None),
        (Request::EndLink { link: 1, stopped: true }, None),
        (Request::RelaySealed { link: 1, ciphertext: b"hello" }, Some(not_enabled)),
        (Request::RelayDatagram { link: 1, datagram: b"hello" }, None),
    ]
}

#[test]
fn a_stream_cut_at_any_byte_means_the_same() {
    let server = Server::start(&["--durability", "none"]);
    let mut other = server.user("other");
    let length = server.raw().frames(life("u000", "t000")).1.len();
    for cut in 0..=length {
        let (name, title) = (format!("u{cut:03}"), format!("t{cut:03}"));
        let mut wire = server.raw();
        let (tags, bytes) = wire.frames(life(&name, &title));
        wire.send_bytes(&bytes[..cut]);
        // A round trip elsewhere: the server has seen the first piece alone.
        other.ping();
        wire.send_bytes(&bytes[cut..]);
        expect_life(&mut wire, &tags, &name, &title);
    }
}

#[test]
fn a_stream_may_come_byte_by_byte() {
    let server = Server::start(&[]);
    let mut other = server.user("other");
    let mut wire = server.raw();
    let (tags, bytes) = wire.frames(life("yoda", "3331"));
    for byte in &bytes {
        wire.send_bytes(&[*byte]);
        other.ping();
    }
    expect_life(&mut wire, &tags, "yoda", "3331");
}

#[test]
fn many_frames_in_one_piece_are_all_answered_in_order() {
    let server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    let bodies: Vec<[u8; 4]> = (0..2_000_u32).map(u32::to_be_bytes).collect();
    let tags = yoda.send_all(bodies.iter().map(|body| Request::Ping { payload: body }));
    for (tag, body) in tags.into_iter().zip(bodies) {
        assert_eq!(yoda.answer(tag), OwnedReply::Pong { payload: body.into() });
    }
}

#[test]
fn lying_lengths_close_the_connection_with_the_reason() {
    let server = Server::start(&[]);
    let too_long = (FRAME_BYTES_MAX as u32 - 3).to_be_bytes();
    expect_protocol_error(&server, &too_long);
    expect_protocol_error(&server, &[0, 0xFF, 0xFF, 0xFF]);
    expect_protocol_error(&server, &[0, 0, 0, 4, 1, 0, 0, 0]);
    expect_protocol_error(&server, &[0; 4]);
    let mut yoda = server.user("yoda");
    let reason = expect_protocol_error_on(&mut yoda, &too_long);
    assert_eq!(reason, "Frame of 65537 bytes; at most 65536 are allowed");
}

#[test]
fn malformed_frames_close_the_connection_with_the_reason() {
    let server = Server::start(&[]);
    let table: &[(u8, &[u8], &str)] = &[
        (0x7f, b"", "Unknown frame kind 0x7f"),
        (0x00, b"", "Unknown frame kind 0x00"),
        (0x84, b"Done", "Unknown frame kind 0x84"),
        (0xc0, b"\0\x01x", "Unknown frame kind 0xc0"),
        (0x58, b"", "Unknown frame kind 0x58"),
        (0x60, b"\0\0\0\0\0\0\0\x01", "Unknown frame kind 0x60"),
        (0x54, b"\0\0\0\0\0\0\x01", "Malformed frame: it ends inside a field"),
        (0x52, b"\0\0\0\0\0\0\0\x01\x02", "Malformed frame: a field has no such value"),
        (0x56, b"\0\0\0\0\0\0\0\x01\0\x02\xff", "Malformed frame: it ends inside a field"),
        (0x20, b"\0\x05abc", "Malformed frame: it ends inside a field"),
        (0x20, b"\0", "Malformed frame: it ends inside a field"),
        (0x20, b"", "Malformed frame: it ends inside a field"),
        (0x20, b"\0\x01t\x01key", "Malformed frame: it ends inside a field"),
        (0x20, b"\0\x01\xff", "Malformed frame: a string is not UTF-8"),
        (0x21, b"\0\x01t\0\x02\xc3\x28", "Malformed frame: a string is not UTF-8"),
        (0x25, b"\0\x01t\x02", "Malformed frame: a field has no such value"),
    ];
    for (number, (kind, body, reason)) in table.iter().enumerate() {
        let mut yoda = server.user(&format!("user{number}"));
        assert_eq!(
            expect_protocol_error_on(&mut yoda, &bytes_of(*kind, body)),
            *reason,
            "{kind:#x} {body:?}"
        );
    }
}

#[test]
fn what_comes_in_the_wrong_phase_closes_the_connection() {
    let server = Server::start(&[]);
    let password = frame_of(Request::Password { password: PASSWORD });
    let create = frame_of(Request::CreateThread { title: "t", key: None });
    let name = frame_of(Request::LogIn { name: "yoda", udp_port: 0, take_over: None, session: None });
    let sign_up = frame_of(Request::SignUp { password: PASSWORD, confirmation: PASSWORD });
    // Before the hello.
    for bytes in [&password, &create, &name, &sign_up] {
        expect_protocol_error(&server, bytes);
    }
    // Behind the hello.
    for bytes in [frame_of(hello()), password.clone(), sign_up.clone(), create.clone()] {
        expect_protocol_error_on(&mut server.wire(), &bytes);
    }
    // Behind an unknown name, a known name, and the welcome.
    let mut wire = server.wire();
    assert_eq!(wire.name("yoda"), Ok(false));
    expect_protocol_error_on(&mut wire, &password);
    server.user("yoda").done(&Request::LogOut);
    let mut wire = server.wire();
    assert_eq!(wire.name("yoda"), Ok(true));
    expect_protocol_error_on(&mut wire, &sign_up);
    for bytes in [frame_of(hello()), name, password, sign_up] {
        expect_protocol_error_on(&mut server.user("yoda"), &bytes);
    }
    assert_eq!(server.user("yoda").titles(), Vec::<String>::new());
}

#[test]
fn pieces_of_no_transfer_do_no_harm() {
    let server = Server::start(&[]);
    for transfer in [
        Transfer::Data { piece: b"bytes" },
        Transfer::Credit { bytes: u32::MAX },
        Transfer::DataEnd { digest: None },
        Transfer::Abort,
    ] {
        let mut yoda = server.user("yoda");
        yoda.send_transfer(77, &transfer);
        yoda.close_output();
        while let Some(heard) = yoda.next_frame() {
            assert!(
                matches!(
                    heard,
                    OwnedFromServer::Notice(OwnedNotice::Closing { code: Closing::EndOfInput, .. })
                ),
                "{transfer:?}: {heard:?}"
            );
        }
    }
    assert_eq!(server.user("yoda").titles(), Vec::<String>::new());
}

#[test]
fn requests_about_links_come_in_the_wrong_phase_before_the_welcome() {
    let server = Server::start(&[]);
    for (request, _) in link_requests("nobody") {
        let bytes = frame_of(request);
        let text = expect_protocol_error(&server, &bytes);
        assert_eq!(text, "Wrong phase: the first frame must be a hello");
        let text = expect_protocol_error_on(&mut server.wire(), &bytes);
        assert_eq!(text, "Wrong phase: log in first");
    }
}

#[test]
fn a_ping_brings_back_what_it_carried_and_no_more_than_allowed() {
    let server = Server::start(&[]);
    let mut wire = server.wire();
    let most = vec![7; PING_BYTES_MAX];
    let pong = |payload: &[u8]| OwnedReply::Pong { payload: payload.to_vec() };
    assert_eq!(wire.request(&Request::Ping { payload: &most }), pong(&most));
    assert_eq!(wire.request(&Request::Ping { payload: b"" }), pong(b""));
    expect_protocol_error_on(&mut wire, &bytes_of(0x02, &[most, vec![7]].concat()));
}

#[test]
fn a_client_that_stops_in_the_middle_of_a_frame_holds_up_nobody() {
    let server = Server::start(&[]);
    let mut halves: Vec<Wire> = (0..50).map(|_| server.raw()).collect();
    for half in &mut halves {
        half.send_bytes(&[0, 0, 0xFF, 0, 0x21, 1, 2]);
    }
    let mut yoda = server.user("yoda");
    for _ in 0..100 {
        yoda.ping();
    }
    for half in &mut halves {
        half.close_output();
        while half.next_frame().is_some() {}
    }
}

#[test]
fn a_fin_ends_the_session_and_nothing_sent_before_it_is_done_by_halves() {
    let server = Server::start(&[]);
    for round in 0..20 {
        let title = format!("t{round}");
        let mut yoda = server.user("yoda");
        let create = Request::CreateThread { title: &title, key: None };
        yoda.send_all([create, Request::Post { title: &title, text: "last words", key: None }]);
        yoda.close_output();
        let outcomes = yoda.outcomes_to_the_end();
        assert!(outcomes.iter().all(Outcome::is_ok), "{outcomes:?}");
        // The name is free again, and the forum is in one of the states between the requests.
        let mut yoda = server.user("yoda");
        if yoda.titles().contains(&title) {
            let lines = yoda.read_thread(&title);
            assert!(lines.is_empty() || lines == ["1 yoda: last words"], "{lines:?}");
        }
        yoda.done(&Request::LogOut);
        yoda.expect_closed();
    }
}

/// Kinds of garbage, from noise to frames that are nearly right.
fn garbage() -> impl Strategy<Value = Vec<u8>> {
    let noise = proptest::collection::vec(any::<u8>(), 0..2_000);
    let frame = (any::<u8>(), proptest::collection::vec(any::<u8>(), 0..300))
        .prop_map(|(kind, body)| bytes_of(kind, &body));
    let known = (0x01..=0x57_u8, proptest::collection::vec(any::<u8>(), 0..60))
        .prop_map(|(kind, body)| bytes_of(kind, &body));
    let frames = proptest::collection::vec(prop_oneof![frame, known], 1..10).prop_map(|all| all.concat());
    let greeted = (Just(frame_of(hello())), frames.clone()).prop_map(|(hello, rest)| [hello, rest].concat());
    prop_oneof![noise, frames, greeted]
}

#[test]
fn garbage_ends_its_own_connection_and_no_other() {
    let server = Server::start(&["--durability", "none"]);
    let yoda = RefCell::new(server.user("yoda"));
    yoda.borrow_mut().done(&Request::CreateThread { title: "t", key: None });
    let config = Config { cases: 200, failure_persistence: None, ..Config::default() };
    let strategy = (garbage(), any::<bool>());
    let result = TestRunner::new(config).run(&strategy, |(bytes, logged_in)| {
        let mut wire = if logged_in { server.user("fuzzer") } else { server.raw() };
        wire.send_bytes_regardless(&bytes);
        wire.close_output();
        // Whatever the server says to it: it ends in order.
        std::io::copy(&mut wire.stream(), &mut std::io::sink()).expect("an orderly end");
        let mut yoda = yoda.borrow_mut();
        yoda.ping();
        yoda.done(&Request::Post { title: "t", text: "still here", key: None });
        Ok(())
    });
    result.unwrap();
    assert_eq!(yoda.borrow_mut().read_thread("t").len(), 200);
}
