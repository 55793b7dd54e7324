//! `forum-load` against a real forumd: each scenario does what it says, and counts exactly.
#![forbid(unsafe_code)]

mod support;

use forum_tests::{Process, Server};
use rustix::process::Signal;
use serde_json::Value;
use support::{command, count, json, measured, server, start};

/// Runs it and reads its JSON.
fn run(server: &Server, words: &str) -> Value {
    let finished = start(server, words).finish();
    let json = measured(&finished);
    assert_eq!(json["errors"]["total"], 0, "{words}: {:?}", finished.stderr);
    json
}

#[test]
fn a_search_finds_the_rate_that_a_threshold_holds_up_to() {
    let server = server();
    // What is asked of the rate itself does not depend on how fast this machine is, unless it is far too slow.
    let words = "ping -c 2 --rate 100 --find rate<700 -d 500ms --warm-up 50ms";
    let finished = start(&server, words).finish();
    let json = json(&finished);
    let steps = json["find"]["steps"].as_array().unwrap();
    assert!(steps.len() >= 5 && json["find"]["goal"] == "rate<700", "{json:#}");
    for step in steps.iter().filter(|step| step["result"] == "holds") {
        assert!(step["operations_per_second"].as_f64() < Some(700.0), "{step}");
    }
    if finished.code == Some(0) {
        let highest = json["find"]["highest_per_second"].as_f64().unwrap();
        assert!((600.0..720.0).contains(&highest), "{json:#}");
        assert_eq!(json["options"]["rate"], highest.to_string());
    }
}

#[test]
fn a_threshold_that_no_rate_holds_fails_the_search() {
    let server = server();
    let finished = start(&server, "ping -c 1 --rate 4 --find max<1ns -d 300ms --warm-up 0s").finish();
    assert_eq!(finished.code, Some(1), "{finished:#?}");
    assert!(
        finished.stderr.concat().contains("--find max<1ns: no rate was found that holds"),
        "{finished:#?}"
    );
    let json = json(&finished);
    assert_eq!(json["find"]["highest_per_second"], Value::Null);
}

#[test]
fn a_count_of_operations_is_met_exactly() {
    let server = server();
    for words in [
        "ping -c 3 -p 7 -n 1000",
        "ping -c 3 --rate 20000 -n 1000",
        "ping -c 5 --idle 4 --processes 2 -n 1000",
        "post -c 3 --threads 2 -n 1000 --warm-up 50ms",
        "read -c 3 --page 5 -n 1000",
        "mixed -c 3 --weights ping=1,post=3,read=5,edit=3,delete=3,message=2 -n 1000",
        "chat -c 4 --room-size 2 -n 1000",
        "fanout -c 10 --burst 5 -n 1000",
        "post -c 3 -p 7 --threads 2 --keys -n 1000",
        "mixed -c 3 --weights ping=1,post=3,read=5,edit=3,delete=3,message=2 --keys -n 1000",
        "chat -c 4 --room-size 2 --keys --presence -n 1000",
        "mixed -c 4 --weights ping=1,read=5,edit=3 --processes 2 -n 1000",
        "chat -c 4 --idle 3 --room-size 2 --processes 2 -n 1000",
    ] {
        let json = run(&server, words);
        assert_eq!(json["operations"], 1000, "{words}");
        let kinds = json["kinds"].as_object().unwrap();
        let of_kinds: u64 = kinds.values().map(|kind| count(&kind["operations"])).sum();
        assert_eq!(of_kinds, if kinds.is_empty() { 0 } else { 1_000 }, "{words}: {kinds:?}");
        assert!(json["latency_ns"]["p50"].as_u64() > Some(0), "{words}");
        assert!(json["server"]["cpu_seconds"].as_f64() > Some(0.0), "{words}");
    }
}

#[test]
fn what_was_posted_is_there() {
    let server = server();
    for (posts, keys) in [(10, ""), (20, " --keys"), (30, " --keys")] {
        run(&server, &format!("post -c 2 -n 30 --threads 3 --keep{keys}"));
        let mut reader = server.user("reader");
        for thread in ["load-0", "load-1", "load-2"] {
            assert_eq!(reader.read_thread(thread).len(), posts, "{thread}{keys}");
        }
    }
}

#[test]
fn what_a_run_has_made_is_removed_at_its_end() {
    let mut server = server();
    for words in [
        "post -c 2 -n 30 --threads 3",
        "post -c 2 -n 30 --threads 3 --processes 2",
        "read -c 2 -n 30",
        "mixed -c 2 -n 30",
        "transfer -c 2 --size 1KiB --direction up",
    ] {
        run(&server, words);
        assert_eq!(server.user("reader").titles(), [""; 0], "{words}");
    }
    for (words, sign, signal) in [
        ("post -c 2 -d 1h --user-prefix int", "posted to int-0", Signal::INT),
        ("mixed -c 2 --processes 2 -d 1h --user-prefix mix", "posted to mix-mixed-1", Signal::TERM),
        (
            "transfer -c 1 --size 1KiB --direction up --files 1000 -d 1h --user-prefix up",
            "uploaded to up-files-0",
            Signal::INT,
        ),
    ] {
        let mut load = start(&server, words);
        server.wait_log(sign);
        load.signal(signal);
        let finished = load.finish();
        assert!(
            finished.code == Some(0) || finished.stderr.concat().contains("interrupted before"),
            "{finished:#?}"
        );
        assert_eq!(server.user("reader").titles(), [""; 0], "{words}");
    }
    assert_eq!(server.stored_files(), 0);
}

#[test]
fn connect_counts_log_ins() {
    let server = server();
    let json = run(&server, "connect -c 20 --idle 0 -d 100ms");
    assert_eq!((count(&json["operations"]), count(&json["offered"])), (20, 20));
    assert!(
        json["generator"]["lag_ns"].is_null() && count(&json["generator"]["memory_bytes"]) > 0,
        "{json:#}"
    );
    let json = run(&server, "connect -c 20 --rate 100 -d 0s");
    assert_eq!((count(&json["operations"]), count(&json["offered"])), (20, 20));
    assert!(count(&json["generator"]["lag_ns"]["p99"]) > 0, "what is due can be late: {json:#}");
    assert!(json["generator"]["cpu_seconds"].as_f64() > Some(0.0), "{json:#}");
}

#[test]
fn files_go_up_and_down_and_pings_pass_between_them() {
    let server = server();
    for direction in ["up", "down"] {
        let words = format!("transfer -c 2 --files 2 --size 1MiB --direction {direction} -d 1h");
        let json = run(&server, &words);
        assert_eq!(
            (&json["bytes"], &json["operations"]),
            (&Value::from(4 << 20), &Value::from(4)),
            "{direction}"
        );
    }
    let json = run(&server, "transfer -c 1 --direction none --ping-beside 1000 -n 100");
    assert_eq!((&json["bytes"], &json["operations"]), (&Value::from(0), &Value::from(100)));
    assert_eq!(server.stored_files(), 0);
}

#[test]
fn the_exit_status_tells_usage_failure_and_thresholds_apart() {
    let mut server = server();
    let address = server.address().to_string();
    assert_eq!(start(&server, "read --protocol nats").finish().code, Some(2));
    let passed = start(&server, "ping -n 10 --fail-if max>1ns").finish();
    assert_eq!(passed.code, Some(1));
    assert!(passed.stderr.concat().contains("--fail-if 'max>1ns' allows"), "{passed:?}");
    server.stop();
    let nobody = Process::start(&mut command(&address, "ping -n 10")).finish();
    assert_eq!(nobody.code, Some(1), "{nobody:?}");
}

#[test]
fn a_transfer_ends_at_its_duration_and_gives_up_what_is_on_its_way() {
    let server = server();
    let json = run(&server, "transfer -c 2 --size 1MiB --files 1000 -d 500ms --ping-beside 100");
    assert!(count(&json["offered"]) > 0, "{json:#}");
    let json = run(&server, "transfer -c 2 --size 1MiB --files 1000 -d 1500ms");
    assert_eq!((&json["unanswered"], count(&json["lost_connections"])), (&2.into(), 0), "{json:#}");
    assert!(count(&json["operations"]) < 2_000, "{json:#}");
}

/// What a connection that is only there may take of the generator's own memory.
const IDLE_BYTES_MAX: u64 = 512;

#[test]
fn an_idle_connection_costs_the_generator_at_most_512_bytes() {
    let server = server();
    let memory = |idle: u64| {
        let json = run(&server, &format!("connect -c {idle} -d 0s"));
        assert_eq!(count(&json["operations"]), idle);
        count(&json["generator"]["memory_bytes"])
    };
    let [few, many] = [100, 900].map(memory);
    assert!(many.saturating_sub(few) <= 800 * IDLE_BYTES_MAX, "{few} bytes with 100, {many} with 900");
}
