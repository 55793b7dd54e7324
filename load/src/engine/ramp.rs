//! How a run gets its connections, and what they make before it begins.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Interest, Token};
use socket2::{Domain, Protocol, Socket, Type};

use super::asking::Wait;
use super::usage::OwnUse;
use super::{Engine, QUIET, QUIET_EACH, QUIET_WAIT_MAX, STALL_MAX, TURN_MAX, nanoseconds};
use crate::args::{Arguments, Scenario};
use crate::connection::{Connection, Phase, Role};
use crate::dialect::Identity;
use crate::kinds::Asked;
use crate::pacing::Schedule;
use crate::work::user_name;

impl Engine<'_> {
    /// Makes all connections, a limited number at once. Those that fail are counted and not tried again.
    pub(super) fn ramp(&mut self) {
        let connect = self.arguments.scenario == Scenario::Connect;
        let start = self.now_ns();
        let before = OwnUse::now();
        if connect {
            self.look_at_server();
            self.meter.start(start, u64::MAX);
        }
        let mut schedule = self.arguments.pace().filter(|_| connect).map(|pace| Schedule::new(&pace, start));
        let (mut progress, mut wait) = ((0, start), Wait::Free(start));
        loop {
            self.begin_connections(schedule.as_mut(), &mut wait);
            let begun = self.connections.len();
            if self.is_ending() || begun == self.arguments.total() as usize && self.entering == 0 {
                break;
            }
            let now = self.now_ns();
            let finished = begun - self.entering as usize;
            if finished != progress.0 || self.entering == 0 {
                progress = (finished, now);
            } else if now - progress.1 > nanoseconds(STALL_MAX) {
                self.give_up("not logged in in time");
                break;
            }
            self.live.progress(now, "logged in", self.ready.into(), self.arguments.total().into());
            let next = schedule.as_ref().filter(|_| self.entering < self.arguments.at_once);
            let next = next.map(|schedule| schedule.next_ns().saturating_sub(self.now_ns()));
            self.turn(next.map_or(TURN_MAX, Duration::from_nanos));
        }
        let now = self.now_ns();
        self.ramp_ns = now - start;
        if connect {
            self.note_own_use(&before, now - start);
            self.meter.end(now);
            self.settle_log_ins(schedule.as_ref(), now, !wait.is_blocked());
        }
    }

    /// Counts the log-ins that an interrupt has left open, and those that were due before it and not begun.
    fn settle_log_ins(&mut self, schedule: Option<&Schedule>, now: u64, own_fault: bool) {
        for connection in &self.connections {
            if matches!(connection.phase, Phase::Entering(_)) {
                self.meter.give_up(Asked::at(connection.begun_ns), now);
            }
        }
        let mut not_begun = u64::from(self.arguments.total()) - self.connections.len() as u64;
        for (due, log_ins) in schedule.into_iter().flat_map(|schedule| schedule.left_in_spans(now)) {
            let log_ins = log_ins.min(not_begun);
            not_begun -= log_ins;
            self.meter.miss(due, log_ins, now, own_fault);
        }
    }

    pub(super) fn ramp_seconds(&self) -> f64 {
        self.ramp_ns as f64 / 1e9
    }

    fn begin_connections(&mut self, mut schedule: Option<&mut Schedule>, wait: &mut Wait) {
        while self.connections.len() < self.arguments.total() as usize {
            if self.entering >= self.arguments.at_once {
                return wait.begin();
            }
            let now = self.now_ns();
            let possible = wait.end(now);
            let due = match &mut schedule {
                Some(schedule) => match schedule.take(now) {
                    Some(due) => due,
                    None => return,
                },
                None => now,
            };
            let local = self.connections.len() as u32;
            let role = self.role(local);
            // Numbers of the asking ones come first, over all processes; those of the idle ones lie beyond.
            let number = self.first + local;
            let connect = self.arguments.scenario == Scenario::Connect;
            if connect {
                self.meter.offer(due, 1);
            }
            if let Err(error) = self.begin(local as usize, number, role, due) {
                self.meter.lose(connect.then_some(Asked::at(due)), now, &error.to_string());
                self.connections.push(Connection::absent(number, role));
            }
            if schedule.is_some() {
                self.meter.sent(due, self.now_ns().saturating_sub(due.max(possible)));
            }
        }
    }

    fn role(&self, local: u32) -> Role {
        let asks = local < self.arguments.connections;
        match self.arguments.scenario {
            Scenario::Fanout if asks => Role::Listener,
            Scenario::Fanout if local == self.arguments.connections => Role::Speaker,
            _ if asks => Role::Worker,
            _ => Role::Idle,
        }
    }

    /// Begins the connection with this key: a new one, or one in the place of another that was lost.
    pub(super) fn begin(&mut self, key: usize, number: u32, role: Role, due: u64) -> io::Result<()> {
        let mut stream = connect(self.arguments, self.target.address, number)?;
        let token = Token(key);
        self.poll.registry().register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        let mut connection = Connection::new(self.target.line(stream)?, number, role, due);
        let name = user_name(&self.arguments.user_prefix, number);
        let who = Identity::new(self.arguments, &name, role);
        self.output.clear();
        connection.phase = Phase::Entering(self.arguments.protocol.greet(who, &mut self.output));
        connection.write(&self.output)?;
        self.output.clear();
        match self.connections.get_mut(key) {
            Some(place) => {
                connection.is_remade = true;
                *place = connection;
            }
            None => self.connections.push(connection),
        }
        self.entering += 1;
        Ok(())
    }

    /// Everybody makes what the scenario needs, when all are there.
    pub(super) fn prepare(&mut self) {
        for key in 0..self.connections.len() {
            self.output.clear();
            self.prepare_one(key);
            if !self.output.is_empty() {
                self.flush(key);
            }
        }
        let all = u64::from(self.preparing);
        let mut last = self.now_ns();
        while self.preparing > 0 && !self.is_ending() {
            self.live.progress(last, "prepared", all - u64::from(self.preparing), all);
            if self.turn(TURN_MAX) > 0 {
                last = self.now_ns();
            } else if self.now_ns() - last > nanoseconds(STALL_MAX) {
                self.give_up("not prepared in time");
            }
        }
    }

    /// Appends to the output what connection `key` has to ask for before it can do its work.
    pub(super) fn prepare_one(&mut self, key: usize) {
        let connection = &mut self.connections[key];
        if connection.phase != Phase::Ready || connection.role != Role::Worker {
            return;
        }
        let answers = self.work.prepare(connection.number, &mut self.output);
        if answers > 0 {
            connection.phase = Phase::Preparing(answers);
            self.preparing += 1;
        }
    }

    /// Closes all that are not ready.
    fn give_up(&mut self, why: &str) {
        for key in 0..self.connections.len() {
            if !matches!(self.connections[key].phase, Phase::Ready | Phase::Gone) {
                self.lose(key, why);
            }
        }
    }

    pub(super) fn wait_for_quiet(&mut self) {
        let start = self.now_ns();
        let mut last = start;
        let quiet = QUIET + QUIET_EACH * self.arguments.total();
        loop {
            if self.turn(TURN_MAX) > 0 {
                last = self.now_ns();
            }
            let now = self.now_ns();
            if self.is_ending()
                || now - last > nanoseconds(quiet)
                || now - start > nanoseconds(QUIET_WAIT_MAX)
            {
                return;
            }
        }
    }
}

fn connect(arguments: &Arguments, address: SocketAddr, number: u32) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    if let Some(sources) = &arguments.source_ips {
        socket.bind(&sources.address(number).into())?;
    }
    match socket.connect(&address.into()) {
        Err(error) if error.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {
            Err(error)
        }
        _ => Ok(TcpStream::from_std(socket.into())),
    }
}
