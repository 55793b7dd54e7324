//! The directory of an export in the making.

use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::super::because;
use super::super::layout::{RECORDS, RECORDS_UNFINISHED, create_directory, create_file, parent};
use crate::failed::Failed;
use crate::journal::sync_directory;
use crate::workers::files::is_lost_and_found;

/// An export in the making. Unless it is finished, it takes away again what it made, and nothing else.
pub(in crate::admin) struct ExportDirectory<'a> {
    dir: &'a Path,
    made: Vec<Made>,
}

enum Made {
    /// The directory itself.
    Root,
    /// All in it is ours.
    Directory(&'static str),
    File(&'static str),
}

impl<'a> ExportDirectory<'a> {
    /// Takes `dir`, which must be empty or new, and makes it private.
    pub(super) fn begin(dir: &'a Path) -> Result<Self, Failed> {
        match create_directory(dir) {
            Ok(()) => {
                let export = Self { dir, made: vec![Made::Root] };
                sync_directory(&parent(dir)).map_err(cannot_write(dir))?;
                return Ok(export);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(because(format_args!("create {}", dir.display()))(error)),
        }
        if !is_empty(dir).map_err(because(format_args!("read {}", dir.display())))? {
            return Err(Failed::because(format_args!(
                "{} is not empty; choose an empty or a new directory",
                dir.display()
            )));
        }
        make_private(dir).map_err(because(format_args!("make {} private", dir.display())))?;
        Ok(Self { dir, made: Vec::new() })
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub(super) fn directory(&mut self, name: &'static str) -> Result<(), Failed> {
        let path = self.path(name);
        create_directory(&path).map_err(cannot_write(&path))?;
        self.made.push(Made::Directory(name));
        Ok(())
    }

    pub(super) fn file(
        &mut self,
        name: &'static str,
        write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
    ) -> Result<(), Failed> {
        let path = self.path(name);
        let file = create_file(&path).map_err(cannot_write(&path))?;
        self.made.push(Made::File(name));
        fill(file, write).map_err(cannot_write(&path))
    }

    /// Makes an export of it: from here on, import takes it.
    pub(super) fn finish(mut self) -> Result<(), Failed> {
        let (unfinished, records) = (self.path(RECORDS_UNFINISHED), self.path(RECORDS));
        let sync = |dir: &Path| sync_directory(dir).map_err(cannot_write(dir));
        sync(self.dir)?;
        fs::rename(unfinished, &records).map_err(cannot_write(&records))?;
        self.made.push(Made::File(RECORDS));
        sync(self.dir)?;
        self.made.clear();
        Ok(())
    }
}

impl Drop for ExportDirectory<'_> {
    fn drop(&mut self) {
        for made in self.made.drain(..).rev() {
            let removed = match made {
                Made::File(name) => fs::remove_file(self.dir.join(name)),
                Made::Directory(name) => fs::remove_dir_all(self.dir.join(name)),
                Made::Root => fs::remove_dir(self.dir),
            };
            // Whatever stays, it is no export without its records; and the error to tell is the first.
            let _ = removed;
        }
    }
}

fn make_private(dir: &Path) -> io::Result<()> {
    let mode = dir.metadata()?.mode();
    if mode & 0o077 == 0 { Ok(()) } else { fs::set_permissions(dir, Permissions::from_mode(0o700)) }
}

/// A new volume counts as empty.
fn is_empty(dir: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(dir)? {
        if !is_lost_and_found(&entry?.path()) {
            return Ok(false);
        }
    }
    Ok(true)
}

pub(super) fn cannot_write(path: &Path) -> impl FnOnce(io::Error) -> Failed {
    because(format!("write {}", path.display()))
}

/// Fills a new file with what `write` puts into it, on the disk when this returns.
pub(super) fn fill(file: File, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> io::Result<()> {
    let mut file = BufWriter::new(file);
    write(&mut file)?;
    file.into_inner()?.sync_all()
}
