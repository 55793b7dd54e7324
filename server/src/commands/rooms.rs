//! TOOM's commands: the board, who is active, and separate rooms.

use std::sync::Arc;

use forum_common::names::{Text, UserName};
use forum_common::text::Rejection;
use forum_common::text::rejections::SelfDeed;
use forum_common::wire::Limit;
use forum_common::wire::Notice;

use super::View;
use crate::core::Core;
use crate::core::limits::{HISTORY_MAX, Subject};
use crate::forum::{AccountId, Change, RoomId, Users};
use crate::journal::Journal;

/// BCM.
pub(super) fn post_to_board(view: View<'_>, text: &str) -> Result<Change, Rejection> {
    let text = Text::parse(text)?;
    if view.in_flight.reaches(HISTORY_MAX, view.forum.board.len(), &Subject::Board) {
        return Err(Rejection::LimitReached(Limit::BoardPosts, HISTORY_MAX as u64));
    }
    Ok(Change::PostToBoard { text })
}

/// SRM.
pub(super) fn post_to_room(view: View<'_>, room: u32, text: &str) -> Result<Change, Rejection> {
    let text = Text::parse(text)?;
    let room = RoomId(room);
    let length = view.forum.rooms.get(room).map_or(0, |room| room.posts.len());
    if view.in_flight.reaches(HISTORY_MAX, length, &Subject::PostsInRoom(room)) {
        return Err(Rejection::LimitReached(Limit::RoomPosts, HISTORY_MAX as u64));
    }
    Ok(Change::PostToRoom { room, text })
}

/// SRB. It asks who is online, so nothing of the same connection may be in flight.
pub(super) fn create(view: View<'_>, creator: AccountId, users: &str) -> Result<Change, Rejection> {
    // Without any, what stands there is no name either.
    let is_blank = users.trim_matches(' ').is_empty();
    let words = users.split(' ').filter(|word| is_blank || !word.is_empty());
    let names = words.map(UserName::parse).collect::<Result<Vec<_>, _>>()?;
    if names.contains(view.forum.name_of(creator)) {
        return Err(Rejection::NotToSelf(SelfDeed::CreateRoom));
    }
    let mut members = vec![creator];
    for name in &names {
        let unknown = || Rejection::NoSuchUser(name.clone());
        let member = view.forum.accounts.find(name).ok_or_else(unknown)?;
        if !members.contains(&member) {
            members.push(member);
        }
        if members.len() > view.limits.max_room_members {
            let limit = view.limits.max_room_members;
            return Err(Rejection::LimitReached(Limit::RoomMembers, limit as u64));
        }
    }
    if let Some(offline) = members[1..].iter().find(|member| view.forum.online.find(**member).is_none()) {
        let name = view.forum.name_of(*offline);
        return Err(Rejection::Offline(name.clone()));
    }
    if let Some(room) = view.forum.rooms.of_exactly(&members) {
        return Err(Rejection::RoomExists(room.0));
    }
    let limit = view.limits.max_rooms;
    if view.in_flight.reaches(limit, view.forum.rooms.len(), &Subject::Rooms) {
        return Err(Rejection::LimitReached(Limit::Rooms, limit as u64));
    }
    Ok(Change::CreateRoom { members })
}

impl<J: Journal> Core<J> {
    /// Shows a message of the board to everyone online who wants to hear its author.
    pub(crate) fn show_board_post(&mut self, author: AccountId, number: u32, at_ms: u64, text: &Text) {
        let (name, excluded) = (self.forum.name_of(author), self.forum.blocks.of(author));
        self.outbox.say(author, excluded, &Notice::BoardPost { number, at_ms, author: name, text });
    }

    /// Shows a message of a room to its other members who are online and want to hear its author.
    pub(crate) fn show_room_post(
        &mut self,
        author: AccountId,
        room: RoomId,
        number: u32,
        at_ms: u64,
        text: &Text,
    ) {
        let (name, excluded) = (self.forum.name_of(author).clone(), self.forum.blocks.of(author));
        let notice = Notice::RoomPost { room: room.0, number, at_ms, author: &name, text };
        self.tell_some(&self.members(room), author, &excluded, &notice);
    }

    /// Tells those who were put in a room, but not who has blocked its creator.
    pub(crate) fn show_new_room(&mut self, creator: AccountId, room: RoomId) {
        let (by, excluded) = (self.forum.name_of(creator).clone(), self.forum.blocks.of(creator));
        let notice = Notice::PutInRoom { room: room.0, by: &by, users: &self.member_names(room) };
        self.tell_some(&self.members(room), creator, &excluded, &notice);
    }

    /// The names of a room's members with one space between them, as the wire has them.
    pub(crate) fn member_names(&self, room: RoomId) -> String {
        self.forum.rooms.get(room).map_or_else(String::new, |room| self.forum.names_of(&room.members))
    }

    fn members(&self, room: RoomId) -> Arc<[AccountId]> {
        self.forum.rooms.get(room).map_or_else(Arc::default, |room| Arc::clone(&room.members))
    }

    /// Tells those of `users` who are online, but `actor` and those excluded.
    fn tell_some(&mut self, users: &[AccountId], actor: AccountId, excluded: &Users, notice: &Notice<'_>) {
        for user in users.iter().filter(|user| **user != actor && !excluded.contains(*user)) {
            self.tell_user(*user, notice);
        }
    }
}
