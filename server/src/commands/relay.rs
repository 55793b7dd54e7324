//! What the server passes on for two who can't meet: sealed texts, which are answered, and datagrams, which may be lost.
//! It can read neither. Neither is an entry, and neither may pile up in front of a receiver that reads too slowly.

use forum_common::text::{Answer, Rejection};
use forum_common::wire::{LinkId, Notice, Tag};

use crate::core::Core;
use crate::core::outbox::QUEUED_BYTES_HIGH;
use crate::forum::{AccountId, Purpose, Stage};
use crate::journal::Journal;
use crate::session::ConnectionId;

impl<J: Journal> Core<J> {
    /// `private`, by way of the server.
    pub(crate) fn relay_text(
        &mut self,
        connection: ConnectionId,
        tag: Tag,
        from: AccountId,
        id: LinkId,
        ciphertext: &[u8],
    ) -> Result<(), Rejection> {
        let Some(link) = self.forum.links.of_end(id, from) else { return Err(Rejection::NotPrivate(None)) };
        let to = link.other(from);
        let name = self.forum.name_of(to);
        if link.purpose != Purpose::Private || !matches!(link.stage, Stage::Relayed { .. }) {
            return Err(Rejection::NotPrivate(Some(name.clone())));
        }
        if self.reads_too_slowly(to) {
            return Err(Rejection::PeerTooSlow(name.clone()));
        }
        self.relay_to(to, &Notice::RelayedSealed { link: id, ciphertext });
        self.done(connection, tag, Answer::Sent);
        Ok(())
    }

    /// Passes on a datagram, or loses it, as a router does when a line is busy.
    pub(crate) fn relay_datagram(
        &mut self,
        connection: ConnectionId,
        from: AccountId,
        id: LinkId,
        datagram: &[u8],
    ) {
        let Some(link) = self.forum.links.of_end(id, from) else { return };
        let Stage::Relayed { ended } = link.stage else { return };
        self.note_activity(connection);
        let to = link.other(from);
        if ended != Some(to) && !self.reads_too_slowly(to) {
            self.relay_to(to, &Notice::RelayedDatagram { link: id, datagram });
        }
    }

    fn relay_to(&mut self, to: AccountId, notice: &Notice<'_>) {
        if let Some(connection) = self.connection_of(to) {
            self.outbox.deliver(connection, notice);
        }
    }

    /// Whether so much waits for a user that nothing more is passed on to it.
    pub(crate) fn reads_too_slowly(&self, account: AccountId) -> bool {
        self.connection_of(account).is_none_or(|id| self.outbox.unread(id) >= QUEUED_BYTES_HIGH)
    }
}
