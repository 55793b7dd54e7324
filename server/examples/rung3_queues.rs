//! Rung 3 of `docs/LADDER.md`: output queues and backpressure. No answer is lost, and no client fills our memory.
//!
//! What the kernel doesn't take waits in a queue. A client that doesn't read its answers is not read either: its next
//! lines wait in the kernel, then its own writes block. That is all that backpressure is. Still wrong, and marked: a
//! connection is dropped at the end of its input, together with what waits for it.
#![forbid(unsafe_code)]

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io::{self, Read, Write};
use std::net::Ipv4Addr;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

const LISTENER: Token = Token(0);
/// Bytes of a line at most.
const LINE_MAX: usize = 8_192;
/// Bytes of answers that wait for a client when it is asked for no more. The last answer may go over it.
const OUTPUT_MAX: usize = 65_536;

struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
    output: VecDeque<u8>,
    /// The kernel may have more for us: it has not said `WouldBlock` since its last event.
    readable: bool,
}

fn main() -> io::Result<()> {
    let port = std::env::args().nth(1).map_or(Ok(12345), |port| port.parse()).map_err(io::Error::other)?;
    let mut listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port).into())?;
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    writeln!(io::stderr(), "listening on {}", listener.local_addr()?)?;

    let (mut events, mut connections) = (Events::with_capacity(256), HashMap::<_, Connection>::new());
    let (mut book, mut next_token) = (Vec::new(), LISTENER.0 + 1);
    // Connections that can go on: the kernel says so, or their last turn ended early.
    let mut ready = BTreeSet::new();
    loop {
        match poll.poll(&mut events, if ready.is_empty() { None } else { Some(Duration::ZERO) }) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => ready.extend(events.iter().map(|event| event.token())),
        }
        if ready.remove(&LISTENER) {
            while let Ok((mut stream, _)) = listener.accept() {
                // Both at once and for good: changing one's mind costs a system call each time.
                let interest = Interest::READABLE | Interest::WRITABLE;
                poll.registry().register(&mut stream, Token(next_token), interest)?;
                connections.insert(Token(next_token), Connection::new(stream));
                next_token += 1;
            }
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
        Self { stream, input: Vec::new(), output: VecDeque::new(), readable: true }
    }

    /// Answers lines until there are no more, or too much waits to be written. Says whether it can go on although no
    /// event will come; an error is its end.
    fn turn(&mut self, book: &mut Vec<String>) -> io::Result<bool> {
        self.readable = true;
        while self.readable && self.output.len() <= OUTPUT_MAX {
            // Lines that were read earlier go first: a full queue may have held them up.
            if let Some(line) = self.next_line() {
                self.output.extend(answer(&line, book).as_bytes());
            } else if self.input.len() > LINE_MAX {
                self.output.extend(b"Goodbye: that line is too long\n");
                self.flush()?;
                // Wrong: input that was not read turns the FIN of this close into an RST.
                return Err(io::ErrorKind::InvalidData.into());
            } else {
                self.read()?;
            }
        }
        self.flush()?;
        // A full queue may have ended the loop, and the kernel has emptied it since.
        Ok(self.readable && self.output.len() <= OUTPUT_MAX)
    }

    fn read(&mut self) -> io::Result<()> {
        let mut buffer = [0; 16_384];
        match self.stream.read(&mut buffer) {
            // Wrong: the client has only said that it will send no more. It still wants its answers.
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => self.input.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.readable = false,
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Takes the next whole line, without its end.
    fn next_line(&mut self) -> Option<String> {
        let end = self.input.iter().position(|&byte| byte == b'\n')?;
        let line: Vec<u8> = self.input.drain(..=end).collect();
        Some(String::from_utf8_lossy(&line[..end]).trim_end().to_owned())
    }

    /// Writes what the kernel takes. If that is not all, an event will say when it takes more.
    fn flush(&mut self) -> io::Result<()> {
        while !self.output.is_empty() {
            match self.stream.write(self.output.as_slices().0) {
                Ok(count) => drop(self.output.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn answer(line: &str, book: &mut Vec<String>) -> String {
    if line == "all" {
        return format!("{}{} messages\n", book.concat(), book.len());
    }
    book.push(format!("{line}\n"));
    format!("{} {line}\n", book.len())
}
