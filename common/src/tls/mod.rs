//! TLS as all programs here speak it. The rest of this crate is pure; this part of it comes with the feature `tls`.

mod client;
mod fingerprint;
mod line;
mod not_trusted;
mod roots;

pub use self::client::{TlsClient, Trust, client_config};
pub use self::fingerprint::{Fingerprint, NotAFingerprint};
pub use self::line::{Line, Unsafe};
pub use self::not_trusted::{NotTrusted, not_trusted};
pub use self::roots::{roots_in, system_roots};

/// What is spoken inside TLS, as ALPN has it (RFC 7301). A peer that names no protocol is taken at its word: `openssl
/// s_client` for instance.
pub const ALPN: &[u8] = b"forumd/3";
