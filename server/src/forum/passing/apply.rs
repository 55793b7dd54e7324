//! What a passing change does, if the state allows it.

use super::{Passing, TakeOver};
use crate::forum::{
    AccountId, Departure, Effect, Entry, Forum, LinkStep, OnlineUser, Refused, SessionId, Users,
};
use crate::planted::{Bug, planted};
use crate::workers::passwords::PasswordHash;

impl Forum {
    pub(in crate::forum) fn check_passing(
        &self,
        actor: Option<AccountId>,
        passing: &Passing,
    ) -> Result<(), Refused> {
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

    pub(in crate::forum) fn apply_passing(
        &mut self,
        entry: &Entry,
        passing: &Passing,
    ) -> Result<Effect, Refused> {
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
    fn is_any_online(&self, users: &Users) -> bool {
        if users.len() < self.online.len() {
            users.iter().any(|user| self.online.find(*user).is_some())
        } else {
            self.online.iter().any(|user| users.contains(&user.account))
        }
    }
}
