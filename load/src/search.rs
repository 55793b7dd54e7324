//! The search for the highest rate that holds a threshold: which rate is tried next. It measures nothing; what
//! has come of a step is passed in.

/// A search ends after so many steps, whatever it knows by then.
pub const STEPS_MAX: usize = 60;

/// Highest rate that holds and lowest that does not are close enough at this ratio.
const CLOSE: f64 = 1.05;
/// By how much the rate is lowered when it does not hold a second time.
const BACK: f64 = 0.95;
/// A server that does not hold this rate holds none.
const RATE_MIN: f64 = 1.0;
/// More is never tried.
const RATE_MAX: f64 = 1e8;

/// What has come of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepResult {
    /// The threshold holds at this rate.
    Holds,
    /// It does not.
    Fails,
    /// The generator was the bottleneck: the step says nothing about the server.
    Invalid,
}

impl StepResult {
    /// In tables and results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Fails => "fails",
            Self::Invalid => "invalid",
        }
    }
}

/// ```text
/// Ramp ──fails──► Narrow ──close enough──► Verify ──holds──► over
///  ↑ holds: ×2      ↑ the middle             ↑ fails: −5 %
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Doubles the rate until it fails, or halves it until it holds.
    Ramp,
    /// Tries the middle between both.
    Narrow,
    /// Measures the highest rate that held once more.
    Verify,
    Over,
}

/// A search, as far as it has come.
#[derive(Debug)]
pub struct Search {
    phase: Phase,
    rate: f64,
    /// Whether this rate has failed once: it has to fail twice in a row, as a busy neighbour fails a step, too.
    failed_once: bool,
    holds: Option<f64>,
    fails: Option<(f64, StepResult)>,
    steps: usize,
}

impl Search {
    /// Begins with this rate.
    pub fn new(rate: f64) -> Self {
        Self { phase: Phase::Ramp, rate, failed_once: false, holds: None, fails: None, steps: 0 }
    }

    /// The rate of the next step; nothing if the search is over.
    pub fn next_rate(&self) -> Option<f64> {
        (self.phase != Phase::Over).then_some(self.rate)
    }

    /// The highest rate that held, and held when it was verified.
    pub fn found(&self) -> Option<f64> {
        self.holds.filter(|_| self.phase == Phase::Over)
    }

    /// The lowest rate that did not hold, and what has come of it.
    pub fn limit(&self) -> Option<(f64, StepResult)> {
        self.fails
    }

    /// Goes on from what has come of the step at [`Search::next_rate`].
    pub fn note(&mut self, result: StepResult) {
        self.steps += 1;
        match (self.phase, result) {
            (Phase::Over, _) => return,
            (Phase::Verify, StepResult::Holds) => {
                self.holds = Some(self.rate);
                self.phase = Phase::Over;
                return;
            }
            (Phase::Verify, _) => {
                self.fails = Some((self.rate, result));
                self.go_to(self.rate * BACK);
            }
            (_, StepResult::Fails | StepResult::Invalid) if !self.failed_once => self.failed_once = true,
            (_, StepResult::Holds) => {
                self.holds = Some(self.rate);
                self.choose();
            }
            (_, _) => {
                self.fails = Some((self.rate, result));
                self.choose();
            }
        }
        if self.steps >= STEPS_MAX || self.rate < RATE_MIN {
            (self.phase, self.holds) = (Phase::Over, None);
        }
    }

    fn choose(&mut self) {
        match (self.holds, self.fails) {
            (Some(holds), Some((fails, _))) if fails / holds <= CLOSE => {
                self.phase = Phase::Verify;
                self.go_to(holds);
            }
            (Some(holds), Some((fails, _))) => {
                self.phase = Phase::Narrow;
                self.go_to((holds * fails).sqrt());
            }
            (Some(holds), None) if holds * 2.0 > RATE_MAX => {
                self.phase = Phase::Verify;
                self.go_to(holds);
            }
            (Some(holds), None) => self.go_to(holds * 2.0),
            (None, _) if self.rate > RATE_MIN => self.go_to((self.rate / 2.0).max(RATE_MIN)),
            (None, _) => self.go_to(self.rate / 2.0),
        }
    }

    /// Round numbers are easier to repeat by hand.
    fn go_to(&mut self, rate: f64) {
        self.failed_once = false;
        self.rate = if rate >= 100.0 { rate.round() } else { (rate * 100.0).round() / 100.0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a search finds, and its steps, where `result` says what comes of a rate.
    fn search(first: f64, mut result: impl FnMut(f64) -> StepResult) -> (Search, Vec<f64>) {
        let (mut search, mut steps) = (Search::new(first), Vec::new());
        while let Some(rate) = search.next_rate() {
            steps.push(rate);
            search.note(result(rate));
        }
        (search, steps)
    }

    fn up_to(knee: f64) -> impl Fn(f64) -> StepResult {
        move |rate| if rate <= knee { StepResult::Holds } else { StepResult::Fails }
    }

    #[test]
    fn a_knee_is_found_from_above_and_from_below_and_verified() {
        for knee in [1.5, 40.0, 999.0, 1_000.0, 1_001.0, 77_777.0, 1e6] {
            let (search, steps) = search(1_000.0, up_to(knee));
            let found = search.found().unwrap();
            assert!(found <= knee && found * CLOSE >= knee * 0.999, "{knee}: {steps:?}");
            assert_eq!(steps.iter().filter(|&&rate| rate == found).count(), 2, "{knee}: {steps:?}");
            assert!(steps.len() < 30, "{knee}: {steps:?}");
        }
    }

    #[test]
    fn a_single_failure_is_no_knee() {
        let mut tried = 0;
        let disturbed = |rate| {
            tried += 1;
            if tried % 3 == 2 { StepResult::Fails } else { up_to(50_000.0)(rate) }
        };
        let (search, steps) = search(1_000.0, disturbed);
        assert!(search.found().unwrap() >= 50_000.0 * BACK / CLOSE, "{steps:?}");
    }

    #[test]
    fn what_the_generator_can_not_do_is_a_limit_and_said_to_be_its() {
        let (search, _) =
            search(1_000.0, |rate| if rate > 9_000.0 { StepResult::Invalid } else { StepResult::Holds });
        assert!(search.found().unwrap() <= 9_000.0);
        assert_eq!(search.limit().unwrap().1, StepResult::Invalid);
    }

    #[test]
    fn a_rate_that_does_not_hold_when_it_is_verified_is_lowered() {
        let mut steps_at_first = 0;
        let tiring = |rate| {
            steps_at_first += 1;
            if steps_at_first < 10 { up_to(5_000.0)(rate) } else { up_to(4_000.0)(rate) }
        };
        let (search, steps) = search(1_000.0, tiring);
        assert!((3_700.0..=4_000.0).contains(&search.found().unwrap()), "{steps:?}");
    }

    #[test]
    fn a_search_ends_also_where_there_is_no_knee() {
        let (never, steps) = search(1_000.0, |_| StepResult::Fails);
        assert_eq!((never.found(), steps.len()), (None, 22));
        let (always, steps) = search(1_000.0, |_| StepResult::Holds);
        assert!(always.found().unwrap() > RATE_MAX / 2.0 && always.limit().is_none() && steps.len() < 30);
        let mut turn = 0;
        let random = |_| {
            turn += 1;
            if turn % 5 == 0 { StepResult::Holds } else { StepResult::Fails }
        };
        assert!(search(1_000.0, random).1.len() <= STEPS_MAX);
    }
}
