//! The messenger's commands: to one, to all, who is there, and who is to be heard.

use forum_common::frame::Tag;
use forum_common::names::{Text, UserName};
use forum_common::notice::Notice;
use forum_common::refusal::Refusal;

use super::{No, Service};
use crate::clock::Clock;
use crate::connection::Stream;
use crate::forum::{AccountId, Change};
use crate::journal::Journal;
use crate::session::{PeerId, Task};

impl<S: Stream, J: Journal, C: Clock> Service<S, J, C> {
    /// `message`.
    pub(super) fn message(&self, from: AccountId, user: &str, text: &str) -> Result<Change, No> {
        let (user, text) = (UserName::parse(user)?, Text::parse(text)?);
        let to = self.user(&user)?;
        if to == from {
            return Err(No(Refusal::NotToSelf, "Error. Cannot message self".into()));
        }
        // Whoever is blocked learns that, not how full the mailbox is.
        if !self.forum.blocks.has(to, from) && self.mailbox_is_full(to, text.len()) {
            return Err(No(Refusal::MailboxFull, format!("{user}'s mailbox is full")));
        }
        Ok(Change::SendMessage { to, text })
    }

    fn mailbox_is_full(&self, owner: AccountId, bytes: usize) -> bool {
        let limits = &self.settings.limits;
        let (messages, stored) =
            self.forum.mail.of(owner).map_or((0, 0), |mailbox| (mailbox.len(), mailbox.bytes()));
        let is_mail_there =
            |change: &Change| matches!(change, Change::SendMessage { to, .. } if *to == owner);
        let in_flight = || {
            self.sum_pending(|change| match change {
                Change::SendMessage { to, text } if *to == owner => text.len(),
                _ => 0,
            })
        };
        self.reaches(limits.max_mailbox_messages, messages, is_mail_there)
            || (stored + bytes + self.pending_bytes() > limits.max_mailbox_bytes
                && stored + bytes + in_flight() > limits.max_mailbox_bytes)
    }

    /// `broadcast`: to everyone online at this moment, stored nowhere.
    pub(super) fn broadcast(&mut self, from: AccountId, text: &str) -> Result<(), No> {
        let text = Text::parse(text)?;
        let (name, excluded) = (self.forum.name_of(from).clone(), self.forum.blocks.of(from));
        if self.tell_all(from, &excluded, &Notice::Broadcast { from: &name, text: &text }) {
            let text = "Your message could not be delivered to some recipients";
            return Err(No(Refusal::NotToAll, text.into()));
        }
        Ok(())
    }

    /// `whoelse`, and with a number of seconds `whoelsesince`.
    pub(super) fn who_else(
        &mut self,
        id: PeerId,
        tag: Tag,
        asker: AccountId,
        seconds: Option<&str>,
    ) -> Result<(), No> {
        let gone_since_ms = match seconds.map(parse_seconds) {
            None => None,
            Some(Some(seconds)) => Some(self.now_ms.saturating_sub(seconds.saturating_mul(1_000))),
            Some(None) => return Err(No(Refusal::InvalidNumber, "Invalid number".into())),
        };
        let listing = self.online.list(asker, self.forum.blocks.of(asker), gone_since_ms);
        self.begin(id, Task::ListingUsers(tag, Box::new(listing)));
        Ok(())
    }

    /// `block`.
    pub(super) fn block(&self, actor: AccountId, user: &str) -> Result<Change, No> {
        let user = self.other_user(actor, user, "Error. Cannot block self")?;
        let limit = self.settings.limits.max_blocks;
        let count = self.forum.blocks.by(actor).len();
        let pending = |pending: &Change| matches!(pending, Change::Block { .. });
        if !self.forum.blocks.has(actor, user) && self.reaches(limit, count, pending) {
            return Err(No::limit(format_args!("{limit} blocked users")));
        }
        Ok(Change::Block { user })
    }

    /// `unblock`.
    pub(super) fn unblock(&self, actor: AccountId, user: &str) -> Result<Change, No> {
        Ok(Change::Unblock { user: self.other_user(actor, user, "Error. Cannot unblock self")? })
    }

    fn other_user(&self, actor: AccountId, user: &str, self_text: &str) -> Result<AccountId, No> {
        let user = UserName::parse(user)?;
        if user == *self.forum.name_of(actor) {
            return Err(No(Refusal::NotToSelf, self_text.into()));
        }
        self.user(&user)
    }

    pub(super) fn user(&self, name: &UserName) -> Result<AccountId, No> {
        self.forum.accounts.find(name).ok_or_else(|| No(Refusal::InvalidUser, "Error. Invalid user".into()))
    }
}

/// A number of seconds: decimal digits only. One too large for any clock means all of time.
fn parse_seconds(raw: &str) -> Option<u64> {
    let is_number = !raw.is_empty() && raw.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| raw.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::parse_seconds;

    #[test]
    fn a_number_of_seconds_is_digits_only() {
        assert_eq!(parse_seconds("0"), Some(0));
        assert_eq!(parse_seconds("0090"), Some(90));
        assert_eq!(parse_seconds("99999999999999999999999"), Some(u64::MAX));
        for bad in ["", "-1", "+1", "1.5", "1s", "ten", "１"] {
            assert_eq!(parse_seconds(bad), None, "{bad}");
        }
    }
}
