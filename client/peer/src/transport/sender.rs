//! The presenting end: greets, streams, and learns the result.

use std::collections::VecDeque;
use std::time::Instant;

use super::channel::{Channel, Taken};
use super::closing::{Closing, News};
use super::content::Source;
use super::mtu::FLOOR_BYTES;
use super::packet::{self, DATAGRAM_BYTES_MAX, Offer, Packet, Reason, SMALL_BYTES_MAX, SessionId, Token};
use super::stream::{Outgoing, Stream};
use super::{Endpoint, Event, Failure, Heard, IDLE_MAX, Progress, Retry, Transmit};

/// A transfer as its sender sees it.
#[derive(Debug)]
pub struct Sender<S> {
    channel: Channel,
    offer: Offer,
    source: S,
    state: State,
    /// When the receiver was last heard.
    heard: Instant,
    /// A handshake of another version was.
    has_heard_other_version: bool,
    /// The receiver has knocked, and waits.
    owes_answer: bool,
    events: VecDeque<Event>,
    /// Where packets are before they are sealed, and after they were opened.
    packet: Vec<u8>,
}

#[derive(Debug)]
enum State {
    /// The receiver is called until it knocks, and answered with Hello until it accepts.
    Greeting(Retry),
    Streaming(Box<Stream>),
    Closing(Closing),
}

impl<S: Source> Sender<S> {
    /// Offers what `source` holds: `offer.size` bytes with the digest `offer.digest`.
    pub fn new(now: Instant, token: &Token, offer: Offer, source: S) -> Self {
        Self {
            channel: Channel::of_sender(token),
            offer,
            source,
            state: State::Greeting(Retry::new(now)),
            heard: now,
            has_heard_other_version: false,
            owes_answer: false,
            events: VecDeque::new(),
            packet: vec![0; DATAGRAM_BYTES_MAX],
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

    /// Bytes that may be on their way; `None` when no file is.
    #[cfg(test)]
    pub(super) fn window(&self) -> Option<u64> {
        match &self.state {
            State::Streaming(stream) => Some(stream.window()),
            State::Greeting(_) | State::Closing(_) => None,
        }
    }

    /// The receiver has knocked: what it gets with the answer is the offer, or that there is none any more.
    fn answer(&mut self, now: Instant) {
        let mut packet = [0; SMALL_BYTES_MAX];
        let bytes = match &mut self.state {
            State::Closing(closing) => closing.first_packet(now, &mut packet),
            _ => Some(packet::write_hello(&mut packet, &self.offer)),
        };
        if let Some(bytes) = bytes {
            self.channel.answer(&packet[..bytes]);
        }
    }

    fn on_packet(&mut self, now: Instant, packet: &Packet<'_>) -> bool {
        match (&mut self.state, packet) {
            (State::Closing(closing), packet) => closing.on_packet(now, packet),
            (_, Packet::Done) => self.close(Closing::answering(now), Event::Done),
            (_, Packet::Abort(reason)) => {
                self.close(Closing::answering(now), Event::Failed(Failure::There(*reason)));
            }
            (State::Greeting(_), Packet::Accept { offset, window_end, datagram_bytes_max }) => {
                let datagram_bytes_max = usize::from(*datagram_bytes_max);
                if *offset > self.offer.size || offset > window_end || datagram_bytes_max < FLOOR_BYTES {
                    return false;
                }
                let first = self.channel.next_number();
                let stream =
                    Stream::new(now, first, self.offer.size, *offset, *window_end, datagram_bytes_max);
                self.state = State::Streaming(Box::new(stream));
                self.events.push_back(Event::Started { offset: *offset });
            }
            (State::Streaming(stream), Packet::Ack(ack)) => return stream.on_ack(now, ack),
            // Late copies of what has had its effect.
            (State::Streaming(_), Packet::Accept { .. }) => {}
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
        self.channel.session()
    }

    fn on_datagram(&mut self, now: Instant, datagram: &[u8]) -> Heard {
        let mut buffer = std::mem::take(&mut self.packet);
        let heard = match self.channel.take(datagram, &mut buffer) {
            Taken::Packet { is_newest, bytes, .. } => match packet::decode(&buffer[..bytes]) {
                Some(packet) if self.on_packet(now, &packet) => {
                    if is_newest {
                        Heard::Newest
                    } else {
                        Heard::Old
                    }
                }
                _ => Heard::Nothing,
            },
            Taken::Knock { is_news } => {
                if is_news {
                    self.answer(now);
                }
                self.owes_answer = true;
                Heard::Newest
            }
            Taken::Foreign => {
                self.has_heard_other_version = true;
                Heard::Nothing
            }
            Taken::Nothing | Taken::Call | Taken::Answer(_) | Taken::AnswerAgain => Heard::Nothing,
        };
        self.packet = buffer;
        if heard != Heard::Nothing {
            self.heard = now;
        }
        heard
    }

    fn poll_transmit(&mut self, now: Instant, segments_max: usize, buffer: &mut [u8]) -> Option<Transmit> {
        if std::mem::take(&mut self.owes_answer) {
            return Transmit::one(self.channel.write_opening(buffer));
        }
        let (channel, packet) = (&mut self.channel, &mut self.packet[..]);
        match &mut self.state {
            State::Greeting(retry) => {
                let is_due = retry.take(now);
                Transmit::one(if is_due { channel.write_opening(buffer) } else { 0 })
            }
            State::Streaming(stream) => {
                let mut out = Outgoing { channel, packet, source: &mut self.source };
                match stream.fill(now, segments_max, buffer, &mut out) {
                    Ok(transmit) => transmit,
                    Err(_) => {
                        self.abort(now, Reason::Unreadable);
                        self.poll_transmit(now, segments_max, buffer)
                    }
                }
            }
            State::Closing(closing) => closing.poll_transmit(now, channel, buffer),
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let idle_due = self.heard + IDLE_MAX;
        match &self.state {
            _ if self.owes_answer => Some(self.heard),
            State::Greeting(retry) => Some(retry.due.min(idle_due)),
            State::Streaming(stream) => Some(stream.poll_timeout().map_or(idle_due, |due| due.min(idle_due))),
            State::Closing(closing) => closing.poll_timeout(),
        }
    }

    fn on_timeout(&mut self, now: Instant) {
        match &mut self.state {
            State::Closing(closing) => closing.on_timeout(now),
            _ if now >= self.heard + IDLE_MAX => {
                let failure = Failure::silent(self.has_heard_other_version && !self.channel.is_open());
                self.close(Closing::closed(), Event::Failed(failure));
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
