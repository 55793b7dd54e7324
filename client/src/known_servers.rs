//! Servers whose certificate the user has said to trust: a line each in a file of the state directory, `host:port` and
//! the certificate's fingerprint.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use forum_common::tls::Fingerprint;

use crate::state_file::{lock_file, open_regular, replace};

/// Servers that are remembered; the oldest go first.
const SERVERS_MAX: usize = 1_000;
/// Bytes of the file that are read: more than so many servers need.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The file of known servers.
#[derive(Debug)]
pub struct KnownServers {
    path: PathBuf,
}

impl KnownServers {
    /// Remembers servers in the file at `path`, which need not exist.
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// The certificate of `server` that is trusted.
    ///
    /// # Errors
    /// There is something of this name, but it is no file or can't be read.
    pub fn find(&self, server: &str) -> io::Result<Option<Fingerprint>> {
        let is_it = |line: &String| of(line).filter(|(known, _)| *known == server).map(|(_, it)| it);
        Ok(self.lines()?.iter().find_map(is_it))
    }

    /// Remembers the certificate of `server`, in the place of an earlier one.
    ///
    /// # Errors
    /// The file can't be written, or another client is writing it; its old contents are untouched.
    pub fn remember(&self, server: &str, certificate: Fingerprint) -> io::Result<()> {
        let directory = self.path.parent().ok_or(io::ErrorKind::InvalidInput)?;
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let lock = lock_file(&self.path)?;
        lock.try_lock()?;
        let mut lines = self.lines()?;
        lines.retain(|line| of(line).is_some_and(|(known, _)| known != server));
        lines.push(format!("{server} {certificate}"));
        replace(&self.path, directory, &lines[lines.len().saturating_sub(SERVERS_MAX)..])
    }

    fn lines(&self) -> io::Result<Vec<String>> {
        let file = match open_regular(&self.path, OpenOptions::new().read(true)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            file => file?,
        };
        let mut text = String::new();
        file.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
        Ok(text.lines().map(str::to_owned).collect())
    }
}

/// The server of a line, and its certificate.
fn of(line: &str) -> Option<(&str, Fingerprint)> {
    let (server, certificate) = line.split_once(' ')?;
    Some((server, certificate.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn certificate(digit: char) -> Fingerprint {
        digit.to_string().repeat(64).parse().unwrap()
    }

    #[test]
    fn a_server_has_the_certificate_that_was_remembered_last_and_others_keep_theirs() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state").join("servers");
        let known = KnownServers::at(path.clone());
        assert_eq!(known.find("a:1").unwrap(), None);
        for (server, digit) in [("a:1", '1'), ("b:1", '2'), ("a:1", '3')] {
            known.remember(server, certificate(digit)).unwrap();
        }
        assert_eq!(known.find("a:1").unwrap(), Some(certificate('3')));
        assert_eq!(known.find("b:1").unwrap(), Some(certificate('2')));
        assert_eq!(known.find("a:12").unwrap(), None);
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, format!("b:1 {}\na:1 {}\n", certificate('2'), certificate('3')));
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_another_client_is_writing_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let known = KnownServers::at(directory.path().join("servers"));
        let lock = lock_file(&known.path).unwrap();
        lock.try_lock().unwrap();
        known.remember("a:1", certificate('1')).unwrap_err();
        drop(lock);
        known.remember("a:1", certificate('1')).unwrap();
    }

    #[test]
    fn the_oldest_of_many_servers_go() {
        let directory = tempfile::tempdir().unwrap();
        let known = KnownServers::at(directory.path().join("servers"));
        let lines: Vec<_> = (0..SERVERS_MAX).map(|n| format!("s:{n} {}", certificate('1'))).collect();
        std::fs::write(&known.path, lines.join("\n")).unwrap();
        known.remember("new:1", certificate('2')).unwrap();
        assert_eq!(known.find("s:0").unwrap(), None);
        assert!(known.find("s:1").unwrap().is_some() && known.find("new:1").unwrap().is_some());
    }
}
