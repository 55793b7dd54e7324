//! The way in: a listening socket, and what it does when the descriptors run out.
//!
//! Edge-triggered, so it has to be asked until it has nobody left. Out of descriptors it would not speak up again though
//! newcomers wait: so the next try is made as soon as a connection is closed, and on a timer besides, since descriptors
//! come free elsewhere too.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use forum_common::wire::{Closing, NO_TAG, Notice};
use log::warn;
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};

use super::connection::Stream;
use crate::planted::{Bug, planted};

/// Connections that may wait to be accepted; the kernel may allow fewer.
const BACKLOG: i32 = 4_096;
/// How long no connection is accepted after the descriptors ran out, unless one is closed before.
const PAUSE: Duration = Duration::from_millis(200);

/// How long sent bytes may stay unacknowledged: so a peer that vanished is noticed 65 s after something was sent to it,
/// and 90 s after it fell silent, when it was probed (see [`crate::core::probes`]).
const USER_TIMEOUT: Duration = Duration::from_secs(65);
/// How much longer than the stall time-out that is at least. The user time-out counts the time in which a live peer's
/// window is closed as well, and resets without a word: so our own limit has to come first, with its last word.
const USER_TIMEOUT_MARGIN: Duration = Duration::from_secs(5);

/// Binds the address that will be listened on, without letting anybody in yet. Connections inherit the
/// options of their listener, so they are set here once instead of at every accept.
///
/// `stall_timeout`: after which the server ends a connection whose output stands still.
///
/// # Errors
/// The port is taken, or the address is none of this machine's.
pub fn bind(address: SocketAddr, stall_timeout: Duration) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT.max(stall_timeout + USER_TIMEOUT_MARGIN)))?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Where newcomers come from: a listening socket, or a simulation's.
pub trait Door {
    /// A newcomer.
    type Stream: Stream;
    /// What takes up a descriptor and is good for nothing else.
    type Reserve;

    /// The next newcomer.
    ///
    /// # Errors
    /// Those of accept; `WouldBlock` if nobody waits.
    fn accept(&mut self) -> io::Result<(Self::Stream, SocketAddr)>;

    /// None when there is no descriptor for it.
    fn reserve(&mut self) -> Option<Self::Reserve>;
}

impl Door for TcpListener {
    type Stream = TcpStream;
    type Reserve = File;

    fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        Self::accept(self)
    }

    fn reserve(&mut self) -> Option<File> {
        File::open("/dev/null").ok()
    }
}

/// Listens on a bound socket from now on; says which address it is.
///
/// # Errors
/// Those of the operating system.
pub(super) fn listen(
    socket: Socket,
    registry: &Registry,
    token: Token,
) -> io::Result<(TcpListener, SocketAddr)> {
    socket.listen(BACKLOG)?;
    let mut listener = TcpListener::from_std(socket.into());
    registry.register(&mut listener, token, Interest::READABLE)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Who is let in by a door, once it is open.
pub struct Listener<D: Door> {
    door: Option<D>,
    /// More may wait to be accepted.
    is_ready: bool,
    pause: Option<Pause>,
    /// A descriptor that is given up to accept one connection more and say why it can't stay.
    reserve: Option<D::Reserve>,
}

/// The descriptors ran out: nobody is accepted until one of so many connections is closed, or for some time.
#[derive(Debug, Clone, Copy)]
struct Pause {
    until: Instant,
    connections: usize,
}

impl<D: Door> Default for Listener<D> {
    /// One that listens to nobody yet.
    fn default() -> Self {
        Self { door: None, is_ready: true, pause: None, reserve: None }
    }
}

impl<D: Door> Listener<D> {
    /// Lets newcomers in from now on.
    pub fn open(&mut self, mut door: D) {
        self.reserve = door.reserve();
        self.door = Some(door);
    }

    /// Turns newcomers away from now on.
    pub fn close(&mut self) {
        self.door = None;
        self.pause = None;
    }

    /// The kernel says that somebody waits.
    pub fn mark_ready(&mut self) {
        self.is_ready = true;
    }

    /// Whether somebody may be there to be accepted `now`, with so many connections there are.
    pub fn may_accept(&self, connections: usize, now: Instant) -> bool {
        let is_over = |pause: Pause| connections < pause.connections || pause.until <= now;
        self.door.is_some() && self.is_ready && self.pause.is_none_or(is_over)
    }

    /// How long it will be before the next try; none if no try waits for that.
    pub fn pause_left(&self, now: Instant) -> Option<Duration> {
        self.pause.map(|pause| pause.until.saturating_duration_since(now))
    }

    /// The next newcomer, if there is one and it can be let in beside so many connections.
    pub fn accept(&mut self, connections: usize, now: Instant) -> Option<(D::Stream, SocketAddr)> {
        if !self.may_accept(connections, now) {
            return None;
        }
        self.pause = None;
        match self.door.as_mut()?.accept() {
            Ok(newcomer) => return Some(newcomer),
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.is_ready = false,
            Err(error) if is_out_of_descriptors(&error) => {
                warn!("out of descriptors at {connections} connections; newcomers are turned away");
                self.pause = Some(Pause { until: now + PAUSE, connections });
                if planted(Bug::ListenerStaysDeafAfterDescriptorsRanOut) {
                    (self.pause, self.is_ready) = (None, false);
                }
                self.turn_one_away();
            }
            // The newcomer's own trouble, for instance a connection that was reset while it waited. The next is asked
            // for in the next turn, so that trouble that stays is no endless loop.
            Err(error) => warn!("accept: {error}"),
        }
        None
    }

    /// Tells one newcomer why it can't stay, by means of the reserve.
    fn turn_one_away(&mut self) {
        drop(self.reserve.take());
        let Some(door) = &mut self.door else { return };
        if let Ok((mut stream, _)) = door.accept() {
            let mut farewell = Vec::new();
            let text = "Server is full. Please try again later";
            Notice::Closing { code: Closing::ServerFull, text }.encode(NO_TAG, &mut farewell);
            // A fresh socket's buffer takes it; if not, nothing is lost but a courtesy.
            let _ = stream.write(&farewell);
            let _ = stream.shutdown_write();
        }
        // None when there is no descriptor for it: then nobody is told, and the next try comes no later.
        self.reserve = door.reserve();
    }
}

fn is_out_of_descriptors(error: &io::Error) -> bool {
    let codes = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    codes.iter().any(|code| error.raw_os_error() == Some(code.raw_os_error()))
}
