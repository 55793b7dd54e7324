//! The parts of `forum-load`, the load generator.
#![forbid(unsafe_code)]

pub mod outcome;
pub mod report;
pub mod threshold;
