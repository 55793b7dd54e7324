//! The rules one by one, and a model that tries them in every order.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::ops::Range;

use forum_common::names::UserName;
use proptest::prelude::*;

use super::*;

const BLOCK: Duration = Duration::from_secs(10);

fn yoda() -> UserName {
    UserName::parse("yoda").unwrap()
}

/// A lockout with three attempts, and an instant.
fn three_attempts() -> (Lockout<UserName, u32>, Instant) {
    (Lockout::new(3, BLOCK), Instant::now())
}

/// The n-th of the networks from which attempts come.
fn network(n: u32) -> Network {
    IpAddr::from(n.to_be_bytes()).into()
}

/// Attempts of this kind are never let through a block.
fn begin(lockout: &mut Lockout<UserName, u32>, attempt: u32, now: Instant) -> Begin {
    lockout.begin(&yoda(), attempt, None, now)
}

fn begin_from(lockout: &mut Lockout<UserName, u32>, from: u32, now: Instant) -> Begin {
    lockout.begin(&yoda(), 1_000 + from, Some(network(from)), now)
}

fn finish(lockout: &mut Lockout<UserName, u32>, verdict: Verdict, now: Instant) -> (Ruling, Vec<u32>) {
    let Finish { ruling, released } = lockout.finish(&yoda(), None, verdict, now);
    (ruling, released)
}

fn finish_from(lockout: &mut Lockout<UserName, u32>, from: u32, verdict: Verdict, now: Instant) -> Ruling {
    lockout.finish(&yoda(), Some(network(from)), verdict, now).ruling
}

/// A lockout whose name was blocked from network 1, and an instant.
fn blocked_from_1() -> (Lockout<UserName, u32>, Instant) {
    let (mut lockout, now) = three_attempts();
    for wanted in [Ruling::Failed, Ruling::Failed, Ruling::BlockedNow] {
        assert_eq!(begin_from(&mut lockout, 1, now), Begin::Hash);
        assert_eq!(finish_from(&mut lockout, 1, Verdict::Wrong, now), wanted);
    }
    (lockout, now)
}

fn fail(lockout: &mut Lockout<UserName, u32>, times: u32, now: Instant) -> Ruling {
    let mut last = Ruling::Void;
    for attempt in 0..times {
        assert_eq!(begin(lockout, attempt, now), Begin::Hash);
        last = finish(lockout, Verdict::Wrong, now).0;
    }
    last
}

#[test]
fn the_third_consecutive_failure_blocks_until_the_block_ends() {
    let (mut lockout, now) = three_attempts();
    assert_eq!(fail(&mut lockout, 2, now), Ruling::Failed);
    assert_eq!(fail(&mut lockout, 1, now), Ruling::BlockedNow);
    assert_eq!(begin(&mut lockout, 9, now), Begin::Blocked);
    let just_before = now + BLOCK - Duration::from_millis(1);
    assert_eq!(begin(&mut lockout, 9, just_before), Begin::Blocked);
    assert_eq!(fail(&mut lockout, 2, now + BLOCK), Ruling::Failed, "the count starts at 0 again");
}

#[test]
fn a_success_resets_the_count() {
    let (mut lockout, now) = three_attempts();
    fail(&mut lockout, 2, now);
    assert_eq!(begin(&mut lockout, 9, now), Begin::Hash);
    assert_eq!(finish(&mut lockout, Verdict::Right, now), (Ruling::Accepted, vec![]));
    assert_eq!(fail(&mut lockout, 2, now), Ruling::Failed);
}

#[test]
fn names_are_counted_apart() {
    let (mut lockout, now) = three_attempts();
    fail(&mut lockout, 3, now);
    assert_eq!(lockout.begin(&UserName::parse("Yoda").unwrap(), 1, None, now), Begin::Hash);
}

#[test]
fn guesses_sent_together_are_no_more_than_the_attempts_left() {
    let (mut lockout, now) = three_attempts();
    fail(&mut lockout, 1, now);
    let begun: Vec<Begin> = (0..4).map(|attempt| begin(&mut lockout, attempt, now)).collect();
    assert_eq!(begun, [Begin::Hash, Begin::Hash, Begin::Wait, Begin::Wait]);
    assert_eq!(finish(&mut lockout, Verdict::Wrong, now), (Ruling::Failed, vec![]));
    assert_eq!(finish(&mut lockout, Verdict::Wrong, now), (Ruling::BlockedNow, vec![2, 3]));
    assert_eq!(begin(&mut lockout, 2, now), Begin::Blocked);
}

#[test]
fn a_dropped_attempt_gives_its_place_to_the_next_in_line() {
    let (mut lockout, now) = three_attempts();
    for attempt in 0..5 {
        let _ = begin(&mut lockout, attempt, now);
    }
    assert_eq!(finish(&mut lockout, Verdict::Dropped, now), (Ruling::Void, vec![3, 4]));
    assert_eq!(begin(&mut lockout, 3, now), Begin::Hash);
    assert_eq!(begin(&mut lockout, 4, now), Begin::Wait);
}

#[test]
fn who_left_the_line_is_not_called() {
    let (mut lockout, now) = three_attempts();
    for attempt in 0..6 {
        let _ = begin(&mut lockout, attempt, now);
    }
    lockout.forget(4);
    lockout.forget(4);
    lockout.forget(77);
    assert_eq!(finish(&mut lockout, Verdict::Right, now), (Ruling::Accepted, vec![3, 5]));
}

#[test]
fn nothing_is_kept_of_a_name_without_failures_attempts_or_block() {
    let (mut lockout, now) = three_attempts();
    let _ = begin(&mut lockout, 1, now);
    let _ = finish(&mut lockout, Verdict::Dropped, now);
    assert!(lockout.targets.is_empty());
    fail(&mut lockout, 3, now);
    lockout.sweep(now + BLOCK);
    assert!(lockout.targets.is_empty() && lockout.ends.is_empty() && lockout.waiting.is_empty());
}

#[test]
fn a_block_holds_only_for_networks_that_failed() {
    let (mut lockout, now) = blocked_from_1();
    assert_eq!(begin_from(&mut lockout, 1, now), Begin::Blocked);
    for _ in 0..5 {
        assert_eq!(begin_from(&mut lockout, 2, now), Begin::Hash);
        assert_eq!(finish_from(&mut lockout, 2, Verdict::Right, now), Ruling::Accepted);
        assert_eq!(begin_from(&mut lockout, 1, now), Begin::Blocked, "a success forgives nothing");
    }
    assert_eq!(begin(&mut lockout, 9, now), Begin::Blocked, "for who comes from nowhere it always holds");
}

#[test]
fn while_a_target_is_blocked_each_network_has_one_attempt() {
    let (mut lockout, now) = blocked_from_1();
    assert_eq!(begin_from(&mut lockout, 2, now), Begin::Hash);
    assert_eq!(begin_from(&mut lockout, 2, now), Begin::Blocked, "it counts while it is hashed");
    assert_eq!(finish_from(&mut lockout, 2, Verdict::Dropped, now), Ruling::Void);
    assert_eq!(begin_from(&mut lockout, 2, now), Begin::Hash);
    assert_eq!(finish_from(&mut lockout, 2, Verdict::Wrong, now), Ruling::Blocked);
    assert_eq!(begin_from(&mut lockout, 2, now), Begin::Blocked);
    assert_eq!(begin_from(&mut lockout, 2, now + BLOCK), Begin::Hash, "all is forgotten when the block ends");
}

#[test]
fn from_64_networks_at_most_is_a_target_guessed() {
    let (mut lockout, now) = blocked_from_1();
    // Half of them have failed, the others are at it.
    for n in 2..=NETWORKS_MAX as u32 {
        assert_eq!(begin_from(&mut lockout, n, now), Begin::Hash);
        if n % 2 == 0 {
            assert_eq!(finish_from(&mut lockout, n, Verdict::Wrong, now), Ruling::Blocked);
        }
    }
    assert_eq!(begin_from(&mut lockout, 1_000, now), Begin::Blocked);
    assert_eq!(finish_from(&mut lockout, 3, Verdict::Right, now), Ruling::Accepted);
    assert_eq!(begin_from(&mut lockout, 1_000, now), Begin::Hash);
    assert_eq!(begin_from(&mut lockout, 1_001, now), Begin::Blocked);
}

#[test]
fn attempts_that_outlast_a_block_count_like_any_other() {
    let (mut lockout, now) = blocked_from_1();
    for n in 2..=6 {
        assert_eq!(begin_from(&mut lockout, n, now), Begin::Hash);
    }
    let later = now + BLOCK;
    assert_eq!(begin_from(&mut lockout, 7, later), Begin::Wait, "five are being hashed already");
    assert_eq!(finish_from(&mut lockout, 2, Verdict::Wrong, later), Ruling::Failed);
    assert_eq!(finish_from(&mut lockout, 3, Verdict::Wrong, later), Ruling::Failed);
    let Finish { ruling, released } = lockout.finish(&yoda(), Some(network(4)), Verdict::Wrong, later);
    assert_eq!((ruling, released), (Ruling::BlockedNow, vec![1_007]));
    assert_eq!(finish_from(&mut lockout, 5, Verdict::Wrong, later), Ruling::Blocked);
    assert_eq!(begin_from(&mut lockout, 7, later), Begin::Hash);
}

/// What may happen, in any order; the numbers pick one of those that it can happen to.
#[derive(Debug, Clone)]
enum Step {
    /// Of the name so many attempts, each from another network.
    Begin(usize, Range<u32>),
    Finish(usize, Verdict),
    Forget(usize),
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let verdict = prop_oneof![
        3 => Just(Verdict::Wrong),
        1 => Just(Verdict::Right),
        1 => Just(Verdict::Dropped),
    ];
    let step = prop_oneof![
        5 => (0..NAMES.len(), 0u32..8).prop_map(|(of, from)| Step::Begin(of, from..from + 1)),
        1 => (0..NAMES.len(), 0u32..100).prop_map(|(of, count)| Step::Begin(of, 0..count)),
        4 => (any::<usize>(), verdict).prop_map(|(which, verdict)| Step::Finish(which, verdict)),
        1 => any::<usize>().prop_map(Step::Forget),
        1 => (0u64..12).prop_map(Step::Pass),
    ];
    proptest::collection::vec(step, 0..300)
}

/// Of the first it does not matter where attempts come from.
const NAMES: [&str; 2] = ["yoda", "hans"];

/// The rules of the contract, written down as plainly as possible.
#[derive(Default)]
struct Model {
    wrong_in_a_row: usize,
    blocked_until: Option<Instant>,
    failed: BTreeSet<Option<Network>>,
    hashing: Vec<Option<Network>>,
    line: Vec<(u32, Option<Network>)>,
}

impl Model {
    fn look_at_clock(&mut self, now: Instant) {
        if self.blocked_until.is_some_and(|until| until <= now) {
            (self.blocked_until, self.wrong_in_a_row) = (None, 0);
            self.failed.clear();
        }
    }

    fn begin(&mut self, attempt: u32, from: Option<Network>, attempts_max: usize, now: Instant) -> Begin {
        self.look_at_clock(now);
        if self.blocked_until.is_some() {
            let is_marked = self.failed.contains(&from) || self.hashing.contains(&from);
            if from.is_none() || is_marked || self.failed.len() + self.hashing.len() >= 64 {
                return Begin::Blocked;
            }
            self.hashing.push(from);
            return Begin::Hash;
        }
        if self.hashing.len() + self.wrong_in_a_row < attempts_max {
            self.hashing.push(from);
            return Begin::Hash;
        }
        self.line.push((attempt, from));
        Begin::Wait
    }

    fn finish(&mut self, which: usize, verdict: Verdict, attempts_max: usize, now: Instant) -> Ruling {
        self.look_at_clock(now);
        let from = self.hashing.remove(which);
        match (verdict, self.blocked_until) {
            (Verdict::Dropped, _) => Ruling::Void,
            (Verdict::Right, Some(_)) => Ruling::Accepted,
            (Verdict::Right, None) => {
                self.wrong_in_a_row = 0;
                self.failed.clear();
                Ruling::Accepted
            }
            (Verdict::Wrong, Some(_)) => {
                self.failed.insert(from);
                Ruling::Blocked
            }
            (Verdict::Wrong, None) => {
                self.failed.insert(from);
                self.wrong_in_a_row += 1;
                if self.wrong_in_a_row < attempts_max {
                    return Ruling::Failed;
                }
                self.blocked_until = Some(now + BLOCK);
                Ruling::BlockedNow
            }
        }
    }

    fn is_worth_keeping(&self, now: Instant) -> bool {
        let blocked = self.blocked_until.is_some_and(|until| until > now);
        let counting = self.blocked_until.is_none() && self.wrong_in_a_row > 0;
        blocked || counting || !self.hashing.is_empty() || !self.line.is_empty()
    }
}

proptest! {
    #[test]
    fn every_order_of_events_keeps_the_rules(attempts_max in 1u8..=5, steps in steps()) {
        let names = NAMES.map(|name| UserName::parse(name).unwrap());
        let mut models: [Model; 2] = Default::default();
        let mut lockout = Lockout::new(attempts_max, BLOCK);
        let max = usize::from(attempts_max);
        let (mut now, mut next_attempt) = (Instant::now(), 0u32);
        for step in steps {
            match step {
                Step::Begin(of, from) => {
                    for from in from {
                        next_attempt += 1;
                        let from = (of > 0).then(|| network(from));
                        let begun = lockout.begin(&names[of], next_attempt, from, now);
                        prop_assert_eq!(begun, models[of].begin(next_attempt, from, max, now));
                    }
                }
                Step::Finish(which, verdict) => {
                    let under_way: usize = models.iter().map(|model| model.hashing.len()).sum();
                    let Some(which) = which.checked_rem(under_way) else { continue };
                    let of = usize::from(which >= models[0].hashing.len());
                    let which = if of > 0 { which - models[0].hashing.len() } else { which };
                    let model = &mut models[of];
                    let from = model.hashing[which];
                    let ruling = model.finish(which, verdict, max, now);
                    let line = if ruling == Ruling::Failed { vec![] } else { mem::take(&mut model.line) };
                    let finish = lockout.finish(&names[of], from, verdict, now);
                    let released = line.iter().map(|(attempt, _)| *attempt).collect();
                    prop_assert_eq!(finish, Finish { ruling, released });
                    for (attempt, from) in line {
                        let begun = lockout.begin(&names[of], attempt, from, now);
                        prop_assert_eq!(begun, model.begin(attempt, from, max, now));
                    }
                }
                Step::Forget(which) => {
                    let in_line: Vec<_> = models.iter().flat_map(|model| model.line.clone()).collect();
                    let Some(which) = which.checked_rem(in_line.len()) else { continue };
                    lockout.forget(in_line[which].0);
                    models.iter_mut().for_each(|model| model.line.retain(|one| *one != in_line[which]));
                }
                Step::Pass(seconds) => {
                    now += Duration::from_secs(seconds);
                    // Whatever comes next notices by itself.
                    continue;
                }
            }
            lockout.sweep(now);
            for model in &mut models {
                model.look_at_clock(now);
                prop_assert!(model.line.is_empty() || !model.hashing.is_empty(), "waits for nothing");
                prop_assert!(model.line.is_empty() || model.blocked_until.is_none(), "waits for a block");
                prop_assert!(model.failed.len() + model.hashing.len() <= NETWORKS_MAX, "too many guesses");
            }
            let kept = models.iter().filter(|model| model.is_worth_keeping(now)).count();
            prop_assert_eq!(lockout.targets.len(), kept);
            prop_assert_eq!(lockout.waiting.len(), models.iter().map(|model| model.line.len()).sum::<usize>());
        }
    }
}
