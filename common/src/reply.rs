//! What the server answers: kinds 0x80 to 0xbf, with the tag of the request. A long answer is many item
//! frames and [`Reply::EndOfList`].

use crate::frame::{self, Frame, Tag};
use crate::reader::{Malformed, Reader, put_short_str};
use crate::refusal::Refusal;

/// One answer, or one item of a long one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply<'a> {
    /// Answers the hello.
    Hello {
        /// The version both sides speak from here on.
        version: u16,
    },
    /// Brings back what the ping carried.
    Pong(&'a [u8]),
    /// The name was taken note of; now the password.
    PasswordWanted {
        /// Whether there is such an account; if not, the next request is a sign-up.
        known: bool,
    },
    /// Logged in.
    Welcome {
        /// The greeting.
        text: &'a str,
    },
    /// It was done.
    Done {
        /// What was done, for people.
        text: &'a str,
    },
    /// It was not done.
    Refused {
        /// Why, for programs.
        code: Refusal,
        /// Why, for people.
        text: &'a str,
    },
    /// The upload may begin.
    UploadStarts {
        /// The first credit in bytes.
        credit: u32,
    },
    /// The download begins as soon as the client gives credit.
    DownloadStarts {
        /// Size of the file in bytes.
        size: u64,
    },
    /// No item follows.
    EndOfList,
    /// An item of a list of threads.
    Title(&'a str),
    /// A message of a thread.
    Post {
        /// Its number within the thread at the moment of the request, from 1.
        number: u32,
        /// Who wrote it.
        author: &'a str,
        /// What it says.
        text: &'a str,
    },
    /// A file that stands among the messages of a thread.
    Uploaded {
        /// Who uploaded it.
        author: &'a str,
        /// The file's name.
        file: &'a str,
    },
    /// A user, in a list of them.
    User(&'a str),
    /// A user who is online, as ATU shows it.
    ActiveUser {
        /// The name.
        name: &'a str,
        /// The address it is connected from.
        address: &'a str,
        /// Where it takes files of other users; 0 = nowhere.
        udp_port: u16,
        /// Since when, in the server's zone.
        since: &'a str,
    },
    /// A message of the board.
    BoardPost {
        /// Its number, from 1.
        number: u32,
        /// Who wrote it.
        author: &'a str,
        /// When, in the server's zone.
        at: &'a str,
        /// What it says.
        text: &'a str,
    },
    /// A message of a room.
    RoomPost {
        /// Which room.
        room: u32,
        /// Its number within the room, from 1.
        number: u32,
        /// Who wrote it.
        author: &'a str,
        /// When, in the server's zone.
        at: &'a str,
        /// What it says.
        text: &'a str,
    },
}

impl<'a> Reply<'a> {
    /// Reads a reply from a frame.
    ///
    /// # Errors
    /// The frame is no reply, or its body is not what its kind promises.
    pub fn decode(frame: &Frame<'a>) -> Result<Self, Malformed> {
        let mut r = Reader::new(frame.body);
        let reply = match frame.kind {
            0x80 => Self::Hello { version: r.u16()? },
            0x81 => Self::Pong(r.rest()),
            0x82 => Self::PasswordWanted { known: r.bool()? },
            0x83 => Self::Welcome { text: r.rest_str()? },
            0x84 => Self::Done { text: r.rest_str()? },
            0x85 => Self::Refused { code: Refusal::from_number(r.u16()?)?, text: r.rest_str()? },
            0x86 => Self::UploadStarts { credit: r.u32()? },
            0x87 => Self::DownloadStarts { size: r.u64()? },
            0x88 => Self::EndOfList,
            0x90 => Self::Title(r.rest_str()?),
            0x91 => Self::Post { number: r.u32()?, author: r.short_str()?, text: r.rest_str()? },
            0x92 => Self::Uploaded { author: r.short_str()?, file: r.rest_str()? },
            0x93 => Self::User(r.rest_str()?),
            0x94 => Self::ActiveUser {
                name: r.short_str()?,
                address: r.short_str()?,
                udp_port: r.u16()?,
                since: r.short_str()?,
            },
            0x95 => Self::BoardPost {
                number: r.u32()?,
                author: r.short_str()?,
                at: r.short_str()?,
                text: r.rest_str()?,
            },
            0x96 => Self::RoomPost {
                room: r.u32()?,
                number: r.u32()?,
                author: r.short_str()?,
                at: r.short_str()?,
                text: r.rest_str()?,
            },
            kind => return Err(Malformed::UnknownKind(kind)),
        };
        r.finish()?;
        Ok(reply)
    }

    /// Appends this reply to `out` as one frame.
    pub fn encode(&self, tag: Tag, out: &mut Vec<u8>) {
        frame::append(out, self.kind(), tag, |out| self.encode_body(out));
    }

    fn kind(&self) -> u8 {
        match self {
            Self::Hello { .. } => 0x80,
            Self::Pong(_) => 0x81,
            Self::PasswordWanted { .. } => 0x82,
            Self::Welcome { .. } => 0x83,
            Self::Done { .. } => 0x84,
            Self::Refused { .. } => 0x85,
            Self::UploadStarts { .. } => 0x86,
            Self::DownloadStarts { .. } => 0x87,
            Self::EndOfList => 0x88,
            Self::Title(_) => 0x90,
            Self::Post { .. } => 0x91,
            Self::Uploaded { .. } => 0x92,
            Self::User(_) => 0x93,
            Self::ActiveUser { .. } => 0x94,
            Self::BoardPost { .. } => 0x95,
            Self::RoomPost { .. } => 0x96,
        }
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Hello { version } => out.extend_from_slice(&version.to_be_bytes()),
            Self::Pong(bytes) => out.extend_from_slice(bytes),
            Self::PasswordWanted { known } => out.push(u8::from(known)),
            Self::Welcome { text } | Self::Done { text } | Self::Title(text) | Self::User(text) => {
                out.extend_from_slice(text.as_bytes());
            }
            Self::Refused { code, text } => {
                out.extend_from_slice(&code.number().to_be_bytes());
                out.extend_from_slice(text.as_bytes());
            }
            Self::UploadStarts { credit } => out.extend_from_slice(&credit.to_be_bytes()),
            Self::DownloadStarts { size } => out.extend_from_slice(&size.to_be_bytes()),
            Self::EndOfList => {}
            Self::Post { number, author, text } => {
                out.extend_from_slice(&number.to_be_bytes());
                put_short_str(out, author);
                out.extend_from_slice(text.as_bytes());
            }
            Self::Uploaded { author, file } => {
                put_short_str(out, author);
                out.extend_from_slice(file.as_bytes());
            }
            Self::ActiveUser { name, address, udp_port, since } => {
                put_short_str(out, name);
                put_short_str(out, address);
                out.extend_from_slice(&udp_port.to_be_bytes());
                put_short_str(out, since);
            }
            Self::BoardPost { number, author, at, text } => {
                out.extend_from_slice(&number.to_be_bytes());
                put_short_str(out, author);
                put_short_str(out, at);
                out.extend_from_slice(text.as_bytes());
            }
            Self::RoomPost { room, number, author, at, text } => {
                out.extend_from_slice(&room.to_be_bytes());
                out.extend_from_slice(&number.to_be_bytes());
                put_short_str(out, author);
                put_short_str(out, at);
                out.extend_from_slice(text.as_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_reply_comes_back_as_it_went(
            a in "\\PC{0,60}", text in "\\PC{0,2000}", n in any::<u32>(), size in any::<u64>(), known in any::<bool>(),
            code in proptest::sample::select(Refusal::ALL),
        ) {
            let (a, text) = (&*a, &*text);
            for reply in [
                Reply::Hello { version: n as u16 },
                Reply::Pong(text.as_bytes()),
                Reply::PasswordWanted { known },
                Reply::Welcome { text },
                Reply::Done { text },
                Reply::Refused { code, text },
                Reply::UploadStarts { credit: n },
                Reply::DownloadStarts { size },
                Reply::EndOfList,
                Reply::Title(text),
                Reply::Post { number: n, author: a, text },
                Reply::Uploaded { author: a, file: text },
                Reply::User(text),
                Reply::ActiveUser { name: a, address: a, udp_port: n as u16, since: a },
                Reply::BoardPost { number: n, author: a, at: a, text },
                Reply::RoomPost { room: n, number: n, author: a, at: a, text },
            ] {
                let mut bytes = Vec::new();
                reply.encode(n, &mut bytes);
                let (frame, used) = frame::split(&bytes).unwrap().expect("a whole frame");
                prop_assert_eq!((frame.tag, used), (n, bytes.len()));
                prop_assert_eq!(Reply::decode(&frame), Ok(reply));
            }
        }

        #[test]
        fn no_bytes_make_the_decoder_panic(kind in any::<u8>(), body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Reply::decode(&Frame { kind, tag: 1, body: &body });
        }
    }
}
