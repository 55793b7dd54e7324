//! What the server says unasked: kinds 0xc0 to 0xff, always with [`crate::frame::NO_TAG`].

use crate::frame::{self, Frame, NO_TAG};
use crate::reader::{Malformed, Reader, put_short_str};
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
    /// A user came.
    LoggedIn(&'a str),
    /// A user went.
    LoggedOut(&'a str),
    /// A message for this user alone. It stays in the mailbox until the client says that it was taken.
    Message {
        /// Its number, which rises from message to message; one that comes again has the same.
        number: u64,
        /// Whether it waited for the user to log in.
        late: bool,
        /// Who sent it.
        from: &'a str,
        /// When, in the server's zone.
        at: &'a str,
        /// What it says.
        text: &'a str,
    },
    /// A message for everyone online.
    Broadcast {
        /// Who sent it.
        from: &'a str,
        /// What it says.
        text: &'a str,
    },
    /// A message that was posted to the board.
    BoardPost {
        /// Its number.
        number: u32,
        /// Who wrote it.
        author: &'a str,
        /// What it says.
        text: &'a str,
    },
    /// A message that was posted to a room of this user.
    RoomPost {
        /// Which room.
        room: u32,
        /// Its number within the room.
        number: u32,
        /// Who wrote it.
        author: &'a str,
        /// What it says.
        text: &'a str,
    },
    /// This user was put in a room.
    PutInRoom {
        /// Which room.
        room: u32,
        /// Who created it.
        by: &'a str,
        /// Everybody in it, the creator first, with `, ` between.
        users: &'a str,
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
            0xc1 => Self::LoggedIn(r.rest_str()?),
            0xc2 => Self::LoggedOut(r.rest_str()?),
            0xc3 => Self::Message {
                number: r.u64()?,
                late: r.bool()?,
                from: r.short_str()?,
                at: r.short_str()?,
                text: r.rest_str()?,
            },
            0xc4 => Self::Broadcast { from: r.short_str()?, text: r.rest_str()? },
            0xc5 => Self::BoardPost { number: r.u32()?, author: r.short_str()?, text: r.rest_str()? },
            0xc6 => Self::RoomPost {
                room: r.u32()?,
                number: r.u32()?,
                author: r.short_str()?,
                text: r.rest_str()?,
            },
            0xc7 => Self::PutInRoom { room: r.u32()?, by: r.short_str()?, users: r.rest_str()? },
            kind => return Err(Malformed::UnknownKind(kind)),
        };
        r.finish()?;
        Ok(notice)
    }

    /// Appends this notice to `out` as one frame.
    pub fn encode(&self, out: &mut Vec<u8>) {
        frame::append(out, self.kind(), NO_TAG, |out| self.encode_body(out));
    }

    fn kind(&self) -> u8 {
        match self {
            Self::Closing { .. } => 0xc0,
            Self::LoggedIn(_) => 0xc1,
            Self::LoggedOut(_) => 0xc2,
            Self::Message { .. } => 0xc3,
            Self::Broadcast { .. } => 0xc4,
            Self::BoardPost { .. } => 0xc5,
            Self::RoomPost { .. } => 0xc6,
            Self::PutInRoom { .. } => 0xc7,
        }
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        let rest = match *self {
            Self::Closing { code, text } => {
                out.extend_from_slice(&code.number().to_be_bytes());
                text
            }
            Self::LoggedIn(name) | Self::LoggedOut(name) => name,
            Self::Message { number, late, from, at, text } => {
                out.extend_from_slice(&number.to_be_bytes());
                out.push(u8::from(late));
                put_short_str(out, from);
                put_short_str(out, at);
                text
            }
            Self::Broadcast { from, text } => {
                put_short_str(out, from);
                text
            }
            Self::BoardPost { number, author, text } => {
                out.extend_from_slice(&number.to_be_bytes());
                put_short_str(out, author);
                text
            }
            Self::RoomPost { room, number, author, text } => {
                out.extend_from_slice(&room.to_be_bytes());
                out.extend_from_slice(&number.to_be_bytes());
                put_short_str(out, author);
                text
            }
            Self::PutInRoom { room, by, users } => {
                out.extend_from_slice(&room.to_be_bytes());
                put_short_str(out, by);
                users
            }
        };
        out.extend_from_slice(rest.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(notice: Notice<'_>) {
        let mut bytes = Vec::new();
        notice.encode(&mut bytes);
        let (frame, _) = frame::split(&bytes).unwrap().unwrap();
        assert!(Notice::is_kind(frame.kind));
        assert_eq!(frame.tag, NO_TAG);
        assert_eq!(Notice::decode(&frame), Ok(notice));
    }

    #[test]
    fn every_notice_comes_back_as_it_went() {
        for code in Closing::ALL {
            round_trip(Notice::Closing { code: *code, text: "Goodbye" });
        }
        let (at, text) = ("1 Jun 2022 16:00:01", "grüße");
        round_trip(Notice::LoggedIn("yoda"));
        round_trip(Notice::LoggedOut("yoda"));
        round_trip(Notice::Message { number: u64::MAX, late: true, from: "yoda", at, text });
        round_trip(Notice::Broadcast { from: "yoda", text });
        round_trip(Notice::BoardPost { number: 7, author: "yoda", text });
        round_trip(Notice::RoomPost { room: 1, number: 7, author: "yoda", text });
        round_trip(Notice::PutInRoom { room: 1, by: "yoda", users: "yoda, hans" });
    }
}
