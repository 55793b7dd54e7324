//! What is in flight, counted per subject of a limit: a thread's posts, a user's mailbox, one user's blocks.
//!
//! A limit compares what is stored, plus what is in flight, with its maximum. A counter is raised when something is
//! proposed, and lowered when it has been applied, refused or dropped. So a check costs the same however much is in
//! flight, and never counts what is about another subject.

use std::collections::BTreeMap;

use forum_common::names::Title;

use crate::forum::{AccountId, Change, Entry, RoomId, ThreadId};

/// Entries of one connection in flight; its next change waits.
pub(crate) const ENTRIES_MAX: u32 = 64;

/// Board and rooms keep at most so many messages each: their numbers travel as `u32`.
pub(crate) const HISTORY_MAX: usize = u32::MAX as usize - 1;

/// What a limit is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    /// All accounts.
    Accounts,
    /// All threads.
    Threads,
    /// The posts of a thread. By title: the thread itself may still be in flight.
    PostsIn(Title),
    /// The messages that wait for a user; their bytes are those of the texts.
    MailTo(AccountId),
    /// The users whom one user has blocked.
    BlocksBy(AccountId),
    /// The posts on the board.
    Board,
    /// All rooms.
    Rooms,
    /// The posts in a room.
    PostsInRoom(RoomId),
    /// The files of a thread; in flight from the beginning of the upload.
    FilesIn(ThreadId),
    /// The files of a user; their bytes are as announced. In flight from the beginning of the upload.
    FilesOf(AccountId),
}

/// How much of one subject is in flight.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Amount {
    /// How many.
    pub(crate) count: usize,
    /// How many bytes they have; 0 where no limit is about bytes.
    pub(crate) bytes: u64,
}

/// The counters. A subject of which nothing is in flight takes no memory. A tree and not a hash table: a large table
/// that doubles would hold up the loop.
#[derive(Debug, Default)]
pub(crate) struct InFlight(BTreeMap<Subject, Amount>);

impl InFlight {
    /// How much of `subject` is in flight.
    pub(crate) fn of(&self, subject: &Subject) -> Amount {
        self.0.get(subject).copied().unwrap_or_default()
    }

    /// Whether `stored` and what is in flight of `subject` together reach `limit`.
    pub(crate) fn reaches(&self, limit: usize, stored: usize, subject: &Subject) -> bool {
        stored.saturating_add(self.of(subject).count) >= limit
    }

    /// One more of `subject` is in flight, with so many bytes.
    pub(crate) fn raise(&mut self, subject: Subject, bytes: u64) {
        let amount = self.0.entry(subject).or_default();
        amount.count += 1;
        amount.bytes += bytes;
    }

    /// One of `subject` is in flight no longer: the opposite of [`InFlight::raise`], with the same bytes.
    pub(crate) fn lower(&mut self, subject: &Subject, bytes: u64) {
        let Some(amount) = self.0.get_mut(subject) else {
            debug_assert!(false, "{subject:?} was lowered more often than it was raised");
            return;
        };
        amount.count -= 1;
        amount.bytes -= bytes;
        if amount.count == 0 {
            debug_assert_eq!(amount.bytes, 0, "{subject:?} was lowered by other bytes than it was raised");
            self.0.remove(subject);
        }
    }

    /// An entry is proposed.
    pub(crate) fn raise_for(&mut self, entry: &Entry) {
        if let Some((subject, bytes)) = counted(entry) {
            self.raise(subject, bytes);
        }
    }

    /// A proposed entry has been applied, refused or dropped.
    pub(crate) fn lower_for(&mut self, entry: &Entry) {
        if let Some((subject, bytes)) = counted(entry) {
            self.lower(&subject, bytes);
        }
    }

    /// How much is in flight, of all subjects together.
    pub(crate) fn total(&self) -> usize {
        self.0.values().map(|amount| amount.count).sum()
    }

    /// Whether nothing that a limit is about is in flight.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Whether a limit counts an entry while it is in flight.
pub(crate) fn is_counted(entry: &Entry) -> bool {
    counted(entry).is_some()
}

/// What an entry adds one to, and how many bytes; none if it adds nothing that is limited. An upload is counted from
/// its beginning, not by its entry.
fn counted(entry: &Entry) -> Option<(Subject, u64)> {
    Some(match &entry.change {
        Change::CreateAccount { .. } => (Subject::Accounts, 0),
        Change::CreateThread { .. } => (Subject::Threads, 0),
        Change::Post { title, .. } => (Subject::PostsIn(title.clone()), 0),
        Change::SendMessage { to, text } => (Subject::MailTo(*to), text.len() as u64),
        Change::Block { .. } => (Subject::BlocksBy(entry.actor?), 0),
        Change::PostToBoard { .. } => (Subject::Board, 0),
        Change::CreateRoom { .. } => (Subject::Rooms, 0),
        Change::PostToRoom { room, .. } => (Subject::PostsInRoom(*room), 0),
        Change::SetPassword { .. }
        | Change::DeletePost { .. }
        | Change::EditPost { .. }
        | Change::AddFile { .. }
        | Change::RemoveThread { .. }
        | Change::TakeMessages { .. }
        | Change::Unblock { .. }
        | Change::MarkRead { .. }
        | Change::Watch { .. }
        | Change::Unwatch { .. }
        | Change::Unlinked { .. }
        | Change::Passing(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use forum_common::names::Text;
    use proptest::prelude::*;

    use super::*;

    fn title(n: u8) -> Title {
        Title::parse(&format!("t{n}")).unwrap()
    }

    /// Entries about few subjects, so that they meet.
    fn entry() -> impl Strategy<Value = Entry> {
        let few = || 0..3u8;
        let change = (0..9u8, few(), 1..50usize).prop_map(|(kind, which, length)| {
            let text = Text::parse(&"x".repeat(length)).unwrap();
            let account = AccountId(which.into());
            match kind {
                0 => Change::CreateThread { title: title(which) },
                1 => Change::Post { title: title(which), text },
                2 => Change::SendMessage { to: account, text },
                3 => Change::Block { user: account },
                4 => Change::PostToBoard { text },
                5 => Change::CreateRoom { members: vec![account] },
                6 => Change::PostToRoom { room: RoomId(which.into()), text },
                7 => Change::Unblock { user: account },
                _ => Change::RemoveThread { title: title(which) },
            }
        });
        (few(), change).prop_map(|(actor, change)| Entry {
            at_ms: 0,
            actor: Some(AccountId(actor.into())),
            key: None,
            change,
        })
    }

    /// What the counters must say, found by looking at everything in flight.
    fn scanned(in_flight: &VecDeque<Entry>, weight: impl Fn(&Entry) -> Option<usize>) -> Amount {
        let weights: Vec<usize> = in_flight.iter().filter_map(weight).collect();
        Amount { count: weights.len(), bytes: weights.iter().sum::<usize>() as u64 }
    }

    fn expect_scanned(counters: &InFlight, model: &VecDeque<Entry>) -> Result<(), TestCaseError> {
        for n in 0..3u8 {
            let account = AccountId(n.into());
            let posts = |entry: &Entry| {
                matches!(&entry.change, Change::Post { title: to, .. } if *to == title(n)).then_some(0)
            };
            let mail = |entry: &Entry| match &entry.change {
                Change::SendMessage { to, text } if *to == account => Some(text.len()),
                _ => None,
            };
            let blocks = |entry: &Entry| {
                (entry.actor == Some(account) && matches!(entry.change, Change::Block { .. })).then_some(0)
            };
            let room = RoomId(n.into());
            let said = |entry: &Entry| {
                matches!(entry.change, Change::PostToRoom { room: to, .. } if to == room).then_some(0)
            };
            prop_assert_eq!(counters.of(&Subject::PostsIn(title(n))), scanned(model, posts));
            prop_assert_eq!(counters.of(&Subject::MailTo(account)), scanned(model, mail));
            prop_assert_eq!(counters.of(&Subject::BlocksBy(account)), scanned(model, blocks));
            prop_assert_eq!(counters.of(&Subject::PostsInRoom(room)), scanned(model, said));
        }
        let threads = |entry: &Entry| matches!(entry.change, Change::CreateThread { .. }).then_some(0);
        let rooms = |entry: &Entry| matches!(entry.change, Change::CreateRoom { .. }).then_some(0);
        let board = |entry: &Entry| matches!(entry.change, Change::PostToBoard { .. }).then_some(0);
        prop_assert_eq!(counters.of(&Subject::Threads), scanned(model, threads));
        prop_assert_eq!(counters.of(&Subject::Rooms), scanned(model, rooms));
        prop_assert_eq!(counters.of(&Subject::Board), scanned(model, board));
        Ok(())
    }

    proptest! {
        #[test]
        fn the_counters_say_what_a_look_at_everything_in_flight_would(
            steps in prop::collection::vec(prop::option::weighted(0.6, entry()), 1..200)
        ) {
            let (mut counters, mut model) = (InFlight::default(), VecDeque::new());
            for step in steps {
                if let Some(entry) = step {
                    counters.raise_for(&entry);
                    model.push_back(entry);
                } else if let Some(entry) = model.pop_front() {
                    counters.lower_for(&entry);
                }
                expect_scanned(&counters, &model)?;
            }
            model.iter().for_each(|entry| counters.lower_for(entry));
            prop_assert!(counters.is_empty(), "no subject is left behind: {:?}", counters);
        }
    }

    #[test]
    fn a_limit_is_reached_by_what_is_stored_and_what_is_in_flight_together() {
        let mut counters = InFlight::default();
        let mine = Subject::BlocksBy(AccountId(1));
        counters.raise(mine.clone(), 0);
        counters.raise(Subject::BlocksBy(AccountId(2)), 0);
        assert!(!counters.reaches(3, 1, &mine));
        assert!(counters.reaches(3, 2, &mine));
        counters.lower(&mine, 0);
        assert!(!counters.reaches(3, 2, &mine));
        assert!(counters.reaches(0, 0, &mine), "nothing may be there at all");
    }
}
