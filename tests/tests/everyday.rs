//! What people who live in a terminal would miss beside the assignments' commands.
#![forbid(unsafe_code)]

use forum_common::wire::{OwnedReply, Request};
use forum_tests::{PASSWORD, Server, notice, now_seconds, shown_since};

#[test]
fn rooms_lists_ones_own_rooms_with_their_members_and_messages() {
    let server = Server::start(&[]);
    let mut yoda = server.sign_up("yoda");
    yoda.does("rooms", "You are in no room");
    let mut leia = server.sign_up("leia");
    let _hans = server.sign_up("hans");
    yoda.hears_all(&["leia logged in", "hans logged in"]);
    yoda.does(
        "SRB leia hans",
        "Separate chat room has been created, room ID: 1, users in this room: yoda, leia, hans",
    );
    yoda.does("SRB leia", "Separate chat room has been created, room ID: 2, users in this room: yoda, leia");
    leia.hears_all(&[
        "hans logged in",
        "yoda put you in separate room 1: yoda, leia, hans",
        "yoda put you in separate room 2: yoda, leia",
    ]);
    for number in 1..=3 {
        yoda.says(&format!("SRM 1 m{number}"));
        leia.hears(&format!("yoda (room-1 #{number}): m{number}"));
    }
    yoda.says("SRM 2 alone");
    leia.hears("yoda (room-2 #1): alone");
    leia.does("rooms", "1: yoda, leia, hans (3 messages)");
    leia.hears("2: yoda, leia (1 message)");
}

#[test]
fn rdm_reads_from_a_number_on_whatever_the_clock_says() {
    let server = Server::start(&[]);
    let (mut yoda, mut leia) = (server.user("yoda"), server.user("leia"));
    for text in ["a", "b", "c"] {
        yoda.done(&Request::PostToBoard { text, key: None });
    }
    yoda.done(&Request::CreateRoom { users: "leia", key: None });
    for text in ["d", "e"] {
        yoda.done(&Request::PostToRoom { room: 1, text, key: None });
    }
    leia.expect_notices(&[
        notice::board_post(1, "yoda", "a"),
        notice::board_post(2, "yoda", "b"),
        notice::board_post(3, "yoda", "c"),
        notice::put_in_room(1, "yoda", "yoda leia"),
        notice::room_post(1, 1, "yoda", "d"),
        notice::room_post(1, 2, "yoda", "e"),
    ]);
    let mut luke = server.sign_up("luke");
    luke.says("RDM b #2");
    for start in ["#2; yoda: b at ", "#3; yoda: c at "] {
        let line = luke.line();
        assert!(line.starts_with(start), "{line}");
    }
    luke.does("RDM b #4", "no new message");
    luke.fails("RDM s 1 #1", "You are not in this separate room chat");
    luke.fails("RDM s 2 #1", "The separate room does not exist");
    luke.fails("RDM s x #1", "The separate room does not exist");
    luke.fails("RDM s #1", "Invalid timestamp");
    leia.log_out();
    let mut leia = server.log_in("leia");
    leia.does("RDM s 1 #2", "room-1:");
    let line = leia.line();
    assert!(line.starts_with("#2; yoda: e at "), "{line}");
}

#[test]
fn presence_is_told_from_on_until_off() {
    let server = Server::start(&[]);
    let mut yoda = server.sign_up("yoda");
    yoda.does("presence off", "Presence off");
    server.user("hans").log_out();
    yoda.does("presence on", "Presence on");
    server.user("luke").log_out();
    yoda.hears_all(&["luke logged in", "luke logged out"]);
    yoda.does("presence on", "Presence on");
    yoda.does("presence off", "Presence off");
    let _leia = server.user("leia");
    yoda.does("whoelse", "leia");
}

#[test]
fn whoami_names_the_user_the_server_and_the_time() {
    let server = Server::start(&[]);
    let before = now_seconds();
    let mut yoda = server.sign_up("yoda");
    yoda.says("whoami");
    let line = yoda.line();
    let moments = shown_since(before, "UTC");
    let lines = moments.iter().map(|at| format!("yoda at {}, logged in since {at}", server.address()));
    assert!(lines.into_iter().any(|wanted| line == wanted), "{line}");
}

#[test]
fn the_last_messages_of_a_thread_are_read_with_the_files_among_and_after_them() {
    let server = Server::start(&[]);
    let mut yoda = server.sign_up("yoda");
    yoda.does("CRT t", "Thread t created");
    yoda.does("RDT t -20", "Thread t is empty");
    yoda.put_file("f", b"x");
    for text in ["a", "b", "c"] {
        yoda.does(&format!("MSG t {text}"), "Message posted to t thread");
    }
    yoda.does("UPD t f", "f uploaded to t thread");
    yoda.does("RDT t -2", "2 yoda: b");
    yoda.hears_all(&["3 yoda: c", "yoda uploaded f"]);
    yoda.does("RDT t -9", "1 yoda: a");
    yoda.hears_all(&["2 yoda: b", "3 yoda: c", "yoda uploaded f"]);
    yoda.fails("RDT t -0", "Invalid message number");
    yoda.fails("RDT u -1", "Thread u does not exist");
}

#[test]
fn search_finds_all_words_in_any_case_and_order_the_newest_first() {
    let server = Server::start(&[]);
    let mut yoda = server.sign_up("yoda");
    yoda.does("search force", "Nothing found");
    for title in ["t", "u"] {
        yoda.does(&format!("CRT {title}"), &format!("Thread {title} created"));
    }
    for (title, text) in [
        ("t", "Use the Force, Luke"),
        ("u", "LUKE, feel the force"),
        ("t", "I am your father"),
        ("u", "Größe ist nicht alles"),
    ] {
        yoda.does(&format!("MSG {title} {text}"), &format!("Message posted to {title} thread"));
    }
    yoda.does("search force luke", "u 1 yoda: LUKE, feel the force");
    yoda.hears("t 1 yoda: Use the Force, Luke");
    yoda.does("search luke force in t", "t 1 yoda: Use the Force, Luke");
    yoda.does("search GRÖSSE", "Nothing found");
    yoda.does("search GRÖßE", "u 2 yoda: Größe ist nicht alles");
    yoda.fails("search force in nowhere", "Thread nowhere does not exist");
    yoda.fails("search in nowhere", "Thread nowhere does not exist");
    yoda.fails("search in t", "Invalid text");
    yoda.fails_with_usage("search");
    yoda.does("DLT u 1", "The message has been deleted");
    yoda.does("search force", "t 1 yoda: Use the Force, Luke");
}

#[test]
fn search_shows_the_newest_hundred_and_goes_on_page_by_page() {
    let server = Server::start(&["--durability", "none"]);
    let mut yoda = server.user("yoda");
    for title in ["t", "u"] {
        yoda.done(&Request::CreateThread { title, key: None });
    }
    for number in 0..150 {
        let title = if number % 3 == 0 { "t" } else { "u" };
        let text = format!("number {number}");
        yoda.done(&Request::Post { title, text: &text, key: None });
    }
    let search = |after, at_most| Request::Search { words: "number", title: None, after, at_most };
    let numbers = |items: &[OwnedReply]| -> Vec<(u64, String)> {
        let item = |item: &OwnedReply| match item {
            OwnedReply::SearchItem { id, text, .. } => (*id, text.clone()),
            other => panic!("{other:?}"),
        };
        items.iter().map(item).collect()
    };
    let newest = numbers(&yoda.list(&search(None, None)));
    let texts: Vec<&str> = newest.iter().map(|(_, text)| text.as_str()).collect();
    let wanted: Vec<String> = (50..150).rev().map(|number| format!("number {number}")).collect();
    assert_eq!(texts, wanted);
    let page = numbers(&yoda.list(&search(Some(newest[99].0), None)));
    assert_eq!((page.len(), page[0].1.as_str()), (50, "number 49"));
}

#[test]
fn who_watches_a_thread_is_told_of_new_messages_after_a_restart_too() {
    let mut server = Server::start(&[]);
    let mut yoda = server.sign_up("yoda");
    yoda.fails("watch t", "Thread t does not exist");
    yoda.fails("unwatch t", "Thread t does not exist");
    yoda.does("CRT t", "Thread t created");
    let mut leia = server.sign_up("leia");
    yoda.hears("leia logged in");
    leia.fails("unwatch t", "Not watching t");
    leia.does("watch t", "Watching t");
    leia.fails("watch t", "Already watching t");
    leia.fails_with_usage("watch");
    yoda.does("MSG t a", "Message posted to t thread");
    leia.hears("yoda posted to t: #1 a");
    leia.does("MSG t my own", "Message posted to t thread");
    yoda.does("MSG t  b c", "Message posted to t thread");
    leia.hears("yoda posted to t: #3  b c");
    server.kill();
    server.start_again();
    let mut yoda = server.log_in("yoda");
    yoda.does("MSG t to nobody", "Message posted to t thread");
    let mut leia = server.log_in("leia");
    yoda.hears("leia logged in");
    yoda.does("MSG t again", "Message posted to t thread");
    leia.hears("yoda posted to t: #5 again");
    leia.does("unwatch t", "No longer watching t");
    yoda.does("MSG t unheard", "Message posted to t thread");
    leia.does("whoelse", "yoda");
}

#[test]
fn a_title_that_was_removed_and_is_back_is_another_thread_that_nobody_watches() {
    let server = Server::start(&[]);
    let (mut yoda, mut leia) = (server.user("yoda"), server.user("leia"));
    let watch = Request::Watch { title: "t", key: None };
    yoda.done(&Request::CreateThread { title: "t", key: None });
    leia.done(&watch);
    yoda.done(&Request::RemoveThread { title: "t", key: None });
    yoda.done(&Request::CreateThread { title: "t", key: None });
    yoda.done(&Request::Post { title: "t", text: "a", key: None });
    leia.done(&watch);
    yoda.done(&Request::Post { title: "t", text: "b", key: None });
    leia.expect_notices(&[notice::thread_post("t", 2, 2, "yoda", "b")]);
}

#[test]
fn the_hundred_and_first_watched_thread_is_refused() {
    let server = Server::start(&["--durability", "none"]);
    let mut yoda = server.user("yoda");
    for number in 0..=100 {
        yoda.done(&Request::CreateThread { title: &format!("t{number}"), key: None });
    }
    for number in 0..100 {
        yoda.done(&Request::Watch { title: &format!("t{number}"), key: None });
    }
    yoda.log_out();
    let mut yoda = server.log_in("yoda");
    yoda.fails("watch t100", "Limit reached: at most 100 watched threads");
    yoda.fails("watch t99", "Already watching t99");
    yoda.does("unwatch t0", "No longer watching t0");
    yoda.does("watch t100", "Watching t100");
}

#[test]
fn unread_lists_what_others_wrote_and_a_program_never_marks_it() {
    let server = Server::start(&[]);
    let mut yoda = server.sign_up("yoda");
    yoda.does("unread", "No unread messages");
    for title in ["t", "u", "empty"] {
        yoda.does(&format!("CRT {title}"), &format!("Thread {title} created"));
    }
    for title in ["t", "t", "t", "u"] {
        yoda.does(&format!("MSG {title} a"), &format!("Message posted to {title} thread"));
    }
    yoda.does("unread", "No unread messages");
    let mut hans = server.sign_up("hans");
    for _ in 0..2 {
        hans.does("unread", "t: 3 new, last by yoda");
        hans.hears("u: 1 new, last by yoda");
        hans.does("RDT u new", "1 yoda: a");
        hans.does("RDT empty new", "No new messages in empty");
    }
    hans.does("MSG u b", "Message posted to u thread");
    hans.does("LST", "The list of active threads:");
    hans.hears_all(&["t", "u", "empty"]);
    hans.fails("RDT nowhere new", "Thread nowhere does not exist");
    hans.fails_with_usage("unread t");
    yoda.hears("hans logged in");
    yoda.does("unread", "u: 1 new, last by hans");
}

#[test]
fn what_was_read_stays_read_over_restarts_and_log_outs_whatever_is_deleted() {
    let mut server = Server::start(&[]);
    let (mut yoda, mut hans) = (server.user("yoda"), server.user("hans"));
    yoda.done(&Request::CreateThread { title: "t", key: None });
    for text in ["a", "b", "c"] {
        yoda.done(&Request::Post { title: "t", text, key: None });
    }
    let unread = Request::ListUnread { after: None, at_most: None };
    let new = Request::ReadThread {
        title: "t",
        range: None,
        after: None,
        at_most: None,
        last: None,
        unread: Some(true),
    };
    hans.send(&Request::MarkRead { title: "t", up_to: 2, from: None });
    assert_eq!(hans.lines(&unread), ["t: 1 new, last by yoda"]);
    assert_eq!(hans.lines(&new), ["3 yoda: c"]);
    server.kill();
    server.start_again();
    let (mut yoda, mut hans) = (server.user("yoda"), server.user("hans"));
    yoda.done(&Request::DeletePost { title: "t", number: 1, id: None, key: None });
    assert_eq!(hans.lines(&new), ["2 yoda: c"]);
    hans.send(&Request::MarkRead { title: "t", up_to: 3, from: None });
    assert_eq!(hans.lines(&unread), [""; 0]);
    let listed = Request::ListThreads { after: None, at_most: None, unread: Some(true) };
    yoda.done(&Request::Post { title: "t", text: "d", key: None });
    let lines = hans.lines(&listed);
    assert!(lines[0].starts_with("t (3 messages, 1 new, last by yoda at "), "{lines:?}");
}

#[test]
fn a_terminal_marks_what_it_has_shown_without_a_gap_and_lists_how_much_is_new() {
    let server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    yoda.done(&Request::CreateThread { title: "t", key: None });
    for text in ["a", "b"] {
        yoda.done(&Request::Post { title: "t", text, key: None });
    }
    server.user("hans").log_out();
    let mut hans = server.forum().start_on_terminal();
    for (prompt, answer) in [("Enter username: ", "hans"), ("Enter password: ", PASSWORD)] {
        hans.shows(prompt);
        hans.says(answer);
    }
    hans.shows("Welcome to the forum");
    hans.does("LST", "t (2 messages, 2 new, last by yoda at ");
    hans.does("RDT t 2", "2 yoda: b");
    hans.does("unread", "t: 2 new, last by yoda");
    hans.does("RDT t 1", "1 yoda: a");
    hans.does("unread", "t: 1 new, last by yoda");
    hans.does("RDT t", "2 yoda: b");
    hans.does("unread", "No unread messages");
    hans.does("RDT t new", "No new messages in t");
    yoda.done(&Request::Post { title: "t", text: "c", key: None });
    hans.does("RDT t new", "3 yoda: c");
    hans.does("unread", "No unread messages");
    for text in ["d", "e", "f"] {
        yoda.done(&Request::Post { title: "t", text, key: None });
    }
    hans.does("RDT t -1", "6 yoda: f");
    hans.does("unread", "t: 3 new, last by yoda");
    hans.does("RDT t -4", "6 yoda: f");
    hans.does("unread", "No unread messages");
}
