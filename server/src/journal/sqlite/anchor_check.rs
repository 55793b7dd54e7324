//! Whether a log reaches its anchor, and is there the log that the anchor names.

use super::chain::Tip;
use super::error::{JournalErrorKind, Place, Verified, damaged};
use super::replay::End;

/// What a log is checked against as it is read.
#[derive(Clone, Copy)]
pub(super) enum AnchorCheck {
    /// It has to reach this tip, at least.
    Anchor(Tip),
    /// There is no valid anchor.
    Unknown {
        /// Whether the log is taken as it is.
        accepted: bool,
    },
}

impl AnchorCheck {
    /// Whether the log may have ended at `tip`.
    pub(super) fn is_reached(self, tip: Tip) -> bool {
        matches!(self, Self::Anchor(anchor) if anchor.last <= tip.last)
    }

    /// Checks where the entries begin, after the snapshot or with the first one of all.
    pub(super) fn check_start(self, covers: Tip) -> Verified<()> {
        match self {
            Self::Anchor(anchor) if anchor.last == covers.last && anchor != covers => {
                Err(damaged(Place::Snapshot)("it is not the one that the anchor names"))
            }
            _ => Ok(()),
        }
    }

    /// Checks the step from one tip to the next against the anchor, if that lies between them.
    pub(super) fn check_step(self, from: Tip, to: Tip) -> Verified<()> {
        match self {
            Self::Anchor(anchor) if from.last < anchor.last && anchor.last <= to.last && anchor != to => Err(
                damaged(Place::Entry(from.last.plus(1)))("its batch is not the one that the anchor names"),
            ),
            _ => Ok(()),
        }
    }

    /// Checks where the log ended.
    pub(super) fn check_end(self, end: &End) -> Verified<()> {
        match self {
            Self::Anchor(anchor) if anchor.last > end.tip.last => {
                let missing = damaged(Place::Entry(end.tip.last.plus(1)));
                Err(missing(&format!(
                    "the log ends here; its anchor says that it reached entry {}",
                    anchor.last
                )))
            }
            // The anchor is durable before the database appears under its name, so none is without one; and what
            // it holds says nothing: all of a first run may have been in a write-ahead log that is gone.
            Self::Unknown { accepted: false } => Err(JournalErrorKind::NoAnchor),
            _ => Ok(()),
        }
    }
}
