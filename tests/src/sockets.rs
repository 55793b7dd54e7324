//! Sockets of the tests' own: connections that are awaited no longer than anything else, and ports about which
//! something is certain.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};

use crate::DEADLINE;

/// The first and the last port of those that the kernel never picks by itself: its own end at 60999.
const UNPICKED_PORTS: (u16, u16) = (61_000, 65_535);

/// Makes place for as many descriptors as this process may have.
///
/// # Panics
/// The kernel does not allow what it says it does.
pub fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).expect("up to the maximum");
}

/// The next connection at `listener`, whose reads and writes have the tests' deadline.
///
/// # Panics
/// None comes within [`DEADLINE`].
pub fn accept(listener: &TcpListener) -> TcpStream {
    let mut fds = [PollFd::new(listener, PollFlags::IN)];
    let deadline = Timespec::try_from(DEADLINE).expect("a minute is a time");
    assert!(poll(&mut fds, Some(&deadline)).is_ok_and(|ready| ready > 0), "nobody connects");
    let (stream, _) = listener.accept().expect("somebody waits");
    stream.set_read_timeout(Some(DEADLINE)).expect("a TCP socket");
    stream.set_write_timeout(Some(DEADLINE)).expect("a TCP socket");
    stream
}

/// An address of this machine where nobody listens, for as long as the socket that is returned with it lives.
pub fn closed_port() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a descriptor is free");
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a port is free");
    let address = socket.local_addr().expect("it is bound").as_socket().expect("an IP address");
    (socket, address)
}

/// A port that is free for TCP and UDP, and that nobody is given who only asks for any port.
pub fn free_port() -> u16 {
    static TRIED: AtomicU32 = AtomicU32::new(0);
    let (first, last) = UNPICKED_PORTS;
    let count = u32::from(last - first) + 1;
    // Test processes that run side by side begin at different places.
    let start = std::process::id().wrapping_mul(61) % count;
    for _ in 0..count {
        let offset = (start + TRIED.fetch_add(1, Ordering::Relaxed)) % count;
        let port = first + u16::try_from(offset).expect("less than the number of ports");
        let place = (Ipv4Addr::LOCALHOST, port);
        if TcpListener::bind(place).is_ok() && UdpSocket::bind(place).is_ok() {
            return port;
        }
    }
    panic!("all ports from {first} to {last} are taken");
}
