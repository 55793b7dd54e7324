//! The floor of telling everybody: each frame goes to all connections but the one it came from.
//!
//! All that comes in one turn leaves with one write to each receiver.

use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::ops::Range;

use super::event_loop::{Peers, Service, run};
use super::frames::whole_frames;

/// Passes what each client says on to all others.
///
/// # Errors
/// The listener or epoll fails.
pub fn serve(listener: TcpListener) -> io::Result<Infallible> {
    run(listener, Fan::default())
}

#[derive(Default)]
struct Fan {
    /// The turn's frames.
    bytes: Vec<u8>,
    /// Who said which of them.
    said: Vec<(usize, Range<usize>)>,
    /// What a speaker hears, which is all but its own.
    others: Vec<u8>,
}

impl Service for Fan {
    fn take(&mut self, from: usize, bytes: &[u8], _peers: &mut Peers) -> Option<usize> {
        let taken = whole_frames(bytes, |_| {})?;
        if taken > 0 {
            let start = self.bytes.len();
            self.bytes.extend_from_slice(&bytes[..taken]);
            self.said.push((from, start..self.bytes.len()));
        }
        Some(taken)
    }

    fn end_turn(&mut self, peers: &mut Peers) -> io::Result<()> {
        if self.bytes.is_empty() {
            return Ok(());
        }
        for key in peers.slots() {
            match self.said.iter().any(|(speaker, _)| *speaker == key) {
                false => peers.send(key, &self.bytes),
                true => {
                    self.others.clear();
                    for (_, range) in self.said.iter().filter(|(speaker, _)| *speaker != key) {
                        self.others.extend_from_slice(&self.bytes[range.clone()]);
                    }
                    peers.send(key, &self.others);
                }
            }
        }
        self.bytes.clear();
        self.said.clear();
        Ok(())
    }
}
