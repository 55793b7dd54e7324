//! A journal that is read: opened at one point of its log, and replayed from there without a trace.
//!
//! ```text
//! LogReader ─ replay ─► Replayed ─ make_durable ─► DurableLog ─ start ─► SqliteJournal
//!                           └ dropped by those who only read
//! ```

use std::path::Path;

use rusqlite::Connection;

use super::anchor_check::AnchorCheck;
use super::chain::Tip;
use super::durable::{DurableLog, make_durable};
use super::error::{JournalError, JournalErrorKind, Verified, io};
use super::file::{Database, ServerState, check_format, check_readable_format, create, open_to_read};
use super::replay::{Contents, DroppedTail, End, Replay};
use super::verify::{Snapshot, read_batches, read_snapshot};
use super::{anchor, structure};

/// A journal that is open at one point of its log, which it holds on to until it is dropped.
pub struct LogReader {
    database: Database,
    server: ServerState,
    anchor: AnchorCheck,
    expects_entries: bool,
}

/// A journal that was read to its end, every digest verified.
pub struct Replayed {
    database: Database,
    end: End,
}

impl LogReader {
    /// Opens the journal at `path` for its only user, who holds the data directory's lock, and makes an empty one
    /// if there is none. Nothing in an existing one is changed.
    ///
    /// # Errors
    /// A file that can't be opened, or that this forumd did not write.
    pub fn open_or_create(path: &Path) -> Result<Self, JournalError> {
        match create(path, Tip::GENESIS, |_| Ok(())) {
            Ok(()) | Err(JournalError { kind: JournalErrorKind::Exists, .. }) => {}
            Err(error) => return Err(error),
        }
        Self::open(path, ServerState::Stopped)
    }

    /// Opens the journal at `path` at this point of its log, and changes nothing, neither in it nor beside it.
    ///
    /// # Errors
    /// A file that is not there, can't be opened, or that this forumd did not write.
    pub fn open(path: &Path, server: ServerState) -> Result<Self, JournalError> {
        Self::open_checked(path, server, check_format)
    }

    /// Likewise, to save what there is: a journal whose format damage made unreadable is opened all the same.
    ///
    /// # Errors
    /// Those of [`LogReader::open`].
    pub fn open_damaged(path: &Path, server: ServerState) -> Result<Self, JournalError> {
        Self::open_checked(path, server, check_readable_format)
    }

    /// Beside a server the log grows, and the anchor follows: so the anchor is read first.
    fn open_checked(
        path: &Path,
        server: ServerState,
        check: fn(&Connection) -> Verified<()>,
    ) -> Result<Self, JournalError> {
        let tip =
            anchor::read(path).map_err(|error| JournalError::new(path, io("read its anchor")(error)))?;
        let anchor = tip.map_or(AnchorCheck::Unknown { accepted: false }, AnchorCheck::Anchor);
        let database = open_to_read(path, server, check)?;
        Ok(Self { database, server, anchor, expects_entries: false })
    }

    /// Takes the log as it is, even an empty one, if its anchor is missing, or damaged beyond use. A log that ends
    /// before its anchor is refused all the same.
    #[must_use]
    pub fn accept_without_anchor(mut self) -> Self {
        if let AnchorCheck::Unknown { accepted } = &mut self.anchor {
            *accepted = true;
        }
        self
    }

    /// Refuses a log without entries if `expected`: the caller knows of something that only entries bring about.
    #[must_use]
    pub fn expecting_entries(mut self, expected: bool) -> Self {
        self.expects_entries = expected;
        self
    }

    /// Gives `target` the newest snapshot and every entry after it.
    ///
    /// # Errors
    /// A snapshot or an entry that is missing, damaged, or that `target` rejects; or a log that ends before its
    /// anchor, or has none.
    pub fn replay<R: Replay>(self, target: &mut R) -> Result<Replayed, JournalError> {
        match read_snapshot(&self.database, target) {
            Ok(snapshot) => self.replay_entries(snapshot, target),
            Err(kind) => Err(self.database.read_error(kind)),
        }
    }

    /// Gives `target` every entry there is, as if there were no snapshot.
    ///
    /// # Errors
    /// Those of [`LogReader::replay`].
    pub fn replay_without_snapshot<R: Replay>(self, target: &mut R) -> Result<Replayed, JournalError> {
        self.replay_entries(None, target)
    }

    fn replay_entries<R: Replay>(
        self,
        snapshot: Option<Snapshot>,
        target: &mut R,
    ) -> Result<Replayed, JournalError> {
        let snapshot = snapshot.unwrap_or(Snapshot { id: 0, covers: Tip::GENESIS, chunks: 0 });
        let covered = snapshot.covers.last;
        let contents = Contents { covered, chunks: snapshot.chunks, ..Contents::default() };
        let mut end = End { tip: snapshot.covers, snapshot_id: snapshot.id, contents, dropped_tail: None };
        target.end_snapshot(covered);
        let mut read = || -> Verified<()> {
            self.anchor.check_start(end.tip)?;
            read_batches(&self.database, self.anchor, &mut end, target)?;
            self.anchor.check_end(&end)?;
            if self.expects_entries && end.tip == Tip::GENESIS && end.contents.chunks == 0 {
                return Err(JournalErrorKind::Empty);
            }
            structure::verify(&self.database, self.server)
        };
        read().map_err(|kind| self.database.read_error(kind))?;
        end.contents.last = end.tip.last;
        Ok(Replayed { database: self.database, end })
    }
}

impl Replayed {
    /// What was read.
    #[must_use]
    pub fn contents(&self) -> Contents {
        self.end.contents
    }

    /// What was not read, because it does not verify and need not be there.
    #[must_use]
    pub fn dropped_tail(&self) -> Option<&DroppedTail> {
        self.end.dropped_tail.as_ref()
    }

    /// Makes all that was read durable: it may have been known to the page cache alone, so nobody may be shown any
    /// of it before. Then the journal can be written. The caller holds the data directory's lock.
    ///
    /// # Errors
    /// It can't be made durable; what was read must not be used.
    pub fn make_durable(self) -> Result<DurableLog, JournalError> {
        let Database { conn, path, .. } = self.database;
        // Before the other is opened, and not after: see `open_to_write`.
        drop(conn);
        make_durable(&path, self.end)
    }
}
