//! The programs that people have: nc, telnet, socat, openssl, and a shell without any of them.

use std::process::Command;

use super::*;
use forum_tests::{Forumd, Process, Terminal};

/// What this shell script says but for prompts, in which $HOST and $PORT are the server's.
fn shell(server: &Server, script: &str) -> Vec<String> {
    let mut command = Command::new("bash");
    command.args(["-c", script]);
    command.env("HOST", server.address().ip().to_string()).env("PORT", server.address().port().to_string());
    let finished = Process::start(&mut command).finish();
    assert_eq!(finished.stderr, [""; 0], "{finished:?}");
    without_prompts(finished.stdout.iter().map(String::as_str))
}

/// Signs up, posts, and reads.
const SESSION: &str = r"yoda\njedi\njedi\nCRT t\nMSG t hello\nRDT t\n";
const ANSWERS: [&str; 5] =
    ["Welcome to the forum", "Thread t created", "Message posted to t thread", "1 yoda: hello", "Goodbye"];

#[test]
fn a_batch_is_piped_through_nc() {
    let server = Server::start(&[]);
    assert_eq!(shell(&server, &format!("printf '{SESSION}' | nc -N $HOST $PORT")), ANSWERS);
}

#[test]
fn a_batch_is_piped_through_socat() {
    let server = Server::start(&[]);
    assert_eq!(shell(&server, &format!("printf '{SESSION}' | socat -t 60 - TCP:$HOST:$PORT")), ANSWERS);
}

#[test]
fn a_shell_needs_no_program_at_all() {
    let server = Server::start(&[]);
    let script = format!("exec 3<>/dev/tcp/$HOST/$PORT; printf '{SESSION}XIT\\n' >&3; cat <&3");
    assert_eq!(shell(&server, &script), ANSWERS);
}

#[test]
fn where_tls_is_spoken_openssl_is_enough() {
    let server = Forumd::new().with_tls().start();
    let script =
        format!("printf '{SESSION}XIT\\n' | openssl s_client -quiet -connect $HOST:$PORT 2>/dev/null");
    assert_eq!(shell(&server, &script), ANSWERS);
    // And on this machine plain lines are taken, too.
    assert_eq!(batch(&server, "yoda\njedi\nLST\n")[1..], ["The list of active threads:", "t", "Goodbye"]);
}

#[test]
fn a_person_at_a_terminal_talks_through_nc() {
    let server = Server::start(&[]);
    talk(&server, "nc");
}

#[test]
fn a_person_at_a_terminal_talks_through_telnet() {
    let server = Server::start(&[]);
    talk(&server, "telnet");
}

/// Signs up and posts at a terminal that shows what is typed, through a program that takes host and port.
fn talk(server: &Server, program: &str) {
    let mut command = Command::new(program);
    command.args([server.address().ip().to_string(), server.address().port().to_string()]);
    let mut terminal = Terminal::of(command);
    if program == "telnet" {
        terminal.shows("Escape character");
    }
    terminal.does("", "Enter username: ");
    terminal.does("yoda", "Enter new password for yoda: ");
    terminal.does("jedi", "Confirm password: ");
    terminal.does("jedi", &format!("jedi\r\nWelcome to the forum\r\n{FIRST_PROMPT}"));
    terminal.does("CRT t", "CRT t\r\nThread t created\r\n> ");
    let mut hans = server.user("hans");
    terminal.shows("\r\nhans logged in\r\n> ");
    hans.done(&forum_common::wire::Request::SendBroadcast { text: "hello" });
    terminal.shows("\r\nhans: hello\r\n> ");
    terminal.does("MSG t typed", "MSG t typed\r\nMessage posted to t thread\r\n> ");
    terminal.does("XIT", "XIT\r\nGoodbye\r\n");
    assert_eq!(hans.read_thread("t"), ["1 yoda: typed"]);
}
