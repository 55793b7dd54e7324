//! A session that another one of the same user ends.

use forum_common::wire::TakeOver;

use super::*;

const ELSEWHERE: &str = "Closing { code: LoggedInElsewhere, text: \"You have logged in elsewhere\" }";

/// What a client that logs in says of another session of its user.
fn wish(client: &mut Client, take_over: TakeOver, session: Option<u64>) {
    let take_over = Some(take_over);
    client.send(2, &Request::LogIn { name: "yoda", udp_port: NO_PORT, take_over, session });
}

/// Somebody who knows yoda's password and wishes something of the session that there is.
fn second(stage: &mut Stage, take_over: TakeOver, session: Option<u64>) -> Client {
    let mut client = stage.connect();
    wish(&mut client, take_over, session);
    client.send(3, &Request::Password { password: PASSWORD });
    stage.settle(&client);
    client
}

/// The number of the session that a welcome names.
fn session_of(client: &mut Client) -> u64 {
    let bytes = client.frame();
    assert_eq!(client.input.feed(&bytes), bytes.len());
    while let Some(frame) = client.input.take().unwrap() {
        if let FromServer::Reply(_, Reply::Welcome { session, .. }) = FromServer::decode(&frame).unwrap() {
            return session;
        }
    }
    panic!("no welcome");
}

#[test]
fn who_takes_over_is_welcome_the_older_session_is_told_and_others_see_it_go_and_come() {
    let mut stage = stage(&[]);
    let (mut older, mut others) = (stage.sign_up("yoda"), stage.sign_up("hans"));
    older.heard();
    let mut newer = second(&mut stage, TakeOver::Always, None);
    assert_eq!(
        newer.heard(),
        ["2 PasswordWanted { known: true }", "3 Welcome { text: \"Welcome to the forum\" }"]
    );
    assert_eq!(older.heard(), [ELSEWHERE]);
    assert_eq!(others.heard(), ["LoggedOut { name: \"yoda\" }", "LoggedIn { name: \"yoda\" }"]);
    // It is the session from now on, and what is left of the older one ends nothing.
    stage.close(&older);
    assert!(older.link.borrow().server_closed);
    stage.ask(&mut others, 9, &Request::SendMessage { user: "yoda", text: "hi", key: None });
    assert_eq!(newer.heard(), ["Message { number: 1, late: false, from: \"hans\", text: \"hi\" }"]);
    assert_eq!(stage.server.core.forum.online.len(), 2);
}

#[test]
fn the_password_comes_first_when_a_take_over_is_wanted() {
    let mut stage = stage(&[]);
    let mut older = stage.sign_up("yoda");
    older.heard();
    let mut newer = stage.connect();
    wish(&mut newer, TakeOver::Always, None);
    stage.settle(&newer);
    assert_eq!(newer.answers(), ["2 PasswordWanted { known: true }"]);
    assert_eq!(
        stage.ask(&mut newer, 3, &Request::Password { password: "wrong" }),
        [refused(3, Refusal::InvalidPassword, "Invalid password")]
    );
    assert_eq!(older.heard(), [""; 0]);
    wish(&mut newer, TakeOver::Never, None);
    stage.settle(&newer);
    assert_eq!(newer.answers(), [refused(2, Refusal::AlreadyLoggedIn, "yoda has already logged in")]);
}

#[test]
fn who_wants_to_be_asked_is_asked_after_the_right_password() {
    let mut stage = stage(&[]);
    let mut older = stage.sign_up("yoda");
    older.heard();
    let mut newer = second(&mut stage, TakeOver::Ask, None);
    let question = "3 TakeOverWanted { address: \"127.0.0.1\" }";
    assert_eq!(newer.answers(), ["2 PasswordWanted { known: true }", question]);
    assert_eq!(
        stage.ask(&mut newer, 4, &Request::EndOtherSession { yes: false }),
        [refused(4, Refusal::AlreadyLoggedIn, "yoda has already logged in")]
    );
    assert_eq!(older.heard(), [""; 0]);
    wish(&mut newer, TakeOver::Ask, None);
    newer.send(3, &Request::Password { password: PASSWORD });
    newer.send(4, &Request::EndOtherSession { yes: true });
    stage.settle(&newer);
    let answers = newer.answers();
    assert_eq!(answers[1..], [question.to_owned(), "4 Welcome { text: \"Welcome to the forum\" }".into()]);
    assert_eq!(older.heard(), [ELSEWHERE]);
}

#[test]
fn who_is_asked_about_another_session_may_log_in_as_somebody_else_and_has_no_longer_than_others() {
    let mut stage = stage(&["--login-timeout", "60"]);
    let (_older, hans) = (stage.sign_up("yoda"), stage.sign_up("hans"));
    stage.cut(&hans);
    let mut newer = second(&mut stage, TakeOver::Ask, None);
    let mut slow = second(&mut stage, TakeOver::Ask, None);
    newer.answers();
    newer.send_log_in("hans", PASSWORD);
    stage.settle(&newer);
    assert!(newer.answers()[1].contains("Welcome"));
    stage.pass(Duration::from_secs(60));
    assert!(slow.answers().last().unwrap().contains("Login timed out"));
}

#[test]
fn nobody_answers_a_question_about_another_session_that_was_not_asked() {
    let mut stage = stage(&[]);
    let mut client = stage.connect();
    let answers = stage.ask(&mut client, 2, &Request::EndOtherSession { yes: true });
    assert!(answers[0].contains("Wrong phase: nothing was asked about another session"), "{answers:?}");
}

#[test]
fn a_client_that_comes_again_takes_over_its_own_session_and_no_other() {
    let mut stage = stage(&[]);
    let mut older = stage.connect();
    older.send_sign_up("yoda", NO_PORT);
    stage.settle(&older);
    let own = session_of(&mut older);
    for other in [own ^ 1, 0, 7] {
        let mut stranger = second(&mut stage, TakeOver::OwnSession, Some(other));
        let no = refused(3, Refusal::AlreadyLoggedIn, "yoda has already logged in");
        assert_eq!(stranger.answers(), ["2 PasswordWanted { known: true }".to_owned(), no]);
    }
    let mut again = second(&mut stage, TakeOver::OwnSession, Some(own));
    assert!(again.answers()[1].contains("Welcome"));
    assert_eq!(older.answers(), [ELSEWHERE]);
}

#[test]
fn a_link_of_a_session_that_is_taken_over_ends_before_others_hear_that_its_user_went() {
    let mut stage = stage(&[]);
    let (mut older, mut hans) = (stage.sign_up("yoda"), stage.sign_up("hans"));
    older.heard();
    stage.ask(&mut older, 5, &Request::AskPrivate { user: "hans", enabled: false });
    hans.heard();
    let _newer = second(&mut stage, TakeOver::Always, None);
    let heard = hans.heard();
    let expected =
        ["QuestionWithdrawn { link: 1 }", "LoggedOut { name: \"yoda\" }", "LoggedIn { name: \"yoda\" }"];
    assert_eq!(heard, expected);
}
