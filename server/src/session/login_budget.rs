//! The time to log in.

use std::time::{Duration, Instant};

/// How long a client may still be silent before it is logged in. Only its own silence counts: what the
/// server takes for hashing does not.
#[derive(Debug, Clone, Copy)]
pub struct LoginBudget {
    /// Silence of the past.
    spent: Duration,
    /// When the present silence began; none while the server is at work.
    since: Option<Instant>,
}

impl LoginBudget {
    /// A new client's, which is silent from now on.
    pub fn new(now: Instant) -> Self {
        Self { spent: Duration::ZERO, since: Some(now) }
    }

    /// The server is at work.
    pub fn pause(mut self, now: Instant) -> Self {
        self.spent = self.spent(now);
        self.since = None;
        self
    }

    /// It is the client's turn again.
    pub fn resume(mut self, now: Instant) -> Self {
        self.since = self.since.or(Some(now));
        self
    }

    /// All silence until `now`.
    pub fn spent(&self, now: Instant) -> Duration {
        self.spent + self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_clients_own_silence_counts() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let login_budget = LoginBudget::new(start).pause(at(10));
        assert_eq!(login_budget.spent(at(1_000)), Duration::from_secs(10));
        assert_eq!(login_budget.resume(at(1_000)).spent(at(1_005)), Duration::from_secs(15));
    }
}
