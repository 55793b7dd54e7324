//! How long others wait beside what is large, and what a log-in costs when few and when many are online.

use std::array;
use std::iter::repeat_n;

use forum_common::wire::{Reply, Request, VERSION};
use forum_tests::{Server, Wire};

use super::{RUNS, cpu_seconds, forumd, micros, post, quantile, show};

/// Connections that have as many changes in flight as one may.
const SENDERS: usize = 750;
const CHANGES_EACH: usize = 64;
const RECEIVERS: usize = 5;
/// More than are answered before the last of the messages is.
const PINGS_MEANWHILE: usize = 300;

/// 48,000 messages to five users, of 750 connections, are sent at once: how long does another's ping take meanwhile?
pub(super) fn in_flight(program: Option<&str>) {
    println!("| | another's ping, median µs | its 99 % | the longest |");
    let runs = array::from_fn::<_, RUNS, _>(|_| {
        let server = forumd(program, &[], &[]).start();
        let receivers: Vec<String> = (0..RECEIVERS).map(|number| format!("receiver{number}")).collect();
        receivers.iter().for_each(|name| drop(server.user(name)));
        let mut senders: Vec<Wire> = (0..SENDERS).map(|number| server.user(&format!("s{number}"))).collect();
        let mut other = server.user("other");
        other.ping();
        for (number, sender) in senders.iter_mut().enumerate() {
            let user = &*receivers[number % RECEIVERS];
            sender.send_all(repeat_n(Request::SendMessage { user, text: "hello", key: None }, CHANGES_EACH));
        }
        let pings: Vec<f64> = (0..PINGS_MEANWHILE).map(|_| micros(|| other.ping())).collect();
        for sender in &mut senders {
            sender.take_answers(CHANGES_EACH, |reply| {
                matches!(reply, Reply::Done { .. } | Reply::Refused { .. })
            });
        }
        [50, 99, 100].map(|percent| quantile(&pings, percent))
    });
    show("48,000 messages", runs);
}

const POSTS: usize = 1_000_000;

/// A thread of 1,000,000 messages is removed: how long does another's ping take then?
pub(super) fn removal(program: Option<&str>) {
    println!("| | RMV itself, µs | another's ping, median µs | its 99 % | the longest |");
    let runs = array::from_fn::<_, RUNS, _>(|_| {
        let server = forumd(program, &["--durability", "none"], &[]).start();
        let (mut yoda, mut other) = (server.user("yoda"), server.user("other"));
        yoda.done(&Request::CreateThread { title: "t", key: None });
        post(&mut yoda, "t", POSTS, 100, 1_000);
        other.ping();
        let removed = micros(|| drop(yoda.done(&Request::RemoveThread { title: "t", key: None })));
        let pings: Vec<f64> = (0..10_000).map(|_| micros(|| other.ping())).collect();
        [removed, quantile(&pings, 50), quantile(&pings, 99), quantile(&pings, 100)]
    });
    show("1,000,000 posts", runs);
}

/// A thread of 1,000,000 messages is searched for what none contains: what does that cost, and how long does another's
/// ping take meanwhile, and without?
pub(super) fn search(program: Option<&str>) {
    println!(
        "| | server's CPU, ms a search | another's ping, median µs | its 99 % | without: median | 99 % |"
    );
    let runs = array::from_fn::<_, RUNS, _>(|_| {
        let server = forumd(program, &["--durability", "none"], &[]).start();
        let (mut yoda, mut other) = (server.user("yoda"), server.user("other"));
        yoda.done(&Request::CreateThread { title: "t", key: None });
        post(&mut yoda, "t", POSTS, 100, 1_000);
        let mut pings = |count: usize| -> Vec<f64> { (0..count).map(|_| micros(|| other.ping())).collect() };
        let without = pings(10_000);
        let before = cpu_seconds(server.pid());
        let search = Request::Search { words: "xxx zzz", title: None, after: None, at_most: None };
        let tag = yoda.send(&search);
        let with = pings(1_000);
        assert!(yoda.items(tag).is_empty(), "nobody has said that");
        let used = (cpu_seconds(server.pid()) - before) * 1e3;
        [used, quantile(&with, 50), quantile(&with, 99), quantile(&without, 50), quantile(&without, 99)]
    });
    show("1,000,000 posts", runs);
}

/// Threads in which something is new, and messages in each.
const THREADS: usize = 1_000;
const POSTS_EACH: usize = 10;

/// A user asks what is new in 1,000 threads: what does that cost the server, and how long does another's ping take then?
pub(super) fn unread(program: Option<&str>) {
    println!("| | server's CPU, µs an answer | another's ping, median µs | its 99 % | the longest |");
    let runs = array::from_fn::<_, RUNS, _>(|_| {
        let server = forumd(program, &["--durability", "none"], &[]).start();
        let (mut yoda, mut reader, mut other) =
            (server.user("yoda"), server.user("reader"), server.user("other"));
        for number in 0..THREADS {
            let title = format!("t{number}");
            yoda.done(&Request::CreateThread { title: &title, key: None });
            post(&mut yoda, &title, POSTS_EACH, 100, POSTS_EACH);
            reader.send(&Request::MarkRead {
                title: &title,
                up_to: (number * POSTS_EACH + 5) as u64,
                from: None,
            });
        }
        let unread = Request::ListUnread { after: None, at_most: None };
        assert_eq!(reader.list(&unread).len(), THREADS);
        let (before, mut pings) = (cpu_seconds(server.pid()), Vec::new());
        for _ in 0..200 {
            let tag = reader.send(&unread);
            pings.push(micros(|| other.ping()));
            assert_eq!(reader.items(tag).len(), THREADS);
        }
        let used = (cpu_seconds(server.pid()) - before) * 1e6 / 200.0;
        [used, quantile(&pings, 50), quantile(&pings, 99), quantile(&pings, 100)]
    });
    show("1,000 threads with news", runs);
}

/// Log-ins whose cost is taken.
const LOG_INS: usize = 1_000;

/// 1,000 users log in, without a wish for presence, while so many others are online: what does it cost the server?
/// The hash is the same each time, and part of it.
pub(super) fn log_ins(program: Option<&str>) {
    println!("| online | server's CPU, µs a log-in |");
    for online in [1_000, 15_000] {
        let runs = array::from_fn::<_, RUNS, _>(|_| {
            let directory = tempfile::tempdir().expect("there is room for a directory");
            let credentials = directory.path().join("credentials");
            let names: String = (0..online + LOG_INS).map(|number| format!("u{number} jedi\n")).collect();
            std::fs::write(&credentials, names).expect("there is room for a file");
            let credentials = credentials.to_str().expect("an ASCII path");
            let arguments = ["--durability", "none", "--credentials", credentials];
            let server = forumd(program, &arguments, &[]).start();
            let _there: Vec<Wire> = (0..online).map(|number| logged_in(&server, number)).collect();
            let before = cpu_seconds(server.pid());
            let _more: Vec<Wire> =
                (online..online + LOG_INS).map(|number| logged_in(&server, number)).collect();
            [(cpu_seconds(server.pid()) - before) * 1e6 / LOG_INS as f64]
        });
        show(&online.to_string(), runs);
    }
}

fn logged_in(server: &Server, number: usize) -> Wire {
    let mut wire = server.raw();
    wire.request(&Request::ClientHello { version: VERSION, client: "measure", presence: false });
    let outcome = wire.log_in(&format!("u{number}"), "jedi");
    assert!(outcome.is_ok(), "{outcome:?}");
    wire
}
