//! Who hears of whom: comings and goings, and what is told to some.

use forum_common::wire::{Closing, Notice};
use log::warn;

use crate::core::Core;
use crate::forum::{AccountId, Users};
use crate::journal::Journal;
use crate::session::ConnectionId;

impl<J: Journal> Core<J> {
    /// Tells everybody else that a user came.
    pub(crate) fn announce_log_in(&mut self, account: AccountId, hidden_from: &Users) {
        let name = self.forum.name_of(account);
        self.outbox.announce_presence(account, hidden_from.clone(), &Notice::LoggedIn { name });
    }

    /// Tells everybody else that a user went; it is not online any more. When the server ends, all go, and
    /// everybody hears that instead.
    pub(crate) fn announce_log_out(&mut self, account: AccountId, hidden_from: &Users) {
        if !self.is_accepting() {
            return;
        }
        let name = self.forum.name_of(account);
        self.outbox.announce_presence(account, hidden_from.clone(), &Notice::LoggedOut { name });
    }

    /// Tells those of `users` who are online, but `actor` and those excluded.
    pub(crate) fn tell_some(
        &mut self,
        users: &[AccountId],
        actor: AccountId,
        excluded: &Users,
        notice: &Notice<'_>,
    ) {
        for user in users.iter().filter(|user| **user != actor && !excluded.contains(*user)) {
            self.tell_user(*user, notice);
        }
    }

    /// Ends a connection that does not listen. What it was to be told is dropped; what is stored waits for
    /// the next log-in.
    pub(crate) fn cut_off(&mut self, id: ConnectionId) {
        warn!("{} cut off: too slow", self.label(id));
        self.outbox.cut(id);
        // Nothing follows a last word that was said before, though it is dropped with the rest.
        if self.sessions.get(id).is_some_and(|session| !session.is_draining()) {
            self.close(id, Closing::TooSlow, "You have been disconnected: too slow");
        }
    }
}
