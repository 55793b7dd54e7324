//! Whether a run has measured the server, or the generator.

use crate::outcome::Outcome;
use crate::report::{quantile, units};

/// A generator that sends 99 % of its requests no later than this is on time, whatever the latencies are.
const LAG_NS_MAX: u64 = 200_000;
/// Above that, its p99 may be this part of the latency's.
const LAG_SHARE_MAX: f64 = 0.1;
/// A thread that uses more of its core than this has no time left to be on time.
const CORE_SHARE_MAX: f64 = 0.9;

/// What a run is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It says what the server did.
    Valid,
    /// A closed loop that asked as fast as the generator can: the server may be able to do more. Why that is said.
    AtLimit(String),
    /// An open loop in which the generator was the bottleneck, and why: it says nothing about the server.
    Invalid(String),
}

impl Verdict {
    /// What the outcome says about the run itself.
    pub fn of(outcome: &Outcome) -> Self {
        let used = outcome.generator.busiest.unwrap_or(0.0);
        let core = format!("forum-load used {} % of its core", units::three_digits(used * 100.0));
        let Some(lag) = &outcome.generator.lag else {
            return if used > CORE_SHARE_MAX { Self::AtLimit(core) } else { Self::Valid };
        };
        let p99 = quantile(99.0);
        let late = lag.value_at_quantile(p99);
        let latency = outcome.latency.value_at_quantile(p99);
        if late > LAG_NS_MAX && late as f64 > latency as f64 * LAG_SHARE_MAX {
            let [late, latency] = [late, latency].map(|ns| units::time(ns as f64));
            return Self::Invalid(format!(
                "requests left up to {late} after they were due (p99), and the latency's p99 is {latency}"
            ));
        }
        if used > CORE_SHARE_MAX { Self::Invalid(core) } else { Self::Valid }
    }

    /// The line that says so, if there is anything to say.
    pub fn said(&self) -> Option<String> {
        match self {
            Self::Valid => None,
            Self::AtLimit(why) => Some(format!("generator at its limit: {why}")),
            Self::Invalid(why) => Some(format!("invalid: {why}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::latencies;
    use crate::report::samples;

    fn verdict(lag_ns: Option<u64>, busiest: f64) -> Option<String> {
        let mut outcome = samples::posts();
        let lag = lag_ns.map(|ns| {
            let mut lag = latencies();
            lag.record_n(ns, 100).unwrap();
            lag
        });
        outcome.generator.busiest = Some(busiest);
        outcome.generator.lag = lag;
        Verdict::of(&outcome).said()
    }

    #[test]
    fn an_open_loop_whose_generator_was_late_or_had_no_time_left_is_invalid() {
        // The p99 of the sample is 9.9 ms.
        assert_eq!(verdict(Some(150_000), 0.5), None);
        assert_eq!(verdict(Some(900_000), 0.5), None);
        let late = verdict(Some(1_100_000), 0.5).unwrap();
        assert!(late.starts_with("invalid: requests left up to 1.10 ms after they were due (p99)"), "{late}");
        assert_eq!(verdict(Some(1_000), 0.95).unwrap(), "invalid: forum-load used 95.0 % of its core");
    }

    #[test]
    fn a_closed_loop_is_never_late_and_may_be_at_its_limit() {
        assert_eq!(verdict(None, 0.5), None);
        assert_eq!(
            verdict(None, 0.95).unwrap(),
            "generator at its limit: forum-load used 95.0 % of its core"
        );
    }
}
