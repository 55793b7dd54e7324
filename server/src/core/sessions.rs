//! All sessions: which there are, who of them wants a turn, and who is dead. Slots are freed only at the end of a
//! turn, because the batch at hand may still hold events for the dead.

use std::collections::VecDeque;

use slab::Slab;

use crate::planted::{Bug, planted};
use crate::session::{ConnectionId, Member, Session, Text};

/// Places that a queue of connections keeps while it is empty.
const KEPT_PLACES_MAX: usize = 2_048;

/// All sessions, each under the id of its connection.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    slab: Slab<Slot>,
    generation: u32,
    /// How many were turned away and are not closed yet.
    turned_away: usize,
    /// Who has something to read, to take or to make, in the order of coming.
    turns: VecDeque<ConnectionId>,
    condemned: Vec<ConnectionId>,
}

#[derive(Debug)]
struct Slot {
    session: Session,
    generation: u32,
    /// There was no room for it, and it is told so.
    turned_away: bool,
    /// It stands in the queue for a turn already.
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
    /// Takes in a new session and gives it its first turn.
    pub(crate) fn insert(&mut self, session: Session) -> ConnectionId {
        self.generation = self.generation.wrapping_add(1);
        let generation = self.generation;
        let slot = Slot { session, generation, turned_away: false, awaits_turn: false, condemned: false };
        let slot = self.slab.insert(slot);
        let slot = u32::try_from(slot).expect("descriptors are fewer than 4 billion");
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
        (slot..self.slab.capacity() as u32).find_map(|index| {
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

    /// Puts a connection in the queue for a turn.
    pub(crate) fn wake(&mut self, id: ConnectionId) {
        if let Some(slot) = alive(&mut self.slab, id)
            && !std::mem::replace(&mut slot.awaits_turn, true)
        {
            self.turns.push_back(id);
        }
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

    /// The next in the queue for a turn.
    pub(crate) fn next_turn(&mut self) -> Option<ConnectionId> {
        loop {
            let id = next_of(&mut self.turns)?;
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

    /// Removes one of the dead.
    pub(crate) fn reap(&mut self) -> Option<(ConnectionId, Session)> {
        let id = self.condemned.pop()?;
        let slot = self.slab.remove(id.slot as usize);
        self.turned_away -= usize::from(slot.turned_away);
        Some((id, slot.session))
    }
}
