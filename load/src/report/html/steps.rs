//! What `--find` has come to: the rate against the latency, and the table of steps.

use std::fmt::{self, Write};

use super::super::{conclusion, units};
use super::axis::Axis;
use super::chart::{Chart, Column, Line, Mark};
use super::{Escaped, write_figure};
use crate::outcome::{Found, Step};

pub(super) fn write(page: &mut String, found: &Found) -> fmt::Result {
    writeln!(page, "<p class=\"found\">{}: {}</p>", Escaped(&found.goal), Escaped(&conclusion(found)))?;
    if found.steps.is_empty() {
        return Ok(());
    }
    write_figure(page, "Latency by rate", &latency_by_rate(found))?;
    page.push_str("<table class=\"steps\">\n<tr>");
    for name in ["offered", "achieved", "p50", "p99", "max", "result"] {
        write!(page, "<th>{name}</th>")?;
    }
    page.push_str("</tr>\n");
    for step in &found.steps {
        let [rate, achieved] = [step.rate, step.achieved].map(units::rate);
        let [p50, p99, max] = [step.p50_ns, step.p99_ns, step.max_ns].map(|ns| units::time(ns as f64));
        let cells =
            [format!("{rate}/s"), format!("{achieved}/s"), p50, p99, max, step.result.name().to_owned()];
        let cells = cells.map(|cell| format!("<td>{}</td>", Escaped(&cell)));
        writeln!(page, "<tr>{}</tr>", cells.concat())?;
    }
    page.push_str("</table>\n");
    Ok(())
}

fn latency_by_rate(found: &Found) -> Chart {
    let mut steps = found.by_rate();
    // Of a rate that was tried several times the last try is drawn; the table has them all.
    steps.reverse();
    steps.dedup_by(|earlier, kept| earlier.rate == kept.rate);
    steps.reverse();
    let largest = steps.last().map_or(1.0, |step| step.rate);
    let latencies = steps.iter().flat_map(|step| [step.p50_ns, step.p99_ns, step.max_ns]).map(|ns| ns as f64);
    let line = |name, class, of: fn(&Step) -> u64| Line {
        name,
        class,
        pieces: vec![steps.iter().map(|step| (step.rate, of(step) as f64)).collect()],
    };
    let at_highest = steps.iter().rfind(|step| Some(step.rate) == found.highest);
    let mark = |step: &&Step| Mark {
        x: step.rate,
        y: step.p99_ns as f64,
        name: format!("{}/s", units::rate(step.rate)),
    };
    let middle = |one: &Step, other: &Step| (one.rate + other.rate) / 2.0;
    let column = |(n, step): (usize, &&Step)| Column {
        from: n.checked_sub(1).map_or(0.0, |before| middle(steps[before], step)),
        to: steps.get(n + 1).map_or(step.rate, |after| middle(step, after)),
        text: format!(
            "{}/s: p99 {}, {}",
            units::rate(step.rate),
            units::time(step.p99_ns as f64),
            step.result.name()
        ),
    };
    Chart {
        summary: format!("Latency by rate: {}", conclusion(found)),
        x: Axis::from_zero(largest, units::short_count),
        x_title: "offered a second",
        y: Axis::of_latencies(latencies),
        y_title: "latency",
        lines: vec![
            line("max", "line max", |step| step.max_ns),
            line("p99", "line p99", |step| step.p99_ns),
            line("p50", "line p50", |step| step.p50_ns),
        ],
        marks: at_highest.into_iter().map(mark).collect(),
        columns: steps.iter().enumerate().map(column).collect(),
    }
}
