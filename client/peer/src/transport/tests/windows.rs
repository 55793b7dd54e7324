//! What the sender takes for congestion, and what it does not.

use std::time::Duration;

use super::content::Virtual;
use super::network::Conditions;
use super::pair::Pair;

const MS: Duration = Duration::from_millis(1);

#[test]
fn after_a_wait_for_the_receivers_disk_the_window_is_what_it_was_and_goes_on_from_there() {
    let content = Virtual::new(1, 40_000_000);
    let conditions = Conditions {
        delay: 25 * MS,
        bottleneck: Some((2_500_000, 62_500)),
        mtu: vec![(Duration::ZERO, 1_452)],
        ..Conditions::default()
    };
    let mut pair = Pair::new(1, &content, &conditions);
    // The 8 MiB that the receiver takes meanwhile keep the path busy for 3.4 s.
    pair.stalled = 6_000 * MS..20_000 * MS;
    let (mut usual, mut waiting, mut after) = (0, Vec::new(), 0);
    pair.run_with(|pair| {
        let Some(window) = pair.sender.window() else { return };
        match pair.elapsed().as_millis() {
            3_000..6_000 => usual = window.max(usual),
            12_000..20_000 => waiting.push(window),
            20_000..23_000 => after = window.max(after),
            _ => {}
        }
    });
    waiting.dedup();
    assert_eq!(waiting.len(), 1, "{waiting:?}");
    assert!(after > waiting[0] && after < usual * 11 / 10, "{usual} before, {waiting:?}, {after} after");
    pair.expect_done();
}

#[test]
fn what_is_lost_before_a_round_trip_is_known_is_no_persistent_congestion() {
    let content = Virtual::new(1, 1_000_000);
    // The first ten packets, and the probes after one second and after three, are lost.
    let conditions = Conditions { cut: 25 * MS..3_100 * MS, ..Conditions::default() };
    let mut pair = Pair::new(1, &content, &conditions);
    let mut windows = Vec::new();
    pair.run_with(|pair| windows.extend(pair.sender.window()));
    windows.dedup();
    assert_eq!(windows[0], 12_000);
    assert!(windows[1] >= 8_400, "more than one reduction, to {} (RFC 9002, 7.6.2)", windows[1]);
    pair.expect_done();
}

#[test]
fn silence_after_that_is_persistent_congestion() {
    let content = Virtual::new(1, 10_000_000);
    let cut = 500 * MS..3_000 * MS;
    let conditions = Conditions { bottleneck: Some((1_000_000, 100_000)), cut, ..Conditions::default() };
    let mut pair = Pair::new(1, &content, &conditions);
    let mut is_least = false;
    pair.run_with(|pair| {
        let datagram = pair.sender.datagram_bytes().unwrap_or_default() as u64;
        is_least |= pair.sender.window().is_some_and(|window| window <= 2 * datagram);
    });
    assert!(is_least);
    pair.expect_done();
}

/// Datagrams to the receiver and back, where one in twenty is lost.
fn counted(round_trip: Duration) -> (u64, u64) {
    let content = Virtual::new(1, 3_000_000);
    let conditions = Conditions {
        delay: round_trip / 2,
        // Packets come one by one.
        bottleneck: Some((50_000_000, 1_000_000)),
        mtu: vec![(Duration::ZERO, 1_452)],
        loss: 0.05,
        ..Conditions::default()
    };
    let mut pair = Pair::new(1, &content, &conditions);
    pair.run();
    let counts = (pair.to_receiver.sent(), pair.to_sender.sent());
    pair.expect_done();
    counts
}

#[test]
fn acknowledgements_go_twice_only_where_a_round_trip_is_shorter_than_the_least_time_out() {
    for (round_trip, is_twice) in [(100, true), (9_000, true), (11_000, false), (40_000, false)] {
        let (there, back) = counted(Duration::from_micros(round_trip));
        assert_eq!(
            back * 4 > there * 3,
            is_twice,
            "{round_trip} us: {there} packets, {back} acknowledgements"
        );
    }
}
