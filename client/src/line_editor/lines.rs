//! Lines out of bytes that are no terminal's: what a pipe or a file says.
//!
//! It doesn't know what a line means. No line can make it hold more than [`LINE_BYTES_MAX`] and one read.

use forum_common::text::typed::{Cutter, Line};
use forum_common::wiping;
use zeroize::{Zeroize, Zeroizing};

/// Bytes of a line. The longest command is far below it (a text has at most 8,192 bytes); what is longer
/// is no forum command, and somebody piped in a binary.
pub const LINE_BYTES_MAX: usize = 65_536;

/// Cuts lines.
#[derive(Debug, Default)]
pub struct Lines {
    bytes: Zeroizing<Vec<u8>>,
    /// Where the next line starts.
    start: usize,
    cutter: Cutter,
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
        self.ended && (self.cutter.is_skipping() || self.start == self.bytes.len())
    }

    /// The next line, or `None`: feed more first.
    pub fn next_line(&mut self) -> Option<Line> {
        loop {
            let (line, used) = self.cutter.cut(&self.bytes[self.start..], LINE_BYTES_MAX, self.ended)?;
            // They are a line now, or skipped, and needed here no more.
            self.bytes[self.start..self.start + used].zeroize();
            self.start += used;
            if line.is_some() {
                return line;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use forum_common::text::Unreadable;

    use super::*;

    fn text(line: &str) -> Line {
        Ok(Zeroizing::new(line.to_owned()))
    }

    #[test]
    fn lines_cut_at_every_byte_come_out_whole() {
        let bytes = "yoda\r\njedi*knight\nMSG a gr\u{fc}\u{df}e".as_bytes();
        for cut in 0..=bytes.len() {
            let (mut lines, mut seen) = (Lines::default(), Vec::new());
            for piece in [&bytes[..cut], &bytes[cut..]] {
                lines.feed(piece);
                seen.extend(std::iter::from_fn(|| lines.next_line()));
            }
            assert!(!lines.is_over());
            lines.end();
            seen.extend(std::iter::from_fn(|| lines.next_line()));
            assert_eq!(seen, [text("yoda"), text("jedi*knight"), text("MSG a grüße")], "cut at {cut}");
            assert!(lines.is_over());
        }
    }

    #[test]
    fn an_endless_line_is_reported_once_and_not_stored() {
        let mut lines = Lines::default();
        let piece = [b'x'; 8_192];
        let mut reported = 0;
        for _ in 0..100 {
            lines.feed(&piece);
            while let Some(line) = lines.next_line() {
                assert_eq!(line, Err(Unreadable::TooLong(LINE_BYTES_MAX)));
                reported += 1;
            }
            assert!(lines.bytes.len() <= LINE_BYTES_MAX + 2 * piece.len());
        }
        lines.feed(b"x\nLST\n");
        assert_eq!((reported, lines.next_line()), (1, Some(text("LST"))));
    }
}
