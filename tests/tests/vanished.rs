//! Peers that vanish without a word, as when a cable is pulled: the server finds out, and their names are free.
#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use forum_common::wire::{OwnedNotice, Request};
use forum_tests::Server;

/// 90 s (25 s of silence, and 65 s in which nothing acknowledges the probe), and 10 s that a busy machine may be late.
const NOTICED_DEADLINE: Duration = Duration::from_secs(100);

#[test]
fn the_name_of_a_peer_that_vanished_is_free_within_90_s_whether_or_not_something_was_sent_to_it() {
    let server = Server::start(&[]);
    let [mut yoda, idle, fed, mut quiet] = server.online(["yoda", "idle", "fed", "quiet"]);
    yoda.stream().set_read_timeout(Some(NOTICED_DEADLINE)).expect("a TCP socket");
    idle.vanish();
    fed.vanish();
    let start = Instant::now();
    assert!(yoda.outcome(&Request::SendMessage { user: "fed", text: "still there?", key: None }).is_ok());
    let mut back = Vec::new();
    for gone in ["fed", "idle"] {
        assert_eq!(yoda.notice(), OwnedNotice::LoggedOut { name: gone.into() });
        assert!(start.elapsed() < NOTICED_DEADLINE, "{gone} was online for {:?}", start.elapsed());
        back.push(server.user(gone));
        assert_eq!(yoda.notice(), OwnedNotice::LoggedIn { name: gone.into() });
    }
    quiet.ping();
}

#[test]
fn the_name_of_a_visitor_at_the_text_door_who_vanished_is_free_as_soon() {
    let server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    yoda.stream().set_read_timeout(Some(NOTICED_DEADLINE)).expect("a TCP socket");
    let mut visitor = server.raw();
    visitor.send_bytes(b"leia\njedi\njedi\n");
    assert_eq!(yoda.notice(), OwnedNotice::LoggedIn { name: "leia".into() });
    visitor.vanish();
    let start = Instant::now();
    assert_eq!(yoda.notice(), OwnedNotice::LoggedOut { name: "leia".into() });
    assert!(start.elapsed() < NOTICED_DEADLINE, "leia was online for {:?}", start.elapsed());
}
