//! Rules about the source itself that no compiler checks.
#![forbid(unsafe_code)]

use std::fs;
use std::path::PathBuf;

use forum_tests::workspace;

/// Crate roots that may hold unsafe code. There is none, and each one needs a reason here.
const UNSAFE_ROOTS: &[&str] = &[];

/// What the pure heart of the server must not know: sockets, files, clocks, logging, connections and what serves them.
/// An address is a value like others (`core::net`).
const FORBIDDEN_IN_FORUM: &[&str] = &[
    "mio",
    "std::net",
    "std::fs",
    "std::time",
    "log::",
    "SystemTime",
    "Instant",
    "std::env",
    "std::thread",
    "ConnectionId",
    "crate::commands",
    "crate::core",
    "crate::journal",
    "crate::net",
    "crate::session",
];

/// The pure part of the client.
const CORE_OF_CLIENT: [&str; 19] = [
    "client/src/asked.rs",
    "client/src/commands",
    "client/src/completion.rs",
    "client/src/core/",
    "client/src/line_editor/editor.rs",
    "client/src/line_editor/input.rs",
    "client/src/line_editor/keys.rs",
    "client/src/line_editor/layout.rs",
    "client/src/line_editor/lines.rs",
    "client/src/line_editor/screen.rs",
    "client/src/login.rs",
    "client/src/lookup.rs",
    "client/src/memory.rs",
    "client/src/names.rs",
    "client/src/output.rs",
    "client/src/reconnect.rs",
    "client/peer/src/progress.rs",
    "client/peer/src/transfer.rs",
    "client/peer/src/transfer/",
];

/// What it must not know. Times are values there; nobody asks for the present one.
const FORBIDDEN_IN_CORE: [&str; 9] = [
    "std::net",
    "std::fs",
    "std::io",
    "std::os",
    "std::env",
    "std::thread",
    "rustix",
    "SystemTime",
    "Instant::now",
];

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
    // A member may lie inside another one.
    found.dedup();
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
    let inside = "client/peer/src/lib.rs";
    for root in ["server/src/main.rs", inside, "tests/tests/tidy.rs", "load/src/bin/x.rs"] {
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

#[test]
fn the_core_of_the_client_knows_no_sockets_files_streams_or_clocks() {
    let mut files = 0;
    let mut offences = Vec::new();
    for (path, text) in sources() {
        let is_pure = CORE_OF_CLIENT.iter().any(|start| path.starts_with(start));
        if !is_pure || path.contains("/tests") {
            continue;
        }
        files += 1;
        let code = text.split("mod tests {").next().unwrap_or_default();
        for (number, line) in code_lines(code) {
            for word in FORBIDDEN_IN_CORE.iter().filter(|word| names(line, word)) {
                offences.push(format!("{path}:{number} names {word}"));
            }
        }
    }
    assert!(files > 20, "only {files} files");
    expect_none(&offences);
}

/// Whether cargo compiles `path` as a crate of its own.
fn is_crate_root(path: &str) -> bool {
    let path = path.strip_prefix("client/peer/").map_or(path.to_owned(), |rest| format!("peer/{rest}"));
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

/// The part of a source that is tests, or made for them; what comes before it is left blank, so that lines keep their
/// numbers.
fn tests_of(path: &str, text: &str) -> Option<String> {
    let start = if path.starts_with("tests/") || path.contains("/tests") {
        0
    } else {
        text.find("#[cfg(test)]\nmod tests {")?
    };
    let (before, tests) = text.split_at(start);
    let code: Vec<&str> = code_lines(tests).map(|(_, line)| line).collect();
    Some("\n".repeat(before.matches('\n').count()) + &code.join("\n"))
}

/// The calls of `name` in `code`: the line of each, and its arguments.
fn calls<'a>(code: &'a str, name: &str) -> Vec<(usize, &'a str)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices(&format!("{name}(")) {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') || code[..at].ends_with("fn ") {
            continue;
        }
        let arguments = &code[at + name.len() + 1..];
        let mut depth = 1;
        let end = arguments.find(|c| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            depth == 0
        });
        let line = code[..at].matches('\n').count() + 1;
        found.push((line, &arguments[..end.unwrap_or(arguments.len())]));
    }
    found
}

/// Calls that do nothing for a while.
const SLEEPS: [&str; 3] = [concat!("sle", "ep"), concat!("park_", "timeout"), concat!("sle", "ep_until")];

/// Calls that give up after a while: one that gives up sooner than the deadline waits for silence, or fails on a
/// machine that is busy.
const WAITS: [&str; 9] = [
    "try_recv",
    "recv_timeout",
    "wait_timeout",
    "wait_timeout_while",
    "set_read_timeout",
    "set_write_timeout",
    "connect_timeout",
    "poll",
    "epoll_wait",
];

/// Tests that wait for less than the deadline, each with the reason.
const SHORT_WAITS: [(&str, &str); 5] = [
    ("tests/src/lossy.rs", "the network delivers late datagrams when they are due"),
    ("tests/src/lossy/door.rs", "a narrow line lets through so many bytes a millisecond"),
    ("tests/tests/power_cut/load.rs", "an interval promises what it does after a second of real time"),
    ("client/peer/src/transport/tests/sockets.rs", "one thread looks after both sockets of a proxy"),
    ("client/peer/src/links/tests.rs", "one thread looks after both clients, each for a moment"),
];

/// Tests whose clock is simulated: how long something takes there does not depend on the machine.
const SIMULATED_TIME: [&str; 1] = ["client/peer/src/transport/tests/"];

#[test]
fn the_rules_see_calls_and_their_arguments() {
    let code = "a.wait(&mut fds, Some(f(1)));\nawait(2);\nfn wait(x) {}\n  wait(\n3,\n)";
    assert_eq!(calls(code, "wait"), [(1, "&mut fds, Some(f(1))"), (4, "\n3,\n")]);
    let source = "one\n// two\n#[cfg(test)]\nmod tests { // three\n";
    assert_eq!(tests_of("server/src/x.rs", source).as_deref(), Some("\n\n#[cfg(test)]\nmod tests { "));
    assert_eq!(tests_of("server/src/x.rs", "no tests"), None);
    assert_eq!(tests_of("tests/src/x.rs", "a // b").as_deref(), Some("a "));
}

#[test]
fn no_test_sleeps() {
    let mut offences = Vec::new();
    for (path, text) in sources() {
        let Some(code) = tests_of(&path, &text) else { continue };
        for (line, _) in SLEEPS.iter().flat_map(|name| calls(&code, name)) {
            offences.push(format!("{path}:{line} sleeps"));
        }
    }
    expect_none(&offences);
}

#[test]
fn every_wait_of_a_test_ends_with_the_deadline_and_not_before() {
    let mut offences = Vec::new();
    let mut waits = 0;
    for (path, text) in sources() {
        let Some(code) = tests_of(&path, &text) else { continue };
        if SHORT_WAITS.iter().any(|(exempt, _)| *exempt == path) {
            continue;
        }
        for (line, arguments) in WAITS.iter().flat_map(|name| calls(&code, name)) {
            waits += 1;
            if !arguments.to_lowercase().contains("deadline") {
                offences.push(format!("{path}:{line} waits, but not until the deadline: ({arguments})"));
            }
        }
        let is_simulated = SIMULATED_TIME.iter().any(|directory| path.starts_with(directory));
        for (number, line) in (1..).zip(code.lines()).filter(|_| !is_simulated) {
            if line.contains("elapsed() <") && !line.contains("DEADLINE") {
                offences.push(format!("{path}:{number} wants the machine to be fast: {}", line.trim()));
            }
        }
    }
    assert!(waits > 20, "only {waits} waits");
    expect_none(&offences);
}

#[test]
fn every_deadline_of_a_test_is_long_enough_for_a_busy_machine() {
    const SECONDS_MIN: u64 = 60;
    let (constant, value) = (concat!("DEADLINE: ", "Duration = "), "Duration::from_secs(");
    let mut offences = Vec::new();
    for (path, text) in sources() {
        let code = tests_of(&path, &text).unwrap_or_default();
        for (number, line) in (1..).zip(code.lines()).filter(|(_, line)| line.contains(constant)) {
            let seconds = line.split_once(value).and_then(|(_, rest)| rest.split_once(')'));
            let seconds = seconds.and_then(|(digits, _)| digits.parse::<u64>().ok());
            if seconds.is_none_or(|seconds| seconds < SECONDS_MIN) {
                offences.push(format!("{path}:{number}: {}", line.trim()));
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

/// Lines that a source may have, and a function: a page of each is read in one go.
const FILE_LINES_MAX: usize = 400;
const FUNCTION_LINES_MAX: usize = 60;

/// Sources whose lengths are bounded.
const SHORT_SOURCES: [&str; 4] = ["client/peer/src/", "client/src/", "common/src/", "server/src/"];

/// A source without its tests.
fn without_tests<'a>(path: &str, text: &'a str) -> Option<&'a str> {
    if path.contains("/tests/") || path.ends_with("/tests.rs") {
        return None;
    }
    Some(forum_tests::without_tests(text))
}

/// The functions of a source: the line where each begins, its name, and its length in lines.
fn functions(text: &str) -> Vec<(usize, &str, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let head = line.trim_start();
        let Some((before, after)) = head.split_once("fn ") else { continue };
        let is_head = before.is_empty() || before.starts_with("pub") || before == "const ";
        if !is_head || line.ends_with(['}', ';']) {
            continue;
        }
        let indent = &line[..line.len() - head.len()];
        let end = lines[at..].iter().position(|line| line.strip_prefix(indent) == Some("}"));
        let length = end.map_or(0, |end| end + 1);
        let name = after.split(['(', '<']).next().unwrap_or_default();
        found.push((at + 1, name, length));
    }
    found
}

#[test]
fn files_and_functions_are_short() {
    assert_eq!(
        functions("    pub(crate) fn a(\n        b: C,\n    ) {\n        d();\n    }\n"),
        [(1, "a", 5)]
    );
    let mut offences = Vec::new();
    for (path, text) in sources() {
        let is_short = SHORT_SOURCES.iter().any(|directory| path.starts_with(directory));
        let Some(code) = without_tests(&path, &text).filter(|_| is_short) else { continue };
        let length = code.lines().count();
        if length > FILE_LINES_MAX {
            offences.push(format!("{path} has {length} lines"));
        }
        for (line, name, length) in functions(code) {
            if length > FUNCTION_LINES_MAX {
                offences.push(format!("{path}:{line} {name} has {length} lines"));
            }
        }
    }
    expect_none(&offences);
}

/// Which part of the server must not name which: arrows go one way, from the sockets to the forum.
const ARROWS: [(&str, &[&str]); 4] = [
    ("server/src/forum/", &["crate::core", "crate::session", "crate::commands", "crate::net"]),
    ("server/src/core/", &["crate::commands", "crate::net"]),
    ("server/src/session/", &["crate::commands", "crate::net"]),
    ("server/src/commands/", &["crate::net"]),
];

#[test]
fn the_parts_of_the_server_name_each_other_one_way() {
    let mut offences = Vec::new();
    for (path, text) in sources() {
        let Some((_, forbidden)) = ARROWS.iter().find(|(part, _)| path.starts_with(part)) else { continue };
        for (number, line) in code_lines(&text) {
            for part in forbidden.iter().filter(|part| names(line, part)) {
                offences.push(format!("{path}:{number} names {part}"));
            }
        }
    }
    expect_none(&offences);
}
