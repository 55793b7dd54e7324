//! The core of the server: what happens between a request and its answer. It turns frames into answers and entries,
//! and applied entries into answers and notices. Everything but the connections: sockets, poll and clock are not known
//! here, so a whole server runs in a unit test.

pub(crate) mod acks;
pub(crate) mod budget;
pub(crate) mod deadlines;
pub(crate) mod disposal;
mod endings;
pub(crate) mod feed;
pub(crate) mod figures;
pub(crate) mod lifecycle;
pub(crate) mod limits;
pub(crate) mod listing;
pub(crate) mod listings;
pub(crate) mod log_time;
pub(crate) mod outbox;
pub(crate) mod password_checks;
pub(crate) mod pipeline;
pub(crate) mod probes;
pub(crate) mod removal;
pub(crate) mod sessions;
mod sweep;
pub(crate) mod thread_news;
pub(crate) mod transfers;
pub(crate) mod unlinking;
pub(crate) mod visitors;

use std::collections::HashSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use forum_common::wire::{Closing, LinkId, Reply, Tag};
use log::{info, warn};

use self::acks::Acks;
use self::deadlines::{Deadline, Deadlines};
use self::lifecycle::Lifecycle;
use self::password_checks::PasswordChecks;
use self::pipeline::Pipeline;
use self::probes::Probes;
use self::removal::Removal;
use self::thread_news::ThreadNews;
use self::transfers::{TransferKey, Transfers};
use self::unlinking::Unlinking;
pub use self::visitors::VisitorLimits;
use self::visitors::{TooMany, Visitors};
use crate::args::Limits;
use crate::clock::{Moment, Start};

use self::listings::Listings;
use self::outbox::{Outbox, Trace};
use self::sessions::Sessions;
use crate::forum::{Effect, Entry, Forum};
use crate::journal::Journal;
use crate::random::Random;
use crate::session::{Address, ConnectionId, Session};
use crate::workers::files::FileWorkers;
use crate::workers::passwords::{PasswordHash, PasswordHasher};
use forum_common::names::UserName;
use forum_common::text::{Answer, Rejection, Zone};

/// How long a connection may take to close once all was sent to it; and to read the last word if it was cut off, or
/// the server ends. Others may take the stall time-out for that.
pub(crate) const DRAINING: Duration = Duration::from_secs(5);
/// Connections past the limit that are told so at one time; more are closed without a word. They count apart from
/// those that are in, so they keep nobody out.
pub(crate) const TURNED_AWAY_MAX: usize = 32;
/// How long one of them may take to read it and close: less than [`DRAINING`], because the next are waiting.
pub(crate) const TURNED_AWAY_DRAINING: Duration = Duration::from_secs(2);

/// What those who are turned away are told.
const SERVER_FULL: &str = "Server is full. Please try again later";
const TOO_MANY_FROM_ADDRESS: &str = "Too many connections from your address. Please try again later";

/// Passing entries that are applied between two requests. There are more when many have come or gone at once.
const PASSED_SHARE: usize = 64;

/// Bytes of all entries in flight, unless a simulation wants less.
pub const ENTRY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Connections for which there is room in the tables from the start.
const RESERVED_MAX: usize = 100_000;

/// What the server is told when it starts, and never again.
#[derive(Debug)]
pub struct Settings {
    /// What the forum may grow to.
    pub limits: Limits,
    /// Connections at once.
    pub connections_max: usize,
    /// Bytes of all entries in flight; past it every change waits.
    pub entry_bytes_max: usize,
    /// Wrong passwords in a row before no more are checked.
    pub attempts_max: u8,
    /// For how long.
    pub block_duration: Duration,
    /// How long a client may be silent before it is logged in.
    pub login_timeout: Duration,
    /// How long a user may be idle; none = for ever.
    pub idle_timeout: Option<Duration>,
    /// How long an upload or a download may stand still for want of something from its client.
    pub transfer_timeout: Duration,
    /// How long the kernel may take nothing of what waits for a client.
    pub stall_timeout: Duration,
    /// What one address may have.
    pub visitors: VisitorLimits,
    /// Whether new accounts can be made.
    pub is_sign_up_open: bool,
    /// The zone that times are shown in.
    pub zone: Zone,
    /// The user whose frames are shown in the log.
    pub trace_user: Option<UserName>,
    /// The hash of the password for SHT; without one it is always refused.
    pub admin_password: Option<PasswordHash>,
}

impl Settings {
    /// For how many connections the tables have room from the start. It is memory only as far as it is used, and more than
    /// so many grow by doubling.
    pub(crate) fn reserved_places(&self) -> usize {
        (self.connections_max + TURNED_AWAY_MAX).min(RESERVED_MAX)
    }
}

/// The helpers of the core: each takes work and hands back results, in threads of its own or at once.
pub struct Helpers<J> {
    /// Puts entries in order and makes them durable.
    pub journal: J,
    /// Hashes passwords.
    pub passwords: PasswordHasher<ConnectionId>,
    /// Writes, reads and deletes files.
    pub files: FileWorkers<TransferKey>,
    /// Where ids, tokens and the like come from.
    pub random: Random,
    /// Sees every entry as it is applied: for simulations, which hold all that is said against that.
    pub watch: Option<Watch>,
}

/// See [`Helpers::watch`].
pub type Watch = Box<dyn FnMut(&Applied<'_>)>;

/// An entry that has come back, and what it came to.
#[derive(Debug)]
pub struct Applied<'a> {
    /// The entry.
    pub entry: &'a Entry,
    /// The command that asked for it, if one did.
    pub command: Option<(ConnectionId, Tag)>,
    /// What it has done, or why nothing; for want of space it is not in the log at all.
    pub result: Result<&'a Effect, &'a Rejection>,
}

/// The time of a turn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Time {
    /// When the server began.
    pub(crate) start: Start,
    /// For deadlines and durations.
    pub(crate) now: Instant,
    /// The time of day, in UTC milliseconds.
    pub(crate) now_ms: u64,
}

impl Time {
    /// The present, in little memory.
    pub(crate) fn moment(self) -> Moment {
        self.start.moment(self.now)
    }
}

/// Everything but the connections.
pub(crate) struct Core<J> {
    pub(crate) settings: Settings,
    pub(crate) time: Time,
    pub(crate) random: Random,
    pub(crate) watch: Option<Watch>,
    /// Tells the sessions of this run from those of all others, and of other nodes.
    pub(crate) epoch: u64,
    pub(crate) sessions: Sessions,
    pub(crate) outbox: Outbox,
    pub(crate) forum: Forum,
    pub(crate) pipeline: Pipeline<J>,
    /// Files of removed threads on their way out.
    pub(crate) unlinking: Unlinking,
    /// What of removed threads is still in memory.
    pub(crate) removal: Removal,
    /// Who is still to be told of messages in threads that they watch.
    pub(crate) thread_news: ThreadNews,
    /// Lists that are read, and who waits for room for one.
    pub(crate) listings: Listings,
    /// Scratch memory for a text.
    pub(crate) text: String,
    pub(crate) acks: Acks,
    pub(crate) checks: PasswordChecks,
    pub(crate) visitors: Visitors,
    pub(crate) files: FileWorkers<TransferKey>,
    pub(crate) transfers: Transfers,
    /// Links of which the end of what they waited for is on its way through the log.
    pub(crate) expiring_links: HashSet<LinkId>,
    pub(crate) deadlines: Deadlines,
    pub(crate) probes: Probes,
    pub(crate) lifecycle: Lifecycle,
    /// An accepted SHT is what ends it.
    pub(crate) told_to_end: bool,
}

impl<J: Journal> Core<J> {
    /// The core of a server for `forum`, which is what the journal has told so far.
    pub(crate) fn new(settings: Settings, time: Time, forum: Forum, helpers: Helpers<J>) -> Self {
        let reserved = settings.reserved_places();
        let mut core = Self {
            time,
            epoch: u64::from_ne_bytes(helpers.random.bytes()),
            sessions: Sessions::with_room_for(reserved),
            outbox: Outbox::new(
                settings.limits.max_notice_bytes,
                settings.limits.max_total_notice_bytes,
                time.now,
            ),
            pipeline: Pipeline::new(helpers.journal, time, forum.at_ms(), &settings),
            forum,
            unlinking: Unlinking::default(),
            removal: Removal::default(),
            thread_news: ThreadNews::default(),
            listings: Listings::new(settings.limits.max_listing_bytes),
            text: String::new(),
            acks: Acks::default(),
            checks: PasswordChecks::new(
                helpers.passwords,
                settings.attempts_max,
                settings.block_duration,
                helpers.random.bytes(),
            ),
            visitors: Visitors::new(settings.visitors),
            random: helpers.random,
            watch: helpers.watch,
            files: helpers.files,
            transfers: Transfers::default(),
            expiring_links: HashSet::new(),
            deadlines: Deadlines::new(time.start),
            probes: Probes::new(time.now),
            lifecycle: Lifecycle::Running,
            told_to_end: false,
            settings,
        };
        core.outbox.reserve(reserved);
        core.outbox.trace = core.settings.trace_user.clone().map(Trace::of);
        core.resume_unlinking();
        core
    }

    /// Takes in a newcomer, or tells it that the server is full; none when `TURNED_AWAY_MAX` others are being told
    /// so.
    pub(crate) fn admit(&mut self, address: Address) -> Option<ConnectionId> {
        let why = self.has_no_room(address.ip);
        if why.is_some() && self.sessions.turned_away() >= TURNED_AWAY_MAX {
            return None;
        }
        let id = self.sessions.insert(Session::new(address, self.time.now));
        self.outbox.open(id);
        info!("#{} {address} Client connected", id.generation);
        if let Some((told, logged)) = why {
            warn!("#{} {address} turned away: {logged}", id.generation);
            self.sessions.turn_away(id);
            self.close(id, Closing::ServerFull, told);
        } else {
            self.visitors.come(address.ip);
            self.deadlines.set(Deadline::Phase(id), self.time.now + self.settings.login_timeout);
        }
        Some(id)
    }

    /// What a newcomer from this address is told, and the log, if there is no room for it. Those that are being turned away
    /// take nobody's place.
    fn has_no_room(&self, ip: IpAddr) -> Option<(&'static str, String)> {
        let (inside, max) =
            (self.sessions.len() - self.sessions.turned_away(), self.settings.connections_max);
        if inside >= max {
            return Some((SERVER_FULL, format!("{max} connections are the limit")));
        }
        Some(match self.visitors.too_many(ip)? {
            TooMany::FromAddress => (TOO_MANY_FROM_ADDRESS, "too many from its address".to_owned()),
            TooMany::Guests => (SERVER_FULL, "too many that are not logged in".to_owned()),
        })
    }

    /// Removes one of the dead.
    pub(crate) fn reap(&mut self) -> Option<ConnectionId> {
        let (id, session, was_turned_away) = self.sessions.reap()?;
        Deadline::all_of(id).into_iter().for_each(|deadline| self.deadlines.remove(deadline));
        if !was_turned_away {
            self.visitors.go(session.address.ip, session.is_guest);
        }
        Some(id)
    }

    /// Takes one of the results of the hashers and the file workers; says whether there was one.
    pub(crate) fn take_result(&mut self) -> bool {
        let any = self.take_hash() || self.take_file_report();
        self.note_unlinked();
        any
    }

    /// What comes last in a turn, when the journal has been asked once more.
    pub(crate) fn end_turn(&mut self) {
        self.unlink_durable();
        self.continue_removals();
        self.continue_thread_news();
    }

    /// Whether there is something to do at once.
    pub(crate) fn is_busy(&self) -> bool {
        self.pipeline.has_outcome()
            || self.sessions.waiting_for_turn() > 0
            || self.outbox.is_sweep_due(self.time.now)
            || self.removal.is_under_way()
            || !self.thread_news.is_empty()
            || self.sessions.are_dead()
            || self.is_going_round()
    }

    /// When the next deadline falls due.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        let deadlines = self.deadlines.next_due().into_iter();
        let deadlines = deadlines.chain(self.outbox.next_sweep()).chain(self.next_link_due());
        let deadlines = deadlines.chain(self.listings.next_due()).chain(self.probes.next_due());
        deadlines.chain(self.acks.next_due()).min()
    }

    /// Applies what has come back without waiting for anything: what was asked for just now, and a share of what others
    /// have asked for.
    pub(crate) fn take_passed(&mut self) {
        for _ in 0..PASSED_SHARE {
            let Some(decided) = self.pipeline.next_passed() else { break };
            self.take_decided(decided);
        }
    }

    /// Ends a log-in or a member's idleness that has gone on for too long, or sets its deadline again.
    pub(crate) fn expire_phase(&mut self, id: ConnectionId) {
        match self.sessions.member(id) {
            Some(_) => self.expire_idle(id),
            None => self.expire_login(id),
        }
    }

    /// Ends what has gone on for too long and is no connection's.
    pub(crate) fn expire_others(&mut self) {
        self.expire_listings();
        self.expire_links();
        self.take_again_if_due();
    }

    /// Answers a request with no.
    pub(crate) fn refuse(&mut self, id: ConnectionId, tag: Tag, no: &Rejection) {
        self.outbox.reply(id, tag, &no.reply(&no.to_string()));
    }

    /// Answers a request that was done now, and not by the log.
    pub(crate) fn done(&mut self, id: ConnectionId, tag: Tag, answer: Answer<'_>) {
        let (at_ms, text) = (self.time.now_ms, answer.to_string());
        self.outbox.reply(id, tag, &Reply::Done { at_ms, text: &text });
    }

    /// How the log names a connection: number, address, and the user once known.
    pub(crate) fn label(&self, id: ConnectionId) -> String {
        let Some(session) = self.sessions.get(id) else { return format!("#{}", id.generation) };
        let address = session.address;
        match session.member() {
            Some(member) => format!("#{} {address} {}", id.generation, self.forum.name_of(member.account)),
            None => format!("#{} {address}", id.generation),
        }
    }
}
