//! What the user enters, and who gets it: a question of the log-in, another user's question, a command.

use forum_common::text::prompts;

use super::{Ending, Phase, Session, offline};
use crate::commands;
use crate::editor::Purpose;
use crate::input::Entered;
use crate::lines::LINE_BYTES_MAX;
use crate::peer::Desk;

impl Session {
    /// Takes what was entered, as far as this phase wants it.
    pub(super) fn take_entered(&mut self) -> Result<(), Ending> {
        while self.completing.is_none() {
            self.take_answers();
            let question = self.question();
            let Some(entered) = self.input.next(question.as_ref(), &mut self.output) else { return Ok(()) };
            match entered {
                // Who has nothing more to say may still be waiting for a file.
                Entered::End if !self.input.is_terminal() && self.links.files.is_transferring() => {
                    return Ok(());
                }
                Entered::Suspend => self.suspend(),
                Entered::ClearScreen => self.output.clear_screen(),
                Entered::Complete => self.complete(),
                entered => self.enter(&entered)?,
            }
        }
        Ok(())
    }

    /// Takes answers to other users' questions out of the lines of a pipe: they wait for no command.
    fn take_answers(&mut self) {
        let Phase::LoggedIn { commands, .. } = &self.phase else { return };
        if commands.wants_password() {
            return;
        }
        while self.links.has_question()
            && let Some(yes) = self.input.take_answer()
        {
            self.with_links(|links, desk| links.answer(yes, desk));
        }
    }

    fn enter(&mut self, entered: &Entered) -> Result<(), Ending> {
        let output = &mut self.output;
        match &mut self.phase {
            Phase::LoggedIn { connection, commands } => {
                let server = &mut connection.server;
                let was_leaving = commands::is_leaving(server);
                match entered {
                    Entered::Line(line) => {
                        let mut desk = Desk { now: self.now, server, output };
                        match prompts::answer(line) {
                            Some(yes) if self.links.has_question() && !commands.wants_password() => {
                                self.links.answer(yes, &mut desk);
                            }
                            _ => commands.enter(line, &mut self.links, &mut desk),
                        }
                    }
                    Entered::Interrupt if was_leaving => return Err(Ending::Lost),
                    Entered::End | Entered::Interrupt => commands.leave(server, output),
                    unreadable => commands.enter_unreadable(&reason(unreadable), server, output),
                }
                if commands::is_leaving(&connection.server) && !was_leaving {
                    // What was said privately must be on its way before anybody hears that we have gone.
                    self.with_links(|links, desk| links.hang_up(desk));
                }
                Ok(())
            }
            Phase::LoggingIn { connection, login, .. } => match (entered, login.question()) {
                (Entered::Interrupt, _) => Err(Ending::NotLoggedIn),
                (Entered::End, _) => {
                    output.warn("Not logged in: the input ended");
                    if !self.input.is_terminal() {
                        output.warn("It must begin with a name and a password, unless --user names the user");
                    }
                    Err(Ending::NotLoggedIn)
                }
                (entered, None) => offline::enter(entered, &self.clock, &mut self.links, self.now, output),
                (Entered::Line(line), Some(_)) => {
                    login.answer(line, &mut connection.server);
                    Ok(())
                }
                (_, Some(question)) if question.purpose == Purpose::Answer => {
                    output.warn(login.unreadable());
                    Ok(())
                }
                // As a password it is just a bad one, which is the server's to refuse.
                (_, Some(_)) => {
                    login.answer("", &mut connection.server);
                    Ok(())
                }
            },
            Phase::Dialing(_) | Phase::Resting { .. } => {
                offline::enter(entered, &self.clock, &mut self.links, self.now, output)
            }
        }
    }
}

/// Why a line could not be read.
pub(super) fn reason(unreadable: &Entered) -> String {
    match unreadable {
        Entered::TooLong => format!("The line is longer than {LINE_BYTES_MAX} bytes"),
        _ => "The line is not UTF-8".to_owned(),
    }
}
