//! The rules one by one, and a model that tries them in every order.

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

fn finish(lockout: &mut Lockout<UserName, u32>, verdict: Verdict, now: Instant) -> (Ruling, Vec<u32>) {
    let Finish { ruling, released } = lockout.finish(&yoda(), verdict, now);
    (ruling, released)
}

fn fail(lockout: &mut Lockout<UserName, u32>, times: u32, now: Instant) -> Ruling {
    let mut last = Ruling::Void;
    for attempt in 0..times {
        assert_eq!(lockout.begin(&yoda(), attempt, now), Begin::Hash);
        last = finish(lockout, Verdict::Wrong, now).0;
    }
    last
}

#[test]
fn the_third_consecutive_failure_blocks_until_the_block_ends() {
    let (mut lockout, now) = three_attempts();
    assert_eq!(fail(&mut lockout, 2, now), Ruling::Failed);
    assert_eq!(fail(&mut lockout, 1, now), Ruling::BlockedNow);
    assert_eq!(lockout.begin(&yoda(), 9, now), Begin::Blocked);
    let just_before = now + BLOCK - Duration::from_millis(1);
    assert_eq!(lockout.begin(&yoda(), 9, just_before), Begin::Blocked);
    assert_eq!(fail(&mut lockout, 2, now + BLOCK), Ruling::Failed, "the count starts at 0 again");
}

#[test]
fn a_success_resets_the_count() {
    let (mut lockout, now) = three_attempts();
    fail(&mut lockout, 2, now);
    assert_eq!(lockout.begin(&yoda(), 9, now), Begin::Hash);
    assert_eq!(finish(&mut lockout, Verdict::Right, now), (Ruling::Accepted, vec![]));
    assert_eq!(fail(&mut lockout, 2, now), Ruling::Failed);
}

#[test]
fn names_are_counted_apart() {
    let (mut lockout, now) = three_attempts();
    fail(&mut lockout, 3, now);
    assert_eq!(lockout.begin(&UserName::parse("Yoda").unwrap(), 1, now), Begin::Hash);
}

#[test]
fn guesses_sent_together_are_no_more_than_the_attempts_left() {
    let (mut lockout, now) = three_attempts();
    fail(&mut lockout, 1, now);
    let begun: Vec<Begin> = (0..4).map(|attempt| lockout.begin(&yoda(), attempt, now)).collect();
    assert_eq!(begun, [Begin::Hash, Begin::Hash, Begin::Wait, Begin::Wait]);
    assert_eq!(finish(&mut lockout, Verdict::Wrong, now), (Ruling::Failed, vec![]));
    assert_eq!(finish(&mut lockout, Verdict::Wrong, now), (Ruling::BlockedNow, vec![2, 3]));
    assert_eq!(lockout.begin(&yoda(), 2, now), Begin::Blocked);
}

#[test]
fn a_dropped_attempt_gives_its_place_to_the_next_in_line() {
    let (mut lockout, now) = three_attempts();
    for attempt in 0..5 {
        let _ = lockout.begin(&yoda(), attempt, now);
    }
    assert_eq!(finish(&mut lockout, Verdict::Dropped, now), (Ruling::Void, vec![3, 4]));
    assert_eq!(lockout.begin(&yoda(), 3, now), Begin::Hash);
    assert_eq!(lockout.begin(&yoda(), 4, now), Begin::Wait);
}

#[test]
fn who_left_the_line_is_not_called() {
    let (mut lockout, now) = three_attempts();
    for attempt in 0..6 {
        let _ = lockout.begin(&yoda(), attempt, now);
    }
    lockout.forget(4);
    lockout.forget(4);
    lockout.forget(77);
    assert_eq!(finish(&mut lockout, Verdict::Right, now), (Ruling::Accepted, vec![3, 5]));
}

#[test]
fn nothing_is_kept_of_a_name_without_failures_attempts_or_block() {
    let (mut lockout, now) = three_attempts();
    let _ = lockout.begin(&yoda(), 1, now);
    let _ = finish(&mut lockout, Verdict::Dropped, now);
    assert!(lockout.targets.is_empty());
    fail(&mut lockout, 3, now);
    lockout.sweep(now + BLOCK);
    assert!(lockout.targets.is_empty() && lockout.ends.is_empty() && lockout.waiting.is_empty());
}

/// What may happen, in any order; the numbers pick one of those that it can happen to.
#[derive(Debug, Clone)]
enum Step {
    Begin(usize),
    Finish(usize, Verdict),
    Forget(usize),
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let verdict = prop_oneof![
        2 => Just(Verdict::Wrong),
        1 => Just(Verdict::Right),
        1 => Just(Verdict::Dropped),
    ];
    let step = prop_oneof![
        5 => (0..NAMES.len()).prop_map(Step::Begin),
        4 => (any::<usize>(), verdict).prop_map(|(which, verdict)| Step::Finish(which, verdict)),
        1 => any::<usize>().prop_map(Step::Forget),
        1 => (0u64..12).prop_map(Step::Pass),
    ];
    proptest::collection::vec(step, 0..300)
}

const NAMES: [&str; 2] = ["yoda", "hans"];

/// The rules of the contract, written down as plainly as possible.
#[derive(Default)]
struct Model {
    wrong_in_a_row: usize,
    blocked_until: Option<Instant>,
    hashing: Vec<u32>,
    line: Vec<u32>,
}

impl Model {
    fn begin(&mut self, attempt: u32, attempts_max: usize, now: Instant) -> Begin {
        if self.blocked_until.is_some_and(|until| until <= now) {
            (self.blocked_until, self.wrong_in_a_row) = (None, 0);
        }
        if self.blocked_until.is_some() {
            return Begin::Blocked;
        }
        if self.hashing.len() < attempts_max - self.wrong_in_a_row {
            self.hashing.push(attempt);
            return Begin::Hash;
        }
        self.line.push(attempt);
        Begin::Wait
    }

    fn finish(&mut self, verdict: Verdict, attempts_max: usize, now: Instant) -> Ruling {
        match verdict {
            Verdict::Dropped => Ruling::Void,
            Verdict::Right => {
                self.wrong_in_a_row = 0;
                Ruling::Accepted
            }
            Verdict::Wrong => {
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
                Step::Begin(of) => {
                    next_attempt += 1;
                    let begun = lockout.begin(&names[of], next_attempt, now);
                    prop_assert_eq!(begun, models[of].begin(next_attempt, max, now));
                }
                Step::Finish(which, verdict) => {
                    let under_way: usize = models.iter().map(|model| model.hashing.len()).sum();
                    let Some(which) = which.checked_rem(under_way) else { continue };
                    let of = usize::from(which >= models[0].hashing.len());
                    let model = &mut models[of];
                    model.hashing.pop();
                    let ruling = model.finish(verdict, max, now);
                    let line = if ruling == Ruling::Failed { vec![] } else { mem::take(&mut model.line) };
                    let finish = lockout.finish(&names[of], verdict, now);
                    prop_assert_eq!(&finish, &Finish { ruling, released: line });
                    for attempt in finish.released {
                        let begun = lockout.begin(&names[of], attempt, now);
                        prop_assert_eq!(begun, model.begin(attempt, max, now));
                    }
                }
                Step::Forget(which) => {
                    let in_line: Vec<u32> = models.iter().flat_map(|model| model.line.clone()).collect();
                    let Some(which) = which.checked_rem(in_line.len()) else { continue };
                    lockout.forget(in_line[which]);
                    models.iter_mut().for_each(|model| model.line.retain(|one| *one != in_line[which]));
                }
                Step::Pass(seconds) => now += Duration::from_secs(seconds),
            }
            for model in &models {
                prop_assert!(model.line.is_empty() || !model.hashing.is_empty(), "waits for nothing");
                prop_assert!(model.hashing.len() + model.wrong_in_a_row <= max || model.blocked_until.is_some());
            }
            lockout.sweep(now);
            let kept = models.iter().filter(|model| model.is_worth_keeping(now)).count();
            prop_assert_eq!(lockout.targets.len(), kept);
            prop_assert_eq!(lockout.waiting.len(), models.iter().map(|model| model.line.len()).sum::<usize>());
        }
    }
}
