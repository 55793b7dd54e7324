//! What a terminal shows below all that was printed: the line being typed, and above it what goes on.

use std::time::{Duration, Instant};

use forum_common::text::prompts;

use super::event::Action;
use super::{Core, Phase};
use crate::asked::Asked;
use crate::line_editor::editor::Purpose;
use crate::line_editor::layout::View;
use crate::login::Question;

/// How often the lines above the prompt are brought up to date.
const STATUS_EVERY: Duration = Duration::from_millis(200);

/// The lines above the prompt. Those of transfers have news in every turn, and there are thousands of turns a second
/// then: nobody wants to see them all.
#[derive(Debug, Default)]
pub(super) struct Status {
    /// What is shown, and since when.
    shown: Option<(Instant, Vec<String>)>,
    /// Those about files on their way to and from other users, and when they were asked for.
    peers: Vec<String>,
    peers_asked: Option<Instant>,
}

impl Status {
    pub(super) fn set_peers(&mut self, lines: Vec<String>) {
        self.peers = lines;
    }
}

impl Core {
    /// Brings the terminal up to date.
    pub(super) fn draw(&mut self) {
        if !self.input.is_terminal() || self.output.is_full() {
            return;
        }
        let question = self.question().filter(|_| self.leaving.is_none());
        let status = if question.is_some() { self.status() } else { Vec::new() };
        let search = self.input.search_prompt();
        let view = question.as_ref().map(|question| {
            let (text, cursor) = self.input.typed();
            // Nobody knows when a program that prints elsewhere is done, and so when a prompt has a row of its own.
            let is_shared = self.output.is_apart() && question.purpose == Purpose::Command;
            let prompt = if is_shared { "" } else { search.as_ref().unwrap_or(&question.prompt) };
            View { status, prompt, text, cursor }
        });
        self.output.draw(view.as_ref());
    }

    /// What the user is asked now.
    pub(super) fn question(&self) -> Option<Question> {
        let offline = || Question { prompt: prompts::NOT_CONNECTED.to_owned(), purpose: Purpose::Command };
        match &self.phase {
            // In a pipe, a command is answered when its file has arrived.
            Phase::LoggedIn { .. } if !self.input.is_terminal() && self.peers.is_sending => None,
            Phase::LoggedIn { connection, commands } => {
                // A prompt that can't be removed again comes when there is nothing more to be said before it.
                let types_ahead = self.input.is_terminal() && !self.input.is_plain();
                let typing_ahead = types_ahead || self.may_pipeline(&connection.server, commands);
                commands.question(&connection.server, typing_ahead, self.output.columns())
            }
            Phase::LoggingIn { login, .. } if login.question().is_some() => login.question(),
            Phase::Doubting(_) => {
                Some(Question { prompt: prompts::TRUST.to_owned(), purpose: Purpose::Answer })
            }
            Phase::LoggingIn { .. } | Phase::Dialing | Phase::Resting { .. } => {
                // Lines of a pipe wait for the connection.
                self.again.as_ref().filter(|_| self.input.is_terminal()).map(|_| offline())
            }
        }
    }

    /// Has the kernel hide what is typed while that is a secret, where it is the kernel that shows it. Returns whether
    /// that changes.
    pub(super) fn hide_secrets(&mut self) -> bool {
        let is_secret = self.question().is_some_and(|question| question.purpose == Purpose::Secret);
        let hides = self.input.is_plain() && is_secret;
        let changes = hides != self.hides_typing;
        if changes {
            self.hides_typing = hides;
            self.queue.act(Action::ShowTyping(!hides));
        }
        changes
    }

    fn status(&mut self) -> Vec<String> {
        if !self.is_transferring() {
            self.status.shown = None;
            return self.present_status();
        }
        let lines = match self.status.shown.take() {
            Some((since, lines)) if self.now < since + STATUS_EVERY => (since, lines),
            _ => (self.now, self.present_status()),
        };
        self.status.shown.insert(lines).1.clone()
    }

    pub(super) fn is_transferring(&self) -> bool {
        let with_server = match &self.phase {
            Phase::LoggedIn { connection, .. } => connection.server.unanswered().any(Asked::is_transfer),
            _ => false,
        };
        with_server || self.peers.is_transferring
    }

    fn present_status(&mut self) -> Vec<String> {
        let mut lines = if self.peers.is_transferring { self.status.peers.clone() } else { Vec::new() };
        let columns = self.output.columns();
        match &mut self.phase {
            Phase::LoggedIn { connection, .. } => {
                let transfers = connection.server.unanswered_mut();
                lines.extend(transfers.filter_map(|(_, asked)| asked.status(self.now, columns)));
            }
            Phase::LoggingIn { .. } | Phase::Doubting(_) => {}
            Phase::Dialing => lines.push(format!("Connecting to {}", self.options.server)),
            Phase::Resting { until, why } => {
                let left = until.saturating_duration_since(self.now);
                lines.push(format!("Next attempt in {} s. {why}", left.as_secs_f64().ceil()));
            }
        }
        lines
    }

    /// When the lines above the prompt have to be drawn anew.
    pub(super) fn status_due(&self) -> Option<Instant> {
        let changes = self.is_transferring() || matches!(self.phase, Phase::Resting { .. });
        (changes && self.input.is_terminal() && !self.input.is_plain()).then(|| self.now + STATUS_EVERY)
    }

    /// Asks for the lines about other users' files, when it is time. Returns whether it was.
    pub(super) fn ask_peer_status(&mut self) -> bool {
        let is_due = self.status.peers_asked.is_none_or(|at| self.now >= at + STATUS_EVERY);
        let asks = self.input.is_terminal() && self.peers.is_transferring && is_due;
        if asks {
            self.status.peers_asked = Some(self.now);
            let columns = self.output.columns();
            self.queue.act(Action::AskPeerStatus { columns });
        }
        asks
    }
}
