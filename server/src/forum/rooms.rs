//! TOOM's board and its separate rooms: histories that only grow, read by time.

use std::collections::VecDeque;
use std::sync::Arc;

use forum_common::names::Text;
use serde::{Deserialize, Serialize};

use super::{AccountId, Sequence};
use crate::planted::{Bug, planted};

/// A room's number, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RoomId(pub u32);

/// A message that says when it was written: those of the board and of rooms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimedPost {
    /// Who wrote it.
    pub author: AccountId,
    /// When, in UTC milliseconds. Never less than the one before.
    pub at_ms: u64,
    /// What it says.
    pub text: Text,
}

/// One room. A clone is O(1) and keeps its instant.
#[derive(Debug, Clone)]
pub struct Room {
    /// Everybody in it: the creator, then the others in the order they were named.
    pub members: Arc<[AccountId]>,
    /// What was said in it.
    pub posts: Sequence<TimedPost>,
}

impl Room {
    /// Whether `user` is in it.
    pub fn has(&self, user: AccountId) -> bool {
        self.members.contains(&user)
    }
}

/// All rooms. They are never removed.
#[derive(Debug, Clone, Default)]
pub struct Rooms {
    by_id: imbl::OrdMap<RoomId, Room>,
    /// The room for exactly these users, sorted.
    by_members: imbl::OrdMap<Arc<[AccountId]>, RoomId>,
    /// The rooms of a user, oldest first.
    by_user: imbl::OrdMap<AccountId, imbl::OrdSet<RoomId>>,
}

impl Rooms {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// The room of this number.
    pub fn get(&self, id: RoomId) -> Option<&Room> {
        self.by_id.get(&id)
    }

    /// The room for exactly these users, in any order.
    pub fn of_exactly(&self, members: &[AccountId]) -> Option<RoomId> {
        self.by_members.get(&sorted(members)).copied()
    }

    /// All rooms, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (&RoomId, &Room)> {
        self.by_id.iter()
    }

    /// What was posted in the rooms of `user`, as far as `filter` lets it through, to be read as slowly as one
    /// likes. It pins those rooms and no others.
    pub fn posts(&self, user: AccountId, filter: RoomsFilter) -> RoomsListing {
        let mine = self.by_user.get(&user).into_iter().flatten();
        let wanted = mine.filter(|id| filter.room.is_none_or(|only| only == **id));
        let posts_of = |id: &RoomId| self.by_id.get(id).map(|room| (*id, room.posts.clone()));
        RoomsListing { rooms: wanted.filter_map(posts_of).collect(), history: None, filter, skip: None }
    }

    /// The rooms of `user`, oldest first, as they are now.
    pub fn of(&self, user: AccountId) -> RoomSummaries {
        let mine = self.by_user.get(&user).into_iter().flatten();
        let summary = |id: &RoomId| {
            let room = self.by_id.get(id)?;
            Some(RoomSummary { id: *id, members: Arc::clone(&room.members), posts: room.posts.len() as u32 })
        };
        RoomSummaries { rooms: mine.filter_map(summary).collect() }
    }

    pub(super) fn create(&mut self, members: Arc<[AccountId]>) -> RoomId {
        let id = RoomId(self.by_id.len() as u32 + 1);
        self.by_members.insert(sorted(&members), id);
        for &member in members.iter() {
            self.by_user.entry(member).or_default().insert(id);
        }
        self.by_id.insert(id, Room { members, posts: Sequence::default() });
        id
    }

    /// Adds a message; says which number it got.
    pub(super) fn post(&mut self, id: RoomId, post: TimedPost) -> Option<u32> {
        let room = self.by_id.get_mut(&id)?;
        room.posts.push(post);
        Some(room.posts.len() as u32)
    }
}

fn sorted(members: &[AccountId]) -> Arc<[AccountId]> {
    let mut members = members.to_vec();
    members.sort_unstable();
    members.into()
}

/// What a list of rooms says of one.
#[derive(Debug)]
pub struct RoomSummary {
    /// Its number.
    pub id: RoomId,
    /// Everybody in it, the creator first.
    pub members: Arc<[AccountId]>,
    /// How many messages it has.
    pub posts: u32,
}

/// A user's rooms being listed.
#[derive(Debug)]
pub struct RoomSummaries {
    rooms: VecDeque<RoomSummary>,
}

impl RoomSummaries {
    /// What it keeps in memory: members never change, and are shared with the rooms.
    pub fn bytes(&self) -> usize {
        self.rooms.len() * size_of::<RoomSummary>()
    }

    /// Leaves out all rooms up to this number.
    pub fn skip_past(&mut self, id: u64) {
        while self.rooms.front().is_some_and(|room| u64::from(room.id.0) <= id) {
            self.rooms.pop_front();
        }
    }

    /// The next room; none at the end.
    pub fn next_room(&mut self) -> Option<RoomSummary> {
        self.rooms.pop_front()
    }
}

/// Which messages of rooms are wanted.
#[derive(Debug, Clone, Copy, Default)]
pub struct RoomsFilter {
    /// Only those posted later than this, in UTC milliseconds, compared in whole seconds.
    pub later_than_ms: Option<u64>,
    /// Only those of this room.
    pub room: Option<RoomId>,
    /// Only those with this number or a higher one.
    pub from: Option<u32>,
}

/// A history being read: it holds its own version of it.
#[derive(Debug)]
pub struct History {
    posts: Sequence<TimedPost>,
    next: usize,
}

impl History {
    /// What was posted later than that, in UTC milliseconds, compared in whole seconds, which is what people see of
    /// times; and has the number `from` or a higher one.
    pub fn part(posts: &Sequence<TimedPost>, later_than_ms: Option<u64>, from: Option<u32>) -> Self {
        let is_earlier = |post: &TimedPost| later_than_ms.is_some_and(|ms| post.at_ms / 1_000 <= ms / 1_000);
        let before = from.map_or(0, |from| from.saturating_sub(1));
        Self { posts: posts.clone(), next: posts.partition_point(is_earlier).max(before as usize) }
    }

    /// What it keeps in memory though others go on writing: histories only grow.
    pub fn bytes(&self) -> usize {
        self.posts.unshared_bytes()
    }

    /// Leaves out all messages up to this number.
    pub fn skip_past(&mut self, number: u64) {
        let number = number + u64::from(planted(Bug::PageSkipsItsFirstItem));
        self.next = self.next.max(usize::try_from(number).unwrap_or(usize::MAX));
    }

    /// All of it.
    pub fn all(posts: &Sequence<TimedPost>) -> Self {
        Self { posts: posts.clone(), next: 0 }
    }

    /// The next message and its number, from 1; none at the end.
    pub fn next_post(&mut self) -> Option<(u32, &TimedPost)> {
        let post = self.posts.get(self.next)?;
        self.next += 1;
        Some((self.next as u32, post))
    }
}

/// The histories of a user's rooms being read, one after the other.
#[derive(Debug)]
pub struct RoomsListing {
    /// Those that were not begun, in the order of their numbers.
    rooms: VecDeque<(RoomId, Sequence<TimedPost>)>,
    /// The room at hand.
    history: Option<(RoomId, History)>,
    filter: RoomsFilter,
    /// In this room, messages up to this number are left out.
    skip: Option<(RoomId, u64)>,
}

impl RoomsListing {
    /// What it keeps in memory though others go on writing: rooms only grow.
    pub fn bytes(&self) -> usize {
        let bytes = |room: &(RoomId, Sequence<TimedPost>)| size_of_val(room) + room.1.unshared_bytes();
        self.rooms.iter().map(bytes).sum()
    }

    /// Leaves out the rooms before this one, and its messages up to this number.
    pub fn skip_past(&mut self, room: RoomId, number: u64) {
        while self.rooms.front().is_some_and(|(first, _)| *first < room) {
            self.rooms.pop_front();
        }
        self.skip = Some((room, number));
    }

    /// The next message, its room and its number; none at the end.
    pub fn next_post(&mut self) -> Option<(RoomId, u32, TimedPost)> {
        loop {
            if let Some((room, history)) = &mut self.history
                && let Some((number, post)) = history.next_post()
            {
                return Some((*room, number, post.clone()));
            }
            let (room, posts) = self.rooms.pop_front()?;
            let mut history = History::part(&posts, self.filter.later_than_ms, self.filter.from);
            if let Some((_, number)) = self.skip.filter(|(skipped, _)| *skipped == room) {
                history.skip_past(number);
            }
            self.history = Some((room, history));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: AccountId = AccountId(0);

    /// Three rooms with two messages each.
    fn three_rooms() -> Rooms {
        let mut rooms = Rooms::default();
        assert!(rooms.is_empty());
        for other in 1..=3 {
            let room = rooms.create(Arc::from([ME, AccountId(other)]));
            for text in ["a", "b"] {
                let text = Text::parse(text).unwrap();
                rooms.post(room, TimedPost { author: ME, at_ms: 0, text }).unwrap();
            }
        }
        assert!(!rooms.is_empty());
        rooms
    }

    #[test]
    fn a_list_counts_what_it_keeps_in_memory() {
        let rooms = three_rooms();
        assert_eq!(rooms.of(ME).bytes(), 3 * size_of::<RoomSummary>());
        let history = &rooms.get(RoomId(1)).unwrap().posts;
        assert!(history.unshared_bytes() > size_of::<TimedPost>());
        assert_eq!(History::all(history).bytes(), history.unshared_bytes());
        let each = size_of::<(RoomId, Sequence<TimedPost>)>() + history.unshared_bytes();
        assert_eq!(rooms.posts(ME, RoomsFilter::default()).bytes(), 3 * each);
    }

    #[test]
    fn a_page_goes_on_after_the_last_row_of_the_one_before() {
        let rooms = three_rooms();
        let mut rows = rooms.of(ME);
        rows.skip_past(2);
        let rest: Vec<_> = std::iter::from_fn(|| rows.next_room()).map(|room| room.id.0).collect();
        assert_eq!(rest, [3]);
        let mut posts = rooms.posts(ME, RoomsFilter::default());
        posts.skip_past(RoomId(2), 1);
        let rest: Vec<_> =
            std::iter::from_fn(|| posts.next_post()).map(|(room, number, _)| (room.0, number)).collect();
        assert_eq!(rest, [(2, 2), (3, 1), (3, 2)]);
    }
}
