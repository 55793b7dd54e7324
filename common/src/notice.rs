//! What the server says unasked: kinds 0xc0 to 0xff, always with [`crate::frame::NO_TAG`].

use crate::frame::{self, Frame, NO_TAG};
use crate::reader::{Malformed, Reader};
use crate::refusal::Closing;

/// One notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice<'a> {
    /// The last frame of a connection that the server ends.
    Closing {
        /// Why, for programs.
        code: Closing,
        /// Why, for people.
        text: &'a str,
    },
}

impl<'a> Notice<'a> {
    /// Whether a frame of this kind is a notice.
    pub fn is_kind(kind: u8) -> bool {
        kind >= 0xc0
    }

    /// Reads a notice from a frame.
    ///
    /// # Errors
    /// The frame is no notice, or its body is not what its kind promises.
    pub fn decode(frame: &Frame<'a>) -> Result<Self, Malformed> {
        let mut r = Reader::new(frame.body);
        let notice = match frame.kind {
            0xc0 => Self::Closing { code: Closing::from_number(r.u16()?)?, text: r.rest_str()? },
            kind => return Err(Malformed::UnknownKind(kind)),
        };
        r.finish()?;
        Ok(notice)
    }

    /// Appends this notice to `out` as one frame.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Closing { code, text } => frame::append(out, 0xc0, NO_TAG, |out| {
                out.extend_from_slice(&code.number().to_be_bytes());
                out.extend_from_slice(text.as_bytes());
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_notice_comes_back_as_it_went() {
        for code in Closing::ALL {
            let notice = Notice::Closing { code: *code, text: "Goodbye" };
            let mut bytes = Vec::new();
            notice.encode(&mut bytes);
            let (frame, _) = frame::split(&bytes).unwrap().unwrap();
            assert!(Notice::is_kind(frame.kind));
            assert_eq!(frame.tag, NO_TAG);
            assert_eq!(Notice::decode(&frame), Ok(notice));
        }
    }
}
