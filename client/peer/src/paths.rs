//! The local paths that a word on the line may become.

use std::fs;
use std::path::Path;

/// Entries of a directory that are looked at.
const ENTRIES_MAX: usize = 10_000;

/// The files and directories that `start` may be the beginning of; hidden ones only if asked for. Names
/// that can't be a word of a command are left out.
pub fn beginning_with(start: &str) -> Vec<String> {
    let (directory, name_start) =
        start.rsplit_once('/').map_or(("", start), |(_, name)| (&start[..start.len() - name.len()], name));
    let place = if directory.is_empty() { Path::new(".") } else { Path::new(directory) };
    let Ok(entries) = fs::read_dir(place) else { return Vec::new() };
    let mut found: Vec<String> = entries
        .take(ENTRIES_MAX)
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name().into_string().ok()?;
            let is_word = !name.contains(|c: char| c.is_whitespace() || c.is_control());
            let is_shown = !name.starts_with('.') || name_start.starts_with('.');
            let is_directory = || fs::metadata(entry.path()).is_ok_and(|it| it.is_dir());
            (is_word && is_shown && name.starts_with(name_start))
                .then(|| format!("{directory}{name}{}", if is_directory() { "/" } else { "" }))
        })
        .collect();
    found.sort();
    found
}
