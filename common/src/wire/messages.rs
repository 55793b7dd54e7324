//! The table of messages: every kind with its fields, and nothing else. See [`super::table`] for what a row
//! means.
//!
//! Kinds 0x01–0x3f and 0x50–0x6f go from client to server, 0x40–0x4f both ways, 0x70–0x7f from client to
//! client, 0x80–0xbf answer requests (0x90–0x9f are the items of lists), 0xc0–0xff are notices. Names and texts
//! are raw here: a bad one is refused, and not taken for a broken frame.
//!
//! A body may grow at its end, by optional fields; so text for people comes last of what there is today, and
//! [`Rest`] stands only where nothing will ever be added.

use super::describe::{FieldInfo, GroupInfo, MessageInfo};
use super::field::{
    Digest, Field, FileName, Key, Limits, Line, Malformed, Names, Password, Range, Reader, Rest, Text, Time,
    Title, UserName, Words,
};
use super::frame::{Frame, Tag, Writer};
use super::table::{borrowed, messages, write_fields};
use super::{Closing, Limit, LinkId, Refusal, TakeOver};
use crate::limits::{BODY_BYTES_MAX, FRAME_BYTES_MAX, HEADER_BYTES};

/// Bytes of a datagram that the server relays: what is left of a frame after the link.
pub const RELAYED_BYTES_MAX: usize = BODY_BYTES_MAX - size_of::<LinkId>();

messages! {
    /// What a client asks of the server.
    Request / OwnedRequest {
        /// The first frame of every connection.
        0x01 ClientHello (hello -> ServerHello) {
            /// The highest version of the protocol that the client speaks.
            version: u16,
            /// What the client calls itself, for the server's log.
            client: Words,
            /// Whether it wants LoggedIn and LoggedOut.
            presence: bool,
        },
        /// Asks for a Pong with the same bytes. No activity.
        0x02 Ping (any -> Pong) { payload: Rest },
        /// The user did something that needed no server, and is not idle.
        0x03 Active (member),
        /// Who wants to log in.
        0x04 LogIn (name -> PasswordWanted) {
            name: UserName,
            /// The UDP port where this client takes files of other users; 0 = nowhere.
            udp_port: u16,
            /// What to do if the user is online already: feature `take-over`.
            take_over: Option<TakeOver>,
            /// The session that may be ended: feature `take-over`.
            session: Option<u64>,
        },
        /// The password of a known name.
        0x05 Password (password -> Welcome) { password: Password },
        /// The password for a new name.
        0x06 SignUp (password -> Welcome) { password: Password, confirmation: Password },
        /// Replaces the user's password.
        0x10 ChangePassword (member -> Done) { old: Password, new: Password, confirmation: Password },
        /// Ends the session.
        0x11 LogOut (member -> Done),
        /// Ends the server, with the administrator's password.
        0x12 ShutDown (member -> Closing) { password: Password },
        /// Opens a thread.
        0x20 CreateThread (member -> ThreadCreated) { title: Title, key: Option<Key> },
        /// Posts a message to a thread.
        0x21 Post (member -> Posted) { title: Title, text: Text, key: Option<Key> },
        /// Deletes a message of one's own.
        0x22 DeletePost (member -> Done) {
            title: Title,
            /// Its place in the thread, from 1; 0 is refused in its turn.
            number: u32,
            /// Which message is meant: refused if another one has this number by now.
            id: Option<u64>,
            key: Option<Key>,
        },
        /// Gives a message of one's own another text.
        0x23 EditPost (member -> Done) {
            title: Title,
            /// Its place in the thread, from 1; 0 is refused in its turn.
            number: u32,
            text: Text,
            /// Which message is meant: refused if another one has this number by now.
            id: Option<u64>,
            key: Option<Key>,
        },
        /// Lists the threads, oldest first.
        0x24 ListThreads (member -> ThreadItem EndOfList) { after: Option<u64>, at_most: Option<u32> },
        /// Lists what stands in a thread.
        0x25 ReadThread (member -> PostItem UploadItem EndOfList) {
            title: Title,
            /// Only these messages, by number, and the uploads between them.
            range: Option<Range>,
            after: Option<u64>,
            at_most: Option<u32>,
            /// Only so many messages at the end of the thread: feature `read-state`.
            last: Option<u32>,
            /// Only what this user has not read: feature `read-state`.
            unread: Option<bool>,
        },
        /// Announces a file for a thread.
        0x26 Upload (member -> UploadStarts Uploaded) {
            title: Title,
            file: FileName,
            /// Its bytes, exactly.
            size: u64,
            key: Option<Key>,
        },
        /// Asks for a file of a thread.
        0x27 Download (member -> DownloadStarts) {
            title: Title,
            file: FileName,
            /// Begins with this byte: feature `resume`.
            offset: Option<u64>,
            /// The file that `offset` is about: feature `resume`.
            digest: Option<Digest>,
        },
        /// Removes a thread of one's own with its files.
        0x28 RemoveThread (member -> Done) { title: Title, key: Option<Key> },
        /// Sends a message to one user, online or not.
        0x30 SendMessage (member -> Done) { user: UserName, text: Text, key: Option<Key> },
        /// Tells everybody else who is online.
        0x31 SendBroadcast (member -> Done) { text: Text },
        /// Lists who else is online, by log-in.
        0x32 WhoElse (member -> UserItem EndOfList) { after: Option<u64>, at_most: Option<u32> },
        /// Lists who else is online or was within so many seconds.
        0x33 WhoElseSince (member -> UserItem EndOfList) {
            seconds: u64,
            after: Option<u64>,
            at_most: Option<u32>,
        },
        /// Shuts out what a user says.
        0x34 Block (member -> Done) { user: UserName, key: Option<Key> },
        /// Lets it in again.
        0x35 Unblock (member -> Done) { user: UserName, key: Option<Key> },
        /// All messages up to this number have arrived. No activity.
        0x36 AckMessages (member) { up_to: u64 },
        /// Posts a message to the board.
        0x38 PostToBoard (member -> Posted) { text: Text, key: Option<Key> },
        /// Lists who else is online, with addresses.
        0x39 ListActive (member -> ActiveUserItem EndOfList) { after: Option<u64>, at_most: Option<u32> },
        /// Opens a room with these users and oneself.
        0x3a CreateRoom (member -> RoomCreated) { users: Names, key: Option<Key> },
        /// Posts a message to a room.
        0x3b PostToRoom (member -> Posted) {
            /// Its id; 0 is refused in its turn.
            room: u32,
            text: Text,
            key: Option<Key>,
        },
        /// Lists messages of the board.
        0x3c ReadBoard (member -> BoardItem EndOfList) {
            /// Only what was posted later, in whole seconds.
            later_than_ms: Option<Time>,
            after: Option<u64>,
            at_most: Option<u32>,
        },
        /// Lists messages of one's rooms, room by room.
        0x3d ReadRooms (member -> RoomItem EndOfList) {
            /// Only what was posted later, in whole seconds.
            later_than_ms: Option<Time>,
            after: Option<u64>,
            at_most: Option<u32>,
            /// Only this room.
            room: Option<u32>,
            /// Only messages with this number or a higher one.
            from: Option<u32>,
        },
        /// Asks a user for a private conversation.
        0x50 AskPrivate (member -> Asked) {
            user: UserName,
            /// Whether the client has one with this user that has outlived a connection.
            enabled: bool,
        },
        /// Offers a user a file.
        0x51 OfferFile (member -> Asked) { user: UserName, size: u64, file: FileName },
        /// Answers a question.
        0x52 AnswerQuestion (member) { link: u64, yes: bool },
        /// This end can be reached at this port of its address; 0 = not at all.
        0x53 LinkListening (member) { link: u64, port: u16 },
        /// This end has heard the other one.
        0x54 LinkReached (member) { link: u64 },
        /// This end is done with a link.
        0x55 EndLink (member) {
            link: u64,
            /// Whether its user wanted that.
            stopped: bool,
        },
        /// A private message that goes through the server.
        0x56 RelayText (member -> Done) { link: u64, text: Text },
        /// A datagram that goes through the server, which may lose it.
        0x57 RelayDatagram (member) { link: u64, datagram: Rest },
    }

    /// A file on its way, in either direction; the tag is that of the request that began it.
    Transfer / OwnedTransfer {
        /// The next bytes of the file, never more than the credit that is left.
        0x40 Data (member) { piece: Rest },
        /// The receiver takes so many bytes more.
        0x41 Credit (member) { bytes: u32 },
        /// All bytes were sent.
        0x42 DataEnd (member) {
            /// Of all of them. The server always sends it; a client may leave it out.
            digest: Option<Digest>,
        },
        /// The client gives the transfer up.
        0x43 Abort (member),
    }

    /// What two clients say to each other over the TCP connection of a private conversation.
    Direct / OwnedDirect {
        /// The first frame of the end that connects.
        0x70 Prove (direct) { token: Key },
        /// The first frame of the end that listens: the token was right.
        0x71 Ready (direct),
        /// A private message.
        0x72 PrivateText (direct) { text: Text },
        /// The user has stopped the conversation.
        0x73 Bye (direct),
    }

    /// What the server answers, with the tag of the request.
    Reply / OwnedReply {
        /// Answers the hello.
        0x80 ServerHello (hello) {
            /// The version that is spoken from here on.
            version: u16,
            /// What the server calls itself.
            server: Words,
            /// What it can do beyond this version, as words with one space between them.
            features: Words,
            /// What it takes at most.
            limits: Limits,
            /// The zone in which it shows times: a name of the time zone database, or a POSIX `TZ` string.
            zone: Words,
            /// What its clock says.
            now_ms: Time,
            /// Other servers of this forum, `address:port` with one space between them: feature `cluster`.
            servers: Option<Words>,
        },
        /// What the Ping carried.
        0x81 Pong (any) { payload: Rest },
        /// The name was noted; now the password.
        0x82 PasswordWanted (password) {
            /// Whether there is such an account: if so send Password, otherwise SignUp.
            known: bool,
        },
        /// Logged in.
        0x83 Welcome (member) {
            /// Names this session.
            session: u64,
            since_ms: Time,
            text: Line,
        },
        /// It was done.
        0x84 Done (member) { at_ms: Time, text: Line },
        /// It was not done, and nothing was changed.
        0x85 Refused (any) {
            code: Refusal,
            /// Which limit was reached.
            limit: Option<Limit>,
            /// The value of that limit, or the id of the room that exists.
            value: Option<u64>,
            /// Which of the names that the request had is meant.
            name: Option<UserName>,
            text: Line,
        },
        /// The upload may begin.
        0x86 UploadStarts (member) { credit: u32 },
        /// The download begins as soon as the client gives credit.
        0x87 DownloadStarts (member) {
            /// Bytes of the whole file.
            size: u64,
            /// Of the whole file.
            digest: Digest,
            /// The first byte that comes: 0, but for feature `resume`.
            offset: u64,
        },
        /// No item follows.
        0x88 EndOfList (member) {
            /// If the list goes on: what the next page comes `after`.
            next: Option<u64>,
        },
        /// A thread was opened.
        0x89 ThreadCreated (member) { thread: u64, at_ms: Time, text: Line },
        /// A message was posted.
        0x8a Posted (member) {
            /// Its place in the thread, or its number on the board or in the room.
            number: u32,
            /// What names it for good; on the board and in rooms the same as the number.
            id: u64,
            at_ms: Time,
            text: Line,
        },
        /// A room was opened.
        0x8b RoomCreated (member) { room: u32, at_ms: Time, text: Line },
        /// A file was stored.
        0x8c Uploaded (member) { id: u64, at_ms: Time, digest: Digest, text: Line },
        /// The other user is being asked.
        0x8d Asked (member) { link: u64, text: Line },
        /// An item of ListThreads.
        0x90 ThreadItem (member) {
            thread: u64,
            title: Title,
            creator: UserName,
            posts: u32,
            uploads: u32,
            /// Who posted or uploaded last, if anybody has.
            last_author: Option<UserName>,
            last_at_ms: Option<Time>,
        },
        /// An item of ReadThread: a message.
        0x91 PostItem (member) { number: u32, id: u64, at_ms: Time, author: UserName, text: Text },
        /// An item of ReadThread: a file that stands here.
        0x92 UploadItem (member) { id: u64, at_ms: Time, author: UserName, file: FileName, size: u64 },
        /// An item of WhoElse and WhoElseSince.
        0x93 UserItem (member) {
            name: UserName,
            /// When the user logged out, unless online.
            left_ms: Option<Time>,
        },
        /// An item of ListActive.
        0x94 ActiveUserItem (member) {
            name: UserName,
            /// The IP address that the server sees.
            address: Words,
            udp_port: u16,
            since_ms: Time,
        },
        /// An item of ReadBoard.
        0x95 BoardItem (member) { number: u32, at_ms: Time, author: UserName, text: Text },
        /// An item of ReadRooms.
        0x96 RoomItem (member) { room: u32, number: u32, at_ms: Time, author: UserName, text: Text },
    }

    /// What the server says unasked, with the tag 0.
    Notice / OwnedNotice {
        /// The last frame of a connection that the server ends.
        0xc0 Closing (any) { code: Closing, text: Line },
        /// A user came.
        0xc1 LoggedIn (member) { name: UserName },
        /// A user went.
        0xc2 LoggedOut (member) { name: UserName },
        /// A message for this user alone, which stays in the mailbox until AckMessages.
        0xc3 Message (member) {
            /// Rises from message to message; one that comes again has the same.
            number: u64,
            /// Whether it waited for this user to log in.
            late: bool,
            at_ms: Time,
            from: UserName,
            text: Text,
        },
        /// A message for everybody online.
        0xc4 Broadcast (member) { at_ms: Time, from: UserName, text: Text },
        /// A message was posted to the board.
        0xc5 BoardPost (member) { number: u32, at_ms: Time, author: UserName, text: Text },
        /// A message was posted to a room of this user.
        0xc6 RoomPost (member) { room: u32, number: u32, at_ms: Time, author: UserName, text: Text },
        /// This user was put in a room.
        0xc7 PutInRoom (member) {
            room: u32,
            by: UserName,
            /// All members, the creator first.
            users: Names,
        },
        /// Nothing. The server wants to know whether the connection still stands.
        0xc8 Probe (member),
        /// A question: would you talk privately with this user?
        0xd0 PrivateQuestion (member) { link: u64, from: UserName },
        /// A question: would you take this file?
        0xd1 FileQuestion (member) { link: u64, from: UserName, size: u64, file: FileName },
        /// A question needs no answer any more.
        0xd2 QuestionWithdrawn (member) { link: u64 },
        /// The other user said no, or nothing in time.
        0xd3 QuestionDeclined (member) { link: u64 },
        /// Make yourself reachable, and say where with LinkListening.
        0xd4 PrepareLink (member) {
            link: u64,
            /// What proves both ends to each other.
            token: Key,
        },
        /// Here is the other end.
        0xd5 LinkIntroduction (member) {
            link: u64,
            token: Key,
            /// Its IP address; empty if the server is the only way.
            address: Words,
            port: u16,
        },
        /// Both ends may use the link.
        0xd6 LinkEstablished (member) {
            link: u64,
            /// Whether what they say goes through the server.
            relayed: bool,
        },
        /// The other end is done with the link.
        0xd7 LinkEnded (member) {
            link: u64,
            /// Whether its user wanted that.
            stopped: bool,
        },
        /// A private message of the other end.
        0xd8 RelayedText (member) { link: u64, text: Text },
        /// A datagram of the other end.
        0xd9 RelayedDatagram (member) { link: u64, datagram: Rest },
    }
}

/// Which way frames of a kind go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From client to server.
    ToServer,
    /// Both ways.
    Both,
    /// From client to client.
    BetweenClients,
    /// From server to client.
    ToClient,
}

/// Which way frames of this kind go.
pub const fn direction(kind: u8) -> Direction {
    match kind {
        0x40..=0x4f => Direction::Both,
        0x70..=0x7f => Direction::BetweenClients,
        0x00..=0x7f => Direction::ToServer,
        0x80.. => Direction::ToClient,
    }
}

impl Reply<'_> {
    /// Whether it is an item of a list, so that more follows.
    #[inline]
    pub const fn is_item(&self) -> bool {
        matches!(self.kind(), 0x90..=0x9f)
    }
}

impl Notice<'_> {
    /// The link that it is about, if it is about one.
    pub const fn link(&self) -> Option<LinkId> {
        match *self {
            Self::PrivateQuestion { link, .. }
            | Self::FileQuestion { link, .. }
            | Self::QuestionWithdrawn { link }
            | Self::QuestionDeclined { link }
            | Self::PrepareLink { link, .. }
            | Self::LinkIntroduction { link, .. }
            | Self::LinkEstablished { link, .. }
            | Self::LinkEnded { link, .. }
            | Self::RelayedText { link, .. }
            | Self::RelayedDatagram { link, .. } => Some(link),
            _ => None,
        }
    }
}
