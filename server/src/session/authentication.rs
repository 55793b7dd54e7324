//! The decision on a password: hashed, counted by the lock-out, and then a log-in that the log orders. Also whether
//! another session of the user is to end for it.

use forum_common::names::UserName;
use forum_common::text::{Answer, Rejection};
use forum_common::wire::Reply;
use log::{info, warn};

use super::login::LoginTag;
use super::{Authentication, ConnectionId, Phase, Wait, Wish};
use crate::core::Core;
use crate::core::deadlines::Deadline;
use crate::core::password_checks::{Attempt, Target};
use crate::core::pipeline::Origin;
use crate::forum::{AccountId, Change, Effect, Passing, TakeOver};
use crate::journal::Journal;
use crate::session::lockout::{Begin, Ruling, Verdict};
use crate::workers::passwords::{HashResult, Job};

impl<J: Journal> Core<J> {
    /// From here on it is the server's turn: nothing more is read until the decision is there.
    pub(super) fn authenticate(&mut self, id: ConnectionId, tag: LoginTag, authentication: Authentication) {
        let now = self.time.now;
        if let Some(session) = self.sessions.get_mut(id) {
            session.authenticate(tag, authentication, now);
        }
    }

    /// Begins an attempt at a known name's password, or puts it in line, or refuses it.
    pub(super) fn begin_attempt(&mut self, id: ConnectionId) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        let Phase::Authenticating(_, tag, authentication) = &mut session.phase else { return };
        let tag = *tag;
        let Authentication::InLine(claim, password) = &**authentication else { return };
        let (claim, password) = (claim.clone(), password.clone());
        let Some(account) = claim.account else { return };
        if self.forum.online.find(account).is_some() && !claim.wish.may_end_another() {
            return self.back_to_name(id, &Rejection::AlreadyLoggedIn(claim.name));
        }
        let target = Target::LogIn(claim.name.clone());
        let from = Some(session.address.ip);
        match self.checks.begin(&target, id, from, self.time.now) {
            Begin::Wait => {}
            Begin::Blocked => {
                info!("{} {} is blocked", self.label(id), claim.name);
                self.refuse(id, tag, &Rejection::Blocked);
                self.finish(id);
            }
            Begin::Hash => {
                let against = self.forum.accounts[account].hash;
                **authentication = Authentication::Hashing(claim.clone(), Some(against));
                let attempt = Attempt { target, from };
                let job = Job::Verify { password, against };
                if let Err(attempt) = self.checks.attempt(id, job, attempt) {
                    self.back_to_name(id, &Rejection::Busy);
                    self.conclude_attempt(&attempt, Verdict::Dropped);
                }
            }
        }
    }

    /// Tells the lock-out how an attempt ended, and lets those go on who waited for that.
    pub(crate) fn conclude_attempt(&mut self, attempt: &Attempt, verdict: Verdict) -> Ruling {
        let finish = self.checks.finish(attempt, verdict, self.time.now);
        for waiter in finish.released {
            match attempt.target {
                Target::LogIn(_) => self.begin_attempt(waiter),
                Target::ChangePassword(_) | Target::ShutDown(_) => self.try_check(waiter),
            }
        }
        finish.ruling
    }

    /// Takes one of the passwords that were hashed; says whether there was one.
    pub(crate) fn take_hash(&mut self) -> bool {
        let Some((id, result)) = self.checks.next_result() else { return false };
        match self.checks.end(id) {
            Some(attempt) => match attempt.target.clone() {
                Target::LogIn(name) => self.attempt_hashed(id, &name, attempt, result),
                Target::ChangePassword(_) | Target::ShutDown(_) => self.check_hashed(id, &attempt, result),
            },
            None => self.new_password_hashed(id, result),
        }
        self.take_passed();
        true
    }

    /// A log-in's password was checked. If its connection died meanwhile, nobody will ever know the result; but it was
    /// hashed all the same, so a wrong one counts for its address.
    pub(super) fn attempt_hashed(
        &mut self,
        id: ConnectionId,
        name: &UserName,
        attempt: Attempt,
        result: HashResult,
    ) {
        let is_there = self.sessions.get(id).is_some_and(|session| !session.is_draining());
        let verdict = match (is_there, result) {
            (false, _) => Verdict::Dropped,
            (true, HashResult::Right) => Verdict::Right,
            (true, HashResult::Wrong | HashResult::Hashed(_)) => Verdict::Wrong,
        };
        if verdict == Verdict::Right {
            // It counts as under way until the log-in is ordered: those in line are looked at again after that.
            self.checks.keep(id, attempt);
            return self.order_log_in(id);
        }
        if result == HashResult::Wrong
            && let Some(ip) = attempt.from
        {
            self.visitors.failed(ip, self.time.now);
            if !is_there {
                info!("{ip} gave a wrong password for {name} and did not wait for the answer");
            }
        }
        match self.conclude_attempt(&attempt, verdict) {
            Ruling::Failed => {
                info!("{} failed to log in as {name}", self.label(id));
                self.back_to_name(id, &Rejection::InvalidPassword);
            }
            Ruling::BlockedNow => {
                warn!("{} failed to log in as {name}, which is blocked now", self.label(id));
                self.refuse_decided(id, &Rejection::BlockedNow);
                self.finish(id);
            }
            Ruling::Blocked => {
                info!("{} failed to log in as {name}, which is blocked", self.label(id));
                self.refuse_decided(id, &Rejection::Blocked);
                self.finish(id);
            }
            // Nobody is there to be told.
            Ruling::Accepted | Ruling::Void => {}
        }
    }

    /// A password proved right, or is that of a new account: orders the log-in.
    pub(super) fn order_log_in(&mut self, id: ConnectionId) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        let address = session.address.ip;
        let Phase::Authenticating(_, _, authentication) = &mut session.phase else { return };
        let (claim, checked) = match &**authentication {
            Authentication::Hashing(claim, Some(checked))
            | Authentication::SigningUp(claim, checked)
            | Authentication::LoggingIn(claim, checked) => (claim.clone(), *checked),
            Authentication::InLine(..) | Authentication::Hashing(_, None) => return,
        };
        **authentication = Authentication::LoggingIn(claim.clone(), checked);
        let Some(account) = self.forum.accounts.find(&claim.name) else { return };
        let take_over = match claim.wish {
            Wish::Do(take_over) => take_over,
            Wish::BeAsked => TakeOver::Never,
        };
        let (session, udp_port) = (self.session_id(id), claim.udp_port);
        let log_in =
            Passing::LogIn { account, session, checked: Box::new(checked), address, udp_port, take_over };
        self.propose(Origin::LogIn(id), None, log_in.into());
    }

    /// A log-in was ordered. If it came to pass, the welcome is said as it is told to everybody.
    pub(crate) fn log_in_decided(&mut self, id: ConnectionId, result: &Result<Effect, Rejection>) {
        if let Some(attempt) = self.checks.end(id) {
            let is_void = matches!(result, Err(Rejection::InvalidPassword));
            self.conclude_attempt(&attempt, if is_void { Verdict::Dropped } else { Verdict::Right });
        }
        let Err(no) = result else { return };
        let now = self.time.now;
        if let Some(session) = self.sessions.get_mut(id)
            && let Phase::Authenticating(_, tag, authentication) = &session.phase
            && let Authentication::LoggingIn(claim, checked) = &**authentication
            && claim.wish == Wish::BeAsked
            && let Some(other) = claim.account.and_then(|account| self.forum.online.find(account))
        {
            let (tag, claim, checked) = (*tag, claim.clone(), *checked);
            let (since_ms, address) = (other.since_ms, other.address.to_string());
            session.ask_take_over(claim, checked, now);
            self.outbox.reply(id, tag, &Reply::TakeOverWanted { since_ms, address: &address });
            return self.wait_ended(id, Wait::Authentication);
        }
        self.back_to_name(id, no);
    }

    /// A client says whether another session of its user is to end.
    pub(super) fn take_over_answered(&mut self, id: ConnectionId, tag: LoginTag, yes: bool) {
        let Some((mut claim, checked)) =
            self.sessions.get_mut(id).and_then(|session| session.answer_take_over())
        else {
            return;
        };
        if !yes {
            return self.refuse(id, tag, &Rejection::AlreadyLoggedIn(claim.name));
        }
        claim.wish = Wish::Do(TakeOver::Always);
        self.authenticate(id, tag, Authentication::LoggingIn(claim, checked));
        self.order_log_in(id);
    }

    /// A new account's password was hashed.
    pub(super) fn new_password_hashed(&mut self, id: ConnectionId, result: HashResult) {
        // Others may have signed up since the name was asked for.
        let full = self.accounts_are_full();
        let Some(session) = self.sessions.get_mut(id) else { return };
        let Phase::Authenticating(_, _, authentication) = &mut session.phase else { return };
        let (Authentication::Hashing(claim, None), HashResult::Hashed(hash)) = (&**authentication, result)
        else {
            return;
        };
        let claim = claim.clone();
        if full {
            return self.back_to_name(id, &self.no_more_accounts());
        }
        **authentication = Authentication::SigningUp(claim.clone(), hash);
        self.propose(Origin::SignUp(id), None, Change::CreateAccount { name: claim.name, hash });
    }

    /// The log has decided on a sign-up.
    pub(crate) fn signed_up(&mut self, id: ConnectionId, account: Result<AccountId, Rejection>) {
        match account {
            Ok(account) => {
                info!("{} New user {}", self.label(id), self.forum.name_of(account));
                self.order_log_in(id);
            }
            Err(no) => self.back_to_name(id, &no),
        }
    }

    /// A user is online on this connection; says whether the connection is still there for it.
    pub(crate) fn welcome(&mut self, id: ConnectionId, account: AccountId, since_ms: u64) -> bool {
        let backlog = self.backlog_of(account);
        let Some(session) = self.sessions.get_mut(id) else { return false };
        let Phase::Authenticating(_, tag, _) = &session.phase else { return false };
        let tag = *tag;
        session.log_in(account, backlog, self.time.moment());
        self.visitors.logged_in(session.address.ip);
        match self.settings.idle_timeout {
            Some(limit) => self.deadlines.set(Deadline::Phase(id), self.time.now + limit),
            None => self.deadlines.remove(Deadline::Phase(id)),
        }
        self.probes.watch(self.time.now);
        // Numbers begin anew with each start; with the epoch in it, no other session is ever meant by it.
        let session = id.number() ^ self.epoch;
        self.outbox.reply(id, tag, &Reply::Welcome { session, since_ms, text: &Answer::Welcome.to_string() });
        // The messages that waited come before any answer, and this may be the connection's own turn.
        self.continue_task(id);
        self.wait_ended(id, Wait::Authentication);
        info!("{} successfully logged in", self.label(id));
        true
    }

    /// Refuses the password that is being decided on, and waits for a name again.
    pub(super) fn back_to_name(&mut self, id: ConnectionId, no: &Rejection) {
        self.refuse_decided(id, no);
        let now = self.time.now;
        if let Some(session) = self.sessions.get_mut(id)
            && let Phase::Authenticating(..) = session.phase
        {
            session.reject(now);
            self.wait_ended(id, Wait::Authentication);
        }
    }

    pub(super) fn refuse_decided(&mut self, id: ConnectionId, no: &Rejection) {
        if let Some(session) = self.sessions.get(id)
            && let Phase::Authenticating(_, tag, _) = session.phase
        {
            self.refuse(id, tag, no);
        }
    }
}
