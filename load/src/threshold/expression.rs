//! How a threshold is written: `p99.9>=10ms`, `rate<10000`. What is written out reads back as the same.

use std::error::Error;
use std::fmt::{self, Display};
use std::str::FromStr;

use super::{Comparison, Dimension, Metric, Threshold};

/// Above this a double no longer has every whole number: 104 days in nanoseconds, 8 PiB.
const LIMIT_MAX: f64 = 9_007_199_254_740_992.0;

/// Longer spellings first: `>=` is not `>` with a limit of `=`.
const COMPARISONS: [(&str, Comparison); 4] = [
    (">=", Comparison::AtLeast),
    ("<=", Comparison::AtMost),
    (">", Comparison::Over),
    ("<", Comparison::Under),
];

/// The largest first: a limit is written in the first one that it is a whole number of.
const TIMES: &[(&str, f64)] = &[("s", 1e9), ("ms", 1e6), ("us", 1e3), ("µs", 1e3), ("ns", 1.0)];
const SIZES: &[(&str, f64)] = &[("GiB", 1_073_741_824.0), ("MiB", 1_048_576.0), ("KiB", 1024.0), ("B", 1.0)];

/// What is wrong with an expression: each says what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ThresholdError {
    /// Neither `>` nor `<` nor `>=` nor `<=` stands in it.
    Comparison,
    /// What is to be compared is not known.
    Metric(String),
    /// The limit is not a number in a unit that the metric has.
    Limit {
        /// What was written.
        limit: String,
        /// What may be.
        allowed: &'static str,
    },
}

impl Error for ThresholdError {}

impl Display for ThresholdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Comparison => {
                f.write_str("no >, >=, < or <= between a metric and its limit, as in p99>5ms")
            }
            Self::Metric(name) => write!(
                f,
                "'{name}' is no metric: allowed are p and a percentage, as in p99.9, and max, mean, errors, \
                 late, missed, unanswered, lost_connections, rate, cpu_us and memory"
            ),
            Self::Limit { limit, allowed } => write!(f, "'{limit}' is no limit here: allowed is {allowed}"),
        }
    }
}

impl FromStr for Threshold {
    type Err = ThresholdError;

    fn from_str(expression: &str) -> Result<Self, ThresholdError> {
        let start = expression.find(['<', '>']).ok_or(ThresholdError::Comparison)?;
        let (metric, rest) = expression.split_at(start);
        let metric: Metric = metric.trim().parse()?;
        let split =
            COMPARISONS.iter().find_map(|&(sign, comparison)| Some((comparison, rest.strip_prefix(sign)?)));
        let (comparison, limit) = split.ok_or(ThresholdError::Comparison)?;
        let limit = metric.dimension().limit(limit.trim())?;
        Ok(Self { metric, comparison, limit })
    }
}

impl FromStr for Metric {
    type Err = ThresholdError;

    fn from_str(name: &str) -> Result<Self, ThresholdError> {
        let percent = |text: &str| number(text).filter(|percent| *percent > 0.0 && *percent <= 100.0);
        Ok(match name {
            "max" => Self::Max,
            "mean" => Self::Mean,
            "errors" => Self::Errors,
            "late" => Self::Late,
            "missed" => Self::Missed,
            "unanswered" => Self::Unanswered,
            "lost_connections" => Self::LostConnections,
            "rate" => Self::Rate,
            "cpu_us" => Self::CpuPerOperation,
            "memory" => Self::Memory,
            _ => Self::Percentile(
                name.strip_prefix('p')
                    .and_then(percent)
                    .ok_or_else(|| ThresholdError::Metric(name.to_owned()))?,
            ),
        })
    }
}

impl Dimension {
    fn units(self) -> &'static [(&'static str, f64)] {
        match self {
            Self::Time => TIMES,
            Self::Size => SIZES,
            Self::Count | Self::Rate | Self::Cost => &[("", 1.0)],
        }
    }

    fn limit(self, text: &str) -> Result<f64, ThresholdError> {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (digits, unit) = (&text[..end], text[end..].trim_start());
        let size = self.units().iter().find(|(name, _)| *name == unit).map(|(_, size)| size);
        let limit = number(digits).zip(size).map(|(value, size)| match self {
            // To the nanosecond or byte: in binary fractions 0.1 ms is no whole number of them.
            Self::Time | Self::Size => (value * size).round(),
            Self::Count | Self::Rate | Self::Cost => value,
        });
        limit
            .filter(|limit| *limit <= LIMIT_MAX && (self != Self::Count || limit.fract() == 0.0))
            .ok_or_else(|| ThresholdError::Limit { limit: text.to_owned(), allowed: self.allowed() })
    }

    fn allowed(self) -> &'static str {
        match self {
            Self::Time => "a number in ns, us, ms or s, as in 5ms or 1.5s",
            Self::Size => "a number in B, KiB, MiB or GiB, as in 100MiB",
            Self::Count => "a whole number, as in 0",
            Self::Rate => "a number of operations a second without a unit, as in 10000",
            Self::Cost => "a number of microseconds without a unit, as in 5 or 0.8",
        }
    }
}

/// Digits with at most one point among them, and nothing else that Rust would take: no sign, `inf` or `1e9`.
fn number(text: &str) -> Option<f64> {
    let plain =
        text.starts_with(|c: char| c.is_ascii_digit()) && text.ends_with(|c: char| c.is_ascii_digit());
    let plain = plain && text.chars().all(|c| c.is_ascii_digit() || c == '.');
    text.parse().ok().filter(|number: &f64| plain && number.is_finite())
}

impl Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Percentile(percent) => write!(f, "p{percent}"),
            Self::Max => f.write_str("max"),
            Self::Mean => f.write_str("mean"),
            Self::Errors => f.write_str("errors"),
            Self::Late => f.write_str("late"),
            Self::Missed => f.write_str("missed"),
            Self::Unanswered => f.write_str("unanswered"),
            Self::LostConnections => f.write_str("lost_connections"),
            Self::Rate => f.write_str("rate"),
            Self::CpuPerOperation => f.write_str("cpu_us"),
            Self::Memory => f.write_str("memory"),
        }
    }
}

impl Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = COMPARISONS.iter().find(|(_, comparison)| *comparison == self.comparison);
        let sign = sign.map_or("", |(sign, _)| sign);
        // The last unit is 1, which divides whatever the others do not: fractions, too.
        let mut units = self.metric.dimension().units().iter().copied();
        let (unit, size) =
            units.find(|(_, size)| *size == 1.0 || self.limit % size == 0.0).unwrap_or(("", 1.0));
        write!(f, "{}{sign}{}{unit}", self.metric, self.limit / size)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn metrics() -> impl Strategy<Value = Metric> {
        let percent = prop_oneof![
            (1_u32..=100_000).prop_map(|n| f64::from(n) / 1000.0),
            (0.0..=100.0).prop_filter("some", |percent| *percent > 0.0),
        ];
        prop_oneof![
            percent.prop_map(Metric::Percentile),
            Just(Metric::Max),
            Just(Metric::Mean),
            Just(Metric::Errors),
            Just(Metric::Rate),
            Just(Metric::CpuPerOperation),
            Just(Metric::Memory),
        ]
    }

    fn thresholds() -> impl Strategy<Value = Threshold> {
        let whole = prop_oneof![0..=LIMIT_MAX as u64, (0_u64..10_000).prop_map(|n| n * 1_000_000)];
        let comparison = prop::sample::select(COMPARISONS.map(|(_, comparison)| comparison).to_vec());
        (metrics(), comparison, whole, 0.0..1e6).prop_map(|(metric, comparison, whole, fraction)| {
            let fractional = matches!(metric.dimension(), Dimension::Rate | Dimension::Cost);
            Threshold { metric, comparison, limit: if fractional { fraction } else { whole as f64 } }
        })
    }

    proptest! {
        #[test]
        fn what_is_written_out_reads_back_as_the_same(threshold in thresholds()) {
            prop_assert_eq!(threshold.to_string().parse(), Ok(threshold), "{}", threshold);
        }

        #[test]
        fn any_text_is_an_expression_or_an_error(
            text in r"(p[0-9.]{0,5}|max|rate|memory|\PC{0,3}) ?[<>=]{0,3} ?[0-9.]{0,9}(ms|KiB|\PC{0,3})",
        ) {
            if let Ok(threshold) = text.parse::<Threshold>() {
                prop_assert_eq!(threshold.to_string().parse(), Ok(threshold), "{}", text);
            }
        }
    }

    #[test]
    fn expressions_are_written_in_the_largest_unit_that_fits() {
        let written =
            |expression: &str| expression.parse::<Threshold>().map(|threshold| threshold.to_string());
        for (expression, shown) in [
            ("p99>5ms", "p99>5ms"),
            (" p99.9 >= 10 ms ", "p99.9>=10ms"),
            ("p50<1500µs", "p50<1500us"),
            ("max>1000ms", "max>1s"),
            ("max<=0.1ms", "max<=100us"),
            ("mean>0.001us", "mean>1ns"),
            ("p100>0s", "p100>0s"),
            ("errors>0", "errors>0"),
            ("rate<10000.0", "rate<10000"),
            ("cpu_us>0.8", "cpu_us>0.8"),
            ("memory>100MiB", "memory>100MiB"),
            ("memory>1.5GiB", "memory>1536MiB"),
        ] {
            assert_eq!(written(expression).as_deref(), Ok(shown), "{expression}");
        }
    }

    #[test]
    fn a_wrong_expression_is_told_what_would_be_right() {
        let error = |expression: &str| expression.parse::<Threshold>().unwrap_err().to_string();
        assert_eq!(error("p99=5ms"), "no >, >=, < or <= between a metric and its limit, as in p99>5ms");
        assert_eq!(
            error("p101>5ms"),
            "'p101' is no metric: allowed are p and a percentage, as in p99.9, and max, mean, errors, late, \
             missed, unanswered, lost_connections, rate, cpu_us and memory"
        );
        assert_eq!(
            error("p99>5"),
            "'5' is no limit here: allowed is a number in ns, us, ms or s, as in 5ms or 1.5s"
        );
        assert_eq!(
            error("memory>5MB"),
            "'5MB' is no limit here: allowed is a number in B, KiB, MiB or GiB, as in 100MiB"
        );
        assert_eq!(error("errors>0.5"), "'0.5' is no limit here: allowed is a whole number, as in 0");
        for expression in
            ["", ">", "p>1ms", "p0>1ms", "pinf>1ms", "p-1>1ms", "P99>1ms", "latency>1ms", "p99 9>1ms"]
        {
            assert!(expression.parse::<Threshold>().is_err(), "{expression}");
        }
        for limit in
            ["", "-1", "+1", "1e3", "inf", "nan", ".5", "5.", "1.2.3", "1 000", "1_000", "1/s", "==1"]
        {
            assert!(format!("rate<{limit}").parse::<Threshold>().is_err(), "{limit}");
        }
        assert!("p99>99999999s".parse::<Threshold>().is_err());
    }
}
