//! Answers that take longer than a turn, a portion at a time as the socket drains: lists, and the messages that waited
//! for a log-in. Here is also which list may begin, and what ends it.

use forum_common::wire::Reply;

use crate::core::Core;
use crate::core::listing::Listing;
use crate::core::outbox::QUEUED_BYTES_LOW;
use crate::journal::Journal;
use crate::planted::{Bug, planted};
use crate::session::{ConnectionId, Task, Wait};

impl<J: Journal> Core<J> {
    /// Starts a request whose answer takes longer; it goes on with the connection's turns.
    pub(crate) fn begin(&mut self, id: ConnectionId, task: Task) {
        if let Some(member) = self.sessions.member_mut(id) {
            member.task = task;
        }
        self.continue_task(id);
    }

    /// Makes the next portion of a long answer, as much as the socket's queue may hold.
    pub(crate) fn continue_task(&mut self, id: ConnectionId) {
        let Some(member) = self.sessions.member_mut(id) else { return };
        let mut task = std::mem::replace(&mut member.task, Task::Idle);
        let is_over = self.advance(id, &mut task);
        match self.sessions.member_mut(id) {
            Some(member) if !is_over => member.task = task,
            _ => self.drop_task(id, task),
        }
    }

    /// Goes on with a task until it is over, which it says, or the socket's queue is full enough.
    fn advance(&mut self, id: ConnectionId, task: &mut Task) -> bool {
        let listing = match task {
            Task::Idle => return true,
            Task::CheckingPassword(..) => return false,
            Task::Backlog(up_to) => return self.deliver_backlog(id, *up_to),
            Task::Listing(listing) => listing,
        };
        if listing.is_copying() {
            listing.copy();
            if listing.is_copying() {
                if !planted(Bug::ConnectionIsNotWokenWhenItsWaitEnds(Wait::Rows)) {
                    self.sessions.go_on(id);
                }
                return false;
            }
        }
        self.listings.moved(id, self.time.now);
        while !self.has_enough_queued(id) {
            let tag = listing.tag;
            let reply = listing.next_reply(&self.forum);
            self.outbox.reply(id, tag, &reply);
            if matches!(reply, Reply::EndOfList { .. }) {
                return true;
            }
        }
        false
    }

    pub(crate) fn has_enough_queued(&self, id: ConnectionId) -> bool {
        self.sessions.get(id).is_none() || self.outbox.queued(id) >= QUEUED_BYTES_LOW
    }

    /// Whether a connection's list may begin; if not, it waits for its turn.
    pub(crate) fn may_list(&mut self, id: ConnectionId, listing: &Listing) -> bool {
        let may_list = self.listings.ask(id, listing.pinned(), self.time.now);
        self.admit_listings();
        may_list
    }

    /// A connection lists nothing any more, and waits for nothing to list.
    pub(crate) fn end_listing(&mut self, id: ConnectionId) {
        self.listings.end(id);
        self.admit_listings();
    }

    fn admit_listings(&mut self) {
        while let Some(next) = self.listings.admit_next(self.time.now) {
            self.wait_ended(next, Wait::Listing);
        }
    }

    /// Cuts off who keeps others waiting and does not read.
    pub(crate) fn expire_listings(&mut self) {
        for id in self.listings.too_slow(self.time.now) {
            self.cut_off(id);
        }
    }
}
