//! Two transfers and somebody who hears all that is said, and sends it again: changed, late, to the other end, to the
//! other transfer. Not one byte counts that was not sent.
//!
//! The number of such datagrams is `FORUM_STORM`; docs/UDP.md has the command for ten million.

use std::time::Duration;

use super::content::Virtual;
use super::network::Conditions;
use super::pair::Pair;
use crate::transport::channel::HEADER_BYTES;
use crate::transport::{Endpoint, Event, Heard};

/// Datagrams in the suite.
const DATAGRAMS: u64 = 20_000;
/// Of each transfer, so many of the last are remembered.
const HEARD_MAX: usize = 512;
/// At each step of the two transfers.
const A_STEP: u32 = 16;

/// What is done to what was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Abuse {
    /// Some bits are flipped.
    Flip,
    /// The end is cut off, or made longer.
    Resize,
    /// The beginning of one and the end of another.
    Splice,
    /// As it is, once more.
    Replay,
    /// As it is, with the session of the other transfer, or of the other direction.
    Cross,
}

/// Somebody who hears everything.
struct Attacker {
    random: fastrand::Rng,
    heard: Vec<Vec<u8>>,
}

impl Attacker {
    fn hear(&mut self, datagram: &[u8]) {
        if datagram.is_empty() || self.heard.last().is_some_and(|last| last == datagram) {
            return;
        }
        if self.heard.len() < HEARD_MAX {
            self.heard.push(datagram.to_vec());
        } else {
            let at = self.random.usize(..HEARD_MAX);
            self.heard[at] = datagram.to_vec();
        }
    }

    /// A datagram for the end with this session, and what was done to it.
    fn make(&mut self, session: &[u8]) -> (Abuse, Vec<u8>) {
        let random = &mut self.random;
        let pick = |random: &mut fastrand::Rng| random.usize(..self.heard.len());
        let mut datagram = self.heard[pick(random)].clone();
        let was_for_it = datagram[1..HEADER_BYTES] == *session;
        let abuse = match random.u8(..5) {
            0 => {
                for _ in 0..random.u8(1..4) {
                    let at = random.usize(..datagram.len());
                    datagram[at] ^= 1 << random.u8(..8);
                }
                Abuse::Flip
            }
            1 => {
                let bytes = random.usize(..datagram.len() + 40);
                datagram.resize(bytes, 0);
                Abuse::Resize
            }
            2 => {
                let other = &self.heard[pick(random)];
                let at = random.usize(..datagram.len().min(other.len()));
                datagram.truncate(at);
                datagram.extend_from_slice(&other[at..]);
                Abuse::Splice
            }
            3 if was_for_it => Abuse::Replay,
            _ => Abuse::Cross,
        };
        if !was_for_it && datagram.len() >= HEADER_BYTES && random.u8(..4) > 0 {
            datagram[1..HEADER_BYTES].copy_from_slice(session);
        }
        (abuse, datagram)
    }
}

/// Whether the end may take notice: of a copy of what was said, and of nothing else.
fn expect_harmless(
    attacker: &Attacker,
    end: &mut impl Endpoint,
    pair_now: std::time::Instant,
    made: (Abuse, Vec<u8>),
) {
    let (abuse, datagram) = made;
    let heard = end.on_datagram(pair_now, &datagram);
    // A copy may be the first that arrives, or part of the handshake. A Call is always the same, and says nothing.
    let is_copy = datagram.first() == Some(&0x01) || attacker.heard.contains(&datagram);
    assert!(heard == Heard::Nothing || is_copy, "{abuse:?} of {datagram:02x?} is {heard:?}");
}

#[test]
fn not_one_byte_counts_that_was_not_sent() {
    let wanted = std::env::var("FORUM_STORM").map_or(DATAGRAMS, |count| count.parse().expect("a number"));
    let (mut made, mut transfers) = (0, 0);
    for seed in 0.. {
        if made >= wanted {
            break;
        }
        let conditions = Conditions {
            loss: 0.1,
            jitter: Duration::from_millis(8),
            mtu: vec![(Duration::ZERO, 1_300)],
            bottleneck: Some((2_000_000, 60_000)),
            ..Conditions::default()
        };
        let contents = [Virtual::new(seed, 120_000), Virtual::new(!seed, 150_000)];
        let mut one = Pair::new(2 * seed, &contents[0], &conditions);
        let mut other = Pair::new(2 * seed + 1, &contents[1], &conditions);
        (other.start, other.now) = (one.start, one.now);
        let mut attacker = Attacker { random: fastrand::Rng::with_seed(seed), heard: Vec::new() };
        one.run_with(|one| {
            other.now = one.now;
            other.step();
            for pair in [&*one, &other] {
                attacker.hear(pair.to_receiver.last_sent());
                attacker.hear(pair.to_sender.last_sent());
            }
            for _ in 0..A_STEP {
                let pair = if attacker.random.bool() { &mut *one } else { &mut other };
                let (sender, receiver) = (pair.sender.session().bytes(), pair.receiver.session().bytes());
                if attacker.random.bool() {
                    let datagram = attacker.make(&sender);
                    expect_harmless(&attacker, &mut pair.sender, pair.now, datagram);
                } else {
                    let datagram = attacker.make(&receiver);
                    expect_harmless(&attacker, &mut pair.receiver, pair.now, datagram);
                }
                made += 1;
            }
        });
        other.run();
        for pair in [one, other] {
            assert_eq!(pair.sender_events.last(), Some(&Event::Done));
            pair.expect_done();
            transfers += 1;
        }
    }
    eprintln!("{made} datagrams made up in the course of {transfers} transfers");
}
