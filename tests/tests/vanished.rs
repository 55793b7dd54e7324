//! Peers that vanish without a word, as when a cable is pulled: the server finds out, and their names are free.
#![forbid(unsafe_code)]

use std::collections::HashSet;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use forum_common::wire::{OwnedFromServer, OwnedNotice, Request};
use forum_tests::Server;

/// Within so long the server knows: 25 s of silence, and 65 s in which nothing acknowledges the probe.
const NOTICED: Duration = Duration::from_secs(90);
/// What a busy machine may be late.
const LATE: Duration = Duration::from_secs(10);

#[test]
fn the_name_of_a_peer_that_vanished_is_free_within_90_s_whether_or_not_something_was_sent_to_it() {
    let server = Server::start(&[]);
    let [mut yoda, idle, fed, mut quiet] = server.online(["yoda", "idle", "fed", "quiet"]);
    yoda.stream().set_read_timeout(Some(Duration::from_secs(1))).expect("a TCP socket");
    idle.vanish();
    fed.vanish();
    let start = Instant::now();
    let mut online = HashSet::from(["idle", "fed"]);
    while !online.is_empty() {
        assert!(start.elapsed() < NOTICED + LATE, "{online:?} online after {:?}", start.elapsed());
        match yoda.next_heard_or_reset() {
            Ok(Some(OwnedFromServer::Notice(OwnedNotice::LoggedOut { name }))) => {
                assert!(online.remove(&*name), "{name} is there");
            }
            Ok(Some(OwnedFromServer::Reply(..))) => {}
            // A message each second.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                yoda.send(&Request::SendMessage { user: "fed", text: "still there?", key: None });
            }
            other => panic!("{other:?}"),
        }
    }
    quiet.ping();
    for (name, vanished) in [("idle", idle), ("fed", fed)] {
        server.user(name).ping();
        drop(vanished);
    }
}
