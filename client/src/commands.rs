//! Somebody who is logged in: commands go out, and what their answers mean comes in.
//!
//! It knows what a command waits for and what to print when that comes. Entered lines and events come in as values;
//! requests go out to a [`Server`], and all else that is to be done to a [`Queue`].

pub mod answers;

use forum_common::text::commands::{help, near, room_names};
use forum_common::text::{Answer, Command, LineError, Reader, SyntaxError, parse, prompts};
use forum_common::wire::{Digest, Request, Tag};
use forum_peer::progress::Meter;

use crate::asked::{self, Asked, Awaits, Server};
use crate::clock::Clock;
use crate::completion::{Completion, Named, Word};
use crate::core::context::{Context, Queue};
use crate::core::event::{FileAction, FileId, PeerAction};
use crate::line_editor::editor::Purpose;
use crate::login::{Question, Secret};
use crate::lookup::Lookup;
use crate::memory::{Greeting, Memory};
use crate::output::Output;
use crate::transfer::{Download, Step, Upload};

/// Commands that may be unanswered at once, on a terminal. Nobody types faster than a server answers;
/// behind one that hangs, they would pile up.
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
    change: Option<Change>,
    /// Messages have come that the server has not been told of.
    owes_acknowledgement: bool,
    /// Files that are being opened or looked for, and what for.
    opening: Vec<(FileId, Opening)>,
    /// Downloads that are here and have yet to get their names.
    finishing: Vec<Asked>,
}

/// What a file is opened for, and the line that said so.
#[derive(Debug)]
enum Opening {
    /// To be uploaded to this thread.
    Upload { title: String, typed: String },
    /// To be offered to this user.
    Offer { user: String, typed: String },
    /// To be downloaded from this thread, by this name.
    Download { title: String, name: String, typed: String },
}

/// How far the questions for a new password are.
#[derive(Debug)]
enum Change {
    Old,
    New { old: Secret },
    Confirmation { old: Secret, new: Secret },
}

/// What an answer means beyond what was printed.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// Nothing.
    Going,
    /// The password is this one now.
    PasswordChanged(Secret),
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
    /// For a user who has just logged in, and who is shown notices unless `is_quiet`. `clock` is the server's.
    pub fn new(memory: Memory, server: String, reader: Reader, is_quiet: bool, clock: Clock) -> Self {
        Self {
            memory,
            server,
            reader,
            is_quiet,
            clock,
            change: None,
            owes_acknowledgement: false,
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
            (Some(Change::Old), _) => Question::secret(prompts::OLD_PASSWORD),
            (Some(Change::New { .. }), _) => Question::secret(prompts::NEW_PASSWORD),
            (Some(Change::Confirmation { .. }), _) => Question::secret(prompts::CONFIRM_PASSWORD),
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
                let word = line.trim_start_matches(' ').split(' ').next().unwrap_or_default();
                if let (SyntaxError::UnknownWord { .. }, Some(meant)) = (error, near(word)) {
                    context.output.show(&format!("Did you mean {meant}?"));
                }
            }
            Err(LineError::Rejected(rejection)) => refuse_here(rejection, context),
        }
    }

    /// Takes a line that is not text, for this reason. As a password it is just a bad one, which is the
    /// server's to refuse.
    pub fn enter_unreadable(&mut self, reason: &str, context: &mut Context<'_>) {
        match self.change.take() {
            Some(change) => self.answer_change(change, "", context),
            None => context.output.refuse(format_args!("Invalid text\n{reason}")),
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

    /// Gives up what goes on: everything, or the transfers of this file.
    pub fn cancel(&mut self, file: Option<&str>, context: &mut Context<'_>) {
        let cancel = |(tag, asked): (Tag, &mut Asked)| Some((tag, asked.file(), asked.cancel(file)?));
        let cancelled: Vec<_> = context.server.unanswered_mut().filter_map(cancel).collect();
        let mut found = !cancelled.is_empty();
        let is_meant = |name: &str| file.is_none_or(|file| file == name);
        let looking = |(_, opening): &mut (FileId, Opening)| matches!(opening, Opening::Download { name, .. } if is_meant(name));
        for (id, opening) in self.opening.extract_if(.., looking) {
            found = true;
            context.queue.file(id, FileAction::Leave);
            if let Opening::Download { name, .. } = opening {
                context.output.say(format_args!("{name} was cancelled"));
            }
        }
        for (tag, its_file, (name, step)) in cancelled {
            context.output.say(format_args!("{name} was cancelled"));
            // It is not unexpected that it ends like this.
            let _ = answers::go_on(step, tag, its_file.unwrap_or_default(), context);
        }
        context.queue.peer(PeerAction::Cancel { file: file.map(str::to_owned), found });
    }

    /// What Tab does to the word before the cursor. If names are missing for that, they are asked for, and
    /// [`Outcome::NamesCame`] tells when to try again.
    pub fn complete(&mut self, before: &str, at_end: bool, context: &mut Context<'_>) -> Completion {
        let Some(word) = Word::before_cursor(before) else { return Completion::Nothing };
        if let Named::Listed(listed) = word.names
            && self.memory.names.is_stale(listed, context.now)
        {
            Lookup::begin(listed, context.now, context.server);
            return Completion::Later;
        }
        word.complete(&self.memory.names, at_end, |start| context.queue.paths(start))
    }

    /// Tells the server which messages need not come again; call it when all of them have been shown.
    pub fn acknowledge(&mut self, server: &mut Server) {
        if let Some(up_to) = self.memory.newest().filter(|_| self.owes_acknowledgement) {
            server.tell(&Request::AckMessages { up_to });
        }
        self.owes_acknowledgement = false;
    }

    /// Hands out what a later connection needs to know.
    pub fn into_memory(self) -> Memory {
        self.memory
    }

    fn begin(&mut self, command: &Command<'_>, typed: &str, context: &mut Context<'_>) {
        match *command {
            Command::Ask(request) => asked::ask(context, request, typed, Awaits::answer_to(&request)),
            Command::CreateRoom { users } => {
                let request = Request::CreateRoom { users: &room_names(users), key: None };
                asked::ask(context, request, typed, Awaits::Word);
            }
            Command::Upload { title, path } => {
                let (title, typed) = (title.to_owned(), typed.to_owned());
                self.open(path, Opening::Upload { title, typed }, context);
            }
            Command::SendFile { user, path } => {
                let (user, typed) = (user.to_owned(), typed.to_owned());
                self.open(path, Opening::Offer { user, typed }, context);
            }
            Command::Download { title, file } => {
                let (title, name, typed) = (title.to_owned(), file.to_owned(), typed.to_owned());
                let id = context.queue.new_file();
                self.opening.push((id, Opening::Download { title, name, typed }));
                context.queue.file(id, FileAction::Look(file.to_owned()));
            }
            Command::StartPrivate { user } => {
                context.queue.peer(PeerAction::AskPrivate { user: user.to_owned() });
            }
            Command::Private { user, text } => {
                context.queue.peer(PeerAction::Say { user: user.to_owned(), text: text.to_owned() });
            }
            Command::StopPrivate { user } => context.queue.peer(PeerAction::Stop { user: user.to_owned() }),
            Command::Cancel(file) => self.cancel(file, context),
            Command::WhoAmI => {
                let (name, since_ms) = self.memory.session();
                let since = self.clock.zone().shown(since_ms).to_string();
                context.output.say(Answer::WhoAmI { name, server: &self.server, since: &since });
                report_active(context);
            }
            Command::ChangePassword => {
                self.change = Some(Change::Old);
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

    fn open(&mut self, path: &str, opening: Opening, context: &mut Context<'_>) {
        let file = context.queue.new_file();
        self.opening.push((file, opening));
        context.queue.file(file, FileAction::Open(path.to_owned()));
    }

    /// A file is open: the server is asked to take it, or the other user.
    pub fn opened(&mut self, file: FileId, name: &str, size: u64, context: &mut Context<'_>) {
        match self.take_opening(file) {
            Some(Opening::Upload { title, typed }) => {
                let upload = Box::new(Upload::new(name.to_owned(), size, file));
                let request = Request::Upload { title: &title, file: name, size, key: None };
                asked::ask(context, request, &typed, Awaits::Upload(upload, Meter::default()));
            }
            Some(Opening::Offer { user, typed }) => {
                let request = Request::OfferFile { user: &user, size, file: name };
                let awaits = Awaits::FileQuestion(user.clone(), name.to_owned(), file);
                asked::ask(context, request, &typed, awaits);
            }
            Some(Opening::Download { .. }) | None => context.queue.file(file, FileAction::Close),
        }
    }

    /// What is left of a broken download was looked for: the server is asked for the rest, or for all of it.
    pub fn found(&mut self, file: FileId, has: Option<(u64, Digest)>, context: &mut Context<'_>) {
        let Some(Opening::Download { title, name, typed }) = self.take_opening(file) else { return };
        let (offset, digest) = has.unzip();
        let download = Box::new(Download::new(&name, file, has));
        let request = Request::Download { title: &title, file: &name, offset, digest };
        asked::ask(context, request, &typed, Awaits::Download(download, Meter::default()));
    }

    fn take_opening(&mut self, file: FileId) -> Option<Opening> {
        let at = self.opening.iter().position(|(opening, _)| *opening == file)?;
        Some(self.opening.swap_remove(at).1)
    }

    /// The connection is gone before a command was sent: says so.
    pub fn abandon_opening(&mut self, output: &mut Output, queue: &mut Queue) {
        for (file, opening) in self.opening.drain(..) {
            queue.file(file, FileAction::Leave);
            match opening {
                Opening::Download { name, .. } => asked::not_downloaded(&name, output),
                Opening::Upload { typed, .. } | Opening::Offer { typed, .. } => {
                    output.refuse(format_args!("Not answered: {typed}"));
                }
            }
        }
    }

    /// A download has all its bytes, and its file is about to get its name.
    pub fn finish(&mut self, mut asked: Asked, context: &mut Context<'_>) -> Outcome {
        let Some(file) = asked.file() else { return Outcome::Unexpected };
        let step = asked.ended();
        if matches!(step, Step::File(_)) {
            self.finishing.push(asked);
        }
        answers::end(step, file, context)
    }

    /// The download whose file has got its name, or can't get it.
    pub fn take_finishing(&mut self, file: FileId) -> Option<Asked> {
        let at = self.finishing.iter().position(|asked| asked.file() == Some(file))?;
        Some(self.finishing.swap_remove(at))
    }

    /// A file can't be opened. Returns whether it was one that was being opened.
    pub fn not_opened(&mut self, file: FileId, why: &str, context: &mut Context<'_>) -> bool {
        let was_opening = self.take_opening(file).is_some();
        if was_opening {
            refuse_here(why, context);
        }
        was_opening
    }

    fn answer_change(&mut self, change: Change, line: &str, context: &mut Context<'_>) {
        let line = Secret::new(line.to_owned());
        match change {
            Change::Old => self.change = Some(Change::New { old: line }),
            Change::New { old } => self.change = Some(Change::Confirmation { old, new: line }),
            Change::Confirmation { old, new } => {
                let request = Request::ChangePassword { old: &old, new: &new, confirmation: &line };
                asked::ask(context, request, "passwd", Awaits::NewPassword(new.clone()));
            }
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

/// Bytes that wait to be sent when files stop adding to them. What else is to be sent waits behind them, so they
/// are few.
const AHEAD_BYTES: usize = 256 << 10;

/// How many bytes of files the server may be given now.
pub fn room(server: &Server) -> usize {
    AHEAD_BYTES.saturating_sub(server.unsent().len())
}

/// Lets an upload read its next bytes, if any may; each in its turn, the one after `last` first. Which it was.
pub fn pump(last: Tag, server: &mut Server, queue: &mut Queue) -> Option<Tag> {
    if room(server) == 0 {
        return None;
    }
    let ready: Vec<Tag> = server
        .unanswered_mut()
        .filter_map(|(tag, asked): (Tag, &mut Asked)| asked.can_read().then_some(tag))
        .collect();
    let tag = *ready.iter().find(|tag| **tag > last).or(ready.first())?;
    let (_, asked) = server.unanswered_mut().find(|(other, _)| *other == tag)?;
    let (file, read) = (asked.file()?, asked.next_read()?);
    queue.file(file, read);
    Some(tag)
}
