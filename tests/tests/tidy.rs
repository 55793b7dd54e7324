//! Rules about the source itself that no compiler checks.
#![forbid(unsafe_code)]

use std::fs;
use std::path::{Path, PathBuf};

/// Crate roots that may hold unsafe code. There is none, and each one needs a reason here.
const UNSAFE_ROOTS: &[&str] = &[];

/// What the pure heart of the server must not know: sockets, files, clocks, logging.
const FORBIDDEN_IN_FORUM: &[&str] =
    &["mio", "std::net", "std::fs", "std::time", "log::", "SystemTime", "Instant", "std::env", "std::thread"];

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the workspace").to_owned()
}

/// Every source file of the workspace: its path there, and its text.
fn sources() -> Vec<(String, String)> {
    let root = workspace();
    let mut found = Vec::new();
    let mut pending = members();
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            pending.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(&root).unwrap().to_str().expect("an ASCII path").to_owned();
            found.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
    found.sort();
    assert!(found.len() > 20, "the workspace has more than these: {found:?}");
    found
}

/// The directories of the workspace's members.
fn members() -> Vec<PathBuf> {
    let manifest = fs::read_to_string(workspace().join("Cargo.toml")).unwrap();
    let list =
        manifest.split_once("members = [").and_then(|(_, rest)| rest.split_once(']')).expect("a list").0;
    let names = list.split(',').map(|name| name.trim().trim_matches('"')).filter(|name| !name.is_empty());
    names.map(|name| workspace().join(name)).collect()
}

/// The lines of a source without its comments, each with its number.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.lines().map(|line| line.split("//").next().unwrap_or_default()))
}

/// Whether `word` stands in `line` and is no part of a longer word.
fn names(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + word.len()..].chars().next();
        let ends_open = word.ends_with(|c: char| !is_part(c));
        !before.is_some_and(is_part) && (ends_open || !after.is_some_and(is_part))
    })
}

fn expect_none(offences: &[String]) {
    assert!(offences.is_empty(), "\n{}", offences.join("\n"));
}

#[test]
fn the_rules_see_what_they_forbid_and_nothing_else() {
    assert!(names("use std::time::Instant;", "std::time") && names("mio::Poll", "mio"));
    assert!(names("log::info!(\"x\")", "log::") && names("let t = Instant::now();", "Instant"));
    assert!(!names("use crate::minions;", "mio") && !names("catalog::find", "log::"));
    assert!(!names("InstantCoffee", "Instant") && !names("dialog", "log::"));
    assert_eq!(code_lines("a // b\n//! c").collect::<Vec<_>>(), [(1, "a "), (2, "")]);
    for root in ["server/src/main.rs", "common/src/lib.rs", "tests/tests/tidy.rs", "load/src/bin/x.rs"] {
        assert!(is_crate_root(root), "{root}");
    }
    assert!(!is_crate_root("server/src/forum/mod.rs") && !is_crate_root("server/src/forum/lib.rs"));
}

#[test]
fn the_forum_knows_no_sockets_files_clocks_or_logs() {
    let mut files = 0;
    let mut offences = Vec::new();
    for (path, text) in sources() {
        if !path.starts_with("server/src/forum/") {
            continue;
        }
        files += 1;
        for (number, line) in code_lines(&text) {
            for word in FORBIDDEN_IN_FORUM.iter().filter(|word| names(line, word)) {
                offences.push(format!("{path}:{number} names {word}"));
            }
        }
    }
    assert!(files > 3, "only {files} files below server/src/forum");
    expect_none(&offences);
}

/// Whether cargo compiles `path` as a crate of its own.
fn is_crate_root(path: &str) -> bool {
    match path.split('/').collect::<Vec<_>>()[..] {
        [_, "build.rs"] => true,
        [_, "src", file] => matches!(file, "lib.rs" | "main.rs"),
        [_, "src", "bin", ..] | [_, "tests" | "benches" | "examples", _] => true,
        _ => false,
    }
}

#[test]
fn every_crate_forbids_unsafe_code() {
    let mut offences = Vec::new();
    let mut roots = 0;
    for (path, text) in sources() {
        if !is_crate_root(&path) || UNSAFE_ROOTS.contains(&path.as_str()) {
            continue;
        }
        roots += 1;
        if !text.lines().any(|line| line == "#![forbid(unsafe_code)]") {
            offences.push(format!("{path} does not forbid unsafe code"));
        }
    }
    assert!(roots > 5, "only {roots} crate roots");
    expect_none(&offences);
}

#[test]
fn nothing_is_left_open() {
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
    let macros = [concat!("todo", "!"), concat!("unimple", "mented!"), concat!("dbg", "!")];
    let ignored = concat!("#[ig", "nore");
    let mut offences = Vec::new();
    for (path, text) in sources() {
        for (line, number) in text.lines().zip(1..) {
            let left_open = marks.iter().any(|mark| names(line, mark));
            if left_open || macros.iter().any(|name| names(line, name)) || line.contains(ignored) {
                offences.push(format!("{path}:{number}: {}", line.trim()));
            }
        }
    }
    expect_none(&offences);
}

#[test]
fn no_test_sleeps() {
    let sleep = concat!("sle", "ep");
    let mut offences = Vec::new();
    for (path, text) in sources() {
        let tests_start = match text.find("#[cfg(test)]") {
            _ if path.starts_with("tests/") || path.contains("/tests") => 0,
            Some(start) => start,
            None => continue,
        };
        for (number, line) in code_lines(&text[tests_start..]) {
            if names(line, &format!("thread::{sleep}")) || names(line, &format!("{sleep}(")) {
                offences.push(format!("{path}, line {number} of its tests: {}", line.trim()));
            }
        }
    }
    expect_none(&offences);
}

#[test]
fn every_file_says_what_it_is_for() {
    let sources = sources();
    let silent = sources.iter().filter(|(_, text)| !text.starts_with("//! "));
    expect_none(&silent.map(|(path, _)| format!("{path} does not open with //!")).collect::<Vec<_>>());
}

#[test]
fn no_source_names_the_machine_it_was_written_on() {
    let places = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];
    let mut offences = Vec::new();
    for (path, text) in sources() {
        for (line, number) in text.lines().zip(1..) {
            if places.iter().any(|place| line.contains(place)) {
                offences.push(format!("{path}:{number}: {}", line.trim()));
            }
        }
    }
    expect_none(&offences);
}
