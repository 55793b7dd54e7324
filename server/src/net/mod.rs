//! The only code that knows the poll, sockets and signals.

pub(crate) mod address;
mod event_loop;
pub mod signals;

pub use event_loop::{EventLoop, Wake, bind};
