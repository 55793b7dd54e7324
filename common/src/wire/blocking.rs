//! A [`Peer`] on a stream that blocks: for tests, and for programs that do nothing else meanwhile. Any stream will do;
//! this knows no socket.

use std::io::{self, Read, Write};

use super::frame::Tag;
use super::peer::{Event, Peer};
use super::requests::{Request, Transfer};

/// A stream and the peer that is spoken to over it.
#[derive(Debug)]
pub struct Blocking<S, T> {
    stream: S,
    peer: Peer<T>,
}

impl<S: Read + Write, T> Blocking<S, T> {
    /// Speaks over `stream`, on which nothing was said yet.
    pub fn new(stream: S) -> Self {
        Self { stream, peer: Peer::default() }
    }

    /// The stream, to set its options.
    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// The stream, for bytes past the protocol.
    pub fn stream_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// The peer, to queue what is sent with the next [`Blocking::flush`].
    pub fn peer(&mut self) -> &mut Peer<T> {
        &mut self.peer
    }

    /// Sends a request that is answered; its tag.
    ///
    /// # Errors
    /// The stream's.
    pub fn ask(&mut self, request: &Request<'_>, note: T) -> io::Result<Tag> {
        let tag = self.peer.ask(request, note);
        self.flush()?;
        Ok(tag)
    }

    /// Sends a frame of a transfer.
    ///
    /// # Errors
    /// The stream's.
    pub fn transfer(&mut self, tag: Tag, transfer: &Transfer<'_>) -> io::Result<()> {
        self.peer.transfer(tag, transfer);
        self.flush()
    }

    /// Sends what was queued.
    ///
    /// # Errors
    /// The stream's.
    pub fn flush(&mut self) -> io::Result<()> {
        self.stream.write_all(self.peer.unsent())?;
        self.peer.sent(self.peer.unsent().len());
        self.stream.flush()
    }

    /// Waits for what comes next; `None` at the end of the stream.
    ///
    /// # Errors
    /// The stream's, or what was read is not this protocol (`InvalidData`).
    pub fn next_event(&mut self) -> io::Result<Option<Event<'_, T>>> {
        while !self.peer.has_event().map_err(invalid)? {
            match self.stream.read(self.peer.input().space()) {
                Ok(0) => return Ok(None),
                Ok(count) => self.peer.input().filled(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.peer.next_event().map_err(invalid)
    }
}

fn invalid(error: super::ProtocolError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{NO_TAG, Notice, Reply};

    /// What was written, and what is still to be read, a few bytes at a time.
    struct Stream(Vec<u8>, Vec<u8>);

    impl Read for Stream {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = buffer.len().min(self.1.len()).min(3);
            buffer[..count].copy_from_slice(&self.1[..count]);
            self.1.drain(..count);
            Ok(count)
        }
    }

    impl Write for Stream {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(4);
            self.0.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn requests_go_out_and_events_come_in_until_the_end_of_the_stream() {
        let mut input = Vec::new();
        Notice::Probe.encode(NO_TAG, &mut input);
        Reply::Pong { payload: b"?" }.encode(1, &mut input);
        let mut client = Blocking::new(Stream(Vec::new(), input));
        let request = Request::Ping { payload: b"?" };
        assert_eq!(client.ask(&request, "ping").unwrap(), 1);
        let mut sent = Vec::new();
        request.encode(1, &mut sent);
        assert_eq!(client.stream().0, sent);
        assert_eq!(client.next_event().unwrap(), Some(Event::Notice(Notice::Probe)));
        let pong = Reply::Pong { payload: b"?" };
        assert_eq!(client.next_event().unwrap(), Some(Event::Answer(1, "ping", pong)));
        assert_eq!(client.next_event().unwrap(), None);
    }

    #[test]
    fn what_is_not_the_protocol_is_an_error() {
        let mut client = Blocking::<_, ()>::new(Stream(Vec::new(), b"HTTP/1.1 400 Bad Request".to_vec()));
        assert_eq!(client.next_event().unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
