//! TLS: certificates, handshakes, and what is said to whom without it.
#![forbid(unsafe_code)]

mod init;
