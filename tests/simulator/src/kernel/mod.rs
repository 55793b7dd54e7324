//! The machine's kernel as the server and its clients see it: sockets, readiness, descriptors, and the order of what
//! happens. It behaves as Linux does where the server relies on that: an edge for all that comes, a word of room when a
//! third of a buffer is free, a reset where unread bytes are thrown away.

mod door;
mod pipe;
mod queue;
mod socket;

use std::cell::RefCell;
use std::io::ErrorKind;
use std::rc::Rc;

use forumd::net::connection::PeerEnd;
use forumd::session::ConnectionId;

pub(crate) use self::door::SimDoor;
pub(crate) use self::pipe::{Fin, Manners};
use self::pipe::{Packet, Pipe};
pub(crate) use self::queue::{End, Event, Queue};
pub(crate) use self::socket::{SimStream, Socket};
use crate::clock::{SECOND, SimClock, Time};
use crate::rng::Rng;

/// How long sent bytes may stay unacknowledged: what the server's listener asks for.
const USER_TIMEOUT: Time = 65 * SECOND;
/// Of the dead, how many may still have events.
const GRAVES_MAX: usize = 8;

/// A kernel that the world and the server share.
pub(crate) type Shared = Rc<RefCell<Kernel>>;

/// What the poll says of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ready {
    /// Which.
    pub(crate) id: ConnectionId,
    /// It may be read.
    pub(crate) readable: bool,
    /// It may be written to.
    pub(crate) writable: bool,
    /// What is known of the client.
    pub(crate) peer_end: PeerEnd,
}

/// The kernel.
#[derive(Debug)]
pub(crate) struct Kernel {
    /// What happens when.
    pub(crate) queue: Queue,
    clock: SimClock,
    rng: Rng,
    sockets: Vec<Socket>,
    /// Sockets with news for the poll.
    ready: Vec<usize>,
    /// Connections that are gone, of which events may still come.
    graves: Vec<ConnectionId>,
    /// Connections that wait to be accepted, and whether that is news.
    backlog: std::collections::VecDeque<usize>,
    door_is_open: bool,
    door_has_news: bool,
    /// A helper has woken the loop.
    woken: bool,
    /// Sockets that the server has open.
    pub(crate) open_sockets: usize,
    /// Descriptors in use, by others as well, and how many there may be.
    descriptors: usize,
    descriptors_max: usize,
    /// Accepts that fail next, though somebody waits.
    accept_errors: usize,
    /// Of a thousand reads and writes, how many are interrupted.
    interrupts: u32,
}

impl Kernel {
    /// A kernel without sockets.
    pub(crate) fn new(clock: SimClock, rng: Rng, descriptors_max: usize, interrupts: u32) -> Shared {
        Rc::new(RefCell::new(Self {
            queue: Queue::default(),
            clock,
            rng,
            sockets: Vec::new(),
            ready: Vec::new(),
            graves: Vec::new(),
            backlog: std::collections::VecDeque::new(),
            door_is_open: false,
            door_has_news: false,
            woken: false,
            open_sockets: 0,
            descriptors: 0,
            descriptors_max,
            accept_errors: 0,
            interrupts,
        }))
    }

    /// A client connects; the socket that it gets. Each direction has its manners.
    pub(crate) fn connect(&mut self, up: Manners, down: Manners) -> usize {
        let index = self.sockets.len();
        self.sockets.push(Socket::new(Pipe::new(up), Pipe::new(down)));
        let at = self.clock.time() + self.rng.between(up.delay.0, up.delay.1);
        self.queue.push(at, Event::Knock(index));
        index
    }

    /// Has something happen so much later.
    pub(crate) fn push_after(&mut self, delay: Time, event: Event) {
        self.queue.push(self.clock.time() + delay, event);
    }

    /// How many sockets there ever were.
    pub(crate) fn sockets(&self) -> usize {
        self.sockets.len()
    }

    /// A socket.
    pub(crate) fn socket(&self, index: usize) -> &Socket {
        &self.sockets[index]
    }

    /// The poll watches a socket from now on.
    pub(crate) fn register(&mut self, index: usize, id: ConnectionId) {
        self.sockets[index].id = Some(id);
        // Level when it is registered, edge from then on.
        self.note_ready(index);
    }

    /// Wakes the loop.
    pub(crate) fn wake(&mut self) {
        self.woken = true;
    }

    /// Whether the poll would bring something.
    pub(crate) fn has_news(&self) -> bool {
        self.woken || self.door_has_news || !self.ready.is_empty()
    }

    /// What the poll brings: connections in any order, sometimes one too many, whether somebody knocks, and whether
    /// there was anything.
    pub(crate) fn take_events(&mut self, spurious: u32) -> (Vec<Ready>, bool, bool) {
        let is_quiet = !self.has_news();
        self.woken = false;
        let mut list = std::mem::take(&mut self.ready);
        for last in (1..list.len()).rev() {
            list.swap(last, self.rng.index(last + 1));
        }
        for index in &list {
            self.sockets[*index].is_ready = false;
        }
        if self.rng.chance(spurious) && !self.sockets.is_empty() {
            list.push(self.rng.index(self.sockets.len()));
        }
        let mut events: Vec<Ready> =
            list.iter().filter_map(|index| self.sockets[*index].readiness()).collect();
        if self.rng.chance(spurious) && !self.graves.is_empty() {
            let id = *self.rng.pick(&self.graves);
            events.push(Ready { id, readable: true, writable: true, peer_end: PeerEnd::Died });
        }
        (events, std::mem::take(&mut self.door_has_news), is_quiet)
    }

    /// Something else takes descriptors.
    pub(crate) fn take_descriptors(&mut self, count: usize) {
        self.descriptors += count;
    }

    /// And gives them back.
    pub(crate) fn give_descriptors(&mut self, count: usize) {
        self.descriptors -= count;
    }

    /// The next accepts fail.
    pub(crate) fn fail_accepts(&mut self, count: usize) {
        self.accept_errors += count;
    }

    /// All of the network is gentle from now on.
    pub(crate) fn soothe(&mut self, gentle: Manners) {
        let now = self.clock.time();
        for index in 0..self.sockets.len() {
            for end in [End::Client, End::Server] {
                self.sockets[index].pipe(end).soothe(gentle, now);
            }
            self.pump(index);
        }
        (self.interrupts, self.accept_errors) = (0, 0);
    }

    fn note_ready(&mut self, index: usize) {
        let socket = &mut self.sockets[index];
        if socket.id.is_some() && !std::mem::replace(&mut socket.is_ready, true) {
            self.ready.push(index);
        }
    }

    /// Has set out what can.
    fn pump(&mut self, index: usize) {
        let Self { sockets, rng, queue, clock, .. } = self;
        for end in [End::Server, End::Client] {
            sockets[index].pipe(end).pump(clock.time(), rng, |at, packet| {
                queue.push(
                    at,
                    match packet {
                        Packet::Bytes(count) => Event::Arrive(index, end, count),
                        Packet::Fin => Event::Fin(index, end),
                    },
                );
            });
        }
    }

    /// Something of the network happens; says whether the client is to look at its socket.
    pub(crate) fn happen(&mut self, event: Event) -> Option<usize> {
        match event {
            Event::Knock(index) => self.knock(index),
            Event::Arrive(index, end, count) => self.arrive(index, end, count),
            Event::Fin(index, end) => self.fin_arrives(index, end),
            Event::Reset(index, end) => self.reset_arrives(index, end),
            Event::UserTimeout(index) => self.look_at_user_timeout(index),
            _ => {}
        }
        match event {
            Event::Arrive(index, ..) | Event::Fin(index, _) | Event::Reset(index, _) => Some(index),
            _ => None,
        }
    }

    fn knock(&mut self, index: usize) {
        if !self.door_is_open {
            return self.reset_from(index, End::Server);
        }
        self.backlog.push_back(index);
        self.door_has_news = true;
    }

    fn arrive(&mut self, index: usize, end: End, count: usize) {
        let now = self.clock.time();
        let socket = &mut self.sockets[index];
        if socket.pipe(end).is_cut() {
            return;
        }
        let has_room = socket.pipe(end).arrive(count, now);
        match end {
            End::Client if socket.client_is_gone => {}
            End::Client => {
                if has_room {
                    self.note_ready(index);
                }
            }
            End::Server if socket.is_closed => return self.reset_from(index, End::Server),
            End::Server => self.note_ready(index),
        }
        self.pump(index);
    }

    fn fin_arrives(&mut self, index: usize, end: End) {
        let socket = &mut self.sockets[index];
        if socket.pipe(end).is_cut() {
            return;
        }
        socket.pipe(end).fin = Fin::Arrived;
        if end == End::Server {
            self.note_ready(index);
        }
    }

    fn reset_arrives(&mut self, index: usize, end: End) {
        let socket = &mut self.sockets[index];
        match end {
            End::Server => {
                if socket.death.is_none() {
                    socket.death = Some(ErrorKind::ConnectionReset);
                }
                socket.pipe(End::Client).cut();
                self.note_ready(index);
            }
            End::Client => socket.client_was_reset = true,
        }
        self.sockets[index].pipe(End::Server).cut();
    }

    /// One end throws the connection away: what it has sent and what has not arrived is lost.
    fn reset_from(&mut self, index: usize, end: End) {
        let at = self.clock.time() + self.rng.between(1_000, 1_000_000);
        let socket = &mut self.sockets[index];
        socket.pipe(End::Server).cut();
        socket.pipe(End::Client).cut();
        if !socket.client_is_gone {
            let other = if end == End::Server { End::Client } else { End::Server };
            self.queue.push(at, Event::Reset(index, other));
        }
    }

    fn watch_user_timeout(&mut self, index: usize) {
        let socket = &mut self.sockets[index];
        if socket.down.unsent() > 0 && !std::mem::replace(&mut socket.is_timed, true) {
            let at = socket.down.progress_at + USER_TIMEOUT;
            self.queue.push(at, Event::UserTimeout(index));
        }
    }

    fn look_at_user_timeout(&mut self, index: usize) {
        let now = self.clock.time();
        let socket = &mut self.sockets[index];
        socket.is_timed = false;
        if socket.is_closed || socket.death.is_some() {
            return;
        }
        if socket.down.unsent() > 0 && now >= socket.down.progress_at + USER_TIMEOUT {
            socket.death = Some(ErrorKind::TimedOut);
            socket.up.cut();
            socket.down.cut();
            self.note_ready(index);
        } else {
            self.watch_user_timeout(index);
        }
    }
}
