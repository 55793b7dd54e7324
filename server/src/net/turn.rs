//! The turn: results of the helpers, deadlines, then a share of input for everybody who waits, then one write for
//! everybody who got something, then the dead are buried. Nothing else touches connections: it hands what they
//! received to the core, and writes what the outbox has for them. Each part has its time (`core::budget`), and
//! what is left follows in the next turn.

mod control;
mod handshakes;
mod output;
#[cfg(test)]
mod tests;

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::connection::{PeerEnd, Received, SCRATCH_BYTES, Stream};
use super::connections::Connections;
use crate::clock::{Clock, Start};
use crate::core::budget::Budget;
use crate::core::deadlines::Deadline;
use crate::core::{Core, Time};
use crate::forum::Forum;
use crate::journal::Journal;
use crate::planted::{Bug, planted};
use crate::session::input::Pause;
use crate::session::share::Share;
use crate::session::{Address, ConnectionId, Session};

pub use self::handshakes::TlsService;
pub use crate::core::figures::{Bound, Figure};
pub use crate::core::transfers::TransferKey;
pub use crate::core::{Applied, ENTRY_BYTES_MAX, Helpers, Settings, VisitorLimits, Watch};

/// Connections that are removed in one turn: closing a socket takes some 5 µs.
const REAP_SHARE: usize = 128;

/// The server without its listener: the core and the connections.
pub struct Server<S, J, C> {
    core: Core<J>,
    connections: Connections<S>,
    /// TLS, where it is served.
    tls: Option<TlsService>,
    clock: C,
    /// There was no time for all that the helpers have done.
    results_left: bool,
    /// The one read buffer.
    scratch: Vec<u8>,
}

impl<S: Stream, J: Journal, C: Clock> Server<S, J, C> {
    /// A server for `forum`, which is what the journal has told so far.
    pub fn new(settings: Settings, clock: C, forum: Forum, helpers: Helpers<J>) -> Self {
        let now = clock.now();
        let time = Time { start: Start::new(now), now, now_ms: clock.wall_ms() };
        let connections = Connections::new(settings.reserved_places(), settings.stall_timeout);
        let core = Core::new(settings, time, forum, helpers);
        Self { core, connections, tls: None, clock, results_left: false, scratch: vec![0; SCRATCH_BYTES] }
    }

    /// Takes in a connection that was just accepted, or tells it that the server is full; none when
    /// `TURNED_AWAY_MAX` others are being told so: then it is closed without a word.
    pub fn admit(&mut self, stream: S, address: SocketAddr) -> Option<ConnectionId> {
        // The last turn may be long ago, and this one begins only when all newcomers are in.
        self.read_clock();
        let id = self.core.admit(Address::from(address))?;
        self.connections.insert(id, stream, self.first_layer(), self.core.time.moment());
        Some(id)
    }

    /// The socket of a connection, for registering it with the poll.
    pub fn stream_mut(&mut self, id: ConnectionId) -> Option<&mut S> {
        self.connections.get_mut(id).map(|connection| connection.stream_mut())
    }

    /// The kernel says that a socket is readable, and what it knows of the other end.
    pub fn readable(&mut self, id: ConnectionId, peer_end: PeerEnd) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        connection.mark_readable(peer_end);
        if planted(Bug::FinIsTakenBeforeTheInputBeforeIt) && peer_end == PeerEnd::Finished {
            self.core.input_ended(id);
        }
        let Some(connection) = self.connections.get_mut(id) else { return };
        // Who waits reads nothing, and so would not find out; and what it waits for may end in this turn.
        match self.core.is_waiting(id).then(|| connection.death()).flatten() {
            Some(error) => self.core.lost(id, &error),
            None => self.core.sessions.wake(id),
        }
    }

    /// The kernel says that a socket is writable.
    pub fn writable(&mut self, id: ConnectionId) {
        // Each event of a socket that can be written to says so, whether or not that is news.
        if let Some(connection) = self.connections.get_mut(id)
            && connection.mark_writable()
        {
            self.core.outbox.want_flush(id);
        }
    }

    /// Ends a connection that can't be served.
    pub fn break_down(&mut self, id: ConnectionId, error: &io::Error) {
        self.core.lost(id, error);
    }

    /// What time it is for the server.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// One turn. `quiet` says that the poll before it brought nothing. Returns whether entries were gathered
    /// that go to the journal as soon as it is quiet: the caller should look once more without waiting.
    pub fn turn(&mut self, quiet: bool) -> bool {
        self.read_clock();
        self.take_outcomes();
        self.results_left = false;
        self.take_handshakes();
        self.take_results();
        self.expire();
        self.send_probes();
        self.serve();
        self.bound_output();
        let gathered = self.core.pipeline.end_turn(quiet);
        // What is committed by then is answered in the same turn.
        self.take_outcomes();
        self.core.end_turn();
        self.bound_output();
        self.advance_shutdown();
        self.flush();
        self.sweep();
        self.reap();
        #[cfg(test)]
        self.assert_nobody_is_forgotten();
        gathered
    }

    /// Time stands still during a turn: asking costs as much as a small request does.
    fn read_clock(&mut self) {
        self.core.time = Time { now: self.clock.now(), now_ms: self.clock.wall_ms(), ..self.core.time };
    }

    /// How long the poll may wait for the next event; none = as long as it likes.
    pub fn idle_for(&self) -> Option<Duration> {
        if self.results_left || self.core.is_busy() {
            return Some(Duration::ZERO);
        }
        let next = self.core.next_due()?;
        Some(next.saturating_duration_since(self.clock.now()))
    }

    /// A part of the turn begins.
    fn part(&self) -> Budget {
        Budget::new(self.core.outbox.waiting_for_flush())
    }

    /// Whether a part of the turn, which has done one step more, is over.
    fn is_used_up(&self, budget: &mut Budget) -> bool {
        budget.is_used_up(&self.clock, self.core.outbox.waiting_for_flush())
    }

    /// Applies what the journal has decided on, as much as there is time for.
    fn take_outcomes(&mut self) {
        let mut budget = self.part();
        let mut any = false;
        while self.core.take_outcome() {
            any = true;
            self.bound_output();
            if self.is_used_up(&mut budget) {
                break;
            }
        }
        if any {
            self.core.wake_for_room();
        }
    }

    /// Takes what the hashers and the file workers have done, as much as there is time for.
    fn take_results(&mut self) {
        let mut budget = self.part();
        while self.core.take_result() {
            if self.is_used_up(&mut budget) {
                self.results_left = true;
                break;
            }
        }
    }

    /// Ends what has gone on for too long.
    fn expire(&mut self) {
        let mut budget = self.part();
        while let Some(deadline) = self.core.deadlines.pop_due(self.core.time.now) {
            match deadline {
                Deadline::Stall(id) => self.look_at_stalled(id),
                Deadline::Phase(id) => self.expire_phase(id),
                Deadline::Transfers(id) => self.core.expire_transfers(id),
            }
            if self.is_used_up(&mut budget) {
                break;
            }
        }
        self.core.expire_others();
    }

    /// Ends a session that has been at something for too long, or sets its deadline again.
    fn expire_phase(&mut self, id: ConnectionId) {
        if self.core.sessions.get(id).is_some_and(Session::is_draining) {
            self.end_draining(id);
        } else if self.is_opening(id) {
            self.core.lost(id, &ErrorKind::TimedOut.into());
        } else {
            self.core.expire_phase(id);
        }
    }

    /// Goes on with the end of the server, as far as there is time for it.
    fn advance_shutdown(&mut self) {
        let mut budget = self.part();
        while self.core.advance_shutdown() && !self.is_used_up(&mut budget) {}
    }

    /// Gives those who wait for it one share of a turn, as many as there is time for; those who come again meanwhile
    /// have to wait for the next. Who has just asked for something does not wait for all who have asked for much.
    fn serve(&mut self) {
        let mut budget = self.part();
        let waiting = self.core.sessions.waiting_for_turn();
        let share = Share::among(waiting);
        for _ in 0..waiting {
            let Some(id) = self.core.sessions.next_turn() else { break };
            // Who has gone is gone for the next who is served.
            self.core.take_passed();
            self.core.begin_turn_of(id);
            if let Err(error) = self.take_input(id, share) {
                self.core.lost(id, &error);
            }
            self.bound_output();
            if self.is_used_up(&mut budget) {
                break;
            }
        }
    }

    /// Takes frames that waited, then reads once and takes what came.
    fn take_input(&mut self, id: ConnectionId, share: Share) -> io::Result<()> {
        if self.is_opening(id) && !self.open(id)? {
            return Ok(());
        }
        let Some(connection) = self.connections.get_mut(id) else { return Ok(()) };
        let scratch = &mut self.scratch[..];
        let received = std::mem::take(&mut connection.received);
        let mut filled = received.len();
        scratch[..filled].copy_from_slice(&received);
        drop(received);
        let mut frames = share.frames;
        let ended = connection.input_ended();
        let (mut start, mut pause) = self.core.take_received(id, &scratch[..filled], ended, &mut frames);
        if pause == Pause::Incomplete && connection.is_readable() && self.core.sessions.get(id).is_some() {
            scratch.copy_within(start..filled, 0);
            filled -= start;
            match connection.read(&mut scratch[filled..filled + share.bytes], self.core.time.moment())? {
                Received::Bytes(count) => filled += count,
                Received::Nothing => {}
                Received::End => self.core.note_end_of_input(id),
            }
            let ended = connection.input_ended();
            (start, pause) = self.core.take_received(id, &scratch[..filled], ended, &mut frames);
        }
        self.put_back(id, start..filled, pause)
    }

    /// Keeps what was not taken, and sees to the connection's next turn.
    fn put_back(&mut self, id: ConnectionId, rest: std::ops::Range<usize>, pause: Pause) -> io::Result<()> {
        let Some(connection) = self.connections.get_mut(id) else { return Ok(()) };
        // What is left of input that has ended can't become a frame any more.
        let is_over = pause == Pause::Incomplete && connection.input_ended();
        if !is_over {
            connection.received = self.scratch[rest].into();
        }
        match pause {
            Pause::Incomplete if is_over => self.core.input_ended(id),
            Pause::Incomplete if !connection.is_readable() => self.core.begin_wait_for_input(id),
            Pause::Held(wait) => self.core.begin_wait(id, Some(wait)),
            Pause::Incomplete | Pause::ShareUsed => {
                self.core.sessions.go_on(id);
                return Ok(());
            }
        }
        // Nothing more is read now, so this does not come up by reading.
        match connection.death().filter(|_| self.core.sessions.get(id).is_some()) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Writes what this turn has for everybody who got something of its own: one write each.
    fn flush(&mut self) {
        let list = self.core.outbox.take_flushes();
        for &id in &list {
            self.flush_one(id);
        }
        self.core.outbox.flushed(list);
    }

    /// Removes a share of the dead; their sockets close as they are dropped.
    fn reap(&mut self) {
        for _ in 0..REAP_SHARE {
            let Some(id) = self.core.reap() else { break };
            self.connections.remove(id);
        }
    }
}
