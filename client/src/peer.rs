//! Other users, reached past the server: private sessions over TCP, files over UDP.
//!
//! The server introduces two clients to each other once both users have agreed ([`links`] is what it says
//! about that, and who does what then). [`private`] has the sessions, [`files`] the files on their way, with
//! [`udp`] as their transport and [`folder`] as the place where they are kept. When two clients can't reach
//! each other, the server passes on what they say; nothing but the way of it changes.

pub mod digest;
pub mod files;
pub mod folder;
pub mod links;
pub mod private;
pub mod udp;

use std::time::Instant;

use crate::connection::Server;
use crate::output::Output;

/// Why something goes through the server, for people.
const NO_DIRECT_WAY: &str = "no direct connection could be made";

/// What there is at hand to act with: the time of this turn, the server, and what is printed.
#[derive(Debug)]
pub struct Desk<'a> {
    /// When this turn of the loop began.
    pub now: Instant,
    /// To the server. While there is no connection, what is said to it goes nowhere.
    pub server: &'a mut Server,
    /// To the user.
    pub output: &'a mut Output,
}
