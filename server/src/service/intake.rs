//! From bytes to requests: what one connection gets of a turn.

use std::io;

use forum_common::limits::FRAME_BYTES_MAX;
use forum_common::wire::frame::EARLY_FRAME_BYTES_MAX;
use forum_common::wire::{Closing, Frame, Malformed, Request, Transfer, frame};

use super::Service;
use super::shutdown::Lifecycle;
use crate::clock::Clock;
use crate::connection::{OUTGOING_BYTES_HIGH, READ_SHARE_BYTES, Received, Stream};
use crate::journal::Journal;
use crate::session::{PeerId, Phase};

/// Frames taken from one connection in one turn: a busy peer must not starve the rest.
const FRAMES_SHARE: usize = 256;

/// What became of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// It was dealt with, or will be answered later without further bytes.
    Yes,
    /// It can't be taken now: it stays where it is, and so does all behind it. Whatever it waits for wakes
    /// the connection.
    NotNow,
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
    /// The next frame has to wait for something.
    Held,
    /// This turn's share is used up.
    ShareUsed,
}

impl<S: Stream, J: Journal, C: Clock> Service<S, J, C> {
    /// One connection's share of a turn.
    pub(super) fn serve_one(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get(id) else { return };
        if peer.session.is_closing() || !matches!(self.lifecycle, Lifecycle::Running) {
            self.throw_input_away(id);
            return;
        }
        self.continue_task(id);
        self.deliver(id);
        self.pump_downloads(id);
        let mut scratch = std::mem::take(&mut self.scratch);
        let result = self.take_input(id, &mut scratch);
        self.scratch = scratch;
        if let Err(error) = result {
            self.lost(id, &error);
        }
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
        let mut ended = false;
        if pause == Pause::Incomplete
            && let Some(peer) = self.peers.get_mut(id)
            && peer.connection.is_readable()
        {
            scratch.copy_within(start..filled, 0);
            filled -= start;
            match peer.connection.read(&mut scratch[filled..filled + READ_SHARE_BYTES])? {
                Received::Bytes(count) => filled += count,
                Received::Nothing => {}
                Received::End => ended = true,
            }
            (start, pause) = self.take_frames(id, &scratch[..filled], &mut share);
        }
        self.put_back(id, &scratch[start..filled], pause, ended);
        Ok(())
    }

    /// Keeps what was not taken, and sees to the connection's next turn.
    fn put_back(&mut self, id: PeerId, rest: &[u8], pause: Pause, ended: bool) {
        let Some(peer) = self.peers.get_mut(id) else { return };
        if peer.session.is_closing() {
            return;
        }
        if ended {
            // Nobody is there to read an answer to what still waits; what was proposed stays proposed.
            self.finish(id);
            return;
        }
        peer.connection.received.extend_from_slice(rest);
        let again = match pause {
            Pause::Incomplete => peer.connection.is_readable(),
            Pause::Held => false,
            Pause::ShareUsed => true,
        };
        if again {
            self.peers.wake(id);
        }
    }

    /// Takes whole frames off the front of `bytes`; says how many bytes those were, and why it stopped.
    fn take_frames(&mut self, id: PeerId, bytes: &[u8], share: &mut usize) -> (usize, Pause) {
        let mut start = 0;
        while *share > 0 {
            // What comes behind an SHT is thrown away, even if it came in the same piece.
            if self.lifecycle != Lifecycle::Running {
                return (bytes.len(), Pause::Incomplete);
            }
            let frame = match frame::split(&bytes[start..], self.frame_bytes_max(id)) {
                Ok(Some((frame, used))) => {
                    let Some(peer) = self.peers.get(id) else { return (start, Pause::Held) };
                    // The frame before it may have ended the server.
                    let is_heard = self.lifecycle == Lifecycle::Running && !peer.session.is_closing();
                    if !is_heard || peer.connection.outgoing.len() >= OUTGOING_BYTES_HIGH {
                        return (start, Pause::Held);
                    }
                    (frame, used)
                }
                Ok(None) => return (start, Pause::Incomplete),
                Err(error) => {
                    self.break_off(id, &error.to_string());
                    return (start, Pause::Held);
                }
            };
            match self.take_frame(id, &frame.0) {
                Ok(Taken::Yes) => start += frame.1,
                Ok(Taken::NotNow) => return (start, Pause::Held),
                Err(Fault(reason)) => {
                    self.break_off(id, &reason);
                    return (start, Pause::Held);
                }
            }
            *share -= 1;
        }
        (start, Pause::ShareUsed)
    }

    /// Bytes that a connection's next frame may have: a stranger's are short.
    fn frame_bytes_max(&self, id: PeerId) -> usize {
        let is_member = self.peers.get(id).is_some_and(|peer| peer.session.member().is_some());
        if is_member { FRAME_BYTES_MAX } else { EARLY_FRAME_BYTES_MAX }
    }

    fn take_frame(&mut self, id: PeerId, frame: &Frame<'_>) -> Result<Taken, Fault> {
        let Some(peer) = self.peers.get(id) else { return Ok(Taken::Yes) };
        match &peer.session.phase {
            Phase::Deciding(..) => Ok(Taken::NotNow),
            Phase::Member(member) if member.is_at_work() => Ok(Taken::NotNow),
            Phase::Member(_) if Transfer::is_kind(frame.kind) => {
                self.take_transfer(id, frame.tag, Transfer::decode(frame)?)
            }
            Phase::Member(_) => self.take_command(id, frame.tag, Request::decode(frame)?),
            _ => self.take_login(id, frame.tag, Request::decode(frame)?),
        }
    }

    /// Closes a connection whose peer broke the protocol.
    fn break_off(&mut self, id: PeerId, reason: &str) {
        log::warn!("{} closed: {reason}", self.label(id));
        self.close(id, Closing::ProtocolError, reason);
    }

    /// Reads what will not be answered any more: a socket dropped with unread input would send RST, which
    /// destroys the last word on its way. Only what the client has taken is still noted.
    fn throw_input_away(&mut self, id: PeerId) {
        // Frames that waited for their turn go first; what stays is less than one.
        let waited = self.peers.get_mut(id).map(|peer| std::mem::take(&mut peer.connection.received));
        self.note_taken(id, &waited.unwrap_or_default());
        let mut scratch = std::mem::take(&mut self.scratch);
        if let Some(peer) = self.peers.get_mut(id)
            && peer.connection.is_readable()
        {
            let begun = std::mem::take(&mut peer.connection.received);
            scratch[..begun.len()].copy_from_slice(&begun);
            match peer.connection.read(&mut scratch[begun.len()..begun.len() + READ_SHARE_BYTES]) {
                Ok(Received::Bytes(count)) => {
                    self.note_taken(id, &scratch[..begun.len() + count]);
                    self.peers.wake(id);
                }
                Ok(Received::Nothing) => {}
                Ok(Received::End) => self.input_ended(id),
                Err(error) => self.lost(id, &error),
            }
        }
        self.scratch = scratch;
    }

    /// Looks for what the client has taken among frames that are thrown away.
    fn note_taken(&mut self, id: PeerId, mut bytes: &[u8]) {
        // Bytes that are no frames hide no taken message.
        while let Ok(Some((frame, used))) = frame::split(bytes, FRAME_BYTES_MAX) {
            if let Ok(Request::AckMessages { up_to }) = Request::decode(&frame) {
                let _ = self.take_ack(id, up_to);
            }
            bytes = &bytes[used..];
        }
        if let (Ok(None), Some(peer)) = (frame::split(bytes, FRAME_BYTES_MAX), self.peers.get_mut(id)) {
            peer.connection.received.extend_from_slice(bytes);
        }
    }

    fn input_ended(&mut self, id: PeerId) {
        if self.peers.get(id).is_some_and(|peer| peer.session.is_closing()) {
            self.end_when_closed(id);
        } else {
            self.finish(id);
        }
    }
}
