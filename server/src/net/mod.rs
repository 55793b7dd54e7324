//! The only code that knows the poll, sockets and signals: connections with their bytes, and the turn that moves bytes
//! between them and the core.

pub(crate) mod address;
pub mod connection;
pub(crate) mod connections;
pub mod cycle;
mod event_loop;
pub mod listener;
pub mod signals;
pub mod turn;

pub use event_loop::{EventLoop, Wake};
pub use listener::bind;
