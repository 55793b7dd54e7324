//! The Tab key in a session: completing at once, or when the names have come.

use super::{NAMES_TIMEOUT, Phase, Session};
use crate::completion::{self, Completion};

impl Session {
    /// Completes the word before the cursor, or has the names fetched that this takes.
    pub(super) fn complete(&mut self) {
        let (text, cursor) = self.input.typed();
        let (before, behind) = text.split_at(cursor);
        let at_end = !behind.starts_with(' ');
        let completion = match &mut self.phase {
            Phase::LoggedIn { connection, commands } => {
                commands.complete(before, at_end, self.now, &mut connection.server)
            }
            _ => completion::without_names(before, at_end),
        };
        match completion {
            Completion::Insert(text) => self.input.type_in(&text),
            Completion::Choose(choices) => {
                let lines = completion::in_columns(&choices, self.output.columns());
                lines.iter().for_each(|line| self.output.show(line));
            }
            Completion::Nothing => {}
            Completion::Later => self.completing = Some(self.now + NAMES_TIMEOUT),
        }
    }

    /// Names have come; what waited for them is completed, unless nobody waits any more.
    pub(super) fn complete_at_last(&mut self) {
        if self.completing.take().is_some() {
            self.complete();
        }
    }
}
