//! Rung 6: a forum, with users, rights, and the exact texts of the assignment.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::rung::{Client, Rung};

const BEFORE: &str = "rung5_log";
const RUNG: &str = "rung6_forum";

const ADMIN_PASSWORD: &str = "order66";
const PROMPT: &str =
    "Enter one of the following commands: CRT, MSG, DLT, EDT, LST, RDT, UPD, DWN, RMV, XIT, SHT: ";

fn start(directory: &Path) -> Rung {
    let log = directory.join("forum.log");
    Rung::start_with(RUNG, &[OsStr::new(ADMIN_PASSWORD), log.as_os_str()])
}

/// Says a line; what it is answered with, without the prompt that follows.
fn ask(client: &mut Client, line: &str) -> String {
    client.say(&format!("{line}\n"));
    answer(client)
}

fn answer(client: &mut Client) -> String {
    let heard = client.through(PROMPT);
    heard.strip_suffix(PROMPT).expect("a prompt").trim_end_matches('\n').to_owned()
}

/// Holds a conversation: lines and their answers.
fn converse(client: &mut Client, lines: &[(&str, &str)]) {
    for (line, wanted) in lines {
        assert_eq!(ask(client, line), *wanted, "{line}");
    }
}

fn sign_up(rung: &Rung, name: &str) -> Client {
    let mut client = rung.connect();
    client.say(&format!("{name}\njedi\njedi\n"));
    let questions = format!("Enter username: Enter new password for {name}: Confirm password: ");
    assert_eq!(answer(&mut client), format!("{questions}Welcome to the forum"));
    client
}

#[test]
fn what_belongs_to_one_user_cannot_be_changed_by_another() {
    // The rung before has no users: whoever speaks is believed, and nothing can be taken back.
    let directory = TempDir::new().unwrap();
    let before = Rung::start_with(BEFORE, &[directory.path().join("book.log").as_os_str()]);
    let mut anybody = before.connect();
    anybody.say("yoda: hello\nDLT 1\n");
    assert_eq!((anybody.line(), anybody.line()), ("1 yoda: hello".into(), "2 DLT 1".into()));

    let rung = start(directory.path());
    let (mut yoda, mut hans) = (sign_up(&rung, "yoda"), sign_up(&rung, "hans"));
    converse(
        &mut yoda,
        &[("CRT 3331", "Thread 3331 created"), ("MSG 3331 hi", "Message posted to 3331 thread")],
    );
    converse(
        &mut hans,
        &[
            ("CRT 3331", "Thread 3331 exists"),
            ("MSG 3331 me too", "Message posted to 3331 thread"),
            ("DLT 3331 1", "The message belongs to another user and cannot be deleted"),
            ("EDT 3331 1 ho", "The message belongs to another user and cannot be edited"),
            ("RMV 3331", "The thread was created by another user and cannot be removed"),
            ("EDT 3331 2 me  as well", "The message has been edited"),
            ("RDT 3331", "1 yoda: hi\n2 hans: me  as well"),
        ],
    );
    converse(
        &mut yoda,
        &[
            ("DLT 3331 1", "The message has been deleted"),
            ("RDT 3331", "1 hans: me  as well"),
            ("RMV 3331", "Thread 3331 removed"),
            ("LST", "No threads to list"),
        ],
    );
}

#[test]
fn what_is_wrong_is_refused_in_the_words_of_the_assignment() {
    let directory = TempDir::new().unwrap();
    let rung = start(directory.path());
    let mut yoda = sign_up(&rung, "yoda");
    converse(
        &mut yoda,
        &[
            ("MSG", "Incorrect syntax for MSG\nUsage: MSG title text"),
            ("LST now", "Incorrect syntax for LST\nUsage: LST"),
            ("RDT 3331 1", "Incorrect syntax for RDT\nUsage: RDT title"),
            ("hello", "Error. Invalid command"),
            ("crt 3331", "Error. Invalid command"),
            ("HELLO", "Invalid command"),
            ("", ""),
            ("RDT 3331", "Thread 3331 does not exist"),
            ("CRT a/b", "Invalid name"),
            ("CRT 3331", "Thread 3331 created"),
            ("RDT 3331", "Thread 3331 is empty"),
            ("LST", "The list of active threads:\n3331"),
            ("MSG 3331 \x1b[2J", "Invalid text"),
            ("DLT 3331 1", "Invalid message number"),
            ("DLT 3331 x", "Invalid message number"),
            ("DWN 3331 f", "File does not exist in Thread 3331"),
            ("SHT guess", "Incorrect password"),
        ],
    );
}

#[test]
fn files_come_back_byte_for_byte_and_a_refused_one_is_no_commands() {
    let directory = TempDir::new().unwrap();
    let rung = start(directory.path());
    let mut yoda = sign_up(&rung, "yoda");
    converse(&mut yoda, &[("CRT 3331", "Thread 3331 created")]);
    let file = "XIT\n\0\r\nSHT order66\n".repeat(10_000);
    let upload =
        |title: &str| format!("UPD {title} f.bin {}\n{}", file.len(), file.strip_suffix('\n').unwrap());
    converse(
        &mut yoda,
        &[
            (&upload("nosuch"), "Thread nosuch does not exist"),
            (&upload("3331"), "f.bin uploaded to 3331 thread"),
            (&upload("3331"), "File f.bin already exists in Thread 3331"),
            ("UPD 3331 empty 0", "empty uploaded to 3331 thread"),
        ],
    );
    converse(&mut yoda, &[("MSG 3331 seen?", "Message posted to 3331 thread")]);
    let listed = "yoda uploaded f.bin\nyoda uploaded empty\n1 yoda: seen?";
    converse(&mut yoda, &[("RDT 3331", listed)]);
    yoda.say("DWN 3331 f.bin\n");
    assert_eq!(yoda.line(), file.len().to_string());
    assert!(yoda.bytes(file.len()) == file.as_bytes());
    assert_eq!(answer(&mut yoda), "f.bin successfully downloaded");
    yoda.say("UPD 3331 huge 1048577\n");
    let goodbye = "Limit reached: at most 1048576 bytes a file\n";
    assert_eq!(yoda.rest().expect("a FIN"), goodbye);
}

#[test]
fn a_name_is_online_once_and_its_password_is_asked_for() {
    let directory = TempDir::new().unwrap();
    let rung = start(directory.path());
    let mut yoda = sign_up(&rung, "yoda");
    let mut other = rung.connect();
    other.say("yoda\nno name\n");
    let name = "Enter username: ";
    assert_eq!(
        other.through(&format!("Invalid name\n{name}")),
        format!("{name}yoda has already logged in\n{name}Invalid name\n{name}")
    );
    yoda.say("XIT\n");
    assert_eq!(yoda.rest().expect("a FIN"), "Goodbye\n");
    other.say("yoda\nguess\nyoda\njedi\n");
    let heard = format!("Enter password: Invalid password\n{name}Enter password: Welcome to the forum");
    assert_eq!(answer(&mut other), heard);
    let mut third = rung.connect();
    third.say("leia\na\nb\n");
    let heard =
        format!("{name}Enter new password for leia: Confirm password: Passwords do not match\n{name}");
    assert_eq!(third.through(&format!("match\n{name}")), heard);
}

#[test]
fn everything_survives_a_kill_but_not_what_was_cut_off() {
    let directory = TempDir::new().unwrap();
    let mut rung = start(directory.path());
    let mut yoda = sign_up(&rung, "yoda");
    let lines = [
        ("CRT gone", "Thread gone created"),
        ("CRT 3331", "Thread 3331 created"),
        ("MSG 3331   spaces ", "Message posted to 3331 thread"),
        ("UPD 3331 f 4\na\nb", "f uploaded to 3331 thread"),
        ("RMV gone", "Thread gone removed"),
    ];
    converse(&mut yoda, &lines);
    rung.process.signal(Signal::KILL);
    rung.process.wait_exit();
    let log = directory.path().join("forum.log");
    let whole = fs::read(&log).unwrap();
    // Cut off anywhere in what comes last, it is as if that had never been.
    let last = b"yoda UPD 3331 g 5\n12345";
    for cut in 0..last.len() {
        fs::write(&log, [&whole[..], &last[..cut]].concat()).unwrap();
        let rung = start(directory.path());
        let mut yoda = rung.connect();
        yoda.say("yoda\njedi\n");
        answer(&mut yoda);
        converse(&mut yoda, &[("LST", "The list of active threads:\n3331")]);
        converse(&mut yoda, &[("RDT 3331", "1 yoda:   spaces \nyoda uploaded f")]);
        assert_eq!(fs::read(&log).unwrap(), whole);
    }
}

#[test]
fn a_shutdown_says_goodbye_to_all_and_ends() {
    let directory = TempDir::new().unwrap();
    let mut rung = start(directory.path());
    let (mut yoda, mut hans) = (sign_up(&rung, "yoda"), sign_up(&rung, "hans"));
    let mut stranger = rung.connect();
    assert_eq!(stranger.through(": "), "Enter username: ");
    yoda.say("SHT order66\nCRT late\n");
    let goodbye = "Goodbye. Server shutting down\n";
    for client in [&mut yoda, &mut hans, &mut stranger] {
        assert_eq!(client.rest().expect("a FIN"), goodbye);
        client.end();
    }
    assert_eq!(rung.process.wait_exit().code(), Some(0));
    assert!(!fs::read_to_string(directory.path().join("forum.log")).unwrap().contains("late"));
}
