//! Who comes in, and who doesn't.

use super::*;

#[test]
fn enter_brings_the_first_prompt_and_five_lines_a_post() {
    let server = Server::start(&[]);
    let mut yoda = Visitor::connect(&server);
    yoda.says("", "Enter username: ");
    yoda.says("yoda", "Enter new password for yoda: ");
    yoda.says("jedi", "Confirm password: ");
    yoda.says("jedi", &format!("Welcome to the forum\n{FIRST_PROMPT}"));
    yoda.does("CRT t", "Thread t created");
    yoda.does("MSG t Do or do not.", "Message posted to t thread");
    let mut hans = server.user("hans");
    assert_eq!(hans.read_thread("t"), ["1 yoda: Do or do not."]);
}

#[test]
fn the_first_line_may_be_the_name_and_spaces_around_it_do_not_count() {
    let server = Server::start(&[]);
    let mut yoda = Visitor::connect(&server);
    yoda.says("  yoda ", "Enter new password for yoda: ");
    yoda.says("a", "Confirm password: ");
    yoda.says("b", "Passwords do not match\nEnter username: ");
    yoda.says("no name", "Invalid name\nEnter username: ");
    yoda.says("\u{1b}[A", "Invalid name\nEnter username: ");
    yoda.says("yoda", "Enter new password for yoda: ");
    yoda.says("\t", "Confirm password: ");
    yoda.says("\t", "Invalid password format\nEnter username: ");
}

#[test]
fn a_wrong_password_leads_back_to_the_name_and_the_last_one_ends_the_connection() {
    let server = Server::start(&["--max-attempts", "3", "--block-duration", "600"]);
    Visitor::sign_up(&server, "yoda").says("XIT", "Goodbye\n");
    server.user("yoda").done(&forum_common::wire::Request::LogOut);
    let mut guest = Visitor::connect(&server);
    for _ in 0..2 {
        guest.says("yoda", "Enter password: ");
        guest.says("sith", "Invalid password\nEnter username: ");
    }
    guest.says("yoda", "Enter password: ");
    guest.send("sith\n");
    guest.hears_last("Invalid password. Your account has been blocked. Please try again later\n");
    let mut again = Visitor::connect(&server);
    again.says("yoda", "Enter password: ");
    again.send(format!("{PASSWORD}\n"));
    again.hears_last("Your account is blocked due to multiple login failures. Please try again later\n");
}

#[test]
fn who_is_logged_in_elsewhere_is_asked_after_the_right_password() {
    let server = Server::start(&[]);
    let mut first = Visitor::sign_up(&server, "yoda");
    let mut second = Visitor::connect(&server);
    let question = "yoda is logged in elsewhere. End that session? y or n: ";
    second.says("yoda", "Enter password: ");
    second.says("sith", "Invalid password\nEnter username: ");
    second.says("yoda", "Enter password: ");
    second.says(PASSWORD, question);
    second.says("n", "yoda has already logged in\nEnter username: ");
    second.says("yoda", "Enter password: ");
    second.says(PASSWORD, question);
    second.says("perhaps", "yoda has already logged in\nEnter username: ");
    first.does("LST", "No threads to list");
    second.says("yoda", "Enter password: ");
    second.says(PASSWORD, question);
    second.says("y", &format!("Welcome to the forum\n{FIRST_PROMPT}"));
    first.hears_last("\nYou have logged in elsewhere\n");
}

#[test]
fn a_batch_of_somebody_who_is_logged_in_elsewhere_is_not_swallowed_in_silence() {
    let server = Server::start(&[]);
    let mut first = Visitor::sign_up(&server, "yoda");
    let mut second = Visitor::connect(&server);
    second.send(format!("yoda\n{PASSWORD}\nCRT lost\nCRT gone\n"));
    second.end_input();
    second.hears_last("yoda has already logged in\nInvalid name\nGoodbye\n");
    first.does("LST", "No threads to list");
}

#[test]
fn a_stranger_who_says_nothing_more_is_put_out_in_words() {
    let server = Server::start(&["--login-timeout", "1"]);
    let mut guest = Visitor::connect(&server);
    guest.says("", "Enter username: ");
    guest.hears_last("\nLogin timed out\n");
}

#[test]
fn a_password_is_changed_by_the_three_lines_that_follow() {
    let server = Server::start(&[]);
    let mut yoda = Visitor::sign_up(&server, "yoda");
    for (old, new, confirmation, answer) in [
        ("sith", "a", "a", "Invalid password"),
        (PASSWORD, "a", "b", "Passwords do not match"),
        (PASSWORD, "", "", "Invalid password format"),
        (PASSWORD, "padawan", "padawan", "Password changed"),
    ] {
        yoda.says("passwd", "Enter old password: ");
        yoda.says(old, "Enter new password: ");
        yoda.says(new, "Confirm password: ");
        yoda.says(confirmation, &format!("{answer}\n> "));
    }
    yoda.says("XIT", "Goodbye\n");
    assert_eq!(batch(&server, "yoda\npadawan\n"), ["Welcome to the forum", "Goodbye"]);
}
