//! What the workers need of the directory that the files lie in, so that a simulation can put its own disk there.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

use crate::directory::Directory;

/// A directory of files. All errors are those of the file system.
pub trait Storage: fmt::Debug + Send {
    /// Makes a file, open for writing.
    ///
    /// # Errors
    /// `AlreadyExists` if something has this name.
    fn create_new(&self, name: &str) -> io::Result<Box<dyn StoredFile>>;

    /// Opens a file for reading.
    ///
    /// # Errors
    /// `NotFound` if there is none.
    fn open_file(&self, name: &str) -> io::Result<Box<dyn StoredFile>>;

    /// Whether something has this name.
    ///
    /// # Errors
    /// The directory can't be read.
    fn has(&self, name: &str) -> io::Result<bool>;

    /// Renames `name` to `new`.
    ///
    /// # Errors
    /// Those of rename.
    fn rename(&self, name: &str, new: &str) -> io::Result<()>;

    /// Removes a file, if it is there.
    ///
    /// # Errors
    /// Those of unlink.
    fn remove_if_there(&self, name: &str) -> io::Result<()>;

    /// Makes the names in it durable.
    ///
    /// # Errors
    /// Those of fsync.
    fn sync(&self) -> io::Result<()>;
}

/// An open file of a [`Storage`].
pub trait StoredFile: fmt::Debug + Send {
    /// How many bytes it has.
    ///
    /// # Errors
    /// Those of stat.
    fn size(&self) -> io::Result<u64>;

    /// Appends bytes, all of them.
    ///
    /// # Errors
    /// Those of write; nobody knows how many were written.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Fills `buffer` from this place on.
    ///
    /// # Errors
    /// `UnexpectedEof` if the file has fewer bytes, and those of read.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// Makes its bytes durable.
    ///
    /// # Errors
    /// Those of fsync.
    fn sync_data(&self) -> io::Result<()>;
}

impl Storage for Directory {
    fn create_new(&self, name: &str) -> io::Result<Box<dyn StoredFile>> {
        Ok(Box::new(Self::create_new(self, name)?))
    }

    fn open_file(&self, name: &str) -> io::Result<Box<dyn StoredFile>> {
        Ok(Box::new(Self::open_file(self, name)?))
    }

    fn has(&self, name: &str) -> io::Result<bool> {
        Ok(self.find(name)?.is_some())
    }

    fn rename(&self, name: &str, new: &str) -> io::Result<()> {
        Self::rename(self, name, self, new)
    }

    fn remove_if_there(&self, name: &str) -> io::Result<()> {
        Self::remove_if_there(self, name)
    }

    fn sync(&self) -> io::Result<()> {
        Self::sync(self)
    }
}

impl StoredFile for File {
    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        FileExt::read_exact_at(self, buffer, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        Self::sync_data(self)
    }
}
