//! Links: what the server does for two users who want to reach each other directly. Kinds 0x50 to 0x6f, in
//! version 2 of the protocol.
//!
//! A link begins as a question to the other user. After a yes the server hands both ends a token and an
//! address, and it stands when both have reached each other, or when the server has taken it upon itself to
//! pass on what they say. What the two clients say to each other is [`crate::peer`]'s.

use crate::frame::{self, Frame, NO_TAG, Tag};
use crate::reader::{Malformed, Reader, put_short_str, put_text};

/// Names one link for as long as the server runs.
pub type LinkId = u64;

/// The secret of one link: 128 random bits, known to its two ends and to the server.
pub type Token = [u8; TOKEN_BYTES];

/// Bytes of a [`Token`].
pub const TOKEN_BYTES: usize = 16;

/// Bytes of a datagram that the server passes on: what is left of a frame.
pub const RELAYED_BYTES_MAX: usize = crate::limits::BODY_BYTES_MAX - size_of::<LinkId>();

/// What a client asks or reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkRequest<'a> {
    /// `startprivate`: may this user and I talk privately? Answered with [`LinkNotice::Asked`], or refused.
    StartPrivate {
        /// Whom.
        user: &'a str,
        /// Whether a private session with this user is on already: one that has outlived a connection, so
        /// that the server can't know.
        enabled: bool,
    },
    /// `UDP`: may I send this user a file? Answered with [`LinkNotice::Asked`], or refused.
    OfferFile {
        /// Whom.
        user: &'a str,
        /// Bytes of the file.
        size: u64,
        /// Its name.
        file: &'a str,
    },
    /// Answers a question. Has no answer itself, and so have all below but the last but one.
    Answer {
        /// Which.
        link: LinkId,
        /// Yes or no.
        yes: bool,
    },
    /// The end that was to prepare itself can be reached now.
    Listening {
        /// For which link.
        link: LinkId,
        /// At which port of its address; 0 = nowhere, so the server is the only way.
        port: u16,
    },
    /// This end has heard the other one directly.
    Up {
        /// On which link.
        link: LinkId,
    },
    /// This end has done with a link.
    End {
        /// Which.
        link: LinkId,
        /// Whether the user wanted it so.
        stopped: bool,
    },
    /// A private message that goes through the server: answered with Done, or refused.
    RelayText {
        /// On which link.
        link: LinkId,
        /// What it says.
        text: &'a str,
    },
    /// A datagram that goes through the server, which may lose it as a network may.
    RelayDatagram {
        /// On which link.
        link: LinkId,
        /// The datagram, at most [`RELAYED_BYTES_MAX`] bytes.
        datagram: &'a [u8],
    },
}

impl<'a> LinkRequest<'a> {
    /// Whether a frame of this kind belongs here.
    pub fn is_kind(kind: u8) -> bool {
        (0x50..=0x5f).contains(&kind)
    }

    /// Reads a request from a frame.
    ///
    /// # Errors
    /// The frame is none, or its body is not what its kind promises.
    pub fn decode(frame: &Frame<'a>) -> Result<Self, Malformed> {
        let mut r = Reader::new(frame.body);
        let request = match frame.kind {
            0x50 => Self::StartPrivate { user: r.short_str()?, enabled: r.bool()? },
            0x51 => Self::OfferFile { user: r.short_str()?, size: r.u64()?, file: r.short_str()? },
            0x52 => Self::Answer { link: r.u64()?, yes: r.bool()? },
            0x53 => Self::Listening { link: r.u64()?, port: r.u16()? },
            0x54 => Self::Up { link: r.u64()? },
            0x55 => Self::End { link: r.u64()?, stopped: r.bool()? },
            0x56 => Self::RelayText { link: r.u64()?, text: r.rest_str()? },
            0x57 => Self::RelayDatagram { link: r.u64()?, datagram: r.rest() },
            kind => return Err(Malformed::UnknownKind(kind)),
        };
        r.finish()?;
        Ok(request)
    }

    /// Appends this request to `out` as one frame.
    pub fn encode(&self, tag: Tag, out: &mut Vec<u8>) {
        frame::append(out, self.kind(), tag, |out| self.encode_body(out));
    }

    fn kind(&self) -> u8 {
        match self {
            Self::StartPrivate { .. } => 0x50,
            Self::OfferFile { .. } => 0x51,
            Self::Answer { .. } => 0x52,
            Self::Listening { .. } => 0x53,
            Self::Up { .. } => 0x54,
            Self::End { .. } => 0x55,
            Self::RelayText { .. } => 0x56,
            Self::RelayDatagram { .. } => 0x57,
        }
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        match *self {
            Self::StartPrivate { user, enabled } => {
                put_short_str(out, user);
                out.push(u8::from(enabled));
            }
            Self::OfferFile { user, size, file } => {
                put_short_str(out, user);
                out.extend_from_slice(&size.to_be_bytes());
                put_short_str(out, file);
            }
            Self::Answer { link, yes: flag } | Self::End { link, stopped: flag } => {
                out.extend_from_slice(&link.to_be_bytes());
                out.push(u8::from(flag));
            }
            Self::Listening { link, port } => {
                out.extend_from_slice(&link.to_be_bytes());
                out.extend_from_slice(&port.to_be_bytes());
            }
            Self::Up { link } => out.extend_from_slice(&link.to_be_bytes()),
            Self::RelayText { link, text } => {
                out.extend_from_slice(&link.to_be_bytes());
                put_text(out, text);
            }
            Self::RelayDatagram { link, datagram } => {
                out.extend_from_slice(&link.to_be_bytes());
                out.extend_from_slice(datagram);
            }
        }
    }
}

/// What the server tells the ends of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkNotice<'a> {
    /// The other user is being asked. The only one that answers a request and carries its tag.
    Asked {
        /// The link that there will be.
        link: LinkId,
        /// What was done, for people; may be empty.
        text: &'a str,
    },
    /// A question: would you talk privately with this user?
    PrivateQuestion {
        /// The link that there will be.
        link: LinkId,
        /// Who asks.
        from: &'a str,
    },
    /// A question: would you take this file?
    FileQuestion {
        /// The link that there will be.
        link: LinkId,
        /// Who asks.
        from: &'a str,
        /// Bytes of the file.
        size: u64,
        /// Its name.
        file: &'a str,
    },
    /// A question needs no answer any more.
    Withdrawn {
        /// Which.
        link: LinkId,
    },
    /// The other user said no, or nothing in time.
    Declined {
        /// To which question.
        link: LinkId,
    },
    /// The other user said yes, or you did. Make yourself reachable, and say where: [`LinkRequest::Listening`].
    Prepare {
        /// For which link.
        link: LinkId,
        /// What proves the other end, and this one.
        token: Token,
    },
    /// Here is the other end.
    Introduction {
        /// Of which link.
        link: LinkId,
        /// What proves this end, and the other one.
        token: Token,
        /// Its IP address, as the server sees it; empty if there is no way but through the server.
        address: &'a str,
        /// Its port there.
        port: u16,
    },
    /// The link stands: both ends may use it.
    Stands {
        /// Which.
        link: LinkId,
        /// Whether what they say goes through the server.
        relayed: bool,
    },
    /// The other end is gone.
    Ended {
        /// From which link.
        link: LinkId,
        /// Whether its user wanted it so.
        stopped: bool,
    },
    /// A private message of the other end.
    RelayedText {
        /// On which link.
        link: LinkId,
        /// What it says.
        text: &'a str,
    },
    /// A datagram of the other end.
    RelayedDatagram {
        /// On which link.
        link: LinkId,
        /// The datagram.
        datagram: &'a [u8],
    },
}

impl<'a> LinkNotice<'a> {
    /// Whether a frame of this kind belongs here.
    pub fn is_kind(kind: u8) -> bool {
        (0x60..=0x6f).contains(&kind)
    }

    /// Reads one from a frame.
    ///
    /// # Errors
    /// The frame is none, or its body is not what its kind promises.
    pub fn decode(frame: &Frame<'a>) -> Result<Self, Malformed> {
        let mut r = Reader::new(frame.body);
        let notice = match frame.kind {
            0x60 => Self::Asked { link: r.u64()?, text: r.rest_str()? },
            0x61 => Self::PrivateQuestion { link: r.u64()?, from: r.rest_str()? },
            0x62 => Self::FileQuestion {
                link: r.u64()?,
                from: r.short_str()?,
                size: r.u64()?,
                file: r.rest_str()?,
            },
            0x63 => Self::Withdrawn { link: r.u64()? },
            0x64 => Self::Declined { link: r.u64()? },
            0x65 => Self::Prepare { link: r.u64()?, token: r.array()? },
            0x66 => Self::Introduction {
                link: r.u64()?,
                token: r.array()?,
                address: r.short_str()?,
                port: r.u16()?,
            },
            0x67 => Self::Stands { link: r.u64()?, relayed: r.bool()? },
            0x68 => Self::Ended { link: r.u64()?, stopped: r.bool()? },
            0x69 => Self::RelayedText { link: r.u64()?, text: r.rest_str()? },
            0x6a => Self::RelayedDatagram { link: r.u64()?, datagram: r.rest() },
            kind => return Err(Malformed::UnknownKind(kind)),
        };
        r.finish()?;
        Ok(notice)
    }

    /// Appends this to `out` as one frame without a tag; [`LinkNotice::Asked`] is sent as an answer:
    /// [`LinkNotice::encode_tagged`].
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.encode_tagged(NO_TAG, out);
    }

    /// Appends this to `out` as one frame.
    pub fn encode_tagged(&self, tag: Tag, out: &mut Vec<u8>) {
        frame::append(out, self.kind(), tag, |out| {
            out.extend_from_slice(&self.link().to_be_bytes());
            self.encode_rest(out);
        });
    }

    /// The link that it is about.
    pub fn link(&self) -> LinkId {
        match *self {
            Self::Asked { link, .. }
            | Self::PrivateQuestion { link, .. }
            | Self::FileQuestion { link, .. }
            | Self::Withdrawn { link }
            | Self::Declined { link }
            | Self::Prepare { link, .. }
            | Self::Introduction { link, .. }
            | Self::Stands { link, .. }
            | Self::Ended { link, .. }
            | Self::RelayedText { link, .. }
            | Self::RelayedDatagram { link, .. } => link,
        }
    }

    fn kind(&self) -> u8 {
        match self {
            Self::Asked { .. } => 0x60,
            Self::PrivateQuestion { .. } => 0x61,
            Self::FileQuestion { .. } => 0x62,
            Self::Withdrawn { .. } => 0x63,
            Self::Declined { .. } => 0x64,
            Self::Prepare { .. } => 0x65,
            Self::Introduction { .. } => 0x66,
            Self::Stands { .. } => 0x67,
            Self::Ended { .. } => 0x68,
            Self::RelayedText { .. } => 0x69,
            Self::RelayedDatagram { .. } => 0x6a,
        }
    }

    /// The body behind the link, which all begin with.
    fn encode_rest(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Withdrawn { .. } | Self::Declined { .. } => {}
            Self::Asked { text, .. }
            | Self::PrivateQuestion { from: text, .. }
            | Self::RelayedText { text, .. } => {
                out.extend_from_slice(text.as_bytes());
            }
            Self::FileQuestion { from, size, file, .. } => {
                put_short_str(out, from);
                out.extend_from_slice(&size.to_be_bytes());
                out.extend_from_slice(file.as_bytes());
            }
            Self::Prepare { token, .. } => out.extend_from_slice(&token),
            Self::Introduction { token, address, port, .. } => {
                out.extend_from_slice(&token);
                put_short_str(out, address);
                out.extend_from_slice(&port.to_be_bytes());
            }
            Self::Stands { relayed: flag, .. } | Self::Ended { stopped: flag, .. } => {
                out.push(u8::from(flag));
            }
            Self::RelayedDatagram { datagram, .. } => out.extend_from_slice(datagram),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(bytes: &[u8]) -> Frame<'_> {
        let (frame, used) = frame::split(bytes).unwrap().expect("a whole frame");
        assert_eq!(used, bytes.len());
        frame
    }

    proptest! {
        #[test]
        fn every_request_and_every_notice_comes_back_as_it_went(
            a in "\\PC{0,60}", text in "\\PC{0,2000}", link in any::<u64>(), size in any::<u64>(), port in any::<u16>(),
            flag in any::<bool>(), token in any::<Token>(), tag in any::<u32>(),
        ) {
            let (a, text, datagram) = (&*a, &*text, text.as_bytes());
            for request in [
                LinkRequest::StartPrivate { user: a, enabled: flag },
                LinkRequest::OfferFile { user: a, size, file: a },
                LinkRequest::Answer { link, yes: flag },
                LinkRequest::Listening { link, port },
                LinkRequest::Up { link },
                LinkRequest::End { link, stopped: flag },
                LinkRequest::RelayText { link, text },
                LinkRequest::RelayDatagram { link, datagram },
            ] {
                let mut bytes = Vec::new();
                request.encode(tag, &mut bytes);
                let frame = split(&bytes);
                prop_assert!(LinkRequest::is_kind(frame.kind) && frame.tag == tag);
                prop_assert_eq!(LinkRequest::decode(&frame), Ok(request));
            }
            for notice in [
                LinkNotice::Asked { link, text },
                LinkNotice::PrivateQuestion { link, from: text },
                LinkNotice::FileQuestion { link, from: a, size, file: text },
                LinkNotice::Withdrawn { link },
                LinkNotice::Declined { link },
                LinkNotice::Prepare { link, token },
                LinkNotice::Introduction { link, token, address: a, port },
                LinkNotice::Stands { link, relayed: flag },
                LinkNotice::Ended { link, stopped: flag },
                LinkNotice::RelayedText { link, text },
                LinkNotice::RelayedDatagram { link, datagram },
            ] {
                let mut bytes = Vec::new();
                notice.encode_tagged(tag, &mut bytes);
                let frame = split(&bytes);
                prop_assert!(LinkNotice::is_kind(frame.kind) && frame.tag == tag);
                prop_assert_eq!(LinkNotice::decode(&frame), Ok(notice));
                prop_assert_eq!(notice.link(), link);
            }
        }

        #[test]
        fn no_bytes_make_the_decoders_panic(kind in any::<u8>(), body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let frame = Frame { kind, tag: 1, body: &body };
            let _ = (LinkRequest::decode(&frame), LinkNotice::decode(&frame));
        }
    }

    #[test]
    fn the_largest_datagram_fits_a_frame() {
        let mut bytes = Vec::new();
        LinkRequest::RelayDatagram { link: 1, datagram: &[0; RELAYED_BYTES_MAX] }.encode(1, &mut bytes);
        assert_eq!(bytes.len(), crate::limits::FRAME_BYTES_MAX);
    }
}
