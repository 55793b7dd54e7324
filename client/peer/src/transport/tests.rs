//! Whole transfers: over a simulated network in virtual time, which replays exactly from its seed, and over
//! real sockets.

mod content;
mod endings;
mod network;
mod page;
mod pair;
mod paths;
mod sockets;
mod storm;
mod strangers;
mod windows;
