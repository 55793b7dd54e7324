//! The table of commands: every word, what stands behind it, what it does and what it becomes.
//!
//! A new command is a new row, and nothing else knows its word. Names and numbers are not judged here: the
//! server does that, in the order the contract wants.

use std::fmt;

use forum_common::request::Request;

use super::{Command, SyntaxError};

/// How many operands a command takes.
#[derive(Debug)]
enum Takes {
    /// So many words, and nothing else.
    Words { min: usize, max: usize },
    /// So many words, and then a text to the end of the line.
    ThenText { words: usize },
    /// One of these words, and then a text to the end of the line.
    OneOfThenText(&'static [&'static str]),
    /// One word or more, which stay together.
    Names,
}

/// One command.
pub struct Row {
    /// The word it begins with.
    pub word: &'static str,
    /// What stands behind the word.
    pub operands: &'static str,
    /// What it does, in a few words.
    pub help: &'static str,
    /// Whether its line holds a secret, and must not be kept.
    pub secret: bool,
    takes: Takes,
    make: for<'a> fn(&[&'a str]) -> Command<'a>,
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Row({})", self.word)
    }
}

impl Row {
    const fn new(
        word: &'static str,
        operands: &'static str,
        takes: Takes,
        help: &'static str,
        make: for<'a> fn(&[&'a str]) -> Command<'a>,
    ) -> Self {
        Self { word, operands, help, secret: false, takes, make }
    }

    const fn keeping_quiet(mut self) -> Self {
        self.secret = true;
        self
    }

    /// How the whole line looks: `MSG title text`.
    pub fn usage(&self) -> String {
        format!("{} {}", self.word, self.operands).trim_end().to_owned()
    }

    /// What the usage calls the operand at `index`; the one before `...` goes on for ever.
    pub fn operand(&self, index: usize) -> Option<&'static str> {
        let mut before = None;
        for (at, operand) in self.operands.split(' ').enumerate() {
            let operand = operand.trim_matches(['[', ']']);
            if operand == "..." {
                return before;
            }
            if at == index {
                return Some(operand).filter(|operand| !operand.is_empty());
            }
            before = Some(operand);
        }
        None
    }

    /// The command that this row and what follows its word make.
    ///
    /// # Errors
    /// What follows is not what the usage says.
    pub(super) fn command<'a>(&'static self, rest: &'a str) -> Result<Command<'a>, SyntaxError> {
        let operands = self.split(rest).ok_or(SyntaxError::WrongCount(self))?;
        Ok((self.make)(&operands))
    }

    /// The operands in what follows the command's word, or `None` if they are too few or too many.
    fn split<'a>(&self, mut rest: &'a str) -> Option<Vec<&'a str>> {
        let words_max = match self.takes {
            Takes::Words { max, .. } => max,
            Takes::ThenText { words } => words,
            Takes::OneOfThenText(_) => 1,
            Takes::Names => 0,
        };
        let mut operands = Vec::with_capacity(words_max + 1);
        while operands.len() < words_max
            && let Some((word, behind)) = first_word(rest)
        {
            operands.push(word);
            rest = behind;
        }
        let blank = rest.bytes().all(|byte| byte == b' ');
        let complete = match self.takes {
            Takes::Words { min, .. } => return (operands.len() >= min && blank).then_some(operands),
            Takes::ThenText { words } => operands.len() == words && !blank,
            Takes::OneOfThenText(choice) => operands.first().is_some_and(|w| choice.contains(w)) && !blank,
            Takes::Names => !blank,
        };
        operands.push(rest);
        complete.then_some(operands)
    }

    /// A line of this command with too few or too many words, for tests.
    #[cfg(test)]
    pub(super) fn wrong_line(&self) -> String {
        let words = match self.takes {
            Takes::Words { max, .. } => max + 1,
            Takes::ThenText { words } => words,
            Takes::OneOfThenText(_) => 1,
            Takes::Names => 0,
        };
        format!("{}{}", self.word, " x".repeat(words))
    }
}

const fn words(count: usize) -> Takes {
    Takes::Words { min: count, max: count }
}

const fn then_text(words: usize) -> Takes {
    Takes::ThenText { words }
}

/// Every command, in the order in which `help` lists them.
#[rustfmt::skip]
pub static COMMANDS: &[Row] = &[
    Row::new("CRT", "title", words(1), "open a thread", |w| {
        Command::Ask(Request::CreateThread { title: w[0] })
    }),
    Row::new("MSG", "title text", then_text(1), "post a message to a thread", |w| {
        Command::Ask(Request::Post { title: w[0], text: w[1] })
    }),
    Row::new("DLT", "title n", words(2), "delete your message number n", |w| {
        Command::Ask(Request::DeletePost { title: w[0], number: number(w[1]).unwrap_or(0) })
    }),
    Row::new("EDT", "title n text", then_text(2), "give your message number n another text", |w| {
        Command::Ask(Request::EditPost { title: w[0], number: number(w[1]).unwrap_or(0), text: w[2] })
    }),
    Row::new("LST", "", words(0), "list the threads", |_| {
        Command::Ask(Request::ListThreads)
    }),
    Row::new("RDT", "title [from[-to]]", Takes::Words { min: 1, max: 2 }, "read a thread, or some messages of it", |w| {
        Command::Ask(Request::ReadThread { title: w[0], range: w.get(1).map(|word| range(word)) })
    }),
    Row::new("UPD", "title file", words(2), "upload a file to a thread", |w| {
        Command::Upload { title: w[0], path: w[1] }
    }),
    Row::new("DWN", "title file", words(2), "download a file from a thread", |w| {
        Command::Download { title: w[0], file: w[1] }
    }),
    Row::new("RMV", "title", words(1), "remove a thread of yours, with its files", |w| {
        Command::Ask(Request::RemoveThread { title: w[0] })
    }),
    Row::new("message", "user text", then_text(1), "tell one user, now or at the next log-in", |w| {
        Command::Ask(Request::Message { user: w[0], text: w[1] })
    }),
    Row::new("broadcast", "text", then_text(0), "tell everyone who is online", |w| {
        Command::Ask(Request::Broadcast { text: w[0] })
    }),
    Row::new("whoelse", "", words(0), "list who else is online", |_| {
        Command::Ask(Request::WhoElse)
    }),
    Row::new("whoelsesince", "seconds", words(1), "list who else was online within that time", |w| {
        Command::Ask(Request::WhoElseSince { seconds: w[0] })
    }),
    Row::new("block", "user", words(1), "hear nothing of a user any more", |w| {
        Command::Ask(Request::Block { user: w[0] })
    }),
    Row::new("unblock", "user", words(1), "hear a user again", |w| {
        Command::Ask(Request::Unblock { user: w[0] })
    }),
    Row::new("startprivate", "user", words(1), "ask a user to talk privately, past the server", |w| {
        Command::StartPrivate { user: w[0] }
    }),
    Row::new("private", "user text", then_text(1), "tell that user something", |w| {
        Command::Private { user: w[0], text: w[1] }
    }),
    Row::new("stopprivate", "user", words(1), "end talking privately", |w| {
        Command::StopPrivate { user: w[0] }
    }),
    Row::new("BCM", "text", then_text(0), "post a message to the board, for everyone", |w| {
        Command::Ask(Request::PostToBoard { text: w[0] })
    }),
    Row::new("ATU", "", words(0), "list the other active users, and where they are", |_| {
        Command::Ask(Request::ListActive)
    }),
    Row::new("SRB", "user [user ...]", Takes::Names, "open a separate room with these users", |w| {
        Command::CreateRoom { users: w[0] }
    }),
    Row::new("SRM", "room text", then_text(1), "post a message to a separate room, by its ID", |w| {
        Command::Ask(Request::PostToRoom { room: number(w[0]).unwrap_or(0), text: w[1] })
    }),
    Row::new("RDM", "b|s timestamp", Takes::OneOfThenText(&["b", "s"]), "read board (b) or rooms (s) since 1 Jun 2022 16:01:20", |w| {
        Command::Ask(match w[0] {
            "b" => Request::ReadBoard { after: w[1] },
            _ => Request::ReadRooms { after: w[1] },
        })
    }),
    Row::new("UDP", "user file", words(2), "send a user a file, straight to there", |w| {
        Command::SendFile { user: w[0], path: w[1] }
    }),
    Row::new("passwd", "", words(0), "change your password; it is asked for", |_| Command::ChangePassword),
    Row::new("XIT", "", words(0), "log out", |_| Command::Ask(Request::LogOut)),
    Row::new("OUT", "", words(0), "the same as XIT", |_| Command::Ask(Request::LogOut)),
    Row::new("logout", "", words(0), "the same as XIT", |_| Command::Ask(Request::LogOut)),
    Row::new("SHT", "password", then_text(0), "shut the server down, with the admin's password", |w| {
        Command::Ask(Request::ShutDown { password: w[0] })
    }).keeping_quiet(),
    Row::new("help", "[command]", Takes::Words { min: 0, max: 1 }, "explain one command, or list them all", |w| {
        Command::Help(w.first().copied())
    }),
];

/// The row of a word.
///
/// # Errors
/// There is none.
pub(super) fn row(word: &str) -> Result<&'static Row, SyntaxError> {
    let lower_case = word.bytes().all(|byte| byte.is_ascii_lowercase());
    COMMANDS.iter().find(|row| row.word == word).ok_or(SyntaxError::UnknownWord { lower_case })
}

/// The first word and what follows the one space behind it; `None` if there are only spaces.
pub(super) fn first_word(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_start_matches(' ');
    match line.split_once(' ') {
        Some(split) => Some(split),
        None if line.is_empty() => None,
        None => Some((line, "")),
    }
}

/// The number of a message or a room. `u32::from_str` alone would take `+5`.
fn number(word: &str) -> Option<u32> {
    if is_number(word) { word.parse().ok() } else { None }
}

fn is_number(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit())
}

/// `5`, or `5-9`; anything else becomes a range that no thread has, for the server to refuse in its turn.
/// A number beyond all numbers is past every end, and as an end it is cut like one.
fn range(word: &str) -> (u32, u32) {
    let (from, to) = word.split_once('-').unwrap_or((word, word));
    let bound = |word: &str| is_number(word).then(|| word.parse().unwrap_or(u32::MAX));
    bound(from).zip(bound(to)).unwrap_or((0, 0))
}
