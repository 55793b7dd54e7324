//! Rung 5 of `docs/LADDER.md`: a log before the answer. What was answered survives `kill -9` and a power cut.
//!
//! All lines of a turn go to the disk together, with one write and one fsync, before any socket is written to. That is
//! group commit: the more clients there are, the fewer fsyncs each of them costs. To keep the log in sight this is
//! rung 3 again, with no more of rung 4 than that the end of input is not the end of answers; rung 6 has everything.
#![forbid(unsafe_code)]

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::Ipv4Addr;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

const LISTENER: Token = Token(0);
const LINE_MAX: usize = 8_192;
const OUTPUT_MAX: usize = 65_536;

/// The log is the book: memory holds what a replay of the file gives.
struct Book {
    lines: Vec<String>,
    log: File,
    /// Bytes that the log lacks. Nobody was told of them yet.
    batch: String,
}

struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
    output: VecDeque<u8>,
    readable: bool,
    ended: bool,
}

fn main() -> io::Result<()> {
    let port = std::env::args().nth(1).map_or(Ok(12345), |port| port.parse()).map_err(io::Error::other)?;
    let mut book = Book::open(&std::env::args().nth(2).unwrap_or("book.log".to_owned()))?;
    let mut listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port).into())?;
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    writeln!(io::stderr(), "listening on {}", listener.local_addr()?)?;

    let (mut events, mut connections) = (Events::with_capacity(256), HashMap::<_, Connection>::new());
    let (mut ready, mut next_token) = (BTreeSet::new(), LISTENER.0 + 1);
    loop {
        match poll.poll(&mut events, if ready.is_empty() { None } else { Some(Duration::ZERO) }) {
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
        for token in &ready {
            if let Some(connection) = connections.get_mut(token) {
                connection.take_input(&mut book);
            }
        }
        // After a failure nobody knows what is on the disk. To end here, with nothing answered, breaks no promise.
        book.commit()?;
        ready.retain(|token| match connections.get_mut(token).map(Connection::flush) {
            Some(Ok(can_go_on)) => can_go_on,
            Some(Err(_)) | None => {
                connections.remove(token);
                false
            }
        });
    }
}

impl Book {
    fn open(path: &str) -> io::Result<Self> {
        let mut log = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let mut text = Vec::new();
        log.read_to_end(&mut text)?;
        // A crash may have cut off the last line. It was never answered; left there, it would run into the next one.
        text.truncate(text.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1));
        log.set_len(text.len() as u64)?;
        // What the last server wrote may be in the page cache only, and the name of a new file in its directory's.
        log.sync_all()?;
        fs::canonicalize(path)?.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())?;
        let lines = String::from_utf8_lossy(&text).lines().map(|line| format!("{line}\n")).collect();
        Ok(Self { lines, log, batch: String::new() })
    }

    fn answer(&mut self, line: &str) -> String {
        if line == "all" {
            return format!("{}{} messages\n", self.lines.concat(), self.lines.len());
        }
        self.lines.push(format!("{line}\n"));
        self.batch.push_str(&format!("{line}\n"));
        format!("{} {line}\n", self.lines.len())
    }

    fn commit(&mut self) -> io::Result<()> {
        if !self.batch.is_empty() {
            self.log.write_all(self.batch.as_bytes())?;
            // `write` only moves bytes to the page cache, which a power cut empties.
            self.log.sync_data()?;
            self.batch.clear();
        }
        Ok(())
    }
}

impl Connection {
    fn new(stream: TcpStream) -> Self {
        Self { stream, input: Vec::new(), output: VecDeque::new(), readable: true, ended: false }
    }

    fn take_input(&mut self, book: &mut Book) {
        let mut buffer = [0; 16_384];
        self.readable = !self.ended;
        while self.readable && self.output.len() <= OUTPUT_MAX {
            if let Some(end) = self.input.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.input.drain(..=end).collect();
                self.output.extend(book.answer(String::from_utf8_lossy(&line[..end]).trim_end()).as_bytes());
                continue;
            }
            match self.stream.read(&mut buffer) {
                Ok(count) if count > 0 && self.input.len() <= LINE_MAX => {
                    self.input.extend_from_slice(&buffer[..count]);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.readable = false,
                _ => (self.ended, self.readable) = (true, false),
            }
        }
    }

    fn flush(&mut self) -> io::Result<bool> {
        while !self.output.is_empty() {
            match self.stream.write(self.output.as_slices().0) {
                Ok(count) => drop(self.output.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        if self.ended { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(self.readable) }
    }
}
