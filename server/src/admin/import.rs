//! `forumd import`: what an export wrote, into an empty data directory. Nothing is believed: every line must
//! be a record that fits those before it, every file must have its size and digest. The journal comes last,
//! and then the mark goes that keeps what is there from being taken for a forum. On any failure before that all
//! is taken away again; what a crash leaves, the next import takes away.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;

use forum_common::escape::for_terminal;
use forum_common::limits::TEXT_BYTES_MAX;

use super::layout::{Closing, FILES, RECORDS};
use super::verify::{FileError, copy};
use super::{Totals, because, say};
use crate::clock::{Clock, SystemClock};
use crate::directory::Directory;
use crate::failed::Failed;
use crate::forum::{Forum, ItemId, Record, Restorer, ThreadId};
use crate::interrupts::Interrupts;
use crate::journal::{SNAPSHOT_CHUNK_BYTES, write_fresh};
use crate::store::Store;
use crate::workers::files::Expected;

/// Bytes of the longest line: a text of which every byte is escaped (`\u001f`), and what stands around it.
const LINE_BYTES_MAX: usize = 6 * TEXT_BYTES_MAX + 4_096;

/// Imports what is in `dir` into `data`.
pub(super) fn run(
    data: &Path,
    dir: &Path,
    out: &mut impl Write,
    interrupts: &Interrupts,
) -> Result<(), Failed> {
    let path = dir.join(RECORDS);
    let records = open_records(&path).map_err(|error| no_export(dir, error))?;
    let fresh = Fresh::begin(data)?;
    let import = Import { from: &dir.join(FILES), to: fresh.store().files(), interrupts };
    let forum = import.read(BufReader::new(records)).map_err(|failure| failure.of(&path))?;
    import.to.sync().map_err(because("fsync the files"))?;
    write_fresh(&fresh.store().journal(), forum.records().chunks(SNAPSHOT_CHUNK_BYTES))
        .map_err(Failed::because)?;
    fresh.keep()?;
    say(out, format_args!("imported {} from {} into {}", Totals::of(&forum), dir.display(), data.display()))
}

/// Opening a FIFO would wait for a writer.
fn open_records(path: &Path) -> io::Result<File> {
    if path.metadata()?.is_file() {
        File::open(path)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"))
    }
}

fn no_export(dir: &Path, error: io::Error) -> Failed {
    match error.kind() {
        io::ErrorKind::NotFound => Failed::because(format_args!(
            "{} holds no export, or one that was cut short: there is no {RECORDS} in it",
            dir.display()
        )),
        _ => because(format_args!("read {}", dir.join(RECORDS).display()))(error),
    }
}

/// Why the records can't be imported.
enum Failure {
    /// This line is why.
    Line(u64, String),
    /// The end came too early.
    CutOff,
    Unreadable(io::Error),
    Interrupted,
}

impl Failure {
    fn of(self, path: &Path) -> Failed {
        let path = path.display();
        match self {
            // What a line says may come from anywhere.
            Self::Line(number, reason) => {
                Failed::because(format_args!("{path}, line {number}: {}", for_terminal(&reason)))
            }
            Self::CutOff => Failed::because(format_args!("{path} is cut off: its last line is missing")),
            Self::Unreadable(error) => because(format_args!("read {path}"))(error),
            Self::Interrupted => crate::interrupts::Interrupted.into(),
        }
    }
}

/// What came of a line.
enum Parsed {
    Record(Record),
    Closing(Closing),
}

/// Where files come from and go to.
struct Import<'a> {
    from: &'a Path,
    to: &'a Directory,
    interrupts: &'a Interrupts,
}

impl Import<'_> {
    /// Makes a forum of the records, and copies its files.
    fn read(&self, mut input: impl BufRead) -> Result<Forum, Failure> {
        let mut restorer = Restorer::default();
        let mut identities = Identities::default();
        let mut line = Vec::new();
        for number in 1.. {
            self.interrupts.check().map_err(|_| Failure::Interrupted)?;
            let failed = |reason| Failure::Line(number, reason);
            if !next_line(&mut input, &mut line).map_err(Failure::Unreadable)? {
                break;
            }
            match parse(&line).map_err(failed)? {
                Parsed::Record(mut record) => {
                    check_place(&record, number).map_err(failed)?;
                    identities.complete(&mut record);
                    self.fetch(&record, number)?;
                    restorer.take(record).map_err(|error| failed(error.to_string()))?;
                }
                Parsed::Closing(Closing::End { records }) => {
                    if records != number - 1 {
                        return Err(failed(format!("there should be {records} lines before this one")));
                    }
                    if next_line(&mut input, &mut line).map_err(Failure::Unreadable)? {
                        return Err(Failure::Line(number + 1, "it stands behind the end".into()));
                    }
                    return Ok(restorer.finish());
                }
            }
        }
        Err(Failure::CutOff)
    }

    /// Copies the file that a record names, if it names one.
    fn fetch(&self, record: &Record, number: u64) -> Result<(), Failure> {
        let Record::Upload { id, size, digest, .. } = record else { return Ok(()) };
        let name = id.to_string();
        if self.to.find(&name).is_ok_and(|found| found.is_some()) {
            return Err(Failure::Line(number, format!("another file has the id {id}")));
        }
        let expected = Expected { size: *size, digest: *digest };
        copy(&id.path_in(self.from), self.to, &name, expected, self.interrupts).map_err(|error| match error {
            FileError::Interrupted => Failure::Interrupted,
            error => Failure::Line(number, format!("{FILES}/{id} {error}")),
        })
    }
}

/// Reads the next line without its end, or says that there is none. Of one that is too long, only so much is
/// read that this can be seen.
fn next_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let bytes = input.take(LINE_BYTES_MAX as u64 + 2).read_until(b'\n', line)?;
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    Ok(bytes > 0)
}

fn parse(line: &[u8]) -> Result<Parsed, String> {
    if line.len() > LINE_BYTES_MAX {
        return Err(format!("it is longer than {LINE_BYTES_MAX} bytes"));
    }
    match (serde_json::from_slice(line), serde_json::from_slice(line)) {
        (Ok(record), _) => Ok(Parsed::Record(record)),
        (_, Ok(closing)) => Ok(Parsed::Closing(closing)),
        (Err(error), Err(_)) => Err(without_place(&error)),
    }
}

/// To serde_json every line is line 1.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).unwrap_or(&text).to_owned()
}

/// Gives the messages and files of an export from before they had ids and times the next id each, in the order of
/// the export, and the time of the import.
#[derive(Default)]
struct Identities {
    /// In such an export: the id that the next one gets, and the time.
    missing: Option<(ItemId, u64)>,
}

impl Identities {
    fn complete(&mut self, record: &mut Record) {
        match (record, &mut self.missing) {
            (Record::Forum { next_item, at_ms, .. }, missing) if next_item.0 == 0 => {
                *next_item = ItemId(1);
                // Time never goes back in a log, and what follows was posted before now.
                *at_ms = SystemClock.wall_ms().max(*at_ms);
                *missing = Some((*next_item, *at_ms));
            }
            (
                Record::Post { id, at_ms, .. } | Record::Upload { item: id, at_ms, .. },
                Some((next, now_ms)),
            ) => {
                (*id, *at_ms) = (*next, *now_ms);
                next.0 += 1;
            }
            _ => {}
        }
    }
}

/// What has to hold of records beyond what [`Restorer`] asks for.
fn check_place(record: &Record, number: u64) -> Result<(), String> {
    match (number, record) {
        (1, Record::Forum { .. }) => Ok(()),
        (1, _) => Err("the first record must be `forum`".into()),
        (_, Record::Forum { .. }) => Err("`forum` must be the first record".into()),
        (_, Record::RemovedFile { .. }) => Err("an export has no files of removed threads".into()),
        (_, Record::Thread { id: ThreadId(0 | u64::MAX), .. }) => Err("no thread has this id".into()),
        _ => Ok(()),
    }
}

/// A data directory that was empty, and becomes so again unless it is kept.
struct Fresh<'a> {
    /// None when it is kept.
    store: Option<Store>,
    root: &'a Path,
    made_root: bool,
}

impl<'a> Fresh<'a> {
    fn begin(root: &'a Path) -> Result<Self, Failed> {
        let made_root = !root.try_exists().map_err(because(format_args!("open {}", root.display())))?;
        let store = Store::open_for_import(root).map_err(Failed::because)?;
        Ok(Self { store: Some(store), root, made_root })
    }

    fn store(&self) -> &Store {
        self.store.as_ref().expect("it is there until this is kept or dropped")
    }

    fn keep(mut self) -> Result<(), Failed> {
        self.store().finish_import().map_err(Failed::because)?;
        self.store = None;
        Ok(())
    }
}

impl Drop for Fresh<'_> {
    fn drop(&mut self) {
        let Some(store) = self.store.take() else { return };
        // The error to tell is the first one. What stays behind is no forum, and forumd says so.
        if store.wipe().is_ok() && self.made_root {
            let _ = fs::remove_dir(self.root);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        let mut input = text.as_bytes();
        let mut line = Vec::new();
        let mut lines = Vec::new();
        while next_line(&mut input, &mut line).unwrap() {
            lines.push(String::from_utf8(line.clone()).unwrap());
        }
        lines
    }

    #[test]
    fn the_last_line_needs_no_newline_and_an_empty_one_is_a_line() {
        assert_eq!(lines("a\n\nb"), ["a", "", "b"]);
        assert_eq!(lines("a\n"), ["a"]);
        assert_eq!(lines(""), [""; 0]);
    }

    #[test]
    fn the_longest_text_fits_a_line_and_a_longer_line_is_never_held() {
        let text = forum_common::names::Text::parse(&"\"".repeat(TEXT_BYTES_MAX)).unwrap();
        let author = forum_common::names::UserName::parse(&"\"".repeat(32)).unwrap();
        let record = Record::Post { id: ItemId(u64::MAX), at_ms: u64::MAX, author, text };
        let line = serde_json::to_vec(&record).unwrap();
        assert!(matches!(parse(&line), Ok(Parsed::Record(parsed)) if parsed == record));

        let endless = "x".repeat(3 * LINE_BYTES_MAX);
        let mut line = Vec::new();
        assert!(next_line(&mut endless.as_bytes(), &mut line).unwrap());
        assert!(line.len() <= LINE_BYTES_MAX + 2);
        assert!(parse(&line).is_err_and(|reason| reason.starts_with("it is longer than")));
    }

    #[test]
    fn an_error_names_no_line_of_its_own() {
        let reason = parse(br#"{"post":{"author":"yoda","text":"a\u0007"}}"#).err().unwrap();
        assert_eq!(reason, "Invalid text");
        let reason = parse(br#"{"nonsense":1}"#).err().unwrap();
        assert!(reason.starts_with("unknown variant `nonsense`") && !reason.contains("line"), "{reason}");
    }
}
