//! `forumd reset-password NAME`: a new password for somebody who forgot theirs. Needs the log for itself, and
//! adds one entry to it.

use std::io::Write;
use std::os::fd::AsFd;
use std::path::Path;

use forum_common::escape::for_terminal;
use forum_common::names::Password;

use super::say;
use super::secret::ask;
use crate::clock::{Clock, SystemClock};
use crate::failed::Failed;
use crate::forum::{AccountId, Change, Entry, Forum};
use crate::interrupts::Interrupts;
use crate::journal::{LogReader, ServerState};
use crate::replay::replay;
use crate::store::{Store, StoreReader};
use crate::workers::passwords::{HashParameters, PasswordHash, hash_all};

/// Asks `input` for the new password of `name`, and puts it into the log in `data`.
pub(super) fn run(
    data: &Path,
    name: &str,
    input: &impl AsFd,
    out: &mut impl Write,
    interrupts: &Interrupts,
) -> Result<(), Failed> {
    // Taking a directory would make a data directory of it.
    StoreReader::open(data).map_err(Failed::because)?;
    let store = Store::open(data).map_err(Failed::because)?;
    let name = for_terminal(name);
    // Until the password is known the log is only read, so that a refusal leaves no trace.
    let log = LogReader::open(&store.journal(), ServerState::Stopped).map_err(Failed::because)?;
    let (forum, replayed) = replay(log).map_err(Failed::because)?;
    let account = forum.accounts.find(&name);
    let account = account.ok_or_else(|| Failed::because(format_args!("no account is named {name}")))?;
    let password = ask(&format!("New password for {name}: "), input, interrupts)?;
    let entry = entry(&forum, account, hash(password)?);
    let log = replayed.make_durable().map_err(Failed::because)?;
    log.append(&[&entry]).map_err(Failed::because)?;
    say(out, format_args!("password of {name} reset"))
}

fn hash(password: Password) -> Result<PasswordHash, Failed> {
    let hashes = hash_all(&[password], HashParameters::default());
    hashes.first().copied().ok_or_else(|| Failed::because("the password could not be hashed"))
}

fn entry(forum: &Forum, account: AccountId, hash: PasswordHash) -> Vec<u8> {
    // Time in the log never goes back, wherever the clock was set to.
    let at_ms = SystemClock.wall_ms().max(forum.at_ms());
    let mut bytes = Vec::new();
    Entry { at_ms, actor: None, key: None, change: Change::SetPassword { account, hash } }.encode(&mut bytes);
    bytes
}
