//! Faults that are known and not mended yet: each test here keeps a promise of the protocol or the documentation
//! that the server breaks today. They are no part of the suite; `tests/known_faults/run` runs them, and expects each
//! of them to fail, by the assertion that begins with the name of its fault. When a fault is mended, its test moves
//! to the suite.
#![forbid(unsafe_code)]

mod endings;

use forum_common::wire::{Closing, OwnedFromServer, OwnedReply};
use forum_tests::{Server, Wire};

/// The option that makes a server an alarm clock: see [`ring`].
const ALARM: [&str; 2] = ["--login-timeout", "5"];
/// When it rings.
const ALARM_SECONDS: u64 = 5;

/// Waits for [`ALARM_SECONDS`]: as long as the server has patience with somebody who does not log in.
fn ring(server: &Server) {
    assert_eq!(server.wire().expect_closing().0, Closing::LoginTimedOut);
}

/// All replies until the server ends the connection, and whether it did that in order.
fn replies_to_the_end(wire: &mut Wire) -> (Vec<OwnedReply>, Result<(), String>) {
    let mut replies = Vec::new();
    loop {
        match wire.next_frame_or_reset() {
            Ok(Some(OwnedFromServer::Reply(_, reply))) => replies.push(reply),
            Ok(Some(_)) => {}
            Ok(None) => return (replies, Ok(())),
            Err(error) => return (replies, Err(error.to_string())),
        }
    }
}
