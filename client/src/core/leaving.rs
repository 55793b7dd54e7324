//! The end of a session: what was said last arrives, and what never came is said.

use std::time::Instant;

use forum_peer::transport::LINGER;

use super::event::{Action, Ending, PeerAction};
use super::{Core, Phase};

/// A session that is over, but for what is still to be said.
#[derive(Debug)]
pub(super) struct Leaving {
    ending: Ending,
    /// What was said to other users may take until then to arrive.
    until: Instant,
    stage: Stage,
}

#[derive(Debug, PartialEq, Eq)]
enum Stage {
    /// Other users are to hear what was said last.
    Saying,
    /// Everything was said; it has yet to be printed.
    Printing,
    /// [`Action::End`] has been handed out.
    Over,
}

impl Leaving {
    pub(super) fn until(&self) -> Instant {
        self.until
    }
}

impl Core {
    /// Begins the end, if this is one and there was none before.
    pub(super) fn end_with(&mut self, result: Result<(), Ending>) {
        if let Err(ending) = result
            && self.leaving.is_none()
        {
            self.leaving = Some(Leaving { ending, until: self.now + LINGER, stage: Stage::Saying });
            self.queue.peer(PeerAction::HangUp);
        }
    }

    /// Returns whether something was done.
    pub(super) fn go_on_leaving(&mut self) -> bool {
        let Some(Leaving { ending, until, stage }) = &self.leaving else { return false };
        let (ending, is_late) = (*ending, self.now >= *until);
        match stage {
            Stage::Saying if self.peers.is_busy && !is_late => false,
            Stage::Saying => {
                self.abandon_all();
                self.set_stage(Stage::Printing);
                true
            }
            Stage::Printing => {
                if ending == Ending::Goodbye {
                    // Messages may have come together with the goodbye.
                    self.acknowledge();
                }
                let is_done = self.output.is_empty() && (self.unsent().is_empty() || is_late);
                if is_done {
                    self.queue.act(Action::End(ending));
                    self.set_stage(Stage::Over);
                }
                is_done
            }
            Stage::Over => false,
        }
    }

    fn set_stage(&mut self, stage: Stage) {
        if let Some(leaving) = &mut self.leaving {
            leaving.stage = stage;
        }
    }

    /// Says what will never be answered.
    fn abandon_all(&mut self) {
        let waiting = self.again.take().into_iter().flat_map(|again| again.unanswered);
        waiting.for_each(|asked| asked.abandon(&mut self.output, &mut self.queue));
        if let Phase::LoggedIn { connection, commands } = &mut self.phase {
            commands.abandon_opening(&mut self.output, &mut self.queue);
            let mut unanswered: Vec<_> = connection.server.unanswered_mut().collect();
            unanswered.sort_by_key(|(tag, _)| *tag);
            unanswered.iter().for_each(|(_, asked)| asked.abandon(&mut self.output, &mut self.queue));
        }
    }

    /// The process is about to die of a signal: what is left to be said is.
    pub(super) fn killed(&mut self) {
        if self.leaving.as_ref().is_none_or(|leaving| leaving.stage == Stage::Saying) {
            self.abandon_all();
        }
        self.output.erase();
    }
}
