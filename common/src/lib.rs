//! What the programs of forumd share: the frames of the wire protocol, the messages inside them, and the
//! names and texts that a forum accepts.
//!
//! Nothing here knows a socket, a file or a clock: bytes go in, values come out, and the other way round.
//! `docs/PROTOCOL.md` describes the same thing for people who write a client in another language.
#![forbid(unsafe_code)]

pub mod escape;
pub mod limits;
pub mod names;
pub mod text;
pub mod wire;
