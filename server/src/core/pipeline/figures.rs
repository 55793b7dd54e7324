//! What is in flight, held against its limits.

use super::{Origin, Pipeline};
use crate::core::figures::{FRAME, Figure};
use crate::core::limits;

impl<J> Pipeline<J> {
    /// Bytes of entries in flight, as they are counted and as they are. Only those that a client asked for wait for room.
    pub(crate) fn figures(&self) -> [Figure; 2] {
        let bytes = |asked: bool| {
            let entries = self.pending.iter().map(|(_, pending)| pending);
            let entries =
                entries.filter(move |pending| !asked || matches!(pending.origin, Origin::Command(..)));
            entries.map(|pending| pending.bytes as usize).sum()
        };
        [
            Figure::exactly("bytes of entries in flight", self.pending_bytes, bytes(false)),
            Figure::at_most("bytes of changes in flight", bytes(true), self.pending_bytes_max + FRAME),
        ]
    }

    /// How many entries in flight a limit counts.
    pub(crate) fn counted_entries(&self) -> usize {
        self.pending.iter().filter(|(_, pending)| limits::is_counted(&pending.entry)).count()
    }
}
