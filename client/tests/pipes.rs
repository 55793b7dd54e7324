//! The client in pipes, in front of a scripted server: what it sends when, what it prints where, and what
//! its exit status is.
#![forbid(unsafe_code)]

mod stage;

use std::ffi::OsStr;
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;

use forum_common::wire::{Closing, Notice, Refusal, Reply, Request, VERSION};
use rustix::net::{AddressFamily, SocketType};
use rustix::process::Signal;
use stage::{AT_MS, END, LIST_THREADS, PING, Place, Script, WELCOME, post, read_thread};

#[test]
fn lines_answer_the_log_in_and_then_are_commands() {
    let script = Script::new();
    let client = Place::new(&script).pipe_all("\n yoda \r\njedi\nCRT a\n\nMSG a  hi \nXIT\nLST\n");
    let mut peer = script.admit();
    let tag = peer.hears(&Request::CreateThread { title: "a", key: None });
    peer.done(tag, "Thread a created");
    let tag = peer.hears(&Request::Post { title: "a", text: " hi ", key: None });
    peer.done(tag, "Message posted to a thread");
    peer.say_goodbye();
    let (status, out, err) = client.end();
    let said = ["Welcome to the forum", "Thread a created", "Message posted to a thread", "Goodbye"];
    assert_eq!((status, err), (Some(0), vec![]));
    assert_eq!(out, said);
}

#[test]
fn a_new_name_signs_up_and_refusals_lead_back_to_the_name() {
    let script = Script::new();
    // It was free a moment ago.
    let udp_port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut place = Place::new(&script).arg(&udp_port.to_string());
    let client = place.pipe_all("luke\na\nb\nyoda\njedi\nyoda\njedi\n");
    let mut peer = script.greet();
    let tag = peer.hears(&Request::LogIn { name: "luke", udp_port, take_over: None, session: None });
    peer.reply(tag, &Reply::PasswordWanted { known: false });
    let tag = peer.hears(&Request::SignUp { password: "a", confirmation: "b" });
    peer.refuse(tag, Refusal::PasswordsDiffer, "Passwords do not match");
    for (code, text) in [(Some(Refusal::Busy), "Server busy. Please try again later"), (None, "")] {
        let tag = peer.hears(&Request::LogIn { name: "yoda", udp_port, take_over: None, session: None });
        peer.reply(tag, &Reply::PasswordWanted { known: true });
        let tag = peer.hears(&Request::Password { password: "jedi" });
        match code {
            Some(code) => peer.refuse(tag, code, text),
            None => peer.reply(tag, &WELCOME),
        }
    }
    peer.say_goodbye();
    let (status, out, err) = client.end();
    assert_eq!((status, out), (Some(0), vec!["Welcome to the forum".into(), "Goodbye".into()]));
    assert_eq!(err, ["Passwords do not match", "Server busy. Please try again later"]);
}

#[test]
fn refusals_go_to_stderr_and_into_the_status() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script);
    let client = place.pipe_all("CRT\nfoo\nFoo\nCRT a\nUPD a none\nLST\n");
    let mut peer = script.admit();
    let tag = peer.hears(&Request::CreateThread { title: "a", key: None });
    peer.refuse(tag, Refusal::ThreadExists, "Thread a exists");
    // A known word, refused by the client alone, is still activity; a mistake in a line is none.
    peer.hears(&Request::Active);
    let tag = peer.hears(&LIST_THREADS);
    peer.reply(tag, &END);
    peer.say_goodbye();
    let (status, out, err) = client.end();
    assert_eq!(out, ["Welcome to the forum", "No threads to list", "Goodbye"]);
    assert_eq!(
        err,
        [
            "Incorrect syntax for CRT",
            "Usage: CRT title",
            "Error. Invalid command",
            "Invalid command",
            "Thread a exists",
            "File none does not exist"
        ]
    );
    assert_eq!(status, Some(1));
}

#[test]
fn lines_that_are_no_text_are_refused_and_it_goes_on() {
    let script = Script::new();
    let mut client = Place::of_yoda(&script).pipe();
    let mut peer = script.admit();
    client.write(b"MSG a \xff\n");
    client.write(&[b'x'; 200_000]);
    client.write(b"\nLST\n");
    client.close();
    let tag = peer.hears(&LIST_THREADS);
    peer.reply(tag, &END);
    peer.say_goodbye();
    let (status, _, err) = client.end();
    let said =
        ["Invalid text", "The line is not UTF-8", "Invalid text", "The line is longer than 65536 bytes"];
    assert_eq!(err, said);
    assert_eq!(status, Some(1));
}

/// What the client says and how it ends when the server closes before or after the log-in.
fn closed(code: Closing, logged_in: bool) -> (Option<i32>, Vec<String>, Vec<String>) {
    let script = Script::new();
    let client = Place::of_yoda(&script).pipe();
    let peer = if logged_in { script.admit() } else { script.greet() };
    if logged_in {
        client.says("Welcome to the forum");
    }
    peer.close(code, "because");
    client.end()
}

#[test]
fn the_last_words_of_the_server_decide_the_status() {
    let said = vec!["because".to_owned()];
    for (code, before, after) in [
        (Closing::EndOfInput, 77, 0),
        (Closing::ShuttingDown, 77, 0),
        (Closing::Idle, 77, 0),
        (Closing::LoginTimedOut, 77, 69),
        (Closing::ServerFull, 77, 69),
        (Closing::TooSlow, 69, 69),
        (Closing::ProtocolError, 69, 69),
        (Closing::LoggedInElsewhere, 77, 77),
        (Closing::Disconnected, 77, 77),
        (Closing::Other(999), 77, 69),
    ] {
        for (logged_in, status) in [(false, before), (true, after)] {
            let (code_seen, out, err) = closed(code, logged_in);
            assert_eq!(code_seen, Some(status), "{code:?}, logged in: {logged_in}");
            let polite = matches!(code, Closing::EndOfInput | Closing::ShuttingDown | Closing::Idle);
            let (spoken, silent) = if polite { (out, err) } else { (err, out) };
            assert_eq!((spoken, silent), (said.clone(), vec![]), "{code:?}");
        }
    }
}

#[test]
fn a_shutdown_is_its_own_answer() {
    let script = Script::new();
    let client = Place::of_yoda(&script).pipe_all("SHT wrong\nSHT s3cret\nLST\n");
    let mut peer = script.admit();
    let tag = peer.hears(&Request::ShutDown { password: "wrong" });
    peer.refuse(tag, Refusal::IncorrectAdminPassword, "Incorrect password");
    peer.hears(&Request::ShutDown { password: "s3cret" });
    peer.close(Closing::ShuttingDown, "Goodbye. Server shutting down");
    let (status, out, err) = client.end();
    assert_eq!(out, ["Welcome to the forum", "Goodbye. Server shutting down"]);
    assert_eq!((status, err), (Some(1), vec!["Incorrect password".into()]));
}

#[test]
fn a_blocked_account_ends_the_log_in() {
    let script = Script::new();
    let client = Place::new(&script).pipe_all("yoda\nguess\nyoda\njedi\n");
    let mut peer = script.greet();
    let tag = peer.hears_log_in("yoda");
    peer.reply(tag, &Reply::PasswordWanted { known: true });
    let tag = peer.hears(&Request::Password { password: "guess" });
    peer.refuse(tag, Refusal::BlockedNow, "Invalid password. Your account has been blocked.");
    peer.expect_end();
    let (status, _, err) = client.end();
    assert_eq!((status, err), (Some(77), vec!["Invalid password. Your account has been blocked.".into()]));
}

#[test]
fn input_that_ends_before_the_log_in_ends_with_77() {
    let said = [
        "Not logged in: the input ended",
        "It must begin with a name and a password, unless --user names the user",
    ];
    for input in ["", "yoda\n"] {
        let script = Script::new();
        let client = Place::new(&script).pipe_all(input);
        let mut peer = script.greet();
        if !input.is_empty() {
            let tag = peer.hears_log_in("yoda");
            peer.reply(tag, &Reply::PasswordWanted { known: true });
        }
        peer.expect_end();
        assert_eq!(client.end(), (Some(77), vec![], said.map(String::from).to_vec()));
    }
}

#[test]
fn options_log_in_without_questions_and_the_first_line_is_a_command() {
    let script = Script::new();
    let mut place = Place::with_args(&["--user", "yoda", "--password-file", "p"]).file("p", b"jedi\r\nrest");
    for part in script.place() {
        place = place.arg(&part);
    }
    let client = place.pipe_all("LST\n");
    let mut peer = script.greet();
    let tag = peer.hears_log_in("yoda");
    peer.reply(tag, &Reply::PasswordWanted { known: false });
    let tag = peer.hears(&Request::SignUp { password: "jedi", confirmation: "jedi" });
    peer.reply(tag, &WELCOME);
    let tag = peer.hears(&LIST_THREADS);
    peer.reply(tag, &END);
    peer.say_goodbye();
    assert_eq!(client.end().0, Some(0));
}

#[test]
fn with_options_any_refusal_of_the_log_in_ends_with_77() {
    let script = Script::new();
    let client = Place::of_yoda(&script).pipe_all("LST\n");
    let mut peer = script.greet();
    let tag = peer.hears_log_in("yoda");
    peer.refuse(tag, Refusal::AlreadyLoggedIn, "yoda has already logged in");
    peer.expect_end();
    assert_eq!(client.end(), (Some(77), vec![], vec!["yoda has already logged in".into()]));
}

#[test]
fn a_name_without_a_password_is_a_usage_error_and_no_line_is_taken_for_one() {
    let script = Script::new();
    let [host, port] = script.place();
    for empty in [false, true] {
        let mut place = Place::with_args(&["--user", "newbie", &host, &port]);
        if empty {
            place = place.env("FORUM_PASSWORD", "");
        }
        let (status, out, err) = place.pipe_all("CRT secret\nLST\n").end();
        assert_eq!((status, out), (Some(2), vec![]));
        let said = "error: --user needs a password: name a file that holds it with --password-file FILE, or set \
            the environment variable FORUM_PASSWORD";
        assert_eq!(err[0], said);
    }
    script.expect_nobody();
}

#[test]
fn a_password_file_that_is_missing_ends_with_77() {
    let client = Place::with_args(&["--user", "yoda", "--password-file", "p", "localhost", "1"]).pipe();
    let (status, out, err) = client.end();
    assert_eq!((status, out), (Some(77), vec![]));
    assert_eq!(err, ["Cannot read the password in p: No such file or directory"]);
}

#[test]
fn a_password_that_is_not_utf_8_is_said_and_ends_with_77() {
    let password = OsStr::from_bytes(b"caf\xe9");
    let mut place = Place::with_args(&["--user", "yoda", "localhost", "1"]).env("FORUM_PASSWORD", password);
    let said = vec!["FORUM_PASSWORD is not UTF-8. Set it to the password".to_owned()];
    assert_eq!(place.pipe().end(), (Some(77), vec![], said));
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    for args in [&["localhost"][..], &["localhost", "x"], &["localhost", "1", "2", "3"], &["--nothing"]] {
        assert_eq!(Place::with_args(args).pipe().end().0, Some(2), "{args:?}");
    }
}

#[test]
fn no_connection_ends_with_69() {
    // Bound but not listening: connections are refused, and no other test gets the port.
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    rustix::net::bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let address: SocketAddr = rustix::net::getsockname(&socket).unwrap().try_into().unwrap();
    let [host, port] = [address.ip().to_string(), address.port().to_string()];
    let (status, out, err) = Place::with_args(&[&host, &port]).pipe_all("yoda\n").end();
    assert_eq!((status, out), (Some(69), vec![]));
    assert!(err[0].starts_with(&format!("Cannot connect to {host}:{port}: Connection refused")), "{err:?}");
}

#[test]
fn a_connection_lost_without_a_word_ends_with_69() {
    let script = Script::new();
    let client = Place::of_yoda(&script).pipe_all("CRT a\n");
    let mut peer = script.admit();
    peer.hears(&Request::CreateThread { title: "a", key: None });
    drop(peer);
    let (status, _, err) = client.end();
    assert_eq!(err, ["Connection lost: the server closed it", "Not answered: CRT a"]);
    assert_eq!(status, Some(69));
}

#[test]
fn a_server_that_gives_signs_of_life_is_waited_for() {
    let script = Script::new();
    let client = Place::of_yoda(&script).arg("--server-timeout").arg("8").pipe_all("CRT a\n");
    let mut peer = script.admit();
    let tag = peer.hears(&Request::CreateThread { title: "a", key: None });
    // Answers come in the order of the requests, so the pong has to wait; any byte will do.
    let first = peer.hears(&PING);
    peer.notice(&Notice::Probe);
    let second = peer.hears(&PING);
    peer.done(tag, "Thread a created");
    for ping in [first, second] {
        peer.reply(ping, &Reply::Pong { payload: &[] });
    }
    peer.say_goodbye();
    let (status, out, err) = client.end();
    assert_eq!((status, err), (Some(0), vec![]));
    assert_eq!(out, ["Welcome to the forum", "Thread a created", "Goodbye"]);
}

#[test]
fn a_server_of_another_version_is_said_to_be_one() {
    let script = Script::new();
    let [host, port] = script.place();
    let client = Place::of_yoda(&script).pipe();
    let mut peer = script.accept();
    let tag = peer.hears_hello(true);
    peer.hello(tag, VERSION + 1, "UTC");
    peer.expect_end();
    let said = format!(
        "{host}:{port} is no forum server for this client: it speaks version 4, this client version 3. Check the \
        host and the port"
    );
    assert_eq!(client.end(), (Some(69), vec![], vec![said]));
}

#[test]
fn presence_is_wanted_unless_the_user_says_otherwise() {
    for (arg, presence) in [("--force", true), ("--no-presence", false)] {
        let script = Script::new();
        let client = Place::of_yoda(&script).arg(arg).pipe_all("");
        let mut peer = script.accept();
        let tag = peer.hears_hello(presence);
        peer.hello(tag, VERSION, "UTC");
        peer.admits();
        peer.say_goodbye();
        assert_eq!(client.end().0, Some(0));
    }
}

#[test]
fn a_zone_that_is_not_known_here_is_said_and_times_are_in_utc() {
    let script = Script::new();
    let client = Place::of_yoda(&script).pipe_all("RDM b 1 Jun 2022 06:00:00\n");
    let mut peer = script.accept();
    let tag = peer.hears_hello(true);
    peer.hello(tag, VERSION, "Nowhere/At_all");
    peer.admits();
    let later_than_ms = Some(AT_MS - 1_000);
    let tag = peer.hears(&Request::ReadBoard { later_than_ms, after: None, at_most: None, from: None });
    peer.reply(tag, &Reply::BoardItem { number: 1, at_ms: AT_MS, author: "hans", text: "hi" });
    peer.reply(tag, &END);
    peer.say_goodbye();
    let (status, out, err) = client.end();
    assert_eq!((status, out[1].as_str()), (Some(0), "#1; hans: hi at 1 Jun 2022 06:00:01."));
    assert_eq!(err, ["The server's time zone Nowhere/At_all is not known here: all times are in UTC"]);
}

#[test]
fn a_server_that_is_no_forum_server_is_left() {
    // A stranger; and a server of an older version.
    for bytes in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], &[0, 0, 0, 7, 0x80, 0, 0, 0, 1, 0, 2]] {
        let script = Script::new();
        let client = Place::new(&script).pipe();
        let mut peer = script.accept();
        peer.hears_hello(true);
        peer.send(bytes);
        peer.expect_end();
        let (status, out, err) = client.end();
        assert_eq!((status, out), (Some(69), vec![]));
        assert!(err[0].contains("is no forum server for this client"), "{err:?}");
    }
}

#[test]
fn an_output_that_nobody_reads_ends_the_client() {
    let script = Script::new();
    let mut client = Place::of_yoda(&script).pipe_unread("LST\n");
    let mut peer = script.admit();
    peer.expect_end();
    assert_eq!(client.wait().code(), Some(1));
}

#[test]
fn a_signal_ends_a_client_whose_output_nobody_reads() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script);
    let mut client = place.pipe_stuck("RDT a\n");
    let mut peer = script.admit();
    let tag = peer.hears(&read_thread("a", None));
    let text = "x".repeat(8_000);
    for number in 1..=100 {
        peer.reply(tag, &post(number, "yoda", &text));
    }
    client.wait_stuck();
    client.signal(Signal::TERM);
    assert_eq!(client.wait().signal(), Some(Signal::TERM.as_raw()));
}
