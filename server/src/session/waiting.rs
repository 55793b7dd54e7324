//! What makes a connection wait, and what wakes it. A connection whose turn is over goes on when its client sends
//! something, or when what it waits for has ended, in whatever phase it is:
//!
//! | it waits for | while | and is woken by |
//! |---|---|---|
//! | [`Wait::Output`] | its queue is long: no request is taken, and lists, messages and downloads pause | `output_drained`, once the queue is short |
//! | [`Wait::Authentication`] | a log-in or sign-up is decided | `welcome`, `log_in_decided`, `back_to_name` |
//! | [`Wait::PasswordCheck`] | the password of a `passwd` or an SHT is checked | `take_check` |
//! | [`Wait::OwnEntries`] | what it has asked for is in flight, or as much of it as may be | `answer`, with each entry |
//! | [`Wait::Room`] | all entries in flight are as much as may be | `wake_for_room`, when entries have come back |
//! | [`Wait::Acknowledgements`] | what an earlier session has taken is in flight: the waiting messages come after it; or what was read, and a list of what is new | `wake_after_acknowledgement` |
//! | [`Wait::Transfers`] | uploads have come whole, or downloads have credit, and nothing more may be asked for | `transfer_ended` |
//! | [`Wait::Listing`] | lists under way pin as much as they may, or others wait for that too | `end_listing`, once it is its turn |
//! | [`Wait::Rows`] | the rows of its list of threads are copied, a share a turn | `advance`, each turn |
//!
//! The last word wakes it in any case, and so does the kernel. A reason is looked up when the turn of a connection is
//! over, and no sooner: what ends it in the same turn needs no wake-up. In unit tests each turn of the server ends
//! with a look whether somebody is forgotten.

use crate::core::Core;
use crate::core::outbox::QUEUED_BYTES_LOW;
use crate::journal::Journal;
use crate::planted::{Bug, planted};
use crate::session::{ConnectionId, Phase, Task, Wait};

impl<J: Journal> Core<J> {
    /// What a connection may have waited for has ended, or part of it: wakes it if that is so.
    pub(crate) fn wait_ended(&mut self, id: ConnectionId, wait: Wait) {
        if planted(Bug::ConnectionIsNotWokenWhenItsWaitEnds(wait)) {
            return;
        }
        if self.sessions.get(id).is_some_and(|session| session.waits_for == Some(wait)) {
            self.sessions.go_on(id);
        }
    }

    /// Whether a connection waits for something besides its client.
    pub(crate) fn is_waiting(&self, id: ConnectionId) -> bool {
        self.sessions.get(id).is_some_and(|session| session.waits_for.is_some())
    }

    /// All that has come from a client was taken: what it waits for, if not for the client.
    pub(crate) fn begin_wait_for_input(&mut self, id: ConnectionId) {
        if self.is_heard(id) {
            self.begin_wait(id, self.busy(id));
        }
    }

    /// Notes what a connection waits for as its turn is over.
    pub(crate) fn begin_wait(&mut self, id: ConnectionId, wait: Option<Wait>) {
        debug_assert!(wait.is_none_or(|wait| self.still_waits(id, wait)), "{wait:?} is over already");
        if let Some(session) = self.sessions.get_mut(id) {
            session.waits_for = wait;
        }
    }

    /// What keeps a connection's next request from being taken.
    pub(crate) fn busy(&self, id: ConnectionId) -> Option<Wait> {
        match &self.sessions.get(id)?.phase {
            Phase::Authenticating(..) => Some(Wait::Authentication),
            Phase::Member(member) => match member.task {
                Task::Idle => None,
                Task::CheckingPassword(_) => Some(Wait::PasswordCheck),
                Task::Backlog(_) if self.waits_for_earlier_session(member) => Some(Wait::Acknowledgements),
                Task::Listing(ref listing) if listing.is_copying() => Some(Wait::Rows),
                Task::Backlog(_) | Task::Listing(_) => Some(Wait::Output),
            },
            _ => None,
        }
    }

    /// What of a connection's requests is not done or not answered yet.
    pub(crate) fn unanswered(&self, id: ConnectionId) -> Option<Wait> {
        let own_entries = || self.unapplied(id).filter(|own| own.entries > 0).map(|_| Wait::OwnEntries);
        self.busy(id).or_else(own_entries).or_else(|| self.has_transfers(id).then_some(Wait::Transfers))
    }

    /// Whether so little is queued for a connection that what waits for that goes on: of who speaks text, whose next
    /// line comes after the answer, nothing.
    pub(crate) fn is_output_short(&self, id: ConnectionId) -> bool {
        let speaks_text = self.sessions.get(id).is_some_and(|session| session.text.is_some());
        self.outbox.queued(id) < if speaks_text { 1 } else { QUEUED_BYTES_LOW }
    }

    /// Whether what a connection waits for is still to end.
    pub(crate) fn still_waits(&self, id: ConnectionId, wait: Wait) -> bool {
        match wait {
            Wait::Output => self.sessions.get(id).is_some() && !self.is_output_short(id),
            Wait::Authentication | Wait::PasswordCheck | Wait::Rows => self.busy(id) == Some(wait),
            Wait::Acknowledgements => self.busy(id) == Some(wait) || self.is_marking(id),
            Wait::Listing => self.listings.is_waiting(id),
            Wait::OwnEntries => self.unapplied(id).is_some_and(|own| own.entries > 0),
            Wait::Room => !self.pipeline.is_empty(),
            Wait::Transfers => self.has_transfers(id),
        }
    }
}
