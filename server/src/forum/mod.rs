//! The forum itself: what is remembered, who is online, which links stand, and how one entry of the log changes all
//! that.
//!
//! Pure state: nothing here knows sockets, files, the clock, options or logging. [`Forum::apply`] is
//! deterministic, so the same entries give an equal forum wherever and whenever they are applied; limits that are
//! options are checked before an entry is proposed, never here.
//!
//! Entries are of two kinds. *Kept* ones change [`Kept`]: what a restart, a snapshot and an export know. *Passing* ones
//! ([`Passing`]: log-ins, broadcasts, links) change who is online and which links stand, and are gone with the process.
//! Passing state is decided on kept and passing state, but kept state on kept state alone, or a replay, which has no
//! passing entries, would differ: [`Kept`] is a type of its own, so the compiler sees to that.
//!
//! Cloning [`Kept`] is O(1): all its collections are persistent. Listings and snapshots each work on a clone
//! and so show one instant, however long they take.

mod accounts;
mod blocks;
mod effect;
mod entry;
mod hex_digest;
mod kept;
mod keys;
mod linking;
mod links;
mod mail;
mod marks;
mod name_index;
mod online;
mod passing;
mod record;
mod refused;
mod rooms;
mod search;
mod sequence;
mod threads;
mod unread;
mod watches;

use std::ops::Deref;

pub use accounts::{Account, AccountId, Accounts};
pub use blocks::{Blocks, Users};
pub use effect::{Departure, Effect, LinkNews, LinkProgress, LinkStep};
pub use entry::{Change, Entry, EntryError};
pub use kept::Kept;
pub use keys::{Answer, Key, Keyed, KeyedResult, Keys, RESULTS_MAX};
pub use links::{
    Full, LINKS_OF_A_USER_MAX, Link, Links, MEETING_MAX_MS, Purpose, QUESTION_OPEN_MS,
    QUESTIONS_OF_A_PAIR_MAX, QUESTIONS_TO_A_USER_MAX, Stage, Token,
};
pub use mail::{Mail, MailNumber, Mailbox, Mailboxes};
pub use marks::{MARKS_MAX, Mark, Marks, mark_of, take_mark_of};
pub use online::{ListedUser, Online, OnlineListing, OnlineUser, SessionId};
pub use passing::{LinkRequest, Passing, TakeOver};
pub use record::{Record, Records, RestoreError, Restorer};
pub use refused::{PostAction, Refused};
pub use rooms::{History, Room, RoomId, RoomSummaries, Rooms, RoomsFilter, RoomsListing, TimedPost};
pub use search::{Found, Search};
pub use sequence::{CHUNK_MEMBERS_MAX, Sequence};
pub use threads::{
    Item, ItemId, Post, Thread, ThreadId, ThreadListing, ThreadRow, Threads, ThreadsListing, Upload,
};
pub use unread::{Unread, UnreadListing};
pub use watches::Watches;

/// All that forumd remembers. What is kept reads as if it were the forum's own.
#[derive(Debug, Default)]
pub struct Forum {
    kept: Kept,
    /// Who is online.
    pub online: Online,
    /// Which users want to reach each other.
    pub links: Links,
}

impl Deref for Forum {
    type Target = Kept;

    fn deref(&self) -> &Kept {
        &self.kept
    }
}

/// A forum after a restart: nobody is online.
impl From<Kept> for Forum {
    fn from(kept: Kept) -> Self {
        Self { kept, online: Online::default(), links: Links::default() }
    }
}

impl Forum {
    /// Whether `change` by `actor` would succeed on the present state.
    ///
    /// # Errors
    /// Why it would not.
    pub fn check(&self, actor: Option<AccountId>, change: &Change) -> Result<(), Refused> {
        match change {
            Change::Passing(passing) => self.check_passing(actor, passing),
            kept => self.kept.check(actor, kept),
        }
    }

    /// Applies one entry of the log: all of it, or nothing and the reason.
    ///
    /// # Errors
    /// The change can't be made on this state, for instance because an entry before it was faster. The
    /// entry then stands in the log and changes nothing, today and in every replay.
    pub fn apply(&mut self, entry: &Entry) -> Result<Effect, Refused> {
        match &entry.change {
            Change::Passing(passing) => self.apply_passing(entry, passing),
            _ => self.kept.apply(entry),
        }
    }
}

#[cfg(test)]
mod tests;
