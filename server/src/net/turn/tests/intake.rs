//! What one connection may send, how fast, and what it costs the server.

use forum_common::limits::FRAME_BYTES_MAX;
use forum_common::wire::frame::EARLY_FRAME_BYTES_MAX;

use super::*;
use crate::core::outbox::Outbox;
use crate::core::sessions::Sessions;
use crate::forum::Online;

#[test]
fn frames_cut_anywhere_and_frames_in_one_piece_are_the_same() {
    let mut whole = Vec::new();
    Request::CreateThread { title: "t", key: None }.encode(4, &mut whole);
    Request::Post { title: "t", text: "hello", key: None }.encode(5, &mut whole);
    for cut in 0..whole.len() {
        let mut stage = stage(&[]);
        let mut yoda = stage.sign_up("yoda");
        let mut answers = Vec::new();
        for piece in [&whole[..cut], &whole[cut..]] {
            yoda.link.borrow_mut().to_server.extend(piece);
            stage.settle(&yoda);
            answers.extend(yoda.answers());
        }
        assert_eq!(
            answers,
            [done(4, "Thread t created"), done(5, "Message posted to t thread")],
            "cut at {cut}"
        );
    }
}

#[test]
fn a_broken_protocol_ends_one_connection_and_says_why() {
    let mut stage = stage(&[]);
    let mut good = stage.sign_up("good");
    let reason = |bytes: &[u8], stage: &mut Stage, name: &str| {
        let mut bad = stage.sign_up(name);
        bad.link.borrow_mut().to_server.extend(bytes);
        stage.settle(&bad);
        assert!(bad.link.borrow().server_closed);
        bad.answers().concat()
    };
    let too_long = (FRAME_BYTES_MAX as u32 - 3).to_be_bytes();
    assert!(reason(&too_long, &mut stage, "a").contains("65537 bytes; at most 65536"));
    assert!(reason(&[0, 0, 0, 5, 0x7f, 0, 0, 0, 1], &mut stage, "b").contains("Unknown frame kind 0x7f"));
    assert!(reason(&[0, 0, 0, 8, 0x20, 0, 0, 0, 1, 0, 1, 0xff], &mut stage, "c").contains("not UTF-8"));
    assert!(reason(&[0, 0, 0, 6, 0x24, 0, 0, 0, 1, 9], &mut stage, "d").contains("no such value"));
    let hello = [0, 0, 0, 10, 0x01, 0, 0, 0, 1, 0, 3, 0, 0, 0];
    assert!(reason(&hello, &mut stage, "e").contains("Wrong phase"));
    assert_eq!(
        stage.ask(&mut good, 4, &Request::ListThreads { after: None, at_most: None, unread: None }),
        ["4 EndOfList"]
    );
}

#[test]
fn a_stranger_sends_short_frames_or_none() {
    let mut stage = stage(&[]);
    let mut stranger = stage.connect();
    let too_long = (EARLY_FRAME_BYTES_MAX as u32 - 3).to_be_bytes();
    stranger.link.borrow_mut().to_server.extend(too_long);
    stage.settle(&stranger);
    assert!(stranger.answers().concat().contains("2049 bytes; at most 2048"));
}

#[test]
fn what_a_body_has_after_its_last_known_field_is_ignored() {
    let mut stage = stage(&[]);
    let mut yoda = stage.sign_up("yoda");
    let mut frame = Vec::new();
    Request::CreateThread { title: "t", key: None }.encode(4, &mut frame);
    frame.extend(b"\0from a later version");
    let length = frame.len() as u32 - 4;
    frame[..4].copy_from_slice(&length.to_be_bytes());
    yoda.link.borrow_mut().to_server.extend(frame);
    stage.settle(&yoda);
    assert_eq!(yoda.answers(), [done(4, "Thread t created")]);
}

#[test]
fn a_client_that_does_not_read_is_not_asked_for_more() {
    let (mut stage, mut yoda) = stage_with_thread();
    for n in 0..200 {
        stage.ask(&mut yoda, 10 + n, &Request::Post { title: "t", text: &"x".repeat(2_000), key: None });
    }
    yoda.link.borrow_mut().room = 0;
    for tag in 0..5_000 {
        yoda.send(
            1_000 + tag,
            &Request::ReadThread {
                title: "t",
                range: None,
                after: None,
                at_most: None,
                last: None,
                unread: None,
            },
        );
    }
    stage.settle(&yoda);
    let connection = stage.server.connections.get(yoda.id).unwrap();
    let held = stage.server.core.outbox.queued(yoda.id) + connection.received.len();
    assert!(held < 600_000, "{held} bytes for one connection");

    // It reads on, and every answer comes, in order.
    let mut ends = Vec::new();
    for _ in 0..5_000 {
        yoda.link.borrow_mut().room = 10 << 20;
        stage.nudge(&yoda);
        for _ in 0..20 {
            stage.server.turn(true);
        }
        ends.extend(yoda.answers().into_iter().filter(|answer| answer.ends_with("EndOfList")));
        if ends.len() == 5_000 {
            break;
        }
    }
    let expected: Vec<_> = (0..5_000).map(|tag| format!("{} EndOfList", 1_000 + tag)).collect();
    assert_eq!(ends, expected);
}

#[test]
fn too_many_requests_a_second_are_refused_in_order() {
    let mut stage = stage(&["--max-requests-per-second", "2"]);
    let mut yoda = stage.sign_up("yoda");
    for tag in 4..7 {
        yoda.send(tag, &Request::CreateThread { title: "t", key: None });
    }
    stage.settle(&yoda);
    assert_eq!(yoda.answers()[2], refused(6, Refusal::SlowDown, "Slow down. Please try again later"));
    stage.clock.advance(Duration::from_secs(1));
    assert_eq!(
        stage.ask(&mut yoda, 7, &Request::CreateThread { title: "u", key: None }),
        [done(7, "Thread u created")]
    );
}

#[test]
fn neither_a_log_out_nor_an_acknowledgement_is_a_request_too_many() {
    let mut stage = stage(&["--max-requests-per-second", "1"]);
    let mut yoda = stage.sign_up("yoda");
    yoda.send(4, &Request::CreateThread { title: "t", key: None });
    for tag in 5..8 {
        yoda.send(tag, &Request::AckMessages { up_to: 0 });
    }
    yoda.send(8, &Request::CreateThread { title: "u", key: None });
    yoda.send(9, &Request::LogOut);
    stage.settle(&yoda);
    let slow_down = refused(8, Refusal::SlowDown, "Slow down. Please try again later");
    assert_eq!(yoda.answers()[1..], [slow_down, done(9, "Goodbye")]);
}

#[test]
fn an_idle_user_is_logged_out_and_pings_are_no_activity() {
    let mut stage = stage(&["--timeout", "120"]);
    let (mut idle, mut busy) = (stage.sign_up("idle"), stage.sign_up("busy"));
    for tag in 0..5 {
        stage.clock.advance(Duration::from_secs(30));
        stage.ask(&mut idle, 10 + tag, &Request::Ping { payload: b"" });
        stage.ask(&mut busy, 10 + tag, &Request::Active);
        if stage.server.core.sessions.get(idle.id).is_none_or(|session| session.is_draining()) {
            assert_eq!(tag, 3, "logged out after 120 s, no sooner");
            break;
        }
    }
    assert!(stage.server.core.sessions.get(busy.id).is_some_and(|session| session.member().is_some()));
    assert!(stage.server.core.sessions.get(idle.id).is_none_or(|session| session.is_draining()));
}

#[test]
fn an_idle_connection_owns_no_buffers() {
    let (stage, yoda) = stage_with_thread();
    let connection = stage.server.connections.get(yoda.id).unwrap();
    assert!(connection.received.is_empty());
    assert!(stage.server.core.outbox.owns_nothing(yoda.id));
}

/// Beside these tables there are its places in the tree of who is online, in the roster of who listens and among the
/// deadlines, some 35 bytes; `load/compare.py idle` measures all of it.
#[test]
fn an_idle_session_takes_no_more_room_in_the_tables_than_280_bytes() {
    let tables = [Sessions::BYTES_EACH, Connections::BYTES_EACH, Outbox::BYTES_EACH, Online::BYTES_EACH];
    assert!(tables.iter().sum::<usize>() <= 280, "{tables:?}");
}

#[test]
fn what_came_before_a_reset_is_done() {
    let (mut stage, mut yoda) = stage_with_thread();
    yoda.send(5, &Request::Post { title: "t", text: "last words", key: None });
    stage.server.readable(yoda.id, PeerEnd::Died);
    stage.run();
    assert_eq!(stage.server.forum().threads.titled("t").unwrap().posts().len(), 1);
    assert_eq!(stage.server.connections(), 0);
}
