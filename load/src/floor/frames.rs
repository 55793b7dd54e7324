//! The frames of forumd, with any contents.

use forum_common::limits::FRAME_BYTES_MAX;
use forum_common::wire::{Frame, frame::split};

/// How many of `bytes` are whole frames, each of which goes to `each`. No answer: a length is impossible.
pub(super) fn whole_frames(bytes: &[u8], mut each: impl FnMut(&Frame<'_>)) -> Option<usize> {
    let mut taken = 0;
    while let Some((frame, frame_bytes)) = split(&bytes[taken..], FRAME_BYTES_MAX).ok()? {
        each(&frame);
        taken += frame_bytes;
    }
    Some(taken)
}
