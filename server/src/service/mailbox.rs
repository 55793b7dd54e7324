//! Messages to one user: stored first, then written to the receiver as its socket drains, and kept until its
//! client says that it has them. The mailbox itself is the queue, so nothing piles up in front of a slow
//! receiver.

use forum_common::wire::Notice;

use super::Service;
use super::commit::Origin;
use super::intake::{Fault, Taken};
use crate::clock::Clock;
use crate::connection::Stream;
use crate::forum::{AccountId, Change, MailNumber};
use crate::journal::Journal;
use crate::session::{Delivery, PeerId};

impl<S: Stream, J: Journal, C: Clock> Service<S, J, C> {
    /// What of a mailbox waits when its owner logs in.
    pub(super) fn delivery_at_log_in(&self, account: AccountId) -> Delivery {
        let backlog = self.forum.mail.of(account).map_or(MailNumber(0), |mailbox| mailbox.newest());
        Delivery { backlog, ..Delivery::default() }
    }

    /// Writes the messages that wait, as many as the socket's queue may hold; says whether all that had
    /// waited for the log-in are written.
    pub(super) fn deliver(&mut self, id: PeerId) -> bool {
        let Some(member) = self.peers.get(id).and_then(|peer| peer.session.member()) else { return true };
        let (account, mut delivery) = (member.account, member.mail);
        // What an earlier session took must be gone before anything is written again.
        if delivery.sent == MailNumber(0) && self.taking.contains_key(&account) {
            return false;
        }
        if self.forum.mail.of(account).is_none_or(|mailbox| mailbox.newest() <= delivery.sent) {
            return true;
        }
        self.publish_said();
        while !self.has_enough_queued(id)
            && let Some((number, mail)) =
                self.forum.mail.of(account).and_then(|mailbox| mailbox.first_behind(delivery.sent))
        {
            let notice = Notice::Message {
                number: number.0,
                late: number <= delivery.backlog,
                at_ms: mail.at_ms,
                from: self.forum.name_of(mail.from),
                text: &mail.text,
            };
            self.peers.notify(id, &notice);
            delivery.sent = number;
        }
        let rest = self.forum.mail.of(account).and_then(|mailbox| mailbox.first_behind(delivery.sent));
        let done = rest.is_none_or(|(number, _)| number > delivery.backlog);
        if let Some(member) = self.peers.get_mut(id).and_then(|peer| peer.session.member_mut()) {
            member.mail = delivery;
        }
        done
    }

    /// Whether messages wait that were not written yet.
    pub(super) fn has_mail(&self, id: PeerId) -> bool {
        let Some(member) = self.peers.get(id).and_then(|peer| peer.session.member()) else { return false };
        self.forum.mail.of(member.account).is_some_and(|mailbox| mailbox.newest() > member.mail.sent)
    }

    /// A client says up to which message it has them all; a last time perhaps behind its goodbye.
    pub(super) fn take_ack(&mut self, id: PeerId, up_to: u64) -> Result<Taken, Fault> {
        let Some(peer) = self.peers.get_mut(id) else { return Ok(Taken::Yes) };
        let is_closing = peer.session.is_closing();
        let Some((account, delivery)) = peer.session.delivery_mut() else { return Ok(Taken::Yes) };
        let up_to = MailNumber(up_to);
        if up_to > delivery.sent {
            return Err(Fault(format!("Message {} was acknowledged before it was sent", up_to.0)));
        }
        delivery.taken = delivery.taken.max(up_to);
        // One such entry of a user at a time: what is taken meanwhile goes with the next.
        if is_closing || !self.taking.contains_key(&account) {
            self.propose_taken(id);
        }
        Ok(Taken::Yes)
    }

    /// Proposes what a client has taken and what no entry says yet.
    pub(super) fn propose_taken(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(id) else { return };
        let Some((account, delivery)) = peer.session.delivery_mut() else { return };
        let up_to = delivery.taken;
        if up_to <= delivery.proposed {
            return;
        }
        delivery.proposed = up_to;
        *self.taking.entry(account).or_insert(0) += 1;
        self.propose(Origin::Taken(account), Some(account), Change::TakeMessages { up_to });
    }

    /// Messages that were taken are gone from the log's point of view.
    pub(super) fn taken(&mut self, account: AccountId) {
        if let Some(count) = self.taking.get_mut(&account) {
            *count -= 1;
            if *count > 0 {
                return;
            }
        }
        self.taking.remove(&account);
        if let Some(peer) = self.online.find(account).map(|user| user.peer) {
            self.propose_taken(peer);
            // A log-in may have waited for this with its backlog.
            self.peers.wake(peer);
        }
    }
}
