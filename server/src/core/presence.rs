//! Notices: who came and went, and how anything reaches many receivers. A notice is encoded once; a receiver
//! costs a pointer, and one who does not read is cut off before the pile grows too high.

use std::time::{Duration, Instant};

use forum_common::wire::{Closing, NO_TAG, Notice};

use log::warn;

use crate::core::Core;
use crate::core::outbox::Outbox;
use crate::forum::{AccountId, OnlineUser, Users};
use crate::journal::Journal;
use crate::outgoing::Shared;
use crate::session::ConnectionId;

/// How long comings and goings wait at least from one batch to the next, for each who is online: half a second
/// with 10,000 users. Telling a user costs a few microseconds, so this bounds what a rush of log-ins takes of
/// the loop to a tenth, which would otherwise be n² for n of them.
const PACE_PER_USER: Duration = Duration::from_micros(50);

/// Bytes that one user may say in a turn and that leave as one piece; far fewer than a receiver may have unread.
const SAID_BYTES_MAX: usize = 32 * 1024;

/// What one user says to everybody else in this turn and nobody was told yet.
#[derive(Debug, Default)]
pub(crate) struct Said {
    actor: Option<AccountId>,
    /// Whole frames.
    frames: Vec<u8>,
}

/// Comings and goings that are not told yet. Each receiver gets the whole batch as one pointer.
#[derive(Debug)]
pub(crate) struct Comings {
    /// Whole frames.
    frames: Vec<u8>,
    /// Who came in this batch, and where in the frames what concerns them begins: behind their own coming.
    newcomers: Vec<(ConnectionId, usize)>,
    /// When the next batch may be told.
    due: Instant,
}

impl Comings {
    pub(crate) fn new(now: Instant) -> Self {
        Self { frames: Vec::new(), newcomers: Vec::new(), due: now }
    }
}

/// The connection of a user who is online on this node.
fn local(epoch: u64, user: &OnlineUser) -> Option<ConnectionId> {
    (user.session.epoch == epoch).then(|| ConnectionId::from_number(user.session.number))
}

fn push_to(outbox: &mut Outbox, epoch: u64, user: &OnlineUser, shared: &Shared) {
    if let Some(id) = local(epoch, user) {
        outbox.push_shared(id, shared.clone(), 0);
    }
}

impl<J: Journal> Core<J> {
    /// Tells everybody else that a user came.
    pub(crate) fn announce_log_in(
        &mut self,
        account: AccountId,
        hidden_from: &Users,
        connection: Option<ConnectionId>,
    ) {
        let name = self.forum.name_of(account).clone();
        self.announce_presence(account, hidden_from, &Notice::LoggedIn { name: &name });
        if let Some(connection) = connection {
            self.comings.newcomers.push((connection, self.comings.frames.len()));
        }
    }

    /// Tells everybody else that a user went; it is not online any more. When the server ends, all go, and
    /// everybody hears that instead.
    pub(crate) fn announce_log_out(&mut self, account: AccountId, hidden_from: &Users) {
        if !self.is_accepting() {
            return;
        }
        let name = self.forum.name_of(account).clone();
        self.announce_presence(account, hidden_from, &Notice::LoggedOut { name: &name });
    }

    /// When the comings and goings that wait are to be told, if there are any.
    pub(crate) fn comings_due(&self) -> Option<Instant> {
        (!self.comings.frames.is_empty()).then_some(self.comings.due)
    }

    /// Hands them to everybody once it is time.
    pub(crate) fn publish_comings_in_time(&mut self) {
        if self.comings_due().is_some_and(|due| due <= self.time.now) {
            self.publish_comings();
        }
    }

    /// Whoever the user has blocked hears nothing of its comings and goings.
    fn announce_presence(&mut self, account: AccountId, excluded: &Users, notice: &Notice<'_>) {
        if excluded.is_empty() {
            notice.encode(NO_TAG, &mut self.comings.frames);
            return;
        }
        self.publish_comings();
        let shared = self.outbox.encode_shared(notice);
        let listeners = self.forum.online.iter().filter(|user| user.wants_presence);
        for user in listeners.filter(|user| user.account != account && !excluded.contains(&user.account)) {
            push_to(&mut self.outbox, self.epoch, user, &shared);
        }
    }

    /// Hands the comings and goings to everybody. Whatever else is told is told behind them, so that nobody
    /// hears of a user before its coming.
    pub(crate) fn publish_comings(&mut self) {
        self.publish_said();
        if self.comings.frames.is_empty() {
            self.comings.newcomers.clear();
            return;
        }
        let due = self.time.now + PACE_PER_USER * u32::try_from(self.forum.online.len()).unwrap_or(u32::MAX);
        let Comings { frames, newcomers, .. } = std::mem::replace(&mut self.comings, Comings::new(due));
        let all = self.outbox.share(&frames);
        let mut newcomers = newcomers;
        newcomers.sort_unstable_by_key(|(connection, _)| *connection);
        for user in self.forum.online.iter().filter(|user| user.wants_presence) {
            let Some(id) = local(self.epoch, user) else { continue };
            let start = match newcomers.binary_search_by_key(&id, |(connection, _)| *connection) {
                Err(_) => 0,
                Ok(index) => newcomers[index].1,
            };
            if start < frames.len() {
                self.outbox.push_shared(id, all.clone(), start);
            }
        }
    }

    /// Adds to what `actor` says to everybody else in this turn. It leaves as one piece, with one plain write a
    /// receiver, before anything else is told to anybody.
    fn join_said(&mut self, actor: AccountId, notice: &Notice<'_>) {
        let goes_on = self.said.actor == Some(actor) && self.said.frames.len() < SAID_BYTES_MAX;
        if !goes_on {
            self.publish_comings();
            self.said.actor = Some(actor);
        }
        notice.encode(NO_TAG, &mut self.said.frames);
    }

    /// Hands to everybody else what one user has said in this turn.
    pub(crate) fn publish_said(&mut self) {
        let Some(actor) = self.said.actor.take() else { return };
        let shared = self.outbox.share(&self.said.frames);
        self.said.frames.clear();
        for user in self.forum.online.iter().filter(|user| user.account != actor) {
            push_to(&mut self.outbox, self.epoch, user, &shared);
        }
    }

    /// Tells everybody online but `actor` and those excluded.
    pub(crate) fn tell_all(&mut self, actor: AccountId, excluded: &Users, notice: &Notice<'_>) {
        if excluded.is_empty() {
            return self.join_said(actor, notice);
        }
        self.publish_comings();
        let shared = self.outbox.encode_shared(notice);
        let others = self.forum.online.iter().filter(|user| user.account != actor);
        for user in others.filter(|user| !excluded.contains(&user.account)) {
            push_to(&mut self.outbox, self.epoch, user, &shared);
        }
    }

    /// Tells those of `users` who are online, but `actor` and those excluded.
    pub(crate) fn tell_some(
        &mut self,
        users: &[AccountId],
        actor: AccountId,
        excluded: &Users,
        notice: &Notice<'_>,
    ) {
        self.publish_comings();
        let shared = self.outbox.encode_shared(notice);
        for user in users.iter().filter(|user| **user != actor && !excluded.contains(*user)) {
            if let Some(user) = self.forum.online.find(*user) {
                push_to(&mut self.outbox, self.epoch, user, &shared);
            }
        }
    }

    /// Ends a connection that does not listen. What it was to be told is dropped; what is stored waits for
    /// the next log-in.
    pub(crate) fn cut_off(&mut self, id: ConnectionId) {
        warn!("{} cut off: too slow", self.label(id));
        self.outbox.cut(id);
        self.close(id, Closing::TooSlow, "You have been disconnected: too slow");
    }
}
