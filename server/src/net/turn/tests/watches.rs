//! Threads that are watched: who is told of what is posted there, and in how many turns.

use super::*;

/// A thread `t` of yoda's, and so many who watch it.
fn watched_by(count: usize) -> (Stage, Client, Vec<Client>) {
    let mut stage = stage(&[]);
    let mut yoda = stage.sign_up("yoda");
    stage.ask(&mut yoda, 4, &Request::CreateThread { title: "t", key: None });
    let mut watchers: Vec<_> = (0..count).map(|n| stage.sign_up(&format!("u{n}"))).collect();
    for watcher in &mut watchers {
        let watching = stage.ask(watcher, 4, &Request::Watch { title: "t", key: None });
        assert_eq!(watching.last(), Some(&done(4, "Watching t")));
    }
    stage.settle(&yoda);
    yoda.heard();
    watchers.iter_mut().for_each(|watcher| drop(watcher.heard()));
    (stage.server.core.thread_news.share, stage.server.core.thread_news.waiting_max) = (2, 3);
    (stage, yoda, watchers)
}

fn told(client: &mut Client) -> Vec<String> {
    client.answers().into_iter().filter(|line| line.starts_with("ThreadPost")).collect()
}

fn notice(number: u64, text: &str) -> String {
    format!(
        "ThreadPost {{ title: \"t\", number: {number}, id: {number}, author: \"yoda\", text: \"{text}\" }}"
    )
}

#[test]
fn a_turn_tells_its_share_of_those_who_watch_and_all_hear_everything_in_order() {
    let (mut stage, mut yoda, mut watchers) = watched_by(5);
    for (tag, text) in [(5, "a"), (6, "b")] {
        yoda.send(tag, &Request::Post { title: "t", text, key: None });
    }
    stage.settle(&yoda);
    assert!(stage.server.core.thread_news.is_empty());
    for watcher in &mut watchers {
        assert_eq!(told(watcher), [notice(1, "a"), notice(2, "b")]);
    }
}

#[test]
fn who_posts_fast_does_not_make_more_wait_than_there_may() {
    let (mut stage, mut yoda, mut watchers) = watched_by(5);
    let posts = 20;
    for number in 1..=posts {
        yoda.send(number as u32 + 5, &Request::Post { title: "t", text: "x", key: None });
    }
    stage.settle(&yoda);
    let wanted: Vec<_> = (1..=posts).map(|number| notice(number, "x")).collect();
    for watcher in &mut watchers {
        assert_eq!(told(watcher), wanted);
    }
}

#[test]
fn what_is_posted_to_a_thread_that_nobody_watches_leaves_nothing_to_do() {
    let (mut stage, mut yoda, _) = watched_by(1);
    stage.ask(&mut yoda, 5, &Request::CreateThread { title: "u", key: None });
    stage.ask(&mut yoda, 6, &Request::Post { title: "u", text: "a", key: None });
    assert!(stage.server.core.thread_news.is_empty());
}
