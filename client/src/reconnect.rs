//! How long to wait between two attempts to connect.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// The first wait between two attempts; each further one is twice as long, up to the longest.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// How long to wait before the next attempt.
#[derive(Debug, Default)]
pub struct BackOff {
    failures: u32,
}

impl BackOff {
    /// The wait after one more failure: about twice the one before. "About", so that a thousand clients of
    /// a server that comes back don't all come back at once.
    pub fn next_wait(&mut self) -> Duration {
        let doubled = FIRST_WAIT.saturating_mul(2u32.saturating_pow(self.failures)).min(LONGEST_WAIT);
        self.failures += 1;
        // The keys of each `RandomState` differ; that is chance enough for this.
        let thousandths = (RandomState::new().hash_one(self.failures) % 1_000) as u32;
        doubled * 3 / 4 + doubled / 4 * thousandths / 1_000
    }

    /// Begins anew, after a success.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_begin_anew() {
        let mut back_off = BackOff::default();
        for seconds in [1, 2, 4, 8, 16, 30, 30, 30] {
            let (wait, most) = (back_off.next_wait(), Duration::from_secs(seconds));
            assert!(most * 3 / 4 <= wait && wait <= most, "{wait:?} is not about {most:?}");
        }
        back_off.reset();
        assert!(back_off.next_wait() <= FIRST_WAIT);
    }
}
