//! What lines have for a person at a terminal beyond their text: when it was, whose it is, and whether it is about the
//! person who reads.
//!
//! It finds the author in a line and cuts it into pieces. What a style looks like is the terminal's affair.

use super::Now;
use crate::wire::{Notice, Reply};

/// Colours that names are told apart by.
pub const COLOURS: usize = 5;

/// How a piece of a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Like everything.
    Plain,
    /// A user's name, in this colour of [`COLOURS`].
    Name(usize),
    /// The name of the user who reads.
    Own,
    /// What is there if one looks for it.
    Dim,
}

/// A line in pieces.
#[derive(Debug, PartialEq, Eq)]
pub struct Decorated {
    /// The pieces, in order.
    pub pieces: Vec<(Style, String)>,
    /// Whether somebody else says the name of the user who reads.
    pub is_mention: bool,
}

/// Whose a line is, when it was, and where what they said begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin<'a> {
    /// The user it comes from.
    pub author: &'a str,
    /// When it was, in UTC milliseconds.
    pub at_ms: u64,
    /// What they said; empty if it is not theirs.
    pub text: &'a str,
}

impl<'a> Origin<'a> {
    /// That of an item of a list, if it has one that the line does not tell.
    pub fn of_item(item: &Reply<'a>) -> Option<Self> {
        let (author, at_ms, text) = match *item {
            Reply::PostItem { author, at_ms, text, .. } | Reply::SearchItem { author, at_ms, text, .. } => {
                (author, at_ms, text)
            }
            Reply::UploadItem { author, at_ms, .. } => (author, at_ms, ""),
            _ => return None,
        };
        Some(Self { author, at_ms, text })
    }

    /// That of a notice; the time of some is now.
    pub fn of_notice(notice: &Notice<'a>, now_ms: u64) -> Option<Self> {
        let (author, at_ms, text) = match *notice {
            Notice::LoggedIn { name } | Notice::LoggedOut { name } => (name, now_ms, ""),
            Notice::PutInRoom { by, .. } => (by, now_ms, ""),
            Notice::Message { from, at_ms, text, .. } | Notice::Broadcast { from, at_ms, text } => {
                (from, at_ms, text)
            }
            Notice::BoardPost { author, at_ms, text, .. }
            | Notice::RoomPost { author, at_ms, text, .. }
            | Notice::ThreadPost { author, at_ms, text, .. } => (author, at_ms, text),
            _ => return None,
        };
        Some(Self { author, at_ms, text })
    }

    /// The line that says it, for the user `own`.
    pub fn decorate(&self, line: &str, own: &str, now: Now<'_>) -> Decorated {
        let mut pieces = Vec::new();
        let (head, said) = line.split_at(line.len() - self.text.len());
        let style = if self.author == own { Style::Own } else { Style::Name(colour(self.author)) };
        match place(head, self.author) {
            Some(at) => {
                let (before, rest) = head.split_at(at);
                let (name, after) = rest.split_at(self.author.len());
                pieces.extend([(Style::Plain, before), (style, name), (Style::Plain, after)]);
            }
            None => pieces.push((Style::Plain, head)),
        }
        let before = pieces.len();
        highlight(said, own, &mut pieces);
        let names_own = pieces[before..].iter().any(|(style, _)| *style == Style::Own);
        let time = format!("  ({})", short_time(self.at_ms, now));
        let pieces = pieces.into_iter().filter(|(_, text)| !text.is_empty());
        let pieces = pieces.map(|(style, text)| (style, text.to_owned()));
        Decorated {
            pieces: pieces.chain([(Style::Dim, time)]).collect(),
            is_mention: names_own && self.author != own,
        }
    }
}

impl Decorated {
    /// What it says, and nothing else.
    pub fn text(&self) -> String {
        self.pieces.iter().map(|(_, text)| text.as_str()).collect()
    }
}

/// Where the author stands in what comes before the text: after a number, or at the start.
fn place(head: &str, author: &str) -> Option<usize> {
    let is_word_at = |at: usize| head[..at].chars().next_back().is_none_or(|before| before == ' ');
    let ended = head.strip_suffix(": ").and_then(|head| head.strip_suffix(author)).map(str::len);
    ended.filter(|at| is_word_at(*at)).or_else(|| head.starts_with(author).then_some(0))
}

/// The colour of a name, the same in each session.
fn colour(name: &str) -> usize {
    // FNV-1a: names that differ by a letter are far apart.
    let hash =
        name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash as usize % COLOURS
}

/// Cuts `text` where the name `own` stands in it as a word, in any case.
fn highlight<'t>(text: &'t str, own: &str, pieces: &mut Vec<(Style, &'t str)>) {
    let mut from = 0;
    let mut done = 0;
    while let Some(at) = find(&text[from..], own).map(|at| from + at) {
        let end = at + own.len();
        let is_edge = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && c != '_');
        if is_edge(text[..at].chars().next_back()) && is_edge(text[end..].chars().next()) {
            pieces.extend([(Style::Plain, &text[done..at]), (Style::Own, &text[at..end])]);
            done = end;
        }
        from = end;
    }
    pieces.push((Style::Plain, &text[done..]));
}

fn find(text: &str, name: &str) -> Option<usize> {
    if name.is_empty() {
        return None;
    }
    text.as_bytes().windows(name.len()).position(|window| window.eq_ignore_ascii_case(name.as_bytes()))
}

/// The time of today, or with the day; without seconds, as people say it.
fn short_time(at_ms: u64, now: Now<'_>) -> String {
    let (at, today) = (now.zone.shown(at_ms).to_string(), now.zone.shown(now.ms).to_string());
    let minutes = at.rsplit_once(':').map_or(at.as_str(), |(minutes, _)| minutes);
    match (minutes.rsplit_once(' '), today.rsplit_once(' ')) {
        (Some((day, time)), Some((today, _))) if day == today => time.to_owned(),
        _ => minutes.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Zone;

    const AT_MS: u64 = 1_654_063_201_000;
    const DAY_MS: u64 = 86_400_000;

    fn decorated(line: &str, author: &str, text: &str, now_ms: u64) -> Decorated {
        let zone = Zone::utc();
        let origin = Origin { author, at_ms: AT_MS, text };
        origin.decorate(line, "yoda", Now { zone: &zone, ms: now_ms })
    }

    fn own(decorated: &Decorated) -> Vec<&str> {
        let own = decorated.pieces.iter().filter(|(style, _)| *style == Style::Own);
        own.map(|(_, text)| text.as_str()).collect()
    }

    #[test]
    fn the_text_stays_and_the_time_of_today_follows_it() {
        let line = decorated("1 hans: hi", "hans", "hi", AT_MS + 1);
        assert_eq!(line.text(), "1 hans: hi  (06:00)");
        assert_eq!(line.pieces[0], (Style::Plain, "1 ".to_owned()));
        assert_eq!(line.pieces[1], (Style::Name(colour("hans")), "hans".to_owned()));
        assert_eq!(line.pieces.last().unwrap(), &(Style::Dim, "  (06:00)".to_owned()));
        let line = decorated("hans: hi", "hans", "hi", AT_MS + DAY_MS);
        assert_eq!(line.text(), "hans: hi  (1 Jun 2022 06:00)");
    }

    #[test]
    fn the_author_is_found_wherever_lines_have_it() {
        for (line, text, before) in [
            ("hans logged in", "", ""),
            ("hans uploaded notes", "", ""),
            ("hans (BCM #1): hans is here", "hans is here", ""),
            ("hans (room-1 #2): x: y", "x: y", ""),
            ("12 hans: hans: 3", "hans: 3", "12 "),
            ("T 4 hans: x", "x", "T 4 "),
        ] {
            let line = decorated(line, "hans", text, AT_MS);
            let at = line.pieces.iter().position(|(style, _)| matches!(style, Style::Name(_))).unwrap();
            let head: String = line.pieces[..at].iter().map(|(_, text)| text.as_str()).collect();
            assert_eq!((head.as_str(), line.pieces[at].1.as_str()), (before, "hans"));
        }
    }

    #[test]
    fn every_notice_of_what_a_user_says_or_does_has_its_time_and_author() {
        let (at_ms, text) = (AT_MS, "yoda, look");
        for notice in [
            Notice::Message { number: 1, late: false, at_ms, from: "hans", text },
            Notice::Broadcast { at_ms, from: "hans", text },
            Notice::BoardPost { number: 1, at_ms, author: "hans", text },
            Notice::RoomPost { room: 1, number: 1, at_ms, author: "hans", text },
            Notice::ThreadPost { title: "t", number: 6, id: 9, at_ms, author: "hans", text },
        ] {
            let line = &crate::text::lines::notice(&notice, crate::text::Reader::Person).unwrap();
            let origin = Origin::of_notice(&notice, AT_MS).unwrap_or_else(|| panic!("{notice:?}"));
            let zone = Zone::utc();
            let shown = origin.decorate(line, "yoda", Now { zone: &zone, ms: AT_MS });
            assert!(shown.is_mention && shown.text().ends_with("look  (06:00)"), "{shown:?}");
            assert!(
                shown
                    .pieces
                    .iter()
                    .any(|(style, name)| *style == Style::Name(colour("hans")) && name == "hans")
            );
        }
    }

    #[test]
    fn ones_own_name_is_a_mention_if_it_is_a_word_that_another_says() {
        let said = |text: &str| decorated(&format!("hans: {text}"), "hans", text, AT_MS);
        for text in ["yoda, hi", "hi Yoda!", "(yoda)", "über yoda"] {
            assert!(said(text).is_mention, "{text}");
        }
        for text in ["yodas", "toyoda", "yoda_2", "hi", "語語"] {
            assert!(!said(text).is_mention && own(&said(text)).is_empty(), "{text}");
        }
        assert_eq!(own(&said("yoda and YODA and yodas")), ["yoda", "YODA"]);
        let mine = decorated("1 yoda: yoda it is", "yoda", "yoda it is", AT_MS);
        assert_eq!((own(&mine), mine.is_mention), (vec!["yoda", "yoda"], false));
    }

    #[test]
    fn names_keep_their_colours_and_use_all_of_them() {
        let colours: std::collections::BTreeSet<_> = (0..100).map(|n| colour(&format!("user{n}"))).collect();
        assert_eq!(colours, (0..COLOURS).collect());
    }
}
