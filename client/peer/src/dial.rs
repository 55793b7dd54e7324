//! Connecting without blocking, one address after the other.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

/// How long one address may take. Linux by itself would go on for two minutes.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection being made.
#[derive(Debug)]
pub struct Dial {
    socket: OwnedFd,
    deadline: Instant,
    /// What to try if this fails.
    rest: VecDeque<SocketAddr>,
}

/// How a [`Dial`] stands.
#[derive(Debug)]
pub enum Dialed {
    /// No answer yet.
    Still(Dial),
    /// Connected.
    Through(TcpStream),
}

impl Dial {
    /// Begins to connect to the first of `addresses` that can be tried.
    ///
    /// # Errors
    /// Not one could; the error is that of the last.
    pub fn start(addresses: impl IntoIterator<Item = SocketAddr>, now: Instant) -> io::Result<Self> {
        let mut rest: VecDeque<_> = addresses.into_iter().collect();
        let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
        while let Some(address) = rest.pop_front() {
            match begin(address) {
                Ok(socket) => return Ok(Self { socket, deadline: now + DIAL_TIMEOUT, rest }),
                Err(error) => failure = error.into(),
            }
        }
        Err(failure)
    }

    /// When [`Dial::look`] is due even if the socket shows nothing.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Sees how it stands, and goes on to the next address if this one failed.
    ///
    /// # Errors
    /// No address is left; the error is that of the last.
    pub fn look(self, now: Instant) -> io::Result<Dialed> {
        let failure = match sockopt::socket_error(&self.socket)? {
            Err(error) => io::Error::from(error),
            // Only a connection that stands has another end.
            Ok(()) => match rustix::net::getpeername(&self.socket) {
                Ok(_) => return Ok(Dialed::Through(TcpStream::from(self.socket))),
                Err(Errno::NOTCONN) if now < self.deadline => return Ok(Dialed::Still(self)),
                Err(Errno::NOTCONN) => io::Error::from(io::ErrorKind::TimedOut),
                Err(error) => error.into(),
            },
        };
        if self.rest.is_empty() {
            return Err(failure);
        }
        Self::start(self.rest, now).map(Dialed::Still)
    }
}

impl AsFd for Dial {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn begin(address: SocketAddr) -> rustix::io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    match rustix::net::connect(&socket, &address) {
        // Done at once, or under way: either way the socket becomes writable when it is decided.
        Ok(()) | Err(Errno::INPROGRESS | Errno::INTR) => Ok(socket),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::io::retry_on_intr;

    use super::*;

    fn finish(mut dial: Dial) -> io::Result<TcpStream> {
        loop {
            let deadline = Timespec { tv_sec: 60, tv_nsec: 0 };
            let mut fds = [PollFd::new(&dial, PollFlags::OUT)];
            let ready = retry_on_intr(|| poll(&mut fds, Some(&deadline))).unwrap();
            assert_eq!(ready, 1, "neither connected nor refused");
            match dial.look(Instant::now())? {
                Dialed::Still(still) => dial = still,
                Dialed::Through(stream) => return Ok(stream),
            }
        }
    }

    /// An address at which nobody listens, nor will as long as the socket that holds it is kept.
    fn deserted() -> (OwnedFd, SocketAddr) {
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        rustix::net::bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = rustix::net::getsockname(&socket).unwrap().try_into().unwrap();
        (socket, address)
    }

    #[test]
    fn the_next_address_is_tried_when_one_refuses() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let there = listener.local_addr().unwrap();
        let (_held, deserted) = deserted();
        let stream = finish(Dial::start([deserted, there], Instant::now()).unwrap()).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), there);
    }

    #[test]
    fn the_last_refusal_is_the_error() {
        let (_held, deserted) = deserted();
        let error = finish(Dial::start([deserted, deserted], Instant::now()).unwrap()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn an_address_that_does_not_answer_is_given_up_at_the_deadline() {
        // The queue of a listener that accepts nobody is full after a while; the kernel then answers nobody.
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        rustix::net::bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        rustix::net::listen(&socket, 0).unwrap();
        let there = rustix::net::getsockname(&socket).unwrap().try_into().unwrap();
        let now = Instant::now();
        let mut through = Vec::new();
        let dial = loop {
            match Dial::start([there], now).unwrap().look(now).unwrap() {
                Dialed::Through(stream) => through.push(stream),
                Dialed::Still(dial) => break dial,
            }
        };
        let error = dial.look(now + DIAL_TIMEOUT).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
