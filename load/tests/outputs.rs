//! Where the results go: files are tried before anybody is asked and replaced only by whole ones, and an end
//! that nobody reads is no panic.
#![forbid(unsafe_code)]

mod support;

use std::fs::{self, OpenOptions};
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};

use forum_tests::{Process, accept};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;
use serde_json::Value;
use support::{command, count, measured, server, start};
use tempfile::TempDir;

/// Nobody listens there: connecting fails with status 1.
const NOBODY: &str = "127.0.0.1:1";

const OPTIONS: [&str; 3] = ["--json", "--report", "--histogram"];

/// The program against `server`, with its table on standard output.
fn with_table(server: &str, words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_forum-load"));
    command.args(words.split(' ')).arg(server);
    command
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn an_output_that_can_not_be_written_is_said_before_anybody_is_asked() {
    let directory = TempDir::new().unwrap();
    let missing = directory.path().join("missing/run");
    for option in OPTIONS {
        for path in [missing.as_path(), directory.path()] {
            let mut command = with_table(NOBODY, "ping -n 1");
            let finished = Process::start(command.arg(option).arg(path)).finish();
            assert_eq!(finished.code, Some(2), "{option}: {finished:?}");
            let said = finished.stderr.concat();
            assert!(said.contains(option) && said.contains(path.to_str().unwrap()), "{said}");
        }
    }
    assert!(names(directory.path()).is_empty());
}

#[test]
fn a_failed_run_leaves_the_files_of_an_earlier_one_as_they_were() {
    let directory = TempDir::new().unwrap();
    let mut command = with_table(NOBODY, "ping -n 1");
    for option in OPTIONS {
        let path = directory.path().join(&option[2..]);
        fs::write(&path, "old").unwrap();
        command.arg(option).arg(path);
    }
    command.arg("--fail-if").arg("errors>0");
    let finished = Process::start(&mut command).finish();
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert_eq!(names(directory.path()), ["histogram", "json", "report"]);
    for name in names(directory.path()) {
        assert_eq!(fs::read_to_string(directory.path().join(name)).unwrap(), "old");
    }
}

#[test]
fn a_run_replaces_its_files_whole_and_leaves_nothing_beside_them() {
    let server = server();
    let directory = TempDir::new().unwrap();
    let (kept, new) = (directory.path().join("kept.json"), directory.path().join("new.html"));
    fs::write(&kept, "x".repeat(1 << 20)).unwrap();
    fs::set_permissions(&kept, fs::Permissions::from_mode(0o640)).unwrap();
    let mut command = with_table(&server.address().to_string(), "ping -n 10");
    command.arg("--json").arg(&kept).arg("--report").arg(&new);
    Process::start(&mut command).finish().expect_success();
    let json: Value = serde_json::from_str(&fs::read_to_string(&kept).unwrap()).unwrap();
    assert_eq!(count(&json["operations"]), 10);
    assert!(fs::read_to_string(&new).unwrap().ends_with("</html>\n"));
    assert_eq!(names(directory.path()), ["kept.json", "new.html"]);
    assert_eq!(fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o640);
}

#[test]
fn a_link_to_a_file_stays_a_link() {
    let server = server();
    let directory = TempDir::new().unwrap();
    let (file, link) = (directory.path().join("file"), directory.path().join("link"));
    fs::write(&file, "old").unwrap();
    std::os::unix::fs::symlink("file", &link).unwrap();
    let mut command = with_table(&server.address().to_string(), "ping -n 10");
    Process::start(command.arg("--histogram").arg(&link)).finish().expect_success();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(fs::read_to_string(&file).unwrap().contains("TotalCount"));
}

#[test]
fn a_fifo_gets_the_results_and_stays_one() {
    let server = server();
    let directory = TempDir::new().unwrap();
    let fifo = directory.path().join("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let words = with_table(&server.address().to_string(), "ping -n 10");
    let unread = Process::start(again(&words).arg("--report").arg(&fifo)).finish();
    assert_eq!(unread.code, Some(2), "nobody reads it, and nobody waits: {unread:?}");
    // Does not wait for the other end, which comes only now.
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let mut reader = OpenOptions::new().read(true).custom_flags(nonblocking).open(&fifo).unwrap();
    let mut load = Process::start(again(&words).arg("--report").arg(&fifo));
    let mut report = Vec::new();
    load.wait_exit();
    reader.read_to_end(&mut report).unwrap();
    load.finish().expect_success();
    assert!(report.ends_with(b"</html>\n"), "{} bytes", report.len());
    assert!(fs::symlink_metadata(&fifo).unwrap().file_type().is_fifo());
}

fn again(command: &Command) -> Command {
    let mut copy = Command::new(command.get_program());
    copy.args(command.get_args());
    copy
}

#[test]
fn a_full_disk_is_said_and_fails_the_run() {
    let server = server();
    for option in OPTIONS {
        let mut command = with_table(&server.address().to_string(), "ping -n 10");
        let finished = Process::start(command.arg(option).arg("/dev/full")).finish();
        assert_eq!(finished.code, Some(1), "{option}: {finished:?}");
        assert!(finished.stderr.concat().contains("/dev/full: No space left"), "{finished:?}");
        assert!(!finished.stdout.is_empty(), "the table is shown all the same");
    }
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = with_table(&server.address().to_string(), "ping -n 10");
    let output = command.stdout(full).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("standard output: No space left"), "{said}");
}

#[test]
fn an_output_that_nobody_reads_fails_the_run_without_a_word_or_a_panic() {
    let server = server();
    let address = server.address().to_string();
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("run.html");
    for words in ["ping -n 10", "ping -n 10 --json -", "ping -c 2 -n 10 --processes 2"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = with_table(&address, words);
        let output = command.arg("--report").arg(&file).stdout(writer).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{words}: {output:?}");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{words}");
        assert!(fs::read_to_string(&file).unwrap().ends_with("</html>\n"), "files are written all the same");
        fs::remove_file(&file).unwrap();
    }
}

#[test]
fn messages_that_nobody_reads_change_nothing() {
    let server = server();
    let address = server.address().to_string();
    let statuses = [
        (address.as_str(), "ping -d 1100ms --live", 0),
        (address.as_str(), "ping -n 10 --fail-if max>1ns", 1),
        (NOBODY, "ping -n 10", 1),
        (NOBODY, "read --protocol nats", 2),
        (NOBODY, "nonsense", 2),
    ];
    for (server, words, status) in statuses {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = with_table(server, words);
        let output = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(writer).output().unwrap();
        assert_eq!(output.status.code(), Some(status), "{words}");
    }
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = Command::new(env!("CARGO_BIN_EXE_forum-floor"))
        .args(["echo", "--listen", "192.0.2.1:1"])
        .stderr(writer)
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(1), "an address that is not ours");
}

#[test]
fn a_run_that_is_interrupted_before_it_measures_says_so_and_writes_nothing() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let directory = TempDir::new().unwrap();
    let mut command = with_table(&silent.local_addr().unwrap().to_string(), "ping -d 1h");
    let mut load = Process::start(command.arg("--report").arg(directory.path().join("run.html")));
    let _connection = accept(&silent);
    load.signal(Signal::INT);
    let finished = load.finish();
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.concat().contains("interrupted before anything was measured"), "{finished:?}");
    assert!(names(directory.path()).is_empty());
}

#[test]
fn a_transfer_that_is_interrupted_while_it_is_set_up_ends_and_says_so() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    for signal in [Signal::INT, Signal::TERM] {
        let mut load =
            Process::start(&mut with_table(&silent.local_addr().unwrap().to_string(), "transfer -c 2"));
        let _connection = accept(&silent);
        load.signal(signal);
        let finished = load.finish();
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert!(
            finished.stderr.concat().contains("interrupted before anything was measured"),
            "{finished:?}"
        );
    }
}

/// The shell's own words, and then this program, which it becomes.
fn in_shell(words: &str, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", words, "sh"]).arg(command.get_program()).args(command.get_args());
    shell
}

#[test]
fn a_file_over_the_limit_of_the_process_is_said_and_leaves_nothing_behind() {
    let server = server();
    let directory = TempDir::new().unwrap();
    let mut command = with_table(&server.address().to_string(), "ping -n 10");
    command.arg("--report").arg(directory.path().join("run.html"));
    let finished = Process::start(&mut in_shell("ulimit -f 1; exec \"$@\"", &command)).finish();
    assert_eq!((finished.code, finished.signal), (Some(1), None), "{finished:?}");
    assert!(finished.stderr.concat().contains("File too large"), "{finished:?}");
    assert!(names(directory.path()).is_empty(), "{:?}", names(directory.path()));
}

#[test]
fn a_standard_output_that_was_closed_before_the_start_is_said_where_it_is_written_to() {
    let help = |program: &str| {
        let mut command = Command::new(program);
        command.arg("--help");
        command
    };
    let said =
        "Standard output is closed. Use a terminal, a pipe or a file, or >/dev/null to discard the answers";
    for command in [
        help(env!("CARGO_BIN_EXE_forum-load")),
        help(env!("CARGO_BIN_EXE_forum-floor")),
        with_table(NOBODY, "ping -n 1"),
        command(NOBODY, "ping -n 1 -q"),
    ] {
        let finished = Process::start(&mut in_shell("exec \"$@\" >&-", &command)).finish();
        assert_eq!(finished.code, Some(1), "{command:?}: {finished:?}");
        assert!(finished.stderr.concat().ends_with(said), "{command:?}: {finished:?}");
    }
    let server = server();
    let quiet = with_table(&server.address().to_string(), "ping -n 1 -q");
    Process::start(&mut in_shell("exec \"$@\" >&-", &quiet)).finish().expect_success();
    for program in [env!("CARGO_BIN_EXE_forum-load"), env!("CARGO_BIN_EXE_forum-floor")] {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        assert_eq!(help(program).stdout(full).stderr(Stdio::null()).status().unwrap().code(), Some(1));
    }
}

#[test]
fn two_results_are_compared_and_what_is_none_is_named() {
    let server = server();
    let directory = TempDir::new().unwrap();
    let path = |name: &str| directory.path().join(name);
    for name in ["a", "b"] {
        let mut command = with_table(&server.address().to_string(), "ping -c 2 -d 4s --warm-up 0s -q");
        Process::start(command.arg("--json").arg(path(name))).finish().expect_success();
    }
    let compare = |a: &str, b: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_forum-load"));
        Process::start(command.arg("compare").arg(path(a)).arg(path(b))).finish()
    };
    let compared = compare("a", "b");
    compared.expect_success();
    let ratios: Vec<&str> =
        compared.stdout.iter().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(ratios, ["A", "rate", "p50", "p99", "CPU"], "{compared:?}");
    assert!(compared.stdout[1].contains(" noise"), "{compared:?}");
    fs::write(path("c"), "{}").unwrap();
    let refused = compare("a", "c");
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.concat().contains("c: not what --json writes of a run"), "{refused:?}");
}

#[test]
fn json_on_standard_output_has_nothing_beside_it() {
    let server = server();
    let finished = start(&server, "ping -n 10").finish();
    finished.expect_success();
    assert_eq!(count(&measured(&finished)["operations"]), 10);
    assert!(command(NOBODY, "ping").output().unwrap().stdout.is_empty());
}

/// The rows of a table by their labels; those of counts that are 0 are not there.
fn labels(table: &str) -> Vec<&str> {
    const FATES: [&str; 4] = ["late", "missed", "unanswered", "invalid:"];
    let labels = table.lines().filter_map(|line| line.split("  ").next()).filter(|label| !label.is_empty());
    labels
        .map(|label| label.split(" against").next().unwrap_or(label))
        .filter(|label| !FATES.contains(label))
        .collect()
}

#[test]
fn the_table_of_readme_has_the_rows_that_such_a_run_prints() {
    let readme = fs::read_to_string(forum_tests::workspace().join("README.md")).unwrap();
    let (_, shown) = readme.split_once("```text\npost against").expect("what forum-load prints");
    let (shown, _) = shown.split_once("```").expect("its end");
    let shown = format!("post against{shown}");
    let server = server();
    let words = "post --rate 2000 -d 500ms --warm-up 100ms";
    let finished = Process::start(&mut with_table(&server.address().to_string(), words)).finish();
    let printed = finished.stdout.join("\n");
    let (_, printed) = printed.split_once("post against").expect("a headline");
    assert_eq!(labels(&format!("post against{printed}")), labels(&shown));
}
