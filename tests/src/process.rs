//! A child process whose output is collected line by line as it comes, and that never outlives its test.
//!
//! It knows pipes, signals and lines; what the lines mean is the test's business.

use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::DEADLINE;

/// A running child process.
pub struct Process {
    child: Child,
    /// Names this process and no other, even when its number is given to the next one.
    pidfd: OwnedFd,
    /// What goes here is written by a thread of its own: a child that does not read stops no test.
    stdin: Option<Sender<Vec<u8>>>,
    /// What it said on standard output.
    pub stdout: Transcript,
    /// What it said on standard error.
    pub stderr: Transcript,
}

/// What a process left behind: its status and the lines that nobody had waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// The exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// The lines on standard output.
    pub stdout: Vec<String>,
    /// The lines on standard error.
    pub stderr: Vec<String>,
}

impl Finished {
    /// Insists that all went well.
    pub fn expect_success(&self) {
        assert_eq!(self.code, Some(0), "{self:#?}");
    }
}

impl Process {
    /// Starts `command` with pipes at all three ends.
    pub fn start(command: &mut Command) -> Self {
        Self::start_reading(command, None)
    }

    /// Starts `command`; after a line that begins with `last`, nobody reads that output any more, and the pipe is
    /// closed.
    pub fn start_and_hang_up(command: &mut Command, last: &'static str) -> Self {
        Self::start_reading(command, Some(last))
    }

    fn start_reading(command: &mut Command, last: Option<&'static str>) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        let pidfd = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).expect("the child is ours");
        let stdin = writer(child.stdin.take().expect("piped"));
        let stdout = Transcript::of(child.stdout.take().expect("piped"), last);
        let stderr = Transcript::of(child.stderr.take().expect("piped"), last);
        Self { child, pidfd, stdin: Some(stdin), stdout, stderr }
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Writes to its standard input, without waiting for it to read.
    pub fn write(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_ref().expect("the input is still open");
        // A child that is gone shows in its status, not here.
        let _ = stdin.send(bytes.to_vec());
    }

    /// Ends its standard input, behind everything written so far.
    pub fn close_input(&mut self) {
        self.stdin = None;
    }

    /// Sends a signal. One that is dead already takes no notice.
    pub fn signal(&self, signal: Signal) {
        let _ = pidfd_send_signal(&self.pidfd, signal);
    }

    /// Waits for it to end by itself.
    ///
    /// # Panics
    /// It has not ended after [`DEADLINE`].
    pub fn wait_exit(&mut self) -> ExitStatus {
        let mut fds = [PollFd::new(&self.pidfd, PollFlags::IN)];
        let deadline = Timespec::try_from(DEADLINE).expect("a minute is a time");
        let ready = poll(&mut fds, Some(&deadline)).expect("a pidfd can be waited for");
        assert!(ready > 0, "process {} does not end; it said\n{self}", self.pid());
        self.child.wait().expect("the child is ours")
    }

    /// Waits for it to end, and takes all that nobody has read so far.
    pub fn finish(&mut self) -> Finished {
        self.close_input();
        let status = self.wait_exit();
        Finished {
            code: status.code(),
            signal: status.signal(),
            stdout: self.stdout.rest(),
            stderr: self.stderr.rest(),
        }
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, transcript) in [("out", &self.stdout), ("err", &self.stderr)] {
            for line in &transcript.lock().lines {
                writeln!(f, "  {name}| {line}")?;
            }
        }
        Ok(())
    }
}

#[expect(clippy::print_stderr, reason = "the test harness shows it with the failed test")]
impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.child.wait();
        if thread::panicking() {
            eprint!("what process {} said:\n{self}", self.pid());
        }
    }
}

fn writer(mut pipe: impl Write + Send + 'static) -> Sender<Vec<u8>> {
    let (sender, receiver) = channel::<Vec<u8>>();
    thread::spawn(move || {
        for bytes in receiver {
            if pipe.write_all(&bytes).and_then(|()| pipe.flush()).is_err() {
                return;
            }
        }
    });
    sender
}

/// The lines that came out of a pipe, and how far a test has read them.
#[derive(Debug)]
pub struct Transcript {
    shared: Arc<Shared>,
    read: usize,
}

#[derive(Debug, Default)]
struct Shared {
    heard: Mutex<Lines>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct Lines {
    lines: Vec<String>,
    ended: bool,
}

impl Transcript {
    fn of(pipe: impl Read + Send + 'static, last: Option<&'static str>) -> Self {
        let shared = Arc::<Shared>::default();
        let collector = Arc::clone(&shared);
        thread::spawn(move || {
            collector.collect(pipe, last);
            collector.lock().ended = true;
            collector.more.notify_all();
        });
        Self { shared, read: 0 }
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.shared.lock()
    }

    /// The next line that was not read yet, or none when the pipe has ended.
    ///
    /// # Panics
    /// Neither comes within [`DEADLINE`].
    pub fn next_line(&mut self) -> Option<String> {
        let read = self.read;
        let heard = self.wait("a line", |heard| heard.lines.len() > read || heard.ended);
        let line = heard.lines.get(read).cloned();
        drop(heard);
        self.read += usize::from(line.is_some());
        line
    }

    /// The first line from here on for which `wanted` finds something; lines in front of it are skipped.
    ///
    /// # Panics
    /// None comes within [`DEADLINE`], or the pipe ends without one.
    pub fn find<T>(&mut self, what: &str, wanted: impl Fn(&str) -> Option<T>) -> T {
        let (from, start) = (self.read, Instant::now());
        while let Some(line) = self.next_line() {
            if let Some(found) = wanted(&line) {
                return found;
            }
            assert!(start.elapsed() < DEADLINE, "waited in vain for {what}: {:#?}", &self.so_far()[from..]);
        }
        panic!("the output ended without {what}; it was {:#?}", &self.so_far()[from..]);
    }

    /// All lines to the end of the pipe that were not read yet.
    pub fn rest(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.next_line()).collect()
    }

    /// The first line that contains `needle` of all that came or will come, read or not.
    ///
    /// # Panics
    /// None comes within [`DEADLINE`], or the pipe ends without one.
    pub fn among_all(&self, needle: &str) -> String {
        let find = |heard: &Lines| heard.lines.iter().find(|line| line.contains(needle)).cloned();
        let heard = self.wait(needle, |heard| heard.ended || find(heard).is_some());
        find(&heard).unwrap_or_else(|| panic!("the output ended without {needle}: {:#?}", heard.lines))
    }

    /// Waits until the pipe has ended.
    ///
    /// # Panics
    /// It has not within [`DEADLINE`].
    pub fn wait_end(&self) {
        drop(self.wait("the end of the output", |heard| heard.ended));
    }

    /// All lines that came so far, read or not.
    pub fn so_far(&self) -> Vec<String> {
        self.lock().lines.clone()
    }

    fn wait(&self, what: &str, arrived: impl Fn(&Lines) -> bool) -> MutexGuard<'_, Lines> {
        let start = Instant::now();
        let mut heard = self.lock();
        while !arrived(&heard) {
            assert!(start.elapsed() < DEADLINE, "waited in vain for {what}; so far {:#?}", heard.lines);
            let waited = self.shared.more.wait_timeout(heard, DEADLINE.saturating_sub(start.elapsed()));
            heard = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        heard
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn collect(&self, pipe: impl Read, last: Option<&str>) {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while pipe.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            let text = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(&line)).into_owned();
            if last.is_some_and(|last| text.starts_with(last)) {
                // Closed first: once the line is seen, nobody reads.
                drop(pipe);
                return self.add(text);
            }
            self.add(text);
            line.clear();
        }
    }

    fn add(&self, line: String) {
        self.lock().lines.push(line);
        self.more.notify_all();
    }
}
