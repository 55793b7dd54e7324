//! How a run goes while it lasts: a line a second on standard error.

use std::io::{IsTerminal, Write, stderr};

use crate::args::Arguments;
use crate::meter::Meter;
use crate::outcome::Second;

/// Where the line goes, if it goes anywhere.
#[derive(Debug)]
pub struct Live {
    kind: Kind,
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
        Self { kind }
    }

    /// Shows the last second. That nobody can read it is no reason to stop.
    pub fn show(&self, second: &Second, meter: &Meter, connections: u32) {
        let ms = |ns: u64| ns as f64 / 1e6;
        let line = format!(
            "{:5.0} s {:>10} /s  p50 {:8.3} ms  p99 {:8.3} ms  errors {}  connections {connections}",
            second.at,
            second.operations,
            ms(second.p50_ns),
            ms(second.p99_ns),
            meter.errors.total(),
        );
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
