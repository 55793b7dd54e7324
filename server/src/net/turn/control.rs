//! What starts and ends the server, and what is asked about it from outside.

use forum_common::names::UserName;

use super::Server;
use crate::clock::Clock;
use crate::core::figures::Figure;
use crate::forum::Forum;
use crate::journal::Journal;
use crate::net::connection::Stream;
use crate::workers::passwords::PasswordHash;

impl<S: Stream, J: Journal, C: Clock> Server<S, J, C> {
    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.core.sessions.len()
    }

    /// The forum as it stands.
    pub fn forum(&self) -> &Forum {
        &self.core.forum
    }

    /// Proposes an account that nobody signs up for; it counts once the server is settled again.
    pub fn import_account(&mut self, name: UserName, hash: PasswordHash) {
        self.core.import_account(name, hash);
    }

    /// Begins to end the server.
    pub fn shut_down(&mut self) {
        self.core.shut_down();
    }

    /// Whether new connections are still taken.
    pub fn is_accepting(&self) -> bool {
        self.core.is_accepting()
    }

    /// Whether it is all over.
    pub fn has_ended(&self) -> bool {
        self.core.has_ended()
    }

    /// Whether it has ended because the log can't go on.
    pub fn has_broken(&self) -> bool {
        self.core.has_broken()
    }

    /// Whether an accepted SHT was what ended it.
    pub fn was_told_to_end(&self) -> bool {
        self.core.was_told_to_end()
    }

    /// How many entries are on their way.
    pub fn in_flight(&self) -> usize {
        self.core.pipeline.len()
    }

    /// What is held, beside the limits that it must keep; between two turns.
    pub fn figures(&self) -> Vec<Figure> {
        let mut figures = self.core.figures();
        figures.extend(self.connections.figures(self.core.sessions.len()));
        figures
    }

    /// Whether nothing is in flight.
    pub fn is_settled(&self) -> bool {
        self.core.is_settled()
    }

    /// Gives back the journal, to be closed in order; the other helpers end here.
    ///
    /// # Errors
    /// Why the server could not go on.
    pub fn into_journal(self) -> Result<J, String> {
        self.core.into_journal()
    }
}
