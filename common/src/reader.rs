//! A bounded cursor over the body of a frame: every read says how much it wants, and a body that is too
//! short, too long or not UTF-8 is an error of the peer, never a panic of ours.

use std::fmt;

use byteorder::{BigEndian, ByteOrder};

use crate::limits::TEXT_BYTES_MAX;

/// Why a frame's contents can't be understood. The peer's fault: its connection is closed with this text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// The body ends inside a field.
    Truncated,
    /// The body goes on behind the last field.
    TrailingBytes,
    /// A string is not UTF-8.
    NotUtf8,
    /// A field has a value that its type does not know.
    BadValue,
    /// No message of this direction has this kind.
    UnknownKind(u8),
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("Malformed frame: it ends inside a field"),
            Self::TrailingBytes => f.write_str("Malformed frame: bytes behind its last field"),
            Self::NotUtf8 => f.write_str("Malformed frame: a string is not UTF-8"),
            Self::BadValue => f.write_str("Malformed frame: a field has no such value"),
            Self::UnknownKind(kind) => write!(f, "Unknown frame kind 0x{kind:02x}"),
        }
    }
}

impl std::error::Error for Malformed {}

/// Reads the fields of one body, front to back.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A cursor at the first byte of `body`.
    pub fn new(body: &'a [u8]) -> Self {
        Self { rest: body }
    }

    /// The next `count` bytes.
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    /// The next `N` bytes as an array.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(self.bytes(1)?[0])
    }

    /// One byte that must be 0 or 1.
    pub fn bool(&mut self) -> Result<bool, Malformed> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed::BadValue),
        }
    }

    /// Two bytes, big-endian.
    pub fn u16(&mut self) -> Result<u16, Malformed> {
        Ok(BigEndian::read_u16(self.bytes(2)?))
    }

    /// Four bytes, big-endian.
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(BigEndian::read_u32(self.bytes(4)?))
    }

    /// Eight bytes, big-endian.
    pub fn u64(&mut self) -> Result<u64, Malformed> {
        Ok(BigEndian::read_u64(self.bytes(8)?))
    }

    /// A string behind its length of one byte.
    pub fn short_str(&mut self) -> Result<&'a str, Malformed> {
        let length = usize::from(self.u8()?);
        utf8(self.bytes(length)?)
    }

    /// A string behind its length of two bytes.
    pub fn long_str(&mut self) -> Result<&'a str, Malformed> {
        let length = usize::from(self.u16()?);
        utf8(self.bytes(length)?)
    }

    /// All that is left, as it is.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// All that is left, as a string.
    pub fn rest_str(&mut self) -> Result<&'a str, Malformed> {
        utf8(self.rest())
    }

    /// Insists that nothing is left.
    pub fn finish(self) -> Result<(), Malformed> {
        if self.rest.is_empty() { Ok(()) } else { Err(Malformed::TrailingBytes) }
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(bytes).map_err(|_| Malformed::NotUtf8)
}

/// Appends a string behind its length of one byte. A longer string is cut at a character boundary: names
/// are shorter by their own limits, and what a hostile caller sends is refused at the other end.
pub fn put_short_str(out: &mut Vec<u8>, text: &str) {
    let text = &text[..text.floor_char_boundary(usize::from(u8::MAX))];
    out.push(text.len() as u8);
    out.extend_from_slice(text.as_bytes());
}

/// Appends a string behind its length of two bytes; cut like [`put_short_str`].
pub fn put_long_str(out: &mut Vec<u8>, text: &str) {
    let text = &text[..text.floor_char_boundary(usize::from(u16::MAX))];
    out.extend_from_slice(&(text.len() as u16).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// Appends a text that fills the rest of a body. One that is too long is cut, but to a length that is
/// still too long: it fits the frame and is refused at the other end.
pub fn put_text(out: &mut Vec<u8>, text: &str) {
    let text = &text[..text.floor_char_boundary(TEXT_BYTES_MAX + 4)];
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_ends_inside_a_field_is_truncated() {
        assert_eq!(Reader::new(&[0, 0, 0]).u32(), Err(Malformed::Truncated));
        assert_eq!(Reader::new(&[3, b'a', b'b']).short_str(), Err(Malformed::Truncated));
    }

    #[test]
    fn bytes_behind_the_last_field_are_an_error() {
        let mut reader = Reader::new(&[1, 2]);
        assert_eq!(reader.u8(), Ok(1));
        assert_eq!(reader.finish(), Err(Malformed::TrailingBytes));
    }

    #[test]
    fn strings_must_be_utf8() {
        assert_eq!(Reader::new(&[1, 0xFF]).short_str(), Err(Malformed::NotUtf8));
    }

    #[test]
    fn strings_come_back_as_they_went() {
        let mut bytes = Vec::new();
        put_short_str(&mut bytes, "grüße");
        put_long_str(&mut bytes, "");
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.short_str(), Ok("grüße"));
        assert_eq!(reader.long_str(), Ok(""));
        assert_eq!(reader.finish(), Ok(()));
    }
}
