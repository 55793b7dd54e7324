//! The examples of the page: whole conversations as values. The page has them as bytes.

use forum_common::wire::{
    Closing, Digest, Direct, FromServer, Key, Limit, LimitListBuf, NO_TAG, Notice, Refusal, Reply, Request,
    Tag, Transfer, VERSION,
};

/// A frame of one of the two ends. Between two clients, the one that listens stands for the server.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Said<'a> {
    Client(Tag, Request<'a>),
    ClientTransfer(Tag, Transfer<'a>),
    Server(FromServer<'a>),
    Connecting(Direct<'a>),
    Listening(Direct<'a>),
}

use Said::{Client, ClientTransfer, Connecting, Listening};

/// BLAKE3 of `hi` and a newline, as b3sum prints it.
pub(crate) const DIGEST: Digest = [
    0x0b, 0x8b, 0x60, 0x24, 0x8f, 0xad, 0x7a, 0xc6, 0xdf, 0xac, 0x22, 0x1b, 0x7e, 0x01, 0xa8, 0xb9, 0x1c,
    0x77, 0x24, 0x21, 0xa1, 0x5b, 0x38, 0x7d, 0xd1, 0xfb, 0x2d, 0x6a, 0x94, 0xae, 0xe4, 0x38,
];

/// Milliseconds of UTC: 1 Jun 2022 06:00:00, 16:00:00 in Sydney.
const MORNING_MS: u64 = 1_654_063_200_000;

fn reply(tag: Tag, reply: Reply<'_>) -> Said<'_> {
    Said::Server(FromServer::Reply(tag, reply))
}

fn notice(notice: Notice<'_>) -> Said<'_> {
    Said::Server(FromServer::Notice(notice))
}

fn transfer(tag: Tag, transfer: Transfer<'_>) -> Said<'_> {
    Said::Server(FromServer::Transfer(tag, transfer))
}

fn done(tag: Tag, seconds: u64, text: &str) -> Said<'_> {
    reply(tag, Reply::Done { at_ms: at(seconds), text })
}

fn refused<'a>(tag: Tag, code: Refusal, text: &'a str) -> Said<'a> {
    reply(tag, Reply::Refused { code, limit: None, value: None, name: None, text })
}

/// So many seconds after the morning began.
const fn at(seconds: u64) -> u64 {
    MORNING_MS + seconds * 1_000
}

/// Bytes that count up from this one.
fn key_from(first: u8) -> Key {
    std::array::from_fn(|index| first + index as u8)
}

/// Every conversation, by the name of its block in the page.
pub(crate) fn all() -> Vec<(&'static str, Vec<Said<'static>>)> {
    vec![
        ("quick-start", quick_start()),
        ("forum", forum()),
        ("people", people()),
        ("links", links()),
        ("direct", direct()),
        ("closing", closing()),
    ]
}

fn hello(seconds: u64, presence: bool) -> [Said<'static>; 2] {
    let limits = [(Limit::ChangesInFlight, 64), (Limit::FileBytes, 1 << 30)];
    let limits: &LimitListBuf = Box::leak(Box::new(limits.into_iter().collect()));
    [
        Client(1, Request::ClientHello { version: VERSION, client: "example", presence }),
        reply(
            1,
            Reply::ServerHello {
                version: VERSION,
                server: "forumd",
                features: "",
                limits: limits.as_list(),
                zone: "Australia/Sydney",
                now_ms: at(seconds),
                servers: None,
            },
        ),
    ]
}

fn log_in(seconds: u64, udp_port: u16) -> Vec<Said<'static>> {
    let mut said = hello(seconds, true).to_vec();
    said.extend([
        Client(2, Request::LogIn { name: "yoda", udp_port, take_over: None, session: None }),
        reply(2, Reply::PasswordWanted { known: true }),
        Client(3, Request::Password { password: "jedi" }),
        reply(3, Reply::Welcome { session: 8, since_ms: at(seconds + 1), text: "Welcome to the forum" }),
    ]);
    said
}

/// From the first byte to the first post, for a new user.
fn quick_start() -> Vec<Said<'static>> {
    let mut said = hello(0, false).to_vec();
    said.extend([
        Client(2, Request::LogIn { name: "yoda", udp_port: 0, take_over: None, session: None }),
        reply(2, Reply::PasswordWanted { known: false }),
        Client(3, Request::SignUp { password: "jedi", confirmation: "jedi" }),
        reply(3, Reply::Welcome { session: 7, since_ms: at(1), text: "Welcome to the forum" }),
        Client(4, Request::CreateThread { title: "3331", key: None }),
        reply(4, Reply::ThreadCreated { thread: 1, at_ms: at(2), text: "Thread 3331 created" }),
        Client(5, Request::Post { title: "3331", text: "hello there", key: None }),
        reply(5, Reply::Posted { number: 1, id: 1, at_ms: at(3), text: "Message posted to 3331 thread" }),
    ]);
    said
}

/// A post with a key that is asked twice, a file in both directions, lists and pages, and refusals.
fn forum() -> Vec<Said<'static>> {
    let post = Request::Post { title: "3331", text: "hi", key: Some(key_from(0x10)) };
    let posted = Reply::Posted { number: 2, id: 2, at_ms: at(60), text: "Message posted to 3331 thread" };
    let download = Request::Download { title: "3331", file: "a.txt", offset: None, digest: None };
    let page = |after| Request::ReadThread {
        title: "3331",
        range: None,
        after,
        at_most: Some(2),
        last: None,
        unread: None,
    };
    let thread = Reply::ThreadItem {
        thread: 1,
        title: "3331",
        creator: "yoda",
        posts: 2,
        uploads: 1,
        last_author: Some("yoda"),
        last_at_ms: Some(at(61)),
    };
    let limit = Reply::Refused {
        code: Refusal::LimitReached,
        limit: Some(Limit::Threads),
        value: Some(1),
        name: None,
        text: "Limit reached: at most 1 threads",
    };
    let text = "a.txt uploaded to 3331 thread";
    vec![
        Client(4, post),
        reply(4, posted),
        Client(5, post),
        reply(5, posted),
        Client(6, Request::Upload { title: "3331", file: "a.txt", size: 3, key: None }),
        reply(6, Reply::UploadStarts { credit: 3 }),
        ClientTransfer(6, Transfer::Data { piece: b"hi\n" }),
        ClientTransfer(6, Transfer::DataEnd { digest: None }),
        reply(6, Reply::Uploaded { id: 3, at_ms: at(61), digest: DIGEST, text }),
        Client(7, download),
        reply(7, Reply::DownloadStarts { size: 3, digest: DIGEST, offset: 0 }),
        ClientTransfer(7, Transfer::Credit { bytes: 1 << 20 }),
        transfer(7, Transfer::Data { piece: b"hi\n" }),
        transfer(7, Transfer::DataEnd { digest: Some(DIGEST) }),
        Client(8, Request::ListThreads { after: None, at_most: None }),
        reply(8, thread),
        reply(8, Reply::EndOfList { next: None }),
        Client(9, page(None)),
        reply(9, Reply::PostItem { number: 1, id: 1, at_ms: at(3), author: "yoda", text: "hello there" }),
        reply(9, Reply::PostItem { number: 2, id: 2, at_ms: at(60), author: "yoda", text: "hi" }),
        reply(9, Reply::EndOfList { next: Some(2) }),
        Client(10, page(Some(2))),
        reply(10, Reply::UploadItem { id: 3, at_ms: at(61), author: "yoda", file: "a.txt", size: 3 }),
        reply(10, Reply::EndOfList { next: None }),
        Client(11, Request::DeletePost { title: "3331", number: 7, id: None, key: None }),
        refused(11, Refusal::InvalidMessageNumber, "Invalid message number"),
        Client(12, Request::CreateThread { title: "9331", key: None }),
        reply(12, limit),
        Client(13, Request::LogOut),
        done(13, 62, "Goodbye"),
    ]
}

/// Messages, presence, the board and a room.
fn people() -> Vec<Said<'static>> {
    let exists = Reply::Refused {
        code: Refusal::RoomExists,
        limit: None,
        value: Some(1),
        name: None,
        text: "a separate room (ID: 1) already created for these users",
    };
    let mut said = log_in(100, 8_001);
    said.extend([
        notice(Notice::Message { number: 1, late: true, at_ms: at(90), from: "hans", text: "lunch?" }),
        Client(4, Request::AckMessages { up_to: 1 }),
        notice(Notice::LoggedIn { name: "hans" }),
        Client(5, Request::SendMessage { user: "hans", text: "Hungry, I am.", key: None }),
        done(5, 102, ""),
        notice(Notice::Message { number: 2, late: false, at_ms: at(103), from: "hans", text: "come" }),
        Client(6, Request::AckMessages { up_to: 2 }),
        Client(7, Request::WhoElse { after: None, at_most: None }),
        reply(7, Reply::UserItem { name: "hans", left_ms: None }),
        reply(7, Reply::EndOfList { next: None }),
        Client(8, Request::PostToBoard { text: "hello all", key: None }),
        reply(
            8,
            Reply::Posted {
                number: 1,
                id: 1,
                at_ms: at(104),
                text: "Broadcast message, #1 broadcast at 1 Jun 2022 16:01:44.",
            },
        ),
        notice(Notice::BoardPost { number: 2, at_ms: at(105), author: "hans", text: "hello yoda" }),
        Client(9, Request::CreateRoom { users: "hans luke", key: None }),
        reply(
            9,
            Reply::Refused {
                code: Refusal::Offline,
                limit: None,
                value: None,
                name: Some("luke"),
                text: "luke is offline",
            },
        ),
        Client(10, Request::CreateRoom { users: "hans", key: None }),
        reply(10, exists),
        Client(11, Request::PostToRoom { room: 1, text: "quiet here", key: None }),
        reply(
            11,
            Reply::Posted {
                number: 1,
                id: 1,
                at_ms: at(106),
                text: "Message #1 sent to separate room 1 at 1 Jun 2022 16:01:46.",
            },
        ),
        notice(Notice::LoggedOut { name: "hans" }),
        notice(Notice::Probe),
    ]);
    said
}

/// Links: a conversation that is direct, one that goes through the server, and a file through the server.
fn links() -> Vec<Said<'static>> {
    let (first, second, third) = (key_from(0x10), key_from(0x20), key_from(0x30));
    vec![
        Client(4, Request::AskPrivate { user: "hans", enabled: false }),
        reply(4, Reply::Asked { link: 1, text: "Start private messaging with hans" }),
        notice(Notice::LinkIntroduction { link: 1, token: first, address: "192.0.2.7", port: 50_123 }),
        Client(5, Request::LinkReached { link: 1 }),
        notice(Notice::LinkEstablished { link: 1, relayed: false }),
        Client(6, Request::EndLink { link: 1, stopped: true }),
        notice(Notice::PrivateQuestion { link: 2, from: "leia" }),
        Client(7, Request::AnswerQuestion { link: 2, yes: true }),
        notice(Notice::PrepareLink { link: 2, token: second }),
        Client(8, Request::LinkListening { link: 2, port: 0 }),
        notice(Notice::LinkEstablished { link: 2, relayed: true }),
        Client(9, Request::RelayText { link: 2, text: "here, I am" }),
        done(9, 200, ""),
        notice(Notice::RelayedText { link: 2, text: "at last" }),
        notice(Notice::LinkEnded { link: 2, stopped: true }),
        Client(10, Request::OfferFile { user: "hans", size: 3, file: "a.txt" }),
        reply(10, Reply::Asked { link: 3, text: "" }),
        notice(Notice::PrepareLink { link: 3, token: third }),
        Client(11, Request::LinkListening { link: 3, port: 8_001 }),
        notice(Notice::LinkIntroduction { link: 3, token: third, address: "", port: 0 }),
        notice(Notice::LinkEstablished { link: 3, relayed: true }),
        Client(12, Request::RelayDatagram { link: 3, datagram: &[0x0c, 0x0d] }),
        notice(Notice::RelayedDatagram { link: 3, datagram: &[0x0a, 0x0b] }),
        notice(Notice::LinkEnded { link: 3, stopped: false }),
        Client(13, Request::EndLink { link: 3, stopped: false }),
    ]
}

/// What the two clients of the first link say to each other.
fn direct() -> Vec<Said<'static>> {
    vec![
        Connecting(Direct::Prove { token: key_from(0x10) }),
        Listening(Direct::Ready),
        Connecting(Direct::PrivateText { text: "hello" }),
        Listening(Direct::PrivateText { text: "hello yourself" }),
        Connecting(Direct::Bye),
    ]
}

fn closing() -> Vec<Said<'static>> {
    vec![notice(Notice::Closing { code: Closing::ShuttingDown, text: "Goodbye. Server shutting down" })]
}

impl Said<'_> {
    /// Whose frame it is, in the page.
    pub(crate) fn mark(&self) -> char {
        match self {
            Self::Client(..) | Self::ClientTransfer(..) | Self::Connecting(_) => 'C',
            Self::Server(_) | Self::Listening(_) => 'S',
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match *self {
            Self::Client(tag, request) => request.encode(tag, &mut bytes),
            Self::ClientTransfer(tag, transfer) | Self::Server(FromServer::Transfer(tag, transfer)) => {
                transfer.encode(tag, &mut bytes);
            }
            Self::Server(FromServer::Reply(tag, reply)) => reply.encode(tag, &mut bytes),
            Self::Server(FromServer::Notice(notice)) => notice.encode(NO_TAG, &mut bytes),
            Self::Connecting(direct) | Self::Listening(direct) => direct.encode(NO_TAG, &mut bytes),
        }
        bytes
    }

    /// Tag, name and fields, as the code shows them.
    pub(crate) fn shown(&self) -> (Tag, String) {
        match self {
            Self::Client(tag, request) => (*tag, format!("{request:?}")),
            Self::ClientTransfer(tag, transfer) | Self::Server(FromServer::Transfer(tag, transfer)) => {
                (*tag, format!("{transfer:?}"))
            }
            Self::Server(FromServer::Reply(tag, reply)) => (*tag, format!("{reply:?}")),
            Self::Server(FromServer::Notice(notice)) => (NO_TAG, format!("{notice:?}")),
            Self::Connecting(direct) | Self::Listening(direct) => (NO_TAG, format!("{direct:?}")),
        }
    }
}
