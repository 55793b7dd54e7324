//! The client without its senses: what happens comes in as [`Event`]s, what is to be done comes out as [`Action`]s.
//!
//! ```text
//!             ┌──────────── it can't be made ◄───────┐
//!             ▼                                      │
//!   ─► Resting ──its time──► Dialing ──it stands──► LoggingIn ──welcome──► LoggedIn
//!             ▲                                      │                       │
//!             └───── the connection is lost, on a terminal ◄────────────────┘
//!                                   ... anything that ends it ──► Leaving ──► Action::End
//! ```
//!
//! Sockets, files, streams and the clock belong to [`event_loop`](crate::event_loop). A turn of it: [`Core::input`] for
//! each thing that happened, then [`Core::poll_output`] until there is nothing, each action done before the next is
//! asked for; then it waits for what [`Core::interest`] wants, or until [`Core::due`]. What commands and replies mean
//! is known to [`commands`] and [`login`](crate::login), how exit statuses are numbered to nobody here.

mod completing;
mod connecting;
pub mod connection;
pub mod context;
mod entering;
pub mod event;
mod leaving;
mod logging_in;
mod offline;
mod server_events;
mod transfers;
mod view;

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use forum_common::text::clock::Clock;
use forum_common::tls::Fingerprint;
use forum_peer::State;

use self::connection::Connection;
use self::context::{Context, Next, Queue, Surroundings};
use self::event::{Action, Ending, Event};
use self::leaving::Leaving;
use crate::asked::{Asked, Server};
use crate::commands::{self, Commands};
use crate::line_editor::input::Input;
use crate::login::{Identity, Known, Login};
use crate::memory::Memory;
use crate::output::{Format, Output, Place, Stream};
use crate::reconnect::BackOff;

/// What a session is to do.
#[derive(Debug)]
pub struct Options {
    /// The server, as people call it.
    pub server: String,
    /// The UDP port where other users find us; 0 = any.
    pub udp_port: u16,
    /// What is known of the user.
    pub known: Known,
    /// Whether it is shown who comes and goes.
    pub presence: bool,
    /// Whether nothing is shown that nobody asked for.
    pub is_quiet: bool,
    /// How it is printed.
    pub format: Format,
    /// Whether names and times have colours.
    pub has_colours: bool,
    /// Whether another session of the user is ended without a question.
    pub takes_over: bool,
    /// How many lines of a pipe may be unanswered at once.
    pub pipeline: usize,
    /// In pipes, for how long a lost connection is tried to be made anew; `None`: not at all.
    pub retry: Option<Duration>,
    /// Whether the first refused command of a pipe is the last that is taken.
    pub stops_on_error: bool,
    /// How long the server may give no sign of life.
    pub server_timeout: Duration,
}

/// What is to be waited for, besides signals and other users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interest {
    /// Standard input has something to read.
    pub input: bool,
    /// The server has something to read.
    pub receive: bool,
    /// The server can be written to.
    pub send: bool,
}

/// A session.
#[derive(Debug)]
pub struct Core {
    options: Options,
    input: Input,
    output: Output,
    queue: Queue,
    phase: Phase,
    /// The server's, as it said last.
    clock: Clock,
    /// What there is to know of other users.
    peers: State,
    /// What a lost connection leads to once somebody is logged in, on a terminal or if the options say so: another
    /// log-in.
    again: Option<Again>,
    status: view::Status,
    /// A word waits for names to be completed; until then at most, so do the keys after the Tab.
    completing: Option<Instant>,
    /// The upload that was read from last: each has its turn.
    last_read: forum_common::wire::Tag,
    /// The kernel has been told to hide what is typed.
    hides_typing: bool,
    /// It is over, but for what is still to be said.
    leaving: Option<Leaving>,
    /// When the last event came.
    now: Instant,
}

#[derive(Debug)]
enum Phase {
    /// A connection is being made.
    Dialing,
    /// The user is asked whether this certificate of the server is to be trusted.
    Doubting(Fingerprint),
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
    /// In pipes, when the last attempt is.
    until: Option<Instant>,
}

impl Core {
    /// A session that begins now.
    pub fn new(
        options: Options,
        input: Input,
        place: Place,
        surroundings: Surroundings,
        now: Instant,
    ) -> Self {
        let mut output = Output::new(place, options.format);
        output.has_colours = options.has_colours;
        Self {
            input,
            output,
            options,
            queue: Queue::new(surroundings),
            phase: Phase::Resting { until: now, why: String::new() },
            clock: Clock::default(),
            peers: State::default(),
            again: None,
            status: view::Status::default(),
            completing: None,
            last_read: 0,
            hides_typing: false,
            leaving: None,
            now,
        }
    }

    /// Says something to the user that has nothing to do with what happens.
    pub fn warn(&mut self, text: impl std::fmt::Display) {
        self.output.warn(text);
    }

    /// Takes in something that has happened.
    pub fn input(&mut self, event: Event<'_>, now: Instant) {
        self.now = now;
        let result = self.take(event);
        self.end_with(result);
    }

    fn take(&mut self, event: Event<'_>) -> Result<(), Ending> {
        match event {
            Event::Typed(bytes) => self.input.feed(bytes, self.now),
            Event::InputEnded(why) => self.input_ended(why),
            Event::Resized { columns, rows } => self.output.resize(columns, rows),
            Event::Resumed => {
                self.output.forget_screen();
                self.hides_typing = false;
            }
            Event::Stopping => {
                self.output.erase();
                self.queue.act(Action::Suspend);
            }
            Event::Connected(udp_port) => return self.connected(udp_port),
            Event::NotConnected(said) => return self.not_connected(&said),
            Event::NotTrusted(doubt) => return self.not_trusted(doubt),
            Event::Received(bytes) => {
                let now = self.now;
                self.connection().into_iter().for_each(|connection| connection.received(bytes, now));
            }
            Event::Sent { bytes, all_taken } => {
                let now = self.now;
                self.connection().into_iter().for_each(|it| it.sent(bytes, all_taken, now));
            }
            Event::CannotSend => self.connection().into_iter().for_each(Connection::cannot_send),
            Event::Disconnected(why) => return self.lose(&why),
            Event::Printed(_, bytes) => self.output.printed(bytes),
            Event::CannotPrint(stream, why) => return self.cannot_print(stream, &why),
            Event::File(file, event) => return self.filed(file, &event),
            Event::Peers(state) => self.peers = state,
            Event::Report(report) => self.reported(report),
            Event::PeerStatus(lines) => self.status.set_peers(lines),
            Event::Warning(text) => self.output.warn(text),
            Event::Killed => self.killed(),
            Event::Tick => return self.on_timeout(),
        }
        Ok(())
    }

    /// What is to be done next; `None`: wait. Each action is to be done, and what came of it taken in, before the next
    /// is asked for.
    pub fn poll_output(&mut self) -> Option<Action> {
        loop {
            match self.queue.next.pop_front() {
                Some(Next::Act(action)) => return Some(action),
                Some(Next::Show(notice)) => self.show(&notice.as_ref()),
                None => match self.step() {
                    Ok(true) => {}
                    Ok(false) if self.queue.next.is_empty() => {
                        self.draw();
                        return None;
                    }
                    result => self.end_with(result.map(drop)),
                },
            }
        }
    }

    /// Does the next thing that can be done without waiting. Returns whether there was one.
    fn step(&mut self) -> Result<bool, Ending> {
        self.queue.keep_lines(self.input.take_lines_to_keep());
        if self.leaving.is_some() {
            return Ok(self.go_on_leaving());
        }
        if self.take_server_event()? {
            return Ok(true);
        }
        self.acknowledge();
        let has_gone_on = self.take_entered()? || self.pump() || self.ask_peer_status();
        Ok(has_gone_on || self.hide_secrets())
    }

    /// Bytes for the server.
    pub fn unsent(&self) -> &[u8] {
        match &self.phase {
            Phase::LoggingIn { connection, .. } | Phase::LoggedIn { connection, .. } => connection.unsent(),
            Phase::Dialing | Phase::Doubting(_) | Phase::Resting { .. } => &[],
        }
    }

    /// Bytes to be printed, and where.
    pub fn unprinted(&self) -> Option<(Stream, &[u8])> {
        self.output.unprinted()
    }

    /// How many bytes may be received from the server now.
    pub fn receive_room(&mut self) -> usize {
        self.connection().map_or(0, Connection::receive_room)
    }

    /// How many bytes of other users' datagrams the server may be given now.
    pub fn relay_room(&self) -> usize {
        match &self.phase {
            Phase::LoggedIn { connection, .. } => commands::files::room(&connection.server),
            _ => 0,
        }
    }

    /// What to wait for.
    pub fn interest(&self) -> Interest {
        let is_connected = matches!(self.phase, Phase::LoggingIn { .. } | Phase::LoggedIn { .. });
        let can_pump = match &self.phase {
            Phase::LoggedIn { connection, .. } => connection.server.unanswered().any(Asked::can_read),
            _ => false,
        };
        Interest {
            input: self.input.is_wanted(),
            receive: is_connected && !self.output.is_full(),
            send: !self.unsent().is_empty() || can_pump || (self.peers.is_held && is_connected),
        }
    }

    /// When [`Event::Tick`] is due at the latest.
    pub fn due(&self) -> Option<Instant> {
        let phase = match &self.phase {
            Phase::Dialing | Phase::Doubting(_) => None,
            Phase::Resting { until, .. } => Some(*until),
            Phase::LoggingIn { login, deadline, .. } if login.is_greeting() => Some(*deadline),
            Phase::LoggingIn { connection, .. } | Phase::LoggedIn { connection, .. } => {
                Some(connection.probe_at())
            }
        };
        let leaving = self.leaving.as_ref().map(Leaving::until);
        let due = [phase.filter(|_| leaving.is_none()), self.input.deadline(), self.status_due()];
        due.into_iter().chain([self.completing, leaving]).flatten().min()
    }

    /// Whether in pipes any command was refused so far, or standard error took no more.
    pub fn has_failed(&self) -> bool {
        self.output.has_failed()
    }

    fn on_timeout(&mut self) -> Result<(), Ending> {
        self.input.on_timeout(self.now);
        self.completing = self.completing.filter(|deadline| self.now < *deadline);
        if self.leaving.is_some() {
            return Ok(());
        }
        match &mut self.phase {
            Phase::Resting { until, .. } if self.now >= *until => self.dial(),
            Phase::Resting { .. } | Phase::Doubting(_) | Phase::Dialing => {}
            Phase::LoggingIn { login, deadline, .. } if login.is_greeting() => {
                if self.now >= *deadline {
                    let seconds = self.options.server_timeout.as_secs();
                    return self.lose(&format!("the server has not said hello within {seconds} seconds"));
                }
            }
            Phase::LoggingIn { connection, .. } | Phase::LoggedIn { connection, .. } => {
                if self.output.is_full() {
                    // It is not being listened to.
                    connection.hear(self.now);
                } else if connection.probe(self.now).is_err() {
                    let seconds = self.options.server_timeout.as_secs();
                    return self.lose(&format!("the server has said nothing for {seconds} seconds"));
                }
            }
        }
        Ok(())
    }

    fn connection(&mut self) -> Option<&mut Connection> {
        match &mut self.phase {
            Phase::LoggingIn { connection, .. } | Phase::LoggedIn { connection, .. } => Some(connection),
            Phase::Dialing | Phase::Doubting(_) | Phase::Resting { .. } => None,
        }
    }

    /// Lets something be done with all that is at hand. What is said to a server that is not there goes nowhere.
    fn with<R>(&mut self, act: impl FnOnce(&mut Context<'_>) -> R) -> R {
        let mut nobody = Server::default();
        let server = match &mut self.phase {
            Phase::LoggedIn { connection, .. } => &mut connection.server,
            _ => &mut nobody,
        };
        act(&mut Context { now: self.now, server, output: &mut self.output, queue: &mut self.queue })
    }

    /// The same with the commands, if somebody is logged in.
    fn with_commands<R>(&mut self, act: impl FnOnce(&mut Commands, &mut Context<'_>) -> R) -> Option<R> {
        let Phase::LoggedIn { connection, commands } = &mut self.phase else { return None };
        let server = &mut connection.server;
        let mut context = Context { now: self.now, server, output: &mut self.output, queue: &mut self.queue };
        Some(act(commands, &mut context))
    }

    fn input_ended(&mut self, why: Option<String>) {
        // A terminal that hung up can't be read either, and nobody is there to be told.
        if let Some(why) = why.filter(|_| !self.input.is_terminal()) {
            self.output.refuse(format_args!("Cannot read standard input: {why}"));
        }
        self.input.end();
    }

    fn cannot_print(&mut self, stream: Stream, why: &str) -> Result<(), Ending> {
        let ends = self.output.fail(stream);
        if !ends || self.leaving.is_some() {
            return Ok(());
        }
        self.output.warn(format_args!("Cannot write to standard output: {why}"));
        Err(Ending::OutputClosed)
    }

    /// Tells the server of the messages that have been shown, which is only sure once they are written.
    fn acknowledge(&mut self) {
        if self.output.is_empty() {
            self.with_commands(|commands, context| commands.acknowledge(context.server));
        }
    }
}
