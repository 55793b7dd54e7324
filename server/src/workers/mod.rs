//! What would hold up the loop and so has threads of its own: files, password hashes, TLS handshakes, and lines of
//! the log. Each takes work without blocking and hands results back as the loop asks for them.

pub mod files;
pub mod handshakes;
pub mod logging;
pub mod passwords;
mod pool;
