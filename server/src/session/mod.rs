//! One connection's meaning: its phase (`phase`), what its input is (`input`), how it logs in (`login`,
//! `authentication`), and what it waits for (`waiting`). Who has no client speaks text (`text`).

mod address;
pub(crate) mod authentication;
pub(crate) mod input;
pub mod lockout;
pub(crate) mod login;
mod login_budget;
mod member;
mod phase;
mod rate;
pub(crate) mod share;
pub(crate) mod text;
mod tracing;
pub(crate) mod waiting;

use crate::clock::Moment;

pub use self::address::Address;
pub use self::login_budget::LoginBudget;
pub use self::member::{CheckFor, Delivery, Member, NewPassword, PasswordCheck, Task, Unapplied};
pub use self::phase::{Authentication, Claim, Draining, DrainingStage, Phase, Wish};
pub use self::rate::Rate;
pub use self::text::Text;

/// Names one connection for as long as it lives. The slot is used again at once by the next connection, so
/// a generation tells the two apart: events for the dead one find nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId {
    /// Index into the slab.
    pub slot: u32,
    /// Its number among all connections, wrapping around after 4 billion.
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
    /// It has not been logged in.
    pub is_guest: bool,
    /// Whether the client wants to know who comes and goes.
    pub wants_presence: bool,
    /// When the client last did something that counts; of a member never none.
    pub active_at: Option<Moment>,
    /// Requests taken in the second that began then; for the limit of requests a second.
    pub rate: Rate,
    /// What it waited for when its last turn was over; none = for the client.
    pub waits_for: Option<Wait>,
    /// The client's FIN was read: nothing more comes from it.
    pub input_ended: bool,
    /// What it needs for speaking text; none = it speaks frames.
    pub text: Option<Box<Text>>,
}

/// What a connection waits for, besides its client. `waiting` says what wakes it.
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
