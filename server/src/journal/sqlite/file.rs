//! The database file: how it is made, opened for writing, and opened for reading without a trace. It knows
//! SQLite's modes and tables, and not what a row holds.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use log::warn;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::chain::Tip;
use super::error::{JournalError, JournalErrorKind, Place, io, sqlite};
use super::paths::{parent, temporary, wal, with};
use super::unreadable::or_unreadable;
use super::{FORMAT, anchor, index};
use crate::journal::Sequence;

/// "foru": what `file(1)` and we recognise a forumd journal by.
const APPLICATION_ID: i64 = 0x666f_7275;

/// Bytes of a database page: what a commit of one short entry writes at least, and waits for. With 16 KiB, a
/// post that comes alone took 8 µs longer, and with 32 of each client in flight there were a tenth more of them a
/// second; 64 KiB was slower everywhere.
pub(super) const PAGE_BYTES: usize = 4 * 1024;

/// Bytes of write-ahead log that are kept to be overwritten. A reader that takes its time makes it grow;
/// what grew beyond this is given back to the disk afterwards.
const LOG_BYTES_KEPT: i64 = 64 * 1024 * 1024;

/// A batch a row; a snapshot's chunks are rows of their own, and count only once a row of `snapshots` says
/// so. Digests come before bytes, so that reading them does not walk a blob's overflow pages. The chunks are
/// found by an index beside them: as the key of a table `WITHOUT ROWID`, which journals of the first weeks
/// have, each comparison reads a whole chunk.
const SCHEMA: &str = "
    CREATE TABLE meta (format INTEGER NOT NULL) STRICT;
    CREATE TABLE batches (
        first INTEGER PRIMARY KEY, count INTEGER NOT NULL, version INTEGER NOT NULL,
        hash BLOB NOT NULL, entries BLOB NOT NULL) STRICT;
    CREATE TABLE snapshots (
        id INTEGER PRIMARY KEY, version INTEGER NOT NULL, covers INTEGER NOT NULL,
        covers_hash BLOB NOT NULL, chunks INTEGER NOT NULL, hash BLOB NOT NULL) STRICT;
    CREATE TABLE snapshot_chunks (
        snapshot INTEGER NOT NULL, number INTEGER NOT NULL, hash BLOB NOT NULL, bytes BLOB NOT NULL,
        PRIMARY KEY (snapshot, number)) STRICT;";

/// Whether a server may have the journal open while we read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerState {
    /// It runs: its locks are respected, its write-ahead log is shared.
    Running,
    /// None can start, because the caller holds the data directory's lock.
    Stopped,
}

/// An open database and its name.
pub(super) struct Database {
    pub(super) conn: Connection,
    /// As the user wrote it.
    pub(super) path: PathBuf,
    /// The index of its log, if its space was taken. Closing this earlier would drop the locks that SQLite holds.
    pub(super) index: Option<File>,
}

impl Database {
    /// The same error, with the journal's name in front.
    pub(super) fn error(&self, kind: JournalErrorKind) -> JournalError {
        JournalError::new(&self.path, kind)
    }

    /// Likewise of one that came up while it was read.
    pub(super) fn read_error(&self, kind: JournalErrorKind) -> JournalError {
        self.error(or_unreadable(&self.path, kind))
    }
}

/// Every file that a journal at `path` may consist of, the one that makes it exist first, and of one that
/// was being made.
#[must_use]
pub fn parts(path: &Path) -> Vec<PathBuf> {
    let mut parts = files_of(path).to_vec();
    parts.push(anchor::path_of(path));
    parts.extend(files_of(&temporary(path)));
    parts
}

/// What there may be of a journal that was being made at `path` when that was cut short, in the order in
/// which they have to be removed. An anchor without a temporary file is none of these: its journal was lost.
#[must_use]
pub fn temporary_parts(path: &Path) -> Vec<PathBuf> {
    let temporary = temporary(path);
    let anchor = temporary.exists().then(|| anchor::path_of(path));
    anchor.into_iter().chain(files_of(&temporary).into_iter().rev()).collect()
}

/// A database, and the files that SQLite keeps beside it.
fn files_of(database: &Path) -> [PathBuf; 4] {
    ["", "-wal", "-shm", "-journal"].map(|suffix| with(database, suffix))
}

/// Makes what was created, renamed or removed in a directory durable.
///
/// # Errors
/// Those of opening the directory and of fsync.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Makes a journal with what `fill` puts into it, and an anchor at `tip`, where it ends. It appears under its
/// name when it is whole and durable; a crash before that leaves a temporary file, which the next attempt removes.
pub(super) fn create(
    path: &Path,
    tip: Tip,
    fill: impl FnOnce(&Connection) -> rusqlite::Result<()>,
) -> Result<(), JournalError> {
    let made = || -> Result<(), JournalErrorKind> {
        let unfinished = temporary_parts(path);
        // A log without its database counts: a new database would take the log for its own.
        let lost = [anchor::path_of(path)].into_iter().filter(|anchor| !unfinished.contains(anchor));
        for file in files_of(path).into_iter().chain(lost) {
            if file.try_exists().map_err(io("look for it"))? {
                return Err(JournalErrorKind::Exists);
            }
        }
        remove_all(&unfinished).map_err(io("remove what a crash left"))?;
        let temporary = temporary(path);
        make_private_file(&temporary).map_err(io("create it"))?;
        write_temporary(&temporary, fill)?;
        // SQLite did not sync while it filled it: nobody could have seen it half done.
        File::open(&temporary).and_then(|file| file.sync_all()).map_err(io("fsync it"))?;
        // A journal without an anchor would be refused, so the anchor comes first.
        anchor::create(path, tip).map_err(io("write its anchor"))?;
        fs::rename(&temporary, path).map_err(io("rename it"))?;
        sync_directory(parent(path)).map_err(io("fsync its directory"))
    };
    made().map_err(|kind| {
        if !matches!(kind, JournalErrorKind::Exists) {
            // The error to tell is the first one; what stays is removed by the next attempt.
            let _ = remove_all(&temporary_parts(path));
        }
        JournalError::new(path, kind)
    })
}

fn remove_all(paths: &[PathBuf]) -> io::Result<()> {
    paths.iter().try_for_each(|path| match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    })
}

/// SQLite gives its helper files the mode of the database, so this one call makes all of them private.
fn make_private_file(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))
}

fn make_tables(conn: &Connection) -> rusqlite::Result<()> {
    conn.pragma_update(None, "page_size", PAGE_BYTES as i64)?;
    conn.pragma_update(None, "synchronous", "OFF")?;
    conn.pragma_update(None, "application_id", APPLICATION_ID)?;
    conn.execute_batch(SCHEMA)?;
    conn.execute("INSERT INTO meta (format) VALUES (?1)", [FORMAT]).map(drop)
}

fn write_temporary(
    temporary: &Path,
    fill: impl FnOnce(&Connection) -> rusqlite::Result<()>,
) -> Result<(), JournalErrorKind> {
    let failed = sqlite("make its tables");
    let conn = open_connection(temporary, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(&failed)?;
    make_tables(&conn).map_err(&failed)?;
    into_wal_mode(&conn)?;
    fill(&conn).map_err(sqlite("write it"))?;
    conn.close().map_err(|(_, error)| sqlite("close it")(error))
}

/// Opens a journal that was replayed and is durable, as the only writer. No other descriptor of the file may be
/// open in this process: closing it later would drop the locks that SQLite holds (POSIX locks belong to the
/// process).
pub(super) fn open_to_write(path: &Path) -> Result<Database, JournalError> {
    let opened = || -> Result<Database, JournalErrorKind> {
        let conn = open_connection(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(sqlite("open it"))?;
        // When it is not closed on purpose something went wrong, and nothing more is to be written.
        remove_log_at_close(&conn, false).map_err(sqlite("configure it"))?;
        let has_room = index::has_room(path).map_err(io("make room for the index of its log"))?;
        if !has_room {
            warn!(
                "no space left on the disk: until the next start, export and check can't read beside the server"
            );
            exclude_others(&conn).map_err(sqlite("configure it"))?;
        }
        into_wal_mode(&conn)?;
        let settings = || -> rusqlite::Result<()> {
            conn.pragma_update(None, "synchronous", "FULL")?;
            conn.pragma_update(None, "wal_autocheckpoint", 0)?;
            conn.pragma_update(None, "journal_size_limit", LOG_BYTES_KEPT)?;
            // Only now the index is there.
            conn.query_row("SELECT format FROM meta", [], |_| Ok(()))
        };
        settings().map_err(sqlite("configure it"))?;
        let index = has_room.then(|| index::take_room(path)).transpose();
        let index = index.map_err(io("make room for the index of its log"))?;
        Ok(Database { conn, path: path.to_owned(), index })
    };
    opened().map_err(|kind| JournalError::new(path, kind))
}

/// Opens a journal at one point of its log, and changes nothing: no file appears, none is written. `check` says
/// whether it is one of ours.
pub(super) fn open_to_read(
    path: &Path,
    server: ServerState,
    check: impl FnOnce(&Connection) -> Result<(), JournalErrorKind>,
) -> Result<Database, JournalError> {
    let opened = || -> Result<Connection, JournalErrorKind> {
        let bytes = fs::metadata(path).map_err(io("open it"))?.len();
        if bytes < PAGE_BYTES as u64 {
            return Err(less_than_a_page(path, bytes));
        }
        let wal_bytes = fs::metadata(wal(path)).map_or(0, |wal| wal.len());
        let conn = match server {
            ServerState::Running => open_connection(path, OpenFlags::SQLITE_OPEN_READ_ONLY),
            ServerState::Stopped if wal_bytes == 0 => open_immutable(path),
            ServerState::Stopped => open_crashed(path),
        }
        .map_err(sqlite("open it"))?;
        // The transaction holds the point until the connection goes.
        conn.execute_batch("BEGIN").map_err(sqlite("read it"))?;
        check(&conn)?;
        Ok(conn)
    };
    let conn = opened().map_err(|kind| JournalError::new(path, or_unreadable(path, kind)))?;
    Ok(Database { conn, path: path.to_owned(), index: None })
}

/// What is wrong with a database of so few bytes. SQLite must not see it: beside an empty database it deletes
/// the write-ahead log, even when it only reads.
fn less_than_a_page(path: &Path, bytes: u64) -> JournalErrorKind {
    if wal(path).exists() || anchor::path_of(path).exists() {
        JournalErrorKind::Damaged(Place::File, format!("the file is cut short: it has {bytes} bytes"))
    } else {
        JournalErrorKind::Foreign
    }
}

/// Everything is in the one file: no log, no locks, no shared memory.
fn open_immutable(path: &Path) -> rusqlite::Result<Connection> {
    /// What stands for itself in the path of a URI.
    const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_');
    let absolute = absolute(path)?;
    let uri = format!("file:{}?immutable=1", percent_encode(absolute.as_os_str().as_bytes(), PLAIN));
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
}

/// Reads the log that a crash left, without the recovery that an ordinary reader would write into the
/// shared memory file: in exclusive mode SQLite keeps that index on the heap. The lock which that mode asks
/// for is the one we hold on the directory already, so the file system's is not needed.
fn open_crashed(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags_and_vfs(absolute(path)?, flags, c"unix-none")?;
    remove_log_at_close(&conn, false)?;
    exclude_others(&conn)?;
    Ok(conn)
}

/// Keeps the index of the log on the heap, where nobody else has it.
fn exclude_others(conn: &Connection) -> rusqlite::Result<()> {
    conn.pragma_update_and_check(None, "locking_mode", "EXCLUSIVE", |row| row.get::<_, String>(0)).map(drop)
}

fn open_connection(path: &Path, mode: OpenFlags) -> rusqlite::Result<Connection> {
    Connection::open_with_flags(absolute(path)?, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)
}

/// An absolute path can't be mistaken for a URI, which this SQLite would accept without being asked.
fn absolute(path: &Path) -> rusqlite::Result<PathBuf> {
    std::path::absolute(path).map_err(|_| rusqlite::Error::InvalidPath(path.to_owned()))
}

/// Whether closing the last connection moves the write-ahead log into the database and removes it.
pub(super) fn remove_log_at_close(conn: &Connection, remove: bool) -> rusqlite::Result<()> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, !remove).map(drop)
}

/// Commits something that nobody waits for: where each commit is fsynced this one is not, and becomes durable
/// with the next one that is.
pub(super) fn without_waiting<T>(
    conn: &Connection,
    commit: impl FnOnce() -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    const FULL: i64 = 2;
    let level: i64 = conn.pragma_query_value(None, "synchronous", |row| row.get(0))?;
    if level < FULL {
        return commit();
    }
    conn.pragma_update(None, "synchronous", "NORMAL")?;
    let outcome = commit();
    let restored = conn.pragma_update(None, "synchronous", level);
    outcome.and_then(|value| restored.map(|()| value))
}

fn into_wal_mode(conn: &Connection) -> Result<(), JournalErrorKind> {
    let doing = "open its write-ahead log";
    let mode: String =
        conn.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0)).map_err(sqlite(doing))?;
    // It answers with the mode that it could get, which is no error to SQLite.
    match mode.as_str() {
        "wal" => Ok(()),
        other => {
            Err(JournalErrorKind::Io(doing, io::Error::other(format!("the journal mode stays {other}"))))
        }
    }
}

/// Takes a format that damage made unreadable for the present one: of another, no row would verify.
pub(super) fn check_readable_format(conn: &Connection) -> Result<(), JournalErrorKind> {
    match check_format(conn) {
        Err(JournalErrorKind::Damaged(..)) => Ok(()),
        checked => checked,
    }
}

pub(super) fn check_format(conn: &Connection) -> Result<(), JournalErrorKind> {
    let id: i64 =
        conn.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(sqlite("read it"))?;
    if id != APPLICATION_ID {
        return Err(JournalErrorKind::Foreign);
    }
    let format: i64 =
        conn.query_row("SELECT format FROM meta", [], |row| row.get(0)).map_err(sqlite("read its format"))?;
    match format {
        _ if format == i64::from(FORMAT) => Ok(()),
        _ if format > i64::from(FORMAT) => Err(JournalErrorKind::Newer { format }),
        _ => Err(JournalErrorKind::Older { format }),
    }
}

/// A sequence in the form that SQLite stores.
pub(super) fn stored(sequence: Sequence) -> i64 {
    i64::try_from(sequence.0).expect("a log has fewer than 2^63 entries")
}
