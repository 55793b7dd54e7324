//! The loop: waits for the user, the server, other users, signals and somebody to read what is printed, in one place,
//! and does what the [`Core`] wants done.
//!
//! This is the only place that waits and the only one that asks what time it is. Standard input may be anything; it is
//! polled, read when it is ready, and never made nonblocking: a terminal is shared with the shell.

mod peers;
mod server;
mod streams;

use std::fs::File;
use std::io::{self, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use forum_common::tls::Line;
use forum_peer::local_files::LocalFiles;
use forum_peer::{Peers, State};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::core::Core;
use crate::core::event::{Action, Ending, Event, FileAction, FileId};
use crate::dialing::Dialing;
use crate::line_editor::history_file::HistoryFile;
use crate::line_editor::terminal::Modes;
use crate::output::Stream;
use crate::security::Security;
use crate::signals::Signals;

/// Times in a turn that an upload may fill the socket, before others have their turn.
const SEND_ROUNDS: usize = 8;

/// The standard streams.
#[derive(Debug)]
pub struct Streams {
    /// What the user says.
    pub input: OwnedFd,
    /// For replies and notices.
    pub out: File,
    /// For refusals and errors.
    pub err: File,
    /// Which of them shows the line being typed; none in pipes.
    pub screen: Option<Stream>,
}

/// Where the server is.
#[derive(Debug)]
pub struct Target {
    /// Its host, which is resolved for each connection.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What is spoken with it, and whom it must be.
    pub security: Security,
    /// The UDP port where other users find us; 0 = any.
    pub udp_port: u16,
    /// How long the server may give no sign of life.
    pub silence_max: Duration,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// By itself.
    Over(Ending),
    /// This signal wants us dead.
    Killed(i32),
}

/// Everything outside the core.
#[derive(Debug)]
pub struct EventLoop {
    /// The core.
    pub core: Core,
    /// Other users.
    pub peers: Peers,
    /// The standard streams.
    pub streams: Streams,
    /// Signals.
    pub signals: Signals,
    /// On a terminal.
    pub modes: Option<Modes>,
    /// Lines of earlier runs, and for later ones; none if nobody wants that, or it can't be.
    pub history: Option<HistoryFile>,
    /// Where the server is.
    pub target: Target,
    /// Local files of transfers.
    pub files: LocalFiles,
    /// The way to the server.
    pub server: Server,
    /// What the core knows of other users.
    pub known: State,
    /// A signal that wants us dead came while we were stopped.
    pub dying: Option<i32>,
    /// When this turn began.
    pub now: Instant,
}

/// The way to the server.
#[derive(Debug, Default)]
pub enum Server {
    /// None.
    #[default]
    None,
    /// One is being made.
    Dialing(Dialing),
    /// TLS is being agreed on, until then at most.
    Securing(Line<TcpStream>, Instant),
    /// It stands.
    Connected(Line<TcpStream>),
}

/// What a wait ended with.
#[derive(Debug)]
struct Ready {
    signals: bool,
    input: bool,
    print: bool,
    server: PollFlags,
    peers: bool,
}

/// What is polled.
#[derive(Debug, Clone, Copy)]
enum Source {
    Signals,
    Input,
    Print,
    Server,
    Peer,
}

impl EventLoop {
    /// Runs to the end; the second value is whether in pipes any command was refused, or a complaint could not be
    /// written.
    pub fn run(mut self) -> (End, bool) {
        self.resize();
        self.give(Event::Tick);
        let end = loop {
            if let Some(end) = self.turn() {
                break end;
            }
        };
        (end, self.core.has_failed())
    }

    fn turn(&mut self) -> Option<End> {
        if let Some(ending) = self.perform() {
            return Some(End::Over(ending));
        }
        if let Some(signal) = self.dying {
            return Some(self.die(signal));
        }
        let due = if self.files.is_looking() { Some(self.now) } else { self.due() };
        let ready = match self.wait(due) {
            Ok(ready) => ready,
            Err(error) => {
                // Without it nothing can be done any more.
                let _ = writeln!(self.streams.err, "Cannot wait: {error}");
                return Some(End::Over(Ending::Lost));
            }
        };
        if ready.signals
            && let Some(signal) = self.obey_signals()
        {
            return Some(self.die(signal));
        }
        if ready.print {
            self.print();
        }
        if ready.input {
            self.read_input();
        }
        // Before the server: what somebody said last comes before the word that they have logged out.
        if ready.peers || self.peers.due(self.now).is_some_and(|due| self.now >= due) {
            self.attend_to_peers();
        }
        self.attend_to_server(ready.server);
        if let Some((file, event)) = self.files.look_on() {
            self.give(Event::File(file, event));
        }
        self.keep_history(HistoryFile::catch_up);
        self.give(Event::Tick);
        None
    }

    fn give(&mut self, event: Event<'_>) {
        self.core.input(event, self.now);
    }

    /// Does all that the core wants done, and sends what it has for the server, as far as it goes without waiting.
    fn perform(&mut self) -> Option<Ending> {
        for _ in 0..SEND_ROUNDS {
            while let Some(action) = self.core.poll_output() {
                match action {
                    Action::Dial => self.dial(),
                    Action::Trust(certificate) => self.trust(certificate),
                    Action::HangUp => self.hang_up(),
                    Action::File(file, action) => self.file(file, action),
                    Action::Peer(action) => self.tell_peers(action),
                    Action::AskPeerStatus { columns } => {
                        let lines = self.peers.status(self.now, columns);
                        self.give(Event::PeerStatus(lines));
                    }
                    Action::Remember(line) => self.keep_history(|history| history.keep(&line)),
                    Action::ShowTyping(shows) => {
                        // A terminal that has gone will end the input, too.
                        let _ = self.modes.as_ref().map(|modes| modes.show_typing(shows));
                    }
                    Action::Suspend => self.suspend(),
                    Action::End(ending) => {
                        self.send();
                        self.hang_up();
                        return Some(ending);
                    }
                }
            }
            if !self.send() {
                break;
            }
            if self.known.is_held {
                self.attend_to_peers();
            }
        }
        None
    }

    /// Waits until something is ready, or until then; `None` = for ever.
    fn wait(&mut self, until: Option<Instant>) -> io::Result<Ready> {
        let timeout = until.map(|until| timespec(until.saturating_duration_since(self.now)));
        let interest = self.core.interest();
        let mut fds = vec![PollFd::new(&self.signals, PollFlags::IN)];
        let mut sources = vec![Source::Signals];
        if interest.input {
            fds.push(PollFd::new(&self.streams.input, PollFlags::IN));
            sources.push(Source::Input);
        }
        if let Some((stream, _)) = self.core.unprinted() {
            fds.push(PollFd::from_borrowed_fd(self.streams.fd(stream), PollFlags::OUT));
            sources.push(Source::Print);
        }
        match &self.server {
            Server::None => {}
            Server::Dialing(dialing) => {
                let (fd, flags) = dialing.interest();
                fds.push(PollFd::from_borrowed_fd(fd, flags));
                sources.push(Source::Server);
            }
            Server::Securing(line, _) => {
                let mut flags = PollFlags::IN;
                flags.set(PollFlags::OUT, line.has_unsent());
                fds.push(PollFd::new(line, flags));
                sources.push(Source::Server);
            }
            Server::Connected(line) => {
                let mut flags = PollFlags::empty();
                flags.set(PollFlags::IN, interest.receive);
                flags.set(PollFlags::OUT, interest.send || line.has_unsent());
                if !flags.is_empty() {
                    fds.push(PollFd::new(line, flags));
                    sources.push(Source::Server);
                }
            }
        }
        self.peers.poll_fds(&mut fds);
        sources.resize(fds.len(), Source::Peer);
        let mut polled = poll(&mut fds, timeout.as_ref());
        if polled == Err(Errno::INTR) {
            // The signal is in its pipe, and this poll sees it. What else has come must not be missed: the clock
            // may tell that the server is silent, while its answer waits in the socket.
            polled = poll(&mut fds, Some(&Timespec::default()));
        }
        self.now = Instant::now();
        polled?;
        let server = PollFlags::empty();
        let mut ready = Ready { signals: false, input: false, print: false, server, peers: false };
        for (fd, source) in fds.iter().zip(sources) {
            match source {
                Source::Signals => ready.signals = !fd.revents().is_empty(),
                Source::Input => ready.input = !fd.revents().is_empty(),
                Source::Print => ready.print = !fd.revents().is_empty(),
                Source::Server => ready.server = fd.revents(),
                Source::Peer => ready.peers |= !fd.revents().is_empty(),
            }
        }
        Ok(ready)
    }

    /// When something is due.
    fn due(&self) -> Option<Instant> {
        let dialing = match &self.server {
            Server::Dialing(dialing) => dialing.due(),
            Server::Securing(_, deadline) => Some(*deadline),
            Server::Connected(line) if line.may_have_more() && self.core.interest().receive => Some(self.now),
            Server::Connected(_) | Server::None => None,
        };
        [self.core.due(), self.peers.due(self.now), dialing].into_iter().flatten().min()
    }

    fn file(&mut self, file: FileId, action: FileAction) {
        if let Some(event) = self.files.perform(file, action) {
            self.give(Event::File(file, event));
        }
    }
}

/// Whether a descriptor only had nothing to say, or took nothing, at this moment.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock)
}

fn timespec(wait: Duration) -> Timespec {
    // A wait beyond all clocks is one without an end, or nearly.
    Timespec {
        tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: wait.subsec_nanos().into(),
    }
}
