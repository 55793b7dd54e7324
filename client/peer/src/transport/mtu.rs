//! How large a datagram the path takes: found by trying (RFC 8899, DPLPMTUD), and given up when it no longer
//! holds.
//!
//! It knows sizes, packet numbers and times but not what ICMP says: nobody could tell who said it.

use std::time::{Duration, Instant};

use super::packet::DATAGRAM_BYTES_MAX;

/// Bytes of a datagram that every path takes which is any good (BASE_PLPMTU of RFC 8899, 5.1.2).
pub(super) const BASE_BYTES: usize = 1_200;
/// What is left when even that does not pass: the 576 bytes of RFC 1122 without IP options and UDP header.
pub(super) const FLOOR_BYTES: usize = 508;

/// What is tried, going up (RFC 8899, 5.3.2, allows a table): tunnels, Ethernet, jumbo frames, loopback; each
/// without the headers of IPv6 and UDP.
const TABLE: [usize; 4] = [1_372, 1_452, 8_952, DATAGRAM_BYTES_MAX];
/// Probes of one size (MAX_PROBES of RFC 8899, 5.1.2).
const TRIES_MAX: u32 = 3;
/// After a search, this long to the next one (PMTU_RAISE_TIMER; 600 s there, but a transfer is short).
const SEARCH_AGAIN_AFTER: Duration = Duration::from_secs(20);
/// Rounds of loss, without one full datagram that arrives, which make a black hole (RFC 8899, 4.3).
const BARREN_ROUNDS_MAX: u32 = 4;

const _: () = assert!(FLOOR_BYTES < BASE_BYTES && BASE_BYTES < TABLE[0]);
const _: () = assert!(DATAGRAM_BYTES_MAX <= u16::MAX as usize);

/// What is known of the path.
#[derive(Debug, Clone)]
pub(super) struct PathMtu {
    current: usize,
    /// Bytes of the largest datagram that the receiver can take.
    ceiling: usize,
    search: Search,
    barren_rounds: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Search {
    /// The next larger size is to be tried, for the so-many-th time.
    Wanted { tries: u32 },
    /// A probe of this size is on its way.
    Probing { size: usize, tries: u32 },
    /// Nothing larger passes, for now.
    Over { until: Instant },
}

impl PathMtu {
    /// A path about which nothing is known but what the receiver takes.
    pub(super) fn new(ceiling: usize) -> Self {
        let current = BASE_BYTES.min(ceiling);
        Self { current, ceiling, search: Search::Wanted { tries: 0 }, barren_rounds: 0 }
    }

    /// Bytes that a datagram may have.
    pub(super) fn current(&self) -> usize {
        self.current
    }

    /// Bytes of the probe that is to be sent now. The caller, having sent it, says so to [`PathMtu::on_probe_sent`].
    pub(super) fn wanted_probe(&mut self, now: Instant) -> Option<usize> {
        if matches!(self.search, Search::Over { until } if now >= until) {
            self.search = Search::Wanted { tries: 0 };
        }
        let Search::Wanted { .. } = self.search else { return None };
        std::iter::once(BASE_BYTES).chain(TABLE).find(|size| *size > self.current && *size <= self.ceiling)
    }

    /// A probe of this size is on its way.
    pub(super) fn on_probe_sent(&mut self, size: usize) {
        if let Search::Wanted { tries } = self.search {
            self.search = Search::Probing { size, tries: tries + 1 };
        }
    }

    /// The probe has arrived. Returns the new size of datagrams.
    pub(super) fn on_probe_acked(&mut self) -> Option<usize> {
        let Search::Probing { size, .. } = self.search else { return None };
        self.current = size;
        self.barren_rounds = 0;
        self.search = Search::Wanted { tries: 0 };
        Some(size)
    }

    /// The probe is lost; that says nothing about congestion (RFC 8899, 3).
    pub(super) fn on_probe_lost(&mut self, now: Instant) {
        if let Search::Probing { tries, .. } = self.search {
            self.search = if tries < TRIES_MAX {
                Search::Wanted { tries }
            } else {
                Search::Over { until: now + SEARCH_AGAIN_AFTER }
            };
        }
    }

    /// A datagram of so many bytes has arrived.
    pub(super) fn on_acked(&mut self, size: usize) {
        if size >= self.current {
            self.barren_rounds = 0;
        }
    }

    /// Packets were lost while others arrived; of a path that is silent nothing can be said. Returns the new size
    /// of datagrams if it shrank.
    pub(super) fn on_loss_round(&mut self, now: Instant) -> Option<usize> {
        self.barren_rounds += 1;
        if self.barren_rounds < BARREN_ROUNDS_MAX || self.current <= FLOOR_BYTES {
            return None;
        }
        self.current = if self.current > BASE_BYTES { BASE_BYTES } else { FLOOR_BYTES };
        self.barren_rounds = 0;
        self.search = Search::Over { until: now + SEARCH_AGAIN_AFTER };
        Some(self.current)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tries what the path is asked for until nothing larger is wanted; how many probes it took.
    fn search(mtu: &mut PathMtu, now: Instant, passes: usize) -> u32 {
        let mut probes = 0;
        while let Some(size) = mtu.wanted_probe(now) {
            mtu.on_probe_sent(size);
            assert_eq!(mtu.wanted_probe(now), None, "one at a time");
            probes += 1;
            if size <= passes {
                assert_eq!(mtu.on_probe_acked(), Some(size));
            } else {
                mtu.on_probe_lost(now);
            }
        }
        probes
    }

    #[test]
    fn it_finds_the_largest_size_that_passes_and_asks_again_later() {
        let now = Instant::now();
        let mut mtu = PathMtu::new(DATAGRAM_BYTES_MAX);
        assert_eq!(mtu.current(), BASE_BYTES);
        assert_eq!(search(&mut mtu, now, 1_472), 2 + TRIES_MAX);
        assert_eq!(mtu.current(), 1_452);
        assert_eq!(mtu.wanted_probe(now + SEARCH_AGAIN_AFTER / 2), None);
        search(&mut mtu, now + SEARCH_AGAIN_AFTER, DATAGRAM_BYTES_MAX);
        assert_eq!(mtu.current(), DATAGRAM_BYTES_MAX);
    }

    #[test]
    fn it_never_exceeds_what_the_receiver_takes() {
        let mut mtu = PathMtu::new(9_000);
        search(&mut mtu, Instant::now(), DATAGRAM_BYTES_MAX);
        assert_eq!(mtu.current(), 8_952);
        assert_eq!(PathMtu::new(600).current(), 600);
    }

    #[test]
    fn losses_of_which_no_full_datagram_is_spared_make_it_shrink_step_by_step() {
        let now = Instant::now();
        let mut mtu = PathMtu::new(DATAGRAM_BYTES_MAX);
        search(&mut mtu, now, 1_452);
        let mut shrunk = Vec::new();
        for _ in 0..3 * BARREN_ROUNDS_MAX {
            shrunk.extend(mtu.on_loss_round(now));
            mtu.on_acked(mtu.current() - 1);
        }
        assert_eq!(shrunk, [BASE_BYTES, FLOOR_BYTES]);
        search(&mut mtu, now + SEARCH_AGAIN_AFTER, 1_300);
        assert_eq!(mtu.current(), BASE_BYTES);
    }

    #[test]
    fn ordinary_loss_does_not_make_it_shrink() {
        let mut mtu = PathMtu::new(DATAGRAM_BYTES_MAX);
        for _ in 0..100 {
            assert_eq!(mtu.on_loss_round(Instant::now()), None);
            mtu.on_acked(mtu.current());
        }
    }
}
