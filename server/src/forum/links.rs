//! Links: pairs of users who want to reach each other, and how far each pair has come. A table that knows
//! accounts and times of the log; who may ask whom and what is told to whom is decided in
//! `forum::linking`.
//!
//! ```text
//!            yes               listening            both up
//! question ───────► preparing ───────────► trying ───────────► direct
//!    │                  │                     │
//!    │ no, too late     └─────────────────────┴─ can't meet,
//!    ▼                                           too late  ───► relayed
//!   gone
//! ```
//!
//! From each stage a link is gone when one end has done with it or leaves; only a file that is relayed waits
//! for both.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use forum_common::wire::LinkId;
use serde::{Deserialize, Serialize};

use super::{AccountId, Refused};
use crate::planted::{Bug, planted};

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
    fn due_ms(&self) -> Option<u64> {
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

    fn has_end(&self, account: AccountId) -> bool {
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

/// All links.
#[derive(Debug, Default)]
pub struct Links {
    newest: LinkId,
    links: BTreeMap<LinkId, Link>,
    /// Each link once for each of its ends.
    by_end: BTreeSet<(AccountId, LinkId)>,
    /// Exactly those that wait for something. A queue that forgets nothing before its time would grow with
    /// every question that is withdrawn at once.
    deadlines: BTreeSet<(u64, LinkId)>,
}

impl Links {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.links.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// The link, if this is one of its ends: nobody meddles with the links of others.
    pub fn of_end(&self, id: LinkId, end: AccountId) -> Option<Link> {
        self.links.get(&id).copied().filter(|link| link.has_end(end))
    }

    /// Who asked for this link.
    pub fn asker(&self, id: LinkId) -> Option<AccountId> {
        self.links.get(&id).map(|link| link.asker)
    }

    /// The private link between two users, at whatever stage; there is never a second one.
    pub fn private_between(&self, end: AccountId, other: AccountId) -> Option<(LinkId, Link)> {
        self.of(end).find(|(_, link)| link.purpose == Purpose::Private && link.has_end(other))
    }

    /// Whether `asker` may ask `asked` for one link more.
    ///
    /// # Errors
    /// The limit that is reached; those of the asker first.
    pub fn check_room(&self, asker: AccountId, asked: AccountId) -> Result<(), Full> {
        // A question to the asker is no link of its own yet: others can't use up what it may have.
        let own = self.of(asker).filter(|(_, link)| link.asker == asker || !link.is_question());
        if own.take(LINKS_OF_A_USER_MAX).count() == LINKS_OF_A_USER_MAX {
            return Err(Full::LinksOfAsker);
        }
        let to_asked = self.of(asked).filter(|(_, link)| link.asked == asked && link.is_question());
        let (mut questions, mut of_asker) = (0, 0);
        for (_, question) in to_asked {
            questions += 1;
            of_asker += usize::from(question.asker == asker);
        }
        if of_asker >= QUESTIONS_OF_A_PAIR_MAX {
            return Err(Full::QuestionsOfPair);
        }
        if questions >= QUESTIONS_TO_A_USER_MAX {
            return Err(Full::QuestionsToAsked);
        }
        Ok(())
    }

    /// The open question that this user was asked.
    pub(super) fn open_question(&self, id: LinkId, to: AccountId) -> Result<Link, Refused> {
        let link = self.links.get(&id).copied().filter(|link| link.is_question() && link.asked == to);
        link.ok_or(Refused::NoSuchStep)
    }

    /// The oldest question that this user has not answered.
    pub fn oldest_question(&self, to: AccountId) -> Option<LinkId> {
        self.of(to).find(|(_, link)| link.is_question() && link.asked == to).map(|(id, _)| id)
    }

    /// The link that this end is to make itself reachable for, and has not yet.
    pub(super) fn prepared(&self, id: LinkId, by: AccountId) -> Result<Link, Refused> {
        let link = self.links.get(&id).copied();
        let is_preparing = |link: &Link| matches!(link.stage, Stage::Preparing { .. });
        link.filter(|link| is_preparing(link) && link.preparing_end() == by).ok_or(Refused::NoSuchStep)
    }

    /// Whether it is news that this end has heard the other.
    pub(super) fn check_reached(&self, id: LinkId, by: AccountId) -> Result<(), Refused> {
        match self.of_end(id, by).map(|link| link.stage) {
            Some(Stage::Trying { up, .. }) if up != Some(by) => Ok(()),
            _ => Err(Refused::NoSuchStep),
        }
    }

    /// The link that this end has not done with yet.
    pub(super) fn ending(&self, id: LinkId, by: AccountId) -> Result<Link, Refused> {
        let link = self.of_end(id, by).filter(|link| link.stage != Stage::Relayed { ended: Some(by) });
        link.ok_or(Refused::NoSuchStep)
    }

    /// The link, if it waits for something that is due at just this time.
    pub(super) fn due_at(&self, id: LinkId, due_ms: u64) -> Result<Link, Refused> {
        let link = self.links.get(&id).copied().filter(|link| link.stage.due_ms() == Some(due_ms));
        link.ok_or(Refused::NoSuchStep)
    }

    /// Takes in a question that is asked at that time.
    pub(super) fn ask(
        &mut self,
        purpose: Purpose,
        asker: AccountId,
        asked: AccountId,
        token: Token,
        at_ms: u64,
    ) -> (LinkId, Link) {
        debug_assert!(asker != asked, "nobody asks themselves");
        self.newest += 1;
        let (id, due_ms) = (self.newest, at_ms.saturating_add(QUESTION_OPEN_MS));
        let link = Link { purpose, asker, asked, token, stage: Stage::Question { due_ms } };
        self.links.insert(id, link);
        self.by_end.extend([(asker, id), (asked, id)]);
        self.deadlines.insert((due_ms, id));
        (id, link)
    }

    /// The asked one says yes to an open question; the link as it is then.
    pub(super) fn accept(&mut self, id: LinkId, by: AccountId, at_ms: u64) -> Result<Link, Refused> {
        let link = self.open_question(id, by)?;
        let due_ms = match link.purpose {
            Purpose::Private => Some(at_ms.saturating_add(MEETING_MAX_MS)),
            Purpose::File => None,
        };
        self.advance(id, Stage::Preparing { due_ms })
    }

    /// The ends are told where to find each other; the link as it is then.
    pub(super) fn introduce(&mut self, id: LinkId, by: AccountId, at_ms: u64) -> Result<Link, Refused> {
        let Stage::Preparing { due_ms } = self.prepared(id, by)?.stage else {
            return Err(Refused::NoSuchStep);
        };
        let due_ms = due_ms.unwrap_or(at_ms.saturating_add(MEETING_MAX_MS));
        self.advance(id, Stage::Trying { due_ms, up: None })
    }

    /// An end has heard the other; the link as it is then: a direct one once both have.
    pub(super) fn reached(&mut self, id: LinkId, by: AccountId) -> Result<Link, Refused> {
        self.check_reached(id, by)?;
        match self.of_end(id, by).map(|link| link.stage) {
            Some(Stage::Trying { due_ms, up: None })
                if !planted(Bug::LinkStandsWhenOneEndHasHeardTheOther) =>
            {
                self.advance(id, Stage::Trying { due_ms, up: Some(by) })
            }
            _ => self.advance(id, Stage::Direct),
        }
    }

    /// From now on the server passes on what the ends say; the link as it is then.
    pub(super) fn relay(&mut self, id: LinkId) -> Result<Link, Refused> {
        match self.links.get(&id).map(|link| link.stage) {
            Some(Stage::Preparing { .. } | Stage::Trying { .. }) => {
                self.advance(id, Stage::Relayed { ended: None })
            }
            _ => Err(Refused::NoSuchStep),
        }
    }

    /// An end has done with a link; the link as it was. It is gone, unless it is a file that the server passes
    /// on: the last acknowledgements are still on their way to the other end then.
    pub(super) fn end(&mut self, id: LinkId, by: AccountId) -> Result<Link, Refused> {
        let link = self.ending(id, by)?;
        if link.purpose == Purpose::File && link.stage == (Stage::Relayed { ended: None }) {
            self.advance(id, Stage::Relayed { ended: Some(by) })?;
        } else {
            self.remove(id);
        }
        Ok(link)
    }

    /// Removes a link; as it was.
    pub(super) fn remove(&mut self, id: LinkId) -> Option<Link> {
        let link = self.links.remove(&id)?;
        for end in [link.asker, link.asked] {
            self.by_end.remove(&(end, id));
        }
        if let Some(due_ms) = link.stage.due_ms() {
            self.deadlines.remove(&(due_ms, id));
        }
        Some(link)
    }

    /// Removes all links of a user who leaves; as they were, oldest first.
    pub(super) fn remove_all_of(&mut self, account: AccountId) -> Vec<(LinkId, Link)> {
        let all: Vec<_> = self.of(account).collect();
        for (id, _) in &all {
            self.remove(*id);
        }
        all
    }

    /// All links that wait for something, in the order of what is due when.
    pub fn deadlines(&self) -> impl Iterator<Item = (LinkId, u64)> {
        self.deadlines.iter().map(|&(due_ms, id)| (id, due_ms))
    }

    /// The links whose time is up, each with what was due: what there is to order [`super::Passing::ExpireLink`] for.
    /// Nothing is due later than [`QUESTION_OPEN_MS`] from now, unless the clock was set back: then its time is up as
    /// well, or it could wait for hours.
    pub fn overdue(&self, now_ms: u64) -> impl Iterator<Item = (LinkId, u64)> {
        let latest_ms = now_ms.saturating_add(QUESTION_OPEN_MS);
        let past = self.deadlines.range(..=(now_ms, LinkId::MAX));
        let too_late = self.deadlines.range((Bound::Excluded((latest_ms, LinkId::MAX)), Bound::Unbounded));
        past.chain(too_late).map(|&(due_ms, id)| (id, due_ms))
    }

    /// All links of a user, oldest first.
    fn of(&self, end: AccountId) -> impl Iterator<Item = (LinkId, Link)> {
        let ids = self.by_end.range((end, LinkId::MIN)..=(end, LinkId::MAX)).map(|&(_, id)| id);
        ids.filter_map(|id| self.links.get(&id).map(|link| (id, *link)))
    }

    /// Brings a link to another stage; as it is then.
    fn advance(&mut self, id: LinkId, stage: Stage) -> Result<Link, Refused> {
        let link = self.links.get_mut(&id).ok_or(Refused::NoSuchStep)?;
        let before = std::mem::replace(&mut link.stage, stage);
        if let Some(due_ms) = before.due_ms() {
            self.deadlines.remove(&(due_ms, id));
        }
        if let Some(due_ms) = stage.due_ms() {
            self.deadlines.insert((due_ms, id));
        }
        Ok(*link)
    }
}

#[cfg(test)]
mod tests;
