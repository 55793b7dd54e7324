//! The parts of `forum-load`, the load generator.
#![forbid(unsafe_code)]

pub mod floor;
pub mod outcome;
pub mod report;
pub mod threshold;
