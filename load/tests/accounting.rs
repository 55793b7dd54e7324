//! Each request that was offered meets exactly one fate, and the rate counts what ended in the measured time:
//! when the server stalls, dies or is too slow, when the generator itself is held up, and when it is
//! interrupted. What is checked are counts, so a busy machine changes nothing.
#![forbid(unsafe_code)]

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;

use forum_tests::{Process, Server, accept};
use rustix::process::Signal;
use serde_json::Value;
use support::{command, count, json, server, start};

/// Waits until the run has measured a second.
fn measure_a_second(load: &mut Process) {
    load.stderr.find("the first second", |line| line.contains(" /s ").then_some(()));
}

/// Lets so many seconds go by, as another run counts them.
fn let_pass(seconds: u32) {
    let server = server();
    let finished = start(&server, &format!("ping -c 1 --rate 10 -d {seconds}s")).finish();
    finished.expect_success();
}

/// Operations in the seconds of a run, all together.
fn in_series(json: &Value) -> u64 {
    json["series"].as_array().unwrap().iter().map(|second| count(&second["operations"])).sum()
}

#[test]
fn a_stall_of_the_server_is_in_the_latencies_of_an_open_loop() {
    let server = server();
    let mut load = start(&server, "ping -c 2 --rate 500 -d 6s --live");
    measure_a_second(&mut load);
    server.signal(Signal::STOP);
    for which in ["a second without an answer", "another one"] {
        load.stderr.find(which, |line| line.contains("  0 /s ").then_some(()));
    }
    server.signal(Signal::CONT);
    let finished = load.finish();
    finished.expect_success();
    let json = json(&finished);
    assert_eq!(count(&json["offered"]), 3000);
    // What was due in the two seconds without an answer, half a second before their end and earlier, is a
    // quarter of the run.
    assert!(json["latency_ns"]["p90"].as_u64() >= Some(500_000_000), "{json:#}");
}

#[test]
fn what_a_generator_that_is_held_up_to_the_end_could_not_send_is_missed() {
    let server = server();
    let mut load = start(&server, "ping -c 2 --rate 500 -d 5s --live");
    measure_a_second(&mut load);
    load.signal(Signal::STOP);
    let_pass(5);
    load.signal(Signal::CONT);
    let finished = load.finish();
    finished.expect_success();
    let json = json(&finished);
    assert_eq!(count(&json["offered"]), 2500);
    assert!(count(&json["missed"]) > 0, "{json:#}");
    assert_eq!(in_series(&json), count(&json["operations"]), "{json:#}");
    assert_eq!(json["seconds"], 5.0, "the measured time is that which was asked for");
}

#[test]
fn a_generator_that_is_held_up_in_between_sends_late_and_counts_from_when_it_was_due() {
    let server = server();
    let mut load = start(&server, "ping -c 2 --rate 500 -d 6s --live");
    measure_a_second(&mut load);
    load.signal(Signal::STOP);
    let_pass(2);
    load.signal(Signal::CONT);
    let finished = load.finish();
    finished.expect_success();
    let json = json(&finished);
    assert_eq!(count(&json["offered"]), 3000);
    // Of the two seconds in which it was held up, what was due in the first waited for another one: a sixth.
    assert!(json["latency_ns"]["p90"].as_u64() >= Some(900_000_000), "{json:#}");
    assert_eq!(in_series(&json), count(&json["operations"]), "{json:#}");
}

/// The server is killed while it is asked. Returns the JSON of the run.
fn kill_the_server(mut server: Server, words: &str) -> Value {
    let mut load = start(&server, words);
    measure_a_second(&mut load);
    server.kill();
    let finished = load.finish();
    assert_eq!(finished.code, Some(1), "{words}: {finished:#?}");
    assert!(finished.stderr.concat().contains("every connection was lost"), "{words}: {finished:#?}");
    json(&finished)
}

#[test]
fn a_server_that_dies_fails_the_run_and_each_request_and_connection_is_lost_once() {
    for (words, in_flight, connections) in [("ping -c 1", 1, 1), ("ping -c 3 -p 7", 21, 3)] {
        let json = kill_the_server(server(), &format!("{words} -d 1h --live"));
        assert_eq!(json["errors"], serde_json::json!({"total": in_flight, "refused": 0, "lost": in_flight}));
        assert_eq!(count(&json["lost_connections"]), connections, "{words}");
        assert!(count(&json["operations"]) > 0 && json["unanswered"] == 0, "{words}: {json:#}");
    }
}

#[test]
fn when_all_connections_that_only_stay_are_lost_it_is_said_how_long_they_stayed() {
    for words in ["connect -c 3", "connect -c 4 --processes 2"] {
        let mut server = server();
        let mut load = start(&server, &format!("{words} -d 1h"));
        server.wait_log("load2 successfully logged in");
        let_pass(1);
        server.kill();
        let finished = load.finish();
        assert_eq!(finished.code, Some(1), "{words}: {finished:#?}");
        let said = finished.stderr.concat();
        let (_, after) =
            said.split_once("every connection was lost after ").unwrap_or_else(|| panic!("{said}"));
        let seconds: f64 = after.split(' ').next().unwrap().parse().unwrap();
        assert!(seconds >= 1.0, "{words}: {said}");
    }
}

#[test]
fn whatever_was_asked_of_a_server_that_dies_is_accounted_for() {
    for words in [
        "ping -c 3 --rate 500",
        "post -c 3 --rate 500 --warm-up 50ms",
        "mixed -c 3",
        "chat -c 4 --room-size 2 --rate 300",
        "fanout -c 5 --burst 3",
        "fanout -c 5 --burst 3 --rate 100",
        "transfer -c 2 --size 1MiB --files 1000 --ping-beside 100",
    ] {
        let json = kill_the_server(server(), &format!("{words} -d 1h --live"));
        assert!(count(&json["lost_connections"]) > 0, "{words}: {json:#}");
    }
}

#[test]
fn a_server_that_dies_fails_a_run_that_says_nothing_by_the_second() {
    for (words, sign) in [
        ("post -c 4 -p 2 --processes 2 -d 1h", "posted to load-0"),
        ("transfer -c 1 --size 1MiB --direction up --files 1000", "uploaded"),
    ] {
        let mut server = server();
        let mut load = start(&server, words);
        server.wait_log(sign);
        server.kill();
        let finished = load.finish();
        assert_eq!(finished.code, Some(1), "{words}: {finished:#?}");
        assert!(count(&json(&finished)["lost_connections"]) > 0, "{words}: {finished:#?}");
    }
}

#[test]
fn a_log_in_that_comes_to_nothing_is_lost_once_and_one_that_was_made_stays_an_operation() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut load = Process::start(&mut command(
        &listener.local_addr().unwrap().to_string(),
        "connect -c 3 -d 1h --protocol echo",
    ));
    let mut first = accept(&listener);
    let mut ping = [0; 9];
    first.read_exact(&mut ping).unwrap();
    first.write_all(&ping).unwrap();
    for _ in 1..3 {
        drop(accept(&listener));
    }
    drop(first);
    let finished = load.finish();
    assert_eq!(finished.code, Some(1), "{finished:#?}");
    let json = json(&finished);
    assert_eq!((count(&json["offered"]), count(&json["operations"])), (3, 1), "{json:#}");
    assert_eq!((count(&json["errors"]["lost"]), count(&json["lost_connections"])), (2, 3), "{json:#}");
}

#[test]
fn above_what_a_server_can_do_every_request_is_accounted_for() {
    let server = server();
    let finished = start(&server, "read -c 8 --page 100 --rate 60000 -d 1s --warm-up 100ms").finish();
    finished.expect_success();
    let json = json(&finished);
    assert_eq!(count(&json["offered"]), 60_000);
    assert!(count(&json["missed"]) > 0, "{json:#}");
    assert_eq!(in_series(&json), count(&json["operations"]), "{json:#}");
    let rate = json["operations_per_second"].as_f64().unwrap();
    assert_eq!(rate, count(&json["operations"]) as f64, "a second was measured");
}

#[test]
fn more_than_a_generator_can_send_is_missed_and_the_run_ends_in_time() {
    let server = server();
    let finished = start(&server, "ping -c 2 --rate 1000000000 -d 1s").finish();
    finished.expect_success();
    let json = json(&finished);
    assert_eq!(count(&json["offered"]), 1_000_000_000);
    assert!(count(&json["operations"]) > 0 && count(&json["missed"]) > 900_000_000, "{json:#}");
}

#[test]
fn an_answer_after_the_end_is_late_and_neither_in_the_rate_nor_in_the_bytes() {
    let server = server();
    let mut load = start(&server, "post -c 4 -p 5 --size 50 -d 3s --live");
    measure_a_second(&mut load);
    server.signal(Signal::STOP);
    load.stderr.find("the end", |line| line.trim_start().starts_with("3 s").then_some(()));
    server.signal(Signal::CONT);
    let finished = load.finish();
    finished.expect_success();
    let json = json(&finished);
    // Each answer is followed by the next request, up to the end: then all that may be in flight is.
    assert_eq!(count(&json["late"]) + count(&json["unanswered"]), 20, "{json:#}");
    assert_eq!(json["errors"]["total"], 0);
    assert_eq!(in_series(&json), count(&json["operations"]));
    assert_eq!(count(&json["bytes"]), 50 * count(&json["operations"]));
}

#[test]
fn an_interrupt_keeps_the_results_and_makes_no_errors() {
    let server = server();
    for words in [
        "ping -c 4 -p 100",
        "ping -c 4 --rate 1000",
        "fanout -c 4",
        "transfer -c 2 --size 1MiB --files 1000 --ping-beside 100",
    ] {
        let mut load = start(&server, &format!("{words} -d 1h --live"));
        measure_a_second(&mut load);
        load.signal(Signal::INT);
        let finished = load.finish();
        finished.expect_success();
        let json = json(&finished);
        assert!(count(&json["operations"]) > 0, "{words}: {json:#}");
        assert_eq!((count(&json["errors"]["total"]), count(&json["lost_connections"])), (0, 0), "{words}");
    }
}

#[test]
fn an_interrupt_reaches_every_process_of_a_run() {
    let mut server = server();
    let mut load = start(&server, "post -c 4 --processes 2 -d 1h");
    server.wait_log("posted to load-0");
    load.signal(Signal::INT);
    let finished = load.finish();
    let said = finished.stderr.concat();
    assert!(finished.code == Some(0) || said.contains("interrupted before"), "{finished:#?}");
}

#[test]
fn other_servers_answers_are_accounted_for_alike() {
    for (floor, words) in [
        ("echo", "ping -c 3 -p 4"),
        ("echo", "ping -c 3 --rate 500 --warm-up 100ms"),
        ("fan", "fanout -c 3 --burst 2"),
    ] {
        let mut floor = Process::start(Command::new(env!("CARGO_BIN_EXE_forum-floor")).arg(floor));
        let address = floor
            .stderr
            .find("where it listens", |line| line.strip_prefix("listening on ").map(str::to_owned));
        let words = format!("{words} --protocol echo -d 1h --live");
        let mut load = Process::start(&mut command(&address, &words));
        measure_a_second(&mut load);
        floor.signal(Signal::KILL);
        let finished = load.finish();
        assert_eq!(finished.code, Some(1), "{words}: {finished:#?}");
        let json = json(&finished);
        assert!(count(&json["operations"]) > 0 && count(&json["lost_connections"]) > 0, "{words}");
    }
}
