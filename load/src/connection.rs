//! One connection: bytes in, bytes out, and when the requests that it has not answered yet were due.
//! It knows no protocol and no scenario.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};

use forum_common::tls::Line;
use mio::net::TcpStream;

use crate::kinds::Asked;

/// Bytes that are read at once. A turn goes on with the same connection only if it had as many.
pub const READ_BYTES: usize = 256 * 1024;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It asks.
    Worker,
    /// It speaks, and the listeners hear it.
    Speaker,
    /// It waits for what the speaker says.
    Listener,
    /// It is only there.
    Idle,
}

/// How far a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It logs in, and so many answers make it a ready one.
    Entering(u32),
    /// It is logged in.
    Ready,
    /// It makes what the scenario needs; so many answers are missing.
    Preparing(u32),
    /// It is closed.
    Gone,
}

/// One connection to the server.
#[derive(Debug)]
pub struct Connection {
    /// Its number among all connections of the run, which its user is named after.
    pub number: u32,
    /// What it is for.
    pub role: Role,
    /// How far it has come.
    pub phase: Phase,
    /// When it was begun, or was to be.
    pub begun_ns: u64,
    /// Whether it takes the place of one that was lost.
    pub is_remade: bool,
    /// The requests that were sent and not answered, oldest first.
    pub in_flight: VecDeque<Asked>,
    /// What it has heard of the speaker.
    pub heard: u64,
    /// The newest message that the server wants to hear of that it arrived.
    pub mail: Option<u64>,
    line: Option<Line<TcpStream>>,
    /// The beginning of a message whose end has not come.
    input: Vec<u8>,
    /// What the kernel has not taken.
    output: Vec<u8>,
}

impl Connection {
    /// One that was just begun.
    pub fn new(line: Line<TcpStream>, number: u32, role: Role, begun_ns: u64) -> Self {
        Self {
            number,
            role,
            phase: Phase::Entering(0),
            begun_ns,
            is_remade: false,
            in_flight: VecDeque::new(),
            heard: 0,
            mail: None,
            line: Some(line),
            input: Vec::new(),
            output: Vec::new(),
        }
    }

    /// The place of one that could not be begun.
    pub fn absent(number: u32, role: Role) -> Self {
        Self {
            number,
            role,
            phase: Phase::Gone,
            begun_ns: 0,
            is_remade: false,
            in_flight: VecDeque::new(),
            heard: 0,
            mail: None,
            line: None,
            input: Vec::new(),
            output: Vec::new(),
        }
    }

    /// Reads once into `buffer`, after what was left over. Returns how many bytes are to be looked at, and
    /// whether there may be more; nothing when nothing has come.
    ///
    /// # Errors
    /// The connection has ended.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<(usize, bool)>> {
        let Some(line) = &mut self.line else { return Ok(None) };
        let left = self.input.len();
        if left > buffer.len() - READ_BYTES {
            return Err(io::Error::new(ErrorKind::InvalidData, "the server sent a message without end"));
        }
        let (count, is_more) = match read(line, &mut buffer[left..left + READ_BYTES]) {
            Ok((0, _)) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) => read,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        buffer[..left].copy_from_slice(&self.input);
        Ok(Some((left + count, is_more)))
    }

    /// Keeps what was not used of the bytes that [`Connection::read`] gave.
    pub fn keep(&mut self, rest: &[u8]) {
        self.input.clear();
        self.input.extend_from_slice(rest);
    }

    /// Sends `bytes` after what the kernel has not taken before, as far as it takes them.
    ///
    /// # Errors
    /// The connection has ended.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.output.is_empty() {
            let taken = self.write_once(bytes)?;
            self.output.extend_from_slice(&bytes[taken..]);
            return Ok(());
        }
        self.output.extend_from_slice(bytes);
        let output = std::mem::take(&mut self.output);
        let taken = self.write_once(&output)?;
        self.output = output;
        self.output.drain(..taken);
        Ok(())
    }

    fn write_once(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(line) = &mut self.line else { return Ok(bytes.len()) };
        let mut taken = 0;
        if line.has_unsent() {
            match line.flush() {
                Err(error) if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => {
                    return Err(error);
                }
                _ => {}
            }
        }
        while taken < bytes.len() {
            match line.write(&bytes[taken..]) {
                Ok(count) => taken += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Before a connection is made it takes nothing, either.
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => {
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(taken)
    }

    /// What went wrong with it, as the kernel says.
    pub fn error(&self) -> Option<io::Error> {
        self.line.as_ref()?.stream().take_error().ok()?
    }

    /// Closes it.
    pub fn close(&mut self) {
        self.phase = Phase::Gone;
        self.line = None;
    }
}

/// Reads once; says how many bytes, and whether there may be more. TLS gives what it has a record at a time, and the
/// kernel does not speak up for what is decrypted already: so that is read to its end.
fn read(line: &mut Line<TcpStream>, buffer: &mut [u8]) -> io::Result<(usize, bool)> {
    let mut count = line.read(buffer)?;
    if line.is_encrypted() && count > 0 {
        while count < buffer.len() {
            match line.read(&mut buffer[count..]) {
                Ok(more @ 1..) => count += more,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok((count, false)),
                // The next read finds it again.
                Ok(_) | Err(_) => break,
            }
        }
        return Ok((count, true));
    }
    Ok((count, count == buffer.len()))
}
