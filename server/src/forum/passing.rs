//! Passing changes: who logs in and out, what is said to everybody and stored nowhere, and the steps of links.
//!
//! They are ordered like all entries, so that every node decides them alike, and have no key. They never move the
//! log's time: a time that was shown is the time that a replay gives.

use core::net::IpAddr;

use forum_common::names::{FileName, Text};
use forum_common::wire::LinkId;
use serde::{Deserialize, Serialize};

use super::{
    AccountId, Departure, Effect, Entry, Forum, LinkStep, OnlineUser, Purpose, Refused, SessionId, Token,
};
use crate::planted::{Bug, planted};
use crate::workers::passwords::PasswordHash;

/// What passes. The order of the variants is their number in the log: new ones go to the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Passing {
    /// A password proved right. No actor: nobody is logged in yet.
    LogIn {
        /// Whose.
        account: AccountId,
        /// The session that this makes.
        session: SessionId,
        /// What the password was checked against. If the account has another hash by now, this password counts no
        /// more: each hash has a salt of its own. Boxed, as every change would be as large as this one.
        checked: Box<PasswordHash>,
        /// From which address.
        address: IpAddr,
        /// Where the client takes files of other users; 0 = nowhere.
        udp_port: u16,
        /// What to do if the user is online already.
        take_over: TakeOver,
    },
    /// The actor's session is over, however it ended.
    LogOut {
        /// Which session: another one of the same user goes on.
        session: SessionId,
    },
    /// `broadcast`.
    Broadcast {
        /// What it says.
        text: Text,
    },
    /// `startprivate` and `UDP`: the actor would like to reach another user.
    AskLink {
        /// The session that asks.
        session: SessionId,
        /// Whom.
        user: AccountId,
        /// What for.
        request: LinkRequest,
        /// What will prove the ends to each other. Nobody is told before the yes.
        token: Token,
    },
    /// The actor's answer to a question.
    AnswerLink {
        /// Which question.
        link: LinkId,
        /// Whether it agrees. Its node says no for a client that can't answer.
        yes: bool,
    },
    /// The actor, who had to make itself reachable, has done so, or can't.
    LinkListening {
        /// For which link.
        link: LinkId,
        /// On which port of its address; 0 = it can't be reached.
        port: u16,
    },
    /// The actor has heard the other end.
    LinkReached {
        /// Of which link.
        link: LinkId,
    },
    /// The actor has done with a link, or takes back its question.
    EndLink {
        /// Which link.
        link: LinkId,
        /// Whether its user wanted that.
        stopped: bool,
    },
    /// A link's time is up. Ordered by the node of its asker, so there is no actor.
    ExpireLink {
        /// Which link.
        link: LinkId,
        /// What the link waited for was due at that time of the log, in UTC milliseconds: if it waits for something
        /// else by now, this is too late and changes nothing.
        due_ms: u64,
    },
    /// Nothing more comes from the actor's client, which needs no links any more. The user is online until all is
    /// answered.
    LeaveLinks {
        /// In which session.
        session: SessionId,
    },
}

/// What a log-in does to the user's other session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TakeOver {
    /// Nothing: it is refused.
    Never,
    /// It ends it.
    Always,
    /// It ends it if it is this one, which the client had before.
    Session(SessionId),
}

/// What somebody wants to reach another user for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LinkRequest {
    /// `startprivate`.
    Private,
    /// `UDP`.
    File {
        /// The file's name.
        file: FileName,
        /// Its size in bytes.
        size: u64,
    },
}

impl LinkRequest {
    /// What the link is for.
    pub fn purpose(&self) -> Purpose {
        match self {
            Self::Private => Purpose::Private,
            Self::File { .. } => Purpose::File,
        }
    }
}

impl From<Passing> for super::Change {
    fn from(passing: Passing) -> Self {
        Self::Passing(passing)
    }
}

impl Forum {
    pub(super) fn check_passing(&self, actor: Option<AccountId>, passing: &Passing) -> Result<(), Refused> {
        let by = || actor.ok_or(Refused::NotLoggedIn);
        match passing {
            Passing::LogIn { account, session, checked, take_over, .. } => {
                self.check_log_in(*account, *session, checked, *take_over)
            }
            Passing::LogOut { session } => self.check_session(by()?, *session),
            Passing::Broadcast { .. } => self.online.find(by()?).map(|_| ()).ok_or(Refused::NotLoggedIn),
            Passing::AskLink { session, user, request, .. } => {
                self.check_session(by()?, *session)?;
                self.check_ask(by()?, *user, request.purpose()).map(|_| ())
            }
            Passing::AnswerLink { link, .. } => self.links.open_question(*link, by()?).map(|_| ()),
            Passing::LinkListening { link, .. } => self.links.prepared(*link, by()?).map(|_| ()),
            Passing::LinkReached { link } => self.links.check_reached(*link, by()?),
            Passing::EndLink { link, .. } => self.links.ending(*link, by()?).map(|_| ()),
            Passing::ExpireLink { link, due_ms } => self.links.due_at(*link, *due_ms).map(|_| ()),
            Passing::LeaveLinks { session } => self.check_session(by()?, *session),
        }
    }

    fn check_log_in(
        &self,
        account: AccountId,
        session: SessionId,
        checked: &PasswordHash,
        take_over: TakeOver,
    ) -> Result<(), Refused> {
        let known = self.accounts.get(account).ok_or(Refused::NoSuchAccount)?;
        if known.hash != *checked {
            return Err(Refused::PasswordChanged);
        }
        let Some(present) = self.online.find(account) else { return Ok(()) };
        if planted(Bug::UserLogsInTwice) {
            return Ok(());
        }
        let may_end = match take_over {
            TakeOver::Never => false,
            TakeOver::Always => true,
            TakeOver::Session(own) => own == present.session,
        };
        if may_end && present.session != session {
            Ok(())
        } else {
            Err(Refused::AlreadyLoggedIn(known.name.clone()))
        }
    }

    /// Whether this is the session in which the user is online.
    fn check_session(&self, account: AccountId, session: SessionId) -> Result<(), Refused> {
        match self.online.find(account) {
            Some(user) if user.session == session => Ok(()),
            _ => Err(Refused::NotLoggedIn),
        }
    }

    pub(super) fn apply_passing(&mut self, entry: &Entry, passing: &Passing) -> Result<Effect, Refused> {
        self.check_passing(entry.actor, passing)?;
        let (at_ms, by) = (entry.at_ms, || entry.actor.ok_or(Refused::NotLoggedIn));
        match *passing {
            Passing::LogIn { account, session, address, udp_port, .. } => {
                let took_over = self.depart(account, at_ms);
                let since_ms = at_ms;
                let user = OnlineUser { account, session, address, udp_port, since_ms };
                self.online.insert(user);
                Ok(Effect::LoggedIn { took_over, hidden_from: self.blocks.by(account) })
            }
            Passing::LogOut { .. } => {
                self.depart(by()?, at_ms).map(Effect::LoggedOut).ok_or(Refused::NotLoggedIn)
            }
            Passing::Broadcast { .. } => {
                let hidden_from = self.blocks.of(by()?);
                let left_out = self.is_any_online(&hidden_from);
                Ok(Effect::Said { hidden_from, left_out })
            }
            Passing::LeaveLinks { .. } => Ok(Effect::LinksLeft(self.leave_links(by()?))),
            Passing::AskLink { .. }
            | Passing::AnswerLink { .. }
            | Passing::LinkListening { .. }
            | Passing::LinkReached { .. }
            | Passing::EndLink { .. }
            | Passing::ExpireLink { .. } => self.step_link(entry, passing).map(Effect::Link),
        }
    }

    fn step_link(&mut self, entry: &Entry, passing: &Passing) -> Result<LinkStep, Refused> {
        let (at_ms, by) = (entry.at_ms, || entry.actor.ok_or(Refused::NotLoggedIn));
        match *passing {
            Passing::AskLink { user, ref request, token, .. } => {
                self.ask_link(by()?, user, request.purpose(), token, at_ms)
            }
            Passing::AnswerLink { link, yes } => self.answer_link(by()?, link, yes, at_ms),
            Passing::LinkListening { link, port } => self.introduce_link(by()?, link, port, at_ms),
            Passing::LinkReached { link } => self.reach_link(by()?, link),
            Passing::EndLink { link, stopped } => self.end_link(by()?, link, stopped),
            Passing::ExpireLink { link, due_ms } => self.expire_link(link, due_ms),
            Passing::LogIn { .. }
            | Passing::LogOut { .. }
            | Passing::Broadcast { .. }
            | Passing::LeaveLinks { .. } => Err(Refused::NoSuchStep),
        }
    }

    /// Ends a user's session, if there is one, and all its links.
    fn depart(&mut self, account: AccountId, at_ms: u64) -> Option<Departure> {
        let session = self.online.find(account)?.session;
        let links = self.leave_links(account);
        self.online.remove(account, at_ms);
        Some(Departure { account, session, links, hidden_from: self.blocks.by(account) })
    }

    /// Ends all links of a user.
    fn leave_links(&mut self, account: AccountId) -> Vec<LinkStep> {
        let links = self.links.remove_all_of(account).into_iter();
        links.map(|(id, link)| LinkStep::left(id, link, account)).collect()
    }

    /// Whether any of these users is online. Asks the fewer of the two: everybody may have blocked somebody who is
    /// heard by few.
    fn is_any_online(&self, users: &super::Users) -> bool {
        if users.len() < self.online.len() {
            users.iter().any(|user| self.online.find(*user).is_some())
        } else {
            self.online.iter().any(|user| users.contains(&user.account))
        }
    }
}
