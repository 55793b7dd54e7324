//! The moments at which a power cut once took what had been acknowledged or shown.

use std::fs;

use forum_common::wire::{OwnedNotice, Request};
use forum_tests::outcome::Outcome;
use forum_tests::{Disk, Wire, notice, until};

use crate::{Site, rounds};

const WAL: &str = "journal.sqlite3-wal";
const INTERVAL: [&str; 2] = ["--durability", "interval"];
const FILE: &[u8] = b"an upload that was acknowledged";

/// A server on a shim, and thread `t` with a file in it, all of it durable.
fn site_with_file(disk: &Disk, arguments: &[&str]) -> Option<(Site, Wire)> {
    let mut site = Site::new(arguments, |launch| disk.under(launch))?;
    let mut yoda = site.user("yoda");
    yoda.done(&Request::CreateThread { title: "t", key: None });
    assert!(yoda.upload("t", "f", FILE).is_ok());
    // A start makes everything durable.
    site.stop();
    site.start_again();
    // The first commit after a start fsyncs the log's new header by itself; after this one, a commit is one fsync.
    drop(site.user("hans"));
    let yoda = site.user("yoda");
    Some((site, yoda))
}

/// Kills the server after this request is written to the log and before it is fsynced, and starts it again.
/// Nobody was answered.
fn kill_before_the_fsync(site: &mut Site, disk: &Disk, yoda: &mut Wire, request: &Request<'_>) {
    let before = disk.syncs(WAL).len();
    disk.hold(WAL);
    yoda.send(request);
    until("the fsync to begin", || (disk.syncs(WAL).len() > before).then_some(()));
    site.server.kill();
    disk.release();
    assert!(!matches!(yoda.next_frame_or_reset(), Ok(Some(_))), "nobody was answered");
    site.start_again();
}

/// Whether thread `t` is gone; if not, its file has to be there.
fn is_removed(site: &Site) -> bool {
    let mut yoda = site.user("yoda");
    if yoda.titles().is_empty() {
        return true;
    }
    assert_eq!(yoda.read_thread("t"), ["yoda uploaded f"]);
    assert_eq!(yoda.download("t", "f", 1 << 20), Ok(FILE.to_vec()));
    false
}

/// The fsync of a post fails, and the server ends. What it had written is in the page cache, clean, and not on
/// the disk: the next server must not build on it.
#[test]
fn a_log_that_an_fsync_did_not_reach_is_not_built_upon() {
    const POSTS: usize = 30;
    for _ in 0..rounds() {
        let disk = Disk::new();
        let Some((mut site, mut yoda)) = site_with_file(&disk, &[]) else { return };
        yoda.done(&Request::Post { title: "t", text: "before", key: None });
        let old = fs::read(site.volume.seen(&site.wal())).unwrap();
        disk.fail_once(WAL);
        yoda.send(&Request::Post { title: "t", text: "in doubt", key: None });
        assert_eq!(site.wait_exit().code(), Some(1));
        site.volume.forget_written(&site.wal(), &old);
        site.start_again();
        let mut yoda = site.user("yoda");
        let shown = yoda.read_thread("t");
        let texts: Vec<String> = (0..POSTS).map(|number| number.to_string()).collect();
        let tags = yoda.send_all(texts.iter().map(|text| Request::Post { title: "t", text, key: None }));
        assert!(yoda.outcomes(tags).iter().all(Outcome::is_ok));
        let all = yoda.read_thread("t");
        assert_eq!(all.len(), shown.len() + POSTS);
        site.cut();
        assert_eq!(site.user("yoda").read_thread("t"), all);
        site.check();
    }
}

#[test]
fn a_removal_that_was_not_durable_when_the_server_was_killed_takes_no_file_of_a_thread_that_comes_back() {
    for _ in 0..rounds() {
        let disk = Disk::new();
        let Some((mut site, mut yoda)) = site_with_file(&disk, &[]) else { return };
        kill_before_the_fsync(&mut site, &disk, &mut yoda, &Request::RemoveThread { title: "t", key: None });
        assert!(is_removed(&site), "the page cache had it");
        let mut hans = site.user("hans");
        until("the file to be deleted", || {
            hans.ping();
            (site.stored_files() == 0).then_some(())
        });
        site.cut();
        assert!(is_removed(&site), "it was shown so");
        site.check();
    }
}

#[test]
fn what_an_interval_acknowledged_before_kill_9_survives_a_power_cut_after_the_restart() {
    for _ in 0..rounds() {
        let Some(mut site) = Site::new(&INTERVAL, |launch| launch) else { return };
        let mut yoda = site.user("yoda");
        yoda.done(&Request::CreateThread { title: "t", key: None });
        for number in 0..20 {
            yoda.done(&Request::Post { title: "t", text: &number.to_string(), key: None });
        }
        site.kill();
        site.cut();
        assert_eq!(site.user("yoda").read_thread("t").len(), 20);
        site.check();
    }
}

#[test]
fn a_post_that_was_shown_after_a_restart_survives_a_power_cut() {
    for _ in 0..rounds() {
        let disk = Disk::new();
        let Some((mut site, mut yoda)) = site_with_file(&disk, &[]) else { return };
        kill_before_the_fsync(
            &mut site,
            &disk,
            &mut yoda,
            &Request::Post { title: "t", text: "unanswered", key: None },
        );
        let shown = site.user("hans").read_thread("t");
        assert_eq!(shown, ["yoda uploaded f", "1 yoda: unanswered"], "the page cache had it");
        site.cut();
        assert_eq!(site.user("hans").read_thread("t"), shown);
        site.check();
    }
}

#[test]
fn a_mailbox_number_that_was_shown_is_given_to_no_other_message_after_a_power_cut() {
    for _ in 0..rounds() {
        let disk = Disk::new();
        let Some((mut site, mut yoda)) = site_with_file(&disk, &[]) else { return };
        let unanswered = Request::SendMessage { user: "hans", text: "unanswered", key: None };
        kill_before_the_fsync(&mut site, &disk, &mut yoda, &unanswered);
        let both =
            [notice::late_message(1, "yoda", "unanswered"), notice::late_message(2, "yoda", "another")];
        assert_eq!(site.user("hans").notices_so_far(), both[..1], "the page cache had it");
        site.cut();
        site.user("yoda").tell("hans", "another");
        let mut heard = site.user("hans").notices_so_far();
        heard.retain(|notice| matches!(notice, OwnedNotice::Message { .. }));
        assert_eq!(heard, both);
        site.check();
    }
}

#[test]
fn a_removal_that_an_interval_had_not_made_durable_comes_back_with_its_files() {
    for _ in 0..rounds() {
        let disk = Disk::new();
        let Some((mut site, mut yoda)) = site_with_file(&disk, &INTERVAL) else { return };
        disk.hold(WAL);
        assert_eq!(yoda.done(&Request::RemoveThread { title: "t", key: None }), "Thread t removed");
        let before = disk.syncs(WAL).len();
        until("the fsync to begin", || {
            yoda.ping();
            (disk.syncs(WAL).len() > before).then_some(())
        });
        assert_eq!(site.stored_files(), 1, "the removal is not durable yet");
        site.volume.cut();
        disk.release();
        site.server.kill();
        site.volume.come_back();
        site.start_again();
        assert!(!is_removed(&site), "nothing had reached the disk");
        site.check();
    }
}

/// The harness can fail: without any fsync a power cut does take what was acknowledged.
#[test]
fn control_durability_none_does_lose() {
    const POSTS: usize = 50;
    let Some(mut site) = Site::new(&["--durability", "none"], |launch| launch) else { return };
    let mut yoda = site.user("yoda");
    yoda.done(&Request::CreateThread { title: "t", key: None });
    for number in 0..POSTS {
        yoda.done(&Request::Post { title: "t", text: &number.to_string(), key: None });
    }
    site.cut();
    let mut yoda = site.user("yoda");
    let kept = if yoda.titles().is_empty() { 0 } else { yoda.read_thread("t").len() };
    assert!(kept < POSTS, "nothing was lost of what was never fsynced");
    site.check();
}

/// And so is a failed write what it is said to be: read until the power is cut, and never fsynced again.
#[test]
fn control_what_an_fsync_did_not_reach_is_read_until_the_power_is_cut() {
    let Some(site) = Site::new(&[], |launch| launch) else { return };
    let path = site.launch().directory().join("file");
    let seen = site.volume.seen(&path);
    let old = vec![b'o'; 10_000];
    fs::write(&seen, &old).unwrap();
    fs::File::open(&seen).unwrap().sync_all().unwrap();
    let new = vec![b'n'; 20_000];
    fs::write(&seen, &new).unwrap();
    site.volume.forget_written(&path, &old);
    fs::File::open(&seen).unwrap().sync_all().unwrap();
    assert_eq!(fs::read(&seen).unwrap(), new);
    site.volume.cut();
    let Site { mut server, volume } = site;
    server.kill();
    volume.come_back();
    let kept = fs::read(&seen).unwrap();
    assert_eq!((&kept[..10_000], kept.contains(&b'n')), (&old[..], false));
}
