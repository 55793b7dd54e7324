//! The harness of the end-to-end tests: the real `forumd` and the real `forum`, each in its own process and
//! directory, and a client made of nothing but the protocol.
//!
//! Nothing here sleeps. Every wait ends with what it waits for, or with a panic that says what was seen
//! instead, after [`DEADLINE`]. That something is *not* told is never concluded from silence, but from what must
//! come after it on the same connection: a pong ([`Wire::ping`] and what is built on it), or the answer to a
//! command ([`Client::hears_nothing_else`]). Nothing here knows how the programs work inside.
#![forbid(unsafe_code)]

mod binaries;
mod client;
mod directory;
mod disk;
mod examples;
mod gate;
mod lossy;
mod nat;
pub mod notice;
pub mod outcome;
mod process;
mod pty;
mod server;
mod sockets;
mod terminal;
mod times;
pub mod tls;
mod volume;
mod wire;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use client::{Client, Forum};
pub use directory::files_below;
pub use disk::{Disk, Sync, killed_at_change, with_clock_ahead};
pub use examples::example;
pub use gate::Gate;
pub use lossy::{Counts, Lossy, Side, Weather};
pub use nat::Nat;
pub use process::{Finished, Process};
pub use pty::{Pty, Screen};
pub use server::{ADMIN_PASSWORD, Forumd, Server};
pub use sockets::{accept, closed_port, free_port, raise_descriptor_limit};
pub use terminal::Terminal;
pub use times::{now_seconds, seconds_of, shown, shown_since};
pub use volume::Volume;
pub use wire::Wire;
pub use wire::users::{hello, read};

/// How long a test waits for anything: far more than a loaded machine needs, far less than a human's
/// patience with a test that hangs.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// The shortest time limit, in seconds, that a test sets for somebody who is to stay within it: a loaded machine
/// holds a process up for a second now and then, but not for this long.
pub const SAFE_TIMEOUT_SECONDS: u64 = 5;

/// The password of every user that the harness signs up.
pub const PASSWORD: &str = "jedi knight";

/// The directory of the whole workspace.
///
/// # Panics
/// This package lies nowhere.
#[must_use]
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the workspace").to_owned()
}

/// A source without the module of tests at its end.
#[must_use]
pub fn without_tests(source: &str) -> &str {
    source.split_once("#[cfg(test)]\nmod tests {").map_or(source, |(code, _)| code)
}

/// Asks `condition` again and again until it has something to say.
///
/// It is for what announces itself by no event, like a file that is to vanish; `condition` should do a round
/// trip to the server, which takes the place of a pause.
///
/// # Panics
/// After [`DEADLINE`]: `what` was waited for in vain.
pub fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(start.elapsed() < DEADLINE, "waited in vain for: {what}");
    }
}
