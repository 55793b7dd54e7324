//! What is shown of a run's outcome: a table for the terminal, JSON for programs, the percentile file
//! that HdrHistogram's plotter draws, and a page for people. Each is a function from the outcome to text:
//! nothing here knows where the text goes, or how the outcome was come by.

mod find;
mod histogram;
mod html;
mod json;
mod table;
pub(crate) mod units;

pub use find::conclusion;
pub use histogram::histogram_text;
pub use html::html;
pub use json::json;
pub use table::table;

use hdrhistogram::Histogram;

/// The percentiles that every output names, each with its quantile. The same names stand in thresholds.
const PERCENTILES: [(&str, f64); 4] = [("p50", 0.50), ("p90", 0.90), ("p99", 0.99), ("p99.9", 0.999)];

/// A latency with the name that every output gives it.
#[derive(Debug, Clone, Copy)]
struct Named {
    name: &'static str,
    /// Nanoseconds.
    ns: f64,
    /// It may be longer: something that was never answered has waited for so long or less.
    at_least: bool,
}

impl Named {
    fn shown(self) -> String {
        format!("{}{}", if self.at_least { "≥ " } else { "" }, units::time(self.ns))
    }
}

/// The latencies that every output names, in reading order; nothing if nothing was asked.
fn named_latencies(latency: &Histogram<u64>, censored: &Histogram<u64>) -> Option<Vec<Named>> {
    if latency.is_empty() {
        return None;
    }
    let bound = exact_below(censored);
    let named = |name, ns: f64, least: f64| Named { name, ns, at_least: bound.is_some_and(|ns| least >= ns) };
    let mut all: Vec<_> = PERCENTILES
        .iter()
        .map(|&(name, q)| (name, latency.value_at_quantile(q) as f64))
        .chain([("max", latency.max() as f64)])
        .map(|(name, ns)| named(name, ns, ns))
        .collect();
    // Whatever was not answered is part of the mean.
    all.push(named("mean", latency.mean(), f64::INFINITY));
    Some(all)
}

/// Percentiles below this are exact, those from here on may be longer; nothing if all was answered.
fn exact_below(censored: &Histogram<u64>) -> Option<f64> {
    (!censored.is_empty()).then(|| censored.min() as f64)
}

/// The quantile of a percentage, which 99.9 / 100 is not: it is the next number above 0.999, and that may be
/// the next latency.
pub(crate) fn quantile(percent: f64) -> f64 {
    (percent * 1e9).round() / 1e11
}

/// `amount` for each of `whole`; nothing where there is no whole to share it among.
pub(crate) fn share(amount: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| amount / whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_is_the_same_quantile_everywhere() {
        for (name, expected) in PERCENTILES {
            let percent: f64 = name[1..].parse().unwrap();
            assert_eq!(quantile(percent), expected, "{name}");
        }
    }
}

#[cfg(test)]
pub(crate) mod samples {
    //! Outcomes that the tests of all outputs share.

    use crate::outcome::{
        Counts, Found, GeneratorUse, Outcome, Second, ServerMoment, ServerUse, Step, latencies,
    };
    use crate::search::StepResult;
    use crate::setting::Setting;

    /// Ten seconds of posts: a thousand operations, from 10 µs to 10 ms in even steps, and a few of each other
    /// fate.
    pub(crate) fn posts() -> Outcome {
        let mut latency = latencies();
        for step in 1..=1000 {
            latency.record(step * 10_000).unwrap();
        }
        // The last five were never answered.
        let mut censored = latencies();
        for step in 996..=1000 {
            censored.record(step * 10_000).unwrap();
        }
        let second = |n: u32| Second {
            at: f64::from(n),
            operations: 100,
            errors: u64::from(n == 7) * 3,
            p50_ns: 5_000_000,
            p99_ns: 9_900_000,
            max_ns: 10_000_000,
            ..Second::default()
        };
        Outcome {
            setting: Setting { date: "2026-01-02 03:04:05 UTC".to_owned(), ..Setting::default() },
            scenario: "post".to_owned(),
            target: "forum 127.0.0.1:12345".to_owned(),
            options: [("connections", "100"), ("pipeline", "32")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            seconds: 10.0,
            counts: Counts {
                offered: 1010,
                operations: 1000,
                late: 4,
                missed: 2,
                unanswered: 1,
                refused: 2,
                lost: 1,
                timed_out: 0,
                lost_connections: 1,
                remade_connections: 1,
            },
            bytes: 3 << 20,
            latency,
            censored,
            kinds: Vec::new(),
            series: (1..=10).map(second).collect(),
            server: Some(ServerUse {
                pids: vec![4242],
                seconds: 10.0,
                user_seconds: 0.003,
                system_seconds: 0.002,
                memory_bytes_before: 12 << 20,
                memory_bytes_after: 13 << 20,
                series: vec![ServerMoment { at: 1.0, cores: 0.5, memory_bytes: 12 << 20 }],
            }),
            generator: GeneratorUse {
                cpu_seconds: 2.0,
                busiest: Some(0.2),
                memory_bytes: Some(4 << 20),
                lag: None,
            },
            found: None,
        }
    }

    /// A search that has ended.
    pub(crate) fn found() -> Found {
        let step = |rate: f64, achieved, p99_ns, result| Step {
            rate,
            achieved,
            p50_ns: 50_000,
            p99_ns,
            max_ns: if rate > 1_000.0 { 2 * p99_ns } else { 10 * p99_ns },
            measured: String::new(),
            result,
        };
        Found {
            goal: "p99<5ms".to_owned(),
            steps: vec![
                step(1_000.0, 1_000.0, 100_000, StepResult::Holds),
                step(2_000.0, 1_900.0, 10_000_000, StepResult::Fails),
                step(1_500.0, 1_500.0, 1_000_000, StepResult::Holds),
            ],
            highest: Some(1_500.0),
            limit: Some(StepResult::Fails),
            is_over: true,
        }
    }

    /// A run in which nothing was answered, of a server that could not be looked at.
    pub(crate) fn silence() -> Outcome {
        Outcome {
            counts: Counts::default(),
            bytes: 0,
            latency: latencies(),
            censored: latencies(),
            series: Vec::new(),
            server: None,
            ..posts()
        }
    }
}
