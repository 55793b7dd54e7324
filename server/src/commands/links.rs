//! Links on the server's side: it asks the other user, introduces two that agree to each other, and passes
//! on what they say if they can't meet. Who may do what with which link is decided by the table,
//! [`crate::links`]; here it is brought together with names, addresses and connections.

use std::net::IpAddr;

use forum_common::names::{FileName, UserName};
use forum_common::text::commands::word_of;
use forum_common::text::rejections::SelfDeed;
use forum_common::text::{Answer, Rejection};
use forum_common::wire::{Key, Limit, LinkId, Notice, Reply, Request, Tag};
use log::info;

use crate::core::Core;
use crate::forum::AccountId;
use crate::journal::Journal;
use crate::links::{
    Full, LINKS_OF_A_USER_MAX, Link, Purpose, QUESTIONS_OF_A_PAIR_MAX, QUESTIONS_TO_A_USER_MAX, Stage,
};
use crate::session::input::Taken;
use crate::session::{ConnectionId, Wait};

/// A member who asks for something, and the tag of its request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asker {
    pub(crate) connection: ConnectionId,
    pub(crate) tag: Tag,
    pub(crate) account: AccountId,
}

impl<J: Journal> Core<J> {
    /// Takes a request of a member about a link. Reports have no answer, so they wait for nothing.
    pub(crate) fn take_link(&mut self, connection: ConnectionId, tag: Tag, request: Request<'_>) -> Taken {
        let Some((account, in_flight)) = self.standing(connection) else { return Taken::Yes };
        match request {
            Request::AskPrivate { .. } | Request::OfferFile { .. } | Request::RelayText { .. } => {
                if in_flight {
                    return Taken::NotNow(Wait::OwnEntries);
                }
                self.take_link_command(Asker { connection, tag, account }, request);
            }
            Request::AnswerQuestion { link, yes } => {
                self.note_activity(connection);
                self.take_answer(account, link, yes);
            }
            Request::LinkListening { link, port } => self.take_listening(account, link, port),
            Request::LinkReached { link } => {
                if let Some(up) = self.links.up(link, account) {
                    self.tell_stands(link, &up);
                }
            }
            Request::EndLink { link, stopped } => {
                if stopped {
                    self.note_activity(connection);
                }
                self.take_end(account, link, stopped);
            }
            Request::RelayDatagram { link, datagram } => {
                self.relay_datagram(connection, account, link, datagram);
            }
            _ => debug_assert!(false, "{} is about no link", request.name()),
        }
        Taken::Yes
    }

    /// A command that the user typed: it is answered.
    fn take_link_command(&mut self, asker: Asker, request: Request<'_>) {
        let is_too_fast = self.too_fast(asker.connection);
        self.note_command(asker.connection, word_of(&request));
        let result = match request {
            _ if is_too_fast => Err(Rejection::SlowDown),
            Request::AskPrivate { user, enabled } => self.start_private(asker, user, enabled),
            Request::OfferFile { user, size, file } => self.offer_file(asker, user, size, file),
            Request::RelayText { link, text } => self.relay_text(asker, link, text),
            // Reports were dealt with before they came here.
            _ => Ok(()),
        };
        if let Err(no) = result {
            self.refuse(asker.connection, asker.tag, &no);
        }
    }

    /// `startprivate`.
    fn start_private(&mut self, asker: Asker, user: &str, enabled: bool) -> Result<(), Rejection> {
        let name = UserName::parse(user)?;
        let asked = self.reachable(asker.account, &name, SelfDeed::Message)?;
        let text = Answer::PrivateStarted { user: &name }.to_string();
        let present = self.links.private_between(asker.account, asked);
        match present {
            _ if enabled => Err(Rejection::AlreadyPrivate(name)),
            Some((_, link)) if !link.is_question() => Err(Rejection::AlreadyPrivate(name)),
            // One question is enough.
            Some((link, question)) if question.asker == asker.account => {
                self.outbox.reply(asker.connection, asker.tag, &Reply::Asked { link, text: &text });
                Ok(())
            }
            // The other one has asked already: asking back is a yes.
            Some((link, _)) => {
                self.outbox.reply(asker.connection, asker.tag, &Reply::Asked { link, text: &text });
                self.tell_link(asker.account, &Notice::QuestionWithdrawn { link });
                self.accept_link(asker.account, link);
                Ok(())
            }
            None => {
                self.check_room(asker.account, asked)?;
                let from = self.forum.name_of(asker.account).clone();
                let question = |link| Notice::PrivateQuestion { link, from: &from };
                self.ask(asker, asked, Purpose::Private, &text, question);
                Ok(())
            }
        }
    }

    /// `UDP`.
    fn offer_file(&mut self, asker: Asker, user: &str, size: u64, file: &str) -> Result<(), Rejection> {
        let (name, file) = (UserName::parse(user)?, FileName::parse(file)?);
        let asked = self.reachable(asker.account, &name, SelfDeed::Send)?;
        self.check_room(asker.account, asked)?;
        let from = self.forum.name_of(asker.account).clone();
        let question = |link| Notice::FileQuestion { link, from: &from, size, file: &file };
        self.ask(asker, asked, Purpose::File, "", question);
        Ok(())
    }

    /// The user of this name, whom `asker` may ask now.
    fn reachable(&self, asker: AccountId, name: &UserName, deed: SelfDeed) -> Result<AccountId, Rejection> {
        if name == self.forum.name_of(asker) {
            return Err(Rejection::NotToSelf(deed));
        }
        let asked = self.user(name)?;
        if self.forum.blocks.has(asked, asker) {
            return Err(Rejection::BlockedByUser);
        }
        match (self.online.find(asked), deed) {
            (Some(_), _) => Ok(asked),
            (None, SelfDeed::Message) => Err(Rejection::OfflineForPrivate(name.clone())),
            (None, _) => Err(Rejection::Offline(name.clone())),
        }
    }

    fn check_room(&self, asker: AccountId, asked: AccountId) -> Result<(), Rejection> {
        self.links.check_room(asker, asked).map_err(|full| match full {
            Full::LinksOfAsker => Rejection::LimitReached(Limit::Links, LINKS_OF_A_USER_MAX as u64),
            Full::QuestionsOfPair => {
                Rejection::LimitReached(Limit::PairQuestions, QUESTIONS_OF_A_PAIR_MAX as u64)
            }
            Full::QuestionsToAsked => {
                Rejection::LimitReached(Limit::Questions, QUESTIONS_TO_A_USER_MAX as u64)
            }
        })
    }

    /// Asks the other user, and says so to the one who asks. One whose client reads nothing says no at once:
    /// questions must not pile up in front of it. Likewise one whose client will say nothing more.
    fn ask<'q>(
        &mut self,
        asker: Asker,
        asked: AccountId,
        purpose: Purpose,
        text: &str,
        question: impl FnOnce(LinkId) -> Notice<'q>,
    ) {
        if self.reads_too_slowly(asked) || self.has_said_all(asked) {
            let link = self.links.new_id();
            self.outbox.reply(asker.connection, asker.tag, &Reply::Asked { link, text });
            self.tell_link(asker.account, &Notice::QuestionDeclined { link });
            return;
        }
        let link = self.links.ask(purpose, asker.account, asked, self.time.now);
        self.outbox.reply(asker.connection, asker.tag, &Reply::Asked { link, text });
        // Nobody is asked by somebody who has not come yet.
        self.publish_comings();
        self.tell_link(asked, &question(link));
    }

    /// Whether a user's client has sent FIN, and so can't answer.
    fn has_said_all(&self, account: AccountId) -> bool {
        let session = self.online.find(account).and_then(|user| self.sessions.get(user.connection));
        session.is_some_and(|session| session.input_ended)
    }

    fn take_answer(&mut self, by: AccountId, id: LinkId, yes: bool) {
        if yes {
            self.accept_link(by, id);
        } else if let Some(link) = self.links.decline(id, by) {
            self.tell_link(link.asker, &Notice::QuestionDeclined { link: id });
        }
    }

    fn accept_link(&mut self, by: AccountId, id: LinkId) {
        let token = random_token();
        if let Some(link) = self.links.accept(id, by, token, self.time.now) {
            self.tell_link(link.preparing_end(), &Notice::PrepareLink { link: id, token });
        }
    }

    /// One end can be reached, or says that it can't: introduces the two, unless they can't meet.
    fn take_listening(&mut self, by: AccountId, id: LinkId, port: u16) {
        let Some((link, token)) = self.links.prepared(id, by) else { return };
        let other = link.other(by);
        let (Some(here), Some(there)) = (self.online.find(by), self.online.find(other)) else { return };
        let (here_ip, there_ip) = (here.address, there.address);
        let there_port = there.udp_port;
        let has_ports = port != 0 && (link.purpose == Purpose::Private || there_port != 0);
        let can_meet = has_ports && can_meet(here_ip, there_ip);
        if can_meet {
            self.links.introduce(id, self.time.now);
            self.tell_link(other, &introduction(id, token, &here_ip.to_string(), port));
            if link.purpose == Purpose::File {
                self.tell_link(by, &introduction(id, token, &there_ip.to_string(), there_port));
            }
            return;
        }
        // What is sent of a file bears the token, whichever way it takes.
        if link.purpose == Purpose::File {
            for end in [other, by] {
                self.tell_link(end, &introduction(id, token, "", 0));
            }
        }
        self.relay_link(id);
    }

    fn relay_link(&mut self, id: LinkId) {
        if let Some(link) = self.links.relay(id) {
            self.tell_stands(id, &link);
        }
    }

    /// Tells both ends that the link stands. The one who was asked hears it first: when the other shows the
    /// yes, it can be answered.
    fn tell_stands(&mut self, id: LinkId, link: &Link) {
        let relayed = matches!(link.stage, Stage::Relayed { .. });
        self.log_link(id, link, if relayed { "through the server" } else { "direct" });
        for end in [link.asked, link.asker] {
            self.tell_link(end, &Notice::LinkEstablished { link: id, relayed });
        }
    }

    /// One end has done with a link.
    fn take_end(&mut self, by: AccountId, id: LinkId, stopped: bool) {
        let Some(link) = self.links.end(id, by) else { return };
        let other = link.other(by);
        match (link.stage, link.purpose) {
            (Stage::Question { .. }, _) if by == link.asker => {
                self.tell_link(other, &Notice::QuestionWithdrawn { link: id });
            }
            (Stage::Question { .. }, _) => self.tell_link(other, &Notice::QuestionDeclined { link: id }),
            // The ends tell each other, behind their last texts.
            (Stage::Direct, Purpose::Private) => self.log_link(id, &link, "ended"),
            // The other end has ended it before.
            (Stage::Relayed { ended: Some(_) }, _) => {}
            _ => {
                self.log_link(id, &link, "ended");
                self.tell_link(other, &Notice::LinkEnded { link: id, stopped });
            }
        }
    }

    /// Takes back all links of a user who is not online any more.
    pub(crate) fn leave_links(&mut self, account: AccountId) {
        for (id, link) in self.links.remove_all_of(account) {
            let other = link.other(account);
            match (link.stage, link.purpose) {
                (Stage::Question { .. }, _) if account == link.asker => {
                    self.tell_link(other, &Notice::QuestionWithdrawn { link: id });
                }
                (Stage::Question { .. }, Purpose::Private) => {
                    self.tell_link(other, &Notice::QuestionDeclined { link: id });
                }
                (Stage::Question { .. }, Purpose::File) => {
                    self.tell_link(other, &Notice::LinkEnded { link: id, stopped: false });
                }
                (Stage::Relayed { ended: Some(end) }, _) if end == other => {}
                _ => {
                    self.log_link(id, &link, "ended");
                    self.tell_link(other, &Notice::LinkEnded { link: id, stopped: false });
                }
            }
        }
    }

    /// Decides on links whose time is up: no answer is a no, and who has not met is helped.
    pub(crate) fn expire_links(&mut self) {
        while let Some((id, link)) = self.links.overdue(self.time.now) {
            if link.is_question() {
                self.links.remove(id);
                self.tell_link(link.asker, &Notice::QuestionDeclined { link: id });
                self.tell_link(link.asked, &Notice::QuestionWithdrawn { link: id });
            } else {
                self.relay_link(id);
            }
        }
    }

    /// Tells one user, behind what was said to all before.
    pub(crate) fn tell_link(&mut self, to: AccountId, notice: &Notice<'_>) {
        self.publish_said();
        if let Some(connection) = self.online.find(to).map(|user| user.connection) {
            self.outbox.notify(connection, notice);
        }
    }

    fn log_link(&self, id: LinkId, link: &Link, what: &str) {
        let (asker, asked) = (self.forum.name_of(link.asker), self.forum.name_of(link.asked));
        let purpose = match link.purpose {
            Purpose::Private => "private",
            Purpose::File => "file",
        };
        info!("{asker} and {asked}: {purpose} link {id} {what}");
    }
}

/// Whether a request is about a link between two users.
pub(crate) fn is_about_link(request: &Request<'_>) -> bool {
    matches!(request.kind(), 0x50..=0x5f)
}

/// Whether one address can be reached from the other, as far as anybody can tell who has seen both.
fn can_meet(here: IpAddr, there: IpAddr) -> bool {
    here.is_ipv4() == there.is_ipv4() && here.is_loopback() == there.is_loopback()
}

fn introduction(link: LinkId, token: Key, address: &str, port: u16) -> Notice<'_> {
    Notice::LinkIntroduction { link, token, address, port }
}

fn random_token() -> Key {
    let mut token = Key::default();
    getrandom::fill(&mut token).expect("a system on which Rust's hash maps work has random bytes");
    token
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
