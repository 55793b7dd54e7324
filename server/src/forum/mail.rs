//! Mailboxes: messages for one user each, kept until the user's client says that it has them.

use forum_common::names::Text;
use serde::{Deserialize, Serialize};

use super::AccountId;

/// A message's number within its mailbox, from 1. Never used twice, so that a client knows a message that
/// comes again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MailNumber(pub u64);

/// A message that waits to be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// Who sent it.
    pub from: AccountId,
    /// When, in UTC milliseconds.
    pub at_ms: u64,
    /// What it says.
    pub text: Text,
}

/// The messages for one user.
#[derive(Debug, Clone)]
pub struct Mailbox {
    waiting: imbl::OrdMap<MailNumber, Mail>,
    /// The number that the next message gets.
    next: MailNumber,
    bytes: usize,
}

impl Default for Mailbox {
    fn default() -> Self {
        Self { waiting: imbl::OrdMap::new(), next: MailNumber(1), bytes: 0 }
    }
}

impl Mailbox {
    /// How many messages wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Bytes of the texts that wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The number of the newest message there ever was; 0 before the first.
    pub fn newest(&self) -> MailNumber {
        MailNumber(self.next.0 - 1)
    }

    /// The first message after `number` that waits.
    pub fn first_behind(&self, number: MailNumber) -> Option<(MailNumber, &Mail)> {
        self.waiting.range(MailNumber(number.0 + 1)..).next().map(|(number, mail)| (*number, mail))
    }

    pub(super) fn put(&mut self, mail: Mail) -> MailNumber {
        let number = self.next;
        self.put_as(number, mail);
        number
    }

    /// Puts a message where a snapshot had it.
    pub(super) fn put_as(&mut self, number: MailNumber, mail: Mail) {
        self.bytes += mail.text.len();
        self.waiting.insert(number, mail);
        self.next = self.next.max(MailNumber(number.0 + 1));
    }

    pub(super) fn set_next(&mut self, next: MailNumber) {
        self.next = self.next.max(next);
    }

    /// Drops everything up to `number`.
    pub(super) fn take(&mut self, number: MailNumber) {
        while let Some((first, mail)) = self.waiting.get_min()
            && *first <= number
        {
            let first = *first;
            self.bytes -= mail.text.len();
            self.waiting.remove(&first);
        }
    }
}

/// All mailboxes; there is one for everybody who ever got a message.
#[derive(Debug, Clone, Default)]
pub struct Mailboxes {
    by_owner: imbl::OrdMap<AccountId, Mailbox>,
}

impl Mailboxes {
    /// The mailbox of a user who ever got a message.
    pub fn of(&self, owner: AccountId) -> Option<&Mailbox> {
        self.by_owner.get(&owner)
    }

    /// Every mailbox from that of `owner` on.
    pub fn from(&self, owner: AccountId) -> impl Iterator<Item = (&AccountId, &Mailbox)> {
        self.by_owner.range(owner..)
    }

    /// Drops what `owner` has taken.
    pub(super) fn take(&mut self, owner: AccountId, up_to: MailNumber) {
        if let Some(mailbox) = self.by_owner.get_mut(&owner) {
            mailbox.take(up_to);
        }
    }

    pub(super) fn of_mut(&mut self, owner: AccountId) -> &mut Mailbox {
        self.by_owner.entry(owner).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_what_is_taken_count_no_more() {
        let mut mailbox = Mailbox::default();
        for text in ["abc", "de", "f"] {
            mailbox.put(Mail { from: AccountId(0), at_ms: 0, text: Text::parse(text).unwrap() });
        }
        assert_eq!((mailbox.len(), mailbox.bytes()), (3, 6));
        mailbox.take(MailNumber(2));
        assert_eq!((mailbox.len(), mailbox.bytes()), (1, 1));
        mailbox.take(MailNumber(3));
        assert_eq!((mailbox.len(), mailbox.bytes(), mailbox.newest()), (0, 0, MailNumber(3)));
    }
}
