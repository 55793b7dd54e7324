//! Spreading a window over its round trip instead of sending it in one burst (RFC 9002, 7.7).
//!
//! A bucket that fills a little faster than one window a round trip. It knows sizes and times only. On a path
//! of a few milliseconds the bucket holds a whole window, and pacing does nothing: no timer is that fine.

use std::time::{Duration, Instant};

/// How much faster than the window the bucket fills (RFC 9002, 7.7).
const GAIN: f64 = 1.25;
/// What a burst may hold at least: an initial window (RFC 9002, 7.7).
const BURST_DATAGRAMS_MIN: f64 = 10.0;
/// A burst may also hold what the bucket gains in this time, so that timers need not be finer.
const BURST: Duration = Duration::from_millis(2);

/// The bucket.
#[derive(Debug, Clone)]
pub(super) struct Pacer {
    bytes: f64,
    filled_at: Option<Instant>,
}

impl Pacer {
    pub(super) fn new() -> Self {
        Self { bytes: 0.0, filled_at: None }
    }

    /// When a datagram of this size may be sent: `Ok` now, or at the time that is returned.
    pub(super) fn admit(
        &mut self,
        now: Instant,
        datagram_bytes: usize,
        window: u64,
        round_trip: Option<Duration>,
    ) -> Result<(), Instant> {
        let Some(round_trip) = round_trip.filter(|round_trip| *round_trip > BURST) else { return Ok(()) };
        let bytes_a_second = GAIN * window as f64 / round_trip.as_secs_f64();
        let burst = (BURST_DATAGRAMS_MIN * datagram_bytes as f64).max(bytes_a_second * BURST.as_secs_f64());
        let gained = match self.filled_at {
            Some(filled_at) => bytes_a_second * now.saturating_duration_since(filled_at).as_secs_f64(),
            None => burst,
        };
        self.bytes = (self.bytes + gained).min(burst);
        self.filled_at = Some(now);
        let lacking = datagram_bytes as f64 - self.bytes;
        if lacking <= 0.0 {
            return Ok(());
        }
        // Not one datagram at a time: half a burst is worth waking up for.
        let wait = Duration::from_secs_f64(lacking.max(burst / 2.0 - self.bytes) / bytes_a_second);
        Err(now + wait.max(Duration::from_micros(50)))
    }

    /// A datagram has been sent.
    pub(super) fn on_sent(&mut self, datagram_bytes: usize) {
        self.bytes = (self.bytes - datagram_bytes as f64).max(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_takes_about_a_round_trip() {
        let (start, round_trip, window) = (Instant::now(), Duration::from_millis(100), 120_000);
        let (mut pacer, mut now, mut sent) = (Pacer::new(), start, 0);
        while now < start + 10 * round_trip {
            match pacer.admit(now, 1_200, window, Some(round_trip)) {
                Ok(()) => {
                    pacer.on_sent(1_200);
                    sent += 1_200;
                }
                Err(at) => now = at,
            }
        }
        assert!((1_150_000..1_600_000).contains(&sent), "{sent} bytes in ten round trips");
    }

    #[test]
    fn short_paths_are_not_paced() {
        let (mut pacer, now) = (Pacer::new(), Instant::now());
        for _ in 0..1_000 {
            assert_eq!(pacer.admit(now, 1_200, 12_000, Some(Duration::from_micros(100))), Ok(()));
            pacer.on_sent(1_200);
        }
    }
}
