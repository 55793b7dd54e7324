//! Records become a forum again.

use std::fmt;

use forum_common::names::{FileName, Title, UserName};

use super::Record;
use crate::forum::{
    AccountId, Forum, ItemId, Kept, Key, Keyed, KeyedResult, MARKS_MAX, Mail, Mark, Post, RoomId, Thread,
    ThreadId, TimedPost, Upload,
};
use crate::workers::passwords::PasswordHash;

/// Records that make no forum.
#[derive(Debug, PartialEq, Eq)]
pub enum RestoreError {
    /// A message or file with no thread, mailbox or room before it.
    NoParent,
    /// A name that no account before has.
    UnknownUser(UserName),
    /// A name that two accounts have.
    DoubleUser(UserName),
    /// A title that two threads have, or ids that don't rise.
    DoubleThread(Title),
    /// A name that two files of one thread have.
    DoubleFile(FileName),
    /// A second room for the same users.
    DoubleRoom,
    /// An item of a thread whose id is not higher than that of the item before it.
    ItemOutOfOrder(ItemId),
    /// A key that one account used twice.
    DoubleKey(Key),
    /// A title that no thread before has.
    UnknownThread(Title),
    /// A thread of which one account has two marks, or one more than it can have.
    DoubleMark(Title),
    /// A thread that one account watches twice, or one more than it can watch.
    DoubleWatch(Title),
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoParent => f.write_str("a message or file stands before what it belongs to"),
            Self::UnknownUser(name) => write!(f, "no account is named {name}"),
            Self::DoubleUser(name) => write!(f, "two accounts are named {name}"),
            Self::DoubleThread(title) => write!(f, "thread {title} comes twice or out of order"),
            Self::DoubleRoom => f.write_str("two rooms have the same users"),
            Self::ItemOutOfOrder(id) => write!(f, "item {} comes twice or out of order", id.0),
            Self::UnknownThread(title) => write!(f, "no thread is named {title}"),
            Self::DoubleMark(title) => write!(f, "thread {title} is marked twice, or too many are"),
            Self::DoubleWatch(title) => write!(f, "thread {title} is watched twice, or too many are"),
            Self::DoubleKey(key) => write!(f, "key {key} comes twice"),
            Self::DoubleFile(file) => write!(f, "two files of a thread are named {file}"),
        }
    }
}

impl std::error::Error for RestoreError {}

/// Makes a forum of its records.
#[derive(Debug, Default)]
pub struct Restorer {
    forum: Kept,
    /// What the next message belongs to.
    thread: Option<ThreadId>,
    mailbox: Option<AccountId>,
    room: Option<RoomId>,
}

impl Restorer {
    /// Takes the next record.
    ///
    /// # Errors
    /// It doesn't fit what came before; nothing was changed.
    pub fn take(&mut self, record: Record) -> Result<(), RestoreError> {
        match record {
            Record::Forum { at_ms, next_thread, next_item } => {
                self.forum.at_ms = at_ms;
                self.forum.threads.set_next_id(next_thread);
                self.forum.threads.set_next_item_id(next_item);
            }
            Record::Account { name, hash } => self.add_account(name, hash)?,
            Record::Thread { id, title, creator } => self.add_thread(id, title, &creator)?,
            Record::Post { id, at_ms, author, text } => {
                let author = self.account(&author)?;
                self.open_for(id)?.restore_post(Post { id, at_ms, author, text });
            }
            Record::Upload { item, at_ms, author, file, id, size, digest } => {
                let author = self.account(&author)?;
                let thread = self.open_for(item)?;
                thread.check_new_file(&file).map_err(|_| RestoreError::DoubleFile(file.clone()))?;
                thread.restore_upload(Upload { item, at_ms, after: 0, author, file, id, size, digest });
                self.forum.accounts.add_file_bytes(author, size);
            }
            Record::Mailbox { owner, next } => {
                let owner = self.account(&owner)?;
                self.forum.mail.of_mut(owner).set_next(next);
                self.mailbox = Some(owner);
            }
            Record::Mail { number, from, at_ms, text } => {
                let from = self.account(&from)?;
                let owner = self.mailbox.ok_or(RestoreError::NoParent)?;
                self.forum.mail.of_mut(owner).put_as(number, Mail { from, at_ms, text });
            }
            Record::Block { blocker, blocked } => {
                let (blocker, blocked) = (self.account(&blocker)?, self.account(&blocked)?);
                self.forum.blocks.add(blocker, blocked);
            }
            Record::BoardPost { author, at_ms, text } => {
                let author = self.account(&author)?;
                self.forum.board.push(TimedPost { author, at_ms, text });
            }
            Record::Room { members } => self.add_room(&members)?,
            Record::RoomPost { author, at_ms, text } => {
                let author = self.account(&author)?;
                let room = self.room.ok_or(RestoreError::NoParent)?;
                self.forum.rooms.post(room, TimedPost { author, at_ms, text });
            }
            Record::RemovedFile { id } => drop(self.forum.removed_files.insert(id)),
            Record::Result { account, key, content, result } => {
                self.add_result(&account, KeyedResult { keyed: Keyed { key, content }, result })?;
            }
            Record::Mark { account, title, up_to } => self.add_mark(&account, title, up_to)?,
            Record::Watch { account, title } => self.add_watch(&account, &title)?,
        }
        Ok(())
    }

    fn add_account(&mut self, name: UserName, hash: PasswordHash) -> Result<(), RestoreError> {
        if self.forum.accounts.find(&name).is_some() {
            return Err(RestoreError::DoubleUser(name));
        }
        self.forum.accounts.create(name, hash);
        Ok(())
    }

    fn add_thread(&mut self, id: ThreadId, title: Title, creator: &UserName) -> Result<(), RestoreError> {
        let creator = self.account(creator)?;
        let threads = &mut self.forum.threads;
        if threads.find(&title).is_some() || self.thread.is_some_and(|before| before >= id) {
            return Err(RestoreError::DoubleThread(title));
        }
        threads.insert(id, title, creator);
        if threads.next_id() <= id {
            threads.set_next_id(ThreadId(id.0.saturating_add(1)));
        }
        self.thread = Some(id);
        Ok(())
    }

    fn add_room(&mut self, members: &[UserName]) -> Result<(), RestoreError> {
        let members = members.iter().map(|name| self.account(name)).collect::<Result<Vec<_>, _>>()?;
        if self.forum.rooms.of_exactly(&members).is_some() {
            return Err(RestoreError::DoubleRoom);
        }
        self.room = Some(self.forum.rooms.create(members.into()));
        Ok(())
    }

    fn add_result(&mut self, account: &UserName, result: KeyedResult) -> Result<(), RestoreError> {
        let account = self.account(account)?;
        if self.forum.keys.find(account, result.keyed).is_some() {
            return Err(RestoreError::DoubleKey(result.keyed.key));
        }
        self.forum.keys.keep(account, result);
        Ok(())
    }

    fn add_mark(&mut self, account: &UserName, title: Title, up_to: ItemId) -> Result<(), RestoreError> {
        let account = self.account(account)?;
        let Some(thread) = self.forum.threads.find(&title) else {
            return Err(RestoreError::UnknownThread(title));
        };
        let marks = &mut self.forum.marks;
        if marks.of(account, thread).is_some() || marks.all_of(account).len() >= MARKS_MAX {
            return Err(RestoreError::DoubleMark(title));
        }
        marks.restore(account, Mark { thread, up_to });
        Ok(())
    }

    fn add_watch(&mut self, account: &UserName, title: &Title) -> Result<(), RestoreError> {
        let account = self.account(account)?;
        let Kept { threads, watches, .. } = &mut self.forum;
        let thread = threads.find(title).ok_or_else(|| RestoreError::UnknownThread(title.clone()))?;
        if watches.has(account, thread) || watches.is_full(account, threads) {
            return Err(RestoreError::DoubleWatch(title.clone()));
        }
        watches.add(account, thread, threads);
        Ok(())
    }

    /// Takes one chunk of a snapshot.
    ///
    /// # Errors
    /// The chunk is damaged, or its records don't fit what came before.
    pub fn take_chunk(&mut self, mut chunk: &[u8]) -> Result<(), String> {
        while !chunk.is_empty() {
            let (record, rest) = postcard::take_from_bytes(chunk).map_err(|error| error.to_string())?;
            self.take(record).map_err(|error| error.to_string())?;
            chunk = rest;
        }
        Ok(())
    }

    /// The forum that the records made.
    pub fn finish(self) -> Forum {
        self.forum.into()
    }

    fn account(&self, name: &UserName) -> Result<AccountId, RestoreError> {
        self.forum.accounts.find(name).ok_or_else(|| RestoreError::UnknownUser(name.clone()))
    }

    /// The thread before, for its next item.
    fn open_for(&mut self, item: ItemId) -> Result<&mut Thread, RestoreError> {
        let threads = &mut self.forum.threads;
        threads.set_next_item_id(threads.next_item_id().max(ItemId(item.0.saturating_add(1))));
        let thread = self.thread.and_then(|id| threads.get_mut(id)).ok_or(RestoreError::NoParent)?;
        match thread.newest_item() {
            Some((newest, ..)) if newest >= item => Err(RestoreError::ItemOutOfOrder(item)),
            _ if item == ItemId(0) => Err(RestoreError::ItemOutOfOrder(item)),
            _ => Ok(thread),
        }
    }
}
