//! Times as people write them, in the zone of the server. On the wire and on disk a time is a number of
//! milliseconds of UTC; this is the only place where a zone matters.

use std::{env, fmt};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

/// How times are shown: `1 Jun 2022 16:00:01`.
const SHOWN: &str = "%-d %b %Y %H:%M:%S";
/// How they may be typed as well: `01 Jun 2022 16:00:01`.
const PADDED: &str = "%d %b %Y %H:%M:%S";

/// `TZ` names a zone that is not known.
#[derive(Debug)]
pub struct UnknownZone(String);

impl fmt::Display for UnknownZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(name) = self;
        write!(f, "TZ={name} is no time zone that is known here: all times are in UTC")
    }
}

impl std::error::Error for UnknownZone {}

/// The zone that times are shown in.
#[derive(Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zone({})", self.name(0))
    }
}

impl Zone {
    /// What the environment variable `TZ` says, or else the machine's zone; that of a machine without any is
    /// UTC.
    ///
    /// # Errors
    /// `TZ` names a zone that is not known.
    pub fn of_system() -> Result<Self, UnknownZone> {
        match (TimeZone::try_system(), env::var_os("TZ")) {
            (Ok(zone), _) => Ok(Self(zone)),
            (Err(_), None) => Ok(Self::utc()),
            (Err(_), Some(name)) => Err(UnknownZone(name.display().to_string())),
        }
    }

    /// Universal time.
    pub fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// The zone of this name, as [`Zone::name`] gives it.
    pub fn named(name: &str) -> Option<Self> {
        TimeZone::get(name).or_else(|_| TimeZone::posix(name)).ok().map(Self)
    }

    /// Its name in the time zone database, or a POSIX `TZ` string. A zone that has neither is named for the
    /// offset that it has at this moment.
    pub fn name(&self, now_ms: u64) -> String {
        if let Some(name) = self.0.iana_name() {
            return name.to_owned();
        }
        if *self == Self::utc() {
            return "UTC".to_owned();
        }
        let offset = self.0.to_offset(timestamp(now_ms)).seconds();
        // POSIX counts westward.
        let (sign, seconds) = if offset > 0 { ('-', offset) } else { ('+', -offset) };
        format!("<here>{sign}{}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
    }

    /// Shows a time.
    pub fn shown(&self, at_ms: u64) -> String {
        strtime::format(SHOWN, &timestamp(at_ms).to_zoned(self.0.clone())).unwrap_or_default()
    }

    /// Reads a time in one of three forms: `1 Jun 2022 16:00:01` in this zone (`01` is fine), RFC 3339
    /// (`2022-06-01T16:00:01+10:00`), or so long ago: `10m`, `2h`, `1d`. Nothing else is a time.
    ///
    /// When clocks change, a time may come twice or not at all: the earlier of two is meant, and one that was
    /// skipped is counted on from before the gap.
    pub fn parse(&self, typed: &str, now_ms: u64) -> Option<u64> {
        let ms = self.parse_shown(typed).or_else(|| parse_rfc3339(typed));
        match ms {
            // Nothing happened before 1970.
            Some(ms) => Some(u64::try_from(ms).unwrap_or(0)),
            None => parse_ago(typed, now_ms),
        }
    }

    fn parse_shown(&self, typed: &str) -> Option<i64> {
        let time = DateTime::strptime(SHOWN, typed).ok()?;
        // The parser takes other spaces, cases and years than those that are shown.
        let is_exact = |format| strtime::format(format, time).is_ok_and(|shown| shown == typed);
        if !(1_000..=9_999).contains(&time.year()) || !(is_exact(SHOWN) || is_exact(PADDED)) {
            return None;
        }
        Some(self.0.to_zoned(time).ok()?.timestamp().as_millisecond())
    }
}

/// A time that no calendar has can only come from a broken clock; it counts as the last there is.
fn timestamp(at_ms: u64) -> Timestamp {
    i64::try_from(at_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or(Timestamp::MAX)
}

fn parse_rfc3339(typed: &str) -> Option<i64> {
    // The parser takes more of ISO 8601 than RFC 3339 does.
    let bytes = typed.as_bytes();
    let is_shaped = bytes.len() >= 20 && bytes.is_ascii() && !typed.contains('[');
    let has_marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')]
        .iter()
        .all(|&(at, mark)| bytes.get(at) == Some(&mark));
    let zone = &typed.get(19..)?.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let has_zone = *zone == "Z" || (zone.len() == 6 && zone.starts_with(['+', '-']) && zone.contains(':'));
    if !(is_shaped && has_marks && has_zone) {
        return None;
    }
    typed.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
}

/// `10m`, `2h`, `1d`. More than all of the past is all of it.
fn parse_ago(typed: &str, now_ms: u64) -> Option<u64> {
    let (number, unit_ms) = [("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)]
        .iter()
        .find_map(|(unit, ms)| Some((typed.strip_suffix(unit)?, *ms)))?;
    let number = super::whole_number(number)?;
    Some(now_ms.saturating_sub(number.saturating_mul(unit_ms)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_654_063_201_999;

    fn sydney() -> Zone {
        Zone::named("Australia/Sydney").unwrap()
    }

    #[test]
    fn times_are_shown_in_the_zone() {
        assert_eq!(sydney().shown(1_654_063_201_999), "1 Jun 2022 16:00:01");
        assert_eq!(Zone::utc().shown(1_654_063_201_000), "1 Jun 2022 06:00:01");
    }

    #[test]
    fn the_three_forms_of_a_time_are_read() {
        for (typed, wanted_ms) in [
            ("1 Jun 2022 16:00:01", 1_654_063_201_000),
            ("01 Jun 2022 16:00:01", 1_654_063_201_000),
            ("31 Dec 1999 23:59:59", 946_645_199_000),
            ("2022-06-01T06:00:01Z", 1_654_063_201_000),
            ("2022-06-01T16:00:01+10:00", 1_654_063_201_000),
            ("2022-06-01T06:00:01.250Z", 1_654_063_201_250),
            ("10m", NOW_MS - 600_000),
            ("2h", NOW_MS - 7_200_000),
            ("1d", NOW_MS - 86_400_000),
            ("0m", NOW_MS),
            ("99999999999999999999d", 0),
            ("1 Jan 1960 00:00:00", 0),
        ] {
            assert_eq!(sydney().parse(typed, NOW_MS), Some(wanted_ms), "{typed}");
        }
    }

    #[test]
    fn nothing_else_is_a_time() {
        for typed in [
            "",
            "yesterday",
            "1 Jun 2022",
            "31 Jun 2022 16:00:01",
            "1 Jun 2022 25:00:00",
            "1 Jun 2022 16:00:01 x",
            " 1 Jun 2022 16:00:01",
            "1  Jun 2022 16:00:01",
            "1 jun 2022 16:00:01",
            "1 June 2022 16:00:01",
            "1 Jun 22 16:00:01",
            "1 Jun -2022 16:00:01",
            "1 Jun 2022 6:00:01",
            "2022-06-01 06:00:01Z",
            "2022-06-01T06:00:01",
            "2022-06-01T06:00Z",
            "20220601T060001Z",
            "2022-06-01T06:00:01+10:00[Australia/Sydney]",
            "2022-06-01T06:00:01+10",
            "10",
            "m",
            "10s",
            "10 m",
            "-10m",
            "1.5h",
            "10M",
        ] {
            assert_eq!(sydney().parse(typed, NOW_MS), None, "{typed:?}");
        }
    }

    #[test]
    fn a_zone_comes_back_from_its_name() {
        for name in ["Australia/Sydney", "UTC", "AEST-10AEDT,M10.1.0,M4.1.0/3"] {
            let zone = Zone::named(name).unwrap();
            let again = Zone::named(&zone.name(NOW_MS)).unwrap();
            assert_eq!(again.shown(NOW_MS), zone.shown(NOW_MS), "{name} as {}", zone.name(NOW_MS));
        }
        assert_eq!(sydney().name(NOW_MS), "Australia/Sydney");
        assert_eq!(Zone::named("Nowhere/At_all"), None);
    }
}
