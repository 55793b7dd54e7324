//! Output that stands still: who takes nothing of what waits is found after the stall time-out.

use std::time::Instant;

use super::Peers;
use crate::connection::Stream;
use crate::session::PeerId;

/// How often in the stall time-out somebody who takes nothing is looked at.
const STALL_LOOKS: u32 = 12;

impl<S: Stream> Peers<S> {
    /// Has a connection looked at later if the kernel has not taken all that waits for it.
    pub(super) fn watch_for_stall(&mut self, id: PeerId) {
        let first_look = self.stall_timeout / STALL_LOOKS;
        if let Some(peer) = self.get_mut(id)
            && let Some(since) = peer.connection.stalled_since()
            && !std::mem::replace(&mut peer.is_watched, true)
        {
            self.stalls.push(id, since + first_look);
        }
    }

    /// When somebody's output may have stood still for too long.
    pub fn next_stall_due(&self) -> Option<Instant> {
        self.stalls.next_due()
    }

    /// Somebody of whose output the kernel has taken nothing for too long, if there is one. Each is named once.
    ///
    /// The kernel says that it takes bytes when a third of its buffer is free, and somebody who reads slowly may need
    /// minutes for that. So what waits is tried at each look, and what the kernel takes is progress. It also takes
    /// some when its buffer has grown though nobody reads: but only once, and so at the first look.
    pub fn next_stalled(&mut self) -> Option<PeerId> {
        let (now, limit) = (self.now, self.stall_timeout);
        loop {
            let id = self.stalls.pop_due(now)?;
            let Some(peer) = self.get_mut(id) else { continue };
            peer.connection.mark_writable();
            // What came of it, an error as well, is seen to when it is flushed again.
            let _ = self.flush(id);
            self.want_flush(id);
            let Some(peer) = self.get_mut(id) else { continue };
            match peer.connection.stalled_since().map(|since| since + limit) {
                Some(due) if due <= now => return Some(id),
                Some(due) => self.stalls.push(id, due.min(now + limit / STALL_LOOKS)),
                None => peer.is_watched = false,
            }
        }
    }
}
