//! Lines that people and programs type: bytes, cut at their newlines. CRLF ends a line as well, and so does the end of
//! the input.

use std::fmt;

use zeroize::Zeroizing;

/// Text that might be a password, wiped when dropped.
pub type Secret = Zeroizing<String>;

/// Why a line is no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// It is not UTF-8.
    NotUtf8,
    /// It has more bytes than this; all of it has been skipped, or will be.
    TooLong(usize),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUtf8 => f.write_str("The line is not UTF-8"),
            Self::TooLong(at_most) => write!(f, "The line is longer than {at_most} bytes"),
        }
    }
}

/// One line, without its end.
pub type Line = Result<Secret, Unreadable>;

/// Cuts lines off the front of bytes. It holds none of them: what is left of a line comes again, with more.
#[derive(Debug, Clone, Copy)]
pub struct Cutter {
    /// How many bytes are no text at the start of these.
    aside: fn(&[u8]) -> usize,
    /// Inside a line that was reported as too long.
    is_skipping: bool,
}

impl Default for Cutter {
    fn default() -> Self {
        Self::leaving_out(|_| 0)
    }
}

impl Cutter {
    /// Leaves something out of the lines: `aside` says how many bytes that is at the start of these, even if some have
    /// not come yet, and 0 of none. It may hold a newline.
    pub fn leaving_out(aside: fn(&[u8]) -> usize) -> Self {
        Self { aside, is_skipping: false }
    }

    /// The first line of `bytes`, and how many of them it took; no line if it was reported already. `None`: more are
    /// needed, unless the input has `ended`. A line of more than `at_most` bytes is reported at once.
    pub fn cut(&mut self, bytes: &[u8], at_most: usize, ended: bool) -> Option<(Option<Line>, usize)> {
        // At the beginning of a line it need not wait for the rest.
        if let aside @ 1.. = (self.aside)(bytes)
            && aside <= bytes.len()
        {
            return Some((None, aside));
        }
        let end = self.end_of_line(bytes);
        let is_unfinished = end.is_none() && !ended;
        if bytes.is_empty() || (is_unfinished && !self.is_skipping && bytes.len() <= at_most + 1) {
            return None;
        }
        let used = end.map_or(bytes.len(), |end| end + 1);
        let is_reported = std::mem::replace(&mut self.is_skipping, is_unfinished);
        let line = || match is_unfinished {
            true => Err(Unreadable::TooLong(at_most)),
            false => self.text(&bytes[..end.unwrap_or(bytes.len())], at_most),
        };
        Some(((!is_reported).then(line), used))
    }

    /// Whether the rest of a line is still to be skipped.
    pub fn is_skipping(&self) -> bool {
        self.is_skipping
    }

    fn end_of_line(&self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            match (self.aside)(&bytes[at..]) {
                0 if *byte == b'\n' => return Some(at),
                aside => at += aside.max(1),
            }
        }
        None
    }

    fn text(&self, mut bytes: &[u8], at_most: usize) -> Line {
        let mut text = Zeroizing::new(Vec::with_capacity(bytes.len()));
        while let [first, rest @ ..] = bytes {
            bytes = match (self.aside)(bytes) {
                0 => {
                    text.push(*first);
                    rest
                }
                aside => &bytes[aside.min(bytes.len())..],
            };
        }
        let text = text.strip_suffix(b"\r").unwrap_or(&text);
        if text.len() > at_most {
            return Err(Unreadable::TooLong(at_most));
        }
        let text = std::str::from_utf8(text).map_err(|_| Unreadable::NotUtf8)?;
        Ok(Zeroizing::new(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT_MOST: usize = 40;

    /// `#` and the byte after it are no text.
    fn remark(bytes: &[u8]) -> usize {
        if bytes.first() == Some(&b'#') { 2 } else { 0 }
    }

    /// All lines of bytes that come in these pieces, and then the end.
    fn lines<'a>(
        mut cutter: Cutter,
        pieces: impl IntoIterator<Item = &'a [u8]>,
    ) -> Vec<Result<String, Unreadable>> {
        let (mut rest, mut found) = (Vec::new(), Vec::new());
        let mut take = |rest: &mut Vec<u8>, ended| {
            while let Some((line, used)) = cutter.cut(rest, AT_MOST, ended) {
                rest.drain(..used);
                found.extend(line.map(|line| line.map(|text| text.to_string())));
            }
            assert!(rest.len() <= AT_MOST + 1, "no more is needed for a line");
        };
        for piece in pieces {
            rest.extend_from_slice(piece);
            take(&mut rest, false);
        }
        take(&mut rest, true);
        found
    }

    fn text(line: &str) -> Result<String, Unreadable> {
        Ok(line.to_owned())
    }

    #[test]
    fn lines_are_the_same_however_they_are_cut() {
        let bytes = "\none\r\n three \nh\u{e9}\nMSG t  a\rb \r\nlast".as_bytes();
        let wanted = ["", "one", " three ", "h\u{e9}", "MSG t  a\rb ", "last"].map(text);
        assert_eq!(lines(Cutter::default(), [bytes]), wanted);
        for size in [1, 2, 3, 7] {
            assert_eq!(lines(Cutter::default(), bytes.chunks(size)), wanted, "{size} bytes at a time");
        }
    }

    #[test]
    fn the_end_of_the_input_makes_no_line_out_of_nothing() {
        assert_eq!(lines(Cutter::default(), [&b"a\n"[..]]), [text("a")]);
        assert_eq!(lines(Cutter::default(), []), []);
    }

    #[test]
    fn a_line_that_is_not_utf8_costs_that_line_only() {
        let wanted = [text("a"), Err(Unreadable::NotUtf8), text("b")];
        assert_eq!(lines(Cutter::default(), [&b"a\n\xff\xfe\nb\n"[..]]), wanted);
    }

    #[test]
    fn the_longest_line_is_taken_and_of_a_longer_one_nothing() {
        let longest = "x".repeat(AT_MOST);
        let too_long = Err(Unreadable::TooLong(AT_MOST));
        for end in ["\n", "\r\n"] {
            assert_eq!(
                lines(Cutter::default(), [format!("{longest}{end}b").as_bytes()]),
                [text(&longest), text("b")]
            );
        }
        for more in [1, 2, 1_000] {
            let long = format!("{longest}{}\nb\n", "y".repeat(more));
            for size in [1, 7, long.len()] {
                let seen = lines(Cutter::default(), long.as_bytes().chunks(size));
                assert_eq!(seen, [too_long.clone(), text("b")], "{more} more, {size} at a time");
            }
        }
    }

    #[test]
    fn what_is_left_out_is_taken_at_once_at_the_beginning_of_a_line() {
        let mut cutter = Cutter::leaving_out(remark);
        assert_eq!(cutter.cut(b"#", AT_MOST, false), None);
        assert_eq!(cutter.cut(b"#a", AT_MOST, false), Some((None, 2)));
        assert_eq!(cutter.cut(b"b#a", AT_MOST, false), None);
    }

    #[test]
    fn what_is_left_out_may_hold_a_newline_and_come_in_pieces() {
        let bytes = b"#\none#x\n##two\n#";
        for size in [1, 2, bytes.len()] {
            let seen = lines(Cutter::leaving_out(remark), bytes.chunks(size));
            assert_eq!(seen, [text("one"), text("two"), text("")], "{size} bytes at a time");
        }
    }
}
