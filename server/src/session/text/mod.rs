//! The text door: a session in words, for who has `nc` and no client. A line becomes the [`Request`] that a client would
//! send, by the same table, and what is told becomes the lines that a client would print. Limits, deadlines, the
//! lock-out, take-over and the end of input are those of all sessions, because this knows nothing of them.
//!
//! ```text
//!  bytes ─► lines ─► name, password, command ─► Request ─► as for a frame
//!  bytes ◄── output: frames, as they are written ◄── Outbox ◄── as for a frame
//! ```
//!
//! One line is taken at a time, the next when the answer is written: so what is asked follows the answer, and who asks
//! and does not read is not asked further. Nothing is asked while a line waits: what is piped in is answered as in pipes.

mod output;
mod telnet;

use forum_common::limits::LINE_BYTES_MAX;
use forum_common::text::commands::{help, word};
use forum_common::text::typed::{Cutter, Line};
use forum_common::text::{Command, LineError, Listing, Now, Passwords, parse, prompts};
use forum_common::wire::{NO_TAG, Reply, Request, TakeOver};

pub(crate) use self::output::write;
use super::input::{Pause, ProtocolError, Taken};
use super::{ConnectionId, Phase, Wait};
use crate::core::Core;
use crate::journal::Journal;

/// What is remembered of a session that speaks text.
#[derive(Debug, Default)]
pub struct Text {
    cutter: Cutter,
    /// Passwords where more than one is due, as far as they were typed.
    passwords: Option<Passwords>,
    /// A command was entered: from then on the prompt is short.
    has_entered: bool,
    /// All lines are taken, and more may come.
    wants_line: bool,
    /// How the items of the answer look that is coming.
    listing: Option<Listing>,
    /// What the user is to be asked.
    prompt: Option<String>,
    /// It was asked, and the cursor stands after it.
    is_prompted: bool,
    /// Lines that the kernel has not taken.
    unsent: Vec<u8>,
    /// The last byte of the last frame among them is not taken.
    owes_byte: bool,
    /// The newest message that became a line, and the newest whose line the kernel has.
    mail_in_lines: u64,
    mail_sent: u64,
}

impl<J: Journal> Core<J> {
    /// A connection has begun with a byte that no frame begins with.
    pub(super) fn begin_text(&mut self, id: ConnectionId) {
        if let Some(session) = self.sessions.get_mut(id) {
            let cutter = Cutter::leaving_out(telnet::command_bytes);
            session.text = Some(Box::new(Text { cutter, ..Text::default() }));
            session.greet(true);
        }
        log::info!("{} speaks text", self.label(id));
    }

    /// Nobody can say that messages have arrived, so they have when the kernel has taken them.
    pub(super) fn take_written_mail(&mut self, id: ConnectionId) {
        if let Some(text) = self.sessions.text_mut(id)
            && let up_to @ 1.. = std::mem::take(&mut text.mail_sent)
        {
            // What was written is there.
            let _ = self.take_ack(id, up_to);
        }
    }

    /// Lines were taken; if those were all and more may come, the user is asked for one.
    pub(super) fn note_lines_taken(&mut self, id: ConnectionId, wants_line: bool) {
        self.sessions.text_mut(id).into_iter().for_each(|text| text.wants_line = wants_line);
        self.outbox.want_flush(id);
    }

    /// Takes the first line of `bytes`; says how many of them that was, or why there is none to take.
    pub(super) fn next_line(&mut self, id: ConnectionId, bytes: &[u8], ended: bool) -> Result<usize, Pause> {
        // Any line may have ended the connection, or the server.
        let Some(session) = self.sessions.get(id).filter(|_| self.is_heard(id)) else {
            return Ok(bytes.len());
        };
        let mut cutter = session.text.as_ref().map(|text| text.cutter).unwrap_or_default();
        let at_most = self.input_bytes_max(id, LINE_BYTES_MAX);
        let (line, used) = cutter.cut(bytes, at_most, ended).ok_or(Pause::Incomplete)?;
        let unwritten = (self.outbox.queued(id) > 0).then_some(Wait::Output);
        if let Some(wait) = self.unanswered(id).or(unwritten) {
            return Err(Pause::Held(wait));
        }
        if let Some(text) = self.sessions.text_mut(id) {
            text.cutter = cutter;
            // Who typed it pressed Enter, and the cursor is below the prompt.
            let answer = telnet::answer(&bytes[..used]);
            text.is_prompted &= answer.is_empty() && !bytes[..used].ends_with(b"\n");
            text.unsent.extend_from_slice(answer);
        }
        match line.map_or(Ok(Taken::Yes), |line| self.take_line(id, line)) {
            Ok(Taken::Yes) => {}
            Ok(Taken::NotNow(wait)) => return Err(Pause::Held(wait)),
            // What comes after it is thrown away.
            Err(ProtocolError(reason)) => self.break_off(id, &reason),
        }
        self.take_passed();
        Ok(used)
    }

    /// Takes a command, or the answer to a question of the log-in or of `passwd`.
    fn take_line(&mut self, id: ConnectionId, line: Line) -> Result<Taken, ProtocolError> {
        let Some(session) = self.sessions.get_mut(id) else { return Ok(Taken::Yes) };
        let is_member = session.member().is_some();
        let typed = session.text.as_mut().and_then(|text| text.passwords.take());
        let mut passwords = typed.or_else(|| first_passwords(&session.phase));
        let line = match line {
            Ok(line) if is_member && passwords.is_none() => return self.take_command_line(id, &line),
            Err(why) if is_member && passwords.is_none() => {
                return self.say(id, format_args!("Invalid text\n{why}"));
            }
            Err(why) if !is_member => return Err(ProtocolError(why.to_string())),
            line => line.unwrap_or_default(),
        };
        let word = line.trim_matches(' ');
        let request = match &session.phase {
            Phase::AwaitingName(_) if word.is_empty() => return Ok(Taken::Yes),
            // A web page can have a browser send this to any port, and what follows is the page's.
            Phase::AwaitingName(_) if word.contains(" HTTP/1.") => {
                return Err(ProtocolError("This is a forum, and no web server".to_owned()));
            }
            Phase::AwaitingName(_) => {
                Request::LogIn { name: word, udp_port: 0, take_over: Some(TakeOver::Ask), session: None }
            }
            // In a batch the next command stands here, and only a yes may end the other session.
            Phase::AwaitingTakeOver(..) => {
                Request::EndOtherSession { yes: prompts::answer(word) == Some(true) }
            }
            _ => {
                let Some(asked) = &mut passwords else { return Ok(Taken::Yes) };
                asked.take(line);
                let Some(request) = asked.request() else {
                    session.text.iter_mut().for_each(|text| text.passwords = passwords.take());
                    return Ok(Taken::Yes);
                };
                request
            }
        };
        self.trace_request(id, NO_TAG, &request);
        if is_member { self.take_command(id, NO_TAG, request) } else { self.take_login(id, NO_TAG, request) }
    }

    /// Takes a command, or the answer to another user.
    fn take_command_line(&mut self, id: ConnectionId, line: &str) -> Result<Taken, ProtocolError> {
        let parsed = parse(line, Now { zone: &self.settings.zone, ms: self.time.now_ms });
        let (Some(text), false) = (self.sessions.text_mut(id), parsed == Ok(None)) else {
            return Ok(Taken::Yes);
        };
        text.has_entered = true;
        if let (Some(yes), Some((account, _))) = (prompts::answer(line), self.standing(id))
            && let Some(link) = self.forum.links.oldest_question(account)
        {
            if yes {
                self.say(id, "Private sessions and files of users need the forum client")?;
            }
            return self.take_command(id, NO_TAG, Request::AnswerQuestion { link, yes: false });
        }
        if !matches!(parsed, Err(LineError::Syntax(_))) {
            self.note_activity(id);
        }
        match parsed {
            Ok(Some(Command::Ask(request))) => {
                self.trace_request(id, NO_TAG, &request);
                let taken = self.take_command(id, NO_TAG, request);
                if let (Ok(Taken::Yes), Some(text)) = (&taken, self.sessions.text_mut(id)) {
                    text.listing = Listing::answering(&request);
                }
                taken
            }
            Ok(Some(Command::ChangePassword)) => {
                let text = self.sessions.text_mut(id);
                text.into_iter().for_each(|text| text.passwords = Some(Passwords::for_change()));
                Ok(Taken::Yes)
            }
            Ok(Some(Command::Help(word))) => match help(word) {
                Ok(lines) => self.say(id, lines.join("\n")),
                Err(error) => self.say(id, error),
            },
            Ok(_) => self.say(id, format_args!("{} needs the forum client", word(line))),
            Err(error) => self.say(id, error),
        }
    }

    /// Answers a line of which the forum is asked nothing.
    fn say(&mut self, id: ConnectionId, text: impl ToString) -> Result<Taken, ProtocolError> {
        if self.may_ask(id, NO_TAG) {
            let at_ms = self.time.now_ms;
            let said = text.to_string();
            said.lines().for_each(|text| self.outbox.reply(id, NO_TAG, &Reply::Done { at_ms, text }));
        }
        Ok(Taken::Yes)
    }

    /// A session that speaks text is about to be written to: notes what it is to be asked then.
    pub(crate) fn note_prompt(&mut self, id: ConnectionId) {
        let prompt = self.prompt(id);
        if let Some(text) = self.sessions.text_mut(id) {
            text.prompt = prompt;
        }
    }

    /// It was written to: if the kernel has messages, that is to be noted.
    pub(crate) fn note_written_mail(&mut self, id: ConnectionId) {
        if self.sessions.text_mut(id).is_some_and(|text| text.mail_sent > 0) {
            self.sessions.wake(id);
        }
    }

    /// What the user is to be asked now; none while something is unanswered.
    fn prompt(&self, id: ConnectionId) -> Option<String> {
        let session = self.sessions.get(id)?;
        let text = session.text.as_ref().filter(|text| text.wants_line)?;
        if !self.is_heard(id) || self.unanswered(id).is_some() {
            return None;
        }
        let prompt = match (&session.phase, &text.passwords) {
            (_, Some(passwords)) => return Some(passwords.prompt()),
            (Phase::AwaitingName(_), _) => prompts::USERNAME,
            (Phase::AwaitingTakeOver(_, claim), _) => {
                return Some(prompts::take_over_question(claim.0.name.as_str()));
            }
            (Phase::Member(_), _) if text.has_entered => prompts::SHORT,
            (Phase::Member(_), _) => prompts::first_command(80),
            (phase, _) => return first_passwords(phase).map(|passwords| passwords.prompt()),
        };
        Some(prompt.to_owned())
    }
}

/// Passwords of which nothing was typed yet, where a log-in asks for them.
fn first_passwords(phase: &Phase) -> Option<Passwords> {
    let Phase::AwaitingPassword(_, claim) = phase else { return None };
    Some(Passwords::for_login(claim.name.as_str(), claim.account.is_none()))
}
