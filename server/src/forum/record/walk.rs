//! The walk over the whole state, a record at a time: it may be interrupted, and go on in another thread.

use std::ops::Bound;

use forum_common::names::UserName;

use super::Record;
use crate::forum::{AccountId, Kept, Keyed, MailNumber, RoomId, ThreadId};
use crate::planted::{Bug, planted};
use crate::workers::files::FileId;

/// All records of one instant, in order.
#[derive(Debug)]
pub struct Records {
    forum: Kept,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Header,
    /// The account to come.
    Account(u32),
    /// The thread to come is the first from this id on.
    Thread(ThreadId),
    /// Inside a thread: the message and the file to come.
    Item(ThreadId, usize, usize),
    /// The mailbox to come is the first from this owner on.
    Mailbox(AccountId),
    /// Inside a mailbox: the message after this one.
    Mail(AccountId, MailNumber),
    /// The blocks to come: this user's, after so many of them.
    Block(AccountId, usize),
    /// The message of the board to come.
    Board(usize),
    /// The room to come.
    Room(RoomId),
    /// Inside a room: the message to come.
    RoomPost(RoomId, usize),
    /// The file of a removed thread to come is the first after this one.
    RemovedFile(Option<FileId>),
    /// The results to come: the first account's from this one on, after so many of them.
    Result(AccountId, usize),
    /// The marks to come: the first account's from this one on, after so many of them.
    Mark(AccountId, usize),
    /// The watched threads to come: the first account's from this one on, after so many of them.
    Watch(AccountId, usize),
    Done,
}

impl Iterator for Records {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        loop {
            // A stage gives a record and what comes after it, or nothing but the stage that follows.
            let (record, stage) = match self.stage {
                Stage::Header => self.header(),
                Stage::Account(index) => self.account(index),
                Stage::Thread(from) => self.thread(from),
                Stage::Item(id, post, upload) => self.item(id, post, upload),
                Stage::Mailbox(from) => self.mailbox(from),
                Stage::Mail(owner, after) => self.mail(owner, after),
                Stage::Block(blocker, index) => self.block(blocker, index),
                Stage::Board(index) => self.board(index),
                Stage::Room(id) => self.room(id),
                Stage::RoomPost(id, index) => self.room_post(id, index),
                Stage::RemovedFile(after) => self.removed_file(after),
                Stage::Result(account, index) => self.result(account, index),
                Stage::Mark(account, index) => self.mark(account, index),
                Stage::Watch(account, index) => self.watch(account, index),
                Stage::Done => return None,
            };
            self.stage = stage;
            if record.is_some() {
                return record;
            }
        }
    }
}

/// A record, if the stage had one, and the stage that comes next.
type Step = (Option<Record>, Stage);

impl Records {
    pub(super) fn new(forum: Kept) -> Self {
        Self { forum, stage: Stage::Header }
    }

    fn name(&self, account: AccountId) -> UserName {
        self.forum.name_of(account).clone()
    }

    fn header(&self) -> Step {
        let threads = &self.forum.threads;
        let (next_thread, next_item) = (threads.next_id(), threads.next_item_id());
        (Some(Record::Forum { at_ms: self.forum.at_ms, next_thread, next_item }), Stage::Account(0))
    }

    fn account(&self, index: u32) -> Step {
        match self.forum.accounts.get(AccountId(index)) {
            Some(account) => {
                let record = Record::Account { name: account.name.clone(), hash: account.hash };
                (Some(record), Stage::Account(index + 1))
            }
            None => (None, Stage::Thread(ThreadId(0))),
        }
    }

    fn thread(&self, from: ThreadId) -> Step {
        match self.forum.threads.first_from(from) {
            Some((&id, thread)) => {
                let (title, creator) = (thread.title().clone(), self.name(thread.creator()));
                (Some(Record::Thread { id, title, creator }), Stage::Item(id, 0, 0))
            }
            None => (None, Stage::Mailbox(AccountId(0))),
        }
    }

    /// The next message or file of a thread, whichever stands first.
    fn item(&self, id: ThreadId, post: usize, upload: usize) -> Step {
        let over = (None, Stage::Thread(ThreadId(id.0 + 1)));
        let Some(thread) = self.forum.threads.get(id) else { return over };
        if let Some(next) = thread.uploads().get(upload).filter(|next| next.after as usize <= post) {
            let record = Record::Upload {
                item: next.item,
                at_ms: next.at_ms,
                author: self.name(next.author),
                file: next.file.clone(),
                id: next.id,
                size: next.size,
                digest: next.digest,
            };
            return (Some(record), Stage::Item(id, post, upload + 1));
        }
        let Some(next) = thread.posts().get(post) else { return over };
        let (author, text) = (self.name(next.author), next.text.clone());
        let record = Record::Post { id: next.id, at_ms: next.at_ms, author, text };
        (Some(record), Stage::Item(id, post + 1, upload))
    }

    fn mailbox(&self, from: AccountId) -> Step {
        match self.forum.mail.from(from).next() {
            Some((&owner, mailbox)) => {
                let next = MailNumber(mailbox.newest().0 + 1);
                (Some(Record::Mailbox { owner: self.name(owner), next }), Stage::Mail(owner, MailNumber(0)))
            }
            None => (None, Stage::Block(AccountId(0), 0)),
        }
    }

    fn mail(&self, owner: AccountId, after: MailNumber) -> Step {
        match self.forum.mail.of(owner).and_then(|mailbox| mailbox.first_behind(after)) {
            Some((number, mail)) => {
                let (from, at_ms, text) = (self.name(mail.from), mail.at_ms, mail.text.clone());
                (Some(Record::Mail { number, from, at_ms, text }), Stage::Mail(owner, number))
            }
            None => (None, Stage::Mailbox(AccountId(owner.0 + 1))),
        }
    }

    fn block(&self, blocker: AccountId, index: usize) -> Step {
        match self.forum.blocks.from(blocker).next() {
            Some((&found, users)) => {
                // An interrupted walk over a set goes on after so many of its members.
                let index = if found == blocker { index } else { 0 };
                match users.iter().nth(index) {
                    Some(&blocked) => {
                        let record = Record::Block { blocker: self.name(found), blocked: self.name(blocked) };
                        (Some(record), Stage::Block(found, index + 1))
                    }
                    None => (None, Stage::Block(AccountId(found.0 + 1), 0)),
                }
            }
            None => (None, Stage::Board(0)),
        }
    }

    fn board(&self, index: usize) -> Step {
        match self.forum.board.get(index) {
            Some(post) => {
                let (author, at_ms, text) = (self.name(post.author), post.at_ms, post.text.clone());
                (Some(Record::BoardPost { author, at_ms, text }), Stage::Board(index + 1))
            }
            None => (None, Stage::Room(RoomId(1))),
        }
    }

    fn room(&self, id: RoomId) -> Step {
        match self.forum.rooms.get(id) {
            Some(room) => {
                let members = room.members.iter().map(|member| self.name(*member)).collect();
                (Some(Record::Room { members }), Stage::RoomPost(id, 0))
            }
            None => (None, Stage::RemovedFile(None)),
        }
    }

    fn room_post(&self, id: RoomId, index: usize) -> Step {
        match self.forum.rooms.get(id).and_then(|room| room.posts.get(index)) {
            Some(post) => {
                let (author, at_ms, text) = (self.name(post.author), post.at_ms, post.text.clone());
                (Some(Record::RoomPost { author, at_ms, text }), Stage::RoomPost(id, index + 1))
            }
            None => (None, Stage::Room(RoomId(id.0 + 1))),
        }
    }

    fn removed_file(&self, after: Option<FileId>) -> Step {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        match self.forum.removed_files.range((start, Bound::Unbounded)).next() {
            Some(&id) => (Some(Record::RemovedFile { id }), Stage::RemovedFile(Some(id))),
            None => (None, Stage::Result(AccountId(0), 0)),
        }
    }

    fn result(&self, from: AccountId, index: usize) -> Step {
        let over = (None, Stage::Mark(AccountId(0), 0));
        let Some((account, results)) = self.forum.keys.from(from) else { return over };
        if planted(Bug::SnapshotForgetsKeys) {
            return over;
        }
        let index = if account == from { index } else { 0 };
        match results.get(index) {
            Some(result) => {
                let (Keyed { key, content }, result) = (result.keyed, result.result.clone());
                let record = Record::Result { account: self.name(account), key, content, result };
                (Some(record), Stage::Result(account, index + 1))
            }
            None => (None, Stage::Result(AccountId(account.0 + 1), 0)),
        }
    }

    fn mark(&self, from: AccountId, index: usize) -> Step {
        let Some((account, marks)) = self.forum.marks.from(from) else {
            return (None, Stage::Watch(AccountId(0), 0));
        };
        let index = if account == from { index } else { 0 };
        let Some(mark) = marks.get(index) else { return (None, Stage::Mark(AccountId(account.0 + 1), 0)) };
        let record = self.forum.threads.get(mark.thread).map(|thread| {
            let (title, up_to) = (thread.title().clone(), mark.up_to);
            Record::Mark { account: self.name(account), title, up_to }
        });
        (record, Stage::Mark(account, index + 1))
    }

    fn watch(&self, from: AccountId, index: usize) -> Step {
        let Some((account, watched)) = self.forum.watches.from(from) else { return (None, Stage::Done) };
        let index = if account == from { index } else { 0 };
        let Some(&thread) = watched.get(index) else {
            return (None, Stage::Watch(AccountId(account.0 + 1), 0));
        };
        let thread = self.forum.threads.get(thread);
        let record =
            thread.map(|thread| Record::Watch { account: self.name(account), title: thread.title().clone() });
        (record, Stage::Watch(account, index + 1))
    }
}

impl Records {
    /// The same records in postcard's encoding, one after the other, cut into chunks of about
    /// `chunk_bytes`: what a snapshot is made of.
    pub fn chunks(mut self, chunk_bytes: usize) -> impl Iterator<Item = Vec<u8>> + Send {
        std::iter::from_fn(move || {
            let mut chunk = Vec::new();
            while chunk.len() < chunk_bytes
                && let Some(record) = self.next()
            {
                chunk = postcard::to_extend(&record, chunk).expect("a Vec takes everything");
            }
            (!chunk.is_empty()).then_some(chunk)
        })
    }
}
