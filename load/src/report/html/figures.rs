//! What the charts of a run show.

use super::super::{PERCENTILES, named_latencies, units};
use super::axis::{Axis, percent};
use super::chart::{Chart, Column, Line, Mark};
use super::timeline::{Latency, Step};
use crate::outcome::Outcome;

/// Points of the percentile curve, and stretches of it that the pointer can ask.
const CURVE_POINTS: u32 = 320;
const CURVE_COLUMNS: u32 = 64;

/// Latency by percentile; nothing if nothing was answered.
pub(super) fn latency_by_percentile(outcome: &Outcome) -> Option<Chart> {
    let named = named_latencies(&outcome.latency, &outcome.censored)?;
    let x = Axis::of_percentiles(outcome.latency.len());
    let latency_at = |nines: f64| outcome.latency.value_at_quantile(1.0 - 10_f64.powf(-nines)) as f64;
    let parts = |n: u32| (0..=n).map(move |part| f64::from(part) / f64::from(n));
    let mut curve: Vec<_> =
        parts(CURVE_POINTS).map(|part| x.at(part)).map(|nines| (nines, latency_at(nines))).collect();
    // Where the last value is, 1 - 1/count may still be rounded to the one before it.
    if let Some(end) = curve.last_mut() {
        end.1 = outcome.latency.max() as f64;
    }
    let columns = parts(CURVE_COLUMNS).zip(parts(CURVE_COLUMNS).skip(1)).map(|(from, to)| {
        let (from, to) = (x.at(from), x.at(to));
        let text = format!("{} % took at most {}", percent(to), units::time(latency_at(to)));
        Column { from, to, text }
    });
    let in_sight = |q: f64| -(1.0 - q).log10() <= x.at(1.0) + 1e-9;
    let marks = PERCENTILES.iter().filter(|(_, q)| in_sight(*q)).map(|&(name, q)| {
        let y = outcome.latency.value_at_quantile(q) as f64;
        Mark { x: -(1.0 - q).log10(), y, name: format!("{name} {}", units::time(y)) }
    });
    let told: Vec<_> = named.iter().map(|named| format!("{} {}", named.name, named.shown())).collect();
    Some(Chart {
        summary: format!("Latency by percentile: {}", told.join(", ")),
        marks: marks.collect(),
        columns: columns.collect(),
        y: Axis::of_latencies(curve.iter().map(|(_, ns)| *ns)),
        y_title: "latency",
        lines: vec![Line { name: "latency", class: "line p99", pieces: vec![curve] }],
        x_title: "percentile of operations",
        x,
    })
}

/// Operations a second, over time.
pub(super) fn throughput(steps: &[Step]) -> Chart {
    let largest = steps.iter().map(|step| step.operations_per_second).fold(0.0, f64::max);
    let offered = steps.iter().map(|step| step.offered_per_second).fold(0.0, f64::max);
    let smallest = steps.iter().map(|step| step.operations_per_second).fold(largest, f64::min);
    let summary = format!(
        "Throughput over time: {} to {} operations a second",
        units::rate(smallest),
        units::rate(largest)
    );
    over_time(Over {
        steps,
        summary,
        y: Axis::from_zero(largest.max(offered), units::short_count),
        y_title: "a second",
        lines: vec![
            Line {
                name: "offered",
                class: "line offered",
                pieces: unbroken(steps, |step| step.offered_per_second),
            },
            Line {
                name: "achieved",
                class: "line p50",
                pieces: unbroken(steps, |step| step.operations_per_second),
            },
        ],
        told: |step| {
            let [offered, achieved] = [step.offered_per_second, step.operations_per_second].map(units::rate);
            format!("{achieved} operations/s of {offered} offered")
        },
    })
}

/// How late requests left, over time; nothing in a closed loop.
pub(super) fn lag_over_time(steps: &[Step]) -> Option<Chart> {
    let worst = steps.iter().map(|step| step.lag_p99_ns).fold(0.0, f64::max);
    (worst > 0.0).then(|| {
        over_time(Over {
            steps,
            summary: format!("Send lag over time: p99 at most {}", units::time(worst)),
            y: Axis::from_zero(worst, |ns| units::short_time(ns, 3)),
            y_title: "send lag, p99",
            lines: vec![Line {
                name: "send lag",
                class: "line p99",
                pieces: unbroken(steps, |step| step.lag_p99_ns),
            }],
            told: |step| format!("p99 {}", units::time(step.lag_p99_ns)),
        })
    })
}

/// Errors a second, over time; nothing if there were none.
pub(super) fn errors(steps: &[Step]) -> Option<Chart> {
    let largest = steps.iter().map(|step| step.errors_per_second).fold(0.0, f64::max);
    (largest > 0.0).then(|| {
        over_time(Over {
            steps,
            summary: format!("Errors over time: at most {} a second", units::rate(largest)),
            y: Axis::from_zero(largest, units::short_count),
            y_title: "errors per second",
            lines: vec![Line {
                name: "errors",
                class: "line errors",
                pieces: unbroken(steps, |step| step.errors_per_second),
            }],
            told: |step| format!("{} errors/s", units::rate(step.errors_per_second)),
        })
    })
}

/// p50, p99 and the longest latency, over time; nothing if nothing was answered.
pub(super) fn latency_over_time(steps: &[Step]) -> Option<Chart> {
    let measured = || steps.iter().filter_map(|step| step.latency);
    let worst = measured().map(|latency| latency.max).reduce(f64::max)?;
    let line = |name, class, of: fn(Latency) -> f64| Line { name, class, pieces: broken(steps, of) };
    Some(over_time(Over {
        steps,
        summary: format!("Latency over time: at most {}", units::time(worst)),
        y: Axis::of_latencies(measured().flat_map(|latency| [latency.p50, latency.p99, latency.max])),
        y_title: "latency",
        lines: vec![
            line("max", "line max", |latency| latency.max),
            line("p99", "line p99", |latency| latency.p99),
            line("p50", "line p50", |latency| latency.p50),
        ],
        told: |step| match step.latency {
            None => "no operations".to_owned(),
            Some(Latency { p50, p99, max }) => {
                format!("p50 {}, p99 {}, max {}", units::time(p50), units::time(p99), units::time(max))
            }
        },
    }))
}

/// A chart with the run's time as its x axis.
struct Over<'a> {
    steps: &'a [Step],
    summary: String,
    y: Axis,
    y_title: &'static str,
    lines: Vec<Line>,
    told: fn(&Step) -> String,
}

fn over_time(over: Over<'_>) -> Chart {
    let column = |step: &Step| {
        let (from, to) =
            (units::trimmed(&format!("{:.1}", step.from)), units::trimmed(&format!("{:.1}", step.to)));
        Column { from: step.from, to: step.to, text: format!("{from} to {to} s: {}", (over.told)(step)) }
    };
    Chart {
        summary: over.summary,
        x: Axis::of_time(over.steps.last().map_or(0.0, |step| step.to)),
        x_title: "time since the warm-up",
        columns: over.steps.iter().map(column).collect(),
        y: over.y,
        y_title: over.y_title,
        lines: over.lines,
        marks: Vec::new(),
    }
}

fn unbroken(steps: &[Step], of: impl Fn(&Step) -> f64) -> Vec<Vec<(f64, f64)>> {
    vec![steps.iter().flat_map(|step| [(step.from, of(step)), (step.to, of(step))]).collect()]
}

/// The lines' pieces between steps without operations, where there is no latency to draw.
fn broken(steps: &[Step], of: fn(Latency) -> f64) -> Vec<Vec<(f64, f64)>> {
    let pieces = steps.split(|step| step.latency.is_none()).filter(|piece| !piece.is_empty());
    let values = |step: &Step| step.latency.map(of).map(|ns| [(step.from, ns), (step.to, ns)]);
    pieces.map(|piece| piece.iter().filter_map(values).flatten().collect()).collect()
}
