//! Who is written to next of those who listen to the feed, and when.
//!
//! Listeners stand in one of two rosters: who listens to both logs, and who listens only to what is said and so costs
//! nothing while others come and go. A round writes to each member of a roster once, in slices of as many turns as it
//! takes. Who stood at least at position *p* when a round began there stands there when it ends, or is known to lag:
//! that is the roster's floor, and no memory before it is needed for anybody in it.
//!
//! ```text
//!   members   [ written to in this round │ still to be written to ]
//!                                        ▲ visited
//! ```

use std::time::{Duration, Instant};

use super::feed::{Feed, NEVER, Position, Topic};
use crate::session::ConnectionId;

/// After a round of comings and goings alone as many times its own length passes until the next, so that they take a
/// tenth of the loop: in a rush of *n* log-ins each of them would else be told to all others at once, n² writes.
const PRESENCE_REST: u32 = 9;

/// Listeners of one kind.
#[derive(Debug, Default)]
pub(super) struct Roster {
    members: Vec<ConnectionId>,
    visited: usize,
    in_round: bool,
    /// The feed's head when the round began.
    begun_at: Position,
    floor: Position,
}

impl Roster {
    /// What all its members have got who are not known to lag.
    pub(super) fn floor(&self) -> Position {
        if self.members.is_empty() { NEVER } else { self.floor }
    }

    /// Takes in who has got all up to the head, or is known to lag. `note_place` is told where members stand now.
    fn insert(&mut self, id: ConnectionId, head: Position, mut note_place: impl FnMut(ConnectionId, usize)) {
        self.floor = self.floor().min(head);
        let last = self.members.len();
        self.members.push(id);
        self.swap(self.visited.min(last), last, &mut note_place);
        self.visited = (self.visited + 1).min(self.members.len());
    }

    fn remove(&mut self, mut place: usize, mut note_place: impl FnMut(ConnectionId, usize)) {
        if place < self.visited {
            self.visited -= 1;
            self.swap(place, self.visited, &mut note_place);
            place = self.visited;
        }
        let last = self.members.len() - 1;
        self.swap(place, last, &mut note_place);
        self.members.pop();
    }

    fn swap(&mut self, a: usize, b: usize, note_place: &mut impl FnMut(ConnectionId, usize)) {
        self.members.swap(a, b);
        note_place(self.members[a], a);
        note_place(self.members[b], b);
    }

    fn begin(&mut self, head: Position) {
        (self.in_round, self.visited, self.begun_at) = (true, 0, head);
    }

    /// The next of the round; none when it is over: then all of them were written to.
    fn next(&mut self) -> Option<ConnectionId> {
        let next = self.members.get(self.visited).copied();
        match next {
            Some(_) => self.visited += 1,
            None => (self.in_round, self.floor) = (false, self.begun_at),
        }
        next
    }
}

/// Why a round is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// Somebody has said something, or so much waits that it may wait no longer.
    AtOnce,
    /// For comings and goings alone: these are measured.
    Spaced,
}

/// Both rosters, and how far their rounds have come.
#[derive(Debug)]
pub(super) struct Sweep {
    /// Of those who listen to both logs.
    both: Roster,
    /// Of those who listen only to what is said.
    said: Roster,
    /// The second roster has its turn.
    said_is_next: bool,
    /// Of the round of the first roster.
    pace: Pace,
    /// What that round has taken so far.
    spent: Duration,
    /// It is over and was spaced: its length is still to be told by [`Sweep::took`].
    is_measured: bool,
    /// When the next spaced round may begin.
    presence_due: Instant,
}

impl Sweep {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            both: Roster::default(),
            said: Roster::default(),
            said_is_next: false,
            pace: Pace::AtOnce,
            spent: Duration::ZERO,
            is_measured: false,
            presence_due: now,
        }
    }

    /// Takes a listener in; with `presence` among those who listen to both logs.
    pub(super) fn insert(
        &mut self,
        presence: bool,
        id: ConnectionId,
        head: Position,
        note_place: impl FnMut(ConnectionId, usize),
    ) {
        self.roster(presence).insert(id, head, note_place);
    }

    pub(super) fn remove(
        &mut self,
        presence: bool,
        place: usize,
        note_place: impl FnMut(ConnectionId, usize),
    ) {
        self.roster(presence).remove(place, note_place);
    }

    fn roster(&mut self, presence: bool) -> &mut Roster {
        if presence { &mut self.both } else { &mut self.said }
    }

    /// From where on presence, and from where on what was said, is needed for those who do not lag.
    pub(super) fn floors(&self) -> (Position, Position) {
        (self.both.floor(), self.both.floor().min(self.said.floor()))
    }

    /// Whether somebody is to be written to at `now`.
    pub(super) fn is_due(&self, feed: &Feed, now: Instant) -> bool {
        self.both.in_round
            || self.said.in_round
            || self.is_said_new(feed)
            || self.presence_due(feed).is_some_and(|due| due <= now)
    }

    /// When the comings and goings that wait are to be told; none if there are none.
    pub(super) fn presence_due(&self, feed: &Feed) -> Option<Instant> {
        let waits = self.both.floor() < feed.end_of(Topic::Presence);
        waits.then_some(self.presence_due)
    }

    fn is_said_new(&self, feed: &Feed) -> bool {
        self.both.floor().min(self.said.floor()) < feed.end_of(Topic::Said)
    }

    /// The next who is to be written to; none if nobody is, `now`. With `hurry` nothing is spaced.
    pub(super) fn next(&mut self, feed: &Feed, now: Instant, hurry: bool) -> Option<ConnectionId> {
        // A roster whose round has ended lets the other one go first: neither can starve it.
        for _ in 0..4 {
            let next = match self.said_is_next {
                true => self.next_of_said(feed),
                false => self.next_of_both(feed, now, hurry),
            };
            if next.is_some() {
                return next;
            }
            self.said_is_next = !self.said_is_next;
        }
        None
    }

    fn next_of_said(&mut self, feed: &Feed) -> Option<ConnectionId> {
        if !self.said.in_round {
            if self.said.floor() >= feed.end_of(Topic::Said) {
                return None;
            }
            self.said.begin(feed.head());
        }
        self.said.next()
    }

    fn next_of_both(&mut self, feed: &Feed, now: Instant, hurry: bool) -> Option<ConnectionId> {
        if !self.both.in_round {
            let floor = self.both.floor();
            let is_new = |topic| floor < feed.end_of(topic);
            self.pace = if is_new(Topic::Said) || (hurry && is_new(Topic::Presence)) {
                Pace::AtOnce
            } else if is_new(Topic::Presence) && self.presence_due <= now && !self.is_measured {
                Pace::Spaced
            } else {
                return None;
            };
            self.both.begin(feed.head());
        }
        let next = self.both.next();
        if next.is_none() && self.pace == Pace::Spaced {
            self.is_measured = true;
        }
        next
    }

    /// Some writes have been made, from `begun` to `ended`.
    pub(super) fn took(&mut self, begun: Instant, ended: Instant) {
        let is_spaced = self.both.in_round && self.pace == Pace::Spaced;
        if is_spaced || self.is_measured {
            self.spent += ended - begun;
        }
        if std::mem::take(&mut self.is_measured) {
            self.presence_due = ended + std::mem::take(&mut self.spent) * PRESENCE_REST;
        }
    }
}
