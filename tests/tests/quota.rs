//! A used-up quota and a limit for the size of files are a full disk: a refusal with nothing changed, and
//! everything goes on, reading at once and writing as soon as there is room.
#![forbid(unsafe_code)]

use std::process::Command;

use forum_common::wire::{Refusal, Request};
use forum_tests::outcome::Outcome;
use forum_tests::{Disk, Forumd, PASSWORD, Process, Server, Wire, outcome};

/// The longest file that a program may write, in tests that limit it.
const FILE_BYTES_MAX: usize = 2_000_000;
const POST_BYTES: usize = 8_000;

fn no_space() -> Outcome {
    outcome::refused(Refusal::NoSpace, "No space left on the server. Nothing was changed")
}

/// Posts until the server refuses; how many messages it took.
fn post_until_refused(yoda: &mut Wire) -> usize {
    let text = "x".repeat(POST_BYTES);
    for posted in 0..2 * FILE_BYTES_MAX / POST_BYTES {
        match yoda.outcome(&Request::Post { title: "t", text: &text, key: None }) {
            Ok(_) => {}
            refused => {
                assert_eq!(refused, no_space());
                return posted;
            }
        }
    }
    panic!("more was stored than there is room for");
}

fn a_used_up_quota_refuses_changes(durability: &str) {
    let disk = Disk::new();
    let server = disk.under(Forumd::new().args(&["--durability", durability])).start();
    let mut yoda = server.user("yoda");
    yoda.done(&Request::CreateThread { title: "t", key: None });
    yoda.done(&Request::Post { title: "t", text: "before", key: None });
    disk.use_up_quota("/data/");
    for _ in 0..3 {
        assert_eq!(yoda.outcome(&Request::Post { title: "t", text: "refused", key: None }), no_space());
        assert_eq!(yoda.upload("t", "f", b"refused"), no_space());
        assert_eq!(yoda.read_thread("t"), ["1 yoda: before"]);
    }
    disk.free_quota();
    yoda.done(&Request::Post { title: "t", text: "after", key: None });
    assert!(yoda.upload("t", "f", b"stored").is_ok());
    assert_eq!(yoda.read_thread("t"), ["1 yoda: before", "2 yoda: after", "yoda uploaded f"]);
}

#[test]
fn a_used_up_quota_refuses_changes_with_durability_always() {
    a_used_up_quota_refuses_changes("always");
}

#[test]
fn a_used_up_quota_refuses_changes_with_durability_interval() {
    a_used_up_quota_refuses_changes("interval");
}

/// A server that may not write longer files than [`FILE_BYTES_MAX`].
fn limited_server(arguments: &[&str]) -> Server {
    let limit = format!("--fsize={FILE_BYTES_MAX}");
    Forumd::new().args(arguments).under(&["prlimit", &limit]).start()
}

fn a_limit_for_the_size_of_files_refuses_changes(durability: &str) {
    let mut server = limited_server(&["--durability", durability]);
    let mut yoda = server.user("yoda");
    yoda.done(&Request::CreateThread { title: "t", key: None });
    let first = post_until_refused(&mut yoda);
    assert!(first > 50, "only {first}");
    // The log has been moved into the database, and has its room back.
    let second = post_until_refused(&mut yoda);
    assert!(second > 0);
    assert_eq!(yoda.read_thread("t").len(), first + second);
    let lines = yoda.read_thread("t");
    drop(yoda);
    server.stop();
    let freed = Forumd::new().on_data_of(server.launch()).start();
    assert_eq!(freed.user("yoda").read_thread("t"), lines);
}

#[test]
fn a_limit_for_the_size_of_files_refuses_changes_with_durability_always() {
    a_limit_for_the_size_of_files_refuses_changes("always");
}

#[test]
fn a_limit_for_the_size_of_files_refuses_changes_with_durability_interval() {
    a_limit_for_the_size_of_files_refuses_changes("interval");
}

#[test]
fn an_upload_past_the_limit_for_the_size_of_files_is_refused_and_leaves_no_trace() {
    let server = limited_server(&[]);
    let mut yoda = server.user("yoda");
    yoda.done(&Request::CreateThread { title: "t", key: None });
    let bytes = vec![7; FILE_BYTES_MAX + 1];
    let (tag, credit) = yoda.start_upload("t", "f", bytes.len() as u64).unwrap();
    let refused = yoda.try_send_data(tag, credit, &bytes).and_then(|_| yoda.end_upload(tag, &bytes));
    assert_eq!(refused, no_space());
    forum_tests::until("the beginning to be gone", || {
        yoda.ping();
        (server.stored_files() == 0).then_some(())
    });
    assert!(yoda.upload("t", "f", b"a small one").is_ok());
}

#[test]
fn a_download_past_the_limit_for_the_size_of_files_fails_and_the_client_goes_on() {
    let server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    yoda.done(&Request::CreateThread { title: "t", key: None });
    assert!(yoda.upload("t", "f", &vec![7; 300_000]).is_ok());
    yoda.log_out();
    let forum = server.forum();
    let inner = forum.command();
    let mut limited = Command::new("prlimit");
    limited.arg("--fsize=100000").arg(inner.get_program()).args(inner.get_args());
    limited.current_dir(forum.directory()).env_remove("FORUM_PASSWORD");
    let mut client = Process::start(&mut limited);
    client.write(format!("yoda\n{PASSWORD}\nDWN t f\nLST\nXIT\n").as_bytes());
    let ended = client.finish();
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    assert!(ended.stderr.iter().any(|line| line.contains("ulimit -f")), "{ended:#?}");
    assert!(ended.stdout.iter().any(|line| line == "t"), "{ended:#?}");
    assert_eq!(forum_tests::files_below(forum.directory()).len(), 0, "nothing is left of it");
}

#[test]
fn a_limit_for_the_size_of_files_that_stops_a_start_is_named_with_what_to_do() {
    let mut server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    yoda.done(&Request::CreateThread { title: "t", key: None });
    yoda.done(&Request::Post { title: "t", text: "m", key: None });
    drop(yoda);
    server.kill();
    let advice = "File too large (os error 27); raise the limit for the size of files (ulimit -f)";
    let reason = |run: forum_tests::Finished| {
        assert_eq!(run.code, Some(1), "{run:#?}");
        run.stderr.last().expect("a reason").clone()
    };
    // Smaller than the write-ahead log that the kill left.
    let limited = Forumd::new().under(&["prlimit", "--fsize=10000"]).on_data_of(server.launch()).run("");
    let log = format!("cannot make its write-ahead log durable: {advice}");
    assert!(reason(limited).ends_with(&log));
    for (bytes, doing) in [(0, "write its tag"), (100, "make its tables"), (20_000, "make its tables")] {
        let limit = format!("--fsize={bytes}");
        let reason = reason(Forumd::new().under(&["prlimit", &limit]).run(""));
        assert!(reason.ends_with(&format!("cannot {doing}: {advice}")), "{reason}");
    }
    Forumd::new().on_data_of(server.launch()).start().user("yoda").done(&Request::Post {
        title: "t",
        text: "m",
        key: None,
    });
}
