//! Somebody who is logged in: commands go out, and each is remembered until its answer has come.
//!
//! It knows what a command waits for and what to print when that comes. It refuses to know sockets and
//! keys: entered lines and frames come in as values, requests go out into an [`Outbox`].

use std::time::Instant;

use forum_common::frame::Tag;
use forum_common::link::{LinkId, LinkRequest};
use forum_common::notice::Notice;
use forum_common::refusal::Refusal;
use forum_common::reply::Reply;
use forum_common::request::Request;
use forum_common::transfer::Transfer;

use crate::completion::{Completion, Named, Word};
use crate::connection::Outbox;
use crate::editor::Purpose;
use crate::login::{Question, Secret};
use crate::lookup::{Lookups, Progress};
use crate::memory::{Greeting, Memory};
use crate::original::Source;
use crate::output::Output;
use crate::peer::Desk;
use crate::peer::links::Links;
use crate::peer::private::{self, Way};
use crate::progress::Meter;
use crate::prompt::{self, Command};
use crate::transfer::{Download, Folder, Sent, Step, Upload};
use crate::wording::{self, Listing, Reader, Shown};

/// Commands that may be unanswered at once, on a terminal. Nobody types faster than a server answers;
/// behind one that hangs, they would pile up.
const UNANSWERED_MAX: usize = 32;

/// What is said of commands that the server does not know.
const TOO_OLD: &str =
    "The server is too old for this: it can't bring you together with other users. It needs an update";

/// What is under way for one user on one connection.
#[derive(Debug)]
pub struct Commands {
    folder: Folder,
    memory: Memory,
    reader: Reader,
    /// Whether the server knows of links.
    has_links: bool,
    unanswered: Vec<Unanswered>,
    change: Option<Change>,
    /// What was asked for the Tab key only.
    lookups: Lookups,
    /// Messages have come that the server has not been told of.
    owes_taken: bool,
}

/// A command whose answer has not come, or has not ended.
#[derive(Debug)]
struct Unanswered {
    tag: Tag,
    /// The line, for when the answer never comes.
    typed: String,
    awaits: Awaits,
}

/// What a command waits for.
#[derive(Debug)]
enum Awaits {
    /// One answer, which is printed.
    Word,
    /// The same, and a room is in it.
    Room,
    /// Items, and their end.
    List(Listing),
    /// A yes to this new password.
    NewPassword(Secret),
    /// The goodbye.
    Goodbye,
    /// The end of everything, if the password was right.
    ShutDown,
    /// That this user is asked to talk privately.
    PrivateQuestion(String),
    /// That a private message is on its way to this user.
    Relayed(String),
    /// That this user is asked to take a file.
    FileQuestion(String, Source),
    /// A file's way there.
    Upload(Box<Upload>, Meter),
    /// A file's way here.
    Download(Box<Download>, Meter),
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
    /// The server said goodbye.
    Goodbye,
    /// The server sent what has no place here.
    Unexpected,
}

impl Commands {
    /// For a user who has just logged in; downloads go to `folder`. `has_links`: whether the server can bring
    /// this user together with others.
    pub fn new(folder: Folder, memory: Memory, reader: Reader, has_links: bool) -> Self {
        Self {
            folder,
            memory,
            reader,
            has_links,
            unanswered: Vec::new(),
            change: None,
            lookups: Lookups::default(),
            owes_taken: false,
        }
    }

    /// What to ask the user: a command, or what a command needs. `None` while there is nothing to enter: on
    /// the way out, and unless `typing_ahead` is allowed, until every command has been answered.
    pub fn question(&self, typing_ahead: bool) -> Option<Question> {
        if self.is_leaving() || (!typing_ahead && !self.unanswered.is_empty()) {
            return None;
        }
        Some(match (&self.change, self.memory.greeting) {
            (Some(Change::Old), _) => Question::secret("Enter old password: "),
            (Some(Change::New { .. }), _) => Question::secret("Enter new password: "),
            (Some(Change::Confirmation { .. }), _) => Question::secret("Confirm password: "),
            (None, Greeting::Full) => {
                Question { prompt: prompt::FULL_PROMPT.to_owned(), purpose: Purpose::Command }
            }
            (None, Greeting::Short) => {
                Question { prompt: prompt::SHORT_PROMPT.to_owned(), purpose: Purpose::Command }
            }
        })
    }

    /// Whether a password is being asked for, so that the next line is one.
    pub fn wants_password(&self) -> bool {
        self.change.is_some()
    }

    /// Whether the server was asked to end the session.
    pub fn is_leaving(&self) -> bool {
        self.unanswered.iter().any(|command| matches!(command.awaits, Awaits::Goodbye))
    }

    /// Takes a line: a command, or the answer to the present question.
    pub fn enter(&mut self, line: &str, links: &mut Links, desk: &mut Desk<'_>) {
        if let Some(change) = self.change.take() {
            return self.answer_change(change, line, desk.outbox);
        }
        match prompt::parse(line) {
            Ok(None) => {}
            Ok(Some(command)) => {
                self.memory.greeting = Greeting::Short;
                if self.unanswered.len() >= UNANSWERED_MAX {
                    desk.output.refuse("Too many commands are unanswered. Please try again later");
                } else {
                    self.begin(&command, line, links, desk);
                }
            }
            Err(error) => {
                self.memory.greeting = Greeting::Short;
                desk.output.refuse(&error.to_string());
            }
        }
    }

    /// The other user is being asked, which answers the command: what comes of it, others see to.
    pub fn asked(
        &mut self,
        tag: Tag,
        link: LinkId,
        text: &str,
        links: &mut Links,
        desk: &mut Desk<'_>,
    ) -> Outcome {
        let Some(at) = self.unanswered.iter().position(|command| command.tag == tag) else {
            return Outcome::Unexpected;
        };
        match self.unanswered.remove(at).awaits {
            Awaits::PrivateQuestion(user) => {
                desk.output.say(text);
                links.privates.asked(link, &user);
            }
            Awaits::FileQuestion(user, source) => links.files.asked(link, &user, source, desk),
            _ => return Outcome::Unexpected,
        }
        Outcome::Going
    }

    /// Takes a line that is not text, for this reason. As a password it is just a bad one, which is the
    /// server's to refuse.
    pub fn enter_unreadable(&mut self, reason: &str, outbox: &mut Outbox, output: &mut Output) {
        match self.change.take() {
            Some(change) => self.answer_change(change, "", outbox),
            None => output.refuse(&format!("Invalid text\n{reason}")),
        }
    }

    /// The user has nothing more to enter: gives up the present question, or else logs out.
    pub fn leave(&mut self, outbox: &mut Outbox, output: &mut Output) {
        if self.change.take().is_some() {
            output.refuse("Password not changed");
        } else if !self.is_leaving() {
            self.ask(&Request::LogOut, "XIT", Awaits::Goodbye, outbox);
        }
    }

    /// Takes in a reply.
    pub fn replied(
        &mut self,
        tag: Tag,
        reply: &Reply<'_>,
        outbox: &mut Outbox,
        output: &mut Output,
    ) -> Outcome {
        if let Reply::Pong(_) = reply {
            return Outcome::Going;
        }
        match self.lookups.replied(tag, reply, &mut self.memory.names) {
            Progress::NoLookup => {}
            Progress::Going => return Outcome::Going,
            Progress::Ended => return Outcome::NamesCame,
            Progress::Unexpected => return Outcome::Unexpected,
        }
        let Some(at) = self.unanswered.iter().position(|command| command.tag == tag) else {
            // The server's word about a transfer that both ends gave up at once.
            return if matches!(reply, Reply::Refused { .. }) { Outcome::Going } else { Outcome::Unexpected };
        };
        let step = match &mut self.unanswered[at].awaits {
            Awaits::Upload(upload, _) => upload.answered(reply),
            Awaits::Download(download, _) => download.answered(reply, tag, outbox),
            _ => return self.answered(at, reply, output),
        };
        self.stepped(at, step, output)
    }

    /// Takes in what nobody asked for. A message that came once already, on a connection that broke before
    /// the server knew, is not shown again.
    pub fn noticed(&mut self, notice: &Notice<'_>, output: &mut Output) {
        if let Notice::Message { number, .. } = notice {
            self.owes_taken = true;
            if !self.memory.is_fresh(*number) {
                return;
            }
        }
        self.memory.names.learn_notice(notice);
        output.say(&wording::notice(notice, self.reader));
    }

    /// What Tab does to the word before the cursor. If names are missing for that, they are asked for, and
    /// [`Outcome::NamesCame`] tells when to try again.
    pub fn complete(&mut self, before: &str, at_end: bool, now: Instant, outbox: &mut Outbox) -> Completion {
        let Some(word) = Word::before_cursor(before) else { return Completion::Nothing };
        if let Named::Listed(listed) = word.names
            && self.memory.names.is_stale(listed, now)
        {
            self.lookups.ask(listed, now, outbox);
            return Completion::Later;
        }
        word.complete(&self.memory.names, at_end)
    }

    /// Tells the server which messages need not come again; call it when all of them have been shown.
    pub fn acknowledge(&mut self, outbox: &mut Outbox) {
        if let Some(up_to) = self.memory.newest().filter(|_| self.owes_taken) {
            outbox.ask(&Request::Taken { up_to });
        }
        self.owes_taken = false;
    }

    /// Takes in a frame of a transfer.
    pub fn transferred(
        &mut self,
        tag: Tag,
        transfer: &Transfer<'_>,
        outbox: &mut Outbox,
        output: &mut Output,
    ) -> Outcome {
        // What is still under way to a transfer that has ended is nobody's.
        let Some(at) = self.unanswered.iter().position(|command| command.tag == tag) else {
            return Outcome::Going;
        };
        let step = match &mut self.unanswered[at].awaits {
            Awaits::Upload(upload, _) => upload.credited(transfer),
            Awaits::Download(download, _) => download.received(transfer, tag, outbox),
            _ => Step::Unexpected,
        };
        self.stepped(at, step, output)
    }

    /// Lets every upload in turn send a frame, as long as the outbox is short.
    pub fn pump(&mut self, outbox: &mut Outbox, output: &mut Output) {
        loop {
            let mut sent_any = false;
            for command in &mut self.unanswered {
                let Awaits::Upload(upload, _) = &mut command.awaits else { continue };
                if !outbox.has_room() {
                    return;
                }
                match upload.send_one(command.tag, outbox) {
                    Sent::Frame => sent_any = true,
                    Sent::Nothing => {}
                    Sent::GaveUp(reason) => output.refuse(&reason),
                }
            }
            if !sent_any {
                return;
            }
        }
    }

    /// Whether [`Commands::pump`] would send something.
    pub fn can_pump(&self) -> bool {
        self.unanswered
            .iter()
            .any(|command| matches!(&command.awaits, Awaits::Upload(upload, _) if upload.can_send()))
    }

    /// A line for each transfer that runs.
    pub fn status(&mut self, now: Instant) -> Vec<String> {
        self.unanswered.iter_mut().filter_map(|command| command.awaits.status(now)).collect()
    }

    /// Whether a transfer runs.
    pub fn is_transferring(&self) -> bool {
        self.unanswered
            .iter()
            .any(|command| matches!(command.awaits, Awaits::Upload(..) | Awaits::Download(..)))
    }

    /// The connection is gone: says which commands will never be answered, and hands out what a later one
    /// needs to know.
    pub fn abandon(self, output: &mut Output) -> Memory {
        for command in self.unanswered {
            match command.awaits {
                Awaits::Goodbye | Awaits::ShutDown => {}
                Awaits::Upload(upload, _) => {
                    output.refuse(&format!("{} was not uploaded: the connection is gone", upload.name()));
                }
                Awaits::Download(download, _) => {
                    output.refuse(&format!("{} was not downloaded: the connection is gone", download.name()));
                }
                Awaits::FileQuestion(_, source) => {
                    output.refuse(&format!("{} was not uploaded: the connection is gone", source.name));
                }
                _ => output.refuse(&format!("Not answered: {}", command.typed)),
            }
        }
        self.memory
    }

    fn begin(&mut self, command: &Command<'_>, typed: &str, links: &mut Links, desk: &mut Desk<'_>) {
        match *command {
            Command::Ask(request) => self.ask(&request, typed, Awaits::answer_to(&request), desk.outbox),
            Command::CreateRoom { users } => {
                let names: Vec<&str> = users.split(' ').filter(|name| !name.is_empty()).collect();
                self.ask(&Request::CreateRoom { users: &names.join(" ") }, typed, Awaits::Room, desk.outbox);
            }
            Command::Upload { title, path } => self.begin_upload(title, path, typed, desk),
            Command::Download { title, file } => {
                let download = Box::new(Download::new(file, &self.folder));
                let awaits = Awaits::Download(download, Meter::default());
                self.ask(&Request::Download { title, file }, typed, awaits, desk.outbox);
            }
            Command::StartPrivate { .. } | Command::SendFile { .. } if !self.has_links => {
                refuse_here(TOO_OLD, desk);
            }
            Command::StartPrivate { user } => {
                let enabled = links.privates.is_enabled(user);
                let awaits = Awaits::PrivateQuestion(user.to_owned());
                self.ask_of(&LinkRequest::StartPrivate { user, enabled }, typed, awaits, desk.outbox);
            }
            Command::Private { user, text } => match links.privates.say(user, text) {
                Way::Gone => report_active(desk),
                Way::Relay(link) => {
                    let awaits = Awaits::Relayed(user.to_owned());
                    self.ask_of(&LinkRequest::RelayText { link, text }, typed, awaits, desk.outbox);
                }
                Way::Refused(refusal) => refuse_here(&refusal, desk),
            },
            Command::StopPrivate { user } => {
                if let Err(refusal) = links.privates.stop(user, desk) {
                    refuse_here(&refusal, desk);
                }
            }
            Command::SendFile { user, path } => self.begin_sending(user, path, typed, desk),
            Command::ChangePassword => {
                self.change = Some(Change::Old);
                report_active(desk);
            }
            Command::Help(word) => match prompt::help(word) {
                Ok(lines) => {
                    lines.iter().for_each(|line| desk.output.say(line));
                    report_active(desk);
                }
                Err(error) => refuse_here(&error.to_string(), desk),
            },
        }
    }

    fn begin_upload(&mut self, title: &str, path: &str, typed: &str, desk: &mut Desk<'_>) {
        match Source::open(path) {
            Ok(source) => {
                let upload = Box::new(Upload::new(source));
                let name = upload.name().to_owned();
                let request = Request::Upload { title, file: &name, size: upload.size() };
                self.ask(&request, typed, Awaits::Upload(upload, Meter::default()), desk.outbox);
            }
            Err(reason) => refuse_here(&reason, desk),
        }
    }

    fn begin_sending(&mut self, user: &str, path: &str, typed: &str, desk: &mut Desk<'_>) {
        match Source::open(path) {
            Ok(source) => {
                let (name, size) = (source.name.clone(), source.original.size());
                let awaits = Awaits::FileQuestion(user.to_owned(), source);
                self.ask_of(&LinkRequest::OfferFile { user, size, file: &name }, typed, awaits, desk.outbox);
            }
            Err(reason) => refuse_here(&reason, desk),
        }
    }

    fn ask(&mut self, request: &Request<'_>, typed: &str, awaits: Awaits, outbox: &mut Outbox) {
        let tag = outbox.ask(request);
        self.unanswered.push(Unanswered { tag, typed: typed.to_owned(), awaits });
    }

    fn ask_of(&mut self, request: &LinkRequest<'_>, typed: &str, awaits: Awaits, outbox: &mut Outbox) {
        let tag = outbox.link(request);
        self.unanswered.push(Unanswered { tag, typed: typed.to_owned(), awaits });
    }

    fn answer_change(&mut self, change: Change, line: &str, outbox: &mut Outbox) {
        let line = Secret::new(line.to_owned());
        match change {
            Change::Old => self.change = Some(Change::New { old: line }),
            Change::New { old } => self.change = Some(Change::Confirmation { old, new: line }),
            Change::Confirmation { old, new } => {
                let request = Request::ChangePassword { old: &old, new: &new, confirmation: &line };
                let tag = outbox.ask(&request);
                let awaits = Awaits::NewPassword(new);
                self.unanswered.push(Unanswered { tag, typed: "passwd".to_owned(), awaits });
            }
        }
    }

    /// Takes in the answer, or a part of it, to a command that is no transfer.
    fn answered(&mut self, at: usize, reply: &Reply<'_>, output: &mut Output) -> Outcome {
        match (&mut self.unanswered[at].awaits, reply) {
            // The other end was faster. The server does not remember whose link it was.
            (Awaits::Relayed(user), Reply::Refused { code: Refusal::NotPrivate, .. }) => {
                output.refuse(&private::not_enabled(user));
                self.unanswered.remove(at);
            }
            (_, Reply::Refused { code, text }) => {
                if *code == Refusal::RoomExists {
                    self.memory.names.learn_room_in(text);
                }
                output.refuse(text);
                self.unanswered.remove(at);
            }
            (Awaits::List(listing), reply) => match listing.take(reply) {
                Shown::Item { heading, line } => {
                    heading.iter().chain([&line]).for_each(|line| output.say(line));
                    self.memory.names.learn_reply(reply);
                }
                Shown::End { instead } => {
                    instead.iter().for_each(|line| output.say(line));
                    self.unanswered.remove(at);
                }
                Shown::Foreign => return Outcome::Unexpected,
            },
            (
                Awaits::Word
                | Awaits::Room
                | Awaits::Relayed(_)
                | Awaits::NewPassword(_)
                | Awaits::Goodbye
                | Awaits::ShutDown,
                Reply::Done { text },
            ) => {
                // Some commands have nothing to say for themselves: their effect is seen elsewhere.
                if !text.is_empty() {
                    output.say(text);
                }
                return match self.unanswered.remove(at).awaits {
                    Awaits::NewPassword(password) => Outcome::PasswordChanged(password),
                    Awaits::Goodbye => Outcome::Goodbye,
                    Awaits::Room => {
                        self.memory.names.learn_room_in(text);
                        Outcome::Going
                    }
                    _ => Outcome::Going,
                };
            }
            _ => return Outcome::Unexpected,
        }
        Outcome::Going
    }

    fn stepped(&mut self, at: usize, step: Step, output: &mut Output) -> Outcome {
        match step {
            Step::Going => return Outcome::Going,
            Step::GaveUp(reason) => {
                output.refuse(&reason);
                return Outcome::Going;
            }
            Step::Done(text) => output.say(&text),
            Step::Refused(text) => output.refuse(&text),
            Step::Over => {}
            Step::Unexpected => return Outcome::Unexpected,
        }
        self.unanswered.remove(at);
        Outcome::Going
    }
}

/// Refuses what the server has nothing to do with.
fn refuse_here(why: &str, desk: &mut Desk<'_>) {
    desk.output.refuse(why);
    report_active(desk);
}

/// The server had nothing to do with it, and still is to know that the user is there.
fn report_active(desk: &mut Desk<'_>) {
    desk.outbox.ask(&Request::Active);
}

impl Awaits {
    fn answer_to(request: &Request<'_>) -> Self {
        match request {
            Request::LogOut => Self::Goodbye,
            Request::ShutDown { .. } => Self::ShutDown,
            request => Listing::answering(request).map_or(Self::Word, Self::List),
        }
    }

    fn status(&mut self, now: Instant) -> Option<String> {
        let (what, name, progress, meter) = match self {
            Self::Upload(upload, meter) => ("Uploading", upload.name(), upload.progress(), meter),
            Self::Download(download, meter) => ("Downloading", download.name(), download.progress(), meter),
            _ => return None,
        };
        let (done, size) = progress?;
        meter.sample(now, done);
        Some(meter.line(&format!("{what} {name}"), done, size, now))
    }
}
