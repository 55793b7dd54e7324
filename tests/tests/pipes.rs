//! The client in pipes: which line goes where, what counts as a line, and how it ends.
#![forbid(unsafe_code)]

use forum_common::wire::Request;
use forum_tests::{ADMIN_PASSWORD, Finished, Forum, PASSWORD, Server, closed_port};

/// Runs a client that is logged in by its options, with these lines as its input.
fn run_as(server: &Server, name: &str, input: &str) -> Finished {
    server.forum().args(&["--user", name]).env("FORUM_PASSWORD", PASSWORD).run(input)
}

#[test]
fn replies_go_to_stdout_and_refusals_to_stderr() {
    let server = Server::start(&[]);
    let finished = run_as(&server, "yoda", "CRT t\nCRT t\nMSG t hello\nnonsense\nRDT t\nDLT t 9\nLST\nXIT\n");
    assert_eq!(
        finished.stdout,
        [
            "Welcome to the forum",
            "Thread t created",
            "Message posted to t thread",
            "1 yoda: hello",
            "The list of active threads:",
            "t",
            "Goodbye"
        ]
    );
    assert_eq!(finished.stderr, ["Thread t exists", "Error. Invalid command", "Invalid message number"]);
    assert_eq!(finished.code, Some(1));
}

#[test]
fn without_a_refusal_the_status_is_0() {
    let server = Server::start(&[]);
    let finished = run_as(&server, "yoda", "CRT t\nMSG t hello\nXIT\n");
    assert_eq!((finished.code, finished.stderr), (Some(0), Vec::new()));
}

#[test]
fn the_end_of_input_is_xit() {
    let server = Server::start(&[]);
    let finished = run_as(&server, "yoda", "CRT t\n");
    assert_eq!(finished.stdout, ["Welcome to the forum", "Thread t created", "Goodbye"]);
    assert_eq!(finished.code, Some(0));
    let finished = run_as(&server, "yoda", "");
    assert_eq!(finished.stdout, ["Welcome to the forum", "Goodbye"]);
    assert_eq!(finished.code, Some(0));
}

#[test]
fn xit_has_three_names_and_nothing_behind_it_is_done() {
    let server = Server::start(&[]);
    for word in ["XIT", "OUT", "logout"] {
        let finished = run_as(&server, "yoda", &format!("{word}\nCRT t\nCRT t\n"));
        assert_eq!(finished.stdout, ["Welcome to the forum", "Goodbye"], "{word}");
        assert_eq!((finished.code, finished.stderr), (Some(0), Vec::new()));
    }
    assert_eq!(server.user("yoda").titles(), Vec::<String>::new());
}

#[test]
fn crlf_empty_lines_and_a_last_line_without_newline_are_fine() {
    let server = Server::start(&[]);
    let finished = run_as(&server, "yoda", "\r\n\nCRT t\r\n\n\r\nMSG t hello \r\nRDT t\r\nLST");
    assert_eq!(
        finished.stdout,
        [
            "Welcome to the forum",
            "Thread t created",
            "Message posted to t thread",
            "1 yoda: hello ",
            "The list of active threads:",
            "t",
            "Goodbye"
        ]
    );
    assert_eq!((finished.code, finished.stderr), (Some(0), Vec::new()));
}

#[test]
fn the_answers_to_the_log_in_may_come_with_crlf_too() {
    let server = Server::start(&[]);
    let finished = server.forum().run(&format!("yoda\r\n{PASSWORD}\r\n{PASSWORD}\r\nCRT t\r\n"));
    assert_eq!(finished.stdout, ["Welcome to the forum", "Thread t created", "Goodbye"]);
    let finished = server.forum().run(&format!("yoda\n{PASSWORD}\nLST"));
    assert_eq!(finished.stdout, ["Welcome to the forum", "The list of active threads:", "t", "Goodbye"]);
    assert_eq!(finished.code, Some(0));
}

#[test]
fn there_are_no_prompts_and_every_text_is_a_line_of_its_own() {
    let server = Server::start(&[]);
    let finished = server.forum().run(&format!("yoda\n{PASSWORD}\n{PASSWORD}\nXIT\n"));
    assert_eq!(finished.stdout, ["Welcome to the forum", "Goodbye"]);
    assert_eq!(finished.stderr, Vec::<String>::new());
}

#[test]
fn hundreds_of_lines_at_once_are_done_in_order() {
    let server = Server::start(&["--durability", "none"]);
    let mut input = "CRT t\n".to_owned();
    for number in 1..=400 {
        input.push_str(&format!("MSG t m{number}\n"));
    }
    input.push_str("RDT t\n");
    let finished = run_as(&server, "yoda", &input);
    assert_eq!(finished.code, Some(0));
    let lines: Vec<String> = (1..=400).map(|number| format!("{number} yoda: m{number}")).collect();
    assert_eq!(finished.stdout[402..802], lines);
}

#[test]
fn options_log_in_without_questions() {
    let server = Server::start(&[]);
    // A new name signs up, a known one logs in.
    for _ in 0..2 {
        assert_eq!(run_as(&server, "yoda", "XIT\n").stdout, ["Welcome to the forum", "Goodbye"]);
    }
    let forum = server.forum();
    let file = forum.directory().join("password");
    std::fs::write(&file, format!("{PASSWORD}\n")).unwrap();
    let finished = forum.args(&["--user", "yoda", "--password-file", file.to_str().unwrap()]).run("LST\n");
    assert_eq!(finished.stdout, ["Welcome to the forum", "No threads to list", "Goodbye"]);
    assert_eq!(finished.code, Some(0));
}

#[test]
fn options_that_do_not_log_in_end_with_77() {
    let server = Server::start(&["--max-attempts", "2", "--block-duration", "600"]);
    let mut yoda = server.user("yoda");
    let as_yoda = server.forum().args(&["--user", "yoda"]);
    let finished = as_yoda.clone().env("FORUM_PASSWORD", PASSWORD).run("LST\n");
    assert_eq!(finished.stderr, ["yoda has already logged in"]);
    assert_eq!((finished.code, finished.stdout), (Some(77), Vec::new()));
    yoda.done(&Request::LogOut);
    yoda.expect_closed();
    let wrong = as_yoda.clone().env("FORUM_PASSWORD", "guess");
    let finished = wrong.run("LST\n");
    assert_eq!((finished.code, finished.stderr), (Some(77), vec!["Invalid password".to_owned()]));
    let finished = wrong.run("LST\n");
    let blocked = "Invalid password. Your account has been blocked. Please try again later";
    assert_eq!((finished.code, finished.stderr), (Some(77), vec![blocked.to_owned()]));
    let finished = as_yoda.env("FORUM_PASSWORD", PASSWORD).run("LST\n");
    let blocked = "Your account is blocked due to multiple login failures. Please try again later";
    assert_eq!((finished.code, finished.stderr), (Some(77), vec![blocked.to_owned()]));
    let bad = server.forum().args(&["--user", "bad name"]).env("FORUM_PASSWORD", "x").run("");
    assert_eq!((bad.code, bad.stderr), (Some(77), vec!["Invalid name".to_owned()]));
}

#[test]
fn input_that_ends_before_the_welcome_ends_with_77() {
    let server = Server::start(&[]);
    for input in ["", "yoda\n", &format!("yoda\n{PASSWORD}\n")] {
        let finished = server.forum().run(input);
        assert_eq!(finished.code, Some(77), "{input:?}: {finished:#?}");
        assert_eq!(finished.stdout, Vec::<String>::new());
    }
}

#[test]
fn wrong_words_on_the_command_line_end_with_2() {
    let server = Server::start(&[]);
    for place in [&[] as &[&str], &["127.0.0.1"], &["127.0.0.1", "port"], &["127.0.0.1", "70000"]] {
        let finished = Forum::with_place(place).run("");
        assert_eq!(finished.code, Some(2), "{place:?}");
        assert_eq!(finished.stdout, Vec::<String>::new());
    }
    assert_eq!(server.forum().args(&["--no-such-option"]).run("").code, Some(2));
    assert_eq!(server.forum().args(&["--accept", "perhaps"]).run("").code, Some(2));
}

#[test]
fn nobody_there_ends_with_69() {
    let (_socket, nobody) = closed_port();
    let finished = Forum::at(nobody).run("yoda\n");
    assert_eq!(finished.code, Some(69));
    assert_eq!(finished.stdout, Vec::<String>::new());
    assert!(!finished.stderr.is_empty());
}

#[test]
fn a_server_that_dies_ends_with_69() {
    let mut server = Server::start(&[]);
    let mut yoda = server.sign_up("yoda");
    yoda.does("LST", "No threads to list");
    server.kill();
    assert_eq!(yoda.wait_exit(), Some(69));
    assert_eq!(yoda.finish().stdout, Vec::<String>::new());
}

#[test]
fn a_command_waits_for_the_answer_of_the_one_before() {
    let server = Server::start(&[]);
    let mut yoda = server.sign_up("yoda");
    yoda.put_file("f", &vec![7; 3_000_000]);
    yoda.write("CRT t\nUPD t f\nRDT t\nDWN t f\n");
    let exists = "File f exists here. Use --force to overwrite";
    yoda.hears_all(&["Thread t created", "f uploaded to t thread", "yoda uploaded f"]);
    yoda.complains(exists);
    yoda.does("RMV t", "Thread t removed");
}

#[test]
fn the_end_of_input_lets_a_transfer_finish() {
    let server = Server::start(&[]);
    let forum = server.forum().args(&["--user", "yoda"]).env("FORUM_PASSWORD", PASSWORD);
    std::fs::write(forum.directory().join("f"), vec![7; 5_000_000]).unwrap();
    let finished = forum.run("CRT t\nUPD t f");
    assert_eq!(
        finished.stdout,
        ["Welcome to the forum", "Thread t created", "f uploaded to t thread", "Goodbye"]
    );
    let other = server.forum().args(&["--user", "hans"]).env("FORUM_PASSWORD", PASSWORD);
    let finished = other.run("DWN t f");
    assert_eq!(finished.stdout, ["Welcome to the forum", "f successfully downloaded", "Goodbye"]);
    assert_eq!(std::fs::read(other.directory().join("f")).unwrap(), vec![7; 5_000_000]);
}

#[test]
fn an_accepted_sht_ends_with_0() {
    let mut server = Server::start(&[]);
    let finished = run_as(&server, "yoda", &format!("SHT {ADMIN_PASSWORD}\nLST\n"));
    assert_eq!(finished.stdout, ["Welcome to the forum", "Goodbye. Server shutting down"]);
    assert_eq!((finished.code, finished.stderr), (Some(0), Vec::new()));
    server.expect_exit_0();
}

#[test]
fn bytes_that_drive_a_terminal_are_refused_or_escaped() {
    let server = Server::start(&[]);
    let finished = run_as(&server, "yoda", "CRT t\nMSG t \x1b[2Jboo\nMSG t \u{202e}boo\n\x1b[2J\n");
    assert_eq!(finished.stderr, ["Invalid text", "Invalid text", "Invalid command"]);
    for line in finished.stdout.iter().chain(&finished.stderr) {
        assert!(!line.contains('\x1b') && !line.contains('\u{202e}'), "{line:?}");
    }
}

#[test]
fn input_that_is_no_utf_8_is_an_invalid_command_or_text() {
    let server = Server::start(&[]);
    let mut yoda = server.sign_up("yoda");
    yoda.does("CRT t", "Thread t created");
    yoda.write_bytes(b"MSG t caf\xe9\n");
    yoda.complains("Invalid text");
    yoda.does("RDT t", "Thread t is empty");
}

#[test]
fn a_line_far_too_long_is_refused_and_the_next_one_is_read() {
    let server = Server::start(&[]);
    let mut yoda = server.sign_up("yoda");
    yoda.does("CRT t", "Thread t created");
    yoda.fails(&format!("MSG t {}", "x".repeat(1_000_000)), "Invalid text");
    yoda.does("LST", "The list of active threads:");
    yoda.hears("t");
}
