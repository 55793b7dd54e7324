//! A scripted client: it connects, logs in, asks for this and that, breaks off, and comes again. It speaks through the
//! same [`Peer`] as the real one, and hands all that it is told to the judge.

mod answers;
mod connection;
mod deeds;
mod files;
mod links;
mod login;

use std::collections::BTreeMap;

use forum_common::wire::{OwnedRequest, Peer, Tag};

use self::files::Transfer;
use crate::clock::Time;
use crate::model::Listed;
use crate::oracle::Version;
use crate::rng::Rng;
use crate::stage::Stage;

/// Requests that a client has on their way, at most: less than may be in flight, so none is held for that alone.
const UNANSWERED_MAX: usize = 60;

/// One client.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) number: usize,
    rng: Rng,
    /// Who it logs in as: an index of the names.
    name: usize,
    connection: Option<Connection>,
    /// Changes with a key that were not answered when a connection was lost, and whose they are.
    unsure: Vec<(usize, OwnedRequest)>,
    /// It reads nothing.
    pub(crate) is_deaf: bool,
    /// Things it has made up, so that each is another.
    made_up: u64,
    /// The session that it had last, and may take over.
    last_session: Option<u64>,
    /// Connections that it has left, with the newest message that it had acknowledged on each.
    left: Vec<(usize, u64)>,
    has_asked_calmly: bool,
    has_come_again: bool,
}

/// A connection that stands.
#[derive(Debug)]
struct Connection {
    socket: usize,
    peer: Peer<Note>,
    phase: Phase,
    /// Which of the names it is about.
    name: usize,
    /// The newest message that came, and the newest that was acknowledged.
    newest_message: u64,
    acked: u64,
    /// The client has sent FIN.
    is_finished: bool,
    /// A last word has come: no more answers follow.
    last_word: Option<LastWord>,
    transfers: BTreeMap<Tag, Transfer>,
    links: links::Links,
}

/// How a connection was ended by the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LastWord {
    /// After the client's own wish, or its FIN: all that was asked for is answered.
    InOrder,
    /// For another reason.
    Otherwise,
}

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Greeting,
    /// A name is to be given.
    Nameless,
    /// A name was given, and is to be answered.
    Naming,
    /// A password was given, or an answer to a question.
    Proving,
    Member,
    /// The client has said that it leaves.
    Leaving,
}

/// What is remembered of a request.
#[derive(Debug)]
struct Note {
    asked: Asked,
    /// The version at which it was sent, and when.
    from: Version,
    at: Time,
    listed: Listed,
}

#[derive(Debug)]
enum Asked {
    Hello,
    Name,
    /// With this password; the account may be new.
    Password(String),
    /// With this answer.
    TakeOver(bool),
    Member(OwnedRequest),
}

impl Client {
    /// A client that has not connected yet.
    pub(crate) fn new(number: usize, name: usize, rng: Rng) -> Self {
        Self {
            number,
            rng,
            name,
            connection: None,
            unsure: Vec::new(),
            is_deaf: false,
            made_up: 0,
            last_session: None,
            left: Vec::new(),
            has_asked_calmly: false,
            has_come_again: false,
        }
    }

    /// The socket of its connection.
    pub(crate) fn socket(&self) -> Option<usize> {
        self.connection.as_ref().map(|connection| connection.socket)
    }

    /// Takes a step: connects, asks for something, or breaks off. Says whether it was a member's.
    pub(crate) fn step(&mut self, stage: &mut Stage) -> bool {
        self.look_back(stage);
        if stage.is_ending {
            return false;
        }
        let Some(connection) = &self.connection else {
            self.connect(stage);
            return false;
        };
        let phase = connection.phase;
        if self.is_deaf || self.breaks_off(stage) {
            return phase == Phase::Member;
        }
        match phase {
            Phase::Nameless => self.give_name(stage),
            Phase::Member if !stage.is_calm => self.ask_around(stage),
            Phase::Member => self.ask_calmly(stage),
            Phase::Greeting | Phase::Naming | Phase::Proving | Phase::Leaving => {}
        }
        self.flush(stage);
        phase == Phase::Member
    }

    /// Whether nothing is left to be done once all is calm: it is logged in, answered and told everything.
    pub(crate) fn is_content(&self, stage: &Stage) -> bool {
        let Some(connection) = &self.connection else { return false };
        let oracle = stage.oracle.borrow();
        connection.phase == Phase::Member
            && connection.name == self.number
            && self.has_asked_calmly
            && connection.peer.unanswered().next().is_none()
            && self.unsure.is_empty()
            && oracle.untold(connection.socket).is_none()
            && oracle.has_all_messages(connection.socket)
    }

    /// Since when its oldest request waits.
    pub(crate) fn waits_since(&self) -> Option<(Time, String)> {
        let connection = self.connection.as_ref()?;
        let oldest = connection.peer.unanswered().min_by_key(|note| note.at)?;
        Some((oldest.at, format!("{:?}", oldest.asked)))
    }

    /// How it stands, for people.
    pub(crate) fn describe(&self, stage: &Stage) -> String {
        match &self.connection {
            None => format!("client {} is away", self.number),
            Some(connection) => {
                let unanswered: Vec<_> = connection.peer.unanswered().map(|note| &note.asked).collect();
                let oracle = stage.oracle.borrow();
                format!(
                    "client {} as u{} on socket {} is {:?}, waits for {unanswered:?} and {:?}, has all messages: {}",
                    self.number,
                    connection.name,
                    connection.socket,
                    connection.phase,
                    oracle.untold(connection.socket),
                    oracle.has_all_messages(connection.socket)
                )
            }
        }
    }
}
