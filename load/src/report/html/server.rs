//! What the server's process used, over time.

use super::super::units;
use super::axis::Axis;
use super::chart::{Chart, Column, Line};
use super::timeline::STEPS_MAX;
use crate::outcome::{ServerMoment, ServerUse};

/// Its CPU and its memory, each with a title; nothing if it was not looked at in between.
pub(super) fn over_time(server: &ServerUse) -> Vec<(&'static str, Chart)> {
    if server.series.is_empty() {
        return Vec::new();
    }
    let cores = |moment: &ServerMoment| moment.cores * 100.0;
    let memory = |moment: &ServerMoment| moment.memory_bytes as f64;
    let bytes = |value: f64| units::short_size(value, 3);
    vec![
        (
            "Server CPU over time",
            chart(&server.series, "server CPU, of a core", cores, percent, |largest| {
                Axis::from_zero(largest, percent)
            }),
        ),
        ("Server memory over time", chart(&server.series, "server memory", memory, bytes, Axis::of_bytes)),
    ]
}

fn percent(value: f64) -> String {
    format!("{} %", units::trimmed(&units::three_digits(value)))
}

/// In at most [`STEPS_MAX`] points, each the largest of its moments.
fn chart(
    series: &[ServerMoment],
    name: &'static str,
    of: fn(&ServerMoment) -> f64,
    shown: fn(f64) -> String,
    axis: fn(f64) -> Axis,
) -> Chart {
    let chunks = series.chunks(series.len().div_ceil(STEPS_MAX).max(1));
    let points: Vec<(f64, f64)> = chunks
        .filter_map(|moments| Some((moments.last()?.at, moments.iter().map(of).fold(0.0, f64::max))))
        .collect();
    let largest = points.iter().map(|point| point.1).fold(0.0, f64::max);
    let before = [0.0].into_iter().chain(points.iter().map(|point| point.0));
    let columns = before.zip(&points).map(|(from, &(to, value))| Column {
        from,
        to,
        text: format!("{from:.1} to {to:.1} s: {}", shown(value)),
    });
    Chart {
        summary: format!("{name}, over time: at most {}", shown(largest)),
        x: Axis::of_time(points.last().map_or(0.0, |point| point.0)),
        x_title: "time since the server was looked at first",
        y: axis(largest),
        y_title: name,
        columns: columns.collect(),
        lines: vec![Line { name, class: "line p50", pieces: vec![points] }],
        marks: Vec::new(),
    }
}
