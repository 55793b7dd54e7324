//! What to do about an error of the operating system, where its own words leave that open.

use std::fmt;
use std::io;

/// An error in the operating system's words, and what to do about it.
pub(crate) struct Advised<'a>(pub(crate) &'a io::Error);

impl fmt::Display for Advised<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(error) = self;
        error.fmt(f)?;
        match error.kind() {
            io::ErrorKind::FileTooLarge => f.write_str("; raise the limit for the size of files (ulimit -f)"),
            io::ErrorKind::StorageFull => f.write_str("; make room on the disk"),
            io::ErrorKind::QuotaExceeded => f.write_str("; raise the quota, or make room"),
            _ => Ok(()),
        }
    }
}
