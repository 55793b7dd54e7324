//! The whole state as a sequence of records: what snapshots, exports and state hashes are made of.
//!
//! A record stands for itself and carries names, not ids, so that it reads well as a line of JSON.
//! [`Restorer`] makes the same forum of them again.

use std::fmt;
use std::ops::Bound;

use forum_common::limits::DIGEST_BYTES;
use forum_common::names::{FileName, Text, Title, UserName};
use serde::{Deserialize, Serialize};

use super::{
    AccountId, Answer, Forum, ItemId, Kept, Key, Keyed, KeyedResult, Mail, MailNumber, Post, Refused, RoomId,
    ThreadId, TimedPost, Upload,
};
use crate::workers::files::FileId;
use crate::workers::passwords::PasswordHash;

/// A piece of the state. The order of the variants is their number in snapshots: new ones go to the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Record {
    /// The first record: what is not in any other.
    Forum {
        /// The time of the newest entry, in UTC milliseconds.
        at_ms: u64,
        /// The id that the next thread gets.
        next_thread: ThreadId,
        /// The id that the next item of a thread gets; 0 in exports from before messages had ids.
        #[serde(default)]
        next_item: ItemId,
    },
    /// An account, in the order of sign-ups.
    Account {
        /// Its name.
        name: UserName,
        /// What its password is checked against.
        hash: PasswordHash,
    },
    /// A thread; what belongs to it follows.
    Thread {
        /// Its id.
        id: ThreadId,
        /// Its title.
        title: Title,
        /// Who created it.
        creator: UserName,
    },
    /// The next message of the thread before.
    Post {
        /// Its id, higher than that of the message before; 0 in exports from before messages had ids.
        #[serde(default)]
        id: ItemId,
        /// When it was posted, in UTC milliseconds; 0 in those exports, too.
        #[serde(default)]
        at_ms: u64,
        /// Who wrote it.
        author: UserName,
        /// What it says.
        text: Text,
    },
    /// A file of the thread before, where it stands among the messages.
    Upload {
        /// Its id as an item of threads, higher than that of the item before; 0 in exports like those.
        #[serde(default)]
        item: ItemId,
        /// When it was uploaded, in UTC milliseconds; 0 likewise.
        #[serde(default)]
        at_ms: u64,
        /// Who uploaded it.
        author: UserName,
        /// Its name.
        file: FileName,
        /// Where its bytes are.
        id: FileId,
        /// How many there are.
        size: u64,
        /// Their BLAKE3 digest.
        #[serde(with = "hex_digest")]
        digest: [u8; DIGEST_BYTES],
    },
    /// A mailbox; the messages in it follow.
    Mailbox {
        /// Whose.
        owner: UserName,
        /// The number that the next message gets.
        next: MailNumber,
    },
    /// A message that waits in the mailbox before.
    Mail {
        /// Its number.
        number: MailNumber,
        /// Who sent it.
        from: UserName,
        /// When, in UTC milliseconds.
        at_ms: u64,
        /// What it says.
        text: Text,
    },
    /// A block.
    Block {
        /// Who wants to hear nothing.
        blocker: UserName,
        /// Of whom.
        blocked: UserName,
    },
    /// The next message of the board.
    BoardPost {
        /// Who wrote it.
        author: UserName,
        /// When, in UTC milliseconds.
        at_ms: u64,
        /// What it says.
        text: Text,
    },
    /// The next room, in the order of their numbers; its messages follow.
    Room {
        /// Everybody in it, the creator first.
        members: Vec<UserName>,
    },
    /// The next message of the room before.
    RoomPost {
        /// Who wrote it.
        author: UserName,
        /// When, in UTC milliseconds.
        at_ms: u64,
        /// What it says.
        text: Text,
    },
    /// A file of a removed thread that may still be on disk. Snapshots have these; exports do not, because
    /// they leave such files out.
    RemovedFile {
        /// Which file.
        id: FileId,
    },
    /// What a change with a key came to, an account's oldest first.
    Result {
        /// Whose change.
        account: UserName,
        /// The key.
        key: Key,
        /// What it was used for.
        content: u64,
        /// The answer.
        result: Result<Answer, Refused>,
    },
}

/// Digests in hexadecimal where people read, as bytes elsewhere.
pub(super) mod hex_digest {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    use super::DIGEST_BYTES;

    pub(in crate::forum) fn serialize<S: Serializer>(
        digest: &[u8; DIGEST_BYTES],
        s: S,
    ) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() {
            s.serialize_str(blake3::Hash::from_bytes(*digest).to_hex().as_str())
        } else {
            digest.serialize(s)
        }
    }

    pub(in crate::forum) fn deserialize<'de, D: Deserializer<'de>>(
        d: D,
    ) -> Result<[u8; DIGEST_BYTES], D::Error> {
        if d.is_human_readable() {
            let text = String::deserialize(d)?;
            blake3::Hash::from_hex(text).map(|hash| *hash.as_bytes()).map_err(D::Error::custom)
        } else {
            <[u8; DIGEST_BYTES]>::deserialize(d)
        }
    }
}

impl Kept {
    /// Walks the whole state of this instant. The walk owns a clone, so it may go on in another thread.
    pub fn records(&self) -> Records {
        Records { forum: self.clone(), stage: Stage::Header }
    }

    /// A digest of the whole state: equal forums have equal ones.
    pub fn state_hash(&self) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        let mut bytes = Vec::new();
        for record in self.records() {
            bytes.clear();
            bytes = postcard::to_extend(&record, bytes).expect("a Vec takes everything");
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(&bytes);
        }
        hasher.finalize()
    }
}

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
    /// Inside a mailbox: the message behind this one.
    Mail(AccountId, MailNumber),
    /// The blocks to come: this user's, behind so many of them.
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
    Done,
}

impl Iterator for Records {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        loop {
            // A stage gives a record and what comes behind it, or nothing but the stage that follows.
            let (record, stage) = match self.stage {
                Stage::Header => self.header(),
                Stage::Account(index) => self.account(index),
                Stage::Thread(from) => self.thread(from),
                Stage::Item(id, post, upload) => self.item(id, post, upload),
                Stage::Mailbox(from) => self.mailbox(from),
                Stage::Mail(owner, behind) => self.mail(owner, behind),
                Stage::Block(blocker, index) => self.block(blocker, index),
                Stage::Board(index) => self.board(index),
                Stage::Room(id) => self.room(id),
                Stage::RoomPost(id, index) => self.room_post(id, index),
                Stage::RemovedFile(after) => self.removed_file(after),
                Stage::Result(account, index) => self.result(account, index),
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

    fn mail(&self, owner: AccountId, behind: MailNumber) -> Step {
        match self.forum.mail.of(owner).and_then(|mailbox| mailbox.first_behind(behind)) {
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
                // An interrupted walk over a set goes on behind so many of its members.
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
        let Some((account, results)) = self.forum.keys.from(from) else { return (None, Stage::Done) };
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
}

impl Records {
    /// The same records in postcard's encoding, one behind the other, cut into chunks of about
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
            Record::Account { name, hash } => {
                if self.forum.accounts.find(&name).is_some() {
                    return Err(RestoreError::DoubleUser(name));
                }
                self.forum.accounts.create(name, hash);
            }
            Record::Thread { id, title, creator } => {
                let creator = self.account(&creator)?;
                let threads = &mut self.forum.threads;
                if threads.find(&title).is_some() || self.thread.is_some_and(|before| before >= id) {
                    return Err(RestoreError::DoubleThread(title));
                }
                threads.insert(id, title, creator);
                if threads.next_id() <= id {
                    threads.set_next_id(ThreadId(id.0.saturating_add(1)));
                }
                self.thread = Some(id);
            }
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
            Record::Room { members } => {
                let members = members.iter().map(|name| self.account(name)).collect::<Result<Vec<_>, _>>()?;
                if self.forum.rooms.of_exactly(&members).is_some() {
                    return Err(RestoreError::DoubleRoom);
                }
                self.room = Some(self.forum.rooms.create(members.into()));
            }
            Record::RoomPost { author, at_ms, text } => {
                let author = self.account(&author)?;
                let room = self.room.ok_or(RestoreError::NoParent)?;
                self.forum.rooms.post(room, TimedPost { author, at_ms, text });
            }
            Record::RemovedFile { id } => drop(self.forum.removed_files.insert(id)),
            Record::Result { account, key, content, result } => {
                let account = self.account(&account)?;
                let keyed = Keyed { key, content };
                if self.forum.keys.find(account, keyed).is_some() {
                    return Err(RestoreError::DoubleKey(key));
                }
                self.forum.keys.keep(account, KeyedResult { keyed, result });
            }
        }
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
    fn open_for(&mut self, item: ItemId) -> Result<&mut super::Thread, RestoreError> {
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
