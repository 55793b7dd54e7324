//! `forumd export`: everything, at one point of the log, into an empty directory.
//!
//! Beside a running server a file may vanish at any moment, with its thread. So every file there is gets a
//! second name in the export as soon as the point is fixed, before the replay takes its time; what the point
//! turns out not to name is dropped again. A file can slip through only if its thread is removed within those
//! few milliseconds, or if it has to be copied because the export lies on another file system: then the
//! export moves on to a later point, where the thread is gone as well.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::layout::{
    BOARD, Closing, FILES, README, README_TEXT, RECORDS, RECORDS_DRAFT, ROOMS, THREADS, UPLOADS,
    create_directory, create_file, parent, room_name, thread_name, upload_name,
};
use super::verify::{Fault, copy, expected, verify};
use super::{Point, Totals, because, open_log, say};
use crate::console;
use crate::directory::Directory;
use crate::forum::{Forum, History, Item, Record, Sequence, Thread, TimedPost, Upload};
use crate::interrupts::Interrupts;
use crate::journal::sync_directory;
use crate::startup::Failed;
use crate::store::StoreReader;
use crate::workers::files::{FileId, is_lost_and_found, scan};
use forum_common::text::Zone;

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
    let (draft, held) = prepare(dir)?;
    let point = freeze(&held, interrupts, || look(data, &held))?;
    verify_files(&point.forum, &held, interrupts)?;
    write(&point.forum, &BTreeSet::new(), draft, interrupts)?;
    let (totals, last) = (Totals::of(&point.forum), point.contents.last);
    say(out, format_args!("exported {totals} to {}, up to log entry {last}", dir.display()))
}

/// Begins an export in `dir`; with it comes the directory of its files.
pub(super) fn prepare(dir: &Path) -> Result<(Draft<'_>, PathBuf), Failed> {
    let mut draft = Draft::begin(dir)?;
    draft.directory(FILES)?;
    let held = draft.path(FILES);
    Ok((draft, held))
}

/// Writes an export whose files are there, but for those that are `lost`.
pub(super) fn write(
    forum: &Forum,
    lost: &BTreeSet<FileId>,
    mut draft: Draft<'_>,
    interrupts: &Interrupts,
) -> Result<(), Failed> {
    draft.directory(THREADS)?;
    write_threads(forum, &draft.path(THREADS), interrupts)?;
    draft.directory(UPLOADS)?;
    name_uploads(forum, lost, &draft, interrupts)?;
    let zone = Zone::of_system().unwrap_or_else(|unknown| {
        console::say(format_args!("forumd: {unknown}"));
        Zone::utc()
    });
    draft.file(BOARD, |file| write_history(forum, &forum.board, &zone, file))?;
    draft.directory(ROOMS)?;
    write_rooms(forum, &zone, &draft.path(ROOMS), interrupts)?;
    draft.file(README, |file| file.write_all(README_TEXT.as_bytes()))?;
    draft.file(RECORDS_DRAFT, |file| write_records(forum, lost, file, interrupts))?;
    draft.finish()
}

/// Opens the log at the present point and reads it. `held` gets a link to every file in between.
fn look(data: &Path, held: &Path) -> Result<(Point, PathBuf), Failed> {
    let store = StoreReader::open(data).map_err(Failed::because)?;
    let log = open_log(&store).map_err(Failed::because)?;
    link_all(&store.files(), held).map_err(because("link the files"))?;
    Ok((Point::replay(log).map_err(Failed::because)?, store.files()))
}

/// Looks at one point of the log after the other, until `held` has every file that the point names; and
/// drops from there what it does not name. With a point comes the directory that its files are in.
fn freeze(
    held: &Path,
    interrupts: &Interrupts,
    mut look: impl FnMut() -> Result<(Point, PathBuf), Failed>,
) -> Result<Point, Failed> {
    let mut gone_before = BTreeSet::new();
    for _ in 0..POINTS_MAX {
        interrupts.check()?;
        let (point, files) = look()?;
        let mut gone = BTreeSet::new();
        for (id, fault) in hold_all(&point.forum, &files, held, interrupts)? {
            match fault {
                Fault::Missing => drop(gone.insert(id)),
                fault => return Err(broken_file(&point.forum, id, &fault)),
            }
        }
        // An id is never used again, so what is gone and named by a later point was not removed.
        if let Some(id) = gone.intersection(&gone_before).next() {
            return Err(broken_file(&point.forum, *id, &Fault::Missing));
        }
        if gone.is_empty() {
            drop_unreferenced(&point.forum, held).map_err(because("drop files that nothing names"))?;
            return Ok(point);
        }
        gone_before.extend(gone);
    }
    Err(Failed::because("threads come and go faster than their files can be copied; try again later"))
}

/// Links every file in `files` into `held`, named or not, until that turns out to be impossible.
pub(super) fn link_all(files: &Path, held: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(files) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<FileId>().ok()) else {
            continue;
        };
        match fs::hard_link(entry.path(), id.path_in(held)) {
            Err(error) if !is_about_these_files(&error) => return Ok(()),
            _ => {}
        }
    }
    Ok(())
}

/// Whether the file vanished, or was linked at an earlier point.
fn is_about_these_files(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists)
}

/// Puts into `held` what is not there yet of the files that `forum` names. Returns those that can't be had, and why.
///
/// # Errors
/// `held` can't be written.
pub(super) fn hold_all(
    forum: &Forum,
    files: &Path,
    held: &Path,
    interrupts: &Interrupts,
) -> Result<BTreeMap<FileId, Fault>, Failed> {
    let mut unheld = BTreeMap::new();
    for (_, upload) in forum.files() {
        let (from, to) = (upload.id.path_in(files), upload.id.path_in(held));
        if to.exists() {
            continue;
        }
        interrupts.check()?;
        match hold(&from, held, upload, interrupts) {
            Ok(()) => {}
            Err(fault @ (Fault::Unwritable(_) | Fault::Interrupted)) => {
                return Err(broken_file(forum, upload.id, &fault));
            }
            Err(fault) => drop(unheld.insert(upload.id, fault)),
        }
    }
    Ok(unheld)
}

/// Links a file, or copies it where that is impossible. What it leaves is whole.
fn hold(from: &Path, held: &Path, upload: &Upload, interrupts: &Interrupts) -> Result<(), Fault> {
    let (to, name) = (upload.id.path_in(held), upload.id.to_string());
    match fs::hard_link(from, &to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Fault::Missing),
        Err(_) => {
            let held = Directory::open(held).map_err(Fault::Unwritable)?;
            copy(from, &held, &name, expected(upload), interrupts).inspect_err(|_| {
                // The error to tell is the first.
                let _ = fs::remove_file(&to);
            })
        }
        Ok(()) => Ok(()),
    }
}

/// Other file systems, and those that know no links, get a copy.
fn link_or_copy(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Err(error) if !is_about_these_files(&error) => {
            io::copy(&mut File::open(from)?, &mut create_file(to)?).map(drop)
        }
        linked => linked,
    }
}

pub(super) fn drop_unreferenced(forum: &Forum, held: &Path) -> io::Result<()> {
    let found = scan(&Directory::open(held)?, forum.files().map(|(_, upload)| upload.id))?;
    found.unreferenced.iter().try_for_each(|id| fs::remove_file(id.path_in(held)))
}

/// Import takes no damaged file, so there is none in an export.
fn verify_files(forum: &Forum, held: &Path, interrupts: &Interrupts) -> Result<(), Failed> {
    for (_, upload) in forum.files() {
        let path = upload.id.path_in(held);
        // With `--durability none` the server doesn't sync them.
        let verified = verify(&path, expected(upload), interrupts)
            .and_then(|file| file.sync_all().map_err(Fault::Unwritable));
        verified.map_err(|fault| broken_file(forum, upload.id, &fault))?;
    }
    sync_directory(held).map_err(because("fsync the files"))
}

/// Says what is wrong with a file, in the words of those who could do something about it.
fn broken_file(forum: &Forum, id: FileId, fault: &Fault) -> Failed {
    match forum.files().find(|(_, upload)| upload.id == id) {
        _ if matches!(fault, Fault::Interrupted) => Failed::because(fault),
        Some((title, upload)) => {
            Failed::because(format_args!("file {} of thread {title} ({id}) {fault}", upload.file))
        }
        None => Failed::because(format_args!("file {id} {fault}")),
    }
}

fn write_threads(forum: &Forum, dir: &Path, interrupts: &Interrupts) -> Result<(), Failed> {
    for (_, thread) in forum.threads.iter() {
        interrupts.check()?;
        let path = dir.join(thread_name(thread.title()));
        let written =
            create_file(&path).and_then(|file| fill(file, |file| write_thread(forum, thread, file)));
        written.map_err(cannot_write(&path))?;
    }
    sync_directory(dir).map_err(cannot_write(dir))
}

fn write_thread(forum: &Forum, thread: &Thread, file: &mut impl Write) -> io::Result<()> {
    writeln!(file, "{}", forum.name_of(thread.creator()))?;
    let mut listing = thread.list(None).expect("only ranges are refused");
    while let Some(item) = listing.next_item() {
        match item {
            Item::Post(number, post) => {
                writeln!(file, "{number} {}: {}", forum.name_of(post.author), post.text)?;
            }
            Item::Upload(upload) => {
                writeln!(file, "{} uploaded {}", forum.name_of(upload.author), upload.file)?;
            }
        }
    }
    Ok(())
}

fn write_rooms(forum: &Forum, zone: &Zone, dir: &Path, interrupts: &Interrupts) -> Result<(), Failed> {
    for (&id, room) in forum.rooms.iter() {
        interrupts.check()?;
        let path = dir.join(room_name(id));
        let written = create_file(&path)
            .and_then(|file| fill(file, |file| write_history(forum, &room.posts, zone, file)));
        written.map_err(cannot_write(&path))?;
    }
    sync_directory(dir).map_err(cannot_write(dir))
}

/// The lines of a message log, as TOOM wants them.
fn write_history(
    forum: &Forum,
    posts: &Sequence<TimedPost>,
    zone: &Zone,
    file: &mut impl Write,
) -> io::Result<()> {
    let mut history = History::all(posts);
    while let Some((number, post)) = history.next_post() {
        let (at, author) = (zone.shown(post.at_ms), forum.name_of(post.author));
        writeln!(file, "{number}; {at}; {author}; {}", post.text)?;
    }
    Ok(())
}

/// Gives the files the names that people know them by, too.
fn name_uploads(
    forum: &Forum,
    lost: &BTreeSet<FileId>,
    draft: &Draft<'_>,
    interrupts: &Interrupts,
) -> Result<(), Failed> {
    let (held, dir) = (draft.path(FILES), draft.path(UPLOADS));
    for (title, upload) in forum.files().filter(|(_, upload)| !lost.contains(&upload.id)) {
        interrupts.check()?;
        let path = dir.join(upload_name(title, upload));
        let named =
            link_or_copy(&upload.id.path_in(&held), &path).and_then(|()| File::open(&path)?.sync_all());
        named.map_err(cannot_write(&path))?;
    }
    sync_directory(&dir).map_err(cannot_write(&dir))
}

fn write_records(
    forum: &Forum,
    lost: &BTreeSet<FileId>,
    file: &mut impl Write,
    interrupts: &Interrupts,
) -> io::Result<()> {
    let mut records = 0;
    let is_there = |record: &Record| match record {
        // The files of removed threads are not in the export.
        Record::RemovedFile { .. } => false,
        Record::Upload { id, .. } => !lost.contains(id),
        _ => true,
    };
    for record in forum.records().filter(is_there) {
        interrupts.check().map_err(io::Error::other)?;
        write_line(file, &record)?;
        records += 1;
    }
    write_line(file, &Closing::End { records })
}

fn write_line(file: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *file, line)?;
    file.write_all(b"\n")
}

/// Fills a new file with what `write` puts into it, on the disk when this returns.
fn fill(file: File, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> io::Result<()> {
    let mut file = BufWriter::new(file);
    write(&mut file)?;
    file.into_inner()?.sync_all()
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

fn cannot_write(path: &Path) -> impl FnOnce(io::Error) -> Failed {
    because(format!("write {}", path.display()))
}

/// An export in the making. Unless it is finished, it takes away again what it made, and nothing else.
pub(super) struct Draft<'a> {
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

impl<'a> Draft<'a> {
    /// Takes `dir`, which must be empty or new, and makes it private.
    fn begin(dir: &'a Path) -> Result<Self, Failed> {
        match create_directory(dir) {
            Ok(()) => {
                let draft = Self { dir, made: vec![Made::Root] };
                sync_directory(&parent(dir)).map_err(cannot_write(dir))?;
                return Ok(draft);
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

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn directory(&mut self, name: &'static str) -> Result<(), Failed> {
        let path = self.path(name);
        create_directory(&path).map_err(cannot_write(&path))?;
        self.made.push(Made::Directory(name));
        Ok(())
    }

    fn file(
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
    fn finish(mut self) -> Result<(), Failed> {
        let (draft, records) = (self.path(RECORDS_DRAFT), self.path(RECORDS));
        let sync = |dir: &Path| sync_directory(dir).map_err(cannot_write(dir));
        sync(self.dir)?;
        fs::rename(draft, &records).map_err(cannot_write(&records))?;
        self.made.push(Made::File(RECORDS));
        sync(self.dir)?;
        self.made.clear();
        Ok(())
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        for made in self.made.drain(..).rev() {
            let removed = match made {
                Made::File(name) => fs::remove_file(self.dir.join(name)),
                Made::Directory(name) => fs::remove_dir_all(self.dir.join(name)),
                Made::Root => fs::remove_dir(self.dir),
            };
            // Whatever stays behind, it is no export without its records; and the error to tell is the first.
            let _ = removed;
        }
    }
}

fn make_private(dir: &Path) -> io::Result<()> {
    let mode = dir.metadata()?.mode();
    if mode & 0o077 == 0 { Ok(()) } else { fs::set_permissions(dir, Permissions::from_mode(0o700)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forum::{Record, Restorer};
    use crate::journal::Contents;

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
    fn frozen(files: &Path, points: &[bool]) -> (Result<Point, Failed>, usize) {
        let held = tempfile::tempdir().unwrap();
        let mut points = points.iter();
        let frozen = freeze(held.path(), &Interrupts::Deadly, || {
            let has_thread = *points.next().expect("no more points than these");
            link_all(files, held.path()).unwrap();
            Ok((point(has_thread), files.to_owned()))
        });
        assert_eq!(points.next(), None, "every point was needed");
        (frozen, fs::read_dir(held.path()).unwrap().count())
    }

    #[test]
    fn a_file_that_goes_with_its_thread_moves_the_export_to_a_later_point() {
        let files = tempfile::tempdir().unwrap();
        let (point, held) = frozen(files.path(), &[true, false]);
        assert_eq!((point.unwrap().forum.threads.len(), held), (0, 0));
    }

    #[test]
    fn a_file_that_is_gone_without_its_thread_is_missing() {
        let files = tempfile::tempdir().unwrap();
        let (point, _) = frozen(files.path(), &[true, true]);
        let Err(Failed::Other(text)) = point else { panic!("the file was never there") };
        assert_eq!(text, format!("file f of thread 3331 ({ID}) is missing"));
    }

    #[test]
    fn what_the_point_does_not_name_is_dropped_again() {
        let files = tempfile::tempdir().unwrap();
        for id in [ID, FileId(8)] {
            fs::write(id.path_in(files.path()), "x").unwrap();
        }
        assert_eq!(frozen(files.path(), &[true]).1, 1);
        assert_eq!(frozen(files.path(), &[false]).1, 0);
    }
}
