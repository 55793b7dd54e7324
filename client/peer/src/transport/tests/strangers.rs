//! Packets that do not belong: forged, damaged, repeated, of another version, of another transfer; and an other end
//! that lies.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::content::{Checked, Virtual};
use super::network::Conditions;
use super::pair::{Pair, token};
use crate::transport::channel::{Channel, HEADER_BYTES, Taken, session_of};
use crate::transport::packet::{self, DATAGRAM_BYTES_MAX, Packet, SMALL_BYTES_MAX, SessionId};
use crate::transport::{Endpoint, Event, Failure, Heard, IDLE_MAX, Receiver, Sender};

/// Datagrams of all kinds that a stranger makes up, who knows the session or not.
fn forged(random: &mut fastrand::Rng, session: SessionId) -> Vec<u8> {
    let mut datagram = vec![0; HEADER_BYTES + random.usize(..200)];
    random.fill(&mut datagram);
    datagram[0] = [0x01, 0x02, 0x10, 0x81, random.u8(..)][random.usize(..5)];
    if random.u8(..4) > 0 {
        datagram[1..HEADER_BYTES].copy_from_slice(&session.bytes());
    }
    if datagram[0] == 0x10 && datagram.len() > HEADER_BYTES + 8 {
        let number = random.u64(..) >> random.u8(..64);
        datagram[HEADER_BYTES..HEADER_BYTES + 8].copy_from_slice(&number.to_be_bytes());
    }
    datagram
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
                let datagram = forged(&mut random, pair.sender.session());
                assert_eq!(pair.sender.on_datagram(pair.now, &datagram), Heard::Nothing);
                let datagram = forged(&mut random, pair.receiver.session());
                assert_eq!(pair.receiver.on_datagram(pair.now, &datagram), Heard::Nothing);
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
    pair.receiver = Receiver::new(pair.start, &token(2)).unwrap();
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
        assert_eq!(listening.receiver.on_datagram(now, datagram), Heard::Nothing);
        assert_eq!(listening.sender.on_datagram(now, datagram), Heard::Nothing);
    }
}

/// The next datagram of an end.
fn said(endpoint: &mut impl Endpoint, now: Instant) -> Vec<u8> {
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    let sent = endpoint.poll_transmit(now, 1, &mut buffer).expect("something to say");
    buffer[..sent.bytes].to_vec()
}

#[test]
fn what_comes_back_as_an_echo_is_not_taken_for_an_answer() {
    let content = Virtual::new(1, 1_000);
    let now = Instant::now();
    let mut sender = Sender::new(now, &token(1), content.offer(), content);
    let mut receiver = Receiver::<Checked>::new(now, &token(1)).unwrap();
    let (mut call, mut knock) = (said(&mut sender, now), said(&mut receiver, now));
    assert_eq!(sender.on_datagram(now, &call), Heard::Nothing);
    assert_eq!(receiver.on_datagram(now, &knock), Heard::Nothing);
    // Nor with the other direction's session.
    call[1..HEADER_BYTES].copy_from_slice(&sender.session().bytes());
    knock[1..HEADER_BYTES].copy_from_slice(&receiver.session().bytes());
    assert_eq!(sender.on_datagram(now, &call), Heard::Nothing);
    assert_eq!(receiver.on_datagram(now, &knock), Heard::Nothing);
}

#[test]
fn copies_of_a_packet_move_nobody_and_count_once() {
    let content = Virtual::new(1, 1_000);
    let now = Instant::now();
    let mut sender = Sender::new(now, &token(1), content.offer(), content.clone());
    let mut receiver = Receiver::<Checked>::new(now, &token(1)).unwrap();
    let knock = said(&mut receiver, now);
    assert_eq!(sender.on_datagram(now, &knock), Heard::Newest);
    assert_eq!(sender.on_datagram(now, &knock), Heard::Newest, "nobody knows yet where the receiver is");
    let answer = said(&mut sender, now);
    assert_eq!(said(&mut sender, now), answer, "the same to each Knock, or two handshakes would begin");
    assert_eq!(receiver.on_datagram(now, &answer), Heard::Newest);
    assert_eq!(receiver.on_datagram(now, &answer), Heard::Nothing);
    receiver.accept(now, crate::transport::Start::afresh(), Checked::new(&content, 0));
    let accepts = [said(&mut receiver, now), {
        receiver.on_datagram(now, &answer);
        said(&mut receiver, now)
    }];
    assert_eq!(sender.on_datagram(now, &accepts[1]), Heard::Newest);
    assert_eq!(sender.on_datagram(now, &accepts[0]), Heard::Old, "later ones have come before it");
    for copy in accepts.iter().chain([&knock]) {
        assert_eq!(sender.on_datagram(now, copy), Heard::Nothing);
    }
}

#[test]
fn another_version_is_told_from_silence_but_ends_nothing() {
    let content = Virtual::new(1, 1_000);
    let mut pair = Pair::new(1, &content, &Conditions::default());
    let [mut knock, mut call] = [said(&mut pair.receiver, pair.now), said(&mut pair.sender, pair.now)];
    for (datagram, is_knock) in [(&mut knock, true), (&mut call, false)] {
        datagram[HEADER_BYTES] += 1;
        let heard = match is_knock {
            true => pair.sender.on_datagram(pair.now, datagram),
            false => pair.receiver.on_datagram(pair.now, datagram),
        };
        assert_eq!(heard, Heard::Nothing);
    }
    // Somebody else may have said it: with the right version it goes on.
    pair.run();
    pair.expect_done();

    let cut = Duration::ZERO..Duration::MAX;
    let mut pair = Pair::new(1, &content, &Conditions { cut, ..Conditions::default() });
    pair.sender.on_datagram(pair.now, &knock);
    pair.receiver.on_datagram(pair.now, &call);
    pair.run();
    assert_eq!(pair.elapsed(), IDLE_MAX);
    assert_eq!(pair.receiver_events, [Event::Failed(Failure::OtherVersion)]);
    assert_eq!(pair.sender_events, [Event::Failed(Failure::OtherVersion)]);
}

/// A receiver that has the token and says what it likes, to a sender that has accepted it.
fn lying_receiver(now: Instant, sender: &mut Sender<Virtual>) -> Channel {
    let mut channel = Channel::of_receiver(&token(1)).unwrap();
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    let bytes = channel.write_opening(&mut buffer);
    sender.on_datagram(now, &buffer[..bytes]);
    let answer = said(sender, now);
    assert!(matches!(channel.take(&answer, &mut buffer), Taken::Answer(_)));
    channel
}

/// A sender that has the token and says what it likes; the first is `packet`.
fn lying_sender(now: Instant, receiver: &mut Receiver<Checked>, packet: &[u8]) -> Channel {
    let mut channel = Channel::of_sender(&token(1));
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    let knock = said(receiver, now);
    assert_eq!(channel.take(&knock, &mut buffer), Taken::Knock { is_news: true });
    channel.answer(packet);
    let bytes = channel.write_opening(&mut buffer);
    receiver.on_datagram(now, &buffer[..bytes]);
    channel
}

fn tell(endpoint: &mut impl Endpoint, now: Instant, channel: &mut Channel, packet: &[u8]) -> Heard {
    let mut buffer = vec![0; packet.len() + 100];
    let bytes = channel.seal(packet, &mut buffer);
    endpoint.on_datagram(now, &buffer[..bytes])
}

#[test]
fn acknowledgements_of_what_was_never_sent_are_dropped() {
    let (content, now) = (Virtual::new(1, 1_000_000), Instant::now());
    let mut sender = Sender::new(now, &token(1), content.offer(), content);
    let mut channel = lying_receiver(now, &mut sender);
    let mut packet = [0; SMALL_BYTES_MAX];
    let bytes = packet::write_accept(&mut packet, 0, 500_000, 1_200);
    assert_eq!(tell(&mut sender, now, &mut channel, &packet[..bytes]), Heard::Newest);
    said(&mut sender, now);
    let ranges = std::iter::once(1_000_000..1_000_001);
    let bytes = packet::write_ack(&mut packet, Duration::ZERO, 0, u64::MAX, ranges);
    assert_eq!(tell(&mut sender, now, &mut channel, &packet[..bytes]), Heard::Nothing);
    let bytes = packet::write_ack(&mut packet, Duration::ZERO, 999_999, 0, std::iter::once(0..1));
    assert_eq!(tell(&mut sender, now, &mut channel, &packet[..bytes]), Heard::Nothing);
    let bytes = packet::write_ack(&mut packet, Duration::ZERO, 0, 500_000, std::iter::once(0..1));
    assert_eq!(tell(&mut sender, now, &mut channel, &packet[..bytes]), Heard::Newest);
}

/// Lets virtual time pass until an end is closed, while nobody answers it; its last event.
fn outlive(endpoint: &mut impl Endpoint, mut now: Instant) -> Option<Event> {
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    for _ in 0..100_000 {
        endpoint.on_timeout(now);
        while endpoint.poll_transmit(now, 1, &mut buffer).is_some() {}
        endpoint.settle(now);
        let Some(next) = endpoint.poll_timeout() else { break };
        now = now.max(next);
    }
    assert!(endpoint.is_closed(), "it never ends");
    std::iter::from_fn(|| endpoint.poll_event()).last()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_lie_of_the_other_end_breaks_an_end(
        lies in prop::collection::vec(
            (prop_oneof![0x01..0x06_u8, 0x82..0x85_u8, any::<u8>()], prop::collection::vec(any::<u8>(), 0..60)),
            1..8,
        ),
        is_honest_first: bool,
    ) {
        let (content, now) = (Virtual::new(1, 20_000), Instant::now());
        let packets: Vec<Vec<u8>> = lies.iter().map(|(kind, body)| [&[*kind], &body[..]].concat()).collect();
        let mut packet = [0; SMALL_BYTES_MAX];

        let mut sender = Sender::new(now, &token(1), content.offer(), content.clone());
        let mut channel = lying_receiver(now, &mut sender);
        if is_honest_first {
            let bytes = packet::write_accept(&mut packet, 0, 20_000, 1_200);
            tell(&mut sender, now, &mut channel, &packet[..bytes]);
        }
        for packet in &packets {
            tell(&mut sender, now, &mut channel, packet);
        }
        prop_assert!(matches!(outlive(&mut sender, now), Some(Event::Done | Event::Failed(_))));

        let mut receiver = Receiver::<Checked>::new(now, &token(1)).unwrap();
        let bytes = packet::write_hello(&mut packet, &content.offer());
        let first = if is_honest_first { &packet[..bytes] } else { &packets[0][..] };
        let mut channel = lying_sender(now, &mut receiver, first);
        if is_honest_first {
            // What it says of the content is a matter of the digest.
            let mut anything = Virtual::new(1, 20_000);
            anything.readable = 0;
            receiver.accept(now, crate::transport::Start::afresh(), Checked::indifferent(&anything));
        }
        for packet in &packets {
            tell(&mut receiver, now, &mut channel, packet);
        }
        prop_assert!(!matches!(outlive(&mut receiver, now), Some(Event::Done)));
    }

    #[test]
    fn acks_mean_the_same_after_the_wire(
        largest in 100_000..u64::MAX - 1,
        steps in prop::collection::vec((1..500_u64, 1..500_u64), 1..packet::ACK_RANGES_MAX),
    ) {
        let mut ranges = Vec::new();
        let mut high = largest;
        for (arrived, missing) in steps {
            ranges.push(high + 1 - arrived..high + 1);
            high -= arrived + missing;
        }
        let mut buffer = [0; SMALL_BYTES_MAX];
        let bytes = packet::write_ack(&mut buffer, Duration::from_micros(77), 5, 6, ranges.iter().cloned());
        match packet::decode(&buffer[..bytes]) {
            Some(Packet::Ack(ack)) => {
                prop_assert_eq!(ack.ranges().collect::<Vec<_>>(), ranges);
                prop_assert_eq!((ack.largest, ack.delay, ack.delivered, ack.window_end), (largest, Duration::from_micros(77), 5, 6));
            }
            other => prop_assert!(false, "{:?}", other),
        }
        let cut = &buffer[..bytes - 1];
        prop_assert_eq!(packet::decode(cut), None);
    }
}
