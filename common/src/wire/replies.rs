//! The table of messages, second half: what the server says. See `table.rs` for what a row means, and
//! [`super::messages`] for what holds of all.

use super::field::{Digest, Field, Key, Malformed, Reader, Time};
use super::frame::{Frame, Tag, Writer};
use super::info::{FieldInfo, GroupInfo, MessageInfo};
use super::limit_list::Limits;
use super::strings::{Ciphertext, FileName, Line, Names, Rest, Text, Title, UserName, Words};
use super::table::{borrowed, key_of, messages, write_fields};
use super::{Closing, Limit, Refusal};
use crate::limits::{FRAME_BYTES_MAX, HEADER_BYTES};

messages! {
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
            /// The first byte that comes: 0, or what the client asked for.
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
        /// Feature `take-over`: the password is right, and the user is online elsewhere. Asked only if LogIn said so.
        0x8e TakeOverWanted (password) {
            /// When the other session began.
            since_ms: Time,
            /// Its IP address, as the server sees it.
            address: Words,
        },
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
            /// How many messages and uploads of others this user has not read, if that was asked.
            unread: Option<u32>,
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
        /// An item of ListUnread.
        0x97 UnreadItem (member) {
            title: Title,
            /// How many messages and uploads of others this user has not read.
            count: u32,
            /// Who put the newest of them there.
            last_author: UserName,
        },
        /// An item of Search.
        0x98 SearchItem (member) {
            title: Title,
            number: u32,
            id: u64,
            at_ms: Time,
            author: UserName,
            text: Text,
        },
        /// An item of ListRooms.
        0x99 RoomSummaryItem (member) {
            room: u32,
            /// How many messages it has.
            posts: u32,
            /// All members, the creator first.
            users: Names,
        },
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
        /// A message was posted to a thread that this user watches.
        0xc9 ThreadPost (member) {
            title: Title,
            number: u32,
            id: u64,
            at_ms: Time,
            author: UserName,
            text: Text,
        },
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
        0xd8 RelayedSealed (member) { link: u64, ciphertext: Ciphertext },
        /// A datagram of the other end.
        0xd9 RelayedDatagram (member) { link: u64, datagram: Rest },
    }
}
