//! A connection to the server on its way: the name is resolved, then one address after the other is tried.
//!
//! Resolving may take as long as name servers please, so a thread does it; nobody waits for it but the poll of the
//! loop. It is done for each connection anew: a server may have moved.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;
use std::time::Instant;

use forum_peer::dial::{Dial, Dialed};
use rustix::event::PollFlags;

/// A connection that is being made.
#[derive(Debug)]
pub struct Dialing(Stage);

#[derive(Debug)]
enum Stage {
    /// The name is being resolved; the socket becomes readable when that is done.
    Resolving(Receiver<io::Result<Vec<SocketAddr>>>, UnixStream),
    /// An address is being tried.
    Connecting(Dial),
}

/// How it stands.
#[derive(Debug)]
pub enum Progress {
    /// No answer yet.
    Still(Dialing),
    /// Connected.
    Through(TcpStream),
    /// The host can't be found.
    NoSuchHost(io::Error),
    /// Nobody is there.
    Failed(io::Error),
}

impl Dialing {
    /// Begins.
    ///
    /// # Errors
    /// There is no thread, or no descriptor, for it.
    pub fn start(host: &str, port: u16) -> io::Result<Self> {
        let (sender, receiver) = channel();
        let (here, mut there) = UnixStream::pair()?;
        let host = host.to_owned();
        thread::Builder::new().name("resolver".to_owned()).spawn(move || {
            let found = (host.as_str(), port).to_socket_addrs().map(Iterator::collect);
            // If nobody waits any more, nobody is told.
            if sender.send(found).is_ok() {
                let _ = there.write_all(&[0]);
            }
        })?;
        Ok(Self(Stage::Resolving(receiver, here)))
    }

    /// What to poll for.
    pub fn interest(&self) -> (BorrowedFd<'_>, PollFlags) {
        match &self.0 {
            Stage::Resolving(_, here) => (here.as_fd(), PollFlags::IN),
            Stage::Connecting(dial) => (dial.as_fd(), PollFlags::OUT),
        }
    }

    /// When [`Dialing::look`] is due even if nothing shows.
    pub fn due(&self) -> Option<Instant> {
        match &self.0 {
            Stage::Resolving(..) => None,
            Stage::Connecting(dial) => Some(dial.deadline()),
        }
    }

    /// Sees how it stands.
    pub fn look(self, now: Instant) -> Progress {
        match self.0 {
            Stage::Resolving(receiver, here) => match receiver.try_recv() {
                Ok(Ok(addresses)) => match Dial::start(addresses, now) {
                    Ok(dial) => Progress::Still(Self(Stage::Connecting(dial))),
                    Err(error) => Progress::Failed(error),
                },
                Ok(Err(error)) => Progress::NoSuchHost(error),
                Err(TryRecvError::Empty) => Progress::Still(Self(Stage::Resolving(receiver, here))),
                Err(TryRecvError::Disconnected) => {
                    Progress::NoSuchHost(io::Error::other("the search for it ended"))
                }
            },
            Stage::Connecting(dial) => match dial.look(now) {
                Ok(Dialed::Still(dial)) => Progress::Still(Self(Stage::Connecting(dial))),
                Ok(Dialed::Through(stream)) => Progress::Through(stream),
                Err(error) => Progress::Failed(error),
            },
        }
    }
}
