//! Frames become lines, as they are written.
//!
//! Here, and not where something is told: the feed is one and the same for all listeners, queued pieces are cut off at
//! a frame's end, and what is unread is counted in their bytes. All of that stays as it is, and who speaks frames pays
//! nothing for who doesn't. A frame counts as written when its lines are: until then its last byte is not taken.

use std::io::{self, ErrorKind, Write};

use forum_common::escape::for_terminal;
use forum_common::limits::FRAME_BYTES_MAX;
use forum_common::text::{Reader, Zone, lines};
use forum_common::wire::{FromServer, Notice, frame};

use super::Text;
use crate::core::outbox::{Outbox, Written};
use crate::session::ConnectionId;

/// Bytes of lines that are made before the kernel is asked to take them: so much, and the lines of one frame more, is
/// held for who reads slowly.
const PORTION_BYTES: usize = 4 * 1024;

impl Text {
    fn add(&mut self, message: &FromServer<'_>, zone: &Zone) {
        let said = match message {
            FromServer::Reply(_, reply) => lines::reply(reply, self.listing.as_mut(), zone),
            FromServer::Notice(notice) => {
                if let Notice::Message { number, .. } = notice {
                    self.mail_in_lines = *number;
                }
                lines::notice(notice, Reader::Program).into_iter().collect()
            }
            // No command that is taken from a line begins one.
            FromServer::Transfer(..) => return,
        };
        for line in said.iter().filter(|line| !line.is_empty()) {
            let before = if std::mem::take(&mut self.is_prompted) { "\n" } else { "" };
            self.unsent.extend_from_slice(format!("{before}{}\n", for_terminal(line)).as_bytes());
        }
    }
}

/// Takes frames, and writes lines.
struct Translator<'a, W> {
    text: &'a mut Text,
    zone: &'a Zone,
    stream: &'a mut W,
    /// Bytes that the kernel has taken.
    sent: usize,
}

impl<W: Write> Translator<'_, W> {
    /// Writes what is made; says whether that is all of it.
    fn send(&mut self) -> io::Result<bool> {
        while !self.text.unsent.is_empty() {
            match self.stream.write(&self.text.unsent) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.text.unsent.drain(..count);
                    self.sent += count;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        // Idle, it owns no buffer.
        self.text.unsent = Vec::new();
        self.text.mail_sent = self.text.mail_in_lines;
        Ok(true)
    }
}

impl<W: Write> Write for Translator<'_, W> {
    fn write(&mut self, frames: &[u8]) -> io::Result<usize> {
        if !self.send()? {
            return Err(ErrorKind::WouldBlock.into());
        }
        if std::mem::take(&mut self.text.owes_byte) {
            return Ok(1);
        }
        let mut used = 0;
        while self.text.unsent.len() < PORTION_BYTES
            && let Ok(Some((frame, bytes))) = frame::split(&frames[used..], FRAME_BYTES_MAX)
        {
            let message = FromServer::decode(&frame).map_err(io::Error::other)?;
            self.text.add(&message, self.zone);
            used += bytes;
        }
        self.text.owes_byte = !self.send()?;
        Ok(used - usize::from(self.text.owes_byte))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes what waits for a connection: as it is or, if it speaks text, in words, and then what it is to be asked.
///
/// # Errors
/// Those of the stream, except would-block and interrupted.
pub(crate) fn write(
    outbox: &mut Outbox,
    id: ConnectionId,
    text: Option<(&mut Text, &Zone)>,
    stream: &mut impl Write,
) -> io::Result<Written> {
    let Some((text, zone)) = text else { return outbox.write(id, stream) };
    let mut lines = Translator { text, zone, stream, sent: 0 };
    let is_all = outbox.write(id, &mut lines)?.is_all;
    if is_all && let Some(prompt) = lines.text.prompt.take().filter(|_| !lines.text.is_prompted) {
        lines.text.is_prompted = true;
        lines.text.unsent.extend_from_slice(prompt.as_bytes());
    }
    Ok(Written { is_all: is_all && lines.send()?, bytes: lines.sent })
}
