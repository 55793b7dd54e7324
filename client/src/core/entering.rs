//! What the user enters: an answer to the log-in, an answer to another user, or a command.

use std::rc::Rc;

use forum_common::text::commands::word;
use forum_common::text::{Command, parse, prompts};
use forum_peer::State;

use super::event::{Ending, PeerAction};
use super::{Core, Phase};
use crate::asked::{self, Asked, Server, noted};
use crate::commands::{self, Commands};
use crate::line_editor::editor::Purpose;
use crate::line_editor::input::Entered;
use crate::login::Question;
use crate::output::About;

impl Core {
    /// Takes the next thing that was entered, if this phase wants it. Returns whether there was one.
    pub(super) fn take_entered(&mut self) -> Result<bool, Ending> {
        if self.completing.is_some() {
            return Ok(false);
        }
        if self.take_answer() || self.take_cancel()? {
            return Ok(true);
        }
        // Answers are out before the next command goes: if nobody reads them, nothing more is done.
        if !self.input.is_terminal() && !self.output.is_empty() {
            return Ok(false);
        }
        let question = self.question();
        if question.is_some() && self.options.stops_on_error && self.output.has_failed() {
            self.input.stop();
            self.queue.each.clear();
        }
        if let Some(line) = self.next_of_each(question.is_some()) {
            return self.enter(&Entered::Line(line.into())).map(|()| true);
        }
        let Some(entered) = self.input.next(question.as_ref(), &mut self.output) else { return Ok(false) };
        match entered {
            // The input has ended, and files may still be on their way.
            Entered::End if !self.input.is_terminal() && self.peers.is_transferring => return Ok(false),
            Entered::ClearScreen => self.output.clear_screen(),
            Entered::Complete => self.complete(),
            entered => self.enter(&entered)?,
        }
        Ok(true)
    }

    /// The command for the next of several files, if the one before is answered.
    fn next_of_each(&mut self, is_asked: bool) -> Option<String> {
        let Phase::LoggedIn { connection, commands } = &self.phase else { return None };
        let is_free = is_asked && !commands.wants_password() && !commands.is_at_a_file(&connection.server);
        if is_free && !self.peers.is_sending { self.queue.each.pop_front() } else { None }
    }

    /// Takes an answer to another user's question out of the lines of a pipe: it waits for no command.
    fn take_answer(&mut self) -> bool {
        let Phase::LoggedIn { connection, commands } = &self.phase else { return false };
        // It overtakes the one command that holds it, and no other line.
        let is_held =
            asked::commands(&connection.server).all(|asked| asked.holds || self.options.pipeline == 1);
        if commands.wants_password() || self.peers.questions == 0 || !is_held {
            return false;
        }
        let answer = self.input.take_answer();
        answer.into_iter().for_each(|yes| self.queue.peer(PeerAction::Answer { yes }));
        answer.is_some()
    }

    /// Whether the next line of a pipe may go to the server although lines before it are unanswered: all of them are of
    /// the kind that the server answers in order without anything else coming of it.
    pub(super) fn may_pipeline(&self, server: &Server, commands: &Commands) -> bool {
        let (mut in_flight, mut holds) = (0, false);
        for asked in asked::commands(server) {
            in_flight += 1;
            holds |= asked.holds;
        }
        let is_plain_request = |line: &str| match parse(line, self.clock.now(self.now)) {
            Ok(Some(Command::Ask(request))) => asked::can_be_pipelined(&request),
            _ => false,
        };
        in_flight < self.options.pipeline
            && !holds
            && !commands.is_opening()
            && !commands.wants_password()
            && self.input.ahead().is_some_and(is_plain_request)
    }

    /// Takes a `cancel` out of the lines of a pipe, while there is something to cancel.
    fn take_cancel(&mut self) -> Result<bool, Ending> {
        let is_cancel = |line: &str| word(line) == "cancel";
        let goes_on = match &self.phase {
            Phase::LoggedIn { connection, commands } => {
                let goes_on =
                    commands.is_opening() || connection.server.unanswered().any(Asked::takes_a_while);
                goes_on && !commands.wants_password()
            }
            _ => false,
        };
        if !(goes_on || self.peers.is_sending) || !self.input.ahead().is_some_and(is_cancel) {
            return Ok(false);
        }
        let any_question = Question { prompt: String::new(), purpose: Purpose::Command };
        match self.input.next(Some(&any_question), &mut self.output) {
            Some(entered) => self.enter(&entered).map(|()| true),
            None => Ok(false),
        }
    }

    fn enter(&mut self, entered: &Entered) -> Result<(), Ending> {
        match &self.phase {
            Phase::LoggedIn { .. } => self.enter_as_member(entered),
            Phase::LoggingIn { login, .. } if login.question().is_some() => self.enter_log_in(entered),
            Phase::LoggingIn { .. } if self.again.is_none() => Err(Ending::NotLoggedIn),
            Phase::Doubting(certificate) => self.enter_trust(*certificate, entered),
            _ => self.enter_offline(entered),
        }
    }

    fn enter_as_member(&mut self, entered: &Entered) -> Result<(), Ending> {
        let was_leaving = self.is_logging_out();
        let State { questions, is_transferring, .. } = self.peers;
        if *entered == Entered::Interrupt && was_leaving {
            return Err(Ending::Lost);
        }
        if let Phase::LoggedIn { commands, .. } = &self.phase
            && !commands.wants_password()
        {
            let typed =
                if let Entered::Line(line) = entered { noted(line).to_owned() } else { String::new() };
            self.output.turn_to(Some(Rc::new(About { line: self.input.line_number(), typed })));
        }
        self.with_commands(|commands, context| match entered {
            Entered::Line(line) => match prompts::answer(line) {
                Some(yes) if questions > 0 && !commands.wants_password() => {
                    context.queue.peer(PeerAction::Answer { yes });
                }
                _ => commands.enter(line, context),
            },
            Entered::End => commands.leave(context),
            Entered::Interrupt => commands.interrupt(is_transferring, context),
            Entered::Unreadable(why) => commands.enter_unreadable(*why, context),
            Entered::ClearScreen | Entered::Complete => {}
        });
        if self.is_logging_out() && !was_leaving {
            // What was said privately must be on its way before anybody hears that we have gone.
            self.queue.peer(PeerAction::HangUp);
        }
        Ok(())
    }

    fn is_logging_out(&self) -> bool {
        matches!(&self.phase, Phase::LoggedIn { connection, .. } if commands::is_leaving(&connection.server))
    }

    /// Takes the answer to a question of the log-in.
    fn enter_log_in(&mut self, entered: &Entered) -> Result<(), Ending> {
        let Phase::LoggingIn { connection, login, .. } = &mut self.phase else { return Ok(()) };
        match (entered, login.question()) {
            (Entered::Interrupt, _) => return Err(Ending::NotLoggedIn),
            (Entered::End, _) => {
                self.output.warn("Not logged in: the input ended");
                if !self.input.is_terminal() {
                    let what = "It must begin with a name and a password, unless --user names the user";
                    self.output.warn(what);
                }
                return Err(Ending::NotLoggedIn);
            }
            (Entered::Line(line), _) => login.answer(line, &mut connection.server),
            (_, Some(question)) if question.purpose == Purpose::Answer => {
                self.output.warn(login.unreadable());
            }
            // As a password it is just a bad one, which is the server's to refuse.
            (_, _) => login.answer("", &mut connection.server),
        }
        Ok(())
    }
}
