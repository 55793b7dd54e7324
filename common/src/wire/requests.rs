//! The table of messages, first half: what a client says, to the server or to another client, and files on their
//! way. See `table.rs` for what a row means, and [`super::messages`] for what holds of all.

use super::TakeOver;
use super::field::{Digest, Field, Key, Malformed, Range, Reader, Time};
use super::frame::{Frame, Tag, Writer};
use super::info::{FieldInfo, GroupInfo, MessageInfo};
use super::strings::{Ciphertext, FileName, Handshake, Names, Password, Rest, Text, Title, UserName, Words};
use super::table::{borrowed, key_of, messages, write_fields};
use crate::limits::{FRAME_BYTES_MAX, HEADER_BYTES};

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
        0x05 Password (password -> Welcome TakeOverWanted) { password: Password },
        /// The password for a new name.
        0x06 SignUp (password -> Welcome) { password: Password, confirmation: Password },
        /// Feature `take-over`: answers TakeOverWanted. A no is answered with the refusal AlreadyLoggedIn.
        0x07 EndOtherSession (password -> Welcome) { yes: bool },
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
        0x24 ListThreads (member -> ThreadItem EndOfList) {
            after: Option<u64>,
            at_most: Option<u32>,
            /// Whether each item says how much is new to this user.
            unread: Option<bool>,
        },
        /// Lists what stands in a thread.
        0x25 ReadThread (member -> PostItem UploadItem EndOfList) {
            title: Title,
            /// Only these messages, by number, and the uploads between them.
            range: Option<Range>,
            after: Option<u64>,
            at_most: Option<u32>,
            /// Only this number of messages, at the end of the thread.
            last: Option<u32>,
            /// Only what this user has not read: from the first item on that is new.
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
            /// How much of the file the client has; the rest is enough. Feature `resume`.
            offset: Option<u64>,
            /// Of which file it has that: without it, or if the thread has another file by now, all of it comes.
            digest: Option<Digest>,
        },
        /// Removes a thread of one's own with its files.
        0x28 RemoveThread (member -> Done) { title: Title, key: Option<Key> },
        /// This user has seen the thread up to this message or upload. Sent only for people. No activity.
        0x29 MarkRead (member) {
            title: Title,
            up_to: u64,
            /// From here on: if another has put something between this and what was read before, nothing is marked.
            from: Option<u64>,
        },
        /// Lists the threads with something that is new to this user, oldest first.
        0x2a ListUnread (member -> UnreadItem EndOfList) { after: Option<u64>, at_most: Option<u32> },
        /// Asks to be told of messages that others post to a thread: ThreadPost.
        0x2b Watch (member -> Done) { title: Title, key: Option<Key> },
        /// No more of that.
        0x2c Unwatch (member -> Done) { title: Title, key: Option<Key> },
        /// Lists the messages of threads that contain all these words, in any case and order: the newest 100, newest
        /// first.
        0x2d Search (member -> SearchItem EndOfList) {
            /// With one space or more between them.
            words: Text,
            /// Only messages of this thread.
            title: Option<Title>,
            after: Option<u64>,
            at_most: Option<u32>,
        },
        /// Sends a message to one user, online or not.
        0x30 SendMessage (member -> Done) { user: UserName, text: Text, key: Option<Key> },
        /// Tells everybody else who is online.
        0x31 SendBroadcast (member -> Done) { text: Text },
        /// Lists who else is online, by log-in.
        0x32 WhoElse (member -> UserItem EndOfList) { after: Option<u64>, at_most: Option<u32> },
        /// Lists who else is online, or was in the last `seconds` seconds.
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
        /// From here on LoggedIn and LoggedOut come, or don't, whatever the hello said.
        0x37 SetPresence (member -> Done) { on: bool },
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
            /// Only messages with this number or a higher one.
            from: Option<u32>,
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
        /// Lists one's rooms, oldest first.
        0x3e ListRooms (member -> RoomSummaryItem EndOfList) { after: Option<u64>, at_most: Option<u32> },
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
        /// A private message that goes through the server, sealed for the other end.
        0x56 RelaySealed (member -> Done) { link: u64, ciphertext: Ciphertext },
        /// A datagram that goes through the server, which may lose it: of a file, or of a conversation's handshake.
        0x57 RelayDatagram (member) { link: u64, datagram: Rest },
    }

    /// A file on its way, in either direction; the tag is that of the request that began it.
    Transfer / OwnedTransfer {
        /// The next bytes of the file, never more than the credit that is left.
        0x40 Data (member) { piece: Rest },
        /// The receiver takes `bytes` more bytes.
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
        /// The first frame of each end: its message of the Noise handshake.
        0x70 Handshake (direct) { message: Handshake },
        /// Every other frame: kind and body of one of the following, encrypted.
        0x71 Sealed (direct) { ciphertext: Ciphertext },
        /// Sealed: a private message.
        0x72 PrivateText (direct) { text: Text },
        /// Sealed: the user has stopped the conversation.
        0x73 Bye (direct),
        /// Sealed, the first of the end that connects: it has the keys.
        0x74 Ready (direct),
    }
}
