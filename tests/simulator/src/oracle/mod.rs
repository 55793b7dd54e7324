//! The judge: sees every entry as it is applied and everything that clients are told, and holds both against the
//! reference.
//!
//! What is answered must be what the reference says of some version between the request's sending and its answer, and
//! not before what the same connection was shown. So nobody is shown the past, and no list mixes two instants.

mod answers;
mod entries;
mod expected;
mod log;
mod notices;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

use forum_common::wire::{LinkId, OwnedNotice, OwnedRequest, Tag};
use forumd::session::ConnectionId;

use self::expected::Expected;
use crate::model::{Outcome, Said, State, User};

/// What is said of a failure: a list may be long.
const FAILURE_BYTES_MAX: usize = 1_500;

/// A version of the reference: how many entries were applied before.
pub(crate) type Version = usize;

/// All that is known, and what was wrong first.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    /// The state after each entry, and after each start; the last is the present one.
    versions: Vec<State>,
    /// By socket.
    conns: Vec<Conn>,
    sockets: HashMap<ConnectionId, usize>,
    /// What entries came to whose answer was not seen yet.
    decided: HashMap<(usize, Tag), (Version, Outcome)>,
    /// Every kept entry that was applied, as it stands in the log.
    applied: Vec<Vec<u8>>,
    /// How many entries were on their way, from which version on.
    in_flight: Vec<(Version, usize)>,
    /// What posts in a thread and messages in a mailbox are limited to.
    pub(crate) max_posts: usize,
    pub(crate) max_mailbox: usize,
    /// Every message to one user there ever was.
    messages: HashMap<(User, u64), Rc<Said>>,
    /// The newest message of each user that a client has acknowledged.
    acked: HashMap<User, u64>,
    /// All that clients have said to be read: who, the title, up to which item.
    read: HashSet<(User, String, u64)>,
    /// Up to here a client has acknowledged and then left in order: none of these may come again.
    taken: HashMap<User, u64>,
    /// Texts that were said over links through the server, and were not heard yet.
    relayed: HashMap<Vec<u8>, LinkId>,
    /// Users for whose acknowledgement, up to this message, there was no space.
    untaken: HashMap<User, u64>,
    /// The server is told to end: nobody hears who goes.
    pub(crate) is_ending: bool,
    failure: Option<String>,
    /// What was applied since it was last asked for, for people; none if nobody wants to know.
    pub(crate) story: Option<Vec<String>>,
}

/// What is known of a connection.
#[derive(Debug, Default)]
pub(crate) struct Conn {
    /// Requests for which there may be an entry yet.
    asked: BTreeMap<Tag, OwnedRequest>,
    /// A server has accepted it that has crashed since.
    is_old: bool,
    /// Nothing that it was told of was taken by a power cut.
    is_judged: bool,
    /// It wants to hear of comings and goings.
    presence: bool,
    /// Requests to change that which are not answered: until then it may hear of them or not.
    presence_changes: u32,
    /// Who is logged in on it.
    pub(crate) user: Option<User>,
    /// Its session is not over.
    listens: bool,
    since_ms: u64,
    /// What its session is called.
    session: u64,
    /// Nothing it is shown may be older.
    floor: Version,
    /// What it is to be told next.
    expected: Expected,
    /// Messages that its user had acknowledged in order before it logged in.
    taken: u64,
    /// The last message that it was sent.
    newest_message: u64,
    /// What names it claims, and whose passwords it gives.
    pub(crate) claim: Option<(String, String)>,
}

impl Conn {
    /// The next that it is to be told.
    fn expect(&mut self, notice: OwnedNotice) {
        // Who reads too slowly, or will say nothing more, is asked nothing: its server says no.
        let is_optional =
            matches!(notice, OwnedNotice::PrivateQuestion { .. } | OwnedNotice::FileQuestion { .. });
        self.expected.push(notice, is_optional);
    }

    /// It is to hear of somebody who has come or gone, if it wants that.
    fn expect_presence(&mut self, notice: OwnedNotice) {
        let is_optional = self.presence_changes > 0;
        if self.presence || is_optional {
            self.expected.push(notice, is_optional);
        }
    }

    /// It asks to hear of that, or not: then nothing of it that waits need be said any more.
    pub(crate) fn begin_presence(&mut self, on: bool) {
        self.presence_changes += 1;
        if !on {
            let is_presence =
                |notice: &_| matches!(notice, OwnedNotice::LoggedIn { .. } | OwnedNotice::LoggedOut { .. });
            self.expected.make_optional(is_presence);
        }
    }

    /// That was answered: so it is from then on, or, refused, as it was.
    pub(crate) fn end_presence(&mut self, on: Option<bool>) {
        self.presence_changes -= 1;
        self.presence = on.unwrap_or(self.presence);
    }
}

impl Oracle {
    /// Nothing has happened yet.
    pub(crate) fn new(is_told: bool) -> Self {
        Self { versions: vec![State::default()], story: is_told.then(Vec::new), ..Self::default() }
    }

    /// What was wrong first.
    pub(crate) fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// Something is wrong.
    pub(crate) fn fail(&mut self, what: impl Into<String>) {
        if self.failure.is_none() {
            let mut what = what.into();
            what.truncate(what.floor_char_boundary(FAILURE_BYTES_MAX));
            self.failure = Some(what);
        }
    }

    /// Something is wrong unless this holds.
    pub(crate) fn expect(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.fail(what());
        }
    }

    /// The present state.
    pub(crate) fn state(&self) -> &State {
        self.versions.last().expect("there is always one")
    }

    /// The present version.
    pub(crate) fn version(&self) -> Version {
        self.versions.len() - 1
    }

    /// So many entries are on their way now.
    pub(crate) fn note_in_flight(&mut self, count: usize) {
        if self.in_flight.last().is_none_or(|(_, last)| *last != count) {
            self.in_flight.push((self.version(), count));
        }
    }

    /// A client has connected.
    pub(crate) fn connected(&mut self, socket: usize, presence: bool) {
        debug_assert_eq!(socket, self.conns.len());
        self.conns.push(Conn { presence, is_judged: true, ..Conn::default() });
    }

    /// The server has accepted it.
    pub(crate) fn registered(&mut self, socket: usize, id: ConnectionId) {
        self.sockets.insert(id, socket);
    }

    /// A connection.
    pub(crate) fn conn(&mut self, socket: usize) -> &mut Conn {
        &mut self.conns[socket]
    }

    /// Whether the server that had accepted a connection has crashed.
    pub(crate) fn is_old(&self, socket: usize) -> bool {
        self.conns[socket].is_old
    }

    /// A request is sent.
    pub(crate) fn asks(&mut self, socket: usize, tag: Tag, request: &OwnedRequest) {
        if let OwnedRequest::RelaySealed { link, ciphertext } = request {
            self.relayed.insert(ciphertext.clone(), *link);
        }
        self.conns[socket].asked.insert(tag, request.clone());
    }

    /// A client acknowledges its messages.
    pub(crate) fn acknowledges(&mut self, socket: usize, up_to: u64) {
        if let Some(user) = self.conns[socket].user {
            let newest = self.acked.entry(user).or_default();
            *newest = (*newest).max(up_to);
        }
    }

    /// A client says that its user has read a thread.
    pub(crate) fn marks(&mut self, socket: usize, title: &str, up_to: u64) {
        let user = self.conns[socket].user;
        self.read.extend(user.map(|user| (user, title.to_owned(), up_to)));
    }

    /// A connection has ended in order after all that was sent on it was taken: what was acknowledged there is gone.
    pub(crate) fn left_in_order(&mut self, socket: usize, acked: u64) {
        if let Some(user) = self.conns[socket].user
            && !self.untaken.contains_key(&user)
        {
            let newest = self.taken.entry(user).or_default();
            *newest = (*newest).max(acked);
        }
    }

    /// The next notice that a connection was not told yet.
    pub(crate) fn untold(&self, socket: usize) -> Option<&OwnedNotice> {
        // Who reads slowly may not have been asked.
        self.conns[socket].expected.due()
    }

    /// A connection is over: nothing more is told on it.
    pub(crate) fn over(&mut self, socket: usize) {
        self.conns[socket].expected.clear();
    }
}

impl Conn {
    /// A request was answered, and has no entry.
    pub(crate) fn forget(&mut self, tag: Tag) {
        self.asked.remove(&tag);
    }
}
