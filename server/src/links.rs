//! Links: pairs of users who want to reach each other, and how far each pair has come. A table that knows
//! accounts and instants; what is told to whom, and at which address anybody is, is the business of
//! `service`.
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
use std::time::{Duration, Instant};

use forum_common::wire::{Key as Token, LinkId};

use crate::forum::AccountId;

/// How long a question waits for its answer; then it is a no.
pub const QUESTION_OPEN: Duration = Duration::from_secs(60);
/// How long two ends may take to reach each other: from the yes for a private link, from
/// [`Links::introduce`] for a file, which may be large and is read through before it is sent. Then the
/// server passes on what they say.
pub const MEETING_MAX: Duration = Duration::from_secs(3);
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A private conversation.
    Private,
    /// One file, from who asked to who was asked.
    File,
}

/// How far a link has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The other user has not answered yet.
    Question {
        /// When that will be a no.
        due: Instant,
    },
    /// It said yes, and one end makes itself reachable.
    Preparing {
        /// What will prove the ends to each other.
        token: Token,
        /// When that is to be over; a file has its time.
        due: Option<Instant>,
    },
    /// The ends know where to find each other.
    Trying {
        /// When they are to have met.
        due: Instant,
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
    fn due(&self) -> Option<Instant> {
        match *self {
            Self::Question { due } | Self::Trying { due, .. } => Some(due),
            Self::Preparing { due, .. } => due,
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

    /// The end that makes itself reachable: whoever said yes to a private conversation, because it is there at
    /// that moment; whoever sends a file, because it may have to read it through first.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    deadlines: BTreeSet<(Instant, LinkId)>,
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

    /// An id that no link has, had or will have.
    pub fn new_id(&mut self) -> LinkId {
        self.newest += 1;
        self.newest
    }

    /// Takes in a question that is asked now.
    pub fn ask(&mut self, purpose: Purpose, asker: AccountId, asked: AccountId, now: Instant) -> LinkId {
        debug_assert!(asker != asked, "nobody asks themselves");
        let (id, due) = (self.new_id(), now + QUESTION_OPEN);
        self.links.insert(id, Link { purpose, asker, asked, stage: Stage::Question { due } });
        self.by_end.extend([(asker, id), (asked, id)]);
        self.deadlines.insert((due, id));
        id
    }

    /// The asked one says yes. None if it was not asked, or if the question is not open any more.
    pub fn accept(&mut self, id: LinkId, by: AccountId, token: Token, now: Instant) -> Option<Link> {
        let link = self.open_question(id, by)?;
        let due = match link.purpose {
            Purpose::Private => Some(now + MEETING_MAX),
            Purpose::File => None,
        };
        self.advance(id, Stage::Preparing { token, due })
    }

    /// The asked one says no: the link is gone. None as with [`Links::accept`].
    pub fn decline(&mut self, id: LinkId, by: AccountId) -> Option<Link> {
        self.open_question(id, by)?;
        self.remove(id)
    }

    fn open_question(&self, id: LinkId, to: AccountId) -> Option<Link> {
        self.links.get(&id).copied().filter(|link| link.is_question() && link.asked == to)
    }

    /// The link that this end is preparing itself for, and its token. None if it is not, or has done so.
    pub fn prepared(&self, id: LinkId, by: AccountId) -> Option<(Link, Token)> {
        let link = *self.links.get(&id)?;
        match link.stage {
            Stage::Preparing { token, .. } if link.preparing_end() == by => Some((link, token)),
            _ => None,
        }
    }

    /// The ends are told now where to find each other.
    pub fn introduce(&mut self, id: LinkId, now: Instant) {
        if let Some(Stage::Preparing { due, .. }) = self.links.get(&id).map(|link| link.stage) {
            self.advance(id, Stage::Trying { due: due.unwrap_or(now + MEETING_MAX), up: None });
        }
    }

    /// An end has heard the other. Some if now both have: the link is a direct one.
    pub fn up(&mut self, id: LinkId, by: AccountId) -> Option<Link> {
        let Stage::Trying { due, up } = self.of_end(id, by)?.stage else { return None };
        match up {
            None => {
                self.advance(id, Stage::Trying { due, up: Some(by) });
                None
            }
            Some(end) if end == by => None,
            Some(_) => self.advance(id, Stage::Direct),
        }
    }

    /// From now on the server passes on what the ends say. None if they have not got so far, or further.
    pub fn relay(&mut self, id: LinkId) -> Option<Link> {
        match self.links.get(&id)?.stage {
            Stage::Preparing { .. } | Stage::Trying { .. } => {
                self.advance(id, Stage::Relayed { ended: None })
            }
            Stage::Question { .. } | Stage::Direct | Stage::Relayed { .. } => None,
        }
    }

    /// An end has done with a link. The link as it was; it is gone, unless it is a file that the server passes
    /// on: the last acknowledgements are still on their way to the other end then. None if it is no link of
    /// that end's, or was ended by it already.
    pub fn end(&mut self, id: LinkId, by: AccountId) -> Option<Link> {
        let link = self.of_end(id, by)?;
        match link.stage {
            Stage::Relayed { ended: Some(end) } if end == by => return None,
            Stage::Relayed { ended: None } if link.purpose == Purpose::File => {
                self.advance(id, Stage::Relayed { ended: Some(by) });
            }
            _ => {
                self.remove(id);
            }
        }
        Some(link)
    }

    /// Removes a link; as it was.
    pub fn remove(&mut self, id: LinkId) -> Option<Link> {
        let link = self.links.remove(&id)?;
        for end in [link.asker, link.asked] {
            self.by_end.remove(&(end, id));
        }
        if let Some(due) = link.stage.due() {
            self.deadlines.remove(&(due, id));
        }
        Some(link)
    }

    /// Removes all links of a user who leaves; as they were, oldest first.
    pub fn remove_all_of(&mut self, account: AccountId) -> Vec<(LinkId, Link)> {
        let all: Vec<_> = self.of(account).collect();
        for (id, _) in &all {
            self.remove(*id);
        }
        all
    }

    /// A link whose time is up. It stays so until it is removed or relayed.
    pub fn overdue(&self, now: Instant) -> Option<(LinkId, Link)> {
        let &(due, id) = self.deadlines.first()?;
        let link = self.links.get(&id).filter(|_| due <= now)?;
        Some((id, *link))
    }

    /// When the next link falls due.
    pub fn next_due(&self) -> Option<Instant> {
        self.deadlines.first().map(|&(due, _)| due)
    }

    /// All links of a user, oldest first.
    fn of(&self, end: AccountId) -> impl Iterator<Item = (LinkId, Link)> {
        let ids = self.by_end.range((end, LinkId::MIN)..=(end, LinkId::MAX)).map(|&(_, id)| id);
        ids.filter_map(|id| self.links.get(&id).map(|link| (id, *link)))
    }

    /// Brings a link to another stage; as it is then.
    fn advance(&mut self, id: LinkId, stage: Stage) -> Option<Link> {
        let link = self.links.get_mut(&id)?;
        let before = std::mem::replace(&mut link.stage, stage);
        if let Some(due) = before.due() {
            self.deadlines.remove(&(due, id));
        }
        if let Some(due) = stage.due() {
            self.deadlines.insert((due, id));
        }
        Some(*link)
    }
}

#[cfg(test)]
mod tests;
