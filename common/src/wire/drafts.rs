//! Drafts: messages of features that are still to be built, so that what is built now leaves room for them. A row
//! moves to [`super::messages`] with its feature; until then nobody sends it, and a receiver treats it
//! as an unknown kind.

use super::field::{Field, Key, Malformed, Reader};
use super::frame::{Frame, Tag, Writer};
use super::info::{FieldInfo, GroupInfo, MessageInfo};
use super::strings::Ciphertext;
use super::table::{borrowed, key_of, messages, write_fields};
use crate::limits::{FRAME_BYTES_MAX, HEADER_BYTES};

messages! {
    /// Drafts: what later features will say. Each moves to its group when it is built; no server or client of
    /// this version sends one.
    Draft / OwnedDraft {
        /// Feature `noise`: what is sealed of a private conversation, through the server.
        0x58 RelaySealed (member -> Done) { link: u64, ciphertext: Ciphertext },
        /// Feature `cluster`: this server can't take changes, or can again.
        0xca Away (member) { away: bool },
        /// Feature `noise`: RelaySealed of the other end.
        0xda RelayedSealed (member) { link: u64, ciphertext: Ciphertext },
    }
}
