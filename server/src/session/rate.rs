//! How many requests a connection has sent in the present second.

use std::time::{Duration, Instant};

/// Counts requests in windows of one second. Without a limit nothing is counted.
#[derive(Debug, Default)]
pub struct Rate(Option<Box<Window>>);

#[derive(Debug)]
struct Window {
    since: Instant,
    taken: u32,
}

impl Rate {
    /// Counts a request.
    pub fn count(&mut self, now: Instant) {
        let window = self.0.get_or_insert_with(|| Box::new(Window { since: now, taken: 0 }));
        if window.is_over(now) {
            **window = Window { since: now, taken: 0 };
        }
        window.taken = window.taken.saturating_add(1);
    }

    /// Whether `limit` requests were taken in this second.
    pub fn is_reached(&self, limit: u32, now: Instant) -> bool {
        self.0.as_ref().is_some_and(|window| !window.is_over(now) && window.taken >= limit)
    }
}

impl Window {
    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) >= Duration::from_secs(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_limit_counts_by_the_second() {
        let start = Instant::now();
        let mut rate = Rate::default();
        for _ in 0..3 {
            assert!(!rate.is_reached(3, start));
            rate.count(start);
        }
        assert!(rate.is_reached(3, start));
        assert!(!rate.is_reached(3, start + Duration::from_secs(1)));
    }
}
