//! `forumd export --salvage`: of a forum that is damaged, all that verifies, as an ordinary export.
//!
//! The log is applied in order, so what can be saved of it ends where it first does not verify: what follows may
//! be intact, and means something else without what came before.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use forum_common::escape::for_terminal;

use super::export::{drop_unnamed, hold_all, link_all, prepare, write};
use super::verify::{Fault, expected, verify};
use super::{Point, Totals, because, say};
use crate::files::FileId;
use crate::forum::{Entry, Forum, Restorer};
use crate::interrupts::Interrupts;
use crate::journal::{Contents, JournalError, Reading, Stored, sync_directory};
use crate::startup::Failed;
use crate::store::Look;

/// Exports into `dir` what verifies of what is in `data`.
pub(super) fn run(
    data: &Path,
    dir: &Path,
    out: &mut impl Write,
    interrupts: &Interrupts,
) -> Result<(), Failed> {
    let look = Look::open(data).map_err(Failed::because)?;
    let (draft, held) = prepare(dir)?;
    let stored = Stored::<Reading>::read(&look.journal(), look.beside()).map_err(Failed::because)?;
    link_all(&look.files(), &held).map_err(because("link the files"))?;
    let (point, stopped) = read(stored);
    let gone = hold_all(&point.forum, &look.files(), &held, interrupts)?;
    let lost = drop_unverified(&point.forum, &held, gone, interrupts)?;
    drop_unnamed(&point.forum, &held).map_err(because("drop files that nothing names"))?;
    write(&point.forum, &lost.ids, draft, interrupts)?;
    let (totals, contents) = (Totals::of(&point.forum), point.contents);
    let entries = contents.last.0 - contents.covered.0;
    say(out, format_args!("salvaged {totals} to {}", dir.display()))?;
    say(out, format_args!("log entries saved: {entries}, up to entry {}", contents.last))?;
    for line in &lost.lines {
        say(out, format_args!("left out: {}", for_terminal(line)))?;
    }
    match stopped {
        Some(error) => say(out, format_args!("the log stops there: {}", for_terminal(&error.to_string()))),
        None => say(out, "the log is whole"),
    }
}

/// The forum as far as the log verifies, and why no further.
fn read(stored: Stored<Reading>) -> (Point, Option<JournalError>) {
    let mut restorer = Restorer::default();
    let tail = stored.chunks(|chunk| restorer.take_chunk(chunk));
    // Of a damaged snapshot, what came before the damage.
    let mut forum = restorer.finish();
    let tail = match tail {
        Ok(tail) => tail,
        Err(error) => return (Point { forum, contents: Contents::default(), unverified: None }, Some(error)),
    };
    let covered = tail.covered();
    let mut contents = Contents { covered, last: covered, ..Contents::default() };
    let replayed = tail.entries(|sequence, bytes| {
        Entry::decode(bytes).map(|entry| {
            drop(forum.apply(&entry));
            contents.last = sequence;
        })
    });
    match replayed {
        Ok(replayed) => {
            let unverified = replayed.unverified().cloned();
            (Point { forum, contents: replayed.contents(), unverified }, None)
        }
        Err(error) => (Point { forum, contents, unverified: None }, Some(error)),
    }
}

/// The files that an export can't have.
struct Lost {
    ids: BTreeSet<FileId>,
    lines: Vec<String>,
}

/// Drops the files from `held` that are not what the forum says, and says which these are.
fn drop_unverified(
    forum: &Forum,
    held: &Path,
    gone: BTreeSet<FileId>,
    interrupts: &Interrupts,
) -> Result<Lost, Failed> {
    let mut lost = Lost { ids: gone, lines: Vec::new() };
    for (title, upload) in forum.files() {
        let path = upload.id.path_in(held);
        let verified = verify(&path, expected(upload), interrupts)
            .and_then(|file| file.sync_all().map_err(Fault::Unwritable));
        match verified {
            Ok(()) => {}
            Err(Fault::Interrupted) => return Err(Failed::because(Fault::Interrupted)),
            Err(fault) => {
                lost.ids.insert(upload.id);
                lost.lines.push(format!("file {} of thread {title} ({}) {fault}", upload.file, upload.id));
                remove(&path).map_err(because("drop a damaged file"))?;
            }
        }
    }
    sync_directory(held).map_err(because("fsync the files"))?;
    Ok(lost)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
