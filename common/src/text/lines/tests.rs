//! The exact lines of the contract.

use super::*;
use crate::wire::Closing;

/// Milliseconds of this moment in UTC: 1 Jun 2022 16:05:00.
const AT_MS: u64 = 1_654_099_500_000;

/// Every line of the answer that these items make.
fn lines(request: &Request<'_>, items: &[Reply<'_>]) -> Vec<String> {
    let mut listing = Listing::answering(request).expect("a request with a long answer");
    let mut lines = Vec::new();
    for reply in items.iter().chain([&Reply::EndOfList { next: None }]) {
        match listing.take(reply, &Zone::utc()) {
            Shown::Item { heading, line } => lines.extend(heading.into_iter().chain([line])),
            Shown::End { instead } => lines.extend(instead),
            Shown::Foreign => panic!("{reply:?} in a {listing:?}"),
        }
    }
    lines
}

const THREADS: Request<'_> = Request::ListThreads { after: None, at_most: None, unread: None };
const WHO_ELSE: Request<'_> = Request::WhoElse { after: None, at_most: None };
const WHO_ELSE_SINCE: Request<'_> = Request::WhoElseSince { seconds: 5, after: None, at_most: None };
const ACTIVE: Request<'_> = Request::ListActive { after: None, at_most: None };
const BOARD: Request<'_> = Request::ReadBoard { later_than_ms: None, after: None, at_most: None, from: None };
const ROOMS: Request<'_> =
    Request::ReadRooms { later_than_ms: None, after: None, at_most: None, room: None, from: None };
const READ: Request<'_> =
    Request::ReadThread { title: "a", range: None, after: None, at_most: None, last: None, unread: None };

fn thread(title: &str) -> Reply<'_> {
    Reply::ThreadItem {
        thread: 1,
        title,
        creator: "yoda",
        posts: 0,
        uploads: 0,
        last_author: None,
        last_at_ms: None,
        unread: None,
    }
}

#[test]
fn threads_stand_below_a_heading() {
    let items = [thread("3331"), thread("9331")];
    assert_eq!(lines(&THREADS, &items), ["The list of active threads:", "3331", "9331"]);
}

#[test]
fn posts_read_like_the_forum() {
    let items = [
        Reply::PostItem { number: 1, id: 9, at_ms: AT_MS, author: "yoda", text: "do or do not" },
        Reply::UploadItem { id: 10, at_ms: AT_MS, author: "yoda", file: "test.exe", size: 3 },
    ];
    assert_eq!(lines(&READ, &items), ["1 yoda: do or do not", "yoda uploaded test.exe"]);
}

#[test]
fn users_are_a_name_a_line() {
    let user = |name, left_ms| Reply::UserItem { name, left_ms };
    for request in [WHO_ELSE, WHO_ELSE_SINCE] {
        assert_eq!(lines(&request, &[user("hans", None), user("luke", Some(AT_MS))]), ["hans", "luke"]);
    }
}

#[test]
fn active_users_come_with_address_and_time() {
    let user =
        Reply::ActiveUserItem { name: "Obi-wan", address: "129.129.2.1", udp_port: 8_001, since_ms: AT_MS };
    let line = "Obi-wan, 129.129.2.1, 8001, active since 1 Jun 2022 16:05:00.";
    assert_eq!(lines(&ACTIVE, &[user]), [line]);
}

#[test]
fn the_board_has_numbers_and_times() {
    let post = Reply::BoardItem { number: 1, at_ms: AT_MS, author: "Yoda", text: "hello" };
    assert_eq!(lines(&BOARD, &[post]), ["#1; Yoda: hello at 1 Jun 2022 16:05:00."]);
}

#[test]
fn messages_of_rooms_stand_below_their_room() {
    let post = |room, number| Reply::RoomItem { room, number, at_ms: AT_MS, author: "Yoda", text: "hello" };
    let line = |number| format!("#{number}; Yoda: hello at 1 Jun 2022 16:05:00.");
    assert_eq!(
        lines(&ROOMS, &[post(1, 3), post(1, 4), post(7, 1)]),
        ["room-1:".to_owned(), line(3), line(4), "room-7:".to_owned(), line(1)]
    );
}

#[test]
fn every_empty_list_says_so() {
    for (request, instead) in [
        (THREADS, "No threads to list"),
        (READ, "Thread a is empty"),
        (WHO_ELSE, "No one else is online"),
        (WHO_ELSE_SINCE, "No one else is online"),
        (ACTIVE, "no other active user"),
        (BOARD, "no new message"),
        (ROOMS, "no new message"),
    ] {
        assert_eq!(lines(&request, &[]), [instead], "{request:?}");
    }
    assert!(Listing::answering(&Request::LogOut).is_none());
}

#[test]
fn an_item_of_another_list_is_foreign() {
    let mut board = Listing::answering(&BOARD).unwrap();
    for reply in [thread("a"), Reply::Done { at_ms: 1, text: "a" }] {
        assert_eq!(board.take(&reply, &Zone::utc()), Shown::Foreign);
    }
}

#[test]
fn notices_read_as_the_contract_words_them() {
    let at_ms = AT_MS;
    for (said, line) in [
        (Notice::LoggedIn { name: "yoda" }, "yoda logged in"),
        (Notice::LoggedOut { name: "yoda" }, "yoda logged out"),
        (Notice::Message { number: 1, late: true, at_ms, from: "hans", text: " hi" }, "hans:  hi"),
        (Notice::BoardPost { number: 1, at_ms, author: "yoda", text: "hi" }, "yoda (BCM #1): hi"),
        (Notice::RoomPost { room: 1, number: 2, at_ms, author: "yoda", text: "hi" }, "yoda (room-1 #2): hi"),
        (
            Notice::PutInRoom { room: 1, by: "Yoda", users: "Yoda Obi-wan" },
            "Yoda put you in separate room 1: Yoda, Obi-wan",
        ),
        (Notice::Closing { code: Closing::LoginTimedOut, text: "Login timed out" }, "Login timed out"),
    ] {
        for reader in [Reader::Person, Reader::Program] {
            assert_eq!(notice(&said, reader).as_deref(), Some(line));
        }
    }
    assert_eq!(notice(&Notice::Probe, Reader::Person), None);
    assert_eq!(private("hans", " hi"), "hans(private):  hi");
}

#[test]
fn people_are_told_that_a_message_went_to_everybody() {
    let broadcast = Notice::Broadcast { at_ms: AT_MS, from: "hans", text: "hi" };
    assert_eq!(notice(&broadcast, Reader::Person).unwrap(), "hans (broadcast): hi");
    assert_eq!(notice(&broadcast, Reader::Program).unwrap(), "hans: hi");
}
