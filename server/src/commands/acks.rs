//! Acknowledgements of clients and what follows: messages that they have, and threads that were read. Both become kept
//! entries, one of each user and kind at a time; what comes meanwhile goes with the next. Nobody is answered.

use crate::core::Core;
use crate::core::acks::Of;
use crate::core::pipeline::Origin;
use crate::forum::{AccountId, Change, ItemId, MailNumber, Mark, ThreadId};
use crate::journal::Journal;
use crate::session::input::{ProtocolError, Taken};
use crate::session::{ConnectionId, Wait};

/// Items of a user's own that are looked at to see whether a mark leaves a gap; if there are more, it counts as one.
const GAP_ITEMS_MAX: usize = 1_000;

impl<J: Journal> Core<J> {
    /// A user has read a thread so far, from there on. What is known needs no entry, and neither does a thread that is
    /// gone, nor what leaves a gap.
    pub(crate) fn take_mark(
        &mut self,
        account: AccountId,
        title: &str,
        up_to: u64,
        from: Option<u64>,
    ) -> Result<Taken, ProtocolError> {
        let Some(thread) = self.forum.threads.find(title) else { return Ok(Taken::Yes) };
        if from.is_some_and(|from| self.leaves_gap(account, thread, ItemId(from))) {
            return Ok(Taken::Yes);
        }
        let (of, mark) = (Of::Reading(account), Mark { thread, up_to: ItemId(up_to) });
        let last = self.forum.marks.all_of(account).last();
        let is_known = last.is_some_and(|last| last.thread == thread && last.up_to >= mark.up_to);
        let is_in_flight = self.acks.is_in_flight(of);
        if !is_known || is_in_flight {
            self.acks.note_mark(account, mark);
        }
        if !is_in_flight {
            self.propose_acknowledged(of);
        }
        Ok(Taken::Yes)
    }

    /// Whether others have put something into a thread between what a user has read and this item.
    fn leaves_gap(&self, account: AccountId, id: ThreadId, from: ItemId) -> bool {
        let read = self.forum.marks.of(account, id).unwrap_or_default().max(self.acks.noted(account, id));
        let thread = self.forum.threads.get(id);
        thread.is_some_and(|thread| !thread.has_only_own_between(account, read, from, GAP_ITEMS_MAX))
    }

    /// Proposes what a user's client has acknowledged and no entry says yet.
    fn propose_acknowledged(&mut self, of: Of) {
        match of {
            Of::Mail(account) => {
                if let Some(connection) = self.connection_of(account) {
                    self.propose_taken(connection);
                }
            }
            Of::Reading(account) => {
                let marks = self.acks.take_marks(account);
                if !marks.is_empty() {
                    self.acks.begin(of);
                    self.propose(Origin::Acknowledged(of), Some(account), Change::MarkRead { marks });
                }
            }
        }
    }

    /// What was acknowledged is known to the log.
    pub(crate) fn acknowledged(&mut self, of: Of) {
        if self.acks.end(of) {
            self.propose_acknowledged(of);
            self.wake_after_acknowledgement(of);
        }
    }

    /// The disk had no room for what a user's client has acknowledged. It is proposed again after a while, or with what
    /// is acknowledged next, as long as the connection lives; a later one is sent the messages again, and finds the
    /// threads as new as they were.
    pub(crate) fn acknowledgement_refused(&mut self, of: Of, change: &Change) {
        let (Of::Mail(account) | Of::Reading(account)) = of;
        if let Some(connection) = self.connection_of(account) {
            match change {
                Change::MarkRead { marks } => {
                    let later = self.acks.take_marks(account);
                    marks.iter().chain(&later).for_each(|mark| self.acks.note_mark(account, *mark));
                }
                _ => self.forget_proposed(connection),
            }
            self.acks.try_again(of, self.time.now);
        } else {
            self.acks.take_marks(account);
        }
        if self.acks.end(of) {
            self.wake_after_acknowledgement(of);
        }
    }

    /// What is durable of what was taken may be proposed a second time, which changes nothing.
    fn forget_proposed(&mut self, connection: ConnectionId) {
        let session = self.sessions.get_mut(connection);
        if let Some((_, delivery)) = session.and_then(|session| session.delivery_mut()) {
            delivery.proposed = MailNumber(0);
        }
    }

    fn wake_after_acknowledgement(&mut self, of: Of) {
        let (Of::Mail(account) | Of::Reading(account)) = of;
        if !self.acks.is_in_flight(of)
            && let Some(connection) = self.connection_of(account)
        {
            self.wait_ended(connection, Wait::Acknowledgements);
        }
    }

    /// Whether what a connection's user has read is on its way: lists of what is new come after it.
    pub(crate) fn is_marking(&self, id: ConnectionId) -> bool {
        let member = self.sessions.member(id);
        member.is_some_and(|member| self.acks.is_in_flight(Of::Reading(member.account)))
    }

    /// Proposes once more what there was no room for, one entry for each user and kind.
    pub(crate) fn take_again_if_due(&mut self) {
        for of in self.acks.take_due(self.time.now) {
            let (Of::Mail(account) | Of::Reading(account)) = of;
            if self.connection_of(account).is_none() {
                self.acks.take_marks(account);
            } else if !self.acks.is_in_flight(of) {
                self.propose_acknowledged(of);
            }
        }
    }
}
