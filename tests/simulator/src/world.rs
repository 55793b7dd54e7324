//! The world: everything that happens, one thing after the other, until nothing is left to be done or something is
//! wrong.

mod chaos;

use std::cell::RefCell;
use std::rc::Rc;

use forum_common::names::{Password, Title, UserName};
use forumd::forum::{AccountId, Change, Entry};

use crate::client::Client;
use crate::clock::{MS, SECOND, SimClock, Time};
use crate::kernel::{Event, Kernel, Shared};
use crate::machine::{Machine, hash};
use crate::model::compare;
use crate::oracle::Oracle;
use crate::plan::{Limits, Plan};
use crate::rng::Rng;
use crate::stage::Stage;
use crate::trace::{Trace, keep_log, take_logged};

/// Once nothing goes wrong, every request is answered within this time.
const ANSWER_MAX: Time = 120 * SECOND;
/// And all is over within this one: some may have to wait for a block, or for a name whose client vanished, which is free
/// again within 90 s.
const CALM_MAX: Time = 180 * SECOND;
/// How long the server may take to end.
const END_MAX: Time = 30 * SECOND;
/// Events between two steps of clients, at most: the clock goes on, and so must they.
const EVENTS_A_STEP_MAX: u64 = 200_000;
/// See [`World::tries_left`].
const TRIES_A_STEP: usize = 6;
/// How long a client takes at least before it tries again to become a member.
const AWAY: Time = 100 * MS;
/// How often the server's memory is held against the reference, in events.
const COMPARE_EVERY: u64 = 512;

/// What has happened in a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Runs.
    pub seeds: u64,
    /// Things that happened.
    pub events: u64,
    /// Crashes of the server.
    pub crashes: u64,
    /// Faults that were injected, crashes not counted.
    pub faults: u64,
    /// Virtual time, in milliseconds.
    pub virtual_ms: u64,
    /// Entries that were applied.
    pub entries: u64,
    /// Connections that were made.
    pub connections: u64,
}

impl Figures {
    /// Adds those of another run.
    pub fn add(&mut self, other: &Self) {
        self.seeds += other.seeds;
        self.events += other.events;
        self.crashes += other.crashes;
        self.faults += other.faults;
        self.virtual_ms += other.virtual_ms;
        self.entries += other.entries;
        self.connections += other.connections;
    }
}

/// The world of one seed.
pub(crate) struct World {
    stage: Stage,
    rng: Rng,
    machine: Machine,
    clients: Vec<Client>,
    steps_left: usize,
    /// Steps and attempts to become a member, before calm begins in any case.
    tries_left: usize,
    /// Steps at which the server crashes.
    crash_at: Vec<usize>,
    calm_since: Option<Time>,
    hogged: usize,
    /// Events before the last step of a client.
    events_at_step: u64,
    figures: Figures,
}

impl World {
    /// The world of a seed, at its beginning.
    pub(crate) fn new(seed: u64, limits: Limits, is_told: bool) -> Self {
        let mut rng = Rng::new(seed);
        let plan = Plan::new(&mut rng.fork(), limits);
        let clock = SimClock::new(plan.pace);
        let kernel = Kernel::new(clock.clone(), rng.fork(), plan.descriptors_max, plan.interrupts);
        let oracle = Rc::new(RefCell::new(Oracle::new(is_told)));
        {
            let mut judge = oracle.borrow_mut();
            (judge.max_posts, judge.max_mailbox) = (plan.max_posts, plan.max_mailbox);
        }
        let machine = Machine::new(Shared::clone(&kernel), clock.clone(), Rc::clone(&oracle), rng.fork());
        let clients =
            (0..plan.clients).map(|number| Client::new(number, number % plan.names, rng.fork())).collect();
        let mut crash_at: Vec<usize> =
            (0..plan.crashes).map(|_| rng.between(1, plan.steps.max(2) as u64 - 1) as usize).collect();
        crash_at.sort_unstable();
        let mut trace = Trace::new(is_told);
        if is_told {
            keep_log();
        }
        trace.say(0, || format!("seed {seed}: {plan:?}"));
        let names = plan.names.max(plan.clients);
        let (is_suspect, passwords) = (vec![false; names], vec![Vec::new(); names]);
        let (steps_left, tries_left) = (plan.steps, plan.steps * TRIES_A_STEP);
        let stage = Stage {
            kernel,
            oracle,
            clock,
            plan,
            trace,
            is_calm: false,
            is_ending: false,
            is_suspect,
            passwords,
            stood_still: None,
            faults: 0,
        };
        let figures = Figures { seeds: 1, ..Figures::default() };
        Self {
            stage,
            rng,
            machine,
            clients,
            steps_left,
            tries_left,
            crash_at,
            calm_since: None,
            hogged: 0,
            events_at_step: 0,
            figures,
        }
    }

    /// Lives it to its end.
    pub(crate) fn run(&mut self) {
        self.preload();
        self.machine.start(&self.stage.plan);
        for number in 0..self.clients.len() {
            let delay = self.rng.below(self.stage.plan.think);
            self.stage.kernel.borrow_mut().push_after(delay, Event::Client(number));
        }
        while !self.has_failed() && !self.is_over() {
            self.go_on();
        }
        self.compare();
        self.end_server();
        if !self.has_failed() {
            // What an end in order leaves is all there was.
            self.machine.start(&self.stage.plan);
            self.compare();
        }
    }

    /// Has the forum begin with threads, as many as the plan wants.
    fn preload(&mut self) {
        if self.stage.plan.threads == 0 {
            return;
        }
        let at_ms = self.stage.clock.day_ms();
        let password = format!("secret of {}", self.stage.name(0));
        let entries = founding(&self.stage.name(0), &password, self.stage.plan.threads, at_ms);
        self.stage.passwords[0].push(password);
        self.stage.oracle.borrow_mut().preload(&entries);
        self.machine.preload(entries);
    }

    fn has_failed(&self) -> bool {
        self.stage.oracle.borrow().failure().is_some()
    }

    /// Has the next thing happen.
    fn go_on(&mut self) {
        let next = self.stage.kernel.borrow_mut().queue.pop();
        let Some((at, event)) = next else { return self.stage.fail("nothing happens any more") };
        self.stage.clock.advance_to(at);
        self.figures.events += 1;
        self.stage.trace.note(&[at, discriminant(event)]);
        self.happen(event);
        self.tell_story();
        self.machine.attend(&self.stage.plan);
        if self.figures.events.is_multiple_of(COMPARE_EVERY) {
            self.compare();
        }
        if self.figures.events > self.events_at_step + EVENTS_A_STEP_MAX {
            self.stage.fail("it goes on for ever: no client has its turn any more");
        }
    }

    /// Ends the server in order: everybody hears goodbye, and it is over soon.
    fn end_server(&mut self) {
        self.stage.say(|| "the server is told to end".to_owned());
        let until = self.stage.now() + END_MAX;
        self.stage.is_ending = true;
        self.stage.oracle.borrow_mut().is_ending = true;
        self.machine.shut_down();
        while !self.has_failed() && !self.machine.has_ended() {
            self.go_on();
            if self.stage.now() > until {
                self.stage.fail("the server does not end");
            }
        }
        while !self.has_failed() && self.clients.iter().any(|client| client.socket().is_some()) {
            self.go_on();
        }
    }

    /// What was applied, for people.
    fn tell_story(&mut self) {
        if !self.stage.trace.is_told() {
            return;
        }
        let story = self.stage.oracle.borrow_mut().story.as_mut().map(std::mem::take);
        for line in take_logged().into_iter().chain(story.into_iter().flatten()) {
            self.stage.say(|| line);
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Poll => {
                self.machine.go_round(&self.stage.plan);
                if self.machine.has_given_up() {
                    self.crash(false);
                }
            }
            Event::Commit => self.machine.commit(),
            Event::Sync => self.machine.sync(),
            Event::Files => self.machine.step_files(),
            Event::Hash => self.machine.step_hashes(),
            Event::Client(number) => self.step(number),
            Event::Resume(number) => {
                self.clients[number].is_deaf = false;
                self.clients[number].look(&mut self.stage);
            }
            Event::Start => self.start(),
            Event::Release => {
                let count = std::mem::take(&mut self.hogged);
                self.stage.kernel.borrow_mut().give_descriptors(count);
            }
            network => {
                let looks = self.stage.kernel.borrow_mut().happen(network);
                if let Some(socket) = looks
                    && let Some(client) =
                        self.clients.iter_mut().find(|client| client.socket() == Some(socket))
                {
                    client.look(&mut self.stage);
                }
            }
        }
    }

    fn step(&mut self, number: usize) {
        self.events_at_step = self.figures.events;
        let done = self.stage.plan.steps - self.steps_left;
        if self.calm_since.is_none() {
            while self.crash_at.first().is_some_and(|at| *at <= done) {
                self.crash_at.remove(0);
                let power = self.rng.chance(self.stage.plan.power);
                self.crash(power);
            }
        }
        let was_members = self.clients[number].step(&mut self.stage);
        self.steps_left = self.steps_left.saturating_sub(usize::from(was_members));
        self.tries_left = self.tries_left.saturating_sub(1);
        if (self.steps_left == 0 || self.tries_left == 0) && self.calm_since.is_none() {
            self.calm();
        }
        if was_members && self.calm_since.is_none() {
            self.chaos();
        }
        let least = if was_members && self.calm_since.is_none() { 1_000 } else { AWAY };
        let is_back_soon = self.clients[number].socket().is_none()
            && self.rng.chance(if self.calm_since.is_some() { 700 } else { 300 });
        let least = if is_back_soon { MS } else { least };
        let delay = self.rng.magnitude(least, self.stage.plan.think.max(2 * least));
        self.stage.kernel.borrow_mut().push_after(delay, Event::Client(number));
        if self.calm_since.is_some() {
            self.expect_progress();
        }
    }

    /// The server crashes, or ends because its log can't go on; perhaps with the machine.
    fn crash(&mut self, power: bool) {
        if !self.machine.is_running() {
            return;
        }
        self.compare();
        self.stage.say(|| format!("the server crashes{}", if power { ", and the power is cut" } else { "" }));
        self.figures.entries += self.stage.version() as u64;
        self.machine.crash(power);
        self.figures.crashes += 1;
        let down = self.rng.magnitude(MS, 3 * SECOND);
        self.stage.kernel.borrow_mut().push_after(down, Event::Start);
    }

    fn start(&mut self) {
        self.stage.say(|| "the server starts".to_owned());
        self.machine.start(&self.stage.plan);
        self.compare();
    }

    /// From now on nothing goes wrong.
    fn calm(&mut self) {
        self.stage.say(|| "all is calm".to_owned());
        self.calm_since = Some(self.stage.now());
        self.stage.is_calm = true;
        self.stage.plan.calm();
        self.machine.fill_log(0);
        self.machine.slow_log(0);
        self.machine.mend_log();
        self.machine.files().fill_up_after(None);
        self.machine.files().fail_syncs(0);
        self.stage.kernel.borrow_mut().soothe(Plan::gentle());
        let count = std::mem::take(&mut self.hogged);
        self.stage.kernel.borrow_mut().give_descriptors(count);
        for client in &mut self.clients {
            client.is_deaf = false;
            client.look(&mut self.stage);
        }
    }

    fn is_over(&self) -> bool {
        self.calm_since.is_some()
            && self.machine.is_running()
            && self.clients.iter().all(|client| client.is_content(&self.stage))
            // Who has vanished is not online any more.
            && self.stage.oracle.borrow().state().online.len() == self.clients.len()
    }

    /// Once all is calm nothing waits for long.
    fn expect_progress(&self) {
        let (Some(since), now) = (self.calm_since, self.stage.now()) else { return };
        for client in &self.clients {
            if let Some((at, asked)) = client.waits_since()
                && now > at.max(since) + ANSWER_MAX
            {
                self.stage.fail(format!("client {} waits for {asked} for 120 s", client.number));
            }
        }
        if now > since + CALM_MAX {
            let who = self.clients.iter().find(|client| !client.is_content(&self.stage));
            let who = who.map_or_else(
                || "somebody who is gone is online".to_owned(),
                |client| client.describe(&self.stage),
            );
            self.stage.fail(format!("it does not come to an end: {who}"));
        }
    }

    fn compare(&self) {
        if let Some(forum) = self.machine.forum() {
            let compared = compare(forum, self.stage.oracle.borrow().state());
            if let Err(what) = compared {
                self.stage.fail(what);
            }
        }
    }

    /// What has happened, the hash of it, what was wrong, and all lines of it.
    pub(crate) fn end(mut self) -> (Figures, u64, Option<String>, Vec<String>) {
        self.figures.faults = self.stage.faults;
        self.figures.virtual_ms = self.stage.now() / MS;
        self.figures.entries += self.stage.version() as u64;
        self.figures.connections = self.stage.kernel.borrow().sockets() as u64;
        let failure = self.stage.oracle.borrow().failure().map(str::to_owned);
        let hash = self.stage.trace.hash();
        (self.figures, hash, failure, self.stage.trace.into_lines())
    }
}

/// Entries by which a user founds so many threads.
fn founding(name: &str, password: &str, threads: usize, at_ms: u64) -> Vec<Vec<u8>> {
    let name = UserName::parse(name).expect("a name that can be one");
    let password = Password::parse(password).expect("a password that can be one");
    let account = Change::CreateAccount { name, hash: hash(&password) };
    let titles =
        (0..threads).map(|number| Title::parse(&format!("x{number}")).expect("a title that can be one"));
    let created = titles.map(|title| (Some(AccountId(0)), Change::CreateThread { title }));
    let changes = std::iter::once((None, account)).chain(created);
    changes
        .map(|(actor, change)| {
            let mut bytes = Vec::new();
            Entry { at_ms, actor, key: None, change }.encode(&mut bytes);
            bytes
        })
        .collect()
}

/// What an event is, for the hash.
fn discriminant(event: Event) -> u64 {
    match event {
        Event::Knock(socket) => 10 + (socket as u64) * 64,
        Event::Arrive(socket, end, count) => 11 + end as u64 + (socket as u64) * 64 + ((count as u64) << 32),
        Event::Fin(socket, end) => 13 + end as u64 + (socket as u64) * 64,
        Event::Reset(socket, end) => 15 + end as u64 + (socket as u64) * 64,
        Event::UserTimeout(socket) => 17 + (socket as u64) * 64,
        Event::Client(number) => 18 + (number as u64) * 64,
        Event::Resume(number) => 19 + (number as u64) * 64,
        Event::Commit => 20,
        Event::Sync => 24,
        Event::Files => 21,
        Event::Hash => 22,
        Event::Poll => 23,
        Event::Start => 25,
        Event::Release => 26,
    }
}
