//! What a run has come to, when it is over.

use super::Engine;
use super::usage::OwnUse;
use crate::args::Scenario;
use crate::outcome::{GeneratorUse, Outcome, ServerUse, latencies};
use crate::run::Finished;
use crate::server_watch::Watch;
use crate::setting::Setting;

impl Engine<'_> {
    pub(super) fn look_at_server(&mut self) {
        self.server.1 = Watch::start(&self.server.0);
    }

    pub(super) fn server_use(&mut self) -> Option<ServerUse> {
        self.server.1.take()?.stop()
    }

    /// Notes what this process has used since `before`, `ns` ago.
    pub(super) fn note_own_use(&mut self, before: &OwnUse, ns: u64) {
        let lag = self.pace.as_ref().map(|_| latencies());
        self.generator = GeneratorUse { lag, ..before.until_now(ns) };
    }

    pub(super) fn outcome(&mut self, seconds: f64, server: Option<ServerUse>) -> Outcome {
        self.live.end();
        debug_assert!(self.meter.counts.is_balanced(), "{:?}", self.meter.counts);
        let moves_text = matches!(self.arguments.scenario, Scenario::Post | Scenario::Fanout);
        let size = if moves_text { self.arguments.text_bytes() as u64 } else { 0 };
        Outcome {
            setting: Setting::default(),
            scenario: self.arguments.scenario.name().to_owned(),
            target: format!("{} {}", self.arguments.protocol.name(), self.arguments.server),
            options: self
                .arguments
                .options()
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            seconds,
            counts: self.meter.counts,
            bytes: self.meter.counts.operations * size,
            latency: self.meter.latency.clone(),
            censored: self.meter.censored.clone(),
            kinds: self.meter.kinds.so_far().to_vec(),
            series: std::mem::take(&mut self.meter.series),
            server,
            generator: GeneratorUse {
                lag: self.generator.lag.as_ref().map(|_| self.meter.lag.clone()),
                ..self.generator
            },
            found: None,
        }
    }

    /// The outcome of the run, and what it has no place for.
    pub fn finished(&self, outcome: Outcome) -> Finished {
        Finished {
            outcome,
            texts: self.meter.texts.clone(),
            deliveries: self.meter.deliveries,
            lost_all: self.is_deserted().then(|| self.meter.seconds_at(self.lost_ns)),
        }
    }
}
