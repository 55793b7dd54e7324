//! `forumd export`: everything, at one point of the log, into an empty directory.
//!
//! Beside a running server a file may vanish at any moment, with its thread. So every file there is gets a
//! second name in the export as soon as the point is fixed, before the replay takes its time; what the point
//! turns out not to name is dropped again. A file can slip through only if its thread is removed within those
//! few milliseconds, or if it has to be copied because the export lies on another file system: then the
//! export moves on to a later point, where the thread is gone as well.

mod content;
mod directory;
mod files;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

pub(super) use self::content::write;
use self::directory::ExportDirectory;
pub(super) use self::files::{drop_unreferenced, link_all, link_or_copy_all};
use self::files::{file_failed, verify_files};
use super::layout::FILES;
use super::verify::FileError;
use super::{Point, Totals, because, open_log, say};
use crate::failed::Failed;
use crate::interrupts::Interrupts;
use crate::store::StoreReader;

/// Points of the log that are tried. Each one loses only files that came and went since the one before.
const POINTS_MAX: usize = 100;

/// Exports what is in `data` into `dir`.
pub(super) fn run(
    data: &Path,
    dir: &Path,
    out: &mut impl Write,
    interrupts: &Interrupts,
) -> Result<(), Failed> {
    // Without anything to export no directory is made for it.
    StoreReader::open(data).map_err(Failed::because)?;
    let (export, files_dir) = prepare(dir)?;
    let point = collect(&files_dir, interrupts, || read_point(data, &files_dir))?;
    verify_files(&point.forum, &files_dir, interrupts)?;
    write(&point.forum, &BTreeSet::new(), export, interrupts)?;
    let (totals, last) = (Totals::of(&point.forum), point.contents.last);
    say(out, format_args!("exported {totals} to {}, up to log entry {last}", dir.display()))
}

/// Begins an export in `dir`; with it comes the directory of its files.
pub(super) fn prepare(dir: &Path) -> Result<(ExportDirectory<'_>, PathBuf), Failed> {
    let mut export = ExportDirectory::begin(dir)?;
    export.directory(FILES)?;
    let files_dir = export.path(FILES);
    Ok((export, files_dir))
}

/// Opens the log at the present point and reads it. `files_dir` gets a link to every file in between.
fn read_point(data: &Path, files_dir: &Path) -> Result<(Point, PathBuf), Failed> {
    let store = StoreReader::open(data).map_err(Failed::because)?;
    let log = open_log(&store).map_err(Failed::because)?;
    link_all(&store.files(), files_dir).map_err(because("link the files"))?;
    Ok((Point::replay(log).map_err(Failed::because)?, store.files()))
}

/// Reads one point of the log after the other, until `files_dir` has every file that the point names; and
/// drops from there what it does not name. With a point comes the directory that its files are in.
fn collect(
    files_dir: &Path,
    interrupts: &Interrupts,
    mut read_point: impl FnMut() -> Result<(Point, PathBuf), Failed>,
) -> Result<Point, Failed> {
    let mut gone_before = BTreeSet::new();
    for _ in 0..POINTS_MAX {
        interrupts.check()?;
        let (point, files) = read_point()?;
        let mut gone = BTreeSet::new();
        for (id, error) in link_or_copy_all(&point.forum, &files, files_dir, interrupts)? {
            match error {
                FileError::Missing => drop(gone.insert(id)),
                error => return Err(file_failed(&point.forum, id, &error)),
            }
        }
        // An id is never used again, so what is gone and named by a later point was not removed.
        if let Some(id) = gone.intersection(&gone_before).next() {
            return Err(file_failed(&point.forum, *id, &FileError::Missing));
        }
        if gone.is_empty() {
            drop_unreferenced(&point.forum, files_dir).map_err(because("drop files that nothing names"))?;
            return Ok(point);
        }
        gone_before.extend(gone);
    }
    Err(Failed::because("threads come and go faster than their files can be copied; try again later"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::forum::{Record, Restorer};
    use crate::journal::Contents;
    use crate::workers::files::FileId;

    const ID: FileId = FileId(7);

    const ACCOUNT: &str = r#"{"account":{"name":"yoda","hash":"$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA"}}"#;
    const THREAD: &str = r#"{"thread":{"id":1,"title":"3331","creator":"yoda"}}"#;
    const UPLOAD: &str = r#"{"upload":{"item":1,"at_ms":1,"author":"yoda","file":"f","id":"00000000000000000000000000000007","size":1,"digest":"af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"}}"#;

    /// A forum with or without a thread that has a file.
    fn point(has_thread: bool) -> Point {
        let lines: &[&str] = if has_thread { &[ACCOUNT, THREAD, UPLOAD] } else { &[] };
        let mut restorer = Restorer::default();
        for line in lines {
            restorer.take(serde_json::from_str::<Record>(line).unwrap()).unwrap();
        }
        Point { forum: restorer.finish(), contents: Contents::default(), dropped_tail: None }
    }

    /// What comes of an export that sees these points; and how many files it holds then.
    fn collected(files: &Path, points: &[bool]) -> (Result<Point, Failed>, usize) {
        let files_dir = tempfile::tempdir().unwrap();
        let mut points = points.iter();
        let collected = collect(files_dir.path(), &Interrupts::Deadly, || {
            let has_thread = *points.next().expect("no more points than these");
            link_all(files, files_dir.path()).unwrap();
            Ok((point(has_thread), files.to_owned()))
        });
        assert_eq!(points.next(), None, "every point was needed");
        (collected, fs::read_dir(files_dir.path()).unwrap().count())
    }

    #[test]
    fn a_file_that_goes_with_its_thread_moves_the_export_to_a_later_point() {
        let files = tempfile::tempdir().unwrap();
        let (point, files_dir) = collected(files.path(), &[true, false]);
        assert_eq!((point.unwrap().forum.threads.len(), files_dir), (0, 0));
    }

    #[test]
    fn a_file_that_is_gone_without_its_thread_is_missing() {
        let files = tempfile::tempdir().unwrap();
        let (point, _) = collected(files.path(), &[true, true]);
        let Err(Failed::Other(text)) = point else { panic!("the file was never there") };
        assert_eq!(text, format!("file f of thread 3331 ({ID}) is missing"));
    }

    #[test]
    fn what_the_point_does_not_name_is_dropped_again() {
        let files = tempfile::tempdir().unwrap();
        for id in [ID, FileId(8)] {
            fs::write(id.path_in(files.path()), "x").unwrap();
        }
        assert_eq!(collected(files.path(), &[true]).1, 1);
        assert_eq!(collected(files.path(), &[false]).1, 0);
    }
}
