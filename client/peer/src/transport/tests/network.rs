//! A network in virtual time: it loses, repeats, delays, reorders, queues and cuts off, all from one seed.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, Instant};

/// What one direction does to datagrams.
#[derive(Debug, Clone)]
pub(super) struct Conditions {
    /// Parts of one that are lost.
    pub(super) loss: f64,
    /// Parts of one that come twice.
    pub(super) duplicated: f64,
    pub(super) delay: Duration,
    /// Up to so much more delay, which reorders.
    pub(super) jitter: Duration,
    /// Bytes of the largest datagram that passes, from each time on.
    pub(super) mtu: Vec<(Duration, usize)>,
    /// Bytes per second, and bytes that wait before more are dropped.
    pub(super) bottleneck: Option<(u64, u64)>,
    /// When nothing passes.
    pub(super) cut: Range<Duration>,
    /// Datagrams of so many bytes never pass.
    pub(super) dropped_sizes: Vec<usize>,
}

impl Default for Conditions {
    fn default() -> Self {
        Self {
            loss: 0.0,
            duplicated: 0.0,
            delay: Duration::from_millis(10),
            jitter: Duration::ZERO,
            mtu: vec![(Duration::ZERO, 65_536)],
            bottleneck: None,
            cut: Duration::ZERO..Duration::ZERO,
            dropped_sizes: Vec::new(),
        }
    }
}

/// One direction.
#[derive(Debug)]
pub(super) struct Direction {
    conditions: Conditions,
    random: fastrand::Rng,
    start: Instant,
    /// When the bottleneck has sent all that waits.
    busy_until: Instant,
    /// By time of arrival; the number keeps the order of those at the same time.
    under_way: BTreeMap<(Instant, u64), Vec<u8>>,
    sent: u64,
    last_sent: Vec<u8>,
}

impl Direction {
    pub(super) fn new(start: Instant, seed: u64, conditions: Conditions) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        Self {
            conditions,
            random,
            start,
            busy_until: start,
            under_way: BTreeMap::new(),
            sent: 0,
            last_sent: Vec::new(),
        }
    }

    /// Datagrams put in so far, lost ones included.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// The datagram that was put in last, empty if there was none.
    pub(super) fn last_sent(&self) -> &[u8] {
        &self.last_sent
    }

    pub(super) fn send(&mut self, now: Instant, datagram: &[u8]) {
        self.sent += 1;
        self.last_sent = datagram.to_vec();
        let elapsed = now - self.start;
        let Conditions { loss, duplicated, mtu, bottleneck, cut, dropped_sizes, .. } = &self.conditions;
        let passes = mtu.iter().rev().find(|(from, _)| *from <= elapsed).expect("one from the start").1;
        let is_dropped = cut.contains(&elapsed)
            || datagram.len() > passes
            || dropped_sizes.contains(&datagram.len())
            || self.random.f64() < *loss;
        if is_dropped {
            return;
        }
        let mut leaves_at = now;
        if let Some((bytes_a_second, queue_bytes)) = *bottleneck {
            let waiting =
                self.busy_until.saturating_duration_since(now).as_secs_f64() * bytes_a_second as f64;
            if waiting + datagram.len() as f64 > queue_bytes as f64 {
                return;
            }
            let takes = Duration::from_secs_f64(datagram.len() as f64 / bytes_a_second as f64);
            self.busy_until = self.busy_until.max(now) + takes;
            leaves_at = self.busy_until;
        }
        let copies = 1 + u64::from(self.random.f64() < *duplicated);
        for copy in 0..copies {
            let jitter = self.conditions.jitter.mul_f64(self.random.f64());
            let arrives_at = leaves_at + self.conditions.delay + jitter;
            self.under_way.insert((arrives_at, self.sent * 2 + copy), datagram.to_vec());
        }
    }

    /// When the next datagram arrives.
    pub(super) fn next_arrival(&self) -> Option<Instant> {
        self.under_way.first_key_value().map(|((at, _), _)| *at)
    }

    /// The next datagram, if it has arrived by now.
    pub(super) fn receive(&mut self, now: Instant) -> Option<Vec<u8>> {
        let first = self.under_way.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }
}
