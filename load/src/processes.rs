//! One run in several processes: who starts them, when all begin, and how what they counted is added up.
//!
//! A part says `ready`, `warm`, `over` and its outcome on its standard output, each in a line, when its
//! connections are made, its warm-up is over and its measured time is. It goes on from the first and the second
//! when it reads a line `go`, and, also when it has said `failed`, removes what it has made after a third; it ends early when it reads `stop` or the end
//! of its input. The server is looked
//! at by the parent alone.

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2Serializer};
use mio::Waker;
use serde::Deserialize;
use serde_json::{Value, json};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::args::{Arguments, Scenario};
use crate::engine::Engine;
use crate::meter::merge_series;
use crate::outcome::{Counts, GeneratorUse, KindUse, Outcome, latencies};
use crate::output;
use crate::run::Finished;
use crate::server_use::server_processes;
use crate::server_watch::Watch;
use crate::setting::Setting;
use crate::target::Target;
use crate::work::Work;

/// What a part says that can't go on.
const FAILED: &str = "failed";
/// How often a part waits for a `go`.
const GOES: u32 = 3;
/// How long the parts may take to remove what they have made.
const END_MAX: Duration = Duration::from_secs(40);
/// How often it is looked whether they have.
const END_LOOK: Duration = Duration::from_millis(5);

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
            Ok(count) if count > 0 && line.trim_end() != FAILED => Ok(line),
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
    let target = Target::find(&arguments.server, &arguments.tls)?;
    let pids = server_processes(&arguments.server_pid, target.address);
    let mut watch = Watch::start(&pids);
    let signals = Signals::new([SIGINT, SIGTERM]).map_err(|error| error.to_string())?;
    let parts: Result<Vec<Part>, _> = (0..arguments.processes).map(Part::start).collect();
    let mut parts = parts.map_err(|error| error.to_string())?;
    let inputs = parts.iter_mut().map(|part| part.child.stdin.take().expect("it was asked for")).collect();
    let inputs = Arc::new(Mutex::new(inputs));
    pass_on_interrupts(signals, Arc::clone(&inputs));
    let sum = run_parts(arguments, &mut parts, &inputs, &mut watch, &pids);
    // From now on nobody uses what is to be removed.
    if sum.is_err() {
        tell_all(&inputs, "stop");
    }
    (0..GOES).for_each(|_| tell_all(&inputs, "go"));
    wait_for_all(&mut parts);
    sum
}

/// Lets the parts begin together, and adds up what they have counted; and what the server has used by the end.
fn run_parts(
    arguments: &Arguments,
    parts: &mut [Part],
    inputs: &Mutex<Vec<ChildStdin>>,
    watch: &mut Option<Watch>,
    pids: &[u32],
) -> Result<Finished, String> {
    await_all(parts)?;
    tell_all(inputs, "go");
    await_all(parts)?;
    if arguments.scenario != Scenario::Connect {
        *watch = Watch::start(pids);
    }
    tell_all(inputs, "go");
    await_all(parts)?;
    let server = watch.take().and_then(Watch::stop);
    let mut sum = parts[0].line().and_then(|line| decode(&line, arguments))?;
    for part in &mut parts[1..] {
        add(&mut sum, part.line().and_then(|line| decode(&line, arguments))?);
    }
    sum.outcome.server = server;
    Ok(sum)
}

/// Waits until all parts have removed what they have made, but not for long.
fn wait_for_all(parts: &mut [Part]) {
    let start = Instant::now();
    for part in parts {
        while part.child.try_wait().is_ok_and(|status| status.is_none()) && start.elapsed() < END_MAX {
            thread::sleep(END_LOOK);
        }
    }
}

fn await_all(parts: &mut [Part]) -> Result<(), String> {
    parts.iter_mut().try_for_each(|part| part.line().map(|_| ()))
}

/// Writes a line to all parts. One that is gone shows when it is waited for.
fn tell_all(inputs: &Mutex<Vec<ChildStdin>>, word: &str) {
    for input in inputs.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
        let _ = writeln!(input, "{word}");
    }
}

/// Lets the parts end early when this process is to end, so that their results are kept.
fn pass_on_interrupts(mut signals: Signals, inputs: Arc<Mutex<Vec<ChildStdin>>>) {
    thread::spawn(move || {
        for _ in signals.forever() {
            tell_all(&inputs, "stop");
        }
    });
}

/// What one part does: its share of the connections, and of rate and count.
///
/// # Errors
/// Why nothing could be measured.
pub fn run_part(arguments: &Arguments, part: u32) -> Result<(), String> {
    let share = share_of(arguments, part);
    let first = first_number(arguments, part);
    let work = Work::new(&share, first)?;
    let mut engine =
        Engine::new(&share, Target::find(&arguments.server, &arguments.tls)?, work, first, Vec::new())
            .map_err(|error| error.to_string())?;
    let opened = Arc::new(AtomicU32::new(0));
    let (stop, waker) = engine.stopper();
    obey(Arc::clone(&opened), stop, waker);
    let measured = measure_part(&mut engine, &opened);
    if measured.is_err() {
        say(FAILED)?;
    }
    engine.wait_after_end(&opened, GOES);
    engine.clean_up();
    measured
}

fn measure_part(engine: &mut Engine<'_>, opened: &AtomicU32) -> Result<(), String> {
    engine.set_up()?;
    say("ready")?;
    engine.wait_for(opened, 1);
    engine.warm_up()?;
    say("warm")?;
    engine.wait_for(opened, 2);
    let mut said = Ok(());
    let outcome = engine.measure(&mut || said = say("over"));
    said?;
    say(&encode(&engine.finished(outcome)).to_string())
}

/// Hears what the parent says.
fn obey(opened: Arc<AtomicU32>, stop: Arc<AtomicBool>, waker: Arc<Waker>) {
    thread::spawn(move || {
        for line in io::stdin().lines() {
            match line.as_deref() {
                Ok("go") => _ = opened.fetch_add(1, Ordering::Release),
                Ok("stop") => stop.store(true, Ordering::Release),
                _ => break,
            }
            let _ = waker.wake();
        }
        opened.store(u32::MAX, Ordering::Release);
        stop.store(true, Ordering::Release);
        let _ = waker.wake();
    });
}

/// Says a line to the parent.
fn say(line: &str) -> Result<(), String> {
    output::print(&format!("{line}\n")).map_err(|error| format!("the run is gone: {error}"))
}

/// The arguments of one part.
fn share_of(arguments: &Arguments, part: u32) -> Arguments {
    let parts = arguments.processes;
    let count = |whole: u64| whole / u64::from(parts) + u64::from(u64::from(part) < whole % u64::from(parts));
    let mut own = arguments.clone();
    own.connections = count(u64::from(arguments.connections)) as u32;
    own.idle = count(u64::from(arguments.idle)) as u32;
    own.at_once = (arguments.at_once / parts).max(1);
    let part_of_rate = f64::from(own.connections) / f64::from(arguments.connections);
    own.rate = arguments.rate.map(|rate| rate * part_of_rate);
    own.stages = arguments.stages.as_ref().map(|stages| stages.scaled(part_of_rate));
    own.count = arguments.count.map(count);
    own.seed = arguments.seed.wrapping_add(u64::from(part));
    own
}

/// The connections of the parts before it.
fn first_number(arguments: &Arguments, part: u32) -> u32 {
    (0..part).map(|part| share_of(arguments, part).total()).sum()
}

fn encode(finished: &Finished) -> Value {
    let Finished { outcome, texts, deliveries, lost_all } = finished;
    let own = &outcome.generator;
    json!({
        "seconds": outcome.seconds,
        "counts": outcome.counts,
        "bytes": outcome.bytes,
        "deliveries": deliveries,
        "texts": texts,
        "lost_all": lost_all,
        "series": outcome.series,
        "latency": packed(&outcome.latency),
        "censored": packed(&outcome.censored),
        "kinds": outcome.kinds.iter().map(packed_kind).collect::<Vec<_>>(),
        "lag": own.lag.as_ref().map(packed),
        "cpu_seconds": own.cpu_seconds,
        "busiest": own.busiest,
        "memory_bytes": own.memory_bytes,
    })
}

fn packed_kind(kind: &KindUse) -> Value {
    let KindUse { name, operations, errors, latency, censored } = kind;
    json!({
        "name": name,
        "operations": operations,
        "errors": errors,
        "latency": packed(latency),
        "censored": packed(censored),
    })
}

fn unpacked_kind(value: &Value) -> Option<KindUse> {
    Some(KindUse {
        name: value["name"].as_str()?.to_owned(),
        operations: value["operations"].as_u64()?,
        errors: value["errors"].as_u64()?,
        latency: unpacked(&value["latency"])?,
        censored: unpacked(&value["censored"])?,
    })
}

fn packed(histogram: &Histogram<u64>) -> Vec<u8> {
    let mut bytes = Vec::new();
    V2Serializer::new().serialize(histogram, &mut bytes).expect("memory takes everything");
    bytes
}

fn unpacked(value: &Value) -> Option<Histogram<u64>> {
    let bytes = Vec::<u8>::deserialize(value).ok()?;
    Deserializer::new().deserialize(&mut bytes.as_slice()).ok()
}

fn decode(line: &str, arguments: &Arguments) -> Result<Finished, String> {
    let value: Value = serde_json::from_str(line).map_err(|_| "a part of the run has failed")?;
    let parsed = parse(&value, arguments);
    parsed.ok_or_else(|| "a part of the run does not say what it counted".to_owned())
}

fn parse(value: &Value, arguments: &Arguments) -> Option<Finished> {
    let lag = match &value["lag"] {
        Value::Null => None,
        packed => Some(unpacked(packed)?),
    };
    let outcome = Outcome {
        setting: Setting::default(),
        scenario: arguments.scenario.name().to_owned(),
        target: format!("{} {}", arguments.protocol.name(), arguments.server),
        options: arguments.options().into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        seconds: value["seconds"].as_f64()?,
        counts: Counts::deserialize(&value["counts"]).ok()?,
        bytes: value["bytes"].as_u64()?,
        latency: unpacked(&value["latency"])?,
        censored: unpacked(&value["censored"])?,
        kinds: value["kinds"].as_array()?.iter().map(unpacked_kind).collect::<Option<_>>()?,
        series: Vec::deserialize(&value["series"]).ok()?,
        server: None,
        generator: GeneratorUse {
            cpu_seconds: value["cpu_seconds"].as_f64()?,
            busiest: value["busiest"].as_f64(),
            memory_bytes: value["memory_bytes"].as_u64(),
            lag,
        },
        found: None,
    };
    Some(Finished {
        outcome,
        texts: Vec::deserialize(&value["texts"]).ok()?,
        deliveries: value["deliveries"].as_u64()?,
        lost_all: Option::deserialize(&value["lost_all"]).ok()?,
    })
}

fn add(sum: &mut Finished, part: Finished) {
    let Outcome { seconds, counts, bytes, latency, censored, kinds, series, generator, .. } = part.outcome;
    let whole = &mut sum.outcome;
    whole.seconds = whole.seconds.max(seconds);
    whole.counts.add(&counts);
    whole.bytes += bytes;
    merge(&mut whole.latency, &latency);
    merge(&mut whole.censored, &censored);
    for (whole, kind) in whole.kinds.iter_mut().zip(&kinds) {
        whole.operations += kind.operations;
        whole.errors += kind.errors;
        merge(&mut whole.latency, &kind.latency);
        merge(&mut whole.censored, &kind.censored);
    }
    whole.generator.cpu_seconds += generator.cpu_seconds;
    whole.generator.busiest =
        [whole.generator.busiest, generator.busiest].into_iter().flatten().reduce(f64::max);
    let [of_whole, of_part] = [whole.generator.memory_bytes, generator.memory_bytes];
    whole.generator.memory_bytes = of_whole.zip(of_part).map(|(whole, part)| whole + part);
    if let (Some(whole), Some(lag)) = (&mut whole.generator.lag, &generator.lag) {
        merge(whole, lag);
    }
    merge_series(&mut whole.series, &series);
    sum.deliveries += part.deliveries;
    sum.lost_all = [sum.lost_all, part.lost_all].into_iter().flatten().reduce(f64::max);
    for text in part.texts {
        if !sum.texts.contains(&text) {
            sum.texts.push(text);
        }
    }
}

/// Adds to a histogram, which may have come through a pipe with narrower bounds.
fn merge(sum: &mut Histogram<u64>, part: &Histogram<u64>) {
    let mut both = latencies();
    for histogram in [&*sum, part] {
        both.add(histogram).expect("both have the bounds of the sum");
    }
    *sum = both;
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
        let part = Finished { outcome, texts: vec!["no".to_owned()], deliveries: 7, lost_all: Some(1.5) };
        let line = encode(&part).to_string();
        let mut sum = decode(&line, &arguments).unwrap();
        let outcome = part.outcome;
        assert_eq!((sum.outcome.counts, sum.lost_all), (outcome.counts, Some(1.5)));
        add(&mut sum, decode(&line, &arguments).unwrap());
        assert_eq!((sum.outcome.counts.operations, sum.deliveries, sum.texts.len()), (2000, 14, 1));
        assert!(sum.outcome.counts.is_balanced());
        assert_eq!(sum.outcome.latency.max(), outcome.latency.max());
        assert_eq!(sum.outcome.latency.len(), 2 * outcome.latency.len());
        assert_eq!(sum.outcome.series.len(), outcome.series.len());
        assert_eq!(sum.outcome.series[0].operations, 200);
    }
}
