//! The terminal: raw mode that always ends, its size, and how the editor's rows are drawn on it.
//!
//! It refuses to know what the rows say.

use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::panic;
use std::sync::Once;

use crossterm::cursor::{MoveTo, MoveToColumn, MoveUp};
use crossterm::queue;
use crossterm::terminal::{self, Clear, ClearType};

use crate::line_editor::layout::Area;

/// Makes the terminal say where a paste begins and ends, and not any more (xterm's `ctlseqs`, DEC private
/// mode 2004). crossterm has them only together with its event loop.
const BRACKET_PASTES: &[u8] = b"\x1b[?2004h";
const UNBRACKET_PASTES: &[u8] = b"\x1b[?2004l";

/// Columns and rows of a terminal that does not tell.
pub const USUAL_SIZE: (usize, usize) = (80, 24);

/// Raw mode, until it is dropped; also a panic ends it, before it says what happened.
#[derive(Debug)]
pub struct RawMode(());

impl RawMode {
    /// Begins to get every key as it is pressed, unseen.
    ///
    /// # Errors
    /// Standard input is no terminal, or one that has gone.
    pub fn enter() -> io::Result<Self> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let report = panic::take_hook();
            panic::set_hook(Box::new(move |panic| {
                restore();
                report(panic);
            }));
        });
        // From here on, also what can't be begun in full is ended.
        let raw_mode = Self(());
        begin()?;
        Ok(raw_mode)
    }

    /// Ends it for the time that somebody else has the terminal.
    pub fn pause(&self) {
        restore();
    }

    /// Begins it anew. Whoever had the terminal may have left it in any state.
    ///
    /// # Errors
    /// As [`RawMode::enter`].
    pub fn resume(&self) -> io::Result<()> {
        restore();
        begin()
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        restore();
    }
}

fn begin() -> io::Result<()> {
    terminal::enable_raw_mode()?;
    escape(BRACKET_PASTES)
}

/// What can't be restored now is beyond help, so errors are of no interest.
fn restore() {
    if terminal::is_raw_mode_enabled().unwrap_or(false) {
        let _ = escape(UNBRACKET_PASTES);
        let _ = terminal::disable_raw_mode();
    }
}

/// Sends an escape sequence to whichever standard stream is the terminal.
fn escape(sequence: &[u8]) -> io::Result<()> {
    if io::stdout().is_terminal() {
        let mut out = io::stdout();
        out.write_all(sequence)?;
        out.flush()
    } else {
        io::stderr().write_all(sequence)
    }
}

/// Columns and rows of the terminal behind `fd`.
pub fn size(fd: impl AsFd) -> (usize, usize) {
    match rustix::termios::tcgetwinsize(fd) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col.into(), size.ws_row.into()),
        _ => USUAL_SIZE,
    }
}

/// Appends what draws `area`, the cursor being where its first row begins.
pub fn draw(area: &Area, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(area.rows.join("\r\n").as_bytes());
    let below = area.rows.len() - 1 - area.cursor_row;
    let column = u16::try_from(area.cursor_column).unwrap_or(u16::MAX);
    up(below, bytes);
    queue!(bytes, MoveToColumn(column)).expect("memory takes everything");
}

/// Appends what makes `area` disappear from a screen of so many columns, leaving the cursor where its first
/// row began.
pub fn erase(area: &Area, columns: usize, bytes: &mut Vec<u8>) {
    up(area.rows_above_cursor(columns), bytes);
    queue!(bytes, MoveToColumn(0), Clear(ClearType::FromCursorDown)).expect("memory takes everything");
}

/// Appends what empties the screen.
pub fn clear(bytes: &mut Vec<u8>) {
    queue!(bytes, MoveTo(0, 0), Clear(ClearType::All)).expect("memory takes everything");
}

/// Moving up by 0 rows would move up by 1.
fn up(rows: usize, bytes: &mut Vec<u8>) {
    if rows > 0 {
        let rows = u16::try_from(rows).unwrap_or(u16::MAX);
        queue!(bytes, MoveUp(rows)).expect("memory takes everything");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawing_ends_at_the_cursor_and_erasing_where_drawing_began() {
        let rows = vec!["> abc".to_owned(), "def".to_owned(), "g".to_owned()];
        let area = Area { rows, cursor_row: 1, cursor_column: 2 };
        let mut bytes = Vec::new();
        draw(&area, &mut bytes);
        assert_eq!(bytes, b"> abc\r\ndef\r\ng\x1b[1A\x1b[3G");
        bytes.clear();
        erase(&area, 5, &mut bytes);
        assert_eq!(bytes, b"\x1b[1A\x1b[1G\x1b[J");
    }

    #[test]
    fn the_first_row_is_not_left_upwards() {
        let area = Area { rows: vec!["> ".to_owned()], cursor_row: 0, cursor_column: 2 };
        let mut bytes = Vec::new();
        draw(&area, &mut bytes);
        erase(&area, 80, &mut bytes);
        assert_eq!(bytes, b"> \x1b[3G\x1b[1G\x1b[J");
    }
}
