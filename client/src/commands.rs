//! Somebody who is logged in: commands go out, and what their answers mean comes in.
//!
//! It knows what a command waits for and what to print when that comes. It refuses to know sockets and
//! keys: entered lines and events come in as values, requests go out to a [`Server`].

pub mod answers;

use std::time::Instant;

use forum_common::limits::DATA_BYTES_MAX;
use forum_common::text::commands::{help, room_names};
use forum_common::text::{Command, LineError, Reader, parse, prompts};
use forum_common::wire::{Request, Tag, Transfer};

use crate::asked::{self, Asked, Awaits};
use crate::clock::Clock;
use crate::completion::{Completion, Named, Word};
use crate::connection::{Server, has_room};
use crate::editor::Purpose;
use crate::login::{Question, Secret};
use crate::lookup::Lookup;
use crate::memory::{Greeting, Memory};
use crate::original::Source;
use crate::output::Output;
use crate::peer::Desk;
use crate::peer::links::Links;
use crate::peer::private::Way;
use crate::progress::Meter;
use crate::transfer::{Download, Folder, Next, Upload};

/// Commands that may be unanswered at once, on a terminal. Nobody types faster than a server answers;
/// behind one that hangs, they would pile up.
const UNANSWERED_MAX: usize = 32;

/// One user on one connection.
#[derive(Debug)]
pub struct Commands {
    folder: Folder,
    memory: Memory,
    reader: Reader,
    clock: Clock,
    change: Option<Change>,
    /// Messages have come that the server has not been told of.
    owes_acknowledgement: bool,
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
    /// For a user who has just logged in; downloads go to `folder`. `clock` is the server's.
    pub fn new(folder: Folder, memory: Memory, reader: Reader, clock: Clock) -> Self {
        Self { folder, memory, reader, clock, change: None, owes_acknowledgement: false }
    }

    /// What to ask the user, on a terminal of so many columns: a command, or what a command needs. `None` while
    /// there is nothing to enter: on the way out, and unless `typing_ahead` is allowed, until every command has been
    /// answered.
    pub fn question(&self, server: &Server, typing_ahead: bool, columns: usize) -> Option<Question> {
        if is_leaving(server) || (!typing_ahead && asked::commands(server).next().is_some()) {
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

    /// Whether a password is being asked for, so that the next line is one.
    pub fn wants_password(&self) -> bool {
        self.change.is_some()
    }

    /// Takes a line: a command, or the answer to the present question.
    pub fn enter(&mut self, line: &str, links: &mut Links, desk: &mut Desk<'_>) {
        if let Some(change) = self.change.take() {
            return self.answer_change(change, line, desk.server);
        }
        let parsed = parse(line, self.clock.now(desk.now));
        if let Ok(None) = parsed {
            return;
        }
        self.memory.greeting = Greeting::Short;
        match parsed {
            Ok(Some(_)) if asked::commands(desk.server).count() >= UNANSWERED_MAX => {
                desk.output.refuse("Too many commands are unanswered. Please try again later");
            }
            Ok(Some(command)) => self.begin(&command, line, links, desk),
            Ok(None) => {}
            Err(LineError::Syntax(error)) => desk.output.refuse(error),
            Err(LineError::Rejected(rejection)) => refuse_here(rejection, desk),
        }
    }

    /// Takes a line that is not text, for this reason. As a password it is just a bad one, which is the
    /// server's to refuse.
    pub fn enter_unreadable(&mut self, reason: &str, server: &mut Server, output: &mut Output) {
        match self.change.take() {
            Some(change) => self.answer_change(change, "", server),
            None => output.refuse(format_args!("Invalid text\n{reason}")),
        }
    }

    /// The user has nothing more to enter: gives up the present question, or else logs out.
    pub fn leave(&mut self, server: &mut Server, output: &mut Output) {
        if self.change.take().is_some() {
            output.refuse("Password not changed");
        } else if !is_leaving(server) {
            asked::ask(server, Request::LogOut, "XIT", Awaits::Goodbye);
        }
    }

    /// What Tab does to the word before the cursor. If names are missing for that, they are asked for, and
    /// [`Outcome::NamesCame`] tells when to try again.
    pub fn complete(&mut self, before: &str, at_end: bool, now: Instant, server: &mut Server) -> Completion {
        let Some(word) = Word::before_cursor(before) else { return Completion::Nothing };
        if let Named::Listed(listed) = word.names
            && self.memory.names.is_stale(listed, now)
        {
            Lookup::begin(listed, now, server);
            return Completion::Later;
        }
        word.complete(&self.memory.names, at_end)
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

    fn begin(&mut self, command: &Command<'_>, typed: &str, links: &mut Links, desk: &mut Desk<'_>) {
        match *command {
            Command::Ask(request) => asked::ask(desk.server, request, typed, Awaits::answer_to(&request)),
            Command::CreateRoom { users } => {
                let request = Request::CreateRoom { users: &room_names(users), key: None };
                asked::ask(desk.server, request, typed, Awaits::Word);
            }
            Command::Upload { title, path } => begin_upload(title, path, typed, desk),
            Command::Download { title, file } => {
                let download = Box::new(Download::new(file, &self.folder));
                let request = Request::Download { title, file, offset: None, digest: None };
                asked::ask(desk.server, request, typed, Awaits::Download(download, Meter::default()));
            }
            Command::StartPrivate { user } => {
                let request = Request::AskPrivate { user, enabled: links.privates.is_enabled(user) };
                asked::ask(desk.server, request, typed, Awaits::PrivateQuestion(user.to_owned()));
            }
            Command::Private { user, text } => match links.privates.say(user, text) {
                Way::Gone => report_active(desk),
                Way::Relay(link) => {
                    let request = Request::RelayText { link, text };
                    asked::ask(desk.server, request, typed, Awaits::Relayed(user.to_owned()));
                }
                Way::Refused(rejection) => refuse_here(rejection, desk),
            },
            Command::StopPrivate { user } => {
                if let Err(rejection) = links.privates.stop(user, desk) {
                    refuse_here(rejection, desk);
                }
            }
            Command::SendFile { user, path } => begin_sending(user, path, typed, desk),
            Command::ChangePassword => {
                self.change = Some(Change::Old);
                report_active(desk);
            }
            Command::Help(word) => match help(word) {
                Ok(lines) => {
                    lines.iter().for_each(|line| desk.output.say(line));
                    report_active(desk);
                }
                Err(error) => refuse_here(error, desk),
            },
        }
    }

    fn answer_change(&mut self, change: Change, line: &str, server: &mut Server) {
        let line = Secret::new(line.to_owned());
        match change {
            Change::Old => self.change = Some(Change::New { old: line }),
            Change::New { old } => self.change = Some(Change::Confirmation { old, new: line }),
            Change::Confirmation { old, new } => {
                let request = Request::ChangePassword { old: &old, new: &new, confirmation: &line };
                asked::ask(server, request, "passwd", Awaits::NewPassword(new.clone()));
            }
        }
    }
}

fn begin_upload(title: &str, path: &str, typed: &str, desk: &mut Desk<'_>) {
    match Source::open(path) {
        Ok(source) => {
            let upload = Box::new(Upload::new(source));
            let file = upload.name().to_owned();
            let request = Request::Upload { title, file: &file, size: upload.size(), key: None };
            asked::ask(desk.server, request, typed, Awaits::Upload(upload, Meter::default()));
        }
        Err(reason) => refuse_here(reason, desk),
    }
}

fn begin_sending(user: &str, path: &str, typed: &str, desk: &mut Desk<'_>) {
    match Source::open(path) {
        Ok(source) => {
            let file = source.name.clone();
            let request = Request::OfferFile { user, size: source.original.size(), file: &file };
            asked::ask(desk.server, request, typed, Awaits::FileQuestion(user.to_owned(), source));
        }
        Err(reason) => refuse_here(reason, desk),
    }
}

/// Refuses what the server has nothing to do with.
fn refuse_here(why: impl std::fmt::Display, desk: &mut Desk<'_>) {
    desk.output.refuse(why);
    report_active(desk);
}

/// The server had nothing to do with it, and still is to know that the user is there.
fn report_active(desk: &mut Desk<'_>) {
    desk.server.tell(&Request::Active);
}

/// Lets every upload in turn send a frame, as long as little waits to be sent.
pub fn pump(server: &mut Server, output: &mut Output) {
    if !can_pump(server) {
        return;
    }
    let mut buffer = [0; DATA_BYTES_MAX];
    while can_pump(server) {
        let can_send = |(tag, asked): (Tag, &mut Asked)| asked.can_send().then_some(tag);
        let ready: Vec<Tag> = server.unanswered_mut().filter_map(can_send).collect();
        for tag in ready {
            if !has_room(server) {
                return;
            }
            let mut uploads = server.unanswered_mut().filter(|(other, _)| *other == tag);
            let next = uploads.next().map_or(Next::Nothing, |(_, asked)| asked.next(&mut buffer));
            drop(uploads);
            match next {
                Next::Frame(transfer) => server.transfer(tag, &transfer),
                Next::Nothing => {}
                Next::GaveUp(reason) => {
                    server.transfer(tag, &Transfer::Abort);
                    output.refuse(reason);
                }
            }
        }
    }
}

/// Whether [`pump`] would send something.
pub fn can_pump(server: &Server) -> bool {
    server.unanswered().any(Asked::can_send)
}
