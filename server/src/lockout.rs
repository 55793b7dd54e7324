//! Who may try a password, and when further attempts are blocked. Counts failures per target (`T`: an account,
//! say) over all connections, and knows neither passwords nor connections nor the time: instants come in,
//! decisions go out.
//!
//! An attempt that is still being hashed counts at once, otherwise whoever sends a hundred guesses
//! together has a hundred guesses. So of a target at most `attempts - failures` hashes are under way; a
//! further attempt stands in line until one of them is decided, and is then begun again, as if it had just
//! come.
//!
//! What is kept is bounded by the number of targets: one costs memory only while it has failures, attempts or
//! a block.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt::Debug;
use std::hash::Hash;
use std::mem;
use std::time::{Duration, Instant};

/// What becomes of an attempt that begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Begin {
    /// Its password may be hashed now; [`Lockout::finish`] must follow.
    Hash,
    /// It stands in line until [`Finish::released`] names it, or [`Lockout::forget`] takes it out.
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
    /// Right: earlier failures are forgotten.
    Accepted,
    /// Wrong, and counted.
    Failed,
    /// Wrong once too often: the target is blocked from now on.
    BlockedNow,
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
enum State<K> {
    /// `failures + hashing` is at most the number of attempts, and `line` is empty unless it is just that
    /// with `hashing` above 0: so whoever waits waits for a decision that will come.
    Counting { failures: u8, hashing: u8, line: BTreeMap<Place, K> },
    /// Nothing is being hashed: the failure that blocks is decided after all attempts that count with it.
    Blocked { until: Instant },
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
        Self {
            attempts_max,
            block_duration,
            targets: HashMap::new(),
            waiting: HashMap::new(),
            next_place: 0,
            ends: VecDeque::new(),
        }
    }

    /// `attempt` wants to try a password for `target`.
    pub fn begin(&mut self, target: &T, attempt: K, now: Instant) -> Begin {
        debug_assert!(!self.waiting.contains_key(&attempt), "an attempt that waits begins again");
        self.sweep(now);
        let state = self.targets.entry(target.clone()).or_insert(State::NEW);
        let State::Counting { failures, hashing, line } = state else { return Begin::Blocked };
        if *failures + *hashing < self.attempts_max {
            *hashing += 1;
            return Begin::Hash;
        }
        line.insert(self.next_place, attempt);
        self.waiting.insert(attempt, (target.clone(), self.next_place));
        self.next_place += 1;
        Begin::Wait
    }

    /// An attempt that was told to hash is over.
    pub fn finish(&mut self, target: &T, verdict: Verdict, now: Instant) -> Finish<K> {
        let Entry::Occupied(mut entry) = self.targets.entry(target.clone()) else {
            debug_assert!(false, "{target:?} has no attempt under way");
            return Finish { ruling: Ruling::Void, released: Vec::new() };
        };
        let State::Counting { failures, hashing, line } = entry.get_mut() else {
            debug_assert!(false, "{target:?} is blocked with an attempt under way");
            return Finish { ruling: Ruling::Void, released: Vec::new() };
        };
        *hashing -= 1;
        let ruling = match verdict {
            Verdict::Right => {
                *failures = 0;
                Ruling::Accepted
            }
            Verdict::Dropped => Ruling::Void,
            Verdict::Wrong => {
                *failures += 1;
                if *failures < self.attempts_max { Ruling::Failed } else { Ruling::BlockedNow }
            }
        };
        // A failure takes the place of its attempt: nobody else may go yet. Otherwise all are released,
        // even for one free place: who is released may have lost interest (say, the name is online now),
        // and then nobody would call the next one.
        let released = if ruling == Ruling::Failed { BTreeMap::new() } else { mem::take(line) };
        if ruling == Ruling::BlockedNow {
            let until = now + self.block_duration;
            self.ends.push_back((until, target.clone()));
            entry.insert(State::Blocked { until });
        } else if entry.get().is_blank() {
            entry.remove();
        }
        let released: Vec<K> = released.into_values().collect();
        for attempt in &released {
            self.waiting.remove(attempt);
        }
        Finish { ruling, released }
    }

    /// Takes `attempt` out of its line, if it stands in one: its connection died.
    pub fn forget(&mut self, attempt: K) {
        let Some((target, place)) = self.waiting.remove(&attempt) else { return };
        if let Some(State::Counting { line, .. }) = self.targets.get_mut(&target) {
            line.remove(&place);
        }
    }

    /// Drops the blocks that are over; costs nothing when there are none. [`Lockout::begin`] does it
    /// anyway, so this is only to give memory back in quiet times.
    pub fn sweep(&mut self, now: Instant) {
        while self.ends.front().is_some_and(|(end, _)| *end <= now) {
            let Some((end, target)) = self.ends.pop_front() else { break };
            let over = self.targets.remove(&target);
            debug_assert!(matches!(over, Some(State::Blocked { until }) if until == end), "{target:?}");
        }
    }
}

impl<K> State<K> {
    const NEW: Self = Self::Counting { failures: 0, hashing: 0, line: BTreeMap::new() };

    fn is_blank(&self) -> bool {
        matches!(self, Self::Counting { failures: 0, hashing: 0, line } if line.is_empty())
    }
}

#[cfg(test)]
mod tests;
