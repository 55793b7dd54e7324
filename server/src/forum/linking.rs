//! What becomes of links: who may ask whom, what each step comes to, and who is told what. How far a link has come
//! is the table's business, `forum::links`.

use core::net::{IpAddr, SocketAddr};

use forum_common::wire::LinkId;

use super::{AccountId, Forum, Link, LinkNews, LinkProgress, LinkStep, Purpose, Refused, Stage, Token};
use crate::planted::{Bug, planted};

/// What it comes to when somebody asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asking {
    /// A question more.
    New,
    /// The same question is open: one is enough.
    Again(LinkId, Link),
    /// The other user has asked the same: asking back is a yes.
    Back(LinkId),
}

impl LinkStep {
    fn new(id: LinkId, link: Link, progress: LinkProgress, told: Vec<(AccountId, LinkNews)>) -> Self {
        Self { id, link, progress, told }
    }

    /// The link stands. The one who was asked hears it first: when the other shows the yes, it can be answered.
    fn established(id: LinkId, link: Link, told: Vec<(AccountId, LinkNews)>) -> Self {
        let relayed = matches!(link.stage, Stage::Relayed { .. });
        let progress = if relayed { LinkProgress::Relayed } else { LinkProgress::Direct };
        let news = LinkNews::Established { relayed };
        let told = told.into_iter().chain([(link.asked, news), (link.asker, news)]).collect();
        Self::new(id, link, progress, told)
    }

    /// An end has done with a link, which was as it is here before.
    fn ended(id: LinkId, link: Link, by: AccountId, stopped: bool) -> Self {
        let other = link.other(by);
        let (progress, news) = match (link.stage, link.purpose) {
            (Stage::Question { .. }, _) if by == link.asker => {
                (LinkProgress::NotAgreed, Some(LinkNews::Withdrawn))
            }
            (Stage::Question { .. }, _) => (LinkProgress::NotAgreed, Some(LinkNews::Declined)),
            // The ends tell each other, after their last texts.
            (Stage::Direct, Purpose::Private) => (LinkProgress::Ended, None),
            (Stage::Relayed { ended: None }, Purpose::File) => {
                (LinkProgress::HalfEnded, Some(LinkNews::Ended { stopped }))
            }
            // The other end has ended it before.
            (Stage::Relayed { ended: Some(_) }, _) => (LinkProgress::Ended, None),
            _ => (LinkProgress::Ended, Some(LinkNews::Ended { stopped })),
        };
        Self::new(id, link, progress, news.map(|news| (other, news)).into_iter().collect())
    }

    /// An end has left the server. Nothing is left of the link.
    pub(super) fn left(id: LinkId, link: Link, by: AccountId) -> Self {
        let other = link.other(by);
        let (progress, news) = match (link.stage, link.purpose) {
            (Stage::Question { .. }, _) if by == link.asker => {
                (LinkProgress::NotAgreed, Some(LinkNews::Withdrawn))
            }
            (Stage::Question { .. }, Purpose::Private) => (LinkProgress::NotAgreed, Some(LinkNews::Declined)),
            // The sender is told that the receiver is gone, not that it said no.
            (Stage::Question { .. }, Purpose::File) => {
                (LinkProgress::NotAgreed, Some(LinkNews::Ended { stopped: false }))
            }
            (Stage::Relayed { ended: Some(end) }, _) if end == other => (LinkProgress::Ended, None),
            _ => (LinkProgress::Ended, Some(LinkNews::Ended { stopped: false })),
        };
        Self::new(id, link, progress, news.map(|news| (other, news)).into_iter().collect())
    }
}

impl Forum {
    /// Whether `asker` may ask `asked` for a link at all now.
    ///
    /// # Errors
    /// They are the same, the asked one has blocked the asker, or is not online.
    pub fn check_reachable(
        &self,
        asker: AccountId,
        asked: AccountId,
        purpose: Purpose,
    ) -> Result<(), Refused> {
        if asker == asked {
            return Err(Refused::NotToSelf(purpose));
        }
        let account = self.accounts.get(asked).ok_or(Refused::NoSuchAccount)?;
        if self.blocks.has(asked, asker) && !planted(Bug::QuestionReachesWhoHasBlockedTheAsker) {
            return Err(Refused::BlockedByUser);
        }
        match self.online.find(asked) {
            Some(_) => Ok(()),
            None => Err(Refused::Offline(account.name.clone(), purpose)),
        }
    }

    pub(super) fn check_ask(
        &self,
        asker: AccountId,
        asked: AccountId,
        purpose: Purpose,
    ) -> Result<Asking, Refused> {
        self.check_reachable(asker, asked, purpose)?;
        let present = match purpose {
            Purpose::Private => self.links.private_between(asker, asked),
            Purpose::File => None,
        };
        match present {
            Some((_, link)) if !link.is_question() => {
                Err(Refused::AlreadyPrivate(self.name_of(asked).clone()))
            }
            Some((id, question)) if question.asker == asker => Ok(Asking::Again(id, question)),
            Some((id, _)) => Ok(Asking::Back(id)),
            None => {
                self.links.check_room(asker, asked).map_err(Refused::TooManyLinks)?;
                Ok(Asking::New)
            }
        }
    }

    pub(super) fn ask_link(
        &mut self,
        asker: AccountId,
        asked: AccountId,
        purpose: Purpose,
        token: Token,
        at_ms: u64,
    ) -> Result<LinkStep, Refused> {
        match self.check_ask(asker, asked, purpose)? {
            Asking::New => {
                let (id, link) = self.links.ask(purpose, asker, asked, token, at_ms);
                Ok(LinkStep::new(id, link, LinkProgress::Asked, vec![(asked, LinkNews::Question)]))
            }
            Asking::Again(id, link) => Ok(LinkStep::new(id, link, LinkProgress::Asked, Vec::new())),
            Asking::Back(id) => {
                let mut step = self.answer_link(asker, id, true, at_ms)?;
                step.told.insert(0, (asker, LinkNews::Withdrawn));
                Ok(step)
            }
        }
    }

    pub(super) fn answer_link(
        &mut self,
        by: AccountId,
        id: LinkId,
        yes: bool,
        at_ms: u64,
    ) -> Result<LinkStep, Refused> {
        if yes {
            let link = self.links.accept(id, by, at_ms)?;
            let told = vec![(link.preparing_end(), LinkNews::Prepare { token: link.token })];
            return Ok(LinkStep::new(id, link, LinkProgress::Agreed, told));
        }
        let link = self.links.open_question(id, by)?;
        self.links.remove(id);
        Ok(LinkStep::new(id, link, LinkProgress::NotAgreed, vec![(link.asker, LinkNews::Declined)]))
    }

    /// One end can be reached, or says that it can't: introduces the two, unless they can't meet.
    pub(super) fn introduce_link(
        &mut self,
        by: AccountId,
        id: LinkId,
        port: u16,
        at_ms: u64,
    ) -> Result<LinkStep, Refused> {
        let link = self.links.prepared(id, by)?;
        let other = link.other(by);
        let (Some(here), Some(there)) = (self.online.find(by), self.online.find(other)) else {
            debug_assert!(false, "links end with the sessions of their ends");
            return Err(Refused::NoSuchStep);
        };
        let introduction = |address| LinkNews::Introduction { token: link.token, address };
        let has_ports = port != 0 && (link.purpose == Purpose::Private || there.udp_port != 0);
        if has_ports && can_meet(here.address, there.address) {
            let mut told = vec![(other, introduction(Some(SocketAddr::new(here.address, port))))];
            if link.purpose == Purpose::File {
                told.push((by, introduction(Some(SocketAddr::new(there.address, there.udp_port)))));
            }
            let link = self.links.introduce(id, by, at_ms)?;
            return Ok(LinkStep::new(id, link, LinkProgress::Trying, told));
        }
        // What is sent of a file bears the token, whichever way it takes.
        let told = match link.purpose {
            Purpose::File => vec![(other, introduction(None)), (by, introduction(None))],
            Purpose::Private => vec![(other, introduction(None))],
        };
        Ok(LinkStep::established(id, self.links.relay(id)?, told))
    }

    pub(super) fn reach_link(&mut self, by: AccountId, id: LinkId) -> Result<LinkStep, Refused> {
        let link = self.links.reached(id, by)?;
        Ok(match link.stage {
            Stage::Direct => LinkStep::established(id, link, Vec::new()),
            _ => LinkStep::new(id, link, LinkProgress::Trying, Vec::new()),
        })
    }

    pub(super) fn end_link(&mut self, by: AccountId, id: LinkId, stopped: bool) -> Result<LinkStep, Refused> {
        Ok(LinkStep::ended(id, self.links.end(id, by)?, by, stopped))
    }

    /// No answer is a no, and who has not met is helped.
    pub(super) fn expire_link(&mut self, id: LinkId, due_ms: u64) -> Result<LinkStep, Refused> {
        let link = self.links.due_at(id, due_ms)?;
        if !link.is_question() {
            // Who waits for the other's port has no token yet.
            let waits = matches!(link.stage, Stage::Preparing { .. });
            let news = LinkNews::Introduction { token: link.token, address: None };
            let told = waits.then_some((link.other(link.preparing_end()), news)).into_iter().collect();
            return Ok(LinkStep::established(id, self.links.relay(id)?, told));
        }
        self.links.remove(id);
        let told = vec![(link.asker, LinkNews::Declined), (link.asked, LinkNews::Withdrawn)];
        Ok(LinkStep::new(id, link, LinkProgress::NotAgreed, told))
    }
}

/// Whether one address can be reached from the other, as far as anybody can tell who has seen both.
fn can_meet(here: IpAddr, there: IpAddr) -> bool {
    here.is_ipv4() == there.is_ipv4() && here.is_loopback() == there.is_loopback()
}

#[cfg(test)]
mod tests {
    use super::can_meet;

    #[test]
    fn addresses_of_two_families_never_meet_and_loopback_only_itself() {
        let meet = |here: &str, there: &str| can_meet(here.parse().unwrap(), there.parse().unwrap());
        assert!(meet("127.0.0.1", "127.0.0.9") && meet("::1", "::1"));
        assert!(meet("192.0.2.1", "10.0.0.1") && meet("2001:db8::1", "2001:db8::2"));
        for (here, there) in
            [("127.0.0.1", "192.0.2.1"), ("::1", "2001:db8::1"), ("192.0.2.1", "2001:db8::1")]
        {
            assert!(!meet(here, there) && !meet(there, here), "{here} {there}");
        }
    }
}
