//! The real `forum`, or another program, on a terminal: what a person sees. It knows keys and the bytes that go to the screen.

use std::process::{Child, Command};
use std::sync::Arc;

use tempfile::TempDir;

use crate::pty::{Pty, Screen};
use crate::until;

/// Wide enough that no line of a test is wrapped.
const COLUMNS: u16 = 200;
const ROWS: u16 = 24;

/// A running client on a terminal. It is killed when dropped.
pub struct Terminal {
    child: Child,
    pty: Pty,
    screen: Screen,
    /// Where the client works, and where it keeps its history.
    _directories: [Arc<TempDir>; 2],
}

impl Terminal {
    /// Starts another program than `forum` on a terminal of its own.
    ///
    /// # Panics
    /// It is not installed.
    #[must_use]
    pub fn of(command: Command) -> Self {
        Self::start(command, Arc::new(TempDir::new().expect("there is room for a directory")))
    }

    /// Starts `command`, which works in `directory`, on a terminal of its own.
    pub(crate) fn start(mut command: Command, directory: Arc<TempDir>) -> Self {
        let pty = Pty::open(COLUMNS, ROWS);
        let state = Arc::new(TempDir::new().expect("there is room for a directory"));
        command.stdin(pty.program()).stdout(pty.program()).stderr(pty.program());
        if !command.get_envs().any(|(name, _)| name == "XDG_STATE_HOME") {
            command.env("XDG_STATE_HOME", state.path());
        }
        // What is shown is compared with texts.
        command.env("TERM", "xterm").env("NO_COLOR", "1");
        let screen = pty.screen();
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        Self { child, pty, screen, _directories: [directory, state] }
    }

    /// Types a line.
    pub fn says(&mut self, line: &str) {
        self.pty.types(&format!("{line}\r"));
    }

    /// Insists on this being shown, after what the last call has found.
    ///
    /// # Panics
    /// It is not within [`DEADLINE`](crate::DEADLINE).
    pub fn shows(&mut self, wanted: &str) {
        self.screen.shows(wanted);
    }

    /// Waits for its end; its exit status, none if a signal ended it.
    ///
    /// # Panics
    /// It has not ended within [`DEADLINE`](crate::DEADLINE).
    pub fn exit_code(&mut self) -> Option<i32> {
        until("the end of the client", || self.child.try_wait().expect("the child is ours")).code()
    }

    /// Types a line and insists on this being shown then.
    pub fn does(&mut self, line: &str, answer: &str) {
        self.says(line);
        self.shows(answer);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
