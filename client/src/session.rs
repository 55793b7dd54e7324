//! The loop: waits for the user, the server and signals, and lets each phase of a session do its part.
//!
//! This is the only place that waits and the only one that asks what time it is. It refuses to know what
//! commands and replies mean ([`crate::commands`], [`crate::login`]) and how exit statuses are numbered.

mod completing;
mod entering;
mod events;
mod offline;
mod server;
mod waiting;

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::asked::Asked;
use crate::clock::Clock;
use crate::commands::{self, Commands};
use crate::connection::{Connection, Server};
use crate::editor::Purpose;
use crate::input::Input;
use crate::layout::View;
use crate::login::{Identity, Known, Login, Question};
use crate::memory::Memory;
use crate::output::Output;
use crate::peer::Desk;
use crate::peer::links::{Accept, Links};
use crate::peer::udp::LINGER;
use crate::reconnect::{BackOff, Dial};
use crate::signals::{self, Call, Signals};
use crate::terminal::RawMode;
use crate::transfer::Folder;
use crate::wording::cause;

/// What a terminal shows once, before the first prompt.
const BANNER: &str = "Type help for all commands, messenger and rooms included.";

/// How often the lines above the prompt are brought up to date.
const STATUS_EVERY: Duration = Duration::from_millis(200);

/// How long keys wait for the names that the Tab before them needs. Who typed on blindly meant the word to
/// be completed; who waits longer than this sees that it is not.
const NAMES_TIMEOUT: Duration = Duration::from_secs(1);

/// Times in a turn that an upload may fill the socket, before others have their turn.
const SEND_ROUNDS: usize = 8;

/// What a session is to do.
#[derive(Debug)]
pub struct Options {
    /// The server, as people call it.
    pub server: String,
    /// Where it may be, in the order in which to try.
    pub addresses: Vec<SocketAddr>,
    /// The UDP port where other users find us; 0 = any.
    pub udp_port: u16,
    /// What is answered to their questions.
    pub accept: Accept,
    /// What is known of the user.
    pub known: Known,
    /// Where downloads go.
    pub folder: Folder,
    /// Whether it is shown who comes and goes.
    pub presence: bool,
    /// Whether another session of the user is ended without a question.
    pub takes_over: bool,
    /// How long the server may give no sign of life.
    pub server_timeout: Duration,
}

/// How a session ended. What there is to say about it has been said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With a goodbye.
    Goodbye,
    /// Before anybody was logged in, or because the user was put out.
    NotLoggedIn,
    /// There is no connection, or it was lost without a goodbye.
    Lost,
    /// Standard output takes no more.
    OutputClosed,
    /// This signal wants us dead.
    Killed(i32),
}

/// A session and what it has to do with.
#[derive(Debug)]
pub struct Session {
    options: Options,
    input: Input,
    output: Output,
    signals: Signals,
    /// On a terminal.
    raw_mode: Option<RawMode>,
    phase: Phase,
    /// The server's, as it said last.
    clock: Clock,
    /// What there is between this user and others; it outlives a connection to the server.
    links: Links,
    /// What a lost connection leads to: on a terminal, once logged in, another log-in.
    again: Option<Again>,
    /// The lines above the prompt while transfers run, and when they were made.
    transfers_shown: Option<(Instant, Vec<String>)>,
    /// A word waits for names to be completed; until then at most, so do the keys behind the Tab.
    completing: Option<Instant>,
    /// When this turn began.
    now: Instant,
}

#[derive(Debug)]
enum Phase {
    /// A connection is being made.
    Dialing(Dial),
    /// The next attempt is at that time; why the last one failed.
    Resting { until: Instant, why: String },
    /// Connected, not logged in. The deadline is for the server's hello.
    LoggingIn { connection: Box<Connection>, login: Login, deadline: Instant },
    /// Logged in.
    LoggedIn { connection: Box<Connection>, commands: Box<Commands> },
}

#[derive(Debug)]
struct Again {
    identity: Identity,
    memory: Memory,
    /// What the server has not answered, and is to be asked again.
    unanswered: Vec<Asked>,
    back_off: BackOff,
}

impl Session {
    /// Runs a session to its end; the second value is whether any command was refused or a complaint could not be written.
    pub fn run(
        options: Options,
        input: Input,
        output: Output,
        signals: Signals,
        raw_mode: Option<RawMode>,
    ) -> (Ending, bool) {
        let now = Instant::now();
        let phase = Phase::Resting { until: now, why: String::new() };
        let links = Links::new(options.accept, options.folder.clone());
        let mut session = Self {
            options,
            input,
            output,
            signals,
            raw_mode,
            phase,
            clock: Clock::default(),
            links,
            again: None,
            transfers_shown: None,
            completing: None,
            now,
        };
        let ending = loop {
            if let Err(ending) = session.turn() {
                break ending;
            }
        };
        session.finish(ending)
    }

    fn turn(&mut self) -> Result<(), Ending> {
        // Answers are out before the next command goes: who stops listening has said nothing more.
        self.show()?;
        self.acknowledge();
        self.take_entered()?;
        self.send();
        self.show()?;
        let ready = self.wait()?;
        if ready.signals {
            self.obey_signals()?;
        }
        if ready.input {
            self.input.read(self.now, &mut self.output);
        }
        // Before the server: what somebody said last comes before the word that they have logged out.
        if ready.peers || self.links.due(self.now).is_some_and(|due| self.now >= due) {
            self.with_links(|links, desk| links.attend(desk));
        }
        if !ready.server.is_empty() {
            self.attend(ready.server)?;
        }
        self.look_at_clock()
    }

    /// Lets the links do something. What they have to say to a server that is not there goes nowhere.
    fn with_links<R>(&mut self, act: impl FnOnce(&mut Links, &mut Desk<'_>) -> R) -> R {
        let mut nobody = Server::default();
        let server = match &mut self.phase {
            Phase::LoggedIn { connection, .. } => &mut connection.server,
            _ => &mut nobody,
        };
        act(&mut self.links, &mut Desk { now: self.now, server, output: &mut self.output })
    }

    /// Tells the server of the messages that have been shown, which is only sure once they are written.
    fn acknowledge(&mut self) {
        if let Phase::LoggedIn { connection, commands } = &mut self.phase
            && !self.output.is_interrupted()
        {
            commands.acknowledge(&mut connection.server);
        }
    }

    /// Says what never came, and leaves the terminal as it was.
    fn finish(mut self, ending: Ending) -> (Ending, bool) {
        if ending == Ending::Goodbye && self.output.settle(None).is_ok() {
            // Messages may have come together with the goodbye.
            self.acknowledge();
            self.send();
        }
        if !matches!(ending, Ending::Killed(_)) {
            self.wind_up();
        }
        let waiting = self.again.into_iter().flat_map(|again| again.unanswered);
        waiting.for_each(|asked| asked.abandon(&mut self.output));
        if let Phase::LoggedIn { connection, .. } = self.phase {
            let unanswered = connection.server.into_unanswered();
            unanswered.for_each(|(_, asked)| asked.abandon(&mut self.output));
        }
        if let Ending::Killed(_) = ending {
            self.output.hurry_out();
        } else {
            // An output that takes no more has been reported, or is nothing to be reported now.
            let _ = self.output.settle(None);
        }
        (ending, self.output.has_failed())
    }

    /// Lets what was said last to other users arrive, for a short while.
    fn wind_up(&mut self) {
        self.with_links(|links, desk| links.hang_up(desk));
        let deadline = self.now + LINGER;
        while self.links.is_busy() && self.now < deadline {
            self.wait_for_peers(deadline);
            self.with_links(|links, desk| links.attend(desk));
        }
    }

    /// What the user is asked now.
    fn question(&self) -> Option<Question> {
        let offline = || Question { prompt: "(not connected) > ".to_owned(), purpose: Purpose::Command };
        match &self.phase {
            // In a pipe, a command is answered when its file has arrived.
            Phase::LoggedIn { .. } if !self.input.is_terminal() && self.links.files.is_sending() => None,
            Phase::LoggedIn { connection, commands } => {
                let (on_terminal, columns) = (self.input.is_terminal(), self.output.columns());
                commands.question(&connection.server, on_terminal, columns)
            }
            Phase::LoggingIn { login, .. } => login.question().or_else(|| login.is_again().then(offline)),
            Phase::Dialing(_) | Phase::Resting { .. } => self.again.as_ref().map(|_| offline()),
        }
    }

    /// Brings what waits to the socket, as far as it goes without waiting.
    fn send(&mut self) {
        match &mut self.phase {
            Phase::LoggedIn { connection, .. } => {
                for _ in 0..SEND_ROUNDS {
                    commands::pump(&mut connection.server, &mut self.output);
                    if self.links.files.is_held() {
                        let (server, output) = (&mut connection.server, &mut self.output);
                        self.links.files.attend(&mut Desk { now: self.now, server, output });
                    }
                    connection.write(self.now);
                    let has_more = commands::can_pump(&connection.server) || self.links.files.is_held();
                    if connection.wants_to_write() || !has_more {
                        break;
                    }
                }
            }
            Phase::LoggingIn { connection, .. } => connection.write(self.now),
            Phase::Dialing(_) | Phase::Resting { .. } => {}
        }
    }

    fn show(&mut self) -> Result<(), Ending> {
        let question = if self.input.is_terminal() { self.question() } else { None };
        let status = if question.is_some() { self.status() } else { Vec::new() };
        let view = question.as_ref().map(|question| {
            let (text, cursor) = self.input.typed();
            View { status, prompt: &question.prompt, text, cursor }
        });
        self.output.settle(view.as_ref()).map_err(|error| {
            let why = match error.kind() {
                io::ErrorKind::BrokenPipe => "its reader has gone".to_owned(),
                _ => cause(&error),
            };
            self.output.warn(format_args!("Cannot write to standard output: {why}"));
            Ending::OutputClosed
        })
    }

    /// The lines above the prompt. Those of transfers have news in every turn, and there are thousands of turns
    /// a second then: nobody wants to see them all.
    fn status(&mut self) -> Vec<String> {
        if !self.is_transferring() {
            self.transfers_shown = None;
            return self.present_status();
        }
        let lines = match self.transfers_shown.take() {
            Some((since, lines)) if self.now < since + STATUS_EVERY => (since, lines),
            _ => (self.now, self.present_status()),
        };
        self.transfers_shown.insert(lines).1.clone()
    }

    fn is_transferring(&self) -> bool {
        let with_server = match &self.phase {
            Phase::LoggedIn { connection, .. } => connection.server.unanswered().any(Asked::is_transfer),
            _ => false,
        };
        with_server || self.links.files.is_transferring()
    }

    fn present_status(&mut self) -> Vec<String> {
        let mut lines = self.links.files.status(self.now);
        match &mut self.phase {
            Phase::LoggedIn { connection, .. } => {
                let transfers = connection.server.unanswered_mut();
                lines.extend(transfers.filter_map(|(_, asked)| asked.status(self.now)));
            }
            Phase::LoggingIn { .. } => {}
            Phase::Dialing(_) => lines.push(format!("Connecting to {}", self.options.server)),
            Phase::Resting { until, why } => {
                let left = until.saturating_duration_since(self.now);
                lines.push(format!("{why}. Next attempt in {} s", left.as_secs_f64().ceil()));
            }
        }
        lines
    }

    fn obey_signals(&mut self) -> Result<(), Ending> {
        for call in self.signals.take() {
            match call {
                Call::Resized => self.output.resize(),
                Call::Suspend => self.suspend(),
                Call::Continued => self.resume(),
                Call::Die(signal) => return Err(Ending::Killed(signal)),
            }
        }
        Ok(())
    }

    /// Gives the terminal back for as long as this process is stopped.
    fn suspend(&mut self) {
        let _ = self.output.settle(None);
        if let Some(raw_mode) = &self.raw_mode {
            raw_mode.pause();
        }
        if signals::stop().is_err() {
            self.resume();
        }
    }

    /// Takes the terminal again. A terminal that can't be had will end the input, too.
    fn resume(&mut self) {
        if let Some(raw_mode) = &self.raw_mode {
            let _ = raw_mode.resume();
        }
        self.output.forget_screen();
        self.output.resize();
    }

    fn look_at_clock(&mut self) -> Result<(), Ending> {
        self.input.look_at_clock(self.now, &mut self.output);
        self.completing = self.completing.filter(|deadline| self.now < *deadline);
        match &mut self.phase {
            Phase::Resting { until, .. } if self.now >= *until => self.dial(),
            Phase::Resting { .. } => Ok(()),
            Phase::Dialing(_) => self.look_at_dial(false),
            Phase::LoggingIn { login, deadline, .. } if login.is_greeting() => {
                if self.now >= *deadline {
                    let seconds = self.options.server_timeout.as_secs();
                    self.lose(&format!("the server has not said hello within {seconds} seconds"))
                } else {
                    Ok(())
                }
            }
            Phase::LoggingIn { connection, .. } | Phase::LoggedIn { connection, .. } => {
                match connection.probe(self.now) {
                    Ok(()) => Ok(()),
                    Err(error) => self.lose(&self.loss(&error)),
                }
            }
        }
    }
}
