//! The files of an export: linked where that is possible, copied elsewhere, and verified.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use super::super::because;
use super::super::verify::{FileError, copy, expected, verify};
use crate::directory::Directory;
use crate::failed::Failed;
use crate::forum::{Forum, Upload};
use crate::interrupts::Interrupts;
use crate::journal::sync_directory;
use crate::workers::files::{FileId, scan};

/// Links every file in `files` into `files_dir`, named or not, until that turns out to be impossible.
pub(in crate::admin) fn link_all(files: &Path, files_dir: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(files) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<FileId>().ok()) else {
            continue;
        };
        match fs::hard_link(entry.path(), id.path_in(files_dir)) {
            Err(error) if !is_about_these_files(&error) => return Ok(()),
            _ => {}
        }
    }
    Ok(())
}

/// Whether the file vanished, or was linked at an earlier point.
pub(super) fn is_about_these_files(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists)
}

/// Puts into `files_dir` what is not there yet of the files that `forum` names. Returns those that can't be had, and why.
///
/// # Errors
/// `files_dir` can't be written.
pub(in crate::admin) fn link_or_copy_all(
    forum: &Forum,
    files: &Path,
    files_dir: &Path,
    interrupts: &Interrupts,
) -> Result<BTreeMap<FileId, FileError>, Failed> {
    let mut missing = BTreeMap::new();
    for (_, upload) in forum.files() {
        let (from, to) = (upload.id.path_in(files), upload.id.path_in(files_dir));
        if to.exists() {
            continue;
        }
        interrupts.check()?;
        match link_or_copy_verified(&from, files_dir, upload, interrupts) {
            Ok(()) => {}
            Err(error @ (FileError::Unwritable(_) | FileError::Interrupted)) => {
                return Err(file_failed(forum, upload.id, &error));
            }
            Err(error) => drop(missing.insert(upload.id, error)),
        }
    }
    Ok(missing)
}

/// Links a file, or copies it where that is impossible. What it leaves is whole.
fn link_or_copy_verified(
    from: &Path,
    files_dir: &Path,
    upload: &Upload,
    interrupts: &Interrupts,
) -> Result<(), FileError> {
    let (to, name) = (upload.id.path_in(files_dir), upload.id.to_string());
    match fs::hard_link(from, &to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(FileError::Missing),
        Err(_) => {
            let files_dir = Directory::open(files_dir).map_err(FileError::Unwritable)?;
            copy(from, &files_dir, &name, expected(upload), interrupts).inspect_err(|_| {
                // The error to tell is the first.
                let _ = fs::remove_file(&to);
            })
        }
        Ok(()) => Ok(()),
    }
}

pub(in crate::admin) fn drop_unreferenced(forum: &Forum, files_dir: &Path) -> io::Result<()> {
    let found = scan(&Directory::open(files_dir)?, forum.files().map(|(_, upload)| upload.id))?;
    found.unreferenced.iter().try_for_each(|id| fs::remove_file(id.path_in(files_dir)))
}

/// Import takes no damaged file, so there is none in an export.
pub(super) fn verify_files(forum: &Forum, files_dir: &Path, interrupts: &Interrupts) -> Result<(), Failed> {
    for (_, upload) in forum.files() {
        let path = upload.id.path_in(files_dir);
        // With `--durability none` the server doesn't sync them.
        let verified = verify(&path, expected(upload), interrupts)
            .and_then(|file| file.sync_all().map_err(FileError::Unwritable));
        verified.map_err(|error| file_failed(forum, upload.id, &error))?;
    }
    sync_directory(files_dir).map_err(because("fsync the files"))
}

/// Says what is wrong with a file, in the words of those who could do something about it.
pub(super) fn file_failed(forum: &Forum, id: FileId, error: &FileError) -> Failed {
    match forum.files().find(|(_, upload)| upload.id == id) {
        _ if matches!(error, FileError::Interrupted) => Failed::because(error),
        Some((title, upload)) => {
            Failed::because(format_args!("file {} of thread {title} ({id}) {error}", upload.file))
        }
        None => Failed::because(format_args!("file {id} {error}")),
    }
}
