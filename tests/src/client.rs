//! The real `forum`, with pipes where a terminal would be: what a script sees.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::{Finished, PASSWORD, Process, Terminal, binaries};

/// How a client is to be started.
#[derive(Debug, Clone)]
pub struct Forum {
    options: Vec<OsString>,
    place: Vec<OsString>,
    environment: BTreeMap<OsString, OsString>,
    directory: Arc<TempDir>,
}

impl Forum {
    /// For the server at this address, with a working directory of its own.
    pub fn at(address: SocketAddr) -> Self {
        Self::with_place(&[address.ip().to_string(), address.port().to_string()])
    }

    /// With these words instead of HOST and PORT.
    pub fn with_place<A: AsRef<OsStr>>(place: &[A]) -> Self {
        let directory = TempDir::new().expect("there is room for a directory");
        Self {
            options: Vec::new(),
            place: place.iter().map(|word| word.as_ref().to_owned()).collect(),
            environment: BTreeMap::new(),
            directory: Arc::new(directory),
        }
    }

    /// With these options more.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, options: &[A]) -> Self {
        self.options.extend(options.iter().map(|option| option.as_ref().to_owned()));
        self
    }

    /// With this in its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    /// Its working directory.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Starts it.
    pub fn start(&self) -> Client {
        Client { process: Process::start(&mut self.command()), directory: Arc::clone(&self.directory) }
    }

    /// Starts it on a terminal.
    pub fn start_on_terminal(&self) -> Terminal {
        Terminal::start(self.command(), Arc::clone(&self.directory))
    }

    /// The whole command line, for a test that wants other pipes than those of [`Process`].
    pub fn command(&self) -> Command {
        let mut command = Command::new(binaries::forum());
        command
            .args(&self.options)
            .args(&self.place)
            .current_dir(self.directory.path())
            .env_remove("FORUM_PASSWORD")
            .env("TZ", "UTC")
            .envs(&self.environment);
        command
    }

    /// Starts it, gives it all of `input`, and waits for its end.
    pub fn run(&self, input: &str) -> Finished {
        let mut client = self.start();
        client.write(input);
        client.finish()
    }

    /// Starts it and signs up.
    pub fn sign_up(&self, name: &str) -> Client {
        let mut client = self.start();
        client.write(&format!("{name}\n{PASSWORD}\n{PASSWORD}\n"));
        client.hears("Welcome to the forum");
        client
    }

    /// Starts it and logs in.
    pub fn log_in(&self, name: &str) -> Client {
        let mut client = self.start();
        client.write(&format!("{name}\n{PASSWORD}\n"));
        client.hears("Welcome to the forum");
        client
    }
}

/// A running client. It is killed when dropped.
pub struct Client {
    process: Process,
    directory: Arc<TempDir>,
}

impl Client {
    /// A path in its working directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Puts a file into its working directory.
    /// A file that is there is never shorter meanwhile than it was and than it becomes: who reads it sees no other change
    /// than that from the one to the other.
    pub fn put_file(&self, name: &str, bytes: &[u8]) {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(self.path(name));
        let written = file.and_then(|mut file| {
            file.write_all(bytes)?;
            file.set_len(bytes.len() as u64)
        });
        written.expect("there is room for a file");
    }

    /// The bytes of a file in its working directory.
    pub fn file(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The names of all that is in its working directory, hidden ones too, in order.
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.directory.path()).expect("it is there");
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.expect("it can be read").file_name();
        let mut names: Vec<_> = entries.map(|entry| name(entry).to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// Types this as it is.
    pub fn write(&mut self, text: &str) {
        self.process.write(text.as_bytes());
    }

    /// Types bytes that need be no text.
    pub fn write_bytes(&mut self, bytes: &[u8]) {
        self.process.write(bytes);
    }

    /// Types a line.
    pub fn says(&mut self, line: &str) {
        self.write(&format!("{line}\n"));
    }

    /// The next line of standard output, whatever it says.
    pub fn line(&mut self) -> String {
        self.process.stdout.next_line().unwrap_or_else(|| panic!("nothing more; it said\n{}", self.process))
    }

    /// Insists on this as the next line of standard output.
    pub fn hears(&mut self, line: &str) {
        let heard = self.process.stdout.next_line();
        assert_eq!(heard.as_deref(), Some(line), "the client said\n{}", self.process);
    }

    /// Insists on these as the next lines of standard output.
    pub fn hears_all<L: AsRef<str>>(&mut self, lines: &[L]) {
        for line in lines {
            self.hears(line.as_ref());
        }
    }

    /// Insists on this as the next line of standard error.
    pub fn complains(&mut self, line: &str) {
        let heard = self.process.stderr.next_line();
        assert_eq!(heard.as_deref(), Some(line), "the client said\n{}", self.process);
    }

    /// The next line of standard error, whatever it says.
    pub fn complaint(&mut self) -> String {
        self.process.stderr.next_line().unwrap_or_else(|| panic!("nothing more; it said\n{}", self.process))
    }

    /// Insists that nothing else has been said on standard output so far, as far as the server knows: the answer
    /// to a command is the next line.
    pub fn hears_nothing_else(&mut self) {
        self.does("RDM b 31 Dec 2999 00:00:00", "no new message");
    }

    /// Types a command that is answered by one line of standard output.
    pub fn does(&mut self, command: &str, answer: &str) {
        self.says(command);
        self.hears(answer);
    }

    /// Types a command that is refused with one line of standard error.
    pub fn fails(&mut self, command: &str, refusal: &str) {
        self.says(command);
        self.complains(refusal);
    }

    /// Types a command with words missing or too many, which is refused and answered by its usage.
    pub fn fails_with_usage(&mut self, command: &str) {
        let word = command.split(' ').next().expect("a word");
        self.fails(command, &format!("Incorrect syntax for {word}"));
        let usage = self.complaint();
        assert!(usage.contains(word), "{usage}");
    }

    /// Ends its input.
    pub fn close_input(&mut self) {
        self.process.close_input();
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Ends its input, waits for its end, and takes the lines that were not waited for.
    pub fn finish(&mut self) -> Finished {
        self.process.finish()
    }

    /// Waits for its end with its input still open.
    pub fn wait_exit(&mut self) -> Option<i32> {
        self.process.wait_exit().code()
    }

    /// Leaves by XIT, all being well.
    pub fn leaves(&mut self) {
        self.does("XIT", "Goodbye");
        assert_eq!(self.wait_exit(), Some(0), "the client said\n{}", self.process);
    }
}
