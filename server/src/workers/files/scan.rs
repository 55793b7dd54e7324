//! Comparing the files on disk with those that the forum names: at a start, and for `check` and `export`.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use super::{FileId, PART};
use crate::directory::{Directory, Listed};

/// Where whole files go that nothing names: somebody may miss them.
const ORPHANED: &str = "orphaned";
/// What `mkfs` puts into the root of a new volume.
const LOST_AND_FOUND: &str = "lost+found";

/// What forumd calls things in the directory of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A whole file.
    Whole(FileId),
    /// A file that was not whole yet when it was last written.
    Part(FileId),
    /// The directory of the orphaned files.
    Orphaned,
}

impl Kind {
    /// What has this name; none if forumd did not give it.
    #[must_use]
    pub fn of(name: &OsStr) -> Option<Self> {
        let name = name.to_str()?;
        if name == ORPHANED {
            return Some(Self::Orphaned);
        }
        match name.strip_suffix(PART) {
            Some(id) => id.parse().ok().map(Self::Part),
            None => name.parse().ok().map(Self::Whole),
        }
    }
}

/// The directory of the orphaned files, if `dir` is that of the files.
#[must_use]
pub fn orphaned(dir: &Path) -> PathBuf {
    dir.join(ORPHANED)
}

/// Whether this is the directory that every new volume has in its root, and that belongs to the file system.
#[must_use]
pub fn is_lost_and_found(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == LOST_AND_FOUND) && path.is_dir()
}

/// What the directory of the files holds, and what it should. Each list is sorted.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// Whole files that nothing names.
    pub unreferenced: Vec<FileId>,
    /// Beginnings of files. Beside a running server, these are uploads under way.
    pub parts: Vec<FileId>,
    /// Files that are named and not there: the data is damaged.
    pub missing: Vec<FileId>,
    /// Whole files that nothing named at an earlier start, and that were moved aside.
    pub orphaned: Vec<FileId>,
    /// What forumd didn't put there: other names, directories, links.
    pub foreign: Vec<OsString>,
}

/// Looks through `dir`, in which the files `named` are expected. Changes nothing.
///
/// # Errors
/// The directory can't be read.
pub fn scan(dir: &Directory, named: impl IntoIterator<Item = FileId>) -> io::Result<Scan> {
    let named: HashSet<FileId> = named.into_iter().collect();
    let mut present = HashSet::with_capacity(named.len());
    let mut found = Scan::default();
    for Listed { name, kind } in dir.list()? {
        match Kind::of(&name) {
            Some(Kind::Whole(id)) if kind.is_file() => drop(present.insert(id)),
            Some(Kind::Part(id)) if kind.is_file() => found.parts.push(id),
            Some(Kind::Orphaned) if kind.is_dir() => {
                found.orphaned = whole_files(&dir.subdirectory(ORPHANED)?)?
            }
            _ if name == LOST_AND_FOUND && kind.is_dir() => {}
            _ => found.foreign.push(name),
        }
    }
    found.unreferenced = present.difference(&named).copied().collect();
    found.missing = named.difference(&present).copied().collect();
    for list in [&mut found.unreferenced, &mut found.parts, &mut found.missing, &mut found.orphaned] {
        list.sort_unstable();
    }
    found.foreign.sort_unstable();
    Ok(found)
}

fn whole_files(dir: &Directory) -> io::Result<Vec<FileId>> {
    let found = dir.list()?.into_iter().filter_map(|entry| match Kind::of(&entry.name) {
        Some(Kind::Whole(id)) => Some(id),
        _ => None,
    });
    Ok(found.collect())
}

/// Whether there is a whole file in `dir`, as far as it can be read.
#[must_use]
pub fn has_whole(dir: &Directory) -> bool {
    let is_whole =
        |entry: &Listed| matches!(Kind::of(&entry.name), Some(Kind::Whole(_))) && entry.kind.is_file();
    dir.list().is_ok_and(|entries| entries.iter().any(is_whole))
}

/// Moves a whole file that nothing names aside, where it stays until somebody looks after it; durable once
/// [`sync_orphaned`] was called. What is there already under its name is not replaced. Returns where it is, for
/// messages.
///
/// # Errors
/// Those of the file system. The file is where it was.
pub fn move_aside(dir: &Directory, id: FileId) -> io::Result<PathBuf> {
    dir.make_subdirectory(ORPHANED)?;
    let (aside, name) = (dir.subdirectory(ORPHANED)?, id.to_string());
    let target = id.path_in(aside.path());
    if aside.find(&name)?.is_some() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("{} exists", target.display())));
    }
    dir.rename(&name, &aside, &name)?;
    Ok(target)
}

/// Moves a file that a thread has back from where [`move_aside`] put it; durable likewise.
///
/// # Errors
/// Those of the file system. The file is where it was.
pub fn bring_back(dir: &Directory, id: FileId) -> io::Result<()> {
    let name = id.to_string();
    dir.subdirectory(ORPHANED)?.rename(&name, dir, &name)
}

/// Makes moves between the two directories durable.
///
/// # Errors
/// Those of fsync.
pub fn sync_orphaned(dir: &Directory) -> io::Result<()> {
    dir.subdirectory(ORPHANED)?.sync()?;
    dir.sync()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn open(dir: &tempfile::TempDir) -> Directory {
        Directory::open(dir.path()).unwrap()
    }

    #[test]
    fn a_scan_tells_apart_what_lies_in_the_directory() {
        let dir = tempfile::tempdir().unwrap();
        let [named, unreferenced, missing, a_directory, a_link, part] = [1, 2, 3, 4, 5, 6].map(FileId);
        fs::write(named.path_in(dir.path()), "named").unwrap();
        fs::write(unreferenced.path_in(dir.path()), "unreferenced").unwrap();
        fs::write(part.part_in(dir.path()), "pa").unwrap();
        fs::write(dir.path().join("notes.txt"), "foreign").unwrap();
        fs::create_dir(dir.path().join("lost+found")).unwrap();
        fs::create_dir(a_directory.path_in(dir.path())).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", a_link.path_in(dir.path())).unwrap();

        let scan_now = || scan(&open(&dir), [named, missing]).unwrap();
        let foreign = vec![a_directory.to_string().into(), a_link.to_string().into(), "notes.txt".into()];
        let (parts, missing, orphaned) = (vec![part], vec![missing], vec![]);
        let expected = Scan { unreferenced: vec![unreferenced], parts, missing, orphaned, foreign };
        assert_eq!(scan_now(), expected);

        let aside = move_aside(&open(&dir), unreferenced).unwrap();
        sync_orphaned(&open(&dir)).unwrap();
        assert_eq!(fs::read(aside).unwrap(), b"unreferenced");
        assert_eq!(scan_now(), Scan { unreferenced: vec![], orphaned: vec![unreferenced], ..expected });
    }

    #[test]
    fn a_file_that_is_moved_aside_replaces_none() {
        let dir = tempfile::tempdir().unwrap();
        let id = FileId(7);
        fs::write(id.path_in(dir.path()), "first").unwrap();
        let aside = move_aside(&open(&dir), id).unwrap();
        fs::write(id.path_in(dir.path()), "second").unwrap();
        assert!(move_aside(&open(&dir), id).is_err());
        assert_eq!(fs::read(aside).unwrap(), b"first");
        assert_eq!(fs::read(id.path_in(dir.path())).unwrap(), b"second");
    }

    #[test]
    fn files_go_aside_and_come_back_within_the_directory_that_was_opened() {
        let place = tempfile::tempdir().unwrap();
        let [path, moved] = ["files", "moved"].map(|name| place.path().join(name));
        let id = FileId(7);
        fs::create_dir(&path).unwrap();
        fs::write(id.path_in(&path), "own").unwrap();
        let dir = Directory::open(&path).unwrap();
        fs::rename(&path, &moved).unwrap();
        fs::create_dir_all(orphaned(&path)).unwrap();
        fs::write(id.path_in(&path), "another's").unwrap();

        move_aside(&dir, id).unwrap();
        sync_orphaned(&dir).unwrap();
        assert_eq!(scan(&dir, []).unwrap().orphaned, [id]);
        assert_eq!(fs::read(id.path_in(&orphaned(&moved))).unwrap(), b"own");
        bring_back(&dir, id).unwrap();
        assert_eq!(scan(&dir, [id]).unwrap(), Scan::default());
        assert_eq!(fs::read(id.path_in(&path)).unwrap(), b"another's");
        assert_eq!(fs::read_dir(orphaned(&path)).unwrap().count(), 0);
    }
}
