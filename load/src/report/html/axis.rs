//! Axes: where a value lies between two ends, and which round values are marked. An axis knows nothing of
//! pixels.

use super::super::units;

/// About so many marks on an axis of values, and on one of time.
const VALUE_TICKS: f64 = 5.0;
const TIME_TICKS: f64 = 10.0;

/// A logarithmic axis when the largest value is more than so many times the smallest.
const LINEAR_RATIO_MAX: f64 = 20.0;

/// With more decades than these, only powers of ten are marked.
const DECADES_IN_DETAIL_MAX: f64 = 3.0;

/// Steps between marks of time, in seconds; whole days above.
const TIME_STEPS: [f64; 20] = [
    0.001, 0.01, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0,
    3600.0, 7200.0, 21_600.0,
];
const DAY_SECONDS: f64 = 86_400.0;

/// A value that is marked.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tick {
    pub(super) at: f64,
    pub(super) label: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    Linear,
    Logarithmic,
}

#[derive(Debug, Clone)]
pub(super) struct Axis {
    pub(super) scale: Scale,
    /// Less than `to`, and more than 0 if logarithmic.
    from: f64,
    to: f64,
    pub(super) ticks: Vec<Tick>,
}

impl Axis {
    /// From 0 to the round number at or above `largest`.
    pub(super) fn from_zero(largest: f64, label: impl Fn(f64) -> String) -> Self {
        let largest = if largest > 0.0 { largest } else { 1.0 };
        let step = round_up(largest / VALUE_TICKS);
        let steps = (largest / step).ceil();
        let ticks = ticks_from_zero(step, steps, label);
        Self { scale: Scale::Linear, from: 0.0, to: step * steps, ticks }
    }

    /// For numbers of bytes: round ones in the unit that the largest is told in.
    pub(super) fn of_bytes(largest: f64) -> Self {
        let unit = units::size_unit(largest);
        let axis = Self::from_zero(largest / unit, |_| String::new());
        let ticks = axis.ticks.iter().map(|tick| tick.at * unit);
        let ticks = ticks.map(|at| Tick { at, label: units::short_size(at, 3) }).collect();
        Self { to: axis.to * unit, ticks, ..axis }
    }

    /// For latencies in nanoseconds: logarithmic if they lie far apart.
    pub(super) fn of_latencies(values: impl Iterator<Item = f64> + Clone) -> Self {
        let largest = values.clone().fold(1.0, f64::max);
        let smallest = values.filter(|ns| *ns > 0.0).fold(largest, f64::min);
        let label = |ns: f64| units::short_time(ns, 3);
        if largest / smallest <= LINEAR_RATIO_MAX {
            return Self::from_zero(largest, label);
        }
        let (from, to) = (round_down(smallest), round_up(largest));
        let steps: &[f64] =
            if (to / from).log10() > DECADES_IN_DETAIL_MAX { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let decades = from.log10().floor() as i32..=to.log10().ceil() as i32;
        let marked = decades.flat_map(|decade| steps.iter().map(move |step| step * 10_f64.powi(decade)));
        // Powers of ten are not exact below 1: a mark at an end must not be lost for that.
        let inside = marked.filter(|at| (from * 0.999..=to * 1.001).contains(at));
        let ticks = inside.map(|at| Tick { at, label: label(at) }).collect();
        Self { scale: Scale::Logarithmic, from, to, ticks }
    }

    /// A run's time, in seconds from the end of the warm-up.
    pub(super) fn of_time(seconds: f64) -> Self {
        let to = if seconds > 0.0 { seconds } else { 1.0 };
        let wanted = to / TIME_TICKS;
        let fitting = TIME_STEPS.iter().copied().find(|step| *step >= wanted);
        let step = fitting.unwrap_or_else(|| (wanted / DAY_SECONDS).ceil() * DAY_SECONDS);
        let (unit, name) = match step {
            day if day >= DAY_SECONDS => (DAY_SECONDS, "d"),
            hour if hour >= 3600.0 => (3600.0, "h"),
            minute if minute >= 60.0 => (60.0, "min"),
            _ => (1.0, "s"),
        };
        let label = |at: f64| format!("{} {name}", units::trimmed(&format!("{:.3}", at / unit)));
        Self { scale: Scale::Linear, from: 0.0, to, ticks: ticks_from_zero(step, (to / step).floor(), label) }
    }

    /// Percentiles, as *nines*: each of 90 %, 99 %, 99.9 %, … is as far from the last. As many as `count`
    /// values can tell apart.
    pub(super) fn of_percentiles(count: u64) -> Self {
        let to = (count.max(10) as f64).log10();
        let nines = (1..=to as usize)
            .map(|nines| Tick { at: nines as f64, label: format!("{} %", percent(nines as f64)) });
        let half = Tick { at: 2_f64.log10(), label: "50 %".to_owned() };
        Self { scale: Scale::Linear, from: 0.0, to, ticks: std::iter::once(half).chain(nines).collect() }
    }

    /// Where `value` lies: 0 at the start, 1 at the end, and never beyond either.
    pub(super) fn fraction(&self, value: f64) -> f64 {
        let fraction = match self.scale {
            Scale::Linear => (value - self.from) / (self.to - self.from),
            Scale::Logarithmic => (value / self.from).log10() / (self.to / self.from).log10(),
        };
        fraction.clamp(0.0, 1.0)
    }

    /// The value at `fraction` of a linear axis.
    pub(super) fn at(&self, fraction: f64) -> f64 {
        self.from + (self.to - self.from) * fraction
    }
}

/// `nines` as a percentage, with a digit after the point for each nine there: 1 is 90, 2.3 is 99.50.
pub(super) fn percent(nines: f64) -> String {
    let decimals = (nines + 1e-9).floor() as usize;
    let percent = 100.0 - 100.0 * 10_f64.powf(-nines);
    let shown = format!("{percent:.decimals$}");
    if nines.fract() == 0.0 { units::trimmed(&shown) } else { shown }
}

fn ticks_from_zero(step: f64, steps: f64, label: impl Fn(f64) -> String) -> Vec<Tick> {
    let at = (0..=steps as u32).map(|n| f64::from(n) * step);
    at.map(|at| Tick { at, label: label(at) }).collect()
}

/// The next 1, 2 or 5 times a power of ten that is at least `value`.
fn round_up(value: f64) -> f64 {
    let decade = 10_f64.powf(value.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * decade >= value * 0.999_999);
    factor.unwrap_or(10.0) * decade
}

fn round_down(value: f64) -> f64 {
    let decade = 10_f64.powf(value.log10().floor());
    let factor = [5.0, 2.0].into_iter().find(|factor| factor * decade <= value * 1.000_001);
    factor.unwrap_or(1.0) * decade
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|tick| tick.label.as_str()).collect()
    }

    #[test]
    fn rates_start_at_zero_and_end_at_a_round_number() {
        let axis = Axis::from_zero(123_456.0, units::short_count);
        assert_eq!(labels(&axis), ["0", "50 k", "100 k", "150 k"]);
        assert_eq!([0.0, 75_000.0, 150_000.0, 1e9].map(|rate| axis.fraction(rate)), [0.0, 0.5, 1.0, 1.0]);
        assert_eq!(labels(&Axis::from_zero(0.0, units::short_count)).len(), 6);
    }

    #[test]
    fn bytes_have_round_numbers_of_their_unit() {
        assert_eq!(labels(&Axis::of_bytes(1.9 * 1048576.0)), ["0 B", "512 KiB", "1 MiB", "1.5 MiB", "2 MiB"]);
        assert_eq!(labels(&Axis::of_bytes(0.0)).first(), Some(&"0 B"));
    }

    #[test]
    fn close_latencies_are_linear_and_far_ones_logarithmic() {
        let close = Axis::of_latencies([80e3, 310e3].into_iter());
        assert_eq!(labels(&close), ["0 µs", "100 µs", "200 µs", "300 µs", "400 µs"]);
        let far = Axis::of_latencies([0.0, 80e3, 7.2e6].into_iter());
        assert_eq!(labels(&far), ["50 µs", "100 µs", "200 µs", "500 µs", "1 ms", "2 ms", "5 ms", "10 ms"]);
        let outlier = Axis::of_latencies([30e3, 60e9].into_iter());
        assert_eq!(labels(&outlier), ["100 µs", "1 ms", "10 ms", "100 ms", "1 s", "10 s", "100 s"]);
        assert!((outlier.fraction(20e3), outlier.fraction(100e9)) == (0.0, 1.0));
        assert_eq!(labels(&Axis::of_latencies(std::iter::empty())).len(), 6);
    }

    #[test]
    fn time_is_marked_at_what_clocks_show() {
        assert_eq!(labels(&Axis::of_time(1.0)).last(), Some(&"1 s"));
        assert_eq!(labels(&Axis::of_time(10.2)), ["0 s", "2 s", "4 s", "6 s", "8 s", "10 s"]);
        assert_eq!(labels(&Axis::of_time(3600.0))[..3], ["0 min", "10 min", "20 min"]);
        assert_eq!(labels(&Axis::of_time(90_000.0))[..3], ["0 h", "6 h", "12 h"]);
        for seconds in [0.0, 1e-4, 0.3, 7.0, 61.0, 3599.0, 1e5, 1e7] {
            assert!((1..=12).contains(&labels(&Axis::of_time(seconds)).len()), "{seconds}");
        }
    }

    #[test]
    fn percentiles_are_marked_by_nines_as_far_as_they_can_be_told() {
        assert_eq!(labels(&Axis::of_percentiles(5000)), ["50 %", "90 %", "99 %", "99.9 %"]);
        assert_eq!(labels(&Axis::of_percentiles(0)), ["50 %", "90 %"]);
        assert_eq!([0.5, 1.3, 2.3].map(percent), ["68", "95.0", "99.50"]);
    }
}
