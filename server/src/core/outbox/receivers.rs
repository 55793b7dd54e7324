//! Who is written to for the feed, and who reads too slowly.

use std::collections::BTreeSet;
use std::time::Instant;

use super::output::Stage;
use super::{Outbox, alive};
use crate::core::feed::{Listener, NEVER, Position};
use crate::forum::AccountId;
use crate::planted::{Bug, planted};
use crate::session::ConnectionId;

impl Outbox {
    /// Whether somebody is to be written to for the feed at `now`.
    pub(crate) fn is_sweep_due(&self, now: Instant) -> bool {
        self.sweep.is_due(&self.feed, now)
    }

    /// When somebody is to be, as long as nothing is said.
    pub(crate) fn next_sweep(&self) -> Option<Instant> {
        self.sweep.presence_due(&self.feed)
    }

    /// The next who is to be written to for the feed; none if nobody is, `now`.
    pub(crate) fn next_receiver(&mut self, now: Instant) -> Option<ConnectionId> {
        self.sweep.next(&self.feed, now, false)
    }

    /// Whether anything may be past its limit: without that, nobody need be looked for.
    pub(crate) fn may_exceed(&self) -> bool {
        !self.suspects.is_empty()
            || self.lagging.iter().any(|lagging| !lagging.is_empty())
            || self.feed.held_bytes() > self.notice_bytes_max / 2
            || self.is_overfull()
    }

    /// So much of the feed was written to nobody yet that it is to be written to all who take it, now: it is our own
    /// pacing that keeps it, and that cuts nobody off. Names them one by one.
    pub(crate) fn next_overdue(&mut self, now: Instant) -> Option<ConnectionId> {
        let most = self.notice_bytes_max / 2;
        if self.feed.held_bytes() <= most {
            return None;
        }
        let (presence, said) = self.sweep.floors();
        let at = said.min(self.feed.head());
        let unswept = Listener { account: AccountId(0), at, presence_from: presence };
        if self.feed.lag(unswept) <= most {
            return None;
        }
        self.sweep.next(&self.feed, now, true)
    }

    /// Those who were named since were written to, from `begun` to `ended`.
    pub(crate) fn swept(&mut self, begun: Instant, ended: Instant) {
        self.sweep.took(begun, ended);
    }

    /// What of the feed is held for somebody.
    #[cfg(test)]
    pub(crate) fn feed_bytes(&self) -> usize {
        self.feed.held_bytes()
    }

    /// Frees what nobody needs of the feed.
    pub(crate) fn free_feed(&mut self) {
        let first =
            |lagging: &BTreeSet<(Position, ConnectionId)>| lagging.first().map_or(NEVER, |(at, _)| *at);
        let (presence, said) = self.sweep.floors();
        let [said_lag, presence_lag] = self.lagging.each_ref().map(first);
        let presence = presence.min(presence_lag);
        if planted(Bug::FeedIsNotFreed) {
            return;
        }
        self.feed.free_before(presence, said.min(said_lag).min(presence_lag));
    }

    /// Somebody who has more unread than a connection may have, whose kernel refused the last write. It is to be
    /// written to once more and, if it still [is too slow](Outbox::is_too_slow), cut off.
    pub(crate) fn next_too_slow(&mut self) -> Option<ConnectionId> {
        while let Some(id) = self.suspects.pop() {
            if self.is_too_slow(id) {
                return Some(id);
            }
        }
        loop {
            let mut furthest = self.lagging.iter().filter_map(|lagging| lagging.first());
            let id = furthest.find(|(_, id)| self.is_too_slow(*id)).map(|(_, id)| *id)?;
            if !self.leave_feed_if_sealed(id) {
                return Some(id);
            }
        }
    }

    /// Somebody whose last word is in is sent nothing of what lies behind that in the feed, so it need not be held: it
    /// takes a copy of what it is still to be sent, and is not too slow. Says whether it is such a one.
    fn leave_feed_if_sealed(&mut self, id: ConnectionId) -> bool {
        let is_sealed = self.output(id).is_some_and(|output| output.stage == Stage::Sealed);
        if is_sealed {
            self.forget_trouble(id);
            let Some(output) = alive(&mut self.outputs, id) else { return false };
            let before = output.queued();
            output.leave_feed(&self.feed, &mut self.pool);
            self.queued += output.queued() - before;
            self.note_trouble(id);
        }
        is_sealed
    }

    /// Whether it has more unread than a connection may have.
    pub(crate) fn is_too_slow(&self, id: ConnectionId) -> bool {
        let most = self.notice_bytes_max;
        self.output(id).is_some_and(|output| output.unasked() > most || (output.lags && self.lag(id) > most))
    }

    /// Whether more waits for single receivers than may.
    pub(crate) fn is_overfull(&self) -> bool {
        self.queued > self.queued_max
    }

    /// Who has most of that, of those whose kernel refused the last write.
    pub(crate) fn heaviest(&self) -> Option<ConnectionId> {
        self.stuck.last().map(|(_, id)| *id)
    }

    /// Drops all that waits for a connection, but for the rest of a frame that is begun. It listens no more.
    pub(crate) fn cut(&mut self, id: ConnectionId) {
        self.leave_roster(id);
        self.forget_trouble(id);
        let Some(output) = alive(&mut self.outputs, id) else { return };
        let before = output.queued();
        output.cut(&self.feed, &mut self.pool);
        self.queued = self.queued - before + output.queued();
        self.want_flush(id);
    }

    /// Notes from where on a connection needs the feed, apart from its roster.
    pub(super) fn note_lag(&mut self, id: ConnectionId) {
        self.forget_lag(id);
        let Some(output) = alive(&mut self.outputs, id) else { return };
        if output.lacks_feed(&self.feed) {
            output.lags = true;
            self.lagging[usize::from(output.hears_presence())].insert((output.at(), id));
        }
    }

    pub(super) fn forget_lag(&mut self, id: ConnectionId) {
        let Some(output) = alive(&mut self.outputs, id) else { return };
        if std::mem::take(&mut output.lags) {
            self.lagging[usize::from(output.hears_presence())].remove(&(output.at(), id));
        }
    }

    /// Its kernel has refused what waits: notes how far it lags, and with how much it is stuck.
    pub(super) fn note_trouble(&mut self, id: ConnectionId) {
        self.forget_trouble(id);
        self.note_lag(id);
        let Some(output) = alive(&mut self.outputs, id) else { return };
        let queued = output.queued();
        if let Some(queue) = output.queue_mut()
            && queued > 0
        {
            queue.stuck_with = queued;
            self.stuck.insert((queued, id));
        }
    }

    pub(super) fn forget_trouble(&mut self, id: ConnectionId) {
        self.forget_lag(id);
        let Some(output) = alive(&mut self.outputs, id) else { return };
        if let Some(queue) = output.queue_mut()
            && queue.stuck_with > 0
        {
            self.stuck.remove(&(std::mem::take(&mut queue.stuck_with), id));
        }
    }
}
