//! Runs of seeds: one, and one that failed made smaller.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use crate::plan::Limits;
use crate::world::{Figures, World};

/// What came of a run.
#[derive(Debug)]
pub struct Run {
    /// The seed.
    pub seed: u64,
    /// What made it smaller than the seed says.
    pub limits: Limits,
    /// What has happened.
    pub figures: Figures,
    /// The hash of all that happened.
    pub hash: u64,
    /// What was wrong.
    pub failure: Option<String>,
    /// What happened, for people; only if it was asked for.
    pub lines: Vec<String>,
}

thread_local! {
    /// Where the last panic of this thread was, and what it said.
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Panics of the server are findings: they are kept instead of being printed.
fn catch_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        panic::set_hook(Box::new(|info| PANIC.with_borrow_mut(|said| *said = info.to_string())));
    });
}

/// Runs a seed.
pub fn run(seed: u64, limits: Limits, is_told: bool) -> Run {
    catch_panics();
    let mut world = World::new(seed, limits, is_told);
    let lived = panic::catch_unwind(AssertUnwindSafe(|| world.run()));
    let panicked = lived.is_err().then(|| PANIC.with_borrow(String::clone));
    let (figures, hash, failure, lines) = world.end();
    Run { seed, limits, figures, hash, failure: panicked.or(failure), lines }
}

/// Makes a seed that failed smaller, as long as it fails in any way: fewer clients, then fewer steps.
pub fn shrink(failed: Run) -> Run {
    let mut best = failed;
    let try_limits = |best: &mut Run, limits| {
        let run = run(best.seed, limits, false);
        let fails = run.failure.is_some();
        if fails {
            *best = run;
        }
        fails
    };
    for clients in 1..9 {
        if try_limits(&mut best, Limits { clients: Some(clients), ..Limits::default() }) {
            break;
        }
    }
    let (mut enough, mut too_few) = (400, 0);
    while enough - too_few > 1 {
        let steps = (enough + too_few) / 2;
        let limits = Limits { steps: Some(steps), ..best.limits };
        match try_limits(&mut best, limits) {
            true => enough = steps,
            false => too_few = steps,
        }
    }
    best
}
