//! Packets that do not belong: forged, damaged, of another version, of another transfer.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::content::Virtual;
use super::network::Conditions;
use super::pair::{Pair, token};
use crate::transport::packet::{self, DATAGRAM_BYTES_MAX, Packet, session_of};
use crate::transport::{Endpoint, Event, Failure, Offer, Reason, Receiver, Sender};

/// All kinds but Data: false content is a matter of the digest.
const KINDS: [u8; 8] = [0x01, 0x03, 0x04, 0x05, 0x81, 0x82, 0x83, 0x84];

/// Packets of every kind, in a session that a stranger has made up.
fn forged(random: &mut fastrand::Rng) -> Vec<u8> {
    let session = token(random.u64(..)).sessions().to_sender;
    let mut buffer = vec![0; 2_000];
    let any = |random: &mut fastrand::Rng| random.u64(..) >> random.u8(..64);
    let bytes = match random.u8(..10) {
        0 => packet::write_hello(&mut buffer, session, &Offer { size: any(random), digest: [7; 32] }),
        1 => packet::write_data_header(&mut buffer, session, any(random), any(random)) + 1_000,
        2 => packet::write_ping(&mut buffer, session, any(random), 100),
        3 => packet::write_goodbye(&mut buffer, session),
        4 => packet::write_abort(&mut buffer, session, Reason::Cancelled),
        5 => packet::write_knock(&mut buffer, session),
        6 => packet::write_accept(&mut buffer, session, any(random), any(random), 1_200),
        7 => {
            let ranges = [random.u64(50..100)..random.u64(100..1_000), 0..40];
            let (delivered, window_end) = (any(random), any(random));
            packet::write_ack(&mut buffer, session, Duration::ZERO, delivered, window_end, ranges.into_iter())
        }
        8 => packet::write_done(&mut buffer, session),
        _ => {
            random.fill(&mut buffer);
            random.usize(..2_000)
        }
    };
    buffer.truncate(bytes);
    buffer
}

#[test]
fn forged_packets_change_nothing_and_are_not_answered() {
    for seed in 0..20 {
        let mut random = fastrand::Rng::with_seed(seed);
        let content = Virtual::new(seed, 300_000);
        let conditions =
            Conditions { loss: 0.05, bottleneck: Some((1_000_000, 50_000)), ..Conditions::default() };
        let mut pair = Pair::new(seed, &content, &conditions);
        let mut undisturbed = Pair::new(seed, &content, &conditions);
        pair.run_with(|pair| {
            for _ in 0..random.u8(..4) {
                let datagram = forged(&mut random);
                assert!(!pair.sender.on_datagram(pair.now, &datagram));
                assert!(!pair.receiver.on_datagram(pair.now, &datagram));
            }
        });
        undisturbed.run();
        assert_eq!(pair.elapsed(), undisturbed.elapsed(), "seed {seed}");
        assert_eq!(pair.to_receiver.sent(), undisturbed.to_receiver.sent(), "seed {seed}");
        assert_eq!(pair.to_sender.sent(), undisturbed.to_sender.sent(), "seed {seed}");
        pair.expect_done();
    }
}

#[test]
fn another_token_is_another_transfer() {
    let content = Virtual::new(1, 1_000);
    let mut pair = Pair::new(1, &content, &Conditions::default());
    pair.receiver = Receiver::new(pair.start, &token(2));
    pair.run();
    assert_eq!(pair.sender_events, [Event::Failed(Failure::Vanished)]);
    assert_eq!(pair.receiver_events, [Event::Failed(Failure::Vanished)]);
}

#[test]
fn two_transfers_whose_packets_reach_everyone_do_not_mix() {
    for seed in 0..10 {
        let contents = [Virtual::new(seed, 200_000), Virtual::new(seed + 99, 250_000)];
        let mtu = vec![(Duration::ZERO, 1_300)];
        let jitter = Duration::from_millis(7);
        let conditions = Conditions { loss: 0.1, jitter, mtu, ..Conditions::default() };
        let [mut one, mut other] = [(seed, &contents[0]), (seed + 500, &contents[1])]
            .map(|(seed, content)| Pair::new(seed, content, &conditions));
        (other.start, other.now) = (one.start, one.now);
        one.run_with(|one| {
            other.now = one.now;
            other.step();
            overhear(&other, one);
            overhear(one, &mut other);
        });
        let sent = [&one, &other].map(|pair| pair.to_receiver.sent());
        assert!(sent.iter().all(|sent| *sent > 50), "seed {seed}: {sent:?} packets");
        one.expect_done();
        other.run();
        other.expect_done();
    }
}

/// Both ends of `listening` get what was last said in the other transfer, and take no notice.
fn overhear(speaking: &Pair, listening: &mut Pair) {
    let now = listening.now;
    for datagram in [speaking.to_receiver.last_sent(), speaking.to_sender.last_sent()] {
        assert_ne!(session_of(datagram), Some(listening.receiver.session()));
        assert!(!listening.receiver.on_datagram(now, datagram));
        assert!(!listening.sender.on_datagram(now, datagram));
    }
}

#[test]
fn what_comes_back_as_an_echo_is_not_taken_for_an_answer() {
    let content = Virtual::new(1, 1_000);
    let now = Instant::now();
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    let mut sender = Sender::new(now, &token(1), content.offer(), content);
    let sent = sender.poll_transmit(now, 1, &mut buffer).unwrap();
    assert!(!sender.on_datagram(now, &buffer[..sent.bytes]));
    let mut receiver = Receiver::<super::content::Checked>::new(now, &token(1));
    let knock = receiver.poll_transmit(now, 1, &mut buffer).unwrap();
    assert!(!receiver.on_datagram(now, &buffer[..knock.bytes]));
}

#[test]
fn an_unknown_version_is_refused() {
    let content = Virtual::new(1, 1_000);
    let mut pair = Pair::new(1, &content, &Conditions::default());
    let mut hello = vec![0; 100];
    let bytes = packet::write_hello(&mut hello, pair.receiver.session(), &content.offer());
    hello[packet::HEADER_BYTES] += 1;
    assert!(pair.receiver.on_datagram(pair.now, &hello[..bytes]));
    pair.run();
    assert_eq!(pair.receiver_events, [Event::Failed(Failure::Here(Reason::UnknownVersion))]);
    assert_eq!(pair.sender_events, [Event::Failed(Failure::There(Reason::UnknownVersion))]);
}

#[test]
fn acknowledgements_of_what_was_never_sent_are_dropped() {
    let content = Virtual::new(1, 1_000_000);
    let mut pair =
        Pair::new(1, &content, &Conditions { bottleneck: Some((100_000, 20_000)), ..Conditions::default() });
    let mut buffer = vec![0; 100];
    let mut tried = 0;
    pair.run_with(|pair| {
        if pair.sender.datagram_bytes().is_none() || tried == 50 {
            return;
        }
        tried += 1;
        let session = pair.sender.session();
        let ranges = std::iter::once(1_000_000..1_000_001);
        let bytes = packet::write_ack(&mut buffer, session, Duration::ZERO, 0, u64::MAX, ranges);
        assert!(!pair.sender.on_datagram(pair.now, &buffer[..bytes]));
        let bytes =
            packet::write_ack(&mut buffer, session, Duration::ZERO, 999_999, 0, std::iter::once(0..1));
        assert!(!pair.sender.on_datagram(pair.now, &buffer[..bytes]));
    });
    assert_eq!(tried, 50);
    pair.expect_done();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_bytes_break_an_end(
        kind in prop_oneof![prop::sample::select(KINDS.as_slice()), 0x06..0x80_u8],
        body in prop::collection::vec(any::<u8>(), 0..60),
        is_early: bool,
    ) {
        let content = Virtual::new(1, 20_000);
        let mut pair = Pair::new(1, &content, &Conditions::default());
        let datagram = |session| {
            let mut head = [0; packet::HEADER_BYTES];
            packet::write_knock(&mut head, session);
            head[0] = kind;
            [&head, body.as_slice()].concat()
        };
        let mut is_told = false;
        pair.run_with(|pair| {
            if !is_told && (is_early || pair.elapsed() > Duration::from_millis(45)) {
                is_told = true;
                pair.sender.on_datagram(pair.now, &datagram(pair.sender.session()));
                pair.receiver.on_datagram(pair.now, &datagram(pair.receiver.session()));
            }
        });
        // Whoever has the session may lie; then the transfer fails, and nothing worse.
        for events in [&pair.sender_events, &pair.receiver_events] {
            prop_assert!(matches!(events.last(), Some(Event::Done | Event::Failed(_))));
        }
    }

    #[test]
    fn acks_mean_the_same_after_the_wire(
        largest in 100_000..u64::MAX - 1,
        steps in prop::collection::vec((1..500_u64, 1..500_u64), 1..packet::ACK_RANGES_MAX),
    ) {
        let session = token(9).sessions().to_sender;
        let mut ranges = Vec::new();
        let mut high = largest;
        for (arrived, missing) in steps {
            ranges.push(high + 1 - arrived..high + 1);
            high -= arrived + missing;
        }
        let mut buffer = [0; 508];
        let bytes = packet::write_ack(&mut buffer, session, Duration::from_micros(77), 5, 6, ranges.iter().cloned());
        match packet::decode(session, &buffer[..bytes]) {
            Some(Packet::Ack(ack)) => {
                prop_assert_eq!(ack.ranges().collect::<Vec<_>>(), ranges);
                prop_assert_eq!((ack.largest, ack.delay, ack.delivered, ack.window_end), (largest, Duration::from_micros(77), 5, 6));
            }
            other => prop_assert!(false, "{:?}", other),
        }
        let cut = &buffer[..bytes - 1];
        prop_assert_eq!(packet::decode(session, cut), None);
    }
}
