//! A whole run: from the arguments to its outcome, and to what is written about it.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::{fs, io};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::args::{Arguments, Scenario};
use crate::engine::Engine;
use crate::outcome::Outcome;
use crate::server_use::listening_process;
use crate::work::Work;
use crate::{processes, report, transfer};

/// Descriptors that are open beside the connections: the loop's own, standard streams, files.
const DESCRIPTORS_BESIDE: u64 = 32;

/// What a run has come to, and what its outcome has no place for.
#[derive(Debug)]
pub struct Finished {
    /// What was measured.
    pub outcome: Outcome,
    /// The first few different texts of what went wrong.
    pub texts: Vec<String>,
    /// What arrived from others beside the answers.
    pub deliveries: u64,
}

/// Does what the arguments say.
///
/// # Errors
/// A sentence that says why nothing could be measured.
pub fn run(arguments: &Arguments) -> Result<Finished, String> {
    let address = resolve(&arguments.server)?;
    make_room(arguments.total().div_ceil(arguments.processes))?;
    if arguments.processes > 1 {
        return processes::run(arguments);
    }
    if arguments.scenario == Scenario::Transfer {
        return transfer::run(arguments);
    }
    let server = arguments.server_pid.or_else(|| listening_process(address));
    let work = Work::new(arguments)?;
    let mut engine = Engine::new(arguments, address, work, 0, server).map_err(|error| error.to_string())?;
    engine.set_up()?;
    let outcome = engine.measure(&mut |_| {});
    Ok(Finished { outcome, texts: engine.error_texts().to_vec(), deliveries: engine.deliveries() })
}

/// The first address of `HOST:PORT`.
///
/// # Errors
/// It has none.
pub fn resolve(server: &str) -> Result<SocketAddr, String> {
    let mut addresses = server.to_socket_addrs().map_err(|error| format!("{server}: {error}"))?;
    addresses.next().ok_or_else(|| format!("{server} has no address"))
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

/// Writes the outcome to wherever the arguments want it.
///
/// # Errors
/// The file that could not be written, and why.
pub fn write_out(arguments: &Arguments, finished: &Finished) -> Result<(), String> {
    let outcome = &finished.outcome;
    let json_on_stdout = arguments.json.as_deref() == Some(Path::new("-"));
    if !json_on_stdout && !arguments.quiet {
        print!("{}", report::table(outcome));
        if finished.deliveries > 0 {
            println!("deliveries       {:>10}", finished.deliveries);
        }
    }
    for text in &finished.texts {
        eprintln!("forum-load: {text}");
    }
    if let Some(path) = &arguments.json {
        let text = format!("{:#}\n", report::json(outcome));
        if json_on_stdout {
            print!("{text}");
        } else {
            write(path, &text)?;
        }
    }
    if let Some(path) = &arguments.histogram {
        write(path, &report::histogram_text(outcome))?;
    }
    arguments.report.as_ref().map_or(Ok(()), |path| write(path, &report::html(outcome)))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error: io::Error| format!("{}: {error}", path.display()))
}
