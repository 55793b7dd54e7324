//! What is written into an export besides the files: texts for people, and records for `import`.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use forum_common::text::Zone;
use serde::Serialize;

use super::super::layout::{
    BOARD, Closing, FILES, README, README_TEXT, RECORDS_UNFINISHED, ROOMS, THREADS, UPLOADS, create_file,
    room_name, thread_name, upload_name,
};
use super::directory::{ExportDirectory, cannot_write, fill};
use super::files::is_about_these_files;
use crate::console;
use crate::failed::Failed;
use crate::forum::{Forum, History, Item, Record, Sequence, Thread, TimedPost};
use crate::interrupts::Interrupts;
use crate::journal::sync_directory;
use crate::workers::files::FileId;

/// Writes an export whose files are there, but for those that are `lost`.
pub(in crate::admin) fn write(
    forum: &Forum,
    lost: &BTreeSet<FileId>,
    mut export: ExportDirectory<'_>,
    interrupts: &Interrupts,
) -> Result<(), Failed> {
    export.directory(THREADS)?;
    write_threads(forum, &export.path(THREADS), interrupts)?;
    export.directory(UPLOADS)?;
    name_uploads(forum, lost, &export, interrupts)?;
    let zone = Zone::of_system().unwrap_or_else(|unknown| {
        console::say(format_args!("forumd: {unknown}"));
        Zone::utc()
    });
    export.file(BOARD, |file| write_history(forum, &forum.board, &zone, file))?;
    export.directory(ROOMS)?;
    write_rooms(forum, &zone, &export.path(ROOMS), interrupts)?;
    export.file(README, |file| file.write_all(README_TEXT.as_bytes()))?;
    export.file(RECORDS_UNFINISHED, |file| write_records(forum, lost, file, interrupts))?;
    export.finish()
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
    export: &ExportDirectory<'_>,
    interrupts: &Interrupts,
) -> Result<(), Failed> {
    let (files_dir, dir) = (export.path(FILES), export.path(UPLOADS));
    for (title, upload) in forum.files().filter(|(_, upload)| !lost.contains(&upload.id)) {
        interrupts.check()?;
        let path = dir.join(upload_name(title, upload));
        let named =
            link_or_copy(&upload.id.path_in(&files_dir), &path).and_then(|()| File::open(&path)?.sync_all());
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
