//! Files of removed threads: unlinked once no power cut can bring their thread back, then struck from the
//! state's list with the next change.
//!
//! ```text
//! removal applied ─► waits until it is durable ─► the file workers ─► gone ─► entry `Unlinked`
//! ```
//!
//! The state has the ids from the first step to the last, so a crash at any point forgets none of them: the next
//! start begins anew with what the state has. No entry is proposed for its own sake; the next change takes it
//! along, or a share of it, so that an idle server writes nothing.

use std::collections::VecDeque;

use crate::core::Core;
use crate::core::pipeline::{Origin, Proposal};
use crate::forum::Change;
use crate::journal::{Journal, Sequence};
use crate::planted::{Bug, planted};
use crate::workers::files::FileId;

/// Files that one entry strikes from the list, so that applying it is no stall.
pub(crate) const UNLINKED_SHARE: usize = 1_024;

/// The steps between two entries of the log.
#[derive(Debug, Default)]
pub(crate) struct Unlinking {
    /// Files whose removal is applied, and the last entry that has to be durable before they are unlinked.
    waiting: VecDeque<(Sequence, Vec<FileId>)>,
    /// Files that are gone, of which the log does not know yet.
    gone: Vec<FileId>,
}

impl<J: Journal> Core<J> {
    /// Unlinks what the last run left. Its removal is durable: a start makes the whole log so.
    pub(crate) fn resume_unlinking(&mut self) {
        self.files.unlink(self.forum.removed_files().collect());
    }

    /// A removal was applied.
    pub(crate) fn unlink_when_durable(&mut self, files: Vec<FileId>) {
        if !files.is_empty() {
            self.unlinking.waiting.push_back((self.pipeline.applied(), files));
        }
    }

    /// Unlinks the files whose removal has become durable.
    pub(crate) fn unlink_durable(&mut self) {
        let durable = self.pipeline.durable();
        let waiting = &mut self.unlinking.waiting;
        while waiting.front().is_some_and(|(removal, _)| {
            *removal <= durable || planted(Bug::FilesAreUnlinkedBeforeTheRemovalIsDurable)
        }) && let Some((_, files)) = waiting.pop_front()
        {
            self.files.unlink(files);
        }
    }

    /// Takes note of what the file workers have unlinked.
    pub(crate) fn note_unlinked(&mut self) {
        let mut files = self.files.take_unlinked();
        // An upload that was refused was never in the list.
        files.retain(|id| self.forum.is_removed_file(*id));
        self.unlinking.gone.append(&mut files);
    }

    /// Strikes from the list what is gone, or a share of it.
    pub(crate) fn propose_unlinked(&mut self) {
        let gone = &mut self.unlinking.gone;
        if !gone.is_empty() {
            let files = gone.split_off(gone.len().saturating_sub(UNLINKED_SHARE));
            let change = Change::Unlinked { files };
            self.pipeline
                .propose(Proposal { origin: Origin::Unlinked, actor: None, key: None, change }, self.time);
        }
    }

    /// What became of that: a full disk refuses it like any change.
    pub(crate) fn unlinked_decided(&mut self, change: &Change, is_done: bool) {
        if let Change::Unlinked { files } = change
            && !is_done
        {
            self.unlinking.gone.extend(files);
        }
    }
}
