//! What a client asks: kinds 0x01 to 0x3f.
//!
//! Names and texts are raw here: a bad one is refused politely by the server, not taken for a broken frame.

use crate::frame::{self, Frame, Tag};
use crate::reader::{Malformed, Reader, put_short_str, put_text};

/// The highest version of the protocol that this crate speaks.
pub const VERSION: u16 = 2;

/// From this version on there are links: [`crate::link`].
pub const LINKS_SINCE: u16 = 2;

/// One request, borrowing its strings from the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request<'a> {
    /// The first frame of every connection.
    Hello {
        /// The highest version the client speaks.
        version: u16,
    },
    /// Asks for a pong with the same bytes; no activity.
    Ping(&'a [u8]),
    /// The user did something that the client could answer alone; counts as activity, has no answer.
    Active,
    /// Who wants to log in.
    LogIn {
        /// The user's name.
        name: &'a str,
        /// Where the client listens for files of other users; 0 = nowhere.
        udp_port: u16,
    },
    /// The password of a known name.
    Password(&'a str),
    /// The password for a new name.
    SignUp {
        /// The password.
        password: &'a str,
        /// The same, typed again.
        confirmation: &'a str,
    },
    /// Replaces the password of the one logged in.
    ChangePassword {
        /// The present password.
        old: &'a str,
        /// The next one.
        new: &'a str,
        /// The next one, typed again.
        confirmation: &'a str,
    },
    /// Ends the session.
    LogOut,
    /// Ends the server.
    ShutDown {
        /// The admin password.
        password: &'a str,
    },
    /// CRT.
    CreateThread {
        /// Its title.
        title: &'a str,
    },
    /// MSG.
    Post {
        /// Where to.
        title: &'a str,
        /// What it says.
        text: &'a str,
    },
    /// DLT.
    DeletePost {
        /// In which thread.
        title: &'a str,
        /// Which message; 0 stands for any word that is no number.
        number: u32,
    },
    /// EDT.
    EditPost {
        /// In which thread.
        title: &'a str,
        /// Which message; 0 stands for any word that is no number.
        number: u32,
        /// What it says from now on.
        text: &'a str,
    },
    /// LST.
    ListThreads,
    /// RDT.
    ReadThread {
        /// Which thread.
        title: &'a str,
        /// The first and the last message wanted, both included; none = the whole thread.
        range: Option<(u32, u32)>,
    },
    /// UPD: may I send this file?
    Upload {
        /// To which thread.
        title: &'a str,
        /// The file's name there.
        file: &'a str,
        /// Its size in bytes.
        size: u64,
    },
    /// DWN: send me this file.
    Download {
        /// Of which thread.
        title: &'a str,
        /// The file's name there.
        file: &'a str,
    },
    /// RMV.
    RemoveThread {
        /// Which thread.
        title: &'a str,
    },
    /// `message`.
    Message {
        /// To whom.
        user: &'a str,
        /// What it says.
        text: &'a str,
    },
    /// `broadcast`.
    Broadcast {
        /// What it says.
        text: &'a str,
    },
    /// `whoelse`.
    WhoElse,
    /// `whoelsesince`.
    WhoElseSince {
        /// How far back, in seconds: the word as it was typed.
        seconds: &'a str,
    },
    /// `block`.
    Block {
        /// Whom.
        user: &'a str,
    },
    /// `unblock`.
    Unblock {
        /// Whom.
        user: &'a str,
    },
    /// All messages up to this number have arrived; has no answer and is no activity.
    Taken {
        /// The number of the newest that has.
        up_to: u64,
    },
    /// BCM.
    PostToBoard {
        /// What it says.
        text: &'a str,
    },
    /// ATU.
    ListActive,
    /// SRB.
    CreateRoom {
        /// The names of the others, with a space between.
        users: &'a str,
    },
    /// SRM.
    PostToRoom {
        /// Which room; 0 stands for any word that is no number.
        room: u32,
        /// What it says.
        text: &'a str,
    },
    /// RDM b.
    ReadBoard {
        /// Later than this, in the server's zone: `1 Jun 2022 16:01:20`.
        after: &'a str,
    },
    /// RDM s.
    ReadRooms {
        /// Later than this, in the server's zone: `1 Jun 2022 16:01:20`.
        after: &'a str,
    },
}

impl<'a> Request<'a> {
    /// Reads a request from a frame.
    ///
    /// # Errors
    /// The frame is no request, or its body is not what its kind promises.
    pub fn decode(frame: &Frame<'a>) -> Result<Self, Malformed> {
        let mut r = Reader::new(frame.body);
        let request = match frame.kind {
            0x01 => Self::Hello { version: r.u16()? },
            0x02 => Self::Ping(r.rest()),
            0x03 => Self::Active,
            0x04 => Self::LogIn { name: r.short_str()?, udp_port: r.u16()? },
            0x05 => Self::Password(r.short_str()?),
            0x06 => Self::SignUp { password: r.short_str()?, confirmation: r.short_str()? },
            0x10 => Self::ChangePassword {
                old: r.short_str()?,
                new: r.short_str()?,
                confirmation: r.short_str()?,
            },
            0x11 => Self::LogOut,
            0x12 => Self::ShutDown { password: r.short_str()? },
            0x20 => Self::CreateThread { title: r.short_str()? },
            0x21 => Self::Post { title: r.short_str()?, text: r.rest_str()? },
            0x22 => Self::DeletePost { title: r.short_str()?, number: r.u32()? },
            0x23 => Self::EditPost { title: r.short_str()?, number: r.u32()?, text: r.rest_str()? },
            0x24 => Self::ListThreads,
            0x25 => Self::ReadThread {
                title: r.short_str()?,
                range: if r.bool()? { Some((r.u32()?, r.u32()?)) } else { None },
            },
            0x26 => Self::Upload { title: r.short_str()?, file: r.short_str()?, size: r.u64()? },
            0x27 => Self::Download { title: r.short_str()?, file: r.short_str()? },
            0x28 => Self::RemoveThread { title: r.short_str()? },
            0x30 => Self::Message { user: r.short_str()?, text: r.rest_str()? },
            0x31 => Self::Broadcast { text: r.rest_str()? },
            0x32 => Self::WhoElse,
            0x33 => Self::WhoElseSince { seconds: r.short_str()? },
            0x34 => Self::Block { user: r.short_str()? },
            0x35 => Self::Unblock { user: r.short_str()? },
            0x36 => Self::Taken { up_to: r.u64()? },
            0x38 => Self::PostToBoard { text: r.rest_str()? },
            0x39 => Self::ListActive,
            0x3a => Self::CreateRoom { users: r.rest_str()? },
            0x3b => Self::PostToRoom { room: r.u32()?, text: r.rest_str()? },
            0x3c => Self::ReadBoard { after: r.short_str()? },
            0x3d => Self::ReadRooms { after: r.short_str()? },
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
            Self::Hello { .. } => 0x01,
            Self::Ping(_) => 0x02,
            Self::Active => 0x03,
            Self::LogIn { .. } => 0x04,
            Self::Password(_) => 0x05,
            Self::SignUp { .. } => 0x06,
            Self::ChangePassword { .. } => 0x10,
            Self::LogOut => 0x11,
            Self::ShutDown { .. } => 0x12,
            Self::CreateThread { .. } => 0x20,
            Self::Post { .. } => 0x21,
            Self::DeletePost { .. } => 0x22,
            Self::EditPost { .. } => 0x23,
            Self::ListThreads => 0x24,
            Self::ReadThread { .. } => 0x25,
            Self::Upload { .. } => 0x26,
            Self::Download { .. } => 0x27,
            Self::RemoveThread { .. } => 0x28,
            Self::Message { .. } => 0x30,
            Self::Broadcast { .. } => 0x31,
            Self::WhoElse => 0x32,
            Self::WhoElseSince { .. } => 0x33,
            Self::Block { .. } => 0x34,
            Self::Unblock { .. } => 0x35,
            Self::Taken { .. } => 0x36,
            Self::PostToBoard { .. } => 0x38,
            Self::ListActive => 0x39,
            Self::CreateRoom { .. } => 0x3a,
            Self::PostToRoom { .. } => 0x3b,
            Self::ReadBoard { .. } => 0x3c,
            Self::ReadRooms { .. } => 0x3d,
        }
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Hello { version } => out.extend_from_slice(&version.to_be_bytes()),
            Self::Ping(bytes) => out.extend_from_slice(bytes),
            Self::Active | Self::LogOut | Self::ListThreads | Self::WhoElse | Self::ListActive => {}
            Self::LogIn { name, udp_port } => {
                put_short_str(out, name);
                out.extend_from_slice(&udp_port.to_be_bytes());
            }
            Self::Password(password) | Self::ShutDown { password } => put_short_str(out, password),
            Self::SignUp { password, confirmation } => {
                put_short_str(out, password);
                put_short_str(out, confirmation);
            }
            Self::ChangePassword { old, new, confirmation } => {
                put_short_str(out, old);
                put_short_str(out, new);
                put_short_str(out, confirmation);
            }
            Self::CreateThread { title: word }
            | Self::RemoveThread { title: word }
            | Self::WhoElseSince { seconds: word }
            | Self::Block { user: word }
            | Self::Unblock { user: word }
            | Self::ReadBoard { after: word }
            | Self::ReadRooms { after: word } => put_short_str(out, word),
            Self::Message { user, text } => {
                put_short_str(out, user);
                put_text(out, text);
            }
            Self::Broadcast { text } | Self::PostToBoard { text } => put_text(out, text),
            Self::Taken { up_to } => out.extend_from_slice(&up_to.to_be_bytes()),
            Self::CreateRoom { users } => {
                out.extend_from_slice(&users.as_bytes()[..users.floor_char_boundary(USERS_BYTES_MAX)]);
            }
            Self::PostToRoom { room, text } => {
                out.extend_from_slice(&room.to_be_bytes());
                put_text(out, text);
            }
            Self::Post { title, text } => {
                put_short_str(out, title);
                put_text(out, text);
            }
            Self::DeletePost { title, number } => {
                put_short_str(out, title);
                out.extend_from_slice(&number.to_be_bytes());
            }
            Self::EditPost { title, number, text } => {
                put_short_str(out, title);
                out.extend_from_slice(&number.to_be_bytes());
                put_text(out, text);
            }
            Self::ReadThread { title, range } => {
                put_short_str(out, title);
                out.push(u8::from(range.is_some()));
                if let Some((from, to)) = range {
                    out.extend_from_slice(&from.to_be_bytes());
                    out.extend_from_slice(&to.to_be_bytes());
                }
            }
            Self::Upload { title, file, size } => {
                put_short_str(out, title);
                put_short_str(out, file);
                out.extend_from_slice(&size.to_be_bytes());
            }
            Self::Download { title, file } => {
                put_short_str(out, title);
                put_short_str(out, file);
            }
        }
    }
}

/// Names that a request carries at most: more than any room takes, so cutting here changes no answer.
const USERS_BYTES_MAX: usize = 60_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::limits::TEXT_BYTES_MAX;

    fn round_trip(request: &Request<'_>) {
        let mut bytes = Vec::new();
        request.encode(42, &mut bytes);
        let (frame, used) = frame::split(&bytes).unwrap().expect("a whole frame");
        assert_eq!((frame.tag, used), (42, bytes.len()));
        assert_eq!(Request::decode(&frame), Ok(*request));
    }

    proptest! {
        #[test]
        fn every_request_comes_back_as_it_went(
            a in "\\PC{0,60}", b in "\\PC{0,60}", c in "\\PC{0,60}", text in "\\PC{0,2000}",
            n in any::<u32>(), m in any::<u32>(), size in any::<u64>(), port in any::<u16>(),
        ) {
            let (a, b, c, text) = (&*a, &*b, &*c, &*text);
            for request in [
                Request::Hello { version: port },
                Request::Ping(text.as_bytes()),
                Request::Active,
                Request::LogIn { name: a, udp_port: port },
                Request::Password(a),
                Request::SignUp { password: a, confirmation: b },
                Request::ChangePassword { old: a, new: b, confirmation: c },
                Request::LogOut,
                Request::ShutDown { password: a },
                Request::CreateThread { title: a },
                Request::Post { title: a, text },
                Request::DeletePost { title: a, number: n },
                Request::EditPost { title: a, number: n, text },
                Request::ListThreads,
                Request::ReadThread { title: a, range: None },
                Request::ReadThread { title: a, range: Some((n, m)) },
                Request::Upload { title: a, file: b, size },
                Request::Download { title: a, file: b },
                Request::RemoveThread { title: a },
                Request::Message { user: a, text },
                Request::Broadcast { text },
                Request::WhoElse,
                Request::WhoElseSince { seconds: a },
                Request::Block { user: a },
                Request::Unblock { user: a },
                Request::Taken { up_to: size },
                Request::PostToBoard { text },
                Request::ListActive,
                Request::CreateRoom { users: a },
                Request::PostToRoom { room: n, text },
                Request::ReadBoard { after: a },
                Request::ReadRooms { after: a },
            ] {
                round_trip(&request);
            }
        }

        #[test]
        fn no_bytes_make_the_decoder_panic(kind in any::<u8>(), body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Request::decode(&Frame { kind, tag: 1, body: &body });
        }
    }

    #[test]
    fn a_text_that_is_too_long_stays_too_long_and_fits_the_frame() {
        let text = "é".repeat(50_000);
        let mut bytes = Vec::new();
        Request::Post { title: "t", text: &text }.encode(1, &mut bytes);
        let (frame, _) = frame::split(&bytes).unwrap().unwrap();
        let Ok(Request::Post { text, .. }) = Request::decode(&frame) else { panic!("{frame:?}") };
        assert!(text.len() > TEXT_BYTES_MAX);
    }
}
