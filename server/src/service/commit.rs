//! Changes on their way through the log: proposed here, applied here once they are durable, and only then
//! answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use forum_common::names::UserName;
use forum_common::text::Rejection;
use forum_common::wire::Limit;
use forum_common::wire::Tag;
use log::{error, info, warn};

use super::Service;
use super::shutdown::Lifecycle;
use super::transfers::TransferKey;
use crate::clock::Clock;
use crate::connection::Stream;
use crate::core::limits::Subject;
use crate::forum::{AccountId, Change, Effect, Entry, Keyed};
use crate::journal::{Batch, Class, Journal, Outcome, SNAPSHOT_CHUNK_BYTES, Sequence, Ticket};
use crate::session::{PeerId, Unapplied, Wait};
use crate::workers::passwords::PasswordHash;

/// Entries of one connection in flight; its next change waits.
pub(super) const ENTRIES_MAX: u32 = 64;
/// Bytes of one connection's entries in flight; likewise.
const ENTRY_BYTES_MAX: u32 = 256 * 1024;
/// Bytes of all entries in flight; past it every change waits.
const ALL_ENTRY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Who waits for what becomes of an entry.
#[derive(Debug, Clone, Copy)]
pub(super) enum Origin {
    /// A client that signs up.
    SignUp(PeerId),
    /// A member's command.
    Command(PeerId, Tag),
    /// An upload whose file is on disk.
    Upload(TransferKey),
    /// Nobody: an account that is imported.
    Import,
    /// Nobody: messages that this user's client has.
    Taken(AccountId),
    /// Nobody: files of removed threads are gone.
    Unlinked,
}

/// An entry of ours in flight; its ticket is its place in the slab.
#[derive(Debug)]
pub(super) struct Pending {
    origin: Origin,
    pub(super) entry: Entry,
    bytes: u32,
}

impl<S: Stream, J: Journal, C: Clock> Service<S, J, C> {
    /// Puts a change in the order of the log. Its answer comes when it is applied.
    pub(super) fn propose(&mut self, origin: Origin, actor: Option<AccountId>, change: Change) {
        self.propose_keyed(origin, actor, None, change);
    }

    /// The same, with a key that makes it the same change when it is asked for again.
    pub(super) fn propose_keyed(
        &mut self,
        origin: Origin,
        actor: Option<AccountId>,
        key: Option<Keyed>,
        change: Change,
    ) {
        self.propose_unlinked();
        self.put_in_order(origin, actor, key, change);
    }

    pub(super) fn put_in_order(
        &mut self,
        origin: Origin,
        actor: Option<AccountId>,
        key: Option<Keyed>,
        change: Change,
    ) {
        // Time in the log never goes back, whatever happens to the machine's clock.
        let in_flight = if self.pending.is_empty() { 0 } else { self.newest_pending_ms };
        let newest = self.forum.at_ms().max(in_flight);
        self.warn_of_time(newest);
        let is_read_by_time = matches!(change, Change::PostToBoard { .. } | Change::PostToRoom { .. });
        let at_ms = self.log_time.next(self.now, self.now_ms, newest, is_read_by_time);
        let entry = Entry { at_ms, actor, key, change };
        self.newest_pending_ms = at_ms;
        let place = self.pending.vacant_entry();
        let ticket = Ticket(place.key() as u64);
        let length = self.journal.propose(ticket, Class::Kept, |out| entry.encode(out));
        let bytes = u32::try_from(length).expect("an entry comes from one frame");
        self.in_flight.raise_for(&entry);
        place.insert(Pending { origin, entry, bytes });
        self.pending_bytes += length;
        if let Origin::Command(id, _) = origin
            && let Some(unapplied) = self.unapplied_mut(id)
        {
            unapplied.entries += 1;
            unapplied.bytes += bytes;
        }
    }

    /// Says so, once, when the log's newest entry is later than the clock.
    pub(super) fn warn_of_time(&mut self, newest_ms: u64) {
        if let Some(ahead) = self.log_time.news(self.now_ms, newest_ms) {
            warn!(
                "the log is {} s ahead of this machine's clock: new entries get its newest time, and messages on \
                 the board and in rooms a second more each, until the clock has caught up",
                ahead.as_secs()
            );
        }
    }

    /// Proposes an account that nobody signs up for; it counts once the service is settled again.
    pub fn import_account(&mut self, name: UserName, hash: PasswordHash) {
        self.propose(Origin::Import, None, Change::CreateAccount { name, hash });
    }

    /// What a connection has to wait for before it may propose one entry more.
    pub(super) fn lacks_room(&mut self, id: PeerId) -> Option<Wait> {
        if self.pending_bytes >= ALL_ENTRY_BYTES_MAX {
            self.waiting_for_room.push(id);
            return Some(Wait::Room);
        }
        let own = self.unapplied(id)?;
        (own.entries >= ENTRIES_MAX || own.bytes >= ENTRY_BYTES_MAX).then_some(Wait::OwnEntries)
    }

    /// What a member has in flight.
    pub(super) fn unapplied(&self, id: PeerId) -> Option<Unapplied> {
        self.peers.get(id).and_then(|peer| peer.session.member()).map(|member| member.unapplied)
    }

    fn unapplied_mut(&mut self, id: PeerId) -> Option<&mut Unapplied> {
        self.peers.get_mut(id).and_then(|peer| peer.session.member_mut()).map(|member| &mut member.unapplied)
    }

    /// Applies what has become durable, and answers.
    pub(super) fn take_outcomes(&mut self) {
        let mut any = false;
        while let Some(outcome) = self.journal.next_outcome() {
            any = true;
            match outcome {
                Outcome::Committed { first, entries } => {
                    self.note_space();
                    if let Err(reason) = self.apply_committed(first, &entries) {
                        error!("the log can't be read: {reason}");
                        return self.lifecycle = Lifecycle::Broken(reason);
                    }
                    self.journal.recycle(entries);
                }
                Outcome::Passed { entries } => {
                    for ticket in entries.iter().filter_map(|(ticket, _)| ticket) {
                        self.apply_own(ticket);
                    }
                    self.journal.recycle(entries);
                }
                Outcome::NoSpace { entries } => {
                    self.note_no_space(entries.len());
                    self.refuse_all(&entries);
                    self.journal.recycle(entries);
                }
                Outcome::Broken { reason } => {
                    error!("the log can't be written: {reason}");
                    return self.lifecycle = Lifecycle::Broken(reason);
                }
            }
        }
        if any {
            self.snapshot_if_due();
            for id in std::mem::take(&mut self.waiting_for_room) {
                self.wait_ended(id, Wait::Room);
            }
        }
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

    /// Begins a snapshot when the log behind the last one has grown as long as a snapshot is: so a start
    /// reads at most twice the forum, and snapshots cost no more than the log does. A short log is not worth
    /// one: 1 GiB is nine million posts of 100 bytes, which a start replays in about three seconds.
    fn snapshot_if_due(&mut self) {
        let due = self.snapshot_bytes.load(Ordering::Relaxed).max(self.settings.limits.snapshot_log_bytes);
        if self.journal.tail_bytes() < due {
            return;
        }
        let bytes = Arc::new(AtomicU64::new(0));
        let made = Arc::clone(&bytes);
        let chunks = self.forum.records().chunks(SNAPSHOT_CHUNK_BYTES).inspect(move |chunk| {
            made.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        });
        if self.journal.snapshot(Box::new(chunks)) {
            info!("writing a snapshot: {} bytes of log came since the last", self.journal.tail_bytes());
            self.snapshot_bytes = bytes;
        }
    }

    /// Applies what is in the log now. An entry of ours is known by its ticket and answered; one of another node
    /// has to be decoded, and is told to everybody else alike.
    fn apply_committed(&mut self, first: Sequence, entries: &Batch) -> Result<(), String> {
        for (at, (ticket, bytes)) in entries.iter().enumerate() {
            self.applied = first.plus(at);
            match ticket {
                Some(ticket) => self.apply_own(ticket),
                None => {
                    let entry =
                        Entry::decode(bytes).map_err(|error| format!("entry {}: {error}", self.applied))?;
                    // The node that proposed it answers.
                    let _ = self.apply(&entry);
                    self.bound_notices();
                }
            }
        }
        Ok(())
    }

    fn apply_own(&mut self, ticket: Ticket) {
        if let Some(pending) = self.take_pending(ticket) {
            let result = self.apply(&pending.entry);
            self.answer(pending, result);
            self.bound_notices();
        }
    }

    fn apply(&mut self, entry: &Entry) -> Result<Effect, Rejection> {
        let mut result = self.forum.apply(entry);
        if let Ok(effect) = &mut result {
            self.follow_up(entry, effect);
        }
        result.map_err(Rejection::from)
    }

    fn refuse_all(&mut self, entries: &Batch) {
        for ticket in entries.iter().filter_map(|(ticket, _)| ticket) {
            if let Some(pending) = self.take_pending(ticket) {
                self.answer(pending, Err(Rejection::NoSpace));
            }
        }
    }

    fn take_pending(&mut self, ticket: Ticket) -> Option<Pending> {
        let pending = usize::try_from(ticket.0).ok().and_then(|key| self.pending.try_remove(key));
        debug_assert!(pending.is_some(), "the journal gives back what was not proposed: {ticket:?}");
        let pending = pending?;
        self.pending_bytes -= pending.bytes as usize;
        self.in_flight.lower_for(&pending.entry);
        Some(pending)
    }

    /// What an applied entry means for others than the one who asked.
    fn follow_up(&mut self, entry: &Entry, effect: &mut Effect) {
        match (effect, &entry.change, entry.actor) {
            (Effect::ThreadRemoved { id, thread }, ..) => self.thread_removed(*id, thread),
            (Effect::MessageStored(to), ..) => {
                if let Some(peer) = self.online.find(*to).map(|user| user.peer) {
                    self.publish_comings();
                    self.deliver(peer);
                }
            }
            (Effect::PostedToBoard(number), Change::PostToBoard { text }, Some(author)) => {
                self.show_board_post(author, *number, entry.at_ms, text);
            }
            (Effect::PostedToRoom(room, number), Change::PostToRoom { text, .. }, Some(author)) => {
                self.show_room_post(author, *room, *number, entry.at_ms, text);
            }
            (Effect::RoomCreated(room), _, Some(creator)) => self.show_new_room(creator, *room),
            _ => {}
        }
    }

    /// Tells whoever asked what became of an entry.
    fn answer(&mut self, pending: Pending, result: Result<Effect, Rejection>) {
        match pending.origin {
            Origin::SignUp(id) => match result {
                Ok(Effect::AccountCreated(account)) => self.signed_up(id, Ok(account)),
                Ok(_) => debug_assert!(false, "a sign-up creates an account"),
                Err(no) => self.signed_up(id, Err(no)),
            },
            Origin::Taken(account) => match result {
                Ok(_) => self.taken(account),
                Err(_) => self.taken_refused(account),
            },
            Origin::Import => {
                if let Err(no) = result {
                    warn!("an account was not imported: {}", no);
                }
            }
            Origin::Unlinked => self.unlinked_decided(pending.entry.change, result.is_ok()),
            Origin::Upload(key) => self.upload_decided(key, &pending.entry, result),
            Origin::Command(id, tag) => {
                let Some(own) = self.unapplied_mut(id) else { return };
                own.entries -= 1;
                own.bytes -= pending.bytes;
                match result {
                    Ok(effect) => {
                        let answer = effect.answer(&pending.entry);
                        self.answer_change(id, tag, &pending.entry.change, answer);
                    }
                    Err(no) => self.refuse(id, tag, &no),
                }
                self.wait_ended(id, Wait::OwnEntries);
            }
        }
    }

    pub(super) fn no_more_accounts(&self) -> Rejection {
        Rejection::LimitReached(Limit::Accounts, self.settings.limits.max_accounts as u64)
    }

    /// Whether there are as many accounts as there may be, those in flight included.
    pub(super) fn accounts_are_full(&self) -> bool {
        let limit = self.settings.limits.max_accounts;
        self.in_flight.reaches(limit, self.forum.accounts.len(), &Subject::Accounts)
    }
}
