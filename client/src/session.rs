//! The loop: waits for the user, the server and signals, and lets each phase of a session do its part.
//!
//! This is the only place that waits and the only one that asks what time it is. It refuses to know what
//! commands and replies mean ([`crate::commands`], [`crate::login`]) and how exit statuses are numbered.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use forum_common::notice::Notice;
use forum_common::refusal::Closing;
use forum_common::request::Request;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::commands::{Commands, Greeting, Outcome};
use crate::connection::{Connection, Incoming};
use crate::editor::{Purpose, View};
use crate::input::{Entered, Input};
use crate::lines::LINE_BYTES_MAX;
use crate::login::{Identity, Known, Login, Question, Step};
use crate::output::Output;
use crate::prompt::{self, Command};
use crate::reconnect::{BackOff, Dial, Dialed};
use crate::signals::{self, Call, Signals};
use crate::terminal::RawMode;
use crate::transfer::Folder;

/// How long a server may take to say hello: as long as it gives a client to log in.
const HELLO_TIMEOUT: Duration = Duration::from_secs(60);

/// How often the lines above the prompt are brought up to date.
const STATUS_EVERY: Duration = Duration::from_millis(200);

/// Times in a turn that an upload may fill the socket, before others have their turn.
const SEND_ROUNDS: usize = 8;

/// What a session is to do.
#[derive(Debug)]
pub struct Options {
    /// The server, as people call it.
    pub server: String,
    /// Where it may be, in the order in which to try.
    pub addresses: Vec<SocketAddr>,
    /// Where files of other users are taken; 0 = nowhere.
    pub udp_port: u16,
    /// What is known of the user.
    pub known: Known,
    /// Where downloads go.
    pub folder: Folder,
}

/// How a session ended. What there is to say about it has been said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With a goodbye.
    Goodbye,
    /// Before anybody was logged in.
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
    /// What a lost connection leads to: on a terminal, once logged in, another log-in.
    again: Option<Again>,
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
    LoggedIn { connection: Box<Connection>, commands: Commands },
}

#[derive(Debug)]
struct Again {
    identity: Identity,
    greeting: Greeting,
    back_off: BackOff,
}

/// What a wait ended with.
#[derive(Debug)]
struct Ready {
    signals: bool,
    input: bool,
    server: PollFlags,
}

/// What is polled. Peers will be more of the same.
#[derive(Debug, Clone, Copy)]
enum Source {
    Signals,
    Input,
    Server,
}

impl Session {
    /// Runs a session to its end; the second value is whether any command was refused.
    pub fn run(
        options: Options,
        input: Input,
        output: Output,
        signals: Signals,
        raw_mode: Option<RawMode>,
    ) -> (Ending, bool) {
        let now = Instant::now();
        let phase = Phase::Resting { until: now, why: String::new() };
        let mut session = Self { options, input, output, signals, raw_mode, phase, again: None, now };
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
        self.take_entered()?;
        self.send();
        self.show()?;
        let ready = self.wait()?;
        if ready.signals {
            self.obey_signals()?;
        }
        if ready.input {
            self.input.read(self.now);
        }
        if !ready.server.is_empty() {
            self.attend(ready.server)?;
        }
        self.look_at_clock()
    }

    /// Says what never came, and leaves the terminal as it was.
    fn finish(mut self, ending: Ending) -> (Ending, bool) {
        if let Phase::LoggedIn { commands, .. } = self.phase {
            commands.abandon(&mut self.output);
        }
        if let Ending::Killed(_) = ending {
            self.output.hurry_out();
        } else {
            // An output that takes no more has been reported, or is nothing to be reported now.
            let _ = self.output.settle(None);
        }
        (ending, self.output.has_refused())
    }

    /// Takes what was entered, as far as this phase wants it.
    fn take_entered(&mut self) -> Result<(), Ending> {
        loop {
            let question = self.question();
            let Some(entered) = self.input.next(question.as_ref(), &mut self.output) else { return Ok(()) };
            match entered {
                Entered::Suspend => self.suspend(),
                Entered::ClearScreen => self.output.clear_screen(),
                entered => self.enter(&entered)?,
            }
        }
    }

    fn enter(&mut self, entered: &Entered) -> Result<(), Ending> {
        let output = &mut self.output;
        match &mut self.phase {
            Phase::LoggedIn { connection, commands } => {
                let outbox = &mut connection.outbox;
                match entered {
                    Entered::Line(line) => commands.enter(line, outbox, output),
                    Entered::Interrupt if commands.is_leaving() => return Err(Ending::Lost),
                    Entered::End | Entered::Interrupt => commands.leave(outbox, output),
                    unreadable => commands.enter_unreadable(&reason(unreadable), outbox, output),
                }
                Ok(())
            }
            Phase::LoggingIn { connection, login, .. } => match (entered, login.question()) {
                (Entered::Interrupt, _) => Err(Ending::NotLoggedIn),
                (Entered::End, _) => {
                    output.warn("Not logged in: the input ended");
                    Err(Ending::NotLoggedIn)
                }
                (entered, None) => enter_offline(entered, output),
                (Entered::Line(line), Some(_)) => {
                    login.answer(line, &mut connection.outbox);
                    Ok(())
                }
                (_, Some(question)) if question.purpose == Purpose::Answer => {
                    output.warn("Invalid name");
                    Ok(())
                }
                // As a password it is just a bad one, which is the server's to refuse.
                (_, Some(_)) => {
                    login.answer("", &mut connection.outbox);
                    Ok(())
                }
            },
            Phase::Dialing(_) | Phase::Resting { .. } => enter_offline(entered, output),
        }
    }

    /// What the user is asked now.
    fn question(&self) -> Option<Question> {
        let offline = || Question { prompt: "(not connected) > ".to_owned(), purpose: Purpose::Command };
        match &self.phase {
            Phase::LoggedIn { commands, .. } => commands.question(self.input.is_terminal()),
            Phase::LoggingIn { login, .. } => login.question().or_else(|| login.is_again().then(offline)),
            Phase::Dialing(_) | Phase::Resting { .. } => self.again.as_ref().map(|_| offline()),
        }
    }

    /// Brings what waits to the socket, as far as it goes without waiting.
    fn send(&mut self) {
        match &mut self.phase {
            Phase::LoggedIn { connection, commands } => {
                for _ in 0..SEND_ROUNDS {
                    commands.pump(&mut connection.outbox, &mut self.output);
                    connection.write();
                    if connection.wants_to_write() || !commands.can_pump() {
                        break;
                    }
                }
            }
            Phase::LoggingIn { connection, .. } => connection.write(),
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
            if error.kind() != io::ErrorKind::BrokenPipe {
                self.output.warn(&format!("Cannot write: {error}"));
            }
            Ending::OutputClosed
        })
    }

    /// The lines above the prompt.
    fn status(&mut self) -> Vec<String> {
        match &mut self.phase {
            Phase::LoggedIn { commands, .. } => commands.status(self.now),
            Phase::LoggingIn { .. } => Vec::new(),
            Phase::Dialing(_) => vec![format!("Connecting to {}", self.options.server)],
            Phase::Resting { until, why } => {
                let left = until.saturating_duration_since(self.now);
                vec![format!("{why}. Next attempt in {} s", left.as_secs_f64().ceil())]
            }
        }
    }

    /// Waits until something is ready or due.
    fn wait(&mut self) -> Result<Ready, Ending> {
        let timeout = self.timeout();
        let mut fds = vec![PollFd::new(&self.signals, PollFlags::IN)];
        let mut sources = vec![Source::Signals];
        if let Some(input) = self.input.wanted() {
            fds.push(PollFd::from_borrowed_fd(input, PollFlags::IN));
            sources.push(Source::Input);
        }
        if let Some(server) = self.phase.polled() {
            fds.push(server);
            sources.push(Source::Server);
        }
        let polled = poll(&mut fds, timeout.as_ref());
        self.now = Instant::now();
        let mut ready = Ready { signals: false, input: false, server: PollFlags::empty() };
        match polled {
            Ok(_) => {}
            // The signal is in its pipe, and the next poll sees it.
            Err(Errno::INTR) => return Ok(ready),
            Err(error) => {
                self.output.warn(&format!("Cannot wait: {error}"));
                return Err(Ending::Lost);
            }
        }
        for (fd, source) in fds.iter().zip(sources) {
            match source {
                Source::Signals => ready.signals = !fd.revents().is_empty(),
                Source::Input => ready.input = !fd.revents().is_empty(),
                Source::Server => ready.server = fd.revents(),
            }
        }
        Ok(ready)
    }

    /// How long to wait at most; `None` = for ever.
    fn timeout(&self) -> Option<Timespec> {
        let wait = if self.output.is_interrupted() {
            Duration::ZERO
        } else {
            let due = [self.phase_due(), self.input.deadline(), self.status_due()];
            due.into_iter().flatten().min()?.saturating_duration_since(self.now)
        };
        // Rounding down would wake up just before anything is due.
        let wait = wait + Duration::from_millis(1);
        Some(Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: wait.subsec_nanos().into() })
    }

    fn phase_due(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Dialing(dial) => Some(dial.deadline()),
            Phase::Resting { until, .. } => Some(*until),
            Phase::LoggingIn { login, deadline, .. } if login.is_greeting() => Some(*deadline),
            Phase::LoggingIn { connection, .. } | Phase::LoggedIn { connection, .. } => {
                self.input.is_terminal().then(|| connection.probe_at())
            }
        }
    }

    /// When the lines above the prompt have to be drawn anew.
    fn status_due(&self) -> Option<Instant> {
        let changes = match &self.phase {
            Phase::LoggedIn { commands, .. } => commands.is_transferring(),
            Phase::Resting { .. } => true,
            Phase::Dialing(_) | Phase::LoggingIn { .. } => false,
        };
        (changes && self.input.is_terminal()).then(|| self.now + STATUS_EVERY)
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

    /// The server's socket shows something.
    fn attend(&mut self, shown: PollFlags) -> Result<(), Ending> {
        let connection = match &mut self.phase {
            Phase::Dialing(_) => return self.look_at_dial(true),
            Phase::Resting { .. } => return Ok(()),
            Phase::LoggingIn { connection, .. } | Phase::LoggedIn { connection, .. } => connection,
        };
        if shown == PollFlags::OUT {
            return Ok(());
        }
        let read = connection.read(self.now);
        self.take_frames()?;
        match read {
            Err(error) => self.lose(&loss(&error)),
            Ok(()) => Ok(()),
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
            Step::In(identity, greeting) => {
                self.output.say(&greeting);
                self.admit(identity);
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
                self.breach(&format!("It speaks version {version}, this client version {ours}"))
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
            Outcome::Goodbye => Err(Ending::Goodbye),
            Outcome::Unexpected => self.breach("Unexpected reply"),
        }
    }

    /// Somebody is logged in.
    fn admit(&mut self, identity: Identity) {
        let greeting = self.again.as_ref().map_or(Greeting::Full, |again| again.greeting);
        let commands = Commands::new(self.options.folder.clone(), greeting);
        let resting = Phase::Resting { until: self.now, why: String::new() };
        match std::mem::replace(&mut self.phase, resting) {
            Phase::LoggingIn { connection, .. } => self.phase = Phase::LoggedIn { connection, commands },
            phase => self.phase = phase,
        }
        if self.input.is_terminal() {
            if self.again.is_none() {
                self.output.say("Type help to see what the commands do.");
            }
            self.again = Some(Again { identity, greeting, back_off: BackOff::default() });
        }
    }

    /// The server's last words on this connection.
    fn close(&mut self, code: Closing, text: &str) -> Result<(), Ending> {
        let polite = matches!(code, Closing::Goodbye | Closing::ShuttingDown | Closing::Idle);
        match &self.phase {
            Phase::LoggingIn { login, .. } if login.is_again() && code != Closing::ProtocolError => {
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
        self.output.warn(&format!("{} is no forum server for this client: {how}", self.options.server));
        Err(Ending::Lost)
    }

    /// The connection is gone without a goodbye.
    fn lose(&mut self, why: &str) -> Result<(), Ending> {
        let resting = Phase::Resting { until: self.now, why: String::new() };
        match std::mem::replace(&mut self.phase, resting) {
            Phase::LoggedIn { commands, .. } => {
                self.output.warn(&format!("Connection lost: {why}"));
                let (leaving, greeting) = (commands.is_leaving(), commands.greeting());
                commands.abandon(&mut self.output);
                if let Some(again) = self.again.as_mut().filter(|_| !leaving) {
                    again.greeting = greeting;
                    return self.rest("Not connected");
                }
            }
            Phase::LoggingIn { login, .. } if login.is_again() => return self.rest(why),
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

    fn look_at_clock(&mut self) -> Result<(), Ending> {
        self.input.look_at_clock(self.now);
        let patient = !self.input.is_terminal();
        match &mut self.phase {
            Phase::Resting { until, .. } if self.now >= *until => self.dial(),
            Phase::Resting { .. } => Ok(()),
            Phase::Dialing(_) => self.look_at_dial(false),
            Phase::LoggingIn { login, deadline, .. } if login.is_greeting() => {
                if self.now >= *deadline {
                    self.lose("the server does not say hello")
                } else {
                    Ok(())
                }
            }
            Phase::LoggingIn { .. } | Phase::LoggedIn { .. } if patient => Ok(()),
            Phase::LoggingIn { connection, .. } | Phase::LoggedIn { connection, .. } => {
                match connection.probe(self.now) {
                    Ok(()) => Ok(()),
                    Err(error) => self.lose(&loss(&error)),
                }
            }
        }
    }

    fn dial(&mut self) -> Result<(), Ending> {
        match Dial::start(self.options.addresses.iter().copied(), self.now) {
            Ok(dial) => {
                self.phase = Phase::Dialing(dial);
                Ok(())
            }
            Err(error) => self.miss(&error),
        }
    }

    fn look_at_dial(&mut self, answered: bool) -> Result<(), Ending> {
        let resting = Phase::Resting { until: self.now, why: String::new() };
        match std::mem::replace(&mut self.phase, resting) {
            Phase::Dialing(dial) => match dial.look(answered, self.now) {
                Ok(Dialed::Still(dial)) => self.phase = Phase::Dialing(dial),
                Ok(Dialed::Through(stream)) => match Connection::new(stream, self.now) {
                    Ok(connection) => self.greet(connection),
                    Err(error) => return self.miss(&error),
                },
                Err(error) => return self.miss(&error),
            },
            phase => self.phase = phase,
        }
        Ok(())
    }

    fn greet(&mut self, mut connection: Connection) {
        let known = match &self.again {
            Some(again) => Known::Again(again.identity.clone()),
            None => self.options.known.clone(),
        };
        let login = Login::start(known, self.options.udp_port, &mut connection.outbox);
        let deadline = self.now + HELLO_TIMEOUT;
        self.phase = Phase::LoggingIn { connection: Box::new(connection), login, deadline };
    }

    /// No connection could be made.
    fn miss(&mut self, error: &io::Error) -> Result<(), Ending> {
        let said = format!("Cannot connect to {}: {error}", self.options.server);
        if self.again.is_none() {
            self.output.warn(&said);
        }
        self.rest(&said)
    }
}

impl Phase {
    /// The server's socket, and what of it is of interest.
    fn polled(&self) -> Option<PollFd<'_>> {
        let (fd, wanted) = match self {
            Self::Resting { .. } => return None,
            Self::Dialing(dial) => (dial.as_fd(), PollFlags::OUT),
            Self::LoggingIn { connection, .. } => (connection.as_fd(), connection.interest(false)),
            Self::LoggedIn { connection, commands } => {
                (connection.as_fd(), connection.interest(commands.can_pump()))
            }
        };
        Some(PollFd::from_borrowed_fd(fd, wanted))
    }
}

/// What was entered while there is no server to send it to.
fn enter_offline(entered: &Entered, output: &mut Output) -> Result<(), Ending> {
    match entered {
        Entered::Line(line) => match prompt::parse(line) {
            Ok(Some(Command::Ask(Request::LogOut))) => return Err(Ending::Lost),
            Ok(None) => {}
            _ => output.refuse("Not connected. The command was not sent"),
        },
        Entered::End | Entered::Interrupt => return Err(Ending::Lost),
        unreadable => output.refuse(&reason(unreadable)),
    }
    Ok(())
}

fn reason(unreadable: &Entered) -> String {
    match unreadable {
        Entered::TooLong => format!("The line is longer than {LINE_BYTES_MAX} bytes"),
        _ => "The line is not UTF-8".to_owned(),
    }
}

/// How a connection was lost, for people.
fn loss(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "the server closed it".to_owned(),
        io::ErrorKind::TimedOut => "the server does not answer".to_owned(),
        _ => error.to_string(),
    }
}
