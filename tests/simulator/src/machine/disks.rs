//! What the machine's disks do to the server, and what they keep when it crashes.

use forumd::forum::Forum;
use forumd::journal::Fate;

use super::Machine;
use crate::clock::Time;

impl Machine {
    /// The disk is full for the next so many commits.
    pub(crate) fn fill_log(&mut self, commits: usize) {
        if let Some(running) = &self.running {
            running.journal.no_space(commits);
        }
    }

    /// The next sync of the log fails.
    pub(crate) fn fail_log_sync(&self) {
        if let Some(running) = &self.running {
            running.journal.fail_sync();
        }
    }

    /// Syncs of the log fail no more.
    pub(crate) fn mend_log(&self) {
        if let Some(running) = &self.running {
            running.journal.mend();
        }
    }

    /// The next commit takes so much longer.
    pub(crate) fn slow_log(&mut self, time: Time) {
        self.slow_commit = time;
    }

    /// Whether the server has given up, because nobody knows any more what its disk has.
    pub(crate) fn has_given_up(&self) -> bool {
        self.running.as_ref().is_some_and(|running| running.server.has_broken())
    }

    /// The server dies at once; with the machine if the power is cut. What was handed to the disk may have got there.
    pub(crate) fn crash(&mut self, power: bool) {
        let Some(running) = self.running.take() else { return };
        self.promised = running.journal.log().disk.entries().len();
        if self.rng.chance(500) {
            running.journal.write_held();
        }
        if power {
            self.promised = running.journal.promised();
        }
        self.log = running.journal.log();
        if power {
            // Of a thousand entries that were not synced, how many are lost or torn.
            let torn = *self.rng.pick(&[0, 30, 300, 1_000]);
            let rng = &mut self.rng;
            self.log.disk.cut_power(|| if rng.chance(torn) { Fate::Torn } else { Fate::Kept });
            // A snapshot of what is gone is gone as well.
            let left = self.log.disk.entries().len();
            self.log.snapshot.take_if(|snapshot| snapshot.covered > left);
        }
        running.mounted.unmount();
        drop(running);
        if power {
            self.files.cut_power();
        }
        self.oracle.borrow_mut().crashed();
    }

    /// Each file that the forum names is there, and whole.
    pub(super) fn check_files(&self, forum: &Forum) {
        for (title, upload) in forum.files() {
            let found = self.files.read(&upload.id.to_string());
            let is_whole = found.is_some_and(|bytes| *blake3::hash(&bytes).as_bytes() == upload.digest);
            self.oracle
                .borrow_mut()
                .expect(is_whole, || format!("file {} of thread {title} is lost or damaged", upload.file));
        }
    }
}
