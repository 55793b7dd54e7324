//! What comes from one address: connections, log-ins under way, wrong passwords, new accounts, and names that nobody
//! has. Each has a limit, so that one stranger can't take all the places there are, guess at many names, fill the forum
//! with accounts, or list its names.
//!
//! An address is a [`Network`]: an IPv4 address, or the /64 of an IPv6 address. This machine's own are not counted unless
//! that is asked for. What is remembered of those who have gone is bounded: of so many networks the older half is forgotten.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::network::Network;

/// Networks of which new accounts and unknown names are remembered; twice as many at most. Who has more addresses than
/// that has no limit of this kind.
const REMEMBERED_MAX: usize = 32_768;

/// For how long new accounts are counted together, and unknown names.
const SIGN_UPS_PERIOD: Duration = Duration::from_secs(60 * 60);
const UNKNOWN_NAMES_PERIOD: Duration = Duration::from_secs(60);

/// After too many wrong passwords the next is taken only after a while, which doubles with each up to the longest.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(5 * 60);
/// After so long without another one, wrong passwords are forgotten.
const FAILURES_PERIOD: Duration = Duration::from_secs(60 * 60);

/// What one address may have; 0 = any number.
#[derive(Debug, Clone, Copy, Default)]
pub struct VisitorLimits {
    /// Connections.
    pub connections: u32,
    /// Connections that are not logged in.
    pub guests: u32,
    /// Connections that are not logged in, of all addresses together.
    pub all_guests: u32,
    /// Wrong passwords, before the next ones have to wait.
    pub failures: u32,
    /// New accounts an hour.
    pub sign_ups: u32,
    /// Names a minute that nobody has.
    pub unknown_names: u32,
    /// This machine's own addresses are counted as well.
    pub is_loopback_limited: bool,
}

/// The limits, and what there is of each address.
#[derive(Debug)]
pub(crate) struct Visitors {
    limits: VisitorLimits,
    guests: u32,
    /// Of those who are here.
    present: HashMap<Network, Present>,
    /// Of those who were, the newer half and the older.
    deeds: HashMap<Network, Deeds>,
    older_deeds: HashMap<Network, Deeds>,
}

#[derive(Debug, Default)]
struct Present {
    connections: u32,
    guests: u32,
}

/// What is counted over some time.
#[derive(Debug, Clone, Copy)]
struct Deeds {
    sign_ups: Window,
    unknown_names: Window,
    failures: Failures,
}

/// Wrong passwords, and when the last one was.
#[derive(Debug, Clone, Copy)]
struct Failures {
    last: Instant,
    count: u32,
}

impl Failures {
    /// When the next password is taken, if `max` may be wrong without a wait.
    fn next(self, max: u32) -> Instant {
        match self.count.checked_sub(max) {
            None => self.last,
            Some(more) => self.last + FIRST_WAIT.saturating_mul(2u32.saturating_pow(more)).min(LONGEST_WAIT),
        }
    }

    fn may_try(&mut self, max: u32, now: Instant) -> bool {
        let may = self.next(max) <= now;
        if may && self.count >= max {
            self.last = now;
        }
        may
    }

    fn add(&mut self, now: Instant) {
        let is_old = now.saturating_duration_since(self.last) >= FAILURES_PERIOD;
        *self = Self { last: now, count: if is_old { 1 } else { self.count.saturating_add(1) } };
    }
}

impl Deeds {
    /// None yet.
    fn none(now: Instant) -> Self {
        let nothing = Window { since: now, count: 0 };
        Self { sign_ups: nothing, unknown_names: nothing, failures: Failures { last: now, count: 0 } }
    }
}

#[derive(Debug, Clone, Copy)]
struct Window {
    since: Instant,
    count: u32,
}

impl Window {
    /// Whether fewer than `max` were counted in this period.
    fn is_free(&mut self, max: u32, period: Duration, now: Instant) -> bool {
        if now.saturating_duration_since(self.since) >= period {
            *self = Self { since: now, count: 0 };
        }
        self.count < max
    }

    /// Counts one more, if fewer were.
    fn take(&mut self, max: u32, period: Duration, now: Instant) -> bool {
        let is_free = self.is_free(max, period, now);
        self.count += u32::from(is_free);
        is_free
    }
}

/// Why there is no place for one connection more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TooMany {
    /// From its address, logged in or not.
    FromAddress,
    /// That are not logged in, of all addresses.
    Guests,
}

/// Whether `count` is as much as may be.
fn reaches(count: u32, max: u32) -> bool {
    max > 0 && count >= max
}

impl Visitors {
    pub(crate) fn new(limits: VisitorLimits) -> Self {
        let (deeds, older_deeds) = (HashMap::new(), HashMap::new());
        Self { limits, guests: 0, present: HashMap::new(), deeds, older_deeds }
    }

    /// The network of an address, if it is counted.
    fn counted(&self, ip: IpAddr) -> Option<Network> {
        (self.limits.is_loopback_limited || !ip.is_loopback()).then(|| ip.into())
    }

    /// Why one connection more from this address is too many, if it is.
    pub(crate) fn too_many(&self, ip: IpAddr) -> Option<TooMany> {
        let Present { connections, guests } = self.present.get(&self.counted(ip)?).unwrap_or(&NOBODY);
        let VisitorLimits { connections: most, guests: most_guests, all_guests, .. } = self.limits;
        if reaches(*connections, most) || reaches(*guests, most_guests) {
            Some(TooMany::FromAddress)
        } else {
            reaches(self.guests, all_guests).then_some(TooMany::Guests)
        }
    }

    /// A connection from this address has come, and is not logged in.
    pub(crate) fn come(&mut self, ip: IpAddr) {
        let Some(network) = self.counted(ip) else { return };
        let present = self.present.entry(network).or_default();
        present.connections += 1;
        present.guests += 1;
        self.guests += 1;
    }

    /// A connection from this address has logged in.
    pub(crate) fn logged_in(&mut self, ip: IpAddr) {
        let Some(present) = self.counted(ip).and_then(|network| self.present.get_mut(&network)) else {
            return;
        };
        present.guests -= 1;
        self.guests -= 1;
    }

    /// A connection from this address has gone, which had logged in or not.
    pub(crate) fn go(&mut self, ip: IpAddr, was_guest: bool) {
        let Some(network) = self.counted(ip) else { return };
        let Entry::Occupied(mut place) = self.present.entry(network) else { return };
        let present = place.get_mut();
        present.connections -= 1;
        present.guests -= u32::from(was_guest);
        self.guests -= u32::from(was_guest);
        if present.connections == 0 {
            place.remove();
        }
    }

    /// Whether somebody at this address may make one account more now; counts it.
    pub(crate) fn may_sign_up(&mut self, ip: IpAddr, now: Instant) -> bool {
        let max = self.limits.sign_ups;
        self.take(ip, max, now, |deeds| deeds.sign_ups.take(max, SIGN_UPS_PERIOD, now))
    }

    /// Whether somebody at this address may hear of one name more whether anybody has it; counts it if nobody has. After
    /// too many of those, nothing is said of any name: a refusal of the unknown ones alone would tell which they are.
    pub(crate) fn may_name(&mut self, ip: IpAddr, is_known: bool, now: Instant) -> bool {
        let max = self.limits.unknown_names;
        self.take(ip, max, now, |deeds| match is_known {
            true => deeds.unknown_names.is_free(max, UNKNOWN_NAMES_PERIOD, now),
            false => deeds.unknown_names.take(max, UNKNOWN_NAMES_PERIOD, now),
        })
    }

    /// Whether a password from this address is looked at now. If too many were wrong, this one begins the next wait, and
    /// not only when it is found wrong: those that are sent together are one.
    pub(crate) fn may_try(&mut self, ip: IpAddr, now: Instant) -> bool {
        let max = self.limits.failures;
        self.take(ip, max, now, |deeds| deeds.failures.may_try(max, now))
    }

    /// A password from this address was wrong.
    pub(crate) fn failed(&mut self, ip: IpAddr, now: Instant) {
        self.take(ip, self.limits.failures, now, |deeds| {
            deeds.failures.add(now);
            true
        });
    }

    fn take(&mut self, ip: IpAddr, max: u32, now: Instant, take: impl FnOnce(&mut Deeds) -> bool) -> bool {
        let Some(network) = self.counted(ip).filter(|_| max > 0) else { return true };
        if self.deeds.len() >= REMEMBERED_MAX && !self.deeds.contains_key(&network) {
            self.older_deeds = std::mem::take(&mut self.deeds);
        }
        let older = self.older_deeds.remove(&network);
        let deeds = self.deeds.entry(network);
        take(deeds.or_insert_with(|| older.unwrap_or_else(|| Deeds::none(now))))
    }
}

const NOBODY: Present = Present { connections: 0, guests: 0 };

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: VisitorLimits = VisitorLimits {
        connections: 3,
        guests: 2,
        all_guests: 4,
        failures: 2,
        sign_ups: 2,
        unknown_names: 3,
        is_loopback_limited: false,
    };

    fn ip(raw: &str) -> IpAddr {
        raw.parse().unwrap()
    }

    #[test]
    fn an_address_has_so_many_connections_and_so_many_that_are_not_logged_in() {
        let mut visitors = Visitors::new(LIMITS);
        let (here, there) = (ip("192.0.2.1"), ip("192.0.2.2"));
        visitors.come(here);
        visitors.come(here);
        assert_eq!(visitors.too_many(here), Some(TooMany::FromAddress));
        assert_eq!(visitors.too_many(there), None);
        visitors.logged_in(here);
        assert_eq!(visitors.too_many(here), None);
        visitors.come(here);
        visitors.logged_in(here);
        assert_eq!(visitors.too_many(here), Some(TooMany::FromAddress), "three connections");
        visitors.go(here, false);
        assert_eq!(visitors.too_many(here), None);
        visitors.go(here, false);
        visitors.go(here, true);
        assert!(visitors.present.is_empty() && visitors.guests == 0);
    }

    #[test]
    fn a_guest_who_goes_makes_room_at_its_address() {
        let mut visitors = Visitors::new(LIMITS);
        let here = ip("192.0.2.1");
        visitors.come(here);
        visitors.come(here);
        visitors.go(here, true);
        assert_eq!(visitors.too_many(here), None);
        visitors.come(here);
        assert_eq!(visitors.too_many(here), Some(TooMany::FromAddress));
    }

    #[test]
    fn guests_of_all_addresses_have_a_limit_together() {
        let mut visitors = Visitors::new(LIMITS);
        for n in 1..=4 {
            visitors.come(ip(&format!("192.0.2.{n}")));
        }
        assert_eq!(visitors.too_many(ip("192.0.2.5")), Some(TooMany::Guests));
        assert_eq!(visitors.too_many(ip("127.0.0.1")), None);
        visitors.logged_in(ip("192.0.2.1"));
        assert_eq!(visitors.too_many(ip("192.0.2.5")), None);
    }

    #[test]
    fn accounts_and_names_are_counted_for_an_hour_and_a_minute() {
        let mut visitors = Visitors::new(LIMITS);
        let start = Instant::now();
        let here = ip("2001:db8::1");
        let accounts =
            |visitors: &mut Visitors, now| (0..9).filter(|_| visitors.may_sign_up(here, now)).count();
        let names =
            |visitors: &mut Visitors, now| (0..9).filter(|_| visitors.may_name(here, false, now)).count();
        assert_eq!((accounts(&mut visitors, start), names(&mut visitors, start)), (2, 3));
        // Nothing is said of names that somebody has, either.
        assert!(
            !visitors.may_name(here, true, start) && visitors.may_name(ip("2001:db8:0:1::1"), true, start)
        );
        // All of a /64 are one.
        assert!(!visitors.may_sign_up(ip("2001:db8::ffff"), start));
        assert!(visitors.may_sign_up(ip("2001:db8:0:1::1"), start));
        let (minute, hour) = (start + Duration::from_secs(60), start + Duration::from_secs(3_600));
        assert_eq!(names(&mut visitors, minute - Duration::from_millis(1)), 0);
        assert_eq!((accounts(&mut visitors, minute), names(&mut visitors, minute)), (0, 3));
        assert_eq!(accounts(&mut visitors, hour - Duration::from_millis(1)), 0);
        assert_eq!(accounts(&mut visitors, hour), 2);
    }

    #[test]
    fn after_wrong_passwords_the_next_have_to_wait_longer_and_longer() {
        let mut visitors = Visitors::new(LIMITS);
        let here = ip("192.0.2.1");
        let mut now = Instant::now();
        for _ in 0..2 {
            assert!(visitors.may_try(here, now));
            visitors.failed(here, now);
        }
        for seconds in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
            let due = now + Duration::from_secs(seconds);
            assert!(!visitors.may_try(here, due - Duration::from_millis(1)), "{seconds}");
            assert!(visitors.may_try(here, due) && visitors.may_try(ip("192.0.2.2"), now));
            // Another that comes before this one is decided has to wait as well.
            assert!(!visitors.may_try(here, due));
            visitors.failed(here, due);
            now = due;
        }
        // They are forgotten an hour after the last one, and not sooner.
        let hour = Duration::from_secs(3_600);
        let early = now + hour - Duration::from_millis(1);
        visitors.failed(here, early);
        assert!(!visitors.may_try(here, early));
        visitors.failed(here, early + hour);
        assert!(visitors.may_try(here, early + hour));
    }

    #[test]
    fn this_machine_and_who_has_no_limit_are_not_counted() {
        let mut visitors = Visitors::new(LIMITS);
        let mut unlimited = Visitors::new(VisitorLimits::default());
        let now = Instant::now();
        for _ in 0..100 {
            for (visitors, ip) in [(&mut visitors, ip("127.0.0.9")), (&mut unlimited, ip("192.0.2.1"))] {
                visitors.come(ip);
                assert_eq!(visitors.too_many(ip), None);
                assert!(visitors.may_sign_up(ip, now) && visitors.may_name(ip, false, now));
            }
        }
        let mut strict = Visitors::new(VisitorLimits { is_loopback_limited: true, ..LIMITS });
        strict.come(ip("::1"));
        strict.come(ip("::1"));
        assert_eq!(strict.too_many(ip("::1")), Some(TooMany::FromAddress));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_newest_are() {
        let mut visitors = Visitors::new(LIMITS);
        let now = Instant::now();
        let address = |n: u32| IpAddr::from(std::net::Ipv4Addr::from(0x0a00_0000 + n));
        for n in 0..100_000 {
            assert!(visitors.may_sign_up(address(n), now) && visitors.may_sign_up(address(n), now));
        }
        assert!(visitors.deeds.len() + visitors.older_deeds.len() <= 2 * REMEMBERED_MAX);
        assert!(!visitors.may_sign_up(address(99_999), now));
        assert!(!visitors.may_sign_up(address(100_000 - 30_000), now));
    }

    #[test]
    fn what_is_remembered_is_bounded_when_nobody_comes_twice() {
        let mut visitors = Visitors::new(LIMITS);
        let now = Instant::now();
        for n in 0..3 * REMEMBERED_MAX as u32 {
            assert!(visitors.may_sign_up(IpAddr::from(std::net::Ipv4Addr::from(0x0a00_0000 + n)), now));
        }
        assert_eq!(visitors.deeds.len() + visitors.older_deeds.len(), 2 * REMEMBERED_MAX);
    }
}
