//! The client in Python that `docs/examples` has for people who write one of their own: it works with a real forumd,
//! and it stays short.
#![forbid(unsafe_code)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use forum_common::wire::Request;
use forum_tests::{Finished, PASSWORD, Process, Server};

/// What `docs/PROTOCOL.md` promises of it.
const LINES_MAX: usize = 150;

fn program() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/examples/client.py")
}

/// Runs it to its end, all being well; the lines that it said.
fn run(server: &Server, name: &str, password: &str) -> Vec<String> {
    let (host, port) = (server.address().ip().to_string(), server.address().port().to_string());
    let mut command = Command::new("python3");
    command.args([Path::new("-B"), &program()]).args([&host, &port, name, password]);
    let Finished { code, stdout, stderr, .. } = Process::start(&mut command).finish();
    assert_eq!((code, &*stderr), (Some(0), &[][..]), "{stdout:#?}");
    stdout
}

#[test]
fn it_is_as_short_as_the_page_says() {
    let text = fs::read_to_string(program()).unwrap();
    let lines = text.lines().count();
    assert!(lines <= LINES_MAX, "{lines} lines");
    assert!(text.lines().all(|line| line.len() <= 120), "lines that fit a page");
}

#[test]
fn it_signs_up_posts_uploads_downloads_reads_in_pages_and_repeats_a_post_by_its_key() {
    let server = Server::start(&[]);
    let lines = run(&server, "snake", PASSWORD);
    let file = lines[1].strip_suffix(" came back").unwrap_or_else(|| panic!("{lines:#?}"));
    let id = |line: &str| line.rsplit(' ').next().and_then(|word| word.parse::<u64>().ok()).expect("an id");
    assert_eq!(lines[0], format!("posted as number 1, id {}", id(&lines[0])));
    assert_eq!(lines[2], format!("once, as number 2, id {}", id(&lines[2])));
    let thread = [
        "1 snake: hello from Python".to_owned(),
        format!("snake uploaded {file}"),
        "2 snake: once and only once".to_owned(),
    ];
    assert_eq!(lines[3..], thread);
    let mut yoda = server.user("yoda");
    assert_eq!(yoda.read_thread("python"), thread);
    assert_eq!(yoda.download("python", file, 1 << 20).unwrap().len(), 200_000);
}

#[test]
fn it_logs_in_again_and_shows_the_mailbox_once() {
    let server = Server::start(&[]);
    run(&server, "snake", PASSWORD);
    let mut yoda = server.user("yoda");
    for text in ["hello", "  grüße 🙂"] {
        yoda.tell("snake", text);
    }
    let lines = run(&server, "snake", PASSWORD);
    assert_eq!(lines[..2], ["yoda: hello", "yoda:   grüße 🙂"]);
    assert!(lines[2].starts_with("posted as number 3, "), "{lines:#?}");
    assert_eq!(yoda.read_thread("python").len(), 6);
    // They were acknowledged.
    let lines = run(&server, "snake", PASSWORD);
    assert!(lines[0].starts_with("posted as number 5, "), "{lines:#?}");
    // Whatever the server says to everybody on its way does no harm.
    assert_eq!(yoda.done(&Request::SendBroadcast { text: "to nobody" }), "");
}

#[test]
fn a_wrong_password_is_said_in_the_servers_words() {
    let server = Server::start(&[]);
    server.user("snake").log_out();
    let (host, port) = (server.address().ip().to_string(), server.address().port().to_string());
    let mut command = Command::new("python3");
    command.args([Path::new("-B"), &program()]).args([&host, &port, "snake", "guess"]);
    let ended = Process::start(&mut command).finish();
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    assert!(ended.stderr.last().is_some_and(|line| line.contains("Invalid password")), "{ended:#?}");
}
