//! Frames: how a stream of bytes is cut into messages.
//!
//! `u32 length | u8 kind | u32 tag | body`, big-endian; the length counts what follows it. This module knows
//! where a frame begins and ends, and nothing of what any kind means.

use std::fmt;

use byteorder::{BigEndian, ByteOrder};

use crate::limits::{FRAME_BYTES_MAX, HEADER_BYTES, LENGTH_BYTES};

/// Ties an answer to its request: the client picks it, the answer carries it. Notices have [`NO_TAG`].
pub type Tag = u32;

/// The tag of what nobody asked for.
pub const NO_TAG: Tag = 0;

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

/// Appends one frame to `out`; `body` writes what comes after the header.
///
/// A body that is too long for a frame is a bug of the caller; the table of messages rules it out.
#[inline]
pub fn append(out: &mut Vec<u8>, kind: u8, tag: Tag, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    let mut header = [0, 0, 0, 0, kind, 0, 0, 0, 0];
    BigEndian::write_u32(&mut header[5..], tag);
    out.extend_from_slice(&header);
    body(out);
    let total = out.len() - start;
    debug_assert!(total <= FRAME_BYTES_MAX, "a frame of {total} bytes");
    // At most 65,536, as asserted.
    BigEndian::write_u32(&mut out[start..start + LENGTH_BYTES], (total - LENGTH_BYTES) as u32);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_length_kind_tag() {
        let mut bytes = Vec::new();
        append(&mut bytes, 7, 1, |body| body.extend_from_slice(b"hello"));
        append(&mut bytes, 8, 0xAABB_CCDD, |_| {});
        assert_eq!(
            bytes,
            [0, 0, 0, 10, 7, 0, 0, 0, 1, b'h', b'e', b'l', b'l', b'o', 0, 0, 0, 5, 8, 0xAA, 0xBB, 0xCC, 0xDD]
        );
    }

    #[test]
    fn the_longest_frame_is_taken_and_one_byte_more_refused() {
        for at_most in [FRAME_BYTES_MAX, EARLY_FRAME_BYTES_MAX] {
            let mut bytes = Vec::new();
            append(&mut bytes, 1, 1, |body| body.resize(at_most, 0));
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
