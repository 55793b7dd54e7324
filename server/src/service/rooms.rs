//! TOOM's commands: the board, who is active, and separate rooms.

use std::sync::Arc;

use forum_common::frame::Tag;
use forum_common::names::{Text, UserName};
use forum_common::notice::Notice;
use forum_common::refusal::Refusal;

use super::{No, Service};
use crate::clock::Clock;
use crate::connection::Stream;
use crate::forum::{AccountId, Change, History, Refused, RoomId};
use crate::journal::Journal;
use crate::session::{PeerId, Task};

/// Board and rooms keep at most so many messages each: their numbers travel as `u32`.
const HISTORY_MAX: usize = u32::MAX as usize - 1;

impl<S: Stream, J: Journal, C: Clock> Service<S, J, C> {
    /// BCM.
    pub(super) fn post_to_board(&self, text: &str) -> Result<Change, No> {
        let text = Text::parse(text)?;
        if self.forum.board.len() + self.pending_count() >= HISTORY_MAX {
            return Err(No::limit(format_args!("{HISTORY_MAX} messages on the board")));
        }
        Ok(Change::PostToBoard { text })
    }

    /// SRM.
    pub(super) fn post_to_room(&self, room: u32, text: &str) -> Result<Change, No> {
        let text = Text::parse(text)?;
        let room = RoomId(room);
        let length = self.forum.rooms.get(room).map_or(0, |room| room.posts.len());
        if length + self.pending_count() >= HISTORY_MAX {
            return Err(No::limit(format_args!("{HISTORY_MAX} messages in a room")));
        }
        Ok(Change::PostToRoom { room, text })
    }

    /// SRB. It asks who is online, so nothing of the same connection may be in flight.
    pub(super) fn create_room(&self, creator: AccountId, users: &str) -> Result<Change, No> {
        let names = users.split(' ').map(UserName::parse).collect::<Result<Vec<_>, _>>()?;
        if names.contains(self.forum.name_of(creator)) {
            return Err(No(Refusal::NotToSelf, "Error. Cannot create a room with yourself".into()));
        }
        let mut members = vec![creator];
        for name in &names {
            let unknown = || No(Refusal::InvalidUser, format!("{name} does not exist"));
            let member = self.forum.accounts.find(name).ok_or_else(unknown)?;
            if !members.contains(&member) {
                members.push(member);
            }
            if members.len() > self.settings.limits.max_room_members {
                return Err(No::limit(format_args!(
                    "{} members of a room",
                    self.settings.limits.max_room_members
                )));
            }
        }
        if let Some(offline) = members[1..].iter().find(|member| self.online.find(**member).is_none()) {
            let text = format!("{} is offline", self.forum.name_of(*offline));
            return Err(No(Refusal::Offline, text));
        }
        if let Some(room) = self.forum.rooms.of_exactly(&members) {
            return Err(Refused::RoomExists(room).into());
        }
        let limit = self.settings.limits.max_rooms;
        let is_creation = |change: &Change| matches!(change, Change::CreateRoom { .. });
        if self.reaches(limit, self.forum.rooms.len(), is_creation) {
            return Err(No::limit(format_args!("{limit} rooms")));
        }
        Ok(Change::CreateRoom { members })
    }

    /// ATU.
    pub(super) fn list_active(&mut self, id: PeerId, tag: Tag, asker: AccountId) {
        let listing = self.online.list(asker, self.forum.blocks.of(asker), None);
        self.begin(id, Task::ListingActive(tag, Box::new(listing)));
    }

    /// RDM b.
    pub(super) fn read_board(&mut self, id: PeerId, tag: Tag, after: &str) -> Result<(), No> {
        let after_s = self.parse_time(after)?;
        let history = History::after(&self.forum.board, after_s);
        self.begin(id, Task::ListingBoard(tag, Box::new(history)));
        Ok(())
    }

    /// RDM s.
    pub(super) fn read_rooms(
        &mut self,
        id: PeerId,
        tag: Tag,
        asker: AccountId,
        after: &str,
    ) -> Result<(), No> {
        let after_s = self.parse_time(after)?;
        let listing = self.forum.rooms.posts_after(asker, after_s);
        self.begin(id, Task::ListingRooms(tag, Box::new(listing)));
        Ok(())
    }

    fn parse_time(&self, raw: &str) -> Result<i64, No> {
        self.settings.zone.parse(raw).ok_or_else(|| No(Refusal::InvalidTimestamp, "Invalid timestamp".into()))
    }

    /// Shows a message of the board to everyone online who wants to hear its author.
    pub(super) fn show_board_post(&mut self, author: AccountId, number: u32, text: &Text) {
        let (name, excluded) = (self.forum.name_of(author).clone(), self.forum.blocks.of(author));
        self.tell_all(author, &excluded, &Notice::BoardPost { number, author: &name, text });
    }

    /// Shows a message of a room to its other members who are online and want to hear its author.
    pub(super) fn show_room_post(&mut self, author: AccountId, room: RoomId, number: u32, text: &Text) {
        let (name, excluded) = (self.forum.name_of(author).clone(), self.forum.blocks.of(author));
        let notice = Notice::RoomPost { room: room.0, number, author: &name, text };
        self.tell_some(&self.members(room), author, &excluded, &notice);
    }

    /// Tells those who were put in a room, but not who has blocked its creator.
    pub(super) fn show_new_room(&mut self, creator: AccountId, room: RoomId) {
        let (by, excluded) = (self.forum.name_of(creator).clone(), self.forum.blocks.of(creator));
        let notice = Notice::PutInRoom { room: room.0, by: &by, users: &self.members_shown(room) };
        self.tell_some(&self.members(room), creator, &excluded, &notice);
    }

    /// The names of a room's members, as people read them.
    pub(super) fn members_shown(&self, room: RoomId) -> String {
        let names = self.members(room);
        names.iter().map(|member| self.forum.name_of(*member).as_str()).collect::<Vec<_>>().join(", ")
    }

    fn members(&self, room: RoomId) -> Arc<[AccountId]> {
        self.forum.rooms.get(room).map_or_else(Arc::default, |room| Arc::clone(&room.members))
    }
}
