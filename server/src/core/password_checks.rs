//! Passwords that are being checked: hashed by the workers, and counted by the lock-out while they are.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use forum_common::names::UserName;

use crate::forum::AccountId;
use crate::network::Network;
use crate::session::ConnectionId;
use crate::session::lockout::{Begin, Finish, Lockout, Verdict};
use crate::workers::passwords::{HashResult, Job, PasswordHasher};

/// A password that is being hashed, as the lock-out knows it.
#[derive(Debug)]
pub(crate) struct Attempt {
    /// What it counts for if it is wrong.
    pub(crate) target: Target,
    /// Where it comes from, if a block of the target is not for everybody.
    pub(crate) from: Option<IpAddr>,
}

/// What wrong passwords are counted for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Target {
    /// Log-ins of this name.
    LogIn(UserName),
    /// `passwd` of this account.
    ChangePassword(AccountId),
    /// SHT from addresses of this group.
    ShutDown(AddressGroup),
}

/// Addresses that are counted together. A network is always in the same group, and shares it with others only
/// by an accident that nobody can arrange. So there are at most 65,536 to remember, whatever comes from
/// however many networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct AddressGroup(u16);

impl AddressGroup {
    /// The group of an address; `key` must be the same each time.
    pub(crate) fn of(ip: IpAddr, key: &[u8; 32]) -> Self {
        // The first 16 bits of a hash are as good as any.
        let [first, second, ..] = *blake3::keyed_hash(key, &Network::from(ip).octets()).as_bytes();
        Self(u16::from_be_bytes([first, second]))
    }
}

/// The workers, the lock-out, and what is under way with them.
pub(crate) struct PasswordChecks {
    hasher: PasswordHasher<ConnectionId>,
    lockout: Lockout<Target, ConnectionId>,
    /// Attempts under way, by the connection that makes them.
    attempts: HashMap<ConnectionId, Attempt>,
    /// Makes groups of addresses; random, so that nobody knows which addresses share one.
    address_groups: [u8; 32],
}

impl PasswordChecks {
    /// Nothing under way. A target is blocked for `block_duration` after `attempts_max` failures in a row.
    pub(crate) fn new(
        hasher: PasswordHasher<ConnectionId>,
        attempts_max: u8,
        block_duration: Duration,
        address_groups: [u8; 32],
    ) -> Self {
        let lockout = Lockout::new(attempts_max, block_duration);
        Self { hasher, lockout, attempts: HashMap::new(), address_groups }
    }

    /// The group of an address.
    pub(crate) fn group_of(&self, ip: IpAddr) -> AddressGroup {
        AddressGroup::of(ip, &self.address_groups)
    }

    /// Whether a connection's attempt may be hashed now: see [`Lockout::begin`].
    pub(crate) fn begin(
        &mut self,
        target: &Target,
        id: ConnectionId,
        from: Option<IpAddr>,
        now: Instant,
    ) -> Begin {
        self.lockout.begin(target, id, from.map(Network::from), now)
    }

    /// Has a job done that is no attempt: the password of a new account. False if there is no room for it.
    pub(crate) fn submit(&mut self, id: ConnectionId, job: Job) -> bool {
        self.hasher.submit(id, job).is_ok()
    }

    /// Has an attempt hashed; gives it back if there is no room for it.
    ///
    /// # Errors
    /// There is none: the attempt.
    pub(crate) fn attempt(&mut self, id: ConnectionId, job: Job, attempt: Attempt) -> Result<(), Attempt> {
        if self.hasher.submit(id, job).is_err() {
            return Err(attempt);
        }
        self.attempts.insert(id, attempt);
        Ok(())
    }

    /// A job that is done, and whose it was.
    pub(crate) fn next_result(&mut self) -> Option<(ConnectionId, HashResult)> {
        self.hasher.next_result()
    }

    /// A connection's attempt was hashed, and is under way still.
    pub(crate) fn keep(&mut self, id: ConnectionId, attempt: Attempt) {
        self.attempts.insert(id, attempt);
    }

    /// A connection's attempt is over.
    pub(crate) fn end(&mut self, id: ConnectionId) -> Option<Attempt> {
        self.attempts.remove(&id)
    }

    /// Tells the lock-out how an attempt ended: see [`Lockout::finish`].
    pub(crate) fn finish(
        &mut self,
        attempt: &Attempt,
        verdict: Verdict,
        now: Instant,
    ) -> Finish<ConnectionId> {
        self.lockout.finish(&attempt.target, attempt.from.map(Network::from), verdict, now)
    }

    /// A connection waits in line no longer.
    pub(crate) fn forget(&mut self, id: ConnectionId) {
        self.lockout.forget(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_one_group_and_others_are_not() {
        let key = crate::random::Random::system().bytes();
        let group = |ip: &str| AddressGroup::of(ip.parse().unwrap(), &key);
        assert_eq!(group("2001:db8::1"), group("2001:db8::ffff:2"));
        let others = (0..20).filter(|n| group(&format!("10.0.0.{n}")) != group("10.0.1.0")).count();
        let prefixes =
            (1..21).filter(|n| group(&format!("2001:db8:0:{n}::1")) != group("2001:db8::1")).count();
        assert!(others > 17 && prefixes > 17, "{others}, {prefixes}");
    }
}
