//! What lies where in a data directory, whether it may be used, and how it is emptied. Every step here is
//! such that a crash behind it leaves a directory that the next start understands.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::{StoreError, Trouble};
use crate::files::FileId;
use crate::journal::{Beside, drafts, parts, sync_directory};

pub(super) const JOURNAL: &str = "journal.sqlite3";
const FILES: &str = "files";
const LOCK: &str = "lock";
const WIPING: &str = "wiping";

/// What a lock file of ours says. A directory that has one was ours before, whatever else is in it now.
const SIGNATURE: &[u8] = b"forumd\n";

const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// What a lock file says.
enum LockFile {
    /// [`SIGNATURE`].
    Signed,
    /// Nothing: there is none, or a crash came between making and signing it.
    Blank,
    Other,
}

/// What a directory holds.
enum Found {
    Forum,
    /// Leftovers of a forum that counts as gone.
    CutShortWipe,
    Nothing,
}

#[derive(Debug)]
pub(super) struct Places {
    /// As the user wrote it.
    root: PathBuf,
}

impl Places {
    pub(super) fn at(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    pub(super) fn journal(&self) -> PathBuf {
        self.root.join(JOURNAL)
    }

    pub(super) fn files(&self) -> PathBuf {
        self.root.join(FILES)
    }

    fn lock(&self) -> PathBuf {
        self.root.join(LOCK)
    }

    fn wiping(&self) -> PathBuf {
        self.root.join(WIPING)
    }

    pub(super) fn error(&self, trouble: Trouble) -> StoreError {
        StoreError { root: self.root.clone(), trouble }
    }

    /// Makes the directory ours, or leaves everything as it was.
    pub(super) fn take(&self) -> Result<File, Trouble> {
        self.make_root()?;
        // Once to refuse without a trace, and again when nobody else can change it any more.
        self.examine()?;
        let lock = self.lock_exclusively()?;
        match self.examine()? {
            Found::Forum => {}
            Found::CutShortWipe => self.finish_wipe().map_err(io("finish wiping it"))?,
            Found::Nothing => fs::set_permissions(&self.root, Permissions::from_mode(DIRECTORY_MODE))
                .map_err(io("make it private"))?,
        }
        make_private_directory(&self.files()).map_err(io("create its files directory"))?;
        sync_directory(&self.root).map_err(io("fsync it"))?;
        Ok(lock)
    }

    fn make_root(&self) -> Result<(), Trouble> {
        match fs::metadata(&self.root) {
            Ok(found) if found.is_dir() => Ok(()),
            Ok(_) => Err(Trouble::NotADirectory),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let made =
                    make_private_directory(&self.root).and_then(|()| sync_directory(parent(&self.root)));
                made.map_err(io("create it"))
            }
            Err(error) => Err(Trouble::Io("open it", error)),
        }
    }

    /// What is there; an error if it is nothing that a server should start from.
    fn examine(&self) -> Result<Found, Trouble> {
        let lock_file = self.lock_file()?;
        if self.was_wiped(&lock_file)? {
            return Ok(Found::CutShortWipe);
        }
        if exists(&self.journal())? {
            return Ok(Found::Forum);
        }
        let foreign = |name: &OsString| Err(Trouble::Foreign(name.clone()));
        for name in self.files_found()? {
            match lock_file {
                _ if is_file_id(&name) => return Err(Trouble::JournalLost),
                LockFile::Signed => {}
                LockFile::Blank | LockFile::Other => return foreign(&name),
            }
        }
        let drafts = drafts(&self.journal());
        for name in names(&self.root).map_err(io("read it"))? {
            let path = self.root.join(&name);
            match lock_file {
                _ if name == FILES || drafts.contains(&path) => {}
                _ if parts(&self.journal()).contains(&path) => return Err(Trouble::JournalLost),
                LockFile::Blank if name == LOCK => {}
                LockFile::Signed => {}
                LockFile::Blank | LockFile::Other => return foreign(&name),
            }
        }
        Ok(Found::Nothing)
    }

    /// The marker counts in a directory of ours; in any other it is somebody's file.
    fn was_wiped(&self, lock_file: &LockFile) -> Result<bool, Trouble> {
        Ok(matches!(lock_file, LockFile::Signed) && exists(&self.wiping())?)
    }

    fn lock_file(&self) -> Result<LockFile, Trouble> {
        match fs::read(self.lock()) {
            Ok(bytes) if bytes == SIGNATURE => Ok(LockFile::Signed),
            Ok(bytes) if bytes.is_empty() => Ok(LockFile::Blank),
            Ok(_) => Ok(LockFile::Other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(LockFile::Blank),
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => Ok(LockFile::Other),
            Err(error) => Err(Trouble::Io("read its lock file", error)),
        }
    }

    fn files_found(&self) -> Result<Vec<OsString>, Trouble> {
        match names(&self.files()) {
            Ok(names) => Ok(names),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => Err(Trouble::Foreign(FILES.into())),
            Err(error) => Err(Trouble::Io("read its files directory", error)),
        }
    }

    fn lock_exclusively(&self) -> Result<File, Trouble> {
        loop {
            let opened = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(FILE_MODE)
                .open(self.lock());
            let mut lock = opened.map_err(io("open its lock file"))?;
            match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => return Err(Trouble::InUse),
                Err(error) => return Err(Trouble::Io("lock it", error.into())),
            }
            // A wipe that ended in between took the file away: then what we locked, nobody else will see.
            if is_at(&lock, &self.lock()).map_err(io("lock it"))? {
                sign(&mut lock).map_err(io("write its lock file"))?;
                return Ok(lock);
            }
        }
    }

    pub(super) fn share(&self) -> Result<(Beside, Option<File>), Trouble> {
        match fs::metadata(&self.root) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(Trouble::NotADirectory),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Trouble::NoForum),
            Err(error) => return Err(Trouble::Io("open it", error)),
        }
        if self.was_wiped(&self.lock_file()?)? || !exists(&self.journal())? {
            return Err(Trouble::NoForum);
        }
        let lock = match File::open(self.lock()) {
            Ok(lock) => lock,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Beside::Nobody, None)),
            Err(error) => return Err(Trouble::Io("open its lock file", error)),
        };
        match flock(&lock, FlockOperation::NonBlockingLockShared) {
            Ok(()) => Ok((Beside::Nobody, Some(lock))),
            Err(Errno::WOULDBLOCK) => Ok((Beside::Server, None)),
            Err(error) => Err(Trouble::Io("lock it", error.into())),
        }
    }

    /// The one step of a wipe that decides, durable before anything is deleted. The journal becomes the
    /// marker: that takes no space, which a full disk would not have.
    pub(super) fn mark_wiped(&self) -> io::Result<()> {
        match fs::rename(self.journal(), self.wiping()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => drop(File::create(self.wiping())?),
            renamed => renamed?,
        }
        sync_directory(&self.root)
    }

    /// Deletes what is ours, and forgets about the wipe when all of that is durable.
    pub(super) fn finish_wipe(&self) -> io::Result<()> {
        for part in parts(&self.journal()) {
            remove_file(&part)?;
        }
        match names(&self.files()) {
            Ok(names) => {
                for name in names.iter().filter(|name| is_file_id(name)) {
                    remove_file(&self.files().join(name))?;
                }
                sync_directory(&self.files())?;
                remove_directory_if_empty(&self.files())?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        sync_directory(&self.root)?;
        remove_file(&self.wiping())?;
        sync_directory(&self.root)
    }

    /// Beside foreign files the lock file stays, and its signature with it: they must not lock us out.
    pub(super) fn remove_lock_if_alone(&self) -> io::Result<()> {
        if names(&self.root)?.iter().all(|name| name == LOCK) {
            remove_file(&self.lock())?;
            sync_directory(&self.root)?;
        }
        Ok(())
    }
}

fn io(doing: &'static str) -> impl Fn(io::Error) -> Trouble {
    move |error| Trouble::Io(doing, error)
}

pub(super) fn exists(path: &Path) -> Result<bool, Trouble> {
    path.try_exists().map_err(io("read it"))
}

pub(super) fn names(directory: &Path) -> io::Result<Vec<OsString>> {
    fs::read_dir(directory)?.map(|entry| Ok(entry?.file_name())).collect()
}

fn is_file_id(name: &OsString) -> bool {
    name.to_str().is_some_and(|name| name.parse::<FileId>().is_ok())
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// Whatever the umask is.
fn make_private_directory(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(DIRECTORY_MODE).create(path) {
        Ok(()) => fs::set_permissions(path, Permissions::from_mode(DIRECTORY_MODE)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Anything else in it is ours to replace: without a forum in the directory it would have been refused.
fn sign(lock: &mut File) -> io::Result<()> {
    let mut written = Vec::new();
    lock.read_to_end(&mut written)?;
    if written != SIGNATURE {
        lock.set_permissions(Permissions::from_mode(FILE_MODE))?;
        lock.set_len(0)?;
        lock.rewind()?;
        lock.write_all(SIGNATURE)?;
        lock.sync_all()?;
    }
    Ok(())
}

/// Whether `file` is what `path` names now.
pub(super) fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match fs::metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn remove_directory_if_empty(path: &Path) -> io::Result<()> {
    match fs::remove_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::DirectoryNotEmpty => Err(error),
        _ => Ok(()),
    }
}
