//! What people type and what they read: a line becomes a command, an answer becomes a line.
//!
//! Pure: no socket, no file, no terminal. All words stand in one table, [`COMMANDS`]; a new command is a
//! new row. Names and numbers are not judged here: the server does that, in the order the contract wants.

use std::fmt;

use forum_common::reply::Reply;
use forum_common::request::Request;

/// What a well-formed line asks for, borrowing from the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command<'a> {
    /// The server answers this.
    Ask(Request<'a>),
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
    /// Ask for the passwords, then change it.
    ChangePassword,
    /// Explain one command, or list them all.
    Help(Option<&'a str>),
}

/// How many operands a command takes.
#[derive(Debug)]
enum Takes {
    /// So many words, and nothing else.
    Words { min: usize, max: usize },
    /// So many words, and then a text to the end of the line.
    ThenText { words: usize },
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

    /// The operands in what follows the command's word, or `None` if they are too few or too many.
    fn split<'a>(&self, mut rest: &'a str) -> Option<Vec<&'a str>> {
        let words_max = match self.takes {
            Takes::Words { max, .. } => max,
            Takes::ThenText { words } => words,
        };
        let mut operands = Vec::with_capacity(words_max + 1);
        while operands.len() < words_max
            && let Some((word, behind)) = first_word(rest)
        {
            operands.push(word);
            rest = behind;
        }
        let blank = rest.bytes().all(|byte| byte == b' ');
        match self.takes {
            Takes::Words { min, .. } => (operands.len() >= min && blank).then_some(operands),
            Takes::ThenText { words } => (operands.len() == words && !blank).then(|| {
                operands.push(rest);
                operands
            }),
        }
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
    Row::new("XIT", "", words(0), "log out", |_| Command::Ask(Request::LogOut)),
    Row::new("OUT", "", words(0), "the same as XIT", |_| Command::Ask(Request::LogOut)),
    Row::new("logout", "", words(0), "the same as XIT", |_| Command::Ask(Request::LogOut)),
    Row::new("SHT", "password", words(1), "shut the server down, with the admin's password", |w| {
        Command::Ask(Request::ShutDown { password: w[0] })
    }).keeping_quiet(),
    Row::new("passwd", "", words(0), "change your password; it is asked for", |_| Command::ChangePassword),
    Row::new("help", "[command]", Takes::Words { min: 0, max: 1 }, "explain one command, or list them all", |w| {
        Command::Help(w.first().copied())
    }),
];

/// The full prompt, shown until the first command is entered.
pub const FULL_PROMPT: &str =
    "Enter one of the following commands: CRT, MSG, DLT, EDT, LST, RDT, UPD, DWN, RMV, XIT, SHT: ";

/// The prompt from then on.
pub const SHORT_PROMPT: &str = "> ";

/// Why a line is no command.
#[derive(Debug, Clone, Copy)]
pub enum SyntaxError {
    /// A known word with too few or too many operands.
    WrongCount(&'static Row),
    /// No such word.
    UnknownWord {
        /// Whether it consists of a to z only; such a word might have been a messenger's.
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
    let row = row(word)?;
    let operands = row.split(rest).ok_or(SyntaxError::WrongCount(row))?;
    Ok(Some((row.make)(&operands)))
}

/// Whether a line may be kept in the history. Case does not save a password: `sht s3cret` was meant as SHT.
pub fn may_be_kept(line: &str) -> bool {
    let secret = |word: &str| COMMANDS.iter().any(|row| row.secret && row.word.eq_ignore_ascii_case(word));
    !first_word(line).is_some_and(|(word, _)| secret(word))
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

/// The line for one item of a list; `None` for a reply that is no item.
pub fn item(reply: &Reply<'_>) -> Option<String> {
    match *reply {
        Reply::Title(title) => Some(title.to_owned()),
        Reply::Post { number, author, text } => Some(format!("{number} {author}: {text}")),
        Reply::Uploaded { author, file } => Some(format!("{author} uploaded {file}")),
        _ => None,
    }
}

/// What stands above the titles.
pub const LIST_HEADING: &str = "The list of active threads:";

/// What stands in their place when there are none.
pub const NO_THREADS: &str = "No threads to list";

/// What is shown of a thread with nothing in it.
pub fn empty_thread(title: &str) -> String {
    format!("Thread {title} is empty")
}

/// The first word and what follows the one space behind it; `None` if there are only spaces.
fn first_word(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_start_matches(' ');
    match line.split_once(' ') {
        Some(split) => Some(split),
        None if line.is_empty() => None,
        None => Some((line, "")),
    }
}

fn row(word: &str) -> Result<&'static Row, SyntaxError> {
    let lower_case = word.bytes().all(|byte| byte.is_ascii_lowercase());
    COMMANDS.iter().find(|row| row.word == word).ok_or(SyntaxError::UnknownWord { lower_case })
}

/// A message's number. `u32::from_str` alone would take `+5`.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(line: &str) -> Request<'_> {
        match parse(line) {
            Ok(Some(Command::Ask(request))) => request,
            other => panic!("{line:?} became {other:?}"),
        }
    }

    fn refused(line: &str) -> String {
        parse(line).expect_err(line).to_string()
    }

    #[test]
    fn every_word_becomes_its_command() {
        assert_eq!(asked("CRT 3331"), Request::CreateThread { title: "3331" });
        assert_eq!(asked("MSG 3331 hello there"), Request::Post { title: "3331", text: "hello there" });
        assert_eq!(asked("DLT 3331 7"), Request::DeletePost { title: "3331", number: 7 });
        assert_eq!(asked("EDT 3331 7 new"), Request::EditPost { title: "3331", number: 7, text: "new" });
        assert_eq!(asked("LST"), Request::ListThreads);
        assert_eq!(asked("RDT 3331"), Request::ReadThread { title: "3331", range: None });
        assert_eq!(
            parse("UPD 3331 a/b.exe").unwrap(),
            Some(Command::Upload { title: "3331", path: "a/b.exe" })
        );
        assert_eq!(
            parse("DWN 3331 b.exe").unwrap(),
            Some(Command::Download { title: "3331", file: "b.exe" })
        );
        assert_eq!(asked("RMV 3331"), Request::RemoveThread { title: "3331" });
        for word in ["XIT", "OUT", "logout"] {
            assert_eq!(asked(word), Request::LogOut);
        }
        assert_eq!(asked("SHT s3cret"), Request::ShutDown { password: "s3cret" });
        assert_eq!(parse("passwd").unwrap(), Some(Command::ChangePassword));
        assert_eq!(parse("help").unwrap(), Some(Command::Help(None)));
        assert_eq!(parse("help CRT").unwrap(), Some(Command::Help(Some("CRT"))));
    }

    #[test]
    fn a_wrong_number_of_words_shows_the_usage_on_the_next_line() {
        for (line, word, usage) in [
            ("CRT", "CRT", "CRT title"),
            ("CRT a b", "CRT", "CRT title"),
            ("MSG", "MSG", "MSG title text"),
            ("MSG a", "MSG", "MSG title text"),
            ("MSG a    ", "MSG", "MSG title text"),
            ("DLT a", "DLT", "DLT title n"),
            ("DLT a 1 2", "DLT", "DLT title n"),
            ("EDT a", "EDT", "EDT title n text"),
            ("EDT a 1", "EDT", "EDT title n text"),
            ("EDT a 1  ", "EDT", "EDT title n text"),
            ("LST a", "LST", "LST"),
            ("RDT", "RDT", "RDT title [from[-to]]"),
            ("RDT a 1 2", "RDT", "RDT title [from[-to]]"),
            ("UPD a", "UPD", "UPD title file"),
            ("UPD a b c", "UPD", "UPD title file"),
            ("DWN", "DWN", "DWN title file"),
            ("DWN a b c", "DWN", "DWN title file"),
            ("RMV", "RMV", "RMV title"),
            ("RMV a b", "RMV", "RMV title"),
            ("XIT now", "XIT", "XIT"),
            ("OUT now", "OUT", "OUT"),
            ("logout now", "logout", "logout"),
            ("SHT", "SHT", "SHT password"),
            ("SHT a b", "SHT", "SHT password"),
            ("passwd a", "passwd", "passwd"),
            ("help a b", "help", "help [command]"),
        ] {
            assert_eq!(refused(line), format!("Incorrect syntax for {word}\nUsage: {usage}"), "{line:?}");
        }
    }

    #[test]
    fn every_row_refuses_too_few_or_too_many_words() {
        for row in COMMANDS {
            let line = match row.takes {
                Takes::Words { max, .. } => format!("{}{}", row.word, " x".repeat(max + 1)),
                Takes::ThenText { words } => format!("{}{}", row.word, " x".repeat(words)),
            };
            assert_eq!(
                refused(&line),
                format!("Incorrect syntax for {}\nUsage: {}", row.word, row.usage()),
                "{line:?}"
            );
        }
    }

    #[test]
    fn unknown_words_are_told_apart_by_case() {
        assert_eq!(refused("whatever it is"), "Error. Invalid command");
        for line in ["crt1 a", "Lst", "XYZ", "1", "/help", "über"] {
            assert_eq!(refused(line), "Invalid command", "{line:?}");
        }
        assert_eq!(refused("crt a"), "Error. Invalid command");
    }

    #[test]
    fn a_line_without_a_word_asks_for_nothing() {
        assert_eq!(parse("").unwrap(), None);
        assert_eq!(parse("   ").unwrap(), None);
    }

    #[test]
    fn spaces_around_words_do_not_matter() {
        assert_eq!(asked("  CRT   a  "), Request::CreateThread { title: "a" });
        assert_eq!(asked(" DLT  a   3 "), Request::DeletePost { title: "a", number: 3 });
        assert_eq!(asked("LST  "), Request::ListThreads);
    }

    #[test]
    fn a_text_is_verbatim_behind_the_one_space() {
        assert_eq!(asked("MSG  a   two  spaces "), Request::Post { title: "a", text: "  two  spaces " });
        assert_eq!(asked("MSG a \t"), Request::Post { title: "a", text: "\t" });
        assert_eq!(asked("EDT a 1  x "), Request::EditPost { title: "a", number: 1, text: " x " });
    }

    #[test]
    fn a_word_that_is_no_number_is_sent_as_zero() {
        for word in ["x", "+5", "-1", "1.0", "4294967296", "٣"] {
            let line = format!("DLT a {word}");
            assert_eq!(asked(&line), Request::DeletePost { title: "a", number: 0 }, "{word}");
        }
        assert_eq!(asked("DLT a 4294967295"), Request::DeletePost { title: "a", number: u32::MAX });
        assert_eq!(asked("EDT a 1x y"), Request::EditPost { title: "a", number: 0, text: "y" });
    }

    #[test]
    fn ranges_are_one_message_or_both_ends() {
        for (word, wanted) in [
            ("5", (5, 5)),
            ("5-9", (5, 9)),
            ("9-5", (9, 5)),
            ("5-", (0, 0)),
            ("-5", (0, 0)),
            ("-", (0, 0)),
            ("5-9-11", (0, 0)),
            ("a-b", (0, 0)),
            ("4-99999999999", (4, u32::MAX)),
            ("99999999999", (u32::MAX, u32::MAX)),
            ("+1", (0, 0)),
        ] {
            let line = format!("RDT a {word}");
            assert_eq!(asked(&line), Request::ReadThread { title: "a", range: Some(wanted) }, "{word}");
        }
    }

    #[test]
    fn lines_with_a_secret_are_not_kept() {
        for line in ["SHT s3cret", "  SHT s3cret", "sht s3cret", "SHT"] {
            assert!(!may_be_kept(line), "{line:?}");
        }
        assert!(may_be_kept("MSG SHT s3cret"));
        assert!(may_be_kept("passwd"));
    }

    #[test]
    fn items_read_like_the_forum() {
        let post = Reply::Post { number: 1, author: "yoda", text: "do or do not" };
        assert_eq!(item(&post).unwrap(), "1 yoda: do or do not");
        let uploaded = Reply::Uploaded { author: "yoda", file: "test.exe" };
        assert_eq!(item(&uploaded).unwrap(), "yoda uploaded test.exe");
        assert_eq!(item(&Reply::Title("3331")).unwrap(), "3331");
        assert_eq!(item(&Reply::EndOfList), None);
    }

    #[test]
    fn help_explains_every_command() {
        let all = help(None).unwrap();
        assert_eq!(all.len(), COMMANDS.len());
        assert!(all.iter().any(|line| line.starts_with("RDT title [from[-to]]   read")), "{all:?}");
        assert_eq!(help(Some("CRT")).unwrap(), ["Usage: CRT title", "CRT: open a thread"]);
        assert_eq!(help(Some("CRY")).unwrap_err().to_string(), "Invalid command");
    }

    #[test]
    fn the_full_prompt_names_known_words_only() {
        let list = FULL_PROMPT.split_once(": ").unwrap().1.trim_end_matches(": ");
        for word in list.split(", ") {
            assert!(row(word).is_ok(), "{word}");
        }
    }
}
