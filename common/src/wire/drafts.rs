//! Drafts: messages of features that are still to be built, so that what is built now leaves room for them. A row
//! moves to [`super::messages`] with its feature; until then nobody sends it, and a receiver treats it
//! as an unknown kind.

use super::field::{Field, Key, Malformed, Reader};
use super::frame::{Frame, Tag, Writer};
use super::info::{FieldInfo, GroupInfo, MessageInfo};
use super::strings::{Ciphertext, Title, UserName};
use super::table::{borrowed, key_of, messages, write_fields};
use crate::limits::{FRAME_BYTES_MAX, HEADER_BYTES};

messages! {
    /// Drafts: what later features will say. Each moves to its group when it is built; no server or client of
    /// this version sends one.
    Draft / OwnedDraft {
        /// Feature `read-state`: up to this post or upload the user has read.
        0x29 MarkRead (member -> Done) { title: Title, up_to: u64 },
        /// Feature `read-state`: lists the threads with something unread.
        0x2a ListUnread (member -> UnreadItem EndOfList) { after: Option<u64>, at_most: Option<u32> },
        /// Feature `noise`: what is sealed of a private conversation, through the server.
        0x58 RelaySealed (member -> Done) { link: u64, ciphertext: Ciphertext },
        /// Feature `read-state`: an item of ListUnread.
        0x97 UnreadItem (member) { title: Title, count: u32, last_author: UserName },
        /// Feature `cluster`: this server can't take changes, or can again.
        0xca Away (member) { away: bool },
        /// Feature `noise`: RelaySealed of the other end.
        0xda RelayedSealed (member) { link: u64, ciphertext: Ciphertext },
    }
}
