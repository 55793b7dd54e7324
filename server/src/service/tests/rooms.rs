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
