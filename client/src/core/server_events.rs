//! What the server says, and what takes it in: the log-in, the commands, the part for other users.

use forum_common::wire::{Closing, Event, Notice, OwnedNotice, Reply};

use super::context::{Context, Next};
use super::event::{Ending, PeerAction};
use super::{Core, Phase};
use crate::commands::Outcome;
use crate::commands::answers::go_on;

/// The name of a reply's code, if it has one.
pub(super) fn code_of(reply: &Reply<'_>) -> Option<&'static str> {
    match reply {
        Reply::Refused { code, .. } => Some(code.name()),
        _ => None,
    }
}

impl Core {
    /// Takes in the next thing that the server has said, unless so much waits to be printed that nothing should be
    /// added. Returns whether there was one.
    pub(super) fn take_server_event(&mut self) -> Result<bool, Ending> {
        if self.output.is_full() {
            return Ok(false);
        }
        let Some(connection) = self.connection() else { return Ok(false) };
        match connection.server.has_event() {
            Ok(true) => self.take_event().map(|()| true),
            Ok(false) => Ok(false),
            Err(error) => self.breach(&error.to_string()).map(|()| true),
        }
    }

    fn take_event(&mut self) -> Result<(), Ending> {
        match &mut self.phase {
            Phase::LoggingIn { connection, login, .. } => match connection.server.next_event() {
                Ok(Some(Event::Notice(notice))) => {
                    let notice = notice.owned();
                    self.take_notice(notice)
                }
                Ok(Some(Event::Answer(_, asked, reply))) => {
                    let reply = reply.owned();
                    let step = login.answered(asked, &reply.as_ref(), self.now, &mut connection.server);
                    self.answered_at_log_in(&reply.as_ref(), step)
                }
                Ok(None) => Ok(()),
                Ok(Some(_)) => self.breach("Unexpected reply"),
                Err(error) => self.breach(&error.to_string()),
            },
            Phase::LoggedIn { .. } => self.take_event_of_member(),
            Phase::Dialing | Phase::Doubting(_) | Phase::Resting { .. } => Ok(()),
        }
    }

    /// Takes in an event while somebody is logged in. What may lead to anything being said to the server is copied
    /// out of the bytes in which it came.
    fn take_event_of_member(&mut self) -> Result<(), Ending> {
        let Phase::LoggedIn { connection, commands } = &mut self.phase else { return Ok(()) };
        let (server, output, queue) = (&mut connection.server, &mut self.output, &mut self.queue);
        let event = match server.next_event() {
            Ok(Some(event)) => event,
            Ok(None) => return Ok(()),
            Err(error) => return self.breach(&error.to_string()),
        };
        let (now, earlier) = (self.now, output.about());
        let outcome = match event {
            Event::Item(_, asked, item) => {
                output.begin_answer(asked.about(), &item, code_of(&item));
                commands.listed(asked, &item, now, output)
            }
            Event::Starts(tag, asked, reply) => {
                output.turn_to(asked.about());
                let (step, file) = (asked.started(&reply), asked.file().unwrap_or_default());
                go_on(step, tag, file, &mut Context { now, server, output, queue })
            }
            Event::Transfer(tag, asked, transfer) => {
                output.turn_to(asked.about());
                let (step, file) = (asked.moved(&transfer), asked.file().unwrap_or_default());
                go_on(step, tag, file, &mut Context { now, server, output, queue })
            }
            Event::Downloaded(_, asked, _) => {
                output.turn_to(asked.about());
                commands.finish(asked, &mut Context { now, server, output, queue })
            }
            Event::Answer(_, asked, reply) => {
                output.begin_answer(asked.about(), &reply, code_of(&reply));
                let reply = reply.owned();
                let mut context = Context { now, server, output, queue };
                commands.answered(asked, &reply.as_ref(), &mut context)
            }
            Event::Notice(notice) => {
                let notice = notice.owned();
                return self.take_notice(notice);
            }
        };
        self.output.unmute();
        self.output.turn_to(earlier);
        self.act_on(outcome)
    }

    fn take_notice(&mut self, notice: OwnedNotice) -> Result<(), Ending> {
        match notice.as_ref() {
            Notice::Closing { code, text } => return self.close(code, text),
            _ if !matches!(self.phase, Phase::LoggedIn { .. }) => return self.breach("Unexpected notice"),
            borrowed if borrowed.link().is_some() => self.queue.peer(PeerAction::Noticed(notice)),
            Notice::LoggedOut { name } => {
                // What that user said last comes before it.
                self.queue.peer(PeerAction::LoggedOut { user: name.to_owned() });
                self.queue.next.push_back(Next::Show(notice));
            }
            notice => self.show(&notice),
        }
        Ok(())
    }

    /// Shows what nobody asked for.
    pub(super) fn show(&mut self, notice: &Notice<'_>) {
        self.with_commands(|commands, context| commands.noticed(notice, context.now, context.output));
    }

    pub(super) fn act_on(&mut self, outcome: Outcome) -> Result<(), Ending> {
        match outcome {
            Outcome::Going => Ok(()),
            Outcome::PasswordChanged(password) => {
                if let Some(again) = &mut self.again {
                    again.identity.password = password;
                }
                Ok(())
            }
            Outcome::PresenceSet(on) => {
                self.options.presence = on;
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
        let notice = Notice::Closing { code, text };
        self.output.turn_to(None);
        self.output.notify(&notice, Some(code.name()), |output| {
            if polite { output.say(text) } else { output.warn(text) }
        });
        Err(match (&self.phase, code) {
            (_, Closing::TooSlow | Closing::ProtocolError) => Ending::Lost,
            (Phase::LoggedIn { .. }, _) if polite => Ending::Goodbye,
            (Phase::LoggedIn { .. }, _) if !puts_out => Ending::Lost,
            _ => Ending::NotLoggedIn,
        })
    }

    /// The server does what no forumd of this version does; there is no talking to it.
    pub(super) fn breach(&mut self, how: &str) -> Result<(), Ending> {
        let server = &self.options.server;
        let advice = "Check the host and the port";
        self.output.warn(format_args!("{server} is no forum server for this client: {how}. {advice}"));
        Err(Ending::Lost)
    }
}
