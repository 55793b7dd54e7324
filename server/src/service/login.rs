//! Logging in: a name, a password, and everything that can go wrong with either.

use forum_common::escape::for_terminal;
use forum_common::limits::PING_BYTES_MAX;
use forum_common::names::{Password, UserName};
use forum_common::text::{Answer, Rejection};
use forum_common::wire::{Closing, Limit, LimitListBuf, Reply, Request, Tag, VERSION};
use log::{info, warn};

use super::checks::{Attempt, Target};
use super::commit::{ENTRIES_MAX, Origin};
use super::intake::{Fault, Taken};
use super::rooms::HISTORY_MAX;
use super::{Service, Settings};
use crate::clock::Clock;
use crate::connection::Stream;
use crate::forum::{AccountId, Change};
use crate::journal::Journal;
use crate::links::{LINKS_OF_A_USER_MAX, QUESTIONS_OF_A_PAIR_MAX, QUESTIONS_TO_A_USER_MAX};
use crate::lockout::{Begin, Ruling, Verdict};
use crate::network::Network;
use crate::online::OnlineUser;
use crate::session::{Claim, Deciding, PeerId, Phase, Wait};
use crate::workers::passwords::{HashResult, Job};

/// Answers of a log-in carry the tag of the password's request; while it is being decided, that waits here.
type LoginTag = Tag;

impl<S: Stream, J: Journal, C: Clock> Service<S, J, C> {
    /// Takes a request of a client that is not logged in.
    pub(super) fn take_login(&mut self, id: PeerId, tag: Tag, request: Request<'_>) -> Result<Taken, Fault> {
        let Some(peer) = self.peers.get_mut(id) else { return Ok(Taken::Yes) };
        match (&peer.session.phase, request) {
            (Phase::Greeting(_), Request::ClientHello { version, client, presence }) => {
                if version < VERSION {
                    let text = format!("Protocol version {version} is not spoken here, only {VERSION}");
                    return Err(Fault(text));
                }
                peer.session.greet(presence);
                info!("{} speaks version {VERSION}: {}", self.label(id), for_terminal(client));
                self.greet(id, tag);
            }
            (Phase::Greeting(_), _) => {
                return Err(Fault("Wrong phase: the first frame must be a hello".into()));
            }
            (_, Request::Ping { payload }) => self.pong(id, tag, payload)?,
            (_, Request::LogIn { name, udp_port, .. }) => {
                peer.session.unname();
                self.take_name(id, tag, name, udp_port);
            }
            (Phase::Proving(..), Request::Password { password }) => {
                self.take_password(id, tag, password)?;
            }
            (Phase::Proving(..), Request::SignUp { password, confirmation }) => {
                self.take_sign_up(id, tag, password, confirmation)?;
            }
            (_, Request::ClientHello { .. }) => {
                return Err(Fault("Wrong phase: only one hello is allowed".into()));
            }
            (_, Request::Password { .. } | Request::SignUp { .. }) => {
                return Err(Fault("Wrong phase: a name must come before the password".into()));
            }
            _ => return Err(Fault("Wrong phase: log in first".into())),
        }
        Ok(Taken::Yes)
    }

    /// Answers a ping.
    pub(super) fn pong(&mut self, id: PeerId, tag: Tag, payload: &[u8]) -> Result<(), Fault> {
        if payload.len() > PING_BYTES_MAX {
            let bytes = payload.len();
            return Err(Fault(format!("Ping of {bytes} bytes; at most {PING_BYTES_MAX} are allowed")));
        }
        self.peers.reply(id, tag, &Reply::Pong { payload });
        Ok(())
    }

    /// Answers a hello.
    fn greet(&mut self, id: PeerId, tag: Tag) {
        let limits = self.announced_limits();
        let reply = Reply::ServerHello {
            version: VERSION,
            server: concat!("forumd ", env!("CARGO_PKG_VERSION")),
            features: "",
            limits: limits.as_list(),
            zone: &self.settings.zone.name(self.now_ms),
            now_ms: self.now_ms,
            servers: None,
        };
        self.peers.reply(id, tag, &reply);
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

    fn take_name(&mut self, id: PeerId, tag: Tag, name: &str, udp_port: u16) {
        let name = match UserName::parse(name) {
            Ok(name) => name,
            Err(invalid) => return self.refuse(id, tag, &invalid.into()),
        };
        let account = self.forum.accounts.find(&name);
        if account.is_some_and(|account| self.online.find(account).is_some()) {
            return self.refuse(id, tag, &Rejection::AlreadyLoggedIn(name));
        }
        if account.is_none() && self.accounts_are_full() {
            return self.refuse(id, tag, &self.no_more_accounts());
        }
        self.peers.reply(id, tag, &Reply::PasswordWanted { known: account.is_some() });
        if let Some(peer) = self.peers.get_mut(id) {
            peer.session.name(Claim { name, account, udp_port });
        }
    }

    /// The name to which a password belongs. If nothing comes of it, a name is due again.
    fn take_claim(&mut self, id: PeerId) -> Option<Claim> {
        self.peers.get_mut(id)?.session.unname()
    }

    fn take_password(&mut self, id: PeerId, tag: LoginTag, password: &str) -> Result<(), Fault> {
        let Some(claim) = self.take_claim(id) else { return Ok(()) };
        if claim.account.is_none() {
            return Err(Fault("Wrong phase: an unknown name needs a sign-up".into()));
        }
        match Password::parse(password) {
            Ok(password) => {
                self.decide(id, tag, Deciding::InLine(claim, password));
                self.begin_attempt(id);
            }
            Err(invalid) => self.refuse(id, tag, &invalid.into()),
        }
        Ok(())
    }

    fn take_sign_up(
        &mut self,
        id: PeerId,
        tag: LoginTag,
        password: &str,
        confirmation: &str,
    ) -> Result<(), Fault> {
        let Some(claim) = self.take_claim(id) else { return Ok(()) };
        if claim.account.is_some() {
            return Err(Fault("Wrong phase: a known name needs its password".into()));
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
        self.decide(id, tag, Deciding::Hashing(claim));
        if self.passwords.submit(id, Job::Hash { password }).is_err() {
            self.back_to_name(id, &Rejection::Busy);
        }
        Ok(())
    }

    /// From here on it is the server's turn: nothing more is read until the decision is there.
    fn decide(&mut self, id: PeerId, tag: LoginTag, deciding: Deciding) {
        let now = self.now;
        if let Some(peer) = self.peers.get_mut(id) {
            peer.session.decide(tag, deciding, now);
        }
    }

    /// Begins an attempt at a known name's password, or puts it in line, or refuses it.
    fn begin_attempt(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(id) else { return };
        let Phase::Deciding(_, tag, deciding) = &mut peer.session.phase else { return };
        let tag = *tag;
        let Deciding::InLine(claim, password) = &**deciding else { return };
        let (claim, password) = (claim.clone(), password.clone());
        let Some(account) = claim.account else { return };
        if self.online.find(account).is_some() {
            return self.back_to_name(id, &Rejection::AlreadyLoggedIn(claim.name));
        }
        let target = Target::LogIn(claim.name.clone());
        let from = Some(Network::from(peer.session.address.ip));
        match self.lockout.begin(&target, id, from, self.now) {
            Begin::Wait => {}
            Begin::Blocked => {
                info!("{} {} is blocked", self.label(id), claim.name);
                self.refuse(id, tag, &Rejection::Blocked);
                self.finish(id);
            }
            Begin::Hash => {
                let against = self.forum.accounts[account].hash;
                **deciding = Deciding::Hashing(claim.clone());
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
    pub(super) fn conclude_attempt(&mut self, attempt: &Attempt, verdict: Verdict) -> Ruling {
        let finish = self.lockout.finish(&attempt.target, attempt.from, verdict, self.now);
        for waiter in finish.released {
            match attempt.target {
                Target::LogIn(_) => self.begin_attempt(waiter),
                Target::ChangePassword(_) | Target::ShutDown(_) => self.try_check(waiter),
            }
        }
        finish.ruling
    }

    /// Takes what the hashers have finished.
    pub(super) fn take_hashes(&mut self) {
        while let Some((id, result)) = self.passwords.next_result() {
            match self.attempts.remove(&id) {
                Some(attempt) => match &attempt.target {
                    Target::LogIn(name) => self.attempt_hashed(id, name, &attempt, result),
                    Target::ChangePassword(_) | Target::ShutDown(_) => {
                        self.check_hashed(id, &attempt, result)
                    }
                },
                None => self.new_password_hashed(id, result),
            }
        }
    }

    /// A log-in's password was checked. If its connection died meanwhile, nobody will ever know the result.
    fn attempt_hashed(&mut self, id: PeerId, name: &UserName, attempt: &Attempt, result: HashResult) {
        let verdict = match self.peers.get(id) {
            Some(peer) if !peer.session.is_closing() => match result {
                HashResult::Right => Verdict::Right,
                HashResult::Wrong | HashResult::Hashed(_) => Verdict::Wrong,
            },
            _ => Verdict::Dropped,
        };
        // The winner claims the name before those in line are looked at again.
        let account = self.forum.accounts.find(name);
        let claimed = verdict == Verdict::Right
            && account.is_some_and(|account| self.online.find(account).is_none() && self.log_in(id, account));
        match self.conclude_attempt(attempt, verdict) {
            Ruling::Accepted if claimed => {}
            Ruling::Accepted => self.back_to_name(id, &Rejection::AlreadyLoggedIn(name.clone())),
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
            Ruling::Void => {}
        }
    }

    /// A new account's password was hashed.
    fn new_password_hashed(&mut self, id: PeerId, result: HashResult) {
        // Others may have signed up since the name was asked for.
        let full = self.accounts_are_full();
        let Some(peer) = self.peers.get_mut(id) else { return };
        let Phase::Deciding(_, _, deciding) = &mut peer.session.phase else { return };
        let (Deciding::Hashing(claim), HashResult::Hashed(hash)) = (&**deciding, result) else { return };
        let claim = claim.clone();
        if full {
            return self.back_to_name(id, &self.no_more_accounts());
        }
        **deciding = Deciding::SigningUp(claim.clone());
        self.propose(Origin::SignUp(id), None, Change::CreateAccount { name: claim.name, hash });
    }

    /// The log has decided on a sign-up.
    pub(super) fn signed_up(&mut self, id: PeerId, account: Result<AccountId, Rejection>) {
        match account {
            Ok(account) => {
                info!("{} New user {}", self.label(id), self.forum.name_of(account));
                self.log_in(id, account);
            }
            Err(no) => self.back_to_name(id, &no),
        }
    }

    /// Makes a connection the session of an account, which must not be online. False when the connection is
    /// not there any more.
    fn log_in(&mut self, id: PeerId, account: AccountId) -> bool {
        let mail = self.delivery_at_log_in(account);
        let since_ms = self.now_ms;
        let Some(peer) = self.peers.get_mut(id) else { return false };
        let Phase::Deciding(_, tag, deciding) = &peer.session.phase else { return false };
        let (tag, udp_port, address) = (*tag, deciding.claim().udp_port, peer.session.address.ip);
        let wants_presence = peer.session.wants_presence;
        peer.session.log_in(account, mail, self.now);
        // What was said before is not for who comes now.
        self.publish_said();
        self.online.insert(OnlineUser { account, peer: id, address, udp_port, since_ms, wants_presence });
        if let Some(limit) = self.settings.idle_timeout {
            self.idle_deadlines.push(id, self.now + limit);
        }
        self.probes.watch(id, self.now);
        let session = id.generation.into();
        self.peers.reply(id, tag, &Reply::Welcome { session, since_ms, text: &Answer::Welcome.to_string() });
        self.wait_ended(id, Wait::Decision);
        info!("{} successfully logged in", self.label(id));
        self.tell_coming(account, id);
        true
    }

    /// Refuses the password that is being decided on, and waits for a name again.
    fn back_to_name(&mut self, id: PeerId, no: &Rejection) {
        self.refuse_decided(id, no);
        let now = self.now;
        if let Some(peer) = self.peers.get_mut(id)
            && let Phase::Deciding(..) = peer.session.phase
        {
            peer.session.undecide(now);
            self.wait_ended(id, Wait::Decision);
        }
    }

    fn refuse_decided(&mut self, id: PeerId, no: &Rejection) {
        if let Some(peer) = self.peers.get(id)
            && let Phase::Deciding(_, tag, _) = peer.session.phase
        {
            self.refuse(id, tag, no);
        }
    }

    /// A client has been silent for long; perhaps for too long.
    pub(super) fn expire_login(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get(id) else { return };
        let Some(patience) = peer.session.phase.patience() else { return };
        let spent = patience.spent(self.now);
        if spent < self.settings.login_timeout {
            self.login_deadlines.push(id, self.now + (self.settings.login_timeout - spent));
        } else {
            self.close(id, Closing::LoginTimedOut, "Login timed out");
        }
    }
}
