//! Seeds: the same one plays the same life, and none of these finds anything.
#![forbid(unsafe_code)]

use forum_simulator::{Limits, run};

#[test]
fn the_same_seed_plays_the_same_life_and_another_seed_another() {
    let hashes = |_| (1_000..1_012).map(|seed| run(seed, Limits::default(), false).hash).collect::<Vec<_>>();
    let (first, again) = (hashes(0), hashes(1));
    assert_eq!(first, again);
    let mut different = first.clone();
    different.sort_unstable();
    different.dedup();
    assert_eq!(different.len(), first.len());
}

#[test]
fn being_told_what_happens_changes_nothing_of_it() {
    let (silent, told) = (run(7, Limits::default(), false), run(7, Limits::default(), true));
    assert_eq!((silent.hash, silent.figures), (told.hash, told.figures));
    assert!(silent.lines.is_empty() && told.lines.len() > 100);
}

#[test]
fn a_few_seeds_find_nothing() {
    for seed in 0..60 {
        let run = run(seed, Limits::default(), false);
        assert_eq!(run.failure, None, "replay with: SEED={seed} cargo run --profile sim -p forum-simulator");
        assert!(run.figures.events >= 500 && run.figures.crashes >= 1, "{:?}", run.figures);
    }
}
