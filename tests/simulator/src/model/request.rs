//! What a request comes to before there is an entry for it, and whether an entry is what was asked for.

use forum_common::names::{FileName, Text, Title, UserName};
use forum_common::wire::{Refusal, Request};
use forumd::forum::{Change, Entry, LinkRequest, Passing};

use super::{No, State, User};

/// What a member wants.
pub(crate) type Wish<'a> = Request<'a>;

fn parsed<T>(result: Result<T, forum_common::names::Invalid>) -> Result<T, No> {
    result.map_err(|invalid| {
        No::plain(match invalid {
            forum_common::names::Invalid::Name => Refusal::InvalidName,
            forum_common::names::Invalid::Text => Refusal::InvalidText,
            forum_common::names::Invalid::Password => Refusal::InvalidPasswordFormat,
        })
    })
}

impl State {
    /// Why a request would be refused if it were decided on this state; limits are not looked at.
    pub(crate) fn judge(&self, user: User, wish: &Wish<'_>) -> Result<(), No> {
        match *wish {
            Request::CreateThread { title, .. } => {
                parsed(Title::parse(title))?;
                match self.thread(title) {
                    Some(_) => Err(No::plain(Refusal::ThreadExists)),
                    None => Ok(()),
                }
            }
            Request::Post { title, text, .. } => {
                parsed(Title::parse(title))?;
                parsed(Text::parse(text))?;
                self.judge_thread(title)
            }
            Request::DeletePost { title, number, id, .. } => {
                let title = parsed(Title::parse(title))?;
                let id = id.map(forumd::forum::ItemId);
                self.check(Some(user), &Change::DeletePost { title, number, id })
            }
            Request::EditPost { title, number, text, id, .. } => {
                let (title, text) = (parsed(Title::parse(title))?, parsed(Text::parse(text))?);
                let id = id.map(forumd::forum::ItemId);
                self.check(Some(user), &Change::EditPost { title, number, id, text })
            }
            Request::RemoveThread { title, .. } => {
                let title = parsed(Title::parse(title))?;
                self.check(Some(user), &Change::RemoveThread { title })
            }
            Request::Watch { title, .. } => {
                let title = parsed(Title::parse(title))?;
                self.check(Some(user), &Change::Watch { title })
            }
            Request::Unwatch { title, .. } => {
                let title = parsed(Title::parse(title))?;
                self.check(Some(user), &Change::Unwatch { title })
            }
            Request::ReadThread { title, range, .. } => {
                self.judge_thread(title)?;
                self.range(title, range).map(|_| ())
            }
            Request::ReadRooms { room: Some(room), .. } => self.check_room(Some(user), room),
            Request::Search { title: Some(title), .. } => self.judge_thread(title),
            Request::Upload { title, file, .. } => {
                parsed(FileName::parse(file))?;
                self.judge_thread(title)?;
                match self.file(title, file) {
                    Some(_) => Err(No::plain(Refusal::FileExists)),
                    None => Ok(()),
                }
            }
            Request::Download { title, file, .. } => {
                self.judge_thread(title)?;
                self.file(title, file).map(|_| ()).ok_or(No::plain(Refusal::NoSuchFile))
            }
            ref other => self.judge_between(user, other),
        }
    }

    fn judge_thread(&self, title: &str) -> Result<(), No> {
        self.thread(title).map(|_| ()).ok_or(No::plain(Refusal::NoSuchThread))
    }

    /// What users do to each other.
    fn judge_between(&self, user: User, wish: &Wish<'_>) -> Result<(), No> {
        match *wish {
            Request::SendMessage { user: to, text, .. } => {
                parsed(UserName::parse(to))?;
                parsed(Text::parse(text))?;
                let to = self.other(user, to, false)?;
                match self.has_blocked(to, user) {
                    true => Err(No::plain(Refusal::BlockedByUser)),
                    false => Ok(()),
                }
            }
            Request::Block { user: other, .. } => {
                let other = forumd::forum::AccountId(self.other(user, other, true)?);
                self.check(Some(user), &Change::Block { user: other })
            }
            Request::Unblock { user: other, .. } => {
                let other = forumd::forum::AccountId(self.other(user, other, true)?);
                self.check(Some(user), &Change::Unblock { user: other })
            }
            Request::PostToBoard { text, .. } | Request::SendBroadcast { text } => {
                parsed(Text::parse(text)).map(|_| ())
            }
            Request::PostToRoom { room, text, .. } => {
                let (text, room) = (parsed(Text::parse(text))?, forumd::forum::RoomId(room));
                self.check(Some(user), &Change::PostToRoom { room, text })
            }
            Request::CreateRoom { users, .. } => self.judge_room(user, users),
            Request::RelaySealed { link, .. } => self.judge_relay(user, link),
            Request::AskPrivate { user: other, .. } | Request::OfferFile { user: other, .. } => {
                let other = self.user(other).ok_or(No::plain(Refusal::InvalidUser))?;
                self.judge_reach(user, other)?;
                match (wish, self.private_between(user, other)) {
                    (Request::AskPrivate { .. }, Some((_, link))) if !link.is_question() => {
                        Err(No::named(Refusal::AlreadyPrivate, self.name(other)))
                    }
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    pub(super) fn judge_reach(&self, user: User, other: User) -> Result<(), No> {
        if user == other {
            return Err(No::plain(Refusal::NotToSelf));
        }
        if self.has_blocked(other, user) {
            return Err(No::plain(Refusal::BlockedByUser));
        }
        match self.session(other) {
            Some(_) => Ok(()),
            None => Err(No::named(Refusal::Offline, self.name(other))),
        }
    }

    /// Another user by name; to oneself is checked first for blocks, last for messages.
    fn other(&self, user: User, name: &str, self_first: bool) -> Result<User, No> {
        let is_self = **self.name(user) == *name;
        if is_self && self_first {
            return Err(No::plain(Refusal::NotToSelf));
        }
        let other = self.user(name).ok_or(No::plain(Refusal::InvalidUser))?;
        if is_self { Err(No::plain(Refusal::NotToSelf)) } else { Ok(other) }
    }

    fn judge_room(&self, user: User, users: &str) -> Result<(), No> {
        if users.split(' ').any(|name| *name == **self.name(user)) {
            return Err(No::plain(Refusal::NotToSelf));
        }
        let members = self.members(user, users)?;
        if let Some(offline) = members[1..].iter().find(|member| self.session(**member).is_none()) {
            return Err(No::named(Refusal::Offline, self.name(*offline)));
        }
        match self.room_of(&members) {
            Some(room) => Err(No { value: Some(room.into()), ..No::plain(Refusal::RoomExists) }),
            None => Ok(()),
        }
    }

    /// The members of a room that a user would create.
    fn members(&self, user: User, users: &str) -> Result<Vec<User>, No> {
        let mut members = vec![user];
        for name in users.split(' ') {
            let member = self.user(name).ok_or_else(|| No::named(Refusal::InvalidUser, name))?;
            if !members.contains(&member) {
                members.push(member);
            }
        }
        Ok(members)
    }

    /// Whether an entry is what this request of its actor asks for.
    pub(crate) fn is_asked_for(&self, entry: &Entry, wish: &Wish<'_>) -> bool {
        if entry.key.map(|keyed| keyed.key.0) != wish.key() {
            return false;
        }
        let name = |account: &forumd::forum::AccountId| &**self.name(account.0);
        match (&entry.change, *wish) {
            (Change::CreateThread { title: t }, Request::CreateThread { title, .. })
            | (Change::Watch { title: t }, Request::Watch { title, .. })
            | (Change::Unwatch { title: t }, Request::Unwatch { title, .. })
            | (Change::RemoveThread { title: t }, Request::RemoveThread { title, .. }) => **t == *title,
            (Change::Post { title: t, text: x }, Request::Post { title, text, .. }) => {
                (&**t, &**x) == (title, text)
            }
            (
                Change::DeletePost { title: t, number: n, id: i },
                Request::DeletePost { title, number, id, .. },
            ) => (&**t, *n, i.map(|id| id.0)) == (title, number, id),
            (
                Change::EditPost { title: t, number: n, id: i, text: x },
                Request::EditPost { title, number, text, id, .. },
            ) => (&**t, *n, i.map(|id| id.0), &**x) == (title, number, id, text),
            (
                Change::AddFile { title: t, file: f, size: s, .. },
                Request::Upload { title, file, size, .. },
            ) => (&**t, &**f, *s) == (title, file, size),
            (Change::SendMessage { to, text: x }, Request::SendMessage { user, text, .. }) => {
                (name(to), &**x) == (user, text)
            }
            (Change::Block { user: u }, Request::Block { user, .. })
            | (Change::Unblock { user: u }, Request::Unblock { user, .. }) => name(u) == user,
            (Change::PostToBoard { text: x }, Request::PostToBoard { text, .. }) => **x == *text,
            (Change::CreateRoom { members }, Request::CreateRoom { users, .. }) => {
                let ids: Vec<User> = members.iter().map(|member| member.0).collect();
                entry.actor.is_some_and(|actor| self.members(actor.0, users) == Ok(ids))
            }
            (Change::PostToRoom { room: r, text: x }, Request::PostToRoom { room, text, .. }) => {
                (r.0, &**x) == (room, text)
            }
            (Change::SetPassword { .. }, Request::ChangePassword { .. }) => true,
            (Change::Passing(passing), wish) => is_passing_asked_for(passing, &wish, name),
            _ => false,
        }
    }
}

fn is_passing_asked_for<'a>(
    passing: &Passing,
    wish: &Wish<'_>,
    name: impl Fn(&forumd::forum::AccountId) -> &'a str,
) -> bool {
    match (passing, *wish) {
        (Passing::Broadcast { text: x }, Request::SendBroadcast { text }) => **x == *text,
        (
            Passing::AskLink { user: u, request: LinkRequest::Private, .. },
            Request::AskPrivate { user, .. },
        ) => name(u) == user,
        (
            Passing::AskLink { user: u, request: LinkRequest::File { file: f, size: s }, .. },
            Request::OfferFile { user, size, file },
        ) => (name(u), &**f, *s) == (user, file, size),
        _ => false,
    }
}
