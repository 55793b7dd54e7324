//! What the server passes on: between the two ends of a relayed link, and for nobody else.

use super::*;
use crate::core::outbox::QUEUED_BYTES_HIGH;

/// A link that goes through the server.
fn relayed(request: &Request<'_>) -> (Stage, Client, Client) {
    let mut stage = stage(&[]);
    let (mut yoda, mut hans) = (stage.user("yoda"), stage.user("hans"));
    stage.link(&mut yoda, request);
    stage.link(&mut hans, &yes(1));
    for client in [&mut yoda, &mut hans] {
        stage.link(client, &Request::LinkListening { link: 1, port: 0 });
    }
    for client in [&mut yoda, &mut hans] {
        let stands = "LinkEstablished { link: 1, relayed: true }";
        assert!(client.answers().last().is_none_or(|last| last == stands));
        client.heard();
    }
    (stage, yoda, hans)
}

fn text(text: &str) -> Request<'_> {
    Request::RelaySealed { link: 1, ciphertext: text.as_bytes() }
}

fn datagram(datagram: &[u8]) -> Request<'_> {
    Request::RelayDatagram { link: 1, datagram }
}

const END: Request<'static> = Request::EndLink { link: 1, stopped: false };

#[test]
fn texts_go_both_ways_and_are_answered() {
    let (mut stage, mut yoda, mut hans) = relayed(&private("hans"));
    for number in 0..100 {
        let (there, back) = (format!("there {number}"), format!("back {number}"));
        assert_eq!(stage.link(&mut yoda, &text(&there)), [done(9, "")]);
        hans.expect(&[Notice::RelayedSealed { link: 1, ciphertext: there.as_bytes() }]);
        assert_eq!(stage.link(&mut hans, &text(&back)), [done(9, "")]);
        yoda.expect(&[Notice::RelayedSealed { link: 1, ciphertext: back.as_bytes() }]);
    }
}

#[test]
fn a_text_that_cant_be_said_is_refused_for_the_first_reason_that_applies() {
    let (mut stage, mut yoda, mut hans) = relayed(&private("hans"));
    let mut leia = stage.user("leia");
    let unknown = refused_link(Refusal::NotPrivate, "Error. Private messaging not enabled");
    assert_eq!(stage.link(&mut leia, &text("hello")), unknown, "the link of two others");
    // One of its own that does not stand yet, and a file.
    stage.link(&mut leia, &Request::AskPrivate { user: "hans", enabled: false });
    stage.link(&mut leia, &file("hans"));
    for link in [2, 3] {
        let not_enabled = refused_link(Refusal::NotPrivate, "Error. Private messaging to hans not enabled");
        assert_eq!(stage.link(&mut leia, &Request::RelaySealed { link, ciphertext: b"hello" }), not_enabled);
    }
    yoda.expect(&[]);
    hans.answers();
    stage.link(&mut yoda, &END);
    hans.expect(&[Notice::LinkEnded { link: 1, stopped: false }]);
    assert_eq!(stage.link(&mut hans, &text("hello")), unknown, "it is over");
}

#[test]
fn datagrams_go_both_ways_and_nobody_elses_do() {
    let (mut stage, mut yoda, mut hans) = relayed(&file("hans"));
    let mut leia = stage.user("leia");
    assert_eq!(stage.link(&mut leia, &datagram(b"forged")), NOTHING);
    yoda.expect(&[]);
    hans.expect(&[]);
    assert_eq!(stage.link(&mut yoda, &datagram(b"data")), NOTHING);
    hans.expect(&[Notice::RelayedDatagram { link: 1, datagram: b"data" }]);
    assert_eq!(stage.link(&mut hans, &datagram(b"")), NOTHING);
    yoda.expect(&[Notice::RelayedDatagram { link: 1, datagram: b"" }]);
    let largest = vec![7; forum_common::wire::RELAYED_BYTES_MAX];
    stage.link(&mut yoda, &datagram(&largest));
    hans.expect(&[Notice::RelayedDatagram { link: 1, datagram: &largest }]);
}

#[test]
fn the_handshake_of_a_conversation_goes_in_datagrams() {
    let (mut stage, mut yoda, mut hans) = relayed(&private("hans"));
    assert_eq!(stage.link(&mut yoda, &datagram(b"first")), NOTHING);
    hans.expect(&[Notice::RelayedDatagram { link: 1, datagram: b"first" }]);
    assert_eq!(stage.link(&mut hans, &datagram(b"second")), NOTHING);
    yoda.expect(&[Notice::RelayedDatagram { link: 1, datagram: b"second" }]);
}

#[test]
fn datagrams_of_a_link_that_does_not_stand_are_dropped() {
    let mut stage = stage(&[]);
    let (mut yoda, mut hans) = (stage.user("yoda"), stage.user("hans"));
    stage.link(&mut yoda, &file("hans"));
    hans.answers();
    stage.link(&mut yoda, &datagram(b"early"));
    stage.link(&mut hans, &yes(1));
    stage.link(&mut hans, &datagram(b"early"));
    hans.expect(&[]);
    assert_eq!(yoda.answers().len(), 1, "the token, and no datagram");
}

#[test]
fn a_user_who_sends_datagrams_is_not_idle() {
    let (mut stage, mut yoda, _hans) = relayed(&file("hans"));
    let active_at =
        |stage: &Stage, client: &Client| stage.server.core.sessions.get(client.id).unwrap().active_at;
    let before = active_at(&stage, &yoda);
    stage.pass(Duration::from_secs(5));
    stage.link(&mut yoda, &datagram(b"data"));
    assert!(active_at(&stage, &yoda) > before);
}

#[test]
fn the_last_datagrams_of_a_file_pass_until_both_have_done_with_it() {
    let (mut stage, mut yoda, mut hans) = relayed(&file("hans"));
    stage.link(&mut hans, &END);
    yoda.expect(&[Notice::LinkEnded { link: 1, stopped: false }]);
    stage.link(&mut hans, &datagram(b"all is here"));
    yoda.expect(&[Notice::RelayedDatagram { link: 1, datagram: b"all is here" }]);
    stage.link(&mut yoda, &datagram(b"again"));
    hans.expect(&[]);
    stage.link(&mut hans, &END);
    yoda.expect(&[]);
    stage.link(&mut yoda, &END);
    yoda.expect(&[]);
    hans.expect(&[]);
    assert!(stage.server.core.forum.links.is_empty());
}

#[test]
fn of_a_file_that_one_has_done_with_only_the_other_is_told_that_it_left() {
    let (mut stage, yoda, mut hans) = relayed(&file("hans"));
    stage.link(&mut hans, &END);
    stage.cut(&yoda);
    hans.expect(&[]);
    let (mut stage, mut yoda, mut hans) = relayed(&file("hans"));
    stage.link(&mut hans, &END);
    yoda.answers();
    stage.cut(&hans);
    yoda.expect(&[Notice::LinkEnded { link: 1, stopped: false }]);
    assert!(stage.server.core.forum.links.is_empty());
}

#[test]
fn texts_to_a_slow_receiver_are_refused_and_it_is_not_cut_off() {
    let (mut stage, mut yoda, mut hans) = relayed(&private("hans"));
    hans.link.borrow_mut().room = 0;
    let long = "x".repeat(8_192);
    let too_slow = "hans reads too slowly. Your message was not delivered";
    let answers: Vec<_> = (0..100).map(|_| stage.link(&mut yoda, &text(&long)).remove(0)).collect();
    let taken = answers.iter().filter(|answer| **answer == done(9, "")).count();
    assert_eq!(taken, QUEUED_BYTES_HIGH.div_ceil(8_192 + 17), "what fits");
    assert!(answers[taken..].iter().all(|answer| *answer == refused(9, Refusal::PeerTooSlow, too_slow)));
    hans.link.borrow_mut().room = 1 << 30;
    stage.settle(&hans);
    assert_eq!(hans.answers().len(), taken, "none of those that were taken is lost");
    assert_eq!(stage.link(&mut yoda, &text("now?")), [done(9, "")]);
}

#[test]
fn datagrams_to_a_slow_receiver_are_lost_and_it_is_not_cut_off() {
    let (mut stage, mut yoda, mut hans) = relayed(&file("hans"));
    hans.link.borrow_mut().room = 0;
    for _ in 0..1_000 {
        yoda.send(9, &datagram(&[7; 1_200]));
    }
    stage.settle(&yoda);
    assert_eq!(yoda.answers(), NOTHING);
    let queued = stage.server.core.outbox.queued(hans.id);
    assert!((QUEUED_BYTES_HIGH..QUEUED_BYTES_HIGH + 2_000).contains(&queued), "{queued}");
    hans.link.borrow_mut().room = 1 << 30;
    stage.settle(&hans);
    assert_eq!(hans.answers().len(), QUEUED_BYTES_HIGH.div_ceil(1_217));
    stage.link(&mut yoda, &datagram(b"now?"));
    assert_eq!(hans.answers().len(), 1);
}
