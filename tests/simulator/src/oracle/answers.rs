//! What clients are answered.

use std::rc::Rc;

use forum_common::wire::{OwnedReply, OwnedRequest, Refusal, Request, Tag};

use super::{Oracle, Version};
use crate::model::{Listed, No, State, User, Wish, says};

impl Oracle {
    /// A member's request that was sent at a version is answered.
    pub(crate) fn answered(
        &mut self,
        socket: usize,
        tag: Tag,
        from: Version,
        request: &OwnedRequest,
        listed: Option<&Listed>,
        reply: &OwnedReply,
    ) {
        self.conns[socket].asked.remove(&tag);
        if !self.conns[socket].is_judged {
            return;
        }
        let Some(user) = self.conns[socket].user else {
            return self.fail(format!("{request:?} was answered with {reply:?} before the log-in"));
        };
        let decided = self.decided.remove(&(socket, tag));
        let from = from.max(self.conns[socket].floor);
        let seen = match decided {
            Some((version, outcome)) => {
                self.expect(says(&outcome, reply), || {
                    format!("{request:?} came to {outcome:?}, and was answered with {reply:?}")
                });
                Some(version)
            }
            None => self.find(from, user, request, listed, reply),
        };
        match seen {
            // An upload is answered when it is done, in the midst of a list perhaps.
            Some(_) if matches!(request, OwnedRequest::Upload { .. }) => {}
            Some(version) => self.conns[socket].floor = version.max(from),
            None => self.fail(format!(
                "{} was answered {request:?} with {reply:?} {:?}, which was so at no time since it was asked",
                self.state().name(user),
                listed.map(|listed| &listed.items)
            )),
        }
    }

    /// The first version that an answer without an entry may come from.
    fn find(
        &self,
        from: Version,
        user: User,
        request: &OwnedRequest,
        listed: Option<&Listed>,
        reply: &OwnedReply,
    ) -> Option<Version> {
        let wish = request.as_ref();
        let in_flight = self.most_in_flight(from);
        let known = |state: &State| {
            let known = wish.key().and_then(|key| state.known(user, key));
            known.is_some_and(|known| says(&known.outcome, reply) || is_refused(reply, Refusal::KeyReused))
        };
        let holds = |state: &State| match (listed, reply) {
            (Some(listed), OwnedReply::EndOfList { .. }) => state.shows(user, &wish, listed),
            (_, OwnedReply::Refused { code, .. }) => match code {
                Refusal::SlowDown | Refusal::Busy => true,
                Refusal::LimitReached | Refusal::MailboxFull => self.is_full(state, &wish, in_flight),
                Refusal::PeerTooSlow => matches!(request, OwnedRequest::RelaySealed { .. }),
                _ => known(state) || state.judge(user, &wish).is_err_and(|no: No| no.is(reply)),
            },
            (_, OwnedReply::Done { .. }) if matches!(wish, Request::RelaySealed { .. }) => {
                state.judge(user, &wish).is_ok()
            }
            (_, OwnedReply::Done { .. }) if matches!(wish, Request::SetPresence { .. }) => true,
            _ => known(state),
        };
        let mut failed: Option<&State> = None;
        for version in from..self.versions.len() {
            let state = &self.versions[version];
            if failed.is_some_and(|failed| failed.is_same(state)) {
                continue;
            }
            if holds(state) {
                return Some(version);
            }
            failed = Some(state);
        }
        None
    }

    /// The most entries that were on their way since a version.
    fn most_in_flight(&self, from: Version) -> usize {
        let before = self.in_flight.partition_point(|(version, _)| *version < from);
        let since = &self.in_flight[before.saturating_sub(1)..];
        since.iter().map(|(_, count)| *count).max().unwrap_or(0)
    }

    /// Whether a limit is reached by what a state has and so much more.
    fn is_full(&self, state: &State, wish: &Wish<'_>, in_flight: usize) -> bool {
        match *wish {
            Request::Post { title, .. } => {
                let posts = state.thread(title).map_or(0, |(_, thread)| thread.posts().count());
                posts + in_flight >= self.max_posts
            }
            Request::SendMessage { user, .. } => {
                let mailbox = state.user(user).and_then(|user| state.mail.get(&user));
                mailbox.map_or(0, |mailbox| mailbox.waiting.len()) + in_flight >= self.max_mailbox
            }
            // Links, and uploads at once.
            _ => true,
        }
    }

    /// Whether something held at some version since one.
    pub(crate) fn held(&self, from: Version, holds: impl Fn(&State) -> bool) -> bool {
        self.versions[from..].iter().any(holds)
    }

    /// A connection was welcomed.
    pub(crate) fn welcomed(&mut self, socket: usize, session: u64, since_ms: u64) {
        let conn = &self.conns[socket];
        let (is_in, since, expected) = (conn.user.is_some(), conn.since_ms, conn.session);
        self.expect(is_in, || format!("socket {socket} is welcome, and was not logged in"));
        self.expect(since == since_ms, || format!("logged in at {since}, welcome since {since_ms}"));
        self.expect(expected == session, || format!("session {session} instead of {expected}"));
    }
}

fn is_refused(reply: &OwnedReply, with: Refusal) -> bool {
    matches!(reply, OwnedReply::Refused { code, .. } if *code == with)
}

impl State {
    /// Whether it shares everything with another state, and so says the same.
    fn is_same(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.threads, &other.threads)
            && Rc::ptr_eq(&self.accounts, &other.accounts)
            && Rc::ptr_eq(&self.blocks, &other.blocks)
            && Rc::ptr_eq(&self.marks, &other.marks)
            && Rc::ptr_eq(&self.watches, &other.watches)
            && Rc::ptr_eq(&self.board, &other.board)
            && Rc::ptr_eq(&self.rooms, &other.rooms)
            && Rc::ptr_eq(&self.online, &other.online)
            && Rc::ptr_eq(&self.gone, &other.gone)
            && Rc::ptr_eq(&self.links, &other.links)
            && Rc::ptr_eq(&self.keys, &other.keys)
            && Rc::ptr_eq(&self.mail, &other.mail)
    }
}
