//! The packets on their way, and which of them are lost (RFC 9002, section 6.1).
//!
//! It numbers packets and remembers what each carried until its fate is known. It doesn't know what is in
//! the file, how much may be in flight, and what to do about a loss.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::{Duration, Instant};

/// A packet is lost when one that was sent this many numbers later has arrived (kPacketThreshold).
const REORDERED_MAX: u64 = 3;

/// A packet that was sent.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) at: Instant,
    /// Bytes of the datagram.
    pub(super) bytes: usize,
    pub(super) cargo: Cargo,
    is_outstanding: bool,
}

/// What a packet carried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cargo {
    /// These bytes of the file.
    Content(Range<u64>),
    /// Nothing; it was to be acknowledged.
    Ping,
    /// Nothing; its size was to be tried.
    Probe,
}

/// What a look for losses found.
#[derive(Debug, Default)]
pub(super) struct Losses {
    /// When the last of the lost packets was sent, probes left out; `None`: nothing is lost.
    pub(super) last_sent_at: Option<Instant>,
    /// The longest time between two lost packets with none between them that has arrived, both sent when a round trip
    /// was known.
    pub(super) span: Duration,
}

/// All packets whose fate is unknown.
#[derive(Debug, Clone, Default)]
pub(super) struct Flight {
    sent: VecDeque<Sent>,
    /// The number of the first of them.
    base: u64,
    bytes: u64,
    largest_acked: Option<u64>,
    loss_due: Option<Instant>,
}

impl From<u64> for Flight {
    /// No packet yet; the first gets this number.
    fn from(first_number: u64) -> Self {
        Self { base: first_number, ..Self::default() }
    }
}

impl Flight {
    /// The number that the next packet gets.
    pub(super) fn next_number(&self) -> u64 {
        self.base + self.sent.len() as u64
    }

    /// Bytes of all datagrams on their way.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// When the next packet counts as lost if nothing is heard of it.
    pub(super) fn loss_due(&self) -> Option<Instant> {
        self.loss_due
    }

    /// Notes that the packet with the next number has been sent.
    pub(super) fn record(&mut self, at: Instant, bytes: usize, cargo: Cargo) {
        self.sent.push_back(Sent { at, bytes, cargo, is_outstanding: true });
        self.bytes += bytes as u64;
    }

    /// Notes that the packets with these numbers have arrived; `each` sees those of which it is news.
    pub(super) fn acknowledge(&mut self, numbers: Range<u64>, mut each: impl FnMut(u64, &Sent)) {
        let (start, end) = (numbers.start.max(self.base), numbers.end.min(self.next_number()));
        if start >= end {
            return;
        }
        self.largest_acked = self.largest_acked.max(Some(end - 1));
        let inside = (start - self.base) as usize..(end - self.base) as usize;
        for (number, sent) in (start..).zip(self.sent.range_mut(inside)) {
            if sent.is_outstanding {
                sent.is_outstanding = false;
                self.bytes -= sent.bytes as u64;
                each(number, sent);
            }
        }
        self.forget_settled();
    }

    /// Finds the packets that count as lost now; `each` sees them, in the order they were sent. `measured_since`: when
    /// a round trip was first known; packets sent before say how the first time-outs were guessed, not how long
    /// the path was congested (RFC 9002, 7.6.2).
    pub(super) fn find_losses(
        &mut self,
        now: Instant,
        delay: Duration,
        measured_since: Option<Instant>,
        mut each: impl FnMut(&Sent),
    ) -> Losses {
        self.loss_due = None;
        let mut losses = Losses::default();
        let Some(largest_acked) = self.largest_acked else { return losses };
        let mut run_since: Option<Instant> = None;
        for (number, sent) in (self.base..largest_acked).zip(self.sent.iter_mut()) {
            if !sent.is_outstanding {
                run_since = None;
                continue;
            }
            let due = sent.at + delay;
            if number + REORDERED_MAX > largest_acked && now < due {
                self.loss_due = Some(self.loss_due.map_or(due, |earlier| earlier.min(due)));
                continue;
            }
            sent.is_outstanding = false;
            self.bytes -= sent.bytes as u64;
            if sent.cargo != Cargo::Probe {
                if measured_since.is_some_and(|since| sent.at >= since) {
                    let since = *run_since.get_or_insert(sent.at);
                    losses.span = losses.span.max(sent.at - since);
                }
                losses.last_sent_at = losses.last_sent_at.max(Some(sent.at));
            }
            each(sent);
        }
        self.forget_settled();
        losses
    }

    /// The content that has been on its way for the longest time.
    pub(super) fn oldest_content(&self) -> Option<&Range<u64>> {
        self.sent.iter().filter(|sent| sent.is_outstanding).find_map(|sent| match &sent.cargo {
            Cargo::Content(range) => Some(range),
            Cargo::Ping | Cargo::Probe => None,
        })
    }

    fn forget_settled(&mut self) {
        while self.sent.front().is_some_and(|sent| !sent.is_outstanding) {
            self.sent.pop_front();
            self.base += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const DELAY: Duration = Duration::from_millis(9);

    /// Ten packets, a millisecond apart, packet n with byte n.
    fn ten(start: Instant) -> Flight {
        let mut flight = Flight::default();
        for number in 0..10 {
            assert_eq!(flight.next_number(), number);
            flight.record(start + number as u32 * MS, 100, Cargo::Content(number..number + 1));
        }
        flight
    }

    fn lost(flight: &mut Flight, now: Instant) -> Vec<u64> {
        let mut lost = Vec::new();
        flight.find_losses(now, DELAY, None, |sent| match &sent.cargo {
            Cargo::Content(range) => lost.push(range.start),
            other => panic!("{other:?}"),
        });
        lost
    }

    #[test]
    fn three_later_packets_make_a_loss_and_less_is_a_matter_of_time() {
        let start = Instant::now();
        let mut flight = ten(start);
        flight.acknowledge(5..6, |_, _| {});
        assert_eq!(lost(&mut flight, start + 10 * MS), [0, 1, 2]);
        assert_eq!(flight.loss_due(), Some(start + 3 * MS + DELAY));
        assert_eq!(lost(&mut flight, start + 3 * MS + DELAY), [3]);
        assert_eq!(lost(&mut flight, start + 4 * MS + DELAY), [4]);
        assert_eq!(flight.loss_due(), None);
        assert_eq!(flight.bytes(), 400);
    }

    #[test]
    fn nothing_is_lost_before_something_later_arrives() {
        let start = Instant::now();
        let mut flight = ten(start);
        assert_eq!(lost(&mut flight, start + 1_000 * MS), [0; 0]);
        flight.acknowledge(0..2, |_, _| {});
        assert_eq!(lost(&mut flight, start + 1_000 * MS), [0; 0]);
    }

    #[test]
    fn an_acknowledgement_is_news_only_once() {
        let mut flight = ten(Instant::now());
        let mut news = Vec::new();
        for numbers in [2..4, 0..4, 3..100, 0..5] {
            flight.acknowledge(numbers, |number, _| news.push(number));
        }
        assert_eq!(news, [2, 3, 0, 1, 4, 5, 6, 7, 8, 9]);
        assert_eq!((flight.bytes(), flight.next_number()), (0, 10));
    }

    #[test]
    fn the_span_of_losses_ends_at_what_has_arrived_and_begins_when_a_round_trip_is_known() {
        let start = Instant::now();
        let mut flight = ten(start);
        flight.acknowledge(9..10, |_, _| {});
        flight.acknowledge(5..6, |_, _| {});
        for (measured_since, span) in
            [(None, Duration::ZERO), (Some(start), 4 * MS), (Some(start + 2 * MS), 2 * MS)]
        {
            let losses = flight.clone().find_losses(start + 100 * MS, DELAY, measured_since, |_| {});
            assert_eq!((losses.span, losses.last_sent_at), (span, Some(start + 8 * MS)));
        }
    }
}
