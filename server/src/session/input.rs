//! From bytes to requests: what one connection gets of a turn.

use forum_common::limits::FRAME_BYTES_MAX;
use forum_common::text::Answer;
use forum_common::wire::frame::{EARLY_FRAME_BYTES_MAX, FIRST_BYTE};
use forum_common::wire::{Closing, Frame, Malformed, Request, Transfer, frame};

use crate::core::Core;
use crate::core::lifecycle::Lifecycle;
use crate::core::outbox::QUEUED_BYTES_HIGH;
use crate::journal::Journal;
use crate::planted::{Bug, planted};
use crate::session::{ConnectionId, Phase, Wait};
use crate::tls::TLS_HANDSHAKE;

/// What became of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It was dealt with, or will be answered later without further bytes.
    Yes,
    /// It can't be taken now: it stays where it is, and so does all after it, until this has ended.
    NotNow(Wait),
}

/// The peer broke the protocol: its connection is closed with this reason.
#[derive(Debug)]
pub(crate) struct ProtocolError(pub(crate) String);

impl From<Malformed> for ProtocolError {
    fn from(malformed: Malformed) -> Self {
        Self(malformed.to_string())
    }
}

/// Why no more frames are taken from the bytes at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pause {
    /// What is left is less than a frame.
    Incomplete,
    /// The next frame has to wait for this.
    Held(Wait),
    /// This turn's share is used up.
    ShareUsed,
}

impl<J: Journal> Core<J> {
    /// What a connection does first of all in its turn: it goes on with what is under way.
    pub(crate) fn begin_turn_of(&mut self, id: ConnectionId) {
        if let Some(session) = self.sessions.get_mut(id) {
            session.waits_for = None;
        }
        if self.is_heard(id) {
            self.continue_task(id);
            self.deliver(id);
            self.pump_downloads(id);
        }
    }

    /// Whether requests of a connection are taken. Once its last word is said, or the server ends, its input is read
    /// and thrown away: a socket dropped with unread input would send RST, which destroys the last word on its way.
    pub(crate) fn is_heard(&self, id: ConnectionId) -> bool {
        self.lifecycle == Lifecycle::Running
            && self.sessions.get(id).is_some_and(|session| !session.is_draining())
    }

    /// Takes what has come of a connection off the front of `bytes`, frames or lines; says how many bytes that was, and
    /// why it stopped. `ended`: no more will come.
    #[inline]
    pub(crate) fn take_received(
        &mut self,
        id: ConnectionId,
        bytes: &[u8],
        ended: bool,
        share: &mut usize,
    ) -> (usize, Pause) {
        let speaks_text = self.speaks_text(id, bytes.first());
        let mut start = 0;
        let pause = loop {
            let rest = &bytes[start..];
            if rest.is_empty() || *share == 0 {
                break if *share == 0 && !bytes.is_empty() { Pause::ShareUsed } else { Pause::Incomplete };
            }
            let taken = if speaks_text { self.next_line(id, rest, ended) } else { self.next_frame(id, rest) };
            match taken {
                Ok(used) => start += used,
                Err(pause) => break pause,
            }
            *share -= 1;
        };
        if speaks_text {
            self.note_lines_taken(id, pause == Pause::Incomplete && !ended);
        }
        (start, pause)
    }

    /// Whether lines come from a connection rather than frames, which its first byte says.
    fn speaks_text(&mut self, id: ConnectionId, first: Option<&u8>) -> bool {
        match (self.sessions.get(id).map(|session| (&session.text, &session.phase)), first) {
            (Some((Some(_), _)), _) => {
                self.take_written_mail(id);
                true
            }
            (Some((None, Phase::AwaitingHello(_))), Some(first)) if *first != FIRST_BYTE => {
                self.begin_text(id);
                if *first == TLS_HANDSHAKE {
                    self.break_off(id, "This server does not speak TLS");
                }
                true
            }
            _ => false,
        }
    }

    /// Takes the frame at the front of `bytes`; says how many of them that was, or why it was not taken.
    #[inline]
    fn next_frame(&mut self, id: ConnectionId, bytes: &[u8]) -> Result<usize, Pause> {
        // Any frame may have ended the connection, or the server.
        let is_heard = self.is_heard(id);
        let (frame, used) = match frame::split(bytes, self.input_bytes_max(id, FRAME_BYTES_MAX)) {
            Ok(Some(split)) => split,
            Ok(None) => return Err(Pause::Incomplete),
            Err(error) => {
                if is_heard {
                    self.break_off(id, &error.to_string());
                }
                self.distrust(id);
                return Ok(bytes.len());
            }
        };
        let taken = if is_heard { self.take_frame(id, &frame) } else { self.take_late_frame(id, &frame) };
        match taken {
            Ok(Taken::Yes) => {
                self.trace_frame(id, &frame);
                self.take_passed();
                Ok(used)
            }
            Ok(Taken::NotNow(wait)) => Err(Pause::Held(wait)),
            Err(ProtocolError(reason)) => {
                self.break_off(id, &reason);
                self.distrust(id);
                Ok(bytes.len())
            }
        }
    }

    /// Bytes that a connection's next frame or line may have; `of_member`: once it is logged in. A stranger's are short.
    pub(super) fn input_bytes_max(&self, id: ConnectionId, of_member: usize) -> usize {
        let is_stranger = self.sessions.get(id).is_some_and(|session| session.phase.login_budget().is_some());
        if is_stranger { EARLY_FRAME_BYTES_MAX } else { of_member }
    }

    fn take_frame(&mut self, id: ConnectionId, frame: &Frame<'_>) -> Result<Taken, ProtocolError> {
        let Some(session) = self.sessions.get(id) else { return Ok(Taken::Yes) };
        if self.outbox.queued(id) >= QUEUED_BYTES_HIGH {
            return Ok(Taken::NotNow(Wait::Output));
        }
        if let Some(wait) = self.busy(id) {
            return Ok(Taken::NotNow(wait));
        }
        match &session.phase {
            Phase::Member(_) if Transfer::is_kind(frame.kind) => {
                self.take_transfer(id, frame.tag, Transfer::decode(frame)?)
            }
            Phase::Member(_) => self.take_command(id, frame.tag, Request::decode(frame)?),
            _ => self.take_login(id, frame.tag, Request::decode(frame)?),
        }
    }

    /// Takes a frame after the last word, or while the server ends: only what the client has taken is noted.
    fn take_late_frame(&mut self, id: ConnectionId, frame: &Frame<'_>) -> Result<Taken, ProtocolError> {
        if let Ok(Request::AckMessages { up_to }) = Request::decode(frame)
            && !planted(Bug::AcknowledgementAfterTheGoodbyeIsDropped)
        {
            let _ = self.take_ack(id, up_to);
        }
        Ok(Taken::Yes)
    }

    /// Closes a connection whose peer broke the protocol.
    pub(super) fn break_off(&mut self, id: ConnectionId, reason: &str) {
        log::warn!("{} closed: {reason}", self.label(id));
        self.close(id, Closing::ProtocolError, reason);
    }

    /// What comes after a broken frame says nothing, whatever it looks like.
    fn distrust(&mut self, id: ConnectionId) {
        if let Some(session) = self.sessions.get_mut(id) {
            session.forget_mail();
        }
    }

    /// All that came before the client's FIN was taken: what would need more input ends now, and when all is
    /// answered, so does the connection.
    pub(crate) fn input_ended(&mut self, id: ConnectionId) {
        if !self.is_heard(id) {
            // The last word was said, or everybody hears it when all that is in flight is answered.
            return self.end_when_closed(id);
        }
        if let Some(account) = self.sessions.member(id).map(|member| member.account) {
            self.end_stuck_transfers(id);
            self.leave_links(id, account);
        }
        match self.unanswered(id) {
            None => self.close(id, Closing::EndOfInput, &Answer::Goodbye.to_string()),
            wait => self.begin_wait(id, wait),
        }
    }
}
