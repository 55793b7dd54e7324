//! Links between two users: who asks whom, how far they come, and who is told.

use std::rc::Rc;

use forum_common::wire::{Key, LinkId, OwnedNotice, Refusal};
use forumd::forum::{Entry, LinkRequest, Passing};

use super::{Done, No, Outcome, State, User};

/// How long a question waits, and how long two ends may take to meet.
const QUESTION_MS: u64 = 60_000;
const MEETING_MS: u64 = 3_000;
/// What one user may have asked for or agreed to, be asked, and be asked by one other.
const OWN_MAX: usize = 64;
const ASKED_MAX: usize = 64;
const PAIR_MAX: usize = 8;

/// A link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) is_file: bool,
    pub(crate) asker: User,
    pub(crate) asked: User,
    pub(crate) token: Key,
    pub(crate) stage: Stage,
}

/// How far a link has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Question { due_ms: u64 },
    Preparing { due_ms: Option<u64> },
    Trying { due_ms: u64, up: Option<User> },
    Direct,
    Relayed { ended: Option<User> },
}

/// Something that a user is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) to: User,
    pub(crate) notice: OwnedNotice,
}

impl Link {
    fn has_end(&self, user: User) -> bool {
        user == self.asker || user == self.asked
    }

    fn other(&self, user: User) -> User {
        if user == self.asker { self.asked } else { self.asker }
    }

    pub(super) fn is_question(&self) -> bool {
        matches!(self.stage, Stage::Question { .. })
    }

    /// Who makes itself reachable.
    fn preparing(&self) -> User {
        if self.is_file { self.asker } else { self.asked }
    }

    fn due_ms(&self) -> Option<u64> {
        match self.stage {
            Stage::Question { due_ms } | Stage::Trying { due_ms, .. } => Some(due_ms),
            Stage::Preparing { due_ms } => due_ms,
            Stage::Direct | Stage::Relayed { .. } => None,
        }
    }
}

fn no_such_step() -> No {
    No::plain(Refusal::NotPrivate)
}

impl State {
    /// Takes a step of a link.
    pub(super) fn apply_link(&mut self, entry: &Entry, passing: &Passing) -> Outcome {
        let by = || entry.actor.map(|actor| actor.0).ok_or_else(no_such_step);
        let at_ms = entry.at_ms;
        match passing {
            Passing::AskLink { user, request, token, .. } => {
                return self.ask_link(by()?, user.0, request, *token, at_ms);
            }
            Passing::AnswerLink { link, yes } => self.answer_link(by()?, *link, *yes, at_ms)?,
            Passing::LinkListening { link, port } => self.introduce(by()?, *link, *port, at_ms)?,
            Passing::LinkReached { link } => self.reach(by()?, *link)?,
            Passing::EndLink { link, stopped } => self.end_link(by()?, *link, *stopped)?,
            Passing::ExpireLink { link, due_ms } => self.expire_link(*link, *due_ms)?,
            Passing::LeaveLinks { .. } => self.leave_links(by()?),
            _ => {}
        }
        Ok(Done::Other)
    }

    fn ask_link(
        &mut self,
        asker: User,
        asked: User,
        request: &LinkRequest,
        token: Key,
        at_ms: u64,
    ) -> Outcome {
        self.judge_reach(asker, asked)?;
        let is_private = matches!(request, LinkRequest::Private);
        if let Some((id, link)) = self.private_between(asker, asked).filter(|_| is_private) {
            if !link.is_question() {
                return Err(No::named(Refusal::AlreadyPrivate, self.name(asked)));
            }
            if link.asker != asker {
                // Asking back is a yes.
                self.told_to(asker, OwnedNotice::QuestionWithdrawn { link: id });
                self.answer_link(asker, id, true, at_ms)?;
            }
            return Ok(Done::Asked { link: id });
        }
        self.check_links(asker, asked)?;
        self.newest_link += 1;
        let (link, stage) = (self.newest_link, Stage::Question { due_ms: at_ms + QUESTION_MS });
        let question = Link { is_file: !is_private, asker, asked, token, stage };
        Rc::make_mut(&mut self.links).insert(link, question);
        let from = self.name(asker).to_string();
        self.told_to(
            asked,
            match request {
                LinkRequest::Private => OwnedNotice::PrivateQuestion { link, from },
                LinkRequest::File { file, size } => {
                    OwnedNotice::FileQuestion { link, from, size: *size, file: file.to_string() }
                }
            },
        );
        Ok(Done::Asked { link })
    }

    fn check_links(&self, asker: User, asked: User) -> Result<(), No> {
        let full = |value: usize| No { value: Some(value as u64), ..No::plain(Refusal::LimitReached) };
        let links = || self.links.values();
        let own = links().filter(|link| link.has_end(asker) && (link.asker == asker || !link.is_question()));
        let questions = || links().filter(|link| link.asked == asked && link.is_question());
        if own.count() >= OWN_MAX {
            return Err(full(OWN_MAX));
        }
        if questions().filter(|link| link.asker == asker).count() >= PAIR_MAX {
            return Err(full(PAIR_MAX));
        }
        if questions().count() >= ASKED_MAX {
            return Err(full(ASKED_MAX));
        }
        Ok(())
    }

    fn told_to(&mut self, to: User, notice: OwnedNotice) {
        Rc::make_mut(&mut self.told).push(Told { to, notice });
    }

    fn link_of(&self, id: LinkId, holds: impl Fn(&Link) -> bool) -> Result<Link, No> {
        self.links.get(&id).filter(|link| holds(link)).cloned().ok_or_else(no_such_step)
    }

    fn set_stage(&mut self, id: LinkId, stage: Stage) {
        if let Some(link) = Rc::make_mut(&mut self.links).get_mut(&id) {
            link.stage = stage;
        }
    }

    fn remove_link(&mut self, id: LinkId) {
        Rc::make_mut(&mut self.links).remove(&id);
    }

    fn answer_link(&mut self, by: User, id: LinkId, yes: bool, at_ms: u64) -> Result<(), No> {
        let link = self.link_of(id, |link| link.is_question() && link.asked == by)?;
        if yes {
            let due_ms = (!link.is_file).then_some(at_ms + MEETING_MS);
            self.set_stage(id, Stage::Preparing { due_ms });
            self.told_to(link.preparing(), OwnedNotice::PrepareLink { link: id, token: link.token });
        } else {
            self.remove_link(id);
            self.told_to(link.asker, OwnedNotice::QuestionDeclined { link: id });
        }
        Ok(())
    }

    fn introduce(&mut self, by: User, id: LinkId, port: u16, at_ms: u64) -> Result<(), No> {
        let link =
            self.link_of(id, |link| matches!(link.stage, Stage::Preparing { .. }) && link.preparing() == by)?;
        let other = link.other(by);
        let present = |user| self.session(user).cloned().ok_or_else(no_such_step);
        let (here, there) = (present(by)?, present(other)?);
        let token = link.token;
        let introduction =
            |address: String, port| OwnedNotice::LinkIntroduction { link: id, token, address, port };
        // All addresses of the simulator can reach each other.
        if port != 0 && (!link.is_file || there.udp_port != 0) {
            self.told_to(other, introduction(here.address.to_string(), port));
            if link.is_file {
                self.told_to(by, introduction(there.address.to_string(), there.udp_port));
            }
            let due_ms = link.due_ms().unwrap_or(at_ms + MEETING_MS);
            self.set_stage(id, Stage::Trying { due_ms, up: None });
            return Ok(());
        }
        self.told_to(other, introduction(String::new(), 0));
        if link.is_file {
            self.told_to(by, introduction(String::new(), 0));
        }
        self.establish(id, &link, true);
        Ok(())
    }

    fn establish(&mut self, id: LinkId, link: &Link, relayed: bool) {
        self.set_stage(id, if relayed { Stage::Relayed { ended: None } } else { Stage::Direct });
        for end in [link.asked, link.asker] {
            self.told_to(end, OwnedNotice::LinkEstablished { link: id, relayed });
        }
    }

    fn reach(&mut self, by: User, id: LinkId) -> Result<(), No> {
        let link = self.link_of(id, |link| link.has_end(by))?;
        match link.stage {
            Stage::Trying { due_ms, up: None } => self.set_stage(id, Stage::Trying { due_ms, up: Some(by) }),
            Stage::Trying { up: Some(up), .. } if up != by => self.establish(id, &link, false),
            _ => return Err(no_such_step()),
        }
        Ok(())
    }

    fn end_link(&mut self, by: User, id: LinkId, stopped: bool) -> Result<(), No> {
        let ended_by = Stage::Relayed { ended: Some(by) };
        let link = self.link_of(id, |link| link.has_end(by) && link.stage != ended_by)?;
        let is_half = link.is_file && link.stage == (Stage::Relayed { ended: None });
        if is_half {
            self.set_stage(id, ended_by);
        } else {
            self.remove_link(id);
        }
        let notice = match link.stage {
            Stage::Question { .. } if by == link.asker => OwnedNotice::QuestionWithdrawn { link: id },
            Stage::Question { .. } => OwnedNotice::QuestionDeclined { link: id },
            Stage::Direct if !link.is_file => return Ok(()),
            Stage::Relayed { ended: Some(_) } => return Ok(()),
            _ => OwnedNotice::LinkEnded { link: id, stopped },
        };
        self.told_to(link.other(by), notice);
        Ok(())
    }

    /// A user leaves, or says that nothing more comes from it.
    pub(super) fn leave_links(&mut self, user: User) {
        let own: Vec<_> =
            self.links.iter().filter(|(_, link)| link.has_end(user)).map(|(id, _)| *id).collect();
        for id in own {
            let Some(link) = Rc::make_mut(&mut self.links).remove(&id) else { continue };
            let other = link.other(user);
            let notice = match link.stage {
                Stage::Question { .. } if user == link.asker => OwnedNotice::QuestionWithdrawn { link: id },
                Stage::Question { .. } if !link.is_file => OwnedNotice::QuestionDeclined { link: id },
                Stage::Relayed { ended: Some(end) } if end == other => continue,
                _ => OwnedNotice::LinkEnded { link: id, stopped: false },
            };
            self.told_to(other, notice);
        }
    }

    fn expire_link(&mut self, id: LinkId, due_ms: u64) -> Result<(), No> {
        let link = self.link_of(id, |link| link.due_ms() == Some(due_ms))?;
        if !link.is_question() {
            if let Stage::Preparing { .. } = link.stage {
                let (address, port) = (String::new(), 0);
                let token = link.token;
                self.told_to(
                    link.other(link.preparing()),
                    OwnedNotice::LinkIntroduction { link: id, token, address, port },
                );
            }
            self.establish(id, &link, true);
            return Ok(());
        }
        self.remove_link(id);
        self.told_to(link.asker, OwnedNotice::QuestionDeclined { link: id });
        self.told_to(link.asked, OwnedNotice::QuestionWithdrawn { link: id });
        Ok(())
    }

    /// Why the server would not pass on what a user says over a link.
    pub(super) fn judge_relay(&self, user: User, id: LinkId) -> Result<(), No> {
        let link = self.link_of(id, |link| link.has_end(user))?;
        match link.stage {
            Stage::Relayed { .. } if !link.is_file => Ok(()),
            _ => Err(No::named(Refusal::NotPrivate, self.name(link.other(user)))),
        }
    }

    /// The private link of two users.
    pub(super) fn private_between(&self, one: User, other: User) -> Option<(LinkId, &Link)> {
        let is_theirs = |link: &Link| !link.is_file && link.has_end(one) && link.has_end(other);
        self.links.iter().find(|(_, link)| is_theirs(link)).map(|(id, link)| (*id, link))
    }
}
