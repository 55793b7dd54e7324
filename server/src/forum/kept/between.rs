//! The rules of what users do to each other, and of what they want to hear.

use forum_common::names::Title;

use super::Kept;
use crate::forum::{AccountId, Change, Effect, Mail, Refused, TimedPost};

impl Kept {
    pub(super) fn check_message(&self, to: AccountId, from: Option<AccountId>) -> Result<(), Refused> {
        self.check_account(to)?;
        match from {
            Some(from) if self.blocks.has(to, from) => Err(Refused::BlockedByUser),
            _ => Ok(()),
        }
    }

    pub(super) fn check_block(
        &self,
        user: AccountId,
        actor: Option<AccountId>,
        is_there: bool,
    ) -> Result<(), Refused> {
        let actor = actor.ok_or(Refused::NoSuchAccount)?;
        self.check_account(user)?;
        match (self.blocks.has(actor, user), is_there) {
            (true, false) => Err(Refused::AlreadyBlocked(self.name_of(user).clone())),
            (false, true) => Err(Refused::NotBlocked(self.name_of(user).clone())),
            _ => Ok(()),
        }
    }

    pub(super) fn check_watch(
        &self,
        title: &Title,
        actor: Option<AccountId>,
        is_there: bool,
    ) -> Result<(), Refused> {
        let actor = actor.ok_or(Refused::NoSuchAccount)?;
        let thread = self.threads.id_named(title)?;
        match (self.watches.has(actor, thread), is_there) {
            (true, false) => Err(Refused::AlreadyWatching(title.clone())),
            (false, true) => Err(Refused::NotWatching(title.clone())),
            (false, false) if self.watches.is_full(actor, &self.threads) => Err(Refused::TooManyWatches),
            _ => Ok(()),
        }
    }

    /// Makes a change that is about other users, or about what a user wants to hear.
    pub(super) fn apply_between(&mut self, actor: AccountId, change: &Change) -> Result<Effect, Refused> {
        let at_ms = self.at_ms;
        Ok(match change {
            Change::SendMessage { to, text } => {
                self.mail.of_mut(*to).put(Mail { from: actor, at_ms, text: text.clone() });
                Effect::MessageStored(*to)
            }
            Change::TakeMessages { up_to } => {
                self.mail.take(actor, *up_to);
                Effect::MessagesTaken
            }
            Change::MarkRead { marks } => {
                for mark in marks {
                    self.marks.set(actor, *mark, &self.threads);
                }
                Effect::Marked
            }
            Change::Block { user } => {
                self.blocks.add(actor, *user);
                Effect::Blocked(*user)
            }
            Change::Unblock { user } => {
                self.blocks.remove(actor, *user);
                Effect::Unblocked(*user)
            }
            Change::Watch { title } => {
                self.watches.add(actor, self.threads.id_named(title)?, &self.threads);
                Effect::Watched
            }
            Change::Unwatch { title } => {
                self.watches.remove(actor, self.threads.id_named(title)?);
                Effect::Unwatched
            }
            Change::PostToBoard { text } => {
                self.board.push(TimedPost { author: actor, at_ms, text: text.clone() });
                Effect::PostedToBoard(self.board.len() as u32)
            }
            Change::CreateRoom { members } => {
                Effect::RoomCreated(self.rooms.create(members.as_slice().into()))
            }
            Change::PostToRoom { room, text } => {
                let post = TimedPost { author: actor, at_ms, text: text.clone() };
                let number = self.rooms.post(*room, post).ok_or(Refused::NoSuchRoom)?;
                Effect::PostedToRoom(*room, number)
            }
            // These are made elsewhere.
            Change::CreateAccount { .. }
            | Change::SetPassword { .. }
            | Change::Unlinked { .. }
            | Change::Passing(_)
            | Change::CreateThread { .. }
            | Change::Post { .. }
            | Change::DeletePost { .. }
            | Change::EditPost { .. }
            | Change::AddFile { .. }
            | Change::RemoveThread { .. } => return Err(Refused::NoSuchAccount),
        })
    }
}
