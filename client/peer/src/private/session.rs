//! One private session: what its sockets and the clock bring it to.

use std::time::Instant;

use forum_common::text::Answer;
use forum_common::wire::Request;

use super::door::HANDSHAKE_TIMEOUT;
use super::line::{Heard, Line};
use super::{LAST_READS, Private, Stage, WORD_TIMEOUT};
use crate::Context;
use crate::dial::{Dial, Dialed};
use crate::noise::Secret;

impl Private {
    pub(super) fn attend(&mut self, stage: Stage, context: &mut Context<'_>) -> Stage {
        match stage {
            Stage::Awaiting(mut door) => match door.attend(context.now) {
                Some(line) => self.found(line, context),
                None => Stage::Awaiting(door),
            },
            Stage::Dialing(dial, secret) => self.look_at_dial(dial, secret, context),
            Stage::Proving(mut line, until) => match line.attend() {
                (heard, true) if heard.is_empty() && context.now < until => Stage::Proving(line, until),
                // What may come right after it, its end included, is found when it stands.
                (heard, _) if heard == [Heard::Ready] => self.found(line, context),
                // It was not the right one after all; the server will help out.
                _ => Stage::Arranging,
            },
            Stage::Agreeing(agreement, until) => self.agree(agreement, until, context),
            Stage::Direct(line) => self.listen(line, context),
            Stage::Ending(line, until) => self.listen_out(line, until, context),
            Stage::Lost(until) if context.now >= until => {
                context.say(has_ended(&self.user));
                Stage::Over
            }
            stage => stage,
        }
    }

    fn look_at_dial(&mut self, dial: Dial, secret: Secret, context: &mut Context<'_>) -> Stage {
        match dial.look(context.now) {
            Ok(Dialed::Still(dial)) => Stage::Dialing(dial, secret),
            Ok(Dialed::Through(stream)) => match Line::calling(stream, &secret) {
                Ok(line) => Stage::Proving(line, context.now + HANDSHAKE_TIMEOUT),
                Err(_) => Stage::Arranging,
            },
            // It can't be reached; the server will help out.
            Err(_) => Stage::Arranging,
        }
    }

    fn found(&mut self, line: Line, context: &mut Context<'_>) -> Stage {
        match self.link {
            Some(link) => {
                context.tell(&Request::LinkReached { link });
                Stage::Found(line)
            }
            None => Stage::Over,
        }
    }

    fn listen(&mut self, mut line: Line, context: &mut Context<'_>) -> Stage {
        let (heard, goes_on) = line.attend();
        if self.show(heard, context) {
            context.say(Answer::PrivateStoppedBy { user: &self.user });
            // The other end tells the server as well, but this user may ask for a new one before it is there.
            self.tell_end(false, context);
            Stage::Over
        } else if goes_on {
            Stage::Direct(line)
        } else {
            self.tell_end(false, context);
            Stage::Lost(context.now + WORD_TIMEOUT)
        }
    }

    /// Shows all that is here of what the other one said before it logged out, even that it had stopped, if
    /// that is news. The rest may still come.
    pub(super) fn hear_last_words(&self, mut line: Line, is_news: bool, context: &mut Context<'_>) -> Stage {
        for _ in 0..LAST_READS {
            let (heard, goes_on) = line.attend();
            let is_all = heard.is_empty();
            let has_stopped = self.show(heard, context);
            if has_stopped && is_news {
                context.say(Answer::PrivateStoppedBy { user: &self.user });
            }
            if has_stopped || !goes_on {
                return Stage::Over;
            }
            if is_all {
                break;
            }
        }
        Stage::Ending(line, context.now + WORD_TIMEOUT)
    }

    /// Shows what the other one said before it knew of the end, and waits until all of ours has left.
    fn listen_out(&mut self, mut line: Line, until: Instant, context: &mut Context<'_>) -> Stage {
        let (heard, goes_on) = line.attend();
        let is_done = self.show(heard, context) || !goes_on || context.now >= until;
        if is_done { Stage::Over } else { Stage::Ending(line, until) }
    }

    /// Shows messages; whether the last thing heard was a goodbye.
    fn show(&self, heard: Vec<Heard>, context: &mut Context<'_>) -> bool {
        for next in heard {
            match next {
                Heard::Text(text) => context.private_text(&self.user, &text),
                Heard::Bye => return true,
                Heard::Ready => {}
            }
        }
        false
    }

    /// What was being arranged came to nothing.
    pub(super) fn fail(&mut self, context: &mut Context<'_>) {
        if self.has_asked {
            context.say(Answer::PrivateFailed { user: &self.user });
        }
        self.stage = Stage::Over;
    }

    /// Tells the server that this end has done with it.
    pub(super) fn tell_end(&self, stopped: bool, context: &mut Context<'_>) {
        match self.link {
            Some(link) => context.tell(&Request::EndLink { link, stopped }),
            // It still was the user who did something.
            None if stopped => context.tell(&Request::Active),
            None => {}
        }
    }
}

pub(super) fn has_ended(user: &str) -> String {
    format!("Private messaging with {user} has ended: the connection is gone")
}
