//! Rung 1 of `docs/LADDER.md`: a guest book that works at the keyboard, and loses bytes everywhere else.
//!
//! A message is kept and echoed with its number; the message `all` is answered with the whole book. Three beliefs in
//! here are wrong, and marked: that one read is one message, that one read takes all there is, and that one write
//! takes all it is given.
#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

const LISTENER: Token = Token(0);

fn main() -> io::Result<()> {
    let port = std::env::args().nth(1).map_or(Ok(12345), |port| port.parse()).map_err(io::Error::other)?;
    let mut listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    writeln!(io::stderr(), "listening on {}", listener.local_addr()?)?;

    let mut events = Events::with_capacity(256);
    let mut streams: HashMap<Token, TcpStream> = HashMap::new();
    let mut next_token = LISTENER.0 + 1;
    let mut book = Vec::new();
    loop {
        wait(&mut poll, &mut events)?;
        for event in &events {
            let token = event.token();
            if token == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    poll.registry().register(&mut stream, Token(next_token), Interest::READABLE)?;
                    streams.insert(Token(next_token), stream);
                    next_token += 1;
                }
            } else if let Some(stream) = streams.get_mut(&token)
                && !on_readable(stream, &mut book).unwrap_or(false)
            {
                streams.remove(&token);
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

/// Answers what came; false at the end of the stream.
fn on_readable(stream: &mut TcpStream, book: &mut Vec<String>) -> io::Result<bool> {
    let mut buffer = [0; 1_024];
    // Wrong: there may be more. The kernel says once that a socket became readable, and not again for the rest.
    let count = stream.read(&mut buffer)?;
    if count == 0 {
        return Ok(false);
    }
    // Wrong: this may be half a message, or two. TCP carries a stream of bytes and knows nothing of messages.
    let message = String::from_utf8_lossy(&buffer[..count]);
    let answer = answer(message.trim_end(), book);
    // Wrong: the kernel takes what its buffer has room for and says how much that was. The rest is lost here.
    let _taken = stream.write(answer.as_bytes())?;
    Ok(true)
}

fn answer(message: &str, book: &mut Vec<String>) -> String {
    if message == "all" {
        let lines: String = book.iter().map(|line| format!("{line}\n")).collect();
        return format!("{lines}{} messages\n", book.len());
    }
    book.push(message.to_owned());
    format!("{} {message}\n", book.len())
}
