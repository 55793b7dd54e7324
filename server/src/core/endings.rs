//! How connections end: with a last word and the time to read it, or at once when they broke.

use std::io;
use std::time::Duration;

use forum_common::wire::{Closing, Notice};
use log::{info, warn};

use super::deadlines::Deadline;
use super::outbox::QUEUED_BYTES_LOW;
use super::{Core, DRAINING, TURNED_AWAY_DRAINING};
use crate::journal::Journal;
use crate::planted::{Bug, planted};
use crate::session::{ConnectionId, DrainingStage, Phase, Wait};

impl<J: Journal> Core<J> {
    /// Output of a connection has left: what waited for that goes on.
    pub(crate) fn output_drained(&mut self, id: ConnectionId) {
        if self.outbox.queued(id) < QUEUED_BYTES_LOW && (self.has_downloads(id) || self.has_mail(id)) {
            self.sessions.go_on(id);
        }
        if self.is_output_short(id) {
            self.wait_ended(id, Wait::Output);
        }
    }

    /// All that was queued for a connection has left, and FIN.
    pub(crate) fn sent_fin(&mut self, id: ConnectionId) {
        if let Some(session) = self.sessions.get_mut(id) {
            let due = session.sent_fin(self.time.now + DRAINING);
            self.deadlines.set(Deadline::Phase(id), due);
        }
    }

    /// The client's FIN was read.
    pub(crate) fn note_end_of_input(&mut self, id: ConnectionId) {
        if let Some(session) = self.sessions.get_mut(id) {
            session.input_ended = true;
        }
    }

    /// Ends a connection that both ends have closed.
    pub(crate) fn end_when_closed(&mut self, id: ConnectionId) {
        if let Some(session) = self.sessions.get(id)
            && let Some(draining) = session.draining()
            && draining.stage == DrainingStage::AwaitingEnd
            && session.input_ended
        {
            self.condemn(id);
        }
    }

    /// Marks a connection for death: it gets and gives nothing more, and is buried at the end of the turn.
    pub(crate) fn condemn(&mut self, id: ConnectionId) {
        self.sessions.condemn(id);
        self.outbox.remove(id);
    }

    /// A member has been idle for long; perhaps for too long.
    pub(super) fn expire_idle(&mut self, id: ConnectionId) {
        let Some(limit) = self.settings.idle_timeout else { return };
        let Some(session) = self.sessions.get(id) else { return };
        let Some(active_at) = session.active_at else { return };
        let due = self.time.start.instant(active_at) + limit;
        if due > self.time.now {
            self.deadlines.set(Deadline::Phase(id), due);
        } else {
            let text = format!("You have been logged out: no activity for {} seconds", limit.as_secs());
            self.close(id, Closing::Idle, &text);
        }
    }

    /// Ends a connection with a last word.
    pub(crate) fn close(&mut self, id: ConnectionId, code: Closing, text: &str) {
        let time = match code {
            Closing::TooSlow | Closing::ShuttingDown => DRAINING,
            _ => self.settings.stall_timeout,
        };
        self.outbox.last_word(id, &Notice::Closing { code, text });
        self.end(id, time);
    }

    /// Ends a connection whose last word is queued already.
    pub(crate) fn finish(&mut self, id: ConnectionId) {
        self.end(id, self.settings.stall_timeout);
    }

    /// Ends a connection whose last word is queued, and which has so much time to read what is.
    pub(crate) fn end(&mut self, id: ConnectionId, time: Duration) {
        self.depart(id);
        if planted(Bug::GoodbyeIsNotWaitedFor) {
            return self.condemn(id);
        }
        let time = if self.sessions.was_turned_away(id) { TURNED_AWAY_DRAINING } else { time };
        let due = self.time.now + time;
        if let Some(session) = self.sessions.get_mut(id) {
            session.close(due);
            self.deadlines.set(Deadline::Phase(id), due);
            self.outbox.seal(id);
            self.sessions.wake(id);
        }
    }

    /// Ends a connection that broke.
    pub(crate) fn lost(&mut self, id: ConnectionId, error: &io::Error) {
        info!("{} connection lost: {error}", self.label(id));
        if !planted(Bug::LostConnectionStaysOnline) {
            self.depart(id);
        }
        self.condemn(id);
    }

    /// Takes back whatever a session holds, however it ends: its name, its place in a line, its transfers.
    pub(crate) fn depart(&mut self, id: ConnectionId) {
        let Some(session) = self.sessions.get(id) else { return };
        match &session.phase {
            Phase::Authenticating(..) => self.checks.forget(id),
            Phase::Member(member) => {
                let account = member.account;
                info!("{} exited", self.label(id));
                self.drop_list_of(id);
                self.checks.forget(id);
                self.propose_taken(id);
                self.abandon_transfers(id);
                self.log_out(self.session_id(id), account);
            }
            // Nothing is held, or it was given back when the last word was said.
            Phase::AwaitingHello(_)
            | Phase::AwaitingName(_)
            | Phase::AwaitingPassword(..)
            | Phase::AwaitingTakeOver(..)
            | Phase::Draining(_) => {}
        }
    }

    /// Ends a connection that does not listen. What it was to be told is dropped; what is stored waits for
    /// the next log-in.
    pub(crate) fn cut_off(&mut self, id: ConnectionId) {
        warn!("{} cut off: too slow", self.label(id));
        self.outbox.cut(id);
        // Nothing follows a last word that was said before, though it is dropped with the rest.
        if self.sessions.get(id).is_some_and(|session| !session.is_draining()) {
            self.close(id, Closing::TooSlow, "You have been disconnected: too slow");
        }
    }
}
