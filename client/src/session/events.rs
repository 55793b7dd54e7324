//! What the server says, and who takes it in: the log-in, the commands, the links.

use forum_common::text::Reader;
use forum_common::wire::{Closing, Event, Notice, OwnedNotice, VERSION};

use super::{Again, BANNER, Ending, Phase, Session};
use crate::commands::answers::{end_transfer, go_on};
use crate::commands::{Commands, Outcome};
use crate::login::{Identity, Step};
use crate::memory::Memory;
use crate::peer::Desk;
use crate::reconnect::BackOff;

impl Session {
    /// Takes in all that has come.
    pub(super) fn take_events(&mut self) -> Result<(), Ending> {
        loop {
            let has_event = match &mut self.phase {
                Phase::LoggingIn { connection, .. } | Phase::LoggedIn { connection, .. } => {
                    connection.server.has_event()
                }
                Phase::Dialing(_) | Phase::Resting { .. } => Ok(false),
            };
            match has_event {
                Ok(true) => self.take_event()?,
                Ok(false) => return Ok(()),
                Err(error) => return self.breach(&error.to_string()),
            }
        }
    }

    fn take_event(&mut self) -> Result<(), Ending> {
        match &mut self.phase {
            Phase::LoggingIn { connection, login, .. } => match connection.server.next_event() {
                Ok(Some(Event::Notice(notice))) => {
                    let notice = notice.owned();
                    self.take_notice(&notice)
                }
                Ok(Some(Event::Answer(_, asked, reply))) => {
                    let reply = reply.owned();
                    let step = login.answered(asked, &reply.as_ref(), self.now, &mut connection.server);
                    self.step(step)
                }
                Ok(None) => Ok(()),
                Ok(Some(_)) => self.breach("Unexpected reply"),
                Err(error) => self.breach(&error.to_string()),
            },
            Phase::LoggedIn { .. } => self.take_event_of_member(),
            Phase::Dialing(_) | Phase::Resting { .. } => Ok(()),
        }
    }

    /// Takes in an event while somebody is logged in. What may lead to anything being said to the server is copied
    /// out of the bytes in which it came.
    fn take_event_of_member(&mut self) -> Result<(), Ending> {
        let Phase::LoggedIn { connection, commands } = &mut self.phase else { return Ok(()) };
        let (server, output) = (&mut connection.server, &mut self.output);
        let event = match server.next_event() {
            Ok(Some(event)) => event,
            Ok(None) => return Ok(()),
            Err(error) => return self.breach(&error.to_string()),
        };
        let outcome = match event {
            Event::Item(_, asked, item) => commands.listed(asked, &item, output),
            Event::Starts(tag, asked, reply) => {
                let step = asked.started(&reply);
                go_on(step, tag, server, output)
            }
            Event::Transfer(tag, asked, transfer) => {
                let step = asked.moved(&transfer);
                go_on(step, tag, server, output)
            }
            Event::Downloaded(_, asked, _) => end_transfer(asked.downloaded(), output),
            Event::Answer(_, asked, reply) => {
                let reply = reply.owned();
                let mut desk = Desk { now: self.now, server, output };
                commands.answered(asked, &reply.as_ref(), &mut self.links, &mut desk)
            }
            Event::Notice(notice) => {
                let notice = notice.owned();
                return self.take_notice(&notice);
            }
        };
        self.act_on(outcome)
    }

    fn take_notice(&mut self, notice: &OwnedNotice) -> Result<(), Ending> {
        let notice = notice.as_ref();
        if let Notice::Closing { code, text } = notice {
            return self.close(code, text);
        }
        let Phase::LoggedIn { connection, commands } = &mut self.phase else {
            return self.breach("Unexpected notice");
        };
        let mut desk = Desk { now: self.now, server: &mut connection.server, output: &mut self.output };
        if notice.link().is_some() {
            self.links.noticed(&notice, &mut desk);
            return Ok(());
        }
        if let Notice::LoggedOut { name } = notice {
            self.links.logged_out(name, &mut desk);
        }
        commands.noticed(&notice, &mut self.output);
        Ok(())
    }

    fn step(&mut self, step: Step) -> Result<(), Ending> {
        match step {
            Step::Going => Ok(()),
            Step::Greeted(clock, unknown_zone) => {
                self.clock = clock;
                // It has been said when the connection was made first.
                if let Some(zone) = unknown_zone.filter(|_| self.again.is_none()) {
                    let what = "is not known here: all times are in UTC";
                    self.output.warn(format_args!("The server's time zone {zone} {what}"));
                }
                Ok(())
            }
            Step::In { identity, is_new, greeting } => {
                self.output.say(greeting);
                self.admit(identity, is_new);
                Ok(())
            }
            Step::Again(text) => {
                self.output.warn(text);
                Ok(())
            }
            Step::Failed(text) => {
                self.output.warn(text);
                Err(Ending::NotLoggedIn)
            }
            Step::Later(text) => self.rest(&text),
            Step::Foreign(version) => {
                self.breach(&format!("it speaks version {version}, this client version {VERSION}"))
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

    /// Somebody is logged in. What a lost connection left unanswered is asked for again, if it is the same user.
    fn admit(&mut self, identity: Identity, is_new: bool) {
        let on_terminal = self.input.is_terminal();
        let again = self.again.take();
        let is_first = again.is_none();
        let (mut memory, unanswered) = match again {
            Some(again) if again.identity.name == identity.name => (again.memory, again.unanswered),
            Some(again) => {
                again.unanswered.into_iter().for_each(|asked| asked.abandon(&mut self.output));
                (again.memory, Vec::new())
            }
            None => (Memory::default(), Vec::new()),
        };
        memory.enter(&identity.name, is_new);
        let reader = if on_terminal { Reader::Person } else { Reader::Program };
        let resting = Phase::Resting { until: self.now, why: String::new() };
        match std::mem::replace(&mut self.phase, resting) {
            Phase::LoggingIn { mut connection, .. } => {
                let folder = self.options.folder.clone();
                let commands = Box::new(Commands::new(folder, memory, reader, self.clock.clone()));
                unanswered.into_iter().for_each(|asked| asked.repeat(&mut connection.server));
                self.phase = Phase::LoggedIn { connection, commands };
            }
            phase => self.phase = phase,
        }
        if on_terminal {
            if is_first {
                self.output.say(BANNER);
            }
            // What is to be remembered is with the commands now, until the connection is lost.
            let (memory, back_off) = (Memory::default(), BackOff::default());
            self.again = Some(Again { identity, memory, unanswered: Vec::new(), back_off });
        }
    }

    /// The server's last words on this connection.
    fn close(&mut self, code: Closing, text: &str) -> Result<(), Ending> {
        let polite = matches!(code, Closing::EndOfInput | Closing::ShuttingDown | Closing::Idle);
        let puts_out = matches!(code, Closing::LoggedInElsewhere | Closing::Disconnected);
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
            (Phase::LoggedIn { .. }, _) if !puts_out => Ending::Lost,
            _ => Ending::NotLoggedIn,
        })
    }

    /// The server does what no forumd of this version does; there is no talking to it.
    fn breach(&mut self, how: &str) -> Result<(), Ending> {
        let server = &self.options.server;
        let advice = "Check the host and the port";
        self.output.warn(format_args!("{server} is no forum server for this client: {how}. {advice}"));
        Err(Ending::Lost)
    }
}
