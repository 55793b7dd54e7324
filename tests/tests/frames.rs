//! The stream of bytes: however it is cut, and whatever garbage it holds, the server understands it or closes
//! that one connection with a reason, and everybody else goes on.
#![forbid(unsafe_code)]

use std::cell::RefCell;

use forum_common::frame;
use forum_common::limits::{FRAME_BYTES_MAX, PING_BYTES_MAX};
use forum_common::link::LinkRequest;
use forum_common::refusal::{Closing, Refusal};
use forum_common::request::{Request, VERSION};
use forum_common::transfer;
use forum_tests::{Heard, PASSWORD, Reply, Server, Wire};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// The bytes of one frame.
fn bytes_of(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::append(&mut bytes, kind, 1, |out| out.extend_from_slice(body));
    bytes
}

fn hello() -> Vec<u8> {
    bytes_of(0x01, &VERSION.to_be_bytes())
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

/// The whole life of a user as one run of bytes, with the answers it must bring.
fn life(name: &str, title: &str) -> (Vec<u8>, Vec<Reply>) {
    let text = format!("from {name}");
    let requests = [
        (Request::Hello { version: VERSION }, Reply::Hello { version: VERSION }),
        (Request::LogIn { name, udp_port: 0 }, Reply::PasswordWanted { known: false }),
        (Request::SignUp { password: PASSWORD, confirmation: PASSWORD }, Reply::welcome()),
        (Request::CreateThread { title }, Reply::Done(format!("Thread {title} created"))),
        (Request::Post { title, text: &text }, Reply::Done(format!("Message posted to {title} thread"))),
        (
            Request::ReadThread { title, range: Some((1, 1)) },
            Reply::Post { number: 1, author: name.into(), text: text.clone() },
        ),
    ];
    let mut bytes = Vec::new();
    let mut answers = Vec::new();
    for (tag, (request, answer)) in (1..).zip(requests) {
        request.encode(tag, &mut bytes);
        answers.push(answer);
    }
    // The list has an end.
    answers.push(Reply::EndOfList);
    for (request, answer) in link_requests(name) {
        request.encode(80, &mut bytes);
        answers.extend(answer);
    }
    Request::LogOut.encode(99, &mut bytes);
    answers.push(Reply::done("Goodbye"));
    (bytes, answers)
}

/// Every kind of request about links, from somebody who has none, with its answer, if it has one.
fn link_requests(name: &str) -> [(LinkRequest<'_>, Option<Reply>); 8] {
    let to_self = |text| Some(Reply::refused(Refusal::NotToSelf, text));
    let not_enabled = Reply::refused(Refusal::NotPrivate, "Error. Private messaging not enabled");
    [
        (LinkRequest::StartPrivate { user: name, enabled: false }, to_self("Error. Cannot message self")),
        (LinkRequest::OfferFile { user: name, size: 1, file: "f" }, to_self("Error. Cannot send to self")),
        (LinkRequest::Answer { link: 1, yes: true }, None),
        (LinkRequest::Listening { link: 1, port: 1 }, None),
        (LinkRequest::Up { link: 1 }, None),
        (LinkRequest::End { link: 1, stopped: true }, None),
        (LinkRequest::RelayText { link: 1, text: "hello" }, Some(not_enabled)),
        (LinkRequest::RelayDatagram { link: 1, datagram: b"hello" }, None),
    ]
}

fn expect_answers(wire: &mut Wire, answers: &[Reply]) {
    for answer in answers {
        match wire.next_frame() {
            Some(Heard::Reply(_, reply)) => assert_eq!(reply, *answer),
            other => panic!("wanted {answer:?}, not {other:?}"),
        }
    }
    wire.expect_closed();
}

#[test]
fn a_stream_cut_at_any_byte_means_the_same() {
    let server = Server::start(&["--durability", "none"]);
    let mut other = server.user("other");
    let length = life("u000", "t000").0.len();
    for cut in 0..=length {
        let (bytes, answers) = life(&format!("u{cut:03}"), &format!("t{cut:03}"));
        let mut wire = server.raw();
        wire.send_bytes(&bytes[..cut]);
        // A round trip elsewhere: the server has seen the first piece alone.
        other.ping();
        wire.send_bytes(&bytes[cut..]);
        expect_answers(&mut wire, &answers);
    }
}

#[test]
fn a_stream_may_come_byte_by_byte() {
    let server = Server::start(&[]);
    let mut other = server.user("other");
    let (bytes, answers) = life("yoda", "3331");
    let mut wire = server.raw();
    for byte in &bytes {
        wire.send_bytes(&[*byte]);
        other.ping();
    }
    expect_answers(&mut wire, &answers);
}

#[test]
fn many_frames_in_one_piece_are_all_answered_in_order() {
    let server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    let bodies: Vec<[u8; 4]> = (0..2_000_u32).map(u32::to_be_bytes).collect();
    let tags = yoda.send_all(bodies.iter().map(|body| Request::Ping(body)));
    for (tag, body) in tags.into_iter().zip(bodies) {
        assert_eq!(yoda.answer(tag), Reply::Pong(body.into()));
    }
}

#[test]
fn lying_lengths_close_the_connection_with_the_reason() {
    let server = Server::start(&[]);
    assert_eq!(
        expect_protocol_error(&server, &65_533_u32.to_be_bytes()),
        "Frame of 65537 bytes; at most 65536 are allowed"
    );
    expect_protocol_error(&server, &[0xFF; 4]);
    expect_protocol_error(&server, &[0, 0, 0, 4, 1, 0, 0, 0]);
    expect_protocol_error(&server, &[0; 4]);
    expect_protocol_error(&server, b"GET / HTTP/1.1\r\nHost: forum\r\n\r\n");
    let mut yoda = server.user("yoda");
    expect_protocol_error_on(&mut yoda, &(FRAME_BYTES_MAX as u32).to_be_bytes());
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
        (0x54, b"\0\0\0\0\0\0\0\x01x", "Malformed frame: bytes behind its last field"),
        (0x52, b"\0\0\0\0\0\0\0\x01\x02", "Malformed frame: a field has no such value"),
        (0x56, b"\0\0\0\0\0\0\0\x01\xff", "Malformed frame: a string is not UTF-8"),
        (0x20, b"\x05abc", "Malformed frame: it ends inside a field"),
        (0x20, b"", "Malformed frame: it ends inside a field"),
        (0x20, b"\x01ab", "Malformed frame: bytes behind its last field"),
        (0x24, b"x", "Malformed frame: bytes behind its last field"),
        (0x20, b"\x01\xff", "Malformed frame: a string is not UTF-8"),
        (0x21, b"\x01t\xc3\x28", "Malformed frame: a string is not UTF-8"),
        (0x25, b"\x01t\x02", "Malformed frame: a field has no such value"),
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
    let frame_of = |request: Request<'_>| {
        let mut bytes = Vec::new();
        request.encode(1, &mut bytes);
        bytes
    };
    let password = frame_of(Request::Password(PASSWORD));
    let create = frame_of(Request::CreateThread { title: "t" });
    let name = frame_of(Request::LogIn { name: "yoda", udp_port: 0 });
    let sign_up = frame_of(Request::SignUp { password: PASSWORD, confirmation: PASSWORD });
    // Before the hello.
    for bytes in [&password, &create, &name, &sign_up] {
        expect_protocol_error(&server, bytes);
    }
    // Behind the hello.
    for bytes in [hello(), password.clone(), sign_up.clone(), create.clone()] {
        expect_protocol_error_on(&mut server.wire(), &bytes);
    }
    // Behind an unknown name, a known name, and the welcome.
    let mut wire = server.wire();
    assert_eq!(wire.name("yoda"), Reply::PasswordWanted { known: false });
    expect_protocol_error_on(&mut wire, &password);
    server.user("yoda").done(&Request::LogOut);
    let mut wire = server.wire();
    assert_eq!(wire.name("yoda"), Reply::PasswordWanted { known: true });
    expect_protocol_error_on(&mut wire, &sign_up);
    for bytes in [hello(), name, password, sign_up] {
        expect_protocol_error_on(&mut server.user("yoda"), &bytes);
    }
    assert_eq!(server.user("yoda").titles(), Vec::<String>::new());
}

#[test]
fn pieces_of_no_transfer_do_no_harm() {
    let server = Server::start(&[]);
    for transfer in [
        transfer::Transfer::Data(b"bytes"),
        transfer::Transfer::Credit(u32::MAX),
        transfer::Transfer::End([0; 32]),
        transfer::Transfer::Abort,
    ] {
        let mut yoda = server.user("yoda");
        yoda.send_transfer(77, &transfer);
        yoda.close_output();
        while let Some(heard) = yoda.next_frame() {
            assert!(matches!(heard, Heard::Closing(Closing::ProtocolError, _)), "{transfer:?}: {heard:?}");
        }
    }
    assert_eq!(server.user("yoda").titles(), Vec::<String>::new());
}

#[test]
fn an_unknown_version_is_answered_by_the_one_that_both_speak_or_an_end() {
    let server = Server::start(&[]);
    let mut newer = server.raw();
    assert_eq!(newer.request(&Request::Hello { version: 7 }), Reply::Hello { version: VERSION });
    newer.ping();
    expect_protocol_error(&server, &bytes_of(0x01, &[0, 0]));
}

#[test]
fn requests_about_links_are_unknown_before_the_welcome_and_in_version_1() {
    let server = Server::start(&[]);
    for (number, (request, _)) in link_requests("nobody").into_iter().enumerate() {
        let mut bytes = Vec::new();
        request.encode(1, &mut bytes);
        let reason = format!("Unknown frame kind {:#04x}", bytes[4]);
        assert_eq!(expect_protocol_error(&server, &bytes), reason);
        assert_eq!(expect_protocol_error_on(&mut server.wire(), &bytes), reason);
        let mut old = server.raw();
        assert_eq!(old.request(&Request::Hello { version: 1 }), Reply::Hello { version: 1 });
        old.become_user(&format!("old{number}"));
        assert_eq!(expect_protocol_error_on(&mut old, &bytes), reason);
    }
}

#[test]
fn a_ping_brings_back_what_it_carried_and_no_more_than_allowed() {
    let server = Server::start(&[]);
    let mut wire = server.wire();
    let most = vec![7; PING_BYTES_MAX];
    assert_eq!(wire.request(&Request::Ping(&most)), Reply::Pong(most.clone()));
    assert_eq!(wire.request(&Request::Ping(b"")), Reply::Pong(Vec::new()));
    expect_protocol_error_on(&mut wire, &bytes_of(0x02, &[most, vec![7]].concat()));
}

#[test]
fn a_frame_of_the_largest_size_is_read() {
    let server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    yoda.done(&Request::CreateThread { title: "t" });
    let mut body = b"\x01t".to_vec();
    body.resize(FRAME_BYTES_MAX - 9, b'x');
    yoda.send_bytes(&bytes_of(0x21, &body));
    assert_eq!(yoda.answer(1), Reply::refused(Refusal::InvalidText, "Invalid text"));
    yoda.ping();
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
        let create = Request::CreateThread { title: &title };
        yoda.send_all([create, Request::Post { title: &title, text: "last words" }]);
        yoda.close_output();
        while let Some(heard) = yoda.next_frame() {
            assert!(matches!(&heard, Heard::Reply(_, reply) if reply.is_done()), "{heard:?}");
        }
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
    let greeted = (Just(hello()), frames.clone()).prop_map(|(hello, rest)| [hello, rest].concat());
    prop_oneof![noise, frames, greeted]
}

#[test]
fn garbage_ends_its_own_connection_and_no_other() {
    let server = Server::start(&["--durability", "none"]);
    let yoda = RefCell::new(server.user("yoda"));
    yoda.borrow_mut().done(&Request::CreateThread { title: "t" });
    let config = Config { cases: 200, failure_persistence: None, ..Config::default() };
    let strategy = (garbage(), any::<bool>());
    let result = TestRunner::new(config).run(&strategy, |(bytes, logged_in)| {
        let mut wire = if logged_in { server.user("fuzzer") } else { server.raw() };
        wire.send_bytes_regardless(&bytes);
        wire.close_output();
        // Whatever the server says to it: it ends.
        while wire.next_frame().is_some() {}
        let mut yoda = yoda.borrow_mut();
        yoda.ping();
        yoda.done(&Request::Post { title: "t", text: "still here" });
        Ok(())
    });
    result.unwrap();
    assert_eq!(yoda.borrow_mut().read_thread("t").len(), 200);
}
