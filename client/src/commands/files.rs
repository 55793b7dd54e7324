//! The files of commands: opened or looked for, then on their way, and given up.

use std::collections::VecDeque;

use forum_common::wire::{Digest, Request, Tag};
use forum_peer::progress::Meter;
use forum_peer::transfer::{Download, Step, Upload};

use super::{Commands, Outcome, answers, refuse_here};
use crate::asked::{self, Asked, Awaits, Server};
use crate::core::context::{Context, Queue};
use crate::core::event::{FileAction, FileId, PeerAction};
use crate::output::Output;

/// What a file is opened for, and the line that said so.
#[derive(Debug)]
pub(super) enum Opening {
    /// To be uploaded to this thread.
    Upload { title: String, typed: String },
    /// To be offered to this user.
    Offer { user: String, typed: String },
    /// To be downloaded from this thread, by this name.
    Download { title: String, name: String, typed: String },
}

/// Files that may wait their turn: more than one line can name.
const EACH_MAX: usize = 32_768;

/// Makes of a command for several files one for each.
pub(super) fn queue_each(word: &str, to: &str, files: &str, context: &mut Context<'_>) {
    let files: Vec<_> = files.split(' ').filter(|file| !file.is_empty()).collect();
    if context.queue.each.len() + files.len() > EACH_MAX {
        return context.output.refuse("Too many commands are unanswered. Please try again later");
    }
    context.queue.each.extend(files.iter().map(|file| format!("{word} {to} {file}")));
}

/// The name of the file in one of these commands.
fn named_in(line: &str) -> &str {
    line.rsplit([' ', '/']).next().unwrap_or_default()
}

impl Commands {
    /// Whether a file is being opened or asked for, or on its way between here and the server.
    pub fn is_at_a_file(&self, server: &Server) -> bool {
        self.is_opening()
            || !self.finishing.is_empty()
            || server.unanswered().any(|asked| asked.file().is_some())
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
        let waiting = std::mem::take(&mut context.queue.each);
        let (given_up, left): (VecDeque<_>, _) =
            waiting.into_iter().partition(|line| is_meant(named_in(line)));
        context.queue.each = left;
        found |= !given_up.is_empty();
        for (tag, its_file, (name, step)) in cancelled {
            context.output.say(format_args!("{name} was cancelled"));
            // It is not unexpected that it ends like this.
            let _ = answers::go_on(step, tag, its_file.unwrap_or_default(), context);
        }
        for line in &given_up {
            context.output.say(format_args!("{} was cancelled", named_in(line)));
        }
        context.queue.peer(PeerAction::Cancel { file: file.map(str::to_owned), found });
    }

    pub(super) fn open(&mut self, path: &str, opening: Opening, context: &mut Context<'_>) {
        let file = context.queue.new_file();
        self.opening.push((file, opening));
        context.queue.file(file, FileAction::Open(path.to_owned()));
    }

    /// Looks for what is left of a broken download of this file; it goes on from there.
    pub(super) fn look(&mut self, title: &str, file: &str, typed: &str, context: &mut Context<'_>) {
        let (title, name, typed) = (title.to_owned(), file.to_owned(), typed.to_owned());
        let id = context.queue.new_file();
        self.opening.push((id, Opening::Download { title, name, typed }));
        context.queue.file(id, FileAction::Look(file.to_owned()));
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
}

/// Bytes that wait to be sent when files stop adding to them. What else is to be sent waits for them, so they are
/// few.
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
