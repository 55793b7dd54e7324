//! The sockets of all connections, with what was read from each and not taken yet. Beside them, who takes nothing:
//! output that stands still is found after the stall time-out.

use std::io;
use std::time::Duration;

use forum_common::text::Zone;

use super::connection::{Connection, Layer, SCRATCH_BYTES, Stream};
use crate::clock::Moment;
use crate::core::Time;
use crate::core::deadlines::{Deadline, Deadlines};
use crate::core::figures::Figure;
use crate::core::outbox::Outbox;
use crate::planted::{Bug, planted};
use crate::session::{ConnectionId, Text};

/// How often in the stall time-out somebody who takes nothing is looked at.
const STALL_LOOKS: u32 = 12;

/// All connections, each in the slot that its id names.
#[derive(Debug)]
pub(super) struct Connections<S> {
    slots: Vec<Option<Slot<S>>>,
    /// How long the kernel may take nothing of what waits for a connection.
    stall_timeout: Duration,
}

#[derive(Debug)]
struct Slot<S> {
    connection: Connection<S>,
    generation: u32,
    /// It has a place among those who may have stalled.
    is_watched: bool,
}

#[cfg(test)]
impl Connections<std::os::fd::OwnedFd> {
    /// What it costs to have a connection here of which nothing was read and not taken. In a release build mio's socket
    /// is a descriptor and nothing else.
    pub(super) const BYTES_EACH: usize = size_of::<Option<Slot<std::os::fd::OwnedFd>>>();
}

/// Whether the slot is that of this connection, and not of one that had it before.
fn is_meant(generation: u32, id: ConnectionId) -> bool {
    generation == id.generation || planted(Bug::EventForTheDeadReachesWhoHasItsSlot)
}

impl<S: Stream> Connections<S> {
    /// None yet, and room for so many: see [`Sessions::with_room_for`](crate::core::sessions::Sessions::with_room_for). The
    /// output of each may stand still for `stall_timeout`.
    pub(super) fn new(connections: usize, stall_timeout: Duration) -> Self {
        Self { slots: Vec::with_capacity(connections), stall_timeout }
    }

    /// Takes in a new connection.
    pub(super) fn insert(&mut self, id: ConnectionId, stream: S, layer: Layer, now: Moment) {
        let slot = id.slot as usize;
        if slot >= self.slots.len() {
            self.slots.resize_with(slot + 1, || None);
        }
        debug_assert!(self.slots[slot].is_none(), "a slot has one connection at a time");
        let connection = Connection::new(stream, layer, now);
        self.slots[slot] = Some(Slot { connection, generation: id.generation, is_watched: false });
    }

    /// Drops a connection; its socket closes.
    pub(super) fn remove(&mut self, id: ConnectionId) {
        if self.get(id).is_some() {
            let removed = self.slots[id.slot as usize].take();
            if planted(Bug::SocketOfTheDeadStaysOpen) {
                std::mem::forget(removed);
            }
        }
    }

    /// The connection, until it is removed.
    pub(super) fn get(&self, id: ConnectionId) -> Option<&Connection<S>> {
        let slot = self.slots.get(id.slot as usize)?.as_ref()?;
        is_meant(slot.generation, id).then_some(&slot.connection)
    }

    /// How many slots there are.
    pub(super) fn slots(&self) -> u32 {
        self.slots.len() as u32
    }

    /// The connection in a slot, if there is one.
    pub(super) fn at(&self, slot: u32) -> Option<(ConnectionId, &Connection<S>)> {
        let Slot { connection, generation, .. } = self.slots.get(slot as usize)?.as_ref()?;
        Some((ConnectionId { slot, generation: *generation }, connection))
    }

    /// The connection, until it is removed.
    pub(super) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Connection<S>> {
        self.slot_mut(id).map(|slot| &mut slot.connection)
    }

    fn slot_mut(&mut self, id: ConnectionId) -> Option<&mut Slot<S>> {
        self.slots.get_mut(id.slot as usize)?.as_mut().filter(|slot| is_meant(slot.generation, id))
    }

    /// One socket for each of so many sessions, and what of their input waits: an unfinished frame, or a share.
    pub(super) fn figures(&self, sessions: usize) -> [Figure; 2] {
        let connections = || self.slots.iter().flatten().map(|slot| &slot.connection);
        let most = connections().map(|connection| connection.received.len()).max().unwrap_or(0);
        [
            Figure::exactly("sockets", connections().count(), sessions),
            Figure::at_most("bytes of input that wait", most, SCRATCH_BYTES),
        ]
    }

    /// Writes what waits for a connection.
    ///
    /// # Errors
    /// The connection is broken.
    pub(super) fn flush(
        &mut self,
        id: ConnectionId,
        outbox: &mut Outbox,
        deadlines: &mut Deadlines,
        text: Option<(&mut Text, &Zone)>,
        time: Time,
    ) -> io::Result<()> {
        let first_look = self.stall_timeout / STALL_LOOKS;
        let Some(slot) = self.slot_mut(id) else { return Ok(()) };
        let connection = &mut slot.connection;
        let result = connection.flush(id, outbox, text, time.moment());
        if let Some(since) = connection.stalled_since()
            && !std::mem::replace(&mut slot.is_watched, true)
        {
            deadlines.set(Deadline::Stall(id), time.start.instant(since) + first_look);
        }
        result
    }

    /// Looks at a connection that had taken nothing; says whether that is so for too long.
    ///
    /// The kernel says that it takes bytes when a third of its buffer is free, and somebody who reads slowly may need
    /// minutes for that. So what waits is tried at each look, and what the kernel takes is progress. It also takes
    /// some when its buffer has grown though nobody reads: but only once, and so at the first look.
    pub(super) fn has_stalled(
        &mut self,
        id: ConnectionId,
        outbox: &mut Outbox,
        deadlines: &mut Deadlines,
        text: Option<(&mut Text, &Zone)>,
        time: Time,
    ) -> bool {
        let limit = self.stall_timeout;
        let Some(slot) = self.slot_mut(id) else { return false };
        slot.connection.mark_writable();
        // What came of it, an error as well, is seen to when it is flushed again.
        let _ = self.flush(id, outbox, deadlines, text, time);
        outbox.want_flush(id);
        let Some(slot) = self.slot_mut(id) else { return false };
        match slot.connection.stalled_since().map(|since| time.start.instant(since) + limit) {
            Some(due) if due <= time.now => return true,
            Some(due) => deadlines.set(Deadline::Stall(id), due.min(time.now + limit / STALL_LOOKS)),
            None => slot.is_watched = false,
        }
        false
    }
}
