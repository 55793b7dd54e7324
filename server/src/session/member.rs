//! What is remembered of somebody who is logged in: entries in flight, messages on their way, a long answer.

use forum_common::wire::Tag;

use crate::core::listing::Listing;
use crate::forum::{AccountId, MailNumber};
use crate::workers::passwords::Job;

/// A session that is logged in.
#[derive(Debug)]
pub struct Member {
    /// Who it is.
    pub account: AccountId,
    /// Its entries that are proposed and not applied yet.
    pub unapplied: Unapplied,
    /// Its messages on their way.
    pub mail: Delivery,
    /// The request whose answer takes longer; what comes behind it waits.
    pub task: Task,
}

impl Member {
    /// Whether a long answer is under way.
    pub fn is_at_work(&self) -> bool {
        !matches!(self.task, Task::Idle)
    }

    /// Up to here messages had waited for the log-in, as long as not all of those are written.
    pub fn backlog(&self) -> MailNumber {
        match self.task {
            Task::Backlog(up_to) => up_to,
            _ => MailNumber(0),
        }
    }
}

/// Entries of one connection on their way through the log.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unapplied {
    /// How many.
    pub entries: u32,
    /// How many bytes they have.
    pub bytes: u32,
}

/// A request whose answer takes more than a moment.
#[derive(Debug)]
pub enum Task {
    /// None: the next request may be taken.
    Idle,
    /// `passwd` or SHT: a password is being checked.
    CheckingPassword(Box<PasswordCheck>),
    /// The messages up to this one, which waited for the log-in, made as the socket drains. They come before any answer.
    Backlog(MailNumber),
    /// A list, made as the socket drains.
    Listing(Box<Listing>),
}

/// How far the messages of a mailbox have come on this connection.
#[derive(Debug, Clone, Copy, Default)]
pub struct Delivery {
    /// Up to here they were written to the client.
    pub sent: MailNumber,
    /// Up to here the client has said that it has them.
    pub taken: MailNumber,
    /// Up to here that is on its way through the log, or through.
    pub proposed: MailNumber,
}

/// A password that came with a command, until it is known whether it is right.
#[derive(Debug)]
pub struct PasswordCheck {
    /// The command's.
    pub tag: Tag,
    /// What it is for.
    pub purpose: CheckFor,
    /// The work for the hashers while it stands in line; none once they have it.
    pub job: Option<Job>,
}

/// What a right password is followed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckFor {
    /// The new password of a `passwd`.
    ChangePassword(NewPassword),
    /// The end of the server.
    ShutDown,
}

/// What is to be said of the new password of a `passwd` once the old one proves right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewPassword {
    /// Nothing: it is being hashed.
    Fine,
    /// It was typed differently the second time.
    Differs,
    /// It can't be a password.
    Malformed,
}
