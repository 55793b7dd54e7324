//! A whole run: from the arguments to its outcome, and to what is written about it.

use std::io;
use std::path::{Path, PathBuf};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::args::{Arguments, Scenario};
use crate::engine::{Engine, INTERRUPTED};
use crate::outcome::Outcome;
use crate::output::{self, Destination};
use crate::server_use::server_processes;
use crate::setting::Setting;
use crate::target::Target;
use crate::work::Work;
use crate::{find, processes, report, transfer};

/// Descriptors that are open beside the connections: the loop's own, standard streams, files.
const DESCRIPTORS_BESIDE: u64 = 32;

/// What a run has come to, and what its outcome has no place for.
#[derive(Debug, Clone)]
pub struct Finished {
    /// What was measured.
    pub outcome: Outcome,
    /// The first few different texts of what went wrong.
    pub texts: Vec<String>,
    /// What arrived from others beside the answers.
    pub deliveries: u64,
    /// The seconds until no connection was left that asks, if it came to that: the server has died, or ended all of
    /// them. They count from the beginning of the measured time.
    pub lost_all: Option<f64>,
}

impl Finished {
    /// Whether the run has measured what it was to measure, whatever that came to.
    ///
    /// # Errors
    /// A sentence that says why not.
    pub fn is_sound(&self) -> Result<(), String> {
        if let Some(seconds) = self.lost_all {
            return Err(format!("every connection was lost after {seconds:.1} s"));
        }
        if self.is_empty() {
            return Err("no request was carried out".to_owned());
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.outcome.counts.operations + self.outcome.counts.late == 0
    }

    /// The same run, if it was not `interrupted` or has measured something by then.
    ///
    /// # Errors
    /// It has not.
    pub fn or_interrupted(self, interrupted: bool) -> Result<Self, String> {
        if interrupted && self.is_empty() { Err(INTERRUPTED.to_owned()) } else { Ok(self) }
    }

    /// Whether all requests were carried out that had an end.
    ///
    /// # Errors
    /// A sentence that says how many were not.
    pub fn has_failures(&self) -> Result<(), String> {
        let counts = &self.outcome.counts;
        let kinds = counts.error_kinds().into_iter().filter(|(_, number)| *number > 0);
        let kinds: Vec<_> = kinds.map(|(kind, number)| format!("{number} {kind}")).collect();
        if kinds.is_empty() { Ok(()) } else { Err(format!("requests failed: {}", kinds.join(", "))) }
    }
}

/// The files that the results go to.
#[derive(Debug)]
pub struct Destinations {
    json: Option<Destination>,
    histogram: Option<Destination>,
    report: Option<Destination>,
}

impl Destinations {
    /// Makes sure that all files can be written that the arguments name.
    ///
    /// # Errors
    /// A sentence that says which can't, and why.
    pub fn open(arguments: &Arguments) -> Result<Self, String> {
        let open = |option, path: &Option<PathBuf>| {
            path.as_ref().map(|path| Destination::open(option, path)).transpose()
        };
        let json = if json_on_stdout(arguments) { &None } else { &arguments.json };
        Ok(Self {
            json: open("--json", json)?,
            histogram: open("--histogram", &arguments.histogram)?,
            report: open("--report", &arguments.report)?,
        })
    }

    /// Writes the outcome to each of them, and goes on after one that fails.
    ///
    /// # Errors
    /// What could not be written, and why.
    pub fn write(self, outcome: &Outcome) -> Result<(), Vec<String>> {
        let write = |destination: Option<Destination>, text: &dyn Fn(&Outcome) -> String| {
            destination.and_then(|destination| destination.write(&text(outcome)).err())
        };
        let failures = [
            write(self.json, &json_text),
            write(self.histogram, &report::histogram_text),
            write(self.report, &report::html),
        ];
        let failures: Vec<String> = failures.into_iter().flatten().collect();
        if failures.is_empty() { Ok(()) } else { Err(failures) }
    }
}

/// Does what the arguments say.
///
/// # Errors
/// A sentence that says why nothing could be measured.
pub fn run(arguments: &Arguments) -> Result<Finished, String> {
    let setting = Setting::now();
    let mut finished = run_scenario(arguments)?;
    finished.outcome.setting = setting;
    Ok(finished)
}

fn run_scenario(arguments: &Arguments) -> Result<Finished, String> {
    let target = Target::find(&arguments.server, &arguments.tls)?;
    make_room(arguments.total().div_ceil(arguments.processes))?;
    if arguments.processes > 1 {
        return processes::run(arguments);
    }
    if arguments.scenario == Scenario::Transfer {
        return transfer::run(arguments);
    }
    let pids = server_processes(&arguments.server_pid, target.address);
    let work = Work::new(arguments, 0)?;
    let mut engine = Engine::new(arguments, target, work, 0, pids).map_err(|error| error.to_string())?;
    let finished = engine.set_up().and_then(|()| measure(arguments, &mut engine));
    engine.clean_up();
    finished
}

fn measure(arguments: &Arguments, engine: &mut Engine<'_>) -> Result<Finished, String> {
    if let Some(goal) = &arguments.find {
        return find::run(arguments, goal, engine);
    }
    engine.warm_up()?;
    let outcome = engine.measure(&mut || {});
    engine.finished(outcome).or_interrupted(engine.is_ending())
}

/// Raises the limit of open files as far as it goes.
///
/// # Errors
/// So many connections don't fit.
pub fn make_room(connections: u32) -> Result<(), String> {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let needed = u64::from(connections) + DESCRIPTORS_BESIDE;
    match getrlimit(Resource::Nofile).current {
        Some(most) if most < needed => Err(format!(
            "{connections} connections need {needed} open files, and the limit is {most}: raise it with \
             `ulimit -Hn`, or share them among --processes"
        )),
        _ => Ok(()),
    }
}

/// Whether [`show`] writes anything to standard output.
pub fn prints(arguments: &Arguments) -> bool {
    json_on_stdout(arguments) || !arguments.quiet
}

/// Prints the table, or the JSON if that is to be there.
///
/// # Errors
/// Standard output does not take it.
pub fn show(arguments: &Arguments, finished: &Finished) -> io::Result<()> {
    if json_on_stdout(arguments) {
        return output::print(&json_text(&finished.outcome));
    }
    if !prints(arguments) {
        return Ok(());
    }
    let mut text = report::table(&finished.outcome);
    if finished.deliveries > 0 {
        text.push_str(&format!("deliveries       {:>10}\n", finished.deliveries));
    }
    output::print(&text)
}

fn json_text(outcome: &Outcome) -> String {
    format!("{:#}\n", report::json(outcome))
}

fn json_on_stdout(arguments: &Arguments) -> bool {
    arguments.json.as_deref() == Some(Path::new("-"))
}
