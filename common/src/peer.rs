//! What two clients say to each other over the TCP connection of a private session: kinds 0x70 to 0x7f, in
//! frames as on the server's wire, always with [`NO_TAG`]. How the two came to know each other is
//! [`crate::link`]'s.
//!
//! Whoever connects says [`PeerFrame::Prove`] first; whoever listens answers with [`PeerFrame::Ready`]. From
//! then on both may send [`PeerFrame::Text`], and either ends it with [`PeerFrame::Bye`].

use crate::frame::{self, Frame, NO_TAG};
use crate::link::Token;
use crate::reader::{Malformed, Reader, put_text};

/// One frame between two clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerFrame<'a> {
    /// The first frame of the end that connects: it is the one that the server has introduced.
    Prove(Token),
    /// The first frame of the end that listens: the token was right.
    Ready,
    /// A private message.
    Text(&'a str),
    /// The user has stopped the private session; the connection is closed behind it.
    Bye,
}

impl<'a> PeerFrame<'a> {
    /// Reads one from a frame.
    ///
    /// # Errors
    /// The frame is none, or its body is not what its kind promises.
    pub fn decode(frame: &Frame<'a>) -> Result<Self, Malformed> {
        let mut r = Reader::new(frame.body);
        let peer_frame = match frame.kind {
            0x70 => Self::Prove(r.array()?),
            0x71 => Self::Ready,
            0x72 => Self::Text(r.rest_str()?),
            0x73 => Self::Bye,
            kind => return Err(Malformed::UnknownKind(kind)),
        };
        r.finish()?;
        Ok(peer_frame)
    }

    /// Appends this to `out` as one frame.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Prove(token) => frame::append(out, 0x70, NO_TAG, |out| out.extend_from_slice(&token)),
            Self::Ready => frame::append(out, 0x71, NO_TAG, |_| {}),
            Self::Text(text) => frame::append(out, 0x72, NO_TAG, |out| put_text(out, text)),
            Self::Bye => frame::append(out, 0x73, NO_TAG, |_| {}),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frame_comes_back_as_it_went() {
        for peer_frame in [
            PeerFrame::Prove([7; 16]),
            PeerFrame::Ready,
            PeerFrame::Text(" grüße"),
            PeerFrame::Text(""),
            PeerFrame::Bye,
        ] {
            let mut bytes = Vec::new();
            peer_frame.encode(&mut bytes);
            let (frame, _) = frame::split(&bytes).unwrap().unwrap();
            assert_eq!(frame.tag, NO_TAG);
            assert_eq!(PeerFrame::decode(&frame), Ok(peer_frame));
        }
    }
}
