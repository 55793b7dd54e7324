//! New passwords.

use super::*;

fn is_password(place: &Place, name: &str, password: &str) -> bool {
    let accounts = place.point().forum.accounts.clone();
    let against = accounts[accounts.find(name).unwrap()].hash;
    let password = Password::parse(password).unwrap();
    let mut hasher = PasswordHasher::start(0, 1, HashParameters::default(), Arc::new(|| {})).unwrap();
    hasher.submit((), Job::Verify { password, against }).unwrap();
    hasher.next_result() == Some(((), HashResult::Right))
}

#[test]
fn a_password_is_reset_for_good_and_for_nobody_else() {
    let place = Place::with_forum();
    assert_eq!(place.reset("yoda", "new one\n"), Ok("password of yoda reset\n".into()));
    assert!(is_password(&place, "yoda", "new one") && !is_password(&place, "yoda", "old"));
    assert!(is_password(&place, "a/b\\c%.", "old"));
    let point = place.point();
    assert_eq!(point.forum.at_ms(), AT_MS, "time in the log never goes back");
    let hash = point.forum.accounts[AccountId(0)].hash;
    assert_eq!(hash.parameters(), HashParameters::default());
    assert_eq!(place.problems(), [""; 0]);
}

#[test]
fn a_reset_that_is_refused_leaves_no_trace() {
    let place = Place::with_forum();
    // Taking the lock touches the directory's files once.
    drop(Store::open(&place.data()).unwrap());
    let before = traces(&place.data());
    assert_eq!(place.reset("Yoda", "new\n"), Err("no account is named Yoda".into()));
    assert_eq!(place.reset("yo\x1bda", "new\n"), Err("no account is named yo\\u{1b}da".into()));
    assert_eq!(place.reset("yoda", "\n"), Err("Invalid password format".into()));
    assert_eq!(traces(&place.data()), before);

    let (_journal, _store) = served(&place);
    let running = place.reset("yoda", "new\n").unwrap_err();
    assert!(running.ends_with("is in use by another forumd"), "{running}");
}
