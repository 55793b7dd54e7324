//! The line to the server: a socket, with TLS on it or without. It never blocks.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};

use forum_common::tls::{NotTrusted, not_trusted};
use rustls::ClientConnection;

/// A socket, with TLS on it or without.
#[derive(Debug)]
pub struct Line {
    stream: TcpStream,
    tls: Option<Box<ClientConnection>>,
    /// The last read took as much as it could: more may have been decrypted, and the socket knows nothing of that.
    may_have_more: bool,
}

/// Why a handshake did not come to its end.
#[derive(Debug)]
pub enum Unsafe {
    /// The server's certificate is not trusted.
    NotTrusted(NotTrusted),
    /// Anything else.
    Failed(io::Error),
}

impl Line {
    /// Without TLS.
    pub fn plain(stream: TcpStream) -> Self {
        Self { stream, tls: None, may_have_more: false }
    }

    /// With TLS, of which nothing was said yet.
    pub fn tls(stream: TcpStream, tls: ClientConnection) -> Self {
        Self { stream, tls: Some(Box::new(tls)), may_have_more: false }
    }

    /// The socket.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Goes on with the handshake; says whether it is over.
    ///
    /// # Errors
    /// It failed.
    pub fn shake_hands(&mut self) -> Result<bool, Unsafe> {
        let Self { stream, tls: Some(tls), .. } = self else { return Ok(true) };
        loop {
            match step(tls, stream) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(Unsafe::Failed(error)) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether there may be something to read of which the socket knows nothing.
    pub fn may_have_more(&self) -> bool {
        self.may_have_more
    }

    /// Whether something waits to be written that was taken already.
    pub fn has_unsent(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }

    /// Says that nothing more will come, as far as that goes without waiting.
    pub fn hang_up(&mut self) {
        if let Self { stream, tls: Some(tls), .. } = self {
            tls.send_close_notify();
            let _ = write_records(tls, stream);
        }
    }
}

/// Takes the next step of a handshake; says whether it was the last.
fn step(tls: &mut ClientConnection, stream: &mut TcpStream) -> Result<bool, Unsafe> {
    write_records(tls, stream).map_err(Unsafe::Failed)?;
    if !tls.is_handshaking() {
        return Ok(true);
    }
    match tls.read_tls(stream) {
        Ok(0) => return Err(Unsafe::Failed(ErrorKind::ConnectionReset.into())),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::Interrupted => {}
        Err(error) => return Err(Unsafe::Failed(error)),
    }
    if let Err(error) = tls.process_new_packets() {
        // The server is told why; if not, that is its loss.
        let _ = write_records(tls, stream);
        return Err(not_trusted(&error).map_or_else(|| failed(&error), Unsafe::NotTrusted));
    }
    Ok(false)
}

fn failed(error: &rustls::Error) -> Unsafe {
    let why = match error {
        rustls::Error::InvalidMessage(_) => "it does not speak TLS".to_owned(),
        error => format!("TLS: {error}"),
    };
    Unsafe::Failed(io::Error::other(why))
}

/// Writes what is encrypted.
fn write_records(tls: &mut ClientConnection, stream: &mut TcpStream) -> io::Result<()> {
    while tls.wants_write() {
        match tls.write_tls(stream) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => drop(result?),
        }
    }
    Ok(())
}

impl AsFd for Line {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl Read for Line {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Self { stream, tls: Some(tls), may_have_more } = self else { return self.stream.read(buffer) };
        *may_have_more = false;
        loop {
            match tls.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                    return Err(io::Error::new(ErrorKind::UnexpectedEof, "it was cut off"));
                }
                result => {
                    *may_have_more = result.as_ref().is_ok_and(|count| *count == buffer.len());
                    return result;
                }
            }
            tls.read_tls(stream)?;
            tls.process_new_packets().map_err(|error| io::Error::other(format!("TLS: {error}")))?;
        }
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Self { stream, tls: Some(tls), .. } = self else { return self.stream.write(bytes) };
        write_records(tls, stream)?;
        let taken = tls.writer().write(bytes)?;
        match write_records(tls, stream) {
            // It is encrypted, and goes out later.
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(taken),
            result => result.map(|()| taken),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self { stream, tls: Some(tls), .. } => write_records(tls, stream),
            Self { stream, .. } => stream.flush(),
        }
    }
}
