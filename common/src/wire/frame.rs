//! Frames: how a stream of bytes is cut into messages.
//!
//! `u32 length | u8 kind | u32 tag | body`, big-endian; the length counts what follows it. This module knows
//! where a frame begins and ends, and nothing of what any kind means.

use std::fmt;

use byteorder::{BigEndian, ByteOrder};

use crate::limits::{BODY_BYTES_MAX, FRAME_BYTES_MAX, HEADER_BYTES, LENGTH_BYTES};

/// Ties an answer to its request: the client picks it, the answer carries it. Notices have [`NO_TAG`].
pub type Tag = u32;

/// The tag of what nobody asked for.
pub const NO_TAG: Tag = 0;

/// What every frame begins with: no length needs the first of its four bytes. So it tells frames from lines and from TLS.
pub const FIRST_BYTE: u8 = 0;

/// Bytes of a whole frame before the welcome: enough for a hello, a name and two passwords, and little for a
/// stranger to make a server hold.
pub const EARLY_FRAME_BYTES_MAX: usize = 2_048;

/// One whole frame, borrowed from the bytes it came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What the body means; see [`super::messages`].
    pub kind: u8,
    /// The request that this belongs to.
    pub tag: Tag,
    /// Everything after the header.
    pub body: &'a [u8],
}

/// A length that no frame can have. The stream can't be read any further: nobody knows where the next frame
/// begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    /// The length field claims more than a frame may hold at this point of the connection.
    TooLong {
        /// Bytes of the whole frame, as claimed.
        bytes: u64,
        /// Bytes that it may have.
        at_most: usize,
    },
    /// The length field leaves no room for kind and tag.
    TooShort(u32),
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { bytes, at_most } => {
                write!(f, "Frame of {bytes} bytes; at most {at_most} are allowed")
            }
            Self::TooShort(length) => write!(f, "Frame length {length} is too short for kind and tag"),
        }
    }
}

impl std::error::Error for FrameError {}

/// Cuts the first frame off `bytes`: the frame and the number of bytes it took, or `None` until all of it is
/// there. A whole frame has at most `at_most` bytes.
///
/// # Errors
/// A length that no frame can have, as soon as its four bytes are there.
#[inline]
pub fn split(bytes: &[u8], at_most: usize) -> Result<Option<(Frame<'_>, usize)>, FrameError> {
    let Some(length_field) = bytes.get(..LENGTH_BYTES) else { return Ok(None) };
    let length = BigEndian::read_u32(length_field);
    let total = length as usize + LENGTH_BYTES;
    if total > at_most {
        return Err(FrameError::TooLong { bytes: u64::from(length) + LENGTH_BYTES as u64, at_most });
    }
    if total < HEADER_BYTES {
        return Err(FrameError::TooShort(length));
    }
    let Some(whole) = bytes.get(..total) else { return Ok(None) };
    let frame =
        Frame { kind: whole[4], tag: BigEndian::read_u32(&whole[5..9]), body: &whole[HEADER_BYTES..] };
    Ok(Some((frame, total)))
}

/// Appends one frame with this body to `out`.
///
/// A body that is too long for a frame is a bug of the caller; the table of messages rules it out.
pub fn append(out: &mut Vec<u8>, kind: u8, tag: Tag, body: &[u8]) {
    let mut writer = Writer::new(out, kind, tag);
    writer.bytes(body);
    writer.finish();
}

/// What stands before a body of so many bytes, for one that is read straight to where it stays.
pub fn header(kind: u8, tag: Tag, body_bytes: usize) -> [u8; HEADER_BYTES] {
    debug_assert!(body_bytes <= BODY_BYTES_MAX, "a body of {body_bytes} bytes");
    let mut header = [0, 0, 0, 0, kind, 0, 0, 0, 0];
    // At most 65,532, as asserted.
    BigEndian::write_u32(&mut header, (HEADER_BYTES - LENGTH_BYTES + body_bytes) as u32);
    BigEndian::write_u32(&mut header[LENGTH_BYTES + 1..], tag);
    header
}

/// Bytes of fields of fixed size that are gathered before they are appended.
const GATHERED_BYTES: usize = 48;

/// Writes one frame to the end of a buffer.
///
/// Fields of fixed size that follow each other are gathered and appended together: where each of them goes is
/// known when this is compiled, so they cost a store each, and the buffer is asked for room once. For that, all of
/// this has to be inlined.
#[derive(Debug)]
pub struct Writer<'o> {
    out: &'o mut Vec<u8>,
    /// Where in `out` the frame begins.
    start: usize,
    gathered: [u8; GATHERED_BYTES],
    used: usize,
}

impl<'o> Writer<'o> {
    /// Begins a frame at the end of `out`.
    #[inline(always)]
    pub fn new(out: &'o mut Vec<u8>, kind: u8, tag: Tag) -> Self {
        let start = out.len();
        let mut gathered = [0; GATHERED_BYTES];
        gathered[LENGTH_BYTES] = kind;
        BigEndian::write_u32(&mut gathered[LENGTH_BYTES + 1..HEADER_BYTES], tag);
        Self { out, start, gathered, used: HEADER_BYTES }
    }

    /// Appends a field of fixed size.
    #[inline(always)]
    pub fn fixed<const N: usize>(&mut self, bytes: [u8; N]) {
        const { assert!(N <= GATHERED_BYTES) };
        if self.used + N > GATHERED_BYTES {
            self.flush();
        }
        self.gathered[self.used..self.used + N].copy_from_slice(&bytes);
        self.used += N;
    }

    /// Appends bytes of any number.
    #[inline(always)]
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.flush();
        self.out.extend_from_slice(bytes);
    }

    /// Appends bytes of any number after their length in two bytes.
    #[inline(always)]
    pub fn prefixed(&mut self, bytes: &[u8]) {
        let length = (bytes.len() as u16).to_be_bytes();
        if self.used == 0 {
            self.out.extend_from_slice(&length);
        } else {
            self.fixed(length);
            self.flush();
        }
        self.out.extend_from_slice(bytes);
    }

    /// Appends one byte and gathers nothing: before a branch, so that what comes after does not depend on it.
    #[inline(always)]
    pub fn byte(&mut self, byte: u8) {
        self.flush();
        self.out.push(byte);
    }

    /// Appends what was gathered.
    #[inline(always)]
    pub fn flush(&mut self) {
        if self.used > 0 {
            self.out.extend_from_slice(&self.gathered[..self.used]);
            self.used = 0;
        }
    }

    /// Ends the frame: now its length is known.
    #[inline(always)]
    pub fn finish(mut self) {
        self.flush();
        let total = self.out.len() - self.start;
        debug_assert!(total <= FRAME_BYTES_MAX, "a frame of {total} bytes");
        // At most 65,536, as asserted.
        let length = (total - LENGTH_BYTES) as u32;
        self.out[self.start..self.start + LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_length_kind_tag() {
        let mut bytes = Vec::new();
        append(&mut bytes, 7, 1, b"hello");
        append(&mut bytes, 8, 0xAABB_CCDD, b"");
        assert_eq!(
            bytes,
            [0, 0, 0, 10, 7, 0, 0, 0, 1, b'h', b'e', b'l', b'l', b'o', 0, 0, 0, 5, 8, 0xAA, 0xBB, 0xCC, 0xDD]
        );
    }

    #[test]
    fn a_header_alone_is_that_of_the_frame() {
        let mut bytes = Vec::new();
        append(&mut bytes, 7, 0xAABB_CCDD, b"hello");
        assert_eq!(header(7, 0xAABB_CCDD, 5)[..], bytes[..HEADER_BYTES]);
    }

    #[test]
    fn the_longest_frame_is_taken_and_one_byte_more_refused() {
        for at_most in [FRAME_BYTES_MAX, EARLY_FRAME_BYTES_MAX] {
            let mut bytes = Vec::new();
            append(&mut bytes, 1, 1, &vec![0; at_most - HEADER_BYTES]);
            assert_eq!(split(&bytes, at_most).unwrap().unwrap().1, at_most);
            let length = (at_most - LENGTH_BYTES + 1) as u32;
            let bytes = at_most as u64 + 1;
            assert_eq!(split(&length.to_be_bytes(), at_most), Err(FrameError::TooLong { bytes, at_most }));
        }
        let error = split(&65_533u32.to_be_bytes(), FRAME_BYTES_MAX).unwrap_err();
        assert_eq!(error.to_string(), "Frame of 65537 bytes; at most 65536 are allowed");
    }

    #[test]
    fn lying_lengths_are_refused_as_soon_as_they_are_read() {
        let at_most = FRAME_BYTES_MAX;
        let bytes = u64::from(u32::MAX) + 4;
        assert_eq!(split(&[0xFF; 4], at_most), Err(FrameError::TooLong { bytes, at_most }));
        assert_eq!(split(&[0, 0, 0, 4], at_most), Err(FrameError::TooShort(4)));
        assert_eq!(split(&[0, 0, 0], at_most), Ok(None));
    }
}
