//! The board and the separate rooms: numbers, members, who is shown what at once, and the histories.
#![forbid(unsafe_code)]

use std::path::Path;

use forum_common::wire::{OwnedReply, Refusal, Request};
use forum_tests::outcome::Outcome;
use forum_tests::{
    Forumd, Server, Wire, files_below, notice, now_seconds, outcome, seconds_of, shown_since, until,
};

/// Later than this is everything.
const ALWAYS: u64 = 0;

/// The time at the end of `text`, which must be `start`, the time and a full stop.
fn time_in<'a>(text: &'a str, start: &str) -> &'a str {
    let time = text.strip_prefix(start).and_then(|rest| rest.strip_suffix('.'));
    time.unwrap_or_else(|| panic!("{text:?} does not begin with {start:?}"))
}

/// Posts to the board; when that was.
fn post(wire: &mut Wire, number: u32, text: &str) -> String {
    let answer = wire.done(&Request::PostToBoard { text, key: None });
    time_in(&answer, &format!("Broadcast message, #{number} broadcast at ")).to_owned()
}

/// Posts to a room; when that was.
fn post_to(wire: &mut Wire, room: u32, number: u32, text: &str) -> String {
    let answer = wire.done(&Request::PostToRoom { room, text, key: None });
    time_in(&answer, &format!("Message #{number} sent to separate room {room} at ")).to_owned()
}

/// Why a room that is `id` already is not made.
fn exists(id: u32) -> (Refusal, String) {
    (Refusal::RoomExists, format!("a separate room (ID: {id}) already created for these users"))
}

/// Creates room `id`, which `users` are in then.
fn create(wire: &mut Wire, others: &str, id: u32, users: &str) {
    let wanted = format!("Separate chat room has been created, room ID: {id}, users in this room: {users}");
    assert_eq!(wire.done(&Request::CreateRoom { users: others, key: None }), wanted);
}

fn board(wire: &mut Wire, after_seconds: u64) -> Vec<String> {
    wire.lines(&Request::ReadBoard {
        later_than_ms: Some(after_seconds * 1_000),
        after: None,
        at_most: None,
        from: None,
    })
}

fn read_rooms(after_seconds: u64) -> Request<'static> {
    let later_than_ms = Some(after_seconds * 1_000);
    Request::ReadRooms { later_than_ms, after: None, at_most: None, room: None, from: None }
}

/// What RDM s lists: room, number, author, text.
fn rooms(wire: &mut Wire, after_seconds: u64) -> Vec<(u32, u32, String, String)> {
    let items = wire.list(&read_rooms(after_seconds));
    let post = |item| match item {
        OwnedReply::RoomItem { room, number, author, text, .. } => (room, number, author, text),
        other => panic!("{other:?} is no message of a room"),
    };
    items.into_iter().map(post).collect()
}

fn room_post(room: u32, number: u32, author: &str, text: &str) -> (u32, u32, String, String) {
    (room, number, author.into(), text.into())
}

#[test]
fn a_post_to_the_board_is_numbered_stored_and_shown_at_once() {
    let mut server = Server::start(&[]);
    let [mut yoda, mut hans, luke] = server.online(["yoda", "hans", "luke"]);
    luke.log_out();
    for wire in [&mut yoda, &mut hans] {
        wire.expect_notices(&[notice::logged_out("luke")]);
    }
    let before = now_seconds();
    let first = post(&mut yoda, 1, "hello");
    let second = post(&mut hans, 2, " two  spaces ");
    let times = shown_since(before, "UTC");
    assert!(times.contains(&first) && times.contains(&second), "{first}, {second}: none of {times:?}");
    yoda.expect_notices(&[notice::board_post(2, "hans", " two  spaces ")]);
    hans.expect_notices(&[notice::board_post(1, "yoda", "hello")]);
    let history = [format!("#1; yoda: hello at {first}."), format!("#2; hans:  two  spaces  at {second}.")];
    assert_eq!(board(&mut yoda, ALWAYS), history);
    let mut luke = server.user("luke");
    luke.expect_notices(&[]);
    assert_eq!(board(&mut luke, ALWAYS), history);
    server.kill();
    server.start_again();
    let mut luke = server.user("luke");
    assert_eq!(board(&mut luke, ALWAYS), history);
    let third = post(&mut luke, 3, "third");
    assert_eq!(board(&mut luke, ALWAYS)[2], format!("#3; luke: third at {third}."));
}

#[test]
fn who_blocked_the_author_finds_the_post_only_in_the_history() {
    let server = Server::start(&[]);
    let [mut yoda, mut hans, mut luke] = server.online(["yoda", "hans", "luke"]);
    hans.block("yoda");
    create(&mut yoda, "hans luke", 1, "yoda, hans, luke");
    let at = post(&mut yoda, 1, "to the board");
    post_to(&mut yoda, 1, 1, "to the room");
    luke.expect_notices(&[
        notice::put_in_room(1, "yoda", "yoda hans luke"),
        notice::board_post(1, "yoda", "to the board"),
        notice::room_post(1, 1, "yoda", "to the room"),
    ]);
    // Who blocked the creator isn't told of the room either, but is in it.
    hans.expect_notices(&[]);
    assert_eq!(board(&mut hans, ALWAYS), [format!("#1; yoda: to the board at {at}.")]);
    assert_eq!(rooms(&mut hans, ALWAYS), [room_post(1, 1, "yoda", "to the room")]);
    post(&mut hans, 2, "from the blocker");
    post_to(&mut hans, 1, 2, "from the blocker");
    yoda.expect_notices(&[
        notice::board_post(2, "hans", "from the blocker"),
        notice::room_post(1, 2, "hans", "from the blocker"),
    ]);
}

#[test]
fn a_room_has_the_creator_and_then_the_others_as_typed() {
    let server = Server::start(&[]);
    let [mut yoda, mut hans, mut luke, mut leia] = server.online(["yoda", "hans", "luke", "leia"]);
    create(&mut yoda, "luke hans luke", 1, "yoda, luke, hans");
    for wire in [&mut hans, &mut luke] {
        wire.expect_notices(&[notice::put_in_room(1, "yoda", "yoda luke hans")]);
    }
    yoda.expect_notices(&[]);
    leia.expect_notices(&[]);
    // However often one is named.
    create(&mut leia, &["yoda"; 5_000].join(" "), 2, "leia, yoda");
    yoda.expect_notices(&[notice::put_in_room(2, "leia", "leia yoda")]);
    hans.expect_notices(&[]);
}

#[test]
fn a_room_that_cannot_be_is_refused_with_the_first_reason() {
    let server = Server::start(&[]);
    let [mut yoda, mut hans, away] = server.online(["yoda", "hans", "away"]);
    away.log_out();
    yoda.expect_notices(&[notice::logged_out("away")]);
    hans.expect_notices(&[notice::logged_out("away")]);
    create(&mut yoda, "hans", 1, "yoda, hans");
    hans.expect_notices(&[notice::put_in_room(1, "yoda", "yoda hans")]);
    let with_self = (Refusal::NotToSelf, "Error. Cannot create a room with yourself");
    let (code, text) = exists(1);
    let exists = (code, &*text);
    for (users, (code, text)) in [
        ("yoda", with_self),
        ("hans yoda", with_self),
        ("nobody away yoda", with_self),
        ("away nobody nothing", (Refusal::InvalidUser, "nobody does not exist")),
        ("hans nothing nobody", (Refusal::InvalidUser, "nothing does not exist")),
        ("Hans", (Refusal::InvalidUser, "Hans does not exist")),
        ("hans away", (Refusal::Offline, "away is offline")),
        ("hans", exists),
        ("hans hans", exists),
    ] {
        let refused = yoda.refused(&Request::CreateRoom { users, key: None });
        assert_eq!(refused, (code, text.to_owned()), "{users}");
    }
    // Whoever of them asks, it is the same set.
    assert_eq!(hans.refused(&Request::CreateRoom { users: "yoda", key: None }), (code, text));
    assert!(yoda.outcome(&Request::CreateRoom { users: "", key: None }).is_err());
    hans.expect_notices(&[]);
}

#[test]
fn only_exactly_the_same_users_have_a_room_already() {
    let server = Server::start(&[]);
    let [mut yoda, mut hans, mut luke, _leia] = server.online(["yoda", "hans", "luke", "leia"]);
    create(&mut yoda, "hans luke leia", 1, "yoda, hans, luke, leia");
    // Subsets, supersets and sets that overlap are different rooms.
    create(&mut yoda, "hans luke", 2, "yoda, hans, luke");
    create(&mut yoda, "hans", 3, "yoda, hans");
    create(&mut hans, "luke", 4, "hans, luke");
    create(&mut luke, "yoda", 5, "luke, yoda");
    create(&mut luke, "leia yoda", 6, "luke, leia, yoda");
    let taken = |wire: &mut Wire, users: &str, id: u32| {
        assert_eq!(wire.refused(&Request::CreateRoom { users, key: None }), exists(id));
    };
    taken(&mut hans, "leia luke yoda", 1);
    taken(&mut luke, "hans yoda", 2);
    taken(&mut luke, "yoda leia", 6);
    taken(&mut yoda, "luke", 5);
}

#[test]
fn of_many_who_create_the_same_room_at_once_one_does() {
    let server = Server::start(&[]);
    let [mut yoda, mut hans, mut luke] = server.online(["yoda", "hans", "luke"]);
    let first = yoda.send_all([Request::CreateRoom { users: "hans luke", key: None }; 3]);
    let second = hans.send_all([Request::CreateRoom { users: "luke yoda", key: None }; 3]);
    let third = luke.send_all([Request::CreateRoom { users: "yoda hans", key: None }; 3]);
    let mut answers = yoda.outcomes(first);
    answers.extend(hans.outcomes(second));
    answers.extend(luke.outcomes(third));
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
    let (code, text) = exists(1);
    let refused = outcome::refused(code, &text);
    assert_eq!(answers.iter().filter(|answer| **answer == refused).count(), 8, "{answers:?}");
    create(&mut yoda, "hans", 2, "yoda, hans");
}

#[test]
fn a_post_to_a_room_is_shown_to_its_other_members_online() {
    let server = Server::start(&[]);
    let [mut yoda, mut hans, mut luke, leia] = server.online(["yoda", "hans", "luke", "leia"]);
    create(&mut yoda, "hans leia", 1, "yoda, hans, leia");
    hans.expect_notices(&[notice::put_in_room(1, "yoda", "yoda hans leia")]);
    leia.log_out();
    for wire in [&mut yoda, &mut hans, &mut luke] {
        wire.expect_notices(&[notice::logged_out("leia")]);
    }
    let before = now_seconds();
    let first = post_to(&mut yoda, 1, 1, " hello ");
    let second = post_to(&mut hans, 1, 2, "and back");
    let times = shown_since(before, "UTC");
    assert!(times.contains(&first) && times.contains(&second), "{first}, {second}: none of {times:?}");
    hans.expect_notices(&[notice::room_post(1, 1, "yoda", " hello ")]);
    yoda.expect_notices(&[notice::room_post(1, 2, "hans", "and back")]);
    luke.expect_notices(&[]);
    let mut leia = server.user("leia");
    leia.expect_notices(&[]);
    let history = [room_post(1, 1, "yoda", " hello "), room_post(1, 2, "hans", "and back")];
    assert_eq!(rooms(&mut leia, ALWAYS), history);
    assert_eq!(rooms(&mut luke, ALWAYS), []);
    let lines = leia.lines(&read_rooms(ALWAYS));
    assert_eq!(lines, [format!("#1; yoda:  hello  at {first}."), format!("#2; hans: and back at {second}.")]);
    assert_eq!(board(&mut leia, ALWAYS), Vec::<String>::new());
}

#[test]
fn a_post_to_a_room_that_is_none_or_not_ones_own_is_refused() {
    let server = Server::start(&[]);
    let [mut yoda, mut hans, mut luke] = server.online(["yoda", "hans", "luke"]);
    create(&mut yoda, "hans", 1, "yoda, hans");
    hans.expect_notices(&[notice::put_in_room(1, "yoda", "yoda hans")]);
    let none = (Refusal::NoSuchRoom, "The separate room does not exist".to_owned());
    for room in [0, 2, u32::MAX] {
        assert_eq!(yoda.refused(&Request::PostToRoom { room, text: "x", key: None }), none);
    }
    let not_mine = (Refusal::NotInRoom, "You are not in this separate room chat".to_owned());
    assert_eq!(luke.refused(&Request::PostToRoom { room: 1, text: "x", key: None }), not_mine);
    let invalid = (Refusal::InvalidText, "Invalid text".to_owned());
    assert_eq!(yoda.refused(&Request::PostToRoom { room: 1, text: "\x1b[2J", key: None }), invalid);
    assert_eq!(yoda.refused(&Request::PostToBoard { text: "a\nb", key: None }), invalid);
    assert_eq!(yoda.refused(&Request::PostToBoard { text: "", key: None }), invalid);
    hans.expect_notices(&[]);
    post_to(&mut yoda, 1, 1, "nothing was counted");
    post(&mut yoda, 1, "nor here");
}

#[test]
fn numbers_and_rooms_go_on_after_kill_9() {
    let mut server = Server::start(&[]);
    {
        let [mut yoda, mut hans, _luke] = server.online(["yoda", "hans", "luke"]);
        create(&mut yoda, "hans", 1, "yoda, hans");
        create(&mut hans, "luke yoda", 2, "hans, luke, yoda");
        post_to(&mut yoda, 1, 1, "a");
        post_to(&mut yoda, 2, 1, "b");
        post_to(&mut hans, 2, 2, "c");
        post(&mut hans, 1, "d");
    }
    server.kill();
    server.start_again();
    let [mut yoda, mut hans, mut luke] = server.online(["yoda", "hans", "luke"]);
    assert_eq!(luke.refused(&Request::CreateRoom { users: "yoda hans", key: None }), exists(2));
    assert_eq!(luke.refused(&Request::PostToRoom { room: 1, text: "x", key: None }).0, Refusal::NotInRoom);
    create(&mut luke, "yoda", 3, "luke, yoda");
    post_to(&mut luke, 2, 3, "e");
    post_to(&mut hans, 1, 2, "f");
    post_to(&mut yoda, 3, 1, "g");
    post(&mut luke, 2, "h");
    let mine = [
        room_post(1, 1, "yoda", "a"),
        room_post(1, 2, "hans", "f"),
        room_post(2, 1, "yoda", "b"),
        room_post(2, 2, "hans", "c"),
        room_post(2, 3, "luke", "e"),
        room_post(3, 1, "yoda", "g"),
    ];
    assert_eq!(rooms(&mut yoda, ALWAYS), mine);
    assert_eq!(rooms(&mut hans, ALWAYS), mine[..5]);
    assert_eq!(rooms(&mut luke, ALWAYS), mine[2..]);
}

#[test]
fn concurrent_posts_are_numbered_without_a_gap() {
    let server = Server::start(&["--durability", "none"]);
    let [mut yoda, mut hans] = server.online(["yoda", "hans"]);
    create(&mut yoda, "hans", 1, "yoda, hans");
    let mut tags = Vec::new();
    for wire in [&mut yoda, &mut hans] {
        let requests = [
            Request::PostToBoard { text: "x", key: None },
            Request::PostToRoom { room: 1, text: "y", key: None },
        ];
        tags.push(wire.send_all(std::iter::repeat_n(requests, 100).flatten()));
    }
    let mut numbers = [Vec::new(), Vec::new()];
    for (wire, tags) in [&mut yoda, &mut hans].into_iter().zip(tags) {
        for (index, answer) in tags.into_iter().map(|tag| wire.answer(tag)).enumerate() {
            let OwnedReply::Posted { number, .. } = answer else { panic!("{answer:?}") };
            numbers[index % 2].push(number);
        }
    }
    for numbers in &mut numbers {
        numbers.sort_unstable();
        assert_eq!(*numbers, (1..=200).collect::<Vec<_>>());
    }
}

#[test]
fn histories_are_read_from_a_time_on_compared_in_whole_shown_seconds() {
    const ZONE: &str = "Australia/Sydney";
    let server = Forumd::new().env("TZ", ZONE).start();
    let [mut yoda, mut hans] = server.online(["yoda", "hans"]);
    create(&mut yoda, "hans", 1, "yoda, hans");
    let before = now_seconds();
    let first = post(&mut yoda, 1, "m1");
    assert!(shown_since(before, ZONE).contains(&first), "{first}");
    assert_eq!(post_to(&mut yoda, 1, 1, "m1").len(), first.len());
    // Posts until the shown second has changed: several in one second, and one in the next.
    let mut times = vec![first.clone()];
    until("the next second", || {
        let number = times.len() as u32 + 1;
        times.push(post(&mut yoda, number, &format!("m{number}")));
        post_to(&mut hans, 1, number, &format!("m{number}"));
        (times.last() != Some(&first)).then_some(())
    });
    let total = times.len();
    let [first, last] = [&times[0], &times[total - 1]].map(|time| seconds_of(time, ZONE));
    assert_eq!(board(&mut hans, first - 1).len(), total);
    let wanted = format!("#{total}; yoda: m{total} at {}.", times[total - 1]);
    assert_eq!(board(&mut hans, first), [wanted]);
    assert_eq!(board(&mut hans, last), Vec::<String>::new());
    assert_eq!(board(&mut hans, now_seconds() + 1_000_000), Vec::<String>::new());
    assert_eq!(rooms(&mut hans, first - 1).len(), total);
    for (_, number, ..) in rooms(&mut hans, first) {
        assert!(number as usize >= total - 1);
    }
    // Parts of a second make no difference.
    let within_ms = Some(first * 1_000 + 999);
    let request = Request::ReadBoard { later_than_ms: within_ms, after: None, at_most: None, from: None };
    assert_eq!(hans.lines(&request).len(), 1);
}

#[test]
fn rooms_and_their_members_are_limited() {
    let server = Server::start(&["--max-rooms", "2", "--max-room-members", "3"]);
    let [mut yoda, _hans, mut luke, _leia] = server.online(["yoda", "hans", "luke", "leia"]);
    let (code, text) = yoda.refused(&Request::CreateRoom { users: "hans luke leia", key: None });
    assert_eq!(code, Refusal::LimitReached);
    assert!(text.starts_with("Limit reached: at most 3 "), "{text}");
    create(&mut yoda, "hans luke hans", 1, "yoda, hans, luke");
    let tags = luke.send_all(["hans", "yoda", "leia"].map(|users| Request::CreateRoom { users, key: None }));
    let answers = luke.outcomes(tags);
    assert!(answers[0].is_ok(), "{answers:?}");
    for answer in &answers[1..] {
        let Err((Refusal::LimitReached, text)) = answer else { panic!("{answers:?}") };
        assert!(text.starts_with("Limit reached: at most 2 "), "{text}");
    }
    post_to(&mut luke, 2, 1, "this one is there");
}

#[test]
fn a_long_history_shows_one_instant_while_it_is_read_slowly() {
    const POSTS: u32 = 2_000;
    let server = Server::start(&["--durability", "none"]);
    let mut yoda = server.user("yoda");
    let text = "x".repeat(500);
    let tags = yoda.send_all((0..POSTS).map(|_| Request::PostToBoard { text: &text, key: None }));
    assert!(yoda.outcomes(tags).iter().all(Outcome::is_ok));
    let mut slow = Wire::connect_with_little_room(server.address());
    slow.hello();
    slow.become_user("slow");
    let tag = slow.send(&Request::ReadBoard { later_than_ms: None, after: None, at_most: None, from: None });
    post(&mut yoda, POSTS + 1, "later");
    let items = slow.items(tag);
    let numbers = items.iter().map(|item| match item {
        OwnedReply::BoardItem { number, .. } => *number,
        other => panic!("{other:?}"),
    });
    let numbers: Vec<u32> = numbers.collect();
    // The later post may have come before the request, but none is missing in front of it.
    assert!(numbers.len() >= POSTS as usize);
    assert_eq!(numbers, (1..=numbers.len() as u32).collect::<Vec<_>>());
}

#[test]
fn people_see_the_board_and_the_rooms_as_lines() {
    let server = Server::start(&[]);
    let mut yoda = server.sign_up("Yoda");
    let mut obi = server.sign_up("Obi-wan");
    yoda.hears("Obi-wan logged in");
    yoda.does("RDM b 1 Jun 2022 16:01:20", "no new message");
    yoda.does("RDM s 1 Jun 2022 16:01:20", "no new message");
    yoda.says("BCM hello  board");
    let line = yoda.line();
    let board_at = time_in(&line, "Broadcast message, #1 broadcast at ");
    obi.hears("Yoda (BCM #1): hello  board");
    yoda.does(
        "SRB Obi-wan",
        "Separate chat room has been created, room ID: 1, users in this room: Yoda, Obi-wan",
    );
    obi.hears("Yoda put you in separate room 1: Yoda, Obi-wan");
    obi.says("SRM 1 hello  room");
    let line = obi.line();
    let room_at = time_in(&line, "Message #1 sent to separate room 1 at ");
    yoda.hears("Obi-wan (room-1 #1): hello  room");
    let mut leia = server.sign_up("leia");
    for client in [&mut yoda, &mut obi] {
        client.hears("leia logged in");
    }
    leia.does(
        "SRB Yoda  Yoda ",
        "Separate chat room has been created, room ID: 2, users in this room: leia, Yoda",
    );
    yoda.hears("leia put you in separate room 2: leia, Yoda");
    leia.says("SRM 2 1");
    let line = leia.line();
    let second_at = time_in(&line, "Message #1 sent to separate room 2 at ");
    yoda.hears("leia (room-2 #1): 1");
    for timestamp in ["1 Jun 2022 16:01:20", "01 Jun 2022 16:01:20"] {
        obi.does(&format!("RDM b {timestamp}"), &format!("#1; Yoda: hello  board at {board_at}."));
        yoda.says(&format!("RDM s {timestamp}"));
        yoda.hears_all(&[
            "room-1:",
            &format!("#1; Obi-wan: hello  room at {room_at}."),
            "room-2:",
            &format!("#1; leia: 1 at {second_at}."),
        ]);
    }
    obi.says("RDM s 1 Jun 2022 16:01:20");
    obi.hears_all(&["room-1:", &format!("#1; Obi-wan: hello  room at {room_at}.")]);
    leia.leaves();
    for client in [&mut yoda, &mut obi] {
        client.hears("leia logged out");
    }
    yoda.does("RDM b 31 Dec 2999 00:00:00", "no new message");
}

#[test]
fn people_see_every_refusal_of_a_room_as_a_line() {
    let server = Server::start(&[]);
    server.user("away").log_out();
    let mut yoda = server.sign_up("yoda");
    let mut hans = server.user("hans");
    yoda.hears("hans logged in");
    let _luke = server.user("luke");
    yoda.hears("luke logged in");
    yoda.does("SRB hans", "Separate chat room has been created, room ID: 1, users in this room: yoda, hans");
    create(&mut hans, "luke", 2, "hans, luke");
    for (command, refusal) in [
        ("SRB nobody away yoda", "Error. Cannot create a room with yourself"),
        ("SRB away nobody", "nobody does not exist"),
        ("SRB hans away", "away is offline"),
        ("SRB hans", "a separate room (ID: 1) already created for these users"),
        ("SRM 3 hello", "The separate room does not exist"),
        ("SRM 0 hello", "The separate room does not exist"),
        ("SRM one hello", "The separate room does not exist"),
        ("SRM -1 hello", "The separate room does not exist"),
        ("SRM 4294967297 hello", "The separate room does not exist"),
        ("SRM 2 hello", "You are not in this separate room chat"),
        ("RDM b yesterday", "Invalid timestamp"),
        ("RDM s 32 Jun 2022 16:01:20", "Invalid timestamp"),
        ("RDM b 1 Jun 2022", "Invalid timestamp"),
        ("RDM b 29 Feb 2022 16:01:20", "Invalid timestamp"),
        ("RDM s 1 Jun 2022 24:00:00", "Invalid timestamp"),
    ] {
        yoda.fails(command, refusal);
    }
    for command in [
        "BCM",
        "SRB",
        "SRM",
        "SRM 1",
        "RDM",
        "RDM b",
        "RDM x 1 Jun 2022 16:01:20",
        "RDM bs 1 Jun 2022 16:01:20",
    ] {
        yoda.fails_with_usage(command);
    }
    assert_eq!(rooms(&mut hans, ALWAYS), []);
}

#[test]
fn export_import_and_check_carry_mail_blocks_board_and_rooms() {
    let mut server = Server::start(&[]);
    let [mut yoda, mut hans, mut luke] = server.online(["yoda", "hans", "luke"]);
    let mut times = vec![post(&mut yoda, 1, "to; all"), post(&mut hans, 2, "grüße")];
    create(&mut yoda, "hans", 1, "yoda, hans");
    create(&mut luke, "hans yoda", 2, "luke, hans, yoda");
    times.push(post_to(&mut hans, 1, 1, "in room 1"));
    times.push(post_to(&mut luke, 2, 1, "in room 2"));
    times.push(post_to(&mut yoda, 2, 2, " again "));
    for text in ["m1", "m2", "m3"] {
        yoda.tell("luke", text);
    }
    luke.taken(1);
    hans.block("luke");
    // A mailbox that was emptied goes on counting, too.
    yoda.tell("hans", "taken");
    hans.taken(1);
    for wire in [yoda, hans, luke] {
        wire.log_out();
    }
    server.stop();
    server.launch().admin(&["check"], "").expect_success();
    let directory = server.launch().export("first");
    let first = files_below(&directory);
    let text = |name: &str| String::from_utf8(first[Path::new(name)].clone()).expect("UTF-8");
    let board = format!("1; {}; yoda; to; all\n2; {}; hans; grüße\n", times[0], times[1]);
    assert_eq!(text("messagelog.txt"), board);
    assert_eq!(text("rooms/SR_1_messagelog.txt"), format!("1; {}; hans; in room 1\n", times[2]));
    let room = format!("1; {}; luke; in room 2\n2; {}; yoda;  again \n", times[3], times[4]);
    assert_eq!(text("rooms/SR_2_messagelog.txt"), room);

    let other = Forumd::new();
    other.admin(&["import", directory.to_str().unwrap()], "").expect_success();
    other.admin(&["check"], "").expect_success();
    assert!(files_below(&other.export("second")) == first);

    let imported = other.start();
    let [mut yoda, mut hans] = imported.online(["yoda", "hans"]);
    let mut luke = imported.user("luke");
    luke.expect_notices(&[notice::late_message(2, "yoda", "m2"), notice::late_message(3, "yoda", "m3")]);
    assert_eq!(
        luke.refused(&Request::SendMessage { user: "hans", text: "x", key: None }).0,
        Refusal::BlockedByUser
    );
    yoda.tell("luke", "m4");
    luke.expect_notices(&[notice::message(4, "yoda", "m4")]);
    yoda.tell("hans", "second");
    hans.expect_notices(&[notice::logged_in("luke"), notice::message(2, "yoda", "second")]);
    assert_eq!(rooms(&mut yoda, ALWAYS).len(), 3);
    assert_eq!(rooms(&mut luke, ALWAYS).len(), 2);
    post_to(&mut luke, 2, 3, "goes on");
    post(&mut hans, 3, "goes on");
    assert_eq!(hans.refused(&Request::CreateRoom { users: "yoda luke", key: None }), exists(2));
    create(&mut hans, "luke", 3, "hans, luke");
}

#[test]
fn a_snapshot_carries_mail_blocks_board_and_rooms() {
    /// Enough of the longest posts for a log that is worth a snapshot, which is to be sooner than usual.
    const POSTS: usize = 600;
    let mut server = Server::start(&["--durability", "none", "--snapshot-log-bytes", "4194304"]);
    let [mut yoda, mut hans, mut luke] = server.online(["yoda", "hans", "luke"]);
    create(&mut yoda, "hans luke", 1, "yoda, hans, luke");
    post_to(&mut luke, 1, 1, "in the room");
    let at = post(&mut yoda, 1, "on the board");
    hans.block("luke");
    for (user, text) in [("hans", "taken"), ("luke", "taken"), ("luke", "kept")] {
        yoda.tell(user, text);
    }
    hans.taken(1);
    luke.taken(1);
    yoda.done(&Request::CreateThread { title: "t", key: None });
    let text = "x".repeat(8_192);
    for _ in 0..POSTS / 100 {
        let tags = yoda.send_all([Request::Post { title: "t", text: &text, key: None }; 100]);
        assert!(yoda.outcomes(tags).iter().all(Outcome::is_ok));
    }
    server.wait_log("covers everything up to entry");
    server.kill();
    server.start_again();
    assert!(!server.logged(" a snapshot of ").contains("snapshot of 0 chunks"));
    let [mut yoda, mut hans] = server.online(["yoda", "hans"]);
    let mut luke = server.user("luke");
    luke.expect_notices(&[notice::late_message(2, "yoda", "kept")]);
    assert_eq!(
        luke.refused(&Request::SendMessage { user: "hans", text: "x", key: None }).0,
        Refusal::BlockedByUser
    );
    for (user, text) in [("hans", "second"), ("luke", "third")] {
        yoda.tell(user, text);
    }
    hans.expect_notices(&[notice::logged_in("luke"), notice::message(2, "yoda", "second")]);
    luke.expect_notices(&[notice::message(3, "yoda", "third")]);
    assert_eq!(board(&mut hans, ALWAYS), [format!("#1; yoda: on the board at {at}.")]);
    assert_eq!(rooms(&mut hans, ALWAYS), [room_post(1, 1, "luke", "in the room")]);
    post_to(&mut hans, 1, 2, "goes on");
    post(&mut luke, 2, "goes on");
    assert_eq!(hans.refused(&Request::CreateRoom { users: "luke yoda", key: None }), exists(1));
    create(&mut yoda, "hans", 2, "yoda, hans");
}
