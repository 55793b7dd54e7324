//! A transfer of [`udp`](crate::transport) and the way its datagrams take: straight to the other client, or
//! through the server.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use forum_common::wire::{LinkId, Request};

use crate::Context;
use crate::transport::packet::DATAGRAM_BYTES_MAX;
use crate::transport::socket::{Link, PeerSocket};
use crate::transport::{Endpoint, Event, LINGER, Reason};

const _: () = assert!(forum_common::wire::RELAYED_BYTES_MAX >= DATAGRAM_BYTES_MAX);

/// How long a transfer is waited for whose other end has left: what it sent last may still be on its way.
const LAST_WORD_TIMEOUT: Duration = LINGER;

/// One end of a transfer under way.
#[derive(Debug)]
pub(super) struct Transfer<E> {
    link: Link<E>,
    path: Path,
    /// Where datagrams for the server are made; empty until there are any.
    buffer: Vec<u8>,
    /// It has more to send through the server than that takes now.
    is_held: bool,
    /// The other end has left; until then the result may still come.
    gone_at: Option<Instant>,
}

/// The way of the datagrams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Path {
    /// None is known; the server will say.
    Unknown,
    /// Straight.
    Direct,
    /// Through the server.
    Relayed,
}

impl<E: Endpoint> Transfer<E> {
    /// A transfer whose other end may be found there.
    pub(super) fn new(endpoint: E, there: Option<SocketAddr>) -> Self {
        let path = if there.is_some() { Path::Direct } else { Path::Unknown };
        let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        Self {
            link: Link::new(endpoint, there.unwrap_or(nowhere)),
            path,
            buffer: Vec::new(),
            is_held: false,
            gone_at: None,
        }
    }

    /// The machine.
    pub(super) fn endpoint(&mut self) -> &mut E {
        &mut self.link.endpoint
    }

    /// The machine, to look at.
    pub(super) fn view(&self) -> &E {
        &self.link.endpoint
    }

    /// The machine, when all is over.
    pub(super) fn into_endpoint(self) -> E {
        self.link.endpoint
    }

    /// From now on everything goes through the server.
    pub(super) fn relay(&mut self) {
        self.path = Path::Relayed;
        self.buffer.resize(DATAGRAM_BYTES_MAX, 0);
    }

    /// Whether it needs the server.
    pub(super) fn needs_server(&self) -> bool {
        self.path != Path::Direct
    }

    /// The other end has left.
    pub(super) fn other_is_gone(&mut self, now: Instant) {
        self.gone_at.get_or_insert(now + LAST_WORD_TIMEOUT);
    }

    /// Whether the other end has left before the result was known.
    pub(super) fn is_deserted(&self) -> bool {
        self.gone_at.is_some()
    }

    /// Takes in a datagram that came straight, if it is one of this transfer.
    pub(super) fn take(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) -> bool {
        self.link.on_datagram(now, from, datagram)
    }

    /// Takes in a datagram that the server has brought.
    pub(super) fn take_relayed(&mut self, now: Instant, datagram: &[u8]) {
        let _ = self.link.endpoint.on_datagram(now, datagram);
    }

    /// Does what is due and sends what there is to send, up to a share. Returns whether there is more.
    pub(super) fn advance(
        &mut self,
        link: Option<LinkId>,
        socket: Option<&mut PeerSocket>,
        context: &mut Context<'_>,
    ) -> bool {
        let now = context.now;
        if self.gone_at.is_some_and(|gone_at| now >= gone_at) {
            self.link.endpoint.abort(now, Reason::Left);
        }
        self.link.endpoint.on_timeout(now);
        let has_more = match (self.path, link, socket) {
            (Path::Direct, _, Some(socket)) => socket.transmit(now, &mut self.link),
            (Path::Relayed, Some(link), _) => {
                self.relay_out(link, context);
                false
            }
            _ => false,
        };
        self.link.endpoint.settle(now);
        has_more
    }

    /// Gives datagrams to the server, as long as there is room for them.
    fn relay_out(&mut self, link: LinkId, context: &mut Context<'_>) {
        self.is_held = true;
        while context.relay_room > 0 {
            let Some(transmit) = self.link.endpoint.poll_transmit(context.now, 1, &mut self.buffer) else {
                self.is_held = false;
                return;
            };
            context.relay_room = context.relay_room.saturating_sub(transmit.bytes);
            context.tell(&Request::RelayDatagram { link, datagram: &self.buffer[..transmit.bytes] });
        }
    }

    /// Whether it goes on as soon as the server takes more.
    pub(super) fn is_held(&self) -> bool {
        self.is_held
    }

    /// What has happened next.
    pub(super) fn next_event(&mut self) -> Option<Event> {
        self.link.endpoint.poll_event()
    }

    /// When [`Transfer::advance`] is due; `None`: it is over.
    pub(super) fn due(&self) -> Option<Instant> {
        let due = self.link.endpoint.poll_timeout()?;
        Some(self.gone_at.map_or(due, |gone_at| gone_at.min(due)))
    }
}
