//! Many requests at once: answers keep the order of the requests, everybody reads their own writes, a listing
//! shows one instant, and whoever does not read costs the server nothing.
#![forbid(unsafe_code)]

use std::io::Write;
use std::iter::repeat_n;
use std::net::{Shutdown, TcpStream};
use std::thread;

use forum_common::refusal::Refusal;
use forum_common::request::Request;
use forum_tests::{Reply, Server, Wire};

fn post_all(wire: &mut Wire, title: &str, texts: &[String]) {
    let tags = wire.send_all(texts.iter().map(|text| Request::Post { title, text }));
    for tag in tags {
        assert_eq!(wire.answer(tag), Reply::Done(format!("Message posted to {title} thread")));
    }
}

#[test]
fn hundreds_of_changes_in_flight_are_answered_in_order() {
    let server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    yoda.done(&Request::CreateThread { title: "t" });
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
    yoda.done(&Request::CreateThread { title: "t" });
    let read = Request::ReadThread { title: "t", range: None };
    let requests =
        (0..ROUNDS).flat_map(|_| [Request::Post { title: "t", text: "m" }, read, Request::ListThreads]);
    let tags = yoda.send_all(requests);
    for (number, tags) in (1..=ROUNDS).zip(tags.chunks(3)) {
        assert_eq!(yoda.answer(tags[0]), Reply::done("Message posted to t thread"));
        assert_eq!(yoda.items(tags[1]).len(), number as usize);
        assert_eq!(yoda.items(tags[2]), [Reply::Title("t".into())]);
    }
}

#[test]
fn refusals_keep_their_place_among_changes_and_reads() {
    let server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    let read = Request::ReadThread { title: "t", range: None };
    let requests = [
        Request::CreateThread { title: "t" },
        Request::CreateThread { title: "t" },
        Request::Post { title: "nowhere", text: "m" },
        Request::Post { title: "t", text: "m" },
        Request::CreateThread { title: "b/d" },
        Request::Ping(b"!"),
        read,
        Request::EditPost { title: "t", number: 1, text: "e" },
        Request::DeletePost { title: "t", number: 2 },
        read,
        Request::DeletePost { title: "t", number: 1 },
        read,
        Request::RemoveThread { title: "t" },
        read,
    ];
    let tags = yoda.send_all(requests);
    let post = |text: &str| Reply::Post { number: 1, author: "yoda".into(), text: text.into() };
    assert_eq!(yoda.answer(tags[0]), Reply::done("Thread t created"));
    assert_eq!(yoda.answer(tags[1]), Reply::refused(Refusal::ThreadExists, "Thread t exists"));
    assert_eq!(yoda.answer(tags[2]), Reply::refused(Refusal::NoSuchThread, "Thread nowhere does not exist"));
    assert_eq!(yoda.answer(tags[3]), Reply::done("Message posted to t thread"));
    assert_eq!(yoda.answer(tags[4]), Reply::refused(Refusal::InvalidName, "Invalid name"));
    assert_eq!(yoda.answer(tags[5]), Reply::Pong(b"!".to_vec()));
    assert_eq!(yoda.items(tags[6]), [post("m")]);
    assert_eq!(yoda.answer(tags[7]), Reply::done("The message has been edited"));
    assert_eq!(yoda.answer(tags[8]), Reply::refused(Refusal::InvalidMessageNumber, "Invalid message number"));
    assert_eq!(yoda.items(tags[9]), [post("e")]);
    assert_eq!(yoda.answer(tags[10]), Reply::done("The message has been deleted"));
    assert_eq!(yoda.items(tags[11]), []);
    assert_eq!(yoda.answer(tags[12]), Reply::done("Thread t removed"));
    assert_eq!(yoda.answer(tags[13]), Reply::refused(Refusal::NoSuchThread, "Thread t does not exist"));
}

#[test]
fn a_listing_read_slowly_shows_the_instant_of_its_request() {
    const POSTS: usize = 1_200;
    let server = Server::start(&["--durability", "none"]);
    let mut yoda = server.user("yoda");
    yoda.done(&Request::CreateThread { title: "t" });
    // More than the sockets between hold, so that most of it is not even made while others change it.
    let texts: Vec<String> = (0..POSTS).map(|number| format!("{number} {}", "x".repeat(8_000))).collect();
    for texts in texts.chunks(50) {
        post_all(&mut yoda, "t", texts);
    }
    let mut slow = server.user("slow");
    slow.shrink_receive_buffer();
    let tag = slow.send(&Request::ReadThread { title: "t", range: None });
    let first = slow.answer(tag);
    assert_eq!(first, Reply::Post { number: 1, author: "yoda".into(), text: texts[0].clone() });
    let last = POSTS as u32;
    yoda.done(&Request::EditPost { title: "t", number: last, text: "changed" });
    for _ in 0..300 {
        yoda.done(&Request::DeletePost { title: "t", number: last - 600 });
    }
    yoda.done(&Request::Post { title: "t", text: "new" });
    yoda.done(&Request::RemoveThread { title: "t" });
    yoda.done(&Request::CreateThread { title: "t" });
    for (number, text) in (2..).zip(&texts[1..]) {
        assert_eq!(slow.answer(tag), Reply::Post { number, author: "yoda".into(), text: text.clone() });
    }
    assert_eq!(slow.answer(tag), Reply::EndOfList);
    assert_eq!(slow.read_thread("t"), Vec::<String>::new());
}

#[test]
fn thousands_of_unread_listings_do_not_grow_the_server() {
    const REQUESTS: usize = 5_000;
    const GROWTH_BYTES_MAX: usize = 6 << 20;
    let server = Server::start(&["--durability", "none"]);
    let mut yoda = server.user("yoda");
    yoda.done(&Request::CreateThread { title: "t" });
    let texts: Vec<String> = (0..100).map(|number| format!("{number} {}", "x".repeat(300))).collect();
    post_all(&mut yoda, "t", &texts);
    let mut greedy = server.user("greedy");
    greedy.shrink_receive_buffer();
    let before = server.rss_bytes();
    let mut peak = before;
    let read = Request::ReadThread { title: "t", range: None };
    let (tags, bytes) = greedy.frames(repeat_n(read, REQUESTS));
    let mut writer = greedy.writer();
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
    yoda.done(&Request::CreateThread { title: "t" });
    let texts: Vec<String> = (0..200).map(|number| format!("{number}")).collect();
    post_all(&mut yoda, "t", &texts);
    let mut flood = server.user("flood");
    let (tag, request) = flood.frame(&Request::ReadThread { title: "t", range: None });
    let mut writer = flood.writer();
    thread::scope(|scope| {
        let _ends = Ends(flood.writer());
        let requests = request.repeat(100);
        scope.spawn(move || while writer.write_all(&requests).is_ok() {});
        assert_eq!(flood.items(tag).len(), 200);
        scope.spawn(move || while let Ok(Some(_)) = flood.next_frame_or_reset() {});
        // The flood goes on until these are answered.
        for _ in 0..20 {
            yoda.ping();
        }
    });
}
