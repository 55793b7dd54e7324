//! The messenger's commands: to one, to all, who is there, and who is to be heard.

use forum_common::names::{Text, UserName};
use forum_common::text::rejections::SelfDeed;
use forum_common::text::{Answer, Rejection};
use forum_common::wire::{Closing, Limit, Notice, Tag};

use super::View;
use crate::core::Core;
use crate::core::limits::Subject;
use crate::core::pipeline::Origin;
use crate::forum::{AccountId, Change, Departure, Entry, Passing, SessionId, Users};
use crate::journal::Journal;
use crate::planted::{Bug, planted};
use crate::session::ConnectionId;

/// `broadcast`: to everyone online at one moment, stored nowhere.
pub(super) fn broadcast(text: &str) -> Result<Change, Rejection> {
    Ok(Passing::Broadcast { text: Text::parse(text)? }.into())
}

/// `block`.
pub(super) fn block(view: View<'_>, actor: AccountId, user: &str) -> Result<Change, Rejection> {
    let user = other_user(view, actor, user, SelfDeed::Block)?;
    let limit = view.limits.max_blocks;
    let count = view.forum.blocks.by(actor).len();
    let is_full = view.in_flight.reaches(limit, count, &Subject::BlocksBy(actor));
    if is_full && !view.forum.blocks.has(actor, user) {
        return Err(Rejection::LimitReached(Limit::Blocks, limit as u64));
    }
    Ok(Change::Block { user })
}

/// `unblock`.
pub(super) fn unblock(view: View<'_>, actor: AccountId, user: &str) -> Result<Change, Rejection> {
    Ok(Change::Unblock { user: other_user(view, actor, user, SelfDeed::Unblock)? })
}

fn other_user(view: View<'_>, actor: AccountId, user: &str, deed: SelfDeed) -> Result<AccountId, Rejection> {
    let user = UserName::parse(user)?;
    if user == *view.forum.name_of(actor) {
        return Err(Rejection::NotToSelf(deed));
    }
    user_named(view, &user)
}

/// The user of this name.
pub(super) fn user_named(view: View<'_>, name: &UserName) -> Result<AccountId, Rejection> {
    view.forum.accounts.find(name).ok_or(Rejection::InvalidUser)
}

/// A log-in that was applied.
pub(crate) struct LoggedIn<'a> {
    /// Who.
    pub(crate) account: AccountId,
    /// In which session.
    pub(crate) session: SessionId,
    /// The session that had to end for that.
    pub(crate) took_over: Option<&'a Departure>,
    /// Who does not hear of it.
    pub(crate) hidden_from: &'a Users,
}

impl<J: Journal> Core<J> {
    /// `presence`: who comes and goes from here on is told, or isn't.
    pub(super) fn set_presence(&mut self, id: ConnectionId, tag: Tag, on: bool) {
        self.outbox.set_presence(id, on || planted(Bug::PresenceStaysOn));
        self.done(id, tag, Answer::Presence { on });
    }

    /// Shows everybody what somebody says to all.
    pub(crate) fn tell_broadcast(&mut self, author: AccountId, at_ms: u64, text: &Text, hidden_from: &Users) {
        let from = self.forum.name_of(author);
        let hidden_from = match planted(Bug::BroadcastReachesWhoHasBlockedItsAuthor) {
            true => Users::default(),
            false => hidden_from.clone(),
        };
        self.outbox.say(author, hidden_from, &Notice::Broadcast { at_ms, from, text });
    }

    /// A user is online: welcomes it if it is here, and tells all others.
    pub(crate) fn tell_logged_in(&mut self, log_in: LoggedIn<'_>, entry: &Entry) {
        let LoggedIn { account, session, took_over, hidden_from } = log_in;
        if let Some(departure) = took_over {
            self.tell_logged_out(departure, entry);
            // One that leaves anyway has heard goodbye.
            if let Some(id) = self.connection_of_session(departure.session)
                && self.sessions.member(id).is_some()
            {
                self.close(id, Closing::LoggedInElsewhere, "You have logged in elsewhere");
            }
        }
        let connection = self.connection_of_session(session);
        let welcomed = connection.filter(|id| self.welcome(*id, account, entry.at_ms));
        if session.epoch == self.epoch && welcomed.is_none() {
            // It died, or is about to, while its log-in was in flight.
            self.log_out(session, account);
        }
        self.announce_log_in(account, hidden_from);
        // What was told before, its own coming included, is not for who comes now.
        if let Some(id) = welcomed
            && let Some(session) = self.sessions.get(id)
        {
            self.outbox.listen(id, account, session.wants_presence);
        }
    }

    /// A user is not online any more: tells the other ends of its links first, and then everybody.
    pub(crate) fn tell_logged_out(&mut self, departure: &Departure, entry: &Entry) {
        for step in &departure.links {
            self.tell_link(entry, step);
        }
        self.announce_log_out(departure.account, &departure.hidden_from);
    }

    /// Orders the end of a session.
    pub(crate) fn log_out(&mut self, session: SessionId, account: AccountId) {
        self.propose(Origin::Nobody, Some(account), Passing::LogOut { session }.into());
    }

    /// The session on a connection, as all nodes know it.
    pub(crate) fn session_id(&self, id: ConnectionId) -> SessionId {
        SessionId { epoch: self.epoch, number: id.number() }
    }

    /// The connection of a session, if it is here.
    pub(crate) fn connection_of_session(&self, session: SessionId) -> Option<ConnectionId> {
        (session.epoch == self.epoch).then(|| ConnectionId::from_number(session.number))
    }

    /// The connection on which a user is online, if it is here.
    pub(crate) fn connection_of(&self, account: AccountId) -> Option<ConnectionId> {
        self.connection_of_session(self.forum.online.find(account)?.session)
    }

    /// Tells one user.
    pub(crate) fn tell_user(&mut self, to: AccountId, notice: &Notice<'_>) {
        if let Some(connection) = self.connection_of(to) {
            self.outbox.notify(connection, notice);
        }
    }

    /// Tells everybody else that a user came.
    fn announce_log_in(&mut self, account: AccountId, hidden_from: &Users) {
        let name = self.forum.name_of(account);
        self.outbox.announce_presence(account, hidden_from.clone(), &Notice::LoggedIn { name });
    }

    /// Tells everybody else that a user went; it is not online any more. When the server ends, all go, and
    /// everybody hears that instead.
    fn announce_log_out(&mut self, account: AccountId, hidden_from: &Users) {
        if !self.is_accepting() {
            return;
        }
        let name = self.forum.name_of(account);
        let hidden_from = match planted(Bug::LogOutIsToldToWhomTheUserHasBlocked) {
            true => Users::default(),
            false => hidden_from.clone(),
        };
        self.outbox.announce_presence(account, hidden_from, &Notice::LoggedOut { name });
    }
}
