//! What lies where in a data directory, whether it may be used, and how it is emptied. Every step here is
//! such that a crash after it leaves a directory that the next start understands.

use std::ffi::OsString;
use std::fs::{self, File, FileType, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::file_system::{
    DIRECTORY_MODE, make_private_directory, names, parent, remove_directory_if_empty, remove_file,
    write_private,
};
use super::{StoreError, StoreErrorKind};
use crate::directory::Directory;
use crate::journal::{ServerState, parts, sync_directory, temporary_parts};
use crate::workers::files::{Kind, is_lost_and_found, orphaned};

pub(super) const JOURNAL: &str = "journal.sqlite3";
const FILES: &str = "files";
const TAG: &str = "forumd.tag";
const WIPING: &str = "wiping";
const IMPORTING: &str = "importing";

/// What the tag says. A directory that has it was ours before, whatever else is in it now: only there do the
/// markers of a wipe and of an import count, and somebody else's files do not keep us out.
const SIGNATURE: &[u8] = b"This is a data directory of forumd.\n";

/// What the tag says.
enum Tag {
    /// [`SIGNATURE`].
    Signed,
    /// Nothing: there is none, or a crash came while it was made.
    Blank,
    Other,
}

/// What a directory holds.
enum Found {
    Forum,
    /// The rest of a forum that counts as gone.
    CutShortWipe,
    /// What an import had come to.
    CutShortImport,
    Nothing,
}

/// What a directory is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A server, or a command that changes a forum.
    Forum,
    /// An import: no forum may be there, but what an earlier import left may.
    Import,
}

#[derive(Debug)]
pub(super) struct Paths {
    /// As the user wrote it.
    root: PathBuf,
}

impl Paths {
    pub(super) fn at(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn journal(&self) -> PathBuf {
        self.root.join(JOURNAL)
    }

    pub(super) fn files(&self) -> PathBuf {
        self.root.join(FILES)
    }

    fn tag(&self) -> PathBuf {
        self.root.join(TAG)
    }

    fn wiping(&self) -> PathBuf {
        self.root.join(WIPING)
    }

    fn importing(&self) -> PathBuf {
        self.root.join(IMPORTING)
    }

    pub(super) fn error(&self, kind: StoreErrorKind) -> StoreError {
        StoreError { root: self.root.clone(), kind }
    }

    /// Makes the directory ours, or leaves everything as it was. Returns the directory, locked, and that of the
    /// uploads in it.
    pub(super) fn take(&self, purpose: Purpose) -> Result<(Directory, Directory), StoreErrorKind> {
        self.make_root()?;
        let lock = self.lock_exclusively()?;
        let found = self.examine_for(purpose)?;
        write_private(&self.tag(), SIGNATURE).map_err(io("write its tag"))?;
        match found {
            Found::Forum => {}
            Found::CutShortWipe => self.finish_wipe().map_err(io("finish wiping it"))?,
            Found::CutShortImport => self.empty().map_err(io("delete what the last import left"))?,
            Found::Nothing => fs::set_permissions(&self.root, Permissions::from_mode(DIRECTORY_MODE))
                .map_err(io("make it private"))?,
        }
        if purpose == Purpose::Import {
            // Durable before anything is imported: what is there from now on is no forum until it goes.
            let marked = File::create(self.importing()).and_then(|_| sync_directory(&self.root));
            marked.map_err(io("mark it as being imported"))?;
        }
        make_private_directory(&self.files()).map_err(io("create its files directory"))?;
        sync_directory(&self.root).map_err(io("fsync it"))?;
        let files = lock.subdirectory(FILES).map_err(io("open its files directory"))?;
        Ok((lock, files))
    }

    fn examine_for(&self, purpose: Purpose) -> Result<Found, StoreErrorKind> {
        match (self.examine()?, purpose) {
            (Found::CutShortImport, Purpose::Forum) => Err(StoreErrorKind::CutShortImport),
            (Found::Forum, Purpose::Import) => Err(StoreErrorKind::HoldsForum),
            (found, _) => Ok(found),
        }
    }

    fn make_root(&self) -> Result<(), StoreErrorKind> {
        match fs::metadata(&self.root) {
            Ok(found) if found.is_dir() => Ok(()),
            Ok(_) => Err(StoreErrorKind::NotADirectory),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let made =
                    make_private_directory(&self.root).and_then(|()| sync_directory(parent(&self.root)));
                made.map_err(io("create it"))
            }
            Err(error) => Err(StoreErrorKind::Io("open it", error)),
        }
    }

    /// What is there; an error if it is nothing that a server should start from.
    fn examine(&self) -> Result<Found, StoreErrorKind> {
        self.insist_on_files()?;
        let tag = self.read_tag()?;
        if matches!(tag, Tag::Signed) {
            // A wipe may have been what ended an import, not the other way round.
            for (marker, found) in
                [(self.wiping(), Found::CutShortWipe), (self.importing(), Found::CutShortImport)]
            {
                if exists(&marker)? {
                    return Ok(found);
                }
            }
        }
        if exists(&self.journal())? {
            return Ok(Found::Forum);
        }
        let foreign = |name: &OsString| Err(StoreErrorKind::Foreign(name.clone()));
        for name in self.files_found()? {
            match tag {
                _ if Kind::of(&name).is_some() => return Err(StoreErrorKind::JournalLost),
                _ if is_lost_and_found(&self.files().join(&name)) => {}
                Tag::Signed => {}
                Tag::Blank | Tag::Other => return foreign(&name),
            }
        }
        let temporary = temporary_parts(&self.journal());
        for name in names(&self.root).map_err(io("read it"))? {
            let path = self.root.join(&name);
            match tag {
                _ if name == FILES || temporary.contains(&path) || is_lost_and_found(&path) => {}
                _ if parts(&self.journal()).contains(&path) => return Err(StoreErrorKind::JournalLost),
                Tag::Blank if name == TAG => {}
                Tag::Signed => {}
                Tag::Blank | Tag::Other => return foreign(&name),
            }
        }
        Ok(Found::Nothing)
    }

    /// Opening a FIFO would wait for its other end, a device may do anything, and of a directory SQLite says
    /// nothing but a code: what is opened here and in the journal must be files.
    fn insist_on_files(&self) -> Result<(), StoreErrorKind> {
        let markers = [self.tag(), self.wiping(), self.importing()];
        for path in markers.into_iter().chain(parts(&self.journal())) {
            match fs::metadata(&path) {
                Ok(found) if found.is_file() => {}
                Ok(found) => {
                    let name = path.file_name().unwrap_or_default().to_owned();
                    return Err(StoreErrorKind::NoFile(name, kind(found.file_type())));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(StoreErrorKind::Io("look at it", error)),
            }
        }
        Ok(())
    }

    fn read_tag(&self) -> Result<Tag, StoreErrorKind> {
        match fs::read(self.tag()) {
            Ok(bytes) if bytes == SIGNATURE => Ok(Tag::Signed),
            Ok(bytes) if SIGNATURE.starts_with(&bytes) || bytes.iter().all(|byte| *byte == 0) => {
                Ok(Tag::Blank)
            }
            Ok(_) => Ok(Tag::Other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Tag::Blank),
            Err(error) => Err(StoreErrorKind::Io("read its tag", error)),
        }
    }

    fn files_found(&self) -> Result<Vec<OsString>, StoreErrorKind> {
        match names(&self.files()) {
            Ok(names) => Ok(names),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                Err(StoreErrorKind::Foreign(FILES.into()))
            }
            Err(error) => Err(StoreErrorKind::Io("read its files directory", error)),
        }
    }

    /// The lock is on the directory itself: nobody can remove it while it is used, as a lock file can be.
    fn lock_exclusively(&self) -> Result<Directory, StoreErrorKind> {
        match self.lock(FlockOperation::NonBlockingLockExclusive)? {
            Some(lock) => Ok(lock),
            None => Err(StoreErrorKind::InUse),
        }
    }

    /// Locks the directory; none if somebody else has a lock that forbids it.
    fn lock(&self, operation: FlockOperation) -> Result<Option<Directory>, StoreErrorKind> {
        loop {
            let root = Directory::open(&self.root).map_err(io("open it"))?;
            match flock(&root, operation) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => return Ok(None),
                Err(error) => return Err(StoreErrorKind::Io("lock it", error.into())),
            }
            // Another directory may have got the name in between: then what we locked, nobody else will see.
            if root.is_at(&self.root).map_err(io("lock it"))? {
                return Ok(Some(root));
            }
        }
    }

    pub(super) fn share(&self) -> Result<(ServerState, Option<Directory>), StoreErrorKind> {
        match fs::metadata(&self.root) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(StoreErrorKind::NotADirectory),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(StoreErrorKind::NoForum),
            Err(error) => return Err(StoreErrorKind::Io("open it", error)),
        }
        let lock = self.lock(FlockOperation::NonBlockingLockShared)?;
        match (self.examine(), lock) {
            (Ok(Found::Forum), Some(lock)) => Ok((ServerState::Stopped, Some(lock))),
            (Ok(Found::Forum), None) => Ok((ServerState::Running, None)),
            (Ok(Found::CutShortImport), Some(_)) => Err(StoreErrorKind::CutShortImport),
            (Ok(Found::CutShortImport), None) => Err(StoreErrorKind::InUse),
            (Ok(Found::CutShortWipe | Found::Nothing) | Err(StoreErrorKind::Foreign(_)), _) => {
                Err(StoreErrorKind::NoForum)
            }
            (Err(kind), _) => Err(kind),
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
        self.empty()?;
        remove_file(&self.importing())?;
        sync_directory(&self.root)?;
        remove_file(&self.wiping())?;
        sync_directory(&self.root)
    }

    /// Deletes what is ours but tag and markers, durably.
    fn empty(&self) -> io::Result<()> {
        for part in parts(&self.journal()) {
            remove_file(&part)?;
        }
        self.empty_files(&orphaned(&self.files()))?;
        self.empty_files(&self.files())?;
        sync_directory(&self.root)
    }

    fn empty_files(&self, directory: &Path) -> io::Result<()> {
        let names = match names(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            names => names?,
        };
        for name in names {
            if matches!(Kind::of(&name), Some(Kind::Whole(_) | Kind::Part(_))) {
                remove_file(&directory.join(name))?;
            }
        }
        sync_directory(directory)?;
        remove_directory_if_empty(directory)
    }

    /// What was imported is a forum from now on.
    pub(super) fn finish_import(&self) -> io::Result<()> {
        remove_file(&self.importing())?;
        sync_directory(&self.root)
    }

    /// Beside foreign files the tag stays: they must not lock us out.
    pub(super) fn remove_tag_if_alone(&self) -> io::Result<()> {
        if names(&self.root)?.iter().all(|name| name == TAG || is_lost_and_found(&self.root.join(name))) {
            remove_file(&self.tag())?;
            sync_directory(&self.root)?;
        }
        Ok(())
    }
}

/// What this is, if not a file.
fn kind(found: FileType) -> &'static str {
    if found.is_dir() {
        "a directory"
    } else if found.is_fifo() {
        "a FIFO"
    } else if found.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

fn io(doing: &'static str) -> impl Fn(io::Error) -> StoreErrorKind {
    move |error| StoreErrorKind::Io(doing, error)
}

pub(super) fn exists(path: &Path) -> Result<bool, StoreErrorKind> {
    path.try_exists().map_err(io("read it"))
}
