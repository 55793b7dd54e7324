//! How far a transfer is, on one line: a bar, bytes, speed, time left.
//!
//! It counts what it is told and refuses to look at a clock; the editor shows the line.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use unicode_width::UnicodeWidthStr;

/// The speed shown is that of so much past: longer is steadier, shorter is truer.
const LOOKBACK: Duration = Duration::from_secs(5);

/// How often the past is sampled.
const SAMPLE_EVERY: Duration = Duration::from_millis(200);

/// Columns of the bar, if there is room.
const BAR_COLUMNS: usize = 20;

/// Remembers how a transfer went lately.
#[derive(Debug, Default)]
pub struct Meter {
    samples: VecDeque<(Instant, u64)>,
}

impl Meter {
    /// Notes that `done` bytes are through at `now`.
    pub fn sample(&mut self, now: Instant, done: u64) {
        let newest = self.samples.back();
        if newest.is_none_or(|(at, _)| now.saturating_duration_since(*at) >= SAMPLE_EVERY) {
            self.samples.push_back((now, done));
        }
        // One sample older than the lookback stays: it is where the lookback begins.
        while self.samples.get(1).is_some_and(|(at, _)| now.saturating_duration_since(*at) >= LOOKBACK) {
            self.samples.pop_front();
        }
    }

    /// Bytes a second, once there is a past to speak of.
    fn speed(&self, now: Instant, done: u64) -> Option<f64> {
        let (from, before) = self.samples.front()?;
        let passed = now.saturating_duration_since(*from);
        (passed >= SAMPLE_EVERY).then(|| done.saturating_sub(*before) as f64 / passed.as_secs_f64())
    }

    /// The line for a transfer called `what`, of `size` bytes, of which `done` are through, on a terminal of so many
    /// columns: as much of it as fits, and what matters least goes first.
    pub fn line(&self, what: &str, done: u64, size: u64, now: Instant, columns: usize) -> String {
        let share = if size == 0 { 1.0 } else { done as f64 / size as f64 };
        let percent = format!(" {:3.0}%", (share * 100.0).floor());
        let speed = self.speed(now, done);
        let rate = speed.map(|speed| format!(" {}/s", Bytes(speed as u64))).unwrap_or_default();
        let left = match speed {
            Some(speed) if speed >= 1.0 => format!(" {} left", Left((size - done.min(size)) as f64 / speed)),
            _ => String::new(),
        };
        let (bar, bytes) = (format!(" [{}]", bar(share)), format!(" {} of {}", Bytes(done), Bytes(size)));
        let lines = [
            format!("{what}{bar}{percent}{bytes}{rate}{left}"),
            format!("{what}{percent}{bytes}{rate}{left}"),
            format!("{what}{percent}{rate}{left}"),
        ];
        let rest = format!("{percent}{rate}{left}");
        lines.into_iter().find(|line| line.width() < columns).unwrap_or_else(|| {
            let room = columns.saturating_sub(rest.width() + 2);
            let mut start = what.to_owned();
            while start.width() > room {
                start.pop();
            }
            format!("{start}…{rest}")
        })
    }
}

/// A number of bytes, for people.
struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        if self.0 < 1_024 {
            return write!(f, "{} B", self.0);
        }
        let unit = (self.0.ilog2() / 10) as usize;
        write!(f, "{:.1} {}", self.0 as f64 / (1_u64 << (10 * unit)) as f64, UNITS[unit - 1])
    }
}

/// A number of seconds that are left, for people.
struct Left(f64);

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.ceil() as u64 {
            seconds @ ..100 => write!(f, "{seconds} s"),
            seconds @ ..6_000 => write!(f, "{} min", seconds.div_ceil(60)),
            seconds => write!(f, "{} h", seconds.div_ceil(3_600)),
        }
    }
}

fn bar(share: f64) -> String {
    let full = ((share * BAR_COLUMNS as f64) as usize).min(BAR_COLUMNS);
    let mut bar = "=".repeat(full);
    if full < BAR_COLUMNS {
        bar.push('>');
    }
    format!("{bar:BAR_COLUMNS$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_has_bar_bytes_speed_and_time_left() {
        let start = Instant::now();
        let mut meter = Meter::default();
        meter.sample(start, 0);
        let line = meter.line("Uploading f", 0, 10 << 20, start, 100);
        assert_eq!(line, "Uploading f [>                   ]   0% 0 B of 10.0 MiB");
        let now = start + Duration::from_secs(2);
        meter.sample(now, 4 << 20);
        let line = meter.line("Uploading f", 4 << 20, 10 << 20, now, 100);
        assert_eq!(line, "Uploading f [========>           ]  40% 4.0 MiB of 10.0 MiB 2.0 MiB/s 3 s left");
    }

    #[test]
    fn the_line_fits_80_and_40_columns_with_what_matters_most() {
        let start = Instant::now();
        let mut meter = Meter::default();
        meter.sample(start, 0);
        let now = start + Duration::from_secs(2);
        meter.sample(now, 4 << 20);
        let line = |what: &str, columns| meter.line(what, 4 << 20, 10 << 20, now, columns);
        let wanted = "Uploading report.txt  40% 4.0 MiB of 10.0 MiB 2.0 MiB/s 3 s left";
        assert_eq!(line("Uploading report.txt", 80), wanted);
        assert_eq!(line("Uploading report.txt", 45), "Uploading report.txt  40% 2.0 MiB/s 3 s left");
        assert_eq!(
            line("Uploading report.txt", 40),
            "Uploading report…  40% 2.0 MiB/s 3 s left".replace("rt…", "…")
        );
        for columns in 30..120 {
            assert!(line("Receiving a-very-long-name.tar.gz from yoda", columns).width() < columns);
        }
    }

    #[test]
    fn the_speed_is_that_of_the_last_seconds() {
        let start = Instant::now();
        let mut meter = Meter::default();
        let mut done = 0;
        let mut now = start;
        for second in 0..60 {
            done += if second < 30 { 10_000_000 } else { 1_000 };
            now = start + Duration::from_secs(second);
            meter.sample(now, done);
        }
        assert_eq!(meter.speed(now, done), Some(1_000.0));
        assert!(meter.samples.len() <= 7);
    }

    #[test]
    fn an_empty_file_and_a_stalled_one_have_a_line_too() {
        let start = Instant::now();
        let mut meter = Meter::default();
        assert_eq!(meter.line("f", 0, 0, start, 100), "f [====================] 100% 0 B of 0 B");
        meter.sample(start, 5);
        let line = meter.line("f", 5, 10, start + Duration::from_secs(3), 100);
        assert_eq!(line, "f [==========>         ]  50% 5 B of 10 B 0 B/s");
    }
}
