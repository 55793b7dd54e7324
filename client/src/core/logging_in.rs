//! The replies to the log-in, and what becomes of the session when somebody is logged in.

use forum_common::text::Reader;
use forum_common::wire::{Reply, VERSION};

use super::event::Ending;
use super::server_events::code_of;
use super::{Again, Core, Phase};
use crate::commands::Commands;
use crate::login::{Identity, Step};
use crate::memory::Memory;
use crate::reconnect::BackOff;

/// What a terminal shows once, before the first prompt.
const BANNER: &str = "Type help for all commands, messenger and rooms included.";

impl Core {
    /// What came of a reply to the log-in; a program is told of those that end it or begin it anew.
    pub(super) fn answered_at_log_in(&mut self, reply: &Reply<'_>, step: Step) -> Result<(), Ending> {
        let is_told = matches!(step, Step::In { .. } | Step::Again(_) | Step::Failed(_) | Step::Later(_));
        let is_new = self.input.is_terminal() || self.again.is_none();
        if is_told && is_new {
            self.output.print_message(reply, code_of(reply));
        }
        let result = self.step_log_in(step);
        self.output.unmute();
        result
    }

    fn step_log_in(&mut self, step: Step) -> Result<(), Ending> {
        match step {
            Step::Going => Ok(()),
            Step::New(name) => {
                self.output.show(&format!("There is no user {name} yet. A password makes one; ^C leaves"));
                Ok(())
            }
            Step::Greeted(clock, unknown_zone) => {
                self.clock = clock;
                // It has been said when the connection was made first.
                if let Some(zone) = unknown_zone.filter(|_| self.again.is_none()) {
                    let what = "is not known here: all times are in UTC";
                    self.output.warn(format_args!("The server's time zone {zone} {what}"));
                }
                Ok(())
            }
            Step::In { identity, is_new, greeting } => {
                // In pipes a connection that is made anew is nothing to be told.
                if self.input.is_terminal() || self.again.is_none() {
                    self.output.say(greeting);
                }
                self.admit(identity, is_new);
                Ok(())
            }
            Step::Again(text) => {
                self.output.warn(text);
                Ok(())
            }
            Step::Failed(text) => {
                self.output.warn(text);
                Err(Ending::NotLoggedIn)
            }
            Step::Later(text) => self.rest(&text),
            Step::Foreign(version) => {
                self.breach(&format!("it speaks version {version}, this client version {VERSION}"))
            }
            Step::Unexpected => self.breach("Unexpected reply"),
        }
    }

    /// Somebody is logged in. What a lost connection left unanswered is asked for again, if it is the same user.
    fn admit(&mut self, identity: Identity, is_new: bool) {
        let on_terminal = self.input.is_terminal();
        let again = self.again.take();
        let is_first = again.is_none();
        let (mut memory, unanswered) = match again {
            Some(again) if again.identity.name == identity.name => (again.memory, again.unanswered),
            Some(again) => {
                let abandoned = again.unanswered.iter();
                abandoned.for_each(|asked| asked.abandon(&mut self.output, &mut self.queue));
                (again.memory, Vec::new())
            }
            None => (Memory::default(), Vec::new()),
        };
        memory.enter(&identity.name, identity.since_ms, is_new);
        let reader = if on_terminal { Reader::Person } else { Reader::Program };
        let resting = Phase::Resting { until: self.now, why: String::new() };
        match std::mem::replace(&mut self.phase, resting) {
            Phase::LoggingIn { mut connection, .. } => {
                let (server, clock) = (self.options.server.clone(), self.clock.clone());
                let commands = Commands::new(memory, server, reader, self.options.is_quiet, clock);
                let commands = Box::new(commands);
                unanswered.into_iter().for_each(|asked| asked.repeat(&mut connection.server));
                self.phase = Phase::LoggedIn { connection, commands };
            }
            phase => self.phase = phase,
        }
        if on_terminal && is_first {
            self.output.say(BANNER);
        }
        if on_terminal || self.options.retry.is_some() {
            // What is to be remembered is with the commands now, until the connection is lost.
            let (memory, back_off) = (Memory::default(), BackOff::default());
            self.again = Some(Again { identity, memory, unanswered: Vec::new(), back_off, until: None });
        }
    }
}
