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

mod lines;
mod output;

use forum_common::limits::LINE_BYTES_MAX;
use forum_common::text::commands::{help, room_names};
use forum_common::text::{Command, LineError, Listing, Now, Rejection, parse, prompts};
use forum_common::wire::frame::{EARLY_FRAME_BYTES_MAX, FIRST_BYTE};
use forum_common::wire::{NO_TAG, Reply, Request, TakeOver};

use self::lines::Typed;
pub(crate) use self::output::write;
use super::input::{Pause, ProtocolError, Taken};
use super::{ConnectionId, Phase, Wait};
use crate::core::Core;
use crate::journal::Journal;
use crate::tls::TLS_HANDSHAKE;

/// Columns that a terminal is taken to have.
const COLUMNS: usize = 80;

/// What is remembered of a session that speaks text.
#[derive(Debug, Default)]
pub struct Text {
    /// The rest of a line that was too long is still coming.
    is_skipping: bool,
    /// Passwords typed so far where more than one is due.
    secrets: Option<Vec<Typed>>,
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
    /// Takes what has come of a connection off the front of `bytes`, frames or lines; says how many bytes that was, and
    /// why it stopped. `ended`: no more will come.
    #[inline]
    pub(crate) fn take_received(
        &mut self,
        id: ConnectionId,
        bytes: &[u8],
        ended: bool,
        share: &mut usize,
    ) -> (usize, Pause) {
        match self.sessions.get(id).map(|session| (&session.text, &session.phase, bytes)) {
            Some((Some(_), ..)) => self.take_text(id, bytes, ended, share),
            // The first byte says what is spoken.
            Some((None, Phase::AwaitingHello(_), [first, ..])) if *first != FIRST_BYTE => {
                self.begin_text(id, *first);
                self.take_text(id, bytes, ended, share)
            }
            _ => self.take_frames(id, bytes, share),
        }
    }

    fn begin_text(&mut self, id: ConnectionId, first: u8) {
        if let Some(session) = self.sessions.get_mut(id) {
            session.text = Some(Box::default());
            session.greet(true);
        }
        log::info!("{} speaks text", self.label(id));
        if first == TLS_HANDSHAKE {
            self.break_off(id, "This server does not speak TLS");
        }
    }

    fn take_text(
        &mut self,
        id: ConnectionId,
        bytes: &[u8],
        ended: bool,
        share: &mut usize,
    ) -> (usize, Pause) {
        // Nobody can say that messages have arrived, so they have when the kernel has taken them.
        if let Some(text) = self.sessions.text_mut(id)
            && let up_to @ 1.. = std::mem::take(&mut text.mail_sent)
        {
            let taken = self.take_ack(id, up_to);
            debug_assert!(taken.is_ok(), "what was written is there");
        }
        let (used, pause) = self.take_lines(id, bytes, ended, share);
        if let Some(text) = self.sessions.text_mut(id) {
            text.wants_line = pause == Pause::Incomplete && !ended;
        }
        self.outbox.want_flush(id);
        (used, pause)
    }

    fn take_lines(
        &mut self,
        id: ConnectionId,
        bytes: &[u8],
        ended: bool,
        share: &mut usize,
    ) -> (usize, Pause) {
        let mut start = 0;
        while *share > 0 {
            // Any line may have ended the connection, or the server.
            let Some(session) = self.sessions.get(id).filter(|_| self.is_heard(id)) else {
                return (bytes.len(), Pause::Incomplete);
            };
            let is_stranger = session.phase.login_budget().is_some();
            let at_most = if is_stranger { EARLY_FRAME_BYTES_MAX } else { LINE_BYTES_MAX };
            let rest = &bytes[start..];
            let cut = lines::split(rest, ended);
            if cut.is_none() && rest.len() <= at_most {
                return (start, Pause::Incomplete);
            }
            let unwritten = (self.outbox.queued(id) > 0).then_some(Wait::Output);
            if let Some(wait) = self.unanswered(id).or(unwritten) {
                return (start, Pause::Held(wait));
            }
            let Some(text) = self.sessions.text_mut(id) else { return (start, Pause::Incomplete) };
            let is_rest = std::mem::replace(&mut text.is_skipping, cut.is_none());
            let (line, used) = cut.unwrap_or((None, rest.len()));
            // Who typed it pressed Enter, and the cursor is below the prompt.
            text.is_prompted &= !rest[..used].ends_with(b"\n");
            let line = match line {
                _ if used > at_most => Err(format!("The line is longer than {at_most} bytes")),
                line => line.ok_or_else(|| "The line is not UTF-8".to_owned()),
            };
            match if is_rest { Ok(Taken::Yes) } else { self.take_line(id, line) } {
                Ok(Taken::Yes) => start += used,
                Ok(Taken::NotNow(wait)) => return (start, Pause::Held(wait)),
                Err(ProtocolError(reason)) => self.break_off(id, &reason),
            }
            self.take_passed();
            *share -= 1;
        }
        (start, Pause::ShareUsed)
    }

    fn take_line(&mut self, id: ConnectionId, line: Result<Typed, String>) -> Result<Taken, ProtocolError> {
        let is_member = self.sessions.member(id).is_some();
        let secrets = self.sessions.text_mut(id).and_then(|text| text.secrets.take());
        match line {
            Err(reason) if !is_member => Err(ProtocolError(reason)),
            Err(reason) if secrets.is_none() => self.say(id, &format!("Invalid text\n{reason}")),
            Ok(line) if is_member && secrets.is_none() => self.take_command_line(id, &line),
            line => self.take_answer(id, line.unwrap_or_default(), secrets.unwrap_or_default()),
        }
    }

    /// Takes the answer to a question of the log-in or of `passwd`.
    fn take_answer(
        &mut self,
        id: ConnectionId,
        line: Typed,
        mut secrets: Vec<Typed>,
    ) -> Result<Taken, ProtocolError> {
        let Some(session) = self.sessions.get_mut(id) else { return Ok(Taken::Yes) };
        let word = line.trim_matches(' ');
        let request = match (&session.phase, prompts::answer(word)) {
            (Phase::AwaitingName(_), _) if word.is_empty() => return Ok(Taken::Yes),
            // A web page can have a browser send this to any port, and what follows is the page's.
            (Phase::AwaitingName(_), _) if word.contains(" HTTP/1.") => {
                return Err(ProtocolError("This is a forum, and no web server".to_owned()));
            }
            (Phase::AwaitingName(_), _) => {
                Request::LogIn { name: word, udp_port: 0, take_over: Some(TakeOver::Ask), session: None }
            }
            (Phase::AwaitingPassword(_, claim), _) if claim.account.is_some() => {
                Request::Password { password: &line }
            }
            // In a batch the next command stands here, and only a yes may end the other session.
            (Phase::AwaitingTakeOver(..), answer) => Request::EndOtherSession { yes: answer == Some(true) },
            (phase, _) => {
                secrets.push(line);
                match (phase, &secrets[..]) {
                    (Phase::Member(_), [old, new, confirmation]) => {
                        Request::ChangePassword { old, new, confirmation }
                    }
                    (Phase::AwaitingPassword(..), [password, confirmation]) => {
                        Request::SignUp { password, confirmation }
                    }
                    _ => {
                        session
                            .text
                            .iter_mut()
                            .for_each(|text| text.secrets = Some(std::mem::take(&mut secrets)));
                        return Ok(Taken::Yes);
                    }
                }
            }
        };
        let is_member = session.member().is_some();
        self.trace_request(id, NO_TAG, &request);
        if is_member { self.take_command(id, NO_TAG, request) } else { self.take_login(id, NO_TAG, request) }
    }

    /// Takes a command, or the answer to another user's question.
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
        let names;
        let request = match parsed {
            Ok(Some(Command::Ask(request))) => request,
            Ok(Some(Command::CreateRoom { users })) => {
                names = room_names(users);
                Request::CreateRoom { users: &names, key: None }
            }
            Ok(Some(Command::ChangePassword)) => {
                self.sessions.text_mut(id).into_iter().for_each(|text| text.secrets = Some(Vec::new()));
                return Ok(Taken::Yes);
            }
            Ok(Some(Command::Help(word))) => {
                let lines = help(word).map_or_else(|error| error.to_string(), |lines| lines.join("\n"));
                return self.say(id, &lines);
            }
            Ok(_) => {
                let word = line.trim_start_matches(' ').split(' ').next().unwrap_or_default();
                return self.say(id, &format!("{word} needs the forum client"));
            }
            Err(error) => return self.say(id, &error.to_string()),
        };
        self.trace_request(id, NO_TAG, &request);
        let taken = self.take_command(id, NO_TAG, request);
        if let (Ok(Taken::Yes), Some(text)) = (&taken, self.sessions.text_mut(id)) {
            text.listing = Listing::answering(&request);
        }
        taken
    }

    /// Answers a line of which the forum is asked nothing. It counts among the requests of a second all the same.
    fn say(&mut self, id: ConnectionId, text: &str) -> Result<Taken, ProtocolError> {
        if self.too_fast(id) {
            self.refuse(id, NO_TAG, &Rejection::SlowDown);
        } else {
            let at_ms = self.time.now_ms;
            text.lines().for_each(|text| self.outbox.reply(id, NO_TAG, &Reply::Done { at_ms, text }));
        }
        self.count_request(id);
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
        let prompt = match (&session.phase, text.secrets.as_ref().map(Vec::len)) {
            (Phase::AwaitingName(_), _) => prompts::USERNAME,
            (Phase::AwaitingPassword(_, claim), None) if claim.account.is_some() => prompts::PASSWORD,
            (Phase::AwaitingPassword(_, claim), None) => {
                return Some(prompts::new_account(claim.name.as_str()));
            }
            (Phase::AwaitingTakeOver(_, claim), _) => {
                return Some(prompts::take_over_question(claim.0.name.as_str()));
            }
            (Phase::Member(_), None) if text.has_entered => prompts::SHORT,
            (Phase::Member(_), None) => prompts::first_command(COLUMNS),
            (Phase::Member(_), Some(0)) => prompts::OLD_PASSWORD,
            (Phase::Member(_), Some(1)) => prompts::NEW_PASSWORD,
            (_, Some(_)) => prompts::CONFIRM_PASSWORD,
            _ => return None,
        };
        Some(prompt.to_owned())
    }
}
