//! Times as the server shows them, worked out by `date` and not by the server's own code.

use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// Whole seconds since 1970.
pub fn now_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is right").as_secs()
}

/// That moment as people in `zone` write it: `1 Jun 2022 16:01:20`.
pub fn shown(seconds: u64, zone: &str) -> String {
    date(&format!("@{seconds}"), zone, "+%-d %b %Y %H:%M:%S")
}

/// Every moment from `seconds` until now, as people in `zone` write it.
pub fn shown_since(seconds: u64, zone: &str) -> Vec<String> {
    (seconds..=now_seconds()).map(|second| shown(second, zone)).collect()
}

/// The moment that people in `zone` write like this, in seconds since 1970.
pub fn seconds_of(moment: &str, zone: &str) -> u64 {
    date(moment, zone, "+%s").parse().expect("a number of seconds")
}

fn date(moment: &str, zone: &str, format: &str) -> String {
    let output = Command::new("date")
        .args(["-d", moment, format])
        .env("TZ", zone)
        .env("LC_ALL", "C")
        .output()
        .expect("there is a `date`");
    assert!(output.status.success(), "date says {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("ASCII").trim_end().to_owned()
}
