//! Writing: to one connection, and to all who listen, within the limits of what may be unread; who takes nothing, or may
//! be gone; and what a connection does when output has left.

use std::io;
use std::time::Duration;

use forum_common::wire::Notice;

use super::Server;
use crate::clock::Clock;
use crate::core::Core;
use crate::journal::Journal;
use crate::net::connection::Stream;
use crate::planted::{Bug, planted};
use crate::session::{ConnectionId, DrainingStage};

/// Receivers of the feed that are written to in one turn, at some microseconds each: who asks something meanwhile is
/// not to wait for ten thousand of them.
const SWEEP_RECEIVERS_MAX: usize = 256;
/// How long they may take in all, because much may wait for each of them: about as long as a busy turn takes without.
const SWEEP_TIME_MAX: Duration = Duration::from_millis(2);

impl<S: Stream, J: Journal, C: Clock> Server<S, J, C> {
    /// Writes the feed to some of those who listen.
    pub(super) fn sweep(&mut self) {
        let now = self.core.time.now;
        if self.core.outbox.is_sweep_due(now) {
            let begun = self.clock.now();
            let mut ended = begun;
            for _ in 0..SWEEP_RECEIVERS_MAX {
                let Some(id) = self.core.outbox.next_receiver(now) else { break };
                self.flush_one(id);
                ended = self.clock.now();
                if ended - begun >= SWEEP_TIME_MAX {
                    break;
                }
            }
            self.core.outbox.swept(begun, ended);
        }
        self.core.outbox.free_feed();
    }

    /// Keeps what is unread within its limits. Nobody is cut off for our own pacing, so first the feed is written to
    /// everybody if half of what one may have unread was written to nobody yet. Then who has left too much unread is
    /// cut off; and when too much waits for all connections together, those for whom most waits.
    pub(super) fn bound_output(&mut self) {
        if !self.core.outbox.may_exceed() {
            return;
        }
        while let Some(id) = self.core.outbox.next_overdue(self.core.time.now) {
            self.flush_one(id);
            self.core.outbox.free_feed();
        }
        while let Some(id) = self.core.outbox.next_too_slow() {
            // Its kernel may take bytes again, and not have said so yet.
            if let Some(connection) = self.connections.get_mut(id) {
                connection.mark_writable();
            }
            self.flush_one(id);
            if self.core.outbox.is_too_slow(id) {
                self.core.cut_off(id);
            }
        }
        if !self.core.outbox.is_overfull() {
            return;
        }
        self.flush();
        while self.core.outbox.is_overfull()
            && let Some(id) = self.core.outbox.heaviest()
        {
            self.core.cut_off(id);
        }
    }

    /// Writes what a connection may be sent.
    pub(super) fn flush_one(&mut self, id: ConnectionId) {
        let Some(session) = self.core.sessions.get(id) else { return };
        let flushed = if session.text.is_some() {
            self.flush_text(id)
        } else {
            let Core { outbox, deadlines, time, .. } = &mut self.core;
            self.connections.flush(id, outbox, deadlines, None, *time)
        };
        self.core.note_output(id);
        match flushed {
            Ok(()) => self.after_flush(id),
            Err(error) => self.core.lost(id, &error),
        }
    }

    /// The same for a connection that speaks text, which is asked something when all is written.
    #[cold]
    fn flush_text(&mut self, id: ConnectionId) -> io::Result<()> {
        self.core.note_prompt(id);
        let Core { outbox, deadlines, time, sessions, settings, .. } = &mut self.core;
        let text = sessions.text_mut(id).map(|text| (text, &settings.zone));
        let flushed = self.connections.flush(id, outbox, deadlines, text, *time);
        self.core.note_written_mail(id);
        flushed
    }

    /// Ends a connection that takes nothing of what waits for it.
    pub(super) fn look_at_stalled(&mut self, id: ConnectionId) {
        let Core { outbox, deadlines, time, sessions, settings, .. } = &mut self.core;
        let text = sessions.text_mut(id).map(|text| (text, &settings.zone));
        let has_stalled = self.connections.has_stalled(id, outbox, deadlines, text, *time);
        // Who is told its end already has a deadline for that.
        if has_stalled && sessions.get(id).is_some_and(|session| !session.is_draining()) {
            self.core.cut_off(id);
        }
    }

    /// Finds peers that have vanished: the kernel ends the connection if nothing acknowledges what is sent.
    pub(super) fn send_probes(&mut self) {
        let Core { probes, sessions, outbox, time, .. } = &mut self.core;
        let due = probes.due(time.now, self.connections.slots(), |slot| {
            let (id, connection) = self.connections.at(slot)?;
            sessions.member(id).map(|_| (id, time.start.instant(connection.last_traffic())))
        });
        for id in due {
            // A text has no place for a probe.
            if sessions.text_mut(id).is_some() {
                self.connections.get_mut(id).into_iter().for_each(|it| it.stream_mut().watch_silence());
            // What waits already asks as much as a probe would.
            } else if outbox.unread(id) == 0 && !planted(Bug::VanishedPeersAreNotProbed) {
                outbox.deliver(id, &Notice::Probe);
            }
        }
    }

    /// Ends a connection whose time to read its last word is over. If the process stood still for that long, its kernel
    /// may take bytes again by now: then it is told all the same.
    pub(super) fn end_draining(&mut self, id: ConnectionId) {
        self.flush_one(id);
        self.core.condemn(id);
    }

    /// What a connection does when output has left: goes on with what waited for that, or ends.
    pub(super) fn after_flush(&mut self, id: ConnectionId) {
        let Some(session) = self.core.sessions.get(id) else { return };
        let Some(draining) = session.draining() else { return self.core.output_drained(id) };
        if draining.stage == DrainingStage::Sending && self.core.outbox.queued(id) == 0 {
            let Some(connection) = self.connections.get_mut(id) else { return };
            match connection.shutdown_write() {
                Ok(true) => self.core.sent_fin(id),
                // The kernel says when it goes on.
                Ok(false) => return,
                Err(_) => return self.core.condemn(id),
            }
        }
        self.core.end_when_closed(id);
    }
}
