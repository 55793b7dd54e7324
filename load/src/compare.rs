//! `forum-load compare`: two results side by side, and whether they differ by more than chance.

use std::fs;
use std::path::Path;

use clap::Parser;
use serde_json::Value;

use crate::report::units;

/// Sets two results side by side: how they relate, how much each varies, and whether the difference is more than that.
#[derive(Debug, Parser)]
#[command(name = "forum-load compare", bin_name = "forum-load compare", version, max_term_width = 100)]
pub struct Arguments {
    /// What `--json` has written of a run, or of several equal ones with commas between them
    #[arg(value_name = "A.json[,…]")]
    pub before: String,
    /// The same of what it is compared with
    #[arg(value_name = "B.json[,…]")]
    pub after: String,
}

/// A difference that is smaller is not spoken of, whatever chance has to say: histograms and clocks are no better.
const SHARE_MIN: f64 = 0.01;
/// Values that a spread can be had from.
const VALUES_MIN: usize = 3;

/// What the two sides come to.
#[derive(Debug)]
pub struct Comparison {
    /// For people, in lines of at most 80 columns.
    pub text: String,
    /// Whether both are of valid runs.
    pub is_valid: bool,
}

/// Reads the files and compares them.
///
/// # Errors
/// A sentence that says which file holds no run.
pub fn compare(arguments: &Arguments) -> Result<Comparison, String> {
    let read_all = |paths: &str| paths.split(',').map(read).collect::<Result<Vec<_>, _>>();
    Ok(of(&read_all(&arguments.before)?, &read_all(&arguments.after)?))
}

fn read(path: &str) -> Result<Value, String> {
    let text = fs::read_to_string(Path::new(path)).map_err(|error| format!("{path}: {error}"))?;
    let run: Option<Value> = serde_json::from_str(&text).ok();
    let run = run.filter(|run| run["operations"].is_u64() && run["series"].is_array());
    run.ok_or_else(|| format!("{path}: not what --json writes of a run"))
}

fn of(before: &[Value], after: &[Value]) -> Comparison {
    let all = || before.iter().chain(after);
    let mut lines: Vec<String> = all()
        .filter(|run| run["valid"] == false)
        .map(|run| format!("not to be compared: {}", run["verdict"].as_str().unwrap_or("invalid")))
        .collect();
    let is_valid = lines.is_empty();
    lines.extend(differences(&before[0], &after[0]));
    lines.push(format!("{:8}{:>20}{:>20}{:>9}", "", "A", "B", "B / A"));
    lines.extend(METRICS.iter().filter_map(|metric| row(metric, before, after)));
    Comparison { text: lines.join("\n") + "\n", is_valid }
}

/// What was not done alike.
fn differences(before: &Value, after: &Value) -> Vec<String> {
    let told = |run: &Value| {
        let options = run["options"].as_object().into_iter().flatten();
        let mut told: Vec<String> =
            options.map(|(name, value)| format!("{name} {}", value.as_str().unwrap_or_default())).collect();
        told.extend(["scenario", "target"].map(|key| run[key].as_str().unwrap_or_default().to_owned()));
        told
    };
    let (a, b) = (told(before), told(after));
    let only = |these: &[String], those: &[String]| {
        these.iter().filter(|word| !those.contains(word)).cloned().collect::<Vec<_>>().join(", ")
    };
    let (only_a, only_b) = (only(&a, &b), only(&b, &a));
    if only_a.is_empty() && only_b.is_empty() {
        return Vec::new();
    }
    vec![format!("only A: {only_a}"), format!("only B: {only_b}")]
}

/// Something that is compared.
struct Metric {
    name: &'static str,
    /// Of the whole run.
    whole: fn(&Value) -> Option<f64>,
    /// Of one of its seconds; nothing if it is not known by the second.
    second: fn(&Value) -> Option<f64>,
    shown: fn(f64) -> String,
}

const METRICS: [Metric; 4] = [
    Metric {
        name: "rate",
        whole: |run| run["operations_per_second"].as_f64(),
        second: |second| second["operations"].as_f64(),
        shown: |value| format!("{} /s", units::rate(value)),
    },
    Metric {
        name: "p50",
        whole: |run| run["latency_ns"]["p50"].as_f64(),
        second: |second| second["p50_ns"].as_f64().filter(|ns| *ns > 0.0),
        shown: units::time,
    },
    Metric {
        name: "p99",
        whole: |run| run["latency_ns"]["p99"].as_f64(),
        second: |second| second["p99_ns"].as_f64().filter(|ns| *ns > 0.0),
        shown: units::time,
    },
    Metric {
        name: "CPU",
        whole: |run| run["server"]["cpu_us_per_operation"].as_f64(),
        second: |_| None,
        shown: |us| units::time(us * 1e3),
    },
];

/// One side of a row.
#[derive(Debug)]
struct Side {
    mean: f64,
    /// Of how many values, and their standard deviation; nothing if they are too few.
    spread: Option<(usize, f64)>,
}

impl Side {
    fn of(metric: &Metric, runs: &[Value]) -> Option<Self> {
        let wholes: Vec<f64> = runs.iter().map(metric.whole).collect::<Option<_>>()?;
        let mean = wholes.iter().sum::<f64>() / wholes.len() as f64;
        let values = match runs {
            [run] => whole_seconds(run).filter_map(metric.second).collect(),
            _ => wholes,
        };
        Some(Self { mean, spread: spread(&values) })
    }

    fn shown(&self, metric: &Metric) -> String {
        let spread = self.spread.map(|(_, deviation)| share_shown(deviation / self.mean));
        format!("{} {}", (metric.shown)(self.mean), spread.unwrap_or_default()).trim_end().to_owned()
    }
}

fn share_shown(share: f64) -> String {
    format!("± {} %", units::significant(share * 100.0, 2))
}

/// The seconds of a run that are not cut short by its end.
fn whole_seconds(run: &Value) -> impl Iterator<Item = &Value> {
    let seconds = run["series"].as_array().map(Vec::as_slice).unwrap_or_default();
    (1..)
        .zip(seconds)
        .filter(|(number, second)| second["at_seconds"] == f64::from(*number))
        .map(|(_, second)| second)
}

fn spread(values: &[f64]) -> Option<(usize, f64)> {
    if values.len() < VALUES_MIN {
        return None;
    }
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
    Some((values.len(), variance.sqrt()))
}

fn row(metric: &Metric, before: &[Value], after: &[Value]) -> Option<String> {
    let (a, b) = (Side::of(metric, before)?, Side::of(metric, after)?);
    if a.mean <= 0.0 {
        return None;
    }
    let ratio = b.mean / a.mean;
    let verdict = match differs(&a, &b) {
        None => "spread unknown",
        Some(true) => "more than noise",
        Some(false) => "within noise",
    };
    let [before, after] = [&a, &b].map(|side| side.shown(metric));
    Some(format!("{:8}{before:>20}{after:>20}{:>9}  {verdict}", metric.name, format!("{ratio:.3}")))
}

/// Whether the two means differ by more than what chance does once in a hundred times (Welch's test).
fn differs(a: &Side, b: &Side) -> Option<bool> {
    let ((a_count, a_deviation), (b_count, b_deviation)) = (a.spread?, b.spread?);
    let [a_part, b_part] = [(a_count, a_deviation), (b_count, b_deviation)]
        .map(|(count, deviation)| deviation.powi(2) / count as f64);
    let difference = (a.mean - b.mean).abs();
    if difference < SHARE_MIN * a.mean {
        return Some(false);
    }
    let variance = a_part + b_part;
    if variance == 0.0 {
        return Some(true);
    }
    let freedom =
        variance.powi(2) / (a_part.powi(2) / (a_count - 1) as f64 + b_part.powi(2) / (b_count - 1) as f64);
    Some(difference > critical(freedom) * variance.sqrt())
}

/// What Student's t exceeds, in either direction, once in a hundred times, with so many degrees of freedom.
fn critical(freedom: f64) -> f64 {
    const TABLE: [(f64, f64); 8] = [
        (1.0, 63.66),
        (2.0, 9.92),
        (3.0, 5.84),
        (4.0, 4.60),
        (6.0, 3.71),
        (10.0, 3.17),
        (20.0, 2.85),
        (60.0, 2.66),
    ];
    TABLE.iter().rev().find(|(least, _)| freedom >= *least).map_or(TABLE[0].1, |(_, t)| *t)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use serde_json::json;

    use super::*;

    fn run(rates: &[u64], p99_ns: u64) -> Value {
        let series: Vec<Value> = (1..)
            .zip(rates)
            .map(|(at, rate)| {
                json!({"at_seconds": f64::from(at), "operations": rate, "p50_ns": 1_000, "p99_ns": p99_ns})
            })
            .collect();
        json!({
            "scenario": "ping", "target": "forum", "options": {"connections": "50"}, "valid": true,
            "operations": rates.iter().sum::<u64>(),
            "operations_per_second": rates.iter().sum::<u64>() as f64 / rates.len() as f64,
            "latency_ns": {"p50": 1_000, "p99": p99_ns},
            "server": null,
            "series": series,
        })
    }

    fn one(before: &Value, after: &Value, name: &str) -> String {
        verdict(std::slice::from_ref(before), std::slice::from_ref(after), name)
    }

    fn verdict(before: &[Value], after: &[Value], name: &str) -> String {
        let text = of(before, after).text;
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{text}"));
        line.rsplit("  ").next().unwrap().to_owned()
    }

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_difference_is_told_from_noise_by_the_seconds_of_two_runs() {
        let a = run(&[1_000, 1_020, 990, 1_010, 980], 5_000);
        assert_eq!(one(&a, &run(&[1_040, 960, 1_030, 990, 1_030], 5_000), "rate"), "within noise");
        let b = run(&[1_200, 1_220, 1_190, 1_210, 1_180], 5_000);
        assert_eq!(one(&a, &b, "rate"), "more than noise");
        assert_eq!(one(&a, &b, "p99"), "within noise");
        assert_eq!(one(&a, &run(&[1_200, 1_220], 5_000), "rate"), "spread unknown");
    }

    #[test]
    fn with_several_runs_a_side_it_is_they_that_vary() {
        let runs = |means: [u64; 3]| means.map(|mean| run(&[mean; 5], 5_000));
        let a = runs([900, 1_000, 1_100]);
        assert_eq!(verdict(&a, &runs([1_000, 1_100, 1_150]), "rate"), "within noise");
        assert_eq!(verdict(&a, &runs([1_900, 2_000, 2_100]), "rate"), "more than noise");
    }

    #[test]
    fn a_table_has_both_sides_their_spread_and_what_was_not_done_alike() {
        let mut b = run(&[2_000, 2_000, 2_000], 5_000);
        b["options"]["connections"] = json!("60");
        let expected = "\
only A: connections 50
only B: connections 60
                           A                   B    B / A
rate      1,000 /s ± 0.50 %        2,000 /s ± 0 %    2.000  more than noise
p50          1.00 µs ± 0 %       1.00 µs ± 0 %    1.000  within noise
p99          5.00 µs ± 0 %       5.00 µs ± 0 %    1.000  within noise
";
        let text = of(&[run(&[1_000, 995, 1_005], 5_000)], &[b]).text;
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(&text), words(expected), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(
            include_str!("../../docs/LOAD.md").contains(&text),
            "docs/LOAD.md shows another table:\n{text}"
        );
    }

    #[test]
    fn an_invalid_run_is_not_to_be_compared() {
        let mut b = run(&[2_000, 2_000, 2_000], 5_000);
        (b["valid"], b["verdict"]) = (json!(false), json!("invalid: late"));
        let comparison = of(&[run(&[1_000, 995, 1_005], 5_000)], &[b]);
        assert!(!comparison.is_valid && comparison.text.starts_with("not to be compared: invalid: late\n"));
    }
}
