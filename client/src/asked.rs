//! What is noted of a request until its answer has come: what was typed, what the answer means, and how to ask for
//! it again.

use std::rc::Rc;
use std::time::Instant;

use forum_common::text::commands::{may_be_kept, word};
use forum_common::text::{Listing, Rejection, Secret};
use forum_common::wire::{OwnedRequest, Peer, Reply, Request, Transfer};
use forum_peer::progress::Meter;
use forum_peer::transfer::{Download, Step, Upload};

use crate::core::context::{Context, Queue};
use crate::core::event::{FileAction, FileEvent, FileId};
use crate::lookup::Lookup;
use crate::output::{About, Output};

/// The server, as it is spoken to. While there is no connection, what is said to it goes nowhere.
pub type Server = Peer<Asked>;

/// A request whose answer has not come, or has not ended.
#[derive(Debug)]
pub struct Asked {
    /// The command that it came of; none for what no user has asked for.
    about: Option<Rc<About>>,
    /// What its answer means.
    pub awaits: Awaits,
    /// A change, with the key by which it is done once however often it is asked for.
    change: Option<OwnedRequest>,
    /// Whether the next line of a pipe waits until it is answered.
    pub holds: bool,
}

/// What a request waits for.
#[derive(Debug)]
pub enum Awaits {
    /// The next step of the log-in.
    LogIn,
    /// A sign of life.
    Pong,
    /// Names for the Tab key.
    Names(Lookup),
    /// One answer, which is printed.
    Word,
    /// Items, and their end.
    List(Listing),
    /// The rest of a list that nobody wants to see any more.
    Unwanted,
    /// A yes to showing who comes and goes, or not.
    Presence(bool),
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
    /// That this user is asked to take a file of this name, which is open.
    FileQuestion(String, String, FileId),
    /// A file's way there.
    Upload(Box<Upload>, Meter),
    /// A file's way here.
    Download(Box<Download>, Meter),
}

/// Asks for what the user has typed. A change gets a key.
pub fn ask(context: &mut Context<'_>, mut request: Request<'_>, typed: &str, awaits: Awaits) {
    let mut change = None;
    if let Some(key) = request.key_mut() {
        *key = context.queue.new_key();
        change = key.map(|_| request.owned());
    }
    let (typed, holds) = (noted(typed), !can_be_pipelined(&request));
    let line = context.output.about().map_or(0, |about| about.line);
    let about = Some(Rc::new(About { line, typed: typed.to_owned() }));
    context.server.ask(&request, Asked { about, awaits, change, holds });
}

/// What is noted of a line: one that holds a secret is not kept; its word is.
pub fn noted(line: &str) -> &str {
    if may_be_kept(line) { line } else { word(line) }
}

/// Whether a pipe may go on with the next line before this is answered: the server answers in order, and nothing else
/// comes of it.
pub fn can_be_pipelined(request: &Request<'_>) -> bool {
    matches!(
        request,
        Request::CreateThread { .. }
            | Request::Post { .. }
            | Request::DeletePost { .. }
            | Request::EditPost { .. }
            | Request::RemoveThread { .. }
            | Request::SendMessage { .. }
            | Request::Block { .. }
            | Request::Unblock { .. }
            | Request::PostToBoard { .. }
            | Request::PostToRoom { .. }
            | Request::ListThreads { .. }
            | Request::ReadThread { .. }
    )
}

/// The commands of the user that are not answered to the end.
pub fn commands(server: &Server) -> impl Iterator<Item = &Asked> {
    server.unanswered().filter(|asked| asked.about.is_some())
}

impl Asked {
    /// Something that the user does not know of.
    pub fn silently(awaits: Awaits) -> Self {
        Self { about: None, awaits, change: None, holds: false }
    }

    /// The command that it came of, if a user gave one and still wants to know what comes of it.
    pub fn about(&self) -> Option<Rc<About>> {
        self.about.clone().filter(|_| !matches!(self.awaits, Awaits::Unwanted))
    }

    /// The line, if a user typed it.
    fn typed(&self) -> Option<&str> {
        self.about.as_deref().map(|about| &*about.typed)
    }

    /// Takes in the go-ahead of a transfer.
    pub fn started(&mut self, reply: &Reply<'_>) -> Step {
        match &mut self.awaits {
            Awaits::Upload(upload, _) => upload.started(reply),
            Awaits::Download(download, _) => download.started(reply),
            _ => Step::Unexpected,
        }
    }

    /// Takes in a frame of a transfer.
    pub fn moved(&mut self, transfer: &Transfer<'_>) -> Step {
        match &mut self.awaits {
            Awaits::Upload(upload, _) => upload.credited(transfer),
            Awaits::Download(download, _) => download.received(transfer),
            _ => Step::Unexpected,
        }
    }

    /// The local file that it is about.
    pub fn file(&self) -> Option<FileId> {
        match &self.awaits {
            Awaits::Upload(upload, _) => Some(upload.file()),
            Awaits::Download(download, _) => Some(download.file()),
            Awaits::FileQuestion(_, _, file) => Some(*file),
            _ => None,
        }
    }

    /// Whether it is an upload that has something to send.
    pub fn can_read(&self) -> bool {
        matches!(&self.awaits, Awaits::Upload(upload, _) if upload.can_read())
    }

    /// What an upload reads next.
    pub fn next_read(&mut self) -> Option<FileAction> {
        match &mut self.awaits {
            Awaits::Upload(upload, _) => upload.next_read(),
            _ => None,
        }
    }

    /// Takes in what came of something that was done with its file; what becomes of bytes that were read goes to
    /// `send`.
    pub fn filed(&mut self, event: &FileEvent, send: impl FnMut(&Transfer<'_>)) -> Step {
        match (&mut self.awaits, event) {
            (Awaits::Upload(upload, _), FileEvent::Read(bytes)) => upload.read(bytes, send),
            (Awaits::Upload(upload, _), FileEvent::Failed(problem)) => upload.failed(problem),
            (Awaits::Download(download, _), FileEvent::Created) => download.created(),
            (Awaits::Download(download, _), FileEvent::Appended(bytes)) => download.appended(*bytes),
            (Awaits::Download(download, _), FileEvent::Finished(renamed)) => {
                download.finished(renamed.as_deref())
            }
            (Awaits::Download(download, _), FileEvent::Failed(problem)) => download.failed(problem),
            _ => Step::Going,
        }
    }

    /// All of a download is here.
    pub fn ended(&mut self) -> Step {
        match &mut self.awaits {
            Awaits::Download(download, _) => download.ended(),
            _ => Step::Unexpected,
        }
    }

    /// Gives it up, if it is something that takes a while and is not over: what it is called. A transfer of another
    /// name than `file` is not meant.
    pub fn cancel(&mut self, file: Option<&str>) -> Option<(String, Step)> {
        let is_meant = |name: &str| file.is_none_or(|file| file == name);
        match &mut self.awaits {
            Awaits::Upload(upload, _) if is_meant(upload.name()) => {
                upload.cancel().map(|step| (upload.name().to_owned(), step))
            }
            Awaits::Download(download, _) if is_meant(download.name()) => {
                download.cancel().map(|step| (download.name().to_owned(), step))
            }
            Awaits::List(_) if file.is_none() => {
                self.awaits = Awaits::Unwanted;
                Some((word(self.typed().unwrap_or_default()).to_owned(), Step::Going))
            }
            _ => None,
        }
    }

    /// Whether it is something that [`Asked::cancel`] may give up.
    pub fn takes_a_while(&self) -> bool {
        self.is_transfer() || matches!(self.awaits, Awaits::List(_))
    }

    /// The connection is gone before the answer came. What can be asked for again on another one is handed back;
    /// the user is told of the rest.
    #[must_use]
    pub fn survives(mut self, on_terminal: bool, output: &mut Output, queue: &mut Queue) -> Option<Self> {
        let is_whole = match &mut self.awaits {
            Awaits::Upload(upload, _) => upload.begin_again(),
            _ => true,
        };
        match self.typed() {
            Some(typed) if self.change.is_some() && is_whole => {
                if on_terminal {
                    let again = "It is sent again after the next log-in";
                    output.warn(format_args!("Not answered yet: {typed}. {again}"));
                }
                Some(self)
            }
            Some(_) if !on_terminal && matches!(self.awaits, Awaits::Goodbye) => Some(self),
            Some(_) if !on_terminal && !self.is_transfer() => {
                self.file().into_iter().for_each(|file| queue.file(file, FileAction::Close));
                output.speak_of(self.about(), |output| output.refuse(Rejection::Unknown));
                None
            }
            _ => {
                self.abandon(output, queue);
                None
            }
        }
    }

    /// It will never be answered: says so.
    pub fn abandon(&self, output: &mut Output, queue: &mut Queue) {
        output.speak_of(self.about(), |output| self.say_abandoned(output, queue));
    }

    fn say_abandoned(&self, output: &mut Output, queue: &mut Queue) {
        if let Some(file) = self.file() {
            queue.file(file, FileAction::Leave);
        }
        let Some(typed) = self.typed() else { return };
        match &self.awaits {
            Awaits::Goodbye | Awaits::ShutDown => {}
            Awaits::Upload(upload, _) => not_uploaded(upload.name(), output),
            Awaits::FileQuestion(_, name, _) => not_uploaded(name, output),
            Awaits::Download(download, _) => not_downloaded(download.name(), output),
            _ => output.refuse(format_args!("Not answered: {typed}")),
        }
    }

    /// Asks for it again: a change with the same key.
    pub fn repeat(self, server: &mut Server) {
        let change = self.change.clone();
        server.ask(&change.as_ref().map_or(Request::LogOut, OwnedRequest::as_ref), self);
    }

    /// The line above the prompt, for a transfer that runs.
    pub fn status(&mut self, now: Instant, columns: usize) -> Option<String> {
        let (what, name, progress, meter) = match &mut self.awaits {
            Awaits::Upload(upload, meter) => ("Uploading", upload.name(), upload.progress(), meter),
            Awaits::Download(download, meter) => ("Downloading", download.name(), download.progress(), meter),
            _ => return None,
        };
        let (done, size) = progress?;
        meter.sample(now, done);
        Some(meter.line(&format!("{what} {name}"), done, size, now, columns))
    }

    /// Whether it is a transfer.
    pub fn is_transfer(&self) -> bool {
        matches!(self.awaits, Awaits::Upload(..) | Awaits::Download(..))
    }
}

/// A download that is over with the connection. What is here of it waits to be resumed.
pub fn not_downloaded(name: &str, output: &mut Output) {
    output.refuse(format_args!("{name} was not downloaded: the connection is gone"));
}

fn not_uploaded(name: &str, output: &mut Output) {
    output.refuse(format_args!("{name} was not uploaded: the connection is gone"));
}
