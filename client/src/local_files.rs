//! The local files of transfers: opened, read, written and named as the core says.

use std::collections::HashMap;
use std::io;

use forum_peer::Folder;
use forum_peer::digest::Digesting;
use forum_peer::folder::{Kept, Leftover, Place, Problem};
use forum_peer::original::Source;
use forum_peer::transport::{Offer, Sink};
use forum_peer::wording::cause;

use crate::core::event::{FileAction, FileEvent, FileId, FileProblem};

/// Files that are open.
#[derive(Debug)]
pub struct LocalFiles {
    folder: Folder,
    sources: HashMap<FileId, Source>,
    /// What is left of broken downloads, being read.
    looking: Vec<(FileId, Found)>,
    /// What is left of them, and was read.
    found: HashMap<FileId, Found>,
    arriving: HashMap<FileId, Arriving>,
}

/// What is left of a broken download.
#[derive(Debug)]
struct Found {
    leftover: Leftover,
    /// The digest of it, so far.
    digesting: Digesting,
    /// The whole file.
    offer: Offer,
}

/// A file that arrives, and the digest of what is here of it.
#[derive(Debug)]
struct Arriving {
    kept: Kept,
    hasher: blake3::Hasher,
    offer: Offer,
}

impl LocalFiles {
    /// None yet; what arrives goes to `folder`.
    pub fn new(folder: Folder) -> Self {
        Self {
            folder,
            sources: HashMap::new(),
            looking: Vec::new(),
            found: HashMap::new(),
            arriving: HashMap::new(),
        }
    }

    /// Does something with a file. What came of it, unless it was closed.
    pub fn perform(&mut self, file: FileId, action: FileAction) -> Option<FileEvent> {
        Some(match action {
            FileAction::Open(path) => self.open(file, &path),
            FileAction::Read { offset, bytes_max } => self.read(file, offset, bytes_max),
            FileAction::Look(name) => {
                let Some(found) = self.look(&name) else { return Some(FileEvent::Found(None)) };
                self.looking.push((file, found));
                return None;
            }
            FileAction::Create { name, size, digest, has } => {
                self.create(file, &name, Offer { size, digest }, has)
            }
            FileAction::Append(bytes) => match self.arriving.get_mut(&file) {
                Some(arriving) => match arriving.kept.append(&bytes) {
                    Ok(()) => {
                        arriving.hasher.update(&bytes);
                        FileEvent::Appended(bytes.len())
                    }
                    Err(error) => self.lose(file, &error),
                },
                None => not_open(),
            },
            FileAction::Finish => match self.arriving.get_mut(&file).map(Arriving::finish) {
                Some(Ok(())) => FileEvent::Finished,
                Some(Err(error)) => self.lose(file, &error),
                None => not_open(),
            },
            FileAction::Close => {
                self.close(file, false);
                return None;
            }
            FileAction::Leave => {
                self.close(file, true);
                return None;
            }
        })
    }

    /// Whether something is being looked at: [`LocalFiles::look_on`] goes on with it.
    pub fn is_looking(&self) -> bool {
        !self.looking.is_empty()
    }

    /// Reads a few milliseconds' worth of what is left of broken downloads. What came of it, if that was all.
    pub fn look_on(&mut self) -> Option<(FileId, FileEvent)> {
        let (file, found) = self.looking.first_mut()?;
        let file = *file;
        match found.digesting.advance() {
            Ok(false) => return None,
            // What can't be read is not resumed.
            Err(_) => {
                self.looking.remove(0);
                return Some((file, FileEvent::Found(None)));
            }
            Ok(true) => {}
        }
        let (_, found) = self.looking.remove(0);
        let has = (found.leftover.size(), found.offer.digest);
        self.found.insert(file, found);
        Some((file, FileEvent::Found(Some(has))))
    }

    fn look(&self, name: &str) -> Option<Found> {
        // Where the name is taken there is nothing to resume: that is said when the file comes.
        Place::of_download(&self.folder, name, 0).ok()?;
        let (leftover, offer) = self.folder.leftover_of_download(name)?;
        let digesting = leftover.digesting().ok()?;
        Some(Found { leftover, digesting, offer })
    }

    fn close(&mut self, file: FileId, keeps: bool) {
        self.sources.remove(&file);
        self.looking.retain(|(looking, _)| *looking != file);
        self.found.remove(&file);
        if let Some(arriving) = self.arriving.remove(&file) {
            arriving.kept.leave(keeps);
        }
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

    fn create(&mut self, file: FileId, name: &str, offer: Offer, has: u64) -> FileEvent {
        let found = self.found.remove(&file).filter(|_| has > 0);
        let found = found.map(|found| (found.leftover, found.digesting.into_hasher()));
        let stored = Place::of_download(&self.folder, name, offer.size)
            .and_then(|place| place.store(&offer, found).map_err(Problem::Io));
        match stored {
            Ok((start, kept)) if start.offset() == has => {
                self.arriving.insert(file, Arriving { kept, hasher: start.into_hasher(), offer });
                FileEvent::Created
            }
            Ok((_, kept)) => {
                kept.leave(false);
                FileEvent::Failed(FileProblem::Other("what was left of it is gone. Try again".to_owned()))
            }
            Err(problem) => failed(&problem),
        }
    }

    /// Gives up a file that can't be stored.
    fn lose(&mut self, file: FileId, error: &io::Error) -> FileEvent {
        let kept = self.arriving.remove(&file).map(|arriving| arriving.kept);
        let event = match kept.as_ref().and_then(Kept::problem) {
            Some(problem) => failed(problem),
            None => FileEvent::Failed(FileProblem::Other(cause(error))),
        };
        kept.into_iter().for_each(|kept| kept.leave(false));
        event
    }
}

impl Arriving {
    /// Gives it its name, if it is what was sent.
    fn finish(&mut self) -> io::Result<()> {
        if self.hasher.count() != self.offer.size || self.hasher.finalize() != self.offer.digest {
            return Err(io::Error::other("what arrived is not what the server sent. Try again"));
        }
        self.kept.finish()
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
