//! What forumd does with its data besides serving it: export and import, a check of everything, and new
//! passwords for those who forgot theirs. Reads the log through the same replay as the server, and refuses to
//! know sockets and sessions.
//!
//! Export and check read one point of the log and work beside a running server; import and new passwords
//! need the data directory for themselves.

mod check;
mod export;
mod import;
mod layout;
mod reset;
mod salvage;
mod secret;
#[cfg(test)]
mod tests;
mod verify;

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, Write};
use std::path::Path;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::directory::Directory;
use crate::failed::Failed;
use crate::forum::{AccountId, Forum, ThreadId};
use crate::interrupts::Interrupts;
use crate::journal::{Contents, DroppedTail, JournalError, LogReader};
use crate::replay::replay;
use crate::store::StoreReader;
use crate::workers::files::{FileId, has_whole};

/// Writes everything in the data directory `data` into `dir`, which must be empty or new: as text files for
/// people, and as what [`import`] reads. Beside a running server it is one point of the log all the same.
///
/// # Errors
/// There is no forum in `data`, it is damaged, or `dir` can't be written; then nothing is left in `dir`.
pub fn export(data: &Path, dir: &Path) -> Result<(), Failed> {
    let interrupts = interrupts()?;
    export::run(data, dir, &mut io::stdout(), &interrupts)
}

/// Writes into `dir` what verifies of a damaged forum in the data directory `data`, as [`export`] would, and says
/// on standard output what was saved and where the log stopped.
///
/// # Errors
/// There is no forum in `data`, nothing of it could be saved, or `dir` can't be written; then nothing is left in
/// `dir`.
pub fn salvage(data: &Path, dir: &Path) -> Result<(), Failed> {
    let interrupts = interrupts()?;
    salvage::run(data, dir, &mut io::stdout(), &interrupts)
}

/// Reads what [`export`] wrote into `dir`, into the data directory `data`, which must be empty or new.
///
/// # Errors
/// `dir` is not, byte for byte, what an export may be, or `data` can't be written or isn't empty; `data` is
/// then as it was.
pub fn import(data: &Path, dir: &Path) -> Result<(), Failed> {
    let interrupts = interrupts()?;
    import::run(data, dir, &mut io::stdout(), &interrupts)
}

/// Reads and verifies everything in the data directory `data`, says on standard output what it found, and
/// changes nothing.
///
/// # Errors
/// There is no forum in `data`, or something is wrong with it.
pub fn check(data: &Path) -> Result<(), Failed> {
    check::run(data, &mut io::stdout())
}

/// Gives the account `name` a new password, read from standard input: one line, or from a terminal twice and
/// unseen.
///
/// # Errors
/// A server is running, nobody has this name, or the password is none; nothing was changed.
pub fn reset_password(data: &Path, name: &str) -> Result<(), Failed> {
    let interrupts = interrupts()?;
    reset::run(data, name, &io::stdin(), &mut io::stdout(), &interrupts)
}

/// Signals that end the program are only noticed: there is something to clean up.
fn interrupts() -> Result<Interrupts, Failed> {
    Interrupts::noticed([SIGINT, SIGTERM, SIGHUP]).map_err(because("listen for signals"))
}

/// The forum at one point of the log.
struct Point {
    forum: Forum,
    contents: Contents,
    /// What the next start drops.
    dropped_tail: Option<DroppedTail>,
}

/// Opens the journal at its present point, to be read. An upload needs an account and a thread, so beside one the
/// log has entries.
fn open_log(store: &StoreReader) -> Result<LogReader, JournalError> {
    let has_uploads = Directory::open(&store.files()).is_ok_and(|dir| has_whole(&dir));
    Ok(LogReader::open(&store.journal(), store.server())?.expecting_entries(has_uploads))
}

impl Point {
    /// Reads a log to the point where it was opened, and lets go of it.
    fn replay(log: LogReader) -> Result<Self, JournalError> {
        let (forum, replayed) = replay(log)?;
        Ok(Self { forum, contents: replayed.contents(), dropped_tail: replayed.dropped_tail().cloned() })
    }
}

/// How much there is of everything.
#[derive(Debug, Default)]
struct Totals {
    accounts: u64,
    threads: u64,
    messages: u64,
    files: u64,
    file_bytes: u64,
    undelivered: u64,
    blocks: u64,
    watches: u64,
    marks: u64,
    board_messages: u64,
    rooms: u64,
    room_messages: u64,
}

impl Totals {
    fn of(forum: &Forum) -> Self {
        let mut totals = Self {
            accounts: forum.accounts.len() as u64,
            threads: forum.threads.len() as u64,
            ..Self::default()
        };
        for (_, thread) in forum.threads.iter() {
            totals.messages += thread.posts().len() as u64;
            totals.files += thread.uploads().len() as u64;
            totals.file_bytes += thread.uploads().iter().map(|upload| upload.size).sum::<u64>();
        }
        totals.undelivered = forum.mail.from(AccountId(0)).map(|(_, mailbox)| mailbox.len() as u64).sum();
        totals.blocks = forum.blocks.from(AccountId(0)).map(|(_, users)| users.len() as u64).sum();
        for id in (0..forum.accounts.len() as u32).map(AccountId) {
            let is_there = |thread: &ThreadId| forum.threads.get(*thread).is_some();
            let marks = forum.marks.all_of(id).iter().filter(|mark| is_there(&mark.thread));
            totals.marks += marks.count() as u64;
            totals.watches += forum.watches.by(id).iter().filter(|thread| is_there(thread)).count() as u64;
        }
        totals.board_messages = forum.board.len() as u64;
        totals.rooms = forum.rooms.len() as u64;
        totals.room_messages = forum.rooms.iter().map(|(_, room)| room.posts.len() as u64).sum();
        totals
    }

    /// Of an export without the files that are `lost`.
    fn without(forum: &Forum, lost: &BTreeSet<FileId>) -> Self {
        let mut totals = Self::of(forum);
        for (_, upload) in forum.files().filter(|(_, upload)| lost.contains(&upload.id)) {
            totals.files -= 1;
            totals.file_bytes -= upload.size;
        }
        totals
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, {}, {}, {} ({})",
            Counted(self.accounts, "account"),
            Counted(self.threads, "thread"),
            Counted(self.messages, "message"),
            Counted(self.files, "file"),
            Counted(self.file_bytes, "byte")
        )?;
        // A forum that is no messenger needs not hear of it.
        let others = [
            Counted(self.undelivered, "undelivered message"),
            Counted(self.blocks, "block"),
            Counted(self.watches, "watched thread"),
            Counted(self.marks, "read mark"),
            Counted(self.board_messages, "board message"),
            Counted(self.rooms, "room"),
            Counted(self.room_messages, "room message"),
        ];
        others.iter().filter(|counted| counted.0 > 0).try_for_each(|counted| write!(f, ", {counted}"))
    }
}

/// A number of things: `1 file`, `2 files`.
struct Counted(u64, &'static str);

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, thing) = self;
        write!(f, "{count} {thing}{}", if *count == 1 { "" } else { "s" })
    }
}

/// Writes a line to `out`. If the other end is closed, that is an error, not a panic.
fn say(out: &mut impl Write, line: impl fmt::Display) -> Result<(), Failed> {
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(because("write to standard output"))
}

/// What can't be done, and why.
fn because(doing: impl fmt::Display) -> impl FnOnce(io::Error) -> Failed {
    move |error| Failed::because(format_args!("can't {doing}: {error}"))
}
