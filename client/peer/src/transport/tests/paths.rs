//! Transfers over all kinds of paths.

use std::time::Duration;

use super::content::{Checked, Virtual};
use super::network::Conditions;
use super::pair::Pair;
use crate::transport::{Event, Start};

const MS: Duration = Duration::from_millis(1);

/// Conditions that nobody would choose.
fn rough(random: &mut fastrand::Rng) -> Conditions {
    let delay = Duration::from_micros(random.u64(0..60_000));
    Conditions {
        loss: 0.3 * random.f64(),
        duplicated: 0.2 * random.f64(),
        delay,
        jitter: delay.mul_f64(2.0 * random.f64()),
        bottleneck: random.bool().then(|| (random.u64(100_000..10_000_000), random.u64(20_000..500_000))),
        mtu: vec![(Duration::ZERO, [1_200, 1_280, 1_500, 9_000, 65_536][random.usize(..5)])],
        ..Conditions::default()
    }
}

#[test]
fn whatever_the_path_does_what_arrives_is_what_was_sent_and_both_know_it() {
    for seed in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed);
        let conditions = rough(&mut random);
        let content = Virtual::new(seed, random.u64(0..600_000));
        eprintln!("seed {seed}: {} bytes, {conditions:?}", content.size);
        let mut pair = Pair::new(seed, &content, &conditions);
        pair.run();
        assert!(pair.elapsed() < Duration::from_secs(300), "{:?}", pair.elapsed());
        pair.expect_done();
    }
}

#[test]
fn files_of_every_awkward_size_arrive() {
    let window = 8 << 20;
    for size in [0, 1, 1_157, 1_158, 1_159, 65_521, window - 1, window, window + 1, 2 * window + 12_345] {
        let mut pair = Pair::new(size, &Virtual::new(size, size), &Conditions::default());
        pair.run();
        pair.expect_done();
    }
}

#[test]
fn offsets_beyond_four_gibibytes_are_not_cut_off() {
    let content = Virtual::new(4, (4 << 30) + (3 << 20) + 1);
    let offset = (4 << 30) - (1 << 20) - 7;
    let mut pair = Pair::new(4, &content, &Conditions { loss: 0.02, ..Conditions::default() });
    pair.held = Some((Start::resume(offset, content.hasher(offset)), Checked::new(&content, offset)));
    pair.run();
    assert_eq!(pair.sender_events[0], Event::Started { offset });
    pair.expect_done();
}

#[test]
fn a_path_whose_packets_get_smaller_on_the_way_is_survived() {
    for seed in 0..10 {
        let content = Virtual::new(seed, 4_000_000);
        let conditions = Conditions {
            mtu: vec![(Duration::ZERO, 65_536), (150 * MS, 1_300), (1_500 * MS, 600)],
            bottleneck: Some((2_000_000, 200_000)),
            loss: 0.001 * seed as f64,
            ..Conditions::default()
        };
        let mut pair = Pair::new(seed, &content, &conditions);
        let mut sizes = Vec::new();
        pair.run_with(|pair| sizes.extend(pair.sender.datagram_bytes()));
        sizes.dedup();
        assert!(sizes.iter().any(|size| *size > 1_300) && sizes.contains(&508), "seed {seed}: {sizes:?}");
        assert!(pair.elapsed() < Duration::from_secs(60), "seed {seed}: {:?}", pair.elapsed());
        pair.expect_done();
    }
}

#[test]
fn large_packets_are_found_where_they_pass() {
    for (passes, found) in [(1_300, 1_200), (1_452, 1_452), (9_000, 8_952), (65_536, 65_488)] {
        let content = Virtual::new(1, 20_000_000);
        let conditions = Conditions { mtu: vec![(Duration::ZERO, passes)], ..Conditions::default() };
        let mut pair = Pair::new(1, &content, &conditions);
        let mut size = 0;
        pair.run_with(|pair| size = pair.sender.datagram_bytes().unwrap_or(size));
        assert_eq!(size, found, "{passes} bytes pass");
        pair.expect_done();
    }
}

/// How much of a bottleneck a transfer uses, until the sender knows that it is done.
fn usage(bytes_a_second: u64, round_trip: Duration, queue_bytes: u64, size: u64, loss: f64) -> f64 {
    let content = Virtual::new(1, size);
    let conditions = Conditions {
        delay: round_trip / 2,
        bottleneck: Some((bytes_a_second, queue_bytes)),
        mtu: vec![(Duration::ZERO, 1_452)],
        loss,
        ..Conditions::default()
    };
    let mut pair = Pair::new(1, &content, &conditions);
    pair.run();
    let took = pair.sender_ended_at.expect("an end") - pair.start;
    pair.expect_done();
    size as f64 / took.as_secs_f64() / bytes_a_second as f64
}

#[test]
fn the_window_adapts_to_a_bottleneck() {
    // Queues of one, a half and a quarter of what the path holds.
    for (part, expected) in [(1, 0.8), (2, 0.8), (4, 0.75)] {
        let slow = usage(1_250_000, 40 * MS, 50_000 / part, 8_000_000, 0.0);
        assert!(slow > expected, "10 Mbit/s, 40 ms, 1/{part}: {slow:.2}");
        let fast = usage(12_500_000, 50 * MS, 625_000 / part, 25_000_000, 0.0);
        assert!(fast > expected, "100 Mbit/s, 50 ms, 1/{part}: {fast:.2}");
    }
}

#[test]
fn a_tenth_of_a_percent_of_loss_does_not_take_most_of_a_bottleneck() {
    let used = usage(1_250_000, 40 * MS, 50_000, 12_000_000, 0.001);
    assert!(used > 0.7, "{used:.2}");
}

#[test]
fn a_silent_path_says_nothing_about_the_size_of_packets() {
    let content = Virtual::new(1, 5_000_000);
    let cut = 500 * MS..3_000 * MS;
    let conditions = Conditions { bottleneck: Some((3_000_000, 300_000)), cut, ..Conditions::default() };
    let mut pair = Pair::new(1, &content, &conditions);
    let mut sizes = Vec::new();
    pair.run_with(|pair| sizes.extend(pair.sender.datagram_bytes()));
    assert!(sizes.is_sorted() && sizes.last() > Some(&1_200), "{:?}", sizes.last());
    pair.expect_done();
}

#[test]
fn a_cut_shorter_than_the_idle_time_is_survived() {
    for seed in 0..10 {
        let content = Virtual::new(seed, 2_000_000);
        let cut = 200 * MS..Duration::from_secs(10);
        let conditions = Conditions { bottleneck: Some((1_000_000, 100_000)), cut, ..Conditions::default() };
        let mut pair = Pair::new(seed, &content, &conditions);
        pair.run();
        pair.expect_done();
    }
}
