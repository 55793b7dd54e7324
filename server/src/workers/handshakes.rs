//! TLS handshakes without holding up the loop: a signature and a key exchange take as long as several pings. A
//! connection that shakes hands is sent to a worker with what it has received, and comes back with what it has to say.
//!
//! A connection is here at most once. Of one network few are at work at a time, and the others wait in a line of that
//! network: so a thousand who come from one place do not keep out the one who comes from another.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Arc, Weak};

use rustls::ServerConnection;

use super::pool::{NoWorker, Pool, Wake};
use crate::network::Network;

/// Steps of one network that are at work, or in the workers' queue, at once.
const AT_WORK_MAX: usize = 4;
/// Steps of one network that may wait for that: more than people behind one address need, and some 4 MiB. Past it a
/// connection is closed.
const WAITING_MAX: usize = 512;
/// Steps that may wait, of all networks together and of this machine itself: some 64 MiB.
const WAITING_TOTAL_MAX: usize = 8_192;

/// What was received of a handshake, for a worker.
#[derive(Debug)]
pub struct Step {
    /// How far the handshake is.
    pub connection: Box<ServerConnection>,
    /// What has come.
    pub received: Vec<u8>,
    /// Nobody is interested any more once this is gone.
    pub owner: Weak<()>,
}

/// What came of a [`Step`].
#[derive(Debug)]
pub struct Stepped {
    /// How far the handshake is now; it may have something to send.
    pub connection: Box<ServerConnection>,
    /// Why it can't go on.
    pub result: Result<(), rustls::Error>,
}

/// Too many wait already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMany;

type Job<K> = (K, Network, Step);
type Done<K> = (K, Network, Stepped);

/// The workers, and who waits for them. `K` is whatever the caller wants to see again.
#[derive(Debug)]
pub struct Handshakes<K> {
    pool: Pool<Job<K>, Done<K>>,
    lines: HashMap<Network, Line<K>>,
    waiting: usize,
}

/// The steps of one network.
#[derive(Debug)]
struct Line<K> {
    at_work: usize,
    waiting: VecDeque<(K, Step)>,
}

impl<K: Send + 'static> Handshakes<K> {
    /// Starts `threads` workers.
    ///
    /// # Errors
    /// The operating system refuses a thread.
    pub fn start(threads: usize, wake: &Wake) -> io::Result<Self> {
        let worker = || |(key, network, step)| (key, network, perform(step));
        let pool = Pool::start("handshakes", threads, wake, worker)?;
        Ok(Self { pool, lines: HashMap::new(), waiting: 0 })
    }

    /// Hands a step over; its result comes from [`Self::next_result`] with the same `key`. `limited`: whether the
    /// network's own limit counts.
    ///
    /// # Errors
    /// Too many wait. The connection is dropped.
    pub fn submit(&mut self, key: K, network: Network, limited: bool, step: Step) -> Result<(), TooMany> {
        let line = self.lines.entry(network).or_insert_with(|| Line { at_work: 0, waiting: VecDeque::new() });
        if line.at_work < AT_WORK_MAX {
            line.at_work += 1;
            return self.pool.submit((key, network, step)).map_err(|NoWorker| TooMany);
        }
        if limited && line.waiting.len() >= WAITING_MAX || self.waiting >= WAITING_TOTAL_MAX {
            return Err(TooMany);
        }
        line.waiting.push_back((key, step));
        self.waiting += 1;
        Ok(())
    }

    /// A result, if one is there.
    pub fn next_result(&mut self) -> Option<(K, Stepped)> {
        let (key, network, stepped) = self.pool.next_result()?;
        let Some(line) = self.lines.get_mut(&network) else { return Some((key, stepped)) };
        match line.waiting.pop_front() {
            Some((next, step)) => {
                self.waiting -= 1;
                // No worker that lives can only be seen by those who wait: their time to log in ends.
                let _ = self.pool.submit((next, network, step));
            }
            None if line.at_work == 1 => drop(self.lines.remove(&network)),
            None => line.at_work -= 1,
        }
        Some((key, stepped))
    }
}

/// Takes what was received.
fn perform(step: Step) -> Stepped {
    let Step { mut connection, received, owner } = step;
    if Weak::strong_count(&owner) == 0 {
        return Stepped { connection, result: Ok(()) };
    }
    let mut rest = &received[..];
    let mut result = Ok(());
    while !rest.is_empty() && result.is_ok() {
        result = match connection.read_tls(&mut rest) {
            Ok(_) => connection.process_new_packets().map(drop),
            Err(error) => Err(rustls::Error::General(error.to_string())),
        };
    }
    Stepped { connection, result }
}

/// Who a step belongs to: its connection holds this, and the step a [`Weak`] of it.
pub type Owner = Arc<()>;

#[cfg(test)]
mod tests;
