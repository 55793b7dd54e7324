//! What a connection is to the forum: the phases of a session. States only; what moves a session from one
//! to the next is the business of `service`.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use forum_common::names::{Password, UserName};
use forum_common::wire::Tag;

use crate::forum::{AccountId, MailNumber};
use crate::listing::Listing;
use crate::passwords::Job;

/// Names one connection for as long as it lives. The slot is used again at once by the next connection, so
/// a generation tells the two apart: events for the dead one find nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId {
    /// Index into the slab.
    pub slot: u32,
    /// The how-manieth connection it is, wrapping around after 4 billion.
    pub generation: u32,
}

/// Everything that is remembered of one connection besides its bytes.
#[derive(Debug)]
pub struct Session {
    /// Where it comes from.
    pub address: Address,
    /// Where it stands.
    pub phase: Phase,
    /// Whether the client wants to know who comes and goes.
    pub wants_presence: bool,
    /// When the client last did something that counts.
    pub active_at: Instant,
    /// Requests taken in the second that began then; for the limit of requests a second.
    pub rate: Rate,
}

/// Where a session stands.
#[derive(Debug)]
pub enum Phase {
    /// Nothing was said yet; a hello is due.
    Greeting(Patience),
    /// A name is due.
    Naming(Patience),
    /// A password for this name is due.
    Proving(Patience, Box<Claim>),
    /// The server decides on the password that came with this tag. Nothing is read meanwhile.
    Deciding(Patience, Tag, Box<Deciding>),
    /// Logged in.
    Member(Member),
    /// The last word is said. It is being sent, then FIN, then input is thrown away until the client's FIN.
    Closing(Farewell),
}

impl Phase {
    /// What is left of the server's patience with a client that is not logged in.
    pub fn patience(&self) -> Option<Patience> {
        match self {
            Self::Greeting(patience)
            | Self::Naming(patience)
            | Self::Proving(patience, _)
            | Self::Deciding(patience, ..) => Some(*patience),
            Self::Member(_) | Self::Closing(_) => None,
        }
    }
}

/// Who a client says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The name.
    pub name: UserName,
    /// The account of that name, if there was one when the name was given.
    pub account: Option<AccountId>,
    /// Where the client takes files of other users; 0 = nowhere.
    pub udp_port: u16,
}

/// How far the decision on a password has come.
#[derive(Debug)]
pub enum Deciding {
    /// Too many attempts at this name are being hashed; this one waits for them.
    InLine(Claim, Password),
    /// The password is being hashed.
    Hashing(Claim),
    /// The new account is on its way through the log.
    SigningUp(Claim),
}

impl Deciding {
    /// Whose password is decided on.
    pub fn claim(&self) -> &Claim {
        match self {
            Self::InLine(claim, _) | Self::Hashing(claim) | Self::SigningUp(claim) => claim,
        }
    }
}

/// How long a client may still be silent before it is logged in. Only its own silence counts: what the
/// server takes for hashing does not.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Silence of the past.
    spent: Duration,
    /// When the present silence began; none while the server is at work.
    since: Option<Instant>,
}

impl Patience {
    /// A new client's, which is silent from now on.
    pub fn new(now: Instant) -> Self {
        Self { spent: Duration::ZERO, since: Some(now) }
    }

    /// The server is at work.
    pub fn pause(mut self, now: Instant) -> Self {
        self.spent = self.spent(now);
        self.since = None;
        self
    }

    /// It is the client's turn again.
    pub fn resume(mut self, now: Instant) -> Self {
        self.since = self.since.or(Some(now));
        self
    }

    /// All silence until `now`.
    pub fn spent(&self, now: Instant) -> Duration {
        self.spent + self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }
}

/// A session that is logged in.
#[derive(Debug)]
pub struct Member {
    /// Who it is.
    pub account: AccountId,
    /// Its entries that are proposed and not applied yet.
    pub unapplied: Unapplied,
    /// Its messages on their way.
    pub mail: Delivery,
    /// The request whose answer takes longer; what comes behind it waits.
    pub task: Task,
}

impl Member {
    /// Whether a long answer is under way.
    pub fn is_at_work(&self) -> bool {
        !matches!(self.task, Task::Idle)
    }
}

/// Entries of one connection on their way through the log.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unapplied {
    /// How many.
    pub entries: u32,
    /// How many bytes they have.
    pub bytes: u32,
}

/// A request whose answer takes more than a moment.
#[derive(Debug)]
pub enum Task {
    /// None: the next request may be taken.
    Idle,
    /// `passwd` or SHT: a password is being checked.
    CheckingPassword(Box<PasswordCheck>),
    /// The messages that waited for the log-in, made as the socket drains. They come before any answer.
    Backlog,
    /// A list, made as the socket drains.
    Listing(Box<Listing>),
}

/// How far the messages of a mailbox have come on this connection.
#[derive(Debug, Clone, Copy, Default)]
pub struct Delivery {
    /// Up to here they were written to the client.
    pub sent: MailNumber,
    /// Up to here the client has said that it has them.
    pub taken: MailNumber,
    /// Up to here that is on its way through the log, or through.
    pub proposed: MailNumber,
    /// Up to here they waited for the log-in.
    pub backlog: MailNumber,
}

/// A password that came with a command, until it is known whether it is right.
#[derive(Debug)]
pub struct PasswordCheck {
    /// The command's.
    pub tag: Tag,
    /// What it is for.
    pub purpose: CheckFor,
    /// The work for the hashers while it stands in line; none once they have it.
    pub job: Option<Job>,
}

/// What a right password is followed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckFor {
    /// The new password of a `passwd`.
    ChangePassword(NewPassword),
    /// The end of the server.
    ShutDown,
}

/// What is to be said of the new password of a `passwd` once the old one proves right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewPassword {
    /// Nothing: it is being hashed.
    Fine,
    /// It was typed differently the second time.
    Differs,
    /// It can't be a password.
    Malformed,
}

/// How far a connection's end has come.
#[derive(Debug)]
pub struct Farewell {
    /// Whether FIN was sent.
    pub fin_sent: bool,
    /// Whose session it was, and its messages: the client may still say that it has them.
    pub mail: Option<Box<(AccountId, Delivery)>>,
}

/// Counts requests in windows of one second. Without a limit nothing is counted.
#[derive(Debug, Default)]
pub struct Rate(Option<Box<Window>>);

#[derive(Debug)]
struct Window {
    since: Instant,
    taken: u32,
}

impl Rate {
    /// Counts a request.
    pub fn count(&mut self, now: Instant) {
        let window = self.0.get_or_insert_with(|| Box::new(Window { since: now, taken: 0 }));
        if window.is_over(now) {
            **window = Window { since: now, taken: 0 };
        }
        window.taken = window.taken.saturating_add(1);
    }

    /// Whether `limit` requests were taken in this second.
    pub fn is_reached(&self, limit: u32, now: Instant) -> bool {
        self.0.as_ref().is_some_and(|window| !window.is_over(now) && window.taken >= limit)
    }
}

impl Window {
    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) >= Duration::from_secs(1)
    }
}

/// An address and a port, in 20 bytes instead of the 32 that the standard library's type takes with its
/// fields for IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// The machine.
    pub ip: IpAddr,
    /// The port.
    pub port: u16,
}

impl From<SocketAddr> for Address {
    /// A socket that takes both families shows IPv4 addresses in disguise; here they are themselves.
    fn from(address: SocketAddr) -> Self {
        Self { ip: address.ip().to_canonical(), port: address.port() }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::new(self.ip, self.port).fmt(f)
    }
}

impl Session {
    /// The session of a connection that was just accepted.
    pub fn new(address: Address, now: Instant) -> Self {
        let phase = Phase::Greeting(Patience::new(now));
        Self { address, phase, wants_presence: false, active_at: now, rate: Rate::default() }
    }

    /// The member, once logged in.
    pub fn member(&self) -> Option<&Member> {
        match &self.phase {
            Phase::Member(member) => Some(member),
            _ => None,
        }
    }

    /// The member, once logged in.
    pub fn member_mut(&mut self) -> Option<&mut Member> {
        match &mut self.phase {
            Phase::Member(member) => Some(member),
            _ => None,
        }
    }

    /// Whose mailbox this session reads, or read until its last word, and how far.
    pub fn delivery_mut(&mut self) -> Option<(AccountId, &mut Delivery)> {
        match &mut self.phase {
            Phase::Member(member) => Some((member.account, &mut member.mail)),
            Phase::Closing(Farewell { mail: Some(mail), .. }) => Some((mail.0, &mut mail.1)),
            _ => None,
        }
    }

    /// Whether the last word was said.
    pub fn is_closing(&self) -> bool {
        matches!(self.phase, Phase::Closing(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_clients_own_silence_counts() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let patience = Patience::new(start).pause(at(10));
        assert_eq!(patience.spent(at(1_000)), Duration::from_secs(10));
        assert_eq!(patience.resume(at(1_000)).spent(at(1_005)), Duration::from_secs(15));
    }

    #[test]
    fn an_address_of_the_old_family_is_shown_as_such() {
        let shown = |address: &str| Address::from(address.parse::<SocketAddr>().unwrap()).to_string();
        assert_eq!(shown("[::ffff:192.0.2.1]:7"), "192.0.2.1:7");
        assert_eq!(shown("192.0.2.1:7"), "192.0.2.1:7");
        assert_eq!(shown("[2001:db8::1]:7"), "[2001:db8::1]:7");
    }

    #[test]
    fn the_rate_limit_counts_by_the_second() {
        let start = Instant::now();
        let mut rate = Rate::default();
        for _ in 0..3 {
            assert!(!rate.is_reached(3, start));
            rate.count(start);
        }
        assert!(rate.is_reached(3, start));
        assert!(!rate.is_reached(3, start + Duration::from_secs(1)));
    }
}
