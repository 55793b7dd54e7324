//! Changes on their way through the log: proposed here, handed back when decided, and only then applied and answered.
//!
//! ```text
//! propose ─► journal ─► next: committed, or refused for want of space
//!    │                        │
//!    └── counted in flight ───┘ and no longer
//! ```
//!
//! Passing entries take the same way, but wait for no commit.

mod figures;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use forum_common::wire::{LinkId, Tag};
use log::{info, warn};
use slab::Slab;

use super::acks::Of;
use super::limits::InFlight;
use super::log_time::LogTime;
use super::transfers::TransferKey;
use super::{Settings, Time};
use crate::forum::{AccountId, Change, Entry, Kept, Keyed};
use crate::journal::{Batch, Class, Cursor, Journal, Outcome, SNAPSHOT_CHUNK_BYTES, Sequence, Ticket};
use crate::planted::{Bug, planted};
use crate::session::ConnectionId;

/// Who waits for what becomes of an entry.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Origin {
    /// A client that signs up.
    SignUp(ConnectionId),
    /// A member's command.
    Command(ConnectionId, Tag),
    /// An upload whose file is on disk.
    Upload(TransferKey),
    /// A client whose password proved right.
    LogIn(ConnectionId),
    /// Nobody: the end of what this link waited for.
    ExpireLink(LinkId),
    /// Nobody.
    Nobody,
    /// Nobody: an account that is imported.
    Import,
    /// Nobody: what a user's client says that it has, or that was read.
    Acknowledged(Of),
    /// Nobody: files of removed threads are gone.
    Unlinked,
}

/// What is to be proposed.
#[derive(Debug)]
pub(crate) struct Proposal {
    /// Who waits for it.
    pub(crate) origin: Origin,
    /// Who is logged in where it comes from.
    pub(crate) actor: Option<AccountId>,
    /// Makes it the same change when it is asked for again.
    pub(crate) key: Option<Keyed>,
    /// The change.
    pub(crate) change: Change,
}

/// An entry of ours in flight; its ticket is its place in the slab.
#[derive(Debug)]
struct Pending {
    origin: Origin,
    entry: Entry,
    bytes: u32,
}

/// An entry that has come back.
#[derive(Debug)]
pub(crate) struct Decided {
    /// Who waits for it, and the bytes that it had in flight; none if it comes from another node.
    pub(crate) origin: Option<(Origin, u32)>,
    /// The entry.
    pub(crate) entry: Entry,
    /// Whether it is to be applied. If not, there was no space for it.
    pub(crate) is_ordered: bool,
}

/// What the journal has handed back and was not looked at yet.
#[derive(Debug, Default)]
struct Returned {
    entries: Batch,
    cursor: Cursor,
    is_ordered: bool,
    /// The place in the log of the next entry; none for entries that have no place there.
    place: Option<Sequence>,
}

impl Returned {
    fn is_read(&self) -> bool {
        self.entries.is_read(&self.cursor)
    }
}

/// The way from a proposal to the entry that is applied.
pub(crate) struct Pipeline<J> {
    journal: J,
    /// Entries that are proposed and not decided, each at the place that its ticket names.
    pending: Slab<Pending>,
    pending_bytes: usize,
    /// Past it every change waits.
    pending_bytes_max: usize,
    /// What limits count of those entries, and of uploads.
    in_flight: InFlight,
    /// The time of the newest kept entry that was proposed, and of the newest that is in the log.
    newest_ms: u64,
    ordered_ms: u64,
    log_time: LogTime,
    returned: Returned,
    /// Of passing entries; they need not wait until those in the log are dealt with.
    passed: Returned,
    /// Whether something has come back since a snapshot was thought of.
    has_news: bool,
    /// The last entry that was handed back, as the journal counts them.
    applied: Sequence,
    /// Who waits for room among the entries in flight.
    waiting_for_room: Vec<ConnectionId>,
    /// What the newest snapshot of this run has come to.
    snapshot_bytes: Arc<AtomicU64>,
    /// How long the log may be without a snapshot.
    snapshot_log_bytes: u64,
    /// Changes that were refused for want of space since the last that was not.
    refused_for_space: usize,
}

impl<J: Journal> Pipeline<J> {
    /// A pipeline that begins at a time of the log, `newest_ms`.
    pub(crate) fn new(journal: J, time: Time, newest_ms: u64, settings: &Settings) -> Self {
        let mut pipeline = Self {
            // A start makes all of the log durable before it is replayed.
            applied: journal.durable(),
            journal,
            pending: Slab::new(),
            pending_bytes: 0,
            pending_bytes_max: settings.entry_bytes_max,
            in_flight: InFlight::default(),
            newest_ms,
            ordered_ms: newest_ms,
            log_time: LogTime::new(time.now),
            returned: Returned::default(),
            passed: Returned::default(),
            has_news: false,
            waiting_for_room: Vec::new(),
            snapshot_bytes: Arc::default(),
            snapshot_log_bytes: settings.limits.snapshot_log_bytes,
            refused_for_space: 0,
        };
        pipeline.warn_of_time(time);
        pipeline
    }

    /// Proposes a change; says how many bytes it has in flight.
    pub(crate) fn propose(&mut self, proposal: Proposal, time: Time) -> u32 {
        let Proposal { origin, actor, key, change } = proposal;
        let class = if change.is_kept() { Class::Kept } else { Class::Passing };
        let at_ms = match class {
            Class::Kept => self.next_time(time, &change),
            Class::Passing => time.now_ms,
        };
        let entry = Entry { at_ms, actor, key, change };
        let place = self.pending.vacant_entry();
        let ticket = Ticket(place.key() as u64);
        let length = self.journal.propose(ticket, class, |out| entry.encode(out));
        let bytes = u32::try_from(length).expect("an entry comes from one frame");
        self.in_flight.raise_for(&entry);
        place.insert(Pending { origin, entry, bytes });
        self.pending_bytes += length;
        bytes
    }

    /// Time in the log never goes back, whatever happens to the machine's clock.
    fn next_time(&mut self, time: Time, change: &Change) -> u64 {
        // What was refused counts no more.
        if self.pending.is_empty() {
            self.newest_ms = self.ordered_ms;
        }
        self.warn_of_time(time);
        let is_read_by_time = matches!(change, Change::PostToBoard { .. } | Change::PostToRoom { .. });
        self.newest_ms = self.log_time.next(time.now, time.now_ms, self.newest_ms, is_read_by_time);
        self.newest_ms
    }

    /// Says so, once, when the log's newest entry is later than the clock.
    fn warn_of_time(&mut self, time: Time) {
        if let Some(ahead) = self.log_time.news(time.now_ms, self.newest_ms) {
            warn!(
                "the log is {} s ahead of this machine's clock: new entries get its newest time, and messages on \
                 the board and in rooms a second more each, until the clock has caught up",
                ahead.as_secs()
            );
        }
    }

    /// The next entry that was decided on; none if nothing is known yet.
    ///
    /// # Errors
    /// Why the log can't be written or read any more.
    pub(crate) fn next(&mut self) -> Result<Option<Decided>, String> {
        loop {
            if let Some(passed) = self.next_passed() {
                return Ok(Some(passed));
            }
            let Returned { entries, cursor, is_ordered, place } = &mut self.returned;
            let Some((ticket, bytes)) = entries.next(cursor) else {
                if !self.take_outcome()? {
                    return Ok(None);
                }
                continue;
            };
            let is_ordered = *is_ordered;
            if let Some(place) = place {
                self.applied = *place;
                *place = place.plus(1);
            }
            let Some(ticket) = ticket else {
                let entry =
                    Entry::decode(bytes).map_err(|error| format!("entry {}: {error}", self.applied))?;
                if entry.change.is_kept() {
                    self.ordered_ms = self.ordered_ms.max(entry.at_ms);
                    self.newest_ms = self.newest_ms.max(entry.at_ms);
                }
                return Ok(Some(Decided { origin: None, entry, is_ordered }));
            };
            if let Some(Pending { origin, entry, bytes }) = self.take_pending(ticket) {
                if is_ordered && entry.change.is_kept() {
                    self.ordered_ms = self.ordered_ms.max(entry.at_ms);
                }
                return Ok(Some(Decided { origin: Some((origin, bytes)), entry, is_ordered }));
            }
        }
    }

    /// The next passing entry that has come back. Asked between any two requests, and there is hardly ever one.
    pub(crate) fn next_passed(&mut self) -> Option<Decided> {
        while self.has_passed() {
            let Returned { entries, cursor, .. } = &mut self.passed;
            let Some((ticket, _)) = entries.next(cursor) else {
                self.journal.recycle(std::mem::take(&mut self.passed).entries);
                let Some(Outcome::Passed { entries }) = self.journal.next_outcome() else {
                    debug_assert!(false, "what passes comes back first");
                    return None;
                };
                self.passed = Returned { entries, cursor: Cursor::default(), is_ordered: true, place: None };
                continue;
            };
            if let Some(Pending { origin, entry, bytes }) =
                ticket.and_then(|ticket| self.take_pending(ticket))
            {
                return Some(Decided { origin: Some((origin, bytes)), entry, is_ordered: true });
            }
        }
        None
    }

    /// Asks the journal what else it has decided; says whether there is something.
    fn take_outcome(&mut self) -> Result<bool, String> {
        self.journal.recycle(std::mem::take(&mut self.returned).entries);
        let Some(outcome) = self.journal.next_outcome() else { return Ok(false) };
        let (entries, is_ordered, place) = match outcome {
            Outcome::Committed { first, entries } => {
                self.note_space();
                (entries, true, Some(first))
            }
            Outcome::Passed { entries } => (entries, true, None),
            Outcome::NoSpace { entries } => {
                self.note_no_space(entries.len());
                (entries, false, None)
            }
            Outcome::Broken { reason } => return Err(reason),
        };
        self.has_news = true;
        self.returned = Returned { entries, cursor: Cursor::default(), is_ordered, place };
        Ok(true)
    }

    fn take_pending(&mut self, ticket: Ticket) -> Option<Pending> {
        let pending = usize::try_from(ticket.0).ok().and_then(|key| self.pending.try_remove(key));
        debug_assert!(pending.is_some() || ticket.is_planted(), "{ticket:?} was not proposed");
        let pending = pending?;
        if !planted(Bug::BytesStayInFlight) {
            self.pending_bytes -= pending.bytes as usize;
        }
        self.in_flight.lower_for(&pending.entry);
        Some(pending)
    }

    /// Says once that the disk is full, however many changes are refused.
    fn note_no_space(&mut self, entries: usize) {
        if self.refused_for_space == 0 {
            warn!("no space left on the disk: changes are refused until there is some");
        }
        self.refused_for_space += entries;
    }

    fn note_space(&mut self) {
        let refused = std::mem::take(&mut self.refused_for_space);
        if refused > 0 {
            info!("there is space on the disk again: {refused} changes had been refused");
        }
    }

    /// Whether something has come back for which nobody wakes the loop.
    pub(crate) fn has_outcome(&self) -> bool {
        !self.returned.is_read() || self.has_passed()
    }

    /// Whether a passing entry has come back.
    pub(crate) fn has_passed(&self) -> bool {
        !self.passed.is_read() || self.journal.has_outcome()
    }

    /// Begins a snapshot when the log after the last one is as long as a snapshot: so a start reads at most twice
    /// the forum. A short log is not worth one: 1 GiB, nine million posts, is replayed in about three seconds.
    pub(crate) fn snapshot_if_due(&mut self, forum: &Kept) {
        // The state has to be that after all outcomes, and none in the middle of one.
        if !self.returned.is_read() || !std::mem::take(&mut self.has_news) {
            return;
        }
        let log_bytes = self.journal.tail_bytes();
        if log_bytes < self.snapshot_bytes.load(Ordering::Relaxed).max(self.snapshot_log_bytes) {
            return;
        }
        let bytes = Arc::new(AtomicU64::new(0));
        let made = Arc::clone(&bytes);
        let chunks = forum.records().chunks(SNAPSHOT_CHUNK_BYTES).inspect(move |chunk| {
            made.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        });
        if self.journal.snapshot(Box::new(chunks)) {
            info!("writing a snapshot: {log_bytes} bytes of log came since the last");
            self.snapshot_bytes = bytes;
        }
    }

    /// Whether `id` may propose one more, as far as the memory for all goes; if not, it is named by
    /// [`Pipeline::take_waiting_for_room`].
    pub(crate) fn ask_for_room(&mut self, id: ConnectionId) -> bool {
        let has_room = self.pending_bytes < self.pending_bytes_max;
        if !has_room {
            self.waiting_for_room.push(id);
        }
        has_room
    }

    /// Everybody who was told that there is no room.
    pub(crate) fn take_waiting_for_room(&mut self) -> Vec<ConnectionId> {
        std::mem::take(&mut self.waiting_for_room)
    }

    /// Ends a turn of the loop: see [`Journal::end_turn`].
    pub(crate) fn end_turn(&mut self, quiet: bool) -> bool {
        self.journal.end_turn(quiet)
    }

    /// What is in flight, by what limits are about.
    pub(crate) fn in_flight(&self) -> &InFlight {
        &self.in_flight
    }

    /// The same, to count what will be proposed and is under way already: an upload.
    pub(crate) fn in_flight_mut(&mut self) -> &mut InFlight {
        &mut self.in_flight
    }

    /// How many entries are in flight.
    pub(crate) fn len(&self) -> usize {
        self.pending.len()
    }

    /// Whether nothing is in flight.
    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// The last entry that was handed back.
    pub(crate) fn applied(&self) -> Sequence {
        self.applied
    }

    /// Up to where the log survives a power cut.
    pub(crate) fn durable(&self) -> Sequence {
        self.journal.durable()
    }

    /// Gives back the journal.
    pub(crate) fn into_journal(self) -> J {
        self.journal
    }

    /// The journal, to play the disk.
    #[cfg(test)]
    pub(crate) fn journal_mut(&mut self) -> &mut J {
        &mut self.journal
    }
}
