//! The directory that an export is: what lies where, and what files are called there.
//!
//! ```text
//! DIR/README.txt             the same for its readers
//! DIR/threads/TITLE          a thread: its creator, then its lines as RDT shows them
//! DIR/uploads/TITLE-FILE     a file of a thread, named as in the assignments
//! DIR/messagelog.txt         the board
//! DIR/rooms/SR_N_messagelog.txt   room N
//! DIR/forum.jsonl            everything, a record a line; the last line counts them
//! DIR/files/<id>             the bytes of the files, for import
//! ```
//!
//! The assignments' `credentials.txt` is not among them: it holds passwords, and there are only hashes.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use forum_common::names::Title;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use crate::forum::{RoomId, Upload};

pub(super) const README: &str = "README.txt";
pub(super) const THREADS: &str = "threads";
pub(super) const UPLOADS: &str = "uploads";
pub(super) const BOARD: &str = "messagelog.txt";
pub(super) const ROOMS: &str = "rooms";
pub(super) const RECORDS: &str = "forum.jsonl";
/// What [`RECORDS`] is called while it grows: import takes no export that was cut short.
pub(super) const RECORDS_UNFINISHED: &str = "forum.jsonl.part";
pub(super) const FILES: &str = "files";

pub(super) const README_TEXT: &str = "\
This directory was written by `forumd export`, and `forumd import` reads it.

threads/TITLE         a thread: first its creator, then its messages and uploads, in order
uploads/TITLE-FILE    the files that were uploaded
messagelog.txt        the board (BCM); the times are in the time zone of the export
rooms/SR_N_messagelog.txt   the separate room N (SRM)
forum.jsonl           everything, as JSON lines
files/                the bytes of the files again, under the ids that forum.jsonl has

Only forum.jsonl and files/ are imported; the rest is for reading.

In the names of files every character but A-Z a-z 0-9 _ - . is written as % and two digits, and so are a
dot or a dash at the beginning and, in uploads/, the dashes of TITLE. A name too long for a file is cut, and
ends in %~ and an id.

forum.jsonl holds the hashes of the passwords, so keep this directory to yourself. There is no
credentials.txt, because forumd does not know the passwords.

Files may share their bytes with the server's (hard links): to change one, change a copy.
";

/// Bytes of a file's name on every file system that matters.
const NAME_BYTES_MAX: usize = 255;
/// Bytes of `%~` and an id.
const ID_SUFFIX_BYTES: usize = 34;

/// What doesn't stand for itself in the name of a file.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'-').remove(b'.');
/// In front of the dash that separates it from what follows.
const ESCAPED_BEFORE_DASH: &AsciiSet = &ESCAPED.add(b'-');

/// What stands behind the last record, so that a file which was cut at the end of a line is not taken for a
/// whole one.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Closing {
    End {
        /// How many records came before.
        records: u64,
    },
}

/// The name of a thread's text. No two titles have the same, and none is hidden or looks like an option.
pub(super) fn thread_name(title: &Title) -> String {
    visible(utf8_percent_encode(title, ESCAPED).to_string())
}

/// The name of an upload, unique likewise: the first dash in it ends the title.
pub(super) fn upload_name(title: &Title, upload: &Upload) -> String {
    let title = visible(utf8_percent_encode(title, ESCAPED_BEFORE_DASH).to_string());
    let mut name = format!("{title}-{}", utf8_percent_encode(&upload.file, ESCAPED));
    if name.len() > NAME_BYTES_MAX {
        name.truncate(NAME_BYTES_MAX - ID_SUFFIX_BYTES);
        // No escape looks like this, so no other name ends like this one.
        name = format!("{name}%~{}", upload.id);
    }
    name
}

fn visible(mut name: String) -> String {
    match name.as_bytes().first() {
        Some(b'.') => name.replace_range(..1, "%2E"),
        Some(b'-') => name.replace_range(..1, "%2D"),
        _ => {}
    }
    name
}

/// The name of a room's message log.
pub(super) fn room_name(room: RoomId) -> String {
    format!("SR_{}_messagelog.txt", room.0)
}

/// Makes a directory that only its owner may enter.
pub(super) fn create_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

/// Makes a file that only its owner may open.
pub(super) fn create_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// The directory that `path` lies in.
pub(super) fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use forum_common::names::FileName;
    use proptest::prelude::*;

    use super::*;
    use crate::forum::{AccountId, ItemId};
    use crate::workers::files::FileId;

    fn upload(file: &str) -> Upload {
        let file = FileName::parse(file).unwrap();
        Upload {
            item: ItemId(1),
            at_ms: 0,
            after: 0,
            author: AccountId(0),
            file,
            id: FileId(0xABC),
            size: 0,
            digest: [0; 32],
        }
    }

    fn title(raw: &str) -> Title {
        Title::parse(raw).unwrap()
    }

    #[test]
    fn plain_names_stand_for_themselves_and_odd_ones_are_escaped() {
        for (raw, name) in [
            ("3331", "3331"),
            ("a_b-c.d", "a_b-c.d"),
            (".", "%2E"),
            ("..", "%2E."),
            ("-rf", "%2Drf"),
            ("100%", "100%25"),
            ("%2E", "%252E"),
            ("*?<>|:\"", "%2A%3F%3C%3E%7C%3A%22"),
        ] {
            assert_eq!(thread_name(&title(raw)), name);
        }
    }

    #[test]
    fn uploads_are_named_as_in_the_assignments() {
        assert_eq!(upload_name(&title("3331"), &upload("test.exe")), "3331-test.exe");
        assert_eq!(upload_name(&title("a-b"), &upload("c-d")), "a%2Db-c-d");
    }

    #[test]
    fn the_longest_names_fit_a_file_system() {
        assert!(thread_name(&title(&"%".repeat(64))).len() <= NAME_BYTES_MAX);
        let name = upload_name(&title(&"%".repeat(64)), &upload(&"%".repeat(200)));
        assert_eq!(name.len(), NAME_BYTES_MAX);
        assert!(name.ends_with("%~00000000000000000000000000000abc"), "{name}");
    }

    proptest! {
        #[test]
        fn different_names_stay_different(
            raw in proptest::collection::hash_set("[!-.0-\\[\\]-~]{1,4}", 2..40),
        ) {
            let titles: Vec<_> = raw.iter().map(|raw| title(raw)).collect();
            let names: HashSet<_> = titles.iter().map(thread_name).collect();
            prop_assert_eq!(names.len(), titles.len());
            let files = raw.iter().filter(|raw| FileName::parse(raw).is_ok());
            let files: Vec<_> = files.map(|raw| upload(raw)).collect();
            let pairs = titles.iter().flat_map(|title| files.iter().map(move |file| upload_name(title, file)));
            prop_assert_eq!(pairs.collect::<HashSet<_>>().len(), titles.len() * files.len());
        }
    }
}
