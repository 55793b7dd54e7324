//! The Tab key in a session: completing at once, or when the names have come.

use std::time::Duration;

use super::Core;
use crate::completion::{self, Completion};

/// How long keys wait for the names that the Tab before them needs. A user who types on without looking means the word
/// to be completed; one who waits longer than this sees that it is not.
const NAMES_TIMEOUT: Duration = Duration::from_secs(1);

impl Core {
    /// Completes the word before the cursor, or has the names fetched that this takes.
    pub(super) fn complete(&mut self) {
        let (text, cursor) = self.input.typed();
        let (before, after) = text.split_at(cursor);
        let (before, at_end) = (before.to_owned(), !after.starts_with(' '));
        let completion = self
            .with_commands(|commands, context| commands.complete(&before, at_end, context))
            .unwrap_or_else(|| completion::without_names(&before, at_end, |start| self.queue.paths(start)));
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
