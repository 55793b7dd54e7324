//! The loop: it makes the connections, lets them prepare, asks, and listens. Everything goes on in one
//! thread; times are nanoseconds since the engine was made. What is asked for is the business of `work`,
//! and what the bytes mean that of `dialect`.

mod asking;
mod ending;
mod fan;
mod hearing;
mod lost;
mod ramp;
mod steps;
mod tally;
mod timer;
pub(crate) mod usage;

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token, Waker};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook_mio::v1_0::Signals;

use crate::args::{Arguments, Scenario};
use crate::connection::{Connection, Phase, READ_BYTES};
use crate::live::Live;
use crate::meter::Meter;
use crate::outcome::{GeneratorUse, Outcome};
use crate::pacing::{Pace, Schedule};
use crate::server_watch::Watch;
use crate::target::Target;
use crate::work::Work;
use asking::{Asking, Wait};
use fan::Fan;
use timer::Timer;
use usage::OwnUse;

/// Requests of one connection that are on their way at once in an open loop. What is due beyond is sent later,
/// and its latency counts from when it was due all the same.
const IN_FLIGHT_MAX: usize = 1_024;
/// Requests of an open loop that are sent in one turn, so that answers are heard between them.
const SENT_IN_TURN_MAX: u32 = 1_024;
/// What became due in the last turn before the end is sent, though the turn was over only so long after it. A loop
/// that was held up for longer misses it.
const LAST_TURN_NS: u64 = 1_000_000;
/// How long answers are waited for that are missing when the warm-up or the measured time ends.
const GRACE: Duration = Duration::from_secs(2);
/// Before it is measured nothing has to have come for so long: log-ins and new rooms may be told to others.
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

/// What is said of a run that ended before it had anything to report.
pub const INTERRUPTED: &str = "interrupted before anything was measured";

const SIGNALS: Token = Token(usize::MAX);
const WAKER: Token = Token(usize::MAX - 1);
const TIMER: Token = Token(usize::MAX - 2);

/// The event loop of a run.
pub struct Engine<'a> {
    arguments: &'a Arguments,
    /// That of an open loop.
    pace: Option<Pace>,
    target: Target,
    /// The numbers of this engine's asking connections begin here.
    first: u32,
    poll: Poll,
    signals: Signals,
    waker: Arc<Waker>,
    timer: Timer,
    /// Set from outside, with a wake-up: the run is to end.
    stop: Arc<AtomicBool>,
    /// SIGINT and SIGTERM that have come.
    interrupts: usize,
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
    /// Nothing is sent from then on.
    asks_until: u64,
    /// Requests that may still be made.
    left: u64,
    fan: Option<Fan>,
    server: (Vec<u32>, Option<Watch>),
    generator: GeneratorUse,
    /// Connections that are to be made again, and when.
    remake: VecDeque<(u64, usize)>,
    /// Nobody was left that asks, and no connection could be made again.
    hopeless: bool,
    /// When it is looked next for requests that are not answered in time.
    expiry_look_ns: u64,
    /// When a connection was lost last.
    lost_ns: u64,
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
        target: Target,
        work: Work,
        first: u32,
        server: Vec<u32>,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        poll.registry().register(&mut signals, SIGNALS, mio::Interest::READABLE)?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let timer = Timer::new(poll.registry(), TIMER)?;
        Ok(Self {
            arguments,
            pace: arguments.pace(),
            target,
            first,
            poll,
            signals,
            waker,
            timer,
            stop: Arc::new(AtomicBool::new(false)),
            interrupts: 0,
            epoch: Instant::now(),
            connections: Vec::with_capacity(arguments.total() as usize),
            entering: 0,
            ready: 0,
            workers: 0,
            preparing: 0,
            work,
            meter: Meter::of_kinds(arguments.scenario.kinds()),
            live: Live::new(arguments),
            asking: Asking::Not,
            asks_until: u64::MAX,
            left: u64::MAX,
            fan: (arguments.scenario == Scenario::Fanout).then(|| Fan::new(arguments.burst)),
            server: (server, None),
            generator: GeneratorUse::default(),
            remake: VecDeque::new(),
            hopeless: false,
            expiry_look_ns: 0,
            lost_ns: 0,
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
    /// There is no connection, and why; or the run was interrupted.
    pub fn set_up(&mut self) -> Result<(), String> {
        self.ramp();
        if self.arguments.scenario == Scenario::Connect && self.meter.counts.operations > 0 {
            return Ok(());
        }
        self.is_usable()?;
        self.prepare();
        self.wait_for_quiet();
        self.is_usable()
    }

    /// Whether there is anything to go on with.
    fn is_usable(&self) -> Result<(), String> {
        if self.is_ending() {
            return Err(INTERRUPTED.to_owned());
        }
        if self.is_deserted() {
            let why = self.meter.texts.first().map_or("no connection is left", String::as_str);
            return Err(format!("{}: {why}", self.arguments.server));
        }
        Ok(())
    }

    /// Waits until `opened` has counted up to `count`, or the run is to end; somebody does that, and then wakes the loop.
    pub fn wait_for(&mut self, opened: &AtomicU32, count: u32) {
        while opened.load(Ordering::Acquire) < count && !self.is_ending() {
            self.turn(TURN_MAX);
        }
    }

    /// The same of a run that has ended.
    pub fn wait_after_end(&mut self, opened: &AtomicU32, count: u32) {
        while opened.load(Ordering::Acquire) < count {
            self.turn(TURN_MAX);
        }
    }

    /// Asks for as long as the warm-up lasts, and waits for the answers: nothing of it reaches into the measured
    /// time.
    ///
    /// # Errors
    /// It was interrupted, or the connections were lost.
    pub fn warm_up(&mut self) -> Result<(), String> {
        if self.arguments.scenario == Scenario::Connect || self.arguments.warm_up_time().is_zero() {
            return Ok(());
        }
        let now = self.now_ns();
        self.ask_until(now, now + nanoseconds(self.arguments.warm_up_time()));
        self.wait_for_answers();
        self.is_usable()
    }

    /// Asks, as long as the arguments say, and says what has come of it. `at_end` hears when the measured time
    /// is over, before late answers are waited for.
    pub fn measure(&mut self, at_end: &mut dyn FnMut()) -> Outcome {
        if self.arguments.scenario == Scenario::Connect {
            return self.stay(at_end);
        }
        self.look_at_server();
        let start = self.now_ns();
        self.left = self.arguments.count.unwrap_or(u64::MAX);
        let end = match self.arguments.count {
            Some(_) => u64::MAX,
            None => start + nanoseconds(self.arguments.measured_time()),
        };
        self.meter.start(start, end);
        let before = OwnUse::now();
        self.ask_until(start, end);
        let now = self.now_ns();
        self.note_own_use(&before, now - start);
        let end = self.meter.end(now);
        let server = self.server_use();
        at_end();
        self.show_seconds();
        self.miss_what_is_left(end);
        self.wait_for_answers();
        self.give_up_on_the_rest();
        self.outcome((end - start) as f64 / 1e9, server)
    }

    /// All are logged in, which is what was measured; what is left is how much memory they take.
    fn stay(&mut self, at_end: &mut dyn FnMut()) -> Outcome {
        let end = self.now_ns() + nanoseconds(self.arguments.duration);
        self.run_until(end);
        at_end();
        self.generator.memory_bytes = OwnUse::now().memory_bytes();
        let (seconds, server) = (self.ramp_seconds(), self.server_use());
        self.outcome(seconds, server)
    }

    fn now_ns(&self) -> u64 {
        nanoseconds(self.epoch.elapsed())
    }

    fn is_asking(&self) -> bool {
        !matches!(self.asking, Asking::Not)
    }

    /// Whether it was interrupted, or is ended from outside.
    pub fn is_ending(&self) -> bool {
        self.interrupts > 0 || self.stop.load(Ordering::Relaxed)
    }

    /// Asks from `now` to `end`, or until all is answered that was to be asked.
    fn ask_until(&mut self, now: u64, end: u64) {
        self.asking = match &self.pace {
            Some(pace) => Asking::Open { schedule: Schedule::new(pace, now), next: 0, wait: Wait::Free(now) },
            None => Asking::Closed,
        };
        self.asks_until = end;
        if self.fan.is_none() {
            for key in 0..self.connections.len() {
                self.ask(key, now);
                self.flush(key);
            }
        }
        self.run_until(end);
        let now = self.now_ns();
        if matches!(self.asking, Asking::Open { .. })
            && (end..end.saturating_add(LAST_TURN_NS)).contains(&now)
        {
            self.ask_what_is_due(end - 1);
        }
        self.asks_until = now.min(end);
    }

    /// Runs the loop until `end`, or until all is answered that was to be asked.
    fn run_until(&mut self, end: u64) {
        loop {
            let now = self.now_ns();
            if now >= end || self.is_ending() || self.is_done() {
                return;
            }
            let next = self.ask_what_is_due(now).unwrap_or(end);
            self.turn(Duration::from_nanos(next.min(end).saturating_sub(self.now_ns())));
        }
    }

    /// Whether nobody is left that asks or listens, or the one that speaks is gone.
    fn is_deserted(&self) -> bool {
        let speaker =
            self.fan.as_ref().and_then(|_| self.connections.get(self.arguments.connections as usize));
        let has_hope = !self.hopeless && (self.entering > 0 || !self.remake.is_empty());
        self.workers == 0 && !has_hope || speaker.is_some_and(|speaker| speaker.phase == Phase::Gone)
    }

    fn is_done(&self) -> bool {
        if self.is_deserted() {
            return true;
        }
        let Some(count) = self.arguments.count.filter(|_| self.meter.is_running()) else { return false };
        self.meter.settled() >= count
    }

    /// Shows the seconds that are over.
    fn show_seconds(&mut self) {
        let backlog = self.backlog();
        self.live.show(&self.meter, self.ready, backlog);
    }

    /// Waits at most `longest` for something to happen, and looks after it.
    fn turn(&mut self, longest: Duration) -> usize {
        let timeout = if longest.is_zero() { longest } else { TURN_MAX };
        if !longest.is_zero()
            && longest < TURN_MAX
            && let Err(error) = self.timer.set(longest)
        {
            panic!("the kernel's timer can't be set: {error}");
        }
        let mut events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        if let Err(error) = self.poll.poll(&mut events, Some(timeout)) {
            assert!(error.kind() == ErrorKind::Interrupted, "the kernel does not wait for events: {error}");
        }
        let mut count = 0;
        for event in &events {
            match event.token() {
                SIGNALS => self.interrupts += self.signals.pending().count(),
                WAKER | TIMER => {}
                Token(key) => {
                    self.serve(key, event.is_writable(), event.is_read_closed() || event.is_error());
                    count += 1;
                }
            }
        }
        self.events = events;
        let now = self.now_ns();
        self.meter.close_seconds(now);
        self.remake_connections(now);
        self.expire(now);
        if self.live.has_news(&self.meter) {
            self.show_seconds();
        }
        count
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX / 4)
}
