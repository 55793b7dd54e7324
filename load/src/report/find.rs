//! What `--find` has come to, in text: the table of steps, and the rate against the latency.

use std::fmt::Write;

use super::units;
use crate::outcome::{Found, Step};
use crate::search::StepResult;

/// The longest bar of the drawing.
const BAR_COLUMNS: f64 = 46.0;

/// What is known at the end, in words.
pub fn conclusion(found: &Found) -> String {
    let Some(highest) = found.highest else {
        return if found.is_over { "no rate was found that holds" } else { "ended before it was over" }
            .to_owned();
    };
    let rate = units::rate(highest);
    match found.limit {
        Some(StepResult::Invalid) => format!("at least {rate} /s hold; above, forum-load was the bottleneck"),
        None => format!("at least {rate} /s hold; more was not tried"),
        Some(_) => format!("highest rate that holds: {rate} /s"),
    }
}

/// All of it, with an empty line at the end.
pub(super) fn lines(found: &Found) -> Vec<String> {
    text(found).lines().map(str::to_owned).collect()
}

fn text(found: &Found) -> String {
    let mut text = format!("find {}: {}\n\n", found.goal, conclusion(found));
    // Writing to a string does not fail.
    let _ = writeln!(text, "{:>11} {:>11} {:>9} {:>9} {:>9}  ", "offered", "achieved", "p50", "p99", "max");
    for step in &found.steps {
        let [p50, p99, max] = [step.p50_ns, step.p99_ns, step.max_ns].map(|ns| units::time(ns as f64));
        let [rate, achieved] = [step.rate, step.achieved].map(units::rate);
        let result = step.result.name();
        let _ = writeln!(text, "{rate:>8} /s {achieved:>8} /s {p50:>9} {p99:>9} {max:>9}  {result}");
    }
    text.push('\n');
    draw(&mut text, found);
    text
}

/// A bar for each step, by rate; as long as the logarithm of its p99.
fn draw(text: &mut String, found: &Found) {
    let steps = found.by_rate();
    let logarithm = |step: &Step| (step.p99_ns.max(1) as f64).log10();
    // The axis begins at the power of ten below the shortest.
    let from = steps.iter().map(|step| logarithm(step)).fold(f64::INFINITY, f64::min).floor();
    let to = steps.iter().map(|step| logarithm(step)).fold(from + 1.0, f64::max);
    let _ = writeln!(text, "{:>11}  p99, logarithmic", "rate");
    for step in steps {
        let columns = ((logarithm(step) - from) / (to - from) * BAR_COLUMNS).round().max(1.0) as usize;
        let bar = if step.result == StepResult::Holds { "█" } else { "░" }.repeat(columns);
        let (rate, p99) = (units::rate(step.rate), units::time(step.p99_ns as f64));
        let _ = writeln!(text, "{rate:>8} /s  {bar} {p99}");
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn the_steps_in_a_table_and_drawn_by_rate() {
        let expected = "\
find p99<5ms: highest rate that holds: 1,500 /s

    offered    achieved       p50       p99       max
   1,000 /s    1,000 /s   50.0 µs    100 µs   1.00 ms  holds
   2,000 /s    1,900 /s   50.0 µs   10.0 ms   20.0 ms  fails
   1,500 /s    1,500 /s   50.0 µs   1.00 ms   2.00 ms  holds

       rate  p99, logarithmic
   1,000 /s  █ 100 µs
   1,500 /s  ███████████████████████ 1.00 ms
   2,000 /s  ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░ 10.0 ms

";
        let text = text(&samples::found());
        let trimmed: Vec<_> = text.lines().map(str::trim_end).collect();
        assert_eq!(trimmed.join("\n") + "\n", expected);
        let page = include_str!("../../../docs/LOAD.md");
        assert!(page.contains(expected.trim_end()), "docs/LOAD.md shows another table");
    }

    #[test]
    fn who_was_the_limit_is_said() {
        let said =
            |highest, limit, is_over| conclusion(&Found { highest, limit, is_over, ..samples::found() });
        let generator = said(Some(900.0), Some(StepResult::Invalid), true);
        assert_eq!(generator, "at least 900 /s hold; above, forum-load was the bottleneck");
        assert_eq!(said(Some(900.0), None, true), "at least 900 /s hold; more was not tried");
        assert_eq!(said(None, Some(StepResult::Fails), true), "no rate was found that holds");
        assert_eq!(said(None, None, false), "ended before it was over");
    }

    #[test]
    fn no_line_is_wider_than_a_terminal() {
        let step = Step {
            rate: 99_999_999.0,
            achieved: 99_999_999.0,
            p50_ns: 59_999_999_999,
            ..samples::found().steps[0].clone()
        };
        let wide =
            Step { p99_ns: 59_999_999_999, max_ns: 59_999_999_999, result: StepResult::Invalid, ..step };
        let text = text(&Found { steps: vec![wide.clone(), wide], ..samples::found() });
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }
}
