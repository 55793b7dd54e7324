//! Rung 6 of `docs/LADDER.md`: a forum, spoken with `nc`: `rung6_forum [PORT [ADMIN_PASSWORD [LOG]]]`.
//!
//! It has the eleven commands of the assignment, CRT MSG DLT EDT LST RDT UPD DWN RMV XIT SHT, and what the rungs before
//! it taught. Read it from the bottom: `main`, `Reactor`, `Connection`, then `Forum` and `Log`. Since `nc` knows no
//! files, `UPD title file n` is followed by the n bytes of the file, and `DWN` answers with n, the bytes, and its text.
//!
//! What it leaves out, and forumd has:
//! - **Secrets.** Passwords cross the network, and stand in the log, as they were typed. Guessing is not slowed down.
//! - **Threads.** An fsync holds everybody up. So would hashing passwords, which is why there is none.
//! - **Frames.** A line doesn't say which request it answers, or that a text is a refusal: fine for people only.
//! - **Totals.** Everything is in memory, without limit, even a long answer; out of descriptors, it accepts nobody.
//! - **A log that grows old.** No checksums, no snapshots: a replay begins at the first entry. A full disk ends it.
//! - **Messages, rooms and presence**, and whatever else is in the README.
#![forbid(unsafe_code)]

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown};
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

const LISTENER: Token = Token(0);

/// Bytes of a line at most: the longest text, and room for the words before it.
const LINE_MAX: usize = TEXT_MAX + 256;
const TEXT_MAX: usize = 8_192;
const USER_NAME_MAX: usize = 32;
const TITLE_MAX: usize = 64;
const FILE_NAME_MAX: usize = 200;
const PASSWORD_MAX: usize = 128;
const FILE_MAX: usize = 1 << 20;
/// Bytes of answers that wait for a client when it is asked for no more.
const OUTPUT_MAX: usize = 65_536;
/// How long nothing may move on a connection.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// How long a client may take to notice that we have said goodbye.
const LEAVING_MAX: Duration = Duration::from_secs(5);
const SHUTTING_DOWN: &str = "Goodbye. Server shutting down";
const PROMPT: &str =
    "Enter one of the following commands: CRT, MSG, DLT, EDT, LST, RDT, UPD, DWN, RMV, XIT, SHT: ";

/// What a well-formed line asks for.
enum Request<'a> {
    Change(Change<'a>),
    List,
    Read { title: &'a str },
    Download { title: &'a str, file: &'a str },
    Exit,
    ShutDown { password: &'a str },
}

/// What changes the forum, and therefore goes through the log.
#[derive(Clone, Copy)]
enum Change<'a> {
    SignUp { password: &'a str },
    Create { title: &'a str },
    Post { title: &'a str, text: &'a str },
    Delete { title: &'a str, number: usize },
    Edit { title: &'a str, number: usize, text: &'a str },
    Upload { title: &'a str, file: &'a str, bytes: usize },
    Remove { title: &'a str },
}

/// Reads a line; the error is what to say if it is no command.
fn parse(line: &str) -> Result<Request<'_>, String> {
    let (word, rest) = first_word(line);
    let usage = match word {
        "CRT" | "RDT" | "RMV" => "title",
        "MSG" => "title text",
        "DLT" => "title n",
        "EDT" => "title n text",
        "UPD" => "title file bytes",
        "DWN" => "title file",
        "SHT" => "password",
        "LST" | "XIT" => "",
        _ if word.bytes().all(|byte| byte.is_ascii_lowercase()) => {
            return Err("Error. Invalid command".into());
        }
        _ => return Err("Invalid command".into()),
    };
    let wrong = || format!("Incorrect syntax for {word}\n{}", format!("Usage: {word} {usage}").trim_end());
    let operands = split(usage, rest).ok_or_else(wrong)?;
    // A word that is no number becomes 0, which no message has.
    let number = |word: &str| word.parse().unwrap_or(0);
    Ok(match (word, &operands[..]) {
        ("CRT", [title]) => Request::Change(Change::Create { title }),
        ("MSG", [title, text]) => Request::Change(Change::Post { title, text }),
        ("DLT", [title, n]) => Request::Change(Change::Delete { title, number: number(n) }),
        ("EDT", [title, n, text]) => Request::Change(Change::Edit { title, number: number(n), text }),
        ("UPD", [title, file, bytes]) => {
            let bytes = bytes.parse().map_err(|_| wrong())?;
            Request::Change(Change::Upload { title, file, bytes })
        }
        ("RMV", [title]) => Request::Change(Change::Remove { title }),
        ("LST", _) => Request::List,
        ("RDT", [title]) => Request::Read { title },
        ("DWN", [title, file]) => Request::Download { title, file },
        ("SHT", [password]) => Request::ShutDown { password },
        _ => Request::Exit,
    })
}

/// The operands of a command, or `None` if they are too few or too many.
fn split<'a>(usage: &str, mut rest: &'a str) -> Option<Vec<&'a str>> {
    let mut operands = Vec::new();
    for operand in usage.split_whitespace() {
        // A text is everything after the one space, further spaces included.
        let is_text = matches!(operand, "text" | "password");
        let (word, after) = if is_text { (rest, "") } else { first_word(rest) };
        operands.push(word);
        rest = after;
    }
    let is_blank = |text: &str| text.bytes().all(|byte| byte == b' ');
    (is_blank(rest) && !operands.iter().any(|operand| is_blank(operand))).then_some(operands)
}

/// The first word, and what follows the one space after it.
fn first_word(line: &str) -> (&str, &str) {
    let line = line.trim_start_matches(' ');
    line.split_once(' ').unwrap_or((line, ""))
}

/// `forbidden`: what may not be in it besides spaces. No name becomes a path here, but its readers have file systems.
fn check_name(name: &str, most: usize, forbidden: &str) -> Result<(), String> {
    let is_valid = |c: char| c.is_ascii_graphic() && !forbidden.contains(c);
    let fits = (1..=most).contains(&name.len()) && name.chars().all(is_valid);
    if fits { Ok(()) } else { Err("Invalid name".into()) }
}

/// No text may drive the terminal of the one who reads it.
fn check_text(text: &str, most: usize) -> Result<(), String> {
    let reorders = |c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let is_bad = text.contains(|c: char| (c.is_control() && c != '\t') || reorders(c));
    if is_bad || text.len() > most { Err("Invalid text".into()) } else { Ok(()) }
}

/// The whole state. It knows no sockets, no files and no clock: the same log always makes the same forum.
#[derive(Default)]
struct Forum {
    /// Their passwords, by name.
    users: HashMap<String, String>,
    /// Oldest first. Looking through all of them is fine for a class; a real server has an index.
    threads: Vec<Thread>,
}

struct Thread {
    title: String,
    creator: String,
    items: Vec<Item>,
}

enum Item {
    Post { author: String, text: String },
    Upload { author: String, file: String, bytes: Vec<u8> },
}

impl Forum {
    /// Says yes, with the answer, or no, with the reason. It changes nothing: that comes after the log.
    fn decide(&self, user: &str, change: Change<'_>) -> Result<String, String> {
        match change {
            Change::SignUp { .. } if !self.users.contains_key(user) => Ok("Welcome to the forum".into()),
            Change::SignUp { .. } => Err(format!("Username {user} is taken")),
            Change::Create { title } if self.thread(title).is_ok() => Err(format!("Thread {title} exists")),
            Change::Create { title } => {
                check_name(title, TITLE_MAX, r"/\").map(|()| format!("Thread {title} created"))
            }
            Change::Post { title, text } => {
                self.thread(title)?;
                check_text(text, TEXT_MAX).map(|()| format!("Message posted to {title} thread"))
            }
            Change::Delete { title, number } => {
                self.thread(title)?.own_post(user, number, "deleted")?;
                Ok("The message has been deleted".into())
            }
            Change::Edit { title, number, text } => {
                self.thread(title)?.own_post(user, number, "edited")?;
                check_text(text, TEXT_MAX).map(|()| "The message has been edited".into())
            }
            Change::Upload { title, file, .. } if self.thread(title)?.file(file).is_some() => {
                Err(format!("File {file} already exists in Thread {title}"))
            }
            Change::Upload { title, file, .. } => {
                check_name(file, FILE_NAME_MAX, r"/\").map(|()| format!("{file} uploaded to {title} thread"))
            }
            Change::Remove { title } if self.thread(title)?.creator != user => {
                Err("The thread was created by another user and cannot be removed".into())
            }
            Change::Remove { title } => Ok(format!("Thread {title} removed")),
        }
    }

    /// Makes a change that was decided, so it finds all that it looks for. `file`: the bytes of an upload.
    fn apply(&mut self, user: &str, change: Change<'_>, file: &[u8]) -> Option<()> {
        let author = user.to_owned();
        match change {
            Change::SignUp { password } => _ = self.users.insert(author, password.to_owned()),
            Change::Create { title } => {
                self.threads.push(Thread { title: title.to_owned(), creator: author, items: Vec::new() });
            }
            Change::Remove { title } => self.threads.retain(|thread| thread.title != title),
            Change::Post { title, text } => {
                self.thread_mut(title)?.items.push(Item::Post { author, text: text.to_owned() });
            }
            Change::Upload { title, file: name, .. } => {
                let item = Item::Upload { author, file: name.to_owned(), bytes: file.to_owned() };
                self.thread_mut(title)?.items.push(item);
            }
            Change::Delete { title, number } => {
                let thread = self.thread_mut(title)?;
                thread.items.remove(thread.place(number)?);
            }
            Change::Edit { title, number, text } => {
                let thread = self.thread_mut(title)?;
                let at = thread.place(number)?;
                thread.items[at] = Item::Post { author, text: text.to_owned() };
            }
        }
        Some(())
    }

    fn thread_mut(&mut self, title: &str) -> Option<&mut Thread> {
        self.threads.iter_mut().find(|thread| thread.title == title)
    }

    fn thread(&self, title: &str) -> Result<&Thread, String> {
        let found = self.threads.iter().find(|thread| thread.title == title);
        found.ok_or_else(|| format!("Thread {title} does not exist"))
    }

    fn list(&self) -> String {
        let titles: String = self.threads.iter().map(|thread| format!("\n{}", thread.title)).collect();
        match &titles[..] {
            "" => "No threads to list".into(),
            titles => format!("The list of active threads:{titles}"),
        }
    }
}

impl Thread {
    /// Where the message with this number stands. Uploads have none.
    fn place(&self, number: usize) -> Option<usize> {
        let posts = (0..).zip(&self.items).filter(|(_, item)| matches!(item, Item::Post { .. }));
        posts.map(|(at, _)| at).nth(number.checked_sub(1)?)
    }

    /// Whether there is a message with this number, and it is this user's.
    fn own_post(&self, user: &str, number: usize, done: &str) -> Result<(), String> {
        let at = self.place(number).ok_or("Invalid message number")?;
        match &self.items[at] {
            Item::Post { author, .. } if author == user => Ok(()),
            _ => Err(format!("The message belongs to another user and cannot be {done}")),
        }
    }

    fn file(&self, name: &str) -> Option<&[u8]> {
        self.items.iter().find_map(|item| match item {
            Item::Upload { file, bytes, .. } if file == name => Some(&bytes[..]),
            _ => None,
        })
    }

    fn read(&self) -> String {
        if self.items.is_empty() {
            return format!("Thread {} is empty", self.title);
        }
        let mut numbers = 1..;
        let lines = self.items.iter().map(|item| match item {
            Item::Post { author, text } => format!("{} {author}: {text}", numbers.next().unwrap_or(0)),
            Item::Upload { author, file, .. } => format!("{author} uploaded {file}"),
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// The changes in their order: `user command`, as it was typed, a line each. An upload's bytes follow its line.
/// A sign-up is `NEW password`, which nobody can type since it is no command.
struct Log {
    file: File,
    /// What the file lacks. Nobody was told of it yet.
    batch: Vec<u8>,
}

impl Log {
    /// Opens the log and replays it.
    fn open(path: &str) -> io::Result<(Self, Forum)> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let (forum, whole) = replay(&bytes)?;
        // What a crash cut off was never answered; left there, it would run into the next entry.
        file.set_len(whole as u64)?;
        // What the last server wrote may be in the page cache only, and the name of a new file in its directory's.
        file.sync_all()?;
        fs::canonicalize(path)?.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())?;
        Ok((Self { file, batch: Vec::new() }, forum))
    }

    /// Makes the batch durable: one write and one fsync, however many entries it has.
    fn commit(&mut self) -> io::Result<()> {
        if !self.batch.is_empty() {
            self.file.write_all(&self.batch)?;
            self.file.sync_data()?;
            self.batch.clear();
        }
        Ok(())
    }
}

/// The forum that these entries make, and how many bytes of them are whole.
fn replay(bytes: &[u8]) -> io::Result<(Forum, usize)> {
    let mut forum = Forum::default();
    let mut done = 0;
    while let Some(length) = bytes[done..].iter().position(|&byte| byte == b'\n') {
        let damaged = || io::Error::other(format!("the log is damaged at byte {done}"));
        let entry = str::from_utf8(&bytes[done..done + length]).map_err(|_| damaged())?;
        let (user, command) = entry.split_once(' ').ok_or_else(damaged)?;
        let change = match first_word(command) {
            ("NEW", password) => Change::SignUp { password },
            _ => match parse(command) {
                Ok(Request::Change(change)) => change,
                _ => return Err(damaged()),
            },
        };
        let start = done + length + 1;
        let size = if let Change::Upload { bytes, .. } = change { bytes } else { 0 };
        let Some(file) = bytes[start..].get(..size) else { break };
        forum.decide(user, change).map_err(|_| damaged())?;
        forum.apply(user, change, file);
        done = start + size;
    }
    Ok((forum, done))
}

/// What all connections share.
struct Server {
    forum: Forum,
    log: Log,
    online: HashSet<String>,
    /// Without one, SHT is always refused.
    admin_password: Option<String>,
    is_shutting_down: bool,
}

impl Server {
    /// Decides, orders, applies; the answer leaves after the commit.
    fn change(&mut self, user: &str, change: Change<'_>, line: &str, file: &[u8]) -> Result<String, String> {
        let answer = self.forum.decide(user, change)?;
        self.log.batch.extend_from_slice(format!("{user} {line}\n").as_bytes());
        self.log.batch.extend_from_slice(file);
        self.forum.apply(user, change, file);
        Ok(answer)
    }
}

#[derive(PartialEq, PartialOrd)]
enum State {
    Open,
    Finishing,
    Leaving,
    Draining,
}

/// What the next bytes of a client are.
///
/// ```text
/// Username ─┬─ known ─► Password ────────────────► Command ◄──► Upload
///     ▲     └─ new ───► NewPassword ─► Confirm ───────┘
///     └─── refused ─────────┴─────────────┘
/// ```
enum Phase {
    Username,
    Password { name: String },
    NewPassword { name: String },
    Confirm { name: String, password: String },
    Command { user: String },
    Upload { user: String, line: String, bytes: usize },
}

struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
    output: VecDeque<u8>,
    readable: bool,
    state: State,
    /// When bytes last moved, in either direction; from `Leaving` on, when that began.
    moved: Instant,
    phase: Phase,
}

impl Connection {
    fn new(stream: TcpStream) -> Self {
        let output = VecDeque::from(b"Enter username: ".to_vec());
        let (state, phase, moved) = (State::Open, Phase::Username, Instant::now());
        Self { stream, input: Vec::new(), output, readable: true, state, moved, phase }
    }

    fn deadline(&self) -> Instant {
        self.moved + if self.state >= State::Leaving { LEAVING_MAX } else { SILENCE_MAX }
    }

    /// Takes in what has come, and queues answers.
    fn take_input(&mut self, server: &mut Server) {
        self.readable = self.state != State::Finishing;
        if self.state < State::Leaving {
            self.moved = Instant::now();
        }
        while self.state == State::Open && self.readable && self.output.len() <= OUTPUT_MAX {
            let length = match &self.phase {
                Phase::Upload { bytes, .. } => Some(*bytes).filter(|bytes| self.input.len() >= *bytes),
                _ => self.input.iter().position(|&byte| byte == b'\n').map(|end| end + 1),
            };
            if let Some(length) = length {
                let piece: Vec<u8> = self.input.drain(..length).collect();
                self.on_piece(&piece, server);
                self.prompt();
            } else if self.input.len() > LINE_MAX && !matches!(self.phase, Phase::Upload { .. }) {
                self.leave("\nGoodbye: that line is too long", server);
            } else {
                self.read();
            }
        }
        if self.state >= State::Leaving {
            // Input left unread would turn our FIN into an RST. One read a turn: a flood holds up nobody else.
            self.read();
            self.input.clear();
        }
    }

    fn read(&mut self) {
        let mut buffer = [0; 16_384];
        match self.stream.read(&mut buffer) {
            Ok(0) => (self.state, self.readable) = (State::Finishing, false),
            Ok(count) => self.input.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.readable = false,
            Err(_) => self.give_up(),
        }
    }

    /// Nobody reads what it still had to say.
    fn give_up(&mut self) {
        self.output.clear();
        (self.state, self.readable) = (State::Finishing, false);
    }

    /// Writes what the kernel takes. Says whether it can go on although no event will come; an error is its end.
    fn flush(&mut self) -> io::Result<bool> {
        while !self.output.is_empty() {
            match self.stream.write(self.output.as_slices().0) {
                Ok(count) => drop(self.output.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        if self.state == State::Finishing {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if self.state == State::Leaving {
            self.stream.shutdown(Shutdown::Write)?;
            self.state = State::Draining;
        }
        Ok(self.readable)
    }

    fn say(&mut self, text: &str) {
        self.output.extend(text.as_bytes());
        self.output.push_back(b'\n');
    }

    /// Asks for what comes next.
    fn prompt(&mut self) {
        let prompt = match &self.phase {
            _ if self.state != State::Open => return,
            Phase::Username => "Enter username: ",
            Phase::Password { .. } => "Enter password: ",
            Phase::NewPassword { name } => &format!("Enter new password for {name}: "),
            Phase::Confirm { .. } => "Confirm password: ",
            Phase::Command { .. } => PROMPT,
            Phase::Upload { .. } => return,
        };
        self.output.extend(prompt.as_bytes());
    }

    fn leave(&mut self, goodbye: &str, server: &mut Server) {
        if self.state == State::Open {
            self.say(goodbye);
            self.log_out(server);
            (self.state, self.moved) = (State::Leaving, Instant::now());
        }
    }

    /// Gives the name back, if there is one.
    fn log_out(&mut self, server: &mut Server) {
        if let Phase::Command { user } | Phase::Upload { user, .. } = &self.phase {
            server.online.remove(user);
        }
        self.phase = Phase::Username;
    }

    /// Takes a line, or a whole file.
    fn on_piece(&mut self, piece: &[u8], server: &mut Server) {
        if let Phase::Upload { user, line, .. } = &self.phase {
            let Ok(Request::Change(change)) = parse(line) else { return };
            let answer = server.change(user, change, line, piece);
            self.phase = Phase::Command { user: user.clone() };
            return self.say(&answer.unwrap_or_else(|refusal| refusal));
        }
        let Ok(line) = str::from_utf8(piece) else { return self.say("Invalid text") };
        self.on_line(line.trim_end_matches(['\n', '\r']), server);
    }

    fn on_line(&mut self, line: &str, server: &mut Server) {
        // Every path but a refusal says what comes next.
        match std::mem::replace(&mut self.phase, Phase::Username) {
            Phase::Username => self.on_name(line, server),
            Phase::Password { name } if server.forum.users.get(&name).is_some_and(|it| it == line) => {
                self.log_in(name, server);
            }
            Phase::Password { .. } => self.say("Invalid password"),
            Phase::NewPassword { .. } if line.is_empty() || check_text(line, PASSWORD_MAX).is_err() => {
                self.say("Invalid password format")
            }
            Phase::NewPassword { name } => self.phase = Phase::Confirm { name, password: line.to_owned() },
            Phase::Confirm { password, .. } if password != line => self.say("Passwords do not match"),
            Phase::Confirm { name, password } => {
                let change = Change::SignUp { password: &password };
                match server.change(&name, change, &format!("NEW {password}"), b"") {
                    Ok(_) => self.log_in(name, server),
                    Err(refusal) => self.say(&refusal),
                }
            }
            Phase::Command { user } => {
                self.phase = Phase::Command { user: user.clone() };
                self.on_command(&user, line, server);
            }
            upload @ Phase::Upload { .. } => self.phase = upload,
        }
    }

    fn on_name(&mut self, name: &str, server: &Server) {
        if let Err(refusal) = check_name(name, USER_NAME_MAX, "") {
            self.say(&refusal);
        } else if server.online.contains(name) {
            self.say(&format!("{name} has already logged in"));
        } else if server.forum.users.contains_key(name) {
            self.phase = Phase::Password { name: name.to_owned() };
        } else {
            self.phase = Phase::NewPassword { name: name.to_owned() };
        }
    }

    fn log_in(&mut self, name: String, server: &mut Server) {
        // Two may have given the same name at once; the first right password has it.
        if !server.online.insert(name.clone()) {
            return self.say(&format!("{name} has already logged in"));
        }
        self.say("Welcome to the forum");
        self.phase = Phase::Command { user: name };
    }

    fn on_command(&mut self, user: &str, line: &str, server: &mut Server) {
        let answer = match parse(line) {
            Err(_) if line.trim().is_empty() => return,
            Err(wrong) => Err(wrong),
            Ok(Request::Change(Change::Upload { bytes, .. })) if bytes > FILE_MAX => {
                return self.leave(&format!("Limit reached: at most {FILE_MAX} bytes a file"), server);
            }
            Ok(Request::Change(Change::Upload { bytes, .. })) => {
                // Nobody waits for our yes: even the bytes of a file that will be refused come now.
                self.phase = Phase::Upload { user: user.to_owned(), line: line.to_owned(), bytes };
                return;
            }
            Ok(Request::Change(change)) => server.change(user, change, line, b""),
            Ok(Request::List) => Ok(server.forum.list()),
            Ok(Request::Read { title }) => server.forum.thread(title).map(Thread::read),
            Ok(Request::Download { title, file }) => self.download(title, file, &server.forum),
            Ok(Request::Exit) => return self.leave("Goodbye", server),
            Ok(Request::ShutDown { password }) if server.admin_password.as_deref() == Some(password) => {
                server.is_shutting_down = true;
                return self.leave(SHUTTING_DOWN, server);
            }
            Ok(Request::ShutDown { .. }) => Err("Incorrect password".to_owned()),
        };
        self.say(&answer.unwrap_or_else(|refusal| refusal));
    }

    fn download(&mut self, title: &str, file: &str, forum: &Forum) -> Result<String, String> {
        let bytes = forum.thread(title)?.file(file);
        let bytes = bytes.ok_or_else(|| format!("File does not exist in Thread {title}"))?;
        self.say(&bytes.len().to_string());
        self.output.extend(bytes);
        Ok(format!("{file} successfully downloaded"))
    }
}

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().map_or(Ok(12345), |port| port.parse()).map_err(io::Error::other)?;
    let admin_password = arguments.next().filter(|password| !password.is_empty());
    let (log, forum) = Log::open(&arguments.next().unwrap_or("forum.log".to_owned()))?;
    let mut listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port).into())?;
    let poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    writeln!(io::stderr(), "listening on {}", listener.local_addr()?)?;
    let server = Server { forum, log, online: HashSet::new(), admin_password, is_shutting_down: false };
    let (connections, ready, next_token) = (HashMap::new(), BTreeSet::new(), LISTENER.0 + 1);
    Reactor { poll, listener: Some(listener), connections, ready, next_token, server }.run()
}

struct Reactor {
    poll: Poll,
    listener: Option<TcpListener>,
    connections: HashMap<Token, Connection>,
    /// Connections that can go on: the kernel says so, or their last turn ended early.
    ready: BTreeSet<Token>,
    next_token: usize,
    server: Server,
}

impl Reactor {
    /// Takes turns until a shutdown has let everybody go.
    fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(256);
        while self.listener.is_some() || !self.connections.is_empty() {
            self.wait(&mut events)?;
            if self.ready.remove(&LISTENER) {
                self.accept()?;
            }
            self.on_deadlines();
            for token in &self.ready {
                if let Some(connection) = self.connections.get_mut(token) {
                    connection.take_input(&mut self.server);
                }
            }
            // After a failure nobody knows what is on the disk. To end now, with nothing answered, breaks no promise.
            self.server.log.commit()?;
            if self.server.is_shutting_down && self.listener.take().is_some() {
                for (token, connection) in &mut self.connections {
                    connection.leave(SHUTTING_DOWN, &mut self.server);
                    self.ready.insert(*token);
                }
            }
            self.ready.retain(|token| {
                let Some(connection) = self.connections.get_mut(token) else { return false };
                let flushed = connection.flush();
                if flushed.is_err() {
                    connection.log_out(&mut self.server);
                    self.connections.remove(token);
                }
                flushed.unwrap_or(false)
            });
        }
        Ok(())
    }

    /// Waits for events until the next deadline, or only looks whether there are any.
    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        let deadline = self.connections.values().map(Connection::deadline).min();
        let timeout = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        match self.poll.poll(events, if self.ready.is_empty() { timeout } else { Some(Duration::ZERO) }) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => self.ready.extend(events.iter().map(|event| event.token())),
        }
        Ok(())
    }

    fn accept(&mut self) -> io::Result<()> {
        while let Some(Ok((mut stream, _))) = self.listener.as_ref().map(TcpListener::accept) {
            let (token, interest) = (Token(self.next_token), Interest::READABLE | Interest::WRITABLE);
            self.poll.registry().register(&mut stream, token, interest)?;
            self.connections.insert(token, Connection::new(stream));
            self.next_token += 1;
        }
        Ok(())
    }

    /// Says goodbye to those that were silent for too long, and drops those that did not even take that.
    fn on_deadlines(&mut self) {
        let now = Instant::now();
        for (token, connection) in self.connections.iter_mut().filter(|(_, it)| it.deadline() <= now) {
            match connection.state {
                State::Open => connection.leave("\nGoodbye: you were silent for too long", &mut self.server),
                _ => connection.give_up(),
            }
            self.ready.insert(*token);
        }
    }
}
