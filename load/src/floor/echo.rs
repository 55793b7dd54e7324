//! The floor of a request that changes nothing: whatever bytes come go back, one read and one write.

use std::convert::Infallible;
use std::io;
use std::net::TcpListener;

use super::event_loop::{Peers, Service, run};

/// Sends back to each client what it says.
///
/// # Errors
/// The listener or epoll fails.
pub fn serve(listener: TcpListener) -> io::Result<Infallible> {
    run(listener, Echo)
}

struct Echo;

impl Service for Echo {
    fn take(&mut self, from: usize, bytes: &[u8], peers: &mut Peers) -> Option<usize> {
        peers.send(from, bytes);
        Some(bytes.len())
    }
}
