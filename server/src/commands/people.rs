//! The messenger's commands: to one, to all, who is there, and who is to be heard.

use forum_common::names::{Text, UserName};
use forum_common::text::Rejection;
use forum_common::text::rejections::SelfDeed;
use forum_common::wire::Limit;
use forum_common::wire::Notice;

use crate::core::Core;
use crate::core::limits::Subject;
use crate::forum::{AccountId, Change};
use crate::journal::Journal;

impl<J: Journal> Core<J> {
    /// `message`.
    pub(crate) fn message(&self, from: AccountId, user: &str, text: &str) -> Result<Change, Rejection> {
        let (user, text) = (UserName::parse(user)?, Text::parse(text)?);
        let to = self.user(&user)?;
        if to == from {
            return Err(Rejection::NotToSelf(SelfDeed::Message));
        }
        // Whoever is blocked learns that, not how full the mailbox is.
        if !self.forum.blocks.has(to, from) && self.mailbox_is_full(to, text.len()) {
            return Err(Rejection::MailboxFull(user));
        }
        Ok(Change::SendMessage { to, text })
    }

    fn mailbox_is_full(&self, owner: AccountId, bytes: usize) -> bool {
        let limits = &self.settings.limits;
        let (messages, stored) =
            self.forum.mail.of(owner).map_or((0, 0), |mailbox| (mailbox.len(), mailbox.bytes()));
        let subject = Subject::MailTo(owner);
        let bytes_in_flight = self.pipeline.in_flight().of(&subject).bytes as usize;
        self.pipeline.in_flight().reaches(limits.max_mailbox_messages, messages, &subject)
            || stored + bytes_in_flight + bytes > limits.max_mailbox_bytes
    }

    /// `broadcast`: to everyone online at this moment, stored nowhere.
    pub(crate) fn broadcast(&mut self, from: AccountId, text: &str) -> Result<(), Rejection> {
        let text = Text::parse(text)?;
        let (name, excluded) = (self.forum.name_of(from).clone(), self.forum.blocks.of(from));
        if self.tell_all(
            from,
            &excluded,
            &Notice::Broadcast { at_ms: self.time.now_ms, from: &name, text: &text },
        ) {
            return Err(Rejection::NotToAll);
        }
        Ok(())
    }

    /// `block`.
    pub(crate) fn block(&self, actor: AccountId, user: &str) -> Result<Change, Rejection> {
        let user = self.other_user(actor, user, SelfDeed::Block)?;
        let limit = self.settings.limits.max_blocks;
        let count = self.forum.blocks.by(actor).len();
        let is_full = self.pipeline.in_flight().reaches(limit, count, &Subject::BlocksBy(actor));
        if is_full && !self.forum.blocks.has(actor, user) {
            return Err(Rejection::LimitReached(Limit::Blocks, limit as u64));
        }
        Ok(Change::Block { user })
    }

    /// `unblock`.
    pub(crate) fn unblock(&self, actor: AccountId, user: &str) -> Result<Change, Rejection> {
        Ok(Change::Unblock { user: self.other_user(actor, user, SelfDeed::Unblock)? })
    }

    fn other_user(&self, actor: AccountId, user: &str, deed: SelfDeed) -> Result<AccountId, Rejection> {
        let user = UserName::parse(user)?;
        if user == *self.forum.name_of(actor) {
            return Err(Rejection::NotToSelf(deed));
        }
        self.user(&user)
    }

    pub(crate) fn user(&self, name: &UserName) -> Result<AccountId, Rejection> {
        self.forum.accounts.find(name).ok_or(Rejection::InvalidUser)
    }
}
