//! The outbox: the only way out. Whatever a client is told goes through it: answers, transfers, notices to one, and
//! what is told to everybody.
//!
//! Its contract:
//! - **It never blocks.** What is told waits here, for as long as the connection takes nothing. What waits is bounded:
//!   who asks for much and reads little is not asked further ([`Outbox::queued`]), and who does not read what nobody
//!   asked it about is named by [`Outbox::next_too_slow`] and [`Outbox::heaviest`].
//! - **It never reorders.** A client sees everything in the order in which it was told, whichever way: nobody has to
//!   hand out anything before it tells something else.
//! - **It never cuts a frame**, and nothing follows the last word: what comes after that is dropped.
//!
//! Telling all is one append to the [feed](super::feed), whatever their number. [`Outbox::next_receiver`] names those
//! who are to be written to for it, a few each turn.

mod figures;
mod output;
mod queue;
mod receivers;
#[cfg(test)]
mod tests;
mod trace;

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::time::Instant;

use forum_common::wire::{NO_TAG, Notice, Reply, Tag, Transfer};

use self::output::{Output, Stage};
use self::queue::Pool;
use super::feed::{Feed, NEVER, Position, Topic};
use super::sweep::Sweep;
use crate::forum::{AccountId, Users};
use crate::planted::{Bug, planted};
use crate::session::ConnectionId;

pub(crate) use self::{output::Written, trace::Trace};

/// Above so many queued bytes a connection's requests are not taken: pause those who ask and don't read.
pub(crate) const QUEUED_BYTES_HIGH: usize = 256 * 1024;
/// Long answers are made in portions while fewer bytes than this are queued.
pub(crate) const QUEUED_BYTES_LOW: usize = 64 * 1024;

const _: () = assert!(QUEUED_BYTES_LOW < QUEUED_BYTES_HIGH);

/// Places that the list of those who are to be written to keeps while it is empty.
const KEPT_PLACES_MAX: usize = 2_048;

/// What all connections are still to be sent.
#[derive(Debug)]
pub(crate) struct Outbox {
    feed: Feed,
    /// By the connection's slot.
    outputs: Vec<Output>,
    pool: Pool,
    /// Who is to be written to at the end of this turn.
    flushes: Vec<ConnectionId>,
    sweep: Sweep,
    /// Those whose kernel has refused bytes of the feed, by position; apart those who listen to presence, since only
    /// they need that log.
    lagging: [BTreeSet<(Position, ConnectionId)>; 2],
    /// Those whose kernel has refused bytes of their own, by how many.
    stuck: BTreeSet<(usize, ConnectionId)>,
    /// Who was told more than it may have unread, and is to be looked at.
    suspects: Vec<ConnectionId>,
    /// Bytes that wait for single receivers.
    queued: usize,
    /// What a connection may have unread of the feed, and likewise of notices of its own.
    notice_bytes_max: usize,
    /// What may wait for single receivers in all.
    queued_max: usize,
    /// Whose frames are shown in the log.
    pub(crate) trace: Option<Trace>,
}

impl Outbox {
    /// What it costs to have a connection here for which nothing waits.
    #[cfg(test)]
    pub(crate) const BYTES_EACH: usize = size_of::<Output>();

    /// For nobody yet, at the time `now`. A connection may have `notice_bytes_max` unread, and all together
    /// `queued_max` for single receivers.
    pub(crate) fn new(notice_bytes_max: usize, queued_max: usize, now: Instant) -> Self {
        Self {
            feed: Feed::default(),
            outputs: Vec::new(),
            pool: Pool::default(),
            flushes: Vec::new(),
            sweep: Sweep::new(now),
            lagging: [BTreeSet::new(), BTreeSet::new()],
            stuck: BTreeSet::new(),
            suspects: Vec::new(),
            queued: 0,
            notice_bytes_max,
            queued_max,
            trace: None,
        }
    }

    // Connections come, listen and go.

    /// Has room for so many of them: see [`Sessions::with_room_for`](super::sessions::Sessions::with_room_for).
    pub(crate) fn reserve(&mut self, connections: usize) {
        self.outputs.reserve(connections);
    }

    /// A connection was opened; the slot must be free.
    pub(crate) fn open(&mut self, id: ConnectionId) {
        let slot = id.slot as usize;
        if self.outputs.len() <= slot {
            self.outputs.resize_with(slot + 1, Output::vacant);
        }
        debug_assert_eq!(self.outputs[slot].stage, Stage::Vacant, "{id:?} is open already");
        let output = &mut self.outputs[slot];
        (output.generation, output.stage) = (id.generation, Stage::Open);
    }

    /// From now on the user hears what is said, and with `presence` who comes and goes.
    pub(crate) fn listen(&mut self, id: ConnectionId, account: AccountId, presence: bool) {
        let head = self.feed.head();
        let Some(output) = open(&mut self.outputs, id) else { return };
        output.listen(account, head, presence);
        self.enter_roster(id);
    }

    /// Whether the user hears from now on who comes and goes. What it was told of that and not sent is dropped if not.
    pub(crate) fn set_presence(&mut self, id: ConnectionId, presence: bool) {
        let Some(output) = open(&mut self.outputs, id) else { return };
        if output.at() == NEVER || output.hears_presence() == presence {
            return;
        }
        self.leave_roster(id);
        self.forget_trouble(id);
        let Some(output) = open(&mut self.outputs, id) else { return };
        let before = output.queued();
        if presence {
            output.hear_presence(&self.feed);
        } else {
            output.ignore_presence(&self.feed, &mut self.pool);
        }
        self.queued += output.queued() - before;
        self.enter_roster(id);
        self.want_flush(id);
    }

    /// The last word was queued: nothing follows it.
    pub(crate) fn seal(&mut self, id: ConnectionId) {
        if open(&mut self.outputs, id).is_none() {
            return;
        }
        self.leave_roster(id);
        if let Some(output) = open(&mut self.outputs, id) {
            output.stage = Stage::Sealed;
        }
        // What it was told before waits for it and for nobody else.
        self.note_lag(id);
        self.want_flush(id);
    }

    /// The connection is over: all that waits for it is dropped.
    pub(crate) fn remove(&mut self, id: ConnectionId) {
        self.leave_roster(id);
        self.forget_trouble(id);
        if let Some(trace) = &mut self.trace {
            trace.forget(id);
        }
        let Some(output) = alive(&mut self.outputs, id) else { return };
        if !planted(Bug::DroppedOutputStillCounts) {
            self.queued -= output.queued();
        }
        if let Some(queue) = output.take_queue() {
            self.pool.put_queue(queue);
        }
        *output = Output::vacant();
    }

    // What is told.

    /// Queues an answer.
    pub(crate) fn reply(&mut self, id: ConnectionId, tag: Tag, reply: &Reply<'_>) {
        self.append(id, true, |out| reply.encode(tag, out));
    }

    /// Queues a transfer frame.
    pub(crate) fn transfer(&mut self, id: ConnectionId, tag: Tag, transfer: &Transfer<'_>) {
        self.append(id, true, |out| transfer.encode(tag, out));
    }

    /// Queues a notice for one receiver, who is cut off if it leaves too many of them unread.
    pub(crate) fn notify(&mut self, id: ConnectionId, notice: &Notice<'_>) {
        self.append(id, false, |out| notice.encode(NO_TAG, out));
        if alive(&mut self.outputs, id).is_some_and(|output| output.unasked() > self.notice_bytes_max) {
            self.suspects.push(id);
        }
    }

    /// The same for a notice of a kind that can't pile up, because it is told only while little is
    /// [queued](Outbox::queued): messages from the mailbox, and what is relayed.
    pub(crate) fn deliver(&mut self, id: ConnectionId, notice: &Notice<'_>) {
        self.append(id, true, |out| notice.encode(NO_TAG, out));
    }

    /// Queues the last word: nothing follows it.
    pub(crate) fn last_word(&mut self, id: ConnectionId, notice: &Notice<'_>) {
        self.append(id, true, |out| notice.encode(NO_TAG, out));
        self.seal(id);
    }

    /// Queues whole frames as they are.
    pub(crate) fn push(&mut self, id: ConnectionId, frames: Vec<u8>) {
        let Some(output) = open(&mut self.outputs, id) else { return };
        self.queued += frames.len();
        output.push(&self.feed, &mut self.pool, frames);
        self.want_flush(id);
    }

    /// Tells all who listen to it, but the author and those excluded, that the author came or went.
    pub(crate) fn announce_presence(&mut self, author: AccountId, excluded: Users, notice: &Notice<'_>) {
        self.feed.append(Topic::Presence, author, excluded, |out| notice.encode(NO_TAG, out));
    }

    /// Tells all, but the author and those excluded, what the author says.
    pub(crate) fn say(&mut self, author: AccountId, excluded: Users, notice: &Notice<'_>) {
        self.feed.append(Topic::Said, author, excluded, |out| notice.encode(NO_TAG, out));
    }

    fn append(&mut self, id: ConnectionId, is_asked: bool, encode: impl FnOnce(&mut Vec<u8>)) {
        let Some(output) = open(&mut self.outputs, id) else { return };
        self.queued += output.append(&self.feed, &mut self.pool, is_asked, encode);
        self.want_flush(id);
    }

    // What waits.

    /// Bytes of a connection that the kernel has taken, ever.
    pub(crate) fn written(&self, id: ConnectionId) -> u64 {
        self.output(id).map_or(0, |output| output.written)
    }

    /// Bytes that wait for this receiver alone.
    pub(crate) fn queued(&self, id: ConnectionId) -> usize {
        self.output(id).map_or(0, Output::queued)
    }

    /// Whether nothing waits for a connection, and no memory is held for it.
    #[cfg(test)]
    pub(crate) fn owns_nothing(&self, id: ConnectionId) -> bool {
        self.output(id).is_some_and(|output| output.owns_nothing() && !output.lags)
    }

    /// Bytes of the feed that wait for it, those included that it is not to get.
    pub(crate) fn lag(&self, id: ConnectionId) -> usize {
        let listens = self.output(id).filter(|output| output.at() != NEVER);
        listens.map_or(0, |output| self.feed.lag(output.listener()))
    }

    /// Bytes that its kernel did not take, or is still to be asked to.
    pub(crate) fn unread(&self, id: ConnectionId) -> usize {
        let lags = self.output(id).is_some_and(|output| output.lags);
        self.queued(id) + if lags { self.lag(id) } else { 0 }
    }

    /// Has a connection written to at the end of this turn.
    pub(crate) fn want_flush(&mut self, id: ConnectionId) {
        if let Some(output) = alive(&mut self.outputs, id)
            && !std::mem::replace(&mut output.awaits_flush, true)
        {
            self.flushes.push(id);
        }
    }

    /// How many are to be written to at the end of this turn.
    pub(crate) fn waiting_for_flush(&self) -> usize {
        self.flushes.len()
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

    /// Writes what waits for a connection, until the kernel takes no more.
    ///
    /// # Errors
    /// Those of the stream, except would-block and interrupted.
    pub(crate) fn write(&mut self, id: ConnectionId, stream: &mut impl Write) -> io::Result<Written> {
        self.forget_trouble(id);
        let Some(output) = alive(&mut self.outputs, id) else {
            return Ok(Written { bytes: 0, is_all: true });
        };
        output.awaits_flush = false;
        let before = output.queued();
        let written = trace::write(&mut self.trace, id, output, &self.feed, stream, &mut self.pool);
        self.queued -= before - output.queued();
        output.written += written.as_ref().map_or(0, |written| written.bytes as u64);
        if !matches!(written, Ok(Written { is_all: true, .. })) {
            self.note_trouble(id);
        }
        written
    }

    /// It was to be written to, and its kernel takes nothing.
    pub(crate) fn refused(&mut self, id: ConnectionId) {
        if let Some(output) = alive(&mut self.outputs, id) {
            output.awaits_flush = false;
        }
        self.note_trouble(id);
    }

    fn output(&self, id: ConnectionId) -> Option<&Output> {
        let output = self.outputs.get(id.slot as usize)?;
        (output.generation == id.generation && output.stage != Stage::Vacant).then_some(output)
    }

    fn enter_roster(&mut self, id: ConnectionId) {
        // If it has not got all, that is noted: its roster need not care.
        self.note_lag(id);
        let Some(output) = alive(&mut self.outputs, id) else { return };
        output.is_swept = true;
        let (presence, head, outputs) = (output.hears_presence(), self.feed.head(), &mut self.outputs);
        self.sweep.insert(presence, id, head, |id, place| outputs[id.slot as usize].place = place as u32);
    }

    fn leave_roster(&mut self, id: ConnectionId) {
        let Some(output) = alive(&mut self.outputs, id) else { return };
        if std::mem::take(&mut output.is_swept) {
            let (presence, place) = (output.hears_presence(), output.place as usize);
            let outputs = &mut self.outputs;
            self.sweep.remove(presence, place, |id, place| outputs[id.slot as usize].place = place as u32);
        }
    }
}

/// The connection's output, until it is closed; beside the other fields of [`Outbox`].
fn alive(outputs: &mut [Output], id: ConnectionId) -> Option<&mut Output> {
    let output = outputs.get_mut(id.slot as usize)?;
    (output.generation == id.generation && output.stage != Stage::Vacant).then_some(output)
}

/// The connection's output, until its last word is queued.
fn open(outputs: &mut [Output], id: ConnectionId) -> Option<&mut Output> {
    alive(outputs, id).filter(|output| output.stage == Stage::Open)
}
