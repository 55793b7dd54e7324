//! The log over crashes: what was answered or shown is in it, and nothing that nobody asked for.

use forumd::forum::{Change, Entry};

use super::Oracle;

impl Oracle {
    /// The server has crashed: every connection is gone.
    pub(crate) fn crashed(&mut self) {
        for (_, socket) in self.sockets.drain() {
            self.conns[socket].is_old = true;
        }
        for conn in &mut self.conns {
            conn.listens = false;
        }
    }

    /// The server starts with this log; everything before `at_least` must be there.
    pub(crate) fn recovered(&mut self, log: &[Vec<u8>], at_least: usize) {
        let common = self.applied.iter().zip(log).take_while(|(ours, theirs)| ours == theirs).count();
        let promised = at_least.min(self.applied.len());
        self.expect(common >= promised, || {
            format!("entry {} of {promised} that were answered is lost or changed", common + 1)
        });
        if common < self.applied.len() {
            self.conns.iter_mut().filter(|conn| conn.is_old).for_each(|conn| conn.is_judged = false);
            return self.rewind(log);
        }
        let restarted = self.state().restarted();
        self.versions.push(restarted);
        for bytes in &log[common..] {
            self.take_unseen(bytes);
        }
        let last = self.state().clone();
        // What was acknowledged and is not in the log comes again.
        self.taken.retain(|user, taken| {
            let first = last.mail.get(user).and_then(|mailbox| mailbox.waiting.front());
            first.is_none_or(|(number, _)| number > taken)
        });
    }

    /// The log begins with these entries.
    pub(crate) fn preload(&mut self, log: &[Vec<u8>]) {
        self.rewind(log);
    }

    /// A power cut has taken what was answered, as it may. Nobody is connected, so nobody can be shown a state between two
    /// of these entries: all of them make one version.
    fn rewind(&mut self, log: &[Vec<u8>]) {
        self.versions.push(super::State::default());
        self.applied.clear();
        (self.taken, self.acked) = Default::default();
        for bytes in log {
            match Entry::decode(bytes) {
                Ok(entry) => {
                    let newest = self.versions.last_mut().expect("there is always one");
                    if let Ok(done) = newest.apply(&entry) {
                        self.tell(&entry, &done);
                    }
                }
                Err(error) => self.fail(format!("an entry can't be read: {error}")),
            }
            self.applied.push(bytes.clone());
        }
        let last = self.state().restarted();
        self.versions.push(last);
    }

    /// An entry that was stored, and nobody had heard of it.
    fn take_unseen(&mut self, bytes: &[u8]) {
        let entry = match Entry::decode(bytes) {
            Ok(entry) => entry,
            Err(error) => return self.fail(format!("an entry can't be read: {error}")),
        };
        self.applied.push(bytes.to_vec());
        let is_own = entry.actor.is_none()
            || matches!(entry.change, Change::TakeMessages { .. } | Change::MarkRead { .. });
        if is_own && !matches!(entry.change, Change::SetPassword { .. }) {
            self.check_own(&entry);
        } else {
            self.check_unseen(&entry);
        }
        let _ = self.take(&entry);
    }

    fn check_unseen(&mut self, entry: &Entry) {
        let user = entry.actor.map(|actor| actor.0);
        let state = self.state().clone();
        let own = self.conns.iter_mut().filter(|conn| conn.user == user);
        for conn in own {
            let tag = conn.asked.iter().find(|(_, asked)| state.is_asked_for(entry, &asked.as_ref()));
            if let Some(tag) = tag.map(|(tag, _)| *tag) {
                conn.asked.remove(&tag);
                return;
            }
        }
        self.fail(format!("stored, and nobody asked for it: {entry:?}"));
    }
}
