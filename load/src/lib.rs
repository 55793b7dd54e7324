//! The parts of `forum-load`, the load generator.
#![forbid(unsafe_code)]
// They panic when nobody reads: see `output`.
#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod args;
pub mod compare;
pub mod connection;
pub mod dialect;
pub mod engine;
pub mod find;
pub mod floor;
pub mod keys;
pub mod kinds;
pub mod live;
pub mod meter;
pub mod mixed;
pub mod outcome;
pub mod output;
pub mod pacing;
pub mod processes;
pub mod quantity;
pub mod report;
pub mod run;
pub mod search;
pub mod server_use;
pub mod server_watch;
pub mod setting;
pub mod sources;
pub mod stages;
pub mod target;
pub mod threshold;
pub mod transfer;
pub mod verdict;
pub mod work;
