//! Rung 5: what was answered is on disk.

use std::fs;
use std::process::Command;

use forum_tests::{Disk, until};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::rung::{Client, Rung};

const BEFORE: &str = "rung4_closing";
const RUNG: &str = "rung5_log";

/// Says something, sees it answered, kills the server with SIGKILL, starts it again, and asks for the book.
fn book_after_a_kill(start: impl Fn() -> Rung) -> String {
    let mut rung = start();
    let mut client = rung.connect();
    client.say("hello\n");
    assert_eq!(client.line(), "1 hello");
    rung.process.signal(Signal::KILL);
    rung.process.wait_exit();
    book(&start())
}

fn book(rung: &Rung) -> String {
    let mut client = rung.connect();
    client.say("all\n");
    client.through(" messages\n")
}

#[test]
fn what_was_answered_survives_a_kill() {
    assert_eq!(book_after_a_kill(|| Rung::start(BEFORE)), "0 messages\n");
    let directory = TempDir::new().unwrap();
    let log = directory.path().join("book.log");
    assert_eq!(book_after_a_kill(|| Rung::start_with(RUNG, &[log.as_ref()])), "hello\n1 messages\n");
}

#[test]
fn a_line_that_a_crash_cut_off_does_not_run_into_the_next_one() {
    let directory = TempDir::new().unwrap();
    let log = directory.path().join("book.log");
    // Half of a letter of two bytes is no text.
    fs::write(&log, b"first\nse\xc3").unwrap();
    let rung = Rung::start_with(RUNG, &[log.as_ref()]);
    assert_eq!(book(&rung), "first\n1 messages\n");
    let mut client = rung.connect();
    client.say("second\n");
    assert_eq!(client.line(), "2 second");
    assert_eq!(fs::read_to_string(&log).unwrap(), "first\nsecond\n");
}

/// A rung on a disk that obeys the test, and its directory.
fn on_disk(disk: &Disk) -> (Rung, TempDir) {
    let directory = TempDir::new().unwrap();
    let mut command = Rung::command(RUNG);
    command.arg(directory.path().join("book.log")).envs(disk.environment());
    (Rung::start_command(&mut command), directory)
}

#[test]
fn nobody_is_answered_before_the_fsync_is_over() {
    let disk = Disk::new();
    let (rung, _directory) = on_disk(&disk);
    let mut client = rung.connect();
    disk.hold("book.log");
    client.say("hello\n");
    until("an fsync has begun", || disk.syncs("book.log").last().filter(|sync| !sync.is_over).map(|_| ()));
    // The only thread of the server stands in it.
    assert_eq!(client.so_far(), "");
    disk.release();
    assert_eq!(client.line(), "1 hello");
}

#[test]
fn clients_that_speak_at_once_share_an_fsync() {
    let disk = Disk::new();
    let (rung, _directory) = on_disk(&disk);
    let mut clients: Vec<Client> = (0..20).map(|_| rung.connect()).collect();
    rung.barrier();
    let before = disk.syncs("book.log").len();
    rung.in_one_turn(|| clients.iter_mut().for_each(|client| client.say("one\ntwo\n")));
    for client in &mut clients {
        assert!(client.line().ends_with(" one") && client.line().ends_with(" two"));
    }
    assert_eq!(disk.syncs("book.log").len(), before + 1);
}

#[test]
fn a_log_that_takes_no_more_ends_the_server_before_it_lies() {
    let directory = TempDir::new().unwrap();
    let mut command = Command::new("sh");
    // No file may grow; without the trap, a signal would say so.
    command.args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$@\"", "sh"]);
    let rung = Rung::command(RUNG);
    command.arg(rung.get_program()).args(rung.get_args()).arg(directory.path().join("book.log"));
    let mut rung = Rung::start_command(&mut command);
    let mut client = rung.connect();
    client.say("hello\n");
    assert_eq!(client.rest().expect("a FIN"), "");
    assert_eq!(rung.process.wait_exit().code(), Some(1));
}
