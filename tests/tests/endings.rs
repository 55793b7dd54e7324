//! How connections end, and what wakes them: nothing that was sent before an end is lost, and nobody is forgotten.
#![forbid(unsafe_code)]

use std::io::{ErrorKind, Write};
use std::iter;
use std::net::TcpStream;
use std::thread;
use std::time::Instant;

use forum_common::wire::{Closing, OwnedFromServer, OwnedNotice, OwnedReply, Request};
use forum_tests::outcome::Outcome;
use forum_tests::{DEADLINE, PASSWORD, Server, Wire, hello, read};

use rustix::process::Signal;

/// All replies until the server ends the connection, and whether it did that in order.
fn replies_to_the_end(wire: &mut Wire) -> (Vec<OwnedReply>, Result<(), String>) {
    let mut replies = Vec::new();
    loop {
        match wire.next_frame_or_reset() {
            Ok(Some(OwnedFromServer::Reply(_, reply))) => replies.push(reply),
            Ok(Some(_)) => {}
            Ok(None) => return (replies, Ok(())),
            Err(error) => return (replies, Err(error.to_string())),
        }
    }
}

/// Turns of the loop after which a server that has done nothing will not do anything.
const TURNS: u32 = 200;

/// Sends as much as the kernel takes while the server reads nothing more: as long as round trips of somebody else
/// make no room. How much that was.
fn fill(mut stream: &TcpStream, bytes: &[u8], other: &mut Wire) -> usize {
    stream.set_nonblocking(true).unwrap();
    let (mut sent, mut turns) = (0, 0);
    while sent < bytes.len() && turns < TURNS {
        match stream.write(&bytes[sent..]) {
            Ok(count) => (sent, turns) = (sent + count, 0),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                other.ping();
                turns += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
    stream.set_nonblocking(false).unwrap();
    sent
}

/// Takes what has come, not waiting; how many frames that were.
fn drain(wire: &mut Wire) -> usize {
    let mut frames = 0;
    loop {
        match wire.next_frame_or_reset() {
            Ok(Some(OwnedFromServer::Reply(_, OwnedReply::Pong { .. }))) => frames += 1,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return frames,
            other => panic!("wanted a pong, not {other:?}"),
        }
    }
}

/// Whatever made a connection wait wakes it when it ends, in every phase.
#[test]
fn who_pipelines_before_the_log_in_and_reads_late_is_answered() {
    const PINGS: usize = 20_000;
    let server = Server::start(&[]);
    let (mut wire, mut other) = (server.wire(), server.wire());
    let (_, bytes) = wire.frames(iter::repeat_n(Request::Ping { payload: &[b'?'; 1_000] }, PINGS));
    let stream = wire.stream();
    // Only whole frames are answered.
    let sent = fill(&stream, &bytes, &mut other) / (bytes.len() / PINGS);
    assert!(sent < PINGS, "the server has stopped reading");
    stream.set_nonblocking(true).unwrap();
    // The server finds all the room at once that its answers need.
    server.signal(Signal::STOP);
    let mut pongs = 0;
    for _ in 0..1_000 {
        pongs += drain(&mut wire);
        thread::yield_now();
    }
    server.signal(Signal::CONT);
    let mut turns = 0;
    while pongs < sent {
        other.ping();
        let more = drain(&mut wire);
        (pongs, turns) = (pongs + more, if more > 0 { 0 } else { turns + 1 });
        assert!(turns < TURNS, "{pongs} of {sent} pings were answered, then nothing in {TURNS} turns");
    }
}

/// FIN is the end of input in the order of the stream: what came before it is done and answered.
#[test]
fn a_session_in_one_write_is_answered_to_its_end() {
    let server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    yoda.done(&Request::CreateThread { title: "t", key: None });
    yoda.log_out();
    let mut requests = vec![
        hello(),
        Request::LogIn { name: "yoda", udp_port: 0, take_over: None, session: None },
        Request::Password { password: PASSWORD },
    ];
    requests.extend([Request::Post { title: "t", text: "x", key: None }; 10]);
    requests.push(Request::LogOut);
    let counts: Vec<usize> = (0..20)
        .map(|_| {
            let mut wire = server.raw();
            wire.send_all(requests.iter().copied());
            wire.close_output();
            replies_to_the_end(&mut wire).0.len()
        })
        .collect();
    assert!(counts.iter().all(|count| *count == requests.len()), "answers of {}: {counts:?}", requests.len());
}

#[test]
fn a_sign_up_that_is_followed_by_fin_makes_an_account() {
    let server = Server::start(&[]);
    let mut wire = server.raw();
    let sign_up = Request::SignUp { password: PASSWORD, confirmation: PASSWORD };
    wire.send_all([
        hello(),
        Request::LogIn { name: "yoda", udp_port: 0, take_over: None, session: None },
        sign_up,
    ]);
    wire.close_output();
    let (replies, _) = replies_to_the_end(&mut wire);
    let known = server.wire().name("yoda");
    assert_eq!(known, Ok(true), "no account; the answers were {replies:?}");
    assert!(matches!(replies.last(), Some(OwnedReply::Welcome { .. })), "{replies:?}");
}

#[test]
fn posts_that_are_followed_by_fin_are_all_answered() {
    const POSTS: usize = 1_000;
    let server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    yoda.done(&Request::CreateThread { title: "t", key: None });
    yoda.send_all([Request::Post { title: "t", text: "x", key: None }; POSTS]);
    yoda.close_output();
    let (replies, _) = replies_to_the_end(&mut yoda);
    let posted = server.user("hans").read_thread("t").len();
    assert_eq!((replies.len(), posted), (POSTS, POSTS), "answers, and posts that are there, of {POSTS}");
}

/// What a client says that it has does not come again, wherever in the stream it says so.
#[test]
fn a_mail_acknowledgement_in_the_same_segment_after_xit_counts() {
    let server = Server::start(&[]);
    let [mut yoda, mut hans] = server.online(["yoda", "hans"]);
    hans.tell("yoda", "hi");
    let OwnedNotice::Message { number, .. } = yoda.notice() else { panic!("no message") };
    yoda.send_all([Request::LogOut, Request::AckMessages { up_to: number }]);
    yoda.close_output();
    let (replies, _) = replies_to_the_end(&mut yoda);
    assert!(matches!(replies.last(), Some(OwnedReply::Done { .. })), "{replies:?}");
    let again = server.user("yoda").notices_so_far();
    assert_eq!(again, [], "what was acknowledged came again");
}

/// Who does not read for a minute is told so, and is not reset by the kernel in the middle of a list.
#[test]
fn who_does_not_read_is_cut_off_with_a_word() {
    const POSTS: usize = 400;
    let mut server = Server::start(&["--stall-timeout", "5"]);
    let mut yoda = server.user("yoda");
    yoda.done(&Request::CreateThread { title: "t", key: None });
    let text = "x".repeat(8_000);
    let tags = yoda.send_all([Request::Post { title: "t", text: &text, key: None }; POSTS]);
    assert!(yoda.outcomes(tags).iter().all(Outcome::is_ok));
    let mut slow = Wire::connect_with_little_room(server.address());
    slow.hello();
    slow.become_user("slow");
    slow.send(&read("t", None));
    let started = Instant::now();
    wait_for_the_end_of(&mut server, "slow", started);
    let mut last = None;
    let end = loop {
        match slow.next_heard_or_reset() {
            Ok(Some(heard)) => last = Some(heard),
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    let has_word =
        matches!(last, Some(OwnedFromServer::Notice(OwnedNotice::Closing { code: Closing::TooSlow, .. })));
    assert!(has_word, "after {:?} it ended without a word: {end:?}", started.elapsed());
}

/// Waits until the log says that this user's connection was cut off or lost.
fn wait_for_the_end_of(server: &mut Server, user: &str, started: Instant) {
    let mut other = server.user("other");
    let ended = |line: &String| {
        line.contains(user) && (line.contains("too slow") || line.contains("connection lost"))
    };
    while !server.log().iter().any(ended) {
        other.ping();
        assert!(started.elapsed() < 3 * DEADLINE, "neither the server nor the kernel ended it");
    }
}
