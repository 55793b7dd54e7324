//! A slow disk makes nobody wait for more than it has to: what waits is committed together, reading goes on,
//! and the event loop never waits at all. Time is measured in fsyncs, which the test lets pass when it likes.
#![forbid(unsafe_code)]

use forum_common::wire::{Request, Transfer};
use forum_tests::outcome::Outcome;
use forum_tests::{Disk, Forumd, Server, Wire, until};

const WAL: &str = "journal.sqlite3-wal";
const DATABASE: &str = "journal.sqlite3";
const FILES: &str = "/data/files/";

/// Of each client that floods: as many as one connection may have in flight.
const POSTS: usize = 32;
const POST_BYTES: usize = 8_000;
const FLOODERS: usize = 20;

/// A server on a disk, and a thread `t` in it.
fn server_with_thread(disk: &Disk, arguments: &[&str]) -> (Server, Wire) {
    let server = disk.under(Forumd::new().args(arguments)).start();
    let mut yoda = server.user("yoda");
    yoda.done(&Request::CreateThread { title: "t", key: None });
    (server, yoda)
}

/// Has clients post more than 5 MB while a commit is under way that does not end. Everything of it has arrived
/// at the server when this returns.
fn flood(server: &Server, disk: &Disk, yoda: &mut Wire) -> Vec<(Wire, Vec<u32>)> {
    let mut clients: Vec<Wire> = (0..FLOODERS).map(|n| server.user(&format!("u{n}"))).collect();
    let mut hans = server.user("hans");
    let before = disk.syncs(WAL).len();
    disk.hold(WAL);
    yoda.send(&Request::Post { title: "t", text: "holds up everybody", key: None });
    until("a commit to be under way", || {
        hans.ping();
        (disk.syncs(WAL).len() > before).then_some(())
    });
    let text = "x".repeat(POST_BYTES);
    let tags: Vec<_> = clients
        .iter_mut()
        .map(|client| client.send_all([Request::Post { title: "t", text: &text, key: None }; POSTS]))
        .collect();
    // Who has just asked for something and who has work left are served by turns: before each answer but the first, one
    // of the others had its share. A flood takes four of them, and some more where its bytes come in pieces.
    (0..10 * FLOODERS).for_each(|_| hans.ping());
    clients.into_iter().zip(tags).collect()
}

#[test]
fn a_small_post_is_durable_after_two_commits_however_much_others_post() {
    let disk = Disk::new();
    let (server, mut yoda) = server_with_thread(&disk, &[]);
    let mut hans = server.user("late");
    let before = disk.syncs(WAL).len();
    let flooders = flood(&server, &disk, &mut yoda);
    let tag = hans.send(&Request::Post { title: "t", text: "small", key: None });
    let during = disk.syncs(WAL).len();
    disk.release();
    assert!(hans.outcome_of(tag).is_ok());
    let commits = disk.syncs(WAL).len() - during + 1;
    assert!(commits <= 3, "it was answered after {commits} commits");
    for (mut client, tags) in flooders {
        assert!(client.outcomes(tags).iter().all(Outcome::is_ok));
    }
    let commits = disk.syncs(WAL).len() - before - FLOODERS - 2;
    assert!(commits <= 5, "{commits} commits in all");
}

#[test]
fn sigterm_ends_the_server_after_two_commits_however_much_is_in_flight() {
    let disk = Disk::new();
    let (mut server, mut yoda) = server_with_thread(&disk, &[]);
    let flooders = flood(&server, &disk, &mut yoda);
    // Each second the anchor is fsynced, too, however long this takes.
    let others = || disk.syncs("").iter().filter(|sync| !sync.path.ends_with("journal.anchor")).count();
    let (before, before_all) = (disk.syncs(WAL).len(), others());
    server.signal(rustix::process::Signal::TERM);
    server.wait_log("shutting down");
    disk.release();
    for (mut client, tags) in flooders {
        assert!(client.outcomes(tags).iter().all(Outcome::is_ok), "what was taken is committed");
        client.expect_closing();
    }
    drop(yoda);
    server.expect_exit_0();
    // The commit that was under way has begun before; the next takes everything; closing fsyncs the log again.
    let syncs = disk.syncs(WAL).len() - before;
    assert!(syncs <= 3, "{syncs} fsyncs of the log");
    let syncs = others() - before_all;
    assert!(syncs <= 4, "{syncs} fsyncs: those of the log, and one of the database");
}

const UPLOADERS: usize = 8;
/// So many fsyncs of uploads are made at once; the others wait for them.
const SYNCS_AT_ONCE: usize = 4;

/// Has clients upload a file each, on a disk that does not fsync them.
fn uploads_that_wait(server: &Server, disk: &Disk, yoda: &mut Wire, bytes: &[u8]) -> Vec<(Wire, u32)> {
    let before = disk.syncs(FILES).len();
    disk.hold(FILES);
    let start = |number| {
        let mut wire = server.user(&format!("u{number}"));
        let (tag, credit) = wire.start_upload("t", &format!("f{number}"), bytes.len() as u64).unwrap();
        wire.send_data(tag, credit, bytes);
        wire.send_transfer(tag, &Transfer::DataEnd { digest: Some(blake3::hash(bytes).into()) });
        (wire, tag)
    };
    let uploaders = (0..UPLOADERS).map(start).collect();
    until("the uploads to wait for the disk", || {
        yoda.ping();
        (disk.syncs(FILES).len() - before == SYNCS_AT_ONCE).then_some(())
    });
    uploaders
}

#[test]
fn downloads_go_on_while_uploads_wait_for_the_disk() {
    let disk = Disk::new();
    let (server, mut yoda) = server_with_thread(&disk, &[]);
    let bytes: Vec<u8> = (0..300_000_u32).map(|index| (index / 7) as u8).collect();
    assert!(yoda.upload("t", "f", &bytes).is_ok());
    let before = disk.syncs(FILES).len();
    let uploaders = uploads_that_wait(&server, &disk, &mut yoda, &bytes);
    for _ in 0..SYNCS_AT_ONCE {
        assert!(yoda.download("t", "f", 1 << 20) == Ok(bytes.clone()));
    }
    assert!(disk.syncs(FILES)[before..].iter().all(|sync| !sync.is_over));
    disk.release();
    for (mut wire, tag) in uploaders {
        assert!(wire.last_word(tag).is_ok());
    }
}

#[test]
fn sigterm_waits_for_no_upload_that_its_client_does_not_hear_of_and_none_leaves_a_trace() {
    let disk = Disk::new();
    let (mut server, mut yoda) = server_with_thread(&disk, &[]);
    let uploaders = uploads_that_wait(&server, &disk, &mut yoda, b"bytes");
    let before = disk.syncs(FILES).len();
    server.signal(rustix::process::Signal::TERM);
    yoda.expect_closing();
    drop((yoda, uploaders));
    until("the server to wait for its uploads to end", || {
        disk.joins().iter().any(|name| name.starts_with("uploads")).then_some(())
    });
    disk.release();
    server.expect_exit_0();
    assert_eq!(disk.syncs(FILES).len(), before, "no other fsync was begun");
    assert_eq!(server.stored_files(), 0);
}

#[test]
fn with_an_interval_the_loop_makes_no_fsync_whether_the_log_grows_or_starts_anew() {
    let disk = Disk::new();
    let (server, mut yoda) = server_with_thread(&disk, &["--durability", "interval"]);
    let started = disk.syncs("").len();
    let databases = || disk.syncs(DATABASE).iter().filter(|sync| sync.path.ends_with(DATABASE)).count();
    let before = databases();
    let text = "x".repeat(POST_BYTES);
    // Posts that come one by one are what the loop commits itself.
    until("two checkpoints", || {
        for _ in 0..200 {
            yoda.done(&Request::Post { title: "t", text: &text, key: None });
        }
        (databases() >= before + 2).then_some(())
    });
    let syncs = disk.syncs("");
    let by_loop: Vec<_> = syncs[started..].iter().filter(|sync| sync.thread == server.pid()).collect();
    assert!(by_loop.is_empty(), "{by_loop:#?}");
}

#[test]
fn with_an_interval_posts_are_answered_while_the_log_is_fsynced() {
    let disk = Disk::new();
    let (server, mut yoda) = server_with_thread(&disk, &["--durability", "interval"]);
    yoda.done(&Request::Post { title: "t", text: "one", key: None });
    let before = disk.syncs(WAL).len();
    disk.hold(WAL);
    until("the fsync of this second", || {
        yoda.ping();
        (disk.syncs(WAL).len() > before).then_some(())
    });
    for _ in 0..100 {
        yoda.done(&Request::Post { title: "t", text: "more", key: None });
    }
    assert!(!disk.syncs(WAL)[before].is_over);
    disk.release();
    drop(server);
}
