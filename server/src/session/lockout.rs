//! Who may try a password, and when further attempts are blocked. Counts failures per target (`T`: an account,
//! say) over all connections, and knows neither passwords nor connections nor the time: instants and networks
//! come in, decisions go out.
//!
//! ```text
//!            failures = attempts_max
//! counting ─────────────────────────► blocked
//!    ▲                                   │
//!    └───────────────────────────────────┘
//!               block_duration
//! ```
//!
//! An attempt that is still being hashed counts at once, otherwise a hundred guesses sent together would be
//! a hundred guesses. So of a target at most `attempts_max - failures` hashes are under way; a further attempt
//! waits in line until one of them is decided, and is then begun again, as if it had just come.
//!
//! A block is not to keep the owner of a name out, or anybody could do that with a few wrong passwords. So where a
//! target's attempts name the network they come from, a block holds only for the networks that have failed: from
//! each of the others one attempt is hashed, the right password passes, and a wrong one shuts that network out as
//! well. That gives an attacker with many networks as many guesses, so [`NETWORKS_MAX`] are enough: then the block
//! holds for all. A success while a target is blocked changes nothing for those who guess.
//!
//! What is kept is bounded by the number of targets: one costs memory only while it has failures, attempts or
//! a block.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt::Debug;
use std::hash::Hash;
use std::mem;
use std::time::{Duration, Instant};

use crate::network::Network;

/// Networks from which one target may be guessed, in all, until its block is over.
pub const NETWORKS_MAX: usize = 64;

/// What becomes of an attempt that begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Begin {
    /// Its password may be hashed now; [`Lockout::finish`] must follow.
    Hash,
    /// It waits in line until [`Finish::released`] names it, or [`Lockout::forget`] takes it out.
    Wait,
    /// The target is blocked, and the password isn't looked at.
    Blocked,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The password was right.
    Right,
    /// The password was wrong.
    Wrong,
    /// Nobody will ever know: the connection died, or there was no room to hash it.
    Dropped,
}

/// What a verdict means for the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ruling {
    /// Right: earlier failures are forgotten, unless the target is blocked.
    Accepted,
    /// Wrong, and counted.
    Failed,
    /// Wrong once too often: the target is blocked from now on.
    BlockedNow,
    /// Wrong while the target is blocked: the network is shut out as well.
    Blocked,
    /// The attempt counts for nothing.
    Void,
}

/// The end of an attempt, and who may go on because of it.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Finish<K> {
    /// What the verdict means.
    pub ruling: Ruling,
    /// These left the line and are to be begun again, in this order and before any newcomer: some will be
    /// hashed, some wait again, or all are told that the target is blocked.
    pub released: Vec<K>,
}

/// A place in a line; a later one has a higher number.
type Place = u64;

/// One target. There is none for targets with nothing to remember.
#[derive(Debug)]
struct State<K> {
    /// In a row, until one of them blocks the target.
    failures: u8,
    /// Until when the target is blocked, if it is.
    blocked_until: Option<Instant>,
    /// Where attempts have failed since the last success or block's end.
    failed: Vec<Network>,
    /// Where the attempts come from that are being hashed.
    hashing: Vec<Option<Network>>,
    /// Empty unless failures and hashes are as many as may be, and hashes are under way: so those who wait, wait for
    /// a decision that will come.
    line: BTreeMap<Place, K>,
}

/// The failures of all targets. `K` is how the caller knows an attempt, one per connection.
#[derive(Debug)]
pub struct Lockout<T, K> {
    attempts_max: u8,
    block_duration: Duration,
    targets: HashMap<T, State<K>>,
    /// Where to find those in line.
    waiting: HashMap<K, (T, Place)>,
    next_place: Place,
    /// When blocks end; sorted, since all blocks take equally long.
    ends: VecDeque<(Instant, T)>,
}

impl<T: Clone + Debug + Eq + Hash, K: Copy + Eq + Hash> Lockout<T, K> {
    /// Blocks a target for `block_duration` after `attempts_max` (at least 1) consecutive failures.
    pub fn new(attempts_max: u8, block_duration: Duration) -> Self {
        debug_assert!(attempts_max > 0, "nobody could log in");
        debug_assert!(usize::from(attempts_max) <= NETWORKS_MAX, "more than a block lets in");
        Self {
            attempts_max,
            block_duration,
            targets: HashMap::new(),
            waiting: HashMap::new(),
            next_place: 0,
            ends: VecDeque::new(),
        }
    }

    /// `attempt` wants to try a password for `target`. With `from`, a block of the target holds only for networks
    /// that have failed.
    pub fn begin(&mut self, target: &T, attempt: K, from: Option<Network>, now: Instant) -> Begin {
        debug_assert!(!self.waiting.contains_key(&attempt), "an attempt that waits begins again");
        self.sweep(now);
        let state = self.targets.entry(target.clone()).or_insert_with(State::new);
        let may_hash = match state.blocked_until {
            None => usize::from(state.failures) + state.hashing.len() < usize::from(self.attempts_max),
            Some(_) if from.is_some_and(|network| state.lets_through(network)) => true,
            Some(_) => return Begin::Blocked,
        };
        if may_hash {
            state.hashing.push(from);
            return Begin::Hash;
        }
        state.line.insert(self.next_place, attempt);
        self.waiting.insert(attempt, (target.clone(), self.next_place));
        self.next_place += 1;
        Begin::Wait
    }

    /// An attempt that was told to hash is over; `target` and `from` are those that it began with.
    pub fn finish(&mut self, target: &T, from: Option<Network>, verdict: Verdict, now: Instant) -> Finish<K> {
        self.sweep(now);
        let nothing = Finish { ruling: Ruling::Void, released: Vec::new() };
        let Entry::Occupied(mut entry) = self.targets.entry(target.clone()) else {
            debug_assert!(false, "{target:?} has no attempt under way");
            return nothing;
        };
        let state = entry.get_mut();
        let Some(index) = state.hashing.iter().position(|network| *network == from) else {
            debug_assert!(false, "{target:?} has no attempt from {from:?} under way");
            return nothing;
        };
        state.hashing.swap_remove(index);
        if state.hashing.is_empty() {
            // What is kept of a target in quiet times is its failures only.
            state.hashing = Vec::new();
        }
        let ruling = state.judge(verdict, from, self.attempts_max);
        if ruling == Ruling::BlockedNow {
            let until = now + self.block_duration;
            state.blocked_until = Some(until);
            self.ends.push_back((until, target.clone()));
        }
        // A failure takes the place of its attempt: nobody else may go yet. Otherwise all are released,
        // even for one free place: who is released may have lost interest (say, the name is online now),
        // and then nobody would call the next one.
        let released = if ruling == Ruling::Failed { BTreeMap::new() } else { mem::take(&mut state.line) };
        if state.is_blank() {
            entry.remove();
        }
        let released: Vec<K> = released.into_values().collect();
        for attempt in &released {
            self.waiting.remove(attempt);
        }
        Finish { ruling, released }
    }

    /// Takes `attempt` out of its line, if it waits in one: its connection died.
    pub fn forget(&mut self, attempt: K) {
        let Some((target, place)) = self.waiting.remove(&attempt) else { return };
        if let Some(state) = self.targets.get_mut(&target) {
            state.line.remove(&place);
        }
    }

    /// Ends the blocks that are over; costs nothing when there are none. [`Lockout::begin`] and
    /// [`Lockout::finish`] do it anyway, so this is only to give memory back in quiet times.
    pub fn sweep(&mut self, now: Instant) {
        while self.ends.front().is_some_and(|(end, _)| *end <= now) {
            let Some((end, target)) = self.ends.pop_front() else { break };
            let Entry::Occupied(mut entry) = self.targets.entry(target) else {
                debug_assert!(false, "a block has a target");
                continue;
            };
            let state = entry.get_mut();
            debug_assert!(state.blocked_until == Some(end) && state.line.is_empty());
            // What is still being hashed counts from now on like any other attempt.
            state.blocked_until = None;
            state.forgive();
            if state.is_blank() {
                entry.remove();
            }
        }
    }
}

impl<K> State<K> {
    fn new() -> Self {
        let (failed, hashing) = (Vec::new(), Vec::new());
        Self { failures: 0, blocked_until: None, failed, hashing, line: BTreeMap::new() }
    }

    /// Whether an attempt from this network is hashed although the target is blocked.
    fn lets_through(&self, network: Network) -> bool {
        let may_fail = self.failed.len() + self.hashing.len() < NETWORKS_MAX;
        may_fail && !self.failed.contains(&network) && !self.hashing.contains(&Some(network))
    }

    /// Counts a verdict. One that blocks the target has yet to be followed by a block.
    fn judge(&mut self, verdict: Verdict, from: Option<Network>, attempts_max: u8) -> Ruling {
        let is_blocked = self.blocked_until.is_some();
        match verdict {
            Verdict::Dropped => return Ruling::Void,
            Verdict::Right if is_blocked => return Ruling::Accepted,
            Verdict::Right => {
                self.forgive();
                return Ruling::Accepted;
            }
            Verdict::Wrong => {}
        }
        self.failed.extend(from.filter(|network| !self.failed.contains(network)));
        if is_blocked {
            return Ruling::Blocked;
        }
        self.failures += 1;
        if self.failures < attempts_max { Ruling::Failed } else { Ruling::BlockedNow }
    }

    fn forgive(&mut self) {
        self.failures = 0;
        self.failed = Vec::new();
    }

    fn is_blank(&self) -> bool {
        self.failures == 0 && self.blocked_until.is_none() && self.hashing.is_empty() && self.line.is_empty()
    }
}

#[cfg(test)]
mod tests;
