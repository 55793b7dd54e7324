//! The way to the server: when a connection is made, and what a lost one leads to.

use forum_common::text::prompts;
use forum_common::tls::Fingerprint;
use forum_common::wire::TakeOver;

use super::connection::Connection;
use super::event::{Action, Doubt, Ending, PeerAction};
use super::{Core, Phase};
use crate::asked::Asked;
use crate::commands::is_leaving;
use crate::line_editor::input::Entered;
use crate::login::{Known, Login, Wishes};

impl Core {
    pub(super) fn dial(&mut self) {
        self.phase = Phase::Dialing;
        self.queue.act(Action::Dial);
    }

    /// The connection stands. A UDP port that was asked for is insisted on; without one at all, files go through the
    /// server.
    pub(super) fn connected(&mut self, udp_port: Result<u16, String>) -> Result<(), Ending> {
        let wanted = self.options.udp_port;
        let udp_port = match udp_port {
            Ok(port) => port,
            Err(_) if wanted == 0 => 0,
            Err(why) => {
                let instead = "Give another port, or none for any free one";
                self.output.warn(format_args!("Cannot take files at UDP port {wanted}: {why}. {instead}"));
                return Err(Ending::Lost);
            }
        };
        let known = match &self.again {
            Some(again) => Known::Again(again.identity.clone()),
            None => self.options.known.clone(),
        };
        let take_over = match (self.options.takes_over, self.input.is_terminal()) {
            (true, _) => TakeOver::Always,
            (false, true) => TakeOver::Ask,
            (false, false) => TakeOver::Never,
        };
        let mut connection = Box::new(Connection::new(self.options.server_timeout, self.now));
        let (presence, asks_again) = (self.options.presence, self.input.is_terminal());
        let wishes = Wishes { known, udp_port, presence, take_over, asks_again };
        let login = Login::start(wishes, &mut connection.server);
        let deadline = self.now + self.options.server_timeout;
        self.phase = Phase::LoggingIn { connection, login, deadline };
        Ok(())
    }

    /// No connection could be made, as is said.
    pub(super) fn not_connected(&mut self, said: &str) -> Result<(), Ending> {
        if self.again.is_none() {
            self.output.warn(said);
        }
        self.rest(said)
    }

    /// A connection was made, and nothing may be said over it. On a terminal the user may say that the server is to be
    /// trusted.
    pub(super) fn not_trusted(&mut self, doubt: Doubt) -> Result<(), Ending> {
        self.output.warn(doubt.said);
        match doubt.certificate.filter(|_| self.input.is_terminal()) {
            Some(certificate) => self.phase = Phase::Doubting(certificate),
            None => return Err(Ending::NotLoggedIn),
        }
        Ok(())
    }

    /// Takes the answer to that question: anything but a yes is a no.
    pub(super) fn enter_trust(&mut self, certificate: Fingerprint, entered: &Entered) -> Result<(), Ending> {
        match entered {
            Entered::Line(line) if prompts::answer(line) == Some(true) => {
                self.queue.act(Action::Trust(certificate));
                self.dial();
                Ok(())
            }
            _ => Err(Ending::NotLoggedIn),
        }
    }

    /// The connection is gone without a goodbye.
    pub(super) fn lose(&mut self, why: &str) -> Result<(), Ending> {
        if self.leaving.is_some() {
            self.connection().into_iter().for_each(Connection::cannot_send);
            return Ok(());
        }
        self.completing = None;
        self.queue.act(Action::HangUp);
        let resting = Phase::Resting { until: self.now, why: String::new() };
        match std::mem::replace(&mut self.phase, resting) {
            Phase::LoggedIn { connection, mut commands } => {
                self.output.warn(format_args!("Connection lost: {why}"));
                commands.abandon_opening(&mut self.output, &mut self.queue);
                // A script with --retry is not over before the server has said goodbye.
                let asks_again = self.options.retry.is_some() && !self.input.is_terminal();
                let leaving = !asks_again && is_leaving(&connection.server);
                let unanswered = connection.server.into_unanswered().map(|(_, asked)| asked);
                match self.again.as_mut().filter(|_| !leaving) {
                    Some(again) => {
                        again.memory = commands.into_memory();
                        again.until = self.options.retry.map(|retry| self.now + retry);
                        let on_terminal = self.input.is_terminal();
                        let survives =
                            |asked: Asked| asked.survives(on_terminal, &mut self.output, &mut self.queue);
                        again.unanswered = unanswered.filter_map(survives).collect();
                    }
                    None => unanswered.for_each(|asked| asked.abandon(&mut self.output, &mut self.queue)),
                }
                self.queue.peer(PeerAction::Disconnected);
                if !leaving {
                    return self.rest("Not connected");
                }
            }
            Phase::LoggingIn { .. } if self.again.is_some() => return self.rest(why),
            _ => self.output.warn(format_args!("Connection lost: {why}")),
        }
        Err(Ending::Lost)
    }

    /// Waits before the next attempt, if there is to be one; `why` there is none now.
    pub(super) fn rest(&mut self, why: &str) -> Result<(), Ending> {
        let Some(again) = &mut self.again else { return Err(Ending::Lost) };
        let mut until = self.now + again.back_off.next_wait();
        if let Some(last) = again.until.filter(|_| !self.input.is_terminal()) {
            if self.now >= last {
                self.output.warn(why);
                return Err(Ending::Lost);
            }
            until = until.min(last);
        }
        self.queue.act(Action::HangUp);
        self.phase = Phase::Resting { until, why: why.to_owned() };
        Ok(())
    }
}
