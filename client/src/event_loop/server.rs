//! The way to the server: making a connection, and the bytes on it.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use forum_common::tls::{Fingerprint, Line, Unsafe};
use forum_peer::wording::cause;
use rustix::event::PollFlags;
use rustix::net::sockopt;

use super::{EventLoop, Server, Target, is_passing};
use crate::core::connection::answer_within;
use crate::core::event::Event;
use crate::dialing::{Dialing, Progress};

/// Bytes read from the server at a time.
const RECEIVE_BYTES: usize = 64 << 10;

impl EventLoop {
    pub(super) fn dial(&mut self) {
        match Dialing::start(&self.target.host, self.target.port) {
            Ok(dialing) => self.look_at_dialing(dialing),
            Err(error) => self.not_connected(&error),
        }
    }

    fn look_at_dialing(&mut self, dialing: Dialing) {
        self.server = Server::None;
        match dialing.look(self.now) {
            Progress::Still(dialing) => self.server = Server::Dialing(dialing),
            Progress::Through(stream) => match self.target.security.line(stream) {
                Ok(Some(line)) => self.secure(line, self.now + self.target.silence_max),
                Ok(None) => self.give(Event::NotTrusted(self.target.security.not_secret())),
                Err(error) => self.not_connected(&error),
            },
            Progress::NoSuchHost(error) => {
                let said = format!("Cannot find the host {}: {}", self.target.host, cause(&error));
                self.give(Event::NotConnected(said));
            }
            Progress::Failed(error) => self.not_connected(&error),
        }
    }

    /// Goes on agreeing on TLS, where it is spoken, until then at most.
    fn secure(&mut self, mut line: Line<TcpStream>, deadline: Instant) {
        match line.shake_hands() {
            Ok(true) => match self.settle(line.stream()) {
                Ok(udp_port) => {
                    self.server = Server::Connected(line);
                    self.give(Event::Connected(udp_port));
                }
                Err(error) => self.not_connected(&error),
            },
            Ok(false) if self.now < deadline => self.server = Server::Securing(line, deadline),
            Ok(false) => self.not_connected(&io::ErrorKind::TimedOut.into()),
            Err(Unsafe::NotTrusted(why)) => self.give(Event::NotTrusted(self.target.security.doubt(&why))),
            Err(Unsafe::Failed(error)) => self.not_connected(&error),
        }
    }

    /// Trusts a certificate of the server.
    pub(super) fn trust(&mut self, certificate: Fingerprint) {
        if let Err(text) = self.target.security.trust(certificate) {
            self.give(Event::Warning(text));
        }
    }

    /// Ends the connection.
    pub(super) fn hang_up(&mut self) {
        if let Server::Connected(mut line) = std::mem::take(&mut self.server) {
            line.hang_up();
        }
    }

    fn not_connected(&mut self, error: &io::Error) {
        let Target { host, port, .. } = &self.target;
        let said = format!("Cannot connect to {host}:{port}: {}", cause(error));
        self.give(Event::NotConnected(said));
    }

    /// Makes a connection one that notices a server that has vanished: the kernel gives it up when nothing acknowledges
    /// the ping, so its own keepalive is not needed. Others find us at the address of this end.
    fn settle(&mut self, stream: &TcpStream) -> io::Result<Result<u16, String>> {
        sockopt::set_tcp_nodelay(stream, true)?;
        let user_timeout_ms = answer_within(self.target.silence_max).as_millis();
        sockopt::set_tcp_user_timeout(stream, u32::try_from(user_timeout_ms).unwrap_or(u32::MAX))?;
        let here = stream.local_addr()?.ip();
        Ok(self.peers.settle_at(here, self.target.udp_port).map_err(|error| cause(&error)))
    }

    pub(super) fn attend_to_server(&mut self, shown: PollFlags) {
        match std::mem::take(&mut self.server) {
            Server::Dialing(dialing) => self.look_at_dialing(dialing),
            Server::Securing(line, deadline) => self.secure(line, deadline),
            Server::Connected(line) => {
                // Even if there is nothing to read: an error is best learnt from the read itself.
                let is_readable = !shown.is_empty() && shown != PollFlags::OUT || line.may_have_more();
                self.server = Server::Connected(line);
                if is_readable {
                    self.receive();
                }
            }
            Server::None => {}
        }
    }

    fn receive(&mut self) {
        let Server::Connected(line) = &mut self.server else { return };
        let mut bytes = [0; RECEIVE_BYTES];
        let room = self.core.receive_room().min(RECEIVE_BYTES);
        if room == 0 {
            return;
        }
        match line.read(&mut bytes[..room]) {
            Ok(0) => self.give(Event::Disconnected("the server closed it".to_owned())),
            Ok(count) => self.core.input(Event::Received(&bytes[..count]), self.now),
            Err(error) if is_passing(&error) => {}
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                let seconds = self.target.silence_max.as_secs();
                self.give(Event::Disconnected(format!("the server has said nothing for {seconds} seconds")));
            }
            Err(error) => self.give(Event::Disconnected(cause(&error))),
        }
    }

    /// Sends what the socket takes. Returns whether something was sent, and the socket would take more.
    pub(super) fn send(&mut self) -> bool {
        let Server::Connected(line) = &mut self.server else { return false };
        let mut has_sent = false;
        if line.has_unsent() {
            // An error comes again with the next read.
            let _ = line.flush();
        }
        while !self.core.unsent().is_empty() {
            match line.write(self.core.unsent()) {
                Ok(bytes) => {
                    let all_taken = bytes == self.core.unsent().len() && !line.has_unsent();
                    self.core.input(Event::Sent { bytes, all_taken }, self.now);
                    has_sent = true;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.core.input(Event::Sent { bytes: 0, all_taken: false }, self.now);
                    return false;
                }
                Err(_) => self.core.input(Event::CannotSend, self.now),
            }
        }
        has_sent
    }
}
