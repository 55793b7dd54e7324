//! One connection: bytes in, bytes out, and how much of each it may hold. It knows no users and no frames'
//! meanings.

mod layer;

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;

use forum_common::limits::FRAME_BYTES_MAX;
use forum_common::text::Zone;
use socket2::{SockRef, TcpKeepalive};

pub(super) use self::layer::{Handshake, Layer};

use self::layer::Encrypted;
use crate::clock::Moment;
use crate::core::outbox::{Outbox, Written};
use crate::core::probes::SILENCE;
use crate::session::share::Share;
use crate::session::{ConnectionId, Text, text};

/// The loop's one read buffer: what was left of an unfinished frame, and a share behind it.
pub const SCRATCH_BYTES: usize = FRAME_BYTES_MAX + Share::LARGEST.bytes;

/// What a connection needs of its socket.
pub trait Stream: Read + Write {
    /// Sends FIN after what was written; reading goes on.
    ///
    /// # Errors
    /// Those of the operating system.
    fn shutdown_write(&mut self) -> io::Result<()>;

    /// Why the connection died; none if it lives.
    fn take_death(&mut self) -> Option<io::Error>;

    /// From now on the kernel asks by itself whether a peer that says nothing is still there.
    fn watch_silence(&self);
}

impl Stream for mio::net::TcpStream {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }

    fn take_death(&mut self) -> Option<io::Error> {
        self.take_error().unwrap_or_else(Some)
    }

    fn watch_silence(&self) {
        let keepalive = TcpKeepalive::new().with_time(SILENCE).with_interval(SILENCE);
        // Without it a peer that vanished is found when it is told something.
        let _ = SockRef::from(self).set_tcp_keepalive(&keepalive);
    }
}

/// What the kernel has said of the other end. Of what it says it takes nothing back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PeerEnd {
    /// It may send more.
    Open,
    /// It has sent FIN, which may wait after bytes.
    Finished,
    /// It has reset the connection, or answers no more.
    Died,
}

/// A socket with its buffers. Idle, it owns none.
#[derive(Debug)]
pub struct Connection<S> {
    stream: S,
    /// What is between the socket and the frames.
    layer: Layer,
    /// Bytes that were read and not taken: an unfinished frame, or frames that have to wait.
    pub received: Box<[u8]>,
    /// Edge-triggered: stays true until a read says would-block.
    readable: bool,
    /// Likewise for writing.
    writable: bool,
    /// Since when the kernel has taken nothing of what waits; none while it takes all.
    stalled_since: Option<Moment>,
    /// When bytes were last read or written.
    last_traffic: Moment,
    peer_end: PeerEnd,
    /// The peer's FIN was read.
    input_ended: bool,
}

/// What a read brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// So many bytes, at least one.
    Bytes(usize),
    /// Nothing now.
    Nothing,
    /// Nothing any more: the peer sent FIN.
    End,
}

impl<S: Stream> Connection<S> {
    /// A connection on a fresh socket: writable until it says otherwise, readable when the kernel says so.
    pub(super) fn new(stream: S, layer: Layer, now: Moment) -> Self {
        Self {
            stream,
            layer,
            received: Box::default(),
            readable: false,
            writable: true,
            stalled_since: None,
            last_traffic: now,
            peer_end: PeerEnd::Open,
            input_ended: false,
        }
    }

    /// The socket itself, for registering it.
    pub fn stream_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// The kernel says that reading may bring something, and what it knows of the other end.
    pub fn mark_readable(&mut self, peer_end: PeerEnd) {
        self.readable = true;
        self.peer_end = self.peer_end.max(peer_end);
    }

    /// The kernel says that it takes bytes; says whether it took none before.
    pub fn mark_writable(&mut self) -> bool {
        !std::mem::replace(&mut self.writable, true)
    }

    /// Whether a read may bring something.
    pub fn is_readable(&self) -> bool {
        self.readable && !self.input_ended
    }

    /// Whether the peer sent FIN and all before it was read.
    pub fn input_ended(&self) -> bool {
        self.input_ended
    }

    /// Why the connection died, once the kernel has said so. Bytes that came before may still be there to be read.
    pub fn death(&mut self) -> Option<io::Error> {
        let has_died = self.peer_end == PeerEnd::Died;
        has_died.then(|| self.stream.take_death().unwrap_or_else(|| ErrorKind::ConnectionReset.into()))
    }

    /// Since when the kernel has taken nothing of what waits; none while nothing waits for it.
    pub fn stalled_since(&self) -> Option<Moment> {
        self.stalled_since
    }

    /// When bytes last went over it, either way.
    pub fn last_traffic(&self) -> Moment {
        self.last_traffic
    }

    /// Reads once, `now`, into `buffer`, which must not be empty.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn read(&mut self, buffer: &mut [u8], now: Moment) -> io::Result<Received> {
        match self.layer {
            Layer::Tls(_) => self.read_encrypted(buffer, now),
            Layer::Plain | Layer::Undecided | Layer::Handshake(_) => self.read_stream(buffer, now),
        }
    }

    /// Reads once what is on the wire.
    fn read_stream(&mut self, buffer: &mut [u8], now: Moment) -> io::Result<Received> {
        loop {
            return match self.stream.read(buffer) {
                Ok(0) => {
                    self.input_ended = true;
                    Ok(Received::End)
                }
                Ok(count) => {
                    self.last_traffic = now;
                    // A short read emptied the socket: what comes later raises a new edge. Only an end that
                    // was announced already would not, so then the next read has to find it.
                    self.readable = count == buffer.len() || self.peer_end != PeerEnd::Open;
                    Ok(Received::Bytes(count))
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.readable = false;
                    Ok(Received::Nothing)
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
        }
    }

    /// Writes what waits, `now`; stops at would-block until the kernel says that it takes bytes again. `text`: what is
    /// remembered of who speaks text, and the zone of times.
    ///
    /// # Errors
    /// The connection is broken.
    pub(crate) fn flush(
        &mut self,
        id: ConnectionId,
        outbox: &mut Outbox,
        text: Option<(&mut Text, &Zone)>,
        now: Moment,
    ) -> io::Result<()> {
        if !self.writable {
            outbox.refused(id);
            return Ok(());
        }
        let Written { bytes, is_all } = match &mut self.layer {
            Layer::Plain => text::write(outbox, id, text, &mut self.stream)?,
            Layer::Tls(tls) => {
                let mut stream = Encrypted { tls, stream: &mut self.stream, written: 0 };
                let is_taken = text::write(outbox, id, text, &mut stream)?.is_all;
                let is_all = stream.write_records()? && is_taken;
                Written { bytes: stream.written, is_all }
            }
            Layer::Undecided | Layer::Handshake(_) => {
                // What the session has to say waits until it is open.
                outbox.refused(id);
                let (bytes, is_all) = self.layer.write_records(&mut self.stream)?;
                Written { bytes, is_all }
            }
        };
        self.writable = is_all;
        if bytes > 0 {
            self.last_traffic = now;
        }
        self.stalled_since = match self.stalled_since {
            _ if is_all => None,
            Some(since) if bytes == 0 => Some(since),
            _ => Some(now),
        };
        Ok(())
    }

    /// Sends FIN after everything that was written; says whether that could be done. If not, what is before it waits
    /// for the kernel.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn shutdown_write(&mut self) -> io::Result<bool> {
        if let Layer::Tls(tls) = &mut self.layer {
            // Once is enough; rustls sees to that.
            tls.send_close_notify();
            let (_, is_all) = self.layer.write_records(&mut self.stream)?;
            self.writable = is_all;
            if !is_all {
                return Ok(false);
            }
        }
        self.stream.shutdown_write()?;
        Ok(true)
    }
}
