//! Rung 2 of `docs/LADDER.md`: framing. A message is a line, however the network cuts it.
//!
//! What comes is collected until a line is complete, and is read until the kernel says that there is no more. Still
//! wrong, and marked: one write is believed to take all it is given.
#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

const LISTENER: Token = Token(0);

/// Bytes of a line at most. Without a limit, a line that never ends takes all the memory there is.
const LINE_MAX: usize = 8_192;

struct Connection {
    stream: TcpStream,
    /// What came and was not answered: the beginning of a line.
    input: Vec<u8>,
}

fn main() -> io::Result<()> {
    let port = std::env::args().nth(1).map_or(Ok(12345), |port| port.parse()).map_err(io::Error::other)?;
    let mut listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    writeln!(io::stderr(), "listening on {}", listener.local_addr()?)?;

    let mut events = Events::with_capacity(256);
    let mut connections: HashMap<Token, Connection> = HashMap::new();
    let mut next_token = LISTENER.0 + 1;
    let mut book = Vec::new();
    loop {
        wait(&mut poll, &mut events)?;
        for event in &events {
            let token = event.token();
            if token == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    poll.registry().register(&mut stream, Token(next_token), Interest::READABLE)?;
                    connections.insert(Token(next_token), Connection { stream, input: Vec::new() });
                    next_token += 1;
                }
            } else if let Some(connection) = connections.get_mut(&token)
                && !connection.on_readable(&mut book).unwrap_or(false)
            {
                connections.remove(&token);
            }
        }
    }
}

/// Waits for events. A signal ends the wait early, which is no error.
fn wait(poll: &mut Poll, events: &mut Events) -> io::Result<()> {
    match poll.poll(events, None) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
        other => other,
    }
}

impl Connection {
    /// Answers all lines that came; false when the connection is over.
    fn on_readable(&mut self, book: &mut Vec<String>) -> io::Result<bool> {
        let mut buffer = [0; 16_384];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(false),
                Ok(count) => self.input.extend_from_slice(&buffer[..count]),
                // Only now does the kernel owe us another event.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return Err(error),
            }
            while let Some(line) = self.next_line() {
                // Wrong: the kernel takes what its buffer has room for. The rest is lost here.
                let _taken = self.stream.write(answer(&line, book).as_bytes())?;
            }
            if self.input.len() > LINE_MAX {
                return Ok(false);
            }
        }
    }

    /// Takes the next whole line, without its end.
    fn next_line(&mut self) -> Option<String> {
        let end = self.input.iter().position(|&byte| byte == b'\n')?;
        let line: Vec<u8> = self.input.drain(..=end).collect();
        Some(String::from_utf8_lossy(&line[..end]).trim_end().to_owned())
    }
}

fn answer(line: &str, book: &mut Vec<String>) -> String {
    if line == "all" {
        let lines: String = book.iter().map(|line| format!("{line}\n")).collect();
        return format!("{lines}{} messages\n", book.len());
    }
    book.push(line.to_owned());
    format!("{} {line}\n", book.len())
}
