//! Passwords that come with commands are checked like those of log-ins: hashed, counted, and not for ever.

use super::*;

const GUESS: Request<'_> = Request::ShutDown { password: "guess" };
const RIGHT: Request<'_> = Request::ShutDown { password: "s3cret" };

fn incorrect(tag: Tag) -> [String; 1] {
    [refused(tag, Refusal::IncorrectAdminPassword, "Incorrect password")]
}

fn too_many(tag: Tag) -> [String; 1] {
    [refused(tag, Refusal::TooManyAttempts, "Too many attempts. Please try again later")]
}

/// A user who is connected from there.
fn user_from(stage: &mut Stage, name: &str, address: &str) -> Client {
    let client = stage.connect_from(address);
    stage.sign_up_on(client, name, NO_PORT)
}

#[test]
fn guesses_of_the_admin_password_count_over_all_connections_of_an_address() {
    let mut stage = stage(&["--max-attempts", "2", "--block-duration", "10"]);
    let mut one = user_from(&mut stage, "one", "192.0.2.1:1");
    let mut other = user_from(&mut stage, "other", "192.0.2.1:2");
    assert_eq!(stage.ask(&mut one, 4, &GUESS), incorrect(4));
    assert_eq!(stage.ask(&mut other, 4, &GUESS), incorrect(4));
    for client in [&mut one, &mut other] {
        assert_eq!(stage.ask(client, 5, &RIGHT), too_many(5));
        // Nothing else is refused to the one who guessed.
        assert_eq!(stage.ask(client, 6, &Request::Ping { payload: b"?" }), ["6 Pong { payload: [63] }"]);
    }
    stage.pass(Duration::from_secs(10));
    assert!(stage.ask(&mut one, 7, &RIGHT)[0].contains("ShuttingDown"));
}

#[test]
fn who_guesses_the_admin_password_does_not_lock_the_admin_out() {
    let mut stage = stage(&["--max-attempts", "1", "--block-duration", "3600"]);
    for (number, address) in ["192.0.2.1:1", "[2001:db8:0:1::1]:1", "[2001:db8:0:1::2]:1"].iter().enumerate()
    {
        let mut stranger = user_from(&mut stage, &format!("stranger{number}"), address);
        stage.ask(&mut stranger, 4, &GUESS);
        assert_eq!(stage.ask(&mut stranger, 5, &RIGHT), too_many(5));
    }
    let mut admin = user_from(&mut stage, "admin", "[2001:db8:0:2::1]:1");
    assert!(stage.ask(&mut admin, 4, &RIGHT)[0].contains("ShuttingDown"));
}

#[test]
fn guesses_of_the_admin_password_sent_together_are_no_more_than_the_attempts() {
    let mut stage = stage(&["--max-attempts", "3"]);
    let mut yoda = stage.sign_up("yoda");
    for tag in 0..100 {
        yoda.send(10 + tag, &GUESS);
    }
    stage.settle(&yoda);
    let answers = yoda.answers();
    assert_eq!(answers.len(), 100);
    assert!((0..3).all(|n| answers[n as usize] == incorrect(10 + n)[0]), "{answers:?}");
    assert!((3..100).all(|n| answers[n as usize] == too_many(10 + n)[0]), "{answers:?}");
}

#[test]
fn guesses_that_meet_at_the_hashers_are_no_more_than_the_attempts() {
    let mut stage = stage(&["--max-attempts", "2"]);
    let mut users: Vec<_> = (0..6).map(|n| stage.sign_up(&format!("user{n}"))).collect();
    for user in &mut users {
        user.send(4, &GUESS);
    }
    stage.settle_all(&users);
    let answers: Vec<_> = users.iter_mut().flat_map(Client::answers).collect();
    let count = |wanted: [String; 1]| answers.iter().filter(|answer| **answer == wanted[0]).count();
    assert_eq!((count(incorrect(4)), count(too_many(4))), (2, 4), "{answers:?}");
}

#[test]
fn wrong_old_passwords_are_counted_for_passwd_alone_and_not_for_ever() {
    let mut stage = stage(&["--max-attempts", "2", "--block-duration", "10"]);
    let mut yoda = stage.sign_up("yoda");
    let passwd = |old| Request::ChangePassword { old, new: "new", confirmation: "new" };
    for tag in 4..6 {
        let wrong = refused(tag, Refusal::InvalidPassword, "Invalid password");
        assert_eq!(stage.ask(&mut yoda, tag, &passwd("guess")), [wrong]);
    }
    assert_eq!(stage.ask(&mut yoda, 6, &passwd(PASSWORD)), too_many(6));
    // Others change theirs, and the account is not blocked.
    let mut hans = stage.sign_up("hans");
    assert_eq!(stage.ask(&mut hans, 4, &passwd(PASSWORD)), [done(4, "Password changed")]);
    stage.close(&yoda);
    let mut yoda = stage.log_in("yoda");
    assert!(yoda.answers()[1].contains("Welcome"));
    stage.pass(Duration::from_secs(10));
    assert_eq!(stage.ask(&mut yoda, 7, &passwd(PASSWORD)), [done(7, "Password changed")]);
}

#[test]
fn an_sht_whose_connection_ends_meanwhile_counts() {
    let mut stage = stage(&[]);
    let mut yoda = stage.sign_up("yoda");
    yoda.send(4, &RIGHT);
    stage.close(&yoda);
    assert!(stage.server.was_told_to_end() && !stage.server.is_accepting());
}
