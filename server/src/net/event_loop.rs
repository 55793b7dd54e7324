//! The event loop: waits, accepts, tells the server who is ready, and gives it its turn. It knows sockets
//! and signals, and nothing of what is said over them.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use log::{error, info};
use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use signal_hook_mio::v1_0::Signals;
use socket2::Socket;

use super::cycle::Cycle;
use super::listener;
use super::signals::{self, Meaning};
use crate::clock::Clock;
use crate::journal::Journal;
use crate::net::connection::PeerEnd;
use crate::net::turn::Server;
use crate::session::ConnectionId;
use crate::workers::logging::Reopener;

const LISTENER: Token = Token(usize::MAX);
const WAKER: Token = Token(usize::MAX - 1);
const SIGNALS: Token = Token(usize::MAX - 2);

/// Events taken from the kernel at once.
const EVENTS_MAX: usize = 1_024;

/// Wakes the loop from another thread. Whatever it is to find must be there before.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// The poll and everything registered with it but the connections.
pub struct EventLoop {
    poll: Poll,
    cycle: Cycle<TcpListener>,
    signals: Signals,
    log: Reopener,
    /// Somebody has woken the loop since it last looked at what its helpers have done: nobody else needs to.
    woken: Arc<AtomicBool>,
}

impl EventLoop {
    /// A loop that listens to nobody yet, and what wakes it. It hears these signals and those that end it, and
    /// opens the log file anew when one says so.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn new(mut signals: Signals, log: Reopener) -> io::Result<(Self, Wake)> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        signals::take_ending(&signals)?;
        poll.registry().register(&mut signals, SIGNALS, Interest::READABLE)?;
        let event_loop = Self { poll, cycle: Cycle::default(), signals, log, woken: Arc::default() };
        let woken = Arc::clone(&event_loop.woken);
        // A wake-up that fails would leave results lying; there is nothing better than saying so.
        let wake = move || {
            if !woken.swap(true, Ordering::SeqCst)
                && let Err(error) = waker.wake()
            {
                error!("the event loop can't be woken: {error}");
            }
        };
        Ok((event_loop, Arc::new(wake)))
    }

    /// Opens the door of a bound socket; says which address it is.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn listen(&mut self, socket: Socket) -> io::Result<SocketAddr> {
        let (listener, address) = listener::listen(socket, self.poll.registry(), LISTENER)?;
        self.cycle.listener.open(listener);
        Ok(address)
    }

    /// Serves until the server has ended.
    ///
    /// # Errors
    /// The poll itself fails, which nothing can mend.
    pub fn run<J: Journal, C: Clock>(&mut self, server: &mut Server<TcpStream, J, C>) -> io::Result<()> {
        self.run_until(server, Server::has_ended)
    }

    /// Serves until nothing is in flight: before there is a listener, until all that was imported is durable.
    ///
    /// # Errors
    /// The poll itself fails, which nothing can mend.
    pub fn settle<J: Journal, C: Clock>(&mut self, server: &mut Server<TcpStream, J, C>) -> io::Result<()> {
        self.run_until(server, |server| server.is_settled() || server.has_ended())
    }

    fn run_until<J: Journal, C: Clock>(
        &mut self,
        server: &mut Server<TcpStream, J, C>,
        over: impl Fn(&Server<TcpStream, J, C>) -> bool,
    ) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        self.cycle.resume();
        while !over(server) {
            let quiet = self.wait(&mut events, server)?;
            // First this, then the turn: what is done behind the look at it wakes the loop again.
            self.woken.store(false, Ordering::SeqCst);
            for event in &events {
                self.dispatch(event, server);
            }
            let (cycle, registry) = (&mut self.cycle, self.poll.registry());
            cycle.turn(server, quiet, |stream, id| {
                registry.register(stream, token_of(id), Interest::READABLE | Interest::WRITABLE)
            });
        }
        Ok(())
    }

    /// Waits for the kernel; says whether it had nothing.
    fn wait<J: Journal, C: Clock>(
        &mut self,
        events: &mut Events,
        server: &Server<TcpStream, J, C>,
    ) -> io::Result<bool> {
        match self.poll.poll(events, self.cycle.may_wait(server)) {
            Ok(()) => Ok(events.is_empty()),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn dispatch<J: Journal, C: Clock>(&mut self, event: &Event, server: &mut Server<TcpStream, J, C>) {
        match event.token() {
            LISTENER => self.cycle.listener.mark_ready(),
            // What it has to say, the server finds in its turn.
            WAKER => {}
            SIGNALS => self.take_signals(server),
            token => {
                let id = peer_of(token);
                let peer_end = match (event.is_error(), event.is_read_closed()) {
                    (true, _) => PeerEnd::Died,
                    (false, true) => PeerEnd::Finished,
                    (false, false) => PeerEnd::Open,
                };
                if event.is_readable() || peer_end != PeerEnd::Open {
                    server.readable(id, peer_end);
                }
                if event.is_writable() {
                    server.writable(id);
                }
            }
        }
    }

    fn take_signals<J: Journal, C: Clock>(&mut self, server: &mut Server<TcpStream, J, C>) {
        for signal in self.signals.pending() {
            let name = signal_hook::low_level::signal_name(signal).unwrap_or("unknown");
            match signals::meaning(signal) {
                Meaning::End => {
                    info!("signal {name}: ending");
                    server.shut_down();
                }
                Meaning::Reload => {
                    self.log.reopen();
                    server.reload();
                }
                Meaning::Nothing => info!("signal {name}: it has no meaning here"),
            }
        }
    }
}

/// A token carries slot and generation, so that events for the dead find nobody.
fn token_of(id: ConnectionId) -> Token {
    Token(id.slot as usize | (id.generation as usize) << 32)
}

fn peer_of(token: Token) -> ConnectionId {
    ConnectionId { slot: token.0 as u32, generation: (token.0 >> 32) as u32 }
}

// Slot and generation share one token; and no slot is so large that a token looks like those above.
const _: () = assert!(usize::BITS == 64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_keep_slot_and_generation() {
        for (slot, generation) in [(0, 0), (19_999, 1), (7, u32::MAX)] {
            let id = ConnectionId { slot, generation };
            assert_eq!(peer_of(token_of(id)), id);
            assert!(![LISTENER, WAKER, SIGNALS].contains(&token_of(id)));
        }
    }
}
