//! Who has blocked whom, from both sides: whether one may write to the other is asked at every message, and
//! a broadcast asks once for all who have blocked its sender.

use super::AccountId;
use crate::planted::{Bug, planted};

/// A set of users; a clone is O(1).
pub type Users = imbl::OrdSet<AccountId>;

/// All blocks.
#[derive(Debug, Clone, Default)]
pub struct Blocks {
    /// Whom a user has blocked.
    by_blocker: imbl::OrdMap<AccountId, Users>,
    /// Who has blocked a user.
    by_blocked: imbl::OrdMap<AccountId, Users>,
}

impl Blocks {
    /// Whether `blocker` has blocked `blocked`.
    pub fn has(&self, blocker: AccountId, blocked: AccountId) -> bool {
        self.by_blocker.get(&blocker).is_some_and(|users| users.contains(&blocked))
    }

    /// Whom `blocker` has blocked.
    pub fn by(&self, blocker: AccountId) -> Users {
        self.by_blocker.get(&blocker).cloned().unwrap_or_default()
    }

    /// Who has blocked `blocked`.
    pub fn of(&self, blocked: AccountId) -> Users {
        self.by_blocked.get(&blocked).cloned().unwrap_or_default()
    }

    /// Every user from `blocker` on who has blocked somebody.
    pub fn from(&self, blocker: AccountId) -> impl Iterator<Item = (&AccountId, &Users)> {
        self.by_blocker.range(blocker..)
    }

    pub(super) fn add(&mut self, blocker: AccountId, blocked: AccountId) {
        self.by_blocker.entry(blocker).or_default().insert(blocked);
        self.by_blocked.entry(blocked).or_default().insert(blocker);
    }

    pub(super) fn remove(&mut self, blocker: AccountId, blocked: AccountId) {
        for (map, key, member) in
            [(&mut self.by_blocker, blocker, blocked), (&mut self.by_blocked, blocked, blocker)]
        {
            if planted(Bug::UnblockedUserIsStillNotHeard) && key == blocked {
                continue;
            }
            if let Some(users) = map.get_mut(&key) {
                users.remove(&member);
                if users.is_empty() {
                    map.remove(&key);
                }
            }
        }
    }
}
