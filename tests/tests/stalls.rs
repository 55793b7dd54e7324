//! The event loop has no work of unbounded cost, and nobody's limit counts what others do.
//!
//! What a request costs is measured in CPU time of the loop's thread, which does not depend on what else the machine
//! does.
#![forbid(unsafe_code)]

use std::fs;
use std::time::Duration;

use forum_common::wire::Request;
use forum_tests::outcome::Outcome;
use forum_tests::{Disk, Forumd, Server, Wire, until};

const WAL: &str = "journal.sqlite3-wal";

/// CPU time of the event loop that one round trip may cost while a thread is removed: three times the slice that
/// nobody may have the loop for.
const ROUND_TRIP_CPU_MAX: Duration = Duration::from_millis(15);

/// The CPU time that the event loop has used so far.
fn loop_cpu(server: &Server) -> Duration {
    let pid = server.pid();
    // The loop runs on the first thread of the process.
    let schedstat = fs::read_to_string(format!("/proc/{pid}/task/{pid}/schedstat")).expect("it runs");
    let nanoseconds = schedstat.split(' ').next().and_then(|number| number.parse().ok());
    Duration::from_nanos(nanoseconds.expect("the first number is the time on the CPU"))
}

/// Holds the disk, with a commit under way.
fn hold(disk: &Disk, somebody: &mut Wire, other: &mut Wire) {
    let before = disk.syncs(WAL).len();
    disk.hold(WAL);
    somebody.send(&Request::PostToBoard { text: "holds up everybody", key: None });
    until("a commit to be under way", || {
        other.ping();
        (disk.syncs(WAL).len() > before).then_some(())
    });
}

/// A limit is a counter: what it costs to check does not depend on how much is in flight.
#[test]
fn a_message_costs_the_same_however_much_is_in_flight() {
    const SENDERS: usize = 160;
    const MESSAGES: usize = 60;
    let disk = Disk::new();
    let server = disk.under(Forumd::new()).start();
    let mut other = server.wire();
    let mut somebody = server.user("somebody");
    let names: Vec<String> = (0..3 * SENDERS).map(|n| format!("user{n}")).collect();
    let mut users: Vec<Wire> = names.iter().map(|name| server.user(name)).collect();
    users.iter_mut().for_each(Wire::ping);
    hold(&disk, &mut somebody, &mut other);
    let mut costs = Vec::new();
    for (wave, senders) in users.chunks_mut(SENDERS).enumerate() {
        let before = loop_cpu(&server);
        for (n, sender) in senders.iter_mut().enumerate() {
            // To one neighbour each, so that no mailbox is full.
            let to = &names[wave * SENDERS + (n + 1) % SENDERS];
            sender.send_all([Request::SendMessage { user: to, text: "x", key: None }; MESSAGES]);
        }
        (0..5).for_each(|_| other.ping());
        costs.push(loop_cpu(&server) - before);
    }
    disk.release();
    assert!(
        costs[2] < 3 * costs[0],
        "{} messages cost {:?} of the loop with nothing in flight, and {:?} behind {} others",
        SENDERS * MESSAGES,
        costs[0],
        costs[2],
        2 * SENDERS * MESSAGES
    );
}

/// One user's limit is not reached by what others do.
#[test]
fn blocks_of_others_in_flight_do_not_count() {
    const BLOCKS: usize = 40;
    let disk = Disk::new();
    let server = disk.under(Forumd::new().args(&["--max-blocks", "50"])).start();
    let names: Vec<String> = (0..BLOCKS).map(|n| format!("user{n}")).collect();
    names.iter().for_each(|name| server.user(name).log_out());
    let mut users = server.online(["yoda", "luke", "hans"]);
    let (mut somebody, mut other) = (server.user("somebody"), server.wire());
    hold(&disk, &mut somebody, &mut other);
    let tags: Vec<_> = users
        .iter_mut()
        .map(|user| {
            let tags = user.send_all(names.iter().map(|user| Request::Block { user, key: None }));
            // What the next one sends comes to the server after this.
            (0..5).for_each(|_| other.ping());
            tags
        })
        .collect();
    disk.release();
    let answers: Vec<Outcome> =
        users.iter_mut().zip(tags).flat_map(|(user, tags)| user.outcomes(tags)).collect();
    let refused: Vec<&Outcome> = answers.iter().filter(|answer| !answer.is_ok()).collect();
    let count = refused.len();
    assert!(refused.is_empty(), "{count} of 3 times {BLOCKS} blocks were refused: {:?}", refused.first());
}

/// Half a million posts are freed a few at a time.
#[test]
fn the_removal_of_a_large_thread_does_not_stop_the_loop() {
    const POSTS: usize = 500_000;
    let text = "x".repeat(100);
    let server = Server::start(&["--durability", "none", "-q"]);
    let [mut yoda, mut hans] = server.online(["yoda", "hans"]);
    yoda.done(&Request::CreateThread { title: "t", key: None });
    for _ in 0..POSTS / 1_000 {
        let tags = yoda.send_all([Request::Post { title: "t", text: &text, key: None }; 1_000]);
        assert!(yoda.outcomes(tags).iter().all(Outcome::is_ok));
    }
    let mut longest = Duration::ZERO;
    let mut last = loop_cpu(&server);
    let tag = yoda.send(&Request::RemoveThread { title: "t", key: None });
    for _ in 0..100 {
        hans.ping();
        let now = loop_cpu(&server);
        longest = longest.max(now - last);
        last = now;
    }
    assert!(yoda.outcome_of(tag).is_ok());
    assert!(longest <= ROUND_TRIP_CPU_MAX, "a ping waited for {longest:?} of the loop's CPU time");
}
