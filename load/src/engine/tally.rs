//! What a run has come to, when it is over.

use super::Engine;
use crate::args::Scenario;
use crate::outcome::{Outcome, ServerUse};
use crate::server_use::Snapshot;

impl Engine<'_> {
    pub(super) fn look_at_server(&mut self) {
        self.server.1 = self.server.0.and_then(Snapshot::of);
    }

    pub(super) fn server_use(&self) -> Option<ServerUse> {
        Some(self.server.1?.until(&Snapshot::of(self.server.0?)?))
    }

    pub(super) fn outcome(&mut self, seconds: f64) -> Outcome {
        self.live.end();
        let moves_text = matches!(self.arguments.scenario, Scenario::Post | Scenario::Fanout);
        let size = if moves_text { self.arguments.text_bytes() as u64 } else { 0 };
        Outcome {
            scenario: self.arguments.scenario.name().to_owned(),
            target: format!("{} {}", self.arguments.protocol.name(), self.arguments.server),
            options: self
                .arguments
                .options()
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            seconds,
            operations: self.meter.operations,
            errors: self.meter.errors,
            bytes: self.meter.operations * size,
            latency: self.meter.latency.clone(),
            series: std::mem::take(&mut self.meter.series),
            server: self.server_use(),
        }
    }

    /// What was heard beside the answers, for chat.
    pub fn deliveries(&self) -> u64 {
        self.meter.deliveries
    }
}
