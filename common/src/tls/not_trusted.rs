//! A certificate that is not trusted: what rustls hands on as an error of a kind of our own.

use std::error::Error as StdError;
use std::fmt;

use rustls::{CertificateError, Error, OtherError};

use super::Fingerprint;

/// The server's certificate is not trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotTrusted {
    /// The certificate that it has shown.
    pub shown: Fingerprint,
    /// Why not.
    pub why: String,
}

impl fmt::Display for NotTrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (SHA-256 fingerprint {})", self.why, self.shown)
    }
}

impl StdError for NotTrusted {}

/// Which certificate a server has shown that was not trusted, if that is what went wrong.
pub fn not_trusted(error: &Error) -> Option<NotTrusted> {
    match error {
        Error::InvalidCertificate(CertificateError::Other(OtherError(why))) => {
            why.downcast_ref::<NotTrusted>().cloned()
        }
        _ => None,
    }
}
