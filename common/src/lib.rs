//! What the programs of forumd share: the frames of the wire protocol, the messages inside them, and the
//! names and texts that a forum accepts.
//!
//! Nothing here knows a socket, a file or a clock: bytes go in, values come out, and the other way round. The
//! exceptions have features of their own: [`process`], for what every program does first, and [`tls`].
//! `docs/PROTOCOL.md` describes the same thing for people who write a client in another language.
#![forbid(unsafe_code)]

pub mod escape;
pub mod limits;
pub mod names;
#[cfg(feature = "process")]
pub mod process;
pub mod text;
#[cfg(feature = "tls")]
pub mod tls;
pub mod wiping;
pub mod wire;
