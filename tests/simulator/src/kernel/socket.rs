//! A connection with its two ends: the server's is a [`SimStream`], the client's is used by name.

use std::io::{self, ErrorKind, IoSlice, Read, Write};

use forumd::net::connection::{PeerEnd, Stream};
use forumd::session::ConnectionId;

use super::pipe::{Fin, Pipe};
use super::{End, GRAVES_MAX, Kernel, Ready, Shared};
use crate::clock::Time;

/// One connection.
#[derive(Debug)]
pub(crate) struct Socket {
    /// What the poll calls it, while it watches it.
    pub(crate) id: Option<ConnectionId>,
    pub(super) up: Pipe,
    pub(super) down: Pipe,
    pub(super) is_ready: bool,
    /// A look at the user time-out is to come.
    pub(super) is_timed: bool,
    /// Why the server's end died.
    pub(super) death: Option<ErrorKind>,
    /// The server has closed its end.
    pub(crate) is_closed: bool,
    /// When that was.
    pub(crate) closed_at: Time,
    /// When the server closed it, there was no room for what it had to say.
    pub(crate) was_stuck: bool,
    /// The client was reset.
    pub(crate) client_was_reset: bool,
    /// The client has vanished, and says nothing of it.
    pub(crate) client_is_gone: bool,
}

impl Socket {
    pub(super) fn new(up: Pipe, down: Pipe) -> Self {
        Self {
            id: None,
            up,
            down,
            is_ready: false,
            is_timed: false,
            death: None,
            is_closed: false,
            closed_at: 0,
            was_stuck: false,
            client_was_reset: false,
            client_is_gone: false,
        }
    }

    /// The direction that ends there.
    pub(super) fn pipe(&mut self, end: End) -> &mut Pipe {
        match end {
            End::Server => &mut self.up,
            End::Client => &mut self.down,
        }
    }

    /// What the poll says of it; none if it is not watched.
    pub(super) fn readiness(&self) -> Option<Ready> {
        let peer_end = match (self.death, self.up.fin) {
            (Some(_), _) => PeerEnd::Died,
            (None, Fin::Arrived) => PeerEnd::Finished,
            _ => PeerEnd::Open,
        };
        let readable = self.up.unread() > 0 || peer_end != PeerEnd::Open;
        Some(Ready { id: self.id?, readable, writable: self.down.has_room(), peer_end })
    }

    /// Whether the server has read all, the client's FIN included, and closed.
    pub(crate) fn was_read_out(&self) -> bool {
        self.is_closed && self.up.fin == Fin::Arrived && self.up.unread() == 0 && self.death.is_none()
    }

    /// Whether the server has sent its FIN, and all before it was read.
    pub(crate) fn is_finished(&self) -> bool {
        self.down.fin == Fin::Arrived && self.down.unread() == 0
    }
}

/// What a client does with its end.
impl Kernel {
    /// Sends what the kernel takes; says how much.
    pub(crate) fn send(&mut self, index: usize, bytes: &[u8]) -> usize {
        let now = self.clock.time();
        let count = self.sockets[index].up.write(&[bytes], now);
        self.pump(index);
        count
    }

    /// Reads all that has come.
    pub(crate) fn receive(&mut self, index: usize) -> Vec<u8> {
        let bytes = self.sockets[index].down.read_all();
        self.pump(index);
        bytes
    }

    /// Sends FIN.
    pub(crate) fn finish(&mut self, index: usize) {
        self.sockets[index].up.close();
        self.pump(index);
    }

    /// Throws the connection away.
    pub(crate) fn abort(&mut self, index: usize) {
        self.sockets[index].client_was_reset = true;
        self.reset_from(index, End::Client);
    }

    /// The client is gone, and nobody says so.
    pub(crate) fn vanish(&mut self, index: usize) {
        let socket = &mut self.sockets[index];
        socket.client_is_gone = true;
        socket.up.cut();
        socket.down.cut();
    }

    /// Nothing sets out towards an end before then.
    pub(crate) fn stall(&mut self, index: usize, end: End, until: Time) {
        self.sockets[index].pipe(end).stall_until(until);
    }
}

/// The server's end of a connection.
#[derive(Debug)]
pub(crate) struct SimStream {
    kernel: Shared,
    index: usize,
}

impl SimStream {
    pub(super) fn new(kernel: Shared, index: usize) -> Self {
        Self { kernel, index }
    }

    /// Which socket it is.
    pub(crate) fn index(&self) -> usize {
        self.index
    }
}

impl Read for SimStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let kernel = &mut *self.kernel.borrow_mut();
        if kernel.interrupts > 0 && kernel.rng.chance(kernel.interrupts) {
            return Err(ErrorKind::Interrupted.into());
        }
        let socket = &mut kernel.sockets[self.index];
        let count = socket.up.read(buffer);
        if count > 0 {
            kernel.pump(self.index);
            return Ok(count);
        }
        match (socket.death, socket.up.fin) {
            (Some(kind), _) => Err(kind.into()),
            (None, Fin::Arrived) => Ok(0),
            _ => Err(ErrorKind::WouldBlock.into()),
        }
    }
}

impl Write for SimStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let kernel = &mut *self.kernel.borrow_mut();
        if kernel.interrupts > 0 && kernel.rng.chance(kernel.interrupts) {
            return Err(ErrorKind::Interrupted.into());
        }
        let now = kernel.clock.time();
        let socket = &mut kernel.sockets[self.index];
        if let Some(kind) = socket.death {
            return Err(kind.into());
        }
        if socket.down.fin != Fin::No {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let buffers: Vec<&[u8]> = buffers.iter().map(|buffer| &**buffer).collect();
        let count = socket.down.write(&buffers, now);
        kernel.pump(self.index);
        kernel.watch_user_timeout(self.index);
        if count == 0 { Err(ErrorKind::WouldBlock.into()) } else { Ok(count) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for SimStream {
    fn shutdown_write(&mut self) -> io::Result<()> {
        let kernel = &mut *self.kernel.borrow_mut();
        if kernel.sockets[self.index].death.is_some() {
            return Err(ErrorKind::NotConnected.into());
        }
        kernel.sockets[self.index].down.close();
        kernel.pump(self.index);
        Ok(())
    }

    fn take_death(&mut self) -> Option<io::Error> {
        self.kernel.borrow().sockets[self.index].death.map(io::Error::from)
    }

    fn watch_silence(&self) {}
}

impl Drop for SimStream {
    /// What was not read makes it a reset; else FIN follows what is on its way.
    fn drop(&mut self) {
        let kernel = &mut *self.kernel.borrow_mut();
        kernel.descriptors -= 1;
        kernel.open_sockets -= 1;
        let now = kernel.clock.time();
        let socket = &mut kernel.sockets[self.index];
        (socket.is_closed, socket.closed_at) = (true, now);
        socket.was_stuck = socket.down.is_stuck();
        if let Some(id) = socket.id.take() {
            kernel.graves.push(id);
            if kernel.graves.len() > GRAVES_MAX {
                kernel.graves.remove(0);
            }
        }
        let socket = &mut kernel.sockets[self.index];
        if socket.death.is_some() {
            return;
        }
        if socket.up.unread() > 0 {
            return kernel.reset_from(self.index, End::Server);
        }
        socket.down.close();
        kernel.pump(self.index);
    }
}
