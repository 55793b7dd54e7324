//! Whether requests are made, and when.

use crate::pacing::Schedule;

/// Whether new requests are made.
#[derive(Debug)]
pub(super) enum Asking {
    /// None are.
    Not,
    /// One for each that was answered.
    Closed,
    /// When they are due; over the connections in turn.
    Open { schedule: Schedule, next: usize, wait: Wait },
}

/// Since when requests that are due can be sent.
#[derive(Debug)]
pub(super) enum Wait {
    /// Since this moment.
    Free(u64),
    /// They can't: every connection has as much in flight as it may.
    Blocked,
}

impl Wait {
    /// None can be sent from here on.
    pub(super) fn begin(&mut self) {
        *self = Self::Blocked;
    }

    /// Whether none can be sent.
    pub(super) fn is_blocked(&self) -> bool {
        matches!(self, Self::Blocked)
    }

    /// One can be sent now: since when that is so.
    pub(super) fn end(&mut self, now: u64) -> u64 {
        if self.is_blocked() {
            *self = Self::Free(now);
        }
        match self {
            Self::Free(since) => *since,
            Self::Blocked => now,
        }
    }
}
