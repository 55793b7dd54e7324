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

#[test]
fn a_rush_of_log_ins_costs_those_who_are_there_a_tenth_of_the_time() {
    let mut stage = stage(&[]);
    let ears: Vec<_> = (0..10).map(|n| stage.sign_up(&format!("ear{n}"))).collect();
    for ear in &ears {
        ear.link.borrow_mut().writes = 0;
        ear.link.borrow_mut().write_time = Some((stage.clock.clone(), Duration::from_millis(1)));
    }
    let start = stage.clock.now();
    for n in 0..50 {
        stage.sign_up(&format!("new{n}"));
    }
    let spent = stage.clock.now() - start;
    let writes: usize = ears.iter().map(|ear| ear.link.borrow().writes).sum();
    assert!(writes >= 10 && spent >= 10 * Duration::from_millis(writes as u64 - 10), "{writes} in {spent:?}");
}

#[test]
fn a_log_in_that_wants_no_presence_is_written_to_nobody_who_wants_none() {
    let mut stage = stage(&[]);
    let mut quiet: Vec<_> = (0..5).map(|n| stage.sign_up_quietly(&format!("quiet{n}"))).collect();
    for client in &mut quiet {
        client.heard();
        client.link.borrow_mut().writes = 0;
    }
    stage.sign_up("hans");
    assert!(quiet.iter().all(|client| client.link.borrow().writes == 0));
    assert_eq!(stage.server.core.outbox.feed_bytes(), 0);
}
