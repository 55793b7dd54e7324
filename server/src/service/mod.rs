//! The service: who is online, what they ask, and what becomes of it. It turns frames into answers and
//! entries, and applied entries into answers and notices. Sockets are opened elsewhere, and time comes from
//! the clock it was given: a whole server runs in a unit test.
//!
//! One turn of it: results of the helpers, deadlines, then a share of input for everybody who waits, then
//! one write for everybody who got something, then the dead are buried.

mod answers;
mod checks;
mod commands;
mod commit;
mod intake;
mod keyed;
mod links;
mod listings;
mod log_time;
mod login;
mod mailbox;
mod messenger;
mod presence;
mod removal;
mod rooms;
mod shutdown;
mod transfers;
mod unlinking;
mod waiting;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::RandomState;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use forum_common::wire::Closing;
use forum_common::wire::Notice;
use forum_common::wire::Reply;
use forum_common::wire::Tag;
use log::{info, warn};
use slab::Slab;

use self::checks::{Attempt, Target};
use self::commit::Pending;
use self::log_time::LogTime;
use self::presence::{Comings, Said};
use self::removal::Removal;
use self::shutdown::Lifecycle;
use self::transfers::{Download, TransferDeadlines, TransferKey, Upload};
use self::unlinking::Unlinking;
use crate::args::Limits;
use crate::clock::Clock;
use crate::connection::{OUTGOING_BYTES_LOW, PeerEnd, SCRATCH_BYTES, Stream};
use crate::core::limits::InFlight;
use crate::core::listings::Listings;
use crate::core::probes::Probes;
use crate::forum::{AccountId, Forum};
use crate::journal::{Journal, Sequence};
use crate::links::Links;
use crate::lockout::Lockout;
use crate::online::Online;
use crate::peers::Peers;
use crate::session::{Address, FarewellStage, PeerId, Phase, Session, Wait};
use crate::timers::DeadlineQueue;
use crate::workers::files::FileWorkers;
use crate::workers::passwords::{PasswordHash, PasswordHasher};
use forum_common::text::{Answer, Rejection, Zone};

/// How long a connection may take to close once all was sent to it; and to read the last word if it was cut off, or
/// the server ends. Others may take the stall time-out for that.
const FAREWELL: Duration = Duration::from_secs(5);
/// Connections past the limit that are told so at one time; more are closed without a word. They count apart from
/// those that are in, so they keep nobody out.
pub(crate) const TURNED_AWAY_MAX: usize = 32;
/// How long one of them may take to read it and close: less than [`FAREWELL`], because the next are waiting.
const TURNED_AWAY_FAREWELL: Duration = Duration::from_secs(2);

/// Receivers of notices that are written to in one turn: a broadcast to ten thousand takes tens of
/// milliseconds, which those who ask something meanwhile are not to wait for.
const NOTICE_SHARE: usize = 256;

/// What the service is told when it starts, and never again.
#[derive(Debug)]
pub struct Settings {
    /// What the forum may grow to.
    pub limits: Limits,
    /// Connections at once.
    pub connections_max: usize,
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
    /// The zone that times are shown in.
    pub zone: Zone,
    /// The hash of the password for SHT; without one it is always refused.
    pub admin_password: Option<PasswordHash>,
}

/// The helpers of the service: each takes work and hands back results, in threads of its own or at once.
pub struct Helpers<J> {
    /// Puts entries in order and makes them durable.
    pub journal: J,
    /// Hashes passwords.
    pub passwords: PasswordHasher<PeerId>,
    /// Writes, reads and deletes files.
    pub files: FileWorkers<TransferKey>,
}

/// The server without its listener.
pub struct Service<S, J, C> {
    settings: Settings,
    clock: C,
    /// The time of this turn.
    now: Instant,
    /// Its time of day, in UTC milliseconds.
    now_ms: u64,
    peers: Peers<S>,
    forum: Forum,
    journal: J,
    /// Entries that are proposed and not applied, each at the place that its ticket names.
    pending: Slab<Pending>,
    pending_bytes: usize,
    /// The time of the newest that was proposed.
    newest_pending_ms: u64,
    /// What limits count of those entries, and of uploads.
    in_flight: InFlight,
    log_time: LogTime,
    /// The last entry that was applied, as the journal counts them.
    applied: Sequence,
    /// Files of removed threads on their way out.
    unlinking: Unlinking,
    /// What of removed threads is still in memory.
    removal: Removal,
    /// Lists that are read, and who waits for room for one.
    listings: Listings,
    /// Who waits for room among the entries in flight.
    waiting_for_room: Vec<PeerId>,
    /// Scratch memory for a text.
    text: String,
    /// What the newest snapshot of this run has come to.
    snapshot_bytes: Arc<AtomicU64>,
    online: Online,
    /// Comings and goings that are to be told in this turn.
    comings: Comings,
    /// What somebody says to all in this turn.
    said: Said,
    /// How many entries of a user that say what its client has taken are in flight.
    taking: HashMap<AccountId, u32>,
    /// Users for whose entries of that kind the disk had no room, and when they are proposed again.
    taking_again: HashSet<AccountId>,
    take_again_at: Option<Instant>,
    /// Changes that were refused for want of space since the last that was not.
    refused_for_space: usize,
    passwords: PasswordHasher<PeerId>,
    lockout: Lockout<Target, PeerId>,
    /// Passwords that are being hashed, by the connection that tries them.
    attempts: HashMap<PeerId, Attempt>,
    /// Makes groups of addresses; random, so that nobody knows which addresses share one.
    address_groups: RandomState,
    files: FileWorkers<TransferKey>,
    uploads: BTreeMap<TransferKey, Upload>,
    downloads: BTreeMap<TransferKey, Download>,
    transfer_deadlines: TransferDeadlines,
    links: Links,
    login_deadlines: DeadlineQueue<PeerId>,
    idle_deadlines: DeadlineQueue<PeerId>,
    probes: Probes,
    farewells: DeadlineQueue<PeerId>,
    lifecycle: Lifecycle,
    /// An accepted SHT is what ends it.
    told_to_end: bool,
    scratch: Vec<u8>,
}

impl<S: Stream, J: Journal, C: Clock> Service<S, J, C> {
    /// A server for `forum`, which is what the journal has told so far.
    pub fn new(settings: Settings, clock: C, forum: Forum, helpers: Helpers<J>) -> Self {
        let (now, now_ms) = (clock.now(), clock.wall_ms());
        let mut service = Self {
            lockout: Lockout::new(settings.attempts_max, settings.block_duration),
            clock,
            now,
            now_ms,
            peers: Peers::new(settings.limits.max_notice_bytes, settings.stall_timeout, now),
            forum,
            // A start makes all of the log durable before it is replayed.
            applied: helpers.journal.durable(),
            journal: helpers.journal,
            pending: Slab::new(),
            pending_bytes: 0,
            newest_pending_ms: 0,
            in_flight: InFlight::default(),
            log_time: LogTime::new(now),
            unlinking: Unlinking::default(),
            removal: Removal::default(),
            listings: Listings::new(settings.limits.max_listing_bytes),
            waiting_for_room: Vec::new(),
            text: String::new(),
            snapshot_bytes: Arc::default(),
            online: Online::default(),
            comings: Comings::new(now),
            said: Said::default(),
            taking: HashMap::new(),
            taking_again: HashSet::new(),
            take_again_at: None,
            refused_for_space: 0,
            passwords: helpers.passwords,
            attempts: HashMap::new(),
            address_groups: RandomState::new(),
            files: helpers.files,
            uploads: BTreeMap::new(),
            downloads: BTreeMap::new(),
            transfer_deadlines: TransferDeadlines::default(),
            links: Links::default(),
            login_deadlines: DeadlineQueue::default(),
            idle_deadlines: DeadlineQueue::default(),
            probes: Probes::new(now),
            farewells: DeadlineQueue::default(),
            lifecycle: Lifecycle::Running,
            told_to_end: false,
            scratch: vec![0; SCRATCH_BYTES],
            settings,
        };
        service.warn_of_time(service.forum.at_ms());
        service.resume_unlinking();
        service
    }

    /// Takes in a connection that was just accepted, or tells it that the server is full; none when
    /// `TURNED_AWAY_MAX` others are being told so: then it is closed without a word.
    pub fn admit(&mut self, stream: S, address: SocketAddr) -> Option<PeerId> {
        // The last turn may be long ago, and this one begins only when all newcomers are in.
        self.read_clock();
        let turned_away = self.peers.turned_away();
        let full = self.peers.len() - turned_away >= self.settings.connections_max;
        if full && turned_away >= TURNED_AWAY_MAX {
            return None;
        }
        let address = Address::from(address);
        let id = self.peers.insert(stream, Session::new(address, self.now));
        info!("#{} {address} Client connected", id.generation);
        if full {
            let limit = self.settings.connections_max;
            warn!("#{} {address} turned away: {limit} connections are the limit", id.generation);
            self.peers.turn_away(id);
            self.close(id, Closing::ServerFull, "Server is full. Please try again later");
        } else {
            self.login_deadlines.push(id, self.now + self.settings.login_timeout);
        }
        Some(id)
    }

    /// The socket of a connection, for registering it with the poll.
    pub fn stream_mut(&mut self, id: PeerId) -> Option<&mut S> {
        self.peers.get_mut(id).map(|peer| peer.connection.stream_mut())
    }

    /// The kernel says that a socket is readable, and what it knows of the other end.
    pub fn readable(&mut self, id: PeerId, peer_end: PeerEnd) {
        let Some(peer) = self.peers.get_mut(id) else { return };
        peer.connection.mark_readable(peer_end);
        // Who waits reads nothing, and so would not find out; and what it waits for may end in this turn.
        match peer.session.waits_for.and_then(|_| peer.connection.death()) {
            Some(error) => self.lost(id, &error),
            None => self.peers.wake(id),
        }
    }

    /// The kernel says that a socket is writable.
    pub fn writable(&mut self, id: PeerId) {
        // Each event of a socket that can be written to says so, whether or not that is news.
        if let Some(peer) = self.peers.get_mut(id)
            && peer.connection.mark_writable()
        {
            self.peers.want_flush(id);
        }
    }

    /// One turn. `quiet` says that the poll before it brought nothing. Returns whether entries were gathered
    /// that go to the journal as soon as it is quiet: the caller should look once more without waiting.
    pub fn turn(&mut self, quiet: bool) -> bool {
        self.read_clock();
        self.take_outcomes();
        self.take_hashes();
        self.take_file_results();
        self.expire();
        self.serve();
        self.publish_said();
        self.publish_comings_in_time();
        self.bound_notices();
        let gathered = self.journal.end_turn(quiet);
        // What is committed by then is answered in the same turn.
        self.take_outcomes();
        self.unlink_durable();
        self.continue_removals();
        self.publish_said();
        self.bound_notices();
        self.advance_shutdown();
        self.flush();
        self.flush_notices(NOTICE_SHARE);
        self.peers.reap();
        #[cfg(test)]
        self.assert_nobody_is_forgotten();
        gathered
    }

    /// Time stands still during a turn: asking costs as much as a small request does.
    fn read_clock(&mut self) {
        self.now = self.clock.now();
        self.now_ms = self.clock.wall_ms();
        self.peers.set_time(self.now);
    }

    /// How long the poll may wait for the next event; none = as long as it likes.
    pub fn idle_for(&self) -> Option<Duration> {
        let is_waited_for = self.peers.waiting_for_turn() > 0 || self.peers.waiting_for_notice_flush() > 0;
        if is_waited_for || self.removal.is_under_way() {
            return Some(Duration::ZERO);
        }
        let deadlines = [&self.login_deadlines, &self.idle_deadlines, &self.farewells];
        let deadlines = deadlines.into_iter().filter_map(DeadlineQueue::next_due);
        let deadlines = deadlines.chain(self.peers.next_stall_due());
        let deadlines = deadlines.chain(self.comings_due()).chain(self.links.next_due());
        let deadlines = deadlines.chain(self.transfer_deadlines.next_due());
        let deadlines = deadlines.chain(self.listings.next_due()).chain(self.probes.next_due());
        let next = deadlines.chain(self.take_again_at).min()?;
        Some(next.saturating_duration_since(self.clock.now()))
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.peers.len()
    }

    /// The forum as it stands.
    pub fn forum(&self) -> &Forum {
        &self.forum
    }

    /// Gives everybody who waits for it one share of a turn; those who come again meanwhile have to wait
    /// for the next.
    fn serve(&mut self) {
        for _ in 0..self.peers.waiting_for_turn() {
            let Some(id) = self.peers.next_turn() else { break };
            self.serve_one(id);
            self.bound_notices();
        }
    }

    /// Writes what this turn has for everybody who got an answer: one vectored write each.
    fn flush(&mut self) {
        let list = self.peers.take_flushes();
        for &id in &list {
            self.flush_one(id);
        }
        self.peers.flushed(list);
    }

    /// Writes to at most `share` of those who got notices.
    fn flush_notices(&mut self, share: usize) {
        for _ in 0..share {
            let Some(id) = self.peers.next_notice_flush() else { break };
            self.flush_one(id);
        }
    }

    fn flush_one(&mut self, id: PeerId) {
        let flushed = self.peers.flush(id);
        self.note_output(id);
        match flushed {
            Ok(()) => self.after_flush(id),
            Err(error) => self.lost(id, &error),
        }
    }

    /// What a connection does when output has left: goes on with what waited for that, or ends.
    fn after_flush(&mut self, id: PeerId) {
        let due = self.now + FAREWELL;
        let Some(peer) = self.peers.get_mut(id) else { return };
        if let Some(farewell) = peer.session.farewell() {
            if farewell.stage == FarewellStage::Sending && peer.connection.outgoing.is_empty() {
                if peer.connection.shutdown_write().is_err() {
                    return self.peers.condemn(id);
                }
                peer.session.sent_fin(due);
                self.farewells.push(id, due);
            }
            self.end_when_closed(id);
        } else if peer.connection.outgoing.len() < OUTGOING_BYTES_LOW {
            if self.has_downloads(id) || self.has_mail(id) {
                self.peers.wake(id);
            }
            self.wait_ended(id, Wait::Output);
        }
    }

    fn end_when_closed(&mut self, id: PeerId) {
        if let Some(peer) = self.peers.get(id)
            && let Some(farewell) = peer.session.farewell()
            && farewell.stage == FarewellStage::AwaitingEnd
            && peer.connection.input_ended()
        {
            self.peers.condemn(id);
        }
    }

    /// Ends what has gone on for too long.
    fn expire(&mut self) {
        while let Some(id) = self.login_deadlines.pop_due(self.now) {
            self.expire_login(id);
        }
        while let Some(id) = self.idle_deadlines.pop_due(self.now) {
            self.expire_idle(id);
        }
        while let Some(id) = self.farewells.pop_due(self.now) {
            self.peers.condemn(id);
        }
        self.expire_transfers();
        while let Some(id) = self.peers.next_stalled() {
            // Who is told its end already has a deadline for that.
            if self.peers.get(id).is_some_and(|peer| !peer.session.is_closing()) {
                self.cut_off(id);
            }
        }
        self.send_probes();
        self.expire_listings();
        self.expire_links();
        self.take_again_if_due();
    }

    /// Finds peers that have vanished: the kernel ends the connection if nothing acknowledges what is sent.
    fn send_probes(&mut self) {
        let peers = &self.peers;
        let is_member = |id| peers.get(id).filter(|peer| peer.session.member().is_some());
        let due = self.probes.due(self.now, |id| Some(is_member(id)?.connection.last_traffic()));
        for id in due {
            // What waits already asks as much as a probe would.
            if self.peers.get(id).is_some_and(|peer| peer.connection.outgoing.is_empty()) {
                self.peers.notify(id, &Notice::Probe);
            }
        }
    }

    fn expire_idle(&mut self, id: PeerId) {
        let Some(limit) = self.settings.idle_timeout else { return };
        let Some(peer) = self.peers.get(id).filter(|peer| peer.session.member().is_some()) else { return };
        let due = peer.session.active_at + limit;
        if due > self.now {
            self.idle_deadlines.push(id, due);
        } else {
            let text = format!("You have been logged out: no activity for {} seconds", limit.as_secs());
            self.close(id, Closing::Idle, &text);
        }
    }

    /// Answers a request with no.
    fn refuse(&mut self, id: PeerId, tag: Tag, no: &Rejection) {
        self.peers.reply(id, tag, &no.reply(&no.to_string()));
    }

    /// Answers a request that was done now, and not by the log.
    fn done(&mut self, id: PeerId, tag: Tag, answer: Answer<'_>) {
        let (at_ms, text) = (self.now_ms, answer.to_string());
        self.peers.reply(id, tag, &Reply::Done { at_ms, text: &text });
    }

    /// Ends a connection with a last word.
    fn close(&mut self, id: PeerId, code: Closing, text: &str) {
        let time = match code {
            Closing::TooSlow | Closing::ShuttingDown => FAREWELL,
            _ => self.settings.stall_timeout,
        };
        self.publish_said();
        self.peers.notify(id, &Notice::Closing { code, text });
        self.end(id, time);
    }

    /// Ends a connection whose last word is queued already.
    fn finish(&mut self, id: PeerId) {
        self.end(id, self.settings.stall_timeout);
    }

    /// Ends a connection whose last word is queued, and which has so much time to read what is.
    fn end(&mut self, id: PeerId, time: Duration) {
        self.depart(id);
        if let Some(peer) = self.peers.get_mut(id) {
            let due = self.now + if peer.was_turned_away() { TURNED_AWAY_FAREWELL } else { time };
            peer.session.close(due);
            self.farewells.push(id, due);
            self.peers.want_flush(id);
            self.peers.wake(id);
        }
    }

    /// Ends a connection that can't be served.
    pub fn break_down(&mut self, id: PeerId, error: &std::io::Error) {
        self.lost(id, error);
    }

    /// Ends a connection that broke.
    fn lost(&mut self, id: PeerId, error: &std::io::Error) {
        info!("{} connection lost: {error}", self.label(id));
        self.depart(id);
        self.peers.condemn(id);
    }

    /// Takes back whatever a session holds, however it ends: its name, its place in a line, its transfers.
    fn depart(&mut self, id: PeerId) {
        self.publish_said();
        let Some(peer) = self.peers.get(id) else { return };
        match &peer.session.phase {
            Phase::Deciding(..) => self.lockout.forget(id),
            Phase::Member(member) => {
                let account = member.account;
                info!("{} exited", self.label(id));
                self.drop_list_of(id);
                self.lockout.forget(id);
                self.propose_taken(id);
                self.online.remove(account, self.now_ms);
                self.abandon_transfers(id);
                // Whoever hears that a user has gone can't reach it any more.
                self.leave_links(account);
                self.tell_going(account);
            }
            // Nothing is held, or it was given back when the last word was said.
            Phase::Greeting(_) | Phase::Naming(_) | Phase::Proving(..) | Phase::Closing(_) => {}
        }
    }

    /// How the log names a connection: number, address, and the user once known.
    fn label(&self, id: PeerId) -> String {
        let Some(peer) = self.peers.get(id) else { return format!("#{}", id.generation) };
        let address = peer.session.address;
        match peer.session.member() {
            Some(member) => format!("#{} {address} {}", id.generation, self.forum.name_of(member.account)),
            None => format!("#{} {address}", id.generation),
        }
    }
}

#[cfg(test)]
mod tests;
