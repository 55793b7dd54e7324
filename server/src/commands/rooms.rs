//! TOOM's commands: the board, who is active, and separate rooms.

use std::sync::Arc;

use forum_common::names::{Text, UserName};
use forum_common::text::Rejection;
use forum_common::text::rejections::SelfDeed;
use forum_common::wire::Limit;
use forum_common::wire::Notice;

use crate::core::Core;
use crate::core::limits::Subject;
use crate::forum::{AccountId, Change, RoomId};
use crate::journal::Journal;

/// Board and rooms keep at most so many messages each: their numbers travel as `u32`.
pub(crate) const HISTORY_MAX: usize = u32::MAX as usize - 1;

impl<J: Journal> Core<J> {
    /// BCM.
    pub(crate) fn post_to_board(&self, text: &str) -> Result<Change, Rejection> {
        let text = Text::parse(text)?;
        if self.pipeline.in_flight().reaches(HISTORY_MAX, self.forum.board.len(), &Subject::Board) {
            return Err(Rejection::LimitReached(Limit::BoardPosts, HISTORY_MAX as u64));
        }
        Ok(Change::PostToBoard { text })
    }

    /// SRM.
    pub(crate) fn post_to_room(&self, room: u32, text: &str) -> Result<Change, Rejection> {
        let text = Text::parse(text)?;
        let room = RoomId(room);
        let length = self.forum.rooms.get(room).map_or(0, |room| room.posts.len());
        if self.pipeline.in_flight().reaches(HISTORY_MAX, length, &Subject::PostsInRoom(room)) {
            return Err(Rejection::LimitReached(Limit::RoomPosts, HISTORY_MAX as u64));
        }
        Ok(Change::PostToRoom { room, text })
    }

    /// SRB. It asks who is online, so nothing of the same connection may be in flight.
    pub(crate) fn create_room(&self, creator: AccountId, users: &str) -> Result<Change, Rejection> {
        let names = users.split(' ').map(UserName::parse).collect::<Result<Vec<_>, _>>()?;
        if names.contains(self.forum.name_of(creator)) {
            return Err(Rejection::NotToSelf(SelfDeed::CreateRoom));
        }
        let mut members = vec![creator];
        for name in &names {
            let unknown = || Rejection::NoSuchUser(name.clone());
            let member = self.forum.accounts.find(name).ok_or_else(unknown)?;
            if !members.contains(&member) {
                members.push(member);
            }
            if members.len() > self.settings.limits.max_room_members {
                let limit = self.settings.limits.max_room_members;
                return Err(Rejection::LimitReached(Limit::RoomMembers, limit as u64));
            }
        }
        if let Some(offline) = members[1..].iter().find(|member| self.forum.online.find(**member).is_none()) {
            let name = self.forum.name_of(*offline);
            return Err(Rejection::Offline(name.clone()));
        }
        if let Some(room) = self.forum.rooms.of_exactly(&members) {
            return Err(Rejection::RoomExists(room.0));
        }
        let limit = self.settings.limits.max_rooms;
        if self.pipeline.in_flight().reaches(limit, self.forum.rooms.len(), &Subject::Rooms) {
            return Err(Rejection::LimitReached(Limit::Rooms, limit as u64));
        }
        Ok(Change::CreateRoom { members })
    }

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
        let members = self.forum.rooms.get(room).map_or(&[][..], |room| &room.members);
        members.iter().map(|member| self.forum.name_of(*member).as_str()).collect::<Vec<_>>().join(" ")
    }

    fn members(&self, room: RoomId) -> Arc<[AccountId]> {
        self.forum.rooms.get(room).map_or_else(Arc::default, |room| Arc::clone(&room.members))
    }
}
