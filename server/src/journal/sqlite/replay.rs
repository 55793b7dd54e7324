//! Replay: the newest snapshot's chunks, then the entries behind it, every digest checked on the way. It
//! refuses to know what a chunk or an entry means; whoever does may reject one, and is told where.

use std::fmt::{self, Display};
use std::marker::PhantomData;
use std::path::Path;

use blake3::Hash;
use rusqlite::{Connection, OptionalExtension, Row};

use super::anchor::Anchor;
use super::chain::{ChunkChain, Tip};
use super::error::{JournalError, Place, Trouble, io, sqlite};
use super::file::{Beside, Database, check_format, check_readable_format, create, open_to_read};
use super::settle::settle;
use super::{LAYOUT, anchor, structure};
use crate::journal::Sequence;
use crate::journal::batch::entries_of;

/// Opened for the server, or for a command that adds entries: the caller holds the directory's lock.
#[derive(Debug)]
pub enum Writing {}

/// Opened to be read at one point of the log, which it holds on to until it is dropped.
#[derive(Debug)]
pub enum Reading {}

/// What a journal is opened for.
pub trait Access: Sized {
    /// What is at hand when all was read.
    type Settled;

    /// Does what has to be done with a journal that was read and verified to its end, before anybody may use
    /// what was read.
    ///
    /// # Errors
    /// It can't be done; what was read must not be used.
    fn settle(database: Database, end: &End) -> Result<Self::Settled, JournalError>;
}

impl Access for Reading {
    type Settled = Database;

    fn settle(database: Database, _: &End) -> Result<Database, JournalError> {
        Ok(database)
    }
}

impl Access for Writing {
    type Settled = Settled;

    fn settle(Database { conn, path, .. }: Database, end: &End) -> Result<Settled, JournalError> {
        // Before the other is opened, and not after: see `open_to_write`.
        drop(conn);
        settle(&path, end)
    }
}

/// A journal that is open to be written after its end.
pub struct Settled {
    pub(super) database: Database,
    pub(super) anchor: Anchor,
}

/// A journal that was opened; first come the chunks of its snapshot.
pub struct Stored<A> {
    database: Database,
    beside: Beside,
    reach: Reach,
    expects_entries: bool,
    access: PhantomData<A>,
}

/// A journal whose snapshot was read; what follows are the entries after it.
pub struct Tail<A> {
    database: Database,
    beside: Beside,
    reach: Reach,
    expects_entries: bool,
    access: PhantomData<A>,
    snapshot: Option<Snapshot>,
}

/// A journal that was read to its end. Opened for writing, all of it is durable.
pub struct Replayed<A: Access> {
    settled: A::Settled,
    end: End,
}

/// How far a log has to reach.
#[derive(Clone, Copy)]
enum Reach {
    /// To its anchor, at least.
    Anchor(Tip),
    /// There is no valid anchor.
    Unknown {
        /// Whether the log is taken as it is.
        accepted: bool,
    },
}

/// Where a replay ended, to go on from there.
#[derive(Clone)]
pub struct End {
    pub(super) tip: Tip,
    /// The newest snapshot, 0 if there is none.
    pub(super) snapshot_id: i64,
    pub(super) contents: Contents,
    pub(super) unverified: Option<Unverified>,
}

/// What follows the anchor and does not verify: the end of it a crash cut off or garbled. Nobody was promised
/// that it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unverified {
    after: Sequence,
    place: Place,
    why: String,
}

impl Display for Unverified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { after, place, why } = self;
        write!(
            f,
            "the log ends after entry {after}; what follows does not verify and is dropped{place}: {why}"
        )
    }
}

/// What a replay read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Contents {
    /// The last entry that the snapshot stands for; 0 without one.
    pub covered: Sequence,
    /// Chunks of the snapshot.
    pub chunks: u32,
    /// Commits behind the snapshot.
    pub batches: u64,
    /// The last entry of all; 0 in an empty journal.
    pub last: Sequence,
    /// Bytes of the batches behind the snapshot.
    pub tail_bytes: u64,
}

struct Snapshot {
    id: i64,
    covers: Tip,
    chunks: u32,
}

/// An error whose journal is not named yet.
type Found<T> = Result<T, Trouble>;

impl Stored<Writing> {
    /// Opens the journal at `path`, and makes an empty one if there is none. Until all of it was read, nothing
    /// in it or beside it is changed, whatever is found.
    ///
    /// # Errors
    /// A file that can't be opened, or that this forumd did not write.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        match create(path, Tip::GENESIS, |_| Ok(())) {
            Ok(()) | Err(JournalError { trouble: Trouble::Exists, .. }) => {}
            Err(error) => return Err(error),
        }
        Self::read_anchored(path, Beside::Nobody, check_format)
    }
}

impl Stored<Reading> {
    /// Opens the journal at `path` at this point of its log, and changes nothing, neither in it nor beside it.
    ///
    /// # Errors
    /// A file that is not there, can't be opened, or that this forumd did not write.
    pub fn read(path: &Path, beside: Beside) -> Result<Self, JournalError> {
        Self::read_anchored(path, beside, check_format)
    }

    /// Likewise, to save what there is: a journal whose format damage made unreadable is opened all the same.
    ///
    /// # Errors
    /// Those of [`Stored::read`].
    pub fn read_damaged(path: &Path, beside: Beside) -> Result<Self, JournalError> {
        Self::read_anchored(path, beside, check_readable_format)
    }

    /// Goes on as if there were no snapshot: with the first entry of all, if that is still there.
    #[must_use]
    pub fn without_snapshot(self) -> Tail<Reading> {
        let Self { database, beside, reach, expects_entries, access } = self;
        Tail { database, beside, reach, expects_entries, access, snapshot: None }
    }
}

impl<A> Stored<A> {
    /// Beside a server the log grows, and the anchor follows: so the anchor is read first.
    fn read_anchored(
        path: &Path,
        beside: Beside,
        check: fn(&Connection) -> Found<()>,
    ) -> Result<Self, JournalError> {
        let anchor =
            anchor::read(path).map_err(|error| JournalError::new(path, io("read its anchor")(error)))?;
        let reach = anchor.map_or(Reach::Unknown { accepted: false }, Reach::Anchor);
        let database = open_to_read(path, beside, check)?;
        Ok(Self { database, beside, reach, expects_entries: false, access: PhantomData })
    }

    /// Takes the log as it is, even an empty one, if its anchor is missing, or damaged beyond use. A log that ends before its
    /// anchor is refused all the same.
    #[must_use]
    pub fn accept_without_anchor(mut self) -> Self {
        if let Reach::Unknown { accepted } = &mut self.reach {
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

    /// Gives each chunk of the newest snapshot to `take`, in order; none, if there is no snapshot.
    ///
    /// # Errors
    /// A snapshot that is damaged, or that `take` rejects.
    pub fn chunks<E: Display>(
        self,
        take: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<Tail<A>, JournalError> {
        let Self { database, beside, reach, expects_entries, access } = self;
        match read_snapshot(&database, take) {
            Ok(snapshot) => Ok(Tail { database, beside, reach, expects_entries, access, snapshot }),
            Err(trouble) => Err(database.read_error(trouble)),
        }
    }
}

impl<A: Access> Tail<A> {
    /// The last entry that the snapshot stands for; 0 without one.
    #[must_use]
    pub fn covered(&self) -> Sequence {
        self.snapshot.as_ref().map_or(Sequence(0), |snapshot| snapshot.covers.last)
    }

    /// Gives each entry after the snapshot to `take`, in order. A journal that is opened for writing is then
    /// made durable: what `take` was given may have been known to the page cache alone.
    ///
    /// # Errors
    /// An entry that is missing, damaged, or that `take` rejects; a log that ends before its anchor, or has
    /// none; or the journal can't be made durable.
    pub fn entries<E: Display>(
        self,
        take: impl FnMut(Sequence, &[u8]) -> Result<(), E>,
    ) -> Result<Replayed<A>, JournalError> {
        let covers = self.snapshot.as_ref().map_or(Tip::GENESIS, |snapshot| snapshot.covers);
        let contents = Contents {
            covered: covers.last,
            chunks: self.snapshot.as_ref().map_or(0, |snapshot| snapshot.chunks),
            ..Contents::default()
        };
        let snapshot_id = self.snapshot.map_or(0, |snapshot| snapshot.id);
        let mut end = End { tip: covers, snapshot_id, contents, unverified: None };
        let read = self.reach.check_start(covers);
        read.and_then(|()| read_batches(&self.database, self.reach, &mut end, take))
            .and_then(|()| self.reach.check_end(&end))
            .and_then(|()| check_entries(self.expects_entries, &end))
            .and_then(|()| structure::verify(&self.database, self.beside))
            .map_err(|trouble| self.database.read_error(trouble))?;
        end.contents.last = end.tip.last;
        Ok(Replayed { settled: A::settle(self.database, &end)?, end })
    }
}

impl<A: Access> Replayed<A> {
    /// What was read.
    #[must_use]
    pub fn contents(&self) -> Contents {
        self.end.contents
    }

    /// What was not read, because it does not verify and need not be there.
    #[must_use]
    pub fn unverified(&self) -> Option<&Unverified> {
        self.end.unverified.as_ref()
    }
}

impl Replayed<Writing> {
    /// The journal, to write after its end.
    pub(super) fn into_parts(self) -> (Settled, End) {
        (self.settled, self.end)
    }
}

impl Reach {
    /// Whether the log may have ended at `tip`.
    fn is_reached(self, tip: Tip) -> bool {
        matches!(self, Self::Anchor(anchor) if anchor.last <= tip.last)
    }

    /// Checks where the entries begin, after the snapshot or with the first one of all.
    fn check_start(self, covers: Tip) -> Found<()> {
        match self {
            Self::Anchor(anchor) if anchor.last == covers.last && anchor != covers => {
                Err(damaged(Place::Snapshot)("it is not the one that the anchor names"))
            }
            _ => Ok(()),
        }
    }

    /// Checks the step from one tip to the next against the anchor, if that lies between them.
    fn check_step(self, from: Tip, to: Tip) -> Found<()> {
        match self {
            Self::Anchor(anchor) if from.last < anchor.last && anchor.last <= to.last && anchor != to => Err(
                damaged(Place::Entry(from.last.plus(1)))("its batch is not the one that the anchor names"),
            ),
            _ => Ok(()),
        }
    }

    /// Checks where the log ended.
    fn check_end(self, end: &End) -> Found<()> {
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
            Self::Unknown { accepted: false } => Err(Trouble::NoAnchor),
            _ => Ok(()),
        }
    }
}

fn check_entries(expected: bool, end: &End) -> Found<()> {
    if expected && end.tip == Tip::GENESIS && end.contents.chunks == 0 { Err(Trouble::Empty) } else { Ok(()) }
}

fn damaged(place: Place) -> impl Fn(&str) -> Trouble {
    move |what| Trouble::Damaged(place, what.to_owned())
}

fn rejected<E: Display>(place: Place) -> impl Fn(E) -> Trouble {
    move |why| Trouble::Rejected(place, why.to_string())
}

fn check_version(version: i64, place: Place) -> Found<()> {
    if version == i64::from(LAYOUT) {
        return Ok(());
    }
    Err(Trouble::Rejected(place, format!("its layout is {version}, this forumd reads {LAYOUT}")))
}

fn read_snapshot<E: Display>(
    database: &Database,
    take: impl FnMut(&[u8]) -> Result<(), E>,
) -> Found<Option<Snapshot>> {
    const NEWEST: &str =
        "SELECT id, version, covers, covers_hash, chunks, hash FROM snapshots ORDER BY id DESC LIMIT 1";
    let newest = database
        .conn
        .query_row(NEWEST, [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get::<_, i64>(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
        })
        .optional()
        .map_err(sqlite("read its snapshot"))?;
    let Some((id, version, covers, covers_hash, chunks, sealed)) = newest else { return Ok(None) };
    check_version(version, Place::Snapshot)?;
    let damaged = damaged(Place::Snapshot);
    let last = u64::try_from(covers).map_err(|_| damaged("it covers a negative number of entries"))?;
    let covers = Tip { last: Sequence(last), hash: Hash::from_bytes(covers_hash) };
    let chain = read_chunks(database, id, &covers, take)?;
    if chain.chunks() != chunks {
        return Err(damaged("chunks are missing at its end"));
    }
    if chain.seal() != Hash::from_bytes(sealed) {
        return Err(damaged("its digest does not match"));
    }
    Ok(Some(Snapshot { id, covers, chunks }))
}

fn read_chunks<E: Display>(
    database: &Database,
    id: i64,
    covers: &Tip,
    mut take: impl FnMut(&[u8]) -> Result<(), E>,
) -> Found<ChunkChain> {
    const CHUNKS: &str =
        "SELECT number, hash, bytes FROM snapshot_chunks WHERE snapshot = ?1 ORDER BY number";
    let failed = sqlite("read its snapshot");
    let mut chain = ChunkChain::start(LAYOUT, covers);
    let mut statement = database.conn.prepare(CHUNKS).map_err(&failed)?;
    let mut rows = statement.query([id]).map_err(&failed)?;
    while let Some(row) = rows.next().map_err(&failed)? {
        let (number, digest): (u32, [u8; 32]) = (column(row, 0)?, column(row, 1)?);
        let bytes = blob(row, 2)?;
        let (expected, hash) = chain.extend(bytes);
        let place = Place::Chunk(expected);
        if number != expected {
            return Err(damaged(place)("it is missing"));
        }
        if hash != Hash::from_bytes(digest) {
            return Err(damaged(place)("its digest does not match"));
        }
        take(bytes).map_err(rejected(place))?;
    }
    Ok(chain)
}

/// Reads on from where `end` is, as far as the log verifies. Before the anchor all of it must.
fn read_batches<E: Display>(
    database: &Database,
    reach: Reach,
    end: &mut End,
    mut take: impl FnMut(Sequence, &[u8]) -> Result<(), E>,
) -> Found<()> {
    const BATCHES: &str =
        "SELECT first, count, version, hash, entries FROM batches WHERE first > ?1 ORDER BY first";
    let failed = sqlite("read its entries");
    let mut statement = database.conn.prepare(BATCHES).map_err(&failed)?;
    let mut rows = statement.query([stored(end.tip.last)]).map_err(&failed)?;
    while let Some(row) = rows.next().map_err(&failed)? {
        let first = end.tip.last.plus(1);
        let bytes = blob(row, 4)?;
        let tip = match check_batch(row, end.tip, bytes) {
            Err(Trouble::Damaged(place, why)) if reach.is_reached(end.tip) => {
                end.unverified = Some(Unverified { after: end.tip.last, place, why });
                return Ok(());
            }
            checked => checked?,
        };
        reach.check_step(end.tip, tip)?;
        for (at, entry) in entries_of(bytes).enumerate() {
            let sequence = first.plus(at);
            let place = Place::Entry(sequence);
            take(sequence, entry.ok_or_else(|| damaged(place)("it is cut off"))?).map_err(rejected(place))?;
        }
        end.tip = tip;
        end.contents.batches += 1;
        end.contents.tail_bytes += bytes.len() as u64;
    }
    Ok(())
}

/// Checks that a row continues the log at `tip`, and gives the tip behind it.
fn check_batch(row: &Row<'_>, tip: Tip, bytes: &[u8]) -> Found<Tip> {
    let expected = tip.last.plus(1);
    let place = Place::Entry(expected);
    let (first, count): (i64, i64) = (column(row, 0)?, column(row, 1)?);
    if first != stored(expected) {
        return Err(damaged(place)(&format!("it is missing; the next one there is {first}")));
    }
    check_version(column(row, 2)?, place)?;
    let count = usize::try_from(count).map_err(|_| damaged(place)("a negative number of entries"))?;
    let digest: [u8; 32] = column(row, 3)?;
    let after = tip.extended(LAYOUT, count, bytes);
    if after.hash != Hash::from_bytes(digest) {
        return Err(damaged(place)("the digest of its batch does not match"));
    }
    if entries_of(bytes).count() != count {
        return Err(damaged(place)("its batch has another number of entries than it says"));
    }
    Ok(after)
}

fn column<T: rusqlite::types::FromSql>(row: &Row<'_>, index: usize) -> Found<T> {
    row.get(index).map_err(sqlite("read a row"))
}

fn blob<'a>(row: &'a Row<'_>, index: usize) -> Found<&'a [u8]> {
    let value = row.get_ref(index).map_err(sqlite("read a row"))?;
    value.as_blob().map_err(|error| Trouble::Damaged(Place::File, error.to_string()))
}

/// A place in the form that SQLite stores.
pub(super) fn stored(sequence: Sequence) -> i64 {
    i64::try_from(sequence.0).expect("a log has fewer than 2^63 entries")
}
