//! From bytes to requests: what one connection gets of a turn.

use std::io;

use forum_common::limits::FRAME_BYTES_MAX;
use forum_common::text::Answer;
use forum_common::wire::frame::EARLY_FRAME_BYTES_MAX;
use forum_common::wire::{Closing, Frame, Malformed, Request, Transfer, frame};

use super::Service;
use super::shutdown::Lifecycle;
use crate::clock::Clock;
use crate::connection::{OUTGOING_BYTES_HIGH, READ_SHARE_BYTES, Received, Stream};
use crate::journal::Journal;
use crate::session::{PeerId, Phase, Wait};

/// Frames taken from one connection in one turn: a busy peer must not starve the rest.
const FRAMES_SHARE: usize = 256;

/// What became of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// It was dealt with, or will be answered later without further bytes.
    Yes,
    /// It can't be taken now: it stays where it is, and so does all after it, until this has ended.
    NotNow(Wait),
}

/// The peer broke the protocol: its connection is closed with this reason.
#[derive(Debug)]
pub(super) struct Fault(pub(super) String);

impl From<Malformed> for Fault {
    fn from(malformed: Malformed) -> Self {
        Self(malformed.to_string())
    }
}

/// Why no more frames are taken from the bytes at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pause {
    /// What is left is less than a frame.
    Incomplete,
    /// The next frame has to wait for this.
    Held(Wait),
    /// This turn's share is used up.
    ShareUsed,
}

impl<S: Stream, J: Journal, C: Clock> Service<S, J, C> {
    /// One connection's share of a turn.
    pub(super) fn serve_one(&mut self, id: PeerId) {
        if let Some(peer) = self.peers.get_mut(id) {
            peer.session.waits_for = None;
        }
        if self.is_heard(id) {
            self.continue_task(id);
            self.deliver(id);
            self.pump_downloads(id);
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        let result = self.take_input(id, &mut scratch);
        self.scratch = scratch;
        if let Err(error) = result {
            self.lost(id, &error);
        }
    }

    /// Whether requests of a connection are taken. Once its last word is said, or the server ends, its input is read
    /// and thrown away: a socket dropped with unread input would send RST, which destroys the last word on its way.
    fn is_heard(&self, id: PeerId) -> bool {
        self.lifecycle == Lifecycle::Running
            && self.peers.get(id).is_some_and(|peer| !peer.session.is_closing())
    }

    /// Takes frames that waited, then reads once and takes what came.
    fn take_input(&mut self, id: PeerId, scratch: &mut [u8]) -> io::Result<()> {
        let Some(peer) = self.peers.get_mut(id) else { return Ok(()) };
        let received = std::mem::take(&mut peer.connection.received);
        let mut filled = received.len();
        scratch[..filled].copy_from_slice(&received);
        drop(received);
        let mut share = FRAMES_SHARE;
        let (mut start, mut pause) = self.take_frames(id, &scratch[..filled], &mut share);
        if pause == Pause::Incomplete
            && let Some(peer) = self.peers.get_mut(id)
            && peer.connection.is_readable()
        {
            scratch.copy_within(start..filled, 0);
            filled -= start;
            match peer.connection.read(&mut scratch[filled..filled + READ_SHARE_BYTES], self.now)? {
                Received::Bytes(count) => filled += count,
                Received::Nothing | Received::End => {}
            }
            (start, pause) = self.take_frames(id, &scratch[..filled], &mut share);
        }
        self.put_back(id, &scratch[start..filled], pause)
    }

    /// Keeps what was not taken, and sees to the connection's next turn.
    fn put_back(&mut self, id: PeerId, rest: &[u8], pause: Pause) -> io::Result<()> {
        let Some(peer) = self.peers.get_mut(id) else { return Ok(()) };
        match pause {
            Pause::ShareUsed => {
                peer.connection.received.extend_from_slice(rest);
                self.peers.wake(id);
                return Ok(());
            }
            Pause::Incomplete if peer.connection.is_readable() => {
                peer.connection.received.extend_from_slice(rest);
                self.peers.wake(id);
                return Ok(());
            }
            // What is left can't become a frame any more.
            Pause::Incomplete if peer.connection.input_ended() => self.input_ended(id),
            Pause::Incomplete => {
                peer.connection.received.extend_from_slice(rest);
                if self.is_heard(id) {
                    self.begin_wait(id, self.busy(id));
                }
            }
            Pause::Held(wait) => {
                peer.connection.received.extend_from_slice(rest);
                self.begin_wait(id, Some(wait));
            }
        }
        // Nothing more is read now, so this does not come up by reading.
        match self.peers.get_mut(id).and_then(|peer| peer.connection.death()) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Takes whole frames off the front of `bytes`; says how many bytes those were, and why it stopped.
    fn take_frames(&mut self, id: PeerId, bytes: &[u8], share: &mut usize) -> (usize, Pause) {
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
                Ok(Taken::Yes) => start += used,
                Ok(Taken::NotNow(wait)) => return (start, Pause::Held(wait)),
                Err(Fault(reason)) => {
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
    fn frame_bytes_max(&self, id: PeerId) -> usize {
        let is_stranger = self.peers.get(id).is_some_and(|peer| peer.session.phase.patience().is_some());
        if is_stranger { EARLY_FRAME_BYTES_MAX } else { FRAME_BYTES_MAX }
    }

    fn take_frame(&mut self, id: PeerId, frame: &Frame<'_>) -> Result<Taken, Fault> {
        let Some(peer) = self.peers.get(id) else { return Ok(Taken::Yes) };
        if peer.connection.outgoing.len() >= OUTGOING_BYTES_HIGH {
            return Ok(Taken::NotNow(Wait::Output));
        }
        if let Some(wait) = self.busy(id) {
            return Ok(Taken::NotNow(wait));
        }
        match &peer.session.phase {
            Phase::Member(_) if Transfer::is_kind(frame.kind) => {
                self.take_transfer(id, frame.tag, Transfer::decode(frame)?)
            }
            Phase::Member(_) => self.take_command(id, frame.tag, Request::decode(frame)?),
            _ => self.take_login(id, frame.tag, Request::decode(frame)?),
        }
    }

    /// Takes a frame after the last word, or while the server ends: only what the client has taken is noted.
    fn take_late_frame(&mut self, id: PeerId, frame: &Frame<'_>) -> Result<Taken, Fault> {
        if let Ok(Request::AckMessages { up_to }) = Request::decode(frame) {
            let _ = self.take_ack(id, up_to);
        }
        Ok(Taken::Yes)
    }

    /// Closes a connection whose peer broke the protocol.
    fn break_off(&mut self, id: PeerId, reason: &str) {
        log::warn!("{} closed: {reason}", self.label(id));
        self.close(id, Closing::ProtocolError, reason);
    }

    /// What comes after a broken frame says nothing, whatever it looks like.
    fn distrust(&mut self, id: PeerId) {
        if let Some(peer) = self.peers.get_mut(id) {
            peer.session.forget_mail();
        }
    }

    /// All that came before the client's FIN was taken: what would need more input ends now, and when all is
    /// answered, so does the connection.
    fn input_ended(&mut self, id: PeerId) {
        if !self.is_heard(id) {
            // The last word was said, or everybody hears it when all that is in flight is answered.
            return self.end_when_closed(id);
        }
        if let Some(account) =
            self.peers.get(id).and_then(|peer| peer.session.member()).map(|member| member.account)
        {
            self.end_stuck_transfers(id);
            self.leave_links(account);
        }
        match self.unanswered(id) {
            None => self.close(id, Closing::EndOfInput, &Answer::Goodbye.to_string()),
            wait => self.begin_wait(id, wait),
        }
    }
}
