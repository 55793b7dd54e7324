//! The ladder of `docs/LADDER.md`: each rung keeps a promise that the rung before it breaks, and both are shown here, so
//! that the page claims nothing that isn't so.
#![forbid(unsafe_code)]

mod client;
mod closing;
mod forum;
mod framing;
mod log;
mod queues;
mod rung;
mod shown;

use std::fs;

/// What a student reads in five minutes.
const RUNG_LINES_MAX: usize = 150;
/// The same, for the last rung and for the minimal client: an evening, and half of one.
const FORUM_LINES_MAX: usize = 690;
const CLIENT_LINES_MAX: usize = 250;
const PAGE_LINES_MAX: usize = 200;

#[test]
fn every_rung_and_the_page_are_as_short_as_they_say() {
    let root = forum_tests::workspace();
    for (path, most) in [
        ("server/examples/rung1_echo.rs", RUNG_LINES_MAX),
        ("server/examples/rung2_framing.rs", RUNG_LINES_MAX),
        ("server/examples/rung3_queues.rs", RUNG_LINES_MAX),
        ("server/examples/rung4_closing.rs", RUNG_LINES_MAX),
        ("server/examples/rung5_log.rs", RUNG_LINES_MAX),
        ("server/examples/rung6_forum.rs", FORUM_LINES_MAX),
        ("client/examples/minimal.rs", CLIENT_LINES_MAX),
        ("docs/LADDER.md", PAGE_LINES_MAX),
    ] {
        let lines = fs::read_to_string(root.join(path)).unwrap().lines().count();
        assert!(lines <= most, "{path} has {lines} lines");
    }
}
