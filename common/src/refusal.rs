//! How the server says no: a code for programs, a text for people.

use crate::reader::Malformed;

/// Declares the codes with their numbers on the wire, which never change.
macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($(#[$code_doc:meta])* $code:ident = $number:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum $name {
            $($(#[$code_doc])* $code = $number,)*
        }

        impl $name {
            /// Every code, for tables and tests.
            pub const ALL: &[Self] = &[$(Self::$code,)*];

            /// The number on the wire.
            pub fn number(self) -> u16 {
                self as u16
            }

            /// The code with this number.
            ///
            /// # Errors
            /// There is none.
            pub fn from_number(number: u16) -> Result<Self, Malformed> {
                match number {
                    $($number => Ok(Self::$code),)*
                    _ => Err(Malformed::BadValue),
                }
            }
        }
    };
}

codes! {
    /// Why a request was refused. The connection goes on, unless [`Refusal::closes`] says otherwise.
    Refusal {
        /// A user name, title or file name that can't be one.
        InvalidName = 1,
        /// The text of a message that can't be one.
        InvalidText = 2,
        /// A password that can't be one.
        InvalidPasswordFormat = 3,
        /// A number of seconds that is none.
        InvalidNumber = 4,
        /// A time stamp that is none.
        InvalidTimestamp = 5,
        /// Password and confirmation differ.
        PasswordsDiffer = 6,
        /// The password is wrong.
        InvalidPassword = 7,
        /// The password is wrong once too often: the account is blocked. Closes.
        BlockedNow = 8,
        /// The account is blocked. Closes.
        Blocked = 9,
        /// This user is logged in elsewhere.
        AlreadyLoggedIn = 10,
        /// Somebody else signed up with this name first.
        NameTaken = 11,
        /// The queue of passwords to be hashed is full.
        Busy = 12,
        /// Too many requests in this second.
        SlowDown = 13,
        /// The server's disk is full; nothing was changed.
        NoSpace = 14,
        /// A limit of the server is reached; the text names it.
        LimitReached = 15,
        /// The admin password is wrong, or there is none.
        IncorrectAdminPassword = 16,
        /// Too many wrong passwords: for a while no more are checked.
        TooManyAttempts = 17,

        /// There is a thread of this title.
        ThreadExists = 20,
        /// There is no thread of this title.
        NoSuchThread = 21,
        /// No message of the thread has this number, or no range is this range.
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
        /// The transfer was given up, by the end that says so in the text.
        TransferAborted = 29,

        /// There is no such user.
        InvalidUser = 40,
        /// This can't be done to oneself.
        NotToSelf = 41,
        /// The receiver has blocked the sender.
        BlockedByUser = 42,
        /// It was delivered, but not to all: some have blocked the sender.
        NotToAll = 43,
        /// The receiver's mailbox is full.
        MailboxFull = 44,
        /// That user is blocked already.
        AlreadyBlocked = 45,
        /// That user was not blocked.
        NotBlocked = 46,
        /// That user is not online.
        Offline = 47,
        /// There is a room for just these users.
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
    }
}

impl Refusal {
    /// Whether the server closes the connection behind this refusal.
    pub fn closes(self) -> bool {
        matches!(self, Self::BlockedNow | Self::Blocked)
    }
}

codes! {
    /// Why the server ends a connection: the last frame before it closes.
    Closing {
        /// The answer to a log-out.
        Goodbye = 1,
        /// The server shuts down.
        ShuttingDown = 2,
        /// Nobody logged in in time.
        LoginTimedOut = 3,
        /// Nothing was asked for longer than the server allows.
        Idle = 4,
        /// What the server had to push was not read.
        TooSlow = 5,
        /// The server has as many connections as it can take.
        ServerFull = 6,
        /// The peer broke the protocol; the text says how.
        ProtocolError = 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_comes_back_from_its_number() {
        for code in Refusal::ALL {
            assert_eq!(Refusal::from_number(code.number()), Ok(*code));
        }
        for code in Closing::ALL {
            assert_eq!(Closing::from_number(code.number()), Ok(*code));
        }
        assert_eq!(Refusal::from_number(0), Err(Malformed::BadValue));
    }
}
