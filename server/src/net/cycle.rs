//! What the loop does between two polls, whatever polls: lets newcomers in, gives the server its turn, and says how long
//! the next poll may wait. It knows neither mio nor signals, so a simulation goes round in it as the event loop does.

use std::io;
use std::time::Duration;

use super::listener::{Door, Listener};
use super::turn::Server;
use crate::clock::Clock;
use crate::journal::Journal;
use crate::session::ConnectionId;

/// Connections accepted in one turn: a rush of newcomers must not starve those who are in.
const ACCEPT_SHARE: usize = 256;
/// Looks with timeout 0 for more entries before a batch goes to the journal anyway.
const LOOKS_MAX: u32 = 5;

/// Where the loop stands.
pub struct Cycle<D: Door> {
    /// Who is let in.
    pub listener: Listener<D>,
    /// Entries wait for nothing but quiet.
    gathered: bool,
    /// How often it was looked for that in a row.
    looks: u32,
}

impl<D: Door> Default for Cycle<D> {
    fn default() -> Self {
        // Whatever was proposed before the first turn goes to the journal at once.
        Self { listener: Listener::default(), gathered: true, looks: 0 }
    }
}

impl<D: Door> Cycle<D> {
    /// Goes round again after something was done outside of it: what was proposed there goes to the journal at once.
    pub fn resume(&mut self) {
        (self.gathered, self.looks) = (true, 0);
    }

    /// How long the next poll may wait; none = as long as it likes.
    pub fn may_wait<J: Journal, C: Clock>(&self, server: &Server<D::Stream, J, C>) -> Option<Duration> {
        let now = server.now();
        if self.gathered || self.listener.may_accept(server.connections(), now) {
            return Some(Duration::ZERO);
        }
        [server.idle_for(), self.listener.pause_left(now)].into_iter().flatten().min()
    }

    /// Lets newcomers in and gives the server its turn, after a poll that was `quiet` if it brought nothing. `register`
    /// has the poll watch a newcomer.
    pub fn turn<J: Journal, C: Clock>(
        &mut self,
        server: &mut Server<D::Stream, J, C>,
        quiet: bool,
        register: impl Fn(&mut D::Stream, ConnectionId) -> io::Result<()>,
    ) {
        self.accept(server, register);
        self.looks = if self.gathered { self.looks + 1 } else { 0 };
        self.gathered = server.turn(quiet || self.looks >= LOOKS_MAX);
    }

    /// Lets newcomers in, a share of them a turn.
    fn accept<J: Journal, C: Clock>(
        &mut self,
        server: &mut Server<D::Stream, J, C>,
        register: impl Fn(&mut D::Stream, ConnectionId) -> io::Result<()>,
    ) {
        if !server.is_accepting() {
            self.listener.close();
        }
        for _ in 0..ACCEPT_SHARE {
            let now = server.now();
            let Some((stream, address)) = self.listener.accept(server.connections(), now) else { return };
            let Some(id) = server.admit(stream, address) else { continue };
            if let Some(stream) = server.stream_mut(id)
                && let Err(error) = register(stream, id)
            {
                server.break_down(id, &error);
            }
        }
    }
}
