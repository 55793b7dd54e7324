//! Times and sizes on the command line.

use std::time::Duration;

/// The longest time that is accepted, in seconds: 31 years, whose nanoseconds still fit 64 bits several times.
const SECONDS_MAX: f64 = 1e9;

/// Reads a time: a number with `ms`, `s`, `m` or `h`, or without any in seconds.
///
/// # Errors
/// A sentence that says what is allowed.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let units = [("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("", 1.0)];
    let seconds = scaled(text, &units).ok_or("expected a time like 10, 1.5s, 300ms or 2m")?;
    if seconds > SECONDS_MAX {
        return Err(format!("expected at most {SECONDS_MAX} seconds"));
    }
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

/// Reads a number of bytes: with `KiB`, `MiB` or `GiB`, or without any.
///
/// # Errors
/// A sentence that says what is allowed.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let kib = 1024.0;
    let units = [("KiB", kib), ("MiB", kib * kib), ("GiB", kib * kib * kib), ("B", 1.0), ("", 1.0)];
    scaled(text, &units)
        .map(|bytes| bytes as u64)
        .ok_or_else(|| "expected a size like 100, 64KiB or 1GiB".into())
}

/// A number followed by a unit: the first of the list that fits. The last is that of numbers without a unit.
fn scaled(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let (number, scale) = units.iter().find_map(|(unit, scale)| Some((text.strip_suffix(unit)?, scale)))?;
    let number: f64 = number.trim_end().parse().ok()?;
    (number.is_finite() && number >= 0.0).then_some(number * scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_are_read_with_and_without_units() {
        assert_eq!(parse_duration("10"), Ok(Duration::from_secs(10)));
        assert_eq!(parse_duration("300ms"), Ok(Duration::from_millis(300)));
        assert_eq!(parse_duration("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_bytes("100"), Ok(100));
        assert_eq!(parse_bytes("1.5 KiB"), Ok(1536));
        assert_eq!(parse_bytes("1GiB"), Ok(1 << 30));
    }

    #[test]
    fn a_time_that_no_deadline_can_have_is_refused() {
        assert_eq!(parse_duration("1000000000"), Ok(Duration::from_secs(1_000_000_000)));
        for bad in ["1000000001", "300000h", "1e30", "18446744073709551615"] {
            assert_eq!(parse_duration(bad), Err("expected at most 1000000000 seconds".into()), "{bad}");
        }
    }

    #[test]
    fn what_is_neither_is_refused() {
        for bad in ["", "s", "-1", "1x", "inf", "nan"] {
            assert!(parse_duration(bad).is_err() && parse_bytes(bad).is_err(), "{bad:?}");
        }
    }
}
