//! A deterministic simulator of the whole server. One seed drives everything: a virtual clock, a virtual network, a
//! virtual disk and scripted clients, around the real loop, sessions, core, commands and forum. What clients are told,
//! and what the log has after each crash, is held against a reference.
//!
//! The same seed plays the same life, event by event: [`run`] gives a hash of it. Read `world` first.
#![forbid(unsafe_code)]

mod client;
mod clock;
mod kernel;
mod machine;
mod model;
mod oracle;
mod plan;
mod rng;
mod runs;
mod stage;
mod trace;
mod world;

pub use plan::Limits;
pub use runs::{Run, run, shrink};
pub use world::Figures;
