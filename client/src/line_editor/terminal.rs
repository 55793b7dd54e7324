//! The terminal's modes: what this program changes of them ends with it, however it ends.
//!
//! In raw mode every key comes as it is pressed, unseen. Two things stay with the kernel: a newline still goes to the
//! first column, so that a program after a pipe (`forum … | tee log`) prints straight; and ^Z still stops everybody
//! in the foreground. On a terminal that has no escape sequences the kernel edits the line, and only hides secrets.

use std::io;
use std::os::fd::AsFd;
use std::panic;
use std::sync::{Mutex, Once, PoisonError};

use rustix::stdio::{stderr, stdin, stdout};
use rustix::termios::{
    LocalModes, OptionalActions, OutputModes, SpecialCodeIndex, Termios, isatty, tcgetattr, tcgetwinsize,
    tcsetattr,
};

/// Makes the terminal say where a paste begins and ends, and not any more (xterm's `ctlseqs`, DEC private
/// mode 2004).
const BRACKET_PASTES: &[u8] = b"\x1b[?2004h";
const UNBRACKET_PASTES: &[u8] = b"\x1b[?2004l";

/// Columns and rows of a terminal that does not tell.
pub const USUAL_SIZE: (usize, usize) = (80, 24);

/// How much a terminal can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ability {
    /// It knows escape sequences.
    Full,
    /// It prints what it gets, and that is all.
    Plain,
}

impl Ability {
    /// What the value of the variable `TERM` promises.
    pub fn of(term: Option<&str>) -> Self {
        if matches!(term, None | Some("" | "dumb")) { Self::Plain } else { Self::Full }
    }
}

/// How the terminal was before this program changed it, and what can be done with it.
static BEFORE: Mutex<Option<(Termios, Ability)>> = Mutex::new(None);

/// The terminal as this program wants it, until it is dropped; also a panic ends that, before it says what happened.
#[derive(Debug)]
pub struct Modes(Ability);

impl Modes {
    /// Takes the terminal.
    ///
    /// # Errors
    /// Standard input is no terminal, or one that has gone.
    pub fn enter(ability: Ability) -> io::Result<Self> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let report = panic::take_hook();
            panic::set_hook(Box::new(move |panic| {
                restore();
                report(panic);
            }));
        });
        // From here on, also what can't be begun in full is ended.
        let modes = Self(ability);
        modes.begin()?;
        Ok(modes)
    }

    /// Gives the terminal back while another program has it.
    pub fn pause(&self) {
        restore();
    }

    /// Takes it again. It may have been left in any state.
    ///
    /// # Errors
    /// As [`Modes::enter`].
    pub fn resume(&self) -> io::Result<()> {
        restore();
        self.begin()
    }

    /// Shows what is typed, or hides it, where the kernel does that.
    ///
    /// # Errors
    /// The terminal has gone.
    pub fn show_typing(&self, shows: bool) -> io::Result<()> {
        if self.0 == Ability::Full {
            return Ok(());
        }
        let mut modes = tcgetattr(stdin())?;
        modes.local_modes.set(LocalModes::ECHO, shows);
        // The end of a hidden line is seen all the same.
        modes.local_modes.set(LocalModes::ECHONL, !shows);
        Ok(tcsetattr(stdin(), OptionalActions::Now, &modes)?)
    }

    fn begin(&self) -> io::Result<()> {
        let before = tcgetattr(stdin())?;
        *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some((before.clone(), self.0));
        if self.0 == Ability::Plain {
            return Ok(());
        }
        let mut raw = before;
        raw.make_raw();
        raw.output_modes |= OutputModes::OPOST | OutputModes::ONLCR;
        raw.local_modes |= LocalModes::ISIG;
        // Of the keys that send signals only ^Z still does: 0 is no key.
        raw.special_codes[SpecialCodeIndex::VINTR] = 0;
        raw.special_codes[SpecialCodeIndex::VQUIT] = 0;
        tcsetattr(stdin(), OptionalActions::Now, &raw)?;
        send(BRACKET_PASTES)
    }
}

impl Drop for Modes {
    fn drop(&mut self) {
        restore();
    }
}

/// Makes the terminal what it was. What can't be restored now is beyond help, so errors are of no interest; and one
/// does not keep the other from being tried.
fn restore() {
    let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some((modes, ability)) = before {
        let _ = tcsetattr(stdin(), OptionalActions::Now, &modes);
        if ability == Ability::Full {
            let _ = send(UNBRACKET_PASTES);
        }
    }
}

/// Sends an escape sequence to whichever standard stream is the terminal.
fn send(sequence: &[u8]) -> io::Result<()> {
    let stream = if isatty(stdout()) { stdout() } else { stderr() };
    rustix::io::write(stream, sequence)?;
    Ok(())
}

/// Columns and rows of the terminal at `fd`.
pub fn size(fd: impl AsFd) -> (usize, usize) {
    match tcgetwinsize(fd) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col.into(), size.ws_row.into()),
        _ => USUAL_SIZE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_of_no_name_or_a_dumb_one_gets_no_escape_sequences() {
        for plain in [None, Some(""), Some("dumb")] {
            assert_eq!(Ability::of(plain), Ability::Plain);
        }
        for full in ["xterm-256color", "tmux", "linux", "dumber"] {
            assert_eq!(Ability::of(Some(full)), Ability::Full);
        }
    }
}
