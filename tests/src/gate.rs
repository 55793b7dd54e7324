//! A gate between client and server: it lets a given number of bytes from the server pass and then holds the
//! rest back until it is opened. So a test can act in the very middle of a transfer.
//!
//! It knows bytes, not frames.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::DEADLINE;

/// A gate with its own address, for one connection.
pub struct Gate {
    address: SocketAddr,
    bytes: usize,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    passed_bytes: usize,
    open: bool,
}

impl Gate {
    /// A gate in front of `server` that holds back all but the first `bytes` bytes from there.
    pub fn before(server: SocketAddr, bytes: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::<Shared>::default();
        let gate = Self { address, bytes, shared: Arc::clone(&shared) };
        thread::spawn(move || {
            let Ok((client, _)) = listener.accept() else { return };
            let server = TcpStream::connect_timeout(&server, DEADLINE).expect("the server listens");
            let (up, down) = (client.try_clone(), server.try_clone());
            let (up, down) = (up.expect("a descriptor is free"), down.expect("a descriptor is free"));
            thread::spawn(move || pass(up, server, |_| {}));
            pass(down, client, |count| shared.pass_or_wait(count, bytes));
        });
        gate
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until the gate has begun to hold something back.
    ///
    /// # Panics
    /// It has not within [`DEADLINE`].
    pub fn wait_full(&self) {
        let bytes = self.bytes;
        let state = self.shared.lock();
        let waited =
            self.shared.changed.wait_timeout_while(state, DEADLINE, |state| state.passed_bytes < bytes);
        let passed = waited.unwrap_or_else(PoisonError::into_inner).0.passed_bytes;
        assert!(passed >= bytes, "only {passed} bytes came to the gate");
    }

    /// Lets everything pass from now on.
    pub fn open(&self) {
        self.shared.lock().open = true;
        self.shared.changed.notify_all();
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.open();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts bytes that are about to pass; waits while they are too many and the gate is closed.
    fn pass_or_wait(&self, count: usize, bytes: usize) {
        let mut state = self.lock();
        state.passed_bytes += count;
        self.changed.notify_all();
        let waits = |state: &mut State| state.passed_bytes >= bytes && !state.open;
        drop(self.changed.wait_while(state, waits));
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, before: impl Fn(usize)) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(count) = from.read(&mut bytes) {
        before(count);
        if count == 0 || to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
