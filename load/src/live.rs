//! How a run goes while it lasts: a line a second on standard error.

use std::io::{IsTerminal, Write, stderr};

use crate::args::Arguments;
use crate::meter::Meter;
use crate::outcome::Second;
use crate::report::units;

/// Where the line goes, if it goes anywhere.
#[derive(Debug)]
pub struct Live {
    kind: Kind,
    /// Seconds that were shown.
    shown: usize,
    /// When the run's beginning is shown next.
    progress_ns: u64,
}

/// The widest line.
const COLUMNS_MAX: usize = 80;
const SECOND_NS: u64 = 1_000_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Silent,
    Lines,
    /// One line, written over and over.
    Terminal,
}

impl Live {
    /// As the arguments want it. One part of several processes says nothing.
    pub fn new(arguments: &Arguments) -> Self {
        let kind = if arguments.quiet || arguments.part.is_some() {
            Kind::Silent
        } else if stderr().is_terminal() {
            Kind::Terminal
        } else if arguments.live {
            Kind::Lines
        } else {
            Kind::Silent
        };
        Self { kind, shown: 0, progress_ns: SECOND_NS }
    }

    /// Whether seconds are over that were not shown.
    pub fn has_news(&self, meter: &Meter) -> bool {
        meter.series.len() > self.shown
    }

    /// Shows the seconds that were not shown yet, each in a line. `backlog` are the requests of an open loop
    /// that are due and not sent.
    pub fn show(&mut self, meter: &Meter, connections: u32, backlog: Option<u64>) {
        for second in &meter.series[self.shown..] {
            self.write(&line(second, meter.counts.errors(), backlog, connections));
        }
        self.shown = meter.series.len();
    }

    /// Shows once a second how many of `all` have come so far before anything is measured, with what that is called.
    pub fn progress(&mut self, now_ns: u64, done: &str, so_far: u64, all: u64) {
        if now_ns < self.progress_ns {
            return;
        }
        self.progress_ns = now_ns - now_ns % SECOND_NS + SECOND_NS;
        let (seconds, so_far, all) = (now_ns / SECOND_NS, units::count(so_far), units::count(all));
        self.write(&format!("{seconds:5} s {so_far:>10} of {all} {done}"));
    }

    /// Shows a line that stays.
    pub fn say(&self, line: &str) {
        self.write(line);
        if self.kind == Kind::Terminal {
            let _ = writeln!(stderr());
        }
    }

    /// That nobody can read it is no reason to stop.
    fn write(&self, line: &str) {
        let _ = match self.kind {
            Kind::Silent => Ok(()),
            Kind::Lines => writeln!(stderr(), "{line}"),
            Kind::Terminal => write!(stderr(), "\r{line}\x1b[K"),
        };
    }

    /// Clears the line, so that what follows begins on a fresh one.
    pub fn end(&self) {
        if self.kind == Kind::Terminal {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}

/// A second in a line, with as much of the rest as fits.
fn line(second: &Second, errors: u64, backlog: Option<u64>, connections: u32) -> String {
    let time = |ns: u64| if ns == 0 { "-".to_owned() } else { units::time(ns as f64) };
    let mut line = format!(
        "{:5.0} s {:>9} /s  p50 {:>7}  p99 {:>7}  errors {errors}",
        second.at,
        second.operations,
        time(second.p50_ns),
        time(second.p99_ns),
    );
    let backlog = backlog.map(|requests| format!("  unsent {requests}"));
    for more in backlog.into_iter().chain([format!("  conns {connections}")]) {
        if line.chars().count() + more.chars().count() <= COLUMNS_MAX {
            line.push_str(&more);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_wider_than_a_terminal() {
        let second = Second {
            at: 99_999.0,
            operations: 9_999_999,
            errors: 0,
            p50_ns: 123_456_789,
            p99_ns: 59_999_999_999,
            max_ns: 0,
            ..Second::default()
        };
        let wide = line(&second, 123_456_789, Some(1_234_567_890), 1_000_000);
        assert!(wide.chars().count() <= COLUMNS_MAX, "{wide}");
        let usual = line(&Second { at: 7.0, operations: 1_000, ..second }, 0, Some(3), 50);
        assert!(usual.contains("7 s") && usual.ends_with("errors 0  unsent 3  conns 50"), "{usual}");
    }
}
