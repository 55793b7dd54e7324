//! The loop: it makes the connections, lets them prepare, asks, and listens. Everything goes on in one
//! thread; times are nanoseconds since the engine was made. What is asked for is the business of `work`,
//! and what the bytes mean that of `dialect`.

mod fan;
mod hearing;
mod ramp;
mod tally;

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token, Waker};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook_mio::v1_0::Signals;

use crate::args::{Arguments, Scenario};
use crate::connection::{Connection, READ_BYTES};
use crate::live::Live;
use crate::meter::Meter;
use crate::outcome::Outcome;
use crate::pacing::Schedule;
use crate::server_use::Snapshot;
use crate::work::Work;
use fan::Fan;

/// Requests of one connection that are on their way at once in an open loop. What is due beyond waits, and
/// its latency goes on.
const IN_FLIGHT_MAX: usize = 1_024;
/// How long answers have that are due when the run ends.
const GRACE: Duration = Duration::from_secs(2);
/// Before it is measured nothing has to have come for so long: log-ins are told to everybody.
const QUIET: Duration = Duration::from_millis(200);
/// And for so much longer for each connection: a server may tell of many log-ins at intervals.
const QUIET_EACH: Duration = Duration::from_micros(100);
/// When it is never quiet, the run begins all the same.
const QUIET_WAIT_MAX: Duration = Duration::from_secs(30);
/// How long a log-in or a preparation may make no progress.
const STALL_MAX: Duration = Duration::from_secs(60);
/// A turn is no longer, so that the seconds are closed in time.
const TURN_MAX: Duration = Duration::from_millis(100);
const EVENTS_MAX: usize = 4_096;

const SIGNALS: Token = Token(usize::MAX);
const WAKER: Token = Token(usize::MAX - 1);

/// Whether new requests are made.
#[derive(Debug)]
enum Asking {
    /// None are.
    Not,
    /// One for each that was answered.
    Closed,
    /// When they are due; over the connections in turn.
    Open { schedule: Schedule, next: usize },
}

/// The event loop of a run.
pub struct Engine<'a> {
    arguments: &'a Arguments,
    address: SocketAddr,
    /// The numbers of this engine's asking connections begin here.
    first: u32,
    poll: Poll,
    signals: Signals,
    waker: Arc<Waker>,
    /// Set from outside, with a wake-up: the run is to end.
    stop: Arc<AtomicBool>,
    interrupted: bool,
    epoch: Instant,
    connections: Vec<Connection>,
    entering: u32,
    ready: u32,
    /// Asking connections that are still there.
    workers: usize,
    preparing: u32,
    work: Work,
    meter: Meter,
    live: Live,
    asking: Asking,
    /// Requests that may still be made.
    left: u64,
    fan: Option<Fan>,
    server: (Option<u32>, Option<Snapshot>),
    /// How long the log-ins took.
    ramp_ns: u64,
    events: Events,
    input: Vec<u8>,
    output: Vec<u8>,
}

impl<'a> Engine<'a> {
    /// For these arguments. `first` is the number of its first connection when several processes share them.
    ///
    /// # Errors
    /// The kernel refuses what an event loop needs.
    pub fn new(
        arguments: &'a Arguments,
        address: SocketAddr,
        work: Work,
        first: u32,
        server: Option<u32>,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        poll.registry().register(&mut signals, SIGNALS, mio::Interest::READABLE)?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        Ok(Self {
            arguments,
            address,
            first,
            poll,
            signals,
            waker,
            stop: Arc::new(AtomicBool::new(false)),
            interrupted: false,
            epoch: Instant::now(),
            connections: Vec::with_capacity(arguments.total() as usize),
            entering: 0,
            ready: 0,
            workers: 0,
            preparing: 0,
            work,
            meter: Meter::default(),
            live: Live::new(arguments),
            asking: Asking::Not,
            left: u64::MAX,
            fan: (arguments.scenario == Scenario::Fanout).then(|| Fan::new(arguments.burst)),
            server: (server, None),
            ramp_ns: 0,
            events: Events::with_capacity(EVENTS_MAX),
            input: vec![0; 2 * READ_BYTES],
            output: Vec::with_capacity(READ_BYTES),
        })
    }

    /// What ends the run from outside: set the flag, then wake the loop.
    pub fn stopper(&self) -> (Arc<AtomicBool>, Arc<Waker>) {
        (Arc::clone(&self.stop), Arc::clone(&self.waker))
    }

    /// Makes the connections and everything that the scenario needs; then waits for quiet.
    ///
    /// # Errors
    /// No connection was made: the first reason for it.
    pub fn set_up(&mut self) -> Result<(), String> {
        self.ramp();
        if self.workers == 0 {
            let why = self.meter.texts.first().cloned().unwrap_or_else(|| "interrupted".to_owned());
            return Err(format!("{}: {why}", self.arguments.server));
        }
        self.prepare();
        self.wait_for_quiet();
        Ok(())
    }

    /// Waits until `flag` is set by somebody who then wakes the loop.
    pub fn wait_for(&mut self, flag: &AtomicBool) {
        while !flag.load(Ordering::Acquire) && !self.is_ending() {
            self.turn(TURN_MAX);
        }
    }

    /// Asks, as long as the arguments say, and says what has come of it. `at_edge` hears when the measuring
    /// begins and ends.
    pub fn measure(&mut self, at_edge: &mut dyn FnMut(Edge)) -> Outcome {
        if self.arguments.scenario == Scenario::Connect {
            return self.stay(at_edge);
        }
        let now = self.now_ns();
        if !self.arguments.warm_up.is_zero() {
            self.begin_asking(now);
            self.run_until(now + nanoseconds(self.arguments.warm_up));
        }
        self.look_at_server();
        at_edge(Edge::Begins);
        let start = self.now_ns();
        self.left = self.arguments.count.unwrap_or(u64::MAX);
        self.meter.start(start);
        self.begin_asking(start);
        let end = match self.arguments.count {
            Some(_) => u64::MAX,
            None => start + nanoseconds(self.arguments.duration),
        };
        self.run_until(end);
        let end = self.now_ns();
        self.asking = Asking::Not;
        at_edge(Edge::Ends);
        let outcome_server = self.server_use();
        self.drain();
        let mut outcome = self.outcome((end - start) as f64 / 1e9);
        outcome.server = outcome_server;
        outcome
    }

    /// All are logged in, which is what was measured; what is left is how much memory they take.
    fn stay(&mut self, at_edge: &mut dyn FnMut(Edge)) -> Outcome {
        at_edge(Edge::Begins);
        let end = self.now_ns() + nanoseconds(self.arguments.duration);
        self.run_until(end);
        at_edge(Edge::Ends);
        let seconds = self.ramp_seconds();
        self.outcome(seconds)
    }

    /// The first few different texts of what went wrong.
    pub fn error_texts(&self) -> &[String] {
        &self.meter.texts
    }

    fn now_ns(&self) -> u64 {
        nanoseconds(self.epoch.elapsed())
    }

    fn is_ending(&self) -> bool {
        self.interrupted || self.stop.load(Ordering::Relaxed)
    }

    fn begin_asking(&mut self, now: u64) {
        if matches!(self.asking, Asking::Not) {
            self.asking = match self.arguments.rate {
                Some(rate) => Asking::Open { schedule: Schedule::new(rate, now), next: 0 },
                None => Asking::Closed,
            };
        }
        if self.fan.is_none() {
            for key in 0..self.connections.len() {
                self.ask(key, now);
                self.flush(key);
            }
        }
    }

    /// Runs the loop until `end`, or until all is answered that was to be asked.
    fn run_until(&mut self, end: u64) {
        loop {
            let now = self.now_ns();
            if now >= end || self.is_ending() || self.is_done() {
                return;
            }
            self.ask_what_is_due(now);
            let due = if let Asking::Open { schedule, .. } = &self.asking { schedule.next_ns() } else { end };
            self.turn(Duration::from_nanos(due.min(end).saturating_sub(self.now_ns())));
        }
    }

    fn is_done(&self) -> bool {
        if self.workers == 0 {
            return true;
        }
        let Some(count) = self.arguments.count.filter(|_| self.meter.is_running()) else { return false };
        self.meter.settled() >= count
    }

    /// Waits for the answers that are due, but not for long, and counts those that don't come.
    fn drain(&mut self) {
        let end = self.now_ns() + nanoseconds(GRACE);
        let is_open =
            |connection: &Connection| !connection.in_flight.is_empty() || !connection.waiting.is_empty();
        while self.now_ns() < end && !self.interrupted {
            let outstanding = self.fan.as_ref().map_or(0, |fan| fan.outstanding);
            if outstanding == 0 && !self.connections.iter().any(is_open) {
                break;
            }
            self.turn(TURN_MAX);
        }
        for connection in &self.connections {
            for due in connection.in_flight.iter().chain(&connection.waiting) {
                self.meter.miss(*due);
            }
        }
        if let Some(fan) = &self.fan {
            self.meter.errors.unanswered += fan.outstanding;
        }
        let now = self.now_ns();
        self.meter.finish(now);
    }

    /// Waits at most `longest` for something to happen, and looks after it.
    fn turn(&mut self, longest: Duration) -> usize {
        // Rounded down to what the kernel's timer can do: the last millisecond is spent looking, so that
        // requests leave when they are due.
        let timeout = Duration::from_millis(longest.min(TURN_MAX).as_millis() as u64);
        let mut events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        if let Err(error) = self.poll.poll(&mut events, Some(timeout)) {
            assert!(error.kind() == ErrorKind::Interrupted, "the kernel does not wait for events: {error}");
        }
        let mut count = 0;
        for event in &events {
            match event.token() {
                SIGNALS => self.interrupted |= self.signals.pending().count() > 0,
                WAKER => {}
                Token(key) => {
                    self.serve(key, event.is_writable(), event.is_read_closed() || event.is_error());
                    count += 1;
                }
            }
        }
        self.events = events;
        let now = self.now_ns();
        if let Some(second) = self.meter.tick(now) {
            self.live.show(&second, &self.meter, self.ready);
        }
        count
    }
}

/// Where the measured time begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// What is asked from here on counts.
    Begins,
    /// What is asked from here on does not.
    Ends,
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX / 4)
}
