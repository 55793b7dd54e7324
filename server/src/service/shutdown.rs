//! How the server ends: nothing new is taken, what is proposed is committed and answered, everybody hears
//! goodbye once and gets some seconds to close.

use forum_common::wire::Closing;
use log::info;

use super::{FAREWELL, Service};
use crate::clock::Clock;
use crate::connection::Stream;
use crate::journal::Journal;
use crate::links::Links;

/// What everybody hears.
const GOODBYE: &str = "Goodbye. Server shutting down";

/// Where the server stands in its life.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Lifecycle {
    /// Requests are taken.
    Running,
    /// No request is taken any more; what is in flight is waited for.
    Committing,
    /// Goodbye was said; whoever is still connected has until the deadline of its farewell.
    Leaving,
    /// The log can't be written, and nobody knows what of it is on disk.
    Broken(String),
}

impl<S: Stream, J: Journal, C: Clock> Service<S, J, C> {
    /// Begins to end the server.
    pub fn shut_down(&mut self) {
        if self.lifecycle != Lifecycle::Running {
            return;
        }
        info!("shutting down: {} connections, {} changes in flight", self.peers.len(), self.pending.len());
        self.lifecycle = Lifecycle::Committing;
        // The goodbye says it all: nobody is told of the end of links as well.
        self.links = Links::default();
        for id in self.peers.ids() {
            self.abandon_transfers(id);
            self.peers.wake(id);
        }
    }

    /// Whether new connections are still taken.
    pub fn is_accepting(&self) -> bool {
        self.lifecycle == Lifecycle::Running
    }

    /// Whether it is all over.
    pub fn has_ended(&self) -> bool {
        match self.lifecycle {
            Lifecycle::Running | Lifecycle::Committing => false,
            // What clients had taken goes into the log as they leave.
            Lifecycle::Leaving => self.peers.is_empty() && self.pending.is_empty(),
            Lifecycle::Broken(_) => true,
        }
    }

    /// Whether an accepted SHT was what ended it.
    pub fn was_told_to_end(&self) -> bool {
        self.told_to_end
    }

    /// Whether nothing is in flight.
    pub fn is_settled(&self) -> bool {
        self.pending.is_empty()
    }

    /// Gives back the journal, to be closed in order; the other helpers end here.
    ///
    /// # Errors
    /// Why the server could not go on.
    pub fn into_journal(self) -> Result<J, String> {
        match self.lifecycle {
            Lifecycle::Broken(reason) => Err(reason),
            _ => Ok(self.journal),
        }
    }

    /// Says goodbye once everything in flight is answered.
    pub(super) fn advance_shutdown(&mut self) {
        if self.lifecycle != Lifecycle::Committing || !self.pending.is_empty() {
            return;
        }
        self.lifecycle = Lifecycle::Leaving;
        let due = self.now + FAREWELL;
        for id in self.peers.ids() {
            match self.peers.get_mut(id) {
                Some(peer) if peer.session.is_closing() => {
                    peer.session.hurry(due);
                    self.farewells.push(id, due);
                }
                _ => self.close(id, Closing::ShuttingDown, GOODBYE),
            }
        }
    }
}
