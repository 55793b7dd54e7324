//! Drafts: messages of features that are still to be built, so that what is built now leaves room for them. A row
//! moves to [`super::messages`] with its feature; until then nobody sends it, and a receiver treats it
//! as an unknown kind.

use super::field::{Field, Key, Malformed, Reader};
use super::frame::{Frame, Tag, Writer};
use super::info::{FieldInfo, GroupInfo, MessageInfo};
use super::strings::Line;
use super::table::{borrowed, key_of, messages, write_fields};
use crate::limits::{FRAME_BYTES_MAX, HEADER_BYTES};

messages! {
    /// Drafts: what later features will say. Each moves to its group when it is built; no server or client of
    /// this version sends one.
    Draft / OwnedDraft {
        /// Feature `cluster`: this server can't take changes, or can again.
        0xca Away (member) {
            away: bool,
            /// What to show people.
            text: Line,
        },
    }
}
