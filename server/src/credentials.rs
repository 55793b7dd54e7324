//! `--credentials FILE`: the assignments' list of `username password` lines becomes accounts, before the
//! server listens. Names that are known already keep their passwords.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use forum_common::names::{Password, UserName};
use log::info;
use mio::net::TcpStream;

use crate::clock::{Clock, SystemClock};
use crate::console;
use crate::journal::Journal;
use crate::passwords::{HashParameters, hash_all};
use crate::reactor::Reactor;
use crate::service::Service;
use crate::startup::Failed;

/// Accounts that are proposed before waiting for the journal: bounds what an import holds in memory.
const BATCH_ACCOUNTS: usize = 10_000;
/// How often it says how far it is.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// Imports every name of `file` that is not known yet.
///
/// # Errors
/// The file can't be read, or a line is wrong: then no account was imported; or the log can't be written.
pub fn import<J: Journal, C: Clock>(
    file: &Path,
    parameters: HashParameters,
    service: &mut Service<TcpStream, J, C>,
    reactor: &mut Reactor,
) -> Result<(), Failed> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failed::because(format_args!("can't read {}: {error}", file.display())))?;
    let mut listed = parse(&text).map_err(|(line, reason)| {
        Failed::because(format_args!("{}, line {line}: {reason}", file.display()))
    })?;
    let named = listed.len();
    listed.retain(|(name, _)| service.forum().accounts.find(name).is_none());
    let mut progress = Progress::new(listed.len());
    for batch in listed.chunks(BATCH_ACCOUNTS) {
        let passwords: Vec<_> = batch.iter().map(|(_, password)| password.clone()).collect();
        let hashes = hash_all(&passwords, parameters, |_| progress.step());
        for ((name, _), hash) in batch.iter().zip(hashes) {
            service.import_account(name.clone(), hash);
        }
        reactor.settle(service).map_err(Failed::because)?;
    }
    info!("{} of {named} names in {} were new and imported", listed.len(), file.display());
    Ok(())
}

/// The accounts of a credentials file; of a name that comes twice, the first line counts.
fn parse(text: &str) -> Result<Vec<(UserName, Password)>, (usize, String)> {
    let mut seen = HashSet::new();
    let mut listed = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let wrong = |reason: String| (index + 1, reason);
        let (name, password) = line
            .split_once(char::is_whitespace)
            .ok_or_else(|| wrong("a name and a password, with a space between, are expected".into()))?;
        let name = UserName::parse(name).map_err(|error| wrong(error.to_string()))?;
        let password = Password::parse(password.trim_start()).map_err(|error| wrong(error.to_string()))?;
        if seen.insert(name.clone()) {
            listed.push((name, password));
        }
    }
    Ok(listed)
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
        let listed = parse("yoda jedi*knight\r\n\n  hans  falcon 1 \nyoda other\n").unwrap();
        let shown: Vec<_> =
            listed.iter().map(|(name, password)| (name.as_str(), password.as_bytes().to_vec())).collect();
        assert_eq!(shown, [("yoda", b"jedi*knight".to_vec()), ("hans", b"falcon 1".to_vec())]);
    }

    #[test]
    fn a_wrong_line_is_named_by_its_number() {
        assert_eq!(parse("a b\nalone\n").unwrap_err().0, 2);
        assert_eq!(parse("a b\n\nbad\u{e9} x\n").unwrap_err(), (3, "Invalid name".into()));
    }
}
