//! Those of the arguments that results carry.

use super::{Arguments, FILE_BYTES, Scenario};
use crate::pacing::Pace;

impl Arguments {
    /// The options that say what was done, so that it can be repeated.
    pub fn options(&self) -> Vec<(&'static str, String)> {
        let mut options = vec![("connections", self.connections.to_string())];
        if self.idle > 0 {
            options.push(("idle", self.idle.to_string()));
        }
        match self.pace() {
            Some(Pace::Constant(rate)) => options.push(("rate", rate.to_string())),
            Some(Pace::Staged(stages)) => options.push(("stages", stages.to_string())),
            None => options.push(("pipeline", self.pipeline.to_string())),
        }
        match self.scenario {
            Scenario::Post => {
                options.push(("size", self.text_bytes().to_string()));
                options.push(("threads", self.threads.to_string()));
            }
            Scenario::Read => options.push(("page", format!("{}-{}", self.page.0, self.page.1))),
            Scenario::Mixed => options.push(("weights", self.weights.clone())),
            Scenario::Fanout => {
                options.push(("size", self.text_bytes().to_string()));
                options.push(("burst", self.burst.to_string()));
            }
            Scenario::Chat => options.push(("room-size", self.room_size.to_string())),
            Scenario::Transfer => {
                options.push(("direction", format!("{:?}", self.direction).to_lowercase()));
                options.push(("files", self.files.to_string()));
                options.push(("size", self.size.unwrap_or(FILE_BYTES).to_string()));
            }
            Scenario::Connect | Scenario::Ping => {}
        }
        if let Some(goal) = self.find {
            options.push(("find", goal.to_string()));
        }
        if let Some(timeout) = self.timeout {
            options.push(("timeout", format!("{}s", timeout.as_secs_f64())));
        }
        let tls_resume = self.tls.is_on() && self.tls.tls_resume;
        for (name, is_set) in [
            ("keys", self.keys),
            ("presence", self.presence),
            ("tls", self.tls.is_on()),
            ("tls-resume", tls_resume),
        ] {
            if is_set {
                options.push((name, is_set.to_string()));
            }
        }
        if self.processes > 1 {
            options.push(("processes", self.processes.to_string()));
        }
        options
    }
}
