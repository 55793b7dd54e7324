//! Connections that fail and are made again, and requests that nobody answers.

use super::{Engine, nanoseconds};
use crate::args::Scenario;
use crate::connection::{Connection, Phase, Role};
use crate::kinds::{Asked, EXPIRED};

/// A connection that could not be made again is tried again so much later.
const RETRY_NS: u64 = 100_000_000;
/// How often it is looked for requests that have had no answer for too long.
const EXPIRY_LOOK_NS: u64 = 10_000_000;

impl Engine<'_> {
    /// Closes connection `key`, which has failed, or was ended by the server. What was on its way there is lost.
    pub(super) fn lose(&mut self, key: usize, why: &str) {
        self.output.clear();
        let now = self.now_ns();
        let connection = &mut self.connections[key];
        let before = connection.phase;
        if before == Phase::Gone {
            return;
        }
        connection.close();
        if matches!(before, Phase::Entering(_)) {
            self.entering -= 1;
            if connection.is_remade {
                // It was lost before, and counted then.
                self.meter.note(why);
                self.hopeless |= self.workers == 0;
                self.remake.push_back((now + RETRY_NS, key));
                return;
            }
        }
        let mut in_flight = Vec::from(std::mem::take(&mut connection.in_flight));
        in_flight.retain(Asked::is_waiting);
        if let (Role::Listener, Phase::Ready, Some(fan)) = (connection.role, before, &mut self.fan) {
            in_flight = fan.lose(connection.heard).into_iter().map(Asked::at).collect();
        }
        if matches!(before, Phase::Entering(_)) && self.arguments.scenario == Scenario::Connect {
            in_flight.push(Asked::at(connection.begun_ns));
        }
        self.meter.lose(in_flight, now, why);
        self.lost_ns = now;
        if matches!(before, Phase::Entering(_)) {
            return;
        }
        self.ready -= 1;
        self.preparing -= u32::from(matches!(before, Phase::Preparing(_)));
        match connection.role {
            Role::Worker | Role::Listener => self.workers -= 1,
            Role::Speaker | Role::Idle => {}
        }
        if self.is_asking() && self.fan.is_none() {
            self.remake.push_back((now, key));
        }
    }

    /// Makes those connections again whose time has come.
    pub(super) fn remake_connections(&mut self, now: u64) {
        while let Some(&(due, key)) = self.remake.front() {
            if due > now || !self.is_asking() {
                return;
            }
            self.remake.pop_front();
            let Connection { number, role, .. } = self.connections[key];
            if let Err(error) = self.begin(key, number, role, now) {
                self.meter.note(&error.to_string());
                self.hopeless |= self.workers == 0;
                self.remake.push_back((now + RETRY_NS, key));
            }
        }
    }

    /// Gives up on requests that have had no answer for `--timeout`. Their answers may come, and are passed over.
    pub(super) fn expire(&mut self, now: u64) {
        let Some(timeout) = self.arguments.timeout.map(nanoseconds) else { return };
        if now < self.expiry_look_ns {
            return;
        }
        self.expiry_look_ns = now + EXPIRY_LOOK_NS.min(timeout);
        for connection in &mut self.connections {
            if connection.phase != Phase::Ready {
                continue;
            }
            let waiting = connection.in_flight.iter_mut().filter(|asked| asked.is_waiting());
            for asked in waiting.take_while(|asked| asked.due_ns.saturating_add(timeout) <= now) {
                self.meter.time_out(*asked, now);
                asked.due_ns = EXPIRED;
            }
        }
    }
}
