//! The standard streams as they were handed to the program: whether each is open, and of a kind that can be used.

use rustix::fs::{FileType, OFlags, fcntl_getfl, fstat};

use super::Standard;

/// Checks that all three can be used.
///
/// # Errors
/// One can't: which, why, and what to do about it.
pub fn check() -> Result<(), String> {
    Standard::ALL.into_iter().try_for_each(check_one)
}

fn check_one(stream: Standard) -> Result<(), String> {
    stream.expect_open()?;
    let (name, instead) = (stream.name(), stream.instead());
    let unusable = |error| format!("{name} cannot be used: {error}");
    let mode = fcntl_getfl(stream.fd()).map_err(unusable)? & OFlags::RWMODE;
    let (other, for_what) = match stream {
        Standard::Input => (OFlags::WRONLY, "reading"),
        Standard::Output | Standard::Error => (OFlags::RDONLY, "writing"),
    };
    if mode == other {
        return Err(format!("{name} is not open for {for_what}. {instead}"));
    }
    let stat = fstat(stream.fd()).map_err(unusable)?;
    if FileType::from_raw_mode(stat.st_mode).is_dir() {
        return Err(format!("{name} is a directory. {instead}"));
    }
    Ok(())
}
