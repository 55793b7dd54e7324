//! What clients have taken from their mailboxes, as far as the log does not know it yet.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use crate::forum::AccountId;

/// How long after the disk had no room for what clients have taken it is asked again: nobody waits for that, but
/// without it a client that lives would be sent the same messages again after the next log-in.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Acknowledgements on their way through the log, and those for which there was no room.
#[derive(Debug, Default)]
pub(crate) struct Acks {
    /// How many entries of each user are in flight.
    in_flight: HashMap<AccountId, u32>,
    /// Users for whose entries the disk had no room, and when they are proposed again.
    again: BTreeSet<AccountId>,
    again_at: Option<Instant>,
}

impl Acks {
    /// Whether an entry of this user is in flight.
    pub(crate) fn is_in_flight(&self, account: AccountId) -> bool {
        self.in_flight.contains_key(&account)
    }

    /// One is proposed.
    pub(crate) fn begin(&mut self, account: AccountId) {
        *self.in_flight.entry(account).or_insert(0) += 1;
    }

    /// One is decided; says whether it was the user's last.
    pub(crate) fn end(&mut self, account: AccountId) -> bool {
        if let Some(count) = self.in_flight.get_mut(&account) {
            *count -= 1;
            if *count > 0 {
                return false;
            }
        }
        self.in_flight.remove(&account);
        true
    }

    /// There was no room for one: the user is named again later.
    pub(crate) fn try_again(&mut self, account: AccountId, now: Instant) {
        self.again.insert(account);
        self.again_at.get_or_insert(now + AGAIN_AFTER);
    }

    /// When somebody is to be named again.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.again_at
    }

    /// Those whose acknowledgements are to be proposed again now.
    pub(crate) fn take_due(&mut self, now: Instant) -> BTreeSet<AccountId> {
        if self.again_at.is_none_or(|due| due > now) {
            return BTreeSet::new();
        }
        self.again_at = None;
        std::mem::take(&mut self.again)
    }
}
