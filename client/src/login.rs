//! The log-in: which question comes next, and what the server is asked.
//!
//! Pure: answers and replies come in, requests go to a [`Server`]. It doesn't know where the answers
//! come from: a person, a pipe or an option.

use std::time::Instant;

use forum_common::escape::for_terminal;
use forum_common::text::clock::Clock;
use forum_common::text::{Passwords, Secret, Zone, prompts};
use forum_common::wire::{Refusal, Reply, Request, TakeOver, VERSION};

use crate::asked::{Asked, Awaits, Server};
use crate::line_editor::editor::Purpose;

/// What a server calls the feature that one session can end another of the same user.
const TAKE_OVER: &str = "take-over";

/// What this client calls itself.
pub const CLIENT: &str = concat!("forum ", env!("CARGO_PKG_VERSION"));

/// Something the user is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What is shown in front of the answer, on a terminal.
    pub prompt: String,
    /// What the answer is for.
    pub purpose: Purpose,
}

impl Question {
    /// A question for a password.
    pub fn secret(prompt: impl Into<String>) -> Self {
        Self { prompt: prompt.into(), purpose: Purpose::Secret }
    }
}

/// Who logged in.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The name.
    pub name: String,
    /// The password that proved right.
    pub password: Secret,
    /// What the server calls the session.
    pub session: u64,
    /// When it began, by the server's clock.
    pub since_ms: u64,
}

/// What is known without asking, and what a refusal leads to.
#[derive(Debug, Clone)]
pub enum Known {
    /// Nothing: everything is asked, and after a refusal asked again.
    Nothing,
    /// The options name the user; any refusal is final.
    User {
        /// The name.
        name: String,
        /// The password, which is its own confirmation.
        password: Secret,
    },
    /// Logged in once already, on a connection that was lost. The server may not have noticed yet.
    Again(Identity),
}

/// What a log-in is to do, and what is known of the user.
#[derive(Debug)]
pub struct Wishes {
    /// Who logs in.
    pub known: Known,
    /// The UDP port where other users find us; 0 = nowhere.
    pub udp_port: u16,
    /// Whether this user wants to know who comes and goes.
    pub presence: bool,
    /// What becomes of another session of this user, unless this is one that goes on.
    pub take_over: TakeOver,
    /// Whether a wrong password is asked for again, rather than the name.
    pub asks_again: bool,
}

/// One log-in, on one connection.
#[derive(Debug)]
pub struct Login {
    known: Known,
    udp_port: u16,
    /// What to ask for if the user is online already; `None`: the server has no such feature.
    take_over: Option<TakeOver>,
    asks_again: bool,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// The hello is sent.
    Greeting,
    /// The user is asked for a name.
    Name,
    /// The name is sent.
    NameSent { name: String },
    /// The user is asked for the password, or for a new one and its confirmation.
    Password { name: String, passwords: Passwords, is_new: bool },
    /// The password is sent.
    PasswordSent { name: String, password: Secret, is_new: bool },
    /// The password is right, and the user is asked whether the session elsewhere is to end.
    TakingOver { name: String, password: Secret },
}

/// What came of a reply.
#[derive(Debug)]
#[must_use]
pub enum Step {
    /// It goes on.
    Going,
    /// There is no such user yet: a password is asked for that makes one.
    New(String),
    /// The server has said hello, and what its clock says; and the name of its zone, if that is not known here.
    Greeted(Clock, Option<String>),
    /// Logged in.
    In {
        /// Who.
        identity: Identity,
        /// Whether the account was made just now.
        is_new: bool,
        /// What to greet the user with.
        greeting: String,
    },
    /// Refused, for this reason; it begins again with the name.
    Again(String),
    /// Refused, for this reason, and that is final.
    Failed(String),
    /// Not now, but maybe later, on another connection.
    Later(String),
    /// The server speaks another version of the protocol.
    Foreign(u16),
    /// The server sent what has no place here.
    Unexpected,
}

impl Login {
    /// Says hello to the server.
    pub fn start(wishes: Wishes, server: &mut Server) -> Self {
        let Wishes { known, udp_port, presence, take_over, asks_again } = wishes;
        ask(&Request::ClientHello { version: VERSION, client: CLIENT, presence }, server);
        Self { known, udp_port, take_over: Some(take_over), asks_again, stage: Stage::Greeting }
    }

    /// Whether the server has not even said hello.
    pub fn is_greeting(&self) -> bool {
        matches!(self.stage, Stage::Greeting)
    }

    /// What to ask the user; `None` while the server is being asked.
    pub fn question(&self) -> Option<Question> {
        match &self.stage {
            Stage::Name => Some(Question { prompt: prompts::USERNAME.to_owned(), purpose: Purpose::Answer }),
            Stage::Password { passwords, .. } => Some(Question::secret(passwords.prompt())),
            Stage::TakingOver { name, .. } => {
                let prompt = prompts::take_over_question(&for_terminal(name));
                Some(Question { prompt, purpose: Purpose::Answer })
            }
            Stage::Greeting | Stage::NameSent { .. } | Stage::PasswordSent { .. } => None,
        }
    }

    /// Takes the answer to the question. A name is a word, so spaces around it don't count, and an empty
    /// line is no answer; a password is the line as it is.
    pub fn answer(&mut self, line: &str, server: &mut Server) {
        match std::mem::replace(&mut self.stage, Stage::Greeting) {
            Stage::Name => match line.trim_matches(' ') {
                "" => self.stage = Stage::Name,
                name => self.send_name(name.to_owned(), server),
            },
            Stage::Password { name, mut passwords, is_new } => {
                passwords.take(Secret::new(line.to_owned()));
                self.send_passwords(name, passwords, is_new, server);
            }
            Stage::TakingOver { name, password } => match prompts::answer(line.trim_matches(' ')) {
                Some(yes) => {
                    ask(&Request::EndOtherSession { yes }, server);
                    self.stage = Stage::PasswordSent { name, password, is_new: false };
                }
                None => self.stage = Stage::TakingOver { name, password },
            },
            // Nothing was asked.
            stage => self.stage = stage,
        }
    }

    /// What to say about an answer to the question that is not text.
    pub fn unreadable(&self) -> &'static str {
        if matches!(self.stage, Stage::TakingOver { .. }) { "Answer y or n" } else { "Invalid name" }
    }

    /// Takes in the answer to a request that was made before the welcome.
    pub fn answered(&mut self, asked: Asked, reply: &Reply<'_>, now: Instant, server: &mut Server) -> Step {
        match (asked.awaits, reply) {
            (Awaits::Pong, Reply::Pong { .. }) => Step::Going,
            (Awaits::LogIn, reply) => self.replied(reply, now, server),
            _ => Step::Unexpected,
        }
    }

    fn replied(&mut self, reply: &Reply<'_>, now: Instant, server: &mut Server) -> Step {
        match (std::mem::replace(&mut self.stage, Stage::Name), reply) {
            (Stage::Greeting, Reply::ServerHello { version: VERSION, zone: name, now_ms, features, .. }) => {
                self.take_over = self.take_over.filter(|_| features.split(' ').any(|it| it == TAKE_OVER));
                self.greeted(server);
                let zone = Zone::named(name);
                let unknown = zone.is_none().then(|| (*name).to_owned());
                Step::Greeted(Clock::new(zone, *now_ms, now), unknown)
            }
            (Stage::Greeting, Reply::ServerHello { version, .. }) => Step::Foreign(*version),
            (Stage::NameSent { name }, Reply::PasswordWanted { known }) => self.wanted(name, !known, server),
            (Stage::PasswordSent { name, password, is_new: false }, Reply::TakeOverWanted { .. })
                if self.take_over == Some(TakeOver::Ask) =>
            {
                self.stage = Stage::TakingOver { name, password };
                Step::Going
            }
            (Stage::PasswordSent { name, password, is_new }, Reply::Welcome { session, since_ms, text }) => {
                let identity = Identity { name, password, session: *session, since_ms: *since_ms };
                Step::In { identity, is_new, greeting: (*text).to_owned() }
            }
            (Stage::PasswordSent { name, .. }, Reply::Refused { code, text, .. })
                if self.asks_again
                    && matches!(self.known, Known::Nothing)
                    && code.wants_another_password() =>
            {
                // To the server a log-in begins with the name.
                self.send_name(name, server);
                Step::Again((*text).to_owned())
            }
            (Stage::NameSent { .. } | Stage::PasswordSent { .. }, Reply::Refused { code, text, .. }) => {
                self.refused(*code, (*text).to_owned())
            }
            _ => Step::Unexpected,
        }
    }

    fn greeted(&mut self, server: &mut Server) {
        match &self.known {
            Known::Nothing => self.stage = Stage::Name,
            Known::User { name, .. } | Known::Again(Identity { name, .. }) => {
                self.send_name(name.clone(), server);
            }
        }
    }

    fn wanted(&mut self, name: String, is_new: bool, server: &mut Server) -> Step {
        match &self.known {
            Known::User { password, .. } => {
                let password = password.clone();
                self.give(password, name, is_new, server);
            }
            // Nobody is there to choose a password.
            Known::Again(_) if is_new && !self.asks_again => {
                return Step::Failed(format!("There is no user {name} any more"));
            }
            // A server that has forgotten this user is not told to make an account behind the user's back.
            Known::Again(identity) if !is_new => {
                let password = identity.password.clone();
                self.give(password, name, is_new, server);
            }
            Known::Nothing | Known::Again(_) => {
                let step = if is_new { Step::New(name.clone()) } else { Step::Going };
                let passwords = Passwords::for_login(&name, is_new);
                self.stage = Stage::Password { name, passwords, is_new };
                return step;
            }
        }
        Step::Going
    }

    fn refused(&mut self, code: Refusal, text: String) -> Step {
        if code.closes() {
            return Step::Failed(text);
        }
        match (&self.known, code) {
            (Known::User { .. }, _) => Step::Failed(text),
            (Known::Again(_), code) if code.passes() => Step::Later(text),
            (Known::Again(_), _) if !self.asks_again => Step::Failed(text),
            (Known::Again(_), _) => {
                self.known = Known::Nothing;
                Step::Again(text)
            }
            (Known::Nothing, _) => Step::Again(text),
        }
    }

    fn send_name(&mut self, name: String, server: &mut Server) {
        let (take_over, session) = match (&self.known, self.take_over) {
            (_, None) => (None, None),
            // A session that goes on after a lost connection ends no other than itself.
            (Known::Again(identity), Some(_)) => (Some(TakeOver::OwnSession), Some(identity.session)),
            (Known::Nothing | Known::User { .. }, Some(wanted)) => (Some(wanted), None),
        };
        ask(&Request::LogIn { name: &name, udp_port: self.udp_port, take_over, session }, server);
        self.stage = Stage::NameSent { name };
    }

    /// Gives the password that is known, which is its own confirmation.
    fn give(&mut self, password: Secret, name: String, is_new: bool, server: &mut Server) {
        let mut passwords = Passwords::for_login(&name, is_new);
        while passwords.request().is_none() {
            passwords.take(password.clone());
        }
        self.send_passwords(name, passwords, is_new, server);
    }

    /// Sends the passwords if all are there; if not, the user is asked for the next.
    fn send_passwords(&mut self, name: String, passwords: Passwords, is_new: bool, server: &mut Server) {
        self.stage = match passwords.request() {
            Some(request) => {
                ask(&request, server);
                Stage::PasswordSent { name, password: passwords.chosen(), is_new }
            }
            None => Stage::Password { name, passwords, is_new },
        };
    }
}

/// Asks for the next step.
fn ask(request: &Request<'_>, server: &mut Server) {
    server.ask(request, Asked::silently(Awaits::LogIn));
}

#[cfg(test)]
mod tests;
