//! A bad network between two real clients: datagrams get lost, come twice, late or not at all, as a test wishes.
//!
//! ```text
//!  left client ──TCP──► door ──────────► forumd ◄────────── door ◄──TCP── right client
//!      ▲                 └ names the left front   names the right front ┘       ▲
//!      └─────UDP────── right front ◄──── weather ────► left front ──────UDP─────┘
//! ```
//!
//! Each client logs in through its [door](door), where the UDP port that it names becomes that of its front
//! here. So either finds the other at the other's front, and all that they say to each other passes by. It
//! knows addresses and counts but not what a datagram means.

mod door;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt;

use crate::DEADLINE;

/// Bytes of the largest datagram that gets through: a little more than an Ethernet takes, so that a file is many
/// datagrams, as it is in life. Larger ones are lost.
const DATAGRAM_BYTES_MAX: usize = 1_500;

/// Datagrams that are on their way at once. One more is lost, as in a router whose queue is full.
const UNDER_WAY_MAX: usize = 8_192;

/// Datagrams that are remembered for a test that wants to play them again; those that come later are not.
const REMEMBERED_MAX: usize = 256;

/// How late a late datagram comes, in microseconds: behind some dozens of others.
const LATE_MICROS_MAX: u64 = 5_000;

/// What the kernel is asked to hold for a front: what it loses is lost against the test's will.
const FRONT_BUFFER_BYTES: usize = 4 << 20;

/// One of the two clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The one that logs in at [`Lossy::left`].
    Left,
    /// The one that logs in at [`Lossy::right`].
    Right,
}

impl Side {
    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }
}

/// What becomes of datagrams, in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    /// Each comes through at once.
    Fair,
    /// Of a hundred, so many get lost; `odd` come twice and as many come late, behind later ones.
    Rough {
        /// Out of 100.
        lost: u8,
        /// Out of 100.
        odd: u8,
    },
    /// Each comes through so much later.
    Far(Duration),
    /// So many bytes come through at once, counted from now on; then nothing does.
    Breaks {
        /// In both directions together.
        after_bytes: u64,
    },
    /// None comes through to this client; all come through to the other.
    Deaf(Side),
    /// None comes through.
    Dead,
}

/// What has become of the datagrams so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Bytes that have come through, in both directions; what came twice counts twice.
    pub bytes: u64,
    /// Datagrams that have come through, those that came twice counted once.
    pub passed: u64,
    /// Datagrams that were lost.
    pub lost: u64,
    /// Datagrams that came twice.
    pub twice: u64,
    /// Datagrams that came late.
    pub late: u64,
}

/// A network for two clients, with a thread of its own. It is gone when dropped.
pub struct Lossy {
    doors: [SocketAddr; 2],
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What the threads of a network know in common.
#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    weather: Weather,
    /// What had come through when the weather became what it is.
    bytes_before: u64,
    counts: Counts,
    /// Where the clients really are, once they have logged in.
    clients: [Option<SocketAddr>; 2],
    remembered: Vec<(Side, Vec<u8>)>,
    /// Bytes a millisecond that the right client hears from the server, if they are to be few.
    narrow: Option<usize>,
    is_over: bool,
}

impl Default for State {
    fn default() -> Self {
        Self {
            weather: Weather::Fair,
            bytes_before: 0,
            counts: Counts::default(),
            clients: [None; 2],
            remembered: Vec::new(),
            narrow: None,
            is_over: false,
        }
    }
}

impl Lossy {
    /// A network of fair weather for two clients of this server. `seed` decides what gets lost in rough weather.
    pub fn around(server: SocketAddr, seed: u64) -> Self {
        let shared = Arc::<Shared>::default();
        let fronts = [front(), front()];
        let ports = fronts.each_ref().map(|front| front.local_addr().expect("it is bound").port());
        let doors = [Side::Left, Side::Right]
            .map(|side| door::open(server, side, ports[side as usize], Arc::clone(&shared)));
        let random = fastrand::Rng::with_seed(seed);
        let wire = Datagrams { fronts, under_way: BTreeMap::new(), random, shared: Arc::clone(&shared) };
        let thread = Some(thread::spawn(move || wire.run()));
        Self { doors, shared, thread }
    }

    /// Where the left client finds the server.
    pub fn left(&self) -> SocketAddr {
        self.doors[Side::Left as usize]
    }

    /// Where the right client finds the server.
    pub fn right(&self) -> SocketAddr {
        self.doors[Side::Right as usize]
    }

    /// Changes the weather. What is under way arrives as it would have.
    pub fn set(&self, weather: Weather) {
        let mut state = self.shared.lock();
        state.bytes_before = state.counts.bytes;
        state.weather = weather;
    }

    /// From now on the right client hears so many bytes a millisecond from the server, and no more.
    pub fn narrow(&self, bytes_a_milli: usize) {
        self.shared.lock().narrow = Some(bytes_a_milli);
    }

    /// Waits until nothing comes through any more, in weather that [breaks](Weather::Breaks).
    ///
    /// # Panics
    /// It has not come to that within [`DEADLINE`].
    pub fn wait_broken(&self) {
        let is_whole = |state: &mut State| !state.is_broken();
        let waited = self.shared.changed.wait_timeout_while(self.shared.lock(), DEADLINE, is_whole);
        let state = waited.unwrap_or_else(PoisonError::into_inner).0;
        assert!(state.is_broken(), "only {:?} came by", state.counts);
    }

    /// What has become of the datagrams so far.
    pub fn counts(&self) -> Counts {
        self.shared.lock().counts
    }

    /// Where the client of this side takes datagrams, behind its front.
    ///
    /// # Panics
    /// It has not logged in yet.
    pub fn client(&self, side: Side) -> SocketAddr {
        self.shared.lock().clients[side as usize].expect("it has logged in")
    }

    /// The first datagrams that were sent, each with the side that it was for.
    pub fn remembered(&self) -> Vec<(Side, Vec<u8>)> {
        self.shared.lock().remembered.clone()
    }
}

impl Drop for Lossy {
    fn drop(&mut self) {
        self.shared.lock().is_over = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_broken(&self) -> bool {
        match self.weather {
            Weather::Breaks { after_bytes } => self.counts.bytes - self.bytes_before >= after_bytes,
            Weather::Dead => true,
            Weather::Fair | Weather::Rough { .. } | Weather::Far(_) | Weather::Deaf(_) => false,
        }
    }

    /// When copies of a datagram of so many bytes arrive at this side; none does if it is lost.
    fn fate(&mut self, side: Side, bytes: usize, now: Instant, random: &mut fastrand::Rng) -> Vec<Instant> {
        if bytes > DATAGRAM_BYTES_MAX || self.is_broken() || self.weather == Weather::Deaf(side) {
            self.counts.lost += 1;
            return Vec::new();
        }
        let late = |random: &mut fastrand::Rng| now + Duration::from_micros(random.u64(1..=LATE_MICROS_MAX));
        let arrivals = match self.weather {
            Weather::Rough { lost, odd } => match random.u8(0..100) {
                draw if draw < lost => Vec::new(),
                draw if draw < lost + odd => vec![now, late(random)],
                draw if draw < lost + odd + odd => vec![late(random)],
                _ => vec![now],
            },
            Weather::Far(delay) => vec![now + delay],
            _ => vec![now],
        };
        match arrivals[..] {
            [] => self.counts.lost += 1,
            [at] if at > now => self.counts.late += 1,
            [_] => {}
            _ => self.counts.twice += 1,
        }
        self.counts.passed += u64::from(!arrivals.is_empty());
        self.counts.bytes += (arrivals.len() * bytes) as u64;
        arrivals
    }
}

/// The datagrams under way, and where they come in and go out.
struct Datagrams {
    fronts: [UdpSocket; 2],
    /// By when they arrive; the number keeps those of one instant apart, and in order.
    under_way: BTreeMap<(Instant, u64), (Side, Vec<u8>)>,
    random: fastrand::Rng,
    shared: Arc<Shared>,
}

impl Datagrams {
    fn run(mut self) {
        let mut number = 0;
        while !self.shared.lock().is_over {
            self.wait();
            for side in [Side::Left, Side::Right] {
                self.take_in(side, &mut number);
            }
            self.deliver();
        }
    }

    /// Waits for the next datagram, or until one under way arrives; not for long, as it may be over.
    fn wait(&self) {
        const LONGEST: Duration = Duration::from_millis(20);
        let arrival =
            self.under_way.keys().next().map(|(at, _)| at.saturating_duration_since(Instant::now()));
        let timeout = Timespec::try_from(arrival.map_or(LONGEST, |left| left.min(LONGEST)));
        let [left, right] = &self.fronts;
        let mut fds = [PollFd::new(left, PollFlags::IN), PollFd::new(right, PollFlags::IN)];
        // A wait that fails is as good as one that has ended.
        let _ = poll(&mut fds, Some(&timeout.unwrap_or_default()));
    }

    /// Takes in what has been sent to this side, if the other client has sent it.
    fn take_in(&mut self, side: Side, number: &mut u64) {
        let mut bytes = [0; 65_536];
        loop {
            let (count, from) = match self.fronts[side as usize].recv_from(&mut bytes) {
                Ok(received) => received,
                // What the kernel says of datagrams that we sent is nothing to us.
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => continue,
                Err(_) => return,
            };
            let mut state = self.shared.lock();
            if state.clients[side.other() as usize] != Some(from) {
                continue;
            }
            let datagram = &bytes[..count];
            if state.remembered.len() < REMEMBERED_MAX {
                state.remembered.push((side, datagram.to_vec()));
            }
            for arrival in state.fate(side, count, Instant::now(), &mut self.random) {
                if self.under_way.len() < UNDER_WAY_MAX {
                    *number += 1;
                    self.under_way.insert((arrival, *number), (side, datagram.to_vec()));
                }
            }
            drop(state);
            self.shared.changed.notify_all();
            self.deliver();
        }
    }

    /// Hands over what has arrived by now.
    fn deliver(&mut self) {
        let now = Instant::now();
        while let Some(first) = self.under_way.first_entry().filter(|first| first.key().0 <= now) {
            let (side, datagram) = first.remove();
            let client = self.shared.lock().clients[side as usize];
            if let Some(client) = client {
                // A client that is gone, or whose buffer is full, loses it.
                let _ = self.fronts[side.other() as usize].send_to(&datagram, client);
            }
        }
    }
}

/// A socket that stands for a client.
fn front() -> UdpSocket {
    let front = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    front.set_nonblocking(true).expect("a socket can be made nonblocking");
    let _ = sockopt::set_socket_recv_buffer_size(&front, FRONT_BUFFER_BYTES);
    front
}
