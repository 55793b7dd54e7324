//! A server that says what a test tells it to, and the real client in front of it. Every wait has a deadline.
#![allow(dead_code, unused_imports, reason = "each test binary uses a part of it")]

mod peer;
mod terminal;

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::FileExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;

use forum_common::wire::{Digest, Reply, Request, VERSION};
use forum_tests::Pty;
use rustix::io::ioctl_fionread;
use rustix::process::{Pid, Resource, Rlimit, Signal, WaitOptions, kill_process, prlimit, waitpid};
use tempfile::TempDir;

pub(crate) use forum_tests::{DEADLINE, until};

pub(crate) use self::peer::Peer;
pub(crate) use self::terminal::{FULL_PROMPT, Terminal};

/// When everything happens.
pub(crate) const AT_MS: u64 = 1_654_063_201_000;

/// The same as the client shows it: the script's zone is that of Sydney.
pub(crate) const AT: &str = "1 Jun 2022 16:00:01";

pub(crate) const END: Reply<'_> = Reply::EndOfList { next: None };

const WELCOME_TEXT: &str = "Welcome to the forum";

pub(crate) const WELCOME: Reply<'_> = Reply::Welcome { session: 1, since_ms: AT_MS, text: WELCOME_TEXT };

pub(crate) const LIST_THREADS: Request<'_> =
    Request::ListThreads { after: None, at_most: None, unread: None };

/// What LST asks for on a terminal.
pub(crate) const LIST_ON_TERMINAL: Request<'_> =
    Request::ListThreads { after: None, at_most: None, unread: Some(true) };

pub(crate) const PING: Request<'_> = Request::Ping { payload: &[] };

pub(crate) fn thread(title: &str) -> Reply<'_> {
    let (last_author, last_at_ms) = (None, None);
    Reply::ThreadItem {
        thread: 1,
        title,
        creator: "yoda",
        posts: 0,
        uploads: 0,
        last_author,
        last_at_ms,
        unread: None,
    }
}

pub(crate) fn user(name: &str) -> Reply<'_> {
    Reply::UserItem { name, left_ms: None }
}

pub(crate) fn post<'a>(number: u32, author: &'a str, text: &'a str) -> Reply<'a> {
    Reply::PostItem { number, id: number.into(), at_ms: AT_MS, author, text }
}

/// Asks for a thread, as `RDT` does.
pub(crate) fn read_thread(title: &str, range: Option<(u32, u32)>) -> Request<'_> {
    Request::ReadThread { title, range, after: None, at_most: None, last: None, unread: None }
}

/// The go-ahead for the download of a file.
pub(crate) fn download_of(content: &[u8]) -> Reply<'static> {
    Reply::DownloadStarts { size: content.len() as u64, digest: digest(content), offset: 0 }
}

pub(crate) fn digest(content: &[u8]) -> Digest {
    *blake3::hash(content).as_bytes()
}

/// Bytes that wait in a pipe which can't take a long line more: a pipe holds 64 KiB.
const STUCK_BYTES: u64 = 56 << 10;

/// What a client shows of the message by which [`Peer::expect_silence`] finds out that it has nothing else to say.
/// Tests that collect lines don't see it.
const MARKER_LINE: &str = "nobody: ?";

/// A scripted server.
pub(crate) struct Script {
    listener: TcpListener,
}

impl Script {
    pub(crate) fn new() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").unwrap() }
    }

    /// The client's arguments for this server.
    pub(crate) fn place(&self) -> [String; 2] {
        let address = self.listener.local_addr().unwrap();
        [address.ip().to_string(), address.port().to_string()]
    }

    /// The next client, which has not said anything yet.
    pub(crate) fn accept(&self) -> Peer {
        self.listener.set_nonblocking(true).unwrap();
        let stream = until("a client to connect", || match self.listener.accept() {
            Ok((stream, _)) => Some(stream),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(error) => panic!("{error}"),
        });
        Peer::new(stream)
    }

    /// Insists that no client, all of which have ended, has connected.
    pub(crate) fn expect_nobody(&self) {
        self.listener.set_nonblocking(true).unwrap();
        let nobody = self.listener.accept().unwrap_err();
        assert_eq!(nobody.kind(), io::ErrorKind::WouldBlock);
    }

    /// The next client, to which hello has been said.
    pub(crate) fn greet(&self) -> Peer {
        let mut peer = self.accept();
        let tag = peer.hears_hello(true);
        peer.hello(tag, VERSION, "Australia/Sydney");
        peer
    }

    /// The next client, to which a server has said hello that can end other sessions.
    pub(crate) fn greet_taking_over(&self) -> Peer {
        let mut peer = self.accept();
        let tag = peer.hears_hello(true);
        peer.hello_with("take-over", tag, VERSION, "Australia/Sydney");
        peer
    }

    /// The next client, logged in as yoda with the password `jedi`, which it had to know.
    pub(crate) fn admit(&self) -> Peer {
        let mut peer = self.greet();
        peer.admits();
        peer
    }
}

/// A directory for a client to work in, and what to run there.
pub(crate) struct Place {
    pub(crate) directory: Arc<TempDir>,
    /// Where the client keeps its history.
    pub(crate) state: Arc<TempDir>,
    command: Command,
}

impl Place {
    pub(crate) fn new(script: &Script) -> Self {
        Self::with_args(&script.place())
    }

    /// For a user who is named by options.
    pub(crate) fn of_yoda(script: &Script) -> Self {
        let mut place = Self::with_args(&["--user", "yoda"]);
        place.command.args(script.place()).env("FORUM_PASSWORD", "jedi");
        place
    }

    pub(crate) fn with_args<A: AsRef<std::ffi::OsStr>>(args: &[A]) -> Self {
        let mut place = Self::of_program(env!("CARGO_BIN_EXE_forum"));
        place.command.args(args);
        place
    }

    /// For another program than the client.
    pub(crate) fn of_program(program: impl AsRef<std::ffi::OsStr>) -> Self {
        let directory = Arc::new(tempfile::tempdir().unwrap());
        let mut command = Command::new(program);
        let state = Arc::new(tempfile::tempdir().unwrap());
        command.current_dir(directory.path()).env_remove("FORUM_PASSWORD");
        command.env("XDG_STATE_HOME", state.path()).env("TERM", "xterm").env("NO_COLOR", "1");
        Self { directory, state, command }
    }

    pub(crate) fn arg(mut self, arg: &str) -> Self {
        self.command.arg(arg);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn file(self, name: &str, bytes: &[u8]) -> Self {
        std::fs::write(self.directory.path().join(name), bytes).unwrap();
        self
    }

    fn places(&self) -> [Arc<TempDir>; 2] {
        [Arc::clone(&self.directory), Arc::clone(&self.state)]
    }

    /// The names in the directory.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.directory.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Runs the client in pipes.
    pub(crate) fn pipe(&mut self) -> Client {
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().unwrap();
        let (out, err) = (lines(child.stdout.take().unwrap()), lines(child.stderr.take().unwrap()));
        Client { stdin: child.stdin.take(), out, err, child: Running { child, _places: self.places() } }
    }

    /// Runs the client with all of this as its input, which then ends.
    pub(crate) fn pipe_all(&mut self, input: &str) -> Client {
        let mut client = self.pipe();
        // A client that has ended already takes no input; that is for the test to judge.
        let _ = client.stdin.as_mut().unwrap().write_all(input.as_bytes());
        client.close();
        client
    }

    /// Runs the client with this input below a shell that applies these redirections to it, and waits for its end.
    pub(crate) fn redirected(&mut self, stdin: Stdio, redirections: &str) -> Output {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("exec \"$0\" \"$@\" {redirections}")]);
        shell.arg(self.command.get_program()).args(self.command.get_args());
        shell.current_dir(self.directory.path()).env_remove("FORUM_PASSWORD");
        for (name, value) in self.command.get_envs() {
            shell.env(name, value.unwrap_or_default());
        }
        shell.stdin(stdin).output().unwrap()
    }

    /// Runs the client with an output that nobody reads.
    pub(crate) fn pipe_unread(&mut self, input: &str) -> Running {
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = self.command.spawn().unwrap();
        drop(child.stdout.take());
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        Running { child, _places: self.places() }
    }

    /// Runs the client with an output that somebody holds but does not read.
    pub(crate) fn pipe_stuck(&mut self, input: &str) -> Running {
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = self.command.spawn().unwrap();
        child.stdin.as_mut().unwrap().write_all(input.as_bytes()).unwrap();
        Running { child, _places: self.places() }
    }

    /// Runs a script of bash on a terminal of 80 columns and 24 rows, which is the controlling one of the shell and of
    /// what it starts; `"$0" "$@"` in it is the client.
    pub(crate) fn shell(&mut self, script: &str) -> Terminal {
        let pty = Pty::open(80, 24);
        let mut shell = Command::new("setsid");
        // The first terminal that the leader of a session opens becomes its controlling one.
        shell.args(["bash", "--norc", "-c", &format!("exec <>{} >&0 2>&0; {script}", pty.path())]);
        shell.arg(self.command.get_program()).args(self.command.get_args());
        shell.current_dir(self.directory.path()).env_remove("FORUM_PASSWORD");
        for (name, value) in self.command.get_envs() {
            shell.env(name, value.unwrap_or_default());
        }
        shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Terminal::run(pty, &mut shell, self.places())
    }

    /// Runs the client on a terminal of 80 columns and 24 rows.
    pub(crate) fn terminal(&mut self) -> Terminal {
        let pty = Pty::open(80, 24);
        self.command.stdin(pty.program()).stdout(pty.program()).stderr(pty.program());
        let places = self.places();
        Terminal::run(pty, &mut self.command, places)
    }
}

fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if line != MARKER_LINE {
                let _ = sender.send(line);
            }
        }
    });
    receiver
}

/// A client that runs; killed when dropped.
pub(crate) struct Running {
    child: Child,
    /// Stay as long as somebody works in them.
    _places: [Arc<TempDir>; 2],
}

impl Running {
    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        until("the client to end", || self.child.try_wait().unwrap())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Limits the files that it writes to so many bytes, as `ulimit -f` does.
    pub(crate) fn limit_file_size(&self, bytes: u64) {
        let limit = Rlimit { current: Some(bytes), maximum: Some(bytes) };
        prlimit(Some(Pid::from_child(&self.child)), Resource::Fsize, limit).unwrap();
    }

    /// Waits until its output, which nobody reads, takes no long line any more.
    pub(crate) fn wait_stuck(&self) {
        let output = self.child.stdout.as_ref().unwrap();
        until("a full pipe", || (ioctl_fionread(output).unwrap() > STUCK_BYTES).then_some(()));
    }

    /// Whether this stands anywhere in its memory that can be written to.
    pub(crate) fn remembers(&self, wanted: &str) -> bool {
        let process = format!("/proc/{}", self.child.id());
        let memory = File::open(format!("{process}/mem")).unwrap();
        let maps = fs::read_to_string(format!("{process}/maps")).unwrap();
        let writable = maps.lines().filter(|line| line.split(' ').nth(1).unwrap().starts_with("rw"));
        writable.into_iter().any(|line| {
            let (from, to) = line.split(' ').next().unwrap().split_once('-').unwrap();
            let [from, to] = [from, to].map(|digits| u64::from_str_radix(digits, 16).unwrap());
            let mut bytes = vec![0; (to - from).try_into().unwrap()];
            // A mapping of the kernel's own can't be read.
            memory.read_exact_at(&mut bytes, from).is_ok()
                && bytes.windows(wanted.len()).any(|window| window == wanted.as_bytes())
        })
    }

    /// Waits until it has been stopped by a signal.
    pub(crate) fn wait_stopped(&self) {
        let options = WaitOptions::NOHANG | WaitOptions::UNTRACED;
        until("the client to stop", || {
            let (_, status) = waitpid(Some(Pid::from_child(&self.child)), options).unwrap()?;
            assert!(status.stopped(), "{status:?}");
            Some(())
        });
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client in pipes.
pub(crate) struct Client {
    stdin: Option<ChildStdin>,
    out: Receiver<String>,
    err: Receiver<String>,
    pub(crate) child: Running,
}

impl Client {
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.stdin.as_mut().unwrap().write_all(bytes).unwrap();
    }

    pub(crate) fn close(&mut self) {
        self.stdin = None;
    }

    /// Insists on this as the next line of stdout.
    pub(crate) fn says(&self, line: &str) {
        assert_eq!(self.out.recv_timeout(DEADLINE).as_deref(), Ok(line));
    }

    /// Insists on this as the next line of stderr.
    pub(crate) fn complains(&self, line: &str) {
        assert_eq!(self.err.recv_timeout(DEADLINE).as_deref(), Ok(line));
    }

    /// Waits for the end: the exit status, and the lines not waited for.
    pub(crate) fn end(mut self) -> (Option<i32>, Vec<String>, Vec<String>) {
        let status = self.child.wait();
        (status.code(), rest(&self.out), rest(&self.err))
    }
}

fn rest(lines: &Receiver<String>) -> Vec<String> {
    let mut rest = Vec::new();
    loop {
        match lines.recv_timeout(DEADLINE) {
            Ok(line) => rest.push(line),
            Err(RecvTimeoutError::Disconnected) => return rest,
            Err(RecvTimeoutError::Timeout) => panic!("the client's output does not end"),
        }
    }
}
