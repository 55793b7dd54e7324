//! One link: what it is for, how far it has come, and the limits of how many there may be.

use serde::{Deserialize, Serialize};

use crate::forum::AccountId;

/// What proves the two ends of a link to each other.
pub type Token = forum_common::wire::Key;

/// How long a question waits for its answer, in milliseconds; then it is a no.
pub const QUESTION_OPEN_MS: u64 = 60_000;
/// How long two ends may take to reach each other, in milliseconds: from the yes for a private link, from the
/// introduction for a file, which may be large and is read through before it is sent. Then the server passes on
/// what they say.
pub const MEETING_MAX_MS: u64 = 3_000;
/// Links that a user has asked for or agreed to; past it, one more is refused. Nobody talks to more people at
/// once, and a link costs a few hundred bytes.
pub const LINKS_OF_A_USER_MAX: usize = 64;
/// Questions that wait for one user; past it, one more is refused, so that nobody is flooded with them.
pub const QUESTIONS_TO_A_USER_MAX: usize = 64;
/// Questions of one user that wait for one other. Few, so that nobody uses up what others may ask that user; and
/// enough for a handful of files at once.
pub const QUESTIONS_OF_A_PAIR_MAX: usize = 8;

// It takes several users to ask so much of one that nobody else can.
const _: () = assert!(QUESTIONS_OF_A_PAIR_MAX * 8 <= QUESTIONS_TO_A_USER_MAX);

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// A private conversation.
    Private,
    /// One file, from who asked to who was asked.
    File,
}

/// How far a link has come. Times are in UTC milliseconds of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The other user has not answered yet.
    Question {
        /// When that will be a no.
        due_ms: u64,
    },
    /// It said yes, and one end makes itself reachable.
    Preparing {
        /// When that is to be over; a file has its time.
        due_ms: Option<u64>,
    },
    /// The ends know where to find each other.
    Trying {
        /// When they are to have met.
        due_ms: u64,
        /// Which of them has heard the other already.
        up: Option<AccountId>,
    },
    /// The ends have met: what they say is no affair of the server's.
    Direct,
    /// The server passes on what they say.
    Relayed {
        /// Which end of a file has done with it; the other may still need the last words.
        ended: Option<AccountId>,
    },
}

impl Stage {
    pub(super) fn due_ms(&self) -> Option<u64> {
        match *self {
            Self::Question { due_ms } | Self::Trying { due_ms, .. } => Some(due_ms),
            Self::Preparing { due_ms } => due_ms,
            Self::Direct | Self::Relayed { .. } => None,
        }
    }
}

/// Two users who want to reach each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// What for.
    pub purpose: Purpose,
    /// Who asked.
    pub asker: AccountId,
    /// Who was asked.
    pub asked: AccountId,
    /// What proves the ends to each other, once they have agreed.
    pub token: Token,
    /// How far it has come.
    pub stage: Stage,
}

impl Link {
    /// Whether nobody has said yes yet.
    pub fn is_question(&self) -> bool {
        matches!(self.stage, Stage::Question { .. })
    }

    /// The end that is not this one.
    pub fn other(&self, end: AccountId) -> AccountId {
        if end == self.asker { self.asked } else { self.asker }
    }

    /// The end that makes itself reachable: for a private conversation the user who said yes, who is there at
    /// that moment; for a file the sender, who may have to read it through first.
    pub fn preparing_end(&self) -> AccountId {
        match self.purpose {
            Purpose::Private => self.asked,
            Purpose::File => self.asker,
        }
    }

    pub(super) fn has_end(&self, account: AccountId) -> bool {
        self.asker == account || self.asked == account
    }
}

/// Why there can't be one link more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Full {
    /// The asker has [`LINKS_OF_A_USER_MAX`].
    LinksOfAsker,
    /// [`QUESTIONS_OF_A_PAIR_MAX`] of the asker's wait for the one to be asked.
    QuestionsOfPair,
    /// [`QUESTIONS_TO_A_USER_MAX`] wait for the one to be asked.
    QuestionsToAsked,
}
