//! From bytes to requests: what one connection gets of a turn.

use forum_common::limits::FRAME_BYTES_MAX;
use forum_common::text::Answer;
use forum_common::wire::frame::EARLY_FRAME_BYTES_MAX;
use forum_common::wire::{Closing, Frame, Malformed, Request, Transfer, frame};

use crate::core::Core;
use crate::core::lifecycle::Lifecycle;
use crate::core::outbox::QUEUED_BYTES_HIGH;
use crate::journal::Journal;
use crate::planted::{Bug, planted};
use crate::session::{ConnectionId, Phase, Wait};

/// What one connection gets of a turn: a busy peer must not starve the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    /// Frames that are taken from it.
    pub(crate) frames: usize,
    /// Bytes that are read from it.
    pub(crate) bytes: usize,
}

impl Share {
    /// While few wait.
    pub(crate) const LARGEST: Self = Self { frames: 256, bytes: 64 * 1024 };
    /// However many wait.
    const SMALLEST: Self = Self { frames: 8, bytes: 16 * 1024 };

    /// The share of each of so many who wait. Somebody who asks for little waits for one share of each, and a turn of
    /// all of them is to take as long with 1,000 as with some.
    pub(crate) fn among(waiting: usize) -> Self {
        let part = |largest: usize, smallest| (8 * largest / waiting.max(1)).clamp(smallest, largest);
        Self {
            frames: part(Self::LARGEST.frames, Self::SMALLEST.frames),
            bytes: part(Self::LARGEST.bytes, Self::SMALLEST.bytes),
        }
    }
}

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

    /// Takes whole frames off the front of `bytes`; says how many bytes those were, and why it stopped.
    pub(crate) fn take_frames(
        &mut self,
        id: ConnectionId,
        bytes: &[u8],
        share: &mut usize,
    ) -> (usize, Pause) {
        // Most turns begin like this, and then the socket is read.
        if bytes.is_empty() {
            return (0, Pause::Incomplete);
        }
        let mut start = 0;
        while *share > 0 {
            // Any frame may have ended the connection, or the server.
            let is_heard = self.is_heard(id);
            let (frame, used) = match frame::split(&bytes[start..], self.frame_bytes_max(id)) {
                Ok(Some(split)) => split,
                Ok(None) => return (start, Pause::Incomplete),
                Err(error) => {
                    if is_heard {
                        self.break_off(id, &error.to_string());
                    }
                    self.distrust(id);
                    return (bytes.len(), Pause::Incomplete);
                }
            };
            let taken = if is_heard { self.take_frame(id, &frame) } else { self.take_late_frame(id, &frame) };
            match taken {
                Ok(Taken::Yes) => {
                    self.trace_frame(id, &frame);
                    start += used;
                    self.take_passed();
                }
                Ok(Taken::NotNow(wait)) => return (start, Pause::Held(wait)),
                Err(ProtocolError(reason)) => {
                    self.break_off(id, &reason);
                    self.distrust(id);
                    return (bytes.len(), Pause::Incomplete);
                }
            }
            *share -= 1;
        }
        (start, Pause::ShareUsed)
    }

    /// Bytes that a connection's next frame may have: a stranger's are short.
    fn frame_bytes_max(&self, id: ConnectionId) -> usize {
        let is_stranger = self.sessions.get(id).is_some_and(|session| session.phase.login_budget().is_some());
        if is_stranger { EARLY_FRAME_BYTES_MAX } else { FRAME_BYTES_MAX }
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
