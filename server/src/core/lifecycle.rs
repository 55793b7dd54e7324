//! How the server ends: nothing new is taken, what is proposed is committed and answered, everybody hears
//! goodbye once and gets some seconds to close.

use forum_common::wire::Closing;
use log::info;

use super::deadlines::Deadline;
use super::{Core, DRAINING};
use crate::journal::Journal;

/// What everybody hears.
const GOODBYE: &str = "Goodbye. Server shutting down";

/// Where the server stands in its life.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Lifecycle {
    /// Requests are taken.
    Running,
    /// No request is taken any more; what is in flight is waited for.
    Committing,
    /// Goodbye was said; whoever is still connected has until the deadline of its draining.
    Leaving,
    /// The log can't be written, and nobody knows what of it is on disk.
    Broken(String),
}

impl<J: Journal> Core<J> {
    /// Begins to end the server.
    pub(crate) fn shut_down(&mut self) {
        if self.lifecycle != Lifecycle::Running {
            return;
        }
        info!(
            "shutting down: {} connections, {} changes in flight",
            self.sessions.len(),
            self.pipeline.len()
        );
        self.lifecycle = Lifecycle::Committing;
        for id in self.sessions.ids() {
            self.abandon_transfers(id);
            self.sessions.wake(id);
        }
    }

    /// Whether new connections are still taken.
    pub(crate) fn is_accepting(&self) -> bool {
        self.lifecycle == Lifecycle::Running
    }

    /// Whether it is all over.
    pub(crate) fn has_ended(&self) -> bool {
        match self.lifecycle {
            Lifecycle::Running | Lifecycle::Committing => false,
            // What clients had taken goes into the log as they leave.
            Lifecycle::Leaving => self.sessions.is_empty() && self.pipeline.is_empty(),
            Lifecycle::Broken(_) => true,
        }
    }

    /// Whether an accepted SHT was what ended it.
    pub(crate) fn was_told_to_end(&self) -> bool {
        self.told_to_end
    }

    /// Whether nothing is in flight.
    pub(crate) fn is_settled(&self) -> bool {
        self.pipeline.is_empty()
    }

    /// Gives back the journal, to be closed in order; the other helpers end here.
    ///
    /// # Errors
    /// Why the server could not go on.
    pub(crate) fn into_journal(self) -> Result<J, String> {
        match self.lifecycle {
            Lifecycle::Broken(reason) => Err(reason),
            _ => Ok(self.pipeline.into_journal()),
        }
    }

    /// Says goodbye once everything in flight is answered.
    pub(crate) fn advance_shutdown(&mut self) {
        if self.lifecycle != Lifecycle::Committing || !self.pipeline.is_empty() {
            return;
        }
        self.lifecycle = Lifecycle::Leaving;
        let due = self.time.now + DRAINING;
        for id in self.sessions.ids() {
            match self.sessions.get_mut(id) {
                Some(session) if session.is_draining() => {
                    session.hurry(due);
                    self.deadlines.set(Deadline::Draining(id), due);
                }
                _ => self.close(id, Closing::ShuttingDown, GOODBYE),
            }
        }
    }
}
