//! How many questions there may be, which requests wait for others or are counted, and which are activity.

use super::*;
use crate::forum::{LINKS_OF_A_USER_MAX, QUESTIONS_OF_A_PAIR_MAX, QUESTIONS_TO_A_USER_MAX};

// One loop reaches both.
const _: () = assert!(LINKS_OF_A_USER_MAX == QUESTIONS_TO_A_USER_MAX);
const _: () = assert!(QUESTIONS_TO_A_USER_MAX.is_multiple_of(QUESTIONS_OF_A_PAIR_MAX));

#[test]
fn questions_to_one_user_and_links_of_one_user_are_limited() {
    let mut stage = stage(&[]);
    let names: Vec<String> =
        (0..QUESTIONS_TO_A_USER_MAX / QUESTIONS_OF_A_PAIR_MAX).map(|n| format!("u{n}")).collect();
    let mut users: Vec<Client> = names.iter().map(|name| stage.user(name)).collect();
    let (mut yoda, mut hans, mut leia) = (stage.user("yoda"), stage.user("hans"), stage.user("leia"));
    for (user, name) in users.iter_mut().zip(&names) {
        for _ in 0..QUESTIONS_OF_A_PAIR_MAX {
            stage.link(user, &file("hans"));
            stage.link(&mut yoda, &file(name));
        }
    }
    let links = refused_link(Refusal::LimitReached, "Limit reached: at most 64 links of a user");
    let questions = refused_link(Refusal::LimitReached, "Limit reached: at most 64 open questions to a user");
    assert_eq!(stage.link(&mut yoda, &private("hans")), links);
    assert_eq!(stage.link(&mut leia, &file("hans")), questions);
    assert_eq!(hans.answers().len(), QUESTIONS_TO_A_USER_MAX);
    // A question doesn't count against the user who is asked.
    assert_eq!(stage.link(&mut hans, &file("leia")), [asked(129, "")]);
    stage.link(&mut hans, &no(1));
    leia.answers();
    assert_eq!(stage.link(&mut leia, &file("hans")), [asked(130, "")]);
}

#[test]
fn one_users_questions_leave_room_for_those_of_others() {
    let mut stage = stage(&[]);
    let (mut mallory, mut hans, _yoda) = (stage.user("mallory"), stage.user("hans"), stage.user("yoda"));
    for n in 1..=8 {
        assert_eq!(stage.link(&mut mallory, &file("yoda")), [asked(n, "")]);
    }
    let text = "Limit reached: at most 8 open questions from one user to another";
    for question in [file("yoda"), private("yoda")] {
        assert_eq!(stage.link(&mut mallory, &question), refused_link(Refusal::LimitReached, text));
    }
    assert_eq!(stage.link(&mut mallory, &file("hans")), [asked(9, "")]);
    hans.answers();
    assert_eq!(stage.link(&mut hans, &private("yoda")), [asked_privately(10, "yoda")]);
}

#[test]
fn questions_do_not_pile_up_in_front_of_who_reads_nothing() {
    let mut stage = stage(&[]);
    let (mut yoda, hans) = (stage.user("yoda"), stage.user("hans"));
    hans.link.borrow_mut().room = 0;
    let text = "x".repeat(8_000);
    for tag in 0..40 {
        stage.ask(&mut yoda, 10 + tag, &Request::SendBroadcast { text: &text });
    }
    let declined = [asked_privately(1, "hans"), "QuestionDeclined { link: 1 }".into()];
    assert_eq!(stage.link(&mut yoda, &private("hans")), declined);
}

#[test]
fn commands_wait_for_what_is_in_flight_and_reports_do_not() {
    let mut stage = stage(&[]);
    let (mut yoda, mut hans) = (stage.user("yoda"), stage.user("hans"));
    stage.link(&mut yoda, &private("hans"));
    hans.answers();
    stage.server.core.pipeline.journal_mut().hold();
    stage.ask(&mut hans, 4, &Request::CreateThread { title: "t", key: None });
    stage.link(&mut hans, &no(1));
    yoda.expect(&[Notice::QuestionDeclined { link: 1 }]);
    assert_eq!(stage.link(&mut hans, &private("yoda")), NOTHING);
    stage.release();
    assert_eq!(hans.answers(), [done(4, "Thread t created"), asked_privately(2, "yoda")]);
}

#[test]
fn commands_count_towards_the_requests_of_a_second_and_reports_do_not() {
    let mut stage = stage(&["--max-requests-per-second", "2"]);
    let (mut yoda, _hans) = (stage.user("yoda"), stage.user("hans"));
    for _ in 0..5 {
        yoda.send(9, &Request::EndLink { link: 1, stopped: true });
    }
    let link_after = |n: u64| asked(n, "");
    assert_eq!(stage.link(&mut yoda, &file("hans")), [link_after(1)]);
    assert_eq!(stage.link(&mut yoda, &file("hans")), [link_after(2)]);
    let slow_down = refused_link(Refusal::SlowDown, "Slow down. Please try again later");
    assert_eq!(stage.link(&mut yoda, &file("hans")), slow_down);
}

#[test]
fn what_users_do_is_activity_and_what_clients_report_is_not() {
    for (request, counts) in [
        (private("nobody"), true),
        (file("nobody"), true),
        (Request::RelaySealed { link: 5, ciphertext: b"" }, true),
        (no(5), true),
        (Request::EndLink { link: 5, stopped: true }, true),
        (Request::EndLink { link: 5, stopped: false }, false),
        (Request::LinkListening { link: 5, port: 1 }, false),
        (Request::LinkReached { link: 5 }, false),
        (Request::RelayDatagram { link: 5, datagram: b"x" }, false),
    ] {
        let mut stage = stage(&["--timeout", "100"]);
        let mut yoda = stage.user("yoda");
        stage.pass(Duration::from_secs(60));
        stage.link(&mut yoda, &request);
        stage.pass(Duration::from_secs(60));
        let session = stage.server.core.sessions.get(yoda.id);
        assert_eq!(session.is_some_and(|session| !session.is_draining()), counts, "{request:?}");
    }
}
