//! Passing changes: who logs in and out, what is said to everybody and stored nowhere, and the steps of links.
//!
//! They are ordered like all entries, so that every node decides them alike, and have no key. They never move the
//! log's time: a time that was shown is the time that a replay gives.

mod apply;

use core::net::IpAddr;

use forum_common::names::{FileName, Text};
use forum_common::wire::LinkId;
use serde::{Deserialize, Serialize};

use super::{AccountId, Purpose, SessionId, Token};
use crate::workers::passwords::PasswordHash;

/// What passes. The order of the variants is their number in the log: new ones go to the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Passing {
    /// A password proved right. No actor: nobody is logged in yet.
    LogIn {
        /// Whose.
        account: AccountId,
        /// The session that this makes.
        session: SessionId,
        /// What the password was checked against. If the account has another hash by now, this password counts no
        /// more: each hash has a salt of its own. Boxed, as every change would be as large as this one.
        checked: Box<PasswordHash>,
        /// From which address.
        address: IpAddr,
        /// Where the client takes files of other users; 0 = nowhere.
        udp_port: u16,
        /// What to do if the user is online already.
        take_over: TakeOver,
    },
    /// The actor's session is over, however it ended.
    LogOut {
        /// Which session: another one of the same user goes on.
        session: SessionId,
    },
    /// `broadcast`.
    Broadcast {
        /// What it says.
        text: Text,
    },
    /// `startprivate` and `UDP`: the actor would like to reach another user.
    AskLink {
        /// The session that asks.
        session: SessionId,
        /// Whom.
        user: AccountId,
        /// What for.
        request: LinkRequest,
        /// What will prove the ends to each other. Nobody is told before the yes.
        token: Token,
    },
    /// The actor's answer to a question.
    AnswerLink {
        /// Which question.
        link: LinkId,
        /// Whether it agrees. Its node says no for a client that can't answer.
        yes: bool,
    },
    /// The actor, who had to make itself reachable, has done so, or can't.
    LinkListening {
        /// For which link.
        link: LinkId,
        /// On which port of its address; 0 = it can't be reached.
        port: u16,
    },
    /// The actor has heard the other end.
    LinkReached {
        /// Of which link.
        link: LinkId,
    },
    /// The actor has done with a link, or takes back its question.
    EndLink {
        /// Which link.
        link: LinkId,
        /// Whether its user wanted that.
        stopped: bool,
    },
    /// A link's time is up. Ordered by the node of its asker, so there is no actor.
    ExpireLink {
        /// Which link.
        link: LinkId,
        /// What the link waited for was due at that time of the log, in UTC milliseconds: if it waits for something
        /// else by now, this is too late and changes nothing.
        due_ms: u64,
    },
    /// Nothing more comes from the actor's client, which needs no links any more. The user is online until all is
    /// answered.
    LeaveLinks {
        /// In which session.
        session: SessionId,
    },
}

/// What a log-in does to the user's other session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TakeOver {
    /// Nothing: it is refused.
    Never,
    /// It ends it.
    Always,
    /// It ends it if it is this one, which the client had before.
    Session(SessionId),
}

/// What somebody wants to reach another user for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LinkRequest {
    /// `startprivate`.
    Private,
    /// `UDP`.
    File {
        /// The file's name.
        file: FileName,
        /// Its size in bytes.
        size: u64,
    },
}

impl LinkRequest {
    /// What the link is for.
    pub fn purpose(&self) -> Purpose {
        match self {
            Self::Private => Purpose::Private,
            Self::File { .. } => Purpose::File,
        }
    }
}
