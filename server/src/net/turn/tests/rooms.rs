//! Separate rooms: how they are made, and what their members hear and read.

use super::*;

#[test]
fn rooms_are_made_in_the_order_of_refusals() {
    let mut stage = stage(&[]);
    let mut yoda = stage.sign_up("yoda");
    let mut hans = stage.sign_up("hans");
    let gone = stage.sign_up("gone");
    stage.close(&gone);
    let mut srb = |tag, users| stage.ask(&mut yoda, tag, &Request::CreateRoom { users, key: None });
    let to_self = refused(4, Refusal::NotToSelf, "Error. Cannot create a room with yourself");
    assert_eq!(srb(4, "nobody yoda"), [to_self]);
    assert_eq!(srb(5, "gone nobody"), [refused(5, Refusal::InvalidUser, "nobody does not exist")]);
    assert_eq!(srb(6, "gone hans"), [refused(6, Refusal::Offline, "gone is offline")]);
    let made = "Separate chat room has been created, room ID: 1, users in this room: yoda, hans";
    assert_eq!(srb(7, "hans hans"), [done(7, made)]);
    let again = "a separate room (ID: 1) already created for these users";
    assert_eq!(srb(8, "hans"), [refused(8, Refusal::RoomExists, again)]);
    stage.settle(&hans);
    let put_in = "PutInRoom { room: 1, by: \"yoda\", users: \"yoda hans\" }";
    assert_eq!(hans.answers(), [put_in]);
    assert_eq!(
        stage.ask(&mut hans, 9, &Request::PostToRoom { room: 1, text: "hi", key: None }),
        [done(9, "Message #1 sent to separate room 1 at 1 Jan 1970 00:16:40.")]
    );
    assert_eq!(yoda.answers(), ["RoomPost { room: 1, number: 1, author: \"hans\", text: \"hi\" }"]);
    assert_eq!(
        stage.ask(
            &mut yoda,
            10,
            &Request::ReadRooms {
                later_than_ms: Some(999_000),
                after: None,
                at_most: None,
                room: None,
                from: None
            }
        ),
        ["10 RoomItem { room: 1, number: 1, author: \"hans\", text: \"hi\" }", "10 EndOfList"]
    );
    assert_eq!(
        stage.ask(
            &mut yoda,
            11,
            &Request::ReadRooms {
                later_than_ms: Some(1_000_000),
                after: None,
                at_most: None,
                room: None,
                from: None
            }
        ),
        ["11 EndOfList"]
    );
}

/// The stage's clock was an hour ahead when yoda said `a`, and is right again.
fn stage_an_hour_ahead() -> (Stage, Client) {
    let mut stage = stage(&[]);
    let mut yoda = stage.sign_up("yoda");
    stage.clock.set_wall_ms(3_600_000 + 1_000_000);
    let at = "Broadcast message, #1 broadcast at 1 Jan 1970 01:16:40.";
    assert_eq!(stage.ask(&mut yoda, 4, &Request::PostToBoard { text: "a", key: None }), [done(4, at)]);
    stage.clock.set_wall_ms(1_000_000);
    (stage, yoda)
}

#[test]
fn after_a_clock_that_was_ahead_each_message_is_found_from_the_last_time_seen() {
    let (mut stage, mut yoda) = stage_an_hour_ahead();
    for (number, second) in [(2, 40), (3, 41), (4, 42)] {
        // 1 Jan 1970 01:16:40 is second 4,600.
        let later_than_ms = Some((4_560 + second) * 1_000);
        let read_later = Request::ReadBoard { later_than_ms, after: None, at_most: None, from: None };
        assert_eq!(stage.ask(&mut yoda, 5, &read_later), ["5 EndOfList"]);
        let at = format!("1 Jan 1970 01:16:{}", second + 1);
        let answer = done(6, &format!("Broadcast message, #{number} broadcast at {at}."));
        assert_eq!(stage.ask(&mut yoda, 6, &Request::PostToBoard { text: "b", key: None }), [answer]);
        let read = stage.ask(&mut yoda, 7, &read_later);
        let post = format!("7 BoardItem {{ number: {number}, author: \"yoda\", text: \"b\" }}");
        assert_eq!(read, [post, "7 EndOfList".into()]);
    }
}

#[test]
fn the_clock_catches_up_with_a_log_that_is_ahead() {
    let (mut stage, mut yoda) = stage_an_hour_ahead();
    for _ in 0..3 {
        stage.pass(Duration::from_secs(1_200));
        stage.ask(&mut yoda, 5, &Request::PostToBoard { text: "b", key: None });
    }
    stage.pass(Duration::from_secs(60));
    let answers = stage.ask(&mut yoda, 6, &Request::PostToBoard { text: "c", key: None });
    assert_eq!(answers, [done(6, "Broadcast message, #5 broadcast at 1 Jan 1970 01:17:40.")]);
}
