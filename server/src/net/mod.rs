//! The only code that knows the poll, sockets and signals.

pub(crate) mod address;
mod event_loop;
mod listener;
pub mod signals;

pub use event_loop::{EventLoop, Wake};
pub use listener::bind;
