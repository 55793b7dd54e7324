//! The frames of a file on its way, the same in both directions: kinds 0x40 to 0x4f. Their tag is that of
//! the request which started the transfer.
//!
//! Data flows against credit: whoever receives says how many bytes more it is ready to take, so that
//! neither end ever stores more than it offered, and other frames of the connection are never stuck behind
//! data that nobody can take.

use crate::frame::{self, Frame, Tag};
use crate::limits::DIGEST_BYTES;
use crate::reader::{Malformed, Reader};

/// The kind of a data frame: its body is the next bytes of the file and nothing else.
pub const DATA: u8 = 0x40;

/// One frame of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transfer<'a> {
    /// The next bytes of the file; never more than the credit that is left.
    Data(&'a [u8]),
    /// The receiver takes so many bytes more.
    Credit(u32),
    /// All bytes were sent; this is the BLAKE3 digest of all of them.
    End([u8; DIGEST_BYTES]),
    /// The client gives the transfer up.
    Abort,
}

impl<'a> Transfer<'a> {
    /// Whether a frame of this kind belongs here.
    pub fn is_kind(kind: u8) -> bool {
        (DATA..=0x4f).contains(&kind)
    }

    /// Reads a transfer frame.
    ///
    /// # Errors
    /// The frame is none, or its body is not what its kind promises.
    pub fn decode(frame: &Frame<'a>) -> Result<Self, Malformed> {
        let mut r = Reader::new(frame.body);
        let transfer = match frame.kind {
            DATA => Self::Data(r.rest()),
            0x41 => Self::Credit(r.u32()?),
            0x42 => Self::End(r.array()?),
            0x43 => Self::Abort,
            kind => return Err(Malformed::UnknownKind(kind)),
        };
        r.finish()?;
        Ok(transfer)
    }

    /// Appends this frame to `out`.
    pub fn encode(&self, tag: Tag, out: &mut Vec<u8>) {
        match self {
            Self::Data(bytes) => frame::append(out, DATA, tag, |out| out.extend_from_slice(bytes)),
            Self::Credit(bytes) => {
                frame::append(out, 0x41, tag, |out| out.extend_from_slice(&bytes.to_be_bytes()));
            }
            Self::End(digest) => frame::append(out, 0x42, tag, |out| out.extend_from_slice(digest)),
            Self::Abort => frame::append(out, 0x43, tag, |_| {}),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_transfer_frame_comes_back_as_it_went() {
        for transfer in [
            Transfer::Data(b""),
            Transfer::Data(&[0, 255, 7]),
            Transfer::Credit(u32::MAX),
            Transfer::End([9; DIGEST_BYTES]),
            Transfer::Abort,
        ] {
            let mut bytes = Vec::new();
            transfer.encode(3, &mut bytes);
            let (frame, _) = frame::split(&bytes).unwrap().unwrap();
            assert!(Transfer::is_kind(frame.kind));
            assert_eq!(Transfer::decode(&frame), Ok(transfer));
        }
    }
}
