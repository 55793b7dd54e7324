//! Entries: what stands in the log. An entry says who wants what changed and when; `apply` decides whether
//! it comes to pass.

use std::fmt;

use forum_common::limits::DIGEST_BYTES;
use forum_common::names::{FileName, Text, Title, UserName};
use serde::{Deserialize, Serialize};

use super::{AccountId, ItemId, Keyed, MailNumber, Mark, Passing, RoomId, ThreadId};
use crate::workers::files::FileId;
use crate::workers::passwords::PasswordHash;

/// The version of the encoding; the first byte of every entry.
const VERSION: u8 = 2;

/// One line of the log. Everything that `apply` may not invent comes with it: the time, hashes, file ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When it was proposed, in UTC milliseconds since 1970. Never less than the kept entry before.
    pub at_ms: u64,
    /// Who is logged in where the change comes from; none for sign-ups, log-ins and admin commands.
    pub actor: Option<AccountId>,
    /// What the actor's client calls this change, so that asking again does not make it twice.
    pub key: Option<Keyed>,
    /// What is to be changed.
    pub change: Change,
}

/// What an entry changes. The order of the variants is their number on disk: new ones go to the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// A sign-up.
    CreateAccount {
        /// The name; the first of two racing entries gets it.
        name: UserName,
        /// What the password is checked against.
        hash: PasswordHash,
    },
    /// Another password for an account.
    SetPassword {
        /// Whose.
        account: AccountId,
        /// What the password is checked against from now on.
        hash: PasswordHash,
    },
    /// CRT.
    CreateThread {
        /// Its title.
        title: Title,
    },
    /// MSG.
    Post {
        /// Where to.
        title: Title,
        /// What it says.
        text: Text,
    },
    /// DLT.
    DeletePost {
        /// In which thread.
        title: Title,
        /// Which message, from 1.
        number: u32,
        /// The id that it must have, if the client said so.
        id: Option<ItemId>,
    },
    /// EDT.
    EditPost {
        /// In which thread.
        title: Title,
        /// Which message, from 1.
        number: u32,
        /// The id that it must have, if the client said so.
        id: Option<ItemId>,
        /// What it says from now on.
        text: Text,
    },
    /// The end of an upload: the file is on disk, fsynced.
    AddFile {
        /// To which thread: a thread that got the same title later is another one.
        thread: ThreadId,
        /// The title that thread had when the upload began, for the refusal.
        title: Title,
        /// The file's name there.
        file: FileName,
        /// Where its bytes are.
        id: FileId,
        /// How many there are.
        size: u64,
        /// Their BLAKE3 digest.
        digest: [u8; DIGEST_BYTES],
    },
    /// RMV.
    RemoveThread {
        /// Which thread.
        title: Title,
    },
    /// `message`.
    SendMessage {
        /// To whom.
        to: AccountId,
        /// What it says.
        text: Text,
    },
    /// The actor's client has all messages up to this one.
    TakeMessages {
        /// The number of the newest that it has.
        up_to: MailNumber,
    },
    /// `block`.
    Block {
        /// Whom.
        user: AccountId,
    },
    /// `unblock`.
    Unblock {
        /// Whom.
        user: AccountId,
    },
    /// BCM.
    PostToBoard {
        /// What it says.
        text: Text,
    },
    /// SRB.
    CreateRoom {
        /// Everybody in it, the actor first, nobody twice.
        members: Vec<AccountId>,
    },
    /// SRM.
    PostToRoom {
        /// Which room.
        room: RoomId,
        /// What it says.
        text: Text,
    },
    /// These files of removed threads are gone from the disk for good: nobody needs to remember them. Proposed
    /// by the server itself, so there is no actor.
    Unlinked {
        /// Which files.
        files: Vec<FileId>,
    },
    /// What changes nothing that is kept.
    Passing(Passing),
    /// `watch`.
    Watch {
        /// Which thread.
        title: Title,
    },
    /// `unwatch`.
    Unwatch {
        /// Which thread.
        title: Title,
    },
    /// The actor has read threads so far, the least recently read first.
    MarkRead {
        /// How far.
        marks: Vec<Mark>,
    },
}

impl Change {
    /// Whether it changes what a restart knows, and so must be durable before it is applied. What is not kept is
    /// stored nowhere by a single node, does not wait for a commit under way, and has no key.
    pub fn is_kept(&self) -> bool {
        !matches!(self, Self::Passing(_))
    }
}

impl From<Passing> for Change {
    fn from(passing: Passing) -> Self {
        Self::Passing(passing)
    }
}

/// Bytes of the log that are no entry this program knows.
#[derive(Debug)]
pub enum EntryError {
    /// Written by a newer forumd.
    Version(u8),
    /// Not an entry at all.
    Malformed(postcard::Error),
}

impl fmt::Display for EntryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => {
                write!(f, "an entry of format version {version}; this forumd knows up to {VERSION}")
            }
            Self::Malformed(error) => write!(f, "an entry that can't be read: {error}"),
        }
    }
}

impl std::error::Error for EntryError {}

impl Entry {
    /// Appends the entry's bytes to `out`: the version, then the fields in postcard's encoding.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(VERSION);
        let bytes = std::mem::take(out);
        *out = postcard::to_extend(self, bytes).expect("a Vec takes everything");
    }

    /// Reads an entry back.
    ///
    /// # Errors
    /// The bytes are no entry of a version that this program knows.
    pub fn decode(bytes: &[u8]) -> Result<Self, EntryError> {
        match bytes.split_first() {
            Some((&VERSION, body)) => postcard::from_bytes(body).map_err(EntryError::Malformed),
            Some((&version, _)) => Err(EntryError::Version(version)),
            None => Err(EntryError::Malformed(postcard::Error::DeserializeUnexpectedEnd)),
        }
    }
}
