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

mod link;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use forum_common::wire::LinkId;

use super::{AccountId, Refused};
use crate::planted::{Bug, planted};

pub use link::{
    Full, LINKS_OF_A_USER_MAX, Link, MEETING_MAX_MS, Purpose, QUESTION_OPEN_MS, QUESTIONS_OF_A_PAIR_MAX,
    QUESTIONS_TO_A_USER_MAX, Stage, Token,
};

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
