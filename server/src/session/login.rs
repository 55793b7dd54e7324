//! Logging in: a name, a password, and everything that can go wrong with either.

use forum_common::escape::for_terminal;
use forum_common::limits::PING_BYTES_MAX;
use forum_common::names::{Password, UserName};
use forum_common::text::Rejection;
use forum_common::wire::{self, Closing, Limit, LimitListBuf, Reply, Request, Tag, VERSION};
use log::info;

use crate::core::deadlines::Deadline;
use crate::core::limits::{ENTRIES_MAX, HISTORY_MAX};
use crate::core::{Core, Settings};
use crate::forum::{LINKS_OF_A_USER_MAX, QUESTIONS_OF_A_PAIR_MAX, QUESTIONS_TO_A_USER_MAX};
use crate::forum::{SessionId, TakeOver};
use crate::journal::Journal;
use crate::session::input::{ProtocolError, Taken};
use crate::session::{Authentication, Claim, ConnectionId, Phase, Wish};
use crate::workers::passwords::Job;

/// Answers of a log-in carry the tag of the password's request; while it is being decided, that waits here.
pub(super) type LoginTag = Tag;

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
            features: "take-over resume",
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
        if self
            .sessions
            .ip(id)
            .is_some_and(|ip| !self.visitors.may_name(ip, account.is_some(), self.time.now))
        {
            return self.refuse(id, tag, &Rejection::SlowDown);
        }
        let is_online = account.is_some_and(|account| self.forum.online.find(account).is_some());
        if is_online && !wish.may_end_another() {
            return self.refuse(id, tag, &Rejection::AlreadyLoggedIn(name));
        }
        if account.is_none()
            && let Err(no) = self.may_be_new()
        {
            return self.refuse(id, tag, &no);
        }
        self.outbox.reply(id, tag, &Reply::PasswordWanted { known: account.is_some() });
        if let Some(session) = self.sessions.get_mut(id) {
            session.name(Claim { name, account, udp_port, wish });
        }
    }

    /// Whether a name that nobody has may be taken.
    fn may_be_new(&self) -> Result<(), Rejection> {
        if !self.settings.is_sign_up_open {
            return Err(Rejection::SignUpClosed);
        }
        if self.accounts_are_full() {
            return Err(self.no_more_accounts());
        }
        Ok(())
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
        if !self.sessions.ip(id).is_some_and(|ip| self.visitors.may_try(ip, self.time.now)) {
            self.refuse(id, tag, &Rejection::SlowDown);
            return Ok(());
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
        if !self.sessions.ip(id).is_some_and(|ip| self.visitors.may_sign_up(ip, self.time.now)) {
            self.refuse(id, tag, &Rejection::SlowDown);
            return Ok(());
        }
        self.authenticate(id, tag, Authentication::Hashing(claim, None));
        if !self.checks.submit(id, Job::Hash { password }) {
            self.back_to_name(id, &Rejection::Busy);
        }
        Ok(())
    }

    /// A client has been silent for long; perhaps for too long.
    pub(crate) fn expire_login(&mut self, id: ConnectionId) {
        let Some(session) = self.sessions.get(id) else { return };
        let Some(login_budget) = session.phase.login_budget() else { return };
        let spent = login_budget.spent(self.time.now);
        if spent < self.settings.login_timeout {
            self.deadlines.set(Deadline::Phase(id), self.time.now + (self.settings.login_timeout - spent));
        } else {
            self.close(id, Closing::LoginTimedOut, "Login timed out");
        }
    }
}
