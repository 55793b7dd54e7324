//! Whether the database is whole beyond what a replay reads. A page that only a later write needs, or that was
//! read from the write-ahead log and is missing in the file, would end a server that has long said `listening`.

use std::fs;

use super::error::{JournalErrorKind, Place, io, sqlite};
use super::file::{Database, PAGE_BYTES, ServerState};
use super::paths::wal;

/// Bytes that the write-ahead log has for a page.
const FRAME_BYTES: u64 = 24 + PAGE_BYTES as u64;

/// Checks that the file has the pages that it needs, and that each of them is where it belongs. Reads the whole
/// database.
pub(super) fn verify(database: &Database, server: ServerState) -> Result<(), JournalErrorKind> {
    // Beside a server, the file and its log are not looked at in one instant.
    if server == ServerState::Stopped {
        verify_length(database)?;
    }
    let failed = sqlite("read it");
    let found: String =
        database.conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(&failed)?;
    match found.as_str() {
        "ok" => Ok(()),
        fault => Err(JournalErrorKind::Damaged(Place::File, fault.replace('\n', " "))),
    }
}

/// A page may be missing in the file if the log has it.
fn verify_length(database: &Database) -> Result<(), JournalErrorKind> {
    let needed: u64 = database
        .conn
        .query_row("PRAGMA page_count", [], |row| row.get::<_, i64>(0))
        .map_err(sqlite("read it"))?
        .unsigned_abs();
    let there = fs::metadata(&database.path).map_err(io("read it"))?.len() / PAGE_BYTES as u64;
    let logged = fs::metadata(wal(&database.path)).map_or(0, |log| log.len() / FRAME_BYTES);
    if there + logged < needed {
        let cut = format!("the file is cut short: it has {there} of {needed} pages");
        return Err(JournalErrorKind::Damaged(Place::File, cut));
    }
    Ok(())
}
