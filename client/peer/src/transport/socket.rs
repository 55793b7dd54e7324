//! The socket of all transfers: batches of datagrams in and out, many with one system call where the kernel
//! can (segmentation offload), for a loop that somebody else owns.
//!
//! It knows addresses but not what a packet means. Nothing here waits.

use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use quinn_udp::{RecvMeta, UdpSockRef, UdpSocketState};
use rustix::net::sockopt;

use super::packet::DATAGRAM_BYTES_MAX;
use super::route::Route;
use super::{Endpoint, Heard, Transmit};

/// Buffers filled by one call; each takes what the kernel has joined together, up to 64 KiB.
const RECEIVE_BUFFERS: usize = 8;
const RECEIVE_BUFFER_BYTES: usize = 65_536;
/// Calls that send, before it is the turn of something else.
const TRANSMITS_A_TURN: usize = 8;
/// What the kernel is asked to hold in either direction; it may allow less.
const SOCKET_BUFFER_BYTES: usize = 4 << 20;

const _: () = assert!(RECEIVE_BUFFER_BYTES >= DATAGRAM_BYTES_MAX);

/// The socket.
#[derive(Debug)]
pub struct PeerSocket {
    socket: UdpSocket,
    offload: UdpSocketState,
    received: Vec<u8>,
    outgoing: Vec<u8>,
    /// What lies in `outgoing` because the kernel did not take it yet.
    blocked: Option<(SocketAddr, Transmit)>,
}

impl PeerSocket {
    /// Takes over a bound socket, and makes it nonblocking.
    ///
    /// # Errors
    /// The kernel refuses an option that is needed.
    pub fn new(socket: UdpSocket) -> io::Result<Self> {
        let offload = UdpSocketState::new(UdpSockRef::from(&socket))?;
        // More room is better, but what there is will do: what does not fit is lost, and sent again.
        let _ = sockopt::set_socket_recv_buffer_size(&socket, SOCKET_BUFFER_BYTES);
        let _ = sockopt::set_socket_send_buffer_size(&socket, SOCKET_BUFFER_BYTES);
        Ok(Self {
            socket,
            offload,
            received: vec![0; RECEIVE_BUFFERS * RECEIVE_BUFFER_BYTES],
            outgoing: vec![0; DATAGRAM_BYTES_MAX],
            blocked: None,
        })
    }

    /// Where it is bound.
    ///
    /// # Errors
    /// Those of the kernel.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Whether the owner should wait until it can be written to, before any transfer can send.
    pub fn wants_to_write(&self) -> bool {
        self.blocked.is_some()
    }

    /// Takes in what one call brings; `each` sees every datagram and where it came from. Returns whether
    /// there was anything.
    ///
    /// # Errors
    /// The socket is of no more use.
    pub fn receive(&mut self, mut each: impl FnMut(SocketAddr, &[u8])) -> io::Result<bool> {
        let mut metas = [RecvMeta::default(); RECEIVE_BUFFERS];
        let (buffers, _) = self.received.as_chunks_mut::<RECEIVE_BUFFER_BYTES>();
        let Some(buffers) = buffers.first_chunk_mut::<RECEIVE_BUFFERS>() else { return Ok(false) };
        let mut slices = buffers.each_mut().map(|buffer| IoSliceMut::new(buffer));
        let count = match self.offload.recv(UdpSockRef::from(&self.socket), &mut slices, &mut metas) {
            Ok(count) => count,
            Err(error) if is_passing(&error) => return Ok(false),
            Err(error) => return Err(error),
        };
        for (meta, buffer) in metas[..count].iter().zip(buffers) {
            for datagram in buffer[..meta.len].chunks(meta.stride.max(1)) {
                each(meta.addr, datagram);
            }
        }
        Ok(count > 0)
    }

    /// Sends what a transfer has to send, up to a share. Returns whether there is more.
    pub fn transmit<E: Endpoint>(&mut self, now: Instant, link: &mut Link<E>) -> bool {
        for _ in 0..TRANSMITS_A_TURN {
            if !self.send_blocked() {
                return false;
            }
            let segments_max = self.offload.max_gso_segments();
            let transmit = link.endpoint.poll_transmit(now, segments_max, &mut self.outgoing);
            let Some(transmit) = transmit else { return false };
            self.blocked = Some((link.route.next(now), transmit));
        }
        self.send_blocked()
    }

    /// Sends what the kernel did not take before. Returns whether it has been taken.
    fn send_blocked(&mut self) -> bool {
        let Some((destination, transmit)) = self.blocked else { return true };
        let is_one = transmit.bytes <= transmit.segment_bytes;
        let datagrams = quinn_udp::Transmit {
            destination,
            ecn: None,
            contents: &self.outgoing[..transmit.bytes],
            segment_size: if is_one { None } else { Some(transmit.segment_bytes) },
            src_ip: None,
        };
        let sent = self.offload.try_send(UdpSockRef::from(&self.socket), &datagrams);
        if sent.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
            return false;
        }
        // Any other error, such as a probe that is too large for the interface, is a loss like one further
        // down the path.
        self.blocked = None;
        true
    }
}

impl AsFd for PeerSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, Interrupted, WouldBlock};
    // What another host says about a packet of ours is no reason to stop listening.
    matches!(error.kind(), Interrupted | WouldBlock | ConnectionRefused | ConnectionReset)
}

/// A transfer, and where its other end is.
#[derive(Debug)]
pub struct Link<E> {
    /// The transfer.
    pub endpoint: E,
    route: Route,
}

impl<E: Endpoint> Link<E> {
    /// A transfer whose other end should be at this address.
    pub fn new(endpoint: E, peer: SocketAddr) -> Self {
        Self { endpoint, route: Route::new(peer) }
    }

    /// Takes in a datagram. Where the newest packet of the other end came from is where answers go: the address that
    /// the server saw may not be the one that an address translator gives. Returns whether it was of the
    /// other end.
    pub fn on_datagram(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) -> bool {
        let heard = self.endpoint.on_datagram(now, datagram);
        if heard == Heard::Newest {
            self.route.hear(now, from);
        }
        heard != Heard::Nothing
    }
}
