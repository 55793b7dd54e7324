//! Everything that people type and read, in one place: the client's prompt, its help and completion, the server's
//! answers and its log, and a text door say the same because they use the same rows.
//!
//! Pure functions from values to text and back; the exact words are promises, so tables of them are tested here.

pub mod answers;
pub mod clock;
pub mod commands;
pub mod decoration;
pub mod lines;
pub mod passwords;
pub mod prompts;
pub mod rejections;
pub mod times;
pub mod typed;

pub use answers::Answer;
pub use commands::{Command, LineError, Now, SyntaxError, parse};
pub use lines::{Listing, Reader, Shown};
pub use passwords::Passwords;
pub use rejections::Rejection;
pub use times::Zone;
pub use typed::{Secret, Unreadable};

use std::fmt;

/// Names that stand on the wire with one space between them, as people read them: with a comma as well.
#[derive(Debug, Clone, Copy)]
pub struct Joined<'a>(pub &'a str);

impl fmt::Display for Joined<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, name) in self.0.split(' ').enumerate() {
            f.write_str(if at > 0 { ", " } else { "" })?;
            f.write_str(name)?;
        }
        Ok(())
    }
}

/// A number written in digits and nothing else; one beyond all numbers counts as the largest.
fn whole_number(word: &str) -> Option<u64> {
    let is_number = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| word.parse().unwrap_or(u64::MAX))
}
