//! Links between two users: `startprivate` and `UDP`, and what the ends report. What becomes of a link is decided by
//! the forum ([`crate::forum::Links`]); here requests become its entries, and what it says is told.

use std::time::{Duration, Instant};

use forum_common::names::{FileName, UserName};
use forum_common::text::{Answer, Rejection};
use forum_common::wire::{LinkId, Notice, Reply, Request, Tag};
use log::info;

use super::people::user_named;
use super::{Asker, View};
use crate::core::Core;
use crate::core::pipeline::Origin;
use crate::forum::{
    AccountId, Change, Entry, LinkNews, LinkProgress, LinkRequest, LinkStep, Passing, Purpose,
    QUESTION_OPEN_MS,
};
use crate::journal::Journal;
use crate::session::ConnectionId;

/// Whether a request is a report of a link's end. It has no answer and waits for nothing.
pub(crate) fn is_report(request: &Request<'_>) -> bool {
    matches!(
        request,
        Request::AnswerQuestion { .. }
            | Request::LinkListening { .. }
            | Request::LinkReached { .. }
            | Request::EndLink { .. }
            | Request::RelayDatagram { .. }
    )
}

/// `startprivate`.
pub(super) fn ask_private(
    view: View<'_>,
    asker: Asker,
    user: &str,
    is_enabled: bool,
) -> Result<Change, Rejection> {
    let name = UserName::parse(user)?;
    let asked = user_named(view, &name)?;
    if is_enabled {
        view.forum.check_reachable(asker.account, asked, Purpose::Private)?;
        return Err(Rejection::AlreadyPrivate(name));
    }
    Ok(ask_link(view, asker, asked, LinkRequest::Private))
}

/// `UDP`.
pub(super) fn offer_file(
    view: View<'_>,
    asker: Asker,
    user: &str,
    size: u64,
    file: &str,
) -> Result<Change, Rejection> {
    let (name, file) = (UserName::parse(user)?, FileName::parse(file)?);
    Ok(ask_link(view, asker, user_named(view, &name)?, LinkRequest::File { file, size }))
}

fn ask_link(view: View<'_>, asker: Asker, user: AccountId, request: LinkRequest) -> Change {
    Passing::AskLink { session: asker.session, user, request, token: view.random.bytes() }.into()
}

impl<J: Journal> Core<J> {
    /// Takes what an end of a link reports.
    pub(crate) fn take_report(&mut self, id: ConnectionId, account: AccountId, request: Request<'_>) {
        let passing = match request {
            Request::AnswerQuestion { link, yes } => {
                self.note_activity(id);
                Passing::AnswerLink { link, yes }
            }
            Request::LinkListening { link, port } => Passing::LinkListening { link, port },
            Request::LinkReached { link } => Passing::LinkReached { link },
            Request::EndLink { link, stopped } => {
                if stopped {
                    self.note_activity(id);
                }
                Passing::EndLink { link, stopped }
            }
            Request::RelayDatagram { link, datagram } => {
                return self.relay_datagram(id, account, link, datagram);
            }
            _ => return debug_assert!(false, "{} is no report", request.name()),
        };
        // What is too late already needs no place in the log.
        let change = passing.into();
        if self.forum.check(Some(account), &change).is_ok() {
            self.propose(Origin::Nobody, Some(account), change);
        }
    }

    /// Nothing more comes from a client: its links end.
    pub(crate) fn leave_links(&mut self, id: ConnectionId, account: AccountId) {
        let session = self.session_id(id);
        self.propose(Origin::Nobody, Some(account), Passing::LeaveLinks { session }.into());
    }

    /// Answers who has asked a user for a link.
    pub(crate) fn answer_link(
        &mut self,
        id: ConnectionId,
        tag: Tag,
        user: AccountId,
        request: &LinkRequest,
        step: &LinkStep,
    ) {
        let text = match request {
            LinkRequest::Private => Answer::PrivateStarted { user: self.forum.name_of(user) }.to_string(),
            LinkRequest::File { .. } => String::new(),
        };
        self.outbox.reply(id, tag, &Reply::Asked { link: step.id, text: &text });
    }

    /// Tells the ends of a link what has become of it.
    pub(crate) fn tell_link(&mut self, entry: &Entry, step: &LinkStep) {
        self.log_link(step);
        // The goodbye says it all when the server ends.
        if !self.is_accepting() {
            return;
        }
        for (to, news) in &step.told {
            match *news {
                LinkNews::Question => self.tell_question(*to, entry, step),
                LinkNews::Introduction { address: Some(address), .. } => {
                    self.tell_user(*to, &notice(step.id, *news, &address.ip().to_string()));
                }
                _ => self.tell_user(*to, &notice(step.id, *news, "")),
            }
        }
    }

    /// Asks a user. For one whose client reads nothing its node says no at once: questions must not pile up in front
    /// of it. Likewise for one whose client will say nothing more.
    fn tell_question(&mut self, to: AccountId, entry: &Entry, step: &LinkStep) {
        let Some(connection) = self.connection_of(to) else { return };
        let has_said_all = self.sessions.get(connection).is_none_or(|session| session.input_ended);
        if has_said_all || self.reads_too_slowly(to) {
            let no = Passing::AnswerLink { link: step.id, yes: false };
            return self.propose(Origin::Nobody, Some(to), no.into());
        }
        let Change::Passing(Passing::AskLink { request, .. }) = &entry.change else { return };
        let (link, from) = (step.id, self.forum.name_of(step.link.asker).clone());
        let question = match request {
            LinkRequest::Private => Notice::PrivateQuestion { link, from: &from },
            LinkRequest::File { file, size } => Notice::FileQuestion { link, from: &from, size: *size, file },
        };
        self.tell_user(to, &question);
    }

    /// Whether it is for this node to order the expiry of a link, and it has not done so: the asker is one of its users.
    fn is_to_expire(&self, id: LinkId) -> bool {
        let asker = self.forum.links.asker(id);
        asker.is_some_and(|asker| self.connection_of(asker).is_some()) && !self.expiring_links.contains(&id)
    }

    /// When the next link falls due whose expiry is for this node to order.
    pub(crate) fn next_link_due(&self) -> Option<Instant> {
        let (_, due_ms) = self.forum.links.deadlines().find(|(id, _)| self.is_to_expire(*id))?;
        let ahead_ms = due_ms.saturating_sub(self.time.now_ms).min(QUESTION_OPEN_MS);
        Some(self.time.now + Duration::from_millis(ahead_ms))
    }

    /// Orders the end of what waits for too long.
    pub(crate) fn expire_links(&mut self) {
        let overdue = self.forum.links.overdue(self.time.now_ms);
        let overdue: Vec<_> = overdue.filter(|(id, _)| self.is_to_expire(*id)).collect();
        for (link, due_ms) in overdue {
            self.expiring_links.insert(link);
            let expire = Passing::ExpireLink { link, due_ms };
            self.propose(Origin::ExpireLink(link), None, expire.into());
        }
    }

    fn log_link(&self, step: &LinkStep) {
        let what = match step.progress {
            LinkProgress::Relayed => "through the server",
            LinkProgress::Direct => "direct",
            LinkProgress::Ended | LinkProgress::HalfEnded => "ended",
            LinkProgress::Asked | LinkProgress::NotAgreed | LinkProgress::Agreed | LinkProgress::Trying => {
                return;
            }
        };
        let (asker, asked) = (self.forum.name_of(step.link.asker), self.forum.name_of(step.link.asked));
        let purpose = match step.link.purpose {
            Purpose::Private => "private",
            Purpose::File => "file",
        };
        info!("{asker} and {asked}: {purpose} link {} {what}", step.id);
    }
}

/// What an end of a link is told; `ip` is the address of an introduction.
fn notice(link: LinkId, news: LinkNews, ip: &str) -> Notice<'_> {
    match news {
        LinkNews::Question | LinkNews::Withdrawn => Notice::QuestionWithdrawn { link },
        LinkNews::Declined => Notice::QuestionDeclined { link },
        LinkNews::Prepare { token } => Notice::PrepareLink { link, token },
        LinkNews::Introduction { token, address } => {
            let port = address.map_or(0, |address| address.port());
            Notice::LinkIntroduction { link, token, address: ip, port }
        }
        LinkNews::Established { relayed } => Notice::LinkEstablished { link, relayed },
        LinkNews::Ended { stopped } => Notice::LinkEnded { link, stopped },
    }
}
