//! Files between this user and others: who is asked, who has agreed, what is on its way.
//!
//! One UDP socket serves them all. Which datagram is whose says the session in it, which only the two ends of a
//! transfer know; a datagram of no session is dropped without an answer.

mod incoming;
mod outgoing;
mod transfer;

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use forum_common::wire::{Key, LinkId, Request};
use rustix::event::{PollFd, PollFlags};

use self::incoming::Incoming;
use self::outgoing::Outgoing;
use super::folder::{Place, Problem};
use super::transport::socket::PeerSocket;
use super::{Context, NO_DIRECT_WAY};
use crate::folder::Folder;
use crate::original::Source;

/// Times in a turn that datagrams are taken in, before others have their turn.
const RECEIVE_ROUNDS: usize = 8;

/// How often the server hears that a transfer goes on, which keeps this user from being logged out as idle.
const ACTIVE_EVERY: Duration = Duration::from_secs(1);

/// How long a socket that takes no more is waited for when a timer of a transfer is due as well.
const BLOCKED_MIN: Duration = Duration::from_millis(1);

/// All files on their way.
#[derive(Debug)]
pub(crate) struct Files {
    folder: Folder,
    socket: Option<PeerSocket>,
    outgoing: Vec<Outgoing>,
    incoming: Vec<Incoming>,
    /// Something could have gone on in the last turn, if the turn had not been over.
    has_more: bool,
    /// Bytes that were through when the server was last told that something goes on, and when that was.
    told_active: (u64, Option<Instant>),
}

impl Files {
    /// None yet; those that come go to `folder`.
    pub(crate) fn new(folder: Folder) -> Self {
        Self {
            folder,
            socket: None,
            outgoing: Vec::new(),
            incoming: Vec::new(),
            has_more: false,
            told_active: (0, None),
        }
    }

    /// Takes this address for files; port 0 = any. Returns the port that it has become. What is on its way at
    /// another address goes on from the new one.
    ///
    /// # Errors
    /// The port can't be had.
    pub(crate) fn settle_at(&mut self, here: SocketAddr) -> io::Result<u16> {
        let before = self.socket.as_ref().and_then(|socket| socket.local_addr().ok());
        let stays = |before: &SocketAddr| {
            before.ip() == here.ip() && (here.port() == 0 || before.port() == here.port())
        };
        if let Some(before) = before.filter(stays) {
            return Ok(before.port());
        }
        let socket = PeerSocket::new(UdpSocket::bind(here)?)?;
        let port = socket.local_addr()?.port();
        self.socket = Some(socket);
        Ok(port)
    }

    /// Where a file of this user would be put.
    ///
    /// # Errors
    /// It can't be.
    pub(crate) fn place_for(&self, from: &str, file: &str, size: u64) -> Result<Place, Problem> {
        Place::new(&self.folder, from, file, size)
    }

    /// The server is asking the other user whether it takes the file.
    pub(crate) fn asked(&mut self, link: LinkId, user: &str, source: Source, context: &mut Context<'_>) {
        match Outgoing::new(link, user, source) {
            Ok(outgoing) => self.outgoing.push(outgoing),
            Err(reason) => {
                context.refuse(&reason);
                context.tell(&Request::EndLink { link, stopped: false });
            }
        }
    }

    /// This user takes a file.
    pub(crate) fn agreed(
        &mut self,
        link: LinkId,
        from: &str,
        file: &str,
        size: u64,
        context: &mut Context<'_>,
    ) {
        match self.place_for(from, file, size) {
            Ok(place) => {
                let incoming = Incoming::new(link, from, file, size, place);
                incoming.answer(context);
                self.incoming.push(incoming);
            }
            // It has come into being since the question was asked.
            Err(problem) => {
                context.say(problem);
                context.tell(&Request::AnswerQuestion { link, yes: false });
            }
        }
    }

    /// The other user does not take it.
    pub(crate) fn declined(&mut self, link: LinkId, context: &mut Context<'_>) {
        if let Some(outgoing) = self.sent_over(link) {
            outgoing.declined(context);
        }
    }

    /// The other user takes it.
    pub(crate) fn prepare(&mut self, link: LinkId, token: Key, context: &mut Context<'_>) {
        let at = self.outgoing.iter().position(|outgoing| outgoing.link == Some(link));
        if let Some(outgoing) = at.map(|at| &mut self.outgoing[at]) {
            outgoing.prepare(token);
            outgoing.advance(self.socket.as_mut(), context);
        }
    }

    /// The other end is there; with no address there is no way but through the server.
    pub(crate) fn introduced(
        &mut self,
        link: LinkId,
        token: Key,
        there: Option<SocketAddr>,
        context: &mut Context<'_>,
    ) {
        if let Some(outgoing) = self.sent_over(link) {
            outgoing.introduced(link, there, context.now);
        }
        if let Some(incoming) = self.received_over(link) {
            incoming.introduced(link, token, there, context);
        }
    }

    /// The server knows which way it is.
    pub(crate) fn stands(&mut self, link: LinkId, relayed: bool, context: &mut Context<'_>) {
        if !relayed {
            return;
        }
        if let Some(outgoing) = self.sent_over(link) {
            context.say(format_args!("{} goes through the server: {NO_DIRECT_WAY}", outgoing.name()));
            outgoing.transfer().into_iter().for_each(|transfer| transfer.relay());
        }
        if let Some(incoming) = self.received_over(link) {
            context.say(format_args!("{} comes through the server: {NO_DIRECT_WAY}", incoming.name()));
            incoming.transfer().into_iter().for_each(|transfer| transfer.relay());
        }
    }

    /// The other end has left.
    pub(crate) fn ended(&mut self, link: LinkId, context: &mut Context<'_>) {
        if let Some(outgoing) = self.sent_over(link) {
            outgoing.other_is_gone(context);
        }
        if let Some(incoming) = self.received_over(link) {
            incoming.other_is_gone(context);
        }
    }

    /// The server has brought a datagram.
    pub(crate) fn relayed(&mut self, link: LinkId, datagram: &[u8], now: Instant) {
        if let Some(transfer) = self.sent_over(link).and_then(Outgoing::transfer) {
            transfer.take_relayed(now, datagram);
        }
        if let Some(transfer) = self.received_over(link).and_then(Incoming::transfer) {
            transfer.take_relayed(now, datagram);
        }
        self.has_more = true;
    }

    /// The connection to the server is gone.
    pub(crate) fn disconnected(&mut self, context: &mut Context<'_>) {
        self.outgoing.iter_mut().for_each(|outgoing| outgoing.disconnected(context));
        self.incoming.iter_mut().for_each(|incoming| incoming.disconnected(context));
    }

    /// This user logs out: what is not through is given up, and the other ends are told so once.
    pub(crate) fn hang_up(&mut self, context: &mut Context<'_>) {
        self.outgoing.iter_mut().for_each(|outgoing| outgoing.give_up(context));
        self.incoming.iter_mut().for_each(|incoming| incoming.give_up(context));
        self.attend(context);
    }

    /// This user gives up what is on its way: all, or the files of this name. Returns whether there was any.
    pub(crate) fn cancel(&mut self, name: Option<&str>, context: &mut Context<'_>) -> bool {
        let is_meant = |it: &str| name.is_none_or(|name| name == it);
        let mut found = false;
        for outgoing in self.outgoing.iter_mut().filter(|it| it.is_unanswered() && is_meant(it.name())) {
            outgoing.cancel(context);
            found = true;
        }
        for incoming in self.incoming.iter_mut().filter(|it| it.is_unfinished() && is_meant(it.name())) {
            incoming.cancel(context);
            found = true;
        }
        self.attend(context);
        found
    }

    /// Whether this user waits for a file to arrive elsewhere.
    pub(crate) fn is_sending(&self) -> bool {
        self.outgoing.iter().any(Outgoing::is_unanswered)
    }

    /// Whether a file goes on as soon as the server takes more.
    pub(crate) fn is_held(&self) -> bool {
        self.outgoing.iter().any(Outgoing::is_held)
    }

    /// Whether something is on its way.
    pub(crate) fn is_transferring(&self) -> bool {
        self.is_sending() || self.incoming.iter().any(Incoming::is_unfinished)
    }

    /// Whether a sender may still have to hear that all has arrived.
    pub(crate) fn is_busy(&self) -> bool {
        self.incoming.iter().any(Incoming::owes_result)
    }

    /// A line for each file on its way.
    pub(crate) fn status(&mut self, now: Instant, columns: usize) -> Vec<String> {
        let outgoing = self.outgoing.iter_mut().filter_map(|outgoing| outgoing.status(now, columns));
        outgoing
            .chain(self.incoming.iter_mut().filter_map(|incoming| incoming.status(now, columns)))
            .collect()
    }

    /// What to poll for.
    pub(crate) fn poll_fds<'a>(&'a self, fds: &mut Vec<PollFd<'a>>) {
        // Nothing is expected, and strangers can wait, until something is on its way.
        if let Some(socket) = self.socket.as_ref().filter(|_| !self.is_idle()) {
            let mut interest = PollFlags::IN;
            interest.set(PollFlags::OUT, socket.wants_to_write());
            fds.push(PollFd::new(socket, interest));
        }
    }

    fn is_idle(&self) -> bool {
        self.outgoing.is_empty() && self.incoming.is_empty()
    }

    /// When [`Files::attend`] is due even if nothing shows.
    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        if self.has_more {
            return Some(now);
        }
        let outgoing = self.outgoing.iter().filter_map(|outgoing| outgoing.due(now));
        let due = outgoing.chain(self.incoming.iter().filter_map(|incoming| incoming.due(now))).min()?;
        let is_blocked = self.socket.as_ref().is_some_and(PeerSocket::wants_to_write);
        Some(if is_blocked { due.max(now + BLOCKED_MIN) } else { due })
    }

    /// Does whatever the socket and the clock allow.
    pub(crate) fn attend(&mut self, context: &mut Context<'_>) {
        if self.is_idle() {
            return;
        }
        self.has_more = self.receive(context.now);
        for outgoing in &mut self.outgoing {
            self.has_more |= outgoing.advance(self.socket.as_mut(), context);
        }
        for incoming in &mut self.incoming {
            self.has_more |= incoming.advance(self.socket.as_mut(), context);
        }
        self.sweep();
        self.tell_active(context);
    }

    /// Forgets what is over.
    pub(crate) fn sweep(&mut self) {
        self.outgoing.retain(|outgoing| !outgoing.is_over());
        self.incoming.retain(|incoming| !incoming.is_over());
    }

    /// Takes in datagrams, up to a share. Returns whether there may be more.
    fn receive(&mut self, now: Instant) -> bool {
        let Self { socket: Some(socket), outgoing, incoming, .. } = self else { return false };
        for _ in 0..RECEIVE_ROUNDS {
            let has_received = socket.receive(|from, datagram| {
                let to_sender = outgoing.iter_mut().filter_map(Outgoing::transfer);
                let is_taken = to_sender.into_iter().any(|transfer| transfer.take(now, from, datagram));
                if !is_taken {
                    let mut to_receiver = incoming.iter_mut().filter_map(Incoming::transfer);
                    to_receiver.any(|transfer| transfer.take(now, from, datagram));
                }
            });
            // A socket that fails is like a network that does: the transfers notice.
            if !has_received.unwrap_or(false) {
                return false;
            }
        }
        true
    }

    fn tell_active(&mut self, context: &mut Context<'_>) {
        let outgoing = self.outgoing.iter().filter_map(Outgoing::bytes_done);
        let bytes: u64 = outgoing.chain(self.incoming.iter().filter_map(Incoming::bytes_done)).sum();
        let (told, at) = self.told_active;
        if bytes != told && at.is_none_or(|at| context.now >= at + ACTIVE_EVERY) {
            context.tell(&Request::Active);
            self.told_active = (bytes, Some(context.now));
        }
    }

    fn sent_over(&mut self, link: LinkId) -> Option<&mut Outgoing> {
        self.outgoing.iter_mut().find(|outgoing| outgoing.link == Some(link))
    }

    fn received_over(&mut self, link: LinkId) -> Option<&mut Incoming> {
        self.incoming.iter_mut().find(|incoming| incoming.link == Some(link))
    }
}
