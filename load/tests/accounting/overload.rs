//! Above what a server, or the generator, can do: each request that was offered meets exactly one fate, and the latencies
//! say how slow it was. Nothing is concluded from how fast this machine is.

use std::process::Command;

use forum_tests::{Disk, Forumd, Process};

use crate::support::{command, count, json, measured, server, start};
use crate::{in_series, latency};

/// How many posts a second a connection can have made durable at most where each fsync takes 50 ms: as many as may be in
/// flight on it, for each of them.
const POSTS_A_SECOND_MAX: u64 = 64 * 20;

#[test]
fn a_server_at_a_tenth_of_the_offered_rate_is_slow_in_the_latencies_and_fails_no_run() {
    let disk = Disk::new();
    disk.slow(50);
    let server = disk.under(Forumd::new().args(&["--durability", "always"])).start();
    let words = format!("post -c 1 --rate {} -d 3s", 10 * POSTS_A_SECOND_MAX);
    let finished = start(&server, &words).finish();
    finished.expect_success();
    let json = json(&finished);
    assert_eq!(count(&json["offered"]), 30 * POSTS_A_SECOND_MAX);
    let achieved = count(&json["operations"]);
    assert!(0 < achieved && achieved <= 3 * POSTS_A_SECOND_MAX, "{json:#}");
    assert_eq!(in_series(&json), achieved, "{json:#}");
    assert_eq!((count(&json["errors"]["total"]), &json["valid"]), (0, &true.into()), "{json:#}");
    // Half of what was offered was due in the first half, and nine in ten of that had not been answered by the end.
    assert!(latency(&json, "p50") >= 1_000_000_000, "{json:#}");
    assert!(!json["exact_below_ns"].is_null() && count(&json["missed"]) > 0, "{json:#}");
}

#[test]
fn above_what_a_server_can_do_every_request_is_accounted_for() {
    let server = server();
    let finished = start(&server, "read -c 8 --page 100 --rate 60000 -d 1s --warm-up 100ms").finish();
    let json = measured(&finished);
    assert_eq!(count(&json["offered"]), 60_000);
    assert!(count(&json["missed"]) > 0, "{json:#}");
    assert_eq!(in_series(&json), count(&json["operations"]), "{json:#}");
    let rate = json["operations_per_second"].as_f64().unwrap();
    assert_eq!(rate, count(&json["operations"]) as f64, "a second was measured");
}

#[test]
fn more_than_a_generator_can_send_is_missed_and_the_run_ends_in_time_and_within_its_memory() {
    let server = server();
    let words = "ping -c 2 --rate 1e9 -d 1s";
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -v 300000 && exec \"$0\" \"$@\""]);
    let load = command(&server.address().to_string(), words);
    shell.arg(load.get_program()).args(load.get_args());
    let json = measured(&Process::start(&mut shell).finish());
    assert_eq!(count(&json["offered"]), 1_000_000_000);
    assert!(count(&json["operations"]) > 0 && count(&json["missed"]) > 900_000_000, "{json:#}");
    assert_eq!(json["seconds"], 1.0);
}
