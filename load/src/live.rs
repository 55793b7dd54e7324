//! How a run goes while it lasts: a line a second on standard error.

use std::io::{IsTerminal, Write, stderr};

use crate::args::Arguments;
use crate::meter::Meter;

/// Where the line goes, if it goes anywhere.
#[derive(Debug)]
pub struct Live {
    kind: Kind,
    /// Seconds that were shown.
    shown: usize,
}

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
        Self { kind, shown: 0 }
    }

    /// Whether seconds are over that were not shown.
    pub fn has_news(&self, meter: &Meter) -> bool {
        meter.series.len() > self.shown
    }

    /// Shows the seconds that were not shown yet, each in a line. `backlog` are the requests of an open loop
    /// that are due and not sent. That nobody can read it is no reason to stop.
    pub fn show(&mut self, meter: &Meter, connections: u32, backlog: Option<u64>) {
        let ms = |ns: u64| ns as f64 / 1e6;
        let backlog = backlog.map_or_else(String::new, |requests| format!("  unsent {requests}"));
        for second in &meter.series[self.shown..] {
            let line = format!(
                "{:5.0} s {:>10} /s  p50 {:8.3} ms  p99 {:8.3} ms  errors {}{backlog}  connections {connections}",
                second.at,
                second.operations,
                ms(second.p50_ns),
                ms(second.p99_ns),
                meter.counts.errors(),
            );
            let _ = match self.kind {
                Kind::Silent => Ok(()),
                Kind::Lines => writeln!(stderr(), "{line}"),
                Kind::Terminal => write!(stderr(), "\r{line}\x1b[K"),
            };
        }
        self.shown = meter.series.len();
    }

    /// Clears the line, so that what follows begins on a fresh one.
    pub fn end(&self) {
        if self.kind == Kind::Terminal {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}
