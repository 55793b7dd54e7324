//! One run in several processes: who starts them, when all begin, and how what they counted is added up.
//!
//! A part says `ready`, `begins`, `ends` and its outcome on its standard output, each in a line, and begins to
//! ask when it reads a line. The server is looked at by the parent alone.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use hdrhistogram::serialization::{Deserializer, Serializer, V2Serializer};
use serde_json::{Value, json};

use crate::args::{Arguments, Scenario};
use crate::engine::{Edge, Engine};
use crate::meter::merge_series;
use crate::outcome::{Errors, Outcome, Second, latencies};
use crate::run::{Finished, resolve};
use crate::server_use::{Snapshot, listening_process};
use crate::work::Work;

/// One process and what it says.
struct Part {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Part {
    fn start(part: u32) -> std::io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(std::env::args_os().skip(1)).arg("--part").arg(part.to_string());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let lines = BufReader::new(child.stdout.take().expect("it was asked for"));
        Ok(Self { child, lines })
    }

    /// The next line. A part always says one, unless it fails, and then it has said why.
    fn line(&mut self) -> Result<String, String> {
        let mut line = String::new();
        match self.lines.read_line(&mut line) {
            Ok(count) if count > 0 => Ok(line),
            _ => Err("a part of the run has failed".to_owned()),
        }
    }
}

impl Drop for Part {
    /// A part does not outlive the run; one that has ended is only waited for.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts the parts, lets them begin together, and adds them up.
///
/// # Errors
/// A part could not be started, or failed.
pub fn run(arguments: &Arguments) -> Result<Finished, String> {
    let address = resolve(&arguments.server)?;
    let pid = arguments.server_pid.or_else(|| listening_process(address));
    let look = || pid.and_then(Snapshot::of);
    let mut before = look();
    let parts: Result<Vec<Part>, _> = (0..arguments.processes).map(Part::start).collect();
    let mut parts = parts.map_err(|error| error.to_string())?;
    await_all(&mut parts)?;
    for part in &mut parts {
        let mut stdin = part.child.stdin.take().expect("it was asked for");
        stdin.write_all(b"go\n").map_err(|error| error.to_string())?;
    }
    await_all(&mut parts)?;
    if arguments.scenario != Scenario::Connect {
        before = look();
    }
    await_all(&mut parts)?;
    let after = look();
    let mut sum = parts[0].line().and_then(|line| decode(&line, arguments))?;
    for part in &mut parts[1..] {
        add(&mut sum, part.line().and_then(|line| decode(&line, arguments))?);
    }
    sum.outcome.server = before.zip(after).map(|(before, after)| before.until(&after));
    Ok(sum)
}

fn await_all(parts: &mut [Part]) -> Result<(), String> {
    parts.iter_mut().try_for_each(|part| part.line().map(|_| ()))
}

/// What one part does: its share of the connections, and of rate and count.
///
/// # Errors
/// Why nothing could be measured.
pub fn run_part(arguments: &Arguments, part: u32) -> Result<(), String> {
    let share = share_of(arguments, part);
    let first = first_number(arguments, part);
    let work = Work::new(&share)?;
    let mut engine = Engine::new(&share, resolve(&arguments.server)?, work, first, None)
        .map_err(|error| error.to_string())?;
    engine.set_up()?;
    println!("ready");
    let gate = Arc::new(AtomicBool::new(false));
    let (_, waker) = engine.stopper();
    let opened = Arc::clone(&gate);
    thread::spawn(move || {
        // The end of the input opens it as well: the parent is gone, and the pipe will say so.
        let _ = std::io::stdin().read_line(&mut String::new());
        opened.store(true, Ordering::Release);
        let _ = waker.wake();
    });
    engine.wait_for(&gate);
    let outcome = engine.measure(&mut |edge| match edge {
        Edge::Begins => println!("begins"),
        Edge::Ends => println!("ends"),
    });
    println!("{}", encode(&outcome, engine.error_texts(), engine.deliveries()));
    Ok(())
}

/// The arguments of one part.
fn share_of(arguments: &Arguments, part: u32) -> Arguments {
    let parts = arguments.processes;
    let count = |whole: u64| whole / u64::from(parts) + u64::from(u64::from(part) < whole % u64::from(parts));
    let mut own = arguments.clone();
    own.connections = count(u64::from(arguments.connections)) as u32;
    own.idle = count(u64::from(arguments.idle)) as u32;
    own.at_once = (arguments.at_once / parts).max(1);
    own.rate =
        arguments.rate.map(|rate| rate * f64::from(own.connections) / f64::from(arguments.connections));
    own.count = arguments.count.map(count);
    own.seed = arguments.seed.wrapping_add(u64::from(part));
    own
}

/// The connections of the parts before it.
fn first_number(arguments: &Arguments, part: u32) -> u32 {
    (0..part).map(|part| share_of(arguments, part).total()).sum()
}

fn encode(outcome: &Outcome, texts: &[String], deliveries: u64) -> Value {
    let mut histogram = Vec::new();
    V2Serializer::new().serialize(&outcome.latency, &mut histogram).expect("memory takes everything");
    let series = outcome.series.iter().map(|second| {
        json!([second.at, second.operations, second.errors, second.p50_ns, second.p99_ns, second.max_ns])
    });
    json!({
        "seconds": outcome.seconds,
        "operations": outcome.operations,
        "bytes": outcome.bytes,
        "errors": [outcome.errors.refused, outcome.errors.lost, outcome.errors.unanswered],
        "deliveries": deliveries,
        "texts": texts,
        "series": series.collect::<Vec<_>>(),
        "histogram": histogram,
    })
}

fn decode(line: &str, arguments: &Arguments) -> Result<Finished, String> {
    let value: Value = serde_json::from_str(line).map_err(|_| "a part of the run has failed")?;
    let parsed = parse(&value, arguments);
    parsed.ok_or_else(|| "a part of the run does not say what it counted".to_owned())
}

fn parse(value: &Value, arguments: &Arguments) -> Option<Finished> {
    let errors = &value["errors"];
    let histogram: Vec<u8> =
        value["histogram"].as_array()?.iter().filter_map(|byte| u8::try_from(byte.as_u64()?).ok()).collect();
    let series = value["series"].as_array()?.iter().map(|second| {
        Some(Second {
            at: second[0].as_f64()?,
            operations: second[1].as_u64()?,
            errors: second[2].as_u64()?,
            p50_ns: second[3].as_u64()?,
            p99_ns: second[4].as_u64()?,
            max_ns: second[5].as_u64()?,
        })
    });
    let outcome = Outcome {
        scenario: arguments.scenario.name().to_owned(),
        target: format!("{} {}", arguments.protocol.name(), arguments.server),
        options: arguments.options().into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        seconds: value["seconds"].as_f64()?,
        operations: value["operations"].as_u64()?,
        errors: Errors {
            refused: errors[0].as_u64()?,
            lost: errors[1].as_u64()?,
            unanswered: errors[2].as_u64()?,
        },
        bytes: value["bytes"].as_u64()?,
        latency: Deserializer::new().deserialize(&mut histogram.as_slice()).ok()?,
        series: series.collect::<Option<_>>()?,
        server: None,
    };
    let texts = value["texts"].as_array()?.iter().filter_map(|text| Some(text.as_str()?.to_owned()));
    Some(Finished { outcome, texts: texts.collect(), deliveries: value["deliveries"].as_u64()? })
}

fn add(sum: &mut Finished, part: Finished) {
    let Outcome { seconds, operations, errors, bytes, latency, series, .. } = part.outcome;
    let whole = &mut sum.outcome;
    whole.seconds = whole.seconds.max(seconds);
    whole.operations += operations;
    whole.errors.refused += errors.refused;
    whole.errors.lost += errors.lost;
    whole.errors.unanswered += errors.unanswered;
    whole.bytes += bytes;
    let mut both = latencies();
    for histogram in [&whole.latency, &latency] {
        both.add(histogram).expect("both have the bounds of the sum");
    }
    whole.latency = both;
    merge_series(&mut whole.series, &series);
    sum.deliveries += part.deliveries;
    for text in part.texts {
        if !sum.texts.contains(&text) {
            sum.texts.push(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn the_parts_make_up_the_whole() {
        let words = "forum-load ping -c 10 --idle 5 --processes 4 -n 1001 --rate 100";
        let arguments = Arguments::parse_from(words.split(' '));
        let shares: Vec<_> = (0..4).map(|part| share_of(&arguments, part)).collect();
        assert_eq!(shares.iter().map(|own| own.total()).sum::<u32>(), 15);
        assert_eq!(shares.iter().filter_map(|own| own.count).sum::<u64>(), 1001);
        assert_eq!(shares.iter().filter_map(|own| own.rate).sum::<f64>(), 100.0);
        assert_eq!(first_number(&arguments, 3), 12);
    }

    #[test]
    fn an_outcome_comes_through_the_pipe_as_it_was() {
        let arguments = Arguments::parse_from(["forum-load", "ping"]);
        let outcome = crate::report::samples::posts();
        let line = encode(&outcome, &["no".to_owned()], 7).to_string();
        let mut sum = decode(&line, &arguments).unwrap();
        add(&mut sum, decode(&line, &arguments).unwrap());
        assert_eq!((sum.outcome.operations, sum.deliveries, sum.texts.len()), (2000, 14, 1));
        assert_eq!(sum.outcome.latency.max(), outcome.latency.max());
        assert_eq!(sum.outcome.latency.len(), 2 * outcome.latency.len());
        assert_eq!(sum.outcome.series.len(), outcome.series.len());
        assert_eq!(sum.outcome.series[0].operations, 200);
    }
}
