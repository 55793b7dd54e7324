//! From the connection to the welcome: who gets a name, how long that may take, and what guards a password.

use super::*;

#[test]
fn a_dropped_connection_frees_the_name_at_once() {
    let mut stage = stage(&[]);
    let yoda = stage.sign_up("yoda");
    stage.cut(&yoda);
    let mut again = stage.log_in("yoda");
    assert!(again.answers()[1].contains("Welcome"));
}

#[test]
fn a_hash_that_finishes_after_its_connection_died_proposes_nothing() {
    let mut stage = stage(&[]);
    let mut ghost = stage.connect();
    ghost.send_sign_up("ghost", NO_PORT);
    stage.nudge(&ghost);
    stage.server.turn(true);
    stage.cut(&ghost);
    assert!(stage.server.core.pipeline.journal_mut().committed().is_empty());
    assert!(stage.server.core.sessions.is_empty());
}

#[test]
fn of_two_sign_ups_racing_for_a_name_the_log_decides() {
    let mut stage = stage(&[]);
    let mut racers: Vec<_> = (0..2).map(|_| stage.connect()).collect();
    for racer in &mut racers {
        racer.send_sign_up("yoda", NO_PORT);
    }
    stage.settle_all(&racers);
    assert!(racers[0].answers()[1].contains("Welcome"));
    assert_eq!(racers[1].answers()[1], refused(3, Refusal::NameTaken, "Username yoda is taken"));
    assert_eq!(stage.server.core.forum.accounts.len(), 1);
}

#[test]
fn sign_ups_that_are_hashed_together_are_no_more_accounts_than_may_be() {
    let mut stage = stage(&["--max-accounts", "2"]);
    let mut racers: Vec<_> = (0..4).map(|_| stage.connect()).collect();
    for (number, racer) in racers.iter_mut().enumerate() {
        // All have been asked for a password before the first of them has an account.
        racer.send(
            2,
            &Request::LogIn {
                name: &format!("user{number}"),
                udp_port: NO_PORT,
                take_over: None,
                session: None,
            },
        );
    }
    stage.settle_all(&racers);
    for racer in &mut racers {
        assert_eq!(racer.answers(), ["2 PasswordWanted { known: false }"]);
        racer.send(3, &Request::SignUp { password: PASSWORD, confirmation: PASSWORD });
    }
    stage.server.core.pipeline.journal_mut().hold();
    stage.settle_all(&racers);
    stage.release();
    let answers: Vec<_> = racers.iter_mut().flat_map(Client::answers).collect();
    let full = refused(3, Refusal::LimitReached, "Limit reached: at most 2 accounts");
    assert_eq!(answers.iter().filter(|answer| **answer == full).count(), 2, "{answers:?}");
    assert_eq!(stage.server.core.forum.accounts.len(), 2);
    // Who was refused may try another name.
    assert_eq!(
        stage
            .ask(
                &mut racers[3],
                4,
                &Request::LogIn { name: "user0", udp_port: NO_PORT, take_over: None, session: None }
            )
            .len(),
        1
    );
}

#[test]
fn of_two_log_ins_racing_for_a_name_one_gets_it() {
    let mut stage = stage(&[]);
    let yoda = stage.sign_up("yoda");
    stage.close(&yoda);
    let mut racers: Vec<_> = (0..5).map(|_| stage.connect()).collect();
    for racer in &mut racers {
        racer.send_log_in("yoda", PASSWORD);
    }
    stage.settle_all(&racers);
    let answers: Vec<_> = racers.iter_mut().map(|racer| racer.answers().pop().unwrap()).collect();
    assert_eq!(answers.iter().filter(|answer| answer.contains("Welcome")).count(), 1, "{answers:?}");
    let already = refused(3, Refusal::AlreadyLoggedIn, "yoda has already logged in");
    assert_eq!(answers.iter().filter(|answer| **answer == already).count(), 4, "{answers:?}");
}

#[test]
fn a_name_is_blocked_over_all_connections_and_for_its_time() {
    let mut stage = stage(&["--max-attempts", "2", "--block-duration", "10"]);
    let yoda = stage.sign_up("yoda");
    stage.close(&yoda);
    let attempt = |stage: &mut Stage, password: &str| {
        let mut client = stage.connect();
        client.send_log_in("yoda", password);
        stage.settle(&client);
        (client.answers().remove(1), client.link.borrow().server_closed)
    };
    let wrong = refused(3, Refusal::InvalidPassword, "Invalid password");
    assert_eq!(attempt(&mut stage, "x"), (wrong, false));
    let now = "Invalid password. Your account has been blocked. Please try again later";
    assert_eq!(attempt(&mut stage, "y"), (refused(3, Refusal::BlockedNow, now), true));
    let blocked = "Your account is blocked due to multiple login failures. Please try again later";
    assert_eq!(attempt(&mut stage, PASSWORD), (refused(3, Refusal::Blocked, blocked), true));
    stage.clock.advance(Duration::from_secs(11));
    assert!(attempt(&mut stage, PASSWORD).0.contains("Welcome"));
}

#[test]
fn who_does_not_log_in_is_closed_and_hashing_does_not_count() {
    let mut stage = stage(&["--login-timeout", "60"]);
    let mut silent = stage.connect();
    stage.pass(Duration::from_secs(59));
    assert_eq!(silent.answers(), [""; 0]);
    stage.pass(Duration::from_secs(1));
    assert_eq!(silent.answers(), ["Closing { code: LoginTimedOut, text: \"Login timed out\" }"]);
    assert!(silent.link.borrow().server_closed);
}

#[test]
fn a_newcomer_after_a_long_silence_has_its_full_time() {
    let mut stage = stage(&["--login-timeout", "60"]);
    stage.run();
    stage.clock.advance(Duration::from_secs(3_600));
    let mut late = stage.connect();
    stage.pass(Duration::from_secs(59));
    assert_eq!(late.answers(), [""; 0]);
}

#[test]
fn refusals_do_not_renew_the_patience_with_a_client() {
    let mut stage = stage(&["--login-timeout", "60"]);
    let mut client = stage.connect();
    for tag in 0..7 {
        client.send(10 * tag, &Request::LogIn { name: "new", udp_port: 0, take_over: None, session: None });
        client.send(10 * tag + 1, &Request::SignUp { password: "", confirmation: "" });
        client
            .send(10 * tag + 2, &Request::LogIn { name: "new", udp_port: 0, take_over: None, session: None });
        client.send(10 * tag + 3, &Request::SignUp { password: "a", confirmation: "b" });
        stage.nudge(&client);
        stage.pass(Duration::from_secs(10));
    }
    assert!(
        client.answers().contains(&"Closing { code: LoginTimedOut, text: \"Login timed out\" }".to_owned())
    );
}

#[test]
fn passwd_judges_the_old_password_first() {
    let mut stage = stage(&[]);
    let mut yoda = stage.sign_up("yoda");
    let mut change = |tag, old, new, confirmation| {
        stage.ask(&mut yoda, tag, &Request::ChangePassword { old, new, confirmation })
    };
    let wrong = |tag| [refused(tag, Refusal::InvalidPassword, "Invalid password")];
    assert_eq!(change(4, "no", "a", "b"), wrong(4));
    assert_eq!(change(5, "", "a", "a"), wrong(5));
    assert_eq!(
        change(6, PASSWORD, "a", "b"),
        [refused(6, Refusal::PasswordsDiffer, "Passwords do not match")]
    );
    assert_eq!(
        change(7, PASSWORD, "", ""),
        [refused(7, Refusal::InvalidPasswordFormat, "Invalid password format")]
    );
    assert_eq!(change(8, PASSWORD, "new", "new"), [done(8, "Password changed")]);
    assert_eq!(change(9, PASSWORD, "x", "x"), wrong(9));
}
