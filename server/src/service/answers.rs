//! What is answered when a change was made: the typed result for programs, and the text for people. The same for
//! a change that is asked for again with its key.

use std::fmt::{self, Write};

use forum_common::wire::{Reply, Request, Tag};
use log::info;

use super::Service;
use crate::clock::Clock;
use crate::connection::Stream;
use crate::forum::{Answer, Change};
use crate::journal::Journal;
use crate::session::PeerId;

/// A change as far as its answer names it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Made<'a> {
    Account,
    Password,
    Thread(&'a str),
    Post(&'a str),
    PostDeleted,
    PostEdited,
    File {
        file: &'a str,
        title: &'a str,
    },
    ThreadRemoved(&'a str),
    /// The receiver sees a message; its sender sees that nothing was refused.
    Message,
    Blocked(&'a str),
    Unblocked(&'a str),
    BoardPost,
    Room,
    RoomPost(u32),
    /// What nobody asked for, and nobody is answered.
    Nothing,
}

impl<'a> Made<'a> {
    /// What a request with a key asked for; none if it is one that takes no key.
    pub(super) fn by(request: &Request<'a>) -> Option<Self> {
        Some(match *request {
            Request::CreateThread { title, .. } => Self::Thread(title),
            Request::Post { title, .. } => Self::Post(title),
            Request::DeletePost { .. } => Self::PostDeleted,
            Request::EditPost { .. } => Self::PostEdited,
            Request::Upload { title, file, .. } => Self::File { file, title },
            Request::RemoveThread { title, .. } => Self::ThreadRemoved(title),
            Request::SendMessage { .. } => Self::Message,
            Request::Block { user, .. } => Self::Blocked(user),
            Request::Unblock { user, .. } => Self::Unblocked(user),
            Request::PostToBoard { .. } => Self::BoardPost,
            Request::CreateRoom { .. } => Self::Room,
            Request::PostToRoom { room, .. } => Self::RoomPost(room),
            _ => return None,
        })
    }
}

impl<S: Stream, J: Journal, C: Clock> Service<S, J, C> {
    /// Answers a change that the log has made, and notes it in the server's log.
    pub(super) fn answer_change(&mut self, id: PeerId, tag: Tag, change: &Change, answer: Answer) {
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        // A string takes everything.
        let _ = self.put_text(&mut text, self.made(change), answer);
        if !text.is_empty() {
            info!("{} {text}", self.label(id));
        }
        self.peers.reply(id, tag, &reply(answer, &text));
        self.text = text;
    }

    /// Answers a change that was made when it was asked for before.
    pub(super) fn answer_again(&mut self, id: PeerId, tag: Tag, made: Made<'_>, answer: Answer) {
        let mut text = String::new();
        let _ = self.put_text(&mut text, made, answer);
        self.peers.reply(id, tag, &reply(answer, &text));
    }

    fn made<'a>(&'a self, change: &'a Change) -> Made<'a> {
        let name = |account| self.forum.name_of(account).as_str();
        match change {
            Change::CreateAccount { .. } => Made::Account,
            Change::SetPassword { .. } => Made::Password,
            Change::CreateThread { title } => Made::Thread(title),
            Change::Post { title, .. } => Made::Post(title),
            Change::DeletePost { .. } => Made::PostDeleted,
            Change::EditPost { .. } => Made::PostEdited,
            Change::AddFile { title, file, .. } => Made::File { file, title },
            Change::RemoveThread { title } => Made::ThreadRemoved(title),
            Change::SendMessage { .. } => Made::Message,
            Change::Block { user } => Made::Blocked(name(*user)),
            Change::Unblock { user } => Made::Unblocked(name(*user)),
            Change::PostToBoard { .. } => Made::BoardPost,
            Change::CreateRoom { .. } => Made::Room,
            Change::PostToRoom { room, .. } => Made::RoomPost(room.0),
            Change::TakeMessages { .. } | Change::Unlinked { .. } => Made::Nothing,
        }
    }

    fn put_text(&self, out: &mut String, made: Made<'_>, answer: Answer) -> fmt::Result {
        let at = || self.settings.zone.shown(answer.at_ms());
        match (made, answer) {
            (Made::Account, _) => out.write_str("Account created"),
            (Made::Password, _) => out.write_str("Password changed"),
            (Made::Thread(title), _) => write!(out, "Thread {title} created"),
            (Made::Post(title), _) => write!(out, "Message posted to {title} thread"),
            (Made::PostDeleted, _) => out.write_str("The message has been deleted"),
            (Made::PostEdited, _) => out.write_str("The message has been edited"),
            (Made::File { file, title }, _) => write!(out, "{file} uploaded to {title} thread"),
            (Made::ThreadRemoved(title), _) => write!(out, "Thread {title} removed"),
            (Made::Message | Made::Nothing, _) => Ok(()),
            (Made::Blocked(user), _) => write!(out, "{user} is blocked"),
            (Made::Unblocked(user), _) => write!(out, "{user} is unblocked"),
            (Made::BoardPost, Answer::PostedToBoard { number, .. }) => {
                write!(out, "Broadcast message, #{number} broadcast at {}.", at())
            }
            (Made::Room, Answer::RoomCreated { room, .. }) => {
                let members = self.members_shown(room);
                let room = room.0;
                write!(
                    out,
                    "Separate chat room has been created, room ID: {room}, users in this room: {members}"
                )
            }
            (Made::RoomPost(room), Answer::PostedToRoom { number, .. }) => {
                write!(out, "Message #{number} sent to separate room {room} at {}.", at())
            }
            (Made::BoardPost | Made::Room | Made::RoomPost(_), _) => {
                debug_assert!(false, "{answer:?} answers another change");
                Ok(())
            }
        }
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
