//! What the programs of forumd share: the frames of the wire protocol, the messages inside them, and the
//! names and texts that a forum accepts.
//!
//! Nothing here knows a socket, a file or a clock: bytes go in, values come out, and the other way round.
//! `docs/PROTOCOL.md` describes the same thing for people who write a client in another language.
#![forbid(unsafe_code)]

pub mod escape;
pub mod frame;
pub mod limits;
pub mod link;
pub mod names;
pub mod notice;
pub mod peer;
pub mod reader;
pub mod refusal;
pub mod reply;
pub mod request;
pub mod text;
pub mod transfer;
pub mod wire;
