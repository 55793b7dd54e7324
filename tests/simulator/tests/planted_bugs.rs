//! The judge is judged: every planted bug is found within a thousand seeds.
#![forbid(unsafe_code)]

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use forum_simulator::{Limits, run};
use forumd::planted::{ALL, Bug, plant};

/// Seeds within which a bug must be found.
const SEEDS: u64 = 1_000;

/// The first seed that finds a bug, and what it says.
fn find(bug: Bug) -> Option<(u64, String)> {
    plant(Some(bug));
    let found = (0..SEEDS).find_map(|seed| Some((seed, run(seed, Limits::default(), false).failure?)));
    plant(None);
    found
}

#[test]
fn every_planted_bug_is_found_within_a_thousand_seeds() {
    assert!(ALL.len() >= 20);
    let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(&bug) = ALL.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = find(bug);
                    found.lock().unwrap().push((bug, result));
                }
            });
        }
    });
    let mut lines = Vec::new();
    let mut missed = Vec::new();
    for (bug, result) in found.into_inner().unwrap() {
        match result {
            Some((seed, failure)) => lines.push(format!("{seed:>4} {bug:?}: {failure:.200}")),
            None => missed.push(bug),
        }
    }
    lines.sort_unstable();
    lines.iter().for_each(|line| eprintln!("{line}"));
    // The panics of this process are kept for the runs of seeds, and not printed.
    eprintln!("not found: {missed:?}");
    assert!(missed.is_empty(), "not found within {SEEDS} seeds: {missed:?}");
}
