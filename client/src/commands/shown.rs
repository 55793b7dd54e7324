//! What a user is shown line by line: items of lists, and what nobody asked for. A person at a terminal sees whose each
//! line is, and when it was.

use std::time::Instant;

use forum_common::text::decoration::Origin;
use forum_common::text::{Reader, Shown, lines};
use forum_common::wire::{Notice, Reply};

use super::{Commands, Outcome};
use crate::asked::{Asked, Awaits};
use crate::output::Output;

impl Commands {
    /// Takes in an item of a list.
    pub fn listed(
        &mut self,
        asked: &mut Asked,
        item: &Reply<'_>,
        now: Instant,
        output: &mut Output,
    ) -> Outcome {
        match &mut asked.awaits {
            Awaits::List(listing) => match listing.take(item, self.clock.zone()) {
                Shown::Item { heading, line } => {
                    heading.iter().for_each(|line| output.say(line));
                    self.say(&line, Origin::of_item(item), now, output, false);
                    self.memory.names.learn_reply(item);
                    Outcome::Going
                }
                Shown::End { .. } | Shown::Foreign => Outcome::Unexpected,
            },
            Awaits::Unwanted => Outcome::Going,
            Awaits::Names(lookup) => match lookup.take(item) {
                true => Outcome::Going,
                false => Outcome::Unexpected,
            },
            _ => Outcome::Unexpected,
        }
    }

    /// Takes in what nobody asked for. A message that came once already, on a connection that broke before
    /// the server knew, is not shown again.
    pub fn noticed(&mut self, notice: &Notice<'_>, now: Instant, output: &mut Output) {
        if self.is_quiet {
            return;
        }
        if let Notice::Message { number, .. } = notice {
            self.owes_acknowledgement = true;
            if !self.memory.is_fresh(*number) {
                return;
            }
        }
        self.memory.names.learn_notice(notice);
        if let Some(line) = lines::notice(notice, self.reader) {
            let origin = Origin::of_notice(notice, self.clock.now(now).ms);
            output.notify(notice, None, |output| self.say(&line, origin, now, output, true));
        }
    }

    /// Says a line; to a person with what there is to know of its origin.
    pub fn say(
        &self,
        line: &str,
        origin: Option<Origin<'_>>,
        now: Instant,
        output: &mut Output,
        rings: bool,
    ) {
        match origin.filter(|_| self.reader == Reader::Person && !output.is_for_programs()) {
            Some(origin) => {
                let line = origin.decorate(line, self.memory.session().0, self.clock.now(now));
                output.say_decorated(&line, rings);
            }
            None => output.say(line),
        }
    }
}
