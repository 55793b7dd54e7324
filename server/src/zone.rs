//! Times as people write them: `1 Jun 2022 16:00:01`, in the server's zone. Stored times are UTC
//! milliseconds; this is the only place where a zone matters.

use std::{env, fmt};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

/// How times are shown and read.
const FORMAT: &str = "%-d %b %Y %H:%M:%S";

/// `TZ` says a zone that nobody knows.
#[derive(Debug)]
pub struct UnknownZone(String);

impl fmt::Display for UnknownZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(name) = self;
        write!(f, "TZ={name} is no time zone that is known here: all times are in UTC")
    }
}

/// The zone that times are shown in.
#[derive(Debug, Clone)]
pub struct Zone(TimeZone);

impl Zone {
    /// What the environment variable `TZ` says, or else the machine's zone; that of a machine without any is
    /// UTC.
    ///
    /// # Errors
    /// `TZ` says none that is known.
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

    /// What a client can find the same zone by: its name in the time zone database, or the present offset in the
    /// form of the POSIX variable `TZ`.
    pub fn name(&self) -> String {
        if let Some(name) = self.0.iana_name() {
            return name.to_owned();
        }
        let seconds = self.0.to_offset(Timestamp::now()).seconds();
        // POSIX counts what lies east of Greenwich as negative, and wants a name in front.
        let sign = if seconds > 0 { "-" } else { "" };
        let (hours, minutes) = (seconds.abs() / 3_600, seconds.abs() / 60 % 60);
        format!("<local>{sign}{hours}:{minutes:02}")
    }

    /// Shows a time given in UTC milliseconds since 1970.
    pub fn shown(&self, at_ms: u64) -> String {
        // A time that no calendar has can only come from a broken clock; it is shown as the last there is.
        let time = i64::try_from(at_ms)
            .ok()
            .and_then(|ms| Timestamp::from_millisecond(ms).ok())
            .unwrap_or(Timestamp::MAX);
        strtime::format(FORMAT, &time.to_zoned(self.0.clone())).unwrap_or_default()
    }

    /// Reads a time; gives whole seconds since 1970. A time that the zone skips or has twice (when clocks
    /// change) is read like most calendars do: the later reading of a gap, the earlier of a repetition.
    pub fn parse(&self, raw: &str) -> Option<i64> {
        // It would read `22` as the year 22, and take a sign.
        let time = DateTime::strptime(FORMAT, raw.trim()).ok().filter(|time| time.year() >= 1_000)?;
        Some(self.0.to_zoned(time).ok()?.timestamp().as_second())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_and_read_in_the_zone() {
        let sydney = Zone(TimeZone::get("Australia/Sydney").unwrap());
        assert_eq!(sydney.shown(1_654_063_201_999), "1 Jun 2022 16:00:01");
        assert_eq!(Zone::utc().shown(1_654_063_201_000), "1 Jun 2022 06:00:01");
        assert_eq!(sydney.parse("1 Jun 2022 16:00:01"), Some(1_654_063_201));
        assert_eq!(Zone::utc().parse("01 Jun 2022 06:00:01"), Some(1_654_063_201));
    }

    #[test]
    fn what_is_no_time_is_not_read() {
        for bad in [
            "",
            "yesterday",
            "1 Jun 2022",
            "31 Jun 2022 16:00:01",
            "1 Jun 2022 25:00:00",
            "1 Jun 2022 16:00:01 x",
            "1 Jun 22 16:00:01",
            "1 Jun -2022 16:00:01",
        ] {
            assert_eq!(Zone::utc().parse(bad), None, "{bad}");
        }
    }
}
