//! What the loop, the journal's thread and the maker of a snapshot tell each other.

use std::sync::mpsc::Receiver;

use super::chain::Tip;
use crate::journal::batch::Batch;

/// What the thread is given to do, in order.
pub(super) enum Work {
    /// Commit these entries.
    Batch(Batch),
    /// A snapshot begins, of the state at this tip; its steps come through a bounded channel.
    Snapshot { covers: Tip, steps: Receiver<Step> },
    /// There is a step to take, or the sender of the steps has gone.
    SnapshotStep,
    /// The loop has committed, and something is due now that it does not do itself.
    Maintain,
    /// Finish.
    Close,
}

/// What the thread tells, in order.
pub(super) enum Report {
    /// A batch is in the log, which now ends here.
    Committed { tip: Tip, batch: Batch },
    /// There was no room for a batch: it is not in the log.
    NoSpace { batch: Batch },
    /// With an interval: everything up to here survives a power cut.
    Synced { tip: Tip },
    /// The snapshot is valid, or was abandoned.
    Snapshot { valid: bool },
    /// The last report: the process must end.
    Broken { reason: String },
}

/// One step of a snapshot.
pub(super) enum Step {
    Chunk(Vec<u8>),
    /// All chunks were sent. A channel that closes without this means that the maker failed.
    Complete,
}
