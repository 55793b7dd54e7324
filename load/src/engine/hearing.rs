//! What a connection does when something has come for it: it hears, and asks again.

use super::fan::Fan;
use super::{Asking, Engine, IN_FLIGHT_MAX, SENT_IN_TURN_MAX};
use crate::args::Scenario;
use crate::connection::{Connection, Phase, Role};
use crate::dialect::{Event, Identity};
use crate::kinds::Asked;
use crate::meter::Meter;
use crate::work::user_name;

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
        let scanned = protocol.scan(&self.input[..count], |event| match (event, connection.phase) {
            (Event::Answer | Event::Room(_), Phase::Ready) => answer(connection, fan, meter, now),
            (Event::Answer | Event::Room(_), Phase::Entering(answers)) => {
                entered = answers <= 1;
                connection.phase = if entered { Phase::Ready } else { Phase::Entering(answers - 1) };
                if entered && connect {
                    meter.answer(Asked::at(connection.begun_ns), now);
                }
            }
            (event @ (Event::Answer | Event::Room(_) | Event::Refused(_)), Phase::Preparing(answers)) => {
                if let Event::Room(room) = event {
                    work.learn(connection.number, room);
                }
                prepared = answers == 1;
                connection.phase = if prepared { Phase::Ready } else { Phase::Preparing(answers - 1) };
            }
            (Event::Refused(text), Phase::Ready) => refuse(connection, fan, meter, now, text),
            (Event::Refused(text) | Event::Closing(text), _) => {
                closing = Some(String::from_utf8_lossy(text).into_owned());
            }
            (Event::Delivery, _) => match fan {
                Some(fan) if connection.role == Role::Listener => {
                    if let Some(due) = fan.deliver(&mut connection.heard) {
                        meter.answer(Asked::at(due), now);
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
                protocol.prove(Identity::new(arguments, &name, connection.role), known, output);
            }
            (Event::Probe, _) => protocol.live(output),
            (Event::Answer | Event::Room(_), Phase::Gone) => {}
        });
        if let Some(up_to) = connection.mail.take() {
            protocol.acknowledge(up_to, output);
        }
        self.preparing -= u32::from(prepared);
        if entered {
            self.count_in(key);
        }
        let used = scanned?;
        self.connections[key].keep(&self.input[used..count]);
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
        let Connection { role, is_remade, .. } = self.connections[key];
        self.workers += usize::from(matches!(role, Role::Worker | Role::Listener));
        if is_remade {
            self.hopeless = false;
            self.meter.remade();
            self.prepare_one(key);
        }
    }

    /// Appends to the output what connection `key` may send now in a closed loop.
    pub(super) fn ask(&mut self, key: usize, now: u64) {
        let connection = &mut self.connections[key];
        let asks = matches!(self.asking, Asking::Closed) && now < self.asks_until;
        if !asks || connection.role != Role::Worker || connection.phase != Phase::Ready {
            return;
        }
        while connection.in_flight.len() < self.arguments.pipeline as usize && self.left > 0 {
            self.left -= 1;
            self.meter.offer(now, 1);
            let kind = self.work.append(connection.number, &mut self.output);
            connection.in_flight.push_back(Asked { due_ns: now, kind });
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

    /// Makes the requests whose time has come. Returns when the next one is to be made, if that is known: not
    /// in a closed loop, nor while too much is on its way.
    pub(super) fn ask_what_is_due(&mut self, now: u64) -> Option<u64> {
        if self.fan.is_some() {
            return self.speak(now);
        }
        for _ in 0..SENT_IN_TURN_MAX {
            let Asking::Open { schedule, next, wait } = &mut self.asking else { return None };
            if self.left == 0 {
                return None;
            }
            if schedule.next_ns() > now {
                return Some(schedule.next_ns());
            }
            let workers = self.arguments.connections as usize;
            let may_ask = |connection: &Connection| {
                connection.phase == Phase::Ready && connection.in_flight.len() < IN_FLIGHT_MAX
            };
            let key = (0..workers)
                .map(|step| (*next + step) % workers)
                .find(|&key| may_ask(&self.connections[key]));
            let Some(key) = key else {
                wait.begin();
                return None;
            };
            let possible = wait.end(now);
            let due = schedule.take(now)?;
            *next = key + 1;
            self.left -= 1;
            self.meter.offer(due, 1);
            let connection = &mut self.connections[key];
            let kind = self.work.append(connection.number, &mut self.output);
            connection.in_flight.push_back(Asked { due_ns: due, kind });
            self.flush(key);
            self.meter.sent(due, self.now_ns().saturating_sub(due.max(possible)));
        }
        Some(now)
    }

    /// Lets the speaker send its next burst: when it is due, or when all has arrived. Returns when the next one
    /// is to be sent, if that is known.
    fn speak(&mut self, now: u64) -> Option<u64> {
        let speaker = self.arguments.connections as usize;
        let listeners = self.workers as u64;
        for _ in 0..SENT_IN_TURN_MAX {
            let fan = self.fan.as_mut()?;
            if !fan.has_room() || self.connections[speaker].phase != Phase::Ready {
                if let Asking::Open { wait, .. } = &mut self.asking {
                    wait.begin();
                }
                return None;
            }
            if self.arguments.count.is_some_and(|count| self.meter.is_running() && fan.measured >= count) {
                return None;
            }
            let (due, possible) = match &mut self.asking {
                Asking::Closed if fan.outstanding == 0 => (now, None),
                Asking::Open { schedule, wait, .. } => match schedule.take(now) {
                    Some(due) => (due, Some(wait.end(now).max(due))),
                    None => return Some(schedule.next_ns()),
                },
                Asking::Closed | Asking::Not => return None,
            };
            for _ in 0..fan.burst {
                fan.publish(due, listeners);
                self.work.append(self.first + speaker as u32, &mut self.output);
            }
            let deliveries = u64::from(fan.burst) * listeners;
            self.meter.offer(due, deliveries);
            if self.meter.is_running() {
                fan.measured += deliveries;
            }
            self.flush(speaker);
            if let Some(possible) = possible {
                self.meter.sent(due, self.now_ns().saturating_sub(possible));
            }
        }
        Some(now)
    }
}

/// The next request of a connection is answered. The speaker's requests don't count: their deliveries do.
fn answer(connection: &mut Connection, fan: &mut Option<Fan>, meter: &mut Meter, now: u64) {
    match (fan, connection.in_flight.pop_front()) {
        (Some(fan), _) if connection.role == Role::Speaker => fan.accept(),
        (_, Some(asked)) if asked.is_waiting() => meter.answer(asked, now),
        (_, _) => {}
    }
}

/// The next request of a connection is refused. With that of the speaker all of its deliveries are.
fn refuse(connection: &mut Connection, fan: &mut Option<Fan>, meter: &mut Meter, now: u64, text: &[u8]) {
    let (asked, requests) = match (fan, connection.in_flight.pop_front()) {
        (Some(fan), _) if connection.role == Role::Speaker => {
            let (due_ns, deliveries) = fan.refuse();
            (Asked::at(due_ns), deliveries)
        }
        (_, Some(asked)) if asked.is_waiting() => (asked, 1),
        (_, _) => return,
    };
    meter.refuse(asked, requests, now, text);
}
