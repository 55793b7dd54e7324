//! `forum-load`: reads the command line, and says how it ended.
#![forbid(unsafe_code)]
// They panic when nobody reads: see `output`.
#![warn(clippy::print_stdout, clippy::print_stderr)]

use std::io::ErrorKind;
use std::process::ExitCode;

use clap::Parser;

use forum_common::process::{self, Standard};
use forum_load::args::Arguments;
use forum_load::output::{complain, explain};
use forum_load::processes;
use forum_load::run::{self, Destinations, Finished};

/// A threshold was passed, the server died, or nothing could be measured or written.
const FAILED: u8 = 1;
/// The command line makes no sense, or names a file that can't be written.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    process::survive_file_size_limit();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(said) => return say_instead(&said),
    };
    let (status, complaints) = match arguments.check() {
        Err(text) => (USAGE, vec![text]),
        Ok(()) => match arguments.part {
            Some(part) => ended(processes::run_part(&arguments, part).map_err(|text| vec![text])),
            None => whole_run(&arguments),
        },
    };
    complaints.iter().for_each(|text| complain(text));
    ExitCode::from(status)
}

/// Says what is wrong with the command line, or the help or the version that it asks for.
fn say_instead(said: &clap::Error) -> ExitCode {
    match explain(said) {
        Ok(()) => ExitCode::from(if said.use_stderr() { USAGE } else { 0 }),
        Err(text) => {
            complain(&text);
            ExitCode::from(FAILED)
        }
    }
}

fn ended(done: Result<(), Vec<String>>) -> (u8, Vec<String>) {
    done.map_or_else(|complaints| (FAILED, complaints), |()| (0, Vec::new()))
}

/// Tries the files, runs, and writes what has come of it. Returns the status, and what is to be said.
fn whole_run(arguments: &Arguments) -> (u8, Vec<String>) {
    if run::prints(arguments)
        && let Err(closed) = Standard::Output.expect_open()
    {
        return (FAILED, vec![closed]);
    }
    match Destinations::open(arguments) {
        Err(text) => (USAGE, vec![text]),
        Ok(destinations) => ended(run::run(arguments).map_err(|text| vec![text]).and_then(|finished| {
            finished.texts.iter().for_each(|text| complain(text));
            tell(arguments, destinations, &finished)
        })),
    }
}

/// Writes the outcome, and judges it.
fn tell(arguments: &Arguments, destinations: Destinations, finished: &Finished) -> Result<(), Vec<String>> {
    let mut complaints = destinations.write(&finished.outcome).err().unwrap_or_default();
    let shown = run::show(arguments, finished);
    complaints.extend(finished.is_sound().err());
    complaints
        .extend(arguments.fail_if.iter().filter_map(|threshold| threshold.holds(&finished.outcome).err()));
    match shown {
        // A reader that goes away knows it: like other programs, this one fails without a word.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(complaints),
        Err(error) => {
            complaints.push(format!("standard output: {error}"));
            Err(complaints)
        }
        Ok(()) if complaints.is_empty() => Ok(()),
        Ok(()) => Err(complaints),
    }
}
