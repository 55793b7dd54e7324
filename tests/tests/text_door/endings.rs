//! How a text session ends.

use super::*;
use forum_tests::ADMIN_PASSWORD;

#[test]
fn all_lines_before_the_end_of_the_input_are_answered_and_then_the_goodbye() {
    let server = Server::start(&[]);
    let mut input = format!("yoda\n{PASSWORD}\n{PASSWORD}\nCRT t\n");
    let mut wanted = vec!["Welcome to the forum".to_owned(), "Thread t created".to_owned()];
    for number in 1..=200 {
        input.push_str(&format!("MSG t post {number}\n"));
        wanted.push("Message posted to t thread".to_owned());
    }
    input.push_str("RDT t\n");
    wanted.extend((1..=200).map(|number| format!("{number} yoda: post {number}")));
    wanted.push("Goodbye".to_owned());
    assert_eq!(batch(&server, &input), wanted);
    // The name is free at once.
    assert_eq!(batch(&server, &format!("yoda\n{PASSWORD}\n")), ["Welcome to the forum", "Goodbye"]);
}

#[test]
fn a_last_line_without_an_end_is_a_line() {
    let server = Server::start(&[]);
    let sign_up = format!("yoda\n{PASSWORD}\n{PASSWORD}");
    assert_eq!(batch(&server, &sign_up), ["Welcome to the forum", "Goodbye"]);
    let lines = batch(&server, &format!("yoda\r\n{PASSWORD}\r\nCRT t\r\nLST"));
    let wanted = ["Welcome to the forum", "Thread t created", "The list of active threads:", "t", "Goodbye"];
    assert_eq!(lines, wanted);
}

#[test]
fn a_log_in_that_is_cut_short_ends_with_a_goodbye() {
    let server = Server::start(&[]);
    for input in ["\n", "yoda\n", "yoda", "yoda\nsecret\n"] {
        assert_eq!(batch(&server, input).last().map(String::as_str), Some("Goodbye"), "{input:?}");
    }
    let mut yoda = Visitor::connect(&server);
    yoda.says("yoda", "Enter new password for yoda: ");
    yoda.end_input();
    yoda.hears_last("\nGoodbye\n");
}

#[test]
fn what_follows_xit_is_not_done() {
    let server = Server::start(&[]);
    let lines = batch(&server, &format!("yoda\n{PASSWORD}\n{PASSWORD}\nXIT\nCRT t\n"));
    assert_eq!(lines, ["Welcome to the forum", "Goodbye"]);
    Visitor::sign_up(&server, "hans").does("LST", "No threads to list");
}

#[test]
fn sht_ends_the_server_with_a_word_to_all() {
    let mut server = Server::start(&[]);
    let mut yoda = Visitor::sign_up(&server, "yoda");
    let mut hans = Visitor::sign_up(&server, "hans");
    yoda.is_told("hans logged in");
    hans.does("SHT sith", "Incorrect password");
    hans.send(format!("SHT {ADMIN_PASSWORD}\n"));
    hans.hears_last("Goodbye. Server shutting down\n");
    yoda.hears_last("\nGoodbye. Server shutting down\n");
    drop((yoda, hans));
    server.expect_exit_0();
}

#[test]
fn who_is_idle_is_logged_out_in_words_and_a_refused_command_is_activity() {
    let server = Server::start(&["--timeout", "1"]);
    let mut yoda = Visitor::sign_up(&server, "yoda");
    yoda.does("UPD t f", "UPD needs the forum client");
    yoda.hears_last("\nYou have been logged out: no activity for 1 seconds\n");
}

#[test]
fn a_connection_that_breaks_frees_the_name_at_once() {
    let server = Server::start(&[]);
    let mut hans = Visitor::sign_up(&server, "hans");
    let yoda = Visitor::sign_up(&server, "yoda");
    hans.is_told("yoda logged in");
    yoda.resets();
    hans.is_told("yoda logged out");
    assert_eq!(batch(&server, &format!("yoda\n{PASSWORD}\n")), ["Welcome to the forum", "Goodbye"]);
}
