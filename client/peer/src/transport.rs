//! A file from one client to another over UDP, reliably.
//!
//! ```text
//!   Source ─► Sender ──Hello, Data, Ping, Goodbye──► Receiver ─► Sink
//!               ▲ flight, congestion, mtu    │ reassembly, acks
//!               └────────Accept, Ack, Done───┘
//!        Channel: both seal what they say, with keys that they make first
//! ```
//!
//! [`Sender`] and [`Receiver`] are pure machines: datagrams and the time come in as values, datagrams, a
//! deadline and events come out. They refuse to know sockets, addresses, clocks, files and what a user is;
//! the bytes of the file pass through a [`Source`] and a [`Sink`]. [`socket`] has the socket, [`driver`] a
//! loop around one transfer. Packets and algorithms are described, byte for byte, in `docs/UDP.md`.

mod acks;
mod channel;
mod closing;
mod congestion;
pub mod content;
pub mod driver;
mod flight;
mod mtu;
mod pacing;
pub mod packet;
mod ranges;
mod reassembly;
mod receiver;
mod replay;
mod route;
mod rtt;
mod sender;
mod slow_start;
pub mod socket;
mod stream;

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

pub use channel::session_of;
pub use content::{Sink, Source};
pub use packet::{Offer, Reason, SessionId, Token};
pub use receiver::{Receiver, Start};
pub use sender::Sender;

/// Silence after which the peer is gone. Any valid packet ends the silence.
pub const IDLE_MAX: Duration = Duration::from_secs(15);

/// How long an end that knows the result stays to answer a peer that asks for it again.
pub const LINGER: Duration = Duration::from_secs(3);

/// The first pause before something that got no answer is said again; it doubles up to [`RETRY_MAX`].
const RETRY_MIN: Duration = Duration::from_millis(200);
/// The longest such pause.
const RETRY_MAX: Duration = Duration::from_secs(1);

// An end that lingers must still be there when the other end asks once more, even if two of its packets are lost.
const _: () = assert!(LINGER.as_millis() >= 3 * RETRY_MAX.as_millis());
const _: () = assert!(IDLE_MAX.as_millis() >= 10 * RETRY_MAX.as_millis());

/// What the owner of a transfer has to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// To a receiver: the sender is there and has this to send. [`Receiver::accept`] or
    /// [`Endpoint::abort`] is the answer.
    Offered(Offer),
    /// To a sender: the receiver takes the file, from this offset on.
    Started {
        /// How many bytes the receiver has already.
        offset: u64,
    },
    /// The whole file is there, its digest fits, and the sink has stored it.
    Done,
    /// It ended otherwise.
    Failed(Failure),
}

/// Why a transfer ended before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Nothing was heard of the peer for [`IDLE_MAX`].
    Vanished,
    /// The same, and what was heard from where it should be was of another version.
    OtherVersion,
    /// This end gave up.
    Here(Reason),
    /// The other end gave up.
    There(Reason),
}

impl Failure {
    /// Nothing was heard of the peer; but maybe of one of another version.
    fn silent(is_other_version: bool) -> Self {
        if is_other_version { Self::OtherVersion } else { Self::Vanished }
    }
}

/// What a datagram was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// Not from the other end, or a copy; nothing has changed.
    Nothing,
    /// From the other end; but later packets have come before it, so it does not say where that end is now.
    Old,
    /// The newest from the other end: where it came from is where that end is.
    Newest,
}

/// One or more datagrams for one system call: all have `segment_bytes`, only the last may have fewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transmit {
    /// Bytes of each datagram but the last.
    pub segment_bytes: usize,
    /// Bytes of all of them together, at the beginning of the buffer.
    pub bytes: usize,
}

impl Transmit {
    /// One datagram of so many bytes; none if there are none.
    fn one(bytes: usize) -> Option<Self> {
        (bytes > 0).then_some(Self { segment_bytes: bytes, bytes })
    }
}

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// All bytes before this one are there.
    pub bytes: u64,
    /// Bytes of the whole file.
    pub size: u64,
}

/// Either end of a transfer, as the loop around it sees it.
///
/// A turn of that loop: feed what came, transmit until there is nothing, [`settle`](Endpoint::settle), read
/// the events, and wait for the socket or until [`poll_timeout`](Endpoint::poll_timeout).
pub trait Endpoint {
    /// The session that this end answers to: packets that carry it are for this transfer.
    fn session(&self) -> SessionId;

    /// Takes in one datagram.
    fn on_datagram(&mut self, now: Instant, datagram: &[u8]) -> Heard;

    /// Writes datagrams to the beginning of `buffer`, at most `segments_max`; `None`: nothing to send now.
    /// The buffer has [`packet::DATAGRAM_BYTES_MAX`] bytes or more.
    fn poll_transmit(&mut self, now: Instant, segments_max: usize, buffer: &mut [u8]) -> Option<Transmit>;

    /// When [`on_timeout`](Endpoint::on_timeout) is due; `None`: the transfer is over.
    fn poll_timeout(&self) -> Option<Instant>;

    /// Does what is due.
    fn on_timeout(&mut self, now: Instant);

    /// Does what may take a while: a receiver hands what has arrived to its sink. Comes after transmitting,
    /// so that the peer sends on meanwhile.
    fn settle(&mut self, now: Instant);

    /// The next event.
    fn poll_event(&mut self) -> Option<Event>;

    /// Gives up for this reason and tells the peer; without effect when the result is known already.
    fn abort(&mut self, now: Instant, reason: Reason);

    /// How far it has come; `None` while the size is unknown, and after the end.
    fn progress(&self) -> Option<Progress>;

    /// Whether there is nothing left to send or to wait for. The result may be known long before.
    fn is_closed(&self) -> bool {
        self.poll_timeout().is_none()
    }
}

/// Keeps saying something until it is answered: when it is due next, with growing pauses.
#[derive(Debug, Clone, Copy)]
struct Retry {
    due: Instant,
    pause: Duration,
}

impl Retry {
    /// Due at once.
    fn new(now: Instant) -> Self {
        Self { due: now, pause: RETRY_MIN }
    }

    /// Whether it is to be said now; if so, the next time is set.
    fn take(&mut self, now: Instant) -> bool {
        let is_due = now >= self.due;
        if is_due {
            self.due = now + self.pause;
            self.pause = (self.pause * 2).min(RETRY_MAX);
        }
        is_due
    }
}
