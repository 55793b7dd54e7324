//! Each request that was offered meets exactly one fate, and the rate counts what ended in the measured time:
//! when the server stalls, dies or is too slow, when the generator itself is held up, and when it is
//! interrupted. What is checked are counts, so a busy machine changes nothing.
#![forbid(unsafe_code)]

#[path = "../support/mod.rs"]
mod support;

mod overload;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::thread;

use forum_tests::{Finished, Process, Server, accept};
use rustix::process::Signal;
use serde_json::Value;
use support::{command, count, json, measured, server, start};

/// Waits until the run has measured so many seconds.
fn measure(load: &mut Process, seconds: u32) {
    let start = format!("{seconds} s ");
    load.stderr
        .find(&start, |line| (line.contains(" /s ") && line.trim_start().starts_with(&start)).then_some(()));
}

/// Lets some time go by, as another run counts it.
fn let_pass(time: &str) {
    let server = server();
    let finished = start(&server, &format!("ping -c 1 --rate 10 -d {time}")).finish();
    measured(&finished);
}

/// Operations in the seconds of a run, all together.
fn in_series(json: &Value) -> u64 {
    json["series"].as_array().unwrap().iter().map(|second| count(&second["operations"])).sum()
}

/// A latency in nanoseconds.
fn latency(json: &Value, name: &str) -> u64 {
    count(&json["latency_ns"][name])
}

/// Runs of 6 s at 500 requests a second, of which one is disturbed after the first second, one after the third, and one
/// after the fifth, so that its end is.
fn disturbed(disturb: impl Fn(&Server, &Process) + Sync, judge: impl Fn(&Finished, &Value) + Sync) {
    thread::scope(|scope| {
        for second in [1, 3, 5] {
            let (disturb, judge) = (&disturb, &judge);
            scope.spawn(move || {
                let server = server();
                let mut load = start(&server, "ping -c 2 --rate 500 -d 6s --live");
                measure(&mut load, second);
                disturb(&server, &load);
                let finished = load.finish();
                let json = json(&finished);
                assert_eq!(count(&json["offered"]), 3_000, "after {second} s: {json:#}");
                assert_eq!(in_series(&json), count(&json["operations"]), "after {second} s: {json:#}");
                assert_eq!(json["seconds"], 6.0, "the measured time is that which was asked for");
                judge(&finished, &json);
            });
        }
    });
}

#[test]
fn a_stall_of_the_server_is_in_the_latencies_wherever_it_is_and_fails_no_run() {
    let stall = |server: &Server, _: &Process| {
        server.signal(Signal::STOP);
        let_pass("1200ms");
        server.signal(Signal::CONT);
    };
    disturbed(stall, |finished, json| {
        finished.expect_success();
        // A fifth of all was due in the stall, and waited for 0.6 s on average.
        assert!(latency(json, "p90") >= 500_000_000, "{json:#}");
        assert!(latency(json, "max") >= 1_000_000_000, "{json:#}");
        assert_eq!(
            (&json["valid"], &json["missed"], &json["errors"]["total"]),
            (&true.into(), &0.into(), &0.into())
        );
    });
}

#[test]
fn a_stall_of_the_generator_is_in_the_latencies_wherever_it_is_and_makes_the_run_invalid() {
    let stall = |_: &Server, load: &Process| {
        load.signal(Signal::STOP);
        let_pass("1200ms");
        load.signal(Signal::CONT);
    };
    disturbed(stall, |finished, json| {
        assert_eq!(finished.code, Some(3), "{finished:#?}");
        assert!(finished.stderr.concat().contains("invalid: requests left up to"), "{finished:#?}");
        assert_eq!(json["valid"], false);
        assert!(count(&json["generator"]["lag_ns"]["p99"]) >= 500_000_000, "{json:#}");
        // What could not be sent before the end has waited until then at least.
        assert!(latency(json, "p90") >= 300_000_000, "{json:#}");
    });
}

#[test]
fn a_server_that_stops_for_good_does_not_improve_its_latencies() {
    let server = server();
    let mut load = start(&server, "ping -c 2 --rate 500 -d 3s --live");
    measure(&mut load, 1);
    server.signal(Signal::STOP);
    let finished = load.finish();
    server.signal(Signal::CONT);
    finished.expect_success();
    let json = json(&finished);
    assert!(count(&json["unanswered"]) >= 500, "{json:#}");
    // Two thirds have waited until two seconds after the end.
    assert!(latency(&json, "p50") >= 2_000_000_000, "{json:#}");
    assert!(json["exact_below_ns"].as_f64().unwrap() <= latency(&json, "p50") as f64, "{json:#}");
}

#[test]
fn what_is_not_answered_in_time_is_an_error_and_what_comes_after_it_is_measured() {
    let server = server();
    let mut load = start(&server, "ping -c 2 --rate 200 -d 4s --timeout 300ms --live");
    measure(&mut load, 1);
    server.signal(Signal::STOP);
    let_pass("1s");
    server.signal(Signal::CONT);
    let finished = load.finish();
    assert!(matches!(finished.code, Some(1 | 3)), "{finished:#?}");
    let json = json(&finished);
    assert_eq!((count(&json["offered"]), &json["lost_connections"]), (800, &0.into()));
    assert!(count(&json["errors"]["timed_out"]) >= 100, "{json:#}");
    assert_eq!(json["errors"]["timed_out"], json["errors"]["total"], "{json:#}");
    assert!(count(&json["series"][3]["operations"]) > 0, "{json:#}");
}

/// The server is killed while it is asked. Returns the JSON of the run.
fn kill_the_server(mut server: Server, words: &str) -> Value {
    let mut load = start(&server, words);
    measure(&mut load, 1);
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
        assert_eq!(
            json["errors"],
            serde_json::json!({"total": in_flight, "refused": 0, "lost": in_flight, "timed_out": 0})
        );
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
        let_pass("1s");
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
fn stages_offer_what_lies_below_their_ramps_in_each_process_and_last_as_long_as_they_do() {
    let server = server();
    for words in ["ping -c 2", "post -c 4 --processes 2", "fanout -c 2 --burst 1"] {
        let finished = start(&server, &format!("{words} --stages 1s:200,0s:400,500ms:400,500ms:0")).finish();
        let json = measured(&finished);
        let deliveries = if words.starts_with("fanout") { 2 } else { 1 };
        // 100 + 200 + 100; each process rounds its own part up.
        let offered = count(&json["offered"]) / deliveries;
        assert!((400..=402).contains(&offered), "{words}: {json:#}");
        assert_eq!(json["seconds"], 2.0, "{words}");
        assert_eq!(json["options"]["stages"], "1s:200,0s:400,0.5s:400,0.5s:0", "{words}");
    }
}

#[test]
fn between_requests_the_generator_sleeps() {
    let server = server();
    let json = measured(&start(&server, "ping -c 2 --rate 200 -d 2s").finish());
    assert_eq!(count(&json["operations"]) + count(&json["late"]), 400, "{json:#}");
    assert!(json["generator"]["cpu_seconds"].as_f64() < Some(0.5), "{json:#}");
}

#[test]
fn a_lost_connection_is_made_again_and_counted() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut load = Process::start(&mut command(&address, "ping -c 1 -n 30 --protocol echo"));
    // The first ping of a connection is its greeting. The fifth of the first one is lost.
    let serve = |answers| {
        let (mut connection, mut ping) = (accept(&listener), [0; 9]);
        for _ in 0..answers {
            connection.read_exact(&mut ping).unwrap();
            connection.write_all(&ping).unwrap();
        }
        connection
    };
    serve(5).read_exact(&mut [0; 9]).unwrap();
    let _second = serve(26);
    let finished = load.finish();
    assert_eq!(finished.code, Some(1), "{finished:#?}");
    assert!(finished.stderr.concat().contains("requests failed: 1 lost"), "{finished:#?}");
    let json = json(&finished);
    assert_eq!((count(&json["operations"]), count(&json["errors"]["lost"])), (29, 1), "{json:#}");
    assert_eq!((count(&json["lost_connections"]), count(&json["remade_connections"])), (1, 1), "{json:#}");
}

#[test]
fn an_answer_after_the_end_is_late_and_neither_in_the_rate_nor_in_the_bytes() {
    let server = server();
    let mut load = start(&server, "post -c 4 -p 5 --size 50 -d 3s --live");
    measure(&mut load, 1);
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
        measure(&mut load, 1);
        load.signal(Signal::INT);
        let json = measured(&load.finish());
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
        measure(&mut load, 1);
        floor.signal(Signal::KILL);
        let finished = load.finish();
        assert_eq!(finished.code, Some(1), "{words}: {finished:#?}");
        let json = json(&finished);
        assert!(count(&json["operations"]) > 0 && count(&json["lost_connections"]) > 0, "{words}");
    }
}
