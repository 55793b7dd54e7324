//! Lists that are read slowly: each shows one instant, and what they keep in memory together stays bounded.
#![forbid(unsafe_code)]

use forum_common::wire::{OwnedReply, Request};
use forum_tests::outcome::Outcome;
use forum_tests::{Server, Wire};

const POSTS: u32 = 200;
const TEXT_BYTES: usize = 8_000;
const READERS: u64 = 20;
/// Room for two versions of the thread.
const LISTING_BYTES: usize = 4 << 20;
/// For the journal, the reader's queues, and what the allocator keeps.
const SLACK_BYTES: usize = 12 << 20;

fn read() -> Request<'static> {
    Request::ReadThread { title: "t", range: None, after: None, at_most: None, last: None, unread: None }
}

/// Edits every message of the thread to say that it is this round.
fn edit_all(author: &mut Wire, round: u64) {
    let text = format!("{round} {}", "x".repeat(TEXT_BYTES));
    for first in (1..=POSTS).step_by(50) {
        let edit = |number| Request::EditPost { title: "t", number, text: &text, id: None, key: None };
        let tags = author.send_all((first..first + 50).map(edit));
        assert!(author.outcomes(tags).iter().all(Outcome::is_ok));
    }
}

fn round_of(item: &OwnedReply) -> u64 {
    match item {
        OwnedReply::PostItem { text, .. } => text.split(' ').next().unwrap().parse().unwrap(),
        other => panic!("wanted a message, not {other:?}"),
    }
}

#[test]
fn slow_readers_of_a_thread_that_is_edited_meanwhile_cost_bounded_memory_and_see_one_instant_each() {
    let limit = LISTING_BYTES.to_string();
    let server = Server::start(&["--durability", "none", "--max-listing-bytes", &limit, "-q"]);
    let mut author = server.user("author");
    assert!(author.outcome(&Request::CreateThread { title: "t", key: None }).is_ok());
    for _ in 0..POSTS / 50 {
        let post = Request::Post { title: "t", text: "first", key: None };
        let tags = author.send_all((0..50).map(|_| post));
        assert!(author.outcomes(tags).iter().all(Outcome::is_ok));
    }
    edit_all(&mut author, 0);
    let before = server.peak_rss_bytes();
    let mut readers = Vec::new();
    for round in 1..=READERS {
        let mut reader = Wire::connect_with_little_room(server.address());
        reader.hello();
        reader.become_user(&format!("reader{round}"));
        let tag = reader.send(&read());
        // Its list is asked for before the edits are: they are made after the answers to what was sent then.
        author.ping();
        edit_all(&mut author, round);
        readers.push((reader, tag));
    }
    let bound = before + LISTING_BYTES + SLACK_BYTES;
    let peak = server.peak_rss_bytes();
    let versions = READERS as usize * POSTS as usize * TEXT_BYTES;
    assert!(before + versions > bound, "the test shows something");
    assert!(peak <= bound, "{peak} bytes at the peak, {before} before; {bound} are the bound");
    for (mut reader, tag) in readers {
        let rounds: Vec<_> = reader.items(tag).iter().map(round_of).collect();
        assert_eq!(rounds.len(), POSTS as usize);
        // Edits go from the first message to the last.
        assert!(
            rounds.is_sorted_by(|a, b| a >= b) && rounds[0] - rounds[rounds.len() - 1] <= 1,
            "{rounds:?}"
        );
    }
    edit_all(&mut author, READERS + 1);
    let peak = server.peak_rss_bytes();
    assert!(peak <= bound, "{peak} bytes at the peak, {before} before; {bound} are the bound");
}
