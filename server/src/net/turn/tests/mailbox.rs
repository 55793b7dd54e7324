//! Messages: kept until they are taken, and told again to who comes back.

use super::*;

/// A message as [`Client::heard`] shows it, at the hour of the stage.
fn message(number: u64, late: bool, from: &str, text: &str) -> String {
    format!("Message {{ number: {number}, late: {late}, from: {from:?}, text: {text:?} }}")
}

#[test]
fn a_message_is_stored_before_it_is_shown_and_kept_until_it_is_taken() {
    let mut stage = stage(&[]);
    let (mut yoda, mut hans) = (stage.sign_up("yoda"), stage.sign_up("hans"));
    stage.server.core.pipeline.journal_mut().hold();
    stage.ask(&mut hans, 4, &Request::SendMessage { user: "yoda", text: "hi", key: None });
    stage.settle(&yoda);
    assert_eq!((yoda.answers(), hans.answers()), (vec![], vec![]));
    stage.release();
    assert_eq!(yoda.answers(), [message(1, false, "hans", "hi")]);
    assert_eq!(hans.answers(), [done(4, "")]);
    // The connection dies before it said that it has the message: it comes again, with the same number.
    stage.cut(&yoda);
    let mut again = stage.connect();
    again.send_log_in("yoda", PASSWORD);
    again.send(4, &Request::ListThreads { after: None, at_most: None, unread: None });
    stage.settle(&again);
    let answers = again.answers();
    assert_eq!(answers[2..], [message(1, true, "hans", "hi"), "4 EndOfList".into()], "{answers:?}");
    assert_eq!(stage.ask(&mut again, 5, &Request::AckMessages { up_to: 1 }), [""; 0]);
    assert!(stage.server.core.forum.mail.of(AccountId(0)).unwrap().is_empty());
}

#[test]
fn a_backlog_starts_only_when_what_was_taken_before_is_durable() {
    let mut stage = stage(&[]);
    let (mut yoda, mut hans) = (stage.sign_up("yoda"), stage.sign_up("hans"));
    for (tag, text) in [(4, "a"), (5, "b")] {
        stage.ask(&mut hans, tag, &Request::SendMessage { user: "yoda", text, key: None });
    }
    stage.settle(&yoda);
    assert_eq!(yoda.answers().len(), 2);
    stage.server.core.pipeline.journal_mut().hold();
    stage.ask(&mut yoda, 6, &Request::AckMessages { up_to: 1 });
    stage.close(&yoda);
    let mut again = stage.log_in("yoda");
    assert_eq!(again.answers().len(), 2, "welcome, and nothing yet");
    stage.release();
    assert_eq!(again.answers(), [message(2, true, "hans", "b")]);
}

#[test]
fn what_is_taken_behind_the_goodbye_does_not_come_again() {
    for ends_server in [false, true] {
        let mut stage = stage(&[]);
        let (mut yoda, mut hans) = (stage.sign_up("yoda"), stage.sign_up("hans"));
        stage.ask(&mut hans, 4, &Request::SendMessage { user: "yoda", text: "hi", key: None });
        if ends_server {
            stage.server.shut_down();
        } else {
            yoda.send(5, &Request::LogOut);
        }
        stage.settle(&yoda);
        assert!(yoda.answers()[0].starts_with("Message"));
        stage.ask(&mut yoda, 6, &Request::AckMessages { up_to: 1 });
        assert!(stage.server.core.forum.mail.of(AccountId(0)).unwrap().is_empty(), "ends: {ends_server}");
    }
}

#[test]
fn a_long_backlog_is_made_as_the_socket_drains() {
    let mut stage = stage(&[]);
    let (yoda, mut hans) = (stage.sign_up("yoda"), stage.sign_up("hans"));
    stage.cut(&yoda);
    let text = "x".repeat(8_000);
    for tag in 0..500 {
        hans.send(10 + tag, &Request::SendMessage { user: "yoda", text: &text, key: None });
        stage.nudge(&hans);
        stage.server.turn(true);
    }
    stage.run();
    let mut again = stage.connect();
    again.link.borrow_mut().room = 10_000;
    again.send_log_in("yoda", PASSWORD);
    stage.settle(&again);
    let held = stage.server.core.outbox.queued(again.id);
    assert!(held < 100_000, "{held} bytes");
    let mut seen = again.answers();
    for _ in 0..1_000 {
        again.link.borrow_mut().room = 100_000;
        stage.nudge(&again);
        stage.server.turn(true);
        stage.server.turn(true);
        seen.extend(again.answers());
    }
    assert_eq!(seen.iter().filter(|answer| answer.starts_with("Message")).count(), 500);
}

#[test]
fn what_was_taken_on_a_full_disk_is_noted_once_there_is_room_and_does_not_come_again() {
    let mut stage = stage(&[]);
    let (mut yoda, mut hans) = (stage.sign_up("yoda"), stage.sign_up("hans"));
    for (tag, text) in [(4, "a"), (5, "b")] {
        stage.ask(&mut hans, tag, &Request::SendMessage { user: "yoda", text, key: None });
    }
    stage.settle(&yoda);
    assert_eq!(yoda.answers().len(), 2);
    stage.server.core.pipeline.journal_mut().no_space(3);
    stage.ask(&mut yoda, 6, &Request::AckMessages { up_to: 1 });
    stage.ask(&mut yoda, 7, &Request::AckMessages { up_to: 2 });
    let before = stage.server.core.pipeline.journal_mut().committed().len();
    for _ in 0..2 {
        assert_eq!(stage.server.core.pipeline.journal_mut().committed().len(), before, "the disk is full");
        stage.pass(Duration::from_secs(5));
    }
    assert_eq!(
        stage.server.core.pipeline.journal_mut().committed().len(),
        before + 1,
        "one entry says it all"
    );
    assert!(stage.server.core.forum.mail.of(AccountId(0)).unwrap().is_empty());
    stage.pass(Duration::from_secs(60));
    assert_eq!(
        stage.server.core.pipeline.journal_mut().committed().len(),
        before + 1,
        "and nothing is left to say"
    );
    stage.cut(&yoda);
    assert_eq!(stage.log_in("yoda").answers().len(), 2, "no message comes again");
}

#[test]
fn who_leaves_a_full_disk_with_messages_taken_is_sent_them_again_and_nothing_waits_for_ever() {
    let mut stage = stage(&[]);
    let (mut yoda, mut hans) = (stage.sign_up("yoda"), stage.sign_up("hans"));
    stage.ask(&mut hans, 4, &Request::SendMessage { user: "yoda", text: "a", key: None });
    stage.settle(&yoda);
    stage.server.core.pipeline.journal_mut().no_space(2);
    stage.ask(&mut yoda, 6, &Request::AckMessages { up_to: 1 });
    stage.cut(&yoda);
    let mut again = stage.log_in("yoda");
    assert_eq!(again.answers().last(), Some(&message(1, true, "hans", "a")));
    stage.pass(Duration::from_secs(60));
    assert_eq!(stage.ask(&mut again, 7, &Request::AckMessages { up_to: 1 }), [""; 0]);
    assert!(stage.server.core.forum.mail.of(AccountId(0)).unwrap().is_empty());
}
