//! `forum-floor`: frames of forumd's shape, which come back as they are, or as an answer of fixed length.

use forum_common::limits::FRAME_BYTES_MAX;
use forum_common::wire::{frame, kinds};

use super::{Event, Identity, Split, forum};
use crate::connection::Role;

/// The kind of a frame that the floor is to pass on to all others.
const BROADCAST: u8 = kinds::SendBroadcast;

#[inline]
pub(super) fn split(bytes: &[u8]) -> Split<'_> {
    let frame = frame::split(bytes, FRAME_BYTES_MAX).map_err(|error| error.to_string())?;
    let Some((frame, length)) = frame else { return Ok(None) };
    let event = if frame.kind == BROADCAST { Event::Delivery } else { Event::Answer };
    Ok(Some((Some(event), length)))
}

/// One echo shows that the connection was accepted; but where frames go to the others, none comes back.
pub(super) fn greet(who: Identity<'_>, out: &mut Vec<u8>) -> u32 {
    if who.role != Role::Worker {
        return 0;
    }
    forum::ping(out);
    1
}

pub(super) fn publish(text: &str, out: &mut Vec<u8>) {
    frame::append(out, BROADCAST, forum::TAG, text.as_bytes());
}
