//! All sessions: which there are, who of them wants a turn, and who is dead. Slots are freed only at the end of a
//! turn, because the batch at hand may still hold events for the dead.

use std::collections::VecDeque;
use std::net::IpAddr;

use slab::Slab;

use crate::planted::{Bug, planted};
use crate::session::{ConnectionId, Member, Session, Text};

/// Places that a queue of connections keeps while it is empty.
const KEPT_PLACES_MAX: usize = 2_048;

/// All sessions, each under the id of its connection.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    slab: Slab<Slot>,
    /// Slots that have ever been used.
    slots: u32,
    generation: u32,
    /// How many were turned away and are not closed yet.
    turned_away: usize,
    turns: Turns,
    condemned: Vec<ConnectionId>,
}

/// Who has something to read, to take or to make. As `fq_codel` (RFC 8290, section 4.2) does with flows, those who have
/// just asked for something stand apart from those who have asked for more than a turn's share, so that a short
/// request does not wait for a share of each of a thousand long ones. The two queues are served by turns: neither can
/// keep the other from going on.
#[derive(Debug, Default)]
struct Turns {
    /// Whose socket has become readable, in the order of coming.
    fresh: VecDeque<ConnectionId>,
    /// Who has work left from an earlier turn, or has waited for something that has ended.
    unfinished: VecDeque<ConnectionId>,
    /// The last who had a turn was fresh.
    fresh_was_last: bool,
}

impl Turns {
    fn len(&self) -> usize {
        self.fresh.len() + self.unfinished.len()
    }

    fn next(&mut self) -> Option<ConnectionId> {
        self.fresh_was_last = !self.fresh.is_empty() && (self.unfinished.is_empty() || !self.fresh_was_last);
        next_of(if self.fresh_was_last { &mut self.fresh } else { &mut self.unfinished })
    }
}

#[derive(Debug)]
struct Slot {
    session: Session,
    generation: u32,
    /// There was no room for it, and it is told so.
    turned_away: bool,
    /// It stands in one of the queues for a turn already.
    awaits_turn: bool,
    /// It is dead and waits to be reaped.
    condemned: bool,
}

/// Whether the slot is that of this connection, and not of one that had it before.
fn is_meant(slot: &Slot, id: ConnectionId) -> bool {
    slot.generation == id.generation || planted(Bug::EventForTheDeadReachesWhoHasItsSlot)
}

/// The slot of a connection, while it lives.
fn alive(slab: &mut Slab<Slot>, id: ConnectionId) -> Option<&mut Slot> {
    slab.get_mut(id.slot as usize).filter(|slot| is_meant(slot, id) && !slot.condemned)
}

/// The first of a queue. One that a rush of connections made long gives its memory back when it is empty.
pub(crate) fn next_of(queue: &mut VecDeque<ConnectionId>) -> Option<ConnectionId> {
    let first = queue.pop_front();
    if queue.is_empty() && queue.capacity() > KEPT_PLACES_MAX {
        *queue = VecDeque::new();
    }
    first
}

impl Sessions {
    /// What it costs to have a session here for which nothing else is kept.
    #[cfg(test)]
    pub(crate) const BYTES_EACH: usize = size_of::<Slot>();

    /// None yet, and room for so many. It takes memory only as far as it is used; a table that grows by doubling leaves its
    /// old half behind each time.
    pub(crate) fn with_room_for(sessions: usize) -> Self {
        Self { slab: Slab::with_capacity(sessions), ..Self::default() }
    }

    /// Takes in a new session and gives it its first turn.
    pub(crate) fn insert(&mut self, session: Session) -> ConnectionId {
        self.generation = self.generation.wrapping_add(1);
        let generation = self.generation;
        let slot = Slot { session, generation, turned_away: false, awaits_turn: false, condemned: false };
        let slot = self.slab.insert(slot);
        let slot = u32::try_from(slot).expect("descriptors are fewer than 4 billion");
        self.slots = self.slots.max(slot + 1);
        let id = ConnectionId { slot, generation };
        self.wake(id);
        id
    }

    /// How many there are, those that were turned away included.
    pub(crate) fn len(&self) -> usize {
        self.slab.len()
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.slab.is_empty()
    }

    /// How many were turned away and are not closed yet.
    pub(crate) fn turned_away(&self) -> usize {
        self.turned_away
    }

    /// There is no room for this connection: from now on it counts among those that were turned away.
    pub(crate) fn turn_away(&mut self, id: ConnectionId) {
        if let Some(slot) = alive(&mut self.slab, id)
            && !std::mem::replace(&mut slot.turned_away, true)
        {
            self.turned_away += 1;
        }
    }

    /// Whether there was no room for this connection.
    pub(crate) fn was_turned_away(&self, id: ConnectionId) -> bool {
        self.slot(id).is_some_and(|slot| slot.turned_away)
    }

    fn slot(&self, id: ConnectionId) -> Option<&Slot> {
        self.slab.get(id.slot as usize).filter(|slot| is_meant(slot, id) && !slot.condemned)
    }

    /// The session of a connection, while it lives.
    pub(crate) fn get(&self, id: ConnectionId) -> Option<&Session> {
        self.slot(id).map(|slot| &slot.session)
    }

    /// The session of a connection, while it lives.
    pub(crate) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Session> {
        alive(&mut self.slab, id).map(|slot| &mut slot.session)
    }

    /// Where a connection comes from, while it lives.
    pub(crate) fn ip(&self, id: ConnectionId) -> Option<IpAddr> {
        self.get(id).map(|session| session.address.ip)
    }

    /// What is remembered of a connection that speaks text.
    pub(crate) fn text_mut(&mut self, id: ConnectionId) -> Option<&mut Text> {
        self.get_mut(id)?.text.as_deref_mut()
    }

    /// The member on a connection, once logged in.
    pub(crate) fn member(&self, id: ConnectionId) -> Option<&Member> {
        self.get(id)?.member()
    }

    /// The member on a connection, once logged in.
    pub(crate) fn member_mut(&mut self, id: ConnectionId) -> Option<&mut Member> {
        self.get_mut(id)?.member_mut()
    }

    /// The first who lives and has this slot or a later one; for walks over everybody that take several turns.
    pub(crate) fn first_from(&self, slot: u32) -> Option<ConnectionId> {
        (slot..self.slots).find_map(|index| {
            let slot = self.slab.get(index as usize).filter(|slot| !slot.condemned)?;
            Some(ConnectionId { slot: index, generation: slot.generation })
        })
    }

    /// Everybody who lives.
    #[cfg(test)]
    pub(crate) fn ids(&self) -> Vec<ConnectionId> {
        let alive = self.slab.iter().filter(|(_, slot)| !slot.condemned);
        alive.map(|(index, slot)| ConnectionId { slot: index as u32, generation: slot.generation }).collect()
    }

    /// Gives a turn to a connection whose socket has something.
    pub(crate) fn wake(&mut self, id: ConnectionId) {
        if self.is_to_queue(id) {
            self.turns.fresh.push_back(id);
        }
    }

    /// Gives a further turn to a connection that has work left, or whose wait has ended.
    pub(crate) fn go_on(&mut self, id: ConnectionId) {
        if self.is_to_queue(id) {
            self.turns.unfinished.push_back(id);
        }
    }

    /// Notes that a connection stands in a queue; says whether it did not before.
    fn is_to_queue(&mut self, id: ConnectionId) -> bool {
        alive(&mut self.slab, id).is_some_and(|slot| !std::mem::replace(&mut slot.awaits_turn, true))
    }

    /// How many wait for a turn.
    pub(crate) fn waiting_for_turn(&self) -> usize {
        self.turns.len()
    }

    /// Whether a connection is to have a turn anyway.
    #[cfg(test)]
    pub(crate) fn is_awaiting_turn(&self, id: ConnectionId) -> bool {
        self.slot(id).is_some_and(|slot| slot.awaits_turn)
    }

    /// The next who has a turn.
    pub(crate) fn next_turn(&mut self) -> Option<ConnectionId> {
        loop {
            let id = self.turns.next()?;
            if let Some(slot) = alive(&mut self.slab, id) {
                slot.awaits_turn = false;
                return Some(id);
            }
        }
    }

    /// Marks a connection for death: it gets and gives nothing more, and is buried at the end of the turn.
    pub(crate) fn condemn(&mut self, id: ConnectionId) {
        if let Some(slot) = alive(&mut self.slab, id) {
            slot.condemned = true;
            self.condemned.push(id);
        }
    }

    /// Whether dead are still to be removed.
    pub(crate) fn are_dead(&self) -> bool {
        !self.condemned.is_empty()
    }

    /// Removes one of the dead; the last says whether it had been turned away.
    pub(crate) fn reap(&mut self) -> Option<(ConnectionId, Session, bool)> {
        let id = self.condemned.pop()?;
        let slot = self.slab.remove(id.slot as usize);
        self.turned_away -= usize::from(slot.turned_away);
        Some((id, slot.session, slot.turned_away))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(range: std::ops::Range<u32>) -> VecDeque<ConnectionId> {
        range.map(|slot| ConnectionId { slot, generation: 0 }).collect()
    }

    #[test]
    fn who_has_just_asked_waits_for_one_share_of_those_who_ask_for_much_and_holds_up_none_of_them() {
        let mut turns = Turns { fresh: queue(0..3), unfinished: queue(100..103), fresh_was_last: false };
        let mut slots = std::iter::from_fn(|| turns.next().map(|id| id.slot));
        assert_eq!(slots.by_ref().take(4).collect::<Vec<_>>(), [0, 100, 1, 101]);
        assert_eq!(slots.collect::<Vec<_>>(), [2, 102]);
        assert_eq!(turns.len(), 0);
    }
}
