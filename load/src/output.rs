//! Where the results go: standard output, or files that are tried before the run and replaced after it, whole
//! or not at all. And what is said to people: that nobody reads it is never a panic.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write, stderr, stdout};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use forum_common::process::Standard;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use tempfile::{Builder, NamedTempFile};

/// How a new file may be used, as far as the umask allows: as with any other program's.
const NEW_FILE_MODE: u32 = 0o666;

/// Says a line on standard error. If nobody reads there, it is lost.
pub fn complain(text: &str) {
    let _ = writeln!(stderr(), "forum-load: {text}");
}

/// What is said of a command line that asks for nothing to be run: help or the version on standard output, or on
/// standard error what is wrong with it.
///
/// # Errors
/// Standard output does not take it: a sentence that says why.
pub fn explain(said: &clap::Error) -> Result<(), String> {
    if said.use_stderr() {
        // If nobody looks on, the status has to say it.
        let _ = said.print();
        return Ok(());
    }
    Standard::Output.expect_open()?;
    said.print().map_err(|error| format!("standard output: {error}"))
}

/// Writes to standard output, all of it.
///
/// # Errors
/// Nobody reads it any more ([`ErrorKind::BrokenPipe`]), or its disk is full.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// A file for results.
#[derive(Debug)]
pub struct Destination {
    option: &'static str,
    path: PathBuf,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// A new file, or one that is replaced; with the permissions that it is to have.
    Replaced(PathBuf, Permissions),
    /// A device or a pipe, which nothing can take the place of.
    Special(File),
}

impl Destination {
    /// Makes sure that the file which `option` names can be written, and leaves it as it is.
    ///
    /// # Errors
    /// A sentence that says why it can't.
    pub fn open(option: &'static str, path: &Path) -> Result<Self, String> {
        let kind =
            try_out(path).map_err(|error| format!("{option}: can't write {}: {error}", path.display()))?;
        Ok(Self { option, path: path.to_owned(), kind })
    }

    /// Writes `text`, and replaces what was there by it.
    ///
    /// # Errors
    /// A sentence that says why it can't. A file of an earlier run is then as it was.
    pub fn write(self, text: &str) -> Result<(), String> {
        let Self { option, path, kind } = self;
        let done = match kind {
            Kind::Replaced(target, permissions) => replace(&target, permissions, text),
            Kind::Special(mut file) => file.write_all(text.as_bytes()),
        };
        done.map_err(|error| format!("{option}: {}: {error}", path.display()))
    }
}

fn try_out(path: &Path) -> io::Result<Kind> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let permissions = Permissions::from_mode(NEW_FILE_MODE);
            beside(path, permissions.clone())?;
            return Ok(Kind::Replaced(path.to_owned(), permissions));
        }
        Err(error) => return Err(error),
    };
    // A pipe that nobody reads fails at once instead of waiting for a reader.
    let nonblocking = OFlags::NONBLOCK.bits() as i32;
    let file = OpenOptions::new().write(true).custom_flags(nonblocking).open(path)?;
    if metadata.is_file() {
        // A link stays one: what it leads to is replaced.
        let target = fs::canonicalize(path)?;
        beside(&target, metadata.permissions())?;
        return Ok(Kind::Replaced(target, metadata.permissions()));
    }
    fcntl_setfl(&file, fcntl_getfl(&file)? - OFlags::NONBLOCK)?;
    Ok(Kind::Special(file))
}

/// A file without contents in the same directory, which goes away again unless it takes the place of `path`.
fn beside(path: &Path, permissions: Permissions) -> io::Result<NamedTempFile> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    Builder::new()
        .prefix(".forum-load-")
        .permissions(permissions)
        .tempfile_in(parent.unwrap_or(Path::new(".")))
}

fn replace(path: &Path, permissions: Permissions, text: &str) -> io::Result<()> {
    let mut file = beside(path, permissions)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}
