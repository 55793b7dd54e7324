//! The trace of one user (`--trace-user`): a line of the log for each frame, in and out, of every connection that has
//! named this user. It shows what the protocol does, for learners and for those who write clients.
//!
//! Passwords, what proves two clients to each other, and what only passes through (pieces of files, private messages) are
//! never shown. At the text door the frames are those that its lines stand for.

use std::collections::HashMap;
use std::io::{self, IoSlice, Write};

use forum_common::limits::FRAME_BYTES_MAX;
use forum_common::names::UserName;
use forum_common::wire::{FromServer, Request, Tag, Transfer, frame, kinds};
use serde::Serialize;

use super::output::{Output, Written};
use super::queue::Pool;
use crate::core::feed::Feed;
use crate::session::ConnectionId;

/// A line shows so many bytes of a message, so that the log is not flooded by long ones.
const SHOWN_BYTES_MAX: usize = 400;

/// Messages with a secret, or with what only passes through: of them the name alone is shown.
const MASKED: [u8; 11] = [
    kinds::Password,
    kinds::SignUp,
    kinds::ChangePassword,
    kinds::ShutDown,
    kinds::PrepareLink,
    kinds::LinkIntroduction,
    kinds::RelaySealed,
    kinds::RelayedSealed,
    kinds::RelayDatagram,
    kinds::RelayedDatagram,
    kinds::Data,
];

/// Whom to trace, and the connections that have named this user.
#[derive(Debug)]
pub(crate) struct Trace {
    user: UserName,
    followed: HashMap<ConnectionId, Followed>,
}

/// A connection that is traced.
#[derive(Debug)]
struct Followed {
    /// How the log names it.
    label: String,
    /// The beginning of a frame whose end was not written yet: less than a frame.
    rest: Vec<u8>,
}

impl Trace {
    /// Of this user, whose connections are still to come.
    pub(crate) fn of(user: UserName) -> Self {
        Self { user, followed: HashMap::new() }
    }

    /// A connection has asked this, and it was taken. `label`: how the log names it.
    pub(crate) fn hear(&mut self, id: ConnectionId, label: &str, tag: Tag, request: &Request<'_>) {
        if let Request::LogIn { name, .. } = request {
            if *name != self.user.as_str() {
                self.followed.remove(&id);
                return;
            }
            let label = format!("{label} {name}");
            self.followed.insert(id, Followed { label, rest: Vec::new() });
        }
        if let Some(followed) = self.followed.get(&id) {
            followed.note("<", tag, request.kind(), request.name(), request);
        }
    }

    /// The same of a piece of a file, or of what controls the pieces.
    pub(crate) fn hear_transfer(&mut self, id: ConnectionId, tag: Tag, transfer: &Transfer<'_>) {
        if let Some(followed) = self.followed.get(&id) {
            followed.note("<", tag, transfer.kind(), transfer.name(), transfer);
        }
    }

    /// A connection is over.
    pub(crate) fn forget(&mut self, id: ConnectionId) {
        self.followed.remove(&id);
    }
}

/// Writes what waits for a connection, and notes it if that is traced, as far as `stream` takes it.
pub(super) fn write(
    trace: &mut Option<Trace>,
    id: ConnectionId,
    output: &mut Output,
    feed: &Feed,
    stream: &mut impl Write,
    pool: &mut Pool,
) -> io::Result<Written> {
    match trace.as_mut().and_then(|trace| trace.followed.get_mut(&id)) {
        Some(followed) => output.write_to(feed, &mut Traced { followed, stream }, pool),
        None => output.write_to(feed, stream, pool),
    }
}

impl Followed {
    /// `<`: from the client; `>`: to it.
    fn note(&self, direction: &str, tag: Tag, kind: u8, name: &str, message: &impl Serialize) {
        log::info!("{} {direction} 0x{kind:02x} tag {tag} {}", self.label, shown(kind, name, message));
    }

    /// So many bytes were written: notes the frames that end among them.
    fn wrote(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        let mut used = 0;
        while let Ok(Some((frame, length))) = frame::split(&self.rest[used..], FRAME_BYTES_MAX) {
            let (tag, kind) = (frame.tag, frame.kind);
            match FromServer::decode(&frame) {
                Ok(FromServer::Reply(_, reply)) => self.note(">", tag, kind, reply.name(), &reply),
                Ok(FromServer::Transfer(_, transfer)) => {
                    self.note(">", tag, kind, transfer.name(), &transfer)
                }
                Ok(FromServer::Notice(notice)) => self.note(">", tag, kind, notice.name(), &notice),
                Err(_) => debug_assert!(false, "the server says what it can read"),
            }
            used += length;
        }
        self.rest.drain(..used);
    }
}

/// A message as `--json` of the client has it, or its name if it is not to be shown.
fn shown(kind: u8, name: &str, message: &impl Serialize) -> String {
    if MASKED.contains(&kind) {
        return format!("{name} (not shown)");
    }
    let mut shown = serde_json::to_string(message).unwrap_or_default();
    if shown.len() > SHOWN_BYTES_MAX {
        shown.truncate(shown.floor_char_boundary(SHOWN_BYTES_MAX));
        shown.push('…');
    }
    shown
}

/// A stream, and who notes what it takes.
struct Traced<'a, W> {
    followed: &'a mut Followed,
    stream: &'a mut W,
}

impl<W: Write> Write for Traced<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let taken = match slices {
            [slice] => self.stream.write(slice)?,
            slices => self.stream.write_vectored(slices)?,
        };
        let mut left = taken;
        for slice in slices {
            let part = &slice[..left.min(slice.len())];
            left -= part.len();
            self.followed.wrote(part);
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

#[cfg(test)]
mod tests {
    use forum_common::wire::describe::PROTOCOL;

    use super::*;

    #[test]
    fn every_message_with_a_secret_is_masked() {
        let messages = PROTOCOL.groups.iter().flat_map(|group| group.messages);
        let mut secrets = 0;
        for message in messages.filter(|message| !matches!(message.kind, 0x70..=0x7f)) {
            let is_secret = |name: &str| ["password", "old", "new", "confirmation", "token"].contains(&name);
            if message.fields.iter().any(|field| is_secret(field.name)) {
                assert!(MASKED.contains(&message.kind), "{}", message.name);
                secrets += 1;
            }
        }
        assert_eq!(secrets, 6, "the words for secrets are those of the table");
    }

    #[test]
    fn a_long_message_is_cut_between_two_letters() {
        let post = Request::Post { title: "t", text: &"ä".repeat(SHOWN_BYTES_MAX), key: None };
        let shown = shown(kinds::Post, post.name(), &post);
        assert!(
            shown.starts_with(r#"{"kind":"Post","title":"t","text":"ä"#) && shown.ends_with("ä…"),
            "{shown}"
        );
        assert!(shown.len() < SHOWN_BYTES_MAX + 4);
    }
}
