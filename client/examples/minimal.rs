//! The client to read first: one `poll` over standard input and the socket, and no line editor.
//!
//! `cargo run -p forum --example minimal -- HOST PORT`, then type: a user name, a password, and for a new name the
//! password again; then commands, which `help` lists. It does what is one request and its answer. Files, private
//! conversations and SRB need `forum`, which also hides passwords, reconnects, and has a line of its own for typing.
//!
//! ```text
//! Name ─► Password ─┬─ known ───────────────────────► Commands
//!   ▲               └─ new ──► Confirmation ─────────────┘
//!   └──── refused ──────┴───────────┘
//! ```
#![forbid(unsafe_code)]

use std::io::{self, IsTerminal, Read, Write};
use std::net::TcpStream;
use std::time::{SystemTime, UNIX_EPOCH};

use forum_common::escape::for_terminal;
use forum_common::text::{self, Command, Listing, Now, Reader, Shown, Zone, lines, prompts};
use forum_common::wire::{Event, Notice, Reply, Request, VERSION};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::retry_on_intr;

/// The protocol, without any I/O. What it notes of a request is the listing that answers it, if one does.
type Peer = forum_common::wire::Peer<Option<Listing>>;

/// What the next line is.
enum Stage {
    Name,
    Password { is_known: bool },
    Confirmation { password: String },
    Commands,
}

struct Session {
    stage: Stage,
    /// The name that was sent last.
    name: String,
    /// What was typed and not taken, and whether that was all.
    typed: (Vec<u8>, bool),
    /// The server's zone, in which people write times.
    zone: Zone,
    /// The server has said its last word, or was asked for it.
    leaving: bool,
}

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(host), Some(port)) = (arguments.next(), arguments.next()) else {
        return Err(io::Error::other("usage: minimal HOST PORT"));
    };
    let mut stream = TcpStream::connect(format!("{host}:{port}"))?;
    stream.set_nonblocking(true)?;
    let (stdin, mut peer) = (io::stdin(), Peer::default());
    peer.ask(&Request::ClientHello { version: VERSION, client: "minimal", presence: true }, None);
    let (stage, name, typed) = (Stage::Name, String::new(), (Vec::new(), false));
    let mut session = Session { stage, name, typed, zone: Zone::utc(), leaving: false };
    loop {
        let wants_line = session.take_lines(&mut peer)?;
        send(&mut stream, &mut peer);
        if session.leaving && peer.unanswered().next().is_none() {
            return Ok(());
        }
        let writes = if peer.unsent().is_empty() { PollFlags::empty() } else { PollFlags::OUT };
        let mut fds = vec![PollFd::new(&stream, PollFlags::IN | writes)];
        if wants_line {
            fds.push(PollFd::new(&stdin, PollFlags::IN));
        }
        retry_on_intr(|| poll(&mut fds, None))?;
        let is_ready = |fd: &PollFd<'_>| !fd.revents().is_empty();
        let (server, user) = (is_ready(&fds[0]), fds.get(1).is_some_and(is_ready));
        if user {
            // Not with `Stdin::read`: that has a buffer of its own, and `poll` doesn't know what lies in there.
            let mut buffer = [0; 4_096];
            let count = retry_on_intr(|| rustix::io::read(&stdin, &mut buffer))?;
            session.typed.0.extend_from_slice(&buffer[..count]);
            session.typed.1 = count == 0;
        }
        if server {
            match stream.read(peer.input().space()) {
                Ok(0) => {
                    return if session.leaving { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
                }
                Ok(count) => peer.input().filled(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        while let Some(event) = peer.next_event().map_err(io::Error::other)? {
            if let Some(request) = session.on_event(event)? {
                peer.tell(&request);
            }
        }
    }
}

/// Sends what the kernel takes. A failure is not told here: the server may have said why, and that is read first.
fn send(stream: &mut TcpStream, peer: &mut Peer) {
    while !peer.unsent().is_empty() {
        match stream.write(peer.unsent()) {
            Ok(count) => peer.sent(count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(_) => peer.sent(peer.unsent().len()),
        }
    }
}

impl Session {
    /// The next line. The last one counts even without its end.
    fn line(&mut self) -> Option<String> {
        let (bytes, ended) = &mut self.typed;
        let end = bytes.iter().position(|&byte| byte == b'\n').map(|end| end + 1);
        let end = end.or((*ended && !bytes.is_empty()).then_some(bytes.len()))?;
        let line: Vec<u8> = bytes.drain(..end).collect();
        Some(String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned())
    }

    /// Takes lines while nothing is unanswered: one request at a time. Says whether another one is wanted.
    fn take_lines(&mut self, peer: &mut Peer) -> io::Result<bool> {
        while peer.unanswered().next().is_none() && !self.leaving {
            if let Some(line) = self.line() {
                self.on_line(&line, peer)?;
            } else if !self.typed.1 {
                return self.prompt().map(|()| true);
            } else {
                self.leaving = true;
                if matches!(self.stage, Stage::Commands) {
                    peer.ask(&Request::LogOut, None);
                }
            }
        }
        Ok(false)
    }

    fn prompt(&self) -> io::Result<()> {
        let prompt = match self.stage {
            _ if !io::stdin().is_terminal() => return Ok(()),
            Stage::Name => prompts::USERNAME,
            Stage::Password { is_known: true } => prompts::PASSWORD,
            Stage::Password { is_known: false } => &prompts::new_account(&self.name),
            Stage::Confirmation { .. } => prompts::CONFIRM_PASSWORD,
            Stage::Commands => prompts::SHORT,
        };
        write!(io::stdout(), "{prompt}")?;
        io::stdout().flush()
    }

    fn on_line(&mut self, line: &str, peer: &mut Peer) -> io::Result<()> {
        let request = match &self.stage {
            Stage::Name => {
                self.name = line.to_owned();
                Request::LogIn { name: line, udp_port: 0, take_over: None, session: None }
            }
            Stage::Password { is_known: true } => Request::Password { password: line },
            Stage::Password { is_known: false } => {
                self.stage = Stage::Confirmation { password: line.to_owned() };
                return Ok(());
            }
            Stage::Confirmation { password } => Request::SignUp { password, confirmation: line },
            Stage::Commands => return self.on_command(line, peer),
        };
        peer.ask(&request, None);
        Ok(())
    }

    fn on_command(&mut self, line: &str, peer: &mut Peer) -> io::Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
        match text::parse(line, Now { zone: &self.zone, ms: now.as_millis() as u64 }) {
            Ok(None) => Ok(()),
            Ok(Some(Command::Ask(request))) => {
                self.leaving = request == Request::LogOut;
                peer.ask(&request, Listing::answering(&request));
                Ok(())
            }
            Ok(Some(Command::Help(word))) => match text::commands::help(word) {
                Ok(lines) => lines.iter().try_for_each(|line| show(line)),
                Err(error) => complain(&error.to_string()),
            },
            Ok(Some(_)) => complain("This client can't do that, but `forum` can"),
            Err(error) => complain(&error.to_string()),
        }
    }

    /// Shows what has come. The request, if there is one, says so to the server.
    fn on_event(&mut self, event: Event<'_, Option<Listing>>) -> io::Result<Option<Request<'static>>> {
        match event {
            Event::Notice(notice) => {
                if let Some(line) = lines::notice(&notice, Reader::Program) {
                    show(&line)?;
                }
                self.leaving |= matches!(notice, Notice::Closing { .. });
                return Ok(match notice {
                    // It was shown. What is never acknowledged comes again at the next log-in.
                    Notice::Message { number, .. } => Some(Request::AckMessages { up_to: number }),
                    Notice::PrivateQuestion { link, .. } | Notice::FileQuestion { link, .. } => {
                        Some(Request::AnswerQuestion { link, yes: false })
                    }
                    _ => None,
                });
            }
            Event::Item(_, Some(listing), reply) => self.list(listing, &reply)?,
            Event::Answer(_, Some(mut listing), reply) => self.list(&mut listing, &reply)?,
            Event::Answer(_, None, reply) => self.on_answer(&reply)?,
            // No request of this client is answered so.
            Event::Item(..) | Event::Starts(..) | Event::Transfer(..) | Event::Downloaded(..) => {}
        }
        Ok(None)
    }

    /// Shows an item of a list, or what stands in place of none.
    fn list(&mut self, listing: &mut Listing, reply: &Reply<'_>) -> io::Result<()> {
        match listing.take(reply, &self.zone) {
            Shown::Item { heading, line } => heading.iter().chain([&line]).try_for_each(|line| show(line)),
            Shown::End { instead } => instead.iter().try_for_each(|line| show(line)),
            Shown::Foreign => self.on_answer(reply),
        }
    }

    fn on_answer(&mut self, reply: &Reply<'_>) -> io::Result<()> {
        match *reply {
            Reply::ServerHello { zone, .. } => self.zone = Zone::named(zone).unwrap_or_else(Zone::utc),
            Reply::PasswordWanted { known } => self.stage = Stage::Password { is_known: known },
            Reply::Refused { text, code, .. } => {
                if !matches!(self.stage, Stage::Commands) {
                    self.stage = Stage::Name;
                }
                self.leaving |= code.closes();
                complain(text)?;
            }
            Reply::Welcome { text, .. } => {
                self.stage = Stage::Commands;
                show(text)?;
            }
            Reply::Done { text: "", .. } => {} // Of a broadcast nothing is said.
            Reply::Done { text, .. } | Reply::Posted { text, .. } => show(text)?,
            Reply::ThreadCreated { text, .. } => show(text)?,
            _ => {}
        }
        Ok(())
    }
}

/// Shows a line. What came from elsewhere must not drive the terminal.
fn show(line: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{}", for_terminal(line))
}

fn complain(text: &str) -> io::Result<()> {
    text.lines().try_for_each(|line| writeln!(io::stderr(), "{}", for_terminal(line)))
}
