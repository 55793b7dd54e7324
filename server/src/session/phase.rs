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

use std::time::Instant;

use forum_common::names::{Password, UserName};
use forum_common::wire::Tag;

use super::member::{Delivery, Member, Task, Unapplied};
use super::{Address, LoginBudget, Rate, Session};
use crate::clock::Moment;
use crate::forum::{AccountId, MailNumber, TakeOver};
use crate::workers::passwords::PasswordHash;

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
            is_guest: true,
            wants_presence: false,
            active_at: None,
            rate,
            waits_for: None,
            input_ended: false,
            text: None,
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
    pub fn log_in(&mut self, account: AccountId, backlog: MailNumber, now: Moment) {
        let Phase::Authenticating(..) = self.phase else { return self.out_of_phase("log_in") };
        let (unapplied, mail) = (Unapplied::default(), Delivery::default());
        self.phase = Phase::Member(Member { account, unapplied, mail, task: Task::Backlog(backlog) });
        self.is_guest = false;
        self.active_at = Some(now);
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

    /// All was sent, and FIN: the client's is awaited until `due`, but no longer than before. Says until when that is.
    pub fn sent_fin(&mut self, due: Instant) -> Instant {
        if let Phase::Draining(draining) = &mut self.phase {
            debug_assert_eq!(draining.stage, DrainingStage::Sending, "FIN is sent once");
            draining.stage = DrainingStage::AwaitingEnd;
        }
        self.hurry(due)
    }

    /// The end is awaited until `due`, but no longer than before. Says until when that is.
    pub fn hurry(&mut self, due: Instant) -> Instant {
        let Phase::Draining(draining) = &mut self.phase else {
            self.out_of_phase("hurry");
            return due;
        };
        draining.due = draining.due.min(due);
        draining.due
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
        let moment = crate::clock::Start::new(now).moment(now);
        Session::new(address, now).log_in(AccountId(0), MailNumber(0), moment);
    }
}
