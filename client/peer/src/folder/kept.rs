//! A file of another user while it comes in, and how it gets its name.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use tempfile::{PathPersistError, TempPath};

use super::{NAMES_MAX, OnClash, Place, Problem, SYNC_EVERY_BYTES, numbered};
use crate::transport::Sink;

/// A file being stored: the [`Sink`] of a transfer.
///
/// Dropped before its end it leaves what a later transfer may resume, as does a process that is killed.
#[derive(Debug)]
pub struct Kept {
    place: Place,
    /// What is there so far, until it has its real name.
    partial: Option<Partial>,
    /// Bytes from the beginning of the file that are there.
    pub(super) taken: u64,
    problem: Option<Problem>,
    /// The name that it has got, if that is another than it should have.
    renamed: Option<String>,
}

impl Kept {
    /// Goes on with `partial`, of which `taken` bytes are there.
    pub(super) fn new(place: Place, partial: Partial, taken: u64) -> Self {
        Self { place, partial: Some(partial), taken, problem: None, renamed: None }
    }

    /// Why the file could not be stored, if it could not.
    pub fn problem(&self) -> Option<&Problem> {
        self.problem.as_ref()
    }

    /// The name that it has got, if something had its own.
    pub fn renamed(&self) -> Option<&str> {
        self.renamed.as_deref()
    }

    /// Ends a transfer that did not come to its end. With `keep`, a later one of the same file may resume
    /// what is there; without, as when it was not what was announced, nothing is left.
    pub fn leave(mut self, keep: bool) {
        if let (false, Some(partial)) = (keep, &mut self.partial) {
            partial.condemn();
        }
    }

    /// Adds bytes. What there is goes at once if there is no room for them: nobody else has any either, and a user who
    /// makes room starts again.
    fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(mut partial) = self.partial.take() else {
            return Err(io::Error::other("the file is not open any more"));
        };
        let added = self.add_to(&mut partial, bytes);
        if added.as_ref().is_err_and(is_no_space) {
            partial.condemn();
        } else {
            self.partial = Some(partial);
        }
        added
    }

    fn add_to(&mut self, partial: &mut Partial, bytes: &[u8]) -> io::Result<()> {
        partial.file.write_all_at(bytes, self.taken)?;
        partial.path.disable_cleanup(partial.is_resumable);
        let before = self.taken;
        self.taken += bytes.len() as u64;
        if self.taken / SYNC_EVERY_BYTES > before / SYNC_EVERY_BYTES {
            partial.sync(File::sync_data)?;
        }
        Ok(())
    }

    /// Makes the file durable under its real name.
    fn settle(&mut self) -> io::Result<()> {
        let Some(mut partial) = self.partial.take() else { return Ok(()) };
        partial.sync(File::sync_all)?;
        let Partial { path, file, is_resumable } = partial;
        if let Err(failed) = self.give_name(path) {
            // It is all there: with the target out of the way, a later transfer has nothing left to send.
            self.partial = Some(Partial { path: failed.path, file, is_resumable });
            return Err(failed.error);
        }
        // The name is durable when the directory is.
        File::open(&self.place.directory)?.sync_all()?;
        self.place.remove_partials();
        Ok(())
    }

    /// Gives it its name, or the first that is free.
    fn give_name(&mut self, path: TempPath) -> Result<(), PathPersistError> {
        if self.place.on_clash == OnClash::Overwrite {
            return path.persist(self.place.target());
        }
        let mut named = path.persist_noclobber(self.place.target());
        let numbers = if self.place.on_clash == OnClash::Rename { 2..NAMES_MAX + 1 } else { 0..0 };
        for number in numbers {
            match named {
                Err(failed) if failed.error.kind() == io::ErrorKind::AlreadyExists => {
                    let name = numbered(&self.place.name_here, number);
                    named = failed.path.persist_noclobber(self.place.directory.join(&name));
                    self.renamed = named.is_ok().then_some(name);
                }
                _ => break,
            }
        }
        named
    }

    /// Notes what went wrong, in words for this end's user. The sender gets no more than the fact.
    fn failed(&mut self, error: io::Error) -> io::Error {
        let kind = error.kind();
        self.problem = Some(match kind {
            _ if is_no_space(&error) && self.partial.is_none() => Problem::NoSpace(error),
            io::ErrorKind::AlreadyExists => Problem::Exists(self.place.name_here.clone()),
            _ => Problem::Io(error),
        });
        kind.into()
    }
}

fn is_no_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

impl Sink for Kept {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.add(bytes).map_err(|error| self.failed(error))
    }

    fn finish(&mut self) -> io::Result<()> {
        self.settle().map_err(|error| self.failed(error))
    }
}

/// A file that is not all there yet. The path comes first, so that a name that goes does so before its lock:
/// under a lock that is open there may be another's file.
#[derive(Debug)]
pub(super) struct Partial {
    pub(super) path: TempPath,
    pub(super) file: File,
    /// Whether its name tells what it is a part of.
    pub(super) is_resumable: bool,
}

impl Partial {
    /// One that stays, unless it is empty; `file` is locked.
    pub(super) fn resumable(path: PathBuf, file: File) -> io::Result<Self> {
        let mut path = TempPath::try_from_path(path)?;
        path.disable_cleanup(file.metadata()?.len() > 0);
        Ok(Self { path, file, is_resumable: true })
    }

    /// Lets it go when it is dropped.
    fn condemn(&mut self) {
        self.is_resumable = false;
        self.path.disable_cleanup(false);
    }

    fn sync(&mut self, sync: impl FnOnce(&File) -> io::Result<()>) -> io::Result<()> {
        let synced = sync(&self.file);
        if synced.is_err() {
            // What reads back may not be what the disk has, and the next sync would not say so again.
            self.condemn();
        }
        synced
    }
}
