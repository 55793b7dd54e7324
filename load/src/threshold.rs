//! What a run must not come to, as the command line says it: `--fail-if 'p99>5ms'`. A threshold knows what
//! was measured and how to say that it was passed; what follows from that is its caller's.

mod expression;

pub use expression::ThresholdError;

use crate::outcome::Outcome;
use crate::report::{quantile, share, units};

/// The digits in which a sentence gives what was measured, unless it takes more to tell it from the limit.
const DIGITS: usize = 3;
/// As many as every double has.
const DIGITS_MAX: usize = 15;

/// One expression of `--fail-if`: the run fails if it is true, or if its metric was not measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Threshold {
    metric: Metric,
    comparison: Comparison,
    /// In the base unit of the metric's [`Dimension`]; finite, not negative.
    limit: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Metric {
    /// Of the latencies: more than 0, at most 100.
    Percentile(f64),
    Max,
    Mean,
    Errors,
    Late,
    Missed,
    Unanswered,
    LostConnections,
    Rate,
    CpuPerOperation,
    Memory,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Over,
    AtLeast,
    Under,
    AtMost,
}

/// What a metric's limit is written in, and counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dimension {
    /// Whole nanoseconds, written with a unit.
    Time,
    /// Whole bytes, written with a unit.
    Size,
    /// A whole number.
    Count,
    /// Operations a second.
    Rate,
    /// Microseconds an operation; the metric's name has the unit.
    Cost,
}

impl Threshold {
    /// Whether the run keeps within this threshold.
    ///
    /// # Errors
    ///
    /// The sentence for the terminal: by what the threshold was passed, or why that can't be known.
    pub fn holds(&self, outcome: &Outcome) -> Result<(), String> {
        match self.metric.measured(outcome) {
            Err(why) => {
                Err(format!("{} was not measured, so --fail-if '{self}' fails: {why}", self.metric.subject()))
            }
            Ok(measured) if self.comparison.is_true(measured, self.limit) => Err(self.passed_by(measured)),
            Ok(_) => Ok(()),
        }
    }

    /// Whether the expression is true of the run; not, if its metric was not measured.
    pub fn is_true(&self, outcome: &Outcome) -> bool {
        self.metric.measured(outcome).is_ok_and(|measured| self.comparison.is_true(measured, self.limit))
    }

    /// What was measured, for a table: `p99 300 µs`.
    pub fn shown(&self, outcome: &Outcome) -> String {
        match self.metric.measured(outcome) {
            Ok(measured) => format!("{} {}", self.metric, self.metric.dimension().shown(measured, DIGITS)),
            Err(why) => why.to_owned(),
        }
    }

    fn passed_by(&self, measured: f64) -> String {
        let dimension = self.metric.dimension();
        let limit = dimension.shown(self.limit, DIGITS_MAX);
        // A p99 of 5.001 ms is not "5 ms, over the 5 ms".
        let distinct = (DIGITS..DIGITS_MAX).map(|digits| dimension.shown(measured, digits));
        let measured = distinct
            .clone()
            .find(|shown| measured == self.limit || *shown != limit)
            .unwrap_or_else(|| dimension.shown(measured, DIGITS_MAX));
        let (relation, verb) = match self.comparison {
            Comparison::Over => ("over", "allows"),
            Comparison::AtLeast => ("not under", "asks for"),
            Comparison::Under => ("under", "asks for"),
            Comparison::AtMost => ("not over", "asks for"),
        };
        format!(
            "{} is {measured}, {relation} the {limit} that --fail-if '{self}' {verb}",
            self.metric.subject()
        )
    }
}

impl Metric {
    fn dimension(self) -> Dimension {
        match self {
            Self::Percentile(_) | Self::Max | Self::Mean => Dimension::Time,
            Self::Errors | Self::Late | Self::Missed | Self::Unanswered | Self::LostConnections => {
                Dimension::Count
            }
            Self::Rate => Dimension::Rate,
            Self::CpuPerOperation => Dimension::Cost,
            Self::Memory => Dimension::Size,
        }
    }

    /// Of a sentence.
    fn subject(self) -> String {
        match self {
            Self::Percentile(_) => self.to_string(),
            Self::Max => "the longest latency".to_owned(),
            Self::Mean => "the mean latency".to_owned(),
            Self::Errors => "the number of errors".to_owned(),
            Self::Late => "the number of late answers".to_owned(),
            Self::Missed => "the number of missed requests".to_owned(),
            Self::Unanswered => "the number of unanswered requests".to_owned(),
            Self::LostConnections => "the number of lost connections".to_owned(),
            Self::Rate => "the rate".to_owned(),
            Self::CpuPerOperation => "the server's CPU time for an operation".to_owned(),
            Self::Memory => "the server's memory".to_owned(),
        }
    }

    /// In the base unit of its dimension, or why there is none.
    fn measured(self, outcome: &Outcome) -> Result<f64, &'static str> {
        let latency = &outcome.latency;
        let counts = &outcome.counts;
        let operations = counts.operations as f64;
        let server = outcome.server.as_ref().ok_or("the server's process could not be looked at");
        match self {
            Self::Percentile(_) | Self::Max | Self::Mean if latency.is_empty() => Err("nothing was answered"),
            Self::Percentile(percent) => Ok(latency.value_at_quantile(quantile(percent)) as f64),
            Self::Max => Ok(latency.max() as f64),
            Self::Mean => Ok(latency.mean()),
            Self::Errors => Ok(counts.errors() as f64),
            Self::Late => Ok(counts.late as f64),
            Self::Missed => Ok(counts.missed as f64),
            Self::Unanswered => Ok(counts.unanswered as f64),
            Self::LostConnections => Ok(counts.lost_connections as f64),
            Self::Rate => share(operations, outcome.seconds).ok_or("no time went by"),
            Self::CpuPerOperation => {
                share(server?.cpu_seconds() * 1e6, operations).ok_or("nothing was answered")
            }
            Self::Memory => Ok(server?.memory_bytes_after as f64),
        }
    }
}

impl Comparison {
    fn is_true(self, measured: f64, limit: f64) -> bool {
        match self {
            Self::Over => measured > limit,
            Self::AtLeast => measured >= limit,
            Self::Under => measured < limit,
            Self::AtMost => measured <= limit,
        }
    }
}

impl Dimension {
    /// For a sentence.
    fn shown(self, value: f64, digits: usize) -> String {
        let number = || units::trimmed(&units::significant(value, digits));
        match self {
            Self::Time => units::short_time(value, digits),
            Self::Size => units::short_size(value, digits),
            Self::Count => number(),
            Self::Rate => format!("{} operations/s", number()),
            Self::Cost => format!("{} µs", number()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    fn check(expression: &str, outcome: &Outcome) -> Result<(), String> {
        expression.parse::<Threshold>().expect("an expression").holds(outcome)
    }

    #[test]
    fn a_run_within_its_thresholds_passes() {
        for expression in [
            "p50>5.1ms",
            "p99>=10ms",
            "p99.9>10ms",
            "max>11ms",
            "mean>6ms",
            "errors>3",
            "errors>=4",
            "late>4",
            "missed>2",
            "unanswered>1",
            "lost_connections>1",
            "rate<100",
            "rate<=99.9",
            "cpu_us>5",
            "memory>13MiB",
            "max<1ms",
        ] {
            assert_eq!(check(expression, &samples::posts()), Ok(()), "{expression}");
        }
    }

    #[test]
    fn an_expression_is_true_or_not_and_shows_what_was_measured() {
        let of = |expression: &str, outcome| {
            let threshold: Threshold = expression.parse().unwrap();
            (threshold.is_true(&outcome), threshold.shown(&outcome))
        };
        assert_eq!(of("p99<10ms", samples::posts()), (true, "p99 9.9 ms".to_owned()));
        assert_eq!(of("p99<5ms", samples::posts()), (false, "p99 9.9 ms".to_owned()));
        assert_eq!(of("errors<4", samples::posts()), (true, "errors 3".to_owned()));
        assert_eq!(of("p99<5ms", samples::silence()), (false, "nothing was answered".to_owned()));
    }

    #[test]
    fn a_passed_threshold_is_a_sentence() {
        let page = include_str!("../../docs/LOAD.md");
        assert!(page.contains("\np99 is 9.9 ms, over the 5 ms that --fail-if 'p99>5ms' allows\n"));
        for (expression, sentence) in [
            ("p99>5ms", "p99 is 9.9 ms, over the 5 ms that --fail-if 'p99>5ms' allows"),
            ("p99.9<1s", "p99.9 is 9.99 ms, under the 1 s that --fail-if 'p99.9<1s' asks for"),
            (
                "max>=1ms",
                "the longest latency is 10 ms, not under the 1 ms that --fail-if 'max>=1ms' asks for",
            ),
            ("errors>0", "the number of errors is 3, over the 0 that --fail-if 'errors>0' allows"),
            ("errors>=3", "the number of errors is 3, not under the 3 that --fail-if 'errors>=3' asks for"),
            ("errors<=3", "the number of errors is 3, not over the 3 that --fail-if 'errors<=3' asks for"),
            ("late>3", "the number of late answers is 4, over the 3 that --fail-if 'late>3' allows"),
            ("missed>0", "the number of missed requests is 2, over the 0 that --fail-if 'missed>0' allows"),
            (
                "unanswered>0",
                "the number of unanswered requests is 1, over the 0 that --fail-if 'unanswered>0' allows",
            ),
            (
                "lost_connections>0",
                "the number of lost connections is 1, over the 0 that --fail-if 'lost_connections>0' allows",
            ),
            (
                "rate<10000",
                "the rate is 100 operations/s, under the 10000 operations/s that --fail-if 'rate<10000' asks for",
            ),
            (
                "cpu_us>0.8",
                "the server's CPU time for an operation is 5 µs, over the 0.8 µs that --fail-if 'cpu_us>0.8' allows",
            ),
            (
                "memory>100KiB",
                "the server's memory is 13 MiB, over the 100 KiB that --fail-if 'memory>100KiB' allows",
            ),
        ] {
            assert_eq!(check(expression, &samples::posts()), Err(sentence.to_owned()));
        }
    }

    #[test]
    fn what_was_measured_never_looks_like_the_limit_it_passed() {
        let mut outcome = samples::posts();
        outcome.counts.operations = 99_999_999;
        outcome.seconds = 1000.0;
        let sentence = check("rate<100000", &outcome).unwrap_err();
        assert!(
            sentence.starts_with("the rate is 99999.999 operations/s, under the 100000 op"),
            "{sentence}"
        );
        let sentence = check("p50>5ms", &outcome).unwrap_err();
        assert!(sentence.starts_with("p50 is 5.001 ms, over the 5 ms that"), "{sentence}");
    }

    #[test]
    fn what_was_not_measured_fails_and_says_why() {
        let silence = samples::silence();
        let no_latency = "p99 was not measured, so --fail-if 'p99>5ms' fails: nothing was answered";
        assert_eq!(check("p99>5ms", &silence), Err(no_latency.to_owned()));
        let no_server = "the server's memory was not measured, so --fail-if 'memory>1MiB' fails: the server's \
                         process could not be looked at";
        assert_eq!(check("memory>1MiB", &silence), Err(no_server.to_owned()));
        for expression in ["p99<5ms", "max>1s", "mean>1s", "cpu_us>5", "cpu_us<5", "memory<1MiB"] {
            assert!(check(expression, &silence).unwrap_err().contains("was not measured"), "{expression}");
        }
        let costless = Outcome { server: samples::posts().server, ..samples::silence() };
        assert!(check("cpu_us>5", &costless).unwrap_err().ends_with("nothing was answered"));
        assert!(check("rate<1", &Outcome { seconds: 0.0, ..samples::posts() }).is_err());
        // These are measured even so.
        assert_eq!(check("errors>0", &silence), Ok(()));
        assert!(check("rate<1", &silence).unwrap_err().starts_with("the rate is 0 operations/s, under"));
    }
}
