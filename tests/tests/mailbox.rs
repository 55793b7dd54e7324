//! Mailboxes: nothing that was sent is lost or comes out of order, wherever a connection or the server dies,
//! and what was acknowledged does not come again.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

use forum_common::wire::{Closing, OwnedFromServer, OwnedNotice, OwnedReply, Refusal, Reply, Request};
use forum_tests::outcome::Outcome;
use forum_tests::{
    DEADLINE, Forum, Forumd, PASSWORD, Server, Wire, hello, notice, now_seconds, outcome, until,
};

fn message<'a>(user: &'a str, text: &'a str) -> Request<'a> {
    Request::SendMessage { user, text, key: None }
}

/// A server with `hans`, who is away, and `yoda`, who is not.
fn yoda_and_a_mailbox(launch: Forumd) -> (Server, Wire) {
    let server = launch.start();
    server.user("hans").log_out();
    let yoda = server.user("yoda");
    (server, yoda)
}

fn fast() -> Forumd {
    Forumd::new().args(&["--durability", "none"])
}

/// Sends the texts without waiting in between; how many were accepted.
fn write_all(wire: &mut Wire, user: &str, texts: &[String]) -> usize {
    let mut accepted = 0;
    for texts in texts.chunks(1_000) {
        let tags = wire.send_all(texts.iter().map(|text| message(user, text)));
        accepted += wire.outcomes(tags).iter().filter(|answer| answer.is_ok()).count();
    }
    accepted
}

fn numbered(count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("m{number}")).collect()
}

#[test]
fn a_message_to_who_is_away_waits_for_the_log_in_with_its_time() {
    let (server, mut yoda) = yoda_and_a_mailbox(Forumd::new());
    let before = now_seconds();
    yoda.tell("hans", "for later");
    server.user("luke").tell("hans", " and this ");
    let times = before..=now_seconds();
    let mut hans = server.user("hans");
    for (wanted_number, wanted_from, wanted_text) in [(1, "yoda", "for later"), (2, "luke", " and this ")] {
        match hans.notice() {
            OwnedNotice::Message { number, late: true, at_ms, from, text } => {
                assert_eq!((number, &*from, &*text), (wanted_number, wanted_from, wanted_text));
                assert!(times.contains(&(at_ms / 1_000)), "{at_ms} is not among {times:?}");
            }
            other => panic!("{other:?} did not wait"),
        }
    }
    hans.expect_notices(&[]);
}

#[test]
fn what_waits_comes_behind_the_welcome_and_before_the_first_answer() {
    let (server, mut yoda) = yoda_and_a_mailbox(Forumd::new());
    assert_eq!(write_all(&mut yoda, "hans", &numbered(5)), 5);
    let mut hans = server.wire();
    assert_eq!(hans.name("hans"), Ok(true));
    let tags = hans.send_all([
        Request::Password { password: PASSWORD },
        Request::Ping { payload: b"!" },
        Request::ListThreads { after: None, at_most: None, unread: None },
    ]);
    let mut next = || hans.next_heard_or_reset().expect("it goes on").expect("it goes on");
    assert!(matches!(next(), OwnedFromServer::Reply(tag, OwnedReply::Welcome { .. }) if tag == tags[0]));
    for wanted in 1..=5 {
        match next() {
            OwnedFromServer::Notice(OwnedNotice::Message { number, late: true, .. }) => {
                assert_eq!(number, wanted)
            }
            other => panic!("wanted message {wanted}, not {other:?}"),
        }
    }
    assert_eq!(next(), OwnedFromServer::Reply(tags[1], OwnedReply::Pong { payload: b"!".to_vec() }));
    assert_eq!(next(), OwnedFromServer::Reply(tags[2], OwnedReply::EndOfList { next: None }));
}

#[test]
fn a_message_is_kept_under_its_number_until_it_is_acknowledged() {
    let (mut server, mut yoda) = yoda_and_a_mailbox(Forumd::new());
    assert_eq!(write_all(&mut yoda, "hans", &numbered(4)), 4);
    let late = |numbers: std::ops::RangeInclusive<u64>| -> Vec<OwnedNotice> {
        numbers.map(|number| notice::late_message(number, "yoda", &format!("m{number}"))).collect()
    };
    for _ in 0..2 {
        let mut hans = server.user("hans");
        hans.expect_notices(&late(1..=4));
        hans.log_out();
    }
    // Some are taken.
    let mut hans = server.user("hans");
    hans.expect_notices(&late(1..=4));
    hans.taken(2);
    hans.expect_notices(&[]);
    hans.log_out();
    let mut hans = server.user("hans");
    hans.expect_notices(&late(3..=4));
    // What was pushed live counts no less.
    yoda.tell("hans", "m5");
    hans.expect_notices(&[notice::message(5, "yoda", "m5")]);
    hans.log_out();
    server.kill();
    server.start_again();
    let mut hans = server.user("hans");
    hans.expect_notices(&late(3..=5));
    hans.taken(5);
    hans.log_out();
    server.user("hans").expect_notices(&[]);
}

#[test]
fn numbers_are_never_used_again() {
    let (mut server, mut yoda) = yoda_and_a_mailbox(Forumd::new());
    yoda.tell("hans", "a");
    let mut hans = server.user("hans");
    hans.expect_notices(&[notice::late_message(1, "yoda", "a")]);
    hans.taken(1);
    hans.log_out();
    drop(yoda);
    server.stop();
    server.start_again();
    let mut hans = server.user("hans");
    hans.expect_notices(&[]);
    let mut yoda = server.user("yoda");
    yoda.tell("hans", "b");
    hans.expect_notices(&[notice::logged_in("yoda"), notice::message(2, "yoda", "b")]);
    hans.tell("yoda", "everybody has numbers of their own");
    yoda.expect_notices(&[notice::message(1, "hans", "everybody has numbers of their own")]);
}

#[test]
fn an_acknowledgement_of_what_was_never_sent_takes_nothing() {
    let (server, mut yoda) = yoda_and_a_mailbox(Forumd::new());
    yoda.tell("hans", "a");
    let mut hans = server.user("hans");
    hans.expect_notices(&[notice::late_message(1, "yoda", "a")]);
    hans.taken(0);
    for up_to in [2, u64::MAX] {
        hans.taken(up_to);
        assert_eq!(hans.expect_closing().0, Closing::ProtocolError);
        hans = server.user("hans");
        hans.expect_notices(&[notice::late_message(1, "yoda", "a")]);
    }
    yoda.tell("hans", "b");
    hans.expect_notices(&[notice::message(2, "yoda", "b")]);
    hans.taken(1);
    hans.log_out();
    let mut hans = server.user("hans");
    hans.expect_notices(&[notice::late_message(2, "yoda", "b")]);
    // Nor does one that comes twice, or late, bring anything back.
    for up_to in [2, 2, 1] {
        hans.taken(up_to);
    }
    hans.log_out();
    server.user("hans").expect_notices(&[]);
}

#[test]
fn an_acknowledgement_needs_a_log_in() {
    let server = Server::start(&[]);
    let mut stranger = server.wire();
    stranger.taken(1);
    assert_eq!(stranger.expect_closing().0, Closing::ProtocolError);
}

#[test]
fn an_acknowledgement_that_arrived_counts_though_its_connection_ended_at_once() {
    let (server, mut yoda) = yoda_and_a_mailbox(fast());
    for round in 1..=60 {
        yoda.tell("hans", "once");
        let mut hans = server.user("hans");
        let OwnedNotice::Message { number, .. } = hans.notice() else { panic!("wanted the message") };
        assert_eq!(number, round);
        hans.taken(number);
        hans.close_output();
        while hans.next_frame().is_some() {}
    }
}

#[test]
fn an_acknowledgement_in_front_of_an_answered_change_outlives_kill_9() {
    let (mut server, mut yoda) = yoda_and_a_mailbox(Forumd::new());
    assert_eq!(write_all(&mut yoda, "hans", &numbered(3)), 3);
    let mut hans = server.user("hans");
    hans.taken(2);
    hans.done(&Request::CreateThread { title: "t", key: None });
    server.kill();
    server.start_again();
    server.user("hans").expect_notices(&[notice::late_message(3, "yoda", "m3")]);
}

/// Bytes of all files in the server's data directory.
fn stored_bytes(server: &Server) -> u64 {
    let files = std::fs::read_dir(server.launch().data()).expect("it is there");
    files.map(|file| file.expect("it is there").metadata().expect("it is there").len()).sum()
}

#[test]
fn an_acknowledgement_that_says_nothing_new_is_not_stored() {
    let (server, mut yoda) = yoda_and_a_mailbox(fast());
    yoda.tell("hans", "a");
    let mut hans = server.user("hans");
    hans.expect_notices(&[notice::late_message(1, "yoda", "a")]);
    hans.taken(1);
    hans.done(&Request::CreateThread { title: "t", key: None });
    let before = stored_bytes(&server);
    for _ in 0..50 {
        hans.send_all([Request::AckMessages { up_to: 1 }; 1_000]);
        hans.ping();
    }
    hans.done(&Request::CreateThread { title: "u", key: None });
    let grown = stored_bytes(&server) - before;
    assert!(grown < 200_000, "50000 acknowledgements of nothing cost {grown} bytes");
}

/// Collects what a user gets over many connections, and insists that it is what was sent.
#[derive(Default)]
struct Received {
    texts: BTreeMap<u64, String>,
}

impl Received {
    /// The messages of one connection, in the order they came.
    fn take(&mut self, messages: &[(u64, String)]) {
        let newest = self.texts.last_key_value().map_or(0, |(number, _)| *number);
        if let Some((first, _)) = messages.first() {
            assert!(*first <= newest + 1, "{} to {first} were left out", newest + 1);
        }
        for pair in messages.windows(2) {
            assert_eq!(pair[1].0, pair[0].0 + 1, "one behind the other");
        }
        for (number, text) in messages {
            let known = self.texts.entry(*number).or_insert_with(|| text.clone());
            assert_eq!(known, text, "number {number} is one message");
        }
    }

    /// What still waits for `hans`, on a connection of which nothing more is wanted.
    fn take_rest(&mut self, server: &Server) {
        let mut hans = server.user("hans");
        hans.close_output();
        self.take_to_the_end(hans, false);
    }

    /// The messages of a connection until it ends; each is acknowledged as soon as it is there, or none is.
    fn take_to_the_end(&mut self, mut hans: Wire, acknowledges: bool) {
        let messages = messages_to_the_end(&mut hans, |hans, number| {
            if acknowledges {
                let (_, taken) = hans.frame(&Request::AckMessages { up_to: number });
                hans.send_bytes_regardless(&taken);
            }
        });
        self.take(&messages);
    }

    fn in_order(self) -> Vec<String> {
        self.texts.into_values().collect()
    }
}

/// The messages that come on a connection until it ends.
fn messages_to_the_end(wire: &mut Wire, mut each: impl FnMut(&mut Wire, u64)) -> Vec<(u64, String)> {
    let mut messages = Vec::new();
    while let Ok(Some(heard)) = wire.next_heard_or_reset() {
        match heard {
            OwnedFromServer::Notice(OwnedNotice::Message { number, text, .. }) => {
                messages.push((number, text));
                each(wire, number);
            }
            OwnedFromServer::Notice(_) | OwnedFromServer::Reply(..) => {}
            other => panic!("{other:?} is no message"),
        }
    }
    messages
}

/// An address from which exactly this many bytes of the server's come through before both connections are
/// cut. It serves one connection.
fn cut_after(server: SocketAddr, bytes: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        let Ok((mut client, _)) = listener.accept() else { return };
        let mut server = TcpStream::connect_timeout(&server, DEADLINE).expect("the server listens");
        let mut requests = (
            client.try_clone().expect("a descriptor is free"),
            server.try_clone().expect("a descriptor is free"),
        );
        thread::spawn(move || std::io::copy(&mut requests.0, &mut requests.1));
        let _ = std::io::copy(&mut (&mut server).take(bytes as u64), &mut client);
        let _ = client.flush();
        let _ = server.shutdown(Shutdown::Both);
        let _ = client.shutdown(Shutdown::Both);
    });
    address
}

/// `hans` on a connection that is cut when this many bytes have come behind the welcome.
fn hans_cut_after(server: &Server, bytes: usize) -> Wire {
    let mut hans = Wire::connect(cut_after(server.address(), welcome_bytes(server) + bytes));
    hans.hello();
    hans.become_user("hans");
    hans
}

/// Bytes from the server up to the end of the welcome: hello, password wanted, welcome.
fn welcome_bytes(server: &Server) -> usize {
    let mut bytes = Vec::new();
    server.raw().request(&hello()).as_ref().encode(1, &mut bytes);
    Reply::PasswordWanted { known: true }.encode(2, &mut bytes);
    Reply::Welcome { session: 0, since_ms: 0, text: "Welcome to the forum" }.encode(3, &mut bytes);
    bytes.len()
}

/// Waits until `hans` has come and gone.
fn wait_for_the_end_of(hans: &str, yoda: &mut Wire) {
    assert_eq!(yoda.notice(), notice::logged_in(hans));
    assert_eq!(yoda.notice(), notice::logged_out(hans));
}

#[test]
fn a_connection_that_dies_at_any_byte_of_the_backlog_loses_nothing() {
    let (server, mut yoda) = yoda_and_a_mailbox(fast());
    let mut received = Received::default();
    let mut sent = Vec::new();
    for cut in 0..180 {
        // Always one more message than the last connection left behind.
        sent.push(format!("m{cut}"));
        yoda.tell("hans", &sent[cut]);
        // Every third connection acknowledges what it got.
        received.take_to_the_end(hans_cut_after(&server, cut), cut % 3 == 0);
        wait_for_the_end_of("hans", &mut yoda);
    }
    received.take_rest(&server);
    assert_eq!(received.in_order(), sent);
}

#[test]
fn a_connection_that_dies_at_any_byte_of_live_messages_loses_nothing() {
    let (server, mut yoda) = yoda_and_a_mailbox(fast());
    let mut received = Received::default();
    let mut sent: Vec<String> = Vec::new();
    for cut in 0..120 {
        let hans = hans_cut_after(&server, cut);
        // They meet the connection alive, dying or dead.
        let texts: Vec<String> = (0..3).map(|number| format!("{cut}-{number}")).collect();
        assert_eq!(write_all(&mut yoda, "hans", &texts), 3);
        sent.extend(texts);
        received.take_to_the_end(hans, true);
        wait_for_the_end_of("hans", &mut yoda);
    }
    received.take_rest(&server);
    assert_eq!(received.in_order(), sent);
}

#[test]
fn the_real_client_cut_off_at_any_byte_has_shown_what_it_acknowledged() {
    let (server, mut yoda) = yoda_and_a_mailbox(fast());
    let mut shown: Vec<usize> = Vec::new();
    let mut sent = 0;
    for round in 0..25 {
        for _ in 0..2 {
            sent += 1;
            yoda.tell("hans", &format!("m{sent}"));
        }
        let address = cut_after(server.address(), welcome_bytes(&server) + 7 * round);
        let mut client = Forum::at(address).start();
        client.write(&format!("hans\n{PASSWORD}\n"));
        assert_eq!(client.wait_exit(), Some(69));
        let lines = client.finish().stdout;
        let numbers = lines.iter().filter_map(|line| line.strip_prefix("yoda: m")?.parse::<usize>().ok());
        let newest = shown.iter().max().copied().unwrap_or(0);
        let numbers: Vec<usize> = numbers.collect();
        assert!(numbers.first().is_none_or(|first| *first <= newest + 1), "{numbers:?} behind {newest}");
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
        shown.extend(numbers);
        wait_for_the_end_of("hans", &mut yoda);
    }
    let mut client = server.log_in("hans");
    client.close_input();
    let lines = client.finish().stdout;
    shown.extend(lines.iter().filter_map(|line| line.strip_prefix("yoda: m")?.parse::<usize>().ok()));
    shown.sort_unstable();
    shown.dedup();
    assert_eq!(shown, (1..=sent).collect::<Vec<_>>());
    wait_for_the_end_of("hans", &mut yoda);
    let again = server.forum().run(&format!("hans\n{PASSWORD}\n"));
    assert_eq!(again.stdout, ["Welcome to the forum", "Goodbye"], "it has acknowledged them all");
}

#[test]
fn the_real_client_shows_what_waited_before_the_first_answer() {
    let (server, mut yoda) = yoda_and_a_mailbox(Forumd::new());
    assert_eq!(write_all(&mut yoda, "hans", &numbered(3)), 3);
    let finished = server.forum().run(&format!("hans\n{PASSWORD}\nLST\n"));
    let wanted =
        ["Welcome to the forum", "yoda: m1", "yoda: m2", "yoda: m3", "No threads to list", "Goodbye"];
    assert_eq!((finished.code, finished.stdout), (Some(0), wanted.map(str::to_owned).to_vec()));
    let again = server.forum().run(&format!("hans\n{PASSWORD}\nLST\n"));
    assert_eq!(again.stdout, ["Welcome to the forum", "No threads to list", "Goodbye"]);
}

#[test]
fn no_accepted_message_is_lost_when_the_server_is_killed() {
    const MESSAGES: usize = 200;
    let mut server = Server::start(&[]);
    drop(server.user("hans"));
    let mut kept: Vec<String> = Vec::new();
    let mut received = Received::default();
    for round in 0..6 {
        let mut yoda = server.user("yoda");
        let mut hans = server.user("hans");
        let texts: Vec<String> = (0..MESSAGES).map(|number| format!("{round}-{number}")).collect();
        yoda.send_all(texts.iter().map(|text| message("hans", text)));
        let mut messages = Vec::new();
        let enough = (kept.len() + 1 + round * 30) as u64;
        while messages.last().is_none_or(|(number, _)| *number < enough) {
            let OwnedNotice::Message { number, text, .. } = hans.notice() else { continue };
            messages.push((number, text));
            if number % 7 == 0 {
                hans.taken(number);
            }
        }
        server.kill();
        let answers = yoda.outcomes_to_the_end();
        assert!(answers.iter().all(Outcome::is_ok), "{answers:?}");
        messages.extend(messages_to_the_end(&mut hans, |_, _| {}));
        received.take(&messages);
        server.start_again();
        received.take_rest(&server);
        let all: Vec<String> = received.texts.values().cloned().collect();
        assert_eq!(all[..kept.len()], kept, "what was there before round {round}");
        let new = &all[kept.len()..];
        assert!(new.len() >= answers.len(), "{} accepted, {} kept", answers.len(), new.len());
        assert_eq!(new, &texts[..new.len()]);
        kept = all;
    }
}

#[test]
fn a_backlog_of_10000_messages_comes_in_order_before_the_first_answer() {
    const MESSAGES: usize = 10_000;
    let (server, mut yoda) = yoda_and_a_mailbox(fast().args(&["--max-notice-bytes", "65536"]));
    let texts: Vec<String> = (1..=MESSAGES).map(|number| format!("{number:0100}")).collect();
    assert_eq!(write_all(&mut yoda, "hans", &texts), MESSAGES);
    let full = (Refusal::MailboxFull, "hans's mailbox is full".into());
    assert_eq!(yoda.refused(&message("hans", "one more")), full);
    // A client that reads slowly, of a stream that is far longer than what may be pushed: not cut off.
    let mut hans = Wire::connect_with_little_room(server.address());
    hans.hello();
    assert_eq!(hans.name("hans"), Ok(true));
    let tags = hans.send_all([Request::Password { password: PASSWORD }, Request::Ping { payload: b"!" }]);
    for _ in 0..100 {
        yoda.ping();
    }
    assert_eq!(hans.outcome_of(tags[0]), outcome::welcome());
    for (number, wanted) in (1..).zip(&texts) {
        let heard = notice::timeless(hans.notice());
        assert_eq!(heard, notice::late_message(number, "yoda", wanted));
        if number == 5_000 {
            hans.taken(number);
        }
    }
    assert_eq!(hans.answer(tags[1]), OwnedReply::Pong { payload: b"!".to_vec() });
    // Half of them are gone now, and there is room again.
    yoda.tell("hans", "one more");
    hans.expect_notices(&[notice::message(10_001, "yoda", "one more")]);
}

#[test]
fn live_messages_queue_up_behind_a_backlog() {
    let (server, mut yoda) = yoda_and_a_mailbox(fast());
    let texts: Vec<String> = (1..=3_000).map(|number| format!("{number:0200}")).collect();
    assert_eq!(write_all(&mut yoda, "hans", &texts[..2_000]), 2_000);
    let mut hans = Wire::connect_with_little_room(server.address());
    hans.hello();
    assert_eq!(hans.name("hans"), Ok(true));
    hans.send(&Request::Password { password: PASSWORD });
    assert_eq!(write_all(&mut yoda, "hans", &texts[2_000..]), 1_000);
    assert!(matches!(hans.next_frame(), Some(OwnedFromServer::Reply(_, OwnedReply::Welcome { .. }))));
    for (wanted_number, wanted) in (1..).zip(&texts) {
        match hans.notice() {
            OwnedNotice::Message { number, text, .. } => assert_eq!((number, &text), (wanted_number, wanted)),
            other => panic!("{other:?} is no message"),
        }
    }
    hans.expect_notices(&[]);
}

#[test]
fn a_mailbox_is_full_at_its_number_of_messages() {
    let launch = Forumd::new().args(&["--max-mailbox-messages", "3"]);
    let (server, mut yoda) = yoda_and_a_mailbox(launch);
    // What is on its way counts.
    assert_eq!(write_all(&mut yoda, "hans", &numbered(20)), 3);
    let full = (Refusal::MailboxFull, "hans's mailbox is full".to_owned());
    assert_eq!(yoda.refused(&message("hans", "m")), full);
    assert_eq!(server.user("luke").refused(&message("hans", "m")), full);
    let mut hans = server.user("hans");
    // Online or not, what is not acknowledged fills it.
    assert_eq!(yoda.refused(&message("hans", "m")), full);
    hans.tell("yoda", "yours has room");
    hans.taken(1);
    until("there is room", || yoda.outcome(&message("hans", "m4")).is_ok().then_some(()));
    assert_eq!(yoda.refused(&message("hans", "m")), full);
    // Who is blocked does not learn how full it is.
    hans.done(&Request::Block { user: "yoda", key: None });
    assert_eq!(yoda.refused(&message("hans", "m")).0, Refusal::BlockedByUser);
    hans.log_out();
    let late = |number: u64| notice::late_message(number, "yoda", &format!("m{number}"));
    server.user("hans").expect_notices(&[late(2), late(3), late(4)]);
}

#[test]
fn a_mailbox_is_full_at_its_number_of_bytes() {
    let launch = Forumd::new().args(&["--max-mailbox-bytes", "100"]);
    let (server, mut yoda) = yoda_and_a_mailbox(launch);
    let full = (Refusal::MailboxFull, "hans's mailbox is full".to_owned());
    assert_eq!(yoda.refused(&message("hans", &"x".repeat(101))), full);
    yoda.tell("hans", &"a".repeat(60));
    assert_eq!(yoda.refused(&message("hans", &"b".repeat(41))), full);
    yoda.tell("hans", &"c".repeat(40));
    assert_eq!(yoda.refused(&message("hans", "d")), full);
    let mut hans = server.user("hans");
    hans.taken(1);
    let text = "e".repeat(60);
    until("there is room", || yoda.outcome(&message("hans", &text)).is_ok().then_some(()));
    assert_eq!(yoda.refused(&message("hans", "f")), full);
    // Bytes in flight count: of twenty messages of thirty bytes, three fit.
    let texts = vec!["g".repeat(30); 20];
    assert_eq!(write_all(&mut hans, "yoda", &texts), 3);
}
