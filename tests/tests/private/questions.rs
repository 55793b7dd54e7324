//! The question whether somebody would talk privately, in pipes: shown once as a whole line, answered once,
//! also by somebody who is in the middle of another command.

use forum_common::wire::{LinkId, OwnedNotice, Request};
use forum_tests::{Client, Server, Wire};

use crate::{accepts, agree, asked, not_enabled, pair, question, talk};

const NO_COMMAND: &str = "Error. Invalid command";

/// hans has offered a file to leia, who takes her time: his command has no answer until she gives one.
struct BusyHans {
    hans: Client,
    leia: Wire,
    offer: LinkId,
}

impl BusyHans {
    /// With these lines typed right behind his command.
    fn typing(server: &Server, lines: &str) -> Self {
        let mut leia = server.user("leia");
        let mut hans = server.sign_up("hans");
        hans.put_file("a.txt", b"hello");
        hans.write(&format!("UDP leia a.txt\n{lines}"));
        let OwnedNotice::FileQuestion { link: offer, .. } = leia.link_notice() else { panic!("no question") };
        Self { hans, leia, offer }
    }

    /// leia says no, which answers his command.
    fn is_answered(&mut self) {
        self.leia.send(&Request::AnswerQuestion { link: self.offer, yes: false });
        self.hans.complains("leia declined a.txt");
    }
}

/// yoda, who has asked hans.
fn yoda_who_asks(server: &Server) -> Client {
    let mut yoda = server.sign_up("yoda");
    yoda.does("startprivate hans", &asked("hans"));
    yoda
}

#[test]
fn n_is_a_no_and_there_may_be_another_question() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = pair(&server);
    for _ in 0..2 {
        yoda.does("startprivate hans", &asked("hans"));
        hans.hears(&question("yoda"));
        hans.says("n");
        yoda.hears("hans declines private messaging");
        yoda.fails("private hans hello", &not_enabled("hans"));
    }
    hans.fails("y", NO_COMMAND);
    agree(&mut yoda, "yoda", &mut hans, "hans");
}

#[test]
fn nothing_but_y_and_n_answers() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = pair(&server);
    yoda.does("startprivate hans", &asked("hans"));
    hans.hears(&question("yoda"));
    for (line, error) in
        [("yes", NO_COMMAND), ("no", NO_COMMAND), ("Y", "Invalid command"), ("y ", NO_COMMAND), (" y", "")]
    {
        hans.says(line);
        let complaint = hans.complaint();
        assert!(complaint == error || error.is_empty(), "{line:?}: {complaint}");
    }
    yoda.hears_nothing_else();
    hans.says("y");
    yoda.hears(&accepts("hans"));
}

#[test]
fn without_a_question_y_and_n_are_no_commands() {
    let server = Server::start(&[]);
    let mut hans = server.sign_up("hans");
    hans.fails("y", NO_COMMAND);
    hans.fails("n", NO_COMMAND);
    assert_eq!(hans.finish().code, Some(1));
}

#[test]
fn who_is_busy_with_another_command_can_answer() {
    let server = Server::start(&[]);
    let mut busy = BusyHans::typing(&server, "");
    let mut yoda = yoda_who_asks(&server);
    busy.hans.hears("yoda logged in");
    busy.hans.hears(&question("yoda"));
    busy.hans.says("y");
    yoda.hears(&accepts("hans"));
    talk(&mut yoda, "yoda", &mut busy.hans, "hans", "still busy?");
    busy.is_answered();
    talk(&mut busy.hans, "hans", &mut yoda, "yoda", "not any more");
}

#[test]
fn an_answer_that_waits_for_a_command_answers_the_question_that_comes_meanwhile() {
    let server = Server::start(&[]);
    let mut busy = BusyHans::typing(&server, "y\nLST\n");
    let mut yoda = yoda_who_asks(&server);
    busy.hans.hears("yoda logged in");
    busy.hans.hears(&question("yoda"));
    yoda.hears(&accepts("hans"));
    busy.is_answered();
    busy.hans.hears("No threads to list");
    assert_eq!(busy.hans.finish().stderr, [""; 0]);
}

#[test]
fn an_answer_without_a_question_is_judged_in_its_turn() {
    let server = Server::start(&[]);
    let mut busy = BusyHans::typing(&server, "y\nCRT t\n");
    busy.is_answered();
    busy.hans.complains(NO_COMMAND);
    busy.hans.hears("Thread t created");
}

#[test]
fn an_answer_never_overtakes_another_line() {
    let server = Server::start(&[]);
    let mut busy = BusyHans::typing(&server, "CRT t\ny\n");
    let mut yoda = yoda_who_asks(&server);
    busy.hans.hears("yoda logged in");
    busy.hans.hears(&question("yoda"));
    yoda.hears_nothing_else();
    busy.is_answered();
    busy.hans.hears("Thread t created");
    yoda.hears(&accepts("hans"));
}

#[test]
fn of_two_questions_the_oldest_is_answered_first() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = pair(&server);
    let mut leia = server.sign_up("leia");
    for client in [&mut yoda, &mut hans] {
        client.hears("leia logged in");
    }
    yoda.does("startprivate hans", &asked("hans"));
    hans.hears(&question("yoda"));
    leia.does("startprivate hans", &asked("hans"));
    hans.hears(&question("leia"));
    hans.says("y");
    yoda.hears(&accepts("hans"));
    leia.hears_nothing_else();
    hans.says("n");
    leia.hears("hans declines private messaging");
}

#[test]
fn two_answers_in_a_row_answer_two_questions() {
    let server = Server::start(&[]);
    let mut busy = BusyHans::typing(&server, "n\ny\n");
    let mut yoda = yoda_who_asks(&server);
    yoda.hears("hans declines private messaging");
    yoda.does("startprivate hans", &asked("hans"));
    yoda.hears(&accepts("hans"));
    busy.hans.hears("yoda logged in");
    busy.hans.hears(&question("yoda"));
    busy.hans.hears(&question("yoda"));
    busy.is_answered();
}

#[test]
fn asking_twice_is_asking_once() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = pair(&server);
    for _ in 0..2 {
        yoda.does("startprivate hans", &asked("hans"));
    }
    hans.hears(&question("yoda"));
    hans.hears_nothing_else();
    hans.says("y");
    yoda.hears(&accepts("hans"));
    yoda.hears_nothing_else();
    hans.fails("y", NO_COMMAND);
}

#[test]
fn asking_back_is_a_yes_and_no_question_stays_open() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = pair(&server);
    yoda.does("startprivate hans", &asked("hans"));
    hans.hears(&question("yoda"));
    hans.does("startprivate yoda", &asked("yoda"));
    hans.hears(&accepts("yoda"));
    yoda.hears(&accepts("hans"));
    hans.fails("y", NO_COMMAND);
    yoda.fails("y", NO_COMMAND);
    talk(&mut yoda, "yoda", &mut hans, "hans", "two minds");
    talk(&mut hans, "hans", &mut yoda, "yoda", "one thought");
}

#[test]
fn who_ask_each_other_at_the_same_moment_both_have_a_yes() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = pair(&server);
    for _ in 0..10 {
        yoda.says("startprivate hans");
        hans.says("startprivate yoda");
        let mut questions = 0;
        for (client, other) in [(&mut yoda, "hans"), (&mut hans, "yoda")] {
            let mut heard = vec![client.line()];
            while heard.last() != Some(&accepts(other)) {
                heard.push(client.line());
            }
            let all = heard.len();
            heard.retain(|line| *line != question(other));
            questions += all - heard.len();
            assert_eq!(heard, [asked(other), accepts(other)]);
        }
        assert!(questions <= 1, "{questions} questions");
        talk(&mut yoda, "yoda", &mut hans, "hans", "here");
        talk(&mut hans, "hans", &mut yoda, "yoda", "there");
        yoda.does("stopprivate hans", "Stop private messaging with hans");
        hans.hears("yoda stopped private messaging");
    }
    hans.fails("y", NO_COMMAND);
    yoda.fails("y", NO_COMMAND);
}

#[test]
fn a_question_is_over_when_the_asker_goes() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = pair(&server);
    yoda.does("startprivate hans", &asked("hans"));
    hans.hears(&question("yoda"));
    yoda.leaves();
    hans.hears("yoda logged out");
    hans.fails("y", NO_COMMAND);
}

#[test]
fn a_question_to_somebody_who_goes_is_declined() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = pair(&server);
    yoda.does("startprivate hans", &asked("hans"));
    hans.hears(&question("yoda"));
    hans.leaves();
    let mut heard = [yoda.line(), yoda.line()];
    heard.sort();
    assert_eq!(heard, ["hans declines private messaging", "hans logged out"]);
}

#[test]
fn accept_always_says_yes_without_asking_and_accept_never_says_no() {
    let server = Server::start(&[]);
    let mut yoda = server.sign_up("yoda");
    let mut hans = server.forum().args(&["--accept", "always"]).sign_up("hans");
    let mut leia = server.forum().args(&["--accept", "never"]).sign_up("leia");
    yoda.hears_all(&["hans logged in", "leia logged in"]);
    hans.hears("leia logged in");
    yoda.does("startprivate hans", &asked("hans"));
    yoda.hears(&accepts("hans"));
    talk(&mut yoda, "yoda", &mut hans, "hans", "always");
    talk(&mut hans, "hans", &mut yoda, "yoda", "welcome");
    yoda.does("startprivate leia", &asked("leia"));
    yoda.hears("leia declines private messaging");
    leia.hears_nothing_else();
    // Who does not want to be asked may still ask.
    agree(&mut leia, "leia", &mut yoda, "yoda");
}
