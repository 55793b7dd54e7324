//! The line to a server: a socket, with TLS on it or without. It blocks if the socket does.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

use rustls::ClientConnection;

use super::{NotTrusted, not_trusted};

/// A socket, with TLS on it or without.
#[derive(Debug)]
pub struct Line<S> {
    stream: S,
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

impl<S: Read + Write> Line<S> {
    /// Without TLS.
    pub fn plain(stream: S) -> Self {
        Self { stream, tls: None, may_have_more: false }
    }

    /// With TLS, of which nothing was said yet.
    pub fn tls(stream: S, tls: ClientConnection) -> Self {
        Self { stream, tls: Some(Box::new(tls)), may_have_more: false }
    }

    /// The socket.
    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// The socket.
    pub fn stream_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Whether there is TLS on it.
    pub fn is_encrypted(&self) -> bool {
        self.tls.is_some()
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
fn step(tls: &mut ClientConnection, stream: &mut (impl Read + Write)) -> Result<bool, Unsafe> {
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
        return Err(not_trusted(&error).map_or_else(|| Unsafe::Failed(in_words(&error)), Unsafe::NotTrusted));
    }
    Ok(false)
}

fn in_words(error: &rustls::Error) -> io::Error {
    let why = match (error, not_trusted(error)) {
        (_, Some(why)) => format!("the server is not trusted: {why}"),
        (rustls::Error::InvalidMessage(_), _) => "it does not speak TLS".to_owned(),
        _ => format!("TLS: {error}"),
    };
    io::Error::other(why)
}

/// Writes what is encrypted.
fn write_records(tls: &mut ClientConnection, stream: &mut impl Write) -> io::Result<()> {
    while tls.wants_write() {
        match tls.write_tls(stream) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => drop(result?),
        }
    }
    Ok(())
}

impl<S: AsFd> AsFd for Line<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl<S: Read + Write> Read for Line<S> {
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
            let processed = tls.process_new_packets();
            // A handshake goes on by itself; who sees to it beforehand is told more when it fails.
            if let Err(error) = write_records(tls, stream)
                && error.kind() != ErrorKind::WouldBlock
            {
                return Err(error);
            }
            processed.map_err(|error| in_words(&error))?;
        }
    }
}

impl<S: Read + Write> Write for Line<S> {
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
