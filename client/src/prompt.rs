//! What people type: a line becomes a command.
//!
//! Pure: no socket, no file, no terminal. All words stand in one table, [`table::COMMANDS`]; how answers
//! look is [`crate::wording`]'s.

pub mod table;
#[cfg(test)]
mod tests;

use std::fmt;

use forum_common::request::Request;

use self::table::{COMMANDS, Row, first_word, row};

/// What a well-formed line asks for, borrowing from the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command<'a> {
    /// The server answers this.
    Ask(Request<'a>),
    /// Open a room with these users: their names as they were typed, with any number of spaces between.
    CreateRoom {
        /// The names.
        users: &'a str,
    },
    /// Send the local file at `path` to a thread.
    Upload {
        /// The thread.
        title: &'a str,
        /// The file, as typed; its last part is the name it gets there.
        path: &'a str,
    },
    /// Fetch a file from a thread.
    Download {
        /// The thread.
        title: &'a str,
        /// The file's name, there and here.
        file: &'a str,
    },
    /// Ask a user to talk privately.
    StartPrivate {
        /// Whom.
        user: &'a str,
    },
    /// Say something privately.
    Private {
        /// To whom.
        user: &'a str,
        /// What.
        text: &'a str,
    },
    /// Talk privately no more.
    StopPrivate {
        /// With whom.
        user: &'a str,
    },
    /// Send the local file at `path` to a user.
    SendFile {
        /// To whom.
        user: &'a str,
        /// The file, as typed; its last part is the name it gets there.
        path: &'a str,
    },
    /// Ask for the passwords, then change it.
    ChangePassword,
    /// Explain one command, or list them all.
    Help(Option<&'a str>),
}

/// The full prompt, shown until the first command is entered. It is the forum's; `help` has the rest.
pub const FULL_PROMPT: &str =
    "Enter one of the following commands: CRT, MSG, DLT, EDT, LST, RDT, UPD, DWN, RMV, XIT, SHT: ";

/// The prompt from then on.
pub const SHORT_PROMPT: &str = "> ";

/// What a terminal shows once, before the first prompt.
pub const BANNER: &str = "Type help for all commands, messenger and rooms included.";

/// Why a line is no command.
#[derive(Debug, Clone, Copy)]
pub enum SyntaxError {
    /// A known word with too few or too many operands, or one that it does not take.
    WrongCount(&'static Row),
    /// No such word.
    UnknownWord {
        /// Whether it consists of a to z only, as the words of the messenger do.
        lower_case: bool,
    },
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongCount(row) => {
                write!(f, "Incorrect syntax for {}\nUsage: {}", row.word, row.usage())
            }
            Self::UnknownWord { lower_case: true } => f.write_str("Error. Invalid command"),
            Self::UnknownWord { lower_case: false } => f.write_str("Invalid command"),
        }
    }
}

impl std::error::Error for SyntaxError {}

/// Reads one line. `None`: there is no word on it.
///
/// # Errors
/// The line is no command; the error's text, which may have two lines, is what to show.
pub fn parse(line: &str) -> Result<Option<Command<'_>>, SyntaxError> {
    let Some((word, rest)) = first_word(line) else { return Ok(None) };
    row(word)?.command(rest).map(Some)
}

/// What a line says to another user's question, if it is an answer to one.
pub fn answer(line: &str) -> Option<bool> {
    match line {
        "y" => Some(true),
        "n" => Some(false),
        _ => None,
    }
}

/// Whether a line may be kept in the history. Case does not save a password: `sht s3cret` was meant as SHT.
/// And an answer is none to a later question.
pub fn may_be_kept(line: &str) -> bool {
    let secret = |word: &str| COMMANDS.iter().any(|row| row.secret && row.word.eq_ignore_ascii_case(word));
    answer(line).is_none() && !first_word(line).is_some_and(|(word, _)| secret(word))
}

/// What `help` shows, line by line.
///
/// # Errors
/// There is no such command.
pub fn help(word: Option<&str>) -> Result<Vec<String>, SyntaxError> {
    match word {
        Some(word) => {
            let row = row(word)?;
            Ok(vec![format!("Usage: {}", row.usage()), format!("{}: {}", row.word, row.help)])
        }
        None => Ok(COMMANDS.iter().map(|row| format!("{:<24}{}", row.usage(), row.help)).collect()),
    }
}
