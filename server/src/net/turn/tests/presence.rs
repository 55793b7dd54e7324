//! Who hears of whose comings and goings.

use super::*;

#[test]
fn comings_and_goings_are_heard_by_everybody_else_from_then_on() {
    let mut stage = stage(&[]);
    let mut yoda = stage.sign_up("yoda");
    let mut hans = stage.sign_up("hans");
    let mut luke = stage.sign_up("luke");
    assert_eq!(yoda.heard(), ["LoggedIn { name: \"hans\" }", "LoggedIn { name: \"luke\" }"]);
    assert_eq!(hans.heard(), ["LoggedIn { name: \"luke\" }"]);
    assert_eq!(luke.heard(), [""; 0]);
    stage.ask(&mut hans, 9, &Request::LogOut);
    assert_eq!(yoda.heard(), ["LoggedOut { name: \"hans\" }"]);
}

#[test]
fn of_two_who_come_in_one_turn_the_first_hears_of_the_second() {
    let mut stage = stage(&[]);
    let mut watcher = stage.sign_up("watcher");
    let mut both: Vec<_> = ["a", "b"]
        .map(|name| {
            let mut client = stage.connect();
            client.send_sign_up(name, NO_PORT);
            client
        })
        .into();
    stage.settle_all(&both);
    assert_eq!(watcher.heard(), ["LoggedIn { name: \"a\" }", "LoggedIn { name: \"b\" }"]);
    assert_eq!(both[0].heard().last().unwrap(), "LoggedIn { name: \"b\" }");
    assert!(both[1].heard().last().unwrap().contains("Welcome"));
}

#[test]
fn who_is_blocked_hears_nothing_of_the_blockers_coming() {
    let mut stage = stage(&[]);
    let mut yoda = stage.sign_up("yoda");
    let mut hans = stage.sign_up("hans");
    assert_eq!(
        stage.ask(&mut hans, 4, &Request::Block { user: "yoda", key: None }),
        [done(4, "yoda is blocked")]
    );
    yoda.heard();
    stage.ask(&mut hans, 5, &Request::LogOut);
    assert_eq!(yoda.heard(), [""; 0]);
}
