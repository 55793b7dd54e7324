//! The end of a transfer, the same for both ends: the end that knows the result tells it until it is answered, and the
//! other stays a while to answer again.

use std::time::Instant;

use super::channel::Channel;
use super::packet::{self, Packet, Reason, SMALL_BYTES_MAX};
use super::{IDLE_MAX, LINGER, Retry, Transmit};

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// The file is complete.
    Done,
    /// This end has given up.
    Abort(Reason),
}

impl News {
    /// Writes the packet that tells it; how many bytes it has.
    fn write(self, packet: &mut [u8]) -> usize {
        match self {
            Self::Done => packet::write_done(packet),
            Self::Abort(reason) => packet::write_abort(packet, reason),
        }
    }
}

/// The last phase.
#[derive(Debug)]
pub(super) struct Closing {
    phase: Phase,
    /// The peer told its own news, and waits for a Goodbye.
    owes_goodbye: bool,
}

#[derive(Debug)]
enum Phase {
    /// The peer is told until it answers.
    Telling {
        news: News,
        retry: Retry,
        until: Instant,
    },
    /// The peer knows; it may not know that we know.
    Lingering {
        until: Instant,
    },
    Closed,
}

impl Closing {
    /// Tells the peer. That a file is complete is told as long as a sender may be waiting for it.
    pub(super) fn telling(now: Instant, news: News) -> Self {
        let until = match news {
            News::Done => now + IDLE_MAX,
            News::Abort(_) => now + LINGER,
        };
        Self { phase: Phase::Telling { news, retry: Retry::new(now), until }, owes_goodbye: false }
    }

    /// Answers what the peer has just told.
    pub(super) fn answering(now: Instant) -> Self {
        Self { phase: Phase::Lingering { until: now + LINGER }, owes_goodbye: true }
    }

    /// Nobody is there to be told.
    pub(super) fn closed() -> Self {
        Self { phase: Phase::Closed, owes_goodbye: false }
    }

    /// The peer does not know yet, and is to be told at once.
    pub(super) fn hasten(&mut self, now: Instant) {
        if let Phase::Telling { retry, .. } = &mut self.phase {
            retry.due = now;
        }
    }

    /// Takes in a packet of the peer.
    pub(super) fn on_packet(&mut self, now: Instant, packet: &Packet<'_>) {
        match (packet, &mut self.phase) {
            (_, Phase::Closed) => {}
            (Packet::Goodbye, Phase::Telling { .. }) => self.phase = Phase::Closed,
            (Packet::Done | Packet::Abort(_), phase) => {
                *phase = Phase::Lingering { until: now + LINGER };
                self.owes_goodbye = true;
            }
            // The sender has not heard that everything is there.
            (Packet::Hello(_) | Packet::Ping, Phase::Telling { retry, .. }) => retry.due = now,
            _ => {}
        }
    }

    /// The other end has keys from now on, and is to be told at once. Returns the packet that tells it.
    pub(super) fn first_packet(&mut self, now: Instant, packet: &mut [u8]) -> Option<usize> {
        let Phase::Telling { news, retry, .. } = &mut self.phase else { return None };
        retry.due = now;
        Some(news.write(packet))
    }

    /// The datagram that is to be sent now. An end that gives up before there are keys goes on to ask for them, or
    /// the other one would never hear of it.
    pub(super) fn poll_transmit(
        &mut self,
        now: Instant,
        channel: &mut Channel,
        buffer: &mut [u8],
    ) -> Option<Transmit> {
        let mut packet = [0; SMALL_BYTES_MAX];
        let bytes = if std::mem::take(&mut self.owes_goodbye) {
            let bytes = packet::write_goodbye(&mut packet);
            channel.seal(&packet[..bytes], buffer)
        } else {
            let Phase::Telling { news, retry, .. } = &mut self.phase else { return None };
            if !retry.take(now) {
                return None;
            }
            let bytes = news.write(&mut packet);
            if channel.is_open() {
                channel.seal(&packet[..bytes], buffer)
            } else {
                channel.write_opening(buffer)
            }
        };
        Transmit::one(bytes)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Telling { retry, until, .. } => Some(retry.due.min(*until)),
            Phase::Lingering { until } => Some(*until),
            Phase::Closed => None,
        }
    }

    pub(super) fn on_timeout(&mut self, now: Instant) {
        if let Phase::Telling { until, .. } | Phase::Lingering { until } = self.phase
            && now >= until
        {
            self.phase = Phase::Closed;
        }
    }
}
