//! What is no text, or too much of it.

use super::*;
use forum_common::limits::{LINE_BYTES_MAX, TEXT_BYTES_MAX};
use forum_common::wire::Request;

#[test]
fn a_strangers_line_of_more_than_2_kib_ends_the_connection_with_the_reason() {
    let server = Server::start(&[]);
    let reason = "The line is longer than 2048 bytes\n";
    for line in ["x".repeat(2_050), format!("{}\nyoda\n", "x".repeat(2_049))] {
        let mut guest = Visitor::connect(&server);
        guest.send(line);
        guest.hears_last(reason);
    }
    let mut guest = Visitor::connect(&server);
    guest.says(&"x".repeat(2_048), "Invalid name\nEnter username: ");
}

#[test]
fn a_members_line_that_is_too_long_is_refused_and_the_next_one_is_taken() {
    let server = Server::start(&[]);
    let mut yoda = Visitor::sign_up(&server, "yoda");
    yoda.does("CRT t", "Thread t created");
    let longest = "x".repeat(TEXT_BYTES_MAX);
    yoda.does(&format!("MSG t {longest}"), "Message posted to t thread");
    yoda.does(&format!("MSG t {longest}x"), "Invalid text");
    let refusal = format!("The line is longer than {LINE_BYTES_MAX} bytes\n");
    for length in [LINE_BYTES_MAX + 1, LINE_BYTES_MAX + 2, 1_000_000] {
        yoda.send(format!("MSG t {}\n", "x".repeat(length - 6)));
        yoda.send("LST\n");
        // It may have been refused while its end was still to come: then there is a prompt more.
        let mut lines = std::iter::repeat_with(|| yoda.line().trim_start_matches("> ").to_owned());
        let mut next = || lines.find(|line| line != "\n").unwrap();
        assert_eq!([next(), next(), next()], ["Invalid text\n", &refusal, "The list of active threads:\n"]);
        yoda.hears("t\n> ");
    }
    yoda.does("RDT t 2", "Invalid message number");
}

#[test]
fn bytes_that_are_no_text_are_refused_to_a_member_and_end_a_strangers_connection() {
    let server = Server::start(&[]);
    let mut yoda = Visitor::sign_up(&server, "yoda");
    yoda.send(b"MSG t \xc3\x28\n");
    yoda.hears("Invalid text\nThe line is not UTF-8\n> ");
    let mut guest = Visitor::connect(&server);
    guest.send(b"\xc3\x28\n");
    guest.hears_last("The line is not UTF-8\n");
}

#[test]
fn whatever_the_first_byte_is_the_connection_ends_in_order_and_no_other_is_harmed() {
    let server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    for first in 0..=u8::MAX {
        let mut guest = Visitor::connect(&server);
        guest.send([first, b'x', 0, 0xFE, b'\n', 0xC3]);
        guest.end_input();
        std::io::copy(&mut guest.stream, &mut std::io::sink()).expect("an orderly end");
    }
    yoda.ping();
}

#[test]
fn a_web_page_gets_nowhere() {
    let server = Server::start(&[]);
    let mut guest = Visitor::connect(&server);
    guest.send("POST / HTTP/1.1\r\nHost: forum\r\n\r\nyoda\njedi\njedi\nCRT t\n");
    guest.hears_last("This is a forum, and no web server\n");
    assert_eq!(server.user("hans").titles(), [""; 0]);
}

#[test]
fn telnets_options_are_passed_over() {
    let server = Server::start(&[]);
    let mut yoda = Visitor::connect(&server);
    yoda.send(b"\xff\xfd\x03\xff\xfb\x18\xff\xfa\x1f\x00\x50\x00\x0a\xff\xf0\r\n");
    yoda.hears("Enter username: ");
    yoda.send(b"yo\xff\xf1da\r\n");
    yoda.hears("Enter new password for yoda: ");
}

#[test]
fn after_an_interrupt_telnet_hears_at_once_that_output_goes_on() {
    let server = Server::start(&[]);
    let mut yoda = Visitor::sign_up(&server, "yoda");
    // IAC IP, IAC DO TIMING-MARK: what ^C sends.
    for piece in [&b"\xff\xf4\xff"[..], b"\xfd", b"\x06"] {
        yoda.send(piece);
    }
    let mut answer = [0; 3];
    yoda.stream.read_exact(&mut answer).expect("an answer");
    assert_eq!(answer, *b"\xff\xfc\x06");
    yoda.hears("> ");
    yoda.does("LST", "No threads to list");
}

#[test]
fn who_does_not_read_is_not_asked_further_and_gets_all_in_the_end() {
    let server = Server::start(&["--durability", "none"]);
    let mut hans = server.user("hans");
    hans.done(&Request::CreateThread { title: "t", key: None });
    let text = "x".repeat(TEXT_BYTES_MAX);
    for _ in 0..100 {
        hans.done(&Request::Post { title: "t", text: &text, key: None });
    }
    let mut yoda = Visitor::sign_up(&server, "yoda");
    // More than any socket's buffers take.
    let rounds = 40;
    yoda.send("RDT t\n".repeat(rounds) + "whoelse\n");
    hans.ping();
    yoda.end_input();
    let heard = yoda.rest();
    let posts = heard.lines().filter(|line| line.ends_with(&text)).count();
    assert_eq!(posts, rounds * 100);
    assert!(heard.ends_with("\nhans\nGoodbye\n"), "{:?}", &heard[heard.len() - 100..]);
}

#[test]
fn who_does_not_read_what_others_say_is_cut_off() {
    let server = Server::start(&["--max-notice-bytes", "65536", "--durability", "none"]);
    let mut yoda = Visitor::sign_up(&server, "yoda");
    let mut hans = server.user("hans");
    let text = "x".repeat(TEXT_BYTES_MAX);
    let mut rounds = 0;
    while !server.log().iter().any(|line| line.contains("yoda cut off: too slow")) {
        hans.done(&Request::SendBroadcast { text: &text });
        rounds += 1;
        assert!(rounds < 20_000, "nobody is cut off");
    }
    let heard = yoda.rest();
    assert!(
        heard.ends_with("x\nYou have been disconnected: too slow\n"),
        "{:?}",
        &heard[heard.len() - 100..]
    );
}

#[test]
fn who_speaks_tls_to_a_server_without_it_is_told_so_at_once() {
    let server = Server::start(&[]);
    let mut guest = Visitor::connect(&server);
    guest.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
    guest.hears_last("This server does not speak TLS\n");
}
