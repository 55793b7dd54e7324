//! The audience's end: waits for the offer, takes the file in, and tells the result.

use std::collections::VecDeque;
use std::io;
use std::time::Instant;

use super::acks::Acks;
use super::channel::{Channel, Taken};
use super::closing::{Closing, News};
use super::content::Sink;
use super::packet::{self, DATAGRAM_BYTES_MAX, Offer, Packet, Reason, SMALL_BYTES_MAX, SessionId, Token};
use super::reassembly::{Reassembly, WINDOW_BYTES};
use super::{Endpoint, Event, Failure, Heard, IDLE_MAX, Progress, Retry, Transmit};

/// The sender hears of a window that has opened by this part of it, even if there is no other news.
const WINDOW_NEWS_BYTES: u64 = WINDOW_BYTES / 4;

/// A transfer as its receiver sees it.
#[derive(Debug)]
pub struct Receiver<K> {
    channel: Channel,
    state: State<K>,
    /// When the sender was last heard.
    heard: Instant,
    /// A handshake of another version was.
    has_heard_other_version: bool,
    events: VecDeque<Event>,
    /// Where packets are after they were opened.
    packet: Vec<u8>,
}

#[derive(Debug)]
enum State<K> {
    /// Knock is said until it is answered, with a Hello.
    Waiting(Retry),
    /// The owner is to decide.
    Offered(Offer),
    Receiving(Box<Intake<K>>),
    Closing {
        closing: Closing,
        sink: Option<K>,
    },
}

/// Where a transfer starts.
#[derive(Debug, Clone)]
pub struct Start {
    /// Bytes of the file that are there already, from its beginning.
    offset: u64,
    hasher: blake3::Hasher,
}

impl Start {
    /// Nothing is there yet.
    pub fn afresh() -> Self {
        Self { offset: 0, hasher: blake3::Hasher::new() }
    }

    /// What was left of a broken transfer of the same file: its first `offset` bytes, which this hasher has
    /// seen. The owner has compared size and digest of that file with the offer.
    pub fn resume(offset: u64, hasher: blake3::Hasher) -> Self {
        debug_assert_eq!(offset, hasher.count());
        Self { offset, hasher }
    }

    /// Bytes of the file that are there already.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// What has seen these bytes.
    pub fn into_hasher(self) -> blake3::Hasher {
        self.hasher
    }
}

/// A file being taken in.
#[derive(Debug)]
struct Intake<K> {
    offer: Offer,
    offset: u64,
    sink: K,
    reassembly: Reassembly,
    acks: Acks,
    owes_accept: bool,
    /// The end of the window as the sender was last told.
    window_end_told: u64,
}

impl<K: Sink> Receiver<K> {
    /// Waits for an offer.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn new(now: Instant, token: &Token) -> io::Result<Self> {
        Ok(Self {
            channel: Channel::of_receiver(token)?,
            state: State::Waiting(Retry::new(now)),
            heard: now,
            has_heard_other_version: false,
            events: VecDeque::new(),
            packet: vec![0; DATAGRAM_BYTES_MAX],
        })
    }

    /// Takes what was offered; without effect unless an offer is open. A caller that claims to have more than was
    /// offered has not compared, and declines.
    pub fn accept(&mut self, now: Instant, start: Start, sink: K) {
        let State::Offered(offer) = self.state else { return };
        if start.offset > offer.size {
            return self.abort(now, Reason::Declined);
        }
        let reassembly = Reassembly::new(offer.size, start.offset, start.hasher);
        let intake = Intake {
            offer,
            offset: start.offset,
            sink,
            reassembly,
            acks: Acks::default(),
            owes_accept: true,
            window_end_told: 0,
        };
        self.state = State::Receiving(Box::new(intake));
    }

    /// What takes in the file, once it was accepted.
    pub fn sink(&self) -> Option<&K> {
        match &self.state {
            State::Closing { sink, .. } => sink.as_ref(),
            State::Receiving(intake) => Some(&intake.sink),
            State::Waiting(_) | State::Offered(_) => None,
        }
    }

    /// What was taken in, once the transfer is over; after a failure, as far as it came without a gap.
    pub fn into_sink(self) -> Option<K> {
        match self.state {
            State::Closing { sink, .. } => sink,
            State::Receiving(intake) => Some(intake.sink),
            State::Waiting(_) | State::Offered(_) => None,
        }
    }

    /// Takes in a packet. Returns whether it can be true. `number` is 0 for the one that comes with the handshake,
    /// which is none that is acknowledged.
    fn on_packet(&mut self, now: Instant, number: u64, packet: &Packet<'_>) -> bool {
        match (&mut self.state, packet) {
            (State::Closing { closing, .. }, packet) => closing.on_packet(now, packet),
            (_, Packet::Abort(reason)) => {
                self.close(Closing::answering(now), Event::Failed(Failure::There(*reason)));
            }
            (State::Waiting(_), Packet::Hello(offer)) => {
                self.state = State::Offered(*offer);
                self.events.push_back(Event::Offered(*offer));
            }
            (State::Receiving(intake), Packet::Data { offset, payload }) => {
                if !intake.reassembly.insert(*offset, payload) {
                    return false;
                }
                intake.acks.on_packet(now, number);
            }
            (State::Receiving(intake), Packet::Ping) => intake.acks.on_packet(now, number),
            _ => return false,
        }
        true
    }

    /// Takes in what belongs to the handshake, and is no packet.
    fn on_opening(&mut self, now: Instant, taken: Taken) -> Heard {
        match taken {
            Taken::Call => {
                match &mut self.state {
                    State::Waiting(retry) => retry.due = now,
                    State::Closing { closing, .. } => closing.hasten(now),
                    State::Offered(_) | State::Receiving(_) => {}
                }
                return Heard::Newest;
            }
            Taken::AnswerAgain => self.answered_again(now),
            Taken::Foreign => self.has_heard_other_version = true,
            _ => {}
        }
        Heard::Nothing
    }

    /// The sender does not know yet that its answer has come.
    fn answered_again(&mut self, now: Instant) {
        match &mut self.state {
            State::Receiving(intake) => intake.owes_accept = true,
            State::Closing { closing, .. } => closing.hasten(now),
            State::Waiting(_) | State::Offered(_) => {}
        }
    }

    /// Ends it. What has arrived without a gap goes to the sink, to be resumed one day.
    fn close(&mut self, closing: Closing, event: Event) {
        let unset = State::Closing { closing: Closing::closed(), sink: None };
        let sink = match std::mem::replace(&mut self.state, unset) {
            State::Receiving(mut intake) => {
                // Of a sink that has failed nobody knows how much of the last block it has.
                if event != Event::Failed(Failure::Here(Reason::NotStored)) {
                    // If it fails now, less is resumed.
                    let _ = intake.reassembly.hand_on_all(&mut intake.sink);
                }
                Some(intake.sink)
            }
            State::Closing { sink, .. } => sink,
            State::Waiting(_) | State::Offered(_) => None,
        };
        self.state = State::Closing { closing, sink };
        self.events.push_back(event);
    }
}

impl<K: Sink> Intake<K> {
    fn poll_transmit(&mut self, now: Instant, channel: &mut Channel, buffer: &mut [u8]) -> Option<Transmit> {
        let window_end = self.reassembly.window_end();
        let mut packet = [0; SMALL_BYTES_MAX];
        let bytes = if std::mem::take(&mut self.owes_accept) {
            self.acks.on_accept(now);
            packet::write_accept(&mut packet, self.offset, window_end, DATAGRAM_BYTES_MAX as u16)
        } else {
            let (delay, ranges) = self.acks.take(now)?;
            let delivered = self.reassembly.delivered();
            packet::write_ack(&mut packet, delay, delivered, window_end, ranges)
        };
        self.window_end_told = window_end;
        Transmit::one(channel.seal(&packet[..bytes], buffer))
    }

    /// Hands on what has arrived. Returns the end, if this is it.
    fn settle(&mut self, now: Instant) -> Option<Result<(), Reason>> {
        if self.reassembly.hand_on(&mut self.sink).is_err() {
            return Some(Err(Reason::NotStored));
        }
        if self.reassembly.is_complete() {
            return Some(if self.reassembly.digest() != self.offer.digest {
                Err(Reason::DigestDiffers)
            } else {
                self.sink.finish().map_err(|_| Reason::NotStored)
            });
        }
        if self.reassembly.window_end() >= self.window_end_told + WINDOW_NEWS_BYTES {
            self.acks.hasten(now);
        }
        None
    }
}

impl<K: Sink> Endpoint for Receiver<K> {
    fn session(&self) -> SessionId {
        self.channel.session()
    }

    fn on_datagram(&mut self, now: Instant, datagram: &[u8]) -> Heard {
        let mut buffer = std::mem::take(&mut self.packet);
        let (number, bytes, heard) = match self.channel.take(datagram, &mut buffer) {
            Taken::Packet { number, is_newest, bytes } => {
                (number, bytes, if is_newest { Heard::Newest } else { Heard::Old })
            }
            Taken::Answer(bytes) => (0, bytes, Heard::Newest),
            taken => {
                self.packet = buffer;
                return self.on_opening(now, taken);
            }
        };
        let is_true =
            packet::decode(&buffer[..bytes]).is_some_and(|packet| self.on_packet(now, number, &packet));
        self.packet = buffer;
        if !is_true {
            return Heard::Nothing;
        }
        self.heard = now;
        heard
    }

    fn poll_transmit(&mut self, now: Instant, _segments_max: usize, buffer: &mut [u8]) -> Option<Transmit> {
        let channel = &mut self.channel;
        match &mut self.state {
            State::Waiting(retry) => {
                let is_due = retry.take(now);
                Transmit::one(if is_due { channel.write_opening(buffer) } else { 0 })
            }
            State::Offered(_) => None,
            State::Receiving(intake) => intake.poll_transmit(now, channel, buffer),
            State::Closing { closing, .. } => closing.poll_transmit(now, channel, buffer),
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let idle_due = self.heard + IDLE_MAX;
        match &self.state {
            State::Waiting(retry) => Some(retry.due.min(idle_due)),
            State::Offered(_) => Some(idle_due),
            State::Receiving(intake) if intake.owes_accept => Some(self.heard),
            State::Receiving(intake) => Some(intake.acks.due().map_or(idle_due, |due| due.min(idle_due))),
            State::Closing { closing, .. } => closing.poll_timeout(),
        }
    }

    fn on_timeout(&mut self, now: Instant) {
        match &mut self.state {
            State::Closing { closing, .. } => closing.on_timeout(now),
            _ if now >= self.heard + IDLE_MAX => {
                let failure = Failure::silent(self.has_heard_other_version && !self.channel.is_open());
                self.close(Closing::closed(), Event::Failed(failure));
            }
            _ => {}
        }
    }

    fn settle(&mut self, now: Instant) {
        let State::Receiving(intake) = &mut self.state else { return };
        match intake.settle(now) {
            None => {}
            Some(Ok(())) => self.close(Closing::telling(now, News::Done), Event::Done),
            Some(Err(reason)) => self.abort(now, reason),
        }
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn abort(&mut self, now: Instant, reason: Reason) {
        if !matches!(self.state, State::Closing { .. }) {
            let closing = Closing::telling(now, News::Abort(reason));
            self.close(closing, Event::Failed(Failure::Here(reason)));
        }
    }

    fn progress(&self) -> Option<Progress> {
        match &self.state {
            State::Receiving(intake) => {
                Some(Progress { bytes: intake.reassembly.delivered(), size: intake.offer.size })
            }
            State::Waiting(_) | State::Offered(_) | State::Closing { .. } => None,
        }
    }
}
