//! The disk under a journal in memory: a log in the page cache, of which only what was synced survives a power cut. It
//! has the freedoms that a real one has, entry by entry.

use std::collections::BTreeSet;

/// What becomes of an entry that was not synced when the power is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It had reached the disk.
    Kept,
    /// It had not, or only a part of it: its digest is wrong, and the log ends before it.
    Torn,
}

/// The log as the page cache has it, and what of it the disk has.
#[derive(Debug, Clone, Default)]
pub struct MemoryDisk {
    entries: Vec<Vec<u8>>,
    /// Entries that only the page cache has.
    unsynced: BTreeSet<usize>,
    /// Those of them that the kernel takes for written since a sync failed: another one writes nothing of them.
    given_up: BTreeSet<usize>,
    failing_syncs: usize,
}

impl MemoryDisk {
    /// A disk that has this log.
    #[must_use]
    pub fn with(entries: Vec<Vec<u8>>) -> Self {
        Self { entries, ..Self::default() }
    }

    /// The log as it would be read now.
    #[must_use]
    pub fn entries(&self) -> &[Vec<u8>] {
        &self.entries
    }

    /// The next syncs fail.
    pub fn fail_syncs(&mut self, syncs: usize) {
        self.failing_syncs = syncs;
    }

    /// Writes an entry at the end.
    pub(super) fn append(&mut self, entry: &[u8]) {
        self.unsynced.insert(self.entries.len());
        self.entries.push(entry.to_vec());
    }

    /// Has the disk get all that was written since the last sync, whether or not that one went well: as Linux does it,
    /// what a sync could not write is clean after it.
    ///
    /// # Errors
    /// The disk has an error.
    pub(super) fn sync(&mut self) -> Result<(), String> {
        if let Some(left) = self.failing_syncs.checked_sub(1) {
            self.failing_syncs = left;
            self.given_up = self.unsynced.clone();
            return Err("the disk has an error".to_owned());
        }
        self.unsynced.clone_from(&self.given_up);
        Ok(())
    }

    /// Writes the whole log over itself and syncs it: then the disk has all that can be read.
    ///
    /// # Errors
    /// The disk has an error.
    pub(super) fn write_back(&mut self) -> Result<(), String> {
        self.given_up.clear();
        self.sync()
    }

    /// The power is cut, and this becomes of each entry that was not synced. What follows one that is torn is not
    /// read again.
    pub fn cut_power(&mut self, mut fate: impl FnMut() -> Fate) {
        let torn = self.unsynced.iter().find(|_| fate() == Fate::Torn);
        if let Some(torn) = torn {
            self.entries.truncate(*torn);
        }
        (self.unsynced, self.given_up) = Default::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(synced: &[&str], unsynced: &[&str]) -> MemoryDisk {
        let mut disk = MemoryDisk::with(synced.iter().map(|entry| entry.as_bytes().to_vec()).collect());
        unsynced.iter().for_each(|entry| disk.append(entry.as_bytes()));
        disk
    }

    fn left(mut disk: MemoryDisk, fate: Fate) -> usize {
        disk.cut_power(|| fate);
        disk.entries().len()
    }

    #[test]
    fn a_power_cut_takes_what_was_not_synced_or_leaves_it() {
        let mut disk = disk(&["1"], &["2", "3"]);
        assert_eq!((left(disk.clone(), Fate::Torn), left(disk.clone(), Fate::Kept)), (1, 3));
        let mut fates = [Fate::Kept, Fate::Torn].into_iter();
        let mut torn = disk.clone();
        torn.cut_power(|| fates.next().unwrap());
        assert_eq!(torn.entries().len(), 2);
        disk.sync().unwrap();
        assert_eq!(left(disk, Fate::Torn), 3);
    }

    #[test]
    fn after_a_sync_that_failed_only_what_is_written_again_reaches_the_disk() {
        let mut disk = disk(&["1"], &["2"]);
        disk.fail_syncs(1);
        assert!(disk.sync().is_err());
        disk.append(b"3");
        disk.sync().unwrap();
        assert_eq!(left(disk.clone(), Fate::Torn), 1, "the kernel takes the second for written");
        disk.write_back().unwrap();
        assert_eq!(left(disk, Fate::Torn), 3);
    }
}
