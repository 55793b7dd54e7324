//! Whole server sessions without a socket: streams in memory, a journal that fails when told to, a clock
//! that is moved by hand. Here are the stage and its clients; what they play is in the modules.

mod broadcasts;
mod checks;
mod commits;
mod doors;
mod endings;
mod forgotten;
mod intake;
mod limits;
mod links;
mod listings;
mod lockout;
mod login;
mod mailbox;
mod marks;
mod passing;
mod plaintext;
mod presence;
mod probes;
mod removal;
mod rooms;
mod shutdown;
mod stalled_transfers;
mod stalls;
mod take_over;
mod text;
mod transfers;
mod turns;
mod typed;
mod watches;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::rc::Rc;

use clap::Parser;
use forum_common::names::Password;
use forum_common::text::Zone;
use forum_common::wire::{FromServer, Input, Notice, Refusal, Reply, Request, Tag, Transfer, VERSION};

use super::*;
use crate::args::{Arguments, SignUpArgument};
use crate::clock::TestClock;
use crate::core::{DRAINING, TURNED_AWAY_DRAINING, TURNED_AWAY_MAX};
use crate::forum::AccountId;
use crate::journal::MemoryJournal;
use crate::workers::files::FileWorkers;
use crate::workers::passwords::{HashParameters, PasswordHasher, hash_all};

/// Of everybody who signs up here.
const PASSWORD: &str = "pw";

/// For who takes no files.
const NO_PORT: u16 = 0;

/// Both ends of a connection, and what the network between them does.
#[derive(Debug, Default)]
struct Link {
    to_server: VecDeque<u8>,
    to_client: Vec<u8>,
    /// Bytes the kernel still takes before it says would-block.
    room: usize,
    client_closed: bool,
    server_closed: bool,
    broken: bool,
    writes: usize,
    /// What a write takes, by this clock.
    write_time: Option<(TestClock, Duration)>,
}

/// The server's end.
#[derive(Debug, Clone)]
struct Pipe(Rc<RefCell<Link>>);

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut link = self.0.borrow_mut();
        if link.broken {
            return Err(ErrorKind::ConnectionReset.into());
        }
        let count = link.to_server.len().min(buffer.len());
        if count == 0 && !link.client_closed {
            return Err(ErrorKind::WouldBlock.into());
        }
        for (slot, byte) in buffer.iter_mut().zip(link.to_server.drain(..count)) {
            *slot = byte;
        }
        Ok(count)
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut link = self.0.borrow_mut();
        if link.broken {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let count = bytes.len().min(link.room);
        if count == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        link.room -= count;
        link.writes += 1;
        if let Some((clock, time)) = &link.write_time {
            clock.advance(*time);
        }
        link.to_client.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Pipe {
    fn take_death(&mut self) -> Option<io::Error> {
        self.0.borrow().broken.then(|| ErrorKind::ConnectionReset.into())
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.0.borrow_mut().server_closed = true;
        Ok(())
    }

    fn watch_silence(&self) {}
}

type TestServer = Server<Pipe, MemoryJournal, TestClock>;

/// A server and what a test needs to play all others.
struct Stage {
    server: TestServer,
    clock: TestClock,
    files: tempfile::TempDir,
}

/// A client, byte by byte.
struct Client {
    id: ConnectionId,
    link: Rc<RefCell<Link>>,
    input: Input,
}

fn stage(options: &[&str]) -> Stage {
    stage_on(options, Forum::default(), MemoryJournal::default())
}

fn stage_on(options: &[&str], forum: Forum, journal: MemoryJournal) -> Stage {
    let arguments = Arguments::parse_from([&["forumd"], options].concat()).serve;
    let files = tempfile::tempdir().unwrap();
    let weak = HashParameters::new(8, 1, 1).unwrap();
    let wake: crate::net::Wake = std::sync::Arc::new(|| {});
    let helpers = Helpers {
        journal,
        passwords: PasswordHasher::start(0, 100, weak, wake.clone()).unwrap(),
        files: FileWorkers::start(
            crate::directory::Directory::open(files.path()).unwrap(),
            0,
            crate::workers::files::FileSync::Never,
            wake,
        )
        .unwrap(),
        random: crate::random::Random::system(),
        watch: None,
    };
    let settings = Settings {
        limits: arguments.limits.clone(),
        connections_max: 1_000,
        visitors: arguments.address_limits.visitor_limits(1_000),
        is_sign_up_open: arguments.sign_up == SignUpArgument::Open,
        entry_bytes_max: ENTRY_BYTES_MAX,
        attempts_max: arguments.attempts_max().unwrap(),
        block_duration: Duration::from_secs(arguments.block_duration),
        login_timeout: Duration::from_secs(arguments.login_timeout),
        transfer_timeout: Duration::from_secs(arguments.transfer_timeout),
        stall_timeout: Duration::from_secs(arguments.stall_timeout),
        idle_timeout: (arguments.timeout > 0).then(|| Duration::from_secs(arguments.timeout)),
        zone: Zone::utc(),
        trace_user: None,
        admin_password: hash_all(&[Password::parse("s3cret").unwrap()], weak).pop(),
    };
    let clock = TestClock::at(1_000_000);
    Stage { server: Server::new(settings, clock.clone(), forum, helpers), clock, files }
}

/// A stage on which `yoda` has created the thread `t`.
fn stage_with_thread() -> (Stage, Client) {
    let mut stage = stage(&[]);
    let mut yoda = stage.sign_up("yoda");
    stage.ask(&mut yoda, 4, &Request::CreateThread { title: "t", key: None });
    (stage, yoda)
}

impl Stage {
    fn connect(&mut self) -> Client {
        self.connect_from("127.0.0.1:1")
    }

    fn connect_from(&mut self, address: &str) -> Client {
        self.connect_with(address, true)
    }

    fn connect_with(&mut self, address: &str, presence: bool) -> Client {
        let link = Rc::new(RefCell::new(Link { room: 1 << 30, ..Link::default() }));
        let address = address.parse().unwrap();
        let id = self.server.admit(Pipe(Rc::clone(&link)), address).expect("room for one more");
        let mut client = Client { id, link, input: Input::default() };
        client.send(1, &Request::ClientHello { version: VERSION, client: "test", presence });
        self.settle(&client);
        let answers = client.answers();
        assert!(answers[0].starts_with("1 ServerHello { version: 3, "), "{answers:?}");
        client
    }

    fn sign_up(&mut self, name: &str) -> Client {
        let client = self.connect();
        self.sign_up_on(client, name, NO_PORT)
    }

    /// For one who wants to know of nobody's comings and goings.
    fn sign_up_quietly(&mut self, name: &str) -> Client {
        let client = self.connect_with("127.0.0.1:1", false);
        self.sign_up_on(client, name, NO_PORT)
    }

    fn sign_up_on(&mut self, mut client: Client, name: &str, udp_port: u16) -> Client {
        client.send_sign_up(name, udp_port);
        self.settle(&client);
        let answers = client.answers();
        assert_eq!(
            answers.last().map(String::as_str),
            Some("3 Welcome { text: \"Welcome to the forum\" }"),
            "{answers:?}"
        );
        client
    }

    /// A new connection for who has signed up before; what it is answered is still to be read.
    fn log_in(&mut self, name: &str) -> Client {
        let mut client = self.connect();
        client.send_log_in(name, PASSWORD);
        self.settle(&client);
        client
    }

    /// Turns until nothing moves any more.
    fn run(&mut self) {
        for _ in 0..200 {
            // Just enough for comings and goings to be told.
            self.clock.advance(Duration::from_micros(1));
            self.server.turn(true);
        }
    }

    /// Tells the server that the client's bytes or its room have changed.
    fn nudge(&mut self, client: &Client) {
        let peer_end = match &*client.link.borrow() {
            Link { broken: true, .. } => PeerEnd::Died,
            Link { client_closed: true, .. } => PeerEnd::Finished,
            _ => PeerEnd::Open,
        };
        self.server.readable(client.id, peer_end);
        self.server.writable(client.id);
    }

    /// Lets the server see what has changed for the client, and turns until nothing moves any more.
    fn settle(&mut self, client: &Client) {
        self.nudge(client);
        self.run();
    }

    /// The same for clients whose bytes come in one turn.
    fn settle_all(&mut self, clients: &[Client]) {
        for client in clients {
            self.nudge(client);
        }
        self.run();
    }

    /// The client says that nothing more will come from it.
    fn close(&mut self, client: &Client) {
        client.link.borrow_mut().client_closed = true;
        self.settle(client);
    }

    /// Ends a connection without a word.
    fn cut(&mut self, client: &Client) {
        client.link.borrow_mut().broken = true;
        self.settle(client);
    }

    /// Lets a journal that was held write, and everything go on.
    fn release(&mut self) {
        self.server.core.pipeline.journal_mut().release();
        self.run();
    }

    fn pass(&mut self, time: Duration) {
        self.clock.advance(time);
        self.run();
    }

    /// Whether the server has no deadline but that of the next probe.
    fn is_only_to_probe(&self) -> bool {
        let next = self.server.idle_for().map(|time| self.clock.now() + time);
        next == self.server.core.probes.next_due()
    }

    /// How many files the server stores, whole ones and beginnings.
    fn stored_files(&self) -> usize {
        std::fs::read_dir(self.files.path()).unwrap().count()
    }

    /// Sends one request and returns everything that is answered.
    fn ask(&mut self, client: &mut Client, tag: Tag, request: &Request<'_>) -> Vec<String> {
        client.send(tag, request);
        self.settle(client);
        client.answers()
    }
}

impl Client {
    fn send(&mut self, tag: Tag, request: &Request<'_>) {
        let mut bytes = Vec::new();
        request.encode(tag, &mut bytes);
        self.link.borrow_mut().to_server.extend(bytes);
    }

    fn send_sign_up(&mut self, name: &str, udp_port: u16) {
        self.send(2, &Request::LogIn { name, udp_port, take_over: None, session: None });
        self.send(3, &Request::SignUp { password: PASSWORD, confirmation: PASSWORD });
    }

    fn send_log_in(&mut self, name: &str, password: &str) {
        self.send(2, &Request::LogIn { name, udp_port: NO_PORT, take_over: None, session: None });
        self.send(3, &Request::Password { password });
    }

    fn send_transfer(&mut self, tag: Tag, transfer: &Transfer<'_>) {
        let mut bytes = Vec::new();
        transfer.encode(tag, &mut bytes);
        self.link.borrow_mut().to_server.extend(bytes);
    }

    /// The bytes that came since the last time, unread.
    fn frame(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.link.borrow_mut().to_client)
    }

    /// What came since the last time, but for the comings and goings of others, and probes.
    fn answers(&mut self) -> Vec<String> {
        let mut answers = self.heard();
        answers.retain(|answer| !answer.starts_with("Logged") && answer != "Probe");
        answers
    }

    /// What came since the last time: tag and message, as Debug writes them, shortened.
    fn heard(&mut self) -> Vec<String> {
        let bytes = std::mem::take(&mut self.link.borrow_mut().to_client);
        let mut rest = &bytes[..];
        let mut answers = Vec::new();
        loop {
            rest = &rest[self.input.feed(rest)..];
            while let Some(frame) = self.input.take().unwrap() {
                let text = match FromServer::decode(&frame).unwrap() {
                    FromServer::Reply(tag, reply) => match text_of(&reply) {
                        Some(text) => done(tag, text),
                        None => format!("{tag} {reply:?}"),
                    },
                    FromServer::Transfer(tag, transfer) => format!("{tag} {transfer:?}"),
                    FromServer::Notice(notice) => format!("{notice:?}"),
                };
                answers.push(short(&text));
            }
            if rest.is_empty() {
                return answers;
            }
        }
    }
}

/// Debug's text without fields that are absent, times, and what only programs read of a refusal: for that there
/// is `answers_are_typed`.
fn short(text: &str) -> String {
    let (head, fields) = text.split_once(" { ").unwrap_or((text, ""));
    let hidden = ["at_ms: ", "since_ms: ", "session: ", "now_ms: ", "limit: ", "value: ", "name: Some"];
    let is_shown =
        |field: &&str| !field.ends_with(": None") && !hidden.iter().any(|name| field.starts_with(name));
    let fields: Vec<_> = fields.trim_end_matches(" }").split(", ").filter(is_shown).collect();
    match fields[..] {
        [] | [""] => head.to_owned(),
        _ => format!("{head} {{ {} }}", fields.join(", ")),
    }
}

/// The text of a change that was made, whatever its type.
fn text_of<'a>(reply: &Reply<'a>) -> Option<&'a str> {
    match *reply {
        Reply::Done { text, .. }
        | Reply::ThreadCreated { text, .. }
        | Reply::Posted { text, .. }
        | Reply::RoomCreated { text, .. }
        | Reply::Uploaded { text, .. } => Some(text),
        _ => None,
    }
}

fn done(tag: Tag, text: &str) -> String {
    format!("{tag} Done {{ text: {text:?} }}")
}

fn refused(tag: Tag, code: Refusal, text: &str) -> String {
    format!("{tag} Refused {{ code: {code:?}, text: {text:?} }}")
}
