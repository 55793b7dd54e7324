//! What is noted of a request until its answer has come: what was typed, what the answer means, and how to ask for
//! it again.

use std::time::Instant;

use forum_common::limits::DATA_BYTES_MAX;
use forum_common::text::Listing;
use forum_common::wire::field::KEY_BYTES;
use forum_common::wire::{Key, OwnedRequest, Reply, Request, Transfer};

use crate::connection::Server;
use crate::login::Secret;
use crate::lookup::Lookup;
use crate::original::Source;
use crate::output::Output;
use crate::progress::Meter;
use crate::transfer::{Download, Next, Step, Upload};

/// A request whose answer has not come, or has not ended.
#[derive(Debug)]
pub struct Asked {
    /// The line, for when the answer never comes; none for what no user has asked for.
    typed: Option<String>,
    /// What its answer means.
    pub awaits: Awaits,
    /// A change, with the key by which it is done once however often it is asked for.
    change: Option<OwnedRequest>,
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

/// A new key. Without chance there is none, and the change can't be asked for again.
fn fresh_key() -> Option<Key> {
    let mut key = [0; KEY_BYTES];
    getrandom::fill(&mut key).ok().map(|()| key)
}

/// Asks for what the user has typed. A change gets a key.
pub fn ask(server: &mut Server, mut request: Request<'_>, typed: &str, awaits: Awaits) {
    let mut change = None;
    if let Some(key) = request.key_mut() {
        *key = fresh_key();
        change = key.map(|_| request.owned());
    }
    server.ask(&request, Asked { typed: Some(typed.to_owned()), awaits, change });
}

/// The commands of the user that are not answered to the end.
pub fn commands(server: &Server) -> impl Iterator<Item = &Asked> {
    server.unanswered().filter(|asked| asked.typed.is_some())
}

impl Asked {
    /// Something that the user does not know of.
    pub fn silently(awaits: Awaits) -> Self {
        Self { typed: None, awaits, change: None }
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

    /// Whether it is an upload that has something to send.
    pub fn can_send(&self) -> bool {
        matches!(&self.awaits, Awaits::Upload(upload, _) if upload.can_send())
    }

    /// What an upload sends next; see [`Upload::next`].
    pub fn next<'b>(&mut self, buffer: &'b mut [u8; DATA_BYTES_MAX]) -> Next<'b> {
        match &mut self.awaits {
            Awaits::Upload(upload, _) => upload.next(buffer),
            _ => Next::Nothing,
        }
    }

    /// All of a download is here.
    pub fn downloaded(self) -> Step {
        match self.awaits {
            Awaits::Download(download, _) => download.finish(),
            _ => Step::Unexpected,
        }
    }

    /// The connection is gone before the answer came. What can be asked for again on another one is handed back;
    /// the user is told of the rest.
    #[must_use]
    pub fn survives(mut self, output: &mut Output) -> Option<Self> {
        let is_whole = match &mut self.awaits {
            Awaits::Upload(upload, _) => upload.begin_again(),
            _ => true,
        };
        match &self.typed {
            Some(typed) if self.change.is_some() && is_whole => {
                output
                    .warn(format_args!("Not answered yet: {typed}. It is sent again after the next log-in"));
                Some(self)
            }
            _ => {
                self.abandon(output);
                None
            }
        }
    }

    /// It will never be answered: says so.
    pub fn abandon(self, output: &mut Output) {
        let Some(typed) = self.typed else { return };
        match self.awaits {
            Awaits::Goodbye | Awaits::ShutDown => {}
            Awaits::Upload(upload, _) => not_uploaded(upload.name(), output),
            Awaits::FileQuestion(_, source) => not_uploaded(&source.name, output),
            Awaits::Download(download, _) => {
                output.refuse(format_args!("{} was not downloaded: the connection is gone", download.name()));
            }
            _ => output.refuse(format_args!("Not answered: {typed}")),
        }
    }

    /// Asks for it again, with the same key.
    pub fn repeat(self, server: &mut Server) {
        if let Some(change) = self.change.clone() {
            server.ask(&change.as_ref(), self);
        }
    }

    /// The line above the prompt, for a transfer that runs.
    pub fn status(&mut self, now: Instant) -> Option<String> {
        let (what, name, progress, meter) = match &mut self.awaits {
            Awaits::Upload(upload, meter) => ("Uploading", upload.name(), upload.progress(), meter),
            Awaits::Download(download, meter) => ("Downloading", download.name(), download.progress(), meter),
            _ => return None,
        };
        let (done, size) = progress?;
        meter.sample(now, done);
        Some(meter.line(&format!("{what} {name}"), done, size, now))
    }

    /// Whether it is a transfer.
    pub fn is_transfer(&self) -> bool {
        matches!(self.awaits, Awaits::Upload(..) | Awaits::Download(..))
    }
}

fn not_uploaded(name: &str, output: &mut Output) {
    output.refuse(format_args!("{name} was not uploaded: the connection is gone"));
}
