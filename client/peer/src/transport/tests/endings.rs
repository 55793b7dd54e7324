//! How transfers end: told, lost, aborted, broken off and resumed.

use std::time::Duration;

use super::content::{Checked, Virtual};
use super::network::{Conditions, Direction};
use super::pair::Pair;
use crate::transport::channel::SEALED_BYTES;
use crate::transport::{Endpoint, Event, Failure, IDLE_MAX, Progress, Reason, Start};

const SLOW: Option<(u64, u64)> = Some((500_000, 100_000));

fn slow() -> Conditions {
    Conditions { bottleneck: SLOW, ..Conditions::default() }
}

fn failed(pair: &Pair, sender: Failure, receiver: Failure) {
    assert_eq!(pair.sender_events.last(), Some(&Event::Failed(sender)));
    assert_eq!(pair.receiver_events.last(), Some(&Event::Failed(receiver)));
}

#[test]
fn a_vanished_peer_is_noticed_by_both_and_what_is_there_is_resumed() {
    for seed in 0..20 {
        let content = Virtual::new(seed, 3_000_000);
        let cut = Duration::from_millis(300 + 200 * seed)..Duration::MAX;
        let mut pair = Pair::new(seed, &content, &Conditions { cut, loss: 0.01, ..slow() });
        pair.run();
        failed(&pair, Failure::Vanished, Failure::Vanished);
        let silence = pair.elapsed() - Duration::from_millis(300 + 200 * seed);
        let second = Duration::from_secs(1);
        assert!((IDLE_MAX - second..IDLE_MAX + 2 * second).contains(&silence), "{silence:?}");

        let Checked { bytes: offset, is_finished, .. } = pair.receiver.into_sink().expect("what has come");
        assert!(offset > 0 && !is_finished, "seed {seed}");
        let mut second = Pair::new(seed + 1_000, &content, &Conditions::default());
        second.held = Some((Start::resume(offset, content.hasher(offset)), Checked::new(&content, offset)));
        second.run();
        assert_eq!(second.sender_events, [Event::Started { offset }, Event::Done]);
        second.expect_done();
    }
}

#[test]
fn a_file_that_is_all_there_already_is_done_at_once() {
    let content = Virtual::new(1, 1_000_000);
    let mut pair = Pair::new(1, &content, &Conditions::default());
    pair.held = Some((
        Start::resume(content.size, content.hasher(content.size)),
        Checked::new(&content, content.size),
    ));
    pair.run();
    assert!(pair.to_receiver.sent() < 10);
    pair.expect_done();
}

#[test]
fn an_end_that_comes_alone_gives_up_after_the_idle_time() {
    let content = Virtual::new(1, 1_000);
    let cut = Duration::ZERO..Duration::MAX;
    let mut pair = Pair::new(1, &content, &Conditions { cut, ..Conditions::default() });
    pair.run();
    assert_eq!(pair.elapsed(), IDLE_MAX);
    failed(&pair, Failure::Vanished, Failure::Vanished);
    // Hello and Knock are said about once a second.
    assert!(pair.to_receiver.sent() < 20 && pair.to_sender.sent() < 20);
}

#[test]
fn lost_last_packets_change_no_result() {
    // Goodbyes, and Pings without padding.
    const BARE: usize = SEALED_BYTES + 1;
    for seed in 0..20 {
        let content = Virtual::new(seed, 100_000);
        let mut pair = Pair::new(seed, &content, &Conditions { loss: 0.2, ..Conditions::default() });
        let conditions = Conditions { dropped_sizes: vec![BARE], loss: 0.2, ..Conditions::default() };
        pair.to_receiver = Direction::new(pair.start, seed, conditions);
        pair.run();
        pair.expect_done();
    }
}

#[test]
fn either_end_can_abort_and_the_other_learns_why() {
    for seed in 0..40 {
        let content = Virtual::new(seed, 1_000_000);
        let mut pair = Pair::new(seed, &content, &Conditions { loss: 0.2, ..slow() });
        let is_sender = seed % 2 == 0;
        let when = Duration::from_millis(seed * 20);
        pair.run_with(|pair| match pair.elapsed() {
            elapsed if elapsed < when => {}
            _ if is_sender => pair.sender.abort(pair.now, Reason::Cancelled),
            _ => pair.receiver.abort(pair.now, Reason::Cancelled),
        });
        let (here, there) = (Failure::Here(Reason::Cancelled), Failure::There(Reason::Cancelled));
        let (sender, receiver) = if is_sender { (here, there) } else { (there, here) };
        failed(&pair, sender, receiver);
        assert!(pair.elapsed() < when + IDLE_MAX, "seed {seed}: {:?}", pair.elapsed());
    }
}

#[test]
fn both_may_abort_at_once() {
    let content = Virtual::new(1, 1_000_000);
    let mut pair = Pair::new(1, &content, &slow());
    pair.run_with(|pair| {
        if pair.elapsed() > Duration::from_millis(200) {
            pair.sender.abort(pair.now, Reason::Cancelled);
            pair.receiver.abort(pair.now, Reason::Declined);
        }
    });
    failed(&pair, Failure::Here(Reason::Cancelled), Failure::Here(Reason::Declined));
    assert_eq!(pair.sender_events.len(), 2, "{:?}", pair.sender_events);
}

#[test]
fn what_can_not_be_read_or_stored_ends_it() {
    let mut content = Virtual::new(1, 1_000_000);
    content.readable = 700_000;
    let mut pair = Pair::new(1, &content, &slow());
    pair.run();
    failed(&pair, Failure::Here(Reason::Unreadable), Failure::There(Reason::Unreadable));

    let content = Virtual::new(1, 1_000_000);
    let mut pair = Pair::new(1, &content, &slow());
    let mut sink = Checked::new(&content, 0);
    sink.room = 300_000;
    pair.held = Some((Start::afresh(), sink));
    pair.run();
    failed(&pair, Failure::There(Reason::NotStored), Failure::Here(Reason::NotStored));
    let sink = pair.receiver.into_sink().expect("a sink");
    assert_eq!(sink.refused, 1, "it is left alone after that");
}

#[test]
fn bytes_that_are_not_what_was_announced_are_refused_at_the_end() {
    let content = Virtual::new(1, 1_000_000);
    let mut pair = Pair::new(1, &content, &Conditions::default());
    // What is there already belongs to another file.
    let other = Virtual::new(2, 1_000_000);
    pair.held = Some((Start::resume(500_000, other.hasher(500_000)), Checked::new(&content, 500_000)));
    pair.run();
    failed(&pair, Failure::There(Reason::DigestDiffers), Failure::Here(Reason::DigestDiffers));
    assert!(!pair.receiver.into_sink().expect("a sink").is_finished);
}

#[test]
fn an_offer_can_be_declined() {
    let content = Virtual::new(1, 1_000_000);
    let mut pair = Pair::new(1, &content, &Conditions::default());
    pair.held = None;
    pair.run_with(|pair| {
        if pair.receiver_events == [Event::Offered(content.offer())] {
            pair.receiver.abort(pair.now, Reason::Declined);
        }
    });
    failed(&pair, Failure::There(Reason::Declined), Failure::Here(Reason::Declined));
}

#[test]
fn progress_only_goes_forward_and_no_end_sees_more_than_was_sent() {
    let content = Virtual::new(1, 1_000_000);
    let mut pair = Pair::new(1, &content, &Conditions { loss: 0.05, ..slow() });
    let (mut sent, mut received) = (Vec::new(), Vec::new());
    pair.run_with(|pair| {
        sent.extend(pair.sender.progress().map(|Progress { bytes, .. }| bytes));
        received.extend(pair.receiver.progress().map(|Progress { bytes, .. }| bytes));
    });
    assert!(sent.is_sorted() && received.is_sorted());
    assert!(sent.len() > 100 && received.iter().all(|bytes| *bytes <= content.size));
    pair.expect_done();
}
