//! Every kind of message, and what holds of all of them. The rows are [`super::requests`] and [`super::replies`];
//! [`super::drafts`] has those of later features.
//!
//! Kinds 0x01–0x3f and 0x50–0x6f go from client to server, 0x40–0x4f both ways, 0x70–0x7f from client to
//! client, 0x80–0xbf answer requests (0x90–0x9f are the items of lists), 0xc0–0xff are notices. Names and texts
//! are raw here: a bad one is refused, and not taken for a broken frame.
//!
//! A body may grow at its end, by optional fields; so text for people comes last of what there is today, and
//! the rest of a body without a length is a field only where nothing will ever be added.

use super::{LinkId, Notice, Reply, Request};
use crate::limits::BODY_BYTES_MAX;

/// The kind of every message, by its name.
pub mod kinds {
    pub use crate::wire::replies::kinds::*;
    pub use crate::wire::requests::kinds::*;
}

/// Bytes of a datagram that the server relays: what is left of a frame after the link.
pub const RELAYED_BYTES_MAX: usize = BODY_BYTES_MAX - size_of::<LinkId>();

impl Request<'_> {
    /// Where a page of the list that is asked for begins, and how many items it has at most; `None`: no list is.
    pub fn page_mut(&mut self) -> Option<(&mut Option<u64>, &mut Option<u32>)> {
        match self {
            Self::ListThreads { after, at_most, .. }
            | Self::ListUnread { after, at_most }
            | Self::ReadThread { after, at_most, .. }
            | Self::WhoElse { after, at_most }
            | Self::WhoElseSince { after, at_most, .. }
            | Self::ListActive { after, at_most }
            | Self::ReadBoard { after, at_most, .. }
            | Self::ReadRooms { after, at_most, .. }
            | Self::ListRooms { after, at_most }
            | Self::Search { after, at_most, .. } => Some((after, at_most)),
            _ => None,
        }
    }
}

impl Reply<'_> {
    /// Whether it is an item of a list, so that more follows.
    #[inline]
    pub const fn is_item(&self) -> bool {
        matches!(self.kind(), 0x90..=0x9f)
    }
}

impl Notice<'_> {
    /// The link that it is about, if it is about one.
    pub const fn link(&self) -> Option<LinkId> {
        match *self {
            Self::PrivateQuestion { link, .. }
            | Self::FileQuestion { link, .. }
            | Self::QuestionWithdrawn { link }
            | Self::QuestionDeclined { link }
            | Self::PrepareLink { link, .. }
            | Self::LinkIntroduction { link, .. }
            | Self::LinkEstablished { link, .. }
            | Self::LinkEnded { link, .. }
            | Self::RelayedSealed { link, .. }
            | Self::RelayedDatagram { link, .. } => Some(link),
            _ => None,
        }
    }
}
