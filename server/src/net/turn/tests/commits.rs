//! What is written to the log before it is answered, in which order, and what a failure leaves behind.

use forum_common::names::{Text, Title};

use super::*;
use crate::forum::{Change, Entry};

#[test]
fn nothing_is_answered_before_it_is_durable() {
    let mut stage = stage(&[]);
    let mut yoda = stage.sign_up("yoda");
    stage.server.core.pipeline.journal_mut().hold();
    assert_eq!(stage.ask(&mut yoda, 4, &Request::CreateThread { title: "t", key: None }), [""; 0]);
    assert_eq!(stage.server.core.forum.threads.len(), 0, "memory is never ahead of the disk");
    stage.release();
    assert_eq!(yoda.answers(), [done(4, "Thread t created")]);
}

#[test]
fn answers_keep_the_order_of_requests_and_everybody_reads_their_own_writes() {
    let mut stage = stage(&[]);
    let mut yoda = stage.sign_up("yoda");
    stage.server.core.pipeline.journal_mut().hold();
    yoda.send(10, &Request::CreateThread { title: "t", key: None });
    yoda.send(11, &Request::Post { title: "t", text: "one", key: None });
    yoda.send(12, &Request::Post { title: "nope", text: "x", key: None });
    yoda.send(13, &Request::CreateThread { title: "bad name", key: None });
    yoda.send(
        14,
        &Request::ReadThread {
            title: "t",
            range: None,
            after: None,
            at_most: None,
            last: None,
            unread: None,
        },
    );
    yoda.send(15, &Request::Ping { payload: b"p" });
    stage.settle(&yoda);
    assert_eq!(yoda.answers(), [""; 0]);
    stage.release();
    assert_eq!(
        yoda.answers(),
        [
            done(10, "Thread t created"),
            done(11, "Message posted to t thread"),
            refused(12, Refusal::NoSuchThread, "Thread nope does not exist"),
            refused(13, Refusal::InvalidName, "Invalid name"),
            "14 PostItem { number: 1, id: 1, author: \"yoda\", text: \"one\" }".into(),
            "14 EndOfList".into(),
            "15 Pong { payload: [112] }".into(),
        ]
    );
}

#[test]
fn a_read_never_waits_for_somebody_elses_write() {
    let mut stage = stage(&[]);
    let (mut yoda, mut hans) = (stage.sign_up("yoda"), stage.sign_up("hans"));
    stage.server.core.pipeline.journal_mut().hold();
    stage.ask(&mut yoda, 4, &Request::CreateThread { title: "t", key: None });
    assert_eq!(
        stage.ask(&mut hans, 4, &Request::ListThreads { after: None, at_most: None, unread: None }),
        ["4 EndOfList"]
    );
}

#[test]
fn many_commands_share_one_commit() {
    let mut stage = stage(&[]);
    let mut clients: Vec<_> = (0..20).map(|n| stage.sign_up(&format!("u{n}"))).collect();
    stage.ask(&mut clients[0], 4, &Request::CreateThread { title: "t", key: None });
    let before = stage.server.core.pipeline.journal_mut().commits();
    for client in &mut clients {
        for tag in 10..30 {
            client.send(tag, &Request::Post { title: "t", text: "x", key: None });
        }
    }
    stage.settle_all(&clients);
    assert!(clients.iter_mut().all(|client| client.answers().len() == 20));
    assert!(
        stage.server.core.pipeline.journal_mut().commits() - before <= 2,
        "{} commits",
        stage.server.core.pipeline.journal_mut().commits() - before
    );
}

#[test]
fn a_full_disk_refuses_and_changes_nothing() {
    let (mut stage, mut yoda) = stage_with_thread();
    let before = stage.server.core.forum.state_hash();
    stage.server.core.pipeline.journal_mut().no_space(1);
    let full = "No space left on the server. Nothing was changed";
    assert_eq!(
        stage.ask(&mut yoda, 5, &Request::Post { title: "t", text: "x", key: None }),
        [refused(5, Refusal::NoSpace, full)]
    );
    assert_eq!(stage.server.core.forum.state_hash(), before);
    assert_eq!(
        stage.ask(&mut yoda, 6, &Request::Post { title: "t", text: "x", key: None }),
        [done(6, "Message posted to t thread")]
    );
}

#[test]
fn limits_count_what_is_in_flight() {
    let mut stage = stage(&["--max-threads", "2", "--max-posts", "1"]);
    let mut yoda = stage.sign_up("yoda");
    stage.server.core.pipeline.journal_mut().hold();
    for (tag, title) in [(4, "a"), (5, "b"), (6, "c")] {
        yoda.send(tag, &Request::CreateThread { title, key: None });
    }
    yoda.send(7, &Request::Post { title: "a", text: "x", key: None });
    yoda.send(8, &Request::Post { title: "a", text: "y", key: None });
    stage.settle(&yoda);
    stage.release();
    let answers = yoda.answers();
    assert_eq!(answers[2], refused(6, Refusal::LimitReached, "Limit reached: at most 2 threads"));
    assert_eq!(
        answers[4],
        refused(8, Refusal::LimitReached, "Limit reached: at most 1 messages in a thread")
    );
}

#[test]
fn a_restart_from_the_log_gives_the_same_forum() {
    let mut stage = stage(&[]);
    let mut yoda = stage.sign_up("yoda");
    for n in 0..50 {
        stage.ask(&mut yoda, 10 + n, &Request::CreateThread { title: &format!("t{}", n % 7), key: None });
        stage.ask(&mut yoda, 100 + n, &Request::Post { title: &format!("t{}", n % 5), text: "x", key: None });
        stage.ask(
            &mut yoda,
            200 + n,
            &Request::DeletePost { title: "t1", number: n % 3, id: None, key: None },
        );
    }
    let mut replayed = Forum::default();
    for bytes in stage.server.core.pipeline.journal_mut().committed() {
        let _ = replayed.apply(&Entry::decode(bytes).unwrap());
    }
    assert_eq!(replayed.state_hash(), stage.server.core.forum.state_hash());
}

#[test]
fn time_in_the_log_never_goes_back() {
    let mut stage = stage(&[]);
    let mut yoda = stage.sign_up("yoda");
    stage.ask(&mut yoda, 4, &Request::CreateThread { title: "a", key: None });
    stage.clock.set_wall_ms(5);
    stage.ask(&mut yoda, 5, &Request::CreateThread { title: "b", key: None });
    let times: Vec<_> = stage
        .server
        .core
        .pipeline
        .journal_mut()
        .committed()
        .iter()
        .map(|bytes| Entry::decode(bytes).unwrap().at_ms)
        .collect();
    assert!(times.is_sorted() && times[0] == 1_000_000, "{times:?}");
}

/// An entry that somebody has made on another node.
fn foreign(actor: AccountId, change: Change) -> Vec<u8> {
    let mut bytes = Vec::new();
    Entry { at_ms: 2_000_000, actor: Some(actor), key: None, change }.encode(&mut bytes);
    bytes
}

#[test]
fn an_entry_of_another_node_is_applied_and_told_but_answered_to_nobody() {
    let (mut stage, mut yoda) = stage_with_thread();
    stage.sign_up("hans");
    yoda.answers();
    let hans = stage.server.core.forum.accounts.find("hans").unwrap();
    stage.server.core.pipeline.journal_mut().hold();
    assert_eq!(stage.ask(&mut yoda, 5, &Request::Post { title: "t", text: "own", key: None }), [""; 0]);
    let text = |text| Text::parse(text).unwrap();
    let post = Change::Post { title: Title::parse("t").unwrap(), text: text("foreign") };
    stage.server.core.pipeline.journal_mut().append_foreign(&foreign(hans, post));
    stage
        .server
        .core
        .pipeline
        .journal_mut()
        .append_foreign(&foreign(hans, Change::PostToBoard { text: text("hello") }));
    stage.run();
    let notice = "BoardPost { number: 1, author: \"hans\", text: \"hello\" }";
    assert_eq!(yoda.answers(), [notice], "told, while one's own waits for its turn");
    stage.release();
    assert_eq!(yoda.answers(), [done(5, "Message posted to t thread")]);
    let range =
        Request::ReadThread { title: "t", range: None, after: None, at_most: None, last: None, unread: None };
    let post = |number, author, text| {
        format!("6 PostItem {{ number: {number}, id: {number}, author: \"{author}\", text: \"{text}\" }}")
    };
    let both = [post(1, "hans", "foreign"), post(2, "yoda", "own"), "6 EndOfList".into()];
    assert_eq!(stage.ask(&mut yoda, 6, &range), both);
    assert!(stage.server.core.pipeline.is_empty() && stage.server.core.pipeline.in_flight().is_empty());
    assert_eq!(stage.server.core.pipeline.applied(), stage.server.core.pipeline.durable());
}

#[test]
fn an_entry_of_another_node_that_this_version_cannot_read_ends_the_server() {
    let mut stage = stage(&[]);
    stage.server.core.pipeline.journal_mut().append_foreign(&[255, 1, 2]);
    stage.run();
    assert!(stage.server.has_ended());
    let reason = stage.server.into_journal().err().unwrap();
    assert_eq!(reason, "entry 1: an entry of format version 255; this forumd knows up to 2");
}
