//! A client's end of a connection: how it begins, what it sends and receives, and how it ends.

use std::collections::BTreeMap;

use forum_common::wire::{
    Closing, Event, OwnedNotice, OwnedReply, OwnedRequest, OwnedTransfer, Peer, Tag, VERSION,
};

use super::{Asked, Client, Connection, LastWord, Note, Phase};
use crate::clock::SECOND;
use crate::kernel::{End, Event as Happening};
use crate::model::Listed;
use crate::stage::Stage;

/// What has come, out of the peer's hands.
enum Came {
    Item,
    Answer(Tag, Note, OwnedReply),
    Starts(Tag, OwnedRequest, OwnedReply),
    Transfer(Tag, OwnedTransfer),
    Downloaded(Tag, Note, OwnedTransfer),
    Notice(OwnedNotice),
}

impl Client {
    /// Connects, and says hello.
    pub(super) fn connect(&mut self, stage: &mut Stage) {
        let (up, down) = stage.plan.connection();
        let socket = stage.kernel.borrow_mut().connect(up, down);
        let presence = self.rng.chance(stage.plan.presence);
        stage.oracle.borrow_mut().connected(socket, presence);
        if stage.is_calm {
            // Each its own, and all get in.
            self.name = self.number;
        } else if self.rng.chance(300) {
            self.name = self.rng.index(stage.plan.names);
        }
        self.is_deaf = false;
        self.connection = Some(Connection {
            socket,
            peer: Peer::default(),
            phase: Phase::Greeting,
            name: self.name,
            newest_message: 0,
            acked: 0,
            is_finished: false,
            last_word: None,
            transfers: BTreeMap::new(),
            links: super::links::Links::default(),
        });
        let hello = OwnedRequest::ClientHello { version: VERSION, client: "simulator".into(), presence };
        self.ask(stage, &hello, Asked::Hello);
        if self.rng.chance(300) {
            self.give_name(stage);
        }
        self.flush(stage);
        stage.say(|| format!("client {} connects as u{}: socket {socket}", self.number, self.name));
    }

    /// Queues a request.
    pub(super) fn ask(&mut self, stage: &mut Stage, request: &OwnedRequest, asked: Asked) -> Tag {
        let Some(connection) = &mut self.connection else { return 0 };
        if connection.is_finished {
            return 0;
        }
        let (from, at) = (stage.version(), stage.now());
        let is_members = matches!(asked, Asked::Member(_));
        let note = Note { asked, from, at, listed: Listed::default() };
        let tag = connection.peer.ask(&request.as_ref(), note);
        if is_members {
            stage.oracle.borrow_mut().asks(connection.socket, tag, request);
        }
        let (number, socket) = (self.number, connection.socket);
        stage.trace.note(&[1, socket as u64, tag.into()]);
        stage.say(|| format!("client {number} asks {socket}/{tag}: {request:?}"));
        tag
    }

    /// Queues what has no answer.
    pub(super) fn tell(&mut self, request: &OwnedRequest) {
        if let Some(connection) = self.connection.as_mut().filter(|connection| !connection.is_finished) {
            connection.peer.tell(&request.as_ref());
        }
    }

    /// Sends what the kernel takes.
    pub(crate) fn flush(&mut self, stage: &mut Stage) {
        let Some(connection) = &mut self.connection else { return };
        if connection.is_finished {
            return;
        }
        loop {
            let unsent = connection.peer.unsent();
            if unsent.is_empty() {
                break;
            }
            let count = stage.kernel.borrow_mut().send(connection.socket, unsent);
            if count == 0 {
                break;
            }
            connection.peer.sent(count);
        }
    }

    /// Breaks off, as the plan wants it; says whether it did.
    pub(super) fn breaks_off(&mut self, stage: &mut Stage) -> bool {
        let Some(connection) = &mut self.connection else { return true };
        let (socket, faults) = (connection.socket, stage.plan.faults.clone());
        let number = self.number;
        if self.rng.chance(faults.reset) {
            stage.say(|| format!("client {number} resets {socket}"));
            stage.kernel.borrow_mut().abort(socket);
            self.lose(stage);
        } else if self.rng.chance(faults.vanish) {
            stage.say(|| format!("client {number} vanishes from {socket}"));
            stage.kernel.borrow_mut().vanish(socket);
            self.lose(stage);
        } else if !connection.is_finished
            && connection.peer.unsent().is_empty()
            && self.rng.chance(faults.fin)
        {
            stage.say(|| format!("client {number} sends FIN on {socket}"));
            connection.is_finished = true;
            stage.kernel.borrow_mut().finish(socket);
        } else if self.rng.chance(faults.deafness) {
            let time = self.rng.magnitude(SECOND / 100, 90 * SECOND);
            stage.say(|| format!("client {number} is deaf for {} ms", time / 1_000_000));
            self.is_deaf = true;
            stage.kernel.borrow_mut().push_after(time, Happening::Resume(number));
        } else if self.rng.chance(faults.stall) {
            let until = stage.now() + self.rng.magnitude(SECOND / 100, 20 * SECOND);
            let end = *self.rng.pick(&[End::Client, End::Server]);
            stage.say(|| format!("socket {socket} stalls towards {end:?} until {} ms", until / 1_000_000));
            stage.kernel.borrow_mut().stall(socket, end, until);
            stage.faults += 1;
            return false;
        } else {
            return connection.is_finished;
        }
        stage.faults += 1;
        true
    }

    /// Reads what has come, and sees whether the connection still stands.
    pub(crate) fn look(&mut self, stage: &mut Stage) {
        let Some(connection) = &mut self.connection else { return };
        if self.is_deaf {
            return;
        }
        let socket = connection.socket;
        let bytes = stage.kernel.borrow_mut().receive(socket);
        stage.trace.bytes(&bytes);
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let Some(connection) = &mut self.connection else { return };
            let count = connection.peer.input().feed(rest);
            rest = &rest[count..];
            self.take_events(stage);
        }
        let (was_reset, is_over) = {
            let kernel = stage.kernel.borrow();
            (kernel.socket(socket).client_was_reset, kernel.socket(socket).is_finished())
        };
        if was_reset {
            stage.say(|| format!("socket {socket} was reset"));
            self.lose(stage);
        } else if is_over {
            self.part(stage);
        } else {
            self.flush(stage);
        }
    }

    fn take_events(&mut self, stage: &mut Stage) {
        while let Some(connection) = &mut self.connection {
            let came = match connection.peer.next_event() {
                Ok(None) => return,
                Err(error) => return stage.fail(format!("client {} can't understand: {error}", self.number)),
                Ok(Some(event)) => match event {
                    Event::Item(_, note, reply) => {
                        note.listed.items.push(reply.owned());
                        Came::Item
                    }
                    Event::Answer(tag, note, reply) => Came::Answer(tag, note, reply.owned()),
                    Event::Starts(tag, note, reply) => match &note.asked {
                        Asked::Member(request) => Came::Starts(tag, request.clone(), reply.owned()),
                        other => return stage.fail(format!("{other:?} begins a transfer")),
                    },
                    Event::Transfer(tag, _, transfer) => Came::Transfer(tag, transfer.owned()),
                    Event::Downloaded(tag, note, transfer) => Came::Downloaded(tag, note, transfer.owned()),
                    Event::Notice(notice) => Came::Notice(notice.owned()),
                },
            };
            let socket = connection.socket;
            if connection.last_word.is_some() {
                stage.fail(format!("something follows the last word on socket {socket}"));
            }
            match came {
                Came::Item => {}
                Came::Answer(tag, note, reply) => {
                    stage.say(|| format!("{socket}/{tag} is answered: {reply:?}"));
                    self.take_answer(stage, tag, note, reply);
                }
                Came::Starts(tag, request, reply) => self.take_start(stage, tag, &request, &reply),
                Came::Transfer(tag, transfer) => self.take_transfer(stage, tag, &transfer),
                Came::Downloaded(tag, note, transfer) => self.downloaded(stage, tag, &note, &transfer),
                Came::Notice(notice) => self.take_notice(stage, &notice),
            }
        }
    }

    fn take_notice(&mut self, stage: &mut Stage, notice: &OwnedNotice) {
        let Some(connection) = &mut self.connection else { return };
        let socket = connection.socket;
        stage.say(|| format!("{socket} is told {notice:?}"));
        stage.oracle.borrow_mut().told(socket, notice);
        match notice {
            OwnedNotice::Message { number, .. } => {
                connection.newest_message = *number;
                let is_idle = connection.peer.unanswered().next().is_none();
                if self.rng.chance(stage.plan.acks) && (is_idle || !stage.is_calm) {
                    self.acknowledge(stage);
                }
            }
            OwnedNotice::Closing { code, .. } => {
                let is_asked_for = *code == Closing::EndOfInput && connection.is_finished;
                let word = if is_asked_for { LastWord::InOrder } else { LastWord::Otherwise };
                connection.last_word = Some(word);
                stage.oracle.borrow_mut().over(socket);
            }
            other => self.take_link_notice(other),
        }
    }

    /// Says that all messages have arrived.
    pub(super) fn acknowledge(&mut self, stage: &mut Stage) {
        let Some(connection) = &mut self.connection else { return };
        if connection.newest_message > connection.acked && !connection.is_finished {
            let up_to = connection.newest_message;
            connection.acked = up_to;
            stage.oracle.borrow_mut().acknowledges(connection.socket, up_to);
            let socket = connection.socket;
            stage.say(|| format!("{socket} acknowledges messages up to {up_to}"));
            self.tell(&OwnedRequest::AckMessages { up_to });
        }
    }

    /// The server has closed: the client closes as well.
    fn part(&mut self, stage: &mut Stage) {
        let Some(connection) = &mut self.connection else { return };
        let socket = connection.socket;
        stage.say(|| format!("socket {socket} is closed by the server"));
        // Who takes nothing for so long that the server gives up hears nothing either.
        let (was_stuck, closed_at) = {
            let kernel = stage.kernel.borrow();
            (kernel.socket(socket).was_stuck, kernel.socket(socket).closed_at)
        };
        let is_old = stage.oracle.borrow().is_old(socket) || was_stuck || stage.had_stood_still(closed_at);
        match connection.last_word {
            None if !is_old => stage.fail(format!("socket {socket} was closed without a word")),
            Some(LastWord::InOrder) if !is_old => {
                let open = connection.peer.unanswered().find(|note| !self::is_transfer(note));
                if let Some(note) = open {
                    stage.fail(format!("socket {socket} was closed before {:?} was answered", note.asked));
                }
            }
            _ => {}
        }
        // All that waits in the client's own buffers is sent before its FIN.
        if !connection.is_finished {
            self.acknowledge(stage);
            self.flush(stage);
        }
        let Some(connection) = &self.connection else { return };
        if connection.peer.unsent().is_empty() {
            stage.kernel.borrow_mut().finish(socket);
            self.left.push((socket, connection.acked));
        } else {
            stage.kernel.borrow_mut().abort(socket);
        }
        self.lose(stage);
    }

    /// The connection is gone. What had a key can be asked for again.
    pub(super) fn lose(&mut self, stage: &mut Stage) {
        let Some(connection) = self.connection.take() else { return };
        stage.oracle.borrow_mut().over(connection.socket);
        let name = connection.name;
        for (_, note) in connection.peer.into_unanswered() {
            if let Asked::Member(request) = note.asked
                && request.as_ref().key().is_some()
                && self.rng.chance(stage.plan.repeats)
            {
                self.unsure.push((name, request));
            }
        }
    }

    /// Sees whether the server has read all of connections that were left: then what was acknowledged there is gone.
    pub(super) fn look_back(&mut self, stage: &mut Stage) {
        self.left.retain(|(socket, acked)| {
            let kernel = stage.kernel.borrow();
            let left = kernel.socket(*socket);
            let mut oracle = stage.oracle.borrow_mut();
            if left.was_read_out() && !left.client_was_reset && !oracle.is_old(*socket) {
                oracle.left_in_order(*socket, *acked);
            }
            !left.is_closed && !left.client_was_reset
        });
    }
}

fn is_transfer(note: &Note) -> bool {
    matches!(&note.asked, Asked::Member(OwnedRequest::Upload { .. } | OwnedRequest::Download { .. }))
}
