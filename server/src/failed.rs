//! Why the program did not do what it was asked for.

use std::fmt::Display;

/// Why the program did not do what it was asked for.
#[derive(Debug)]
pub enum Failed {
    /// The command line is wrong: exit 2.
    Usage(String),
    /// Anything else: exit 1, with one line that says what.
    Other(String),
}

impl Failed {
    /// What went wrong, in one line.
    pub fn because(reason: impl Display) -> Self {
        Self::Other(reason.to_string())
    }
}
