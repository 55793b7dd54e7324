//! What happens to the [`Core`](super::Core), and what it wants done: the whole of its boundary but the bytes that it
//! has to send and to print.

use forum_common::tls::Fingerprint;
use forum_common::wire::{LinkId, OwnedNotice};
pub use forum_peer::local_files::{FileAction, FileEvent, FileId, FileProblem};
use forum_peer::{Report, State};

use crate::output::Stream;

/// Something that happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// Bytes from standard input.
    Typed(&'a [u8]),
    /// Standard input has ended; why, if it was not its end.
    InputEnded(Option<String>),
    /// The terminal has so many columns and rows now.
    Resized {
        /// Columns.
        columns: usize,
        /// Rows.
        rows: usize,
    },
    /// This process was stopped for a while, or its terminal was another's; the screen shows something else now.
    Resumed,
    /// Somebody wants this process stopped for a while.
    Stopping,
    /// The connection that was asked for stands; the UDP port where other users find us there, or why there is none.
    Connected(Result<u16, String>),
    /// It could not be made; a sentence that says so, and why.
    NotConnected(String),
    /// It was made, and nothing may be said over it.
    NotTrusted(Doubt),
    /// Bytes from the server, no more than [`Core::receive_room`](super::Core::receive_room).
    Received(&'a [u8]),
    /// So many bytes were taken by the kernel for the server; `all_taken`: it would have taken more.
    Sent {
        /// Bytes.
        bytes: usize,
        /// Whether the kernel had room for all.
        all_taken: bool,
    },
    /// Nothing more can be sent; what the server still has to say may come.
    CannotSend,
    /// The connection has ended, for this reason.
    Disconnected(String),
    /// So many bytes were written to this stream.
    Printed(Stream, usize),
    /// This stream takes nothing more, for this reason.
    CannotPrint(Stream, String),
    /// What came of a [`FileAction`].
    File(FileId, FileEvent),
    /// What there is to know of other users has changed.
    Peers(State),
    /// Something that came from other users, or is for the server because of them.
    Report(Report),
    /// The lines that [`Action::AskPeerStatus`] asked for.
    PeerStatus(Vec<String>),
    /// Something to be said to the user.
    Warning(String),
    /// The process is about to die of a signal, as soon as what can be printed without waiting is.
    Killed,
    /// Time has passed: [`Core::due`](super::Core::due).
    Tick,
}

/// Why nothing is said over a connection.
#[derive(Debug, PartialEq, Eq)]
pub struct Doubt {
    /// A sentence that says so.
    pub said: String,
    /// The server's certificate, if the user may say that it is to be trusted.
    pub certificate: Option<Fingerprint>,
}

/// Something to be done, in order.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Connect to the server: [`Event::Connected`], [`Event::NotConnected`] or [`Event::NotTrusted`] follows.
    Dial,
    /// Trust this certificate of the server, now and in later runs.
    Trust(Fingerprint),
    /// Close the connection.
    HangUp,
    /// Do something with a local file: [`Event::File`] follows at once, unless it says otherwise.
    File(FileId, FileAction),
    /// Tell the part that deals with other users; [`Event::Report`]s may follow.
    Peer(PeerAction),
    /// The lines about files on their way to and from other users: [`Event::PeerStatus`].
    AskPeerStatus {
        /// Columns of the terminal.
        columns: usize,
    },
    /// Keep this line for later runs.
    Remember(String),
    /// Have the kernel show what is typed, or not.
    ShowTyping(bool),
    /// Give the terminal back, and stop until somebody continues this process: then [`Event::Resumed`].
    Suspend,
    /// It is over.
    End(Ending),
}

/// How a session ended. What there is to say about it has been said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With a goodbye.
    Goodbye,
    /// Before anybody was logged in, or because the user was put out.
    NotLoggedIn,
    /// There is no connection, or it was lost without a goodbye.
    Lost,
    /// Standard output takes no more.
    OutputClosed,
}

/// What the part that deals with other users is told.
#[derive(Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the method of the same name")]
pub enum PeerAction {
    /// See [`Peers::noticed`](forum_peer::Peers::noticed).
    Noticed(OwnedNotice),
    /// See [`Peers::logged_out`](forum_peer::Peers::logged_out).
    LoggedOut { user: String },
    /// See [`Peers::answer`](forum_peer::Peers::answer).
    Answer { yes: bool },
    /// See [`Peers::ask_private`](forum_peer::Peers::ask_private).
    AskPrivate { user: String },
    /// See [`Peers::asked_private`](forum_peer::Peers::asked_private).
    AskedPrivate { link: LinkId, user: String },
    /// See [`Peers::say`](forum_peer::Peers::say).
    Say { user: String, text: String },
    /// See [`Peers::stop`](forum_peer::Peers::stop).
    Stop { user: String },
    /// See [`Peers::verify`](forum_peer::Peers::verify).
    Verify { user: String },
    /// See [`Peers::asked_file`](forum_peer::Peers::asked_file); the file is no longer the core's.
    AskedFile { link: LinkId, user: String, file: FileId },
    /// See [`Peers::cancel`](forum_peer::Peers::cancel).
    Cancel { file: Option<String>, found: bool },
    /// See [`Peers::disconnected`](forum_peer::Peers::disconnected).
    Disconnected,
    /// See [`Peers::hang_up`](forum_peer::Peers::hang_up).
    HangUp,
}
