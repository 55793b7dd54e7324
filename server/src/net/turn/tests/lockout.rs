//! A name that is blocked: whose right password still gets in.

use super::*;

const OPTIONS: [&str; 4] = ["--max-attempts", "3", "--block-duration", "10"];
const STRANGER: &str = "192.0.2.1:1";
const OWNER: &str = "198.51.100.1:1";

/// Tries a password on a connection of its own; what is said, and whether the server closes.
fn attempt(stage: &mut Stage, address: &str, password: &str) -> (String, bool) {
    let mut client = stage.connect_from(address);
    client.send_log_in("yoda", password);
    stage.settle(&client);
    let said = client.answers().remove(1);
    let is_closed = client.link.borrow().server_closed;
    // A log-in ends here, and frees the name.
    stage.close(&client);
    (said, is_closed)
}

fn blocked() -> (String, bool) {
    let text = "Your account is blocked due to multiple login failures. Please try again later";
    (refused(3, Refusal::Blocked, text), true)
}

/// A stage on which a stranger has blocked yoda's name.
fn stage_with_block() -> Stage {
    let mut stage = stage(&OPTIONS);
    let yoda = stage.sign_up("yoda");
    stage.close(&yoda);
    for _ in 0..2 {
        assert!(attempt(&mut stage, STRANGER, "guess").0.contains("InvalidPassword"));
    }
    assert!(attempt(&mut stage, STRANGER, "guess").0.contains("BlockedNow"));
    stage
}

#[test]
fn a_stranger_with_wrong_passwords_does_not_keep_the_owner_out() {
    let mut stage = stage_with_block();
    assert_eq!(attempt(&mut stage, STRANGER, PASSWORD), blocked());
    for _ in 0..2 {
        assert!(attempt(&mut stage, OWNER, PASSWORD).0.contains("Welcome"));
        assert_eq!(attempt(&mut stage, STRANGER, PASSWORD), blocked(), "it stays blocked for the stranger");
    }
}

#[test]
fn while_a_name_is_blocked_each_address_may_fail_once() {
    let mut stage = stage_with_block();
    for address in ["192.0.2.2:1", "[2001:db8:0:1::1]:1"] {
        assert_eq!(attempt(&mut stage, address, "guess"), blocked());
        assert_eq!(attempt(&mut stage, address, PASSWORD), blocked());
    }
    // The same network: who has one of its addresses has them all.
    assert_eq!(attempt(&mut stage, "[2001:db8:0:1::2]:1", PASSWORD), blocked());
    assert!(attempt(&mut stage, "[2001:db8:0:2::1]:1", PASSWORD).0.contains("Welcome"));
    stage.pass(Duration::from_secs(10));
    assert!(attempt(&mut stage, STRANGER, PASSWORD).0.contains("Welcome"));
}

#[test]
fn attempts_of_one_address_that_are_hashed_together_are_one() {
    let mut stage = stage_with_block();
    let mut clients: Vec<_> = (0..4).map(|_| stage.connect_from(OWNER)).collect();
    for client in &mut clients {
        client.send_log_in("yoda", "guess");
    }
    stage.settle_all(&clients);
    for client in &mut clients {
        assert_eq!(client.answers()[1], blocked().0);
    }
    assert_eq!(attempt(&mut stage, OWNER, PASSWORD), blocked());
}

#[test]
fn a_name_that_failed_from_64_addresses_lets_nobody_pass() {
    let mut stage = stage_with_block();
    for n in 1..64 {
        assert!(attempt(&mut stage, &format!("203.0.113.{n}:1"), "guess") == blocked(), "{n}");
    }
    assert_eq!(attempt(&mut stage, OWNER, PASSWORD), blocked());
    stage.pass(Duration::from_secs(10));
    assert!(attempt(&mut stage, OWNER, PASSWORD).0.contains("Welcome"));
}
