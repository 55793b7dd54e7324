//! The server's zone and clock: how times are shown, and what those that people type mean.
//!
//! It refuses to ask what time it is; the loop says so.

use std::time::Instant;

use super::{Now, Zone};

/// What the server has said about its zone and its clock.
#[derive(Debug, Clone)]
pub struct Clock {
    zone: Zone,
    /// What its clock said, in milliseconds of UTC, and when that was heard.
    heard: Option<(u64, Instant)>,
}

impl Default for Clock {
    fn default() -> Self {
        Self { zone: Zone::utc(), heard: None }
    }
}

impl Clock {
    /// The clock of a server that has just said `now_ms` and the name of its zone; `None` instead of a zone that is
    /// not known here.
    pub fn new(zone: Option<Zone>, now_ms: u64, now: Instant) -> Self {
        Self { zone: zone.unwrap_or_else(Zone::utc), heard: Some((now_ms, now)) }
    }

    /// The zone that times are shown in.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// What a time means that is typed now.
    pub fn now(&self, now: Instant) -> Now<'_> {
        let ms = self.heard.map_or(0, |(ms, at)| {
            let passed = now.saturating_duration_since(at).as_millis();
            ms.saturating_add(u64::try_from(passed).unwrap_or(u64::MAX))
        });
        Now { zone: &self.zone, ms }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_servers_clock_goes_on_and_an_unknown_zone_is_utc() {
        let heard = Instant::now();
        let clock = Clock::new(Zone::named("Nowhere/At_all"), 1_654_063_201_000, heard);
        assert_eq!(clock.zone().shown(1_654_063_201_000), "1 Jun 2022 06:00:01");
        assert_eq!(clock.now(heard + Duration::from_secs(9)).ms, 1_654_063_210_000);
    }
}
