//! The table of commands: every word, what stands after it, what it does and what it becomes.
//!
//! A new command is a new row, and nothing else knows its word. Names and numbers are not judged here, but sent:
//! the server refuses them in the order that the contract wants. Only what has no place on the wire is refused
//! here: a number of seconds or a time that is none.

use std::fmt;

use super::{Command, LineError, Now, SyntaxError, first_word};
use crate::text::rejections::Rejection;
use crate::text::whole_number;
use crate::wire::{Request, kinds};

/// How many operands a command takes.
#[derive(Debug)]
enum Takes {
    /// So many words, and nothing else.
    Words { min: usize, max: usize },
    /// So many words, and then a text to the end of the line.
    ThenText { words: usize },
    /// One of these words, and nothing else.
    OneOf(&'static [&'static str]),
    /// One of these words, and then a text to the end of the line.
    OneOfThenText(&'static [&'static str]),
    /// One word or more, which stay together.
    Names,
    /// One word, and then one or more, which stay together.
    WordThenNames,
}

/// Makes the command from its operands.
type Make = for<'a> fn(&[&'a str], Now<'_>) -> Result<Command<'a>, Rejection>;

/// One command.
pub struct Row {
    /// The word it begins with.
    pub word: &'static str,
    /// What stands after the word.
    pub operands: &'static str,
    /// What it does, in a few words.
    pub help: &'static str,
    /// Whether its line holds a secret, and must not be kept.
    pub secret: bool,
    /// The kinds of the requests that it becomes.
    pub requests: &'static [u8],
    takes: Takes,
    make: Make,
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
        requests: &'static [u8],
        make: Make,
    ) -> Self {
        Self { word, operands, help, secret: false, requests, takes, make }
    }

    const fn keeping_quiet(mut self) -> Self {
        self.secret = true;
        self
    }

    /// How the whole line looks: `MSG title text`.
    pub fn usage(&self) -> String {
        format!("{} {}", self.word, self.operands).trim_end().to_owned()
    }

    /// What the usage calls the operand at `index`; the one before `...` is repeated.
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
    pub(super) fn command<'a>(&'static self, rest: &'a str, now: Now<'_>) -> Result<Command<'a>, LineError> {
        let operands = self.split(rest).ok_or(SyntaxError::WrongCount(self))?;
        Ok((self.make)(&operands, now)?)
    }

    /// The operands in what follows the command's word, or `None` if they are too few or too many.
    fn split<'a>(&self, mut rest: &'a str) -> Option<Vec<&'a str>> {
        let words_max = match self.takes {
            Takes::Words { max, .. } => max,
            Takes::ThenText { words } => words,
            Takes::OneOf(_) | Takes::OneOfThenText(_) | Takes::WordThenNames => 1,
            Takes::Names => 0,
        };
        let mut operands = Vec::with_capacity(words_max + 1);
        while operands.len() < words_max
            && let Some((word, after)) = first_word(rest)
        {
            operands.push(word);
            rest = after;
        }
        let blank = rest.bytes().all(|byte| byte == b' ');
        let complete = match self.takes {
            Takes::Words { min, .. } => return (operands.len() >= min && blank).then_some(operands),
            Takes::OneOf(choice) => {
                let complete = blank && operands.first().is_some_and(|word| choice.contains(word));
                return complete.then_some(operands);
            }
            Takes::ThenText { words } => operands.len() == words && !blank,
            Takes::WordThenNames => operands.len() == 1 && !blank,
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
            Takes::OneOf(_) | Takes::OneOfThenText(_) | Takes::WordThenNames => 1,
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

const fn ask(request: Request<'_>) -> Result<Command<'_>, Rejection> {
    Ok(Command::Ask(request))
}

/// Every command, in the order in which `help` lists them.
#[rustfmt::skip]
pub static COMMANDS: &[Row] = &[
    Row::new("CRT", "title", words(1), "open a thread", &[kinds::CreateThread], |w, _| {
        ask(Request::CreateThread { title: w[0], key: None })
    }),
    Row::new("MSG", "title text", then_text(1), "post a message to a thread", &[kinds::Post], |w, _| {
        ask(Request::Post { title: w[0], text: w[1], key: None })
    }),
    Row::new("DLT", "title n", words(2), "delete your message number n", &[kinds::DeletePost], |w, _| {
        ask(Request::DeletePost { title: w[0], number: number(w[1]), id: None, key: None })
    }),
    Row::new("EDT", "title n text", then_text(2), "give your message number n another text", &[kinds::EditPost], |w, _| {
        ask(Request::EditPost { title: w[0], number: number(w[1]), text: w[2], id: None, key: None })
    }),
    Row::new("LST", "", words(0), "list the threads", &[kinds::ListThreads], |_, _| {
        ask(Request::ListThreads { after: None, at_most: None, unread: None })
    }),
    Row::new("RDT", "title [n[-m]|new|-k]", Takes::Words { min: 1, max: 2 }, "read a thread: all, messages n to m, what is new, or the last k", &[kinds::ReadThread], |w, _| {
        let last = w.get(1).and_then(|word| last(word));
        let unread = w.get(1).filter(|word| **word == "new").map(|_| true);
        ask(Request::ReadThread {
            title: w[0],
            range: w.get(1).filter(|_| last.is_none() && unread.is_none()).map(|word| range(word)),
            after: None,
            at_most: None,
            last,
            unread,
        })
    }),
    Row::new("UPD", "title file ...", Takes::WordThenNames, "upload files to a thread", &[kinds::Upload], |w, _| {
        Ok(only(w[1]).map_or(Command::Each { word: "UPD", to: w[0], files: w[1] }, |path| Command::Upload { title: w[0], path }))
    }),
    Row::new("DWN", "title file ...", Takes::WordThenNames, "download files from a thread", &[kinds::Download], |w, _| {
        Ok(only(w[1]).map_or(Command::Each { word: "DWN", to: w[0], files: w[1] }, |file| Command::Download { title: w[0], file }))
    }),
    Row::new("search", "words [in title]", then_text(0), "list the newest messages with all these words, in one thread or in all", &[kinds::Search], |w, _| {
        let (words, title) = words_and_title(w[0]);
        ask(Request::Search { words, title, after: None, at_most: None })
    }),
    Row::new("unread", "", words(0), "list the threads in which something is new to you", &[kinds::ListUnread], |_, _| {
        ask(Request::ListUnread { after: None, at_most: None })
    }),
    Row::new("watch", "title", words(1), "be told of new messages in a thread, now and after restarts", &[kinds::Watch], |w, _| {
        ask(Request::Watch { title: w[0], key: None })
    }),
    Row::new("unwatch", "title", words(1), "hear no more of new messages in a thread", &[kinds::Unwatch], |w, _| {
        ask(Request::Unwatch { title: w[0], key: None })
    }),
    Row::new("RMV", "title", words(1), "remove a thread of yours, with its files", &[kinds::RemoveThread], |w, _| {
        ask(Request::RemoveThread { title: w[0], key: None })
    }),
    Row::new("message", "user text", then_text(1), "message one user, now or at the next log-in", &[kinds::SendMessage], |w, _| {
        ask(Request::SendMessage { user: w[0], text: w[1], key: None })
    }),
    Row::new("broadcast", "text", then_text(0), "message everyone who is online", &[kinds::SendBroadcast], |w, _| {
        ask(Request::SendBroadcast { text: w[0] })
    }),
    Row::new("whoelse", "", words(0), "list who else is online", &[kinds::WhoElse], |_, _| {
        ask(Request::WhoElse { after: None, at_most: None })
    }),
    Row::new("whoelsesince", "seconds", words(1), "list who else was online in the last so many seconds", &[kinds::WhoElseSince], |w, _| {
        let seconds = whole_number(w[0]).ok_or(Rejection::InvalidNumber)?;
        ask(Request::WhoElseSince { seconds, after: None, at_most: None })
    }),
    Row::new("block", "user", words(1), "see no more messages of a user", &[kinds::Block], |w, _| {
        ask(Request::Block { user: w[0], key: None })
    }),
    Row::new("unblock", "user", words(1), "see a user's messages again", &[kinds::Unblock], |w, _| {
        ask(Request::Unblock { user: w[0], key: None })
    }),
    Row::new("startprivate", "user", words(1), "ask a user to start a private conversation", &[kinds::AskPrivate], |w, _| {
        Ok(Command::StartPrivate { user: w[0] })
    }),
    Row::new("private", "user text", then_text(1), "say something in a private conversation that was started", &[kinds::RelaySealed], |w, _| {
        Ok(Command::Private { user: w[0], text: w[1] })
    }),
    Row::new("stopprivate", "user", words(1), "end a private conversation", &[kinds::EndLink], |w, _| {
        Ok(Command::StopPrivate { user: w[0] })
    }),
    Row::new("verify", "user", words(1), "show six words to compare in a private conversation", &[], |w, _| {
        Ok(Command::Verify { user: w[0] })
    }),
    Row::new("BCM", "text", then_text(0), "post a message to the board, for everyone", &[kinds::PostToBoard], |w, _| {
        ask(Request::PostToBoard { text: w[0], key: None })
    }),
    Row::new("ATU", "", words(0), "list the other active users and their addresses", &[kinds::ListActive], |_, _| {
        ask(Request::ListActive { after: None, at_most: None })
    }),
    Row::new("SRB", "user [user ...]", Takes::Names, "open a separate room with these users", &[kinds::CreateRoom], |w, _| {
        ask(Request::CreateRoom { users: w[0], key: None })
    }),
    Row::new("SRM", "room text", then_text(1), "post a message to a separate room, by its ID", &[kinds::PostToRoom], |w, _| {
        ask(Request::PostToRoom { room: number(w[0]), text: w[1], key: None })
    }),
    Row::new("RDM", "b|s timestamp", Takes::OneOfThenText(&["b", "s"]), "board (b) or rooms (s) since 1 Jun 2022 16:01:20, or 2h; from number n on: RDM b #n, RDM s room #n", &[kinds::ReadBoard, kinds::ReadRooms], |w, now| {
        let is_board = w[0] == "b";
        let (room, from, later_than_ms) = match from_number(w[1], is_board) {
            Some((room, from)) => (room, Some(from), None),
            None => (None, None, Some(now.zone.parse(w[1].trim_matches(' '), now.ms).ok_or(Rejection::InvalidTimestamp)?)),
        };
        ask(match is_board {
            true => Request::ReadBoard { later_than_ms, after: None, at_most: None, from },
            false => Request::ReadRooms { later_than_ms, after: None, at_most: None, room, from },
        })
    }),
    Row::new("rooms", "", words(0), "list your separate rooms", &[kinds::ListRooms], |_, _| {
        ask(Request::ListRooms { after: None, at_most: None })
    }),
    Row::new("UDP", "user file ...", Takes::WordThenNames, "send files straight to a user", &[kinds::OfferFile], |w, _| {
        Ok(only(w[1]).map_or(Command::Each { word: "UDP", to: w[0], files: w[1] }, |path| Command::SendFile { user: w[0], path }))
    }),
    Row::new("cancel", "[file]", Takes::Words { min: 0, max: 1 }, "give up a transfer, or all running transfers and lists", &[], |w, _| {
        Ok(Command::Cancel(w.first().copied()))
    }),
    Row::new("presence", "on|off", Takes::OneOf(&["on", "off"]), "see who logs in and out, or don't", &[kinds::SetPresence], |w, _| {
        ask(Request::SetPresence { on: w[0] == "on" })
    }),
    Row::new("whoami", "", words(0), "say who you are, where, and since when", &[], |_, _| Ok(Command::WhoAmI)),
    Row::new("passwd", "", words(0), "change your password; it is asked for", &[kinds::ChangePassword], |_, _| {
        Ok(Command::ChangePassword)
    }),
    Row::new("XIT", "", words(0), "log out", &[kinds::LogOut], |_, _| ask(Request::LogOut)),
    Row::new("OUT", "", words(0), "the same as XIT", &[kinds::LogOut], |_, _| ask(Request::LogOut)),
    Row::new("logout", "", words(0), "the same as XIT", &[kinds::LogOut], |_, _| ask(Request::LogOut)),
    Row::new("SHT", "password", then_text(0), "shut the server down, with the admin's password", &[kinds::ShutDown], |w, _| {
        ask(Request::ShutDown { password: w[0] })
    }).keeping_quiet(),
    Row::new("help", "[command]", Takes::Words { min: 0, max: 1 }, "explain one command, or list them all", &[], |w, _| {
        Ok(Command::Help(w.first().copied()))
    }),
];

/// The number of a message or a room; 0, which nothing has, if the word is no number.
fn number(word: &str) -> u32 {
    whole_number(word).and_then(|number| u32::try_from(number).ok()).unwrap_or(0)
}

/// `#7`, or with the number of a room before it `2 #7`: from which message on.
fn from_number(words: &str, is_board: bool) -> Option<(Option<u32>, u32)> {
    let mut words = words.split(' ').filter(|word| !word.is_empty());
    let room = if is_board { None } else { Some(number(words.next()?)) };
    let from = whole_number(words.next()?.strip_prefix('#')?)?;
    words.next().is_none().then(|| (room, u32::try_from(from).unwrap_or(u32::MAX)))
}

/// `-20`: so many at the end. `-0` is no number of messages.
fn last(word: &str) -> Option<u32> {
    let count = whole_number(word.strip_prefix('-')?).filter(|count| *count > 0)?;
    Some(u32::try_from(count).unwrap_or(u32::MAX))
}

/// The words that are searched for, and the title at the end if the last word but one is `in`.
fn words_and_title(typed: &str) -> (&str, Option<&str>) {
    let typed = typed.trim_matches(' ');
    let Some((before, title)) = typed.rsplit_once(' ') else { return (typed, None) };
    let before = before.trim_end_matches(' ');
    match before.rsplit_once(' ').unwrap_or(("", before)) {
        (words, "in") => (words.trim_end_matches(' '), Some(title)),
        _ => (typed, None),
    }
}

/// The word, if it is the only one.
fn only(words: &str) -> Option<&str> {
    let word = words.trim_matches(' ');
    (!word.contains(' ')).then_some(word)
}

/// `5`, or `5-9`; anything else becomes a range that no thread has, for the server to refuse in its turn.
/// A number beyond all numbers is past every end, and as an end it is cut like one.
fn range(word: &str) -> (u32, u32) {
    let (from, to) = word.split_once('-').unwrap_or((word, word));
    let bound = |word: &str| whole_number(word).map(|number| u32::try_from(number).unwrap_or(u32::MAX));
    bound(from).zip(bound(to)).unwrap_or((0, 0))
}
