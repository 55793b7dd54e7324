//! Where files of other users are kept: under which name, never over a file of one's own, and what is left
//! of a broken transfer until the same file is offered again.
//!
//! It knows names, digests and local files but not users' answers, sockets or packets.
//!
//! A file that is not all there yet has a hidden name, `.forum-{name}.{size}.{digest}.part`, and a lock while
//! somebody fills it. The kernel takes the lock off when its holder ends, however it ends; so a partial
//! that nobody has locked is one to be resumed, for a week.

mod kept;
mod partials;

use std::fmt;
use std::fs::{self, File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use forum_common::limits::{FILE_NAME_BYTES_MAX, USER_NAME_BYTES_MAX};
use forum_common::names::{FileName, Invalid, UserName};
use rustix::fs::{FlockOperation, OFlags, flock};

use super::digest::Digesting;
use super::transport::{Offer, Start};
use crate::wording::cause;

pub use kept::Kept;
use kept::Partial;
use partials::{PREFIX, PartialName, SUFFIX, partial_name, partials};

/// Bytes between two syncs of a file that arrives. One sync of a gigabyte at its end would leave the loop,
/// and the user who types, waiting for seconds; many short ones are not felt.
const SYNC_EVERY_BYTES: u64 = 8 << 20;

/// Where files go that arrive.
#[derive(Debug, Clone)]
pub struct Folder {
    /// The directory.
    pub path: PathBuf,
    /// What becomes of one whose name something has already.
    pub on_clash: OnClash,
}

/// What becomes of a file whose name something has already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnClash {
    /// It is not taken.
    Refuse,
    /// It replaces what is there.
    Overwrite,
    /// It gets the first free name of `notes-2.txt`, `notes-3.txt` and so on.
    Rename,
}

impl OnClash {
    /// What `--force` and `--rename` say.
    #[must_use]
    pub fn of(force: bool, rename: bool) -> Self {
        match (force, rename) {
            (true, _) => Self::Overwrite,
            (false, true) => Self::Rename,
            (false, false) => Self::Refuse,
        }
    }
}

/// The last number in such a name. A directory with more files of one name is not what was meant.
const NAMES_MAX: u32 = 9_999;

/// How long a partial to which nothing is added is kept: a hidden file must not take up the disk for ever.
const KEPT_FOR: Duration = Duration::from_secs(7 * 24 * 3_600);

/// Bytes of a name that Linux's file systems take.
const NAME_BYTES_MAX: usize = 255;
/// Digits of such a number.
const NUMBER_DIGITS: usize = NAMES_MAX.ilog10() as usize + 1;

// `_` stands between the parts, and `-` before a number.
const _: () = assert!(USER_NAME_BYTES_MAX + FILE_NAME_BYTES_MAX + NUMBER_DIGITS + 2 <= NAME_BYTES_MAX);

/// Why a file is not kept, for people.
#[derive(Debug)]
pub enum Problem {
    /// There is something of this name here, and it is not to be replaced.
    Exists(String),
    /// A name that the server should not have let through, or one that belongs to unfinished files.
    Name(Invalid),
    /// The disk or the quota is full. What had arrived is gone, so that there is room for others.
    NoSpace(io::Error),
    /// The disk, or the directory.
    Io(io::Error),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists(name_here) => write!(f, "{name_here} exists here. Use --force to overwrite"),
            Self::Name(invalid) => invalid.fmt(f),
            Self::NoSpace(error) => write!(f, "{}. What had arrived has been removed", cause(error)),
            Self::Io(error) => f.write_str(&cause(error)),
        }
    }
}

impl std::error::Error for Problem {}

/// The name that `file` of the user `from` has here: `presenter_file`, with `_` for each `/` and `\`.
///
/// Users may be called `..`, `-rf` or `.x`, so the name may be hidden (`.x_file`) or look like an option to
/// a shell's glob. It is never `.` or `..` and never a path, and is only used below a directory.
pub fn name_here(from: &str, file: &str) -> String {
    format!("{from}_{file}").replace(['/', '\\'], "_")
}

/// The name with a number before its extension: `notes.txt` becomes `notes-2.txt`.
fn numbered(name: &str, number: u32) -> String {
    let (stem, extension) = match name.rfind('.') {
        Some(at) if at > 0 => name.split_at(at),
        _ => (name, ""),
    };
    format!("{stem}-{number}{extension}")
}

/// Where one file of one user is to be kept.
#[derive(Debug, Clone)]
pub struct Place {
    directory: PathBuf,
    name_here: String,
    size: u64,
    on_clash: OnClash,
}

impl Place {
    /// The place in `folder` for `file`, of `size` bytes, of the user `from`.
    ///
    /// # Errors
    /// There is a file of that name and `folder` does not let it be replaced, there is a directory, or
    /// one of the names is none. The names are judged here too: they become a path.
    pub fn new(folder: &Folder, from: &str, file: &str, size: u64) -> Result<Self, Problem> {
        UserName::parse(from).and(FileName::parse(file).map(|_| ())).map_err(Problem::Name)?;
        Self::named(folder, name_here(from, file), size)
    }

    /// The place for a download of this name and size.
    ///
    /// # Errors
    /// As [`Place::new`].
    pub fn of_download(folder: &Folder, file: &str, size: u64) -> Result<Self, Problem> {
        FileName::parse(file).map_err(Problem::Name)?;
        Self::named(folder, file.to_owned(), size)
    }

    fn named(folder: &Folder, name_here: String, size: u64) -> Result<Self, Problem> {
        // Or `.forum-x` could send what then passes for the beginning of another's file.
        if name_here.starts_with(PREFIX) && name_here.ends_with(SUFFIX) {
            return Err(Problem::Name(Invalid::Name));
        }
        let place = Self { directory: folder.path.clone(), name_here, size, on_clash: folder.on_clash };
        // Of a symbolic link it is the link that is there, wherever it leads.
        match place.target().symlink_metadata() {
            Ok(_) if place.on_clash == OnClash::Refuse => Err(Problem::Exists(place.name_here)),
            Ok(metadata) if metadata.is_dir() && place.on_clash == OnClash::Overwrite => {
                Err(Problem::Io(io::ErrorKind::IsADirectory.into()))
            }
            // Why it can't be looked at will be said when it is to be made.
            Ok(_) | Err(_) => Ok(place),
        }
    }

    /// What is left of a broken transfer of a file of this name and size, the newest if there are several.
    /// Which file it was shows when the offer comes; what it takes to resume it can be computed before.
    ///
    /// What has been left in the folder for more than a week, of whatever file, is removed.
    pub fn leftover(&self) -> Option<Leftover> {
        remove_expired(&self.directory, SystemTime::now());
        newest(self.partials().filter(|name| name.offer.size == self.size)).map(|(leftover, _)| leftover)
    }

    /// Room for what is offered, and where its transfer starts: after the leftover, if that is a part of the
    /// same file and its hasher has seen all of it, else at the beginning.
    ///
    /// If another transfer fills the partial of the same file, this one gets a file of a name that nobody
    /// resumes.
    ///
    /// # Errors
    /// The offer is not of the size that was announced, or no file can be made.
    pub fn store(
        &self,
        offer: &Offer,
        leftover: Option<(Leftover, blake3::Hasher)>,
    ) -> io::Result<(Start, Kept)> {
        if offer.size != self.size {
            return Err(io::Error::other("the file is not of the size that was announced"));
        }
        let name = partial_name(&self.name_here, offer);
        let is_part = |(left, hasher): &(Leftover, blake3::Hasher)| {
            left.path.file_name().is_some_and(|its| *its == *name) && left.size == hasher.count()
        };
        // What is not used is unlocked here, before the same name may be asked for below.
        if let Some((leftover, hasher)) = leftover.filter(is_part) {
            let offset = leftover.size;
            let partial = Partial::resumable(leftover.path, leftover.file)?;
            return Ok((Start::resume(offset, hasher), Kept::new(self.clone(), partial, offset)));
        }
        let partial = match self.empty_partial(&name)? {
            Some(partial) => partial,
            None => self.unique_partial()?,
        };
        Ok((Start::afresh(), Kept::new(self.clone(), partial, 0)))
    }

    /// An empty file of that name, or nothing if what has the name is in use or can't be used.
    fn empty_partial(&self, name: &str) -> io::Result<Option<Partial>> {
        let path = self.directory.join(name);
        match File::create_new(&path) {
            // It is not ours before it is locked: one and the same way for old and new.
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        let Some(leftover) = Leftover::open(path) else { return Ok(None) };
        leftover.file.set_len(0)?;
        Partial::resumable(leftover.path, leftover.file).map(Some)
    }

    /// A file that goes when it is dropped.
    fn unique_partial(&self) -> io::Result<Partial> {
        // Readable by whom the umask lets, like any file a program makes.
        let file = tempfile::Builder::new()
            .prefix(PREFIX)
            .suffix(SUFFIX)
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(&self.directory)?;
        let (file, path) = file.into_parts();
        Ok(Partial { path, file, is_resumable: false })
    }

    fn target(&self) -> PathBuf {
        self.directory.join(&self.name_here)
    }

    fn partials(&self) -> impl Iterator<Item = PartialName> {
        partials_of(&self.directory, &self.name_here)
    }

    /// Removes what is left of other files that had this name, but not what is still being filled.
    fn remove_partials(&self) {
        for name in self.partials() {
            // Only a partial that is locked can't become another transfer's while it goes.
            if let Some((locked, _)) = lock(&name.path) {
                // If it stays, it is in nobody's way, and the file that counts is here.
                let _ = fs::remove_file(&name.path);
                drop(locked);
            }
        }
    }
}

impl Folder {
    /// Removes what transfers have left in the folder and nothing was added to for more than a week.
    pub fn remove_expired(&self) {
        remove_expired(&self.path, SystemTime::now());
    }

    /// What is left of a broken download of this name, the newest if there is something of several files, and of which
    /// file it is a part. What has been left in the folder for more than a week is removed.
    pub fn leftover_of_download(&self, file: &str) -> Option<(Leftover, Offer)> {
        self.remove_expired();
        newest(partials_of(&self.path, file))
    }
}

/// All partials of this name.
fn partials_of(directory: &Path, name_here: &str) -> impl Iterator<Item = PartialName> {
    partials(directory).filter_map(move |path| PartialName::parse(path, name_here))
}

/// Removes the partials to which nothing has been added for [`KEPT_FOR`], but not what somebody holds, nor what is not
/// ours.
fn remove_expired(directory: &Path, now: SystemTime) {
    for leftover in partials(directory).filter_map(Leftover::open) {
        if now.duration_since(leftover.changed).is_ok_and(|age| age > KEPT_FOR) {
            // If it can't be removed, it is tried again.
            let _ = fs::remove_file(&leftover.path);
        }
    }
}

/// The newest of these that can be resumed.
fn newest(names: impl Iterator<Item = PartialName>) -> Option<(Leftover, Offer)> {
    let leftovers = names.filter_map(|name| Some((Leftover::open(name.path)?, name.offer)));
    let resumable = leftovers.filter(|(left, offer)| (1..=offer.size).contains(&left.size));
    resumable.max_by_key(|(left, _)| left.changed)
}

/// What is left of a broken transfer. As long as this, or its digest on its way, is held, nobody else
/// resumes it.
#[derive(Debug)]
pub struct Leftover {
    path: PathBuf,
    file: File,
    size: u64,
    changed: SystemTime,
}

impl Leftover {
    /// Bytes that are there.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The digest of all its bytes, to be computed; its hasher is what [`Place::store`] wants.
    ///
    /// # Errors
    /// There is no descriptor left.
    pub fn digesting(&self) -> io::Result<Digesting> {
        Ok(Digesting::new(self.file.try_clone()?, self.size))
    }

    /// The file at `path`, if it is one that may be written to and that nobody else has.
    fn open(path: PathBuf) -> Option<Self> {
        let (file, metadata) = lock(&path)?;
        // A second name may be that of a finished file. And a file that somebody else put here stays theirs,
        // to be changed when it has long been finished.
        let is_ours = metadata.nlink() == 1 && metadata.uid() == rustix::process::geteuid().as_raw();
        let changed = metadata.modified().ok()?;
        is_ours.then_some(Self { path, file, size: metadata.len(), changed })
    }
}

/// Opens and locks the regular file at `path`; `None` if there is none, or another has the lock.
fn lock(path: &Path) -> Option<(File, Metadata)> {
    // Looked at before it is opened: opening a device may do something. What has taken its place by then is
    // neither followed nor waited for.
    if !path.symlink_metadata().ok()?.is_file() {
        return None;
    }
    let flags =
        i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).expect("the flags are small numbers");
    let file = File::options().read(true).write(true).custom_flags(flags).open(path).ok()?;
    lock_opened(path, file)
}

fn lock_opened(path: &Path, file: File) -> Option<(File, Metadata)> {
    flock(&file, FlockOperation::NonBlockingLockExclusive).ok()?;
    // The last holder of the lock may have given the file its real name, or removed it.
    let (metadata, named) = (file.metadata().ok()?, path.symlink_metadata().ok()?);
    let is_still_there = (metadata.dev(), metadata.ino()) == (named.dev(), named.ino());
    (metadata.is_file() && is_still_there).then_some((file, metadata))
}

/// The names of all that is in a directory, in order.
#[cfg(test)]
fn names_in(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests;
