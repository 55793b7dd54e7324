//! What people type: a line becomes a command. All words stand in one table, [`table::COMMANDS`].

pub mod table;

use std::fmt;

use self::table::{COMMANDS, Row};
use super::{Rejection, Zone, prompts};
use crate::wire::Request;

/// What a well-formed line asks for, borrowing from the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the operands of the command, as typed")]
pub enum Command<'a> {
    /// The server answers this, and nothing else is needed.
    Ask(Request<'a>),
    /// Send a local file to a thread.
    Upload { title: &'a str, path: &'a str },
    /// Fetch a file from a thread.
    Download { title: &'a str, file: &'a str },
    /// Ask a user for a private conversation.
    StartPrivate { user: &'a str },
    /// Say something in one.
    Private { user: &'a str, text: &'a str },
    /// End one.
    StopPrivate { user: &'a str },
    /// Show what to compare with the other user of one.
    Verify { user: &'a str },
    /// Send a local file to a user.
    SendFile { user: &'a str, path: &'a str },
    /// The same command for each of these files, one after the other. Any number of spaces may be between them.
    Each { word: &'static str, to: &'a str, files: &'a str },
    /// Give up what goes on: everything, or what is on its way of this name.
    Cancel(Option<&'a str>),
    /// Say who is logged in where, and since when.
    WhoAmI,
    /// Ask for the passwords, then change it.
    ChangePassword,
    /// Explain one command, or list them all.
    Help(Option<&'a str>),
}

/// When and where a line is typed: what a time in it means.
#[derive(Debug, Clone, Copy)]
pub struct Now<'a> {
    /// The server's zone.
    pub zone: &'a Zone,
    /// What the server's clock says.
    pub ms: u64,
}

/// Why a line is no command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineError {
    /// Its words are wrong.
    Syntax(SyntaxError),
    /// Its words are right, but one of them isn't what it should be. This is activity, like what a server refuses.
    Rejected(Rejection),
}

/// What is wrong with the words of a line.
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

impl PartialEq for SyntaxError {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::WrongCount(row), Self::WrongCount(other)) => row.word == other.word,
            (Self::UnknownWord { lower_case }, Self::UnknownWord { lower_case: other }) => {
                lower_case == other
            }
            _ => false,
        }
    }
}

impl Eq for SyntaxError {}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongCount(row) => write!(f, "Incorrect syntax for {}\nUsage: {}", row.word, row.usage()),
            Self::UnknownWord { lower_case: true } => f.write_str("Error. Invalid command"),
            Self::UnknownWord { lower_case: false } => f.write_str("Invalid command"),
        }
    }
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(error) => error.fmt(f),
            Self::Rejected(rejection) => rejection.fmt(f),
        }
    }
}

impl std::error::Error for SyntaxError {}
impl std::error::Error for LineError {}

impl From<SyntaxError> for LineError {
    fn from(error: SyntaxError) -> Self {
        Self::Syntax(error)
    }
}

impl From<Rejection> for LineError {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

/// Reads one line. `None`: there is no word on it.
///
/// # Errors
/// The line is no command; the error's text, which may have two lines, is what to show.
pub fn parse<'a>(line: &'a str, now: Now<'_>) -> Result<Option<Command<'a>>, LineError> {
    let Some((word, rest)) = first_word(line) else { return Ok(None) };
    row(word)?.command(rest, now).map(Some)
}

/// The row of a word.
///
/// # Errors
/// There is none.
pub fn row(word: &str) -> Result<&'static Row, SyntaxError> {
    let lower_case = word.bytes().all(|byte| byte.is_ascii_lowercase());
    COMMANDS.iter().find(|row| row.word == word).ok_or(SyntaxError::UnknownWord { lower_case })
}

/// Whether a line may be kept in a history or shown again. Case does not save a password: `sht s3cret` was meant
/// as SHT. And an answer to one question is none to a later one.
pub fn may_be_kept(line: &str) -> bool {
    let secret = |word: &str| COMMANDS.iter().any(|row| row.secret && row.word.eq_ignore_ascii_case(word));
    prompts::answer(line).is_none() && !first_word(line).is_some_and(|(word, _)| secret(word))
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
        None => Ok(overview()),
    }
}

/// What the commands are about, and the first of each sort in the table.
const SORTS: [(&str, &str); 4] = [
    ("Forum", "CRT"),
    ("Messenger", "message"),
    ("Board, rooms, and files straight to a user", "BCM"),
    ("This session", "cancel"),
];

/// How all commands look, in three columns below what they are about: a screen full.
fn overview() -> Vec<String> {
    let mut lines = Vec::new();
    let starts: Vec<usize> =
        SORTS.iter().filter_map(|(_, word)| COMMANDS.iter().position(|row| row.word == *word)).collect();
    let ends = starts.iter().skip(1).copied().chain([COMMANDS.len()]);
    for ((sort, _), (start, end)) in SORTS.iter().zip(starts.iter().copied().zip(ends)) {
        lines.push(format!("{sort}:"));
        for rows in COMMANDS[start..end].chunks(3) {
            let cells: String = rows.iter().map(|row| format!("  {:<24}", row.usage())).collect();
            lines.push(cells.trim_end().to_owned());
        }
    }
    lines.push("For more about one command, enter help and its word: help RDT".to_owned());
    lines
}

/// The word that was probably meant by one that is none.
pub fn near(word: &str) -> Option<&'static str> {
    let word = word.trim_start_matches('/');
    let same = COMMANDS.iter().find(|row| row.word.eq_ignore_ascii_case(word));
    if let Some(row) = same {
        return Some(row.word);
    }
    let meant = match word.to_ascii_lowercase().as_str() {
        "exit" | "quit" | "bye" | "q" => "XIT",
        "list" | "ls" => "LST",
        "read" | "cat" => "RDT",
        "create" => "CRT",
        "tell" | "whisper" | "w" => "message",
        "who" => "whoelse",
        "upload" | "put" => "UPD",
        "download" | "get" => "DWN",
        "?" => "help",
        word => return COMMANDS.iter().map(|row| row.word).find(|known| is_near(known, word)),
    };
    Some(meant)
}

/// Whether one character more, less or different makes a word that is long enough for that.
fn is_near(known: &str, word: &str) -> bool {
    let known = known.to_ascii_lowercase();
    let start = known.bytes().zip(word.bytes()).take_while(|(a, b)| a == b).count();
    let rest = |text: &str, skip: usize| text.as_bytes().get(start + skip..).unwrap_or_default().to_vec();
    let length_fits = word.len() >= 4;
    length_fits
        && (rest(&known, 1) == rest(word, 1)
            || rest(&known, 0) == rest(word, 1)
            || rest(&known, 1) == rest(word, 0))
}

/// The word that users know a request by, if they do.
pub fn word_of(request: &Request<'_>) -> Option<&'static str> {
    let kind = request.kind();
    COMMANDS.iter().find(|row| row.requests.contains(&kind)).map(|row| row.word)
}

/// The word that a line begins with; empty if there is none.
pub fn word(line: &str) -> &str {
    first_word(line).map_or("", |(word, _)| word)
}

/// The first word and what follows the one space after it; `None` if there are only spaces.
fn first_word(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_start_matches(' ');
    match line.split_once(' ') {
        Some(split) => Some(split),
        None if line.is_empty() => None,
        None => Some((line, "")),
    }
}

#[cfg(test)]
mod tests;
