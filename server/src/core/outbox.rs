//! The only way out. It never blocks and never reorders: what is put in for a connection leaves in that order, as the
//! kernel takes it, and nothing follows a last word. Each connection has a queue of its own here; [`crate::net`]
//! writes from it.

use std::collections::VecDeque;

use forum_common::wire::{NO_TAG, Notice, Reply, Tag, Transfer};

use super::sessions::next_of;
use crate::outgoing::{NOTICE_PLACE_BYTES, Outgoing, Pool, Shared, SharedBytes};
use crate::session::ConnectionId;

/// Above so many queued bytes a connection's requests are not taken: pause whoever asks and does not read.
pub(crate) const QUEUED_BYTES_HIGH: usize = 256 * 1024;
/// Long answers are made in portions while fewer bytes than this are queued.
pub(crate) const QUEUED_BYTES_LOW: usize = 64 * 1024;

const _: () = assert!(QUEUED_BYTES_LOW < QUEUED_BYTES_HIGH);

/// Places that the list of those who get answers keeps while it is empty.
const KEPT_PLACES_MAX: usize = 2_048;

/// In which queue for writing a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum AwaitsFlush {
    /// In none: nothing new waits.
    #[default]
    Not,
    /// Among those who got notices and no answer: there may be thousands of them, so they get a share of each
    /// turn.
    Notices,
    /// Among those who are written to at the end of this turn.
    Answers,
}

/// What is still put in for a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    /// Nothing: there is no connection.
    #[default]
    Free,
    /// Everything.
    Open,
    /// Nothing: its last word is in. What is in still leaves.
    Sealed,
}

/// What waits for one connection.
#[derive(Debug, Default)]
struct Output {
    queue: Outgoing,
    /// Bytes that the kernel has taken, ever.
    written: u64,
    generation: u32,
    state: State,
    awaits_flush: AwaitsFlush,
}

/// What waits for all connections.
#[derive(Debug)]
pub(crate) struct Outbox {
    /// By the slot of the connection.
    outputs: Vec<Output>,
    pool: Pool,
    shared_bytes: SharedBytes,
    /// Places that notices take in all queues.
    notices: usize,
    /// What the unread notices of one connection may cost.
    notice_cost_max: usize,
    /// Who got more than that, and is to be written to at once.
    over_limit: Vec<ConnectionId>,
    /// Who has something to write at the end of this turn.
    flushes: Vec<ConnectionId>,
    /// Who has notices to write, in the order of getting them.
    notice_flushes: VecDeque<ConnectionId>,
}

fn alive(outputs: &mut [Output], id: ConnectionId) -> Option<&mut Output> {
    let output = outputs.get_mut(id.slot as usize)?;
    (output.generation == id.generation && output.state != State::Free).then_some(output)
}

fn open(outputs: &mut [Output], id: ConnectionId) -> Option<&mut Output> {
    alive(outputs, id).filter(|output| output.state == State::Open)
}

impl Outbox {
    /// What it costs to have a connection here for which nothing waits.
    #[cfg(test)]
    pub(crate) const BYTES_EACH: usize = size_of::<Output>();

    /// Nobody yet. The unread notices of each may cost `notice_cost_max`.
    pub(crate) fn new(notice_cost_max: usize) -> Self {
        Self {
            outputs: Vec::new(),
            pool: Pool::default(),
            shared_bytes: SharedBytes::default(),
            notices: 0,
            notice_cost_max,
            over_limit: Vec::new(),
            flushes: Vec::new(),
            notice_flushes: VecDeque::new(),
        }
    }

    /// A connection begins.
    pub(crate) fn open(&mut self, id: ConnectionId) {
        let slot = id.slot as usize;
        if slot >= self.outputs.len() {
            self.outputs.resize_with(slot + 1, Output::default);
        }
        debug_assert_eq!(self.outputs[slot].state, State::Free, "a slot has one connection at a time");
        self.outputs[slot] = Output { generation: id.generation, state: State::Open, ..Output::default() };
    }

    /// The last word is in: what comes after it is dropped.
    pub(crate) fn seal(&mut self, id: ConnectionId) {
        if let Some(output) = alive(&mut self.outputs, id) {
            output.state = State::Sealed;
        }
    }

    /// A connection is over, and what waits for it is gone.
    pub(crate) fn remove(&mut self, id: ConnectionId) {
        if let Some(output) = alive(&mut self.outputs, id) {
            self.notices -= output.queue.notices();
            *output = Output::default();
        }
    }

    fn get(&self, id: ConnectionId) -> Option<&Output> {
        let output = self.outputs.get(id.slot as usize)?;
        (output.generation == id.generation && output.state != State::Free).then_some(output)
    }

    /// Bytes that wait for a connection.
    pub(crate) fn queued(&self, id: ConnectionId) -> usize {
        self.get(id).map_or(0, |output| output.queue.len())
    }

    /// Whether nothing waits for a connection, and no memory is held for it.
    #[cfg(test)]
    pub(crate) fn owns_nothing(&self, id: ConnectionId) -> bool {
        self.get(id).is_some_and(|output| matches!(output.queue, Outgoing::Empty))
    }

    /// Bytes of a connection that the kernel has taken, ever.
    pub(crate) fn written(&self, id: ConnectionId) -> u64 {
        self.get(id).map_or(0, |output| output.written)
    }

    /// Puts in an answer.
    pub(crate) fn reply(&mut self, id: ConnectionId, tag: Tag, reply: &Reply<'_>) {
        self.append(id, |out| reply.encode(tag, out));
    }

    /// Puts in a frame of a transfer.
    pub(crate) fn transfer(&mut self, id: ConnectionId, tag: Tag, transfer: &Transfer<'_>) {
        self.append(id, |out| transfer.encode(tag, out));
    }

    /// Puts in a notice for one receiver.
    pub(crate) fn notify(&mut self, id: ConnectionId, notice: &Notice<'_>) {
        self.append(id, |out| notice.encode(NO_TAG, out));
    }

    /// Puts in whole frames as they are.
    pub(crate) fn push(&mut self, id: ConnectionId, frames: Vec<u8>) {
        if let Some(output) = open(&mut self.outputs, id) {
            output.queue.push_own(&mut self.pool, frames);
            self.want_flush(id);
        }
    }

    fn append(&mut self, id: ConnectionId, encode: impl FnOnce(&mut Vec<u8>)) {
        let Some(output) = open(&mut self.outputs, id) else { return };
        output.queue.append(&mut self.pool, encode);
        self.want_flush(id);
    }

    /// Encodes a notice once for any number of receivers.
    pub(crate) fn encode_shared(&self, notice: &Notice<'_>) -> Shared {
        let mut frame = Vec::new();
        notice.encode(NO_TAG, &mut frame);
        self.shared_bytes.share(&frame)
    }

    /// Whole frames that were encoded before, for any number of receivers.
    pub(crate) fn share(&self, frames: &[u8]) -> Shared {
        self.shared_bytes.share(frames)
    }

    /// Puts in frames that others get too, from the byte `start` on: a pointer. A receiver that has too much unread
    /// then is named by [`Outbox::next_over_limit`].
    pub(crate) fn push_shared(&mut self, id: ConnectionId, shared: Shared, start: usize) {
        let Some(output) = open(&mut self.outputs, id) else { return };
        output.queue.push_shared(&mut self.pool, shared, start);
        self.notices += 1;
        if output.queue.notice_cost() > self.notice_cost_max {
            self.over_limit.push(id);
        }
        if output.awaits_flush == AwaitsFlush::Not {
            output.awaits_flush = AwaitsFlush::Notices;
            self.notice_flushes.push_back(id);
        }
    }

    /// Somebody who got too much and has it still unread.
    pub(crate) fn next_over_limit(&mut self) -> Option<ConnectionId> {
        while let Some(id) = self.over_limit.pop() {
            if self.is_over_limit(id) {
                return Some(id);
            }
        }
        None
    }

    /// Whether somebody has too much unread.
    pub(crate) fn is_over_limit(&self, id: ConnectionId) -> bool {
        self.get(id).is_some_and(|output| {
            output.state == State::Open && output.queue.notice_cost() > self.notice_cost_max
        })
    }

    /// What all unread notices cost: shared bytes once, and a place for each receiver.
    pub(crate) fn notice_cost(&self) -> usize {
        self.shared_bytes.total() + self.notices * NOTICE_PLACE_BYTES
    }

    /// Whose unread notices cost most.
    pub(crate) fn slowest(&self) -> Option<ConnectionId> {
        let outputs = self.outputs.iter().enumerate();
        let behind = outputs.filter(|(_, output)| output.state == State::Open && output.queue.notices() > 0);
        let slowest = behind.max_by_key(|(_, output)| output.queue.notice_cost());
        slowest.map(|(slot, output)| ConnectionId { slot: slot as u32, generation: output.generation })
    }

    /// Drops everything that waits for a connection, but for what is partly written.
    pub(crate) fn cut(&mut self, id: ConnectionId) {
        if let Some(output) = alive(&mut self.outputs, id) {
            let before = output.queue.notices();
            output.queue.cut();
            self.notices -= before - output.queue.notices();
        }
    }

    /// Has a connection written to at the end of this turn.
    pub(crate) fn want_flush(&mut self, id: ConnectionId) {
        if let Some(output) = alive(&mut self.outputs, id)
            && std::mem::replace(&mut output.awaits_flush, AwaitsFlush::Answers) != AwaitsFlush::Answers
        {
            self.flushes.push(id);
        }
    }

    /// The next who has notices to write and was not written to since it got them.
    pub(crate) fn next_notice_flush(&mut self) -> Option<ConnectionId> {
        loop {
            let id = next_of(&mut self.notice_flushes)?;
            if self.get(id).is_some_and(|output| output.awaits_flush == AwaitsFlush::Notices) {
                return Some(id);
            }
        }
    }

    /// How many have notices to write, or had when they were queued for it.
    pub(crate) fn waiting_for_notice_flush(&self) -> usize {
        self.notice_flushes.len()
    }

    /// Everybody who is to be written to at the end of this turn; hand the list back with [`Outbox::flushed`].
    pub(crate) fn take_flushes(&mut self) -> Vec<ConnectionId> {
        std::mem::take(&mut self.flushes)
    }

    /// Takes back the list, so that its memory is used again.
    pub(crate) fn flushed(&mut self, mut list: Vec<ConnectionId>) {
        list.clear();
        if self.flushes.is_empty() && list.capacity() <= KEPT_PLACES_MAX {
            self.flushes = list;
        }
    }

    /// Lets `write` write what waits for a connection; says what came of it, and how many bytes left. None if there
    /// is no such connection.
    pub(crate) fn write<R>(
        &mut self,
        id: ConnectionId,
        write: impl FnOnce(&mut Outgoing, &mut Pool) -> R,
    ) -> Option<(R, usize)> {
        let output = alive(&mut self.outputs, id)?;
        output.awaits_flush = AwaitsFlush::Not;
        let (notices, before) = (output.queue.notices(), output.queue.len());
        let result = write(&mut output.queue, &mut self.pool);
        self.notices -= notices - output.queue.notices();
        let taken = before - output.queue.len();
        output.written += taken as u64;
        Some((result, taken))
    }
}
