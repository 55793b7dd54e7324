//! Links between two users over real sockets: introduced to each other they meet, and if they can't, the
//! server passes on what they say.
#![forbid(unsafe_code)]

use forum_common::wire::{Key, LinkId, OwnedNotice, Refusal, Request};
use forum_tests::{SAFE_TIMEOUT_SECONDS, Server, Wire, notice, outcome, until};

const SIZE: u64 = 1_234;

fn private(user: &str) -> Request<'_> {
    Request::AskPrivate { user, enabled: false }
}

fn file(user: &str) -> Request<'_> {
    Request::OfferFile { user, size: SIZE, file: "a.txt" }
}

fn user_at_port(server: &Server, name: &str, udp_port: u16) -> Wire {
    let mut wire = server.wire();
    wire.become_user_at_port(name, udp_port);
    wire
}

fn pair(server: &Server) -> (Wire, Wire) {
    (user_at_port(server, "yoda", 7_001), user_at_port(server, "hans", 7_002))
}

/// Asks, and has the other one say yes.
fn agree(asker: &mut Wire, request: &Request<'_>, asked: &mut Wire) -> LinkId {
    let (link, _) = asker.ask(request);
    match asked.link_notice() {
        OwnedNotice::PrivateQuestion { link: of, .. } | OwnedNotice::FileQuestion { link: of, .. } => {
            assert_eq!(of, link);
        }
        other => panic!("wanted a question, not {other:?}"),
    }
    asked.send(&Request::AnswerQuestion { link, yes: true });
    link
}

fn token(wire: &mut Wire) -> Key {
    match wire.link_notice() {
        OwnedNotice::PrepareLink { token, .. } => token,
        other => panic!("wanted a token, not {other:?}"),
    }
}

fn introduction(link: LinkId, token: Key, port: u16) -> OwnedNotice {
    OwnedNotice::LinkIntroduction { link, token, address: "127.0.0.1".into(), port }
}

/// A link that goes through the server.
fn relayed(asker: &mut Wire, request: &Request<'_>, asked: &mut Wire) -> LinkId {
    let link = agree(asker, request, asked);
    let preparing = if matches!(request, Request::OfferFile { .. }) { &mut *asker } else { &mut *asked };
    token(preparing);
    preparing.send(&Request::LinkListening { link, port: 0 });
    for wire in [asker, asked] {
        loop {
            match wire.link_notice() {
                OwnedNotice::LinkIntroduction { .. } => {}
                stands => break assert_eq!(stands, OwnedNotice::LinkEstablished { link, relayed: true }),
            }
        }
    }
    link
}

#[test]
fn two_who_agree_to_talk_are_introduced_and_the_link_stands_when_both_have_met() {
    let mut server = Server::start(&[]);
    let (mut yoda, mut hans) = pair(&server);
    let (link, text) = yoda.ask(&private("hans"));
    assert_eq!(text, "Start private messaging with hans");
    assert_eq!(hans.link_notice(), OwnedNotice::PrivateQuestion { link, from: "yoda".into() });
    hans.send(&Request::AnswerQuestion { link, yes: true });
    let token = token(&mut hans);
    hans.send(&Request::LinkListening { link, port: 6_001 });
    assert_eq!(yoda.link_notice(), introduction(link, token, 6_001));
    hans.send(&Request::LinkReached { link });
    hans.ping();
    assert_eq!(yoda.link_notices_so_far(), []);
    yoda.send(&Request::LinkReached { link });
    for wire in [&mut yoda, &mut hans] {
        assert_eq!(wire.link_notice(), OwnedNotice::LinkEstablished { link, relayed: false });
    }
    server.wait_log("yoda issued startprivate command");
    server.wait_log(&format!("yoda and hans: private link {link} direct"));
    let hex: String = token.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(!server.log().concat().contains(&hex), "a token is nobody else's business");
    drop(hans);
    assert_eq!(yoda.link_notice(), OwnedNotice::LinkEnded { link, stopped: false });
    server.wait_log(&format!("yoda and hans: private link {link} ended"));
}

#[test]
fn sender_and_receiver_of_a_file_are_told_where_the_other_is() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = pair(&server);
    let link = agree(&mut yoda, &file("hans"), &mut hans);
    let token = token(&mut yoda);
    yoda.send(&Request::LinkListening { link, port: 6_001 });
    assert_eq!(yoda.link_notice(), introduction(link, token, 7_002));
    assert_eq!(hans.link_notice(), introduction(link, token, 6_001));
}

#[test]
fn a_file_offer_says_what_it_is() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = pair(&server);
    let (link, text) = yoda.ask(&Request::OfferFile { user: "hans", size: u64::MAX, file: "x.tar.gz" });
    assert_eq!(text, "");
    let (from, file) = ("yoda".into(), "x.tar.gz".into());
    assert_eq!(hans.link_notice(), OwnedNotice::FileQuestion { link, from, size: u64::MAX, file });
}

#[test]
fn those_who_do_not_meet_in_time_talk_through_the_server() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = pair(&server);
    let link = agree(&mut yoda, &private("hans"), &mut hans);
    let token = token(&mut hans);
    // hans has not said where he is; yoda needs the token all the same.
    let nowhere = OwnedNotice::LinkIntroduction { link, token, address: String::new(), port: 0 };
    assert_eq!(yoda.link_notice(), nowhere);
    for wire in [&mut yoda, &mut hans] {
        assert_eq!(wire.link_notice(), OwnedNotice::LinkEstablished { link, relayed: true });
    }
}

#[test]
fn a_thousand_texts_in_one_go_arrive_in_order_each_once() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = pair(&server);
    let link = relayed(&mut yoda, &private("hans"), &mut hans);
    let texts: Vec<String> = (0..1_000).map(|number| format!("text {number}")).collect();
    let tags: Vec<_> = texts
        .iter()
        .map(|text| yoda.send(&Request::RelaySealed { link, ciphertext: text.as_bytes() }))
        .collect();
    for text in texts {
        assert_eq!(hans.link_notice(), OwnedNotice::RelayedSealed { link, ciphertext: text.into() });
    }
    assert!(yoda.outcomes(tags).iter().all(|answer| *answer == outcome::done("")));
    hans.send(&Request::EndLink { link, stopped: true });
    assert_eq!(yoda.link_notice(), OwnedNotice::LinkEnded { link, stopped: true });
    let not_enabled = (Refusal::NotPrivate, "Error. Private messaging not enabled".to_owned());
    assert_eq!(yoda.refused(&Request::RelaySealed { link, ciphertext: b"there?" }), not_enabled);
}

#[test]
fn datagrams_pass_both_ways_between_other_requests() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = pair(&server);
    let link = relayed(&mut yoda, &file("hans"), &mut hans);
    for number in 0..1_000_u32 {
        let datagram = number.to_be_bytes().repeat(300);
        yoda.send(&Request::RelayDatagram { link, datagram: &datagram });
        assert_eq!(hans.link_notice(), OwnedNotice::RelayedDatagram { link, datagram });
        let heard = number.to_be_bytes().to_vec();
        hans.send(&Request::RelayDatagram { link, datagram: &heard });
        assert_eq!(yoda.link_notice(), OwnedNotice::RelayedDatagram { link, datagram: heard });
    }
    yoda.ping();
    for wire in [&mut hans, &mut yoda] {
        wire.send(&Request::EndLink { link, stopped: false });
    }
    assert_eq!(yoda.link_notice(), OwnedNotice::LinkEnded { link, stopped: false });
    assert_eq!(hans.link_notices_so_far(), []);
}

#[test]
fn datagrams_to_who_does_not_read_are_lost_and_cost_the_server_no_memory() {
    let server = Server::start(&["--durability", "none"]);
    let (mut yoda, mut hans) = pair(&server);
    hans.shrink_receive_buffer();
    let link = relayed(&mut yoda, &file("hans"), &mut hans);
    let before = server.rss_bytes();
    for _ in 0..2_000 {
        yoda.send(&Request::RelayDatagram { link, datagram: &[7; 32 * 1_024] });
    }
    yoda.ping();
    let grown = server.peak_rss_bytes().saturating_sub(before);
    assert!(grown < 8 << 20, "{grown} bytes for 64 MiB that nobody read");
    // It is not cut off, and what comes later arrives again.
    assert!(hans.link_notices_so_far().len() < 2_000);
    yoda.send(&Request::RelayDatagram { link, datagram: b"now" });
    assert_eq!(hans.link_notice(), OwnedNotice::RelayedDatagram { link, datagram: b"now".into() });
}

#[test]
fn private_texts_keep_their_sender_from_being_idle() {
    whoever_sends_is_not_idle(&private("hans"), |yoda, link| {
        let tag = yoda.send(&Request::RelaySealed { link, ciphertext: b"still here" });
        assert_eq!(yoda.outcome_of(tag), outcome::done(""));
    });
}

#[test]
fn datagrams_keep_their_sender_from_being_idle() {
    whoever_sends_is_not_idle(&file("hans"), |yoda, link| {
        yoda.send(&Request::RelayDatagram { link, datagram: b"still here" });
    });
}

fn whoever_sends_is_not_idle(request: &Request<'_>, send: impl Fn(&mut Wire, LinkId)) {
    let server = Server::start(&["-q", "--timeout", &SAFE_TIMEOUT_SECONDS.to_string()]);
    let (mut yoda, mut hans) = pair(&server);
    let link = relayed(&mut yoda, request, &mut hans);
    // Whatever yoda did before this is older than the witness.
    let _witness = server.user("witness");
    until("the witness is idle", || {
        hans.send(&Request::Active);
        send(&mut yoda, link);
        hans.link_notice();
        yoda.notices_so_far().contains(&notice::logged_out("witness")).then_some(())
    });
}

#[test]
fn what_is_said_to_two_stays_between_them() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = pair(&server);
    let mut leia = server.user("leia");
    let talk = relayed(&mut yoda, &private("hans"), &mut hans);
    let send = relayed(&mut yoda, &file("hans"), &mut hans);
    for link in [talk, send] {
        leia.send(&Request::RelayDatagram { link, datagram: b"forged" });
        leia.send(&Request::EndLink { link, stopped: true });
        leia.send(&Request::LinkReached { link });
        let forged = Request::RelaySealed { link, ciphertext: b"forged" };
        let not_enabled = (Refusal::NotPrivate, "Error. Private messaging not enabled".to_owned());
        assert_eq!(leia.refused(&forged), not_enabled);
    }
    let tag = yoda.send(&Request::RelaySealed { link: talk, ciphertext: b"between us" });
    assert_eq!(yoda.outcome_of(tag), outcome::done(""));
    yoda.send(&Request::RelayDatagram { link: send, datagram: b"between us" });
    yoda.ping();
    assert_eq!(
        hans.link_notices_so_far(),
        [
            OwnedNotice::RelayedSealed { link: talk, ciphertext: b"between us".into() },
            OwnedNotice::RelayedDatagram { link: send, datagram: b"between us".into() },
        ]
    );
    assert_eq!(leia.link_notices_so_far(), []);
    assert_eq!(yoda.link_notices_so_far(), []);
}
