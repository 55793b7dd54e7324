//! Other users, reached past the server: private conversations over TCP, files over UDP. And files on their way, to and
//! from the server as well as other users.
//!
//! The server introduces two clients to each other once both users have agreed. [`Peers`] takes in what the server
//! says about that and what this user answers, and has the sockets; `private` is the conversations, `files` the
//! files on their way, with `transport` under them. [`transfer`] is the files that go to the server or come from it. What
//! arrives either way is one thing on this machine: [`folder`] has its hidden name, what can be resumed of it, and how it
//! gets its own. When two clients can't reach each other, the server passes on what they say; nothing but the way of it
//! changes.
//!
//! Nothing here waits or prints, and nothing here speaks to the server: what is to be said and shown comes out as
//! [`Report`]s. The owner polls [`Peers::poll_fds`] until [`Peers::due`], then calls [`Peers::on_ready`].
#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::print_stdout, clippy::print_stderr))]

mod context;
pub mod dial;
pub mod digest;
mod files;
pub mod folder;
mod links;
pub mod local_files;
pub mod noise;
pub mod original;
pub mod paths;
mod peers;
mod private;
pub mod progress;
pub mod transfer;
pub mod transport;
pub mod wording;

pub use context::{Context, Report};
pub use folder::Folder;
pub use peers::{Accept, Peers, State};

use std::io;

/// Why something goes through the server, for people.
const NO_DIRECT_WAY: &str = "no direct connection could be made";

/// Whether a socket only had nothing to say, or took nothing, at this moment.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock)
}
