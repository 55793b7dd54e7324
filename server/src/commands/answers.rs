//! What is answered when a change was made: the typed result for programs, and the text for people. The same for
//! a change that is asked for again with its key.

use std::fmt::Write;

use forum_common::text;
use forum_common::wire::{Reply, Request, Tag};
use log::info;

use crate::core::Core;
use crate::forum::{Answer, Change};
use crate::journal::Journal;
use crate::session::ConnectionId;

/// A change as far as its answer names it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Made<'a> {
    /// All that is said of it.
    Told(text::Answer<'a>),
    BoardPost,
    Room,
    RoomPost(u32),
}

impl<'a> Made<'a> {
    /// What a request with a key asked for; none if it is one that takes no key.
    pub(crate) fn by(request: &Request<'a>) -> Option<Self> {
        use text::Answer::*;
        Some(Self::Told(match *request {
            Request::CreateThread { title, .. } => ThreadCreated { title },
            Request::Post { title, .. } => Posted { title },
            Request::DeletePost { .. } => PostDeleted,
            Request::EditPost { .. } => PostEdited,
            Request::Upload { title, file, .. } => Uploaded { file, title },
            Request::RemoveThread { title, .. } => ThreadRemoved { title },
            Request::SendMessage { .. } => Sent,
            Request::Block { user, .. } => Blocked { user },
            Request::Unblock { user, .. } => Unblocked { user },
            Request::PostToBoard { .. } => return Some(Self::BoardPost),
            Request::CreateRoom { .. } => return Some(Self::Room),
            Request::PostToRoom { room, .. } => return Some(Self::RoomPost(room)),
            _ => return None,
        }))
    }
}

impl<J: Journal> Core<J> {
    /// Answers a change that the log has made, and notes it in the server's log.
    pub(crate) fn answer_change(&mut self, id: ConnectionId, tag: Tag, change: &Change, answer: Answer) {
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        self.put_text(&mut text, self.made(change), answer);
        if !text.is_empty() {
            info!("{} {text}", self.label(id));
        }
        self.outbox.reply(id, tag, &reply(answer, &text));
        self.text = text;
    }

    /// Answers a change that was made when it was asked for before.
    pub(crate) fn answer_again(&mut self, id: ConnectionId, tag: Tag, made: Made<'_>, answer: Answer) {
        let mut text = String::new();
        self.put_text(&mut text, made, answer);
        self.outbox.reply(id, tag, &reply(answer, &text));
    }

    fn made<'a>(&'a self, change: &'a Change) -> Made<'a> {
        use text::Answer::*;
        let name = |account| self.forum.name_of(account).as_str();
        Made::Told(match change {
            Change::SetPassword { .. } => PasswordChanged,
            Change::CreateThread { title } => ThreadCreated { title },
            Change::Post { title, .. } => Posted { title },
            Change::DeletePost { .. } => PostDeleted,
            Change::EditPost { .. } => PostEdited,
            Change::AddFile { title, file, .. } => Uploaded { file, title },
            Change::RemoveThread { title } => ThreadRemoved { title },
            Change::Block { user } => Blocked { user: name(*user) },
            Change::Unblock { user } => Unblocked { user: name(*user) },
            Change::PostToBoard { .. } => return Made::BoardPost,
            Change::CreateRoom { .. } => return Made::Room,
            Change::PostToRoom { room, .. } => return Made::RoomPost(room.0),
            // Of a message its receiver is told; nobody asks for the others with a command.
            Change::SendMessage { .. }
            | Change::CreateAccount { .. }
            | Change::TakeMessages { .. }
            | Change::Unlinked { .. }
            | Change::Passing(_) => Sent,
        })
    }

    fn put_text(&self, out: &mut String, made: Made<'_>, answer: Answer) {
        let (at, users);
        let told = match (made, answer) {
            (Made::Told(told), _) => told,
            (Made::BoardPost, Answer::PostedToBoard { number, at_ms }) => {
                at = self.settings.zone.shown(at_ms);
                text::Answer::PostedToBoard { number, at: &at }
            }
            (Made::Room, Answer::RoomCreated { room, .. }) => {
                users = self.member_names(room);
                text::Answer::RoomCreated { room: room.0, users: &users }
            }
            (Made::RoomPost(room), Answer::PostedToRoom { number, at_ms }) => {
                at = self.settings.zone.shown(at_ms);
                text::Answer::PostedToRoom { room, number, at: &at }
            }
            (Made::BoardPost | Made::Room | Made::RoomPost(_), _) => {
                debug_assert!(false, "{answer:?} answers another change");
                text::Answer::Sent
            }
        };
        // A string takes everything.
        let _ = write!(out, "{told}");
    }
}

fn reply(answer: Answer, text: &str) -> Reply<'_> {
    match answer {
        Answer::Done { at_ms } => Reply::Done { at_ms, text },
        Answer::ThreadCreated { thread, at_ms } => Reply::ThreadCreated { thread: thread.0, at_ms, text },
        Answer::Posted { number, id, at_ms } => Reply::Posted { number, id: id.0, at_ms, text },
        Answer::FileAdded { item, digest, at_ms } => Reply::Uploaded { id: item.0, at_ms, digest, text },
        Answer::PostedToBoard { number, at_ms } | Answer::PostedToRoom { number, at_ms } => {
            Reply::Posted { number, id: number.into(), at_ms, text }
        }
        Answer::RoomCreated { room, at_ms } => Reply::RoomCreated { room: room.0, at_ms, text },
    }
}
