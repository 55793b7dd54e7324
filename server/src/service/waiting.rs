//! What makes a connection wait, and what wakes it. A connection whose turn is over goes on when its client sends
//! something, or when what it waits for has ended, in whatever phase it is:
//!
//! | it waits for | while | and is woken by |
//! |---|---|---|
//! | [`Wait::Output`] | its queue is long: no request is taken, and lists, messages and downloads pause | `after_flush`, once the queue is short |
//! | [`Wait::Decision`] | a log-in or sign-up is decided | `log_in`, `back_to_name` |
//! | [`Wait::PasswordCheck`] | the password of a `passwd` or an SHT is checked | `take_check` |
//! | [`Wait::OwnEntries`] | what it has asked for is in flight, or as much of it as may be | `answer`, with each entry |
//! | [`Wait::Room`] | all entries in flight are as much as may be | `take_outcomes`, with each commit |
//! | [`Wait::Acknowledgements`] | what an earlier session has taken is in flight: the waiting messages come after it | `taken_is_decided` |
//! | [`Wait::Transfers`] | uploads have come whole, or downloads have credit, and nothing more may be asked for | `transfer_ended` |
//! | [`Wait::Listing`] | lists under way pin as much as they may, or others wait for that too | `end_listing`, once it is its turn |
//! | [`Wait::Rows`] | the rows of its list of threads are copied, a share a turn | `advance`, each turn |
//!
//! The last word wakes it in any case, and so does the kernel. A reason is looked up when the turn of a connection is
//! over, and no sooner: what ends it in the same turn needs no wake-up. In unit tests each turn of the server ends
//! with a look whether somebody is forgotten.

use super::Service;
use crate::clock::Clock;
use crate::connection::{OUTGOING_BYTES_LOW, Stream};
use crate::journal::Journal;
use crate::session::{PeerId, Phase, Task, Wait};

impl<S: Stream, J: Journal, C: Clock> Service<S, J, C> {
    /// What a connection may have waited for has ended, or part of it: wakes it if that is so.
    pub(super) fn wait_ended(&mut self, id: PeerId, wait: Wait) {
        if self.peers.get(id).is_some_and(|peer| peer.session.waits_for == Some(wait)) {
            self.peers.wake(id);
        }
    }

    /// Notes what a connection waits for as its turn is over.
    pub(super) fn begin_wait(&mut self, id: PeerId, wait: Option<Wait>) {
        debug_assert!(wait.is_none_or(|wait| self.still_waits(id, wait)), "{wait:?} is over already");
        if let Some(peer) = self.peers.get_mut(id) {
            peer.session.waits_for = wait;
        }
    }

    /// What keeps a connection's next request from being taken.
    pub(super) fn busy(&self, id: PeerId) -> Option<Wait> {
        match &self.peers.get(id)?.session.phase {
            Phase::Deciding(..) => Some(Wait::Decision),
            Phase::Member(member) => match member.task {
                Task::Idle => None,
                Task::CheckingPassword(_) => Some(Wait::PasswordCheck),
                Task::Backlog if self.waits_for_earlier_session(member) => Some(Wait::Acknowledgements),
                Task::Listing(ref listing) if listing.is_copying() => Some(Wait::Rows),
                Task::Backlog | Task::Listing(_) => Some(Wait::Output),
            },
            _ => None,
        }
    }

    /// What of a connection's requests is not done or not answered yet.
    pub(super) fn unanswered(&self, id: PeerId) -> Option<Wait> {
        let own_entries = || self.unapplied(id).filter(|own| own.entries > 0).map(|_| Wait::OwnEntries);
        self.busy(id).or_else(own_entries).or_else(|| self.has_transfers(id).then_some(Wait::Transfers))
    }

    /// Whether what a connection waits for is still to end.
    fn still_waits(&self, id: PeerId, wait: Wait) -> bool {
        match wait {
            Wait::Output => {
                self.peers.get(id).is_some_and(|peer| peer.connection.outgoing.len() >= OUTGOING_BYTES_LOW)
            }
            Wait::Decision | Wait::PasswordCheck | Wait::Acknowledgements | Wait::Rows => {
                self.busy(id) == Some(wait)
            }
            Wait::Listing => self.listings.is_waiting(id),
            Wait::OwnEntries => self.unapplied(id).is_some_and(|own| own.entries > 0),
            Wait::Room => !self.pending.is_empty(),
            Wait::Transfers => self.has_transfers(id),
        }
    }

    /// Asserts that everybody who has something to do is to have a turn, or will be woken for it.
    #[cfg(test)]
    pub(super) fn assert_nobody_is_forgotten(&self) {
        use forum_common::limits::FRAME_BYTES_MAX;
        use forum_common::wire::frame;
        for id in self.peers.ids() {
            let Some(peer) = self.peers.get(id).filter(|peer| !peer.is_awaiting_turn()) else { continue };
            if let Some(wait) = peer.session.waits_for {
                assert!(self.still_waits(id, wait), "{id:?} waits for {wait:?}, which has ended");
                continue;
            }
            let frame = frame::split(&peer.connection.received, FRAME_BYTES_MAX);
            assert!(!matches!(frame, Ok(Some(_))), "{id:?} has a frame that nobody takes");
            assert!(!peer.connection.is_readable(), "{id:?} has bytes that nobody reads");
            assert_eq!(self.busy(id), None, "{id:?} waits for nothing");
            let is_heard = self.is_accepting() && !peer.session.is_closing();
            assert!(!is_heard || !peer.connection.input_ended(), "{id:?} has said all, and is not closed");
            let has_room = peer.connection.outgoing.len() < OUTGOING_BYTES_LOW;
            assert!(!(has_room && self.has_mail(id)), "{id:?} has messages that nobody sends");
        }
    }
}
