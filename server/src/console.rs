//! Words for people on standard error. `println!` and its like panic when the other end of a pipe is closed or a
//! disk is full, and a server must not die of that; so nothing else here writes to the standard streams.

use std::fmt::Display;
use std::io::{self, Write};

/// Says one line on standard error, in one piece. If that fails there is nobody to tell.
pub fn say(line: impl Display) {
    let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}
