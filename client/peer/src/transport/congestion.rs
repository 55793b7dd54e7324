//! How many bytes may be on their way: CUBIC (RFC 9438) driven by the events of RFC 9002, section 7.
//!
//! It knows sizes and times but not packets. The window is in bytes of whole datagrams.

use std::time::{Duration, Instant};

/// Datagrams in the first window (RFC 9002, 7.2).
const INITIAL_DATAGRAMS: u64 = 10;
/// Datagrams in the smallest window (RFC 9002, 7.2).
const MINIMUM_DATAGRAMS: u64 = 2;
/// Bytes of the largest window. More than the receiver's own window can hold is of no use.
const WINDOW_BYTES_MAX: u64 = 16 << 20;
/// What is left of the window after a loss: β of RFC 9438, 4.6.
const BETA: f64 = 0.7;
/// Datagrams per second³ by which the window grows back: C of RFC 9438, 5.
const C: f64 = 0.4;
/// Datagrams a round trip by which Reno, shrinking by β too, would grow (RFC 9438, 4.3).
const ALPHA: f64 = 3.0 * (1.0 - BETA) / (1.0 + BETA);

/// The window.
#[derive(Debug, Clone)]
pub(super) struct Congestion {
    datagram_bytes: u64,
    window: f64,
    /// Below it the window doubles each round trip.
    slow_start_below: f64,
    /// What the window was before the last loss, or less if it had not come back to that of the one before.
    largest_before_loss: f64,
    /// When the window last shrank: losses of packets sent before are part of the same event.
    recovery_since: Option<Instant>,
    growth: Option<Growth>,
    /// Since when the sender has had less on its way than the window allows.
    unused_since: Option<Instant>,
}

/// The cubic curve since the window last shrank.
#[derive(Debug, Clone)]
struct Growth {
    /// Later by the time in which the window was not used.
    since: Instant,
    /// Seconds until the curve is back at `plateau`: K.
    seconds_to_plateau: f64,
    /// Bytes: W_max.
    plateau: f64,
    /// Bytes that Reno would have: W_est.
    reno: f64,
    /// Bytes from which on Reno would grow by a whole datagram a round trip: cwnd_prior.
    before_loss: f64,
}

impl Congestion {
    pub(super) fn new(datagram_bytes: usize) -> Self {
        let datagram_bytes = datagram_bytes as u64;
        Self {
            datagram_bytes,
            window: (INITIAL_DATAGRAMS * datagram_bytes) as f64,
            slow_start_below: f64::INFINITY,
            largest_before_loss: 0.0,
            recovery_since: None,
            growth: None,
            unused_since: None,
        }
    }

    /// Bytes that may be on their way.
    pub(super) fn window(&self) -> u64 {
        self.window as u64
    }

    /// Whether the window doubles each round trip.
    pub(super) fn is_slow_start(&self) -> bool {
        self.window < self.slow_start_below
    }

    fn minimum(&self) -> f64 {
        (MINIMUM_DATAGRAMS * self.datagram_bytes) as f64
    }

    /// Datagrams have another size from now on.
    pub(super) fn resize(&mut self, datagram_bytes: usize) {
        self.datagram_bytes = datagram_bytes as u64;
        self.window = self.window.max(self.minimum());
        self.growth = None;
    }

    /// Ends the doubling: the queue on the way is filling.
    pub(super) fn leave_slow_start(&mut self) {
        self.slow_start_below = self.slow_start_below.min(self.window);
    }

    /// The sender has sent what it may: whether the window is what held it back, and not the file, the receiver or
    /// the loop. A window that is not used doesn't grow (RFC 9002, 7.8), and the time is no part of the curve's:
    /// the window would leap after it (RFC 9438, 4.2 and 5.8).
    pub(super) fn on_sent(&mut self, now: Instant, is_used: bool) {
        if !is_used {
            self.unused_since.get_or_insert(now);
        } else if let (Some(since), Some(growth)) = (self.unused_since.take(), &mut self.growth) {
            growth.since += now.saturating_duration_since(since);
        }
    }

    /// A packet of so many bytes, sent then, has arrived.
    pub(super) fn on_acked(&mut self, now: Instant, sent_at: Instant, bytes: u64, round_trip: Duration) {
        if self.unused_since.is_some() || self.recovery_since.is_some_and(|since| sent_at <= since) {
            return;
        }
        let bytes = bytes as f64;
        self.window =
            if self.is_slow_start() { self.window + bytes } else { self.grown(now, bytes, round_trip) };
        self.window = self.window.min(WINDOW_BYTES_MAX as f64);
    }

    /// Congestion avoidance: the larger of CUBIC's window and Reno's.
    fn grown(&mut self, now: Instant, bytes: f64, round_trip: Duration) -> f64 {
        let datagram = self.datagram_bytes as f64;
        let (window, largest) = (self.window, self.largest_before_loss);
        let growth = self.growth.get_or_insert_with(|| {
            let plateau = largest.max(window);
            let seconds_to_plateau = ((plateau - window) / datagram / C).cbrt();
            Growth { since: now, seconds_to_plateau, plateau, reno: window, before_loss: plateau }
        });
        let curve = |elapsed: Duration| {
            let seconds = elapsed.as_secs_f64() - growth.seconds_to_plateau;
            C * seconds.powi(3) * datagram + growth.plateau
        };
        let elapsed = now.saturating_duration_since(growth.since);
        let (reached, target) = (curve(elapsed), curve(elapsed + round_trip));
        let slope = if growth.reno < growth.before_loss { ALPHA } else { 1.0 };
        growth.reno += slope * datagram * bytes / window;
        if reached < growth.reno {
            window.max(growth.reno)
        } else {
            window + (target.clamp(window, 1.5 * window) - window) * bytes / window
        }
    }

    /// A packet that was sent then is lost. Returns whether the window shrank: once for all losses of one
    /// round trip.
    pub(super) fn on_lost(&mut self, now: Instant, sent_at: Instant) -> bool {
        if self.recovery_since.is_some_and(|since| sent_at <= since) {
            return false;
        }
        self.recovery_since = Some(now);
        // Fast convergence (RFC 9438, 4.7): a window that did not come back makes room for others.
        let came_back = self.window >= self.largest_before_loss;
        self.largest_before_loss = if came_back { self.window } else { self.window * (1.0 + BETA) / 2.0 };
        self.window = (self.window * BETA).max(self.minimum());
        self.slow_start_below = self.window;
        self.growth = None;
        true
    }

    /// Nothing sent in a long time has arrived (RFC 9002, 7.6.2).
    pub(super) fn on_persistent_congestion(&mut self) {
        self.window = self.minimum();
        self.recovery_since = None;
        self.growth = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = 1_200;
    const ROUND_TRIP: Duration = Duration::from_millis(50);

    /// Acknowledges a whole window.
    fn round(congestion: &mut Congestion, now: &mut Instant) {
        let sent_at = *now;
        *now += ROUND_TRIP;
        for _ in 0..congestion.window() / SIZE as u64 {
            congestion.on_acked(*now, sent_at, SIZE as u64, ROUND_TRIP);
        }
    }

    #[test]
    fn it_doubles_until_a_loss_and_keeps_seven_tenths() {
        let (mut congestion, mut now) = (Congestion::new(SIZE), Instant::now());
        let before = congestion.window();
        round(&mut congestion, &mut now);
        assert_eq!(congestion.window(), 2 * before);
        assert!(congestion.on_lost(now, now));
        assert!(congestion.window().abs_diff(2 * before * 7 / 10) <= 1);
        assert!(!congestion.is_slow_start());
    }

    #[test]
    fn losses_of_one_round_trip_count_once() {
        let (mut congestion, now) = (Congestion::new(SIZE), Instant::now());
        assert!(congestion.on_lost(now + ROUND_TRIP, now));
        let window = congestion.window();
        assert!(!congestion.on_lost(now + ROUND_TRIP, now + ROUND_TRIP / 2));
        assert_eq!(congestion.window(), window);
        assert!(congestion.on_lost(now + 3 * ROUND_TRIP, now + 2 * ROUND_TRIP));
        assert!(congestion.window() < window);
    }

    #[test]
    fn it_comes_back_to_where_the_loss_was_slowly_near_it_and_goes_on() {
        let (mut congestion, mut now) = (Congestion::new(SIZE), Instant::now());
        for _ in 0..5 {
            round(&mut congestion, &mut now);
        }
        let at_loss = congestion.window();
        congestion.on_lost(now, now);
        now += ROUND_TRIP;
        let mut rounds = 0;
        while congestion.window() < at_loss {
            let before = congestion.window();
            round(&mut congestion, &mut now);
            assert!((before..before * 5 / 4).contains(&congestion.window()));
            rounds += 1;
        }
        assert!((20..200).contains(&rounds), "{rounds} round trips");
        for _ in 0..200 {
            round(&mut congestion, &mut now);
        }
        assert!(congestion.window() > 2 * at_loss);
    }

    #[test]
    fn time_in_which_the_window_is_not_used_neither_grows_it_nor_makes_it_leap_afterwards() {
        let (mut steady, mut now) = (Congestion::new(SIZE), Instant::now());
        for _ in 0..5 {
            round(&mut steady, &mut now);
        }
        steady.on_lost(now, now);
        now += ROUND_TRIP;
        for _ in 0..10 {
            round(&mut steady, &mut now);
        }
        let (mut paused, mut later) = (steady.clone(), now);
        paused.on_sent(later, false);
        let before = paused.window();
        for _ in 0..1_000 {
            round(&mut paused, &mut later);
            paused.on_sent(later, false);
        }
        assert_eq!(paused.window(), before);
        paused.on_sent(later, true);
        for _ in 0..40 {
            round(&mut steady, &mut now);
            round(&mut paused, &mut later);
            assert_eq!(paused.window(), steady.window());
        }
        assert!(steady.window() > before);
    }

    #[test]
    fn it_never_goes_below_two_datagrams_nor_above_the_maximum() {
        let (mut congestion, mut now) = (Congestion::new(SIZE), Instant::now());
        for _ in 0..30 {
            round(&mut congestion, &mut now);
        }
        assert_eq!(congestion.window(), WINDOW_BYTES_MAX);
        for _ in 0..60 {
            now += ROUND_TRIP;
            congestion.on_lost(now, now);
        }
        assert_eq!(congestion.window(), 2 * SIZE as u64);
        congestion.on_persistent_congestion();
        assert_eq!(congestion.window(), 2 * SIZE as u64);
    }
}
