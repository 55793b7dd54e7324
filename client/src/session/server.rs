//! The server's side of a session: connecting, what its frames lead to, and how a connection ends.

use std::io;
use std::net::IpAddr;

use forum_common::link::LinkNotice;
use forum_common::notice::Notice;
use forum_common::refusal::Closing;
use rustix::event::PollFlags;

use super::{Again, Ending, Phase, Session};
use crate::commands::{Commands, Outcome};
use crate::connection::{Connection, Incoming};
use crate::login::{Identity, Known, Login, Step};
use crate::memory::Memory;
use crate::peer::Desk;
use crate::prompt;
use crate::reconnect::{BackOff, Dial, Dialed};
use crate::wording::{Reader, cause};

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
            Ok(()) => self.take_frames(),
            Err(error) => self.lose(&self.loss(&error)),
        }
    }

    /// Takes in every frame that is all there.
    fn take_frames(&mut self) -> Result<(), Ending> {
        loop {
            let (Phase::LoggingIn { connection, .. } | Phase::LoggedIn { connection, .. }) = &mut self.phase
            else {
                return Ok(());
            };
            // What a frame means may need all of the session, so the bytes it lies in are lent for so long.
            let mut decoder = std::mem::take(&mut connection.decoder);
            let taken = match decoder.next_frame() {
                Ok(Some(frame)) => match Incoming::decode(&frame) {
                    Ok(incoming) => self.take_in(&incoming).map(|()| true),
                    Err(malformed) => self.breach(&malformed.to_string()).map(|()| false),
                },
                Ok(None) => Ok(false),
                Err(error) => self.breach(&error.to_string()).map(|()| false),
            };
            if let Phase::LoggingIn { connection, .. } | Phase::LoggedIn { connection, .. } = &mut self.phase
            {
                connection.decoder = decoder;
            }
            if !taken? {
                return Ok(());
            }
        }
    }

    fn take_in(&mut self, incoming: &Incoming<'_>) -> Result<(), Ending> {
        let output = &mut self.output;
        match (&mut self.phase, incoming) {
            (_, Incoming::Notice(Notice::Closing { code, text })) => self.close(*code, text),
            (Phase::LoggingIn { connection, login, .. }, Incoming::Reply(_, reply)) => {
                let step = login.replied(reply, &mut connection.outbox);
                self.step(step)
            }
            (Phase::LoggedIn { connection, commands }, Incoming::Reply(tag, reply)) => {
                let outcome = commands.replied(*tag, reply, &mut connection.outbox, output);
                self.act_on(outcome)
            }
            (Phase::LoggedIn { connection, commands }, Incoming::Notice(notice)) => {
                if let Notice::LoggedOut(name) = notice {
                    let mut desk = Desk { now: self.now, outbox: &mut connection.outbox, output };
                    self.links.logged_out(name, &mut desk);
                }
                commands.noticed(notice, &mut self.output);
                Ok(())
            }
            (Phase::LoggedIn { connection, commands }, Incoming::Link(tag, notice)) => {
                let mut desk = Desk { now: self.now, outbox: &mut connection.outbox, output };
                match *notice {
                    LinkNotice::Asked { link, text } => {
                        let outcome = commands.asked(*tag, link, text, &mut self.links, &mut desk);
                        self.act_on(outcome)
                    }
                    _ => {
                        self.links.noticed(notice, &mut desk);
                        Ok(())
                    }
                }
            }
            (Phase::LoggedIn { connection, commands }, Incoming::Transfer(tag, transfer)) => {
                let outcome = commands.transferred(*tag, transfer, &mut connection.outbox, output);
                self.act_on(outcome)
            }
            _ => self.breach("Unexpected frame"),
        }
    }

    fn step(&mut self, step: Step) -> Result<(), Ending> {
        match step {
            Step::Going => Ok(()),
            Step::In { identity, is_new, greeting } => {
                self.output.say(&greeting);
                self.admit(identity, is_new);
                Ok(())
            }
            Step::Again(text) => {
                self.output.warn(&text);
                Ok(())
            }
            Step::Failed(text) => {
                self.output.warn(&text);
                Err(Ending::NotLoggedIn)
            }
            Step::Later(text) => self.rest(&text),
            Step::Foreign(version) => {
                let ours = forum_common::request::VERSION;
                self.breach(&format!("it speaks version {version}, this client version {ours}"))
            }
            Step::Unexpected => self.breach("Unexpected reply"),
        }
    }

    fn act_on(&mut self, outcome: Outcome) -> Result<(), Ending> {
        match outcome {
            Outcome::Going => Ok(()),
            Outcome::PasswordChanged(password) => {
                if let Some(again) = &mut self.again {
                    again.identity.password = password;
                }
                Ok(())
            }
            Outcome::NamesCame => {
                self.complete_at_last();
                Ok(())
            }
            Outcome::Goodbye => Err(Ending::Goodbye),
            Outcome::Unexpected => self.breach("Unexpected reply"),
        }
    }

    /// Somebody is logged in.
    fn admit(&mut self, identity: Identity, is_new: bool) {
        let on_terminal = self.input.is_terminal();
        let mut memory =
            self.again.as_mut().map(|again| std::mem::take(&mut again.memory)).unwrap_or_default();
        memory.enter(&identity.name, is_new);
        let reader = if on_terminal { Reader::Person } else { Reader::Program };
        let resting = Phase::Resting { until: self.now, why: String::new() };
        match std::mem::replace(&mut self.phase, resting) {
            Phase::LoggingIn { connection, login, .. } => {
                let folder = self.options.folder.clone();
                let commands = Box::new(Commands::new(folder, memory, reader, login.has_links()));
                self.phase = Phase::LoggedIn { connection, commands };
            }
            phase => self.phase = phase,
        }
        if on_terminal {
            if self.again.is_none() {
                self.output.say(prompt::BANNER);
            }
            // What is to be remembered is with the commands now, until the connection is lost.
            let (memory, back_off) = (Memory::default(), BackOff::default());
            self.again = Some(Again { identity, memory, back_off });
        }
    }

    /// The server's last words on this connection.
    fn close(&mut self, code: Closing, text: &str) -> Result<(), Ending> {
        let polite = matches!(code, Closing::Goodbye | Closing::ShuttingDown | Closing::Idle);
        match &self.phase {
            Phase::LoggingIn { .. } if self.again.is_some() && code != Closing::ProtocolError => {
                return self.rest(text);
            }
            Phase::LoggedIn { .. } if code == Closing::TooSlow && self.again.is_some() => {
                return self.lose(text);
            }
            _ => {}
        }
        if polite {
            self.output.say(text);
        } else {
            self.output.warn(text);
        }
        Err(match (&self.phase, code) {
            (_, Closing::TooSlow | Closing::ProtocolError) => Ending::Lost,
            (Phase::LoggedIn { .. }, _) if polite => Ending::Goodbye,
            (Phase::LoggedIn { .. }, _) => Ending::Lost,
            _ => Ending::NotLoggedIn,
        })
    }

    /// The server does what no forumd of this version does; there is no talking to it.
    fn breach(&mut self, how: &str) -> Result<(), Ending> {
        let server = &self.options.server;
        let text = format!("{server} is no forum server for this client: {how}. Check the host and the port");
        self.output.warn(&text);
        Err(Ending::Lost)
    }

    /// The connection is gone without a goodbye.
    pub(super) fn lose(&mut self, why: &str) -> Result<(), Ending> {
        self.completing = None;
        let resting = Phase::Resting { until: self.now, why: String::new() };
        match std::mem::replace(&mut self.phase, resting) {
            Phase::LoggedIn { commands, .. } => {
                self.output.warn(&format!("Connection lost: {why}"));
                let leaving = commands.is_leaving();
                let memory = commands.abandon(&mut self.output);
                self.with_links(|links, desk| links.disconnected(desk));
                if let Some(again) = self.again.as_mut().filter(|_| !leaving) {
                    again.memory = memory;
                    return self.rest("Not connected");
                }
            }
            Phase::LoggingIn { .. } if self.again.is_some() => return self.rest(why),
            _ => self.output.warn(&format!("Connection lost: {why}")),
        }
        Err(Ending::Lost)
    }

    /// Waits before the next attempt, if there is to be one.
    fn rest(&mut self, why: &str) -> Result<(), Ending> {
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
        let login = Login::start(known, udp_port, &mut connection.outbox);
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
                self.output.warn(&format!("Cannot take files at UDP port {wanted}: {why}. {instead}"));
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
