//! A directory that stays the one that was opened, wherever it is moved and whatever gets its name afterwards:
//! everything is done relative to its descriptor. A server uses its data through this alone, because a path may lead
//! to another forum's data after a rename.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::retry_on_intr;

/// For the owner alone.
const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);
const DIRECTORY_MODE: Mode = Mode::RWXU;

/// An open directory; clones share the descriptor. Names are those of its entries, never paths. All errors are those
/// of the file system.
#[derive(Debug, Clone)]
pub struct Directory {
    opened: Arc<File>,
    /// Where it was when it was opened: for messages.
    path: PathBuf,
}

/// An entry of a directory.
#[derive(Debug)]
pub struct Listed {
    /// Its name.
    pub name: OsString,
    /// What it is; a link is a link.
    pub kind: FileType,
}

impl Directory {
    /// Opens the directory that is at `path` now.
    ///
    /// # Errors
    /// There is none, or it can't be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        let opened = File::open(path)?;
        if !opened.metadata()?.is_dir() {
            return Err(ErrorKind::NotADirectory.into());
        }
        Ok(Self { opened: Arc::new(opened), path: path.to_owned() })
    }

    /// Opens a directory in it, or what a link of this name leads to.
    ///
    /// # Errors
    /// There is none, or it can't be opened.
    pub fn subdirectory(&self, name: &str) -> io::Result<Self> {
        let opened = self.open_with(name, OFlags::RDONLY | OFlags::DIRECTORY)?;
        Ok(Self { opened: Arc::new(opened), path: self.path.join(name) })
    }

    /// Makes a directory in it for the owner alone, unless there is something of this name.
    ///
    /// # Errors
    /// Those of mkdir.
    pub fn make_subdirectory(&self, name: &str) -> io::Result<()> {
        match rustix::fs::mkdirat(&*self.opened, name, DIRECTORY_MODE) {
            Err(error) if error != rustix::io::Errno::EXIST => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Where it was when it was opened: for messages.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is what `path` leads to now.
    ///
    /// # Errors
    /// Those of stat.
    pub fn is_at(&self, path: &Path) -> io::Result<bool> {
        let ours = self.opened.metadata()?;
        match fs::metadata(path) {
            Ok(named) => Ok((named.dev(), named.ino()) == (ours.dev(), ours.ino())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What it holds, in no order.
    ///
    /// # Errors
    /// It can't be read.
    pub fn list(&self) -> io::Result<Vec<Listed>> {
        let mut listed = Vec::new();
        for entry in Dir::read_from(&*self.opened)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes()).to_owned();
            if name == "." || name == ".." {
                continue;
            }
            let kind = match entry.file_type() {
                // Some file systems don't say.
                FileType::Unknown => {
                    match rustix::fs::statat(&*self.opened, &name, AtFlags::SYMLINK_NOFOLLOW) {
                        Ok(found) => FileType::from_raw_mode(found.st_mode),
                        // It went meanwhile.
                        Err(rustix::io::Errno::NOENT) => continue,
                        Err(error) => return Err(error.into()),
                    }
                }
                known => known,
            };
            listed.push(Listed { name, kind });
        }
        Ok(listed)
    }

    /// What has this name, links followed; none if nothing has.
    ///
    /// # Errors
    /// Those of stat.
    pub fn find(&self, name: impl AsRef<OsStr>) -> io::Result<Option<Stat>> {
        match rustix::fs::statat(&*self.opened, name.as_ref(), AtFlags::empty()) {
            Ok(found) => Ok(Some(found)),
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens a file for reading.
    ///
    /// # Errors
    /// `NotFound` also for what is no file: opening a FIFO would wait for its writer, and a device may do anything.
    pub fn open_file(&self, name: impl AsRef<OsStr>) -> io::Result<File> {
        let name = name.as_ref();
        match self.find(name)? {
            Some(found) if FileType::from_raw_mode(found.st_mode).is_file() => {
                self.open_with(name, OFlags::RDONLY)
            }
            _ => Err(ErrorKind::NotFound.into()),
        }
    }

    /// Makes a file for the owner alone, open for writing.
    ///
    /// # Errors
    /// `AlreadyExists` if something has this name.
    pub fn create_new(&self, name: impl AsRef<OsStr>) -> io::Result<File> {
        self.open_with(name.as_ref(), OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL)
    }

    /// Opens a file for reading and writing, and makes it for the owner alone if it is not there.
    ///
    /// # Errors
    /// Those of open.
    pub fn open_or_create(&self, name: impl AsRef<OsStr>) -> io::Result<File> {
        self.open_with(name.as_ref(), OFlags::RDWR | OFlags::CREATE)
    }

    fn open_with(&self, name: impl AsRef<OsStr>, flags: OFlags) -> io::Result<File> {
        let (name, flags) = (name.as_ref(), flags | OFlags::CLOEXEC);
        let opened = retry_on_intr(|| rustix::fs::openat(&*self.opened, name, flags, FILE_MODE))?;
        Ok(opened.into())
    }

    /// Renames `name` to `new` in `to`, replacing what is there.
    ///
    /// # Errors
    /// Those of rename.
    pub fn rename(&self, name: &str, to: &Self, new: &str) -> io::Result<()> {
        Ok(rustix::fs::renameat(&*self.opened, name, &*to.opened, new)?)
    }

    /// Removes a file, if it is there.
    ///
    /// # Errors
    /// Those of unlink.
    pub fn remove_if_there(&self, name: &str) -> io::Result<()> {
        match rustix::fs::unlinkat(&*self.opened, name, AtFlags::empty()) {
            Err(error) if error != rustix::io::Errno::NOENT => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Makes the names in it durable.
    ///
    /// # Errors
    /// Those of fsync.
    pub fn sync(&self) -> io::Result<()> {
        self.opened.sync_all()
    }
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.opened.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    #[test]
    fn everything_happens_in_the_directory_that_was_opened() {
        let place = tempfile::tempdir().unwrap();
        let [path, moved] = ["path", "moved"].map(|name| place.path().join(name));
        fs::create_dir(&path).unwrap();
        let directory = Directory::open(&path).unwrap();
        fs::rename(&path, &moved).unwrap();
        fs::create_dir(&path).unwrap();
        fs::write(path.join("a"), "another's").unwrap();

        directory.create_new("a").unwrap().write_all(b"own").unwrap();
        directory.make_subdirectory("below").unwrap();
        directory.make_subdirectory("below").unwrap();
        let below = directory.subdirectory("below").unwrap();
        directory.rename("a", &below, "b").unwrap();
        assert_eq!(io::read_to_string(below.open_file("b").unwrap()).unwrap(), "own");
        assert!(directory.find("a").unwrap().is_none());
        directory.remove_if_there("a").unwrap();
        let listed = directory.list().unwrap();
        assert_eq!(listed.iter().map(|entry| &entry.name).collect::<Vec<_>>(), ["below"]);
        assert!(listed[0].kind.is_dir());
        below.remove_if_there("b").unwrap();
        below.sync().unwrap();
        assert_eq!(fs::read(path.join("a")).unwrap(), b"another's");
        assert_eq!(fs::read_dir(moved.join("below")).unwrap().count(), 0);
    }

    #[test]
    fn what_is_no_file_is_not_opened_and_not_waited_for() {
        let place = tempfile::tempdir().unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, place.path().join("fifo"), FILE_MODE).unwrap();
        fs::create_dir(place.path().join("directory")).unwrap();
        let directory = Directory::open(place.path()).unwrap();
        for name in ["fifo", "directory", "nothing"] {
            assert_eq!(directory.open_file(name).unwrap_err().kind(), ErrorKind::NotFound, "{name}");
        }
    }
}
