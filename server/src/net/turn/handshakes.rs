//! Where TLS is served: who speaks what, and handshakes on their way to the workers and back. Sessions know nothing of
//! this: until a connection is open none of its bytes get to them, and none of theirs are sent.

use std::io;

use forum_common::wire::frame::FIRST_BYTE;
use forum_common::wire::{Closing, NO_TAG, Notice};
use log::{debug, info, warn};

use super::Server;
use crate::clock::Clock;
use crate::journal::Journal;
use crate::net::connection::{Handshake, Layer, PeerEnd, Received, Stream};
use crate::network::Network;
use crate::session::ConnectionId;
use crate::tls::{TLS_HANDSHAKE, Tls};
use crate::workers::handshakes::{Handshakes, Stepped, TooMany};

/// What is read at once before a connection is open: a client's first message has less than 2 KiB.
const HANDSHAKE_READ_BYTES: usize = 4 * 1_024;

/// What somebody is told who does not speak TLS and should.
const TLS_ONLY: &str = "This server takes TLS only. Connect with --tls";

/// TLS, and whom else is served.
pub struct TlsService {
    tls: Tls,
    handshakes: Handshakes<ConnectionId>,
    /// Plain bytes are taken from anywhere, and not from this machine alone.
    takes_plaintext: bool,
}

impl TlsService {
    /// Serves TLS with these workers, and plain bytes from this machine or, with `takes_plaintext`, from anywhere.
    pub fn new(tls: Tls, handshakes: Handshakes<ConnectionId>, takes_plaintext: bool) -> Self {
        Self { tls, handshakes, takes_plaintext }
    }
}

impl<S: Stream, J: Journal, C: Clock> Server<S, J, C> {
    /// Serves TLS from now on.
    pub fn serve_tls(&mut self, service: TlsService) {
        self.tls = Some(service);
    }

    /// Reads the certificate anew, if there is one.
    pub fn reload(&self) {
        if let Some(service) = &self.tls {
            service.tls.reloader().reload();
        }
    }

    /// What a new connection begins with.
    pub(super) fn first_layer(&self) -> Layer {
        if self.tls.is_some() { Layer::Undecided } else { Layer::Plain }
    }

    /// Whether a connection is not open yet: nothing can be said to it.
    pub(super) fn is_opening(&self, id: ConnectionId) -> bool {
        self.tls.is_some() && self.connections.get(id).is_some_and(|connection| !connection.is_open())
    }

    /// Takes the next step towards an open connection; says whether it is open now.
    pub(super) fn open(&mut self, id: ConnectionId) -> io::Result<bool> {
        let Some(connection) = self.connections.get_mut(id) else { return Ok(false) };
        if matches!(connection.layer(), Layer::Handshake(handshake) if handshake.is_away()) {
            // Nothing is read now, so this does not come up by reading.
            return connection.death().map_or(Ok(false), Err);
        }
        if !connection.is_readable() {
            return Ok(false);
        }
        let mut buffer = [0; HANDSHAKE_READ_BYTES];
        let received = match connection.read(&mut buffer, self.core.time.moment())? {
            Received::Bytes(count) => &buffer[..count],
            Received::Nothing => return Ok(false),
            Received::End => return Err(io::ErrorKind::UnexpectedEof.into()),
        };
        match (connection.layer(), received[0]) {
            (Layer::Handshake(_), _) => self.shake_hands(id, received).map(|()| false),
            (_, TLS_HANDSHAKE) => {
                let Some(service) = &self.tls else { return Ok(false) };
                let tls = service.tls.connection().map_err(io::Error::other)?;
                *connection.layer() = Layer::Handshake(Box::new(Handshake::new(tls)));
                self.shake_hands(id, received).map(|()| false)
            }
            _ => Ok(self.speak_plain(id, received)),
        }
    }

    /// Takes plain bytes from those from whom they are taken, and tells the others why not.
    fn speak_plain(&mut self, id: ConnectionId, received: &[u8]) -> bool {
        let Some(session) = self.core.sessions.get(id) else { return false };
        let takes_plaintext = self.tls.as_ref().is_none_or(|service| service.takes_plaintext);
        let (ip, is_draining) = (session.address.ip, session.is_draining());
        let Some(connection) = self.connections.get_mut(id) else { return false };
        if takes_plaintext || ip.is_loopback() {
            connection.speak_plain(received);
            self.core.outbox.want_flush(id);
            return true;
        }
        warn!("{} closed: it does not speak TLS", self.core.label(id));
        let mut word = format!("{TLS_ONLY}\n").into_bytes();
        if received[0] == FIRST_BYTE {
            word.clear();
            Notice::Closing { code: Closing::TlsRequired, text: TLS_ONLY }.encode(NO_TAG, &mut word);
        }
        connection.say(&word);
        connection.speak_plain(&[]);
        self.drain(id, is_draining);
        false
    }

    /// Gives a worker what has come of a handshake.
    fn shake_hands(&mut self, id: ConnectionId, received: &[u8]) -> io::Result<()> {
        let Some(ip) = self.core.sessions.ip(id) else { return Ok(()) };
        let (Some(service), Some(connection)) = (&mut self.tls, self.connections.get_mut(id)) else {
            return Ok(());
        };
        let Layer::Handshake(handshake) = connection.layer() else { return Ok(()) };
        let step = handshake.step(received)?;
        let submitted = service.handshakes.submit(id, Network::from(ip), !ip.is_loopback(), step);
        submitted.map_err(|TooMany| io::Error::other("too many TLS handshakes wait"))
    }

    /// Takes back what the workers are done with, as much as there is time for.
    pub(super) fn take_handshakes(&mut self) {
        if self.tls.is_none() {
            return;
        }
        let mut budget = self.part();
        while let Some((id, stepped)) = self.tls.as_mut().and_then(|service| service.handshakes.next_result())
        {
            if let Err(error) = self.go_on(id, stepped) {
                self.core.lost(id, &error);
            }
            if self.is_used_up(&mut budget) {
                self.results_left = true;
                break;
            }
        }
    }

    /// A worker is done with a step of a handshake.
    fn go_on(&mut self, id: ConnectionId, stepped: Stepped) -> io::Result<()> {
        let Some(session) = self.core.sessions.get(id) else { return Ok(()) };
        let is_draining = session.is_draining();
        let Some(connection) = self.connections.get_mut(id) else { return Ok(()) };
        let result = connection.layer().stepped(stepped);
        if let Err(error) = result {
            info!("{} TLS handshake failed: {error}", self.core.label(id));
            connection.write_records()?;
            connection.speak_plain(&[]);
            self.drain(id, is_draining);
            return Ok(());
        }
        // What came with the end of the handshake is decrypted already, and no event will tell of it.
        connection.mark_readable(PeerEnd::Open);
        if let Layer::Tls(tls) = connection.layer() {
            debug!(
                "{} speaks {:?}, {:?}, {:?}",
                self.core.label(id),
                tls.protocol_version(),
                tls.negotiated_cipher_suite().map(|suite| suite.suite()),
                tls.handshake_kind()
            );
        }
        self.core.outbox.want_flush(id);
        self.core.sessions.wake(id);
        Ok(())
    }

    /// Ends a connection that was told all that it is told: what it still sends is thrown away.
    fn drain(&mut self, id: ConnectionId, is_draining: bool) {
        // Who is on the way out already was to hear something else, and can't.
        if is_draining {
            self.core.condemn(id);
        } else {
            self.core.finish(id);
        }
    }
}
