//! `UDP user file` when something breaks on the way: who is told what, what stays, and how the next attempt goes
//! on from there.
#![forbid(unsafe_code)]

use forum_tests::{Client, Forum, Lossy, Server, Weather, until};
use rustix::process::Signal;

/// Bytes of a file that is broken off in the middle.
const SIZE: usize = 2 << 20;

/// Bytes that come through before the network breaks, which leaves several blocks of the receiver's file.
const HALF: Weather = Weather::Breaks { after_bytes: SIZE as u64 / 2 };

/// yoda on the left of a network and hans on the right, with a file of yoda's on its way that has got stuck half
/// way.
struct Stuck {
    server: Server,
    network: Lossy,
    yoda: Client,
    /// How hans is to be started.
    forum: Forum,
    hans: Client,
    bytes: Vec<u8>,
}

impl Stuck {
    fn new(seed: u64) -> Self {
        Self::with(seed, &[])
    }

    /// With these options for hans.
    fn with(seed: u64, options: &[&str]) -> Self {
        let server = Server::start(&[]);
        let network = Lossy::around(server.address(), seed);
        let mut yoda = Forum::at(network.left()).sign_up("yoda");
        let forum = Forum::at(network.right()).args(options);
        let mut hans = forum.sign_up("hans");
        yoda.hears("hans logged in");
        let mut bytes = vec![0; SIZE];
        fastrand::Rng::with_seed(seed).fill(&mut bytes);
        yoda.put_file("f", &bytes);
        network.set(HALF);
        offer(&mut yoda, &mut hans);
        network.wait_broken();
        Self { server, network, yoda, forum, hans, bytes }
    }

    /// Lets it come to its end.
    fn finish(&mut self) {
        self.network.set(Weather::Fair);
        self.yoda.hears("f has been uploaded");
        self.hans.hears("Received f from yoda");
        assert!(self.hans.file("yoda_f") == self.bytes);
        assert_eq!(self.hans.names(), ["yoda_f"]);
    }

    /// What hans has of the file by now, once that is something.
    fn partial(&self) -> (String, u64) {
        let mut leia = self.server.user("leia");
        until("something of the file to be stored", || {
            leia.ping();
            let names = self.hans.names();
            let name = names.into_iter().find(|name| name.starts_with(".forum-yoda_f."))?;
            let size = std::fs::metadata(self.hans.path(&name)).ok()?.len();
            (size > 0).then_some((name, size))
        })
    }

    /// Kills hans while something of the file is there, and yoda is told.
    fn kill_hans(&mut self) -> (String, u64) {
        let partial = self.partial();
        self.yoda.hears_all(&["leia logged in", "leia logged out"]);
        self.hans.signal(Signal::KILL);
        self.yoda.hears("hans logged out");
        self.yoda.complains("f was not uploaded: hans is gone");
        self.hans.wait_exit();
        partial
    }

    /// hans is there again, and yoda sends the file again; the bytes that went over the network for that.
    fn again(&mut self) -> u64 {
        self.network.set(Weather::Fair);
        self.hans = self.forum.log_in("hans");
        self.yoda.hears("hans logged in");
        let before = self.network.counts().bytes;
        offer(&mut self.yoda, &mut self.hans);
        self.finish();
        self.network.counts().bytes - before
    }
}

fn offer(yoda: &mut Client, hans: &mut Client) {
    yoda.says("UDP hans f");
    hans.hears(&format!("yoda would like to send you f ({SIZE} bytes), enter y or n: "));
    hans.says("y");
}

#[test]
fn a_peer_that_vanishes_without_a_word_is_noticed_on_both_sides() {
    let mut stuck = Stuck::new(1);
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
    Stuck::new(2).finish();
}

#[test]
fn a_sender_waits_for_its_answer_while_notices_arrive_and_the_receiver_does_other_things() {
    let mut stuck = Stuck::new(3);
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
    stuck.finish();
    stuck.yoda.hears("hans");
    assert_eq!(stuck.yoda.finish().code, Some(0));
}

#[test]
fn the_end_of_the_receivers_input_waits_for_what_arrives() {
    let mut stuck = Stuck::new(4);
    stuck.hans.does("CRT t", "Thread t created");
    stuck.hans.close_input();
    stuck.server.user("leia").ping();
    for client in [&mut stuck.yoda, &mut stuck.hans] {
        client.hears_all(&["leia logged in", "leia logged out"]);
    }
    stuck.finish();
    let finished = stuck.hans.finish();
    assert_eq!((finished.code, finished.stdout), (Some(0), vec!["Goodbye".to_owned()]));
    stuck.yoda.hears("hans logged out");
}

#[test]
fn a_receiver_that_leaves_by_xit_does_not_wait() {
    let mut stuck = Stuck::new(5);
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
    let mut stuck = Stuck::new(6);
    stuck.yoda.close_input();
    stuck.finish();
    let finished = stuck.yoda.finish();
    assert_eq!((finished.code, finished.stdout), (Some(0), vec!["Goodbye".to_owned()]));
}

#[test]
fn when_the_receiver_is_killed_the_sender_is_told_and_the_next_attempt_goes_on_from_there() {
    let mut stuck = Stuck::new(7);
    let (_, size) = stuck.kill_hans();
    let bytes = stuck.again();
    // What is there already does not come again; acknowledgements and headers are a few per cent.
    assert!(bytes < (SIZE as u64 - size) * 11 / 10, "{bytes} bytes, of which {size} were there");
}

#[test]
fn a_file_that_has_changed_is_sent_from_its_beginning() {
    let mut stuck = Stuck::new(8);
    stuck.kill_hans();
    *stuck.bytes.last_mut().unwrap() ^= 1;
    let bytes = stuck.bytes.clone();
    stuck.yoda.put_file("f", &bytes);
    let bytes = stuck.again();
    assert!(bytes > SIZE as u64, "{bytes} bytes");
}

#[test]
fn what_is_left_of_a_file_is_not_trusted_blindly() {
    let mut stuck = Stuck::new(9);
    let (name, _) = stuck.kill_hans();
    let damaged = vec![0; stuck.hans.file(&name).len()];
    stuck.hans.put_file(&name, &damaged);
    stuck.network.set(Weather::Fair);
    stuck.hans = stuck.forum.log_in("hans");
    stuck.yoda.hears("hans logged in");
    offer(&mut stuck.yoda, &mut stuck.hans);
    stuck.yoda.complains("f was not uploaded: it was damaged on its way");
    stuck.hans.hears("f from yoda was not received");
    offer(&mut stuck.yoda, &mut stuck.hans);
    stuck.finish();
}

#[test]
fn when_the_sender_is_killed_the_receiver_is_told_and_keeps_what_it_has_hidden() {
    let mut stuck = Stuck::new(10);
    stuck.yoda.signal(Signal::KILL);
    stuck.hans.hears("yoda logged out");
    stuck.hans.hears("f from yoda was not received");
    let (name, size) = stuck.partial();
    assert_eq!(stuck.hans.names(), [name.as_str()]);
    assert!(size < SIZE as u64 && stuck.hans.file(&name) == stuck.bytes[..size as usize]);
    stuck.hans.hears_all(&["leia logged in", "leia logged out"]);
    assert_eq!(stuck.hans.finish().code, Some(0));
}

#[test]
fn a_file_that_appears_during_the_transfer_is_not_overwritten() {
    let mut stuck = Stuck::new(11);
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
    let mut stuck = Stuck::with(12, &["--force"]);
    stuck.hans.put_file("yoda_f", b"mine");
    stuck.finish();
}

#[test]
fn a_file_that_becomes_shorter_while_it_is_sent_is_not_uploaded() {
    let mut stuck = Stuck::new(13);
    stuck.yoda.put_file("f", b"short");
    stuck.network.set(Weather::Fair);
    stuck.yoda.complains("f was not uploaded: it can't be read, or has become shorter");
    stuck.hans.hears("f from yoda was not received");
}
