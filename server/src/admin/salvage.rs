//! `forumd export --salvage`: of a forum that is damaged, all that verifies, as an ordinary export.
//!
//! The log is applied in order, so what can be saved of it ends where it first does not verify: what follows may
//! be intact, and means something else without what came before.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use forum_common::escape::for_terminal;

use super::export::{drop_unreferenced, link_all, link_or_copy_all, prepare, write};
use super::verify::{FileError, expected, verify};
use super::{Totals, because, say};
use crate::directory::Directory;
use crate::failed::Failed;
use crate::forum::Forum;
use crate::interrupts::Interrupts;
use crate::journal::{JournalError, LogReader, Sequence, sync_directory};
use crate::replay::ForumReplay;
use crate::store::StoreReader;
use crate::workers::files::{FileId, has_whole};

/// Exports into `dir` what verifies of what is in `data`.
pub(super) fn run(
    data: &Path,
    dir: &Path,
    out: &mut impl Write,
    interrupts: &Interrupts,
) -> Result<(), Failed> {
    let store = StoreReader::open(data).map_err(Failed::because)?;
    let (export, files_dir) = prepare(dir)?;
    // What can't be linked is tried again one by one.
    let _ = link_all(&store.files(), &files_dir);
    let Saved { forum, covered, last, snapshot_error, stopped } = read(&store).map_err(nothing_saved)?;
    let missing = link_or_copy_all(&forum, &store.files(), &files_dir, interrupts)?;
    let lost = drop_unverified(&forum, &files_dir, missing, interrupts)?;
    drop_unreferenced(&forum, &files_dir).map_err(because("drop files that nothing names"))?;
    write(&forum, &lost.ids, export, interrupts)?;
    let totals = Totals::without(&forum, &lost.ids);
    say(out, format_args!("salvaged {totals} to {}", dir.display()))?;
    say(out, format_args!("log entries saved: {}, up to entry {last}", last.0 - covered.0))?;
    for line in &lost.lines {
        say(out, format_args!("left out: {}", for_terminal(line)))?;
    }
    if let Some(error) = snapshot_error {
        say(out, format_args!("the snapshot can't be read: {}", for_terminal(&error.to_string())))?;
    }
    match stopped {
        Some(error) => say(out, format_args!("the log stops there: {}", for_terminal(&error.to_string()))),
        None => say(out, "the log is whole"),
    }
}

fn nothing_saved(error: JournalError) -> Failed {
    Failed::because(format_args!("nothing could be saved: {}", for_terminal(&error.to_string())))
}

/// What could be read of a log.
struct Saved {
    forum: Forum,
    /// The last entry that the snapshot stands for.
    covered: Sequence,
    /// The last entry of all.
    last: Sequence,
    /// Why every entry had to be read instead of the snapshot.
    snapshot_error: Option<JournalError>,
    /// Why it ends there.
    stopped: Option<JournalError>,
}

/// The forum as far as the log verifies.
///
/// # Errors
/// Why there is nothing of it.
fn read(store: &StoreReader) -> Result<Saved, JournalError> {
    let open = || LogReader::open_damaged(&store.journal(), store.server());
    let has_uploads = Directory::open(&store.files()).is_ok_and(|dir| has_whole(&dir));
    let mut read = ForumReplay::default();
    let end = open()?.expecting_entries(has_uploads).replay(&mut read);
    let saved = match (read, end) {
        (read @ ForumReplay::Snapshot(_), Err(error)) => {
            let mut entries = ForumReplay::default();
            let end = open()?.replay_without_snapshot(&mut entries);
            match Saved::new(entries, end.err()) {
                // What a snapshot covers may not have been deleted yet.
                saved if saved.last > Sequence(0) => Saved { snapshot_error: Some(error), ..saved },
                // Of a damaged snapshot, what came before the damage.
                _ => Saved::new(read, Some(error)),
            }
        }
        (read, end) => Saved::new(read, end.err()),
    };
    // Nothing is without somebody who made it.
    match saved.stopped {
        Some(error) if saved.forum.accounts.is_empty() => Err(error),
        stopped => Ok(Saved { stopped, ..saved }),
    }
}

impl Saved {
    fn new(read: ForumReplay, stopped: Option<JournalError>) -> Self {
        let (covered, last) = match &read {
            ForumReplay::Snapshot(_) => (Sequence(0), Sequence(0)),
            ForumReplay::Entries { covered, last, .. } => (*covered, *last),
        };
        Self { forum: read.into_forum(), covered, last, snapshot_error: None, stopped }
    }
}

/// The files that an export can't have.
struct Lost {
    ids: BTreeSet<FileId>,
    lines: Vec<String>,
}

/// Drops the files from `files_dir` that are not what the forum says, and says which these are, and which are `missing`.
fn drop_unverified(
    forum: &Forum,
    files_dir: &Path,
    mut missing: BTreeMap<FileId, FileError>,
    interrupts: &Interrupts,
) -> Result<Lost, Failed> {
    let mut lost = Lost { ids: BTreeSet::new(), lines: Vec::new() };
    for (title, upload) in forum.files() {
        let path = upload.id.path_in(files_dir);
        let verified = match missing.remove(&upload.id) {
            Some(error) => Err(error),
            None => verify(&path, expected(upload), interrupts)
                .and_then(|file| file.sync_all().map_err(FileError::Unwritable)),
        };
        match verified {
            Ok(()) => {}
            Err(FileError::Interrupted) => return Err(Failed::because(FileError::Interrupted)),
            Err(error) => {
                lost.ids.insert(upload.id);
                lost.lines.push(format!("file {} of thread {title} ({}) {error}", upload.file, upload.id));
                remove(&path).map_err(because("drop a damaged file"))?;
            }
        }
    }
    sync_directory(files_dir).map_err(because("fsync the files"))?;
    Ok(lost)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
