//! Notices as a test expects them: without their times, which no test can know beforehand.

use forum_common::wire::OwnedNotice;

/// `NAME logged in`.
pub fn logged_in(name: &str) -> OwnedNotice {
    OwnedNotice::LoggedIn { name: name.into() }
}

/// `NAME logged out`.
pub fn logged_out(name: &str) -> OwnedNotice {
    OwnedNotice::LoggedOut { name: name.into() }
}

/// A message that arrives while its receiver is online.
pub fn message(number: u64, from: &str, text: &str) -> OwnedNotice {
    OwnedNotice::Message { number, late: false, at_ms: 0, from: from.into(), text: text.into() }
}

/// A message that waited for its receiver.
pub fn late_message(number: u64, from: &str, text: &str) -> OwnedNotice {
    OwnedNotice::Message { number, late: true, at_ms: 0, from: from.into(), text: text.into() }
}

/// A message to everyone online.
pub fn broadcast(from: &str, text: &str) -> OwnedNotice {
    OwnedNotice::Broadcast { at_ms: 0, from: from.into(), text: text.into() }
}

/// A message to the board.
pub fn board_post(number: u32, author: &str, text: &str) -> OwnedNotice {
    OwnedNotice::BoardPost { number, at_ms: 0, author: author.into(), text: text.into() }
}

/// A message to a room.
pub fn room_post(room: u32, number: u32, author: &str, text: &str) -> OwnedNotice {
    OwnedNotice::RoomPost { room, number, at_ms: 0, author: author.into(), text: text.into() }
}

/// A message to a thread that is watched.
pub fn thread_post(title: &str, number: u32, id: u64, author: &str, text: &str) -> OwnedNotice {
    let (title, author, text) = (title.into(), author.into(), text.into());
    OwnedNotice::ThreadPost { title, number, id, at_ms: 0, author, text }
}

/// The news of being in a room with these users, who have one space between them.
pub fn put_in_room(room: u32, by: &str, users: &str) -> OwnedNotice {
    OwnedNotice::PutInRoom { room, by: by.into(), users: users.into() }
}

/// The same without its time.
pub fn timeless(mut notice: OwnedNotice) -> OwnedNotice {
    match &mut notice {
        OwnedNotice::Message { at_ms, .. }
        | OwnedNotice::Broadcast { at_ms, .. }
        | OwnedNotice::BoardPost { at_ms, .. }
        | OwnedNotice::RoomPost { at_ms, .. }
        | OwnedNotice::ThreadPost { at_ms, .. } => *at_ms = 0,
        _ => {}
    }
    notice
}
