//! What a connection does when something has come for it: it hears, and asks again.

use super::{Asking, Engine, IN_FLIGHT_MAX};
use crate::args::Scenario;
use crate::connection::{Phase, Role};
use crate::dialect::{Event, Identity};
use crate::work::{TAG, user_name};

use forum_common::request::Request;

impl Engine<'_> {
    /// Reads what has come for connection `key`, and sends what is to be said to it.
    pub(super) fn serve(&mut self, key: usize, writable: bool, ends: bool) {
        self.output.clear();
        if writable && self.connections[key].phase == Phase::Entering(0) && !ends {
            self.enter(key);
        }
        loop {
            let (count, more) = match self.connections[key].read(&mut self.input) {
                Ok(Some(read)) => read,
                Ok(None) => break,
                Err(error) => return self.lose(key, &error.to_string()),
            };
            let now = self.now_ns();
            if let Err(text) = self.hear(key, count, now) {
                return self.lose(key, &text);
            }
            self.ask(key, now);
            if !more && !ends {
                break;
            }
        }
        if writable || !self.output.is_empty() {
            self.flush(key);
        }
    }

    /// Hears the first `count` bytes of the input.
    fn hear(&mut self, key: usize, count: usize, now: u64) -> Result<(), String> {
        let protocol = self.arguments.protocol;
        let connect = self.arguments.scenario == Scenario::Connect;
        let Self { connections, meter, work, output, fan, arguments, .. } = self;
        let connection = &mut connections[key];
        let mut closing = None;
        let mut entered = false;
        let mut prepared = false;
        let used = protocol.scan(&self.input[..count], |event| match (event, connection.phase) {
            (Event::Answer(_), Phase::Ready) => {
                if let Some(due) = connection.in_flight.pop_front() {
                    meter.record(due, now);
                }
            }
            (Event::Answer(_), Phase::Entering(0 | 1)) => {
                connection.phase = Phase::Ready;
                entered = true;
                if connect {
                    meter.record(connection.begun_ns, now);
                }
            }
            (Event::Answer(_), Phase::Entering(answers)) => connection.phase = Phase::Entering(answers - 1),
            (Event::Answer(text) | Event::Refused(text), Phase::Preparing(answers)) => {
                work.learn(connection.number, text);
                prepared = answers == 1;
                connection.phase = if prepared { Phase::Ready } else { Phase::Preparing(answers - 1) };
            }
            (Event::Refused(text), Phase::Ready) => {
                meter.refuse(connection.in_flight.pop_front().unwrap_or(now), text);
            }
            (Event::Refused(text) | Event::Closing(text), _) => {
                closing = Some(String::from_utf8_lossy(text).into_owned());
            }
            (Event::Delivery, _) => match fan {
                Some(fan) if connection.role == Role::Listener => {
                    if let Some(due) = fan.deliver(&mut connection.heard) {
                        meter.record(due, now);
                    }
                }
                _ => meter.deliveries += 1,
            },
            (Event::Mail(number), _) => {
                meter.deliveries += 1;
                connection.mail = Some(number);
            }
            (Event::PasswordWanted(known), _) => {
                let name = user_name(&arguments.user_prefix, connection.number);
                let who = Identity { name: &name, password: &arguments.password, role: connection.role };
                protocol.prove(who, known, output);
            }
            (Event::Probe, _) => protocol.live(output),
            (Event::Answer(_), Phase::Gone) => {}
        })?;
        connection.keep(&self.input[used..count]);
        if let Some(up_to) = connection.mail.take() {
            Request::Taken { up_to }.encode(TAG, output);
        }
        self.preparing -= u32::from(prepared);
        if entered {
            self.count_in(key);
        }
        closing.map_or(Ok(()), Err)
    }

    /// A connection that needs no answer is ready as soon as it is made.
    fn enter(&mut self, key: usize) {
        if let Some(error) = self.connections[key].error() {
            return self.lose(key, &error.to_string());
        }
        self.connections[key].phase = Phase::Ready;
        self.count_in(key);
    }

    fn count_in(&mut self, key: usize) {
        self.entering -= 1;
        self.ready += 1;
        self.workers += usize::from(matches!(self.connections[key].role, Role::Worker | Role::Listener));
    }

    /// Appends to the output what connection `key` may send now.
    pub(super) fn ask(&mut self, key: usize, now: u64) {
        let connection = &mut self.connections[key];
        if connection.role != Role::Worker || connection.phase != Phase::Ready {
            return;
        }
        while connection.in_flight.len() < IN_FLIGHT_MAX {
            let Some(due) = connection.waiting.pop_front() else { break };
            connection.in_flight.push_back(due);
            self.work.append(connection.number, &mut self.output);
        }
        if matches!(self.asking, Asking::Closed) {
            while connection.in_flight.len() < self.arguments.pipeline as usize && self.left > 0 {
                self.left -= 1;
                connection.in_flight.push_back(now);
                self.work.append(connection.number, &mut self.output);
            }
        }
    }

    /// Sends the output to connection `key`.
    pub(super) fn flush(&mut self, key: usize) {
        let sent = self.connections[key].write(&self.output);
        self.output.clear();
        if let Err(error) = sent {
            self.lose(key, &error.to_string());
        }
    }

    /// Makes the requests whose time has come.
    pub(super) fn ask_what_is_due(&mut self, now: u64) {
        if self.fan.is_some() {
            return self.speak(now);
        }
        while let Asking::Open { schedule, next } = &mut self.asking {
            if self.left == 0 {
                return;
            }
            let Some(due) = schedule.take(now) else { return };
            let workers = self.arguments.connections as usize;
            let Some(key) = (0..workers)
                .map(|step| (*next + step) % workers)
                .find(|&key| self.connections[key].phase == Phase::Ready)
            else {
                return;
            };
            *next = key + 1;
            self.left -= 1;
            self.connections[key].waiting.push_back(due);
            self.ask(key, now);
            if !self.output.is_empty() {
                self.flush(key);
            }
        }
    }

    /// Lets the speaker send its next burst: when it is due, or when all has arrived.
    fn speak(&mut self, now: u64) {
        let speaker = self.arguments.connections as usize;
        let listeners = self.workers as u64;
        loop {
            let Some(fan) = &mut self.fan else { return };
            if !fan.has_room(listeners) || self.connections[speaker].phase != Phase::Ready {
                return;
            }
            if self.arguments.count.is_some_and(|count| self.meter.is_running() && fan.measured >= count) {
                return;
            }
            let due = match &mut self.asking {
                Asking::Closed if fan.outstanding == 0 => Some(now),
                Asking::Open { schedule, .. } => schedule.take(now),
                Asking::Closed | Asking::Not => None,
            };
            let Some(due) = due else { return };
            for _ in 0..fan.burst {
                fan.publish(due, listeners);
                self.work.append(self.first + speaker as u32, &mut self.output);
            }
            if self.meter.is_running() {
                fan.measured += u64::from(fan.burst) * listeners;
            }
            self.flush(speaker);
        }
    }

    /// Closes connection `key`, which has failed, or was ended by the server.
    pub(super) fn lose(&mut self, key: usize, why: &str) {
        self.output.clear();
        let connection = &mut self.connections[key];
        let before = connection.phase;
        if before == Phase::Gone {
            return;
        }
        connection.close();
        for due in connection.in_flight.drain(..).chain(connection.waiting.drain(..)) {
            self.meter.miss(due);
        }
        self.meter.lose(why);
        if matches!(before, Phase::Entering(_)) {
            self.entering -= 1;
            return;
        }
        self.ready -= 1;
        self.preparing -= u32::from(matches!(before, Phase::Preparing(_)));
        match (connection.role, &mut self.fan) {
            (Role::Listener, Some(fan)) => {
                fan.lose(connection.heard);
                self.workers -= 1;
            }
            (Role::Worker, _) => self.workers -= 1,
            // Nobody says anything any more.
            (Role::Speaker, _) => self.workers = 0,
            (Role::Listener | Role::Idle, _) => {}
        }
    }
}
