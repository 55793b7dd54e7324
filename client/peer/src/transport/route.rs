//! Where the other end of a transfer is: where the server says, or where it was heard.
//!
//! An address translator may give it another address than the server knows, so it may be heard elsewhere. But
//! somebody who sees packets on their way can send copies of them from elsewhere as well. So only the newest packet of the
//! other end, by its number, says where it is: a copy comes too late, or the next packet corrects it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Silence after which the other end is looked for where it is said to be as well: long for a path that works,
/// short for a user who waits.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(1);

/// The way to the other end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Route {
    /// Where the server says that it is.
    named: SocketAddr,
    /// Where it was heard, and when it was last.
    heard: Option<(SocketAddr, Instant)>,
    /// In silence: whether the next goes to where it is said to be.
    tries_named: bool,
}

impl Route {
    /// To an end that should be there.
    pub(super) fn new(named: SocketAddr) -> Self {
        Self { named, heard: None, tries_named: true }
    }

    /// The newest packet of the other end has come from there.
    pub(super) fn hear(&mut self, now: Instant, from: SocketAddr) {
        self.heard = Some((from, now));
    }

    /// Where to send now. In silence that is one place after the other.
    pub(super) fn next(&mut self, now: Instant) -> SocketAddr {
        match self.heard {
            Some((place, at)) if now < at + SILENCE_MAX => place,
            Some((place, _)) => {
                self.tries_named = !self.tries_named;
                if self.tries_named { self.named } else { place }
            }
            None => self.named,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_port(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn who_is_heard_elsewhere_from_the_start_is_answered_there() {
        let now = Instant::now();
        let mut route = Route::new(at_port(1));
        assert_eq!(route.next(now), at_port(1));
        route.hear(now, at_port(2));
        assert_eq!(route.next(now), at_port(2));
    }

    #[test]
    fn the_newest_packet_says_where_the_other_end_is() {
        let now = Instant::now();
        let mut route = Route::new(at_port(1));
        for port in [2, 3, 1, 2] {
            route.hear(now, at_port(port));
            assert_eq!(route.next(now), at_port(port));
        }
    }

    #[test]
    fn in_silence_the_named_place_is_tried_too() {
        let start = Instant::now();
        let mut route = Route::new(at_port(1));
        route.hear(start, at_port(2));
        let tried = [(); 4].map(|()| route.next(start + SILENCE_MAX));
        assert_eq!(tried, [2, 1, 2, 1].map(at_port));
    }
}
