//! The terminal client of forumd: one `poll` over standard input, signals and the server's socket.
//!
//! ```text
//!  keys, lines ─► input ─► session ─► commands, login ─► Server ─► connection ─► socket
//!  terminal, pipe ◄─ output ◄─┘  ▲────── events ◄──────────────────────┘
//! ```
//!
//! [`session`] is the loop and the only module that waits. [`clock`], [`wording`], [`memory`], [`keys`],
//! [`lines`], [`editor`], [`layout`] and [`login`] are pure; [`commands`] and [`transfer`] know what is said and local
//! files but no socket. Words and texts are those of `forum_common::text`, the protocol is `forum_common::wire`.
//! [`peer`] is the way to other users past the server, with a socket of its own.
#![forbid(unsafe_code)]
// They panic where a stream takes nothing.
#![cfg_attr(not(test), warn(clippy::print_stdout, clippy::print_stderr))]

pub mod asked;
pub mod clock;
pub mod commands;
pub mod completion;
pub mod connection;
pub mod editor;
pub mod history;
pub mod input;
pub mod keys;
pub mod layout;
pub mod lines;
pub mod login;
pub mod lookup;
pub mod memory;
pub mod names;
pub mod original;
pub mod output;
pub mod peer;
pub mod progress;
pub mod reconnect;
pub mod session;
pub mod signals;
pub mod terminal;
pub mod transfer;
pub mod wording;
