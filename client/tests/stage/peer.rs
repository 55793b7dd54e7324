//! The server's end of a connection, which says what a test tells it to.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};

use forum_common::wire::{
    Closing, Frame, Input, Key, LimitListBuf, NO_TAG, Notice, OwnedReply, Refusal, Reply, Request, Tag,
    TakeOver, Transfer, VERSION, kinds,
};

use super::{AT_MS, DEADLINE, WELCOME};

/// The server's end of one connection.
pub(crate) struct Peer {
    stream: TcpStream,
    input: Input,
    /// The kinds of the requests, by tag.
    asked: HashMap<Tag, u8>,
}

impl Peer {
    /// For a client that has just connected.
    pub(super) fn new(stream: TcpStream) -> Self {
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        Self { stream, input: Input::default(), asked: HashMap::new() }
    }

    /// The next frame; `None` when the client has closed.
    fn next<T>(&mut self, read: impl FnOnce(&Frame<'_>) -> T) -> Option<T> {
        loop {
            if let Some(frame) = self.input.take().unwrap() {
                self.asked.entry(frame.tag).or_insert(frame.kind);
                return Some(read(&frame));
            }
            match self.stream.read(self.input.space()) {
                Ok(0) => return None,
                Ok(count) => self.input.filled(count),
                // With a time limit, the kernel does not go on by itself when the process was stopped meanwhile.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // It was killed before it had read everything.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Insists on this request, which has a key if it can have one; its tag.
    pub(crate) fn hears(&mut self, wanted: &Request<'_>) -> Tag {
        self.hears_key(wanted).0
    }

    /// The same with the key.
    pub(crate) fn hears_key(&mut self, wanted: &Request<'_>) -> (Tag, Option<Key>) {
        let heard = self.next(|frame| {
            let mut request =
                Request::decode(frame).unwrap_or_else(|error| panic!("{error}, not {wanted:?}"));
            let key = request.key_mut().map(|key| key.take().expect("a change has a key"));
            assert_eq!(request, *wanted);
            (frame.tag, key)
        });
        let (tag, key) = heard.unwrap_or_else(|| panic!("the client left instead of {wanted:?}"));
        assert_ne!(tag, NO_TAG);
        (tag, key)
    }

    /// Insists on a hello that wants presence or not; its tag.
    pub(crate) fn hears_hello(&mut self, presence: bool) -> Tag {
        let client = concat!("forum ", env!("CARGO_PKG_VERSION"));
        self.hears(&Request::ClientHello { version: VERSION, client, presence })
    }

    /// Says hello.
    pub(crate) fn hello(&mut self, tag: Tag, version: u16, zone: &str) {
        self.hello_with("", tag, version, zone);
    }

    /// The same as a server that has these features.
    pub(crate) fn hello_with(&mut self, features: &str, tag: Tag, version: u16, zone: &str) {
        let hello = OwnedReply::ServerHello {
            version,
            server: "script".to_owned(),
            features: features.to_owned(),
            limits: LimitListBuf::default(),
            zone: zone.to_owned(),
            now_ms: AT_MS,
            servers: None,
        };
        self.reply(tag, &hello.as_ref());
    }

    /// Lets yoda in, who has to know the password `jedi`.
    pub(crate) fn admits(&mut self) {
        let tag = self.hears_log_in("yoda");
        self.reply(tag, &Reply::PasswordWanted { known: true });
        let tag = self.hears(&Request::Password { password: "jedi" });
        self.reply(tag, &WELCOME);
    }

    /// Insists on a log-in with this name, and a UDP port for files; its tag.
    pub(crate) fn hears_log_in(&mut self, wanted: &str) -> Tag {
        self.hears_wish(wanted, None, None)
    }

    /// The same, with what is to become of another session of the user.
    pub(crate) fn hears_wish(&mut self, wanted: &str, wish: Option<TakeOver>, own: Option<u64>) -> Tag {
        let tag = self.next(|frame| {
            let request = Request::decode(frame).unwrap();
            assert!(
                matches!(request, Request::LogIn { name, udp_port: 1.., take_over, session }
                    if name == wanted && take_over == wish && session == own),
                "{request:?}"
            );
            frame.tag
        });
        tag.expect("the client left instead of logging in")
    }

    /// What the client says until its end, which may be a kill.
    pub(crate) fn hears_to_the_end<T>(&mut self, read: impl Fn(&Request<'_>) -> T) -> Vec<T> {
        std::iter::from_fn(|| self.next(|frame| read(&Request::decode(frame).unwrap()))).collect()
    }

    /// Insists on this frame of a transfer.
    pub(crate) fn takes(&mut self, tag: Tag, wanted: &Transfer<'_>) {
        self.transferred(tag, |transfer| assert_eq!(transfer, wanted));
    }

    /// The next frame of this transfer.
    pub(crate) fn transferred<T>(&mut self, tag: Tag, read: impl FnOnce(&Transfer<'_>) -> T) -> T {
        self.next(|frame| {
            assert_eq!(frame.tag, tag);
            read(&Transfer::decode(frame).unwrap())
        })
        .expect("the client left in the middle of a transfer")
    }

    /// Insists on the client's end.
    pub(crate) fn expect_end(&mut self) {
        let more = self.next(|frame| format!("{frame:?}"));
        assert_eq!(more, None);
    }

    /// Insists that the client, which is logged in and not stuck, has nothing to say: it is sent a message, and its
    /// acknowledgement is what comes next. Twice, because a client acknowledges before it takes a line of its input:
    /// what it has to say by then would come between the two.
    pub(crate) fn expect_silence(&mut self) {
        /// Above those of the tests' own messages; a client does not show a number that it has seen.
        static NEXT: AtomicU64 = AtomicU64::new(1_000_000);
        for _ in 0..2 {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let (late, at_ms) = (false, AT_MS);
            self.notice(&Notice::Message { number, late, at_ms, from: "nobody", text: "?" });
            self.hears(&Request::AckMessages { up_to: number });
        }
    }

    pub(crate) fn reply(&mut self, tag: Tag, reply: &Reply<'_>) {
        let mut bytes = Vec::new();
        reply.encode(tag, &mut bytes);
        self.send(&bytes);
    }

    pub(crate) fn notice(&mut self, notice: &Notice<'_>) {
        self.notices(&[*notice]);
    }

    /// Sends these in one piece, so that they are read together.
    pub(crate) fn notices(&mut self, notices: &[Notice<'_>]) {
        let mut bytes = Vec::new();
        notices.iter().for_each(|notice| notice.encode(NO_TAG, &mut bytes));
        self.send(&bytes);
    }

    /// Says that it was done, as this request is answered.
    pub(crate) fn done(&mut self, tag: Tag, text: &str) {
        let at_ms = AT_MS;
        self.reply(
            tag,
            &match self.asked[&tag] {
                kinds::CreateThread => Reply::ThreadCreated { thread: 1, at_ms, text },
                kinds::Post | kinds::PostToBoard | kinds::PostToRoom => {
                    Reply::Posted { number: 1, id: 1, at_ms, text }
                }
                kinds::CreateRoom => Reply::RoomCreated { room: 1, at_ms, text },
                kinds::Upload => Reply::Uploaded { id: 1, at_ms, digest: [0; 32], text },
                _ => Reply::Done { at_ms, text },
            },
        );
    }

    pub(crate) fn refuse(&mut self, tag: Tag, code: Refusal, text: &str) {
        self.reply(tag, &Reply::Refused { code, limit: None, value: None, name: None, text });
    }

    pub(crate) fn transfer(&mut self, tag: Tag, transfer: &Transfer<'_>) {
        let mut bytes = Vec::new();
        transfer.encode(tag, &mut bytes);
        self.send(&bytes);
    }

    /// The last words, and the end.
    pub(crate) fn close(mut self, code: Closing, text: &str) {
        let mut bytes = Vec::new();
        Notice::Closing { code, text }.encode(NO_TAG, &mut bytes);
        self.send(&bytes);
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Answers the log-out that must come now.
    pub(crate) fn say_goodbye(mut self) {
        let tag = self.hears(&Request::LogOut);
        self.done(tag, "Goodbye");
    }
}
