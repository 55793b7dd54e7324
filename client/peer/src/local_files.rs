//! The local files of transfers: opened, read, written and named as the core says.

use std::collections::HashMap;
use std::io;

use forum_common::wire::Digest;

use crate::Folder;
use crate::digest::Digesting;
use crate::folder::{Kept, Leftover, Place, Problem};
use crate::original::Source;
use crate::transport::{Offer, Sink};
use crate::wording::cause;

/// Names a local file that is open.
pub type FileId = u64;

/// What is done with a local file.
#[derive(Debug, PartialEq, Eq)]
pub enum FileAction {
    /// Open this path for reading.
    Open(String),
    /// Read some bytes from this offset on. With the last byte it is checked that the file has not changed.
    Read {
        /// The first byte.
        offset: u64,
        /// As many at most.
        bytes_max: usize,
    },
    /// Look for what is left of a broken download of this name: [`FileEvent::Found`] follows, later if there is much of
    /// it to be read.
    Look(String),
    /// Make room for a file that arrives under this name, after what was found of it if that is to be resumed.
    Create {
        /// Its name here.
        name: String,
        /// Its size.
        size: u64,
        /// The digest that it will have.
        digest: Digest,
        /// Bytes of it that are there already.
        has: u64,
    },
    /// Add these bytes.
    Append(Vec<u8>),
    /// All is there: give it its name, if it is what it should be.
    Finish,
    /// Close it; what arrived of one that is not finished goes. Nothing follows.
    Close,
    /// Close it; what arrived of one that is not finished stays, to be resumed. Nothing follows.
    Leave,
}

/// What came of it.
#[derive(Debug)]
pub enum FileEvent {
    /// It is open.
    Opened {
        /// Its name without the directories.
        name: String,
        /// Its size.
        size: u64,
    },
    /// These bytes were read.
    Read(Vec<u8>),
    /// How much there is of which file; none if there is nothing to resume.
    Found(Option<(u64, Digest)>),
    /// There is room for it.
    Created,
    /// So many bytes more are stored.
    Appended(usize),
    /// It has its name, or this one if something had its own.
    Finished(Option<String>),
    /// It can't be done, for this reason. The file is closed.
    Failed(FileProblem),
}

/// Why nothing came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileProblem {
    /// There is something of this name, and it may not be replaced.
    Exists,
    /// Anything else, in words.
    Other(String),
}

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
            FileAction::Finish => match self.arriving.get_mut(&file) {
                Some(arriving) => match arriving.finish() {
                    Ok(()) => FileEvent::Finished(arriving.kept.renamed().map(str::to_owned)),
                    Err(error) => self.lose(file, &error),
                },
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
