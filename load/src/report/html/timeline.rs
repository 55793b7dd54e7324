//! A run's seconds as few enough steps to be drawn: a run of an hour is as wide on the page as one of a
//! minute.

use super::super::share;
use crate::outcome::Second;

/// Steps on the page, each a few units wide.
pub(super) const STEPS_MAX: usize = 240;

/// A stretch of the run, of one second or of several.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Step {
    /// Seconds since the end of the warm-up, at both ends.
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) offered_per_second: f64,
    pub(super) operations_per_second: f64,
    pub(super) errors_per_second: f64,
    /// The worst of its seconds.
    pub(super) lag_p99_ns: f64,
    /// Nothing where there were no operations.
    pub(super) latency: Option<Latency>,
}

/// Latencies of a step, in nanoseconds. Percentiles can't be averaged: these are the median of its seconds'
/// medians, and the worst of the others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Latency {
    pub(super) p50: f64,
    pub(super) p99: f64,
    pub(super) max: f64,
}

/// The whole of `series`, in order, in at most [`STEPS_MAX`] steps.
pub(super) fn steps(series: &[Second]) -> Vec<Step> {
    let seconds_per_step = series.len().div_ceil(STEPS_MAX).max(1);
    let mut starts: Vec<usize> = (0..series.len()).step_by(seconds_per_step).collect();
    // What is left at the end may last next to nothing, and its rate say as much.
    if let [.., before, last] = starts[..] {
        let start = |index: usize| if index == 0 { 0.0 } else { series[index - 1].at };
        let usual = start(last) - start(before);
        if series[series.len() - 1].at - start(last) < usual / 2.0 {
            starts.pop();
        }
    }
    let ends = starts.iter().skip(1).copied().chain([series.len()]);
    starts.iter().zip(ends).map(|(&start, end)| step(&series[..start], &series[start..end])).collect()
}

fn step(before: &[Second], seconds: &[Second]) -> Step {
    let from = before.last().map_or(0.0, |second| second.at);
    let to = seconds.last().map_or(from, |second| second.at);
    let per_second = |count: u64| share(count as f64, to - from).unwrap_or(0.0);
    Step {
        from,
        to,
        offered_per_second: per_second(seconds.iter().map(|second| second.offered).sum()),
        operations_per_second: per_second(seconds.iter().map(|second| second.operations).sum()),
        errors_per_second: per_second(seconds.iter().map(|second| second.errors).sum()),
        lag_p99_ns: seconds.iter().map(|second| second.lag_p99_ns).max().unwrap_or(0) as f64,
        latency: latency(seconds),
    }
}

fn latency(seconds: &[Second]) -> Option<Latency> {
    let measured = seconds.iter().filter(|second| second.operations > 0);
    let mut medians: Vec<u64> = measured.clone().map(|second| second.p50_ns).collect();
    medians.sort_unstable();
    Some(Latency {
        p50: *medians.get(medians.len() / 2)? as f64,
        p99: measured.clone().map(|second| second.p99_ns).max()? as f64,
        max: measured.map(|second| second.max_ns).max()? as f64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(at: f64, operations: u64) -> Second {
        let ns = operations * 1000;
        Second {
            at,
            operations,
            errors: operations / 2,
            p50_ns: ns,
            p99_ns: 2 * ns,
            max_ns: 3 * ns,
            ..Second::default()
        }
    }

    #[test]
    fn a_short_run_has_a_step_for_each_second() {
        let steps = steps(&[second(1.0, 10), second(2.0, 0), second(2.5, 10)]);
        assert_eq!(
            steps.iter().map(|step| step.operations_per_second).collect::<Vec<_>>(),
            [10.0, 0.0, 20.0]
        );
        assert_eq!((steps[2].from, steps[2].to, steps[2].errors_per_second), (2.0, 2.5, 10.0));
        assert_eq!(steps[0].latency, Some(Latency { p50: 10e3, p99: 20e3, max: 30e3 }));
        assert_eq!(steps[1].latency, None);
    }

    #[test]
    fn a_rest_at_the_end_is_no_step_of_its_own() {
        let steps = steps(&[second(1.0, 10), second(2.0, 10), second(2.001, 1)]);
        assert_eq!(steps.len(), 2);
        assert!((steps[1].from, steps[1].to) == (1.0, 2.001) && steps[1].operations_per_second < 11.0);
    }

    #[test]
    fn an_hour_fits_and_its_worst_second_is_seen() {
        let mut hour: Vec<Second> = (1..=3600).map(|n| second(f64::from(n), 100)).collect();
        hour[1800].max_ns = 9_000_000_000;
        for length in [3600, 3599, 3361, 241, 240] {
            let steps = steps(&hour[..length]);
            assert!(steps.len() <= STEPS_MAX && steps.len() > STEPS_MAX / 3, "{length}: {}", steps.len());
            assert!(steps.windows(2).all(|pair| pair[0].to == pair[1].from));
            assert_eq!((steps[0].from, steps[steps.len() - 1].to), (0.0, length as f64));
            assert!(steps.iter().all(|step| step.operations_per_second == 100.0));
        }
        let worst = steps(&hour)
            .iter()
            .filter_map(|step| step.latency)
            .map(|latency| latency.max)
            .fold(0.0, f64::max);
        assert_eq!(worst, 9e9);
    }

    #[test]
    fn a_run_without_seconds_has_no_steps() {
        assert_eq!(steps(&[]), []);
        assert_eq!(steps(&[second(0.0, 5)])[0].operations_per_second, 0.0);
    }
}
