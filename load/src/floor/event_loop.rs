//! The loop: waits, reads what has come, hands it on, writes what is to go. It knows bytes, and no meaning.
//!
//! Edge-triggered. A read that does not fill the buffer has emptied the socket, so no second one is spent to
//! hear that. What a socket does not take is kept, and nothing more is read from that peer until it has.

use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, accept_with, recv, send, sockopt};
use slab::Slab;

use forum_common::limits::FRAME_BYTES_MAX;

/// Events taken at once.
const EVENTS_MAX: usize = 1024;
/// The unfinished frame of a peer, and what is read after it at once.
const INPUT_BYTES: usize = FRAME_BYTES_MAX + 64 * 1024;
/// What one peer may leave unread before it is cut off.
const UNSENT_BYTES_MAX: usize = 64 << 20;
/// How often the loop looks for more before it ends a turn: as often as forumd.
const LOOKS_MAX: u32 = 5;
const NO_TIME: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
/// The listener's token; peers have their slots.
const LISTENER: u64 = u64::MAX;

/// What is done with bytes that have come.
pub(super) trait Service {
    /// Takes what it understands of `bytes`, which are all that is there of this peer, and says how much that is.
    /// The rest comes again with what follows it. No answer: the peer is cut off.
    fn take(&mut self, from: usize, bytes: &[u8], peers: &mut Peers) -> Option<usize>;

    /// Whether it is worth looking for more before the turn ends.
    fn gathers(&self) -> bool {
        false
    }

    /// Everything that had come was taken.
    fn end_turn(&mut self, _peers: &mut Peers) -> io::Result<()> {
        Ok(())
    }
}

/// Everybody who is connected.
#[derive(Default)]
pub(super) struct Peers {
    slots: Slab<Peer>,
    /// Freed at the end of the turn: there may be events for them until then.
    dead: Vec<usize>,
}

struct Peer {
    socket: OwnedFd,
    unfinished: Vec<u8>,
    unsent: Vec<u8>,
    dead: bool,
}

impl Peers {
    /// The slots of all peers, and some that are free: nothing reaches anybody there.
    pub(super) fn slots(&self) -> std::ops::Range<usize> {
        0..self.slots.capacity()
    }

    /// Writes `bytes` to a peer, if it is still there, and keeps what the socket does not take.
    pub(super) fn send(&mut self, to: usize, bytes: &[u8]) {
        let Some(peer) = self.slots.get_mut(to).filter(|peer| !peer.dead) else { return };
        let sent = match peer.unsent.is_empty() {
            true => write(&peer.socket, bytes),
            false => Ok(0),
        };
        match sent {
            Ok(sent) if peer.unsent.len() + bytes.len() - sent <= UNSENT_BYTES_MAX => {
                peer.unsent.extend_from_slice(&bytes[sent..]);
            }
            _ => self.condemn(to),
        }
    }

    fn condemn(&mut self, key: usize) {
        if !std::mem::replace(&mut self.slots[key].dead, true) {
            self.dead.push(key);
        }
    }

    fn reap(&mut self) {
        for key in self.dead.drain(..) {
            self.slots.remove(key);
        }
    }
}

/// How many bytes the socket took.
fn write(socket: &OwnedFd, bytes: &[u8]) -> Result<usize, Errno> {
    match send(socket, bytes, SendFlags::NOSIGNAL) {
        Err(Errno::AGAIN) => Ok(0),
        sent => sent,
    }
}

/// Serves its clients until something breaks that concerns all of them.
pub(super) fn run(listener: TcpListener, service: impl Service) -> io::Result<Infallible> {
    listener.set_nonblocking(true)?;
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    let events = Vec::with_capacity(EVENTS_MAX);
    let input = vec![0; INPUT_BYTES].into_boxed_slice();
    let mut turns = EventLoop { epoll, listener, events, input, peers: Peers::default(), service };
    loop {
        turns.turn()?;
    }
}

struct EventLoop<S> {
    epoll: OwnedFd,
    listener: TcpListener,
    events: Vec<Event>,
    input: Box<[u8]>,
    peers: Peers,
    service: S,
}

impl<S: Service> EventLoop<S> {
    fn turn(&mut self) -> io::Result<()> {
        self.wait(None)?;
        self.take_events();
        let mut looks = 0;
        while looks < LOOKS_MAX && self.service.gathers() {
            looks += 1;
            if self.wait(Some(&NO_TIME))? == 0 {
                break;
            }
            self.take_events();
        }
        self.service.end_turn(&mut self.peers)?;
        self.peers.reap();
        Ok(())
    }

    fn wait(&mut self, timeout: Option<&Timespec>) -> io::Result<usize> {
        self.events.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), timeout) {
            Err(Errno::INTR) => Ok(0),
            waited => Ok(waited?),
        }
    }

    fn take_events(&mut self) {
        for index in 0..self.events.len() {
            let Event { flags, data } = self.events[index];
            match data.u64() {
                LISTENER => self.accept(),
                slot => self.advance(slot as usize, flags),
            }
        }
    }

    /// Lets everybody in who waits. What keeps one of them out (no descriptor, for instance) is no reason to end;
    /// the listener is level-triggered, so the next turn tries again.
    fn accept(&mut self) {
        while let Ok(socket) = accept_with(&self.listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
            let slot = self.peers.slots.vacant_entry();
            let data = EventData::new_u64(slot.key() as u64);
            let wanted = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
            if sockopt::set_tcp_nodelay(&socket, true).is_ok()
                && epoll::add(&self.epoll, &socket, data, wanted).is_ok()
            {
                slot.insert(Peer { socket, unfinished: Vec::new(), unsent: Vec::new(), dead: false });
            }
        }
    }

    /// Writes what is left, then reads what has come.
    fn advance(&mut self, key: usize, flags: EventFlags) {
        let Some(peer) = self.peers.slots.get_mut(key).filter(|peer| !peer.dead) else { return };
        if !peer.unsent.is_empty() {
            match write(&peer.socket, &peer.unsent) {
                Ok(sent) => drop(peer.unsent.drain(..sent)),
                Err(_) => return self.peers.condemn(key),
            }
        }
        let ending = flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
        while self.peers.slots.get(key).is_some_and(|peer| !peer.dead && peer.unsent.is_empty()) {
            match self.read(key) {
                Some(Read::Filled) => {}
                Some(Read::Short) if ending => {}
                Some(Read::Short | Read::Nothing) => break,
                None => return self.peers.condemn(key),
            }
        }
    }

    /// One read. No answer: the peer has gone, or should go.
    fn read(&mut self, key: usize) -> Option<Read> {
        let peer = &mut self.peers.slots[key];
        let kept = peer.unfinished.len();
        self.input[..kept].copy_from_slice(&peer.unfinished);
        let room = &mut self.input[kept..];
        let room_bytes = room.len();
        let count = match recv(&peer.socket, room, RecvFlags::empty()) {
            Ok((0, _)) => return None,
            Ok((count, _)) => count,
            Err(Errno::AGAIN) => return Some(Read::Nothing),
            Err(_) => return None,
        };
        peer.unfinished.clear();
        let bytes = &self.input[..kept + count];
        let taken = self.service.take(key, bytes, &mut self.peers)?;
        if taken < bytes.len() {
            self.peers.slots[key].unfinished.extend_from_slice(&bytes[taken..]);
        }
        Some(if count == room_bytes { Read::Filled } else { Read::Short })
    }
}

enum Read {
    /// There may be more.
    Filled,
    Short,
    Nothing,
}
