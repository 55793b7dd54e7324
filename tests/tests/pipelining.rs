//! Many requests at once: answers keep the order of the requests, everybody reads their own writes, a listing
//! shows one instant, and whoever does not read costs the server nothing.
#![forbid(unsafe_code)]

use std::io::Write;
use std::iter::repeat_n;
use std::net::{Shutdown, TcpStream};
use std::thread;

use forum_common::wire::{OwnedReply, Refusal, Request};
use forum_tests::{Server, Wire, outcome, read};

fn post_all(wire: &mut Wire, title: &str, texts: &[String]) {
    let tags = wire.send_all(texts.iter().map(|text| Request::Post { title, text, key: None }));
    for tag in tags {
        assert_eq!(wire.outcome_of(tag), outcome::done(&format!("Message posted to {title} thread")));
    }
}

#[test]
fn hundreds_of_changes_in_flight_are_answered_in_order() {
    let server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    yoda.done(&Request::CreateThread { title: "t", key: None });
    let texts: Vec<String> = (1..=500).map(|number| format!("m{number}")).collect();
    post_all(&mut yoda, "t", &texts);
    let lines: Vec<String> = (1..=500).map(|number| format!("{number} yoda: m{number}")).collect();
    assert_eq!(yoda.read_thread("t"), lines);
}

#[test]
fn reads_see_the_writes_in_front_of_them_and_none_behind() {
    const ROUNDS: u32 = 40;
    let server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    yoda.done(&Request::CreateThread { title: "t", key: None });
    let (read, list) = (read("t", None), Request::ListThreads { after: None, at_most: None, unread: None });
    let requests = (0..ROUNDS).flat_map(|_| [Request::Post { title: "t", text: "m", key: None }, read, list]);
    let tags = yoda.send_all(requests);
    for (number, tags) in (1..=ROUNDS).zip(tags.chunks(3)) {
        assert_eq!(yoda.outcome_of(tags[0]), outcome::done("Message posted to t thread"));
        assert_eq!(yoda.items(tags[1]).len(), number as usize);
        assert_eq!(yoda.lines_of(tags[2], &list), ["t"]);
    }
}

#[test]
fn refusals_keep_their_place_among_changes_and_reads() {
    let server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    let read = read("t", None);
    let requests = [
        Request::CreateThread { title: "t", key: None },
        Request::CreateThread { title: "t", key: None },
        Request::Post { title: "nowhere", text: "m", key: None },
        Request::Post { title: "t", text: "m", key: None },
        Request::CreateThread { title: "b/d", key: None },
        Request::Ping { payload: b"!" },
        read,
        Request::EditPost { title: "t", number: 1, text: "e", id: None, key: None },
        Request::DeletePost { title: "t", number: 2, id: None, key: None },
        read,
        Request::DeletePost { title: "t", number: 1, id: None, key: None },
        read,
        Request::RemoveThread { title: "t", key: None },
        read,
    ];
    let tags = yoda.send_all(requests);
    assert_eq!(yoda.outcome_of(tags[0]), outcome::done("Thread t created"));
    assert_eq!(yoda.outcome_of(tags[1]), outcome::refused(Refusal::ThreadExists, "Thread t exists"));
    assert_eq!(
        yoda.outcome_of(tags[2]),
        outcome::refused(Refusal::NoSuchThread, "Thread nowhere does not exist")
    );
    assert_eq!(yoda.outcome_of(tags[3]), outcome::done("Message posted to t thread"));
    assert_eq!(yoda.outcome_of(tags[4]), outcome::refused(Refusal::InvalidName, "Invalid name"));
    assert_eq!(yoda.answer(tags[5]), OwnedReply::Pong { payload: b"!".to_vec() });
    assert_eq!(yoda.lines_of(tags[6], &read), ["1 yoda: m"]);
    assert_eq!(yoda.outcome_of(tags[7]), outcome::done("The message has been edited"));
    assert_eq!(
        yoda.outcome_of(tags[8]),
        outcome::refused(Refusal::InvalidMessageNumber, "Invalid message number")
    );
    assert_eq!(yoda.lines_of(tags[9], &read), ["1 yoda: e"]);
    assert_eq!(yoda.outcome_of(tags[10]), outcome::done("The message has been deleted"));
    assert_eq!(yoda.items(tags[11]), []);
    assert_eq!(yoda.outcome_of(tags[12]), outcome::done("Thread t removed"));
    assert_eq!(yoda.outcome_of(tags[13]), outcome::refused(Refusal::NoSuchThread, "Thread t does not exist"));
}

#[test]
fn a_listing_read_slowly_shows_the_instant_of_its_request() {
    const POSTS: usize = 1_200;
    let server = Server::start(&["--durability", "none"]);
    let mut yoda = server.user("yoda");
    yoda.done(&Request::CreateThread { title: "t", key: None });
    // More than the sockets between hold, so that most of it is not even made while others change it.
    let texts: Vec<String> = (0..POSTS).map(|number| format!("{number} {}", "x".repeat(8_000))).collect();
    for texts in texts.chunks(50) {
        post_all(&mut yoda, "t", texts);
    }
    let mut slow = server.user("slow");
    slow.shrink_receive_buffer();
    let tag = slow.send(&read("t", None));
    let expect_next = |slow: &mut Wire, wanted_number: u32, wanted: &String| match slow.answer(tag) {
        OwnedReply::PostItem { number, text, .. } => assert_eq!((number, &text), (wanted_number, wanted)),
        other => panic!("wanted message {wanted_number}, not {other:?}"),
    };
    expect_next(&mut slow, 1, &texts[0]);
    let last = POSTS as u32;
    yoda.done(&Request::EditPost { title: "t", number: last, text: "changed", id: None, key: None });
    for _ in 0..300 {
        yoda.done(&Request::DeletePost { title: "t", number: last - 600, id: None, key: None });
    }
    yoda.done(&Request::Post { title: "t", text: "new", key: None });
    yoda.done(&Request::RemoveThread { title: "t", key: None });
    yoda.done(&Request::CreateThread { title: "t", key: None });
    for (number, text) in (2..).zip(&texts[1..]) {
        expect_next(&mut slow, number, text);
    }
    assert_eq!(slow.answer(tag), OwnedReply::EndOfList { next: None });
    assert_eq!(slow.read_thread("t"), Vec::<String>::new());
}

#[test]
fn thousands_of_unread_listings_do_not_grow_the_server() {
    const REQUESTS: usize = 5_000;
    const GROWTH_BYTES_MAX: usize = 6 << 20;
    let server = Server::start(&["--durability", "none"]);
    let mut yoda = server.user("yoda");
    yoda.done(&Request::CreateThread { title: "t", key: None });
    let texts: Vec<String> = (0..100).map(|number| format!("{number} {}", "x".repeat(300))).collect();
    post_all(&mut yoda, "t", &texts);
    let mut greedy = server.user("greedy");
    greedy.shrink_receive_buffer();
    let before = server.rss_bytes();
    let mut peak = before;
    let read = read("t", None);
    let (tags, bytes) = greedy.frames(repeat_n(read, REQUESTS));
    let mut writer = greedy.stream();
    // The server stops reading from who does not read: the requests need a thread of their own.
    let sending = thread::spawn(move || writer.write_all(&bytes));
    for _ in 0..500 {
        yoda.ping();
        peak = peak.max(server.rss_bytes());
    }
    for (number, tag) in tags.into_iter().enumerate() {
        assert_eq!(greedy.items(tag).len(), texts.len());
        if number % 50 == 0 {
            peak = peak.max(server.rss_bytes());
        }
    }
    sending.join().unwrap().unwrap();
    assert!(peak < before + GROWTH_BYTES_MAX, "the server grew from {before} to {peak} bytes");
}

/// A connection that ends with the value, whatever comes in between.
struct Ends(TcpStream);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

#[test]
fn who_floods_does_not_starve_the_others() {
    let server = Server::start(&["--durability", "none"]);
    let mut yoda = server.user("yoda");
    yoda.done(&Request::CreateThread { title: "t", key: None });
    let texts: Vec<String> = (0..200).map(|number| format!("{number}")).collect();
    post_all(&mut yoda, "t", &texts);
    let mut flood = server.user("flood");
    let (tag, request) = flood.frame(&read("t", None));
    let mut writer = flood.stream();
    thread::scope(|scope| {
        let _ends = Ends(flood.stream());
        let requests = request.repeat(100);
        scope.spawn(move || while writer.write_all(&requests).is_ok() {});
        assert_eq!(flood.items(tag).len(), 200);
        // All answers have the same tag, which a client would take for a breach of the protocol.
        scope.spawn(move || std::io::copy(&mut flood.stream(), &mut std::io::sink()));
        // The flood goes on until these are answered.
        for _ in 0..20 {
            yoda.ping();
        }
    });
}
