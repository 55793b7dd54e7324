//! The least that a server can do: what any other is measured against.
//!
//! A time says as much about the machine as about the program. So a server's is given as a ratio, to that of a
//! program which does nothing but what can't be left out: wait, read, write, and sync where the answer promises
//! it. One thread, raw epoll, no users, no state, no limits that a stranger would need. Nobody should run one of
//! these where strangers are.

pub mod echo;
mod event_loop;
pub mod fan;
pub mod files;
mod frames;
pub mod log;

use std::io;
use std::net::{SocketAddr, TcpListener};

use rustix::net::listen;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Connections that may wait to be accepted. Thousands come at once here.
const BACKLOG: i32 = 16_384;

/// Listens on `address`, and lets the process have as many descriptors as the system allows it.
///
/// # Errors
/// The address can't be had.
pub fn listener(address: SocketAddr) -> io::Result<TcpListener> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    let listener = TcpListener::bind(address)?;
    // The standard library's own backlog is 4,096; to listen again changes it.
    listen(&listener, BACKLOG)?;
    Ok(listener)
}
