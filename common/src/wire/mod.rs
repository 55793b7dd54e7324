//! The wire protocol, version 3: what a client and forumd say to each other, byte for byte.
//!
//! Three rings, each knowing only the one inside it: [`frame`] cuts a stream of bytes into frames, [`field`]
//! reads and writes the fields of a body, and [`messages`] has the one table of everything that can be said.
//! From that table come the types, their encoding and decoding, and the description that `docs/protocol.json`
//! and the tables of `docs/PROTOCOL.md` are checked against. A new message is a new row there.
//!
//! [`Peer`] puts them together for one end of a connection, without any I/O of its own.

pub mod blocking;
pub mod codes;
pub mod credit;
pub mod describe;
pub mod drafts;
pub mod field;
pub mod frame;
pub mod info;
pub mod input;
pub mod limit_list;
pub mod messages;
pub mod peer;
pub mod replies;
pub mod requests;
pub mod strings;
mod table;
#[cfg(test)]
mod tests;

pub use blocking::Blocking;
pub use codes::{Closing, Limit, Refusal, TakeOver};
pub use credit::{Credit, CreditError, Window};
pub use field::{Digest, Key, Malformed};
pub use frame::{Frame, FrameError, NO_TAG, Tag};
pub use input::Input;
pub use limit_list::{LimitList, LimitListBuf};
pub use messages::{RELAYED_BYTES_MAX, kinds};
pub use peer::{Event, FromServer, OwnedFromServer, Peer, ProtocolError};
pub use replies::{Notice, OwnedNotice, OwnedReply, Reply};
pub use requests::{Direct, OwnedDirect, OwnedRequest, OwnedTransfer, Request, Transfer};

/// The version of the protocol that this crate speaks, and the only one.
pub const VERSION: u16 = 3;

/// Names one link between two users for as long as the server runs.
pub type LinkId = u64;
