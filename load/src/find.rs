//! `--find`: measures one rate after the other, over the same connections, until the highest is known that holds a
//! threshold. Which one is next is decided by [`Search`].

use crate::args::Arguments;
use crate::engine::Engine;
use crate::outcome::{Found, Outcome, Step};
use crate::report::{share, units};
use crate::run::Finished;
use crate::search::{Search, StepResult};
use crate::threshold::Threshold;
use crate::verdict::Verdict;

/// The rate of the first step, unless told otherwise.
pub const FIRST_RATE: f64 = 1_000.0;

/// A server keeps up with a rate if not more than this part of what was offered was missed or never answered.
const LEFT_OVER_MAX: f64 = 0.01;

/// Measures steps until the search is over, the server has died, or somebody interrupts. What is returned is the last
/// step: where a rate was found, the one that verified it.
///
/// # Errors
/// Nothing was measured, or the server still owes answers to a step long after its end.
pub fn run(arguments: &Arguments, goal: &Threshold, engine: &mut Engine<'_>) -> Result<Finished, String> {
    let mut search = Search::new(arguments.rate.unwrap_or(FIRST_RATE));
    let mut found =
        Found { goal: goal.to_string(), steps: Vec::new(), highest: None, limit: None, is_over: false };
    let mut last: Option<Finished> = None;
    while let Some(rate) = search.next_rate() {
        if last.is_some() {
            engine.begin_again()?;
        }
        engine.set_rate(rate);
        match (engine.warm_up(), &last) {
            (Err(text), None) => return Err(text),
            (Err(_), Some(_)) => break,
            (Ok(()), _) => {}
        }
        let outcome = engine.measure(&mut || {});
        let mut finished = engine.finished(outcome);
        finished.outcome.options.insert("rate".to_owned(), rate.to_string());
        let is_over = finished.is_sound().is_err() || engine.is_ending();
        let result = result(goal, &finished);
        if !is_over {
            let step = step(rate, result, goal, &finished.outcome);
            engine.say(&said(&step));
            found.steps.push(step);
            search.note(result);
        }
        last = Some(finished);
        if is_over {
            break;
        }
    }
    found.highest = search.found();
    found.is_over = search.next_rate().is_none();
    found.limit = search.limit().map(|(_, result)| result);
    let mut finished = last.ok_or("no rate was tried")?.or_interrupted(engine.is_ending())?;
    finished.outcome.found = Some(found);
    Ok(finished)
}

fn result(goal: &Threshold, finished: &Finished) -> StepResult {
    let counts = &finished.outcome.counts;
    let left_over = share((counts.missed + counts.unanswered) as f64, counts.offered as f64);
    let keeps_up = left_over.is_some_and(|part| part <= LEFT_OVER_MAX) && finished.has_failures().is_ok();
    match Verdict::of(&finished.outcome) {
        // Lag is part of the latency: without it, this would hold all the more.
        _ if keeps_up && goal.is_true(&finished.outcome) => StepResult::Holds,
        Verdict::Invalid(_) => StepResult::Invalid,
        _ => StepResult::Fails,
    }
}

fn step(rate: f64, result: StepResult, goal: &Threshold, outcome: &Outcome) -> Step {
    let latency = |quantile| outcome.latency.value_at_quantile(quantile);
    Step {
        rate,
        achieved: share(outcome.counts.operations as f64, outcome.seconds).unwrap_or(0.0),
        p50_ns: latency(0.50),
        p99_ns: latency(0.99),
        max_ns: outcome.latency.max(),
        measured: goal.shown(outcome),
        result,
    }
}

/// A line about a step.
fn said(step: &Step) -> String {
    let (rate, p99) = (units::rate(step.rate), units::time(step.p99_ns as f64));
    format!("{rate:>11} /s  p99 {p99:>7}  {}: {}", step.result.name(), step.measured)
}
