//! `forum-load`: reads the command line, and says how it ended.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;

use forum_load::args::Arguments;
use forum_load::{processes, run};

/// A threshold was passed, or nothing could be measured.
const FAILED: u8 = 1;
/// The command line makes no sense.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Err(text) = arguments.check() {
        eprintln!("forum-load: {text}");
        return ExitCode::from(USAGE);
    }
    let done = match arguments.part {
        Some(part) => processes::run_part(&arguments, part).map(|()| true),
        None => measure(&arguments),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(FAILED),
        Err(text) => {
            eprintln!("forum-load: {text}");
            ExitCode::from(FAILED)
        }
    }
}

/// Runs, writes what has come of it, and says whether it is within its thresholds.
fn measure(arguments: &Arguments) -> Result<bool, String> {
    let finished = run::run(arguments)?;
    run::write_out(arguments, &finished)?;
    let mut within = true;
    for threshold in &arguments.fail_if {
        if let Err(text) = threshold.holds(&finished.outcome) {
            eprintln!("forum-load: {text}");
            within = false;
        }
    }
    Ok(within)
}
