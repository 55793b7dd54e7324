//! How much memory lists under way may hold together, and who waits for room.
//!
//! A list shows one instant: it pins a version of what it lists, and what is edited or removed meanwhile stays in memory
//! for it. So each list is weighed before it begins. Those of one version share what they pin, and count it once.
//!
//! ```text
//!            no room, or others wait              room
//!  ask ───────────────────────────► waiting ───────────────► admitted
//!   │                                  │                      │    │
//!   │ room, and nobody waits           └─── end ──► ∎ ◄── end ┘    │ asks again, with the weight of now
//!   └──────────────────────────────────────────────────────► admitted
//! ```
//!
//! The line is first come, first served. While it isn't empty, a list without progress for [`STALL_TIMEOUT`] is too slow.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use super::figures::Figure;
use crate::forum::ThreadId;
use crate::planted::{Bug, planted};
use crate::session::ConnectionId;

/// How long a list may stand still while others wait.
pub(crate) const STALL_TIMEOUT: Duration = Duration::from_secs(30);

/// What a list pins that neither counts nor waits: a connection's output may hold as much anyway.
pub(crate) const FREE_BYTES: usize = 64 * 1024;

/// One version of a thread: which, and how often its messages had been edited and deleted.
pub(crate) type Version = (ThreadId, u64);

/// What a list keeps in memory though it may be gone from the forum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pinned {
    /// Bytes that no other list shares.
    pub own: usize,
    /// A version, and its bytes, that all lists of it share.
    pub shared: Option<(Version, usize)>,
}

impl Pinned {
    /// What only this list has.
    pub fn own(own: usize) -> Self {
        Self { own, shared: None }
    }

    fn bytes(&self) -> usize {
        self.own + self.shared.map_or(0, |(_, bytes)| bytes)
    }
}

/// Lists under way, and those that wait.
#[derive(Debug)]
pub(crate) struct Listings {
    bytes_max: usize,
    /// What the admitted pin together.
    bytes: usize,
    /// The versions that they share: how many lists have each, and its bytes.
    versions: HashMap<Version, (usize, usize)>,
    places: HashMap<ConnectionId, Place>,
    /// Those who wait, by the number each has drawn.
    line: BTreeMap<u64, ConnectionId>,
    drawn: u64,
    /// When to look for those that stand still; none while nobody waits.
    look_at: Option<Instant>,
}

/// Where a connection's list stands.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// In line, with this number.
    Waiting(u64, Pinned),
    /// It has room, and last went on then.
    Admitted(Pinned, Instant),
}

impl Listings {
    /// None yet. Together they may pin `bytes_max`; a list that pins more runs alone.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            bytes: 0,
            versions: HashMap::new(),
            places: HashMap::new(),
            line: BTreeMap::new(),
            drawn: 0,
            look_at: None,
        }
    }

    /// Whether a connection's list may begin. If not, it stands in line, and is named by [`Listings::admit_next`].
    pub(crate) fn ask(&mut self, id: ConnectionId, pinned: Pinned, now: Instant) -> bool {
        let may_begin = match self.places.get_mut(&id) {
            Some(Place::Waiting(_, before)) => {
                *before = pinned;
                return false;
            }
            // It was its turn, and now it is known what it pins.
            Some(Place::Admitted(..)) => {
                self.end(id);
                true
            }
            None => self.line.is_empty() && self.has_room(pinned),
        };
        if pinned.bytes() <= FREE_BYTES {
            return true;
        }
        if may_begin {
            self.admit(id, pinned, now);
        } else {
            self.drawn += 1;
            self.line.insert(self.drawn, id);
            self.places.insert(id, Place::Waiting(self.drawn, pinned));
            self.look_at.get_or_insert(now + STALL_TIMEOUT);
        }
        may_begin
    }

    /// A connection has no list any more, and waits for none.
    pub(crate) fn end(&mut self, id: ConnectionId) {
        match self.places.remove(&id) {
            None => {}
            Some(Place::Waiting(number, _)) => self.leave_line(number),
            Some(Place::Admitted(pinned, _)) => self.give_back(pinned),
        }
    }

    /// Admits the first in line, if there is room for it.
    pub(crate) fn admit_next(&mut self, now: Instant) -> Option<ConnectionId> {
        let (&number, &id) = self.line.first_key_value()?;
        let Some(&Place::Waiting(_, pinned)) = self.places.get(&id) else { unreachable!("it is in line") };
        if !self.has_room(pinned) {
            return None;
        }
        self.leave_line(number);
        self.admit(id, pinned, now);
        Some(id)
    }

    /// Whether a connection stands in line.
    pub(crate) fn is_waiting(&self, id: ConnectionId) -> bool {
        matches!(self.places.get(&id), Some(Place::Waiting(..)))
    }

    /// Part of a connection's list was taken by its client.
    pub(crate) fn moved(&mut self, id: ConnectionId, now: Instant) {
        if let Some(Place::Admitted(_, moved_at)) = self.places.get_mut(&id) {
            *moved_at = now;
        }
    }

    /// When [`Listings::too_slow`] may find somebody.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.look_at
    }

    /// Connections whose lists keep others waiting and have stood still for too long.
    pub(crate) fn too_slow(&mut self, now: Instant) -> Vec<ConnectionId> {
        if self.look_at.is_none_or(|at| at > now) {
            return Vec::new();
        }
        let mut slow = Vec::new();
        let mut next = now + STALL_TIMEOUT;
        for (&id, place) in &self.places {
            match *place {
                Place::Admitted(_, moved_at) if moved_at + STALL_TIMEOUT <= now => slow.push(id),
                Place::Admitted(_, moved_at) => next = next.min(moved_at + STALL_TIMEOUT),
                Place::Waiting(..) => {}
            }
        }
        self.look_at = Some(next);
        slow
    }

    /// What lists pin, as it is counted and as it is, and how many there are beside `connections`.
    pub(crate) fn figures(&self, connections: usize) -> [Figure; 4] {
        let own = self.places.values().map(|place| match place {
            Place::Admitted(pinned, _) => pinned.own,
            Place::Waiting(..) => 0,
        });
        let shared = self.versions.values().map(|(_, bytes)| *bytes);
        // The one that runs alone, or all of one version, may be larger.
        let admitted = self.places.values().filter(|place| matches!(place, Place::Admitted(..))).count();
        let is_alone = admitted <= 1 || self.versions.len() == 1;
        let bytes_max = if is_alone { usize::MAX } else { self.bytes_max };
        [
            Figure::exactly("bytes that lists pin", self.bytes, own.chain(shared).sum()),
            Figure::at_most("bytes that several lists pin", self.bytes, bytes_max),
            Figure::at_most("lists", self.places.len(), connections),
            Figure::exactly("lists that wait", self.line.len(), self.places.len() - admitted),
        ]
    }

    fn has_room(&self, pinned: Pinned) -> bool {
        let is_there = pinned.shared.is_some_and(|(version, _)| self.versions.contains_key(&version));
        let added = if is_there { pinned.own } else { pinned.bytes() };
        self.bytes == 0 || self.bytes + added <= self.bytes_max
    }

    fn admit(&mut self, id: ConnectionId, pinned: Pinned, now: Instant) {
        self.bytes += pinned.own;
        if let Some((version, bytes)) = pinned.shared {
            let (lists, counted) = self.versions.entry(version).or_default();
            *lists += 1;
            // What was appended since the first of them began is the same for all that begin later.
            let grown = bytes.saturating_sub(*counted);
            *counted += grown;
            self.bytes += grown;
        }
        self.places.insert(id, Place::Admitted(pinned, now));
    }

    fn give_back(&mut self, pinned: Pinned) {
        if planted(Bug::BytesOfAListAreNotGivenBack) {
            return;
        }
        self.bytes -= pinned.own;
        if let Some((version, _)) = pinned.shared
            && let Some((lists, bytes)) = self.versions.get_mut(&version)
        {
            *lists -= 1;
            if *lists == 0 {
                self.bytes -= *bytes;
                self.versions.remove(&version);
            }
        }
    }

    fn leave_line(&mut self, number: u64) {
        self.line.remove(&number);
        if self.line.is_empty() {
            self.look_at = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    fn id(slot: u32) -> ConnectionId {
        ConnectionId { slot, generation: 1 }
    }

    /// A thread of so many MiB that was edited so often.
    fn version(edits: u64, mib: usize) -> Pinned {
        Pinned { own: 0, shared: Some(((ThreadId(1), edits), mib * MIB)) }
    }

    fn admit_all(listings: &mut Listings, now: Instant) -> Vec<u32> {
        std::iter::from_fn(|| listings.admit_next(now)).map(|id| id.slot).collect()
    }

    #[test]
    fn lists_past_the_limit_wait_in_the_order_of_asking() {
        let (mut listings, now) = (Listings::new(10 * MIB), Instant::now());
        let asked: Vec<_> = (0..6).map(|n| listings.ask(id(n), version(n.into(), 4), now)).collect();
        assert_eq!(asked, [true, true, false, false, false, false]);
        assert!(!listings.ask(id(6), Pinned::own(MIB), now), "nobody passes those who wait");
        assert!(admit_all(&mut listings, now).is_empty());
        listings.end(id(1));
        assert_eq!(admit_all(&mut listings, now), [2]);
        assert!(listings.ask(id(2), version(9, 4), now), "it asks again in its turn");
        listings.end(id(4));
        listings.end(id(0));
        assert_eq!(admit_all(&mut listings, now), [3]);
        listings.end(id(2));
        assert_eq!(admit_all(&mut listings, now), [5, 6]);
        (0..7).for_each(|n| listings.end(id(n)));
        assert_eq!((listings.bytes, listings.versions.len(), listings.next_due()), (0, 0, None));
    }

    #[test]
    fn lists_of_one_version_count_what_they_share_once() {
        let (mut listings, now) = (Listings::new(10 * MIB), Instant::now());
        for n in 0..1_000 {
            assert!(listings.ask(id(n), version(0, 4 + n as usize / 500), now));
        }
        assert_eq!(listings.bytes, 5 * MIB, "the thread as it has grown");
        assert!(!listings.ask(id(1_000), version(1, 6), now));
        (0..999).for_each(|n| listings.end(id(n)));
        assert!(admit_all(&mut listings, now).is_empty());
        listings.end(id(999));
        assert_eq!(admit_all(&mut listings, now), [1_000]);
    }

    #[test]
    fn a_list_larger_than_the_limit_runs_alone() {
        let (mut listings, now) = (Listings::new(10 * MIB), Instant::now());
        assert!(listings.ask(id(0), version(0, 1), now));
        assert!(!listings.ask(id(1), version(1, 11), now));
        listings.end(id(0));
        assert_eq!(admit_all(&mut listings, now), [1]);
        assert!(!listings.ask(id(2), version(2, 1), now));
        listings.end(id(1));
        assert_eq!(admit_all(&mut listings, now), [2]);
    }

    #[test]
    fn short_lists_never_wait() {
        let (mut listings, now) = (Listings::new(MIB), Instant::now());
        assert!(listings.ask(id(0), version(0, 1), now));
        assert!(!listings.ask(id(1), version(1, 1), now));
        assert!(listings.ask(id(2), Pinned::own(FREE_BYTES), now));
        assert_eq!(listings.bytes, MIB);
    }

    #[test]
    fn who_stands_still_while_others_wait_is_too_slow() {
        let (mut listings, start) = (Listings::new(8 * MIB), Instant::now());
        assert!(listings.ask(id(0), version(0, 4), start) && listings.ask(id(1), version(1, 4), start));
        let later = start + Duration::from_secs(3_600);
        assert_eq!((listings.next_due(), listings.too_slow(later)), (None, vec![]), "nobody waits");
        assert!(!listings.ask(id(2), version(2, 4), later));
        let moved = later + Duration::from_secs(10);
        listings.moved(id(1), moved);
        assert_eq!(listings.next_due(), Some(later + STALL_TIMEOUT), "they have time from now on");
        assert_eq!(listings.too_slow(later + STALL_TIMEOUT), [id(0)]);
        assert_eq!(listings.next_due(), Some(moved + STALL_TIMEOUT));
        listings.end(id(0));
        assert_eq!(admit_all(&mut listings, later), [2]);
        assert_eq!((listings.next_due(), listings.too_slow(moved + STALL_TIMEOUT)), (None, vec![]));
    }
}
