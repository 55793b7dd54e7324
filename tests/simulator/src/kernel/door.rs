//! The listening socket: who waits to be accepted, and what becomes of that when descriptors run out.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use forumd::net::listener::Door;

use super::{End, Shared, SimStream};

/// `EMFILE`.
const OUT_OF_DESCRIPTORS: i32 = 24;

/// The server's door. Closed when it is dropped.
#[derive(Debug)]
pub(crate) struct SimDoor {
    kernel: Shared,
}

/// A descriptor that is kept in reserve.
#[derive(Debug)]
pub(crate) struct Reserve {
    kernel: Shared,
}

impl SimDoor {
    /// Opens it.
    pub(crate) fn open(kernel: &Shared) -> Self {
        let opened = &mut *kernel.borrow_mut();
        (opened.door_is_open, opened.woken, opened.door_has_news) = (true, false, false);
        opened.descriptors += 1;
        // Another process has other connections, and events of none.
        opened.graves.clear();
        Self { kernel: Shared::clone(kernel) }
    }
}

/// Where a client seems to be: one address for each four sockets, so that some share theirs.
fn address_of(index: usize) -> SocketAddr {
    let [high, low] = ((index / 4) as u16).to_be_bytes();
    SocketAddr::from(([10, 0, high, low], 1_024 + index as u16))
}

impl Door for SimDoor {
    type Stream = SimStream;
    type Reserve = Reserve;

    fn accept(&mut self) -> io::Result<(SimStream, SocketAddr)> {
        let kernel = &mut *self.kernel.borrow_mut();
        if kernel.descriptors >= kernel.descriptors_max {
            return Err(io::Error::from_raw_os_error(OUT_OF_DESCRIPTORS));
        }
        let Some(index) = kernel.backlog.pop_front() else { return Err(ErrorKind::WouldBlock.into()) };
        if kernel.accept_errors > 0 {
            kernel.accept_errors -= 1;
            kernel.reset_from(index, End::Server);
            return Err(ErrorKind::ConnectionAborted.into());
        }
        kernel.descriptors += 1;
        kernel.open_sockets += 1;
        Ok((SimStream::new(Shared::clone(&self.kernel), index), address_of(index)))
    }

    fn reserve(&mut self) -> Option<Reserve> {
        let kernel = &mut *self.kernel.borrow_mut();
        if kernel.descriptors >= kernel.descriptors_max {
            return None;
        }
        kernel.descriptors += 1;
        Some(Reserve { kernel: Shared::clone(&self.kernel) })
    }
}

impl Drop for SimDoor {
    fn drop(&mut self) {
        let kernel = &mut *self.kernel.borrow_mut();
        kernel.door_is_open = false;
        kernel.descriptors -= 1;
        while let Some(index) = kernel.backlog.pop_front() {
            kernel.reset_from(index, End::Server);
        }
    }
}

impl Drop for Reserve {
    fn drop(&mut self) {
        self.kernel.borrow_mut().descriptors -= 1;
    }
}
