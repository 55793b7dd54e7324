//! What breaks in the middle: who is told what, what stays, and how the next attempt goes on from there.

use forum_tests::{Server, Weather};
use rustix::process::Signal;

use super::Across;

/// Bytes of a file that breaks off in the middle.
const SIZE: usize = 2 << 20;

/// Bytes that come through before the network breaks, which leaves several blocks of the receiver's file.
const HALF: Weather = Weather::Breaks { after_bytes: SIZE as u64 / 2 };

/// A file has got stuck half way.
fn stuck(seed: u64) -> Across {
    stuck_with(seed, &[])
}

/// With these options for hans.
fn stuck_with(seed: u64, options: &[&str]) -> Across {
    let mut stuck = Across::of(Server::start(&[]), seed, options);
    stuck.network.set(HALF);
    stuck.begin(SIZE);
    stuck.network.wait_broken();
    stuck
}

/// Kills hans while something of the file is there, and yoda is told; what is there.
fn kill_hans(stuck: &mut Across) -> (String, u64) {
    let partial = stuck.partial();
    stuck.hans.signal(Signal::KILL);
    stuck.yoda.hears("hans logged out");
    stuck.yoda.complains("f was not uploaded: hans is gone");
    partial
}

/// hans is there again, and so is the network.
fn restart_hans(stuck: &mut Across) {
    stuck.network.set(Weather::Fair);
    stuck.hans = stuck.forum.log_in("hans");
    stuck.yoda.hears("hans logged in");
}

/// yoda sends the file again; the bytes that go over the network for that.
fn send_again(stuck: &mut Across) -> u64 {
    restart_hans(stuck);
    let before = stuck.network.counts().bytes;
    stuck.offer();
    stuck.finish();
    stuck.network.counts().bytes - before
}

#[test]
fn a_peer_that_vanishes_without_a_word_is_noticed_on_both_sides() {
    let mut stuck = stuck(1);
    // Both stay logged in; the silence that ends a transfer is 15 s.
    stuck.yoda.complains("f was not uploaded: hans is gone");
    stuck.hans.hears("f from yoda was not received");
    stuck.yoda.does("whoelse", "hans");
    stuck.hans.does("whoelse", "yoda");
    let (_, size) = stuck.partial();
    assert!(size < SIZE as u64);
    assert_eq!(stuck.hans.finish().code, Some(0));
    assert_eq!(stuck.yoda.finish().code, Some(1));
}

#[test]
fn a_network_that_was_gone_for_a_while_does_no_harm() {
    stuck(2).mend();
}

#[test]
fn a_sender_waits_for_its_answer_while_notices_arrive_and_the_receiver_does_other_things() {
    let mut stuck = stuck(3);
    stuck.yoda.says("whoelse");
    let leia = stuck.server.user("leia");
    for client in [&mut stuck.yoda, &mut stuck.hans] {
        client.hears("leia logged in");
    }
    stuck.hans.does("CRT t", "Thread t created");
    stuck.hans.does("MSG t hello", "Message posted to t thread");
    stuck.hans.says("broadcast hello");
    stuck.yoda.hears("hans: hello");
    stuck.hans.says("message yoda are you there?");
    stuck.yoda.hears("hans: are you there?");
    drop(leia);
    for client in [&mut stuck.yoda, &mut stuck.hans] {
        client.hears("leia logged out");
    }
    stuck.mend();
    stuck.yoda.hears("hans");
    assert_eq!(stuck.yoda.finish().code, Some(0));
}

#[test]
fn the_end_of_the_receivers_input_waits_for_what_arrives() {
    let mut stuck = stuck(4);
    stuck.hans.does("CRT t", "Thread t created");
    stuck.hans.close_input();
    stuck.server.user("leia").ping();
    for client in [&mut stuck.yoda, &mut stuck.hans] {
        client.hears_all(&["leia logged in", "leia logged out"]);
    }
    stuck.network.set(Weather::Fair);
    stuck.hans.hears_all(&["Received f from yoda", "Goodbye"]);
    assert_eq!(stuck.hans.wait_exit(), Some(0));
    assert!(stuck.hans.file("yoda_f") == stuck.bytes);
    // One comes from hans, the other from the server.
    let mut heard = [stuck.yoda.line(), stuck.yoda.line()];
    heard.sort();
    assert_eq!(heard, ["f has been uploaded", "hans logged out"]);
}

#[test]
fn a_receiver_that_leaves_by_xit_does_not_wait() {
    let mut stuck = stuck(5);
    stuck.hans.says("XIT");
    stuck.hans.hears_all(&["f from yoda was not received", "Goodbye"]);
    assert_eq!(stuck.hans.wait_exit(), Some(0));
    stuck.yoda.hears("hans logged out");
    stuck.yoda.complains("f was not uploaded: hans is gone");
    let (_, size) = stuck.partial();
    assert!(size < SIZE as u64);
    assert_eq!(stuck.yoda.finish().code, Some(1));
}

#[test]
fn the_end_of_the_senders_input_waits_for_what_is_sent() {
    let mut stuck = stuck(6);
    stuck.yoda.close_input();
    stuck.mend();
    let finished = stuck.yoda.finish();
    assert_eq!((finished.code, finished.stdout), (Some(0), vec!["Goodbye".to_owned()]));
}

#[test]
fn when_the_receiver_is_killed_the_sender_is_told_and_the_next_attempt_goes_on_from_there() {
    let mut stuck = stuck(7);
    let (_, size) = kill_hans(&mut stuck);
    let bytes = send_again(&mut stuck);
    assert!(bytes < SIZE as u64, "{bytes} bytes, although {size} were there");
}

#[test]
fn a_file_that_has_changed_is_sent_from_its_beginning() {
    let mut stuck = stuck(8);
    kill_hans(&mut stuck);
    *stuck.bytes.last_mut().unwrap() ^= 1;
    let bytes = stuck.bytes.clone();
    stuck.yoda.put_file("f", &bytes);
    let bytes = send_again(&mut stuck);
    assert!(bytes > SIZE as u64, "{bytes} bytes");
}

#[test]
fn what_is_left_of_a_file_is_not_trusted_blindly() {
    let mut stuck = stuck(9);
    let (name, _) = kill_hans(&mut stuck);
    let damaged = vec![0; stuck.hans.file(&name).len()];
    stuck.hans.put_file(&name, &damaged);
    restart_hans(&mut stuck);
    stuck.offer();
    stuck
        .yoda
        .complains("f was not uploaded: it was changed meanwhile, or damaged on its way. Send it again");
    stuck.hans.hears("f from yoda was not received");
    stuck.offer();
    stuck.mend();
}

#[test]
fn when_the_sender_is_killed_the_receiver_is_told_and_keeps_what_it_has_hidden() {
    let mut stuck = stuck(10);
    stuck.yoda.signal(Signal::KILL);
    stuck.hans.hears("yoda logged out");
    stuck.hans.hears("f from yoda was not received");
    let (name, size) = stuck.partial();
    assert_eq!(stuck.hans.names(), [name.as_str()]);
    assert!(size < SIZE as u64 && stuck.hans.file(&name) == stuck.bytes[..size as usize]);
    assert_eq!(stuck.hans.finish().code, Some(0));
}

#[test]
fn a_file_that_appears_during_the_transfer_is_not_overwritten() {
    let mut stuck = stuck(11);
    stuck.hans.put_file("yoda_f", b"mine");
    stuck.network.set(Weather::Fair);
    stuck.hans.hears("yoda_f exists here. Use --force to overwrite");
    stuck.hans.hears("f from yoda was not received");
    stuck.yoda.complains("f was not uploaded: hans could not store it");
    assert_eq!(stuck.hans.file("yoda_f"), b"mine");
    assert_eq!(stuck.yoda.finish().code, Some(1));
    assert_eq!(stuck.hans.finish().code, Some(0));
}

#[test]
fn with_force_it_is() {
    let mut stuck = stuck_with(12, &["--force"]);
    stuck.hans.put_file("yoda_f", b"mine");
    stuck.mend();
}

/// What is said of a file that becomes this one while it is sent.
fn changed(seed: u64, change: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut stuck = stuck(seed);
    let mut bytes = stuck.bytes.clone();
    change(&mut bytes);
    stuck.yoda.put_file("f", &bytes);
    stuck.network.set(Weather::Fair);
    stuck.hans.hears("f from yoda was not received");
    assert!(!stuck.hans.names().contains(&"yoda_f".to_owned()), "it was stored as if whole");
    stuck.yoda.complaint()
}

#[test]
fn a_file_that_grows_shrinks_or_changes_while_it_is_sent_is_not_uploaded() {
    let cut = changed(13, |bytes| bytes.truncate(5));
    assert!(cut.starts_with("f was not uploaded: it holds less than its 2097152 bytes"), "{cut}");
    let grown = changed(14, |bytes| bytes.push(1));
    assert!(grown.starts_with("f was not uploaded: it holds more than its 2097152 bytes"), "{grown}");
    let other = changed(15, |bytes| bytes[0] ^= 1);
    assert_eq!(other, "f was not uploaded: it was changed while it was read. Send it again, or a copy of it");
}

#[test]
fn a_sender_is_told_that_the_receiver_has_cancelled_the_file_and_is_not_gone() {
    let mut stuck = stuck(11);
    stuck.hans.does("cancel", "f was cancelled");
    stuck.network.set(Weather::Fair);
    stuck.yoda.complains("f was not uploaded: hans cancelled it");
    stuck.yoda.does("whoelse", "hans");
    assert_eq!(stuck.hans.finish().code, Some(0));
    assert_eq!(stuck.yoda.finish().code, Some(1));
}
