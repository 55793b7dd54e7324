//! What clients have acknowledged, as far as the log does not know it yet: messages that they have taken from their
//! mailboxes, and threads that their users have read. Of each user and kind one entry is on its way at a time; what is
//! acknowledged meanwhile goes with the next.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use crate::forum::{AccountId, ItemId, MARKS_MAX, Mark, ThreadId, mark_of, take_mark_of};

/// How long after the disk had no room for what clients have taken it is asked again: nobody waits for that, but
/// without it a client that lives would be sent the same messages again after the next log-in.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// What a user's client acknowledges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Of {
    /// Messages that it has.
    Mail(AccountId),
    /// Threads that its user has read.
    Reading(AccountId),
}

/// Acknowledgements on their way through the log, and those for which there was no room.
#[derive(Debug, Default)]
pub(crate) struct Acks {
    /// How many entries of each user and kind are in flight.
    in_flight: HashMap<Of, u32>,
    /// Users for whose entries the disk had no room, and when they are proposed again.
    again: BTreeSet<Of>,
    again_at: Option<Instant>,
    /// What users have read and no entry says yet, the least recently read first; at most [`MARKS_MAX`] each, as the
    /// forum keeps, and only of those online.
    marks: HashMap<AccountId, Vec<Mark>>,
}

impl Acks {
    /// Whether an entry of this user and kind is in flight.
    pub(crate) fn is_in_flight(&self, of: Of) -> bool {
        self.in_flight.contains_key(&of)
    }

    /// One is proposed.
    pub(crate) fn begin(&mut self, of: Of) {
        *self.in_flight.entry(of).or_insert(0) += 1;
    }

    /// One is decided; says whether it was the user's last of its kind.
    pub(crate) fn end(&mut self, of: Of) -> bool {
        if let Some(count) = self.in_flight.get_mut(&of) {
            *count -= 1;
            if *count > 0 {
                return false;
            }
        }
        self.in_flight.remove(&of);
        true
    }

    /// There was no room for one: the user is named again later.
    pub(crate) fn try_again(&mut self, of: Of, now: Instant) {
        self.again.insert(of);
        self.again_at.get_or_insert(now + AGAIN_AFTER);
    }

    /// When somebody is to be named again.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.again_at
    }

    /// Those whose acknowledgements are to be proposed again now.
    pub(crate) fn take_due(&mut self, now: Instant) -> BTreeSet<Of> {
        if self.again_at.is_none_or(|due| due > now) {
            return BTreeSet::new();
        }
        self.again_at = None;
        std::mem::take(&mut self.again)
    }

    /// A user has read a thread so far.
    pub(crate) fn note_mark(&mut self, account: AccountId, mark: Mark) {
        let marks = self.marks.entry(account).or_default();
        let up_to = take_mark_of(mark.thread, marks).max(mark.up_to);
        if marks.len() >= MARKS_MAX {
            marks.remove(0);
        }
        marks.push(Mark { up_to, ..mark });
    }

    /// How far a user has read a thread, as far as no entry says it yet.
    pub(crate) fn noted(&self, account: AccountId, thread: ThreadId) -> ItemId {
        self.marks.get(&account).and_then(|marks| mark_of(thread, marks)).unwrap_or_default()
    }

    /// What a user has read and no entry says yet.
    pub(crate) fn take_marks(&mut self, account: AccountId) -> Vec<Mark> {
        self.marks.remove(&account).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIL: Of = Of::Mail(AccountId(7));

    #[test]
    fn an_entry_of_a_user_is_in_flight_until_the_last_of_its_kind_is_decided() {
        let mut acks = Acks::default();
        acks.begin(MAIL);
        acks.begin(MAIL);
        assert!(!acks.end(MAIL) && acks.is_in_flight(MAIL));
        assert!(acks.end(MAIL) && !acks.is_in_flight(MAIL));
        assert!(acks.end(Of::Reading(AccountId(7))), "one that nobody counted is the last");
    }

    #[test]
    fn those_for_whom_there_was_no_room_are_named_once_after_five_seconds_from_the_first() {
        let (mut acks, now) = (Acks::default(), Instant::now());
        assert_eq!((acks.next_due(), acks.take_due(now).len()), (None, 0));
        let due = now + AGAIN_AFTER;
        acks.try_again(MAIL, now);
        acks.try_again(Of::Reading(AccountId(8)), now + AGAIN_AFTER / 2);
        assert_eq!(acks.next_due(), Some(due));
        assert_eq!(acks.take_due(due - Duration::from_nanos(1)).len(), 0);
        assert_eq!(acks.take_due(due), BTreeSet::from([MAIL, Of::Reading(AccountId(8))]));
        assert_eq!((acks.next_due(), acks.take_due(due).len()), (None, 0));
    }

    #[test]
    fn of_each_thread_the_furthest_mark_is_kept_and_of_too_many_threads_the_least_recently_read_goes() {
        let (mut acks, user) = (Acks::default(), AccountId(7));
        let mark = |thread: u64, up_to: u64| Mark { thread: ThreadId(thread), up_to: ItemId(up_to) };
        for noted in [mark(1, 5), mark(2, 6), mark(1, 3)] {
            acks.note_mark(user, noted);
        }
        assert_eq!([1, 2, 3].map(|thread| acks.noted(user, ThreadId(thread)).0), [5, 6, 0]);
        assert_eq!(acks.take_marks(user), [mark(2, 6), mark(1, 5)]);
        assert_eq!(acks.take_marks(user), []);
        (0..=MARKS_MAX as u64).for_each(|thread| acks.note_mark(user, mark(thread, 1)));
        let marks = acks.take_marks(user);
        assert_eq!((marks.len(), marks[0]), (MARKS_MAX, mark(1, 1)));
    }
}
