//! Lines out of bytes that are no terminal's: what a pipe or a file says.
//!
//! It doesn't know what a line means. CRLF counts as an end of line, a last line without one counts,
//! and no line can make it hold more than [`LINE_BYTES_MAX`] and one read.

use forum_common::wiping;
use zeroize::{Zeroize, Zeroizing};

/// Bytes of a line. The longest command is far below it (a text has at most 8,192 bytes); what is longer
/// is no forum command, and somebody piped in a binary.
pub const LINE_BYTES_MAX: usize = 65_536;

/// One line, without its end.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// Its text. It might be a password, so it is wiped when dropped.
    Text(Zeroizing<String>),
    /// It is not UTF-8.
    NotUtf8,
    /// It was longer than [`LINE_BYTES_MAX`]; all of it has been skipped, or will be.
    TooLong,
}

/// Cuts lines.
#[derive(Debug, Default)]
pub struct Lines {
    bytes: Zeroizing<Vec<u8>>,
    /// Where the next line starts.
    start: usize,
    /// Inside a line that was reported as too long.
    skipping: bool,
    ended: bool,
}

impl Lines {
    /// Takes bytes as they come.
    pub fn feed(&mut self, bytes: &[u8]) {
        wiping::drop_front(&mut self.bytes, self.start);
        self.start = 0;
        wiping::reserve(&mut self.bytes, bytes.len());
        self.bytes.extend_from_slice(bytes);
    }

    /// No more bytes will come: what is left is the last line.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// Whether [`Lines::end`] was called and every line has been taken.
    pub fn is_over(&self) -> bool {
        self.ended && (self.skipping || self.start == self.bytes.len())
    }

    /// The next line, or `None`: feed more first.
    pub fn next_line(&mut self) -> Option<Line> {
        loop {
            let rest = &self.bytes[self.start..];
            let Some(length) = rest.iter().position(|byte| *byte == b'\n') else { return self.unfinished() };
            let line = (!self.skipping).then(|| whole(&rest[..length]));
            self.skipping = false;
            self.use_up(length + 1);
            if line.is_some() {
                return line;
            }
        }
    }

    /// What to make of bytes without an end of line.
    fn unfinished(&mut self) -> Option<Line> {
        let rest = &self.bytes[self.start..];
        let line = if self.skipping || rest.is_empty() {
            None
        } else if rest.len() > LINE_BYTES_MAX + 1 {
            self.skipping = true;
            Some(Line::TooLong)
        } else if self.ended {
            Some(whole(rest))
        } else {
            return None;
        };
        self.use_up(self.bytes.len() - self.start);
        line
    }

    /// So many bytes are a line now, or skipped, and needed here no more.
    fn use_up(&mut self, count: usize) {
        self.bytes[self.start..self.start + count].zeroize();
        self.start += count;
    }
}

fn whole(bytes: &[u8]) -> Line {
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    if bytes.len() > LINE_BYTES_MAX {
        return Line::TooLong;
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Line::Text(Zeroizing::new(text.to_owned())),
        Err(_) => Line::NotUtf8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(line: &str) -> Line {
        Line::Text(Zeroizing::new(line.to_owned()))
    }

    fn lines_of(pieces: &[&[u8]]) -> Vec<Line> {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        for piece in pieces {
            lines.feed(piece);
            seen.extend(std::iter::from_fn(|| lines.next_line()));
        }
        lines.end();
        seen.extend(std::iter::from_fn(|| lines.next_line()));
        assert!(lines.is_over());
        seen
    }

    #[test]
    fn lines_end_in_newline_or_crlf_or_with_the_input() {
        assert_eq!(
            lines_of(&[b"one\ntwo\r\n\n three \nfour"]),
            [text("one"), text("two"), text(""), text(" three "), text("four")]
        );
    }

    #[test]
    fn lines_cut_at_every_byte_come_out_whole() {
        let bytes = "yoda\r\njedi*knight\nMSG a gr\u{fc}\u{df}e\n".as_bytes();
        for cut in 0..=bytes.len() {
            let seen = lines_of(&[&bytes[..cut], &bytes[cut..]]);
            assert_eq!(seen, [text("yoda"), text("jedi*knight"), text("MSG a grüße")], "cut at {cut}");
        }
    }

    #[test]
    fn a_line_that_is_not_utf8_costs_that_line_only() {
        assert_eq!(lines_of(&[b"a\n\xff\xfe\nb\n"]), [text("a"), Line::NotUtf8, text("b")]);
    }

    #[test]
    fn the_longest_line_is_taken_and_one_byte_more_skipped() {
        let longest = "x".repeat(LINE_BYTES_MAX);
        assert_eq!(lines_of(&[format!("{longest}\r\nb\n").as_bytes()]), [text(&longest), text("b")]);
        assert_eq!(lines_of(&[format!("{longest}y\nb\n").as_bytes()]), [Line::TooLong, text("b")]);
    }

    #[test]
    fn an_endless_line_is_reported_once_and_not_stored() {
        let mut lines = Lines::default();
        let piece = [b'x'; 8_192];
        let mut reported = 0;
        for _ in 0..100 {
            lines.feed(&piece);
            while let Some(line) = lines.next_line() {
                assert_eq!(line, Line::TooLong);
                reported += 1;
            }
            assert!(lines.bytes.len() <= LINE_BYTES_MAX + 2 * piece.len());
        }
        lines.feed(b"x\nLST\n");
        assert_eq!((reported, lines.next_line()), (1, Some(text("LST"))));
    }
}
