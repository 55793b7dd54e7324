//! A user who is logged in elsewhere ends that session, from the real client against the real server.
#![forbid(unsafe_code)]

use forum_tests::{PASSWORD, Server};

const QUESTION: &str = "yoda is logged in elsewhere. End that session? y or n: ";

#[test]
fn with_the_option_the_older_session_ends_with_77_and_others_see_both() {
    let server = Server::start(&[]);
    let mut hans = server.sign_up("hans");
    let mut older = server.sign_up("yoda");
    hans.hears("yoda logged in");
    let mut newer = server.forum().args(&["--take-over"]).start();
    newer.write(&format!("yoda\n{PASSWORD}\n"));
    newer.hears("Welcome to the forum");
    assert_eq!(older.wait_exit(), Some(77));
    let finished = older.finish();
    assert_eq!(finished.stderr, ["You have logged in elsewhere"]);
    hans.hears("yoda logged out");
    hans.hears("yoda logged in");
    newer.leaves();
}

#[test]
fn on_a_terminal_the_question_comes_after_the_right_password_and_a_no_ends_nothing() {
    let server = Server::start(&[]);
    let mut older = server.sign_up("yoda");
    let mut newer = server.forum().start_on_terminal();
    for (answer, shown) in [("n", "yoda has already logged in"), ("y", "Welcome to the forum")] {
        newer.shows("Enter username: ");
        newer.says("yoda");
        newer.shows("Enter password: ");
        newer.says(PASSWORD);
        newer.shows(QUESTION);
        newer.does(answer, shown);
    }
    assert_eq!(older.wait_exit(), Some(77));
}
