//! A server that says what a test tells it to, and the real client in front of it. Every wait has a deadline.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use forum_common::wire::{
    Closing, Digest, Frame, Input, Key, LimitListBuf, NO_TAG, Notice, OwnedReply, Refusal, Reply, Request,
    Tag, TakeOver, Transfer, VERSION, kinds,
};
use rustix::fs::OFlags;
use rustix::io::ioctl_fionread;
use rustix::process::{Pid, Resource, Rlimit, Signal, WaitOptions, kill_process, prlimit, waitpid};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};
use tempfile::TempDir;

/// How long anything may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// When everything happens.
pub(crate) const AT_MS: u64 = 1_654_063_201_000;

/// The same as the client shows it: the script's zone is that of Sydney.
pub(crate) const AT: &str = "1 Jun 2022 16:00:01";

pub(crate) const END: Reply<'_> = Reply::EndOfList { next: None };

const WELCOME_TEXT: &str = "Welcome to the forum";

pub(crate) const WELCOME: Reply<'_> = Reply::Welcome { session: 1, since_ms: AT_MS, text: WELCOME_TEXT };

pub(crate) const LIST_THREADS: Request<'_> = Request::ListThreads { after: None, at_most: None };

pub(crate) const PING: Request<'_> = Request::Ping { payload: &[] };

pub(crate) fn thread(title: &str) -> Reply<'_> {
    let (last_author, last_at_ms) = (None, None);
    Reply::ThreadItem { thread: 1, title, creator: "yoda", posts: 0, uploads: 0, last_author, last_at_ms }
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

/// Rows that a terminal keeps which have left its screen.
const SCROLLBACK_ROWS: usize = 1_000;

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
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        Peer { stream, input: Input::default(), asked: HashMap::new() }
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

/// Tries again until there is something, at most until the deadline.
pub(crate) fn until<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(start.elapsed() < DEADLINE, "waited in vain for {what}");
        thread::yield_now();
    }
}

/// The server's end of one connection.
pub(crate) struct Peer {
    stream: TcpStream,
    input: Input,
    /// The kinds of the requests, by tag.
    asked: HashMap<Tag, u8>,
}

impl Peer {
    /// The next frame; `None` when the client has closed.
    fn next<T>(&mut self, read: impl FnOnce(&Frame<'_>) -> T) -> Option<T> {
        loop {
            if let Some(frame) = self.input.take().unwrap() {
                self.asked.entry(frame.tag).or_insert(frame.kind);
                return Some(read(&frame));
            }
            match self.stream.read(self.input.space()) {
                Ok(0) => return None,
                Ok(count) => self.input.filled(count),
                // With a time limit, the kernel does not go on by itself when the process was stopped meanwhile.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // It was killed before it had read everything.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Insists on this request, which has a key if it can have one; its tag.
    pub(crate) fn hears(&mut self, wanted: &Request<'_>) -> Tag {
        self.hears_key(wanted).0
    }

    /// The same with the key.
    pub(crate) fn hears_key(&mut self, wanted: &Request<'_>) -> (Tag, Option<Key>) {
        let heard = self.next(|frame| {
            let mut request =
                Request::decode(frame).unwrap_or_else(|error| panic!("{error}, not {wanted:?}"));
            let key = request.key_mut().map(|key| key.take().expect("a change has a key"));
            assert_eq!(request, *wanted);
            (frame.tag, key)
        });
        let (tag, key) = heard.unwrap_or_else(|| panic!("the client left instead of {wanted:?}"));
        assert_ne!(tag, NO_TAG);
        (tag, key)
    }

    /// Insists on a hello that wants presence or not; its tag.
    pub(crate) fn hears_hello(&mut self, presence: bool) -> Tag {
        let client = concat!("forum ", env!("CARGO_PKG_VERSION"));
        self.hears(&Request::ClientHello { version: VERSION, client, presence })
    }

    /// Says hello.
    pub(crate) fn hello(&mut self, tag: Tag, version: u16, zone: &str) {
        self.hello_with("", tag, version, zone);
    }

    /// The same as a server that has these features.
    pub(crate) fn hello_with(&mut self, features: &str, tag: Tag, version: u16, zone: &str) {
        let hello = OwnedReply::ServerHello {
            version,
            server: "script".to_owned(),
            features: features.to_owned(),
            limits: LimitListBuf::default(),
            zone: zone.to_owned(),
            now_ms: AT_MS,
            servers: None,
        };
        self.reply(tag, &hello.as_ref());
    }

    /// Lets yoda in, who has to know the password `jedi`.
    pub(crate) fn admits(&mut self) {
        let tag = self.hears_log_in("yoda");
        self.reply(tag, &Reply::PasswordWanted { known: true });
        let tag = self.hears(&Request::Password { password: "jedi" });
        self.reply(tag, &WELCOME);
    }

    /// Insists on a log-in with this name, and a UDP port for files; its tag.
    pub(crate) fn hears_log_in(&mut self, wanted: &str) -> Tag {
        self.hears_wish(wanted, None, None)
    }

    /// The same, with what is to become of another session of the user.
    pub(crate) fn hears_wish(&mut self, wanted: &str, wish: Option<TakeOver>, own: Option<u64>) -> Tag {
        let tag = self.next(|frame| {
            let request = Request::decode(frame).unwrap();
            assert!(
                matches!(request, Request::LogIn { name, udp_port: 1.., take_over, session }
                    if name == wanted && take_over == wish && session == own),
                "{request:?}"
            );
            frame.tag
        });
        tag.expect("the client left instead of logging in")
    }

    /// What the client says until its end, which may be a kill.
    pub(crate) fn hears_to_the_end<T>(&mut self, read: impl Fn(&Request<'_>) -> T) -> Vec<T> {
        std::iter::from_fn(|| self.next(|frame| read(&Request::decode(frame).unwrap()))).collect()
    }

    /// Insists on this frame of a transfer.
    pub(crate) fn takes(&mut self, tag: Tag, wanted: &Transfer<'_>) {
        self.transferred(tag, |transfer| assert_eq!(transfer, wanted));
    }

    /// The next frame of this transfer.
    pub(crate) fn transferred<T>(&mut self, tag: Tag, read: impl FnOnce(&Transfer<'_>) -> T) -> T {
        self.next(|frame| {
            assert_eq!(frame.tag, tag);
            read(&Transfer::decode(frame).unwrap())
        })
        .expect("the client left in the middle of a transfer")
    }

    /// Insists on the client's end.
    pub(crate) fn expect_end(&mut self) {
        let more = self.next(|frame| format!("{frame:?}"));
        assert_eq!(more, None);
    }

    /// Insists that the client, which is logged in and not stuck, has nothing to say: it is sent a message, and its
    /// acknowledgement is what comes next. Twice, because a client acknowledges before it takes a line of its input:
    /// what it has to say by then would come between the two.
    pub(crate) fn expect_silence(&mut self) {
        /// Above those of the tests' own messages; a client does not show a number that it has seen.
        static NEXT: AtomicU64 = AtomicU64::new(1_000_000);
        for _ in 0..2 {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let (late, at_ms) = (false, AT_MS);
            self.notice(&Notice::Message { number, late, at_ms, from: "nobody", text: "?" });
            self.hears(&Request::AckMessages { up_to: number });
        }
    }

    pub(crate) fn reply(&mut self, tag: Tag, reply: &Reply<'_>) {
        let mut bytes = Vec::new();
        reply.encode(tag, &mut bytes);
        self.send(&bytes);
    }

    pub(crate) fn notice(&mut self, notice: &Notice<'_>) {
        self.notices(&[*notice]);
    }

    /// Sends these in one piece, so that they are read together.
    pub(crate) fn notices(&mut self, notices: &[Notice<'_>]) {
        let mut bytes = Vec::new();
        notices.iter().for_each(|notice| notice.encode(NO_TAG, &mut bytes));
        self.send(&bytes);
    }

    /// Says that it was done, as this request is answered.
    pub(crate) fn done(&mut self, tag: Tag, text: &str) {
        let at_ms = AT_MS;
        self.reply(
            tag,
            &match self.asked[&tag] {
                kinds::CreateThread => Reply::ThreadCreated { thread: 1, at_ms, text },
                kinds::Post | kinds::PostToBoard | kinds::PostToRoom => {
                    Reply::Posted { number: 1, id: 1, at_ms, text }
                }
                kinds::CreateRoom => Reply::RoomCreated { room: 1, at_ms, text },
                kinds::Upload => Reply::Uploaded { id: 1, at_ms, digest: [0; 32], text },
                _ => Reply::Done { at_ms, text },
            },
        );
    }

    pub(crate) fn refuse(&mut self, tag: Tag, code: Refusal, text: &str) {
        self.reply(tag, &Reply::Refused { code, limit: None, value: None, name: None, text });
    }

    pub(crate) fn transfer(&mut self, tag: Tag, transfer: &Transfer<'_>) {
        let mut bytes = Vec::new();
        transfer.encode(tag, &mut bytes);
        self.send(&bytes);
    }

    /// The last words, and the end.
    pub(crate) fn close(mut self, code: Closing, text: &str) {
        let mut bytes = Vec::new();
        Notice::Closing { code, text }.encode(NO_TAG, &mut bytes);
        self.send(&bytes);
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Answers the log-out that must come now.
    pub(crate) fn say_goodbye(mut self) {
        let tag = self.hears(&Request::LogOut);
        self.done(tag, "Goodbye");
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
        command.env("XDG_STATE_HOME", state.path()).env("TERM", "xterm");
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
        let name = OpenedTerminal::open();
        let path = name.path.clone();
        let mut shell = Command::new("setsid");
        // The first terminal that the leader of a session opens becomes its controlling one.
        shell.args(["bash", "--norc", "-c", &format!("exec <>{path} >&0 2>&0; {script}")]);
        shell.arg(self.command.get_program()).args(self.command.get_args());
        shell.current_dir(self.directory.path()).env_remove("FORUM_PASSWORD");
        for (name, value) in self.command.get_envs() {
            shell.env(name, value.unwrap_or_default());
        }
        shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        name.run(shell, self.places())
    }

    /// Runs the client on a terminal of 80 columns and 24 rows.
    pub(crate) fn terminal(&mut self) -> Terminal {
        let opened = OpenedTerminal::open();
        let slave = || opened.slave();
        self.command.stdin(slave()).stdout(slave()).stderr(slave());
        let places = self.places();
        let command = std::mem::replace(&mut self.command, Command::new("true"));
        let (terminal, command) = opened.run_again(command, places);
        self.command = command;
        terminal
    }
}

/// A terminal that nobody uses yet.
struct OpenedTerminal {
    keys: OwnedFd,
    path: String,
}

impl OpenedTerminal {
    fn open() -> Self {
        let keys = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&keys).unwrap();
        unlockpt(&keys).unwrap();
        tcsetwinsize(&keys, Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let path = ptsname(&keys, Vec::new()).unwrap().into_string().unwrap();
        Self { keys, path }
    }

    fn slave(&self) -> File {
        let no_control = i32::try_from(OFlags::NOCTTY.bits()).unwrap();
        File::options().read(true).write(true).custom_flags(no_control).open(&self.path).unwrap()
    }

    fn run(self, command: Command, places: [Arc<TempDir>; 2]) -> Terminal {
        self.run_again(command, places).0
    }

    /// Runs a command here; the command is handed back.
    fn run_again(self, mut command: Command, places: [Arc<TempDir>; 2]) -> (Terminal, Command) {
        let slave = self.slave();
        let before = tcgetattr(&slave).unwrap();
        let child = Running { child: command.spawn().unwrap(), _places: places };
        let screen = chunks(File::from(self.keys.try_clone().unwrap()));
        let display = vt100::Parser::new(24, 80, SCROLLBACK_ROWS);
        let (keys, seen) = (self.keys, Vec::new());
        (Terminal { child, keys, screen, seen, looked: 0, display, slave, before }, command)
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

fn chunks(mut stream: File) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut bytes = [0; 4_096];
        while let Ok(count @ 1..) = stream.read(&mut bytes) {
            let _ = sender.send(bytes[..count].to_vec());
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

/// A client on a terminal.
pub(crate) struct Terminal {
    pub(crate) child: Running,
    keys: OwnedFd,
    screen: Receiver<Vec<u8>>,
    seen: Vec<u8>,
    /// How far [`Terminal::shows`] has looked.
    looked: usize,
    /// What a person sees of all that has come.
    display: vt100::Parser,
    slave: File,
    before: Termios,
}

impl Terminal {
    pub(crate) fn types(&self, keys: &str) {
        let mut keys = keys.as_bytes();
        while !keys.is_empty() {
            keys = &keys[rustix::io::write(&self.keys, keys).unwrap()..];
        }
    }

    pub(crate) fn resize(&mut self, columns: u16, rows: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.keys, size).unwrap();
        self.display.screen_mut().set_size(rows, columns);
        // The terminal is not the client's controlling one, so the kernel does not tell it.
        self.child.signal(Signal::WINCH);
    }

    /// Insists on these bytes being sent to the screen, behind those of the last call.
    pub(crate) fn shows(&mut self, wanted: &str) {
        let start = Instant::now();
        loop {
            let fresh = &self.seen[self.looked..];
            if let Some(at) = fresh.windows(wanted.len()).position(|window| window == wanted.as_bytes()) {
                self.looked += at + wanted.len();
                return;
            }
            if !self.take(start) {
                let fresh = String::from_utf8_lossy(&self.seen[self.looked..]).into_owned();
                panic!("wanted {wanted:?} in {fresh:?}");
            }
        }
    }

    /// Takes in what comes next; `false`: nothing does until the deadline.
    fn take(&mut self, start: Instant) -> bool {
        match self.screen.recv_timeout(DEADLINE.saturating_sub(start.elapsed())) {
            Ok(bytes) => {
                self.display.process(&bytes);
                self.seen.extend(bytes);
                true
            }
            Err(_) => false,
        }
    }

    /// The rows that a person sees, without those below the last that has anything.
    pub(crate) fn rows(&self) -> Vec<String> {
        let columns = self.display.screen().size().1;
        let rows = self.display.screen().rows(0, columns).map(|row| row.trim_end().to_owned());
        let mut rows: Vec<String> = rows.collect();
        rows.truncate(rows.iter().rposition(|row| !row.is_empty()).map_or(0, |last| last + 1));
        rows
    }

    /// Insists on a person seeing these as the last rows, the cursor at this column of the last one.
    pub(crate) fn displays(&mut self, wanted: &[&str], column: u16) {
        let start = Instant::now();
        let is_there = |terminal: &Self| {
            let (row, at) = terminal.display.screen().cursor_position();
            let rows = terminal.rows();
            rows.ends_with(&wanted.iter().map(|row| (*row).to_owned()).collect::<Vec<_>>())
                && (usize::from(row) + 1, at) == (rows.len(), column)
        };
        while !is_there(self) {
            let cursor = self.display.screen().cursor_position();
            assert!(self.take(start), "wanted {wanted:?} and {column} in {:#?}, {cursor:?}", self.rows());
        }
        self.looked = self.seen.len();
    }

    /// The rows that have left the screen at its top.
    pub(crate) fn scrollback(&mut self) -> Vec<String> {
        let screen = self.display.screen_mut();
        screen.set_scrollback(SCROLLBACK_ROWS);
        let gone = screen.scrollback();
        let columns = screen.size().1;
        let rows = screen.rows(0, columns).take(gone).map(|row| row.trim_end().to_owned()).collect();
        screen.set_scrollback(0);
        rows
    }

    /// Everything that was sent to the screen so far, as far as it was waited for.
    pub(crate) fn seen(&self) -> String {
        String::from_utf8_lossy(&self.seen[..self.looked]).into_owned()
    }

    /// Waits for the end, and insists on the terminal being as it was.
    pub(crate) fn end(&mut self) -> ExitStatus {
        let status = self.child.wait();
        self.shows("\x1b[?2004l");
        self.is_as_before();
        status
    }

    /// Insists on the terminal having the modes that it had at first.
    pub(crate) fn is_as_before(&self) {
        let after = tcgetattr(&self.slave).unwrap();
        assert_eq!(after.local_modes, self.before.local_modes);
        assert_eq!(after.input_modes, self.before.input_modes);
        assert_eq!(after.output_modes, self.before.output_modes);
    }
}
