//! Messages to one user: stored first, then written to the receiver as its socket drains, and kept until its
//! client says that it has them. The mailbox itself is the queue, so nothing piles up in front of a slow
//! receiver.

use forum_common::names::{Text, UserName};
use forum_common::text::Rejection;
use forum_common::text::rejections::SelfDeed;
use forum_common::wire::Notice;

use super::View;
use super::people::user_named;
use crate::core::Core;
use crate::core::acks::Of;
use crate::core::limits::Subject;
use crate::core::pipeline::Origin;
use crate::forum::{AccountId, Change, MailNumber};
use crate::journal::Journal;
use crate::planted::{Bug, planted};
use crate::session::input::{ProtocolError, Taken};
use crate::session::{ConnectionId, Member};

/// `message`.
pub(super) fn message(view: View<'_>, from: AccountId, user: &str, text: &str) -> Result<Change, Rejection> {
    let (user, text) = (UserName::parse(user)?, Text::parse(text)?);
    let to = user_named(view, &user)?;
    if to == from {
        return Err(Rejection::NotToSelf(SelfDeed::Message));
    }
    // A blocked user learns of the block, not how full the mailbox is.
    if !view.forum.blocks.has(to, from) && mailbox_is_full(view, to, text.len()) {
        return Err(Rejection::MailboxFull(user));
    }
    Ok(Change::SendMessage { to, text })
}

fn mailbox_is_full(view: View<'_>, owner: AccountId, bytes: usize) -> bool {
    let limits = view.limits;
    let (messages, stored) =
        view.forum.mail.of(owner).map_or((0, 0), |mailbox| (mailbox.len(), mailbox.bytes()));
    let subject = Subject::MailTo(owner);
    let bytes_in_flight = view.in_flight.of(&subject).bytes as usize;
    view.in_flight.reaches(limits.max_mailbox_messages, messages, &subject)
        || stored + bytes_in_flight + bytes > limits.max_mailbox_bytes
}

impl<J: Journal> Core<J> {
    /// Up to which message a mailbox waits when its owner logs in.
    pub(crate) fn backlog_of(&self, account: AccountId) -> MailNumber {
        self.forum.mail.of(account).map_or(MailNumber(0), |mailbox| mailbox.newest())
    }

    /// Writes the messages that wait, as many as the socket's queue may hold.
    pub(crate) fn deliver(&mut self, id: ConnectionId) {
        let backlog = self.sessions.member(id).map_or(MailNumber(0), Member::backlog);
        self.deliver_backlog(id, backlog);
    }

    /// The same; says whether all up to `backlog`, which had waited for the log-in, are written.
    pub(crate) fn deliver_backlog(&mut self, id: ConnectionId, backlog: MailNumber) -> bool {
        let Some(member) = self.sessions.member(id) else { return true };
        let (account, mut delivery) = (member.account, member.mail);
        if self.waits_for_earlier_session(member) {
            return false;
        }
        if self.forum.mail.of(account).is_none_or(|mailbox| mailbox.newest() <= delivery.sent) {
            return true;
        }
        while !self.has_enough_queued(id)
            && let Some((number, mail)) =
                self.forum.mail.of(account).and_then(|mailbox| mailbox.first_behind(delivery.sent))
        {
            let notice = Notice::Message {
                number: number.0,
                late: number <= backlog,
                at_ms: mail.at_ms,
                from: self.forum.name_of(mail.from),
                text: &mail.text,
            };
            self.outbox.deliver(id, &notice);
            let left_out = u64::from(planted(Bug::MessageIsLeftOut));
            delivery.sent = MailNumber(number.0 + left_out);
        }
        let rest = self.forum.mail.of(account).and_then(|mailbox| mailbox.first_behind(delivery.sent));
        let done = rest.is_none_or(|(number, _)| number > backlog);
        if let Some(member) = self.sessions.member_mut(id) {
            member.mail = delivery;
        }
        done
    }

    /// Whether what an earlier session took is on its way: it must be gone before anything is written again.
    pub(crate) fn waits_for_earlier_session(&self, member: &Member) -> bool {
        member.mail.sent == MailNumber(0) && self.acks.is_in_flight(Of::Mail(member.account))
    }

    /// Whether messages wait that were not written yet.
    pub(crate) fn has_mail(&self, id: ConnectionId) -> bool {
        let Some(member) = self.sessions.member(id) else { return false };
        let mailbox = self.forum.mail.of(member.account);
        mailbox.is_some_and(|mailbox| mailbox.first_behind(member.mail.sent).is_some())
    }

    /// A client says up to which message it has them all; a last time perhaps behind its goodbye.
    pub(crate) fn take_ack(&mut self, id: ConnectionId, up_to: u64) -> Result<Taken, ProtocolError> {
        let Some(session) = self.sessions.get_mut(id) else { return Ok(Taken::Yes) };
        let is_draining = session.is_draining();
        let Some((account, delivery)) = session.delivery_mut() else { return Ok(Taken::Yes) };
        let up_to = MailNumber(up_to);
        if self.forum.mail.of(account).is_none_or(|mailbox| up_to > mailbox.newest()) && up_to.0 > 0 {
            return Err(ProtocolError(format!(
                "Message {} was acknowledged, and there never was one",
                up_to.0
            )));
        }
        // It may have come on an earlier connection; then it need not come again.
        delivery.taken = delivery.taken.max(up_to);
        delivery.sent = delivery.sent.max(up_to);
        // One such entry of a user at a time: what is taken meanwhile goes with the next.
        if is_draining || !self.acks.is_in_flight(Of::Mail(account)) {
            self.propose_taken(id);
        }
        Ok(Taken::Yes)
    }

    /// Proposes what a client has taken and what no entry says yet.
    pub(crate) fn propose_taken(&mut self, id: ConnectionId) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        let Some((account, delivery)) = session.delivery_mut() else { return };
        let up_to = delivery.taken;
        if up_to <= delivery.proposed {
            return;
        }
        delivery.proposed = up_to;
        self.acks.begin(Of::Mail(account));
        self.propose(Origin::Acknowledged(Of::Mail(account)), Some(account), Change::TakeMessages { up_to });
    }
}
