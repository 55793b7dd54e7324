//! What the server says to somebody who is logged in, and what it means.

use forum_common::names::UserName;
use forum_common::text::{Listing, Rejection, Shown, lines};
use forum_common::wire::{Refusal, Reply, Request, Tag, Transfer};
use forum_peer::transfer::Step;

use super::{Commands, Outcome};
use crate::asked::{Asked, Awaits};
use crate::core::context::Context;
use crate::core::event::{FileAction, FileId, PeerAction};
use crate::output::Output;

impl Awaits {
    pub(super) fn answer_to(request: &Request<'_>) -> Self {
        match request {
            Request::LogOut => Self::Goodbye,
            Request::ShutDown { .. } => Self::ShutDown,
            Request::SetPresence { on } => Self::Presence(*on),
            request => Listing::answering(request).map_or(Self::Word, Self::List),
        }
    }
}

impl Commands {
    /// Takes in the last word on a request.
    pub fn answered(&mut self, asked: Asked, reply: &Reply<'_>, context: &mut Context<'_>) -> Outcome {
        match (asked.awaits, reply) {
            (Awaits::Pong, Reply::Pong { .. }) => Outcome::Going,
            (Awaits::Names(lookup), reply) => match lookup.end(reply, &mut self.memory.names) {
                true => Outcome::NamesCame,
                false => Outcome::Unexpected,
            },
            (Awaits::Unwanted, Reply::EndOfList { .. } | Reply::Refused { .. }) => Outcome::Going,
            (Awaits::Upload(upload, _), reply) => end(upload.answered(reply), upload.file(), context),
            (Awaits::Download(download, _), reply) => end(download.answered(reply), download.file(), context),
            // The other end was faster. The server does not remember whose link it was.
            (Awaits::Relayed(user), Reply::Refused { code: Refusal::NotPrivate, .. }) => {
                context.output.refuse(not_private(&user));
                Outcome::Going
            }
            // It is over all the same: at the end of a pipe, it would only be asked for again and again.
            (Awaits::Goodbye, Reply::Refused { text, .. }) => {
                context.output.refuse(text);
                Outcome::Goodbye
            }
            (awaits, Reply::Refused { text, .. }) => {
                if let Awaits::FileQuestion(_, _, file) = awaits {
                    context.queue.file(file, FileAction::Close);
                }
                self.memory.names.learn_reply(reply);
                context.output.refuse(text);
                Outcome::Going
            }
            (Awaits::PrivateQuestion(user), Reply::Asked { link, text }) => {
                context.output.say(text);
                context.queue.peer(PeerAction::AskedPrivate { link: *link, user });
                Outcome::Going
            }
            (Awaits::FileQuestion(user, _, file), Reply::Asked { link, .. }) => {
                context.queue.peer(PeerAction::AskedFile { link: *link, user, file });
                Outcome::Going
            }
            (Awaits::List(mut listing), reply) => match listing.take(reply, self.clock.zone()) {
                Shown::End { instead } => {
                    instead.iter().for_each(|line| context.output.say(line));
                    self.read.note(&listing, self.reader);
                    Outcome::Going
                }
                Shown::Item { .. } | Shown::Foreign => Outcome::Unexpected,
            },
            (awaits, reply) => self.done(awaits, reply, context.output),
        }
    }

    /// Something was done.
    fn done(&mut self, awaits: Awaits, reply: &Reply<'_>, output: &mut Output) -> Outcome {
        let Some(text) = lines::done(reply) else { return Outcome::Unexpected };
        let outcome = match awaits {
            Awaits::Word | Awaits::Relayed(_) | Awaits::ShutDown => Outcome::Going,
            Awaits::NewPassword(password) => Outcome::PasswordChanged(password),
            Awaits::Presence(on) => Outcome::PresenceSet(on),
            Awaits::Goodbye => Outcome::Goodbye,
            _ => return Outcome::Unexpected,
        };
        self.memory.names.learn_reply(reply);
        // Some commands have nothing to say for themselves: their effect is seen elsewhere.
        if !text.is_empty() {
            output.say(text);
        }
        outcome
    }
}

/// The refusal of a private message to a user with whom there is no conversation any more.
fn not_private(user: &str) -> Rejection {
    UserName::parse(user).map_or_else(Rejection::from, |user| Rejection::NotPrivate(Some(user)))
}

/// Does what a transfer wants that goes on, or ends in the middle.
pub fn go_on(step: Step, tag: Tag, file: FileId, context: &mut Context<'_>) -> Outcome {
    match step {
        Step::Going => {}
        Step::Credit(bytes) => context.server.transfer(tag, &Transfer::Credit { bytes }),
        Step::File(action) => context.queue.file(file, action),
        Step::Abort => {
            context.queue.file(file, FileAction::Close);
            context.server.transfer(tag, &Transfer::Abort);
        }
        Step::GaveUp(reason) => {
            context.queue.file(file, FileAction::Close);
            context.server.transfer(tag, &Transfer::Abort);
            context.output.refuse(reason);
        }
        Step::Done(_) | Step::Refused(_) | Step::Over | Step::Unexpected => return Outcome::Unexpected,
    }
    Outcome::Going
}

/// Says what came of a transfer that has ended.
pub fn end(step: Step, file: FileId, context: &mut Context<'_>) -> Outcome {
    match step {
        // It has yet to get its name.
        Step::File(action) => {
            context.queue.file(file, action);
            return Outcome::Going;
        }
        Step::Done(text) => text.lines().for_each(|line| context.output.say(line)),
        Step::Refused(text) => context.output.refuse(text),
        Step::Over => {}
        Step::Going | Step::Credit(_) | Step::Abort | Step::GaveUp(_) | Step::Unexpected => {
            return Outcome::Unexpected;
        }
    }
    context.queue.file(file, FileAction::Close);
    Outcome::Going
}
