//! The removal of large threads: it holds nobody up, even while others read the thread or download from it.

use super::*;
use crate::core::disposal::SHARE_MEMBERS;
use crate::core::removal::BREAK_SHARE;
use crate::core::unlinking::UNLINKED_SHARE;
use crate::forum::{Change, Entry};
use crate::workers::files::FileId;
use forum_common::names::{FileName, Text, Title};

const POSTS: usize = 20_000;
const REMOVAL: Request<'_> = Request::RemoveThread { title: "t", key: None };

/// A stage on which `yoda` has created the thread `t` and written [`POSTS`] messages.
fn stage_with_large_thread() -> (Stage, Client) {
    let (mut stage, yoda) = stage_with_thread();
    let change = Change::Post { title: Title::parse("t").unwrap(), text: Text::parse("x").unwrap() };
    let entry = Entry { at_ms: 0, actor: Some(AccountId(0)), key: None, change };
    for _ in 0..POSTS {
        stage.server.core.forum.apply(&entry).unwrap();
    }
    (stage, yoda)
}

impl Stage {
    /// One turn, in which `other` is answered, as in any.
    fn turn_with_ping(&mut self, other: &mut Client) {
        other.send(9, &Request::Ping { payload: b"" });
        self.nudge(other);
        self.server.turn(true);
        assert_eq!(other.answers(), ["9 Pong { payload: [] }"]);
    }

    /// Turns until all posts of removed threads are freed, and checks that each frees no more than its share.
    fn expect_freed_in_shares(&mut self, other: &mut Client) {
        let mut left = self.server.core.removal.posts.members();
        assert!(left >= POSTS - SHARE_MEMBERS, "{left} are left after one turn");
        while left > 0 {
            assert_eq!(self.server.idle_for(), Some(Duration::ZERO), "there is something to do");
            self.turn_with_ping(other);
            let before = std::mem::replace(&mut left, self.server.core.removal.posts.members());
            assert!(left < before && before - left <= SHARE_MEMBERS, "{before} to {left}");
        }
        self.server.turn(true);
        assert!(!self.server.core.removal.is_under_way());
    }
}

#[test]
fn the_messages_of_a_removed_thread_are_freed_a_share_in_each_turn_and_others_are_answered() {
    let (mut stage, mut yoda) = stage_with_large_thread();
    let mut hans = stage.sign_up("hans");
    yoda.send(5, &REMOVAL);
    stage.nudge(&yoda);
    stage.server.turn(true);
    assert_eq!(yoda.answers(), [done(5, "Thread t removed")]);
    stage.expect_freed_in_shares(&mut hans);
}

#[test]
fn who_reads_a_removed_thread_reads_it_to_the_end_and_does_not_free_it_at_once() {
    for is_cut in [false, true] {
        let (mut stage, mut yoda) = stage_with_large_thread();
        let (mut reader, mut hans) = (stage.sign_up("reader"), stage.sign_up("hans"));
        reader.link.borrow_mut().room = 10_000;
        let read = Request::ReadThread {
            title: "t",
            range: None,
            after: None,
            at_most: None,
            last: None,
            unread: None,
        };
        let mut read = stage.ask(&mut reader, 4, &read);
        assert_eq!(stage.ask(&mut yoda, 5, &REMOVAL), [done(5, "Thread t removed")]);
        assert_eq!(stage.server.core.removal.posts.members(), 0, "nothing is left but the reader's");
        if is_cut {
            reader.link.borrow_mut().broken = true;
            stage.nudge(&reader);
            stage.server.turn(true);
        } else {
            reader.link.borrow_mut().room = 1 << 30;
            let read_on = |stage: &mut Stage| {
                stage.nudge(&reader);
                stage.server.turn(true);
                !stage.server.core.removal.posts.is_empty()
            };
            assert!((0..1_000).any(|_| read_on(&mut stage)), "the list ends, and hands its messages over");
            read.extend(reader.answers());
            assert_eq!(read.pop().as_deref(), Some("4 EndOfList"));
            assert_eq!(read.iter().filter(|answer| answer.contains("PostItem")).count(), POSTS);
        }
        stage.expect_freed_in_shares(&mut hans);
    }
}

#[test]
fn downloads_from_a_removed_thread_break_off_a_share_in_each_turn() {
    let option = ["--max-downloads", "1000"];
    let mut stage = stage(&option);
    let (mut yoda, mut hans) = (stage.sign_up("yoda"), stage.sign_up("hans"));
    for title in ["t", "u"] {
        stage.ask(&mut yoda, 4, &Request::CreateThread { title, key: None });
        stage.ask(&mut yoda, 5, &Request::Upload { title, file: "f", size: 1, key: None });
        yoda.send_transfer(5, &Transfer::Data { piece: b"x" });
        yoda.send_transfer(5, &Transfer::DataEnd { digest: None });
        stage.settle(&yoda);
    }
    let downloads = 2 * BREAK_SHARE + 1;
    let download = |title| Request::Download { title, file: "f", offset: None, digest: None };
    for tag in 0..downloads as Tag {
        hans.send(10 + tag, &download("t"));
    }
    hans.send(5, &download("u"));
    stage.settle(&hans);
    assert_eq!(hans.answers().len(), downloads + 1);
    yoda.send(6, &REMOVAL);
    stage.nudge(&yoda);
    let text = "Thread t was removed during the download";
    for expected in [BREAK_SHARE, BREAK_SHARE, 1, 0] {
        stage.server.turn(true);
        let answers = hans.answers();
        let broken = answers.iter().filter(|answer| answer.contains(text)).count();
        assert_eq!((broken, answers.len()), (expected, expected), "{answers:?}");
    }
    assert!(!stage.server.core.removal.is_under_way());
    hans.send_transfer(5, &Transfer::Credit { bytes: 10 });
    stage.settle(&hans);
    assert_eq!(hans.answers().len(), 2, "the other thread's goes on");
    assert!(stage.server.core.transfers.no_downloads());
}

#[test]
fn files_that_are_gone_are_struck_from_the_list_a_share_with_each_change() {
    let (mut stage, mut yoda) = stage_with_thread();
    let (thread, title) = (crate::forum::ThreadId(1), Title::parse("t").unwrap());
    for n in 0..2 * UNLINKED_SHARE + 1 {
        let (file, id) =
            (FileName::parse(&format!("f{n}")).unwrap(), FileId::random(&crate::random::Random::system()));
        let change = Change::AddFile { thread, title: title.clone(), file, id, size: 1, digest: [0; 32] };
        let entry = Entry { at_ms: 0, actor: Some(AccountId(0)), key: None, change };
        stage.server.core.forum.apply(&entry).unwrap();
    }
    stage.ask(&mut yoda, 5, &REMOVAL);
    for left in [UNLINKED_SHARE + 1, 1, 0, 0] {
        stage.ask(&mut yoda, 6, &Request::PostToBoard { text: "x", key: None });
        assert_eq!(stage.server.core.forum.removed_files().count(), left);
    }
}
