//! What lies between a socket and its frames: nothing, or TLS. Bytes in, bytes out; nobody above it knows which.
//!
//! ```text
//!               a TLS record                        both are done
//!  Undecided ─────────────────► Handshake (◄► worker) ─────────► Tls
//!      │                             │
//!      └── anything else ──► Plain ◄─┴── it failed: what still comes is thrown away
//! ```
//!
//! Where no TLS is served each connection is [`Layer::Plain`] from the beginning.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::sync::Arc;

use rustls::ServerConnection;

use super::{Connection, PeerEnd, Received, Stream};
use crate::clock::Moment;
use crate::workers::handshakes::{Owner, Step, Stepped};

/// Bytes of a client's part of a handshake. A first message with post-quantum keys has less than 2 KiB.
const HANDSHAKE_BYTES_MAX: usize = 32 * 1_024;

/// How a connection's bytes are spoken. There may be a million of them: what is not plain is elsewhere.
#[derive(Debug)]
pub(in crate::net) enum Layer {
    /// As they are.
    Plain,
    /// Nothing was received yet; the first byte says what is spoken.
    Undecided,
    /// TLS, of which the keys are being agreed on. Nothing of the session is sent.
    Handshake(Box<Handshake>),
    /// TLS.
    Tls(Box<ServerConnection>),
}

/// A handshake, here or with a worker.
#[derive(Debug)]
pub(in crate::net) struct Handshake {
    /// None while a worker has it.
    connection: Option<Box<ServerConnection>>,
    owner: Owner,
    received: usize,
}

impl Handshake {
    pub(in crate::net) fn new(connection: Box<ServerConnection>) -> Self {
        Self { connection: Some(connection), owner: Arc::new(()), received: 0 }
    }

    /// Whether a worker has it.
    pub(in crate::net) fn is_away(&self) -> bool {
        self.connection.is_none()
    }

    /// Takes what was received to a worker.
    ///
    /// # Errors
    /// It is more than any handshake needs.
    pub(in crate::net) fn step(&mut self, received: &[u8]) -> io::Result<Step> {
        self.received += received.len();
        let connection = self.connection.take().filter(|_| self.received <= HANDSHAKE_BYTES_MAX);
        let connection = connection.ok_or_else(|| io::Error::other("the TLS handshake is too long"))?;
        Ok(Step { connection, received: received.to_vec(), owner: Arc::downgrade(&self.owner) })
    }
}

impl Layer {
    /// Whether frames may come and go.
    pub(in crate::net) fn is_open(&self) -> bool {
        matches!(self, Self::Plain | Self::Tls(_))
    }

    /// A worker is done with a step of the handshake.
    ///
    /// # Errors
    /// The handshake failed. What it still has to say of that is to be sent, and nothing else.
    pub(in crate::net) fn stepped(&mut self, stepped: Stepped) -> Result<(), rustls::Error> {
        let Self::Handshake(handshake) = self else { return Ok(()) };
        let Stepped { connection, result } = stepped;
        if result.is_ok() && !connection.is_handshaking() {
            *self = Self::Tls(connection);
        } else {
            handshake.connection = Some(connection);
        }
        result
    }

    /// Writes what TLS has encrypted; says how many bytes that were, and whether it was all.
    pub(in crate::net) fn write_records(&mut self, stream: &mut impl Write) -> io::Result<(usize, bool)> {
        let connection = match self {
            Self::Handshake(handshake) => handshake.connection.as_mut(),
            Self::Tls(connection) => Some(connection),
            Self::Plain | Self::Undecided => None,
        };
        connection.map_or(Ok((0, true)), |connection| write_records(connection, stream))
    }
}

impl<S: Stream> Connection<S> {
    /// Reads what came encrypted.
    pub(super) fn read_encrypted(&mut self, buffer: &mut [u8], now: Moment) -> io::Result<Received> {
        let Layer::Tls(tls) = &mut self.layer else { return Ok(Received::Nothing) };
        let read = match read_decrypted(tls, &mut self.stream, buffer, self.peer_end != PeerEnd::Open) {
            Ok(read) => read,
            Err(error) => {
                // What TLS has to say of that; there is nobody else to tell.
                let _ = self.layer.write_records(&mut self.stream);
                return Err(error);
            }
        };
        self.readable = read.is_more;
        if read.received > 0 {
            self.last_traffic = now;
        }
        Ok(match read.bytes {
            0 if read.is_end => {
                self.input_ended = true;
                Received::End
            }
            0 => Received::Nothing,
            count => Received::Bytes(count),
        })
    }

    /// Writes what TLS has to say, as much as the kernel takes.
    ///
    /// # Errors
    /// The connection is broken.
    pub(in crate::net) fn write_records(&mut self) -> io::Result<()> {
        self.layer.write_records(&mut self.stream).map(drop)
    }

    /// What is between the socket and the frames.
    pub(in crate::net) fn layer(&mut self) -> &mut Layer {
        &mut self.layer
    }

    /// Whether frames may come and go.
    pub(in crate::net) fn is_open(&self) -> bool {
        self.layer.is_open()
    }

    /// From now on bytes are what they are: these were received.
    pub(in crate::net) fn speak_plain(&mut self, received: &[u8]) {
        self.layer = Layer::Plain;
        self.received = received.into();
    }

    /// Says this to somebody who is to be told nothing else. A fresh socket takes it; if not, nothing is lost but a
    /// courtesy.
    pub(in crate::net) fn say(&mut self, word: &[u8]) {
        let _ = self.stream.write(word);
    }
}

fn write_records(tls: &mut ServerConnection, stream: &mut impl Write) -> io::Result<(usize, bool)> {
    let mut bytes = 0;
    while tls.wants_write() {
        match tls.write_tls(stream) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => bytes += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok((bytes, false)),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok((bytes, true))
}

/// Takes plain bytes, and writes them encrypted. What the kernel does not take of a write waits in the TLS connection,
/// and nothing more is taken before that has left.
pub(in crate::net) struct Encrypted<'a, S> {
    pub(in crate::net) tls: &'a mut ServerConnection,
    pub(in crate::net) stream: &'a mut S,
    /// Encrypted bytes that the kernel has taken.
    pub(in crate::net) written: usize,
}

impl<S: Write> Encrypted<'_, S> {
    /// Writes what is encrypted; says whether that was all.
    pub(in crate::net) fn write_records(&mut self) -> io::Result<bool> {
        let (bytes, is_all) = write_records(self.tls, self.stream)?;
        self.written += bytes;
        Ok(is_all)
    }

    fn take(&mut self, take: impl FnOnce(&mut rustls::Writer<'_>) -> io::Result<usize>) -> io::Result<usize> {
        if !self.write_records()? {
            return Err(ErrorKind::WouldBlock.into());
        }
        let taken = take(&mut self.tls.writer())?;
        self.write_records()?;
        Ok(taken)
    }
}

impl<S: Write> Write for Encrypted<'_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.take(|writer| writer.write(bytes))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.take(|writer| writer.write_vectored(slices))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What came of reading encrypted bytes.
#[derive(Debug, Clone, Copy)]
pub(in crate::net) struct Decrypted {
    /// Plain bytes, in the buffer.
    pub(in crate::net) bytes: usize,
    /// Encrypted bytes that came for that.
    pub(in crate::net) received: usize,
    /// The socket may have more, or the TLS connection has.
    pub(in crate::net) is_more: bool,
    /// The peer has said that nothing follows.
    pub(in crate::net) is_end: bool,
}

/// Reads encrypted bytes until the buffer is full of plain ones, or as many have come, or none are there. `expects_end`:
/// the kernel has announced the end, so a short read says nothing.
///
/// # Errors
/// The connection is broken, or was cut off: the peer's FIN came and TLS had not said that it would.
pub(in crate::net) fn read_decrypted(
    tls: &mut ServerConnection,
    stream: &mut impl Read,
    buffer: &mut [u8],
    expects_end: bool,
) -> io::Result<Decrypted> {
    let mut read = Decrypted { bytes: 0, received: 0, is_more: true, is_end: false };
    let mut is_dry = false;
    while read.bytes < buffer.len() && read.received < buffer.len() {
        match tls.reader().read(&mut buffer[read.bytes..]) {
            Ok(0) => {
                read.is_end = true;
                break;
            }
            Ok(count) => read.bytes += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if is_dry {
                    read.is_more = false;
                    break;
                }
                let mut noted = Noted { stream, is_short: false };
                match tls.read_tls(&mut noted) {
                    Ok(count) => {
                        read.received += count;
                        is_dry = noted.is_short && !expects_end;
                        tls.process_new_packets().map_err(io::Error::other)?;
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => is_dry = true,
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            // What came before is taken first.
            Err(_) if read.bytes > 0 => break,
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                return Err(io::Error::new(ErrorKind::UnexpectedEof, "it ended without a close_notify"));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

/// Notes whether a read has emptied the socket.
struct Noted<'a, S> {
    stream: &'a mut S,
    is_short: bool,
}

impl<S: Read> Read for Noted<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(buffer)?;
        self.is_short = count < buffer.len();
        Ok(count)
    }
}
