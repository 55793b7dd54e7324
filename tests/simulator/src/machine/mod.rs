//! The machine that the server runs on: starts it, gives it its turns, and lets it crash.

mod disks;
mod files;
mod hasher;
mod memory;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use clap::Parser;
use forum_common::text::Zone;
use forumd::args::{Arguments, Limits};
use forumd::forum::Forum;
use forumd::journal::{MemoryDisk, Replay, Sequence};
use forumd::net::Wake;
use forumd::net::cycle::Cycle;
use forumd::net::turn::{Bound, Figure, Helpers, Server, Settings, TransferKey, VisitorLimits};
use forumd::random::Random;
use forumd::replay::ForumReplay;
use forumd::workers::files::{FileSync, FileWorkers, Stepper};
use forumd::workers::passwords::PasswordHasher;

use self::files::Mounted;
pub(crate) use self::files::SimFiles;
pub(crate) use self::hasher::hash;
use self::hasher::{Hashes, SimHasher};
use self::memory::{Log, SimJournal};
use crate::clock::{SECOND, SimClock, Time};
use crate::kernel::{Event, Shared, SimDoor, SimStream};
use crate::oracle::Oracle;
use crate::plan::Plan;
use crate::rng::Rng;

/// Rounds without a wait after which the loop is taken for one that spins.
const ROUNDS_MAX: u32 = 20_000;

type TheServer = Server<SimStream, SimJournal, SimClock>;

/// The machine.
pub(crate) struct Machine {
    kernel: Shared,
    clock: SimClock,
    oracle: Rc<RefCell<Oracle>>,
    rng: Rng,
    /// What the log has on disk, while no server runs, and how many entries of it were promised.
    log: Log,
    promised: usize,
    files: SimFiles,
    running: Option<Running>,
    /// When a poll is to come, if one is, and all times at which the queue has one.
    poll_at: Option<Time>,
    polls: BTreeSet<Time>,
    /// A commit is to come.
    commit_is_due: bool,
    /// File workers are to do something.
    files_are_due: bool,
    /// The log is to be synced.
    sync_is_due: bool,
    /// How much longer than usual the next commit takes.
    slow_commit: Time,
    /// The process gets no processor before then.
    stopped_until: Time,
    rounds: u32,
}

/// A server that runs.
struct Running {
    server: TheServer,
    cycle: Cycle<SimDoor>,
    journal: SimJournal,
    stepper: Stepper<TransferKey>,
    mounted: Mounted,
    hashes: Hashes,
}

fn default_limits() -> Limits {
    static LIMITS: OnceLock<Limits> = OnceLock::new();
    LIMITS.get_or_init(|| Arguments::parse_from(["forumd"]).serve.limits).clone()
}

/// The forum that a log tells of, by the server's own replay.
fn replayed(log: &Log) -> Result<Forum, String> {
    let mut replay = ForumReplay::default();
    let covered = log.snapshot.as_ref().map_or(0, |snapshot| snapshot.covered);
    for chunk in log.snapshot.iter().flat_map(|snapshot| &snapshot.chunks) {
        replay.take_chunk(chunk)?;
    }
    replay.end_snapshot(Sequence(covered as u64));
    for (entry, number) in log.disk.entries()[covered..].iter().zip(covered as u64 + 1..) {
        replay.take_entry(Sequence(number), entry)?;
    }
    Ok(replay.into_forum())
}

fn settings(plan: &Plan) -> Settings {
    let limits = Limits {
        max_posts: plan.max_posts,
        max_mailbox_messages: plan.max_mailbox,
        max_notice_bytes: plan.max_notice_bytes,
        max_requests_per_second: plan.max_requests_per_second,
        max_listing_bytes: plan.max_listing_bytes,
        snapshot_log_bytes: plan.snapshot_log_bytes,
        ..default_limits()
    };
    Settings {
        limits,
        connections_max: plan.connections_max,
        visitors: VisitorLimits::default(),
        is_sign_up_open: true,
        entry_bytes_max: plan.entry_bytes_max,
        attempts_max: 3,
        block_duration: Duration::from_secs(10),
        login_timeout: Duration::from_secs(60),
        idle_timeout: (plan.idle_seconds > 0).then(|| Duration::from_secs(plan.idle_seconds)),
        transfer_timeout: Duration::from_secs(60),
        stall_timeout: Duration::from_secs(60),
        zone: Zone::utc(),
        trace_user: None,
        admin_password: None,
    }
}

impl Machine {
    /// A machine without a server.
    pub(crate) fn new(kernel: Shared, clock: SimClock, oracle: Rc<RefCell<Oracle>>, rng: Rng) -> Self {
        Self {
            kernel,
            clock,
            oracle,
            rng,
            log: Log::default(),
            promised: 0,
            files: SimFiles::default(),
            running: None,
            poll_at: None,
            polls: BTreeSet::new(),
            commit_is_due: false,
            files_are_due: false,
            sync_is_due: false,
            slow_commit: 0,
            stopped_until: 0,
            rounds: 0,
        }
    }

    /// Starts the server on what the disk has.
    pub(crate) fn start(&mut self, plan: &Plan) {
        let log = std::mem::take(&mut self.log);
        self.oracle.borrow_mut().recovered(log.disk.entries(), self.promised);
        let forum = replayed(&log).unwrap_or_else(|error| {
            self.oracle.borrow_mut().fail(format!("the log can't be read: {error}"));
            Forum::default()
        });
        self.files.remove_parts();
        self.check_files(&forum);
        let journal = SimJournal::starting_on(log, plan.always_durable).expect("its disk works at the start");
        let mounted = self.files.mount();
        let hashes = Hashes::default();
        let waker = self.waker();
        let (files, stepper) =
            FileWorkers::stepped(Box::new(mounted.clone()), FileSync::BeforeStored, Arc::clone(&waker));
        let hasher = SimHasher::new(
            Rc::clone(&hashes),
            Shared::clone(&self.kernel),
            self.rng.fork(),
            (plan.hash_delay / 2, plan.hash_delay),
        );
        let mut random = self.rng.fork();
        let watcher = Rc::clone(&self.oracle);
        let helpers = Helpers {
            journal: journal.clone(),
            passwords: PasswordHasher::with(Box::new(hasher), plan.hash_queue),
            files,
            random: Random::of(move |bytes| random.fill(bytes)),
            watch: Some(Box::new(move |applied| watcher.borrow_mut().applied(applied))),
        };
        let server = Server::new(settings(plan), self.clock.clone(), forum, helpers);
        let mut cycle = Cycle::default();
        cycle.listener.open(SimDoor::open(&self.kernel));
        self.running = Some(Running { server, cycle, journal, stepper, mounted, hashes });
        (self.poll_at, self.commit_is_due, self.files_are_due) = (None, false, false);
        self.poll_after(0);
    }

    /// Wakes nobody by itself: the world looks whether there is work after each event.
    fn waker(&self) -> Wake {
        Arc::new(|| {})
    }

    /// The log has these entries before the first start.
    pub(crate) fn preload(&mut self, entries: Vec<Vec<u8>>) {
        self.log.disk = MemoryDisk::with(entries);
    }

    /// Whether a server runs.
    pub(crate) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// The forum, while a server runs.
    pub(crate) fn forum(&self) -> Option<&Forum> {
        self.running.as_ref().map(|running| running.server.forum())
    }

    /// The files on the disk.
    pub(crate) fn files(&self) -> &SimFiles {
        &self.files
    }

    /// Begins the end of the server.
    pub(crate) fn shut_down(&mut self) {
        if let Some(running) = &mut self.running {
            running.server.shut_down();
        }
        self.kernel.borrow_mut().wake();
    }

    /// Takes the server away if it has ended; says whether it has.
    pub(crate) fn has_ended(&mut self) -> bool {
        let has_ended = self.running.as_ref().is_some_and(|running| running.server.has_ended());
        if has_ended && let Some(running) = self.running.take() {
            let Running { server, cycle, journal, mounted, .. } = running;
            drop(cycle);
            if let Err(reason) = server.into_journal() {
                self.oracle.borrow_mut().fail(format!("the server ended with {reason}"));
            }
            mounted.unmount();
            self.log = journal.log();
            self.promised = self.log.disk.entries().len();
            self.oracle.borrow_mut().crashed();
        }
        has_ended
    }

    fn poll_after(&mut self, delay: Time) {
        let at = (self.clock.time() + delay).max(self.stopped_until);
        if self.poll_at.is_none_or(|due| due > at) {
            self.poll_at = Some(at);
            if self.polls.insert(at) {
                self.kernel.borrow_mut().queue.push(at, Event::Poll);
            }
        }
    }

    /// A commit is over.
    pub(crate) fn commit(&mut self) {
        self.commit_is_due = false;
        let Some(running) = &self.running else { return };
        if running.journal.commit() {
            self.kernel.borrow_mut().wake();
        }
    }

    /// The log is synced, as it is each second.
    pub(crate) fn sync(&mut self) {
        self.sync_is_due = false;
        if let Some(running) = &self.running {
            running.journal.sync();
            self.kernel.borrow_mut().wake();
        }
    }

    /// Every queue, table and descriptor is within its limit, and every counter says what there is.
    fn check_figures(&self) {
        let Some(running) = &self.running else { return };
        let mut figures = running.server.figures();
        let bound = Bound::Exactly(running.server.connections());
        let amount = self.kernel.borrow().open_sockets;
        figures.push(Figure { name: "sockets that the kernel has open", amount, bound });
        let uploads =
            figures.iter().find(|figure| figure.name == "uploads").map_or(0, |uploads| uploads.amount);
        if running.stepper.is_idle() {
            let amount = running.mounted.open_files();
            figures.push(Figure { name: "open files", amount, bound: Bound::AtMost(uploads) });
        }
        for figure in figures.iter().filter(|figure| !figure.holds()) {
            self.oracle.borrow_mut().fail(format!("past its limit: {figure:?}"));
        }
    }

    /// A file worker has done something.
    pub(crate) fn step_files(&mut self) {
        self.files_are_due = false;
        let Some(running) = &self.running else { return };
        if running.stepper.step() {
            self.kernel.borrow_mut().wake();
        }
    }

    /// A password is hashed.
    pub(crate) fn step_hashes(&mut self) {
        let Some(running) = &self.running else { return };
        if running.hashes.borrow_mut().step() {
            self.kernel.borrow_mut().wake();
        }
    }

    /// The process is stopped until then, and nothing else is.
    pub(crate) fn stop_until(&mut self, until: Time) {
        self.stopped_until = until;
    }

    /// The loop polls, if now is the time.
    pub(crate) fn go_round(&mut self, plan: &Plan) {
        let now = self.clock.time();
        while self.polls.first().is_some_and(|at| *at <= now) {
            self.polls.pop_first();
        }
        if self.poll_at.is_none_or(|due| due > now) {
            return;
        }
        self.poll_at = None;
        if now < self.stopped_until {
            return self.poll_after(self.stopped_until - now);
        }
        let Some(Running { server, cycle, .. }) = &mut self.running else { return };
        let (events, knocks, is_quiet) = self.kernel.borrow_mut().take_events(plan.spurious);
        for ready in events {
            if ready.readable {
                server.readable(ready.id, ready.peer_end);
            }
            if ready.writable {
                server.writable(ready.id);
            }
        }
        if knocks {
            cycle.listener.mark_ready();
        }
        let (kernel, oracle) = (&self.kernel, &self.oracle);
        cycle.turn(server, is_quiet, |stream: &mut SimStream, id| {
            oracle.borrow_mut().registered(stream.index(), id);
            kernel.borrow_mut().register(stream.index(), id);
            Ok(())
        });
        self.oracle.borrow_mut().note_in_flight(server.in_flight());
        self.check_figures();
        let Some(Running { server, cycle, .. }) = &mut self.running else { return };
        let wait = cycle.may_wait(server);
        self.rounds = if wait == Some(Duration::ZERO) { self.rounds + 1 } else { 0 };
        if self.rounds > ROUNDS_MAX {
            self.oracle.borrow_mut().fail("the loop spins: it never waits");
        }
        if let Some(wait) = wait {
            // Even a round that finds nothing takes its time.
            self.poll_after((wait.as_nanos() as Time).max(plan.round));
        }
    }

    /// After each event: has those wait who wait for the disk, and the loop poll if there is news.
    pub(crate) fn attend(&mut self, plan: &Plan) {
        let Some(running) = &self.running else { return };
        let commit = running.journal.is_handed();
        let files = !running.stepper.is_idle();
        if commit && !std::mem::replace(&mut self.commit_is_due, true) {
            let delay = self.rng.between(plan.sync_delay / 2, plan.sync_delay);
            let delay = delay + std::mem::take(&mut self.slow_commit);
            self.kernel.borrow_mut().push_after(delay, Event::Commit);
        }
        if files && !std::mem::replace(&mut self.files_are_due, true) {
            let delay = self.rng.between(plan.sync_delay / 4, plan.sync_delay / 2);
            self.kernel.borrow_mut().push_after(delay, Event::Files);
        }
        if !plan.always_durable && !std::mem::replace(&mut self.sync_is_due, true) {
            self.kernel.borrow_mut().push_after(SECOND, Event::Sync);
        }
        if self.kernel.borrow().has_news() {
            let delay = self.rng.between(0, plan.poll_delay);
            self.poll_after(delay);
        }
    }
}
