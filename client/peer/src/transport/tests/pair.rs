//! Both ends of a transfer with a simulated network between them.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::content::{Checked, Virtual};
use super::network::{Conditions, Direction};
use crate::transport::packet::DATAGRAM_BYTES_MAX;
use crate::transport::{Endpoint, Event, Receiver, Sender, Start, Token};

/// Virtual time after which a transfer that is not over never ends.
const ENDLESS: Duration = Duration::from_secs(3_600);
/// Steps of the loop within which virtual time has to pass.
const STEPS_MAX: u64 = 20_000_000;

/// The token of all transfers that want to be the same.
pub(super) fn token(seed: u64) -> Token {
    Token::new((u128::from(seed) * 0x9e37_79b9_7f4a_7c15 + 1).to_be_bytes(), seed)
}

/// One transfer.
pub(super) struct Pair {
    pub(super) start: Instant,
    pub(super) now: Instant,
    pub(super) sender: Sender<Virtual>,
    pub(super) receiver: Receiver<Checked>,
    pub(super) to_receiver: Direction,
    pub(super) to_sender: Direction,
    pub(super) sender_events: Vec<Event>,
    pub(super) receiver_events: Vec<Event>,
    /// When the sender learnt the result.
    pub(super) sender_ended_at: Option<Instant>,
    /// What the receiver has when it is asked, and where it puts the rest.
    pub(super) held: Option<(Start, Checked)>,
    /// When the receiver stores nothing.
    pub(super) stalled: Range<Duration>,
    random: fastrand::Rng,
    buffer: Vec<u8>,
}

impl Pair {
    /// A transfer of `content` in both directions under the same conditions.
    pub(super) fn new(seed: u64, content: &Virtual, conditions: &Conditions) -> Self {
        let start = Instant::now();
        let direction = |salt| Direction::new(start, seed ^ salt, conditions.clone());
        Self {
            start,
            now: start,
            sender: Sender::new(start, &token(seed), content.offer(), content.clone()),
            receiver: Receiver::new(start, &token(seed)).unwrap(),
            to_receiver: direction(0x5eed),
            to_sender: direction(0xdeed),
            sender_events: Vec::new(),
            receiver_events: Vec::new(),
            sender_ended_at: None,
            held: Some((Start::afresh(), Checked::new(content, 0))),
            stalled: Duration::ZERO..Duration::ZERO,
            random: fastrand::Rng::with_seed(seed),
            buffer: vec![0; DATAGRAM_BYTES_MAX],
        }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// Runs until both ends are closed; `between` is called at each step and may interfere.
    pub(super) fn run_with(&mut self, mut between: impl FnMut(&mut Self)) {
        for _ in 0..STEPS_MAX {
            self.step();
            between(self);
            let Some(next) = self.next_time() else { return };
            self.now = self.now.max(next);
            assert!(self.elapsed() < ENDLESS, "not over after {ENDLESS:?}");
        }
        panic!("time stands still at {:?}", self.elapsed());
    }

    pub(super) fn run(&mut self) {
        self.run_with(|_| {});
    }

    /// When something happens next; `None` when both are closed.
    fn next_time(&self) -> Option<Instant> {
        let timeouts = [self.sender.poll_timeout(), self.receiver.poll_timeout()];
        timeouts.iter().flatten().next()?;
        let arrivals = [self.to_receiver.next_arrival(), self.to_sender.next_arrival()];
        timeouts.into_iter().chain(arrivals).flatten().min()
    }

    /// Everything that happens now.
    pub(super) fn step(&mut self) {
        while let Some(datagram) = self.to_receiver.receive(self.now) {
            self.receiver.on_datagram(self.now, &datagram);
        }
        while let Some(datagram) = self.to_sender.receive(self.now) {
            self.sender.on_datagram(self.now, &datagram);
        }
        let is_stalled = self.stalled.contains(&self.elapsed());
        let (now, random, buffer) = (self.now, &mut self.random, &mut self.buffer);
        turn(now, &mut self.sender, &mut self.to_receiver, random, buffer);
        turn(now, &mut self.receiver, &mut self.to_sender, random, buffer);
        self.sender.settle(now);
        if !is_stalled {
            self.receiver.settle(now);
        }
        while let Some(event) = self.sender.poll_event() {
            if matches!(event, Event::Done | Event::Failed(_)) {
                self.sender_ended_at = Some(self.now);
            }
            self.sender_events.push(event);
        }
        while let Some(event) = self.receiver.poll_event() {
            if let (Event::Offered(_), Some((start, sink))) = (&event, self.held.take()) {
                self.receiver.accept(self.now, start, sink);
            }
            self.receiver_events.push(event);
        }
    }

    /// Both ends say that the file is there, and it is.
    pub(super) fn expect_done(self) {
        let elapsed = self.elapsed();
        assert_eq!(self.sender_events.last(), Some(&Event::Done), "sender, {elapsed:?}");
        assert_eq!(self.receiver_events.last(), Some(&Event::Done), "receiver, {elapsed:?}");
        assert!(self.receiver.into_sink().expect("a sink").is_finished);
    }
}

/// One turn of the loop around an end, but for what may take a while.
fn turn<E: Endpoint>(
    now: Instant,
    endpoint: &mut E,
    network: &mut Direction,
    random: &mut fastrand::Rng,
    buffer: &mut [u8],
) {
    endpoint.on_timeout(now);
    while let Some(transmit) = endpoint.poll_transmit(now, random.usize(1..=64), buffer) {
        assert!(transmit.bytes <= buffer.len() && transmit.segment_bytes > 0);
        for datagram in buffer[..transmit.bytes].chunks(transmit.segment_bytes) {
            network.send(now, datagram);
        }
    }
}
