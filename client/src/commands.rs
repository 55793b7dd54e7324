//! Somebody who is logged in: commands go out, and what their answers mean comes in.
//!
//! It knows what a command waits for and what to print when that comes. Entered lines and events come in as values;
//! requests go out to a [`Server`], and all else that is to be done to the queue of the context.

pub mod answers;
pub mod files;
pub mod reading;
mod shown;

use forum_common::text::clock::Clock;
use forum_common::text::commands::{help, near, word};
use forum_common::text::{
    Answer, Command, LineError, Passwords, Reader, Secret, SyntaxError, Unreadable, parse, prompts,
};
use forum_common::wire::Request;

use self::files::{Opening, queue_each};
use self::reading::Reading;
use crate::asked::{self, Asked, Awaits, Server};
use crate::completion::{Completion, Named, Word};
use crate::core::context::Context;
use crate::core::event::{FileId, PeerAction};
use crate::line_editor::editor::Purpose;
use crate::login::Question;
use crate::lookup::Lookup;
use crate::memory::{Greeting, Memory};

/// Commands that may be unanswered at once, on a terminal: if the server hangs, they would pile up.
const UNANSWERED_MAX: usize = 32;

/// One user on one connection.
#[derive(Debug)]
pub struct Commands {
    memory: Memory,
    /// The server, as people call it.
    server: String,
    reader: Reader,
    /// What others say is neither shown nor taken from the mailbox.
    is_quiet: bool,
    clock: Clock,
    /// The passwords of a `passwd`, as far as they were typed.
    change: Option<Passwords>,
    /// Messages have come that the server has not been told of.
    owes_acknowledgement: bool,
    read: Reading,
    /// Files that are being opened or looked for, and what for.
    opening: Vec<(FileId, Opening)>,
    /// Downloads that are here and have yet to get their names.
    finishing: Vec<Asked>,
}

/// What an answer means beyond what was printed.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// Nothing.
    Going,
    /// The password is this one now.
    PasswordChanged(Secret),
    /// It is shown from now on who comes and goes, or not.
    PresenceSet(bool),
    /// Names have come that were asked for to complete a word.
    NamesCame,
    /// The server said goodbye, or refused to.
    Goodbye,
    /// The server sent what has no place here.
    Unexpected,
}

/// Whether the server was asked to end the session.
pub fn is_leaving(server: &Server) -> bool {
    server.unanswered().any(|asked| matches!(asked.awaits, Awaits::Goodbye))
}

impl Commands {
    /// For a user who has just logged in, and is shown notices unless `is_quiet`. `clock` is the server's.
    pub fn new(memory: Memory, server: String, reader: Reader, is_quiet: bool, clock: Clock) -> Self {
        Self {
            memory,
            server,
            reader,
            is_quiet,
            clock,
            change: None,
            owes_acknowledgement: false,
            read: Reading::default(),
            opening: Vec::new(),
            finishing: Vec::new(),
        }
    }

    /// What to ask the user, on a terminal of so many columns: a command, or what a command needs. `None` while
    /// there is nothing to enter: on the way out, and unless `typing_ahead` is allowed, until every command has been
    /// answered.
    pub fn question(&self, server: &Server, typing_ahead: bool, columns: usize) -> Option<Question> {
        let is_at_work = self.is_opening() || asked::commands(server).next().is_some();
        if is_leaving(server) || (!typing_ahead && is_at_work) {
            return None;
        }
        let command = |prompt: &str| Question { prompt: prompt.to_owned(), purpose: Purpose::Command };
        Some(match (&self.change, self.memory.greeting) {
            (Some(passwords), _) => Question::secret(passwords.prompt()),
            (None, Greeting::Full) => command(prompts::first_command(columns)),
            (None, Greeting::Short) => command(prompts::SHORT),
        })
    }

    /// Whether a local file is being opened or looked for, so that a command is yet to be sent.
    pub fn is_opening(&self) -> bool {
        !self.opening.is_empty()
    }

    /// Whether a password is being asked for, so that the next line is one.
    pub fn wants_password(&self) -> bool {
        self.change.is_some()
    }

    /// Takes a line: a command, or the answer to the present question.
    pub fn enter(&mut self, line: &str, context: &mut Context<'_>) {
        if let Some(change) = self.change.take() {
            return self.answer_change(change, line, context);
        }
        let parsed = parse(line, self.clock.now(context.now));
        if let Ok(None) = parsed {
            return;
        }
        self.memory.greeting = Greeting::Short;
        match parsed {
            Ok(Some(_)) if asked::commands(context.server).count() >= UNANSWERED_MAX => {
                context.output.refuse("Too many commands are unanswered. Please try again later");
            }
            Ok(Some(command)) => self.begin(&command, line, context),
            Ok(None) => {}
            Err(LineError::Syntax(error)) => {
                context.output.refuse(error);
                if let (SyntaxError::UnknownWord { .. }, Some(meant)) = (error, near(word(line))) {
                    context.output.show(&format!("Did you mean {meant}?"));
                }
            }
            Err(LineError::Rejected(rejection)) => refuse_here(rejection, context),
        }
    }

    /// Takes a line that is no text. As a password it is a bad one, which the server refuses.
    pub fn enter_unreadable(&mut self, why: Unreadable, context: &mut Context<'_>) {
        match self.change.take() {
            Some(change) => self.answer_change(change, "", context),
            None => context.output.refuse(format_args!("Invalid text\n{why}")),
        }
    }

    /// The user has nothing more to enter: gives up the present question, or else logs out.
    pub fn leave(&mut self, context: &mut Context<'_>) {
        if self.change.take().is_some() {
            context.output.refuse("Password not changed");
        } else if !is_leaving(context.server) {
            asked::ask(context, Request::LogOut, "XIT", Awaits::Goodbye);
        }
    }

    /// The user wants what goes on to stop: the present question, or transfers and lists. `others`: files of other users
    /// are on their way. If nothing goes on, says how to leave.
    pub fn interrupt(&mut self, others: bool, context: &mut Context<'_>) {
        if self.change.take().is_some() {
            context.output.refuse("Password not changed");
        } else if others || asked::commands(context.server).any(Asked::takes_a_while) {
            self.cancel(None, context);
        } else {
            context.output.show("To log out, enter XIT or press ^D");
        }
    }

    /// What Tab does to the word before the cursor. If names are missing for that, they are asked for, and
    /// [`Outcome::NamesCame`] tells when to try again.
    pub fn complete(&mut self, before: &str, at_end: bool, context: &mut Context<'_>) -> Completion {
        let Some(word) = Word::before_cursor(before) else { return Completion::Nothing };
        if let Named::Listed(listed) = &word.names
            && self.memory.names.is_stale(listed, context.now)
        {
            Lookup::begin(listed, context.now, context.server);
            return Completion::Later;
        }
        word.complete(&self.memory.names, at_end, |start| context.queue.paths(start))
    }

    /// Tells the server which messages need not come again, and what was read; call it when all of it has been shown.
    pub fn acknowledge(&mut self, server: &mut Server) {
        if let Some(up_to) = self.memory.newest().filter(|_| self.owes_acknowledgement) {
            server.tell(&Request::AckMessages { up_to });
        }
        self.owes_acknowledgement = false;
        self.read.tell(server);
    }

    /// Hands out what a later connection needs to know.
    pub fn into_memory(self) -> Memory {
        self.memory
    }

    fn begin(&mut self, command: &Command<'_>, typed: &str, context: &mut Context<'_>) {
        match *command {
            Command::Ask(request) => {
                let request = reading::wanted(request, self.reader);
                asked::ask(context, request, typed, Awaits::answer_to(&request));
            }
            Command::Upload { title, path } => {
                let (title, typed) = (title.to_owned(), typed.to_owned());
                self.open(path, Opening::Upload { title, typed }, context);
            }
            Command::SendFile { user, path } => {
                let (user, typed) = (user.to_owned(), typed.to_owned());
                self.open(path, Opening::Offer { user, typed }, context);
            }
            Command::Download { title, file } => self.look(title, file, typed, context),
            Command::StartPrivate { user } => {
                context.queue.peer(PeerAction::AskPrivate { user: user.to_owned() });
            }
            Command::Private { user, text } => {
                context.queue.peer(PeerAction::Say { user: user.to_owned(), text: text.to_owned() });
            }
            Command::StopPrivate { user } => context.queue.peer(PeerAction::Stop { user: user.to_owned() }),
            Command::Verify { user } => context.queue.peer(PeerAction::Verify { user: user.to_owned() }),
            Command::Each { word, to, files } => queue_each(word, to, files, context),
            Command::Cancel(file) => self.cancel(file, context),
            Command::WhoAmI => {
                let (name, since_ms) = self.memory.session();
                let since = self.clock.zone().shown(since_ms).to_string();
                context.output.say(Answer::WhoAmI { name, server: &self.server, since: &since });
                report_active(context);
            }
            Command::ChangePassword => {
                self.change = Some(Passwords::for_change());
                report_active(context);
            }
            Command::Help(word) => match help(word) {
                Ok(lines) => {
                    lines.iter().for_each(|line| context.output.say(line));
                    report_active(context);
                }
                Err(error) => refuse_here(error, context),
            },
        }
    }

    fn answer_change(&mut self, mut passwords: Passwords, line: &str, context: &mut Context<'_>) {
        passwords.take(Secret::new(line.to_owned()));
        match passwords.request() {
            Some(request) => asked::ask(context, request, "passwd", Awaits::NewPassword(passwords.chosen())),
            None => self.change = Some(passwords),
        }
    }
}

/// Refuses what the server has nothing to do with.
fn refuse_here(why: impl std::fmt::Display, context: &mut Context<'_>) {
    context.output.refuse(why);
    report_active(context);
}

/// The server had nothing to do with it, and still is to know that the user is there.
fn report_active(context: &mut Context<'_>) {
    context.server.tell(&Request::Active);
}
