//! `docs/TOUR.md` and README send people to files and functions: they are there, and as short as is said.
#![forbid(unsafe_code)]

use std::fs;
use std::process::Command;

use forum_tests::{without_tests, workspace};

/// More than these files nobody has to open for one `MSG`.
const WALK_FILES_MAX: usize = 12;
/// More lines than these are no evening.
const EVENING_LINES_MAX: usize = 4_500;
/// Lines of the client's main path.
const CLIENT_PATH_LINES_MAX: usize = 1_800;
/// Lines of the client without what is between users, and without tests.
const CLIENT_LINES_MAX: usize = 7_500;
/// Lines of code of the text door, without comments: a dialect of the session, and not another server.
const TEXT_DOOR_LINES_MAX: usize = 300;

fn source(path: &str) -> String {
    fs::read_to_string(workspace().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The rows of the table after a heading, without its head; each has its cells.
fn table(page: &str, heading: &str) -> Vec<Vec<String>> {
    let text = source(page);
    let (_, after) = text.split_once(heading).unwrap_or_else(|| panic!("{page} has no {heading:?}"));
    let lines =
        after.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let rows = lines
        .skip(2)
        .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect());
    let rows: Vec<Vec<String>> = rows.collect();
    assert!(!rows.is_empty(), "{page} has no table after {heading:?}");
    rows
}

/// What stands between backticks.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

fn insist_on(path: &str, functions: &[&str]) {
    let text = source(path);
    assert!(!functions.is_empty(), "no function is named for {path}");
    for function in functions {
        let is_there = ["(", "<"].iter().any(|end| text.contains(&format!("fn {function}{end}")));
        assert!(is_there, "{path} has no function {function}");
    }
}

/// The lines of a file before its tests.
fn lines_without_tests(path: &str) -> usize {
    without_tests(&source(path)).lines().count()
}

#[test]
fn the_walk_of_a_message_names_functions_that_are_there_and_is_short() {
    let rows = table("docs/TOUR.md", "## The walk of one `MSG`");
    assert!(rows.len() <= WALK_FILES_MAX, "{} files", rows.len());
    for row in rows {
        let functions = row[2].split(':').next().expect("a function");
        insist_on(&format!("server/src/{}", quoted(&row[1])[0]), &quoted(functions));
    }
}

/// The lines of the files in a table, each of which has about as many as the table says.
fn lines_of(table: &[Vec<String>]) -> usize {
    let mut all = 0;
    for row in table {
        let path = quoted(&row[0])[0];
        let (lines, said) = (lines_without_tests(path), row[1].parse::<usize>().expect("a number of lines"));
        all += lines;
        assert!(lines.abs_diff(said) * 10 <= said, "{path} has {lines} lines, and not some {said}");
    }
    all
}

#[test]
fn the_files_of_the_evening_are_as_long_as_the_tour_says_and_no_longer_than_an_evening() {
    let all = lines_of(&table("docs/TOUR.md", "## The evening"));
    assert!(all <= EVENING_LINES_MAX, "{all} lines");
}

#[test]
fn the_main_path_of_the_client_is_short_and_so_is_the_client() {
    let main_path = lines_of(&table("docs/TOUR.md", "### The client's main path"));
    assert!(main_path <= CLIENT_PATH_LINES_MAX, "{main_path} lines");
    let root = workspace().join("client/src");
    let (mut all, mut pending) = (0, vec![root.clone()]);
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            pending.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            let below = path.strip_prefix(&root).unwrap().to_str().expect("an ASCII path");
            let is_test = below.ends_with("tests.rs") || below.contains("tests/");
            let text = fs::read_to_string(&path).unwrap();
            all += if is_test { 0 } else { without_tests(&text).lines().count() };
        }
    }
    assert!((5_000..=CLIENT_LINES_MAX).contains(&all), "{all} lines");
}

#[test]
fn the_text_door_is_a_dialect_of_300_lines_of_code() {
    let code = |file: &str| {
        let text = source(&format!("server/src/session/text/{file}"));
        let is_code = |line: &&str| !line.is_empty() && !line.starts_with("//");
        without_tests(&text).lines().map(str::trim).filter(is_code).count()
    };
    let files = fs::read_dir(workspace().join("server/src/session/text")).unwrap().count();
    let lines = ["mod.rs", "output.rs", "telnet.rs"].map(code);
    assert_eq!(files, lines.len(), "its files");
    let all: usize = lines.iter().sum();
    assert!((100..=TEXT_DOOR_LINES_MAX).contains(&all), "{lines:?}");
}

#[test]
fn where_is_leads_to_functions_that_are_there() {
    for row in table("docs/TOUR.md", "## Where is …") {
        insist_on(quoted(&row[1])[0], &quoted(&row[2]));
    }
}

#[test]
fn the_files_of_readmes_path_are_there() {
    for row in table("README.md", "## Read it") {
        for path in quoted(&row[0]) {
            source(&format!("server/src/{path}"));
        }
    }
}

#[test]
fn the_stops_of_the_tour_name_files_that_are_there() {
    let tour = source("docs/TOUR.md");
    for heading in tour.lines().filter(|line| line.starts_with("## ") && line.contains("/")) {
        for path in quoted(heading) {
            // Those of the server are named from there.
            let is_there = ["", "server/src"].iter().any(|root| workspace().join(root).join(path).exists());
            assert!(is_there, "{heading}: there is no {path}");
        }
    }
}

#[test]
fn the_new_command_of_the_exercise_is_a_patch_of_four_files_that_applies() {
    let patch = workspace().join("docs/examples/time.patch");
    let files = fs::read_to_string(&patch).unwrap().lines().filter(|line| line.starts_with("+++ ")).count();
    assert_eq!(files, 4);
    let mut git = Command::new("git");
    let output = git.args(["apply", "--check", "-C1"]).arg(&patch).current_dir(workspace()).output();
    let output = output.expect("git is there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
