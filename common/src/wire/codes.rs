//! Codes: numbers with names, for what a program has to tell apart. They never change and are never used
//! again for something else.

use super::field::{Field, Malformed, Reader};
use super::frame::Writer;

/// One code, for the page and for `protocol.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct CodeInfo {
    /// The number on the wire.
    pub number: u16,
    /// Its name.
    pub name: &'static str,
    /// What it means.
    pub doc: &'static str,
}

/// Declares codes with their numbers on the wire, and all that is derived from that. A number that is not
/// known is from a newer peer, and no error.
macro_rules! codes {
    ($(#[doc = $doc:literal])* $name:ident { $($(#[doc = $code_doc:literal])+ $code:ident = $number:literal,)* }) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[doc = $code_doc])+ $code,)*
            /// One that this version does not know.
            Other(u16),
        }

        impl $name {
            /// Every known code, in the order of the numbers.
            pub const ALL: &[Self] = &[$(Self::$code,)*];

            /// Every known code with its number, name and meaning.
            pub const INFO: &[CodeInfo] = &[$(CodeInfo {
                number: $number,
                name: stringify!($code),
                doc: concat!($($code_doc),+),
            },)*];

            /// The number on the wire.
            pub const fn number(self) -> u16 {
                match self {
                    $(Self::$code => $number,)*
                    Self::Other(number) => number,
                }
            }

            /// The code with this number.
            pub const fn from_number(number: u16) -> Self {
                match number {
                    $($number => Self::$code,)*
                    number => Self::Other(number),
                }
            }

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$code => stringify!($code),)*
                    Self::Other(_) => "Other",
                }
            }
        }

        impl Field for $name {
            type Value<'a> = Self;
            type Owned = Self;
            const NAME: &'static str = "u16";
            const BYTES_MAX: usize = 2;
            #[inline]
            fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
                u16::read(reader).map(Self::from_number)
            }
            #[inline(always)]
            fn write(value: Self, out: &mut Writer<'_>) {
                u16::write(value.number(), out);
            }
            fn own(value: Self) -> Self {
                value
            }
            fn borrow(owned: &Self) -> Self {
                *owned
            }
            fn json<S: serde::Serializer>(value: Self, out: S) -> Result<S::Ok, S::Error> {
                out.serialize_u16(value.number())
            }
        }
    };
}

codes! {
    /// Why a request was refused. The connection goes on, unless [`Refusal::closes`] says otherwise.
    Refusal {
        /// A user name, title or file name that can't be one.
        InvalidName = 1,
        /// A text that can't be one.
        InvalidText = 2,
        /// A password that can't be one.
        InvalidPasswordFormat = 3,
        /// A number of seconds that can't be one. A client says so itself.
        InvalidNumber = 4,
        /// A time that can't be one. A client says so itself.
        InvalidTimestamp = 5,
        /// Password and confirmation differ.
        PasswordsDiffer = 6,
        /// The password is wrong.
        InvalidPassword = 7,
        /// The password is wrong once too often: the account is blocked now. Closes.
        BlockedNow = 8,
        /// The account is blocked. Closes.
        Blocked = 9,
        /// This user is logged in elsewhere.
        AlreadyLoggedIn = 10,
        /// Somebody else signed up with this name first.
        NameTaken = 11,
        /// Too many passwords wait to be hashed.
        Busy = 12,
        /// Too many requests in this second.
        SlowDown = 13,
        /// The server's disk is full; nothing was changed.
        NoSpace = 14,
        /// A limit of the server is reached: see `limit` and `value`.
        LimitReached = 15,
        /// The admin password is wrong, or there is none.
        IncorrectAdminPassword = 16,
        /// Too many wrong passwords: for a while no more are checked.
        TooManyAttempts = 17,
        /// The key of this change belongs to another change of the same user.
        KeyReused = 18,
        /// Nobody can say whether it was done.
        Unknown = 19,

        /// There is a thread of this title.
        ThreadExists = 20,
        /// There is no thread of this title.
        NoSuchThread = 21,
        /// No message of the thread has this number, or no messages are in this range.
        InvalidMessageNumber = 22,
        /// Only its author may do this to a message.
        NotYourMessage = 23,
        /// Only its creator may remove a thread.
        NotYourThread = 24,
        /// The thread has a file of this name.
        FileExists = 25,
        /// The thread has no file of this name.
        NoSuchFile = 26,
        /// The thread was removed while its file was being downloaded.
        RemovedDuringDownload = 27,
        /// The bytes that arrived don't have the digest that was sent.
        DigestDiffers = 28,
        /// The transfer was given up, for the reason in the text.
        TransferAborted = 29,
        /// The message with this number is not the one with this id any more.
        MessageMoved = 30,
        /// The thread is watched already.
        AlreadyWatching = 31,
        /// The thread was not watched.
        NotWatching = 32,

        /// The server can't take changes at the moment.
        Away = 33,

        /// There is no such user.
        InvalidUser = 40,
        /// This can't be done to oneself.
        NotToSelf = 41,
        /// The receiver has blocked the sender.
        BlockedByUser = 42,
        /// It was delivered, but not to everybody: some have blocked the sender.
        NotToAll = 43,
        /// The receiver's mailbox is full.
        MailboxFull = 44,
        /// That user is blocked already.
        AlreadyBlocked = 45,
        /// That user was not blocked.
        NotBlocked = 46,
        /// That user is not online.
        Offline = 47,
        /// There is a room for just these users: `value` is its id.
        RoomExists = 48,
        /// There is no such room.
        NoSuchRoom = 49,
        /// The user is not in this room.
        NotInRoom = 50,
        /// The two users talk privately already.
        AlreadyPrivate = 51,
        /// The two users don't talk privately.
        NotPrivate = 52,
        /// The other end of a link leaves too much unread.
        PeerTooSlow = 53,
        /// New accounts are not taken.
        SignUpClosed = 54,
        /// An administrator has banned this user. Closes.
        Banned = 55,
    }
}

impl Refusal {
    /// Whether the server closes the connection after this refusal.
    pub const fn closes(self) -> bool {
        matches!(self, Self::BlockedNow | Self::Blocked | Self::Banned)
    }

    /// Whether it is about the password, and another one may be taken. A person must not be led to type the next one where
    /// a name is shown.
    pub const fn wants_another_password(self) -> bool {
        matches!(self, Self::InvalidPassword | Self::InvalidPasswordFormat | Self::PasswordsDiffer)
    }

    /// Whether a log-in that is refused so may be taken later, on another connection.
    pub const fn passes(self) -> bool {
        use Refusal::{AlreadyLoggedIn, Away, Busy, LimitReached, NoSpace, SlowDown};
        matches!(self, AlreadyLoggedIn | Busy | SlowDown | NoSpace | LimitReached | Away)
    }
}

codes! {
    /// Why the server ends a connection: the last frame before it closes.
    Closing {
        /// The server has said all that was asked for, after the client's FIN.
        EndOfInput = 1,
        /// The server shuts down.
        ShuttingDown = 2,
        /// The client did not log in in time.
        LoginTimedOut = 3,
        /// Nothing was asked for longer than the server allows.
        Idle = 4,
        /// The client did not read what the server had to say.
        TooSlow = 5,
        /// The server has as many connections as it can take.
        ServerFull = 6,
        /// The peer broke the protocol; the text says how.
        ProtocolError = 7,
        /// The same user has logged in elsewhere and ended this session.
        LoggedInElsewhere = 8,
        /// An administrator has ended this connection.
        Disconnected = 9,
        /// The server takes TLS only, from where the client is.
        TlsRequired = 10,
    }
}

codes! {
    /// What LogIn does when the user is online already.
    TakeOver {
        /// It is refused.
        Never = 0,
        /// After the right password the server asks.
        Ask = 1,
        /// After the right password the other session ends.
        Always = 2,
        /// The same, but only if it is the session that the request names.
        OwnSession = 3,
    }
}

/// Declares the limits: codes that also have the words that stand after the value in `at most 100 threads`.
macro_rules! limits {
    ($($(#[doc = $doc:literal])+ $code:ident = $number:literal, $noun:literal;)*) => {
        codes! {
            /// What a server can have at most, or for how long; for the hello and for refusals.
            Limit { $($(#[doc = $doc])+ $code = $number,)* }
        }

        impl Limit {
            /// What is limited, as it stands after the number: `threads`.
            pub const fn noun(self) -> &'static str {
                match self {
                    $(Self::$code => $noun,)*
                    Self::Other(_) => "of something",
                }
            }
        }
    };
}

limits! {
    /// Accounts in all.
    Accounts = 1, "accounts";
    /// Threads in all.
    Threads = 2, "threads";
    /// Messages of a thread.
    Posts = 3, "messages in a thread";
    /// Messages of the board.
    BoardPosts = 4, "messages on the board";
    /// Messages of a room.
    RoomPosts = 5, "messages in a room";
    /// Rooms in all.
    Rooms = 6, "rooms";
    /// Members of a room.
    RoomMembers = 7, "members of a room";
    /// Files of a thread.
    Files = 8, "files in a thread";
    /// Bytes of a file.
    FileBytes = 9, "bytes a file";
    /// Bytes of all files of a user.
    UserFileBytes = 10, "bytes of files a user";
    /// Uploads of all users at once.
    Uploads = 11, "uploads at once";
    /// Uploads of a user at once.
    UserUploads = 12, "uploads of a user at once";
    /// Downloads of a connection at once.
    Downloads = 13, "downloads at once";
    /// Users that a user has blocked.
    Blocks = 14, "blocked users";
    /// Links that a user has asked for or said yes to.
    Links = 15, "links of a user";
    /// Questions that wait for one user's answer.
    Questions = 16, "open questions to a user";
    /// Threads that a user watches.
    Watches = 17, "watched threads";
    /// Questions of one user that wait for one other's answer.
    PairQuestions = 18, "open questions from one user to another";
    /// Changes of a connection that are not answered yet; more wait.
    ChangesInFlight = 20, "changes in flight";
    /// Requests a second on a connection; 0 = any number.
    RequestsPerSecond = 21, "requests a second";
    /// Seconds of silence before the log-in.
    LoginSeconds = 22, "seconds to log in";
    /// Seconds without activity; 0 = any number.
    IdleSeconds = 23, "seconds without activity";
    /// Messages that wait for a user.
    MailboxMessages = 24, "messages in a mailbox";
    /// Bytes of messages that wait for a user.
    MailboxBytes = 25, "bytes in a mailbox";
}
