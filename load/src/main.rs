//! `forum-load`: reads the command line, and says how it ended.
#![forbid(unsafe_code)]
// They panic when nobody reads: see `output`.
#![warn(clippy::print_stdout, clippy::print_stderr)]

use std::env;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::iter;
use std::process::ExitCode;

use clap::Parser;

use forum_common::process::{self, Standard};
use forum_load::args::Arguments;
use forum_load::compare;
use forum_load::outcome::Outcome;
use forum_load::output::{complain, explain, print};
use forum_load::processes;
use forum_load::report::conclusion;
use forum_load::run::{self, Destinations, Finished};
use forum_load::search::StepResult;
use forum_load::verdict::Verdict;

/// A threshold was passed, requests failed, the server died, or nothing could be measured or written.
const FAILED: u8 = 1;
/// The generator was the bottleneck: what was measured says nothing about the server.
const INVALID: u8 = 3;
/// The command line makes no sense, or names a file that can't be written.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    process::survive_file_size_limit();
    let mut words = env::args_os();
    if let (Some(program), Some(word)) = (words.next(), words.next())
        && word == "compare"
    {
        return compare(iter::once(program).chain(words));
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(said) => return say_instead(&said),
    };
    let (status, complaints) = match arguments.check() {
        Err(text) => (USAGE, vec![text]),
        Ok(()) => match arguments.part {
            Some(part) => match processes::run_part(&arguments, part) {
                Ok(()) => (0, Vec::new()),
                Err(text) => (FAILED, vec![text]),
            },
            None => whole_run(&arguments),
        },
    };
    complaints.iter().for_each(|text| complain(text));
    ExitCode::from(status)
}

/// Compares two results.
fn compare(words: impl Iterator<Item = OsString>) -> ExitCode {
    let arguments = match compare::Arguments::try_parse_from(words) {
        Ok(arguments) => arguments,
        Err(said) => return say_instead(&said),
    };
    let done = compare::compare(&arguments).and_then(|comparison| {
        print(&comparison.text).map_err(|error| format!("standard output: {error}"))?;
        Ok(if comparison.is_valid { 0 } else { INVALID })
    });
    ExitCode::from(done.unwrap_or_else(|text| {
        complain(&text);
        FAILED
    }))
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

/// Tries the files, runs, and writes what has come of it. Returns the status, and what is to be said.
fn whole_run(arguments: &Arguments) -> (u8, Vec<String>) {
    if run::prints(arguments)
        && let Err(closed) = Standard::Output.expect_open()
    {
        return (FAILED, vec![closed]);
    }
    let destinations = match Destinations::open(arguments) {
        Err(text) => return (USAGE, vec![text]),
        Ok(destinations) => destinations,
    };
    match run::run(arguments) {
        Err(text) => (FAILED, vec![text]),
        Ok(finished) => {
            finished.texts.iter().for_each(|text| complain(text));
            tell(arguments, destinations, &finished)
        }
    }
}

/// The status of a search that has not found what it was to find, and why.
fn not_found(outcome: &Outcome) -> Option<(u8, String)> {
    let found = outcome.found.as_ref()?;
    let why = format!("--find {}: {}", found.goal, conclusion(found));
    match (found.highest, found.limit) {
        (None, _) => Some((FAILED, why)),
        (Some(_), Some(StepResult::Invalid)) => Some((INVALID, why)),
        (Some(_), _) => None,
    }
}

/// Writes the outcome, and judges it.
fn tell(arguments: &Arguments, destinations: Destinations, finished: &Finished) -> (u8, Vec<String>) {
    let outcome = &finished.outcome;
    let mut complaints = destinations.write(outcome).err().unwrap_or_default();
    let shown = run::show(arguments, finished);
    let mut status = if complaints.is_empty() && shown.is_ok() { 0 } else { FAILED };
    if let Err(died) = finished.is_sound() {
        (status, complaints) = (FAILED, [complaints, vec![died]].concat());
    } else if let Some((failed, why)) = not_found(outcome) {
        (status, complaints) = (failed, [complaints, vec![why]].concat());
    } else if let Verdict::Invalid(_) = Verdict::of(outcome) {
        status = INVALID;
        complaints.extend(Verdict::of(outcome).said());
    } else {
        let passed = arguments.fail_if.iter().filter_map(|threshold| threshold.holds(outcome).err());
        let failed = finished.has_failures().err().into_iter().chain(passed);
        let before = complaints.len();
        complaints.extend(failed);
        status = if complaints.len() > before { FAILED } else { status };
    }
    if let Err(error) = shown
        // A reader that goes away knows it: like other programs, this one fails without a word.
        && error.kind() != ErrorKind::BrokenPipe
    {
        complaints.push(format!("standard output: {error}"));
    }
    (status, complaints)
}
