//! The presenting end: greets, streams, and learns the result.

use std::collections::VecDeque;
use std::time::Instant;

use super::closing::{Closing, News};
use super::content::Source;
use super::mtu::FLOOR_BYTES;
use super::packet::{self, Offer, Packet, Reason, SessionId, Sessions, Token};
use super::stream::Stream;
use super::{Endpoint, Event, Failure, IDLE_MAX, Progress, Retry, Transmit};

/// A transfer as its sender sees it.
#[derive(Debug)]
pub struct Sender<S> {
    sessions: Sessions,
    offer: Offer,
    source: S,
    state: State,
    /// When the receiver was last heard.
    heard: Instant,
    events: VecDeque<Event>,
}

#[derive(Debug)]
enum State {
    /// Hello is said until it is accepted.
    Greeting(Retry),
    Streaming(Box<Stream>),
    Closing(Closing),
}

impl<S: Source> Sender<S> {
    /// Offers what `source` holds: `offer.size` bytes with the digest `offer.digest`.
    pub fn new(now: Instant, token: &Token, offer: Offer, source: S) -> Self {
        Self {
            sessions: token.sessions(),
            offer,
            source,
            state: State::Greeting(Retry::new(now)),
            heard: now,
            events: VecDeque::new(),
        }
    }

    /// What is sent, to look at.
    pub fn source(&self) -> &S {
        &self.source
    }

    /// Bytes of a datagram on this path, as far as is known; `None` when no file is on its way.
    pub fn datagram_bytes(&self) -> Option<usize> {
        match &self.state {
            State::Streaming(stream) => Some(stream.datagram_bytes()),
            State::Greeting(_) | State::Closing(_) => None,
        }
    }

    fn on_packet(&mut self, now: Instant, packet: &Packet<'_>) -> bool {
        match (&mut self.state, packet) {
            (State::Closing(closing), packet) => closing.on_packet(now, packet),
            (_, Packet::Done) => self.close(Closing::answering(now), Event::Done),
            (_, Packet::Abort(reason)) => {
                self.close(Closing::answering(now), Event::Failed(Failure::There(*reason)));
            }
            (State::Greeting(retry), Packet::Knock) => retry.due = now,
            (State::Greeting(_), Packet::Accept { offset, window_end, datagram_bytes_max }) => {
                let datagram_bytes_max = usize::from(*datagram_bytes_max);
                if *offset > self.offer.size || offset > window_end || datagram_bytes_max < FLOOR_BYTES {
                    return false;
                }
                let session = self.sessions.to_receiver;
                let stream =
                    Stream::new(now, session, self.offer.size, *offset, *window_end, datagram_bytes_max);
                self.state = State::Streaming(Box::new(stream));
                self.events.push_back(Event::Started { offset: *offset });
            }
            (State::Streaming(stream), Packet::Ack(ack)) => return stream.on_ack(now, ack),
            // Late copies of what has had its effect.
            (State::Streaming(_), Packet::Knock | Packet::Accept { .. }) => {}
            _ => return false,
        }
        true
    }

    fn close(&mut self, closing: Closing, event: Event) {
        self.state = State::Closing(closing);
        self.events.push_back(event);
    }
}

impl<S: Source> Endpoint for Sender<S> {
    fn session(&self) -> SessionId {
        self.sessions.to_sender
    }

    fn on_datagram(&mut self, now: Instant, datagram: &[u8]) -> bool {
        let Some(packet) = packet::decode(self.sessions.to_sender, datagram) else { return false };
        let is_heard = self.on_packet(now, &packet);
        if is_heard {
            self.heard = now;
        }
        is_heard
    }

    fn poll_transmit(&mut self, now: Instant, segments_max: usize, buffer: &mut [u8]) -> Option<Transmit> {
        let session = self.sessions.to_receiver;
        match &mut self.state {
            State::Greeting(retry) => retry.take(now).then(|| {
                let bytes = packet::write_hello(buffer, session, &self.offer);
                Transmit { segment_bytes: bytes, bytes }
            }),
            State::Streaming(stream) => match stream.fill(now, segments_max, buffer, &mut self.source) {
                Ok(transmit) => transmit,
                Err(_) => {
                    self.abort(now, Reason::Unreadable);
                    self.poll_transmit(now, segments_max, buffer)
                }
            },
            State::Closing(closing) => closing.poll_transmit(now, session, buffer),
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let idle_due = self.heard + IDLE_MAX;
        match &self.state {
            State::Greeting(retry) => Some(retry.due.min(idle_due)),
            State::Streaming(stream) => Some(stream.poll_timeout().map_or(idle_due, |due| due.min(idle_due))),
            State::Closing(closing) => closing.poll_timeout(),
        }
    }

    fn on_timeout(&mut self, now: Instant) {
        match &mut self.state {
            State::Closing(closing) => closing.on_timeout(now),
            _ if now >= self.heard + IDLE_MAX => {
                self.close(Closing::closed(), Event::Failed(Failure::Vanished));
            }
            State::Streaming(stream) => stream.on_timeout(now),
            State::Greeting(_) => {}
        }
    }

    fn settle(&mut self, _now: Instant) {}

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn abort(&mut self, now: Instant, reason: Reason) {
        if !matches!(self.state, State::Closing(_)) {
            let closing = Closing::telling(now, News::Abort(reason));
            self.close(closing, Event::Failed(Failure::Here(reason)));
        }
    }

    fn progress(&self) -> Option<Progress> {
        let bytes = match &self.state {
            State::Greeting(_) => 0,
            State::Streaming(stream) => stream.delivered(),
            State::Closing(_) => return None,
        };
        Some(Progress { bytes, size: self.offer.size })
    }
}
