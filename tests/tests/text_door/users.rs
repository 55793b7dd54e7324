//! Somebody at the text door, and users with the client.

use super::*;

#[test]
fn messages_broadcasts_and_comings_go_both_ways_between_a_visitor_and_a_client() {
    let server = Server::start(&[]);
    let mut yoda = Visitor::sign_up(&server, "yoda");
    let mut hans = server.sign_up("hans");
    yoda.is_told("hans logged in");
    yoda.says("message hans Hear me?", "> ");
    hans.hears("yoda: Hear me?");
    hans.says("message yoda Yes.");
    yoda.is_told("hans: Yes.");
    yoda.says("broadcast to all", "> ");
    hans.hears("yoda: to all");
    hans.says("broadcast and back");
    yoda.is_told("hans: and back");
    yoda.does("whoelse", "hans");
    hans.does("whoelse", "yoda");
    yoda.does("block hans", "hans is blocked");
    hans.fails("message yoda psst", "Your message could not be delivered as the recipient has blocked you");
    hans.fails("broadcast psst", "Your message could not be delivered to some recipients");
    yoda.does("message yoda x", "Error. Cannot message self");
    yoda.does("message nobody x", "Error. Invalid user");
    hans.does("XIT", "Goodbye");
    yoda.is_told("hans logged out");
    yoda.does("whoelse", "No one else is online");
    yoda.does("whoelsesince 3600", "hans");
}

#[test]
fn mail_comes_after_the_welcome_and_only_once() {
    let server = Server::start(&[]);
    Visitor::sign_up(&server, "yoda").says("XIT", "Goodbye\n");
    let mut hans = server.sign_up("hans");
    for text in ["one", "two"] {
        hans.says(&format!("message yoda {text}"));
    }
    hans.hears_nothing_else();
    let lines = batch(&server, &format!("yoda\n{PASSWORD}\nLST\n"));
    let goodbye = ["No threads to list", "Goodbye"];
    assert_eq!(lines, [&["Welcome to the forum", "hans: one", "hans: two"][..], &goodbye].concat());
    hans.hears_all(&["yoda logged in", "yoda logged out"]);
    let lines = batch(&server, &format!("yoda\n{PASSWORD}\nLST\n"));
    assert_eq!(lines, [&["Welcome to the forum"][..], &goodbye].concat());
}

#[test]
fn a_question_is_answered_no_and_yes_needs_the_client() {
    let server = Server::start(&[]);
    let mut yoda = Visitor::sign_up(&server, "yoda");
    let mut hans = server.sign_up("hans");
    hans.put_file("f", b"bytes");
    yoda.is_told("hans logged in");
    hans.does("startprivate yoda", "Start private messaging with yoda");
    yoda.is_told("hans would like to private message, enter y or n: ");
    yoda.says("n", "> ");
    hans.hears("yoda declines private messaging");
    hans.does("startprivate yoda", "Start private messaging with yoda");
    yoda.is_told("hans would like to private message, enter y or n: ");
    yoda.does("y", "Private sessions and files of users need the forum client");
    hans.hears("yoda declines private messaging");
    hans.says("UDP yoda f");
    yoda.is_told("hans would like to send you f (5 bytes), enter y or n: ");
    yoda.says("n", "> ");
    hans.complains("yoda declined f");
    yoda.does("n", "Error. Invalid command");
}

#[test]
fn two_visitors_talk_while_each_is_typing() {
    let server = Server::start(&[]);
    let mut yoda = Visitor::sign_up(&server, "yoda");
    let mut hans = Visitor::sign_up(&server, "hans");
    yoda.is_told("hans logged in");
    hans.send("message yo");
    yoda.says("message hans hello", "> ");
    hans.is_told("yoda: hello");
    hans.says("da hello yourself", "> ");
    yoda.is_told("hans: hello yourself");
}

#[test]
fn what_a_visitor_posts_is_shown_as_any_post() {
    let server = Server::start(&[]);
    let mut yoda = Visitor::sign_up(&server, "yoda");
    yoda.does("CRT t", "Thread t created");
    yoda.does("MSG t via nc", "Message posted to t thread");
    let mut hans = server.sign_up("hans");
    hans.does("RDT t", "1 yoda: via nc");
    hans.does("MSG t via forum", "Message posted to t thread");
    yoda.is_told("hans logged in");
    yoda.does("RDT t 2", "2 hans: via forum");
}
