//! The way to the server: connecting, what its socket shows, and what a lost connection leads to.

use std::io;
use std::net::IpAddr;

use forum_common::wire::TakeOver;
use rustix::event::PollFlags;

use super::{Ending, Phase, Session};
use crate::commands::is_leaving;
use crate::connection::Connection;
use crate::login::{Known, Login, Wishes};
use crate::reconnect::{Dial, Dialed};
use crate::wording::cause;

impl Session {
    /// The server's socket shows something.
    pub(super) fn attend(&mut self, shown: PollFlags) -> Result<(), Ending> {
        let connection = match &mut self.phase {
            Phase::Dialing(_) => return self.look_at_dial(true),
            Phase::Resting { .. } => return Ok(()),
            Phase::LoggingIn { connection, .. } | Phase::LoggedIn { connection, .. } => connection,
        };
        if shown == PollFlags::OUT {
            return Ok(());
        }
        match connection.read(self.now) {
            Ok(()) => self.take_events(),
            Err(error) => self.lose(&self.loss(&error)),
        }
    }

    /// The connection is gone without a goodbye.
    pub(super) fn lose(&mut self, why: &str) -> Result<(), Ending> {
        self.completing = None;
        let resting = Phase::Resting { until: self.now, why: String::new() };
        match std::mem::replace(&mut self.phase, resting) {
            Phase::LoggedIn { connection, commands } => {
                self.output.warn(format_args!("Connection lost: {why}"));
                let leaving = is_leaving(&connection.server);
                let unanswered = connection.server.into_unanswered().map(|(_, asked)| asked);
                match self.again.as_mut().filter(|_| !leaving) {
                    Some(again) => {
                        again.memory = commands.into_memory();
                        again.unanswered =
                            unanswered.filter_map(|asked| asked.survives(&mut self.output)).collect();
                    }
                    None => unanswered.for_each(|asked| asked.abandon(&mut self.output)),
                }
                self.with_links(|links, desk| links.disconnected(desk));
                if !leaving {
                    return self.rest("Not connected");
                }
            }
            Phase::LoggingIn { .. } if self.again.is_some() => return self.rest(why),
            _ => self.output.warn(format_args!("Connection lost: {why}")),
        }
        Err(Ending::Lost)
    }

    /// Waits before the next attempt, if there is to be one.
    pub(super) fn rest(&mut self, why: &str) -> Result<(), Ending> {
        let Some(again) = &mut self.again else { return Err(Ending::Lost) };
        let until = self.now + again.back_off.next_wait();
        self.phase = Phase::Resting { until, why: why.to_owned() };
        Ok(())
    }

    pub(super) fn dial(&mut self) -> Result<(), Ending> {
        match Dial::start(self.options.addresses.iter().copied(), self.now) {
            Ok(dial) => {
                self.phase = Phase::Dialing(dial);
                Ok(())
            }
            Err(error) => self.miss(&error),
        }
    }

    pub(super) fn look_at_dial(&mut self, answered: bool) -> Result<(), Ending> {
        let resting = Phase::Resting { until: self.now, why: String::new() };
        match std::mem::replace(&mut self.phase, resting) {
            Phase::Dialing(dial) => match dial.look(answered, self.now) {
                Ok(Dialed::Still(dial)) => self.phase = Phase::Dialing(dial),
                Ok(Dialed::Through(stream)) => {
                    let here = stream.local_addr().map(|here| here.ip());
                    match here.and_then(|here| {
                        Ok((here, Connection::new(stream, self.options.server_timeout, self.now)?))
                    }) {
                        Ok((here, connection)) => return self.greet(here, connection),
                        Err(error) => return self.miss(&error),
                    }
                }
                Err(error) => return self.miss(&error),
            },
            phase => self.phase = phase,
        }
        Ok(())
    }

    fn greet(&mut self, here: IpAddr, mut connection: Connection) -> Result<(), Ending> {
        let udp_port = self.udp_port_at(here)?;
        let known = match &self.again {
            Some(again) => Known::Again(again.identity.clone()),
            None => self.options.known.clone(),
        };
        let take_over = match (self.options.takes_over, self.input.is_terminal()) {
            (true, _) => TakeOver::Always,
            (false, true) => TakeOver::Ask,
            (false, false) => TakeOver::Never,
        };
        let wishes = Wishes { known, udp_port, presence: self.options.presence, take_over };
        let login = Login::start(wishes, &mut connection.server);
        let deadline = self.now + self.options.server_timeout;
        self.phase = Phase::LoggingIn { connection: Box::new(connection), login, deadline };
        Ok(())
    }

    /// The UDP port where other users find us. One that was asked for is insisted on; without one at all,
    /// files go through the server.
    fn udp_port_at(&mut self, here: IpAddr) -> Result<u16, Ending> {
        let wanted = self.options.udp_port;
        match self.links.settle_at(here, wanted) {
            Ok(port) => Ok(port),
            Err(_) if wanted == 0 => Ok(0),
            Err(error) => {
                let instead = "Give another port, or none for any free one";
                let why = cause(&error);
                self.output.warn(format_args!("Cannot take files at UDP port {wanted}: {why}. {instead}"));
                Err(Ending::Lost)
            }
        }
    }

    /// No connection could be made.
    fn miss(&mut self, error: &io::Error) -> Result<(), Ending> {
        let said = format!("Cannot connect to {}: {}", self.options.server, cause(error));
        if self.again.is_none() {
            self.output.warn(&said);
        }
        self.rest(&said)
    }

    /// How a connection was lost, for people.
    pub(super) fn loss(&self, error: &io::Error) -> String {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => "the server closed it".to_owned(),
            io::ErrorKind::TimedOut => {
                let seconds = self.options.server_timeout.as_secs();
                format!("the server has said nothing for {seconds} seconds")
            }
            _ => cause(error),
        }
    }
}
