//! All connections, and who of them wants a turn. Slots are freed only at the end of a turn, because the
//! batch at hand may still hold events for the dead.

mod stalls;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use forum_common::wire::{NO_TAG, Notice, Reply, Tag, Transfer};
use slab::Slab;

use crate::connection::{Connection, Stream};
use crate::outgoing::{NOTICE_PLACE_BYTES, Pool, Shared, SharedBytes};
use crate::session::{PeerId, Session};
use crate::timers::DeadlineQueue;

/// Places that a queue of connections keeps while it is empty.
const KEPT_PLACES_MAX: usize = 2_048;

/// One connection with its session.
#[derive(Debug)]
pub struct Peer<S> {
    /// Its bytes.
    pub connection: Connection<S>,
    /// Its meaning.
    pub session: Session,
    generation: u32,
    /// There was no room for it, and it is told so.
    turned_away: bool,
    /// It stands in the queue for a turn already.
    awaits_turn: bool,
    awaits_flush: AwaitsFlush,
    /// It is dead and waits to be reaped.
    condemned: bool,
    /// It has a place among those who may have stalled.
    is_watched: bool,
}

#[cfg(test)]
impl<S> Peer<S> {
    /// Whether it is to have a turn anyway.
    pub fn is_awaiting_turn(&self) -> bool {
        self.awaits_turn
    }
}

/// In which queue for writing a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AwaitsFlush {
    /// In none: nothing new waits.
    Not,
    /// Among those who got notices and no answer: there may be thousands of them, so they get a share of each
    /// turn.
    Notices,
    /// Among those who are written to at the end of this turn.
    Answers,
}

impl<S> Peer<S> {
    /// Whether there was no room for it.
    pub fn was_turned_away(&self) -> bool {
        self.turned_away
    }
}

/// All connections.
#[derive(Debug)]
pub struct Peers<S> {
    slab: Slab<Peer<S>>,
    /// How many of them were turned away.
    turned_away: usize,
    generation: u32,
    pool: Pool,
    shared_bytes: SharedBytes,
    /// Places that notices take in all queues.
    notices: usize,
    /// What the unread notices of one connection may cost.
    notice_cost_max: usize,
    /// Who has more unread than that, and is to be cut off.
    too_slow: Vec<PeerId>,
    /// Who has something to read, to take or to make, in the order of coming.
    turns: VecDeque<PeerId>,
    /// Who has something to write at the end of this turn.
    flushes: Vec<PeerId>,
    /// Who has notices to write, in the order of getting them.
    notice_flushes: VecDeque<PeerId>,
    condemned: Vec<PeerId>,
    /// The time of this turn.
    now: Instant,
    /// How long the kernel may take nothing of what waits for a connection.
    stall_timeout: Duration,
    /// When to look at those of whom the kernel took nothing.
    stalls: DeadlineQueue<PeerId>,
}

/// The first of a queue. One that a rush of connections made long gives its memory back when it is empty.
fn next_of(queue: &mut VecDeque<PeerId>) -> Option<PeerId> {
    let first = queue.pop_front();
    if queue.is_empty() && queue.capacity() > KEPT_PLACES_MAX {
        *queue = VecDeque::new();
    }
    first
}

/// The connection, while it lives; beside the other fields of [`Peers`].
fn alive<S>(slab: &mut Slab<Peer<S>>, id: PeerId) -> Option<&mut Peer<S>> {
    slab.get_mut(id.slot as usize).filter(|peer| peer.generation == id.generation && !peer.condemned)
}

/// The connection, until its last word is said.
fn open<S>(slab: &mut Slab<Peer<S>>, id: PeerId) -> Option<&mut Peer<S>> {
    alive(slab, id).filter(|peer| !peer.session.is_closing())
}

impl<S: Stream> Peers<S> {
    /// Nobody yet, at the time `now`. The unread notices of each may cost `notice_cost_max`, and its output may
    /// stand still for `stall_timeout`.
    pub fn new(notice_cost_max: usize, stall_timeout: Duration, now: Instant) -> Self {
        Self {
            slab: Slab::new(),
            turned_away: 0,
            generation: 0,
            pool: Pool::default(),
            shared_bytes: SharedBytes::default(),
            notices: 0,
            notice_cost_max,
            too_slow: Vec::new(),
            turns: VecDeque::new(),
            flushes: Vec::new(),
            notice_flushes: VecDeque::new(),
            condemned: Vec::new(),
            now,
            stall_timeout,
            stalls: DeadlineQueue::default(),
        }
    }

    /// A turn begins.
    pub fn set_time(&mut self, now: Instant) {
        self.now = now;
    }

    /// How many connections there are, those that were turned away included.
    pub fn len(&self) -> usize {
        self.slab.len()
    }

    /// How many connections were turned away and are not closed yet.
    pub fn turned_away(&self) -> usize {
        self.turned_away
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.slab.is_empty()
    }

    /// Takes in a new connection and gives it its first turn.
    pub fn insert(&mut self, stream: S, session: Session) -> PeerId {
        self.generation = self.generation.wrapping_add(1);
        let generation = self.generation;
        let slot = self.slab.insert(Peer {
            connection: Connection::new(stream, self.now),
            session,
            generation,
            turned_away: false,
            awaits_turn: false,
            awaits_flush: AwaitsFlush::Not,
            condemned: false,
            is_watched: false,
        });
        let id =
            PeerId { slot: u32::try_from(slot).expect("descriptors are fewer than 4 billion"), generation };
        self.wake(id);
        id
    }

    /// There is no room for this connection: from now on it counts among those that were turned away.
    pub fn turn_away(&mut self, id: PeerId) {
        if let Some(peer) = alive(&mut self.slab, id)
            && !std::mem::replace(&mut peer.turned_away, true)
        {
            self.turned_away += 1;
        }
    }

    /// The connection, while it lives.
    pub fn get(&self, id: PeerId) -> Option<&Peer<S>> {
        self.slab.get(id.slot as usize).filter(|peer| peer.generation == id.generation && !peer.condemned)
    }

    /// The connection, while it lives.
    pub fn get_mut(&mut self, id: PeerId) -> Option<&mut Peer<S>> {
        alive(&mut self.slab, id)
    }

    /// Everybody who lives.
    pub fn ids(&self) -> Vec<PeerId> {
        let alive = self.slab.iter().filter(|(_, peer)| !peer.condemned);
        alive.map(|(slot, peer)| PeerId { slot: slot as u32, generation: peer.generation }).collect()
    }

    /// Queues an answer. Nothing follows the last word: what comes after that, of this kind and the others, is
    /// dropped.
    pub fn reply(&mut self, id: PeerId, tag: Tag, reply: &Reply<'_>) {
        self.append(id, |out| reply.encode(tag, out));
    }

    /// Queues a transfer frame.
    pub fn transfer(&mut self, id: PeerId, tag: Tag, transfer: &Transfer<'_>) {
        self.append(id, |out| transfer.encode(tag, out));
    }

    /// Queues a notice for one receiver.
    pub fn notify(&mut self, id: PeerId, notice: &Notice<'_>) {
        self.append(id, |out| notice.encode(NO_TAG, out));
    }

    /// Encodes a notice once for any number of receivers.
    pub fn encode_shared(&self, notice: &Notice<'_>) -> Shared {
        let mut frame = Vec::new();
        notice.encode(NO_TAG, &mut frame);
        self.shared_bytes.share(&frame)
    }

    /// Whole frames that were encoded before, for any number of receivers.
    pub fn share(&self, frames: &[u8]) -> Shared {
        self.shared_bytes.share(frames)
    }

    /// Queues frames that others get too, from the byte `start` on: a pointer. A receiver that has too much
    /// unread is written to at once; if that doesn't help, it gets nothing more and is named by
    /// [`Peers::next_too_slow`].
    pub fn push_shared(&mut self, id: PeerId, shared: Shared, start: usize) {
        let limit = self.notice_cost_max;
        let Some(peer) = open(&mut self.slab, id) else { return };
        if peer.connection.outgoing.notice_cost() > limit {
            return;
        }
        peer.connection.outgoing.push_shared(&mut self.pool, shared, start);
        let is_over = peer.connection.outgoing.notice_cost() > limit;
        self.notices += 1;
        if peer.awaits_flush == AwaitsFlush::Not {
            peer.awaits_flush = AwaitsFlush::Notices;
            self.notice_flushes.push_back(id);
        }
        if is_over {
            // A connection that is broken will say so again when it is flushed at the end of the turn. One that
            // was written to goes on then with what had no room.
            let is_broken = self.flush(id).is_err();
            self.want_flush(id);
            if is_broken || self.unread_cost(id) > limit {
                self.too_slow.push(id);
            }
        }
    }

    /// Somebody who has too much unread, if there is one.
    pub fn next_too_slow(&mut self) -> Option<PeerId> {
        loop {
            let id = self.too_slow.pop()?;
            if self.unread_cost(id) > self.notice_cost_max {
                return Some(id);
            }
        }
    }

    fn unread_cost(&self, id: PeerId) -> usize {
        self.get(id).map_or(0, |peer| peer.connection.outgoing.notice_cost())
    }

    /// What all unread notices cost: shared bytes once, and a place for each receiver.
    pub fn notice_cost(&self) -> usize {
        self.shared_bytes.total() + self.notices * NOTICE_PLACE_BYTES
    }

    /// Whose unread notices cost most.
    pub fn slowest(&self) -> Option<PeerId> {
        let alive =
            self.slab.iter().filter(|(_, peer)| !peer.condemned && peer.connection.outgoing.notices() > 0);
        alive
            .max_by_key(|(_, peer)| peer.connection.outgoing.notice_cost())
            .map(|(slot, peer)| PeerId { slot: slot as u32, generation: peer.generation })
    }

    /// Drops everything that waits for a connection, but for what is partly written.
    pub fn cut(&mut self, id: PeerId) {
        if let Some(peer) = self.get_mut(id) {
            let before = peer.connection.outgoing.notices();
            peer.connection.outgoing.cut();
            let after = peer.connection.outgoing.notices();
            self.notices -= before - after;
        }
    }

    /// Queues whole frames as they are.
    pub fn push(&mut self, id: PeerId, frames: Vec<u8>) {
        if let Some(peer) = open(&mut self.slab, id) {
            peer.connection.outgoing.push_own(&mut self.pool, frames);
            self.want_flush(id);
        }
    }

    fn append(&mut self, id: PeerId, encode: impl FnOnce(&mut Vec<u8>)) {
        let Some(peer) = open(&mut self.slab, id) else { return };
        peer.connection.outgoing.append(&mut self.pool, encode);
        self.want_flush(id);
    }

    /// Puts a connection in the queue for a turn.
    pub fn wake(&mut self, id: PeerId) {
        if let Some(peer) = self.get_mut(id)
            && !std::mem::replace(&mut peer.awaits_turn, true)
        {
            self.turns.push_back(id);
        }
    }

    /// Has a connection written to at the end of this turn.
    pub fn want_flush(&mut self, id: PeerId) {
        if let Some(peer) = alive(&mut self.slab, id)
            && std::mem::replace(&mut peer.awaits_flush, AwaitsFlush::Answers) != AwaitsFlush::Answers
        {
            self.flushes.push(id);
        }
    }

    /// How many wait for a turn.
    pub fn waiting_for_turn(&self) -> usize {
        self.turns.len()
    }

    /// The next in the queue for a turn.
    pub fn next_turn(&mut self) -> Option<PeerId> {
        loop {
            let id = next_of(&mut self.turns)?;
            if let Some(peer) = self.get_mut(id) {
                peer.awaits_turn = false;
                return Some(id);
            }
        }
    }

    /// The next who has notices to write and was not written to since it got them.
    pub fn next_notice_flush(&mut self) -> Option<PeerId> {
        loop {
            let id = next_of(&mut self.notice_flushes)?;
            if self.get(id).is_some_and(|peer| peer.awaits_flush == AwaitsFlush::Notices) {
                return Some(id);
            }
        }
    }

    /// How many have notices to write, or had when they were queued for it.
    pub fn waiting_for_notice_flush(&self) -> usize {
        self.notice_flushes.len()
    }

    /// Everybody who is to be written to at the end of this turn; hand the list back with [`Peers::flushed`].
    pub fn take_flushes(&mut self) -> Vec<PeerId> {
        std::mem::take(&mut self.flushes)
    }

    /// Takes back the list, so that its memory is used again.
    pub fn flushed(&mut self, mut list: Vec<PeerId>) {
        list.clear();
        if self.flushes.is_empty() && list.capacity() <= KEPT_PLACES_MAX {
            self.flushes = list;
        }
    }

    /// Writes what waits for one connection.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn flush(&mut self, id: PeerId) -> std::io::Result<()> {
        let Some(peer) = alive(&mut self.slab, id) else { return Ok(()) };
        peer.awaits_flush = AwaitsFlush::Not;
        let before = peer.connection.outgoing.notices();
        let result = peer.connection.flush(&mut self.pool, self.now);
        self.notices -= before - peer.connection.outgoing.notices();
        self.watch_for_stall(id);
        result
    }

    /// Marks a connection for death: it gets and gives nothing more, and is buried at the end of the turn.
    pub fn condemn(&mut self, id: PeerId) {
        if let Some(peer) = self.get_mut(id) {
            peer.condemned = true;
            self.condemned.push(id);
        }
    }

    /// The dead, removed; their sockets close as they are dropped.
    pub fn reap(&mut self) -> usize {
        let count = self.condemned.len();
        for id in self.condemned.drain(..) {
            let peer = self.slab.remove(id.slot as usize);
            self.turned_away -= usize::from(peer.turned_away);
            self.notices -= peer.connection.outgoing.notices();
        }
        count
    }
}
