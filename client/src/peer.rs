//! From user to user, past the server: it introduces two clients to each other, and a file goes straight
//! from one to the other.

pub mod digest;
pub mod folder;
pub mod udp;
