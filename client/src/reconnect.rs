//! Getting to the server: connecting without blocking, one address after the other, and how long to wait
//! between attempts.
//!
//! It refuses to know what is said once the connection stands.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

/// How long one address may take. Linux by itself would go on for two minutes.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);

/// The first wait between two attempts; each further one is twice as long, up to the longest.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

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

    /// Sees how it stands, without being told whether the socket is writable.
    ///
    /// # Errors
    /// As [`Dial::look`].
    pub fn look_closely(self, now: Instant) -> io::Result<Dialed> {
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let answered = poll(&mut [PollFd::new(&self.socket, PollFlags::OUT)], Some(&at_once))? > 0;
        self.look(answered, now)
    }

    /// Sees how it stands, and goes on to the next address if this one failed. Call it when the socket is
    /// writable (`answered`) or the deadline has passed.
    ///
    /// # Errors
    /// No address is left; the error is that of the last.
    pub fn look(self, answered: bool, now: Instant) -> io::Result<Dialed> {
        let failure = if answered {
            match sockopt::socket_error(&self.socket)? {
                Ok(()) => return Ok(Dialed::Through(TcpStream::from(self.socket))),
                Err(error) => error.into(),
            }
        } else if now >= self.deadline {
            io::Error::from(io::ErrorKind::TimedOut)
        } else {
            return Ok(Dialed::Still(self));
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

/// How long to wait before the next attempt.
#[derive(Debug, Default)]
pub struct BackOff {
    failures: u32,
}

impl BackOff {
    /// The wait after one more failure: about twice the one before. "About", so that a thousand clients of
    /// a server that comes back don't all come back at once.
    pub fn next_wait(&mut self) -> Duration {
        let doubled = FIRST_WAIT.saturating_mul(2u32.saturating_pow(self.failures)).min(LONGEST_WAIT);
        self.failures += 1;
        // The keys of each `RandomState` differ; that is chance enough for this.
        let thousandths = (RandomState::new().hash_one(self.failures) % 1_000) as u32;
        doubled * 3 / 4 + doubled / 4 * thousandths / 1_000
    }

    /// Begins anew, after a success.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use rustix::io::retry_on_intr;

    use super::*;

    fn finish(mut dial: Dial) -> io::Result<TcpStream> {
        loop {
            let deadline = Timespec { tv_sec: 60, tv_nsec: 0 };
            let mut fds = [PollFd::new(&dial, PollFlags::OUT)];
            let ready = retry_on_intr(|| poll(&mut fds, Some(&deadline))).unwrap();
            assert_eq!(ready, 1, "neither connected nor refused");
            match dial.look(true, Instant::now())? {
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
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let there = listener.local_addr().unwrap();
        let now = Instant::now();
        let dial = Dial::start([there], now).unwrap();
        let Ok(Dialed::Still(dial)) = dial.look(false, now) else { panic!("given up at once") };
        let error = dial.look(false, now + DIAL_TIMEOUT).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn waits_grow_to_a_bound_and_begin_anew() {
        let mut back_off = BackOff::default();
        for seconds in [1, 2, 4, 8, 16, 30, 30, 30] {
            let (wait, most) = (back_off.next_wait(), Duration::from_secs(seconds));
            assert!(most * 3 / 4 <= wait && wait <= most, "{wait:?} is not about {most:?}");
        }
        back_off.reset();
        assert!(back_off.next_wait() <= FIRST_WAIT);
    }
}
