//! What waits to be sent, held against its limits.

use super::output::Stage;
use super::{Outbox, QUEUED_BYTES_HIGH};
use crate::core::feed::SEGMENT_BYTES;
use crate::core::figures::{FRAME, Figure};

/// How much longer than its limit a queue may be: the answers of the frames that are taken before it is looked at, and
/// what follows from entries that come back.
const QUEUED_SLACK: usize = 4 * FRAME;

impl Outbox {
    /// As it is at the end of a turn, when everybody was written to.
    pub(crate) fn figures(&self) -> [Figure; 5] {
        let outputs = || self.outputs.iter().filter(|output| output.stage != Stage::Vacant);
        let most_queued = outputs().map(|output| output.queued()).max().unwrap_or(0);
        let most_unasked = outputs().map(|output| output.unasked()).max().unwrap_or(0);
        let queued_max = QUEUED_BYTES_HIGH + self.notice_bytes_max + QUEUED_SLACK;
        let is_needed = self.lagging.iter().any(|lagging| !lagging.is_empty()) || self.next_sweep().is_some();
        let feed_max = if is_needed { self.notice_bytes_max + 2 * (SEGMENT_BYTES + FRAME) } else { 0 };
        let unasked_max = self.notice_bytes_max + FRAME;
        [
            Figure::exactly(
                "bytes that wait for connections",
                self.queued,
                outputs().map(|o| o.queued()).sum(),
            ),
            Figure::at_most("bytes that wait for one connection", most_queued, queued_max),
            Figure::at_most("notices that wait for one connection", most_unasked, unasked_max),
            Figure::at_most("bytes that wait for all", self.queued, self.queued_max.max(queued_max)),
            Figure::at_most("bytes of the feed", self.feed.held_bytes(), feed_max),
        ]
    }
}
