//! A session whose world is the test: no process, no socket, no file, and a clock that is moved by hand.

mod model;
mod promises;

use std::collections::VecDeque;

use forum_common::wire::{Input as Frames, LimitListBuf, NO_TAG, Notice, OwnedReply, OwnedRequest};
use forum_common::wire::{Reply, Request, Tag, VERSION};
use forum_peer::Report;
use zeroize::Zeroizing;

use super::event::{FileEvent, FileId, PeerAction};
use super::*;
use crate::line_editor::terminal::Ability;

/// What the core is put in.
struct World {
    core: Core,
    now: Instant,
    /// What came from the core for the server, cut into requests.
    frames: Frames,
    heard: VecDeque<(Tag, OwnedRequest)>,
    /// What was printed, stdout and stderr as one.
    printed: String,
    /// What was asked of other users' part, and of files.
    peer: Vec<PeerAction>,
    /// The local file that there is.
    file: Option<Vec<u8>>,
    /// What was stored.
    stored: Vec<u8>,
    /// A connection is wanted.
    dials: bool,
    /// The certificate that the user has said to trust.
    trusted: Option<Fingerprint>,
    ending: Option<Ending>,
    /// Nobody reads what is printed.
    is_stuck: bool,
}

const SILENCE_MAX: Duration = Duration::from_secs(90);

fn key() -> Option<forum_common::wire::Key> {
    let mut key = [0; 16];
    key.fill_with(|| fastrand::u8(..));
    Some(key)
}

impl World {
    /// In pipes, or on a terminal of 80 columns, as yoda.
    fn new(on_terminal: bool) -> Self {
        Self::pipelining(on_terminal, 1)
    }

    /// The same with so many lines of a pipe in flight.
    fn pipelining(on_terminal: bool, pipeline: usize) -> Self {
        let known = Known::User { name: "yoda".into(), password: Zeroizing::new("jedi".into()) };
        let options = Options {
            server: "there:1".into(),
            udp_port: 0,
            known,
            presence: true,
            is_quiet: false,
            format: Format::Text,
            has_colours: false,
            takes_over: false,
            pipeline,
            retry: None,
            stops_on_error: false,
            server_timeout: SILENCE_MAX,
        };
        let now = Instant::now();
        let place = on_terminal.then_some((Stream::Out, Ability::Full));
        let input = if on_terminal { Input::terminal(&[]) } else { Input::pipe() };
        let surroundings = Surroundings { new_key: key, paths: |_| Vec::new() };
        let mut world = Self {
            core: Core::new(options, input, place, surroundings, now),
            now,
            frames: Frames::default(),
            heard: VecDeque::new(),
            printed: String::new(),
            peer: Vec::new(),
            file: None,
            stored: Vec::new(),
            dials: false,
            trusted: None,
            ending: None,
            is_stuck: false,
        };
        world.give(Event::Tick);
        assert!(world.dials);
        world
    }

    /// The same, logged in.
    fn logged_in(on_terminal: bool) -> Self {
        let mut world = Self::new(on_terminal);
        world.connect();
        world
    }

    /// Makes a connection and lets the user in.
    fn connect(&mut self) {
        assert!(std::mem::take(&mut self.dials), "nobody wants a connection");
        self.frames = Frames::default();
        self.heard.clear();
        self.give(Event::Connected(Ok(8_001)));
        let hello = OwnedReply::ServerHello {
            version: VERSION,
            server: "test".into(),
            features: String::new(),
            limits: LimitListBuf::default(),
            zone: "UTC".into(),
            now_ms: 0,
            servers: None,
        };
        for reply in [
            hello.as_ref(),
            Reply::PasswordWanted { known: true },
            Reply::Welcome { session: 1, since_ms: 0, text: "Welcome to the forum" },
        ] {
            let (tag, _) = self.heard.pop_front().expect("a step of the log-in");
            self.reply(tag, &reply);
        }
    }

    /// Lets something happen, and does all that comes of it.
    fn give(&mut self, event: Event<'_>) {
        self.core.input(event, self.now);
        self.settle();
    }

    fn settle(&mut self) {
        loop {
            while let Some(action) = self.core.poll_output() {
                assert_eq!(self.ending, None, "{action:?} after the end");
                self.perform(action);
            }
            if self.print() == 0 && !self.listen() {
                return;
            }
        }
    }

    fn perform(&mut self, action: Action) {
        let now = self.now;
        match action {
            Action::Dial => self.dials = true,
            Action::Trust(certificate) => self.trusted = Some(certificate),
            Action::End(ending) => self.ending = Some(ending),
            Action::Peer(PeerAction::AskPrivate { user }) => {
                self.core.input(Event::Report(Report::AskPrivate { user, enabled: false }), now);
            }
            Action::Peer(action) => self.peer.push(action),
            Action::File(file, action) => self.file(file, action),
            Action::AskPeerStatus { .. } => self.core.input(Event::PeerStatus(vec!["a file".into()]), now),
            Action::Suspend => self.core.input(Event::Resumed, now),
            Action::HangUp | Action::Remember(_) | Action::ShowTyping(_) => {}
        }
    }

    fn file(&mut self, file: FileId, action: event::FileAction) {
        use event::FileAction::{Append, Close, Create, Finish, Leave, Look, Open, Read};
        let content = self.file.as_deref().unwrap_or_default();
        let event = match action {
            Open(path) if self.file.is_none() => {
                FileEvent::Failed(event::FileProblem::Other(format!("File {path} does not exist")))
            }
            Open(path) => FileEvent::Opened { name: path, size: content.len() as u64 },
            Read { offset, bytes_max } => {
                let rest = &content[offset as usize..];
                FileEvent::Read(rest[..rest.len().min(bytes_max)].to_vec())
            }
            Look(_) => FileEvent::Found(None),
            Create { .. } => FileEvent::Created,
            Append(bytes) => {
                self.stored.extend_from_slice(&bytes);
                FileEvent::Appended(bytes.len())
            }
            Finish => FileEvent::Finished(None),
            Close | Leave => return,
        };
        self.core.input(Event::File(file, event), self.now);
    }

    /// Reads what is printed, a piece at a time; how many bytes.
    fn print(&mut self) -> usize {
        let Some((stream, bytes)) = self.core.unprinted().filter(|_| !self.is_stuck) else { return 0 };
        let count = bytes.len().min(4_096);
        self.printed += std::str::from_utf8(&bytes[..count]).expect("whole characters");
        self.core.input(Event::Printed(stream, count), self.now);
        count
    }

    /// Takes what was sent to the server; whether there was anything.
    fn listen(&mut self) -> bool {
        let bytes = self.core.unsent().len();
        let mut unsent = self.core.unsent();
        while !unsent.is_empty() {
            unsent = &unsent[self.frames.feed(unsent)..];
            while let Some(frame) = self.frames.take().unwrap() {
                if let Ok(request) = Request::decode(&frame) {
                    self.heard.push_back((frame.tag, request.owned()));
                }
            }
        }
        self.core.input(Event::Sent { bytes, all_taken: true }, self.now);
        bytes > 0
    }

    fn types(&mut self, text: &str) {
        self.give(Event::Typed(text.as_bytes()));
    }

    fn hears(&mut self, wanted: &str) -> Tag {
        let (tag, request) = self.heard.pop_front().unwrap_or_else(|| panic!("nothing instead of {wanted}"));
        let mut request = request;
        let mut borrowed = request.as_ref();
        if let Some(key) = borrowed.key_mut() {
            *key = None;
        }
        let heard = format!("{borrowed:?}");
        request = borrowed.owned();
        drop(request);
        assert_eq!(heard, wanted);
        tag
    }

    fn reply(&mut self, tag: Tag, reply: &Reply<'_>) {
        let mut bytes = Vec::new();
        reply.encode(tag, &mut bytes);
        self.receive(&bytes);
    }

    fn notice(&mut self, notice: &Notice<'_>) {
        let mut bytes = Vec::new();
        notice.encode(NO_TAG, &mut bytes);
        self.receive(&bytes);
    }

    fn receive(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.core.interest().receive {
            let count = self.core.receive_room().min(bytes.len());
            assert!(count > 0, "room for bytes that are wanted");
            self.give(Event::Received(&bytes[..count]));
            bytes = &bytes[count..];
        }
    }

    fn passes(&mut self, time: Duration) {
        self.now += time;
        self.give(Event::Tick);
    }

    /// What was printed since the last look.
    fn seen(&mut self) -> String {
        std::mem::take(&mut self.printed)
    }
}

fn created<'a>(text: &'a str) -> Reply<'a> {
    Reply::ThreadCreated { thread: 1, at_ms: 0, text }
}

fn message(number: u64, text: &str) -> Notice<'_> {
    Notice::Message { number, late: false, at_ms: 0, from: "hans", text }
}
