//! When to acknowledge, and which packet numbers (RFC 9000, section 13.2).
//!
//! It knows numbers and times but not what the packets carried.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::packet::ACK_RANGES_MAX;
use super::ranges::RangeSet;
use super::rtt::TIMEOUT_MIN;

/// How long an acknowledgement may wait for company.
pub(super) const ACK_DELAY_MAX: Duration = Duration::from_millis(5);
/// Packets in order that are acknowledged together, if nothing is sent between them.
const PACKETS_AN_ACK: u32 = 2;
/// Packets in order after which a path counts as one that loses none. Until then every acknowledgement is sent
/// twice where a round trip is shorter than [`TIMEOUT_MIN`]: packets of a small window often arrive together and share
/// one, and were that lost, nothing would move until a time-out, which may be hundreds of round trips. On a longer
/// path the time-out follows the round trip, and a second copy would only cost.
const PACKETS_TILL_TRUST: u32 = 256;

/// What has arrived, and whether the sender knows.
#[derive(Debug, Default)]
pub(super) struct Acks {
    numbers: RangeSet,
    /// The largest number, and when it arrived.
    largest: Option<(u64, Instant)>,
    due: Option<Instant>,
    unacknowledged: u32,
    /// When the sender was asked to begin.
    asked_at: Option<Instant>,
    /// What it was asked came back sooner than any time-out.
    is_short_path: bool,
    /// Packets in order that may still come before the path is trusted.
    distrust: u32,
    /// The acknowledgement that goes next has gone once.
    is_copy: bool,
}

impl Acks {
    /// Accept goes to the sender, which has sent nothing until it comes: so the first packet shows the round trip.
    ///
    /// Where Call and Knock have crossed, Accept goes again half a round trip after the first, which is what is
    /// answered; where it was lost, it goes again after the pause of what is said again, and the later one is.
    pub(super) fn on_accept(&mut self, now: Instant) {
        if self.asked_at.is_none_or(|before| now >= before + TIMEOUT_MIN) {
            self.asked_at = Some(now);
        }
    }

    /// A packet with this number has arrived, and what it carried is safe.
    pub(super) fn on_packet(&mut self, now: Instant, number: u64) {
        if self.largest.is_none() {
            let round_trip = self.asked_at.map(|asked_at| now.saturating_duration_since(asked_at));
            self.is_short_path = round_trip.is_some_and(|round_trip| round_trip < TIMEOUT_MIN);
        }
        let expected = self.largest.map_or(0, |(largest, _)| largest.saturating_add(1));
        if number >= expected {
            self.largest = Some((number, now));
        }
        self.numbers.insert(number..number.saturating_add(1));
        // What is forgotten counts as lost if no Ack with it has arrived, and is only sent again.
        if self.numbers.len() > ACK_RANGES_MAX {
            self.numbers.pop_first();
        }
        self.unacknowledged += 1;
        self.is_copy = false;
        self.distrust = if number == expected { self.distrust.saturating_sub(1) } else { PACKETS_TILL_TRUST };
        // Whatever comes out of order is news that the sender should have at once.
        if number != expected || self.unacknowledged >= PACKETS_AN_ACK {
            self.due = Some(now);
        } else {
            self.due.get_or_insert(now + ACK_DELAY_MAX);
        }
    }

    /// The sender is to hear at once that the window has opened.
    pub(super) fn hasten(&mut self, now: Instant) {
        if self.largest.is_some() {
            self.due = Some(now);
        }
    }

    /// When an acknowledgement is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// If an acknowledgement is due: how long the largest number waited for it, and all ranges, going down.
    /// The caller has to send it.
    pub(super) fn take(&mut self, now: Instant) -> Option<(Duration, impl Iterator<Item = Range<u64>>)> {
        let (_, arrived_at) = self.largest.filter(|_| self.due.is_some_and(|due| now >= due))?;
        self.is_copy = self.is_short_path && self.distrust > 0 && !self.is_copy;
        self.due = self.is_copy.then_some(now);
        self.unacknowledged = 0;
        let delay = now.saturating_duration_since(arrived_at);
        Some((delay, self.numbers.iter().rev().cloned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(acks: &mut Acks, now: Instant) -> Option<Vec<(u64, u64)>> {
        acks.take(now).map(|(_, ranges)| ranges.map(|range| (range.start, range.end)).collect())
    }

    #[test]
    fn every_second_packet_is_acknowledged_at_once_and_a_single_one_a_little_later() {
        let (mut acks, now) = (Acks::default(), Instant::now());
        acks.on_packet(now, 0);
        assert_eq!(taken(&mut acks, now), None);
        acks.on_packet(now, 1);
        assert_eq!(taken(&mut acks, now), Some(vec![(0, 2)]));
        acks.on_packet(now, 2);
        assert_eq!(acks.due(), Some(now + ACK_DELAY_MAX));
        let (delay, _) = acks.take(now + ACK_DELAY_MAX).unwrap();
        assert_eq!(delay, ACK_DELAY_MAX);
        assert_eq!(acks.due(), None);
    }

    #[test]
    fn gaps_and_late_packets_are_told_at_once() {
        let (mut acks, now) = (Acks::default(), Instant::now());
        acks.on_packet(now, 0);
        acks.on_packet(now, 4);
        assert_eq!(taken(&mut acks, now), Some(vec![(4, 5), (0, 1)]));
        acks.on_packet(now, 2);
        assert_eq!(taken(&mut acks, now), Some(vec![(4, 5), (2, 3), (0, 1)]));
    }

    #[test]
    fn on_a_short_path_that_loses_packets_every_acknowledgement_goes_twice() {
        let (mut acks, now) = (Acks::default(), Instant::now());
        acks.on_accept(now);
        acks.on_packet(now, 1);
        let news = vec![(1, 2)];
        assert_eq!([(); 3].map(|()| taken(&mut acks, now)), [Some(news.clone()), Some(news), None]);
        let mut count = 0;
        for number in 2..2 + u64::from(PACKETS_TILL_TRUST) {
            acks.on_packet(now, number);
            while taken(&mut acks, now).is_some() {
                count += 1;
            }
        }
        assert_eq!(count, PACKETS_TILL_TRUST - 1, "two for every second packet, but one for the last");
        acks.on_packet(now, 1_000);
        assert_eq!([(); 3].map(|()| taken(&mut acks, now).is_some()), [true, true, false]);
    }

    #[test]
    fn on_a_longer_path_and_on_one_of_which_nothing_is_known_no_acknowledgement_does() {
        let now = Instant::now();
        // The second has crossed with the first; in the last case that was twice as long ago.
        for accepts in [vec![], vec![10], vec![14, 7], vec![28, 14]] {
            let mut acks = Acks::default();
            accepts.into_iter().for_each(|ago| acks.on_accept(now - Duration::from_millis(ago)));
            for number in [1, 3] {
                acks.on_packet(now, number);
                assert_eq!([(); 2].map(|()| taken(&mut acks, now).is_some()), [true, false]);
                // That what comes after the first packet comes soon means nothing.
                acks.on_accept(now);
            }
        }
    }

    #[test]
    fn a_lost_accept_does_not_make_a_short_path_long() {
        let (mut acks, now) = (Acks::default(), Instant::now());
        acks.on_accept(now - Duration::from_millis(201));
        acks.on_accept(now - Duration::from_millis(1));
        acks.on_packet(now, 1);
        assert_eq!([(); 3].map(|()| taken(&mut acks, now).is_some()), [true, true, false]);
    }

    #[test]
    fn the_newest_ranges_are_kept() {
        let (mut acks, now) = (Acks::default(), Instant::now());
        for number in 0..300 {
            acks.on_packet(now, number * 2);
        }
        let ranges = taken(&mut acks, now).unwrap();
        assert_eq!((ranges.len(), ranges[0]), (ACK_RANGES_MAX, (598, 599)));
    }
}
