//! Logging in: a name, a password, and everything that can go wrong with either.

use forum_common::escape::for_terminal;
use forum_common::limits::PING_BYTES_MAX;
use forum_common::names::{Password, UserName};
use forum_common::text::{Answer, Rejection};
use forum_common::wire::{self, Closing, Limit, LimitListBuf, Reply, Request, Tag, VERSION};
use log::{info, warn};

use crate::commands::admin::{Attempt, Target};
use crate::commands::outcomes::ENTRIES_MAX;
use crate::commands::rooms::HISTORY_MAX;
use crate::core::deadlines::Deadline;
use crate::core::pipeline::Origin;
use crate::core::{Core, Settings};
use crate::forum::{AccountId, Change, Effect, Passing, SessionId, TakeOver};
use crate::forum::{LINKS_OF_A_USER_MAX, QUESTIONS_OF_A_PAIR_MAX, QUESTIONS_TO_A_USER_MAX};
use crate::journal::Journal;
use crate::network::Network;
use crate::session::input::{ProtocolError, Taken};
use crate::session::lockout::{Begin, Ruling, Verdict};
use crate::session::{Authentication, Claim, ConnectionId, Phase, Wait, Wish};
use crate::workers::passwords::{HashResult, Job};

/// Answers of a log-in carry the tag of the password's request; while it is being decided, that waits here.
type LoginTag = Tag;

impl<J: Journal> Core<J> {
    /// Takes a request of a client that is not logged in.
    pub(crate) fn take_login(
        &mut self,
        id: ConnectionId,
        tag: Tag,
        request: Request<'_>,
    ) -> Result<Taken, ProtocolError> {
        let Some(session) = self.sessions.get_mut(id) else { return Ok(Taken::Yes) };
        match (&session.phase, request) {
            (Phase::AwaitingHello(_), Request::ClientHello { version, client, presence }) => {
                if version < VERSION {
                    let text = format!("Protocol version {version} is not spoken here, only {VERSION}");
                    return Err(ProtocolError(text));
                }
                session.greet(presence);
                info!("{} speaks version {VERSION}: {}", self.label(id), for_terminal(client));
                self.greet(id, tag);
            }
            (Phase::AwaitingHello(_), _) => {
                return Err(ProtocolError("Wrong phase: the first frame must be a hello".into()));
            }
            (_, Request::Ping { payload }) => self.pong(id, tag, payload)?,
            (_, Request::LogIn { name, udp_port, take_over, session: own }) => {
                session.unname();
                let wish = self.wish(take_over, own);
                self.take_name(id, tag, name, udp_port, wish);
            }
            (Phase::AwaitingTakeOver(..), Request::EndOtherSession { yes }) => {
                self.take_over_answered(id, tag, yes);
            }
            (Phase::AwaitingPassword(..), Request::Password { password }) => {
                self.take_password(id, tag, password)?;
            }
            (Phase::AwaitingPassword(..), Request::SignUp { password, confirmation }) => {
                self.take_sign_up(id, tag, password, confirmation)?;
            }
            (_, Request::ClientHello { .. }) => {
                return Err(ProtocolError("Wrong phase: only one hello is allowed".into()));
            }
            (_, Request::EndOtherSession { .. }) => {
                return Err(ProtocolError("Wrong phase: nothing was asked about another session".into()));
            }
            (_, Request::Password { .. } | Request::SignUp { .. }) => {
                return Err(ProtocolError("Wrong phase: a name must come before the password".into()));
            }
            _ => return Err(ProtocolError("Wrong phase: log in first".into())),
        }
        Ok(Taken::Yes)
    }

    /// Answers a ping.
    pub(crate) fn pong(&mut self, id: ConnectionId, tag: Tag, payload: &[u8]) -> Result<(), ProtocolError> {
        if payload.len() > PING_BYTES_MAX {
            let bytes = payload.len();
            return Err(ProtocolError(format!(
                "Ping of {bytes} bytes; at most {PING_BYTES_MAX} are allowed"
            )));
        }
        self.outbox.reply(id, tag, &Reply::Pong { payload });
        Ok(())
    }

    /// Answers a hello.
    fn greet(&mut self, id: ConnectionId, tag: Tag) {
        let limits = self.announced_limits();
        let reply = Reply::ServerHello {
            version: VERSION,
            server: concat!("forumd ", env!("CARGO_PKG_VERSION")),
            features: "take-over",
            limits: limits.as_list(),
            zone: &self.settings.zone.name(self.time.now_ms),
            now_ms: self.time.now_ms,
            servers: None,
        };
        self.outbox.reply(id, tag, &reply);
    }

    fn announced_limits(&self) -> LimitListBuf {
        let Settings { limits, login_timeout, idle_timeout, .. } = &self.settings;
        let idle_seconds = idle_timeout.map_or(0, |timeout| timeout.as_secs());
        [
            (Limit::Accounts, limits.max_accounts as u64),
            (Limit::Threads, limits.max_threads as u64),
            (Limit::Posts, limits.max_posts as u64),
            (Limit::BoardPosts, HISTORY_MAX as u64),
            (Limit::RoomPosts, HISTORY_MAX as u64),
            (Limit::Rooms, limits.max_rooms as u64),
            (Limit::RoomMembers, limits.max_room_members as u64),
            (Limit::Files, limits.max_files as u64),
            (Limit::FileBytes, limits.max_file_bytes),
            (Limit::UserFileBytes, limits.max_user_file_bytes),
            (Limit::Uploads, limits.max_total_uploads as u64),
            (Limit::UserUploads, limits.max_uploads as u64),
            (Limit::Downloads, limits.max_downloads as u64),
            (Limit::Blocks, limits.max_blocks as u64),
            (Limit::Links, LINKS_OF_A_USER_MAX as u64),
            (Limit::Questions, QUESTIONS_TO_A_USER_MAX as u64),
            (Limit::PairQuestions, QUESTIONS_OF_A_PAIR_MAX as u64),
            (Limit::ChangesInFlight, ENTRIES_MAX.into()),
            (Limit::RequestsPerSecond, limits.max_requests_per_second.into()),
            (Limit::LoginSeconds, login_timeout.as_secs()),
            (Limit::IdleSeconds, idle_seconds),
            (Limit::MailboxMessages, limits.max_mailbox_messages as u64),
            (Limit::MailboxBytes, limits.max_mailbox_bytes as u64),
        ]
        .into_iter()
        .collect()
    }

    fn take_name(&mut self, id: ConnectionId, tag: Tag, name: &str, udp_port: u16, wish: Wish) {
        let name = match UserName::parse(name) {
            Ok(name) => name,
            Err(invalid) => return self.refuse(id, tag, &invalid.into()),
        };
        let account = self.forum.accounts.find(&name);
        let is_online = account.is_some_and(|account| self.forum.online.find(account).is_some());
        if is_online && !wish.may_end_another() {
            return self.refuse(id, tag, &Rejection::AlreadyLoggedIn(name));
        }
        if account.is_none() && self.accounts_are_full() {
            return self.refuse(id, tag, &self.no_more_accounts());
        }
        self.outbox.reply(id, tag, &Reply::PasswordWanted { known: account.is_some() });
        if let Some(session) = self.sessions.get_mut(id) {
            session.name(Claim { name, account, udp_port, wish });
        }
    }

    /// What a client wants of another session of its user.
    fn wish(&self, take_over: Option<wire::TakeOver>, own: Option<u64>) -> Wish {
        let own = own.map(|session| SessionId { epoch: self.epoch, number: session ^ self.epoch });
        match (take_over, own) {
            (Some(wire::TakeOver::Ask), _) => Wish::BeAsked,
            (Some(wire::TakeOver::Always), _) => Wish::Do(TakeOver::Always),
            (Some(wire::TakeOver::OwnSession), Some(own)) => Wish::Do(TakeOver::Session(own)),
            _ => Wish::Do(TakeOver::Never),
        }
    }

    /// The name to which a password belongs. If nothing comes of it, a name is due again.
    fn take_claim(&mut self, id: ConnectionId) -> Option<Claim> {
        self.sessions.get_mut(id)?.unname()
    }

    fn take_password(
        &mut self,
        id: ConnectionId,
        tag: LoginTag,
        password: &str,
    ) -> Result<(), ProtocolError> {
        let Some(claim) = self.take_claim(id) else { return Ok(()) };
        if claim.account.is_none() {
            return Err(ProtocolError("Wrong phase: an unknown name needs a sign-up".into()));
        }
        match Password::parse(password) {
            Ok(password) => {
                self.authenticate(id, tag, Authentication::InLine(claim, password));
                self.begin_attempt(id);
            }
            Err(invalid) => self.refuse(id, tag, &invalid.into()),
        }
        Ok(())
    }

    fn take_sign_up(
        &mut self,
        id: ConnectionId,
        tag: LoginTag,
        password: &str,
        confirmation: &str,
    ) -> Result<(), ProtocolError> {
        let Some(claim) = self.take_claim(id) else { return Ok(()) };
        if claim.account.is_some() {
            return Err(ProtocolError("Wrong phase: a known name needs its password".into()));
        }
        let password = match Password::parse(password) {
            _ if password != confirmation => {
                self.refuse(id, tag, &Rejection::PasswordsDiffer);
                return Ok(());
            }
            Ok(password) => password,
            Err(invalid) => {
                self.refuse(id, tag, &invalid.into());
                return Ok(());
            }
        };
        self.authenticate(id, tag, Authentication::Hashing(claim, None));
        if self.passwords.submit(id, Job::Hash { password }).is_err() {
            self.back_to_name(id, &Rejection::Busy);
        }
        Ok(())
    }

    /// From here on it is the server's turn: nothing more is read until the decision is there.
    fn authenticate(&mut self, id: ConnectionId, tag: LoginTag, authentication: Authentication) {
        let now = self.time.now;
        if let Some(session) = self.sessions.get_mut(id) {
            session.authenticate(tag, authentication, now);
        }
    }

    /// Begins an attempt at a known name's password, or puts it in line, or refuses it.
    fn begin_attempt(&mut self, id: ConnectionId) {
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
        let from = Some(Network::from(session.address.ip));
        match self.lockout.begin(&target, id, from, self.time.now) {
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
                if self.passwords.submit(id, Job::Verify { password, against }).is_ok() {
                    self.attempts.insert(id, attempt);
                } else {
                    self.back_to_name(id, &Rejection::Busy);
                    self.conclude_attempt(&attempt, Verdict::Dropped);
                }
            }
        }
    }

    /// Tells the lock-out how an attempt ended, and lets those go on who waited for that.
    pub(crate) fn conclude_attempt(&mut self, attempt: &Attempt, verdict: Verdict) -> Ruling {
        let finish = self.lockout.finish(&attempt.target, attempt.from, verdict, self.time.now);
        for waiter in finish.released {
            match attempt.target {
                Target::LogIn(_) => self.begin_attempt(waiter),
                Target::ChangePassword(_) | Target::ShutDown(_) => self.try_check(waiter),
            }
        }
        finish.ruling
    }

    /// Takes what the hashers have finished.
    pub(crate) fn take_hashes(&mut self) {
        while let Some((id, result)) = self.passwords.next_result() {
            match self.attempts.remove(&id) {
                Some(attempt) => match attempt.target.clone() {
                    Target::LogIn(name) => self.attempt_hashed(id, &name, attempt, result),
                    Target::ChangePassword(_) | Target::ShutDown(_) => {
                        self.check_hashed(id, &attempt, result)
                    }
                },
                None => self.new_password_hashed(id, result),
            }
            self.take_passed();
        }
    }

    /// A log-in's password was checked. If its connection died meanwhile, nobody will ever know the result.
    fn attempt_hashed(&mut self, id: ConnectionId, name: &UserName, attempt: Attempt, result: HashResult) {
        let verdict = match self.sessions.get(id) {
            Some(session) if !session.is_draining() => match result {
                HashResult::Right => Verdict::Right,
                HashResult::Wrong | HashResult::Hashed(_) => Verdict::Wrong,
            },
            _ => Verdict::Dropped,
        };
        if verdict == Verdict::Right {
            // It counts as under way until the log-in is ordered: those in line are looked at again after that.
            self.attempts.insert(id, attempt);
            return self.order_log_in(id);
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
    fn order_log_in(&mut self, id: ConnectionId) {
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
        let log_in = Passing::LogIn { account, session, checked, address, udp_port, take_over };
        self.propose(Origin::LogIn(id), None, log_in.into());
    }

    /// A log-in was ordered. If it came to pass, the welcome is said as it is told to everybody.
    pub(crate) fn log_in_decided(&mut self, id: ConnectionId, result: &Result<Effect, Rejection>) {
        if let Some(attempt) = self.attempts.remove(&id) {
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
    fn take_over_answered(&mut self, id: ConnectionId, tag: LoginTag, yes: bool) {
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
    fn new_password_hashed(&mut self, id: ConnectionId, result: HashResult) {
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
        let mail = self.delivery_at_log_in(account);
        let Some(session) = self.sessions.get_mut(id) else { return false };
        let Phase::Authenticating(_, tag, _) = &session.phase else { return false };
        let tag = *tag;
        session.log_in(account, mail, self.time.now);
        if let Some(limit) = self.settings.idle_timeout {
            self.deadlines.set(Deadline::Idle(id), self.time.now + limit);
        }
        self.probes.watch(id, self.time.now);
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
    fn back_to_name(&mut self, id: ConnectionId, no: &Rejection) {
        self.refuse_decided(id, no);
        let now = self.time.now;
        if let Some(session) = self.sessions.get_mut(id)
            && let Phase::Authenticating(..) = session.phase
        {
            session.reject(now);
            self.wait_ended(id, Wait::Authentication);
        }
    }

    fn refuse_decided(&mut self, id: ConnectionId, no: &Rejection) {
        if let Some(session) = self.sessions.get(id)
            && let Phase::Authenticating(_, tag, _) = session.phase
        {
            self.refuse(id, tag, no);
        }
    }

    /// A client has been silent for long; perhaps for too long.
    pub(crate) fn expire_login(&mut self, id: ConnectionId) {
        let Some(session) = self.sessions.get(id) else { return };
        let Some(login_budget) = session.phase.login_budget() else { return };
        let spent = login_budget.spent(self.time.now);
        if spent < self.settings.login_timeout {
            self.deadlines.set(Deadline::LogIn(id), self.time.now + (self.settings.login_timeout - spent));
        } else {
            self.close(id, Closing::LoginTimedOut, "Login timed out");
        }
    }
}
