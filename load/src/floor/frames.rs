//! Frames by their length alone: `u32` big-endian, then so many bytes.

/// The longest frame, its length field included: that of forumd.
pub(super) const FRAME_BYTES_MAX: usize = 65_536;
/// The length field.
const LENGTH_BYTES: usize = 4;

/// How many of `bytes` are whole frames, each of which goes to `each`. No answer: a length is impossible.
pub(super) fn whole_frames(bytes: &[u8], mut each: impl FnMut(&[u8])) -> Option<usize> {
    let mut taken = 0;
    while let Some((length, rest)) = bytes[taken..].split_first_chunk::<LENGTH_BYTES>() {
        let length = u32::from_be_bytes(*length) as usize;
        if length > FRAME_BYTES_MAX - LENGTH_BYTES {
            return None;
        }
        if rest.len() < length {
            break;
        }
        let frame_bytes = LENGTH_BYTES + length;
        each(&bytes[taken..taken + frame_bytes]);
        taken += frame_bytes;
    }
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_AND_A_HALF: &[u8] = b"\0\0\0\x02ab\0\0\0\0\0\0\0\x03c";

    #[test]
    fn frames_are_taken_when_their_last_byte_is_there() {
        for (bytes, taken) in [(0, 0), (3, 0), (4, 0), (5, 0), (6, 6), (9, 6), (10, 10), (15, 10)] {
            let mut frames = Vec::new();
            let bytes = &TWO_AND_A_HALF[..bytes];
            assert_eq!(whole_frames(bytes, |frame| frames.extend_from_slice(frame)), Some(taken));
            assert_eq!(frames, bytes[..taken]);
        }
    }

    #[test]
    fn a_frame_that_never_fits_is_no_frame() {
        assert_eq!(whole_frames(&65_532_u32.to_be_bytes(), |_| {}), Some(0));
        assert_eq!(whole_frames(&65_533_u32.to_be_bytes(), |_| {}), None);
    }
}
