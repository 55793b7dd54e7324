//! TLS: certificates, handshakes, and what is said to whom without it.
#![forbid(unsafe_code)]

mod client;
mod endings;
mod first_use;
mod init;
mod openssl;
mod reload;
mod sessions;
mod startup;
mod storm;
