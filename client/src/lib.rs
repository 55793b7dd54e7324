//! The terminal client of forumd: a pure [`core`], and one poll around it.
//!
//! ```text
//!                 stdin, server, other users, signals, time
//!                                  │
//!   event_loop ──Event──► Core: line_editor ─► login, commands, files ─► Server (wire, without I/O)
//!        ▲                  │
//!        └──────Action──────┴─► bytes for the server, bytes for the screen
//! ```
//!
//! [`event_loop`] is the only module that waits and the only one that asks what time it is. Beside it only
//! [`dialing`], [`security`], [`known_servers`], [`signals`], [`line_editor::terminal`] and
//! [`line_editor::history_file`] touch the system. Words and texts are those of `forum_common::text`, the protocol is
//! `forum_common::wire`; `forum_peer` has files on their way, and the way to other users past the server.
#![forbid(unsafe_code)]
// They panic where a stream takes nothing.
#![cfg_attr(not(test), warn(clippy::print_stdout, clippy::print_stderr))]

pub mod asked;
pub mod commands;
pub mod completion;
pub mod core;
pub mod dialing;
pub mod event_loop;
pub mod known_servers;
pub mod line_editor;
pub mod login;
pub mod lookup;
pub mod memory;
pub mod names;
pub mod output;
pub mod reconnect;
pub mod security;
pub mod signals;
mod state_file;
