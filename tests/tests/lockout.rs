//! Guessing: the N-th failure in a row blocks a name, over all connections, however the guesses are sent.
#![forbid(unsafe_code)]

use forum_common::wire::{OwnedFromServer, OwnedReply, Refusal, Request};
use forum_tests::outcome::Outcome;
use forum_tests::{ADMIN_PASSWORD, Forumd, PASSWORD, Server, Wire, outcome, until};

const BLOCKED_NOW: &str = "Invalid password. Your account has been blocked. Please try again later";
const BLOCKED: &str = "Your account is blocked due to multiple login failures. Please try again later";

fn blocked_now() -> Outcome {
    outcome::refused(Refusal::BlockedNow, BLOCKED_NOW)
}

fn blocked() -> Outcome {
    outcome::refused(Refusal::Blocked, BLOCKED)
}

fn wrong() -> Outcome {
    outcome::refused(Refusal::InvalidPassword, "Invalid password")
}

/// A server that knows yoda, who is not online.
fn server_of_yoda(arguments: &[&str]) -> Server {
    let server = Server::start(arguments);
    let mut wire = server.user("yoda");
    assert_eq!(wire.done(&Request::LogOut), "Goodbye");
    wire.expect_closed();
    server
}

fn guess(wire: &mut Wire) -> Outcome {
    wire.log_in("yoda", "guess")
}

#[test]
fn people_are_told_that_they_are_blocked() {
    let server = server_of_yoda(&["--max-attempts", "2", "--block-duration", "600"]);
    let mut client = server.forum().start();
    client.write("yoda\nx\nyoda\ny\n");
    client.complains("Invalid password");
    client.complains(BLOCKED_NOW);
    assert_eq!(client.wait_exit(), Some(77));

    let mut client = server.forum().start();
    client.write(&format!("yoda\n{PASSWORD}\n"));
    client.complains(BLOCKED);
    assert_eq!(client.wait_exit(), Some(77));
}

#[test]
fn three_failures_block_unless_told_otherwise() {
    let server = server_of_yoda(&["--block-duration", "600"]);
    let mut wire = server.wire();
    assert_eq!([guess(&mut wire), guess(&mut wire), guess(&mut wire)], [wrong(), wrong(), blocked_now()]);
    wire.expect_closed();
}

#[test]
fn failures_count_over_several_connections() {
    let server = server_of_yoda(&["--max-attempts", "3", "--block-duration", "600"]);
    let (mut first, mut second, mut third) = (server.wire(), server.wire(), server.wire());
    assert_eq!(guess(&mut first), wrong());
    assert_eq!(guess(&mut second), wrong());
    assert_eq!(guess(&mut third), blocked_now());
    third.expect_closed();
    // Blocked means blocked for the right password as well, and for whoever was here before.
    assert_eq!(first.log_in("yoda", PASSWORD), blocked());
    first.expect_closed();
    assert_eq!(server.wire().log_in("yoda", PASSWORD), blocked());
    // Others are not concerned.
    assert_eq!(second.sign_up("hans", PASSWORD), outcome::welcome());
}

#[test]
fn one_attempt_allowed_means_one() {
    let server = server_of_yoda(&["--max-attempts", "1", "--block-duration", "600"]);
    let mut wire = server.wire();
    assert_eq!(guess(&mut wire), blocked_now());
    wire.expect_closed();
}

#[test]
fn a_block_ends_and_the_count_starts_anew() {
    let server = server_of_yoda(&["--max-attempts", "2", "--block-duration", "1"]);
    let mut wire = server.wire();
    assert_eq!(guess(&mut wire), wrong());
    assert_eq!(guess(&mut wire), blocked_now());
    let mut after = until("the block to end", || {
        let mut wire = server.wire();
        match guess(&mut wire) {
            reply if reply == blocked() => None,
            reply => Some((wire, reply)),
        }
    });
    assert_eq!(after.1, wrong(), "the first failure behind the block is the first again");
    assert_eq!(after.0.log_in("yoda", PASSWORD), outcome::welcome());
}

#[test]
fn a_success_resets_the_count() {
    let server = server_of_yoda(&["--max-attempts", "2", "--block-duration", "600"]);
    for _ in 0..4 {
        let mut wire = server.wire();
        assert_eq!(guess(&mut wire), wrong());
        assert_eq!(wire.log_in("yoda", PASSWORD), outcome::welcome());
        assert_eq!(wire.done(&Request::LogOut), "Goodbye");
        wire.expect_closed();
    }
}

#[test]
fn a_restart_forgets_the_count() {
    let mut server = server_of_yoda(&["--max-attempts", "2", "--block-duration", "600"]);
    assert_eq!(guess(&mut server.wire()), wrong());
    server.stop();
    server.start_again();
    assert_eq!(guess(&mut server.wire()), wrong());
}

#[test]
fn guesses_sent_in_parallel_are_no_more_than_allowed() {
    // Hashes that take a moment, so that the guesses really meet in the queue.
    let slow = ["--hash-memory-kib", "2048", "--max-attempts", "3", "--block-duration", "600"];
    let server = Forumd::with_dear_hashes().args(&slow).start();
    assert_eq!(server.user("yoda").done(&Request::LogOut), "Goodbye");
    let mut wires: Vec<Wire> = (0..20).map(|_| server.wire()).collect();
    for wire in &mut wires {
        assert_eq!(wire.name("yoda"), Ok(true));
    }
    let guesses: Vec<_> =
        wires.iter_mut().map(|wire| wire.send(&Request::Password { password: "guess" })).collect();
    let answers: Vec<_> = wires.iter_mut().zip(guesses).map(|(wire, tag)| wire.outcome_of(tag)).collect();
    let count = |wanted: &Outcome| answers.iter().filter(|answer| *answer == wanted).count();
    assert_eq!((count(&wrong()), count(&blocked_now()), count(&blocked())), (2, 1, 17), "{answers:?}");
}

#[test]
fn attempts_that_are_still_being_hashed_count_at_once() {
    let slow = ["--hash-memory-kib", "2048", "--max-attempts", "3", "--block-duration", "600"];
    let server = Forumd::with_dear_hashes().args(&slow).start();
    assert_eq!(server.user("yoda").done(&Request::LogOut), "Goodbye");
    // Pipelined by one connection that does not wait for any answer.
    let mut wire = server.wire();
    let attempt = [
        Request::LogIn { name: "yoda", udp_port: 0, take_over: None, session: None },
        Request::Password { password: "guess" },
    ];
    wire.send_all([attempt; 10].into_iter().flatten());
    let mut tried = 0;
    while let Some(heard) = wire.next_frame() {
        let OwnedFromServer::Reply(_, reply) = heard else { panic!("{heard:?}") };
        let is_tried = |code| [Refusal::InvalidPassword, Refusal::BlockedNow].contains(&code);
        tried += usize::from(matches!(reply, OwnedReply::Refused { code, .. } if is_tried(code)));
    }
    assert_eq!(tried, 3);
}

#[test]
fn guesses_of_the_admin_password_are_few_and_in_the_log() {
    let mut server = Server::start(&["--max-attempts", "2", "--block-duration", "600"]);
    let mut yoda = server.user("yoda");
    let incorrect = outcome::refused(Refusal::IncorrectAdminPassword, "Incorrect password");
    let too_many = outcome::refused(Refusal::TooManyAttempts, "Too many attempts. Please try again later");
    let guesses = yoda.send_all([Request::ShutDown { password: "guess" }; 50]);
    let answers = yoda.outcomes(guesses);
    assert_eq!(answers[..2], [incorrect.clone(), incorrect]);
    assert!(answers[2..].iter().all(|answer| *answer == too_many), "{answers:?}");
    // Over another connection, too, and the right one.
    assert_eq!(server.user("hans").outcome(&Request::ShutDown { password: ADMIN_PASSWORD }), too_many);
    server.wait_log("yoda gave a wrong admin password");
    server.wait_log("yoda gave a wrong admin password; no more are checked for 600 s");
    server.wait_log("hans too many wrong passwords: not checked");
    // The owner of the process is never shut out.
    server.stop();
}

#[test]
fn guesses_of_an_old_password_are_few_and_in_the_log() {
    let mut server = Server::start(&["--max-attempts", "2", "--block-duration", "600"]);
    let mut yoda = server.sign_up("yoda");
    for _ in 0..2 {
        yoda.write("passwd\nguess\nnew\nnew\n");
        yoda.complains("Invalid password");
    }
    yoda.write(&format!("passwd\n{PASSWORD}\nnew\nnew\n"));
    yoda.complains("Too many attempts. Please try again later");
    server.wait_log("yoda gave a wrong old password");
    server.wait_log("yoda gave a wrong old password; no more are checked for 600 s");
}
