//! The messenger's commands: to one, to all, who is there, and who is to be heard.

use forum_common::names::{Text, UserName};
use forum_common::text::Rejection;
use forum_common::text::rejections::SelfDeed;
use forum_common::wire::{Closing, Limit, Notice};

use crate::core::Core;
use crate::core::limits::Subject;
use crate::core::pipeline::Origin;
use crate::forum::{AccountId, Change, Departure, Entry, Passing, SessionId, Users};
use crate::journal::Journal;
use crate::session::ConnectionId;

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
    /// `message`.
    pub(crate) fn message(&self, from: AccountId, user: &str, text: &str) -> Result<Change, Rejection> {
        let (user, text) = (UserName::parse(user)?, Text::parse(text)?);
        let to = self.user(&user)?;
        if to == from {
            return Err(Rejection::NotToSelf(SelfDeed::Message));
        }
        // Whoever is blocked learns that, not how full the mailbox is.
        if !self.forum.blocks.has(to, from) && self.mailbox_is_full(to, text.len()) {
            return Err(Rejection::MailboxFull(user));
        }
        Ok(Change::SendMessage { to, text })
    }

    fn mailbox_is_full(&self, owner: AccountId, bytes: usize) -> bool {
        let limits = &self.settings.limits;
        let (messages, stored) =
            self.forum.mail.of(owner).map_or((0, 0), |mailbox| (mailbox.len(), mailbox.bytes()));
        let subject = Subject::MailTo(owner);
        let bytes_in_flight = self.pipeline.in_flight().of(&subject).bytes as usize;
        self.pipeline.in_flight().reaches(limits.max_mailbox_messages, messages, &subject)
            || stored + bytes_in_flight + bytes > limits.max_mailbox_bytes
    }

    /// `broadcast`: to everyone online at one moment, stored nowhere.
    pub(crate) fn broadcast(&self, text: &str) -> Result<Change, Rejection> {
        Ok(Passing::Broadcast { text: Text::parse(text)? }.into())
    }

    /// Shows everybody what somebody says to all.
    pub(crate) fn tell_broadcast(&mut self, author: AccountId, at_ms: u64, text: &Text, hidden_from: &Users) {
        let from = self.forum.name_of(author);
        self.outbox.say(author, hidden_from.clone(), &Notice::Broadcast { at_ms, from, text });
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

    /// The user who is logged in on a connection.
    ///
    /// # Errors
    /// Nobody is.
    pub(crate) fn account_of(&self, id: ConnectionId) -> Result<AccountId, Rejection> {
        self.sessions.member(id).map(|member| member.account).ok_or(Rejection::InvalidUser)
    }

    /// Tells one user.
    pub(crate) fn tell_user(&mut self, to: AccountId, notice: &Notice<'_>) {
        if let Some(connection) = self.connection_of(to) {
            self.outbox.notify(connection, notice);
        }
    }

    /// `block`.
    pub(crate) fn block(&self, actor: AccountId, user: &str) -> Result<Change, Rejection> {
        let user = self.other_user(actor, user, SelfDeed::Block)?;
        let limit = self.settings.limits.max_blocks;
        let count = self.forum.blocks.by(actor).len();
        let is_full = self.pipeline.in_flight().reaches(limit, count, &Subject::BlocksBy(actor));
        if is_full && !self.forum.blocks.has(actor, user) {
            return Err(Rejection::LimitReached(Limit::Blocks, limit as u64));
        }
        Ok(Change::Block { user })
    }

    /// `unblock`.
    pub(crate) fn unblock(&self, actor: AccountId, user: &str) -> Result<Change, Rejection> {
        Ok(Change::Unblock { user: self.other_user(actor, user, SelfDeed::Unblock)? })
    }

    fn other_user(&self, actor: AccountId, user: &str, deed: SelfDeed) -> Result<AccountId, Rejection> {
        let user = UserName::parse(user)?;
        if user == *self.forum.name_of(actor) {
            return Err(Rejection::NotToSelf(deed));
        }
        self.user(&user)
    }

    pub(crate) fn user(&self, name: &UserName) -> Result<AccountId, Rejection> {
        self.forum.accounts.find(name).ok_or(Rejection::InvalidUser)
    }
}
