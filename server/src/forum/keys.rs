//! Keys of changes: what makes a change happen exactly once, however often a client has to ask for it.
//!
//! A client that loses its connection can't know whether its last changes were made. So it gives each a key of
//! 128 random bits and asks again with the same key: the forum remembers what the change came to, yes or no,
//! and gives that answer instead of doing it twice. A refusal before the log is not remembered: nothing
//! happened, so asking again is safe.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use forum_common::limits::DIGEST_BYTES;

use super::{AccountId, ItemId, Refused, RoomId, ThreadId};

/// Results that are kept of one account; the oldest makes room. A client has at most as many changes in flight,
/// so each that it may have to repeat is still there. Part of the format: `apply` reads no option.
pub const RESULTS_MAX: usize = 64;

/// What a client calls one change: 128 bits that it never uses again.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key(pub [u8; 16]);

/// A key, and what it was used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keyed {
    /// The key.
    pub key: Key,
    /// A digest of the request without its secrets: the same key with other content is a mistake of the client.
    pub content: u64,
}

/// What a change came to, as far as the change itself does not say it: what an answer needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It was done.
    Done {
        /// When, in UTC milliseconds.
        at_ms: u64,
    },
    /// A thread.
    ThreadCreated {
        /// Its id.
        thread: ThreadId,
        /// When, in UTC milliseconds.
        at_ms: u64,
    },
    /// A message in a thread.
    Posted {
        /// Its number within the thread when it was posted, from 1.
        number: u32,
        /// Its id.
        id: ItemId,
        /// When, in UTC milliseconds.
        at_ms: u64,
    },
    /// A file in a thread.
    FileAdded {
        /// Its id as an item of threads.
        item: ItemId,
        /// The BLAKE3 digest of its bytes.
        #[serde(with = "super::hex_digest")]
        digest: [u8; DIGEST_BYTES],
        /// When, in UTC milliseconds.
        at_ms: u64,
    },
    /// A message on the board.
    PostedToBoard {
        /// Its number.
        number: u32,
        /// When, in UTC milliseconds.
        at_ms: u64,
    },
    /// A room.
    RoomCreated {
        /// Its id.
        room: RoomId,
        /// When, in UTC milliseconds.
        at_ms: u64,
    },
    /// A message in a room.
    PostedToRoom {
        /// Its number within the room.
        number: u32,
        /// When, in UTC milliseconds.
        at_ms: u64,
    },
}

/// What a change with a key came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyedResult {
    /// The key, and what for.
    pub keyed: Keyed,
    /// The first answer, which is the answer for good.
    pub result: Result<Answer, Refused>,
}

/// The results that are kept, of every account that used a key.
#[derive(Debug, Clone, Default)]
pub struct Keys {
    by_account: imbl::OrdMap<AccountId, Arc<VecDeque<KeyedResult>>>,
}

impl Keys {
    /// What a change with this key came to, if it was made.
    pub fn find(&self, account: AccountId, keyed: Keyed) -> Option<Result<Answer, Refused>> {
        let results = self.by_account.get(&account)?;
        let known = results.iter().rev().find(|known| known.keyed.key == keyed.key)?;
        Some(if known.keyed == keyed { known.result.clone() } else { Err(Refused::KeyReused) })
    }

    /// All results of the first account from `account` on, oldest first.
    pub(super) fn from(&self, account: AccountId) -> Option<(AccountId, &VecDeque<KeyedResult>)> {
        self.by_account.range(account..).next().map(|(account, results)| (*account, &**results))
    }

    /// Keeps a result; the account's oldest goes if there are too many.
    pub(super) fn keep(&mut self, account: AccountId, result: KeyedResult) {
        let results = Arc::make_mut(self.by_account.entry(account).or_default());
        if results.len() == RESULTS_MAX {
            results.pop_front();
        }
        results.push_back(result);
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

/// Hexadecimal where people read, bytes elsewhere.
impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return <[u8; 16]>::deserialize(deserializer).map(Self);
        }
        let text = String::deserialize(deserializer)?;
        let is_key = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let bits = u128::from_str_radix(&text, 16).ok().filter(|_| is_key);
        bits.map(|bits| Self(bits.to_be_bytes())).ok_or_else(|| D::Error::custom("a key has 32 hex digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_people_read_a_key_has_32_hexadecimal_digits_and_nothing_else() {
        let read = |text: &str| serde_json::from_value::<Key>(text.into());
        let digits = "0123456789abcdef0123456789abcdef";
        let key = read(digits).unwrap();
        assert_eq!(serde_json::to_value(key).unwrap(), digits);
        for other in [&digits[1..], &format!("+{}", &digits[1..]), &format!("0{digits}"), ""] {
            assert!(read(other).is_err(), "{other:?}");
        }
    }
}
