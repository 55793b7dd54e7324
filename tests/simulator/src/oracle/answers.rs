//! What clients are answered.

use std::rc::Rc;

use forum_common::wire::{OwnedReply, OwnedRequest, Refusal, Tag};

use super::{Oracle, Version};
use crate::model::{Listed, No, State, User, says};

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
        let known = |state: &State| {
            let known = wish.key().and_then(|key| state.known(user, key));
            known.is_some_and(|known| says(&known.outcome, reply) || is_refused(reply, Refusal::KeyReused))
        };
        let holds = |state: &State| match (listed, reply) {
            (Some(listed), OwnedReply::EndOfList { .. }) => state.shows(user, &wish, listed),
            (_, OwnedReply::Refused { code, .. }) => match code {
                Refusal::SlowDown | Refusal::Busy | Refusal::LimitReached | Refusal::MailboxFull => true,
                // Links are not modelled.
                Refusal::AlreadyPrivate => matches!(request, OwnedRequest::AskPrivate { .. }),
                _ => known(state) || state.judge(user, &wish).is_err_and(|no: No| no.is(reply)),
            },
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
            && Rc::ptr_eq(&self.board, &other.board)
            && Rc::ptr_eq(&self.rooms, &other.rooms)
            && Rc::ptr_eq(&self.online, &other.online)
            && Rc::ptr_eq(&self.gone, &other.gone)
            && Rc::ptr_eq(&self.keys, &other.keys)
    }
}
