//! Files, up or down. Each connection is a thread that does nothing but this and may block: what is measured
//! is the server, and beside it the pings of an [`Engine`] with one connection.

mod carrier;

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use socket2::Socket;

use self::carrier::Carrier;
use crate::args::{Arguments, Direction};
use crate::engine::usage::OwnUse;
use crate::engine::{Engine, INTERRUPTED};
use crate::meter::Meter;
use crate::outcome::{Counts, GeneratorUse, Outcome};
use crate::run::Finished;
use crate::server_use::server_processes;
use crate::server_watch::Watch;
use crate::setting::Setting;
use crate::target::Target;
use crate::work::Work;

/// Moves the files, and says what has come of it.
///
/// # Errors
/// Why nothing could be measured.
pub fn run(arguments: &Arguments) -> Result<Finished, String> {
    let target = &Target::find(&arguments.server, &arguments.tls)?;
    let pids = server_processes(&arguments.server_pid, target.address);
    let interrupt = Arc::new(Interrupt::default());
    interrupt.obey().map_err(|error| error.to_string())?;
    let mut carriers = Vec::new();
    if let Err(error) = prepare(arguments, target, &interrupt, &mut carriers) {
        let begun = carriers.len() as u32;
        drop(carriers);
        clean_up(arguments, target, begun, Vec::new());
        return Err(match interrupt.has_come() {
            true => INTERRUPTED.to_owned(),
            false => format!("{}: {error}", arguments.server),
        });
    }
    let beside = beside(arguments);
    let mut engine = match &beside {
        Some(beside) => Some(pinging(beside, target, arguments.connections)?),
        None => None,
    };
    let mut watch = Watch::start(&pids);
    let start = Instant::now();
    let before = OwnUse::now();
    let log = Arc::new(Log { meter: Mutex::default(), start, interrupt });
    log.meter().start(0, u64::MAX);
    let stopper = engine.as_ref().map(Engine::stopper);
    let (over, is_over) = mpsc::channel::<()>();
    let deadline = thread::spawn({
        let (log, duration) = (Arc::clone(&log), arguments.duration);
        move || {
            if is_over.recv_timeout(duration) == Err(RecvTimeoutError::Timeout) {
                log.interrupt.end();
            }
        }
    });
    let moved = thread::spawn({
        let (arguments, log) = (arguments.clone(), Arc::clone(&log));
        move || {
            let moved = move_all(&arguments, carriers, &log);
            let took = start.elapsed();
            drop(over);
            if let Some((stop, waker)) = stopper.filter(|_| arguments.direction != Direction::None) {
                stop.store(true, Ordering::Release);
                let _ = waker.wake();
            }
            (moved, took)
        }
    });
    let mut server = None;
    let pings = engine.as_mut().map(|engine| {
        let outcome = engine.measure(&mut || server = watch.take().and_then(Watch::stop));
        engine.finished(outcome)
    });
    let ((bytes, carriers), took) = moved.join().map_err(|_| "a transfer has failed")?;
    deadline.join().map_err(|_| "the end of the transfers has failed")?;
    let server = server.or_else(|| watch.take()?.stop());
    // This thread has only waited.
    let generator = GeneratorUse { busiest: None, ..before.until_now(0) };
    log.meter().end(took.as_nanos() as u64);
    let lost_all = arguments.direction != Direction::None && carriers.is_empty() && !log.is_ended();
    let lost_all = lost_all.then_some(took.as_secs_f64());
    if lost_all.is_none() {
        clean_up(arguments, target, arguments.connections, carriers);
    }
    let meter = log.meter();
    let mut outcome = outcome(arguments, &meter, bytes, took);
    outcome.generator = generator;
    outcome.server = server;
    let files = Finished { outcome, texts: meter.texts.clone(), deliveries: 0, lost_all };
    let interrupted = log.is_interrupted();
    pings.map_or(files.clone(), |pings| beside_files(files, pings)).or_interrupted(interrupted)
}

/// Makes the carriers, and what they move. Those that are there when it fails may have made something.
fn prepare(
    arguments: &Arguments,
    target: &Target,
    interrupt: &Interrupt,
    carriers: &mut Vec<Carrier>,
) -> io::Result<()> {
    let connections = if arguments.direction == Direction::None { 0 } else { arguments.connections };
    for number in 0..connections {
        let mut carrier = Carrier::enter(arguments, target, number, interrupt)?;
        let made = carrier.make_files(arguments);
        carriers.push(carrier);
        made?;
    }
    Ok(())
}

/// Removes the threads of the first so many carriers, of those that are left by themselves.
fn clean_up(arguments: &Arguments, target: &Target, begun: u32, carriers: Vec<Carrier>) {
    if arguments.keep || arguments.direction == Direction::None {
        return;
    }
    let mut left: BTreeMap<u32, Carrier> =
        carriers.into_iter().map(|carrier| (carrier.number, carrier)).collect();
    for number in 0..begun {
        if Carrier::clean_up(arguments, target, number, left.remove(&number)).is_err() {
            return;
        }
    }
}

/// The pings are what is reported. Of the files only those that failed count, so that the run does not pass for
/// a good one.
fn beside_files(files: Finished, pings: Finished) -> Finished {
    let mut counts = pings.outcome.counts;
    let failed = files.outcome.counts;
    counts.add(&Counts {
        offered: failed.errors(),
        refused: failed.refused,
        lost: failed.lost,
        timed_out: failed.timed_out,
        lost_connections: failed.lost_connections,
        ..Counts::default()
    });
    let texts = files.texts.into_iter().chain(pings.texts).collect();
    let lost_all = files.lost_all.or(pings.lost_all);
    let Outcome { latency, censored, series, seconds, generator, .. } = pings.outcome;
    let outcome = Outcome { counts, latency, censored, series, seconds, generator, ..files.outcome };
    Finished { outcome, texts, lost_all, ..files }
}

/// What the carriers share.
struct Log {
    meter: Mutex<Meter>,
    start: Instant,
    interrupt: Arc<Interrupt>,
}

impl Log {
    fn meter(&self) -> MutexGuard<'_, Meter> {
        self.meter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ns(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }

    fn is_interrupted(&self) -> bool {
        self.interrupt.has_come()
    }

    /// Whether the connections were shut here: by an interrupt, or at the end of the duration.
    fn is_ended(&self) -> bool {
        self.is_interrupted() || self.interrupt.is_over.load(Ordering::Acquire)
    }
}

/// Whether the run is to end. The carriers block; what ends them is that their connections are shut.
#[derive(Debug, Default)]
struct Interrupt {
    has_come: AtomicBool,
    /// The time is over.
    is_over: AtomicBool,
    streams: Mutex<Vec<Socket>>,
}

impl Interrupt {
    /// From now on SIGINT and SIGTERM shut every connection, those being made included.
    fn obey(self: &Arc<Self>) -> io::Result<()> {
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let interrupt = Arc::clone(self);
        thread::spawn(move || {
            if signals.forever().next().is_some() {
                interrupt.has_come.store(true, Ordering::Release);
                interrupt.shut_all();
            }
        });
        Ok(())
    }

    /// What is on its way when the time is over is given up.
    fn end(&self) {
        self.is_over.store(true, Ordering::Release);
        self.shut_all();
    }

    fn shut_all(&self) {
        for stream in self.streams().iter() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Shuts this connection, too, when it comes.
    fn shuts(&self, stream: Socket) -> io::Result<()> {
        let mut streams = self.streams();
        streams.push(stream);
        // Under the lock: either it is seen here, or the connection there.
        if self.has_come() { Err(ErrorKind::Interrupted.into()) } else { Ok(()) }
    }

    fn has_come(&self) -> bool {
        self.has_come.load(Ordering::Acquire)
    }

    fn streams(&self) -> MutexGuard<'_, Vec<Socket>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The arguments of the pings beside.
fn beside(arguments: &Arguments) -> Option<Arguments> {
    let rate = arguments.ping_beside?;
    let mut beside = arguments.clone();
    beside.connections = 1;
    beside.rate = Some(rate);
    if arguments.direction != Direction::None {
        // The transfer ends it.
        beside.duration = Duration::from_secs(u64::from(u32::MAX));
    }
    Some(beside)
}

fn pinging<'a>(beside: &'a Arguments, target: &Target, number: u32) -> Result<Engine<'a>, String> {
    let work = Work::pings(beside.protocol);
    let mut engine =
        Engine::new(beside, target.clone(), work, number, Vec::new()).map_err(|error| error.to_string())?;
    engine.set_up()?;
    engine.warm_up()?;
    Ok(engine)
}

/// Lets every carrier move its files. Returns the bytes that were moved, and the carriers that are left.
fn move_all(arguments: &Arguments, carriers: Vec<Carrier>, log: &Log) -> (u64, Vec<Carrier>) {
    let (files, direction) = (arguments.files, arguments.direction);
    thread::scope(|scope| {
        let moving: Vec<_> = carriers
            .into_iter()
            .map(|mut carrier| scope.spawn(move || (carrier.move_files(direction, files, log), carrier)))
            .collect();
        let mut left = Vec::new();
        let mut bytes = 0;
        for ((moved, is_whole), carrier) in moving.into_iter().filter_map(|one| one.join().ok()) {
            bytes += moved;
            left.extend(is_whole.then_some(carrier));
        }
        (bytes, left)
    })
}

fn outcome(arguments: &Arguments, meter: &Meter, bytes: u64, took: Duration) -> Outcome {
    Outcome {
        setting: Setting::default(),
        scenario: arguments.scenario.name().to_owned(),
        target: format!("{} {}", arguments.protocol.name(), arguments.server),
        options: arguments.options().into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        seconds: took.as_secs_f64(),
        counts: meter.counts,
        bytes,
        latency: meter.latency.clone(),
        censored: meter.censored.clone(),
        kinds: Vec::new(),
        series: meter.series.clone(),
        server: None,
        generator: GeneratorUse::default(),
        found: None,
    }
}
