//! Rung 3: no answer is lost, and a client that reads none fills no memory.

use std::fs;

use crate::rung::{Client, Rung};

const BEFORE: &str = "rung2_framing";
const RUNG: &str = "rung3_queues";

/// Lines of 8,000 bytes in the book.
const LINES: usize = 100;
/// How often the whole book is asked for: together far more than two kernels hold.
const ASKED: usize = 100;
const ANSWER_BYTES: usize = LINES * 8_001;

/// A rung with a long book, and a client that has asked for it again and again, and has read nothing of it. The server
/// has done what it could.
fn asked_for_much(rung: &str) -> (Rung, Client) {
    let rung = Rung::start(rung);
    let mut client = rung.connect();
    let line = "x".repeat(8_000);
    for number in 1..=LINES {
        client.say(&format!("{line}\n"));
        assert_eq!(client.line(), format!("{number} {line}"));
    }
    client.say(&"all\n".repeat(ASKED));
    rung.barrier();
    (rung, client)
}

#[test]
fn nothing_is_lost_to_a_client_that_reads_late() {
    let (_before, mut client) = asked_for_much(BEFORE);
    client.end();
    let heard = client.rest().expect("a peaceful end").len();
    assert!(heard < ASKED * ANSWER_BYTES, "{heard} bytes were not all");

    let (_rung, mut client) = asked_for_much(RUNG);
    let line = "x".repeat(8_000);
    for _ in 0..ASKED {
        (0..LINES).for_each(|_| assert_eq!(client.line(), line));
        // The barrier added to the book while the later answers were not made yet.
        assert!(client.through(" messages\n").len() < 1_000);
    }
}

#[test]
fn a_client_that_reads_nothing_is_not_read_and_fills_no_memory() {
    let (rung, mut client) = asked_for_much(RUNG);
    let status = fs::read_to_string(format!("/proc/{}/status", rung.process.pid())).expect("it runs");
    let peak_kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix(" kB"));
    let peak_kib: usize = peak_kib.expect("Linux").trim().parse().expect("a number");
    assert!(peak_kib * 1_024 < ASKED * ANSWER_BYTES / 2, "{peak_kib} KiB");
    // It waits for the client, not the other way round.
    assert_eq!(client.bytes(ANSWER_BYTES).iter().filter(|&&byte| byte == b'\n').count(), LINES);
}
