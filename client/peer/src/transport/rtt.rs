//! How long the way there and back takes, and how long to wait for an answer.
//!
//! RFC 6298, section 2, with what RFC 9002, section 5, adds: the least round trip ever seen, and the
//! receiver's own delay, which is no part of the way. It knows durations only.

use std::time::Duration;

/// The time-out before anything was measured (RFC 6298, 2.1).
const TIMEOUT_INITIAL: Duration = Duration::from_secs(1);
/// Clock granularity: G of RFC 6298, kGranularity of RFC 9002.
pub(super) const GRANULARITY: Duration = Duration::from_millis(1);
/// RFC 6298 asks for a second at least, because a time-out there shrinks the window to one segment. Here, as in
/// RFC 9002, it only sends a probe, and a second would be the most of a short transfer.
pub(super) const TIMEOUT_MIN: Duration = Duration::from_millis(10);
/// RFC 6298 allows a maximum of no less than a minute; but a transfer ends after 15 s of silence, and has to
/// have asked often enough by then.
const TIMEOUT_MAX: Duration = Duration::from_secs(2);

/// The estimator.
#[derive(Debug, Clone, Default)]
pub(super) struct Rtt {
    measured: Option<Measured>,
}

#[derive(Debug, Clone)]
struct Measured {
    latest: Duration,
    least: Duration,
    smoothed: Duration,
    variation: Duration,
}

impl Rtt {
    /// Takes a sample: from sending a packet to its acknowledgement, and how long the receiver took for it.
    pub(super) fn sample(&mut self, latest: Duration, delay: Duration) {
        let Some(measured) = &mut self.measured else {
            let variation = latest / 2;
            self.measured = Some(Measured { latest, least: latest, smoothed: latest, variation });
            return;
        };
        measured.latest = latest;
        measured.least = measured.least.min(latest);
        // A delay that would leave less than the least round trip is not to be believed.
        let adjusted = if latest >= measured.least + delay { latest - delay } else { latest };
        measured.variation = (measured.variation * 3 + measured.smoothed.abs_diff(adjusted)) / 4;
        measured.smoothed = (measured.smoothed * 7 + adjusted) / 8;
    }

    /// The smoothed round trip; `None` before the first sample.
    pub(super) fn smoothed(&self) -> Option<Duration> {
        self.measured.as_ref().map(|measured| measured.smoothed)
    }

    /// The retransmission time-out after so many of them in a row; it doubles each time (RFC 6298, 5.5).
    /// `delay_max`: how long the receiver may wait before it acknowledges.
    pub(super) fn timeout(&self, in_a_row: u32, delay_max: Duration) -> Duration {
        let single = match &self.measured {
            None => TIMEOUT_INITIAL,
            Some(m) => m.smoothed + (m.variation * 4).max(GRANULARITY) + delay_max,
        };
        (single.max(TIMEOUT_MIN) * 2_u32.pow(in_a_row.min(10))).min(TIMEOUT_MAX)
    }

    /// How much later than a packet that was acknowledged another must have been sent not to be lost
    /// (RFC 9002, 6.1.2: 9/8 of the round trip).
    pub(super) fn loss_delay(&self) -> Duration {
        let round_trip = self.measured.as_ref().map_or(TIMEOUT_INITIAL, |m| m.latest.max(m.smoothed));
        (round_trip * 9 / 8).max(GRANULARITY)
    }

    /// The span of losses that makes congestion persistent (RFC 9002, 7.6.1); `None` before the first sample.
    pub(super) fn persistent_congestion(&self, delay_max: Duration) -> Option<Duration> {
        self.measured.as_ref().map(|m| (m.smoothed + (m.variation * 4).max(GRANULARITY) + delay_max) * 3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_time_out_follows_the_round_trip_and_its_variation() {
        let mut rtt = Rtt::default();
        assert_eq!(rtt.timeout(0, MS), TIMEOUT_INITIAL);
        rtt.sample(100 * MS, Duration::ZERO);
        assert_eq!(rtt.timeout(0, Duration::ZERO), 300 * MS);
        rtt.sample(140 * MS, Duration::ZERO);
        // Variation (3 × 50 + 40) / 4, smoothed (7 × 100 + 140) / 8.
        assert_eq!(rtt.timeout(0, Duration::ZERO), 105 * MS + 4 * Duration::from_micros(47_500));
    }

    #[test]
    fn the_time_out_doubles_up_to_its_maximum() {
        let mut rtt = Rtt::default();
        rtt.sample(100 * MS, Duration::ZERO);
        let timeouts: Vec<_> = (0..4).map(|in_a_row| rtt.timeout(in_a_row, Duration::ZERO)).collect();
        assert_eq!(timeouts, [300 * MS, 600 * MS, 1200 * MS, TIMEOUT_MAX]);
        assert_eq!(rtt.timeout(u32::MAX, Duration::ZERO), TIMEOUT_MAX);
    }

    #[test]
    fn the_receivers_delay_is_no_part_of_the_way_unless_it_claims_too_much() {
        let mut rtt = Rtt::default();
        rtt.sample(100 * MS, Duration::ZERO);
        rtt.sample(110 * MS, 10 * MS);
        assert_eq!(rtt.smoothed(), Some(100 * MS));
        rtt.sample(108 * MS, 60 * MS);
        assert_eq!(rtt.smoothed(), Some(101 * MS));
    }
}
