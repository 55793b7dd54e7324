//! The examples: programs to learn from, built by cargo when a test first wants one, like the programs themselves.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use crate::binaries::{self, profile_directory};

/// The path of an example of a package, which is built first.
pub fn example(package: &'static str, name: &str) -> PathBuf {
    static BUILT: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if built.insert(package) {
        binaries::build(&profile_directory(), &["--examples", "-p", package]);
    }
    profile_directory().join("examples").join(name)
}
