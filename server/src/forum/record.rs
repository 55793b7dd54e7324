//! The whole state as a sequence of records: what snapshots, exports and state hashes are made of.
//!
//! A record stands for itself and carries names, not ids, so that it reads well as a line of JSON.
//! [`Restorer`] makes the same forum of them again.

use std::fmt;

use forum_common::limits::DIGEST_BYTES;
use forum_common::names::{FileName, Text, Title, UserName};
use serde::{Deserialize, Serialize};

use super::{Forum, Post, ThreadId};
use crate::files::FileId;
use crate::passwords::PasswordHash;

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
        /// Who wrote it.
        author: UserName,
        /// What it says.
        text: Text,
    },
    /// A file of the thread before, where it stands among the messages.
    Upload {
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
}

/// Digests in hexadecimal where people read, as bytes elsewhere.
mod hex_digest {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    use super::DIGEST_BYTES;

    pub(super) fn serialize<S: Serializer>(digest: &[u8; DIGEST_BYTES], s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() {
            s.serialize_str(blake3::Hash::from_bytes(*digest).to_hex().as_str())
        } else {
            digest.serialize(s)
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<[u8; DIGEST_BYTES], D::Error> {
        if d.is_human_readable() {
            let text = String::deserialize(d)?;
            blake3::Hash::from_hex(text).map(|hash| *hash.as_bytes()).map_err(D::Error::custom)
        } else {
            <[u8; DIGEST_BYTES]>::deserialize(d)
        }
    }
}

impl Forum {
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
    forum: Forum,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Header,
    /// The account to come.
    Account(usize),
    /// The thread to come is the first from this id on.
    Thread(ThreadId),
    /// Inside a thread: the message and the file to come.
    Item(ThreadId, usize, usize),
    Done,
}

impl Iterator for Records {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        loop {
            match self.stage {
                Stage::Header => {
                    self.stage = Stage::Account(0);
                    let (at_ms, next_thread) = (self.forum.at_ms, self.forum.threads.next_id());
                    return Some(Record::Forum { at_ms, next_thread });
                }
                Stage::Account(index) => match self.forum.accounts.get(super::AccountId(index as u32)) {
                    Some(account) => {
                        self.stage = Stage::Account(index + 1);
                        return Some(Record::Account { name: account.name.clone(), hash: account.hash });
                    }
                    None => self.stage = Stage::Thread(ThreadId(0)),
                },
                Stage::Thread(from) => match self.forum.threads.first_from(from) {
                    Some((&id, thread)) => {
                        self.stage = Stage::Item(id, 0, 0);
                        let creator = self.forum.name_of(thread.creator()).clone();
                        return Some(Record::Thread { id, title: thread.title().clone(), creator });
                    }
                    None => self.stage = Stage::Done,
                },
                Stage::Item(id, post, upload) => match self.item(id, post, upload) {
                    Some(record) => return Some(record),
                    None => self.stage = Stage::Thread(ThreadId(id.0 + 1)),
                },
                Stage::Done => return None,
            }
        }
    }
}

impl Records {
    /// The next message or file of a thread, whichever stands first.
    fn item(&mut self, id: ThreadId, post: usize, upload: usize) -> Option<Record> {
        let thread = self.forum.threads.get(id)?;
        if let Some(next) = thread.uploads().get(upload).filter(|next| next.after as usize <= post) {
            self.stage = Stage::Item(id, post, upload + 1);
            return Some(Record::Upload {
                author: self.forum.name_of(next.author).clone(),
                file: next.file.clone(),
                id: next.id,
                size: next.size,
                digest: next.digest,
            });
        }
        let next = thread.posts().get(post)?;
        self.stage = Stage::Item(id, post + 1, upload);
        Some(Record::Post { author: self.forum.name_of(next.author).clone(), text: next.text.clone() })
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
    /// A message or file with no thread before it.
    NoThread,
    /// A name that no account before has.
    UnknownUser(UserName),
    /// A name that two accounts have.
    DoubleUser(UserName),
    /// A title that two threads have, or ids that don't rise.
    DoubleThread(Title),
    /// A name that two files of one thread have.
    DoubleFile(FileName),
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoThread => f.write_str("a message or file stands before any thread"),
            Self::UnknownUser(name) => write!(f, "no account is named {name}"),
            Self::DoubleUser(name) => write!(f, "two accounts are named {name}"),
            Self::DoubleThread(title) => write!(f, "thread {title} comes twice or out of order"),
            Self::DoubleFile(file) => write!(f, "two files of a thread are named {file}"),
        }
    }
}

impl std::error::Error for RestoreError {}

/// Makes a forum of its records.
#[derive(Debug, Default)]
pub struct Restorer {
    forum: Forum,
    thread: Option<ThreadId>,
}

impl Restorer {
    /// Takes the next record.
    ///
    /// # Errors
    /// It doesn't fit what came before; nothing was changed.
    pub fn take(&mut self, record: Record) -> Result<(), RestoreError> {
        match record {
            Record::Forum { at_ms, next_thread } => {
                self.forum.at_ms = at_ms;
                self.forum.threads.set_next_id(next_thread);
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
            Record::Post { author, text } => {
                let author = self.account(&author)?;
                self.open_thread()?.post(Post { author, text });
            }
            Record::Upload { author, file, id, size, digest } => {
                let author = self.account(&author)?;
                let thread = self.open_thread()?;
                thread.check_new_file(&file).map_err(|_| RestoreError::DoubleFile(file.clone()))?;
                thread.add_file(author, file, id, size, digest);
                self.forum.accounts.add_file_bytes(author, size);
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
        self.forum
    }

    fn account(&self, name: &UserName) -> Result<super::AccountId, RestoreError> {
        self.forum.accounts.find(name).ok_or_else(|| RestoreError::UnknownUser(name.clone()))
    }

    fn open_thread(&mut self) -> Result<&mut super::Thread, RestoreError> {
        self.thread.and_then(|id| self.forum.threads.get_mut(id)).ok_or(RestoreError::NoThread)
    }
}
