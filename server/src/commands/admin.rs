//! Passwords that a member gives with a command: the old one of `passwd`, and the admin's with SHT. They are
//! checked like that of a log-in: hashed off the loop, counted by the lock-out, failures logged.
//!
//! What is counted, so that guessing is slow and yet nobody can shut others out:
//! - `passwd`: by account, apart from its log-ins. Only who is logged in to an account can block this.
//! - SHT: by network address (IPv4 /32, IPv6 /64), over all connections and accounts. Accounts are free, so
//!   counting by account would give as many guesses as somebody cares to sign up; counting all together would
//!   let any user keep the admin out. Who shares the admin's address can do that, but not to signals.

use forum_common::names::Password;
use forum_common::text::Rejection;
use forum_common::wire::Tag;
use log::{info, warn};

use crate::core::Core;
use crate::core::password_checks::{Attempt, Target};
use crate::core::pipeline::Origin;
use crate::forum::{AccountId, Change};
use crate::journal::Journal;
use crate::session::lockout::{Begin, Ruling, Verdict};
use crate::session::{CheckFor, ConnectionId, NewPassword, PasswordCheck, Task, Wait};
use crate::workers::passwords::{HashResult, Job};

impl<J: Journal> Core<J> {
    /// Begins a `passwd`.
    pub(crate) fn change_password(
        &mut self,
        id: ConnectionId,
        tag: Tag,
        account: AccountId,
        old: &str,
        new: &str,
        confirmation: &str,
    ) -> Result<(), Rejection> {
        let Ok(old) = Password::parse(old) else { return Err(Rejection::InvalidPassword) };
        let against = self.forum.accounts[account].hash;
        // The old password is judged first, even if the new one is no good.
        let (job, next) = match Password::parse(new) {
            _ if new != confirmation => (Job::Verify { password: old, against }, NewPassword::Differs),
            Err(_) => (Job::Verify { password: old, against }, NewPassword::Malformed),
            Ok(new) => (Job::VerifyThenHash { old, against, new }, NewPassword::Fine),
        };
        self.begin_check(id, PasswordCheck { tag, purpose: CheckFor::ChangePassword(next), job: Some(job) });
        Ok(())
    }

    /// Begins an SHT.
    pub(crate) fn take_shut_down(
        &mut self,
        id: ConnectionId,
        tag: Tag,
        password: &str,
    ) -> Result<(), Rejection> {
        let Some(against) = self.settings.admin_password else {
            info!("{} SHT refused: there is no admin password", self.label(id));
            return Err(Rejection::IncorrectAdminPassword);
        };
        let Ok(password) = Password::parse(password) else { return Err(Rejection::IncorrectAdminPassword) };
        let job = Some(Job::Verify { password, against });
        self.begin_check(id, PasswordCheck { tag, purpose: CheckFor::ShutDown, job });
        Ok(())
    }

    fn begin_check(&mut self, id: ConnectionId, check: PasswordCheck) {
        if let Some(member) = self.sessions.member_mut(id) {
            member.task = Task::CheckingPassword(Box::new(check));
        }
        self.try_check(id);
    }

    /// Has a member's password hashed, or puts it in line, or refuses it.
    pub(crate) fn try_check(&mut self, id: ConnectionId) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        let ip = session.address.ip;
        let Some(member) = session.member_mut() else { return };
        let Task::CheckingPassword(check) = &mut member.task else { return };
        let target = match check.purpose {
            CheckFor::ChangePassword(_) => Target::ChangePassword(member.account),
            CheckFor::ShutDown => Target::ShutDown(self.checks.group_of(ip)),
        };
        // Others don't share these targets, so a block keeps out only the one who guessed.
        match self.checks.begin(&target, id, None, self.time.now) {
            Begin::Wait => {}
            Begin::Blocked => {
                info!("{} too many wrong passwords: not checked", self.label(id));
                self.refuse_check(id, &Rejection::TooManyAttempts);
            }
            Begin::Hash => {
                let job = check.job.take();
                debug_assert!(job.is_some(), "a check is begun once");
                let attempt = Attempt { target, from: None };
                let Some(job) = job else { return };
                if let Err(attempt) = self.checks.attempt(id, job, attempt) {
                    self.refuse_check(id, &Rejection::Busy);
                    self.conclude_attempt(&attempt, Verdict::Dropped);
                }
            }
        }
    }

    /// A member's password was checked. Right or wrong, it counts, whatever has become of the connection.
    pub(crate) fn check_hashed(&mut self, id: ConnectionId, attempt: &Attempt, result: HashResult) {
        let target = &attempt.target;
        let verdict = if result == HashResult::Wrong { Verdict::Wrong } else { Verdict::Right };
        let what = if matches!(target, Target::ShutDown(_)) { "admin" } else { "old" };
        match self.conclude_attempt(attempt, verdict) {
            Ruling::BlockedNow => warn!(
                "{} gave a wrong {what} password; no more are checked for {} s",
                self.label(id),
                self.settings.block_duration.as_secs()
            ),
            Ruling::Failed | Ruling::Blocked => warn!("{} gave a wrong {what} password", self.label(id)),
            Ruling::Accepted | Ruling::Void => {}
        }
        match target {
            Target::ShutDown(_) if verdict == Verdict::Right => {
                // The asker must still be there.
                if self.take_check(id).is_some() && self.is_accepting() {
                    self.told_to_end = true;
                    self.shut_down();
                }
            }
            Target::ShutDown(_) => self.refuse_check(id, &Rejection::IncorrectAdminPassword),
            Target::ChangePassword(account) => self.old_password_checked(id, *account, result),
            Target::LogIn(_) => debug_assert!(false, "not a member's"),
        }
    }

    fn old_password_checked(&mut self, id: ConnectionId, account: AccountId, result: HashResult) {
        let Some(PasswordCheck { tag, purpose, .. }) = self.take_check(id) else { return };
        let CheckFor::ChangePassword(next) = purpose else { return };
        match (result, next) {
            (HashResult::Hashed(hash), _) => {
                let change = Change::SetPassword { account, hash };
                self.propose(Origin::Command(id, tag), Some(account), change);
            }
            (HashResult::Right, NewPassword::Differs) => self.refuse(id, tag, &Rejection::PasswordsDiffer),
            (HashResult::Right, NewPassword::Malformed) => {
                self.refuse(id, tag, &Rejection::InvalidPasswordFormat)
            }
            (HashResult::Wrong | HashResult::Right, _) => self.refuse(id, tag, &Rejection::InvalidPassword),
        }
    }

    fn refuse_check(&mut self, id: ConnectionId, no: &Rejection) {
        if let Some(check) = self.take_check(id) {
            self.refuse(id, check.tag, no);
        }
    }

    /// The check that a member waits for, which is over; what waits for that goes on. None if the member has
    /// gone.
    fn take_check(&mut self, id: ConnectionId) -> Option<PasswordCheck> {
        let member = self.sessions.get_mut(id)?.member_mut()?;
        let Task::CheckingPassword(check) = std::mem::replace(&mut member.task, Task::Idle) else {
            debug_assert!(false, "a hash that nobody asked for");
            return None;
        };
        self.wait_ended(id, Wait::PasswordCheck);
        Some(*check)
    }
}
