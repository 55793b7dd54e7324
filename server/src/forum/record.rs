//! The whole state as a sequence of records: what snapshots, exports and state hashes are made of.
//!
//! A record stands for itself and carries names, not ids, so that it reads well as a line of JSON.
//! [`Restorer`] makes the same forum of them again.

mod restore;
mod walk;

use forum_common::limits::DIGEST_BYTES;
use forum_common::names::{FileName, Text, Title, UserName};
use serde::{Deserialize, Serialize};

use super::{Answer, ItemId, Kept, Key, MailNumber, Refused, ThreadId};
use crate::workers::files::FileId;
use crate::workers::passwords::PasswordHash;

pub use restore::{RestoreError, Restorer};
pub use walk::Records;

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
        #[serde(with = "super::hex_digest")]
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
    /// How far a user has read a thread, the least recently read first.
    Mark {
        /// Who.
        account: UserName,
        /// Which thread.
        title: Title,
        /// Up to this message or file, which may be deleted meanwhile.
        up_to: ItemId,
    },
    /// A thread that a user watches, in the order in which it began to.
    Watch {
        /// Who.
        account: UserName,
        /// Which thread.
        title: Title,
    },
}

impl Kept {
    /// Walks the whole state of this instant. The walk owns a clone, so it may go on in another thread.
    pub fn records(&self) -> Records {
        Records::new(self.clone())
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
