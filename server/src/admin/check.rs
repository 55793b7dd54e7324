//! `forumd check`: reads and verifies everything, says what it found, and changes nothing.
//!
//! Beside a running server files come and go. So a file that is missing counts only if a later point of the
//! log names it still, and files that nothing names are uploads under way.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use forum_common::escape::for_terminal;
use forum_common::names::Title;

use super::verify::{FileError, expected, verify};
use super::{Counted, Point, Totals, because, open_log, say};
use crate::directory::Directory;
use crate::failed::Failed;
use crate::forum::{Forum, Upload};
use crate::interrupts::Interrupts;
use crate::journal::{Contents, ServerState, parts};
use crate::store::StoreReader;
use crate::workers::files::{FileId, Kind, Scan, orphaned, scan};

/// What others than the owner could do with a file.
const OTHERS_MODE: u32 = 0o077;
/// The bits of a mode that are permissions.
const PERMISSIONS: u32 = 0o7777;

/// Checks what is in `data`.
pub(super) fn run(data: &Path, out: &mut impl Write) -> Result<(), Failed> {
    let store = StoreReader::open(data).map_err(Failed::because)?;
    let mut check = Check { data, store, out, problems: 0 };
    match check.replay() {
        Ok(point) => check.forum(&point)?,
        Err(reason) => check.problem(reason)?,
    }
    check.permissions()?;
    check.verdict()
}

struct Check<'a, W> {
    data: &'a Path,
    store: StoreReader,
    out: &'a mut W,
    problems: u64,
}

impl<W: Write> Check<'_, W> {
    fn say(&mut self, line: impl Display) -> Result<(), Failed> {
        say(self.out, line)
    }

    fn problem(&mut self, problem: impl Display) -> Result<(), Failed> {
        self.problems += 1;
        // Much of it is quoted from what may be damaged.
        self.say(format_args!("problem: {}", for_terminal(&problem.to_string())))
    }

    fn verdict(mut self) -> Result<(), Failed> {
        match self.problems {
            0 => self.say("everything is in order"),
            problems => Err(Failed::because(format_args!("{} found", Counted(problems, "problem")))),
        }
    }

    fn replay(&self) -> Result<Point, String> {
        open_log(&self.store).and_then(Point::replay).map_err(|error| error.to_string())
    }

    fn forum(&mut self, point: &Point) -> Result<(), Failed> {
        let totals = Totals::of(&point.forum);
        self.log(&point.contents)?;
        if let Some(tail) = &point.dropped_tail {
            self.say(tail)?;
        }
        self.say(format_args!("accounts: {}", totals.accounts))?;
        self.say(format_args!("threads: {}", totals.threads))?;
        self.say(format_args!("messages: {}", totals.messages))?;
        self.say(format_args!("files: {} ({})", totals.files, Counted(totals.file_bytes, "byte")))?;
        let dir = self.store.files();
        match Directory::open(&dir)
            .and_then(|dir| scan(&dir, point.forum.files().map(|(_, upload)| upload.id)))
        {
            Ok(found) => self.files(&point.forum, &found),
            Err(error) => self.problem(format_args!("{} can't be read: {error}", dir.display())),
        }
    }

    fn log(&mut self, contents: &Contents) -> Result<(), Failed> {
        let Contents { covered, chunks, batches, last, .. } = *contents;
        match chunks {
            0 => self.say("snapshot: none")?,
            _ => {
                let chunks = Counted(chunks.into(), "chunk");
                self.say(format_args!("snapshot: {chunks}, up to entry {covered}"))?;
            }
        }
        self.say(format_args!("log: {}, up to entry {last}", Counted(batches, "commit")))
    }

    fn files(&mut self, forum: &Forum, found: &Scan) -> Result<(), Failed> {
        let parts = found.parts.len();
        self.say(match self.store.server() {
            ServerState::Running => format!("uploads under way: {parts}"),
            ServerState::Stopped => format!("uploads that broke off, deleted by the next start: {parts}"),
        })?;
        self.unreferenced(forum, found)?;
        self.foreign(&found.foreign)?;
        let mut missing: BTreeSet<FileId> = found.missing.iter().copied().collect();
        for (title, upload) in forum.files() {
            if missing.contains(&upload.id) {
                continue;
            }
            match verify(&upload.id.path_in(&self.store.files()), expected(upload), &Interrupts::Deadly) {
                Ok(_) => {}
                Err(FileError::Missing) => drop(missing.insert(upload.id)),
                Err(error) => self.broken_file(title, upload, &error)?,
            }
        }
        if missing.is_empty() { Ok(()) } else { self.missing(forum, &missing) }
    }

    /// Whole files that no thread has. Beside a server a file may be whole for a moment before its entry is in
    /// the log, so there only those count that were moved aside.
    fn unreferenced(&mut self, forum: &Forum, found: &Scan) -> Result<(), Failed> {
        let (removed, orphans): (Vec<FileId>, Vec<FileId>) =
            found.unreferenced.iter().partition(|id| forum.is_removed_file(**id));
        if self.store.server() == ServerState::Stopped {
            if !removed.is_empty() {
                let removed = removed.len();
                self.say(format_args!("files of removed threads, deleted by the next start: {removed}"))?;
            }
            for id in orphans {
                self.say(format_args!(
                    "no thread has files/{id}: the next start moves it to files/orphaned"
                ))?;
            }
        }
        for id in &found.orphaned {
            self.say(format_args!("no thread has files/orphaned/{id}: delete it if nobody misses it"))?;
        }
        Ok(())
    }

    /// Not ours to judge, but worth knowing.
    fn foreign(&mut self, names: &[OsString]) -> Result<(), Failed> {
        for name in names {
            let name = name.to_string_lossy();
            self.say(format_args!("not put there by forumd: files/{}", for_terminal(&name)))?;
        }
        Ok(())
    }

    fn missing(&mut self, forum: &Forum, missing: &BTreeSet<FileId>) -> Result<(), Failed> {
        let later = match self.store.server() {
            ServerState::Stopped => None,
            ServerState::Running => match StoreReader::open(self.data) {
                // Wiped meanwhile: then nothing is missing.
                Err(_) => return Ok(()),
                Ok(store) => {
                    self.store = store;
                    match self.replay() {
                        Ok(point) => Some(point),
                        Err(reason) => return self.problem(reason),
                    }
                }
            },
        };
        let forum = later.as_ref().map_or(forum, |point| &point.forum);
        for (title, upload) in forum.files().filter(|(_, upload)| missing.contains(&upload.id)) {
            self.broken_file(title, upload, &FileError::Missing)?;
        }
        Ok(())
    }

    fn broken_file(&mut self, title: &Title, upload: &Upload, error: &FileError) -> Result<(), Failed> {
        self.problem(format_args!("file {} of thread {title} (files/{}) {error}", upload.file, upload.id))
    }

    /// Whether anybody else may look into what is ours.
    fn permissions(&mut self) -> Result<(), Failed> {
        let (journal, files) = (self.store.journal(), self.store.files());
        self.permission(self.data)?;
        for part in parts(&journal) {
            self.permission(&part)?;
        }
        self.permission(&files)?;
        self.permissions_in(&files)?;
        self.permissions_in(&orphaned(&files))
    }

    fn permissions_in(&mut self, dir: &Path) -> Result<(), Failed> {
        // That it can't be read was said already, or nothing was ever moved there.
        let Ok(entries) = dir.read_dir() else { return Ok(()) };
        for entry in entries {
            let name = entry.map_err(because("read the files' directory"))?.file_name();
            if Kind::of(&name).is_some() {
                self.permission(&dir.join(name))?;
            }
        }
        Ok(())
    }

    fn permission(&mut self, path: &Path) -> Result<(), Failed> {
        let shown = path.display();
        match path.symlink_metadata() {
            Ok(found) if found.is_symlink() || found.mode() & OTHERS_MODE == 0 => Ok(()),
            Ok(found) => {
                let promised = if found.is_dir() { 0o700 } else { 0o600 };
                let mode = found.mode() & PERMISSIONS;
                self.problem(format_args!("{shown} has mode {mode:04o} instead of {promised:04o}"))
            }
            // Most parts of a journal come and go.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => self.problem(format_args!("{shown} can't be read: {error}")),
        }
    }
}
