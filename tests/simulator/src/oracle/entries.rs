//! What the server applies: the reference applies it too, and notes who is to be told.

use std::rc::Rc;

use forum_common::text::Rejection;
use forum_common::wire::{OwnedNotice, Refusal, Tag};
use forumd::forum::{Change, Entry, Passing, SessionId};
use forumd::net::turn::Applied;
use forumd::session::ConnectionId;

use super::Oracle;
use crate::model::{Done, No, Outcome, State, Told, User};

impl Oracle {
    /// The server has applied an entry, or there was no space for it.
    pub(crate) fn applied(&mut self, applied: &Applied<'_>) {
        let Applied { entry, command, result } = applied;
        if let Some(story) = &mut self.story {
            story.push(format!("applied: {entry:?} for {command:?}: {result:?}"));
        }
        if matches!(result, Err(Rejection::NoSpace)) {
            return self.refused_for_space(entry, *command);
        }
        if entry.change.is_kept() {
            let mut bytes = Vec::new();
            entry.encode(&mut bytes);
            self.applied.push(bytes);
            let earliest = self.state().at_ms;
            self.expect(entry.at_ms >= earliest, || format!("time goes back: {entry:?}"));
        }
        self.check_origin(entry, *command);
        let outcome = self.take(entry);
        let agrees = outcome.is_ok() == result.is_ok();
        self.expect(agrees, || format!("{entry:?}: {result:?} instead of {outcome:?}"));
        if let Some((id, tag)) = *command {
            self.decide(id, tag, outcome);
        }
    }

    fn refused_for_space(&mut self, entry: &Entry, command: Option<(ConnectionId, Tag)>) {
        self.check_origin(entry, command);
        if let (Change::TakeMessages { up_to }, Some(actor)) = (&entry.change, entry.actor) {
            self.taken.remove(&actor.0);
            let refused = self.untaken.entry(actor.0).or_default();
            *refused = up_to.0.max(*refused);
            let own = self.conns.iter_mut().filter(|conn| conn.user == Some(actor.0));
            own.for_each(|conn| conn.taken = 0);
        }
        if let Some((id, tag)) = command {
            self.decide(id, tag, Err(No::plain(Refusal::NoSpace)));
        }
    }

    fn decide(&mut self, id: ConnectionId, tag: Tag, outcome: Outcome) {
        if let Some(&socket) = self.sockets.get(&id) {
            let version = self.version();
            self.decided.insert((socket, tag), (version, outcome));
        }
    }

    /// Applies an entry to the reference, which makes a version, and notes who is to be told.
    pub(super) fn take(&mut self, entry: &Entry) -> Outcome {
        let mut state = self.state().clone();
        let outcome = state.apply(entry);
        self.versions.push(state);
        if let Ok(done) = &outcome {
            self.tell_links();
            self.tell(entry, done);
        }
        outcome
    }

    /// What is applied was asked for, and once.
    fn check_origin(&mut self, entry: &Entry, command: Option<(ConnectionId, Tag)>) {
        let Some((id, tag)) = command else { return self.check_own(entry) };
        let Some(&socket) = self.sockets.get(&id) else {
            return self.fail(format!("an entry of a connection that never was: {entry:?}"));
        };
        let user = self.conns[socket].user;
        self.expect(entry.actor.map(|actor| actor.0) == user, || {
            format!("{user:?} did not ask for {entry:?}")
        });
        let Some(request) = self.conns[socket].asked.remove(&tag) else {
            return self.fail(format!("nobody, or somebody twice, asked for {entry:?}"));
        };
        let is_asked_for = self.state().is_asked_for(entry, &request.as_ref());
        self.expect(is_asked_for, || format!("{request:?} became {entry:?}"));
    }

    /// What the server orders by itself.
    pub(super) fn check_own(&mut self, entry: &Entry) {
        match &entry.change {
            Change::CreateAccount { name, .. } => {
                let is_claimed =
                    self.conns.iter().any(|conn| conn.claim.as_ref().is_some_and(|(own, _)| *own == **name));
                self.expect(is_claimed, || format!("nobody signs up as {name}"));
            }
            Change::TakeMessages { up_to } => {
                let acked = entry.actor.and_then(|actor| self.acked.get(&actor.0)).copied().unwrap_or(0);
                self.expect(up_to.0 <= acked, || format!("{acked} were acknowledged, and {entry:?}"));
            }
            Change::MarkRead { marks } => {
                for mark in marks {
                    let (state, user) = (self.state(), entry.actor.map_or(User::MAX, |actor| actor.0));
                    // Of a thread that was removed meanwhile nobody knows the title.
                    let title = state.threads.get(&mark.thread.0).map(|thread| thread.title.to_string());
                    let is_said = title.is_none_or(|title| self.read.contains(&(user, title, mark.up_to.0)));
                    self.expect(is_said, || format!("nobody has read that: {entry:?}"));
                }
            }
            Change::Unlinked { files } => {
                let known = files.iter().all(|file| self.state().removed.contains(file));
                self.expect(known, || format!("a file is unlinked that no thread had: {entry:?}"));
            }
            Change::Passing(Passing::LogIn { account, session, .. }) => {
                let socket = self.sockets.get(&ConnectionId::from_number(session.number)).copied();
                let claim = socket.and_then(|socket| self.conns[socket].claim.clone());
                let name = self.state().accounts.get(account.0 as usize).map(|known| known.name.to_string());
                let is_theirs = claim.is_some_and(|(own, _)| Some(own) == name);
                self.expect(is_theirs, || format!("nobody logs in as {name:?}: {entry:?}"));
            }
            Change::Passing(_) => {}
            _ => self.fail(format!("nobody asked for {entry:?}")),
        }
    }

    /// Notes what the ends of links are to be told. The goodbye says it all when the server ends.
    fn tell_links(&mut self) {
        let told = Rc::clone(&self.state().told);
        for Told { to, notice } in told.iter().filter(|_| !self.is_ending) {
            let own = self.conns.iter_mut().filter(|conn| conn.listens && conn.user == Some(*to));
            own.for_each(|conn| conn.expect(notice.clone()));
        }
    }

    /// Notes who is to be told of what was done.
    pub(super) fn tell(&mut self, entry: &Entry, done: &Done) {
        let actor = entry.actor.map(|actor| actor.0);
        let at_ms = entry.at_ms;
        match (&entry.change, done) {
            (Change::Passing(Passing::LogIn { account, session, .. }), Done::LoggedIn { took_over, .. }) => {
                let user = account.0;
                if let Some(old) = took_over {
                    self.ends(old.number);
                    self.tell_presence(user, |name| OwnedNotice::LoggedOut { name });
                }
                self.begins(user, *session, at_ms);
                self.tell_presence(user, |name| OwnedNotice::LoggedIn { name });
            }
            (Change::Passing(Passing::LogOut { session }), _) => {
                let Some(user) = actor else { return };
                self.ends(session.number);
                if !self.is_ending {
                    self.tell_presence(user, |name| OwnedNotice::LoggedOut { name });
                }
            }
            (Change::Passing(Passing::Broadcast { text }), _) => {
                let Some(author) = actor else { return };
                let (from, text) = (self.state().name(author).to_string(), text.to_string());
                self.tell_all(author, |_| true, &OwnedNotice::Broadcast { at_ms, from, text });
            }
            (Change::Post { title, text }, &Done::Posted { number, id, .. }) if self.is_new(entry) => {
                let (Some(by), Some((thread, _))) = (actor, self.state().thread(title)) else { return };
                let (author, text) = (self.state().name(by).to_string(), text.to_string());
                let (watches, title) = (Rc::clone(&self.state().watches), title.to_string());
                let notice = OwnedNotice::ThreadPost { title, number, id, at_ms, author, text };
                self.tell_all(by, |user| watches.contains(&(user, thread)), &notice);
            }
            (Change::PostToBoard { text }, &Done::Posted { number, .. }) if self.is_new(entry) => {
                let Some(by) = actor else { return };
                let (author, text) = (self.state().name(by).to_string(), text.to_string());
                self.tell_all(by, |_| true, &OwnedNotice::BoardPost { number, at_ms, author, text });
            }
            (Change::PostToRoom { room, text }, &Done::Posted { number, .. }) if self.is_new(entry) => {
                let Some(by) = actor else { return };
                let (author, text, room) = (self.state().name(by).to_string(), text.to_string(), room.0);
                let members = self.state().rooms[room as usize - 1].members.clone();
                let notice = OwnedNotice::RoomPost { room, number, at_ms, author, text };
                self.tell_all(by, |user| members.contains(&user), &notice);
            }
            (Change::CreateRoom { members }, &Done::Room { room, .. }) if self.is_new(entry) => {
                let Some(creator) = actor else { return };
                let members: Vec<User> = members.iter().map(|member| member.0).collect();
                let names: Vec<&str> = members.iter().map(|member| &**self.state().name(*member)).collect();
                let (by, users) = (self.state().name(creator).to_string(), names.join(" "));
                let notice = OwnedNotice::PutInRoom { room, by, users };
                self.tell_all(creator, |user| members.contains(&user), &notice);
            }
            (Change::SendMessage { to, .. }, _) => self.note_message(to.0),
            (Change::TakeMessages { up_to }, _) => {
                self.untaken.retain(|user, refused| Some(*user) != actor || *refused > up_to.0);
            }
            _ => {}
        }
    }

    /// Whether the newest entry has done something, and not only an earlier one with its key.
    fn is_new(&self, entry: &Entry) -> bool {
        let Some((actor, keyed)) = entry.actor.zip(entry.key) else { return true };
        let before: &State = &self.versions[self.versions.len() - 2];
        before.known(actor.0, keyed.key.0).is_none()
    }

    fn note_message(&mut self, to: User) {
        if let Some(mailbox) = self.state().mail.get(&to)
            && let Some((number, said)) = mailbox.waiting.back()
        {
            let (key, said) = ((to, *number), Rc::clone(said));
            self.messages.insert(key, said);
        }
    }

    /// A session begins.
    fn begins(&mut self, user: User, session: SessionId, since_ms: u64) {
        if let Some(&socket) = self.sockets.get(&ConnectionId::from_number(session.number)) {
            let (version, taken) = (self.version(), self.taken.get(&user).copied().unwrap_or(0));
            let conn = &mut self.conns[socket];
            (conn.taken, conn.session) = (taken, session.number ^ session.epoch);
            (conn.user, conn.since_ms, conn.floor, conn.listens) = (Some(user), since_ms, version, true);
        }
    }

    /// A session ends: nothing that comes later is told to it.
    fn ends(&mut self, number: u64) {
        if let Some(&socket) = self.sockets.get(&ConnectionId::from_number(number)) {
            self.conns[socket].listens = false;
        }
    }

    fn tell_presence(&mut self, user: User, notice: impl Fn(String) -> OwnedNotice) {
        let name = self.state().name(user).to_string();
        let state = self.state().clone();
        for conn in self.conns.iter_mut().filter(|conn| conn.listens) {
            if let Some(listener) = conn.user
                && listener != user
                && !state.has_blocked(user, listener)
            {
                conn.expect_presence(notice(name.clone()));
            }
        }
    }

    fn tell_all(&mut self, author: User, is_meant: impl Fn(User) -> bool, notice: &OwnedNotice) {
        let state = self.state().clone();
        for conn in self.conns.iter_mut().filter(|conn| conn.listens) {
            if let Some(listener) = conn.user
                && listener != author
                && is_meant(listener)
                && !state.has_blocked(listener, author)
            {
                conn.expect(notice.clone());
            }
        }
    }
}
