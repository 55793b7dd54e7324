//! Reading a log row by row, every digest checked on the way: first the chunks of its newest snapshot, then the
//! batches after it.

use std::fmt::Display;

use blake3::Hash;
use rusqlite::{OptionalExtension, Row};

use super::LAYOUT;
use super::anchor_check::AnchorCheck;
use super::chain::{ChunkChain, Tip};
use super::error::{JournalErrorKind, Place, Verified, damaged, sqlite};
use super::file::{Database, stored};
use super::replay::{DroppedTail, End, Replay};
use crate::journal::Sequence;
use crate::journal::batch::entries_of;

/// A snapshot that was read.
pub(super) struct Snapshot {
    pub(super) id: i64,
    pub(super) covers: Tip,
    pub(super) chunks: u32,
}

fn rejected<E: Display>(place: Place) -> impl Fn(E) -> JournalErrorKind {
    move |why| JournalErrorKind::Rejected(place, why.to_string())
}

fn check_version(version: i64, place: Place) -> Verified<()> {
    if version == i64::from(LAYOUT) {
        return Ok(());
    }
    Err(JournalErrorKind::Rejected(place, format!("its layout is {version}, this forumd reads {LAYOUT}")))
}

pub(super) fn read_snapshot<R: Replay>(database: &Database, target: &mut R) -> Verified<Option<Snapshot>> {
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
    let chain = read_chunks(database, id, &covers, target)?;
    if chain.chunks() != chunks {
        return Err(damaged("chunks are missing at its end"));
    }
    if chain.seal() != Hash::from_bytes(sealed) {
        return Err(damaged("its digest does not match"));
    }
    Ok(Some(Snapshot { id, covers, chunks }))
}

fn read_chunks<R: Replay>(
    database: &Database,
    id: i64,
    covers: &Tip,
    target: &mut R,
) -> Verified<ChunkChain> {
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
        target.take_chunk(bytes).map_err(rejected(place))?;
    }
    Ok(chain)
}

/// Reads on from where `end` is, as far as the log verifies. Before the anchor all of it must.
pub(super) fn read_batches<R: Replay>(
    database: &Database,
    anchor: AnchorCheck,
    end: &mut End,
    target: &mut R,
) -> Verified<()> {
    const BATCHES: &str =
        "SELECT first, count, version, hash, entries FROM batches WHERE first > ?1 ORDER BY first";
    let failed = sqlite("read its entries");
    let mut statement = database.conn.prepare(BATCHES).map_err(&failed)?;
    let mut rows = statement.query([stored(end.tip.last)]).map_err(&failed)?;
    while let Some(row) = rows.next().map_err(&failed)? {
        let first = end.tip.last.plus(1);
        let bytes = blob(row, 4)?;
        let tip = match check_batch(row, end.tip, bytes) {
            Err(JournalErrorKind::Damaged(place, why)) if anchor.is_reached(end.tip) => {
                end.dropped_tail = Some(DroppedTail { after: end.tip.last, place, why });
                return Ok(());
            }
            checked => checked?,
        };
        anchor.check_step(end.tip, tip)?;
        for (at, entry) in entries_of(bytes).enumerate() {
            let sequence = first.plus(at);
            let place = Place::Entry(sequence);
            let entry = entry.ok_or_else(|| damaged(place)("it is cut off"))?;
            target.take_entry(sequence, entry).map_err(rejected(place))?;
        }
        end.tip = tip;
        end.contents.batches += 1;
        end.contents.tail_bytes += bytes.len() as u64;
    }
    Ok(())
}

/// Checks that a row continues the log at `tip`, and gives the tip after it.
fn check_batch(row: &Row<'_>, tip: Tip, bytes: &[u8]) -> Verified<Tip> {
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

fn column<T: rusqlite::types::FromSql>(row: &Row<'_>, index: usize) -> Verified<T> {
    row.get(index).map_err(sqlite("read a row"))
}

fn blob<'a>(row: &'a Row<'_>, index: usize) -> Verified<&'a [u8]> {
    let value = row.get_ref(index).map_err(sqlite("read a row"))?;
    value.as_blob().map_err(|error| JournalErrorKind::Damaged(Place::File, error.to_string()))
}
