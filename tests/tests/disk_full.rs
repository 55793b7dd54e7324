//! A full disk is a refusal with nothing changed, and the server goes on as soon as there is room.
//!
//! The disk is a small tmpfs in a mount namespace of the server's own: nothing on the machine is filled, and
//! it goes when the server goes. As root that needs nothing; others need user namespaces.
#![forbid(unsafe_code)]

use std::fs;
use std::path::{Path, PathBuf};

use forum_common::wire::{Refusal, Request};
use forum_tests::outcome::Refused;
use forum_tests::{Forumd, Server, Wire};

const DISK_KIB: usize = 6 * 1_024;
const BALLAST_BYTES: usize = 1 << 20;

/// A server whose data directory lies on a disk of [`DISK_KIB`].
fn server_on_a_small_disk(arguments: &[&str]) -> Server {
    let launch = Forumd::new().args(arguments);
    let directory = launch.directory().to_str().unwrap().to_owned();
    let mount = format!("mount -t tmpfs -o size={DISK_KIB}k,mode=700 forum \"$0\" && exec \"$@\"");
    let mut wrapper = vec!["unshare", "--mount"];
    if !rustix::process::geteuid().is_root() {
        wrapper.extend(["--user", "--map-root-user"]);
    }
    wrapper.extend(["sh", "-c", &mount, &directory]);
    launch.under(&wrapper).start()
}

/// The server's own view of a path.
fn seen_by(server: &Server, path: &Path) -> PathBuf {
    PathBuf::from(format!("/proc/{}/root{}", server.pid(), path.display()))
}

fn no_space() -> Refused {
    (Refusal::NoSpace, "No space left on the server. Nothing was changed".to_owned())
}

/// Fills the disk beside the server's data.
fn put_ballast(server: &Server) -> PathBuf {
    let ballast = seen_by(server, &server.launch().directory().join("ballast"));
    fs::write(&ballast, vec![7; BALLAST_BYTES]).unwrap();
    ballast
}

/// Posts until the server refuses; how many messages it took.
fn post_until_full(yoda: &mut Wire) -> usize {
    let text = "x".repeat(8_000);
    let mut posted = 0;
    loop {
        match yoda.outcome(&Request::Post { title: "t", text: &text, key: None }) {
            Ok(_) => posted += 1,
            Err(refused) => {
                assert_eq!(refused, no_space());
                return posted;
            }
        }
        assert!(posted * text.len() < DISK_KIB * 1_024, "more was stored than there is room for");
    }
}

/// Starts another server on a copy of what is on the small disk now, and lists thread `t` there.
fn listing_after_restart(server: &Server) -> Vec<String> {
    let launch = Forumd::new();
    copy_directory(&seen_by(server, &server.launch().data()), &launch.data());
    launch.start().user("other").read_thread("t")
}

fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_directory(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

fn a_full_disk_refuses_changes(durability: &str) {
    let server = server_on_a_small_disk(&["--durability", durability]);
    let mut yoda = server.user("yoda");
    yoda.done(&Request::CreateThread { title: "t", key: None });
    let ballast = put_ballast(&server);
    let posted = post_until_full(&mut yoda);
    assert!(posted > 10, "only {posted}");
    assert_eq!(yoda.read_thread("t").len(), posted, "reading goes on");
    assert_eq!(listing_after_restart(&server).len(), posted, "what was refused is not on the disk");
    // A burst on the full disk: whatever fits is done, everything else is refused, and nothing is in between.
    let burst = burst_of_posts(&mut yoda);
    assert_eq!(yoda.read_thread("t").len(), posted + burst);
    fs::remove_file(ballast).unwrap();
    yoda.done(&Request::Post { title: "t", text: "room again", key: None });
    let lines = yoda.read_thread("t");
    assert_eq!(lines.len(), posted + burst + 1);
    assert_eq!(listing_after_restart(&server), lines);
}

/// Sends 60 posts at once to a full server; how many were done.
fn burst_of_posts(yoda: &mut Wire) -> usize {
    let text = "y".repeat(8_000);
    let tags = yoda.send_all([Request::Post { title: "t", text: &text, key: None }; 60]);
    let answers = yoda.outcomes(tags);
    let done = answers.iter().filter(|answer| answer.is_ok()).count();
    let refused = answers.iter().filter(|answer| **answer == Err(no_space())).count();
    assert_eq!(done + refused, answers.len(), "{answers:?}");
    assert!(refused > 0);
    done
}

#[test]
fn a_full_disk_refuses_changes_and_changes_nothing_with_durability_always() {
    a_full_disk_refuses_changes("always");
}

#[test]
fn a_full_disk_refuses_changes_and_changes_nothing_with_durability_interval() {
    a_full_disk_refuses_changes("interval");
}

#[test]
fn people_are_told_that_the_disk_is_full() {
    let server = server_on_a_small_disk(&[]);
    let mut yoda = server.user("yoda");
    yoda.done(&Request::CreateThread { title: "t", key: None });
    let mut hans = server.sign_up("hans");
    post_until_full(&mut yoda);
    let text = "x".repeat(8_000);
    hans.fails(&format!("MSG t {text}"), "No space left on the server. Nothing was changed");
    assert_eq!(hans.finish().code, Some(1));
}

#[test]
fn an_upload_that_finds_no_space_is_refused_and_leaves_no_trace() {
    let server = server_on_a_small_disk(&[]);
    let mut yoda = server.user("yoda");
    yoda.done(&Request::CreateThread { title: "t", key: None });
    let bytes = vec![7; DISK_KIB * 1_024 + 1];
    let (tag, credit) = match yoda.start_upload("t", "f", bytes.len() as u64) {
        Ok(started) => started,
        Err(refused) => {
            // Refused before the first byte is fine, too.
            assert_eq!(refused, no_space());
            return;
        }
    };
    let refused = yoda.try_send_data(tag, credit, &bytes).and_then(|_| yoda.end_upload(tag, &bytes));
    assert_eq!(refused, Err(no_space()));
    let files = seen_by(&server, &server.launch().data().join("files"));
    forum_tests::until("the beginning to be gone", || {
        yoda.ping();
        (fs::read_dir(&files).unwrap().count() == 0).then_some(())
    });
    assert_eq!(yoda.read_thread("t"), Vec::<String>::new());
    assert!(yoda.upload("t", "f", b"a small one").is_ok(), "there is room again");
    yoda.done(&Request::Post { title: "t", text: "m", key: None });
}

/// A disk of its own, mounted over the directory `$0`.
const TMPFS: &str = "mount -t tmpfs -o size=6M,mode=700 forum \"$0\"";
/// Blocks smaller than a page: a mapped page may have space behind its end and none behind its beginning.
const EXT4_WITH_SMALL_BLOCKS: &str =
    "truncate -s 8M \"$0/disk\" && mkfs.ext4 -q -b 1024 -m 0 \"$0/disk\" && mount -o loop \"$0/disk\" \"$0\"";

/// A server that starts on the data of one that was killed, on a disk without room for another byte.
fn server_on_a_full_disk(mount: &str) -> Server {
    let mut killed = Server::start(&[]);
    let mut yoda = killed.user("yoda");
    yoda.done(&Request::CreateThread { title: "t", key: None });
    yoda.done(&Request::Post { title: "t", text: "before", key: None });
    killed.kill();
    let launch = Forumd::new();
    let (directory, data) = (launch.directory().to_owned(), killed.launch().data());
    let script = format!(
        "{mount} && cp -a \"$1\" \"$0/data\" && {{ cat /dev/zero > \"$0/ballast\"; shift; exec \"$@\"; }}"
    );
    let words = ["unshare", "--mount", "sh", "-c", &script, path(&directory), path(&data)];
    launch.under(&words).start()
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

fn a_full_disk_starts(mount: &str) {
    let server = server_on_a_full_disk(mount);
    server.logged("no space left on the disk");
    let mut yoda = server.user("yoda");
    assert_eq!(yoda.read_thread("t"), ["1 yoda: before"]);
    let posted = post_until_full(&mut yoda);
    assert_eq!(yoda.read_thread("t").len(), 1 + posted, "reading goes on");
    // The log's index found no room on the disk, where those who read beside the server would look for it.
    let (pid, data) = (server.pid().to_string(), server.launch().data());
    let check = Forumd::without_data().args(&["check", "--data", path(&data)]);
    let check = check.under(&["nsenter", "--mount", "--target", &pid]).run("");
    assert_eq!(check.code, Some(1), "{check:#?}");
    assert!(check.stdout.iter().any(|line| line.contains("make room and restart it")), "{check:#?}");
    fs::remove_file(seen_by(&server, &server.launch().directory().join("ballast"))).unwrap();
    yoda.done(&Request::Post { title: "t", text: "room again", key: None });
}

#[test]
fn a_server_starts_on_a_full_disk_and_serves_reading() {
    if rustix::process::geteuid().is_root() {
        a_full_disk_starts(TMPFS);
    } else {
        eprintln!("skipped: only root may mount the disk that this test fills");
    }
}

#[test]
fn a_server_starts_on_a_full_disk_of_small_blocks_and_serves_reading() {
    if rustix::process::geteuid().is_root() && Path::new("/dev/loop-control").exists() {
        a_full_disk_starts(EXT4_WITH_SMALL_BLOCKS);
    } else {
        eprintln!("skipped: this test needs root and a loop device");
    }
}
