//! Stages of an open loop, as the command line gives them: `10s:1000,30s:5000,10s:0`. In each the rate goes
//! linearly from that of the stage before, at first 0, to its own, as in k6's `ramping-arrival-rate`.

use std::fmt::{self, Display};
use std::iter;
use std::str::FromStr;
use std::time::Duration;

use crate::quantity::parse_duration;

/// More stages than anybody writes by hand.
const STAGES_MAX: usize = 1_000;

/// So many operations a second are the most that can be asked for.
pub const RATE_MAX: f64 = 1e9;

/// How long it takes to come to a rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stage {
    /// The rate changes evenly for so long; 0: at once.
    pub lasts: Duration,
    /// Operations a second at its end.
    pub rate: f64,
}

/// All stages of a run, in order: at least one of them lasts, and has a rate over 0 at one of its ends.
#[derive(Debug, Clone, PartialEq)]
pub struct Stages(Vec<Stage>);

impl Stages {
    /// In order.
    pub fn iter(&self) -> impl Iterator<Item = &Stage> {
        self.0.iter()
    }

    /// How long they last together.
    pub fn duration(&self) -> Duration {
        self.0.iter().map(|stage| stage.lasts).sum()
    }

    /// The same with this part of each rate.
    pub fn scaled(&self, part: f64) -> Self {
        Self(self.0.iter().map(|stage| Stage { rate: stage.rate * part, ..*stage }).collect())
    }
}

impl FromStr for Stages {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let stages = text.split(',').map(stage).collect::<Result<Vec<_>, _>>()?;
        if stages.len() > STAGES_MAX {
            return Err(format!("expected at most {STAGES_MAX} stages"));
        }
        let stages = Self(stages);
        if stages.duration().is_zero() {
            return Err("expected a stage that lasts longer than 0 s".to_owned());
        }
        let from = iter::once(0.0).chain(stages.iter().map(|stage| stage.rate));
        if from.zip(stages.iter()).all(|(from, stage)| stage.lasts.is_zero() || from + stage.rate == 0.0) {
            return Err("expected a stage that lasts, with a rate over 0 at its beginning or end".to_owned());
        }
        Ok(stages)
    }
}

fn stage(text: &str) -> Result<Stage, String> {
    let expected = || format!("expected TIME:RATE, as in 10s:1000, not '{text}'");
    let (lasts, rate) = text.split_once(':').ok_or_else(expected)?;
    let lasts = parse_duration(lasts)?;
    let rate: f64 = rate.parse().map_err(|_| expected())?;
    if (0.0..=RATE_MAX).contains(&rate) { Ok(Stage { lasts, rate }) } else { Err(expected()) }
}

impl Display for Stages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, stage) in self.0.iter().enumerate() {
            let separator = if n == 0 { "" } else { "," };
            write!(f, "{separator}{}s:{}", stage.lasts.as_secs_f64(), stage.rate)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_out_reads_back_as_the_same() {
        let stages: Stages = "10s:1000,1.5m:5000.5,0s:0".parse().unwrap();
        assert_eq!(stages.to_string(), "10s:1000,90s:5000.5,0s:0");
        assert_eq!(stages.to_string().parse(), Ok(stages.clone()));
        assert_eq!(stages.duration(), Duration::from_secs(100));
        assert_eq!(stages.scaled(0.5).to_string(), "10s:500,90s:2500.25,0s:0");
    }

    #[test]
    fn what_asks_for_nothing_or_makes_no_sense_is_refused() {
        for bad in [
            "",
            "10s",
            "10s:",
            ":5",
            "10s:-1",
            "10s:nan",
            "10s:2e9",
            "0s:5",
            "10s:0,5s:0",
            "0s:9,0s:0,1s:0",
            "1s:1,",
        ] {
            assert!(bad.parse::<Stages>().is_err(), "{bad}");
        }
        assert!(vec!["1s:1"; STAGES_MAX + 1].join(",").parse::<Stages>().is_err());
    }
}
