//! Frames: how a stream of bytes is cut into messages.
//!
//! `u32 length | u8 kind | u32 tag | body`, big-endian; the length counts what follows it. This module knows
//! where a frame begins and ends and refuses to know what any kind means.

use std::fmt;

use byteorder::{BigEndian, ByteOrder};

use crate::limits::{FRAME_BYTES_MAX, HEADER_BYTES, LENGTH_BYTES};

/// Ties an answer to its request: the client picks it, the answer carries it. Notices have [`NO_TAG`].
pub type Tag = u32;

/// The tag of what nobody asked for.
pub const NO_TAG: Tag = 0;

/// One whole frame, borrowed from the bytes it came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What the body means; see the tables of `request`, `reply`, `notice` and `transfer`.
    pub kind: u8,
    /// The request this belongs to.
    pub tag: Tag,
    /// Everything behind the header.
    pub body: &'a [u8],
}

/// A length that no frame can have. The stream can't be read any further: where the next frame begins is
/// unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    /// The length field claims more than a frame may hold.
    TooLong(u32),
    /// The length field leaves no room for kind and tag.
    TooShort(u32),
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(length) => {
                write!(f, "Frame of {} bytes; at most {FRAME_BYTES_MAX} are allowed", u64::from(*length) + 4)
            }
            Self::TooShort(length) => write!(f, "Frame length {length} is too short for kind and tag"),
        }
    }
}

impl std::error::Error for FrameError {}

/// Cuts the first frame off `bytes`: the frame and the number of bytes it took, or `None` while it is not
/// all there.
///
/// # Errors
/// A length that no frame can have, as soon as its four bytes are there.
pub fn split(bytes: &[u8]) -> Result<Option<(Frame<'_>, usize)>, FrameError> {
    let Some(length_field) = bytes.get(..LENGTH_BYTES) else { return Ok(None) };
    let length = BigEndian::read_u32(length_field);
    let total = length as usize + LENGTH_BYTES;
    if total > FRAME_BYTES_MAX {
        return Err(FrameError::TooLong(length));
    }
    if total < HEADER_BYTES {
        return Err(FrameError::TooShort(length));
    }
    let Some(whole) = bytes.get(..total) else { return Ok(None) };
    let frame =
        Frame { kind: whole[4], tag: BigEndian::read_u32(&whole[5..9]), body: &whole[HEADER_BYTES..] };
    Ok(Some((frame, total)))
}

/// Appends one frame to `out`; `body` writes the body behind the header.
///
/// A body that is too long for a frame is a bug of the caller: the limits of names and texts rule it out.
pub fn append(out: &mut Vec<u8>, kind: u8, tag: Tag, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0, 0, 0, 0, kind]);
    out.extend_from_slice(&tag.to_be_bytes());
    body(out);
    let total = out.len() - start;
    debug_assert!(total <= FRAME_BYTES_MAX, "a frame of {total} bytes");
    let length = u32::try_from(total - LENGTH_BYTES).expect("a frame is shorter than 4 GiB");
    BigEndian::write_u32(&mut out[start..start + LENGTH_BYTES], length);
}

/// Cuts frames out of bytes that arrive in pieces of any size.
///
/// It holds what has been fed and not yet taken: at most one unfinished frame and what came behind it in
/// the same piece.
#[derive(Debug, Default)]
pub struct Decoder {
    bytes: Vec<u8>,
    /// Where the next frame starts; what lies before it has been taken.
    start: usize,
}

impl Decoder {
    /// Takes bytes as they come from the socket.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole frame, or `None`: feed more first.
    ///
    /// # Errors
    /// A length that no frame can have; the same again at each further call.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, FrameError> {
        match split(&self.bytes[self.start..])? {
            Some((frame, used)) => {
                self.start += used;
                Ok(Some(frame))
            }
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_frames() -> Vec<u8> {
        let mut bytes = Vec::new();
        append(&mut bytes, 7, 1, |body| body.extend_from_slice(b"hello"));
        append(&mut bytes, 8, 0xAABB_CCDD, |_| {});
        bytes
    }

    #[test]
    fn the_header_is_length_kind_tag() {
        assert_eq!(
            two_frames(),
            [0, 0, 0, 10, 7, 0, 0, 0, 1, b'h', b'e', b'l', b'l', b'o', 0, 0, 0, 5, 8, 0xAA, 0xBB, 0xCC, 0xDD]
        );
    }

    #[test]
    fn frames_cut_at_every_byte_come_out_whole() {
        let bytes = two_frames();
        for cut in 0..=bytes.len() {
            let mut decoder = Decoder::default();
            let mut seen = Vec::new();
            for piece in [&bytes[..cut], &bytes[cut..]] {
                decoder.feed(piece);
                while let Some(frame) = decoder.next_frame().unwrap() {
                    seen.push((frame.kind, frame.tag, frame.body.to_vec()));
                }
            }
            assert_eq!(seen, [(7, 1, b"hello".to_vec()), (8, 0xAABB_CCDD, Vec::new())], "cut at {cut}");
        }
    }

    #[test]
    fn the_longest_frame_is_taken_and_one_byte_more_refused() {
        let mut bytes = Vec::new();
        append(&mut bytes, 1, 1, |body| body.extend_from_slice(&[0; crate::limits::BODY_BYTES_MAX]));
        assert_eq!(bytes.len(), FRAME_BYTES_MAX);
        assert_eq!(split(&bytes).unwrap().unwrap().1, FRAME_BYTES_MAX);
        assert_eq!(split(&65_533u32.to_be_bytes()), Err(FrameError::TooLong(65_533)));
        assert_eq!(
            FrameError::TooLong(65_533).to_string(),
            "Frame of 65537 bytes; at most 65536 are allowed"
        );
    }

    #[test]
    fn lying_lengths_are_refused_as_soon_as_they_are_read() {
        assert_eq!(split(&[0xFF; 4]), Err(FrameError::TooLong(u32::MAX)));
        assert_eq!(split(&[0, 0, 0, 4]), Err(FrameError::TooShort(4)));
        assert_eq!(split(&[0, 0, 0]), Ok(None));
    }
}
