//! Who is asked, who answers what, and what becomes of questions that nobody answers.

use std::fs;
use std::process::Command;

use forum_tests::{PASSWORD, Server, Terminal};
use rustix::process::Signal;

use super::{leave, pair, pair_with, question, send};

#[test]
fn an_answer_overtakes_no_command_but_waits_for_none_either() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = pair(&server);
    yoda.put_file("f", b"of yoda");
    hans.put_file("g", b"of hans!");
    // Both wait for the other's answer while they are asked.
    yoda.says("UDP hans f");
    hans.hears(&question("f", 7));
    hans.says("UDP yoda g");
    yoda.hears("hans would like to send you g (8 bytes), enter y or n: ");
    yoda.says("y");
    hans.says("y");
    let mut heard = [[yoda.line(), yoda.line()], [hans.line(), hans.line()]];
    heard.iter_mut().for_each(|lines| lines.sort());
    let wanted =
        [["Received g from hans", "f has been uploaded"], ["Received f from yoda", "g has been uploaded"]];
    assert_eq!(heard, wanted);
    assert_eq!((yoda.file("hans_g"), hans.file("yoda_f")), (b"of hans!".to_vec(), b"of yoda".to_vec()));
    assert_eq!(leave(yoda, hans), [Some(0), Some(0)]);
}

#[test]
fn a_yes_that_waits_for_its_turn_answers_the_question_that_comes_meanwhile() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = pair(&server);
    yoda.put_file("f", b"of yoda");
    hans.put_file("g", b"of hans!");
    yoda.write("UDP hans f\ny\nwhoelse\n");
    hans.hears(&question("f", 7));
    hans.says("UDP yoda g");
    yoda.hears_all(&["hans would like to send you g (8 bytes), enter y or n: ", "Received g from hans"]);
    hans.hears("g has been uploaded");
    hans.says("n");
    yoda.complains("hans declined f");
    yoda.hears("hans");
}

#[test]
fn a_y_without_a_question_is_an_invalid_command() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = pair(&server);
    yoda.put_file("f", b"f");
    send(&mut yoda, "f", "f", 1, &mut hans);
    hans.fails("y", "Error. Invalid command");
}

#[test]
fn the_oldest_of_two_questions_is_answered_first() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = pair(&server);
    let mut leia = server.sign_up("leia");
    yoda.hears("leia logged in");
    hans.hears("leia logged in");
    yoda.put_file("f", b"f");
    leia.put_file("f", b"f");
    yoda.says("UDP hans f");
    hans.hears(&question("f", 1));
    leia.says("UDP hans f");
    hans.hears("leia would like to send you f (1 bytes), enter y or n: ");
    hans.write("n\ny\n");
    yoda.complains("hans declined f");
    leia.hears("f has been uploaded");
    hans.hears("Received f from leia");
    assert_eq!(hans.names(), ["leia_f"]);
}

#[test]
fn a_question_goes_with_who_has_asked_it() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = pair(&server);
    yoda.put_file("f", b"f");
    yoda.says("UDP hans f");
    hans.hears(&question("f", 1));
    yoda.signal(Signal::KILL);
    hans.hears("yoda logged out");
    hans.fails("y", "Error. Invalid command");
    assert_eq!(hans.names(), [""; 0]);
}

#[test]
fn who_leaves_instead_of_answering_is_gone() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = pair(&server);
    yoda.put_file("f", b"f");
    yoda.says("UDP hans f");
    hans.hears(&question("f", 1));
    hans.leaves();
    yoda.hears("hans logged out");
    yoda.complains("f was not uploaded: hans is gone");
    assert_eq!(yoda.finish().code, Some(1));
}

#[test]
fn accept_always_takes_without_a_question_and_never_declines_without_one() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = pair_with(&server, &["--accept", "always"]);
    yoda.put_file("f", b"f");
    yoda.does("UDP hans f", "f has been uploaded");
    hans.hears("Received f from yoda");
    let mut leia = server.forum().args(&["--accept", "never"]).sign_up("leia");
    yoda.hears("leia logged in");
    hans.hears("leia logged in");
    yoda.fails("UDP leia f", "leia declined f");
    leia.leaves();
    yoda.hears("leia logged out");
    hans.hears("leia logged out");
    assert_eq!(leave(yoda, hans), [Some(1), Some(0)]);
}

#[test]
fn who_says_no_gets_nothing_and_the_sender_is_told() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = pair(&server);
    yoda.put_file("f", &[7; 1_234]);
    yoda.says("UDP hans f");
    hans.hears(&question("f", 1_234));
    hans.says("n");
    yoda.complains("hans declined f");
    assert_eq!(hans.names(), [""; 0]);
    assert_eq!(leave(yoda, hans), [Some(1), Some(0)]);
}

#[test]
fn a_file_arrives_while_nobody_reads_what_the_client_prints() {
    let server = Server::start(&[]);
    server.user("hans");
    let mut yoda = server.sign_up("yoda");
    let options = ["--user", "hans", "--accept", "always"];
    let forum = server.forum().args(&options).env("FORUM_PASSWORD", PASSWORD);
    let client = forum.command();
    let mut shell = Command::new("bash");
    shell.args(["-c", "mkfifo go; \"$0\" \"$@\" | { read -r _ <go; cat; }"]);
    shell.arg(client.get_program()).args(client.get_args()).current_dir(forum.directory());
    for (name, value) in client.get_envs() {
        shell.env(name, value.unwrap_or_default());
    }
    let mut hans = Terminal::of(shell);
    yoda.hears("hans logged in");
    // Far more than the pipe holds.
    for _ in 0..30 {
        yoda.says(&format!("broadcast {}", "x".repeat(8_000)));
    }
    yoda.put_file("f", b"of yoda");
    yoda.does("UDP hans f", "f has been uploaded");
    assert_eq!(fs::read(forum.directory().join("yoda_f")).unwrap(), b"of yoda");
    fs::write(forum.directory().join("go"), "\n").unwrap();
    hans.shows("Received f from yoda");
}
