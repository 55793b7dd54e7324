//! `--credentials FILE`: the assignments' list of `username password` lines becomes accounts, before the
//! server listens. Names that are known already keep their passwords.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use forum_common::names::{Password, UserName};
use forum_common::process::open_at_once;
use log::info;
use mio::net::TcpStream;
use zeroize::Zeroizing;

use crate::clock::{Clock, SystemClock};
use crate::console;
use crate::failed::Failed;
use crate::interrupts::{Interrupted, Interrupts, Ready};
use crate::journal::Journal;
use crate::net::turn::Server;
use crate::net::{EventLoop, signals};
use crate::workers::passwords::{HashParameters, hash_all_while};

/// Accounts that are proposed before waiting for the journal: bounds what an import holds in memory.
const BATCH_ACCOUNTS: usize = 10_000;
/// How often it says how far it is.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// Bytes of a line, its end included: a name (32) and a password (128), and room for space around them. A longer
/// line is some other file.
const LINE_BYTES_MAX: usize = 1_024;

/// Imports every name of `file` that is not known yet. Returns whether it came to its end: a signal may have been
/// faster, and the names before it are imported.
///
/// # Errors
/// The file can't be read, or a line is wrong: then no account was imported; or the log can't be written.
pub fn import<J: Journal, C: Clock>(
    file: &Path,
    parameters: HashParameters,
    server: &mut Server<TcpStream, J, C>,
    event_loop: &mut EventLoop,
) -> Result<bool, Failed> {
    let interrupts = Interrupts::noticed(signals::ending())
        .map_err(|error| Failed::because(format_args!("can't listen for signals: {error}")))?;
    let mut listed = match listed_in(file, &interrupts) {
        Ok(listed) => listed,
        Err(Unusable::Interrupted) => return Ok(false),
        Err(Unusable::Because(why)) => return Err(Failed::because(why)),
    };
    let named = listed.len();
    listed.retain(|(name, _)| server.forum().accounts.find(name).is_none());
    let mut progress = Progress::new(listed.len());
    for batch in listed.chunks(BATCH_ACCOUNTS) {
        let passwords: Vec<_> = batch.iter().map(|(_, password)| password.clone()).collect();
        let goes_on = |_| {
            progress.step();
            interrupts.check().is_ok()
        };
        let Some(hashes) = hash_all_while(&passwords, parameters, goes_on) else { return Ok(false) };
        for ((name, _), hash) in batch.iter().zip(hashes) {
            server.import_account(name.clone(), hash);
        }
        event_loop.settle(server).map_err(Failed::because)?;
        if interrupts.check().is_err() {
            return Ok(false);
        }
    }
    info!("{} of {named} names in {} were new and imported", listed.len(), file.display());
    Ok(true)
}

/// What a file lists.
type Accounts = Vec<(UserName, Password)>;

/// Why there is no list of accounts.
#[derive(Debug, PartialEq, Eq)]
enum Unusable {
    /// A signal came while it was read.
    Interrupted,
    /// This, in one line.
    Because(String),
}

fn listed_in(path: &Path, interrupts: &Interrupts) -> Result<Accounts, Unusable> {
    let unreadable = |error: io::Error| match error.get_ref().is_some_and(|inner| inner.is::<Interrupted>()) {
        true => Unusable::Interrupted,
        false => Unusable::Because(format!("can't read {}: {error}", path.display())),
    };
    // While a FIFO is opened no signal is noticed; while it is read, one is.
    let file = open_at_once(path, OpenOptions::new().read(true)).map_err(unreadable)?;
    let listed = parse(BufReader::new(Interruptible { file, interrupts })).map_err(unreadable)?;
    listed.map_err(|(line, why)| Unusable::Because(format!("{}, line {line}: {why}", path.display())))
}

/// A file that is read until a signal comes; then it fails by [`Interrupted`].
struct Interruptible<'a> {
    file: File,
    interrupts: &'a Interrupts,
}

impl Read for Interruptible<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.interrupts.wait(self.file.as_fd())? {
                Ready::Interrupt => return Err(io::Error::other(Interrupted)),
                Ready::Input => match self.file.read(buffer) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    other => return other,
                },
            }
        }
    }
}

/// The accounts of a credentials file; of a name that comes twice, the first line counts. Or the first line that is
/// wrong, and why.
fn parse(mut text: impl BufRead) -> io::Result<Result<Accounts, (usize, String)>> {
    let mut seen = HashSet::new();
    let mut listed = Vec::new();
    let mut line = Zeroizing::new(Vec::with_capacity(LINE_BYTES_MAX + 1));
    for number in 1.. {
        line.clear();
        if text.by_ref().take(LINE_BYTES_MAX as u64 + 1).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        match account(&line) {
            Ok(Some((name, password))) if seen.insert(name.clone()) => listed.push((name, password)),
            Ok(_) => {}
            Err(why) => return Ok(Err((number, why))),
        }
    }
    Ok(Ok(listed))
}

/// The account in a line; none if that is blank.
fn account(line: &[u8]) -> Result<Option<(UserName, Password)>, String> {
    if line.len() > LINE_BYTES_MAX {
        return Err(format!("it has more than {LINE_BYTES_MAX} bytes"));
    }
    let line = std::str::from_utf8(line).map_err(|_| "it is not UTF-8")?.trim();
    if line.is_empty() {
        return Ok(None);
    }
    let (name, password) = line
        .split_once(char::is_whitespace)
        .ok_or("a name and a password, with a space between, are expected")?;
    let name = UserName::parse(name).map_err(|error| error.to_string())?;
    let password = Password::parse(password.trim_start()).map_err(|error| error.to_string())?;
    Ok(Some((name, password)))
}

/// Says now and then how far the hashing is.
struct Progress {
    done: usize,
    total: usize,
    said_at: std::time::Instant,
}

impl Progress {
    fn new(total: usize) -> Self {
        Self { done: 0, total, said_at: SystemClock.now() }
    }

    fn step(&mut self) {
        self.done += 1;
        let now = SystemClock.now();
        if now.duration_since(self.said_at) >= PROGRESS_EVERY {
            self.said_at = now;
            console::say(format_args!("credentials: {} of {} passwords hashed", self.done, self.total));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_names_and_passwords() {
        let listed = parse(&b"yoda jedi*knight\r\n\n  hans  falcon 1 \nyoda other\n"[..]).unwrap().unwrap();
        let shown: Vec<_> =
            listed.iter().map(|(name, password)| (name.as_str(), password.as_bytes().to_vec())).collect();
        assert_eq!(shown, [("yoda", b"jedi*knight".to_vec()), ("hans", b"falcon 1".to_vec())]);
    }

    #[test]
    fn a_wrong_line_is_named_by_its_number() {
        let wrong = |text: &[u8]| parse(text).unwrap().unwrap_err();
        assert_eq!(wrong(b"a b\nalone\n").0, 2);
        assert_eq!(wrong("a b\n\nbad\u{e9} x\n".as_bytes()), (3, "Invalid name".into()));
        assert_eq!(wrong(b"a b\ncaf\xe9 x\n"), (2, "it is not UTF-8".into()));
    }

    #[test]
    fn no_more_is_read_of_a_line_than_a_name_and_a_password_need() {
        let longest = format!("a{}{}\n", " ".repeat(LINE_BYTES_MAX - 3), "b");
        assert_eq!(parse(longest.as_bytes()).unwrap().unwrap().len(), 1);
        let endless = BufReader::new(io::repeat(0));
        assert_eq!(parse(endless).unwrap().unwrap_err(), (1, "it has more than 1024 bytes".into()));
    }
}
