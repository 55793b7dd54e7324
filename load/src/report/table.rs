//! The table at the end of a run, for a terminal.

use std::fmt::Write;

use super::{find, named_latencies, share, units};
use crate::outcome::{Counts, GeneratorUse, KindUse, Outcome, ServerUse};
use crate::verdict::Verdict;

/// The widest line, save for a name that is wider by itself.
const COLUMNS_MAX: usize = 80;
const LABEL_COLUMNS: usize = 15;
const VALUE_COLUMNS: usize = 12;
const LATENCY_COLUMNS: usize = 10;

/// What a run has come to, in lines of at most 80 columns that a terminal shows; ends with a newline.
pub fn table(outcome: &Outcome) -> String {
    let mut lines: Vec<String> = Vec::new();
    if let Some(verdict) = Verdict::of(outcome).said() {
        lines.extend(wrapped(verdict.split(' ').map(str::to_owned), " "));
    }
    lines.extend(outcome.found.iter().flat_map(find::lines));
    lines.extend(headline(outcome));
    lines.push(String::new());
    lines.extend(throughput(outcome));
    lines.extend(errors(&outcome.counts));
    lines.extend(latency(outcome));
    lines.extend(outcome.kinds.iter().filter(|kind| kind.operations + kind.latency.len() > 0).map(of_kind));
    match &outcome.server {
        Some(server) => lines.extend(server_use(outcome, server)),
        None => lines.push(said("server", "not measured: its process could not be looked at")),
    }
    lines.extend(own_use(&outcome.generator));
    lines.iter().fold(String::new(), |mut text, line| {
        text.push_str(line.trim_end());
        text.push('\n');
        text
    })
}

fn headline(outcome: &Outcome) -> Vec<String> {
    let measured = units::time(outcome.seconds * 1e9);
    let first = format!("{} against {}, measured for {measured}", outcome.scenario, outcome.target);
    let mut lines = wrapped(first.split(' ').map(str::to_owned), " ");
    lines.extend(wrapped(outcome.options.iter().map(|(name, value)| format!("{name} {value}")), ", "));
    lines
}

fn throughput(outcome: &Outcome) -> Vec<String> {
    let per_second = |amount: f64| share(amount, outcome.seconds).unwrap_or(0.0);
    let counted = |label: &str, number: u64| {
        row(label, &units::count(number), &format!("{} /s", units::rate(per_second(number as f64))))
    };
    let counts = &outcome.counts;
    let mut lines = vec![counted("offered", counts.offered), counted("operations", counts.operations)];
    if outcome.bytes > 0 {
        let bytes = outcome.bytes as f64;
        lines.push(row("content", &units::size(bytes), &format!("{}/s", units::size(per_second(bytes)))));
    }
    lines.extend(present(counts.other_fates()).map(|(fate, number)| row(fate, &units::count(number), "")));
    lines
}

fn errors(counts: &Counts) -> Vec<String> {
    let mut lines = vec![row("errors", &units::count(counts.errors()), "")];
    let kinds = present(counts.error_kinds());
    lines.extend(kinds.map(|(kind, number)| row(&format!("  {kind}"), &units::count(number), "")));
    if counts.lost_connections > 0 {
        let remade = units::count(counts.remade_connections);
        let note = format!("lost, {remade} made again");
        lines.push(row("connections", &units::count(counts.lost_connections), &note));
    }
    lines
}

/// Those of which there are any.
fn present<const N: usize>(named: [(&'static str, u64); N]) -> impl Iterator<Item = (&'static str, u64)> {
    named.into_iter().filter(|(_, number)| *number > 0)
}

fn latency(outcome: &Outcome) -> Vec<String> {
    let Some(named) = named_latencies(&outcome.latency, &outcome.censored) else {
        return vec![said("latency", "not measured: nothing was answered")];
    };
    let mut names = format!("{:LABEL_COLUMNS$}", "latency");
    let mut values = " ".repeat(LABEL_COLUMNS);
    for (column, latency) in named.into_iter().enumerate() {
        // The first column ends where the values of the other rows end.
        let width = if column == 0 { VALUE_COLUMNS } else { LATENCY_COLUMNS };
        let _ = write!(names, "{:>width$}", latency.name);
        let _ = write!(values, "{:>width$}", latency.shown());
    }
    vec![names, values]
}

/// The operations of a kind, and how long they took.
fn of_kind(kind: &KindUse) -> String {
    let shown = |wanted: &str| {
        let named = named_latencies(&kind.latency, &kind.censored).unwrap_or_default();
        named
            .iter()
            .find(|latency| latency.name == wanted)
            .map_or_else(String::new, |latency| latency.shown())
    };
    let errors =
        if kind.errors > 0 { format!(", errors {}", units::count(kind.errors)) } else { String::new() };
    let note = format!("p50 {}, p99 {}{errors}", shown("p50"), shown("p99"));
    row(&format!("  {}", kind.name), &units::count(kind.operations), &note)
}

fn server_use(outcome: &Outcome, server: &ServerUse) -> Vec<String> {
    let seconds = |seconds: f64| units::time(seconds * 1e9);
    let cpu = server.cpu_seconds();
    let spent = format!("user {}, system {}", seconds(server.user_seconds), seconds(server.system_seconds));
    let mut lines = vec![row("server CPU", &seconds(cpu), &spent)];
    let of_core = share(cpu * 100.0, server.seconds)
        .map(|percent| format!("{} % of a core", units::three_digits(percent)))
        .unwrap_or_default();
    if let Some(each) = share(cpu * 1e9, outcome.counts.operations as f64) {
        let each = units::time(each);
        lines.push(row("", &each, &format!("an operation; {of_core}")));
    } else {
        lines.push(row("", "", &of_core));
    }
    let before = format!("{} at the start", units::size(server.memory_bytes_before as f64));
    lines.push(row("server memory", &units::size(server.memory_bytes_after as f64), &before));
    lines
}

/// What forum-load itself used, and how late it sent.
fn own_use(own: &GeneratorUse) -> Vec<String> {
    let core = own.busiest.map(|share| format!("{} % of its core", units::three_digits(share * 100.0)));
    let mut lines = vec![row("own CPU", &units::time(own.cpu_seconds * 1e9), &core.unwrap_or_default())];
    if let Some(bytes) = own.memory_bytes {
        lines.push(row("own memory", &units::size(bytes as f64), ""));
    }
    if let Some(lag) = own.lag.as_ref().filter(|lag| !lag.is_empty()) {
        let [p50, p99, max] = [lag.value_at_quantile(0.50), lag.value_at_quantile(0.99), lag.max()]
            .map(|ns| units::time(ns as f64));
        lines.push(row("send lag", &p99, &format!("p99; p50 {p50}, max {max}")));
    }
    lines
}

fn row(label: &str, value: &str, note: &str) -> String {
    format!("{label:LABEL_COLUMNS$}{value:>VALUE_COLUMNS$}    {note}")
}

fn said(label: &str, sentence: &str) -> String {
    format!("{label:LABEL_COLUMNS$}{sentence}")
}

/// `words` in as few lines as they fit into, with `separator` between them.
fn wrapped(words: impl Iterator<Item = String>, separator: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        match lines.last_mut() {
            Some(line) => {
                line.push_str(separator);
                if line.chars().count() + word.chars().count() < COLUMNS_MAX {
                    line.push_str(&word);
                } else {
                    lines.push(word);
                }
            }
            None => lines.push(word),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn a_run_in_a_table() {
        let expected = "\
post against forum 127.0.0.1:12345, measured for 10.0 s
connections 100, pipeline 32

offered               1,010    101 /s
operations            1,000    100 /s
content            3.00 MiB    307 KiB/s
late                      4
missed                    2
unanswered                1
errors                    3
  refused                 2
  lost                    1
connections               1    lost, 1 made again
latency                 p50       p90       p99     p99.9       max      mean
                    5.00 ms   9.00 ms   9.90 ms ≥ 9.99 ms ≥ 10.0 ms ≥ 5.01 ms
server CPU          5.00 ms    user 3.00 ms, system 2.00 ms
                    5.00 µs    an operation; 0.050 % of a core
server memory      13.0 MiB    12.0 MiB at the start
own CPU              2.00 s    20.0 % of its core
own memory         4.00 MiB
";
        assert_eq!(table(&samples::posts()), expected);
        assert!(include_str!("../../../docs/LOAD.md").contains(expected), "docs/LOAD.md shows another table");
    }

    #[test]
    fn what_was_not_measured_is_said() {
        let expected = "\
post against forum 127.0.0.1:12345, measured for 10.0 s
connections 100, pipeline 32

offered                   0    0 /s
operations                0    0 /s
errors                    0
latency        not measured: nothing was answered
server         not measured: its process could not be looked at
own CPU              2.00 s    20.0 % of its core
own memory         4.00 MiB
";
        assert_eq!(table(&samples::silence()), expected);
    }

    #[test]
    fn an_invalid_run_says_so_in_its_first_line_and_the_lag_by_which_it_is() {
        let mut outcome = samples::posts();
        let mut lag = crate::outcome::latencies();
        lag.record_n(5_000_000, 100).unwrap();
        outcome.generator.lag = Some(lag);
        let table = table(&outcome);
        let first = table.lines().next().unwrap();
        assert!(first.starts_with("invalid: requests left up to 5.00 ms after they were due"), "{table}");
        assert!(table.contains("send lag            5.00 ms    p99; p50 5.00 ms, max 5.00 ms\n"), "{table}");
    }

    #[test]
    fn each_kind_has_a_row() {
        let mut kind = KindUse::new("read");
        (kind.operations, kind.errors) = (1_234, 5);
        kind.latency.record_n(2_000_000, 1_234).unwrap();
        let outcome = Outcome { kinds: vec![kind, KindUse::new("edit")], ..samples::posts() };
        let row = "  read                1,234    p50 2.00 ms, p99 2.00 ms, errors 5\n";
        assert!(table(&outcome).contains(row) && !table(&outcome).contains("edit"), "{}", table(&outcome));
    }

    #[test]
    fn a_server_that_answered_nothing_has_no_cost_of_an_operation() {
        let outcome = Outcome { server: samples::posts().server, ..samples::silence() };
        let table = table(&outcome);
        assert!(!table.contains("operation;") && table.contains("0.050 % of a core"), "{table}");
    }

    #[test]
    fn no_line_is_wider_than_a_terminal() {
        let options = (0..30).map(|n| (format!("option-{n:02}"), "v".repeat(n))).collect();
        let mut outcome = Outcome {
            options,
            counts: Counts {
                offered: 1 << 53,
                operations: 1 << 50,
                late: 1 << 50,
                missed: 1 << 50,
                unanswered: 1 << 50,
                refused: 1 << 50,
                lost: 1 << 50,
                timed_out: 1 << 50,
                lost_connections: 1 << 50,
                remade_connections: 1 << 50,
            },
            bytes: 1 << 60,
            seconds: 1e-3,
            ..samples::posts()
        };
        outcome.latency.saturating_record(u64::MAX);
        for outcome in [outcome, samples::posts(), samples::silence()] {
            let table = table(&outcome);
            assert!(table.lines().all(|line| line.chars().count() <= COLUMNS_MAX), "{table}");
        }
    }
}
