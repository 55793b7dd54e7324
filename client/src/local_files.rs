//! The local files of transfers: opened, read, written and named as the core says.

use std::collections::HashMap;
use std::io;

use forum_common::wire::Digest;
use forum_peer::Folder;
use forum_peer::folder::{Kept, Place, Problem};
use forum_peer::original::Source;
use forum_peer::transport::{Offer, Sink};
use forum_peer::wording::cause;

use crate::core::event::{FileAction, FileEvent, FileId, FileProblem};

/// Files that are open.
#[derive(Debug)]
pub struct LocalFiles {
    folder: Folder,
    sources: HashMap<FileId, Source>,
    arriving: HashMap<FileId, Kept>,
}

impl LocalFiles {
    /// None yet; what arrives goes to `folder`.
    pub fn new(folder: Folder) -> Self {
        Self { folder, sources: HashMap::new(), arriving: HashMap::new() }
    }

    /// Does something with a file. What came of it, unless it was closed.
    pub fn perform(&mut self, file: FileId, action: FileAction) -> Option<FileEvent> {
        Some(match action {
            FileAction::Open(path) => self.open(file, &path),
            FileAction::Read { offset, bytes_max } => self.read(file, offset, bytes_max),
            FileAction::Create { name, size, digest } => self.create(file, &name, size, digest),
            FileAction::Append(bytes) => match self.arriving.get_mut(&file).map(|kept| kept.append(&bytes)) {
                Some(Ok(())) => FileEvent::Appended(bytes.len()),
                Some(Err(error)) => self.lose(file, &error),
                None => not_open(),
            },
            FileAction::Finish => match self.arriving.get_mut(&file).map(Sink::finish) {
                Some(Ok(())) => FileEvent::Finished,
                Some(Err(error)) => self.lose(file, &error),
                None => not_open(),
            },
            FileAction::Close => {
                self.sources.remove(&file);
                if let Some(kept) = self.arriving.remove(&file) {
                    kept.leave(false);
                }
                return None;
            }
        })
    }

    /// Hands out a file that is open for reading.
    pub fn take_source(&mut self, file: FileId) -> Option<Source> {
        self.sources.remove(&file)
    }

    fn open(&mut self, file: FileId, path: &str) -> FileEvent {
        match Source::open(path) {
            Ok(source) => {
                let (name, size) = (source.name.clone(), source.original.size());
                self.sources.insert(file, source);
                FileEvent::Opened { name, size }
            }
            Err(why) => FileEvent::Failed(FileProblem::Other(why)),
        }
    }

    fn read(&mut self, file: FileId, offset: u64, bytes_max: usize) -> FileEvent {
        let Some(source) = self.sources.get(&file) else { return not_open() };
        let mut bytes = vec![0; bytes_max];
        let read = source.original.read_some_at(&mut bytes, offset).and_then(|count| {
            bytes.truncate(count);
            // The last byte is given away only while the file is what it was when it was opened.
            if offset + count as u64 == source.original.size() { source.original.verify() } else { Ok(()) }
        });
        match read {
            Ok(()) => FileEvent::Read(bytes),
            Err(error) => FileEvent::Failed(FileProblem::Other(cause(&error))),
        }
    }

    fn create(&mut self, file: FileId, name: &str, size: u64, digest: Digest) -> FileEvent {
        let stored = Place::of_download(&self.folder, name, size)
            .and_then(|place| place.store(&Offer { size, digest }, None).map_err(Problem::Io));
        match stored {
            Ok((_, kept)) => {
                self.arriving.insert(file, kept);
                FileEvent::Created
            }
            Err(problem) => failed(&problem),
        }
    }

    /// Gives up a file that can't be stored.
    fn lose(&mut self, file: FileId, error: &io::Error) -> FileEvent {
        let kept = self.arriving.remove(&file);
        let event = match kept.as_ref().and_then(Kept::problem) {
            Some(problem) => failed(problem),
            None => FileEvent::Failed(FileProblem::Other(cause(error))),
        };
        kept.into_iter().for_each(|kept| kept.leave(false));
        event
    }
}

impl Drop for LocalFiles {
    /// What is not all here leaves no trace.
    fn drop(&mut self) {
        self.arriving.drain().for_each(|(_, kept)| kept.leave(false));
    }
}

fn failed(problem: &Problem) -> FileEvent {
    FileEvent::Failed(match problem {
        Problem::Exists(_) => FileProblem::Exists,
        other => FileProblem::Other(other.to_string()),
    })
}

fn not_open() -> FileEvent {
    FileEvent::Failed(FileProblem::Other("it is not open any more".to_owned()))
}

#[cfg(test)]
mod tests;
