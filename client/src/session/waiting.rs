//! Waiting: for the user, the server, other users and signals, until one of them shows something or something is
//! due. Nobody else waits.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::{Ending, Phase, STATUS_EVERY, Session};
use crate::commands;

/// What a wait ended with.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) signals: bool,
    pub(super) input: bool,
    pub(super) server: PollFlags,
    pub(super) peers: bool,
}

/// What is polled.
#[derive(Debug, Clone, Copy)]
enum Source {
    Signals,
    Input,
    Server,
    Peer,
}

impl Session {
    /// Waits until something is ready or due.
    pub(super) fn wait(&mut self) -> Result<Ready, Ending> {
        let timeout = self.timeout();
        let mut fds = vec![PollFd::new(&self.signals, PollFlags::IN)];
        let mut sources = vec![Source::Signals];
        if let Some(input) = self.input.wanted() {
            fds.push(PollFd::from_borrowed_fd(input, PollFlags::IN));
            sources.push(Source::Input);
        }
        if let Some(server) = self.phase.polled(self.links.files.is_held()) {
            fds.push(server);
            sources.push(Source::Server);
        }
        self.links.poll_fds(&mut fds);
        sources.resize(fds.len(), Source::Peer);
        let mut polled = poll(&mut fds, timeout.as_ref());
        if polled == Err(Errno::INTR) {
            // The signal is in its pipe, and this poll sees it. What else has come must not be missed: the clock
            // may tell that the server is silent, while its answer waits in the socket.
            polled = poll(&mut fds, Some(&timespec(Duration::ZERO)));
        }
        self.now = Instant::now();
        let mut ready = Ready { signals: false, input: false, server: PollFlags::empty(), peers: false };
        if let Err(error) = polled {
            self.output.warn(format_args!("Cannot wait: {error}"));
            return Err(Ending::Lost);
        }
        for (fd, source) in fds.iter().zip(sources) {
            match source {
                Source::Signals => ready.signals = !fd.revents().is_empty(),
                Source::Input => ready.input = !fd.revents().is_empty(),
                Source::Server => ready.server = fd.revents(),
                Source::Peer => ready.peers |= !fd.revents().is_empty(),
            }
        }
        Ok(ready)
    }

    /// Waits for other users only, until then at most.
    pub(super) fn wait_for_peers(&mut self, deadline: Instant) {
        let mut fds = Vec::new();
        self.links.poll_fds(&mut fds);
        let due = self.links.due(self.now).map_or(deadline, |due| due.min(deadline));
        // Who waits looks at the deadline again, so a poll that fails is as good as one that is over.
        let _ = poll(&mut fds, Some(&timespec(due.saturating_duration_since(self.now))));
        self.now = Instant::now();
    }

    /// How long to wait at most; `None` = for ever.
    fn timeout(&self) -> Option<Timespec> {
        if self.output.is_interrupted() {
            return Some(timespec(Duration::ZERO));
        }
        let due = [
            self.phase_due(),
            self.input.deadline(),
            self.status_due(),
            self.completing,
            self.links.due(self.now),
        ];
        let due = due.into_iter().flatten().min()?;
        Some(timespec(due.saturating_duration_since(self.now)))
    }

    fn phase_due(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Dialing(dial) => Some(dial.deadline()),
            Phase::Resting { until, .. } => Some(*until),
            Phase::LoggingIn { login, deadline, .. } if login.is_greeting() => Some(*deadline),
            Phase::LoggingIn { connection, .. } | Phase::LoggedIn { connection, .. } => {
                Some(connection.probe_at())
            }
        }
    }

    /// When the lines above the prompt have to be drawn anew.
    fn status_due(&self) -> Option<Instant> {
        let changes = self.is_transferring() || matches!(self.phase, Phase::Resting { .. });
        (changes && self.input.is_terminal()).then(|| self.now + STATUS_EVERY)
    }
}

impl Phase {
    /// The server's socket, and what of it is of interest. `is_held`: files of others would go through it.
    fn polled(&self, is_held: bool) -> Option<PollFd<'_>> {
        let (fd, wanted) = match self {
            Self::Resting { .. } => return None,
            Self::Dialing(dial) => (dial.as_fd(), PollFlags::OUT),
            Self::LoggingIn { connection, .. } => (connection.as_fd(), connection.interest(false)),
            Self::LoggedIn { connection, .. } => {
                let has_more = commands::can_pump(&connection.server) || is_held;
                (connection.as_fd(), connection.interest(has_more))
            }
        };
        Some(PollFd::from_borrowed_fd(fd, wanted))
    }
}

fn timespec(wait: Duration) -> Timespec {
    // A wait beyond all clocks is one without an end, or nearly.
    Timespec {
        tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: wait.subsec_nanos().into(),
    }
}
