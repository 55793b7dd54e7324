//! How the server ends: nothing new is taken, what is proposed is committed and answered, everybody hears
//! goodbye once and gets some seconds to close.

use forum_common::wire::Closing;
use log::info;

use super::deadlines::Deadline;
use super::{Core, DRAINING};
use crate::journal::Journal;
use crate::session::ConnectionId;

/// What everybody hears.
const GOODBYE: &str = "Goodbye. Server shutting down";

/// Where the server stands in its life.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Lifecycle {
    /// Requests are taken.
    Running,
    /// No request is taken any more. Transfers are given up, and when that is done what is in flight is waited for.
    Committing(Round),
    /// Goodbye is said, and then who is still connected has until the deadline of its draining.
    Leaving(Round),
    /// The log can't be written, and nobody knows what of it is on disk.
    Broken(String),
}

/// A walk over all connections in the order of their slots, over as many turns as it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Round {
    /// This slot is the next.
    At(u32),
    /// All have had their turn.
    Over,
}

impl Round {
    /// How it goes on when this connection has had its turn; none: there was none.
    fn after(id: Option<ConnectionId>) -> Self {
        id.map_or(Self::Over, |id| Self::At(id.slot + 1))
    }
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
        self.lifecycle = Lifecycle::Committing(Round::At(0));
    }

    /// Whether new connections are still taken.
    pub(crate) fn is_accepting(&self) -> bool {
        self.lifecycle == Lifecycle::Running
    }

    /// Whether it is all over.
    pub(crate) fn has_ended(&self) -> bool {
        match self.lifecycle {
            Lifecycle::Running | Lifecycle::Committing(_) => false,
            // What clients had taken goes into the log as they leave.
            Lifecycle::Leaving(_) => self.sessions.is_empty() && self.pipeline.is_empty(),
            Lifecycle::Broken(_) => true,
        }
    }

    /// Whether it is over because the log can't go on.
    pub(crate) fn has_broken(&self) -> bool {
        matches!(self.lifecycle, Lifecycle::Broken(_))
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

    /// Whether the server ends, and the next step of that can be taken at once.
    pub(crate) fn is_going_round(&self) -> bool {
        match self.lifecycle {
            Lifecycle::Committing(Round::At(_)) | Lifecycle::Leaving(Round::At(_)) => true,
            Lifecycle::Committing(Round::Over) => self.pipeline.is_empty(),
            Lifecycle::Running | Lifecycle::Leaving(Round::Over) | Lifecycle::Broken(_) => false,
        }
    }

    /// Takes the next step of the end, with one connection; says whether there was one. Goodbye is said once everything
    /// in flight is answered.
    pub(crate) fn advance_shutdown(&mut self) -> bool {
        if !self.is_going_round() {
            return false;
        }
        match self.lifecycle {
            Lifecycle::Committing(Round::At(slot)) => {
                let next = self.sessions.first_from(slot);
                if let Some(id) = next {
                    self.abandon_transfers(id);
                    self.sessions.wake(id);
                }
                self.lifecycle = Lifecycle::Committing(Round::after(next));
            }
            Lifecycle::Leaving(Round::At(slot)) => {
                let next = self.sessions.first_from(slot);
                if let Some(id) = next {
                    self.say_goodbye(id);
                }
                self.lifecycle = Lifecycle::Leaving(Round::after(next));
            }
            _ => self.lifecycle = Lifecycle::Leaving(Round::At(0)),
        }
        true
    }

    fn say_goodbye(&mut self, id: ConnectionId) {
        let due = self.time.now + DRAINING;
        match self.sessions.get_mut(id) {
            Some(session) if session.is_draining() => {
                let due = session.hurry(due);
                self.deadlines.set(Deadline::Phase(id), due);
            }
            _ => self.close(id, Closing::ShuttingDown, GOODBYE),
        }
    }
}
