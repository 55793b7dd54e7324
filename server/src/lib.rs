//! forumd: a forum server on one event loop. Everything it does is reachable from here; `main.rs` only
//! reads the command line and says how it ended.
//!
//! Read in this order: [`net`] (the loop, sockets and the turn), [`session`] (what one connection is),
//! `commands` and `core` (what is asked, and what becomes of it), [`forum`] (what is remembered), [`journal`] (how it
//! is kept).
#![forbid(unsafe_code)]

pub mod admin;
mod advice;
pub mod args;
pub mod clock;
mod commands;
pub mod console;
mod core;
pub mod credentials;
pub mod descriptors;
pub mod directory;
pub mod failed;
pub mod forum;
pub mod inbox;
mod interrupts;
pub mod journal;
pub mod net;
pub mod network;
pub mod planted;
pub mod random;
pub mod replay;
pub mod session;
pub mod startup;
pub mod store;
pub mod tls;
pub mod workers;

/// How long a test waits for another thread: far more than a loaded machine needs.
#[cfg(test)]
const TEST_DEADLINE: std::time::Duration = std::time::Duration::from_secs(60);
