//! Whether a change can be made on a state.

use forum_common::wire::Refusal;
use forumd::forum::{Change, Passing, TakeOver};

use super::{No, State, User, What};

impl State {
    /// Why a kept change can't be made.
    pub(crate) fn check(&self, actor: Option<User>, change: &Change) -> Result<(), No> {
        match change {
            Change::CreateAccount { name, .. } => match self.user(name) {
                Some(_) => Err(No::named(Refusal::NameTaken, name)),
                None => Ok(()),
            },
            Change::CreateThread { title } => match self.thread(title) {
                Some(_) => Err(No::plain(Refusal::ThreadExists)),
                None => Ok(()),
            },
            Change::Post { title, .. } => self.check_thread(title),
            Change::DeletePost { title, number, id } | Change::EditPost { title, number, id, .. } => {
                self.check_post(title, *number, id.map(|id| id.0), actor)
            }
            Change::AddFile { thread, file, .. } => {
                let thread = self.threads.get(&thread.0).ok_or(No::plain(Refusal::NoSuchThread))?;
                match thread.file(file) {
                    Some(_) => Err(No::plain(Refusal::FileExists)),
                    None => Ok(()),
                }
            }
            Change::RemoveThread { title } => {
                let (_, thread) = self.thread(title).ok_or(No::plain(Refusal::NoSuchThread))?;
                match Some(thread.creator) == actor {
                    true => Ok(()),
                    false => Err(No::plain(Refusal::NotYourThread)),
                }
            }
            Change::SendMessage { to, .. } => match actor {
                Some(from) if self.has_blocked(to.0, from) => Err(No::plain(Refusal::BlockedByUser)),
                _ => Ok(()),
            },
            Change::Block { user } => self.check_block(actor, user.0, false),
            Change::Unblock { user } => self.check_block(actor, user.0, true),
            Change::CreateRoom { members } => {
                let members: Vec<User> = members.iter().map(|member| member.0).collect();
                match self.room_of(&members) {
                    Some(room) => Err(No { value: Some(room.into()), ..No::plain(Refusal::RoomExists) }),
                    None => Ok(()),
                }
            }
            Change::PostToRoom { room, .. } => self.check_room(actor, room.0),
            Change::Watch { title } => self.check_watch(actor, title, false),
            Change::Unwatch { title } => self.check_watch(actor, title, true),
            Change::SetPassword { .. }
            | Change::TakeMessages { .. }
            | Change::MarkRead { .. }
            | Change::PostToBoard { .. }
            | Change::Unlinked { .. }
            | Change::Passing(_) => Ok(()),
        }
    }

    fn check_thread(&self, title: &str) -> Result<(), No> {
        self.thread(title).map(|_| ()).ok_or(No::plain(Refusal::NoSuchThread))
    }

    fn check_post(&self, title: &str, number: u32, id: Option<u64>, actor: Option<User>) -> Result<(), No> {
        let (_, thread) = self.thread(title).ok_or(No::plain(Refusal::NoSuchThread))?;
        let place = (number as usize).checked_sub(1).ok_or(No::plain(Refusal::InvalidMessageNumber))?;
        let post = thread.posts().nth(place).ok_or(No::plain(Refusal::InvalidMessageNumber))?;
        if id.is_some_and(|id| id != post.id) {
            return Err(No::plain(Refusal::MessageMoved));
        }
        match Some(post.author) == actor {
            true => Ok(()),
            false => Err(No::plain(Refusal::NotYourMessage)),
        }
    }

    fn check_block(&self, actor: Option<User>, user: User, is_there: bool) -> Result<(), No> {
        let actor = actor.ok_or(No::plain(Refusal::InvalidName))?;
        match (self.has_blocked(actor, user), is_there) {
            (true, false) => Err(No::named(Refusal::AlreadyBlocked, self.name(user))),
            (false, true) => Err(No::named(Refusal::NotBlocked, self.name(user))),
            _ => Ok(()),
        }
    }

    fn check_watch(&self, actor: Option<User>, title: &str, is_there: bool) -> Result<(), No> {
        let actor = actor.ok_or(No::plain(Refusal::InvalidName))?;
        let (thread, _) = self.thread(title).ok_or(No::plain(Refusal::NoSuchThread))?;
        // There are never as many threads as one may watch.
        match (self.watches.contains(&(actor, thread)), is_there) {
            (true, false) => Err(No::plain(Refusal::AlreadyWatching)),
            (false, true) => Err(No::plain(Refusal::NotWatching)),
            _ => Ok(()),
        }
    }

    pub(super) fn check_room(&self, actor: Option<User>, room: u32) -> Result<(), No> {
        let place = (room as usize).checked_sub(1).ok_or(No::plain(Refusal::NoSuchRoom))?;
        let room = self.rooms.get(place).ok_or(No::plain(Refusal::NoSuchRoom))?;
        match actor.is_some_and(|actor| room.members.contains(&actor)) {
            true => Ok(()),
            false => Err(No::plain(Refusal::NotInRoom)),
        }
    }

    /// The room of just these users.
    pub(crate) fn room_of(&self, members: &[User]) -> Option<u32> {
        let is_same =
            |room: &[User]| room.len() == members.len() && room.iter().all(|member| members.contains(member));
        self.rooms.iter().position(|room| is_same(&room.members)).map(|place| place as u32 + 1)
    }

    /// Why a passing change can't be made.
    pub(super) fn check_passing(&self, actor: Option<User>, passing: &Passing) -> Result<(), No> {
        let absent = No::plain(Refusal::InvalidName);
        match passing {
            Passing::LogIn { account, session, checked, take_over, .. } => {
                let known = self.accounts.get(account.0 as usize).ok_or(absent)?;
                if known.hash != **checked {
                    return Err(No::plain(Refusal::InvalidPassword));
                }
                let Some(present) = self.session(account.0) else { return Ok(()) };
                let may_end = match take_over {
                    TakeOver::Never => false,
                    TakeOver::Always => true,
                    TakeOver::Session(own) => *own == present.session,
                };
                match may_end && present.session != *session {
                    true => Ok(()),
                    false => Err(No::named(Refusal::AlreadyLoggedIn, &known.name)),
                }
            }
            Passing::LogOut { session }
            | Passing::LeaveLinks { session }
            | Passing::AskLink { session, .. } => match actor.and_then(|actor| self.session(actor)) {
                Some(present) if present.session == *session => Ok(()),
                _ => Err(absent),
            },
            Passing::Broadcast { .. } => match actor.and_then(|actor| self.session(actor)) {
                Some(_) => Ok(()),
                None => Err(absent),
            },
            _ => Ok(()),
        }
    }

    /// The file that a thread has under this name.
    pub(crate) fn file(&self, title: &str, name: &str) -> Option<(u64, forum_common::wire::Digest)> {
        match self.thread(title)?.1.file(name)?.what {
            What::File { size, digest, .. } => Some((size, digest)),
            What::Post(_) => None,
        }
    }
}
