//! What is said when something was done: at the end of the server's replies, in its log, and by the client of
//! what it did itself.

use std::fmt;

use super::Joined;

/// What was done, or has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the texts below say it")]
pub enum Answer<'a> {
    Welcome,
    PasswordChanged,
    Goodbye,
    ShuttingDown,
    ThreadCreated {
        title: &'a str,
    },
    ThreadRemoved {
        title: &'a str,
    },
    Posted {
        title: &'a str,
    },
    PostDeleted,
    PostEdited,
    Uploaded {
        file: &'a str,
        title: &'a str,
    },
    Downloaded {
        file: &'a str,
    },
    Watching {
        title: &'a str,
    },
    NotWatching {
        title: &'a str,
    },
    Blocked {
        user: &'a str,
    },
    Unblocked {
        user: &'a str,
    },
    /// The receivers see it; the sender sees that nothing was refused.
    Sent,
    /// `at` is a time as it is shown.
    PostedToBoard {
        number: u32,
        at: &'a str,
    },
    /// `users` are all members, with one space between them.
    RoomCreated {
        room: u32,
        users: &'a str,
    },
    PostedToRoom {
        room: u32,
        number: u32,
        at: &'a str,
    },
    PrivateStarted {
        user: &'a str,
    },
    PrivateStopped {
        user: &'a str,
    },
    PrivateAccepted {
        user: &'a str,
    },
    PrivateDeclined {
        user: &'a str,
    },
    PrivateStoppedBy {
        user: &'a str,
    },
    PrivateFailed {
        user: &'a str,
    },
    /// `words` have one space between them.
    Compare {
        user: &'a str,
        words: &'a str,
    },
    FileSent {
        file: &'a str,
    },
    FileReceived {
        file: &'a str,
        user: &'a str,
    },
    Presence {
        on: bool,
    },
    /// `since` is a time as it is shown.
    WhoAmI {
        name: &'a str,
        server: &'a str,
        since: &'a str,
    },
}

impl fmt::Display for Answer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Welcome => f.write_str("Welcome to the forum"),
            Self::PasswordChanged => f.write_str("Password changed"),
            Self::Goodbye => f.write_str("Goodbye"),
            Self::ShuttingDown => f.write_str("Goodbye. Server shutting down"),
            Self::ThreadCreated { title } => write!(f, "Thread {title} created"),
            Self::ThreadRemoved { title } => write!(f, "Thread {title} removed"),
            Self::Posted { title } => write!(f, "Message posted to {title} thread"),
            Self::PostDeleted => f.write_str("The message has been deleted"),
            Self::PostEdited => f.write_str("The message has been edited"),
            Self::Uploaded { file, title } => write!(f, "{file} uploaded to {title} thread"),
            Self::Downloaded { file } => write!(f, "{file} successfully downloaded"),
            Self::Watching { title } => write!(f, "Watching {title}"),
            Self::NotWatching { title } => write!(f, "No longer watching {title}"),
            Self::Blocked { user } => write!(f, "{user} is blocked"),
            Self::Unblocked { user } => write!(f, "{user} is unblocked"),
            Self::Sent => Ok(()),
            Self::PostedToBoard { number, at } => {
                write!(f, "Broadcast message, #{number} broadcast at {at}.")
            }
            Self::RoomCreated { room, users } => {
                let users = Joined(users);
                write!(f, "Separate chat room has been created, room ID: {room}, users in this room: {users}")
            }
            Self::PostedToRoom { room, number, at } => {
                write!(f, "Message #{number} sent to separate room {room} at {at}.")
            }
            Self::PrivateStarted { user } => write!(f, "Start private messaging with {user}"),
            Self::PrivateStopped { user } => write!(f, "Stop private messaging with {user}"),
            Self::PrivateAccepted { user } => write!(f, "{user} accepts private messaging"),
            Self::PrivateDeclined { user } => write!(f, "{user} declines private messaging"),
            Self::PrivateStoppedBy { user } => write!(f, "{user} stopped private messaging"),
            Self::PrivateFailed { user } => write!(f, "Private messaging to {user} could not be set up"),
            Self::Compare { user, words } => write!(f, "Compare with {user}: {words}"),
            Self::FileSent { file } => write!(f, "{file} has been uploaded"),
            Self::FileReceived { file, user } => write!(f, "Received {file} from {user}"),
            Self::Presence { on } => write!(f, "Presence {}", if on { "on" } else { "off" }),
            Self::WhoAmI { name, server, since } => write!(f, "{name} at {server}, logged in since {since}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Answer::*;

    #[test]
    fn every_answer_has_the_text_of_the_contract() {
        let (title, user, file, at) = ("3331", "hans", "test.exe", "1 Jun 2022 16:05:00");
        for (answer, text) in [
            (Welcome, "Welcome to the forum"),
            (PasswordChanged, "Password changed"),
            (Goodbye, "Goodbye"),
            (ShuttingDown, "Goodbye. Server shutting down"),
            (ThreadCreated { title }, "Thread 3331 created"),
            (ThreadRemoved { title }, "Thread 3331 removed"),
            (Posted { title }, "Message posted to 3331 thread"),
            (PostDeleted, "The message has been deleted"),
            (PostEdited, "The message has been edited"),
            (Uploaded { file, title }, "test.exe uploaded to 3331 thread"),
            (Downloaded { file }, "test.exe successfully downloaded"),
            (Watching { title }, "Watching 3331"),
            (NotWatching { title }, "No longer watching 3331"),
            (Blocked { user }, "hans is blocked"),
            (Unblocked { user }, "hans is unblocked"),
            (Sent, ""),
            (PostedToBoard { number: 1, at }, "Broadcast message, #1 broadcast at 1 Jun 2022 16:05:00."),
            (
                RoomCreated { room: 1, users: "Yoda Obi-wan" },
                "Separate chat room has been created, room ID: 1, users in this room: Yoda, Obi-wan",
            ),
            (
                PostedToRoom { room: 1, number: 2, at },
                "Message #2 sent to separate room 1 at 1 Jun 2022 16:05:00.",
            ),
            (PrivateStarted { user }, "Start private messaging with hans"),
            (PrivateStopped { user }, "Stop private messaging with hans"),
            (PrivateAccepted { user }, "hans accepts private messaging"),
            (PrivateDeclined { user }, "hans declines private messaging"),
            (PrivateStoppedBy { user }, "hans stopped private messaging"),
            (PrivateFailed { user }, "Private messaging to hans could not be set up"),
            (Compare { user, words: "a b c d e f" }, "Compare with hans: a b c d e f"),
            (FileSent { file }, "test.exe has been uploaded"),
            (FileReceived { file, user }, "Received test.exe from hans"),
            (Presence { on: true }, "Presence on"),
            (Presence { on: false }, "Presence off"),
            (
                WhoAmI { name: user, server: "127.0.0.1:12345", since: at },
                "hans at 127.0.0.1:12345, logged in since 1 Jun 2022 16:05:00",
            ),
        ] {
            assert_eq!(answer.to_string(), text);
        }
    }
}
