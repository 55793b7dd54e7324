//! From a log that was read to one that may be shown: everything in it is made durable first.
//!
//! What a process that died left behind is in the page cache, and nobody knows how much of it is on the disk.
//! After a failed fsync the kernel even marks the pages clean that it could not write, so that the next fsync
//! succeeds without writing them. If such entries were shown, or files deleted because of them, a power cut
//! would take back what somebody has seen.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use log::warn;
use rusqlite::Connection;

use super::anchor::Anchor;
use super::chain::Tip;
use super::error::{JournalError, io, is_full, sqlite};
use super::file::{Database, open_to_write, remove_log_at_close, stored};
use super::paths::{parent, wal};
use super::replay::End;
use crate::clock::{Clock, SystemClock};
use crate::directory::Directory;
use crate::journal::Sequence;

/// Bytes that are written back at once.
pub(super) const PIECE_BYTES: usize = 256 * 1024;

/// How long a statement waits for a lock: SQLite's usual time. Only a recovery of the log makes it wait.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// A journal of which all is durable, open to be written after its end.
pub struct DurableLog {
    pub(super) files: LogFiles,
    pub(super) end: End,
}

/// The files of a log that is open to be written.
pub(super) struct LogFiles {
    pub(super) database: Database,
    pub(super) anchor: Anchor,
}

/// Makes a journal durable that was read and verified, and opens it as its only writer. No descriptor of it
/// may be open.
///
/// The write-ahead log is written back and fsynced, and the database and its directory are fsynced; then the
/// log is moved into the database if there is room, so that nothing depends on the log any more. The anchor
/// then says where the log ends.
pub(super) fn make_durable(path: &Path, end: End) -> Result<DurableLog, JournalError> {
    let synced = || {
        write_back(&wal(path)).map_err(io("make its write-ahead log durable"))?;
        let synced = Directory::open(parent(path)).and_then(|directory| sync_all(&directory, path));
        synced.map_err(io("fsync it"))
    };
    synced().map_err(|kind| JournalError::new(path, kind))?;
    let database = open_to_write(path)?;
    if end.dropped_tail.is_some() {
        let dropped = drop_after(&database.conn, end.tip.last);
        dropped.map_err(|error| database.error(sqlite("drop what does not verify")(error)))?;
    }
    let moved = move_log(&database.conn).and_then(|moved| {
        database.conn.busy_timeout(BUSY_TIMEOUT)?;
        Ok(moved)
    });
    if moved.map_err(|error| database.error(sqlite("checkpoint")(error)))? == Moved::NoRoom {
        warn!("the write-ahead log stays as it is: no space left on the disk");
    }
    let anchor =
        Anchor::open(path, end.tip).map_err(|error| database.error(io("write its anchor")(error)))?;
    Ok(DurableLog { files: LogFiles { database, anchor }, end })
}

fn drop_after(conn: &Connection, last: Sequence) -> rusqlite::Result<usize> {
    conn.execute("DELETE FROM batches WHERE first > ?1", [stored(last)])
}

/// Ends the writing: makes the whole log durable, whatever the durability was, moves it into the database, so
/// that the next start finds one file, and closes it. The anchor then says where the log ended.
pub(super) fn close(files: LogFiles, tip: Tip) -> Result<(), JournalError> {
    let LogFiles { database: Database { conn, path, index }, anchor } = files;
    let closed = || -> rusqlite::Result<bool> {
        const OFF: i64 = 0;
        let level: i64 = conn.pragma_query_value(None, "synchronous", |row| row.get(0))?;
        conn.pragma_update(None, "synchronous", "FULL")?;
        let moved = move_log(&conn)?;
        // Without a fsync ever before, pages that were moved earlier may be known to the page cache alone.
        let is_durable = moved == Moved::All && level > OFF;
        if is_durable {
            // What is left to do needs no fsync: should a power cut bring the log back that is removed now, it
            // says what the database says.
            conn.pragma_update(None, "synchronous", "OFF")?;
        }
        remove_log_at_close(&conn, moved != Moved::NoRoom)?;
        conn.close().map_err(|(_, error)| error)?;
        Ok(is_durable)
    };
    let is_durable = closed().map_err(|error| JournalError::new(&path, sqlite("close it")(error)))?;
    drop(index);
    let anchored = || {
        if !is_durable {
            sync_all(&anchor.directory(), &path).map_err(io("fsync it"))?;
        }
        let moved = anchor.move_to(tip, SystemClock.now()).and_then(|()| anchor.sync());
        moved.map_err(io("write its anchor"))
    };
    anchored().map_err(|kind| JournalError::new(&path, kind))
}

/// Fsyncs what is there of a journal that nobody has open: the one in `directory` that is called like `path`.
fn sync_all(directory: &Directory, path: &Path) -> io::Result<()> {
    let open = |path: &Path| directory.open_file(path.file_name().unwrap_or_default());
    match open(&wal(path)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        opened => opened?.sync_all()?,
    }
    // A run with `--durability none` may have left pages that only the page cache has.
    open(path)?.sync_all()?;
    directory.sync()
}

/// Writes a file's bytes over themselves and fsyncs it, so that it is on the disk whatever the kernel took
/// for written. It takes no space. A file that isn't there is as durable as can be.
pub(super) fn write_back(path: &Path) -> io::Result<()> {
    let file = match OpenOptions::new().read(true).write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    let mut piece = vec![0; PIECE_BYTES];
    let mut offset = 0;
    loop {
        let bytes = match file.read_at(&mut piece, offset) {
            Ok(0) => return file.sync_all(),
            Ok(count) => &piece[..count],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        file.write_all_at(bytes, offset)?;
        offset += bytes.len() as u64;
    }
}

/// What became of a log that was to be moved into the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moved {
    /// It is empty.
    All,
    /// A reader holds on to it for as long as it reads. It stays, and nobody waits for that.
    NotAll,
    /// What does not fit into the database is as durable in the log, and stays there.
    NoRoom,
}

/// Moves the whole write-ahead log into the database and truncates it.
fn move_log(conn: &Connection) -> rusqlite::Result<Moved> {
    conn.busy_timeout(Duration::ZERO)?;
    match conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0)) {
        Ok(0) => Ok(Moved::All),
        Ok(_) => Ok(Moved::NotAll),
        Err(error) if is_full(&error) => Ok(Moved::NoRoom),
        Err(error) => Err(error),
    }
}
