//! Rung 4 of `docs/LADDER.md`: endings. No last answer is lost, and no silence is kept for ever.
//!
//! ```text
//!  ┌──────── their FIN ─────► Finishing ── all is written ──► over
//! Open                           ▲  their FIN: nothing is left
//!  └─ our goodbye ─► Leaving ────┴─ all is written: our FIN ──► Draining
//! ```
//! An error ends a connection in every state, and so does a deadline that passes in any other than `Open`.
#![forbid(unsafe_code)]

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown};
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

const LISTENER: Token = Token(0);
const LINE_MAX: usize = 8_192;
const OUTPUT_MAX: usize = 65_536;

#[derive(PartialEq, PartialOrd)]
enum State {
    Open,
    Finishing,
    Leaving,
    Draining,
}

struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
    output: VecDeque<u8>,
    readable: bool,
    state: State,
    /// When bytes last moved, in either direction; from `Leaving` on, when that began.
    moved: Instant,
}

fn main() -> io::Result<()> {
    let argument = |n, default| std::env::args().nth(n).map_or(Ok(default), |argument| argument.parse());
    let port = argument(1, 12345).map_err(io::Error::other)?;
    let silence_max = Duration::from_secs(argument(2, 60).map_err(io::Error::other)?.into());
    let mut listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port).into())?;
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    writeln!(io::stderr(), "listening on {}", listener.local_addr()?)?;
    let (mut events, mut connections) = (Events::with_capacity(256), HashMap::<_, Connection>::new());
    let (mut book, mut ready, mut next_token) = (Vec::new(), BTreeSet::new(), LISTENER.0 + 1);
    loop {
        let oldest = connections.values().map(|connection| connection.moved).min();
        let timeout = oldest.map(|moved| (moved + silence_max).saturating_duration_since(Instant::now()));
        match poll.poll(&mut events, if ready.is_empty() { timeout } else { Some(Duration::ZERO) }) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => ready.extend(events.iter().map(|event| event.token())),
        }
        if ready.remove(&LISTENER) {
            while let Ok((mut stream, _)) = listener.accept() {
                let interest = Interest::READABLE | Interest::WRITABLE;
                poll.registry().register(&mut stream, Token(next_token), interest)?;
                connections.insert(Token(next_token), Connection::new(stream));
                next_token += 1;
            }
        }
        let now = Instant::now();
        let silent = |connection: &Connection| connection.moved + silence_max <= now;
        // Nothing more is owed to one that doesn't even take its goodbye.
        connections.retain(|_, connection| connection.state == State::Open || !silent(connection));
        for (token, connection) in connections.iter_mut().filter(|(_, connection)| silent(connection)) {
            connection.leave("Goodbye: you were silent for too long\n");
            ready.insert(*token);
        }
        ready.retain(|token| match connections.get_mut(token).map(|connection| connection.turn(&mut book)) {
            Some(Ok(can_go_on)) => can_go_on,
            Some(Err(_)) | None => {
                connections.remove(token);
                false
            }
        });
    }
}

impl Connection {
    fn new(stream: TcpStream) -> Self {
        let (input, output, moved) = (Vec::new(), VecDeque::new(), Instant::now());
        Self { stream, input, output, readable: true, state: State::Open, moved }
    }

    fn turn(&mut self, book: &mut Vec<String>) -> io::Result<bool> {
        self.readable = self.state != State::Finishing;
        if self.state < State::Leaving {
            self.moved = Instant::now();
        }
        while self.state == State::Open && self.readable && self.output.len() <= OUTPUT_MAX {
            if let Some(end) = self.input.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.input.drain(..=end).collect();
                self.output.extend(answer(String::from_utf8_lossy(&line[..end]).trim_end(), book).as_bytes());
            } else if self.input.len() > LINE_MAX {
                self.leave("Goodbye: that line is too long\n");
            } else {
                self.read()?;
            }
        }
        if self.state >= State::Leaving {
            // Input left unread would turn our FIN into an RST. One read a turn: a flood holds up nobody else.
            self.read()?;
            self.input.clear();
        }
        while !self.output.is_empty() {
            match self.stream.write(self.output.as_slices().0) {
                Ok(count) => drop(self.output.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        if self.state == State::Finishing && self.output.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if self.state == State::Leaving && self.output.is_empty() {
            self.stream.shutdown(Shutdown::Write)?;
            self.state = State::Draining; // Each `shutdown` causes an event: done in every turn, it would never end.
        }
        Ok(self.readable && self.output.len() <= OUTPUT_MAX)
    }

    fn read(&mut self) -> io::Result<()> {
        let mut buffer = [0; 16_384];
        match self.stream.read(&mut buffer) {
            Ok(0) => (self.state, self.readable) = (State::Finishing, false),
            Ok(count) => self.input.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.readable = false,
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn leave(&mut self, goodbye: &str) {
        self.output.extend(goodbye.as_bytes());
        (self.state, self.moved) = (State::Leaving, Instant::now());
    }
}

fn answer(line: &str, book: &mut Vec<String>) -> String {
    if line == "all" {
        return format!("{}{} messages\n", book.concat(), book.len());
    }
    book.push(format!("{line}\n"));
    format!("{} {line}\n", book.len())
}
