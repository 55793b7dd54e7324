//! What a connection is to the forum: the phases of a session, and how one leads to the next. States only; when
//! that happens is the business of the other files here.
//!
//! ```text
//!                greet                name                 authenticate                  log_in
//!  AwaitingHello ─────► AwaitingName ────► AwaitingPassword ────────────► Authenticating ──────► Member
//!                         ▲      ▲            │     ▲ │                         │
//!                         │      └── unname ──┘     └─┘ name                    │
//!                         ├──────────────────── reject ─────────────────────────┤
//!                         │                                       ask_take_over │
//!                         └───── answer_take_over ───── AwaitingTakeOver ◄──────┘
//!
//!                           close                    sent_fin
//!  each of these six phases ────► Draining(Sending) ────────► Draining(AwaitingEnd)
//! ```
//!
//! A connection ends in three ways:
//! - The client sends FIN. That is the end of its input and nothing else: what came before it is done and answered,
//!   and then the connection is closed with a word.
//! - The last word is said, whatever the reason: `Closing`. First all that is queued is sent, then FIN; the session
//!   ends at the client's FIN, or at a deadline.
//! - It dies: a reset, a time-out, a failed write. Then it is gone from any phase at once, with all that is not on
//!   its way through the log.

mod address;
pub(crate) mod input;
pub mod lockout;
pub(crate) mod login;
mod login_budget;
mod rate;
pub(crate) mod waiting;

use std::time::Instant;

use forum_common::names::{Password, UserName};
use forum_common::wire::Tag;

use crate::core::listing::Listing;
use crate::forum::{AccountId, MailNumber, TakeOver};
use crate::workers::passwords::{Job, PasswordHash};

pub use self::address::Address;
pub use self::login_budget::LoginBudget;
pub use self::rate::Rate;

/// Names one connection for as long as it lives. The slot is used again at once by the next connection, so
/// a generation tells the two apart: events for the dead one find nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId {
    /// Index into the slab.
    pub slot: u32,
    /// The how-manieth connection it is, wrapping around after 4 billion.
    pub generation: u32,
}

impl ConnectionId {
    /// The connection as one number.
    pub fn number(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.slot)
    }

    /// The connection of which this is the number.
    pub fn from_number(number: u64) -> Self {
        Self { slot: number as u32, generation: (number >> 32) as u32 }
    }
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
    /// What it waited for when its last turn was over; none = for the client.
    pub waits_for: Option<Wait>,
    /// The client's FIN was read: nothing more comes from it.
    pub input_ended: bool,
}

/// What a connection waits for, besides its client. [`waiting`] says what wakes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Its output is not read, or not yet written.
    Output,
    /// The decision on a log-in or a sign-up.
    Authentication,
    /// A password that came with a command is being checked.
    PasswordCheck,
    /// Its own entries on their way through the log.
    OwnEntries,
    /// Room among the entries of all.
    Room,
    /// Entries that say what an earlier session has taken from the mailbox.
    Acknowledgements,
    /// Uploads that have come whole and downloads that have credit.
    Transfers,
    /// Room for its list among those under way.
    Listing,
    /// The rows of its list, which are being copied.
    Rows,
}

/// Where a session stands.
#[derive(Debug)]
pub enum Phase {
    /// Nothing was said yet; a hello is due.
    AwaitingHello(LoginBudget),
    /// A name is due.
    AwaitingName(LoginBudget),
    /// A password for this name is due.
    AwaitingPassword(LoginBudget, Box<Claim>),
    /// The password is right, and the user is online elsewhere: whether that is to end is due.
    AwaitingTakeOver(LoginBudget, Box<(Claim, PasswordHash)>),
    /// The server decides on the password that came with this tag. Nothing is read meanwhile.
    Authenticating(LoginBudget, Tag, Box<Authentication>),
    /// Logged in.
    Member(Member),
    /// The last word is said. Of what still comes only acknowledgements of messages count.
    Draining(Draining),
}

impl Phase {
    /// What is left of the server's login_budget with a client that is not logged in.
    pub fn login_budget(&self) -> Option<LoginBudget> {
        match self {
            Self::AwaitingHello(login_budget)
            | Self::AwaitingName(login_budget)
            | Self::AwaitingPassword(login_budget, _)
            | Self::AwaitingTakeOver(login_budget, _)
            | Self::Authenticating(login_budget, ..) => Some(*login_budget),
            Self::Member(_) | Self::Draining(_) => None,
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
    /// What is to become of another session of this user.
    pub wish: Wish,
}

/// What a client wants of another session of its user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// This, and no question.
    Do(TakeOver),
    /// To be asked, after the right password.
    BeAsked,
}

impl Wish {
    /// Whether the other session may end: then the password comes before anything is said of it.
    pub fn may_end_another(self) -> bool {
        self != Self::Do(TakeOver::Never)
    }
}

/// How far the decision on a password has come.
#[derive(Debug)]
pub enum Authentication {
    /// Too many attempts at this name are being hashed; this one waits for them.
    InLine(Claim, Password),
    /// The password is being hashed, and compared with this if the account is known.
    Hashing(Claim, Option<PasswordHash>),
    /// The new account, with this hash, is on its way through the log.
    SigningUp(Claim, PasswordHash),
    /// The log-in, by a password that was compared with this, is being ordered.
    LoggingIn(Claim, PasswordHash),
}

impl Authentication {
    /// Whose password is decided on.
    pub fn claim(&self) -> &Claim {
        match self {
            Self::InLine(claim, _)
            | Self::Hashing(claim, _)
            | Self::SigningUp(claim, _)
            | Self::LoggingIn(claim, _) => claim,
        }
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

/// The end of a connection whose last word is said.
#[derive(Debug)]
pub struct Draining {
    /// How far it has come.
    pub stage: DrainingStage,
    /// When it is over, whatever the client does.
    pub due: Instant,
    /// Whose session it was, and its messages: the client may still say that it has them.
    pub mail: Option<Box<(AccountId, Delivery)>>,
}

/// How far a connection's end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DrainingStage {
    /// What is queued is being sent.
    Sending,
    /// FIN was sent; the client's is awaited.
    AwaitingEnd,
}

impl Session {
    /// The session of a connection that was just accepted.
    pub fn new(address: Address, now: Instant) -> Self {
        let phase = Phase::AwaitingHello(LoginBudget::new(now));
        let rate = Rate::default();
        Self {
            address,
            phase,
            wants_presence: false,
            active_at: now,
            rate,
            waits_for: None,
            input_ended: false,
        }
    }

    /// The hello was said: a name is due.
    pub fn greet(&mut self, wants_presence: bool) {
        let Phase::AwaitingHello(login_budget) = self.phase else { return self.out_of_phase("greet") };
        self.wants_presence = wants_presence;
        self.phase = Phase::AwaitingName(login_budget);
    }

    /// A name was given: its password is due.
    pub fn name(&mut self, claim: Claim) {
        let (Phase::AwaitingName(login_budget) | Phase::AwaitingPassword(login_budget, _)) = self.phase
        else {
            return self.out_of_phase("name");
        };
        self.phase = Phase::AwaitingPassword(login_budget, Box::new(claim));
    }

    /// The name that was given is given up, and another one due; none if none was given.
    pub fn unname(&mut self) -> Option<Claim> {
        if let Some((claim, _)) = self.answer_take_over() {
            return Some(claim);
        }
        let Phase::AwaitingPassword(login_budget, _) = self.phase else { return None };
        match std::mem::replace(&mut self.phase, Phase::AwaitingName(login_budget)) {
            Phase::AwaitingPassword(_, claim) => Some(*claim),
            _ => None,
        }
    }

    /// A password was given, in the request with this tag, after [`Session::unname`]: it is the server's turn.
    pub fn authenticate(&mut self, tag: Tag, authentication: Authentication, now: Instant) {
        let Phase::AwaitingName(login_budget) = self.phase else { return self.out_of_phase("authenticate") };
        self.phase = Phase::Authenticating(login_budget.pause(now), tag, Box::new(authentication));
    }

    /// The password is right, and the client is asked whether another session is to end.
    pub fn ask_take_over(&mut self, claim: Claim, checked: PasswordHash, now: Instant) {
        let Phase::Authenticating(login_budget, ..) = self.phase else {
            return self.out_of_phase("ask_take_over");
        };
        self.phase = Phase::AwaitingTakeOver(login_budget.resume(now), Box::new((claim, checked)));
    }

    /// The client says what is to become of the other session, and a name is due, unless it is taken over; none if it
    /// was not asked.
    pub fn answer_take_over(&mut self) -> Option<(Claim, PasswordHash)> {
        let Phase::AwaitingTakeOver(login_budget, _) = self.phase else { return None };
        match std::mem::replace(&mut self.phase, Phase::AwaitingName(login_budget)) {
            Phase::AwaitingTakeOver(_, proved) => Some(*proved),
            _ => None,
        }
    }

    /// The password was refused: a name is due again.
    pub fn reject(&mut self, now: Instant) {
        let Phase::Authenticating(login_budget, ..) = self.phase else {
            return self.out_of_phase("reject");
        };
        self.phase = Phase::AwaitingName(login_budget.resume(now));
    }

    /// The password is right.
    pub fn log_in(&mut self, account: AccountId, mail: Delivery, now: Instant) {
        let Phase::Authenticating(..) = self.phase else { return self.out_of_phase("log_in") };
        let unapplied = Unapplied::default();
        self.phase = Phase::Member(Member { account, unapplied, mail, task: Task::Backlog });
        self.active_at = now;
    }

    /// The last word is said; the session is over when `due` has come, if not before.
    pub fn close(&mut self, due: Instant) {
        if self.is_draining() {
            return self.out_of_phase("close");
        }
        let mail = self.member().map(|member| Box::new((member.account, member.mail)));
        self.phase = Phase::Draining(Draining { stage: DrainingStage::Sending, due, mail });
        self.waits_for = None;
    }

    /// All was sent, and FIN: the client's is awaited until `due`, but no longer than before.
    pub fn sent_fin(&mut self, due: Instant) {
        let Phase::Draining(draining) = &mut self.phase else { return self.out_of_phase("sent_fin") };
        debug_assert_eq!(draining.stage, DrainingStage::Sending, "FIN is sent once");
        draining.stage = DrainingStage::AwaitingEnd;
        draining.due = draining.due.min(due);
    }

    /// The server ends: nobody has longer than until `due`.
    pub fn hurry(&mut self, due: Instant) {
        let Phase::Draining(draining) = &mut self.phase else { return self.out_of_phase("hurry") };
        draining.due = draining.due.min(due);
    }

    /// A transition that the diagram doesn't have.
    fn out_of_phase(&self, transition: &str) {
        debug_assert!(false, "{transition} out of {:?}", self.phase);
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
            Phase::Draining(Draining { mail: Some(mail), .. }) => Some((mail.0, &mut mail.1)),
            _ => None,
        }
    }

    /// What comes after the last word is not to be trusted: no acknowledgement counts any more.
    pub fn forget_mail(&mut self) {
        if let Phase::Draining(draining) = &mut self.phase {
            draining.mail = None;
        }
    }

    /// How far the end has come, once the last word was said.
    pub fn draining(&self) -> Option<&Draining> {
        match &self.phase {
            Phase::Draining(draining) => Some(draining),
            _ => None,
        }
    }

    /// Whether the last word was said.
    pub fn is_draining(&self) -> bool {
        self.draining().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "log_in out of AwaitingHello")]
    fn nobody_is_logged_in_without_a_decision() {
        let now = Instant::now();
        let address = Address::from(std::net::SocketAddr::from(([127, 0, 0, 1], 1)));
        Session::new(address, now).log_in(AccountId(0), Delivery::default(), now);
    }
}
