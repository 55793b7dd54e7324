//! Goodbyes: of one connection, and of the whole server.

use super::*;

#[test]
fn a_closing_connection_ends_at_the_clients_fin_or_at_the_deadline() {
    let mut stage = stage(&[]);
    let mut polite = stage.sign_up("polite");
    assert_eq!(stage.ask(&mut polite, 4, &Request::LogOut), [done(4, "Goodbye")]);
    assert_eq!(stage.server.connections(), 1);
    stage.close(&polite);
    assert_eq!(stage.server.connections(), 0);

    let mut deaf = stage.sign_up("deaf");
    stage.ask(&mut deaf, 4, &Request::LogOut);
    stage.pass(DRAINING);
    assert_eq!(stage.server.connections(), 0);
}

#[test]
fn shutting_down_answers_what_is_in_flight_and_says_goodbye_once() {
    let mut stage = stage(&[]);
    let (mut yoda, mut guest) = (stage.sign_up("yoda"), stage.connect());
    stage.server.core.pipeline.journal_mut().hold();
    stage.ask(&mut yoda, 4, &Request::CreateThread { title: "t", key: None });
    stage.server.shut_down();
    // Taken no more: it came after the end began.
    assert_eq!(stage.ask(&mut yoda, 5, &Request::CreateThread { title: "late", key: None }), [""; 0]);
    stage.release();
    let goodbye = "Closing { code: ShuttingDown, text: \"Goodbye. Server shutting down\" }";
    assert_eq!(yoda.answers(), [done(4, "Thread t created"), goodbye.into()]);
    assert_eq!(guest.answers(), [goodbye]);
    assert!(!stage.server.has_ended());
    stage.pass(DRAINING);
    assert!(stage.server.has_ended());
    assert_eq!(stage.server.core.forum.threads.len(), 1);
}

#[test]
fn only_the_right_admin_password_shuts_down() {
    let mut stage = stage(&[]);
    let mut yoda = stage.sign_up("yoda");
    assert_eq!(
        stage.ask(&mut yoda, 4, &Request::ShutDown { password: "guess" }),
        [refused(4, Refusal::IncorrectAdminPassword, "Incorrect password")]
    );
    assert!(stage.ask(&mut yoda, 5, &Request::ShutDown { password: "s3cret" })[0].contains("ShuttingDown"));
    assert!(stage.server.was_told_to_end());
}

#[test]
fn what_comes_behind_an_accepted_sht_is_thrown_away() {
    let mut stage = stage(&[]);
    let mut yoda = stage.sign_up("yoda");
    yoda.send(4, &Request::CreateThread { title: "before", key: None });
    yoda.send(5, &Request::ShutDown { password: "s3cret" });
    yoda.send(6, &Request::CreateThread { title: "behind", key: None });
    stage.settle(&yoda);
    let answers = yoda.answers();
    assert_eq!(answers[0], done(4, "Thread before created"));
    assert!(answers.len() == 2 && answers[1].contains("ShuttingDown"), "{answers:?}");
    assert_eq!(stage.server.core.forum.threads.len(), 1);
}

#[test]
fn much_that_waits_when_the_server_ends_is_thrown_away() {
    let mut stage = stage(&[]);
    let mut yoda = stage.sign_up("yoda");
    stage.server.core.pipeline.journal_mut().hold();
    let text = "x".repeat(8_000);
    stage.ask(&mut yoda, 4, &Request::CreateThread { title: "t", key: None });
    for tag in 0..100 {
        yoda.send(10 + tag, &Request::Post { title: "t", text: &text, key: None });
    }
    stage.settle(&yoda);
    stage.server.shut_down();
    for tag in 0..100 {
        yoda.send(200 + tag, &Request::Post { title: "t", text: &text, key: None });
    }
    stage.settle(&yoda);
    stage.release();
    assert!(yoda.answers().last().unwrap().contains("ShuttingDown"));
}
