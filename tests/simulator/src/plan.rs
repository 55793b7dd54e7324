//! What a seed is about: how many clients, how bad a network and a disk, and which faults how often. Each is drawn from
//! the seed, so that some seeds have one sort of trouble only, and others all of it at once.

use crate::clock::{MS, SECOND, Time};
use crate::kernel::Manners;
use crate::rng::Rng;

/// Something that a client may do. The weights of a plan are in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    CreateThread,
    Post,
    Delete,
    Edit,
    RemoveThread,
    List,
    Read,
    Message,
    Broadcast,
    Block,
    Unblock,
    Watch,
    Unwatch,
    MarkRead,
    Unread,
    Board,
    CreateRoom,
    RoomPost,
    ReadHistory,
    WhoElse,
    Search,
    Presence,
    Upload,
    Download,
    Link,
    Password,
    Ping,
    Nonsense,
    Leave,
}

/// All deeds.
pub(crate) const DEEDS: [Deed; 29] = [
    Deed::CreateThread,
    Deed::Post,
    Deed::Delete,
    Deed::Edit,
    Deed::RemoveThread,
    Deed::List,
    Deed::Read,
    Deed::Message,
    Deed::Broadcast,
    Deed::Block,
    Deed::Unblock,
    Deed::Watch,
    Deed::Unwatch,
    Deed::MarkRead,
    Deed::Unread,
    Deed::Board,
    Deed::CreateRoom,
    Deed::RoomPost,
    Deed::ReadHistory,
    Deed::WhoElse,
    Deed::Search,
    Deed::Presence,
    Deed::Upload,
    Deed::Download,
    Deed::Link,
    Deed::Password,
    Deed::Ping,
    Deed::Nonsense,
    Deed::Leave,
];

/// How often each is done, unless the seed says otherwise.
const USUAL: [u32; DEEDS.len()] =
    [6, 16, 4, 5, 2, 3, 6, 9, 5, 3, 2, 4, 1, 5, 4, 6, 3, 4, 4, 4, 3, 2, 4, 4, 3, 1, 3, 1, 3];

/// Faults, each so many times in a thousand steps of a client or looks at the machine.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults {
    /// A client resets its connection.
    pub(crate) reset: u32,
    /// A client sends FIN.
    pub(crate) fin: u32,
    /// A client vanishes.
    pub(crate) vanish: u32,
    /// A client reads nothing for a while.
    pub(crate) deafness: u32,
    /// A direction stands still for a while.
    pub(crate) stall: u32,
    /// The log's disk is full.
    pub(crate) no_space: u32,
    /// Syncs of the log fail.
    pub(crate) log_sync: u32,
    /// The log's disk is slow.
    pub(crate) slow_log: u32,
    /// The files' disk is full.
    pub(crate) no_file_space: u32,
    /// Syncs of a file fail.
    pub(crate) file_sync: u32,
    /// The time of day is set.
    pub(crate) wall_jump: u32,
    /// Accept fails.
    pub(crate) accept: u32,
    /// Others take the descriptors.
    pub(crate) descriptors: u32,
    /// The server loses its processor for a while.
    pub(crate) pause: u32,
}

/// The plan of a seed.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) clients: usize,
    /// Names that clients log in as; fewer than clients, and they meet.
    pub(crate) names: usize,
    /// Steps that all clients take together before calm begins.
    pub(crate) steps: usize,
    /// Requests that a client sends at once, at most.
    pub(crate) burst: u64,
    /// How long a client thinks, at most.
    pub(crate) think: Time,
    /// Crashes, spread over the steps.
    pub(crate) crashes: usize,
    /// Of a thousand crashes, how many take the power with them.
    pub(crate) power: u32,
    pub(crate) weights: [u32; DEEDS.len()],
    pub(crate) faults: Faults,
    /// Of a thousand polls, how many bring an event too many.
    pub(crate) spurious: u32,
    /// Of a thousand reads and writes, how many are interrupted.
    pub(crate) interrupts: u32,
    /// Of a thousand keyed changes that were not answered, how many are asked for again.
    pub(crate) repeats: u32,
    /// Of a thousand messages, how many are acknowledged at once.
    pub(crate) acks: u32,
    /// Of a thousand connections, how many hear of comings and goings.
    pub(crate) presence: u32,
    /// Of a thousand log-ins, how many take over.
    pub(crate) take_over: u32,
    up: Manners,
    down: Manners,
    /// Bytes of a long text; most are short.
    pub(crate) long_text: u64,
    /// Of a thousand texts, how many are.
    pub(crate) long_rate: u32,
    /// What a look at the clock takes.
    pub(crate) pace: Time,
    /// What a round of the loop takes at least, and how late a poll may be.
    pub(crate) round: Time,
    pub(crate) poll_delay: Time,
    pub(crate) sync_delay: Time,
    pub(crate) hash_delay: Time,
    pub(crate) hash_queue: usize,
    pub(crate) descriptors_max: usize,
    pub(crate) connections_max: usize,
    pub(crate) max_posts: usize,
    pub(crate) max_mailbox: usize,
    pub(crate) max_notice_bytes: usize,
    pub(crate) max_listing_bytes: usize,
    pub(crate) entry_bytes_max: usize,
    pub(crate) snapshot_log_bytes: u64,
    /// Committed is durable; else only each second.
    pub(crate) always_durable: bool,
    /// Threads that are there from the beginning.
    pub(crate) threads: usize,
    pub(crate) max_requests_per_second: u32,
    pub(crate) idle_seconds: u64,
}

/// What makes a seed that failed smaller. Not drawn: given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// At most so many clients.
    pub clients: Option<usize>,
    /// At most so many steps.
    pub steps: Option<usize>,
}

impl Plan {
    /// The plan of a seed.
    pub(crate) fn new(rng: &mut Rng, limits: Limits) -> Self {
        let clients = rng.between(5, 9) as usize;
        let names = rng.between(3, clients as u64) as usize;
        let steps = rng.between(120, 300) as usize;
        let latency = rng.magnitude(20_000, 50 * MS);
        let mut plan = Self {
            clients,
            names,
            steps,
            burst: rng.magnitude(1, 12),
            think: rng.magnitude(MS, 2 * SECOND),
            crashes: rng.between(1, 3) as usize,
            power: 400,
            weights: weights(rng),
            faults: Faults::new(rng),
            spurious: rate(rng, 200),
            interrupts: rate(rng, 50),
            repeats: 900,
            acks: *rng.pick(&[1_000, 700, 200]),
            presence: *rng.pick(&[1_000, 800, 500]),
            take_over: *rng.pick(&[0, 200, 700]),
            up: manners(rng, latency),
            down: manners(rng, latency),
            long_text: rng.magnitude(50, 8_000),
            pace: rng.magnitude(1, 20_000),
            round: rng.magnitude(1_000, 100_000),
            poll_delay: rng.magnitude(1_000, 2 * MS),
            sync_delay: rng.magnitude(50_000, 200 * MS),
            hash_delay: rng.magnitude(MS, 300 * MS),
            hash_queue: *rng.pick(&[2, 100, 100]),
            descriptors_max: 100,
            connections_max: 60,
            max_posts: *rng.pick(&[8, 1_000, 1_000]),
            max_mailbox: *rng.pick(&[4, 1_000, 1_000]),
            max_notice_bytes: *rng.pick(&[2_000, 1 << 20, 1 << 20]),
            max_listing_bytes: *rng.pick(&[1_000, 1 << 20, 1 << 20]),
            entry_bytes_max: *rng.pick(&[300, 3_000, 1 << 20, 1 << 20]),
            snapshot_log_bytes: *rng.pick(&[500, 5_000, 1 << 30]),
            always_durable: rng.chance(700),
            threads: if rng.chance(80) { 1_500 } else { 0 },
            long_rate: *rng.pick(&[150, 150, 150, 700]),
            max_requests_per_second: *rng.pick(&[0, 0, 0, 20]),
            idle_seconds: *rng.pick(&[0, 0, 0, 20]),
        };
        plan.lean(rng);
        plan.clients = limits.clients.map_or(clients, |most| most.min(clients));
        plan.steps = limits.steps.map_or(plan.steps, |most| most.min(plan.steps));
        plan
    }

    /// Some seeds are about one thing.
    fn lean(&mut self, rng: &mut Rng) {
        let weigh = |weights: &mut [u32; DEEDS.len()], deed: Deed, weight| {
            weights[DEEDS.iter().position(|other| *other == deed).unwrap_or(0)] = weight;
        };
        if self.threads > 0 {
            weigh(&mut self.weights, Deed::List, 30);
        }
        if rng.chance(60) {
            // Threads with files are removed, and power cuts take what was not synced.
            (self.always_durable, self.power, self.crashes) = (false, 1_000, 3);
            (self.think, self.max_requests_per_second) = (300 * MS, 0);
            (self.weights, self.faults) = ([1; DEEDS.len()], Faults::default());
            for (deed, weight) in [(Deed::CreateThread, 20), (Deed::Upload, 30), (Deed::RemoveThread, 12)] {
                weigh(&mut self.weights, deed, weight);
            }
        }
        if rng.chance(80) {
            // Lists that are longer than what a connection may have queued.
            (self.long_text, self.long_rate, self.max_posts, self.burst) = (6_000, 900, 1_000, 4);
            self.steps = self.steps.min(120);
            let wide = |manners: &mut Manners| manners.window = manners.window.max(1 << 14);
            [&mut self.up, &mut self.down].into_iter().for_each(wide);
            for (deed, weight) in
                [(Deed::Post, 60), (Deed::Read, 12), (Deed::RemoveThread, 0), (Deed::Leave, 0)]
            {
                weigh(&mut self.weights, deed, weight);
            }
        }
    }

    /// How the two directions of a new connection behave.
    pub(crate) fn connection(&self) -> (Manners, Manners) {
        (self.up, self.down)
    }

    /// A network without trouble.
    pub(crate) fn gentle() -> Manners {
        Manners { send_max: 1 << 20, window: 1 << 20, piece_max: 1 << 16, delay: (20_000, 100_000) }
    }

    /// From now on nothing goes wrong.
    pub(crate) fn calm(&mut self) {
        self.faults = Faults::default();
        (self.spurious, self.interrupts, self.acks) = (0, 0, 1_000);
        (self.up, self.down) = (Self::gentle(), Self::gentle());
        self.sync_delay = self.sync_delay.min(20 * MS);
        self.hash_delay = self.hash_delay.min(2 * MS);
    }
}

/// None in half of all seeds, else up to so many in a thousand.
fn rate(rng: &mut Rng, most: u32) -> u32 {
    if rng.chance(500) { 0 } else { rng.magnitude(1, most.into()) as u32 }
}

fn weights(rng: &mut Rng) -> [u32; DEEDS.len()] {
    let mut weights = USUAL;
    for weight in &mut weights {
        match rng.below(6) {
            0 => *weight = 0,
            1 => *weight *= 4,
            _ => {}
        }
    }
    // Without threads and posts there is little to see.
    weights[0] = weights[0].max(2);
    weights[1] = weights[1].max(4);
    weights
}

fn manners(rng: &mut Rng, latency: Time) -> Manners {
    let size = |rng: &mut Rng| *rng.pick(&[64, 600, 4_096, 1 << 16, 1 << 20, 1 << 20]);
    let (send_max, window) = (size(rng), size(rng));
    // Bytes one by one only where there are few.
    let piece_max = *rng.pick(&[7, 100, 1_400, 1_400, 1 << 16]);
    let spread = rng.below(4);
    Manners { send_max, window, piece_max, delay: (latency, latency * (1 + spread)) }
}

impl Faults {
    fn new(rng: &mut Rng) -> Self {
        Self {
            reset: rate(rng, 60),
            fin: rate(rng, 60),
            vanish: rate(rng, 30),
            deafness: rate(rng, 60),
            stall: rate(rng, 60),
            no_space: rate(rng, 60),
            log_sync: rate(rng, 20),
            slow_log: rate(rng, 30),
            no_file_space: rate(rng, 60),
            file_sync: rate(rng, 60),
            wall_jump: rate(rng, 30),
            accept: rate(rng, 60),
            descriptors: rate(rng, 30),
            pause: rate(rng, 20),
        }
    }
}
