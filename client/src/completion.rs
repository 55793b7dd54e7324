//! The Tab key: what a word on the line can become.
//!
//! It knows the table of commands, and neither where names come from nor which files there are.

use forum_common::text::commands::row;
use forum_common::text::commands::table::{COMMANDS, Row};
use unicode_width::UnicodeWidthStr;

use crate::names::{Listed, Names};

/// Lines of choices that are shown.
const CHOICE_LINES_MAX: usize = 10;

/// What pressing Tab does.
#[derive(Debug, PartialEq, Eq)]
pub enum Completion {
    /// This is typed.
    Insert(String),
    /// One of these must be meant.
    Choose(Vec<String>),
    /// Nothing fits, or nothing can be said.
    Nothing,
    /// The answer comes when the names have been fetched.
    Later,
}

/// The word being typed, and what it names.
#[derive(Debug, PartialEq, Eq)]
pub struct Word<'a> {
    /// What it names.
    pub names: Named,
    /// As much of it as stands before the cursor.
    pub start: &'a str,
}

/// What a word names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// A command.
    Command,
    /// Something that the server has a list of.
    Listed(Listed),
    /// A local file.
    Path,
    /// One of these, as usage has them: `on|off`. What has a bracket or a dash stands for a number.
    OneOf(&'static str),
}

impl<'a> Word<'a> {
    /// The word in front of the cursor, if it is one that names anything.
    pub fn before_cursor(before: &'a str) -> Option<Self> {
        let (done, start) = before.rsplit_once(' ').unwrap_or(("", before));
        let mut words = done.split(' ').filter(|word| !word.is_empty());
        let names = match words.next() {
            None => Named::Command,
            Some(command) => {
                let words: Vec<_> = words.collect();
                named(row(command).ok()?, words.len(), words.first().copied())?
            }
        };
        Some(Self { names, start })
    }

    /// What it can become, given these names. `at_end`: a space is wanted after a whole word.
    pub fn complete(
        &self,
        names: &Names,
        at_end: bool,
        paths: impl FnOnce(&str) -> Vec<String>,
    ) -> Completion {
        let choices = match &self.names {
            Named::Command => self.fitting(COMMANDS.iter().map(|row| row.word)),
            Named::Listed(listed) => names.listed(listed, self.start),
            Named::Path => paths(self.start),
            Named::OneOf(words) => self.fitting(words.split('|').filter(|word| !word.contains(['[', '-']))),
        };
        let more = shared_start(&choices).get(self.start.len()..).unwrap_or_default();
        match &choices[..] {
            [] => Completion::Nothing,
            // A directory goes on.
            [only] if only.ends_with('/') || !at_end => insert(more),
            [_] => Completion::Insert(format!("{more} ")),
            _ if more.is_empty() => Completion::Choose(choices),
            _ => insert(more),
        }
    }

    fn fitting(&self, words: impl Iterator<Item = &'static str>) -> Vec<String> {
        words.filter(|word| word.starts_with(self.start)).map(str::to_owned).collect()
    }
}

/// What can be said while there is no server: no names, but commands and paths.
pub fn without_names(before: &str, at_end: bool, paths: impl FnOnce(&str) -> Vec<String>) -> Completion {
    let word = Word::before_cursor(before);
    word.map_or(Completion::Nothing, |word| word.complete(&Names::default(), at_end, paths))
}

/// What the operand of `row` at `index` names, after this one as the first.
fn named(row: &Row, index: usize, first: Option<&str>) -> Option<Named> {
    match row.operand(index)? {
        "title" => Some(Named::Listed(Listed::Titles)),
        "user" => Some(Named::Listed(Listed::Users)),
        "room" => Some(Named::Listed(Listed::Rooms)),
        "command" => Some(Named::Command),
        "file" if matches!(row.word, "UPD" | "UDP") => Some(Named::Path),
        // What DWN names lies on the server.
        "file" if row.word == "DWN" => Some(Named::Listed(Listed::Files(first?.to_owned()))),
        words if words.contains('|') => Some(Named::OneOf(words)),
        _ => None,
    }
}

fn insert(more: &str) -> Completion {
    if more.is_empty() { Completion::Nothing } else { Completion::Insert(more.to_owned()) }
}

/// What all of them begin with.
fn shared_start(choices: &[String]) -> &str {
    let Some((first, others)) = choices.split_first() else { return "" };
    let shared = |other: &String| first.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
    let length = others.iter().map(shared).min().unwrap_or(first.len());
    &first[..first.floor_char_boundary(length)]
}

/// Choices in columns, as lines of at most `width` columns; what is too much is counted.
pub fn in_columns(choices: &[String], width: usize) -> Vec<String> {
    const GAP: usize = 2;
    let widest = choices.iter().map(|choice| choice.width()).max().unwrap_or(0);
    let columns = ((width + GAP) / (widest + GAP)).max(1);
    let shown = choices.len().min(columns * CHOICE_LINES_MAX);
    let mut lines: Vec<String> = choices[..shown]
        .chunks(columns)
        .map(|row| {
            let cells = row.iter().map(|cell| format!("{cell}{}", " ".repeat(widest + GAP - cell.width())));
            cells.collect::<String>().trim_end().to_owned()
        })
        .collect();
    if shown < choices.len() {
        lines.push(format!("and {} more", choices.len() - shown));
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::names::tests::{room_created, thread, user};
    use forum_peer::paths::beginning_with as paths;

    fn names() -> Names {
        let mut names = Names::default();
        for title in ["3331", "3911", "9331"] {
            names.learn_reply(&thread(title));
        }
        for name in ["hans", "hanna", "yoda"] {
            names.learn_reply(&user(name));
        }
        names.learn_reply(&room_created(12));
        names
    }

    fn complete(before: &str) -> Completion {
        Word::before_cursor(before).map_or(Completion::Nothing, |word| word.complete(&names(), true, paths))
    }

    fn types(text: &str) -> Completion {
        Completion::Insert(text.to_owned())
    }

    fn choice(choices: &[&str]) -> Completion {
        Completion::Choose(choices.iter().map(|choice| (*choice).to_owned()).collect())
    }

    #[test]
    fn a_command_is_completed_as_far_as_it_is_clear() {
        assert_eq!(complete("CR"), types("T "));
        assert_eq!(complete("  pass"), types("wd "));
        assert_eq!(complete("whoe"), types("lse"));
        assert_eq!(complete("whoelse"), choice(&["whoelse", "whoelsesince"]));
        assert_eq!(complete("whoelses"), types("ince "));
        assert_eq!(complete("xyz"), Completion::Nothing);
        assert_eq!(complete("help wh"), types("o"));
    }

    #[test]
    fn operands_are_completed_by_what_they_name() {
        assert_eq!(complete("MSG 9"), types("331 "));
        assert_eq!(complete("RDT 3"), choice(&["3331", "3911"]));
        assert_eq!(complete("message y"), types("oda "));
        assert_eq!(complete("block ha"), types("n"));
        assert_eq!(complete("block han"), choice(&["hanna", "hans"]));
        assert_eq!(complete("SRB yoda hans hann"), types("a "));
        assert_eq!(complete("SRM "), types("12 "));
        assert_eq!(complete("RDT 9331 "), types("new "));
        assert_eq!(complete("presence "), types("o"));
        assert_eq!(complete("presence on"), types(" "));
        for before in
            ["MSG 9331 y", "DLT 9331 ", "RDT 9331 3", "RDM b y", "LST ", "whatever y", "SHT y", "DWN 9331 "]
        {
            assert_eq!(complete(before), Completion::Nothing, "{before:?}");
        }
    }

    #[test]
    fn before_a_space_no_second_one_is_typed() {
        let word = Word::before_cursor("message y").unwrap();
        assert_eq!(word.complete(&names(), false, paths), types("oda"));
        let word = Word::before_cursor("message yoda").unwrap();
        assert_eq!(word.complete(&names(), false, paths), Completion::Nothing);
    }

    #[test]
    fn every_operand_of_the_table_is_a_word_that_completion_has_judged() {
        let plain = ["n", "text", "file", "seconds", "words", "in", "timestamp", "password"];
        for row in COMMANDS {
            for index in 0.. {
                let Some(operand) = row.operand(index).filter(|_| index < 8) else { break };
                assert!(
                    named(row, index, Some("t")).is_some() || plain.contains(&operand),
                    "{operand} of {row:?}"
                );
            }
        }
    }

    #[test]
    fn paths_are_looked_up_and_directories_go_on() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["report.txt", "results.txt", "two words", ".hidden"] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        fs::create_dir(directory.path().join("sub")).unwrap();
        let place = directory.path().to_str().unwrap();
        let complete = |start: &str| complete(&format!("UPD 9331 {place}/{start}"));
        assert_eq!(complete("rep"), types("ort.txt "));
        assert_eq!(complete("r"), types("e"));
        assert_eq!(
            complete("re"),
            choice(&[&format!("{place}/report.txt"), &format!("{place}/results.txt")])
        );
        assert_eq!(complete("s"), types("ub/"));
        assert_eq!(complete("two"), Completion::Nothing);
        assert_eq!(complete("."), types("hidden "));
        assert_eq!(complete("sub/"), Completion::Nothing);
    }

    #[test]
    fn choices_stand_in_columns_and_what_is_too_much_is_counted() {
        let words = |count: usize| (0..count).map(|n| format!("w{n}")).collect::<Vec<_>>();
        assert_eq!(in_columns(&words(5), 10), ["w0  w1  w2", "w3  w4"]);
        assert_eq!(in_columns(&words(2), 1), ["w0", "w1"]);
        let lines = in_columns(&words(25), 8);
        assert_eq!((lines.len(), lines.last().unwrap().as_str()), (CHOICE_LINES_MAX + 1, "and 5 more"));
    }
}
