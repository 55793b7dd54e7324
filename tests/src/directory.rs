//! What lies in a directory, to be compared with another one.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Every file below `directory`: its path there, and its bytes. One that goes while this looks is left out.
///
/// # Panics
/// One of them can't be read.
pub fn files_below(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut pending = vec![directory.to_owned()];
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).expect("it can be read");
            pending.extend(entries.map(|entry| entry.expect("it can be read").path()));
        } else {
            let bytes = match fs::read(&path) {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                read => read.unwrap_or_else(|error| panic!("{}: {error}", path.display())),
            };
            found.insert(path.strip_prefix(directory).expect("it lies below").to_owned(), bytes);
        }
    }
    found
}
