//! The examples of the page, frame by frame, as values.

use forum_common::frame;

use super::*;

/// The first example: a sign-up, a thread with a message and a file, a refusal, and the end.
pub(crate) fn session() -> Vec<(Side, Tag, Message<'static>)> {
    use Side::{Client, Server};
    let ask = |tag, request| (Client, tag, Message::Request(request));
    let reply = |tag, reply| (Server, tag, Message::Reply(reply));
    let done = |tag, text| reply(tag, Reply::Done { text });
    let send = |side, tag, transfer| (side, tag, Message::Transfer(transfer));
    let (title, file, text, password) = ("3331", "a.txt", "hello there", "jedi");
    let refused = Reply::Refused { code: Refusal::InvalidMessageNumber, text: "Invalid message number" };
    vec![
        ask(1, Request::Hello { version: 1 }),
        reply(1, Reply::Hello { version: 1 }),
        ask(2, Request::LogIn { name: "yoda", udp_port: 0 }),
        reply(2, Reply::PasswordWanted { known: false }),
        ask(3, Request::SignUp { password, confirmation: password }),
        reply(3, Reply::Welcome { text: "Welcome to the forum" }),
        ask(4, Request::CreateThread { title }),
        ask(5, Request::Post { title, text }),
        done(4, "Thread 3331 created"),
        done(5, "Message posted to 3331 thread"),
        ask(6, Request::Upload { title, file, size: 3 }),
        reply(6, Reply::UploadStarts { credit: 3 }),
        send(Client, 6, Transfer::Data(b"hi\n")),
        send(Client, 6, Transfer::End(DIGEST)),
        done(6, "a.txt uploaded to 3331 thread"),
        ask(7, Request::Download { title, file }),
        reply(7, Reply::DownloadStarts { size: 3 }),
        send(Client, 7, Transfer::Credit(1 << 20)),
        send(Server, 7, Transfer::Data(b"hi\n")),
        send(Server, 7, Transfer::End(DIGEST)),
        ask(8, Request::ReadThread { title, range: None }),
        reply(8, Reply::Post { number: 1, author: "yoda", text }),
        reply(8, Reply::Uploaded { author: "yoda", file }),
        reply(8, Reply::EndOfList),
        ask(9, Request::DeletePost { title, number: 7 }),
        reply(9, refused),
        ask(10, Request::LogOut),
        done(10, "Goodbye"),
    ]
}

/// The second example: messages, presence, the board and rooms, as one of the users sees them.
pub(crate) fn company() -> Vec<(Side, Tag, Message<'static>)> {
    use Side::{Client, Server};
    let ask = |tag, request| (Client, tag, Message::Request(request));
    let reply = |tag, reply| (Server, tag, Message::Reply(reply));
    let done = |tag, text| reply(tag, Reply::Done { text });
    let user = |tag, name| reply(tag, Reply::User(name));
    let end = |tag| reply(tag, Reply::EndOfList);
    let notice = |notice| (Server, frame::NO_TAG, Message::Notice(notice));
    let (waited, came) = ("1 Jun 2022 15:58:20", "1 Jun 2022 16:00:02");
    let [at_05, at_06, at_07, at_08] =
        ["1 Jun 2022 16:00:05", "1 Jun 2022 16:00:06", "1 Jun 2022 16:00:07", "1 Jun 2022 16:00:08"];
    let active = Reply::ActiveUser { name: "hans", address: "127.0.0.1", udp_port: 8_002, since: came };
    let (on_board, in_room) = ("hello yoda", "indeed");
    let board_post = Reply::BoardPost { number: 2, author: "hans", at: at_07, text: on_board };
    let room_post = Reply::RoomPost { room: 1, number: 2, author: "hans", at: at_08, text: in_room };
    let blocked = Reply::Refused { code: Refusal::AlreadyBlocked, text: "Error. leia is already blocked" };
    let created = "Separate chat room has been created, room ID: 1, users in this room: yoda, hans";
    vec![
        ask(1, Request::Hello { version: 1 }),
        reply(1, Reply::Hello { version: 1 }),
        ask(2, Request::LogIn { name: "yoda", udp_port: 8_001 }),
        reply(2, Reply::PasswordWanted { known: true }),
        ask(3, Request::Password("jedi")),
        reply(3, Reply::Welcome { text: "Welcome to the forum" }),
        notice(Notice::Message { number: 1, late: true, from: "hans", at: waited, text: "lunch?" }),
        ask(4, Request::Taken { up_to: 1 }),
        notice(Notice::LoggedIn("hans")),
        ask(5, Request::Message { user: "hans", text: "Hungry, I am." }),
        done(5, ""),
        notice(Notice::Message { number: 2, late: false, from: "hans", at: at_05, text: "come, then" }),
        ask(6, Request::Taken { up_to: 2 }),
        ask(7, Request::WhoElse),
        user(7, "hans"),
        end(7),
        ask(8, Request::ListActive),
        reply(8, active),
        end(8),
        ask(9, Request::PostToBoard { text: "hello all" }),
        done(9, "Broadcast message, #1 broadcast at 1 Jun 2022 16:00:06."),
        notice(Notice::BoardPost { number: 2, author: "hans", text: on_board }),
        ask(10, Request::CreateRoom { users: "hans" }),
        done(10, created),
        ask(11, Request::PostToRoom { room: 1, text: "quiet here" }),
        done(11, "Message #1 sent to separate room 1 at 1 Jun 2022 16:00:07."),
        notice(Notice::RoomPost { room: 1, number: 2, author: "hans", text: in_room }),
        ask(12, Request::ReadBoard { after: at_06 }),
        reply(12, board_post),
        end(12),
        ask(13, Request::ReadRooms { after: at_07 }),
        reply(13, room_post),
        end(13),
        notice(Notice::LoggedIn("leia")),
        notice(Notice::PutInRoom { room: 2, by: "leia", users: "leia, yoda" }),
        notice(Notice::Broadcast { from: "leia", text: "hi" }),
        ask(14, Request::Broadcast { text: "hi leia" }),
        done(14, ""),
        ask(15, Request::Block { user: "leia" }),
        done(15, "leia is blocked"),
        ask(16, Request::Block { user: "leia" }),
        reply(16, blocked),
        ask(17, Request::Unblock { user: "leia" }),
        done(17, "leia is unblocked"),
        notice(Notice::LoggedOut("hans")),
        ask(18, Request::WhoElseSince { seconds: "60" }),
        user(18, "leia"),
        user(18, "hans"),
        end(18),
        ask(19, Request::LogOut),
        done(19, "Goodbye"),
    ]
}

/// The third example: links, as one of the users sees them. A conversation that is direct, one that goes
/// through the server, a question that is taken back, one that is declined, and a file through the server.
pub(crate) fn links() -> Vec<(Side, Tag, Message<'static>)> {
    use Side::{Client, Server};
    let ask = |tag, request| (Client, tag, Message::Request(request));
    let reply = |tag, reply| (Server, tag, Message::Reply(reply));
    let link = |tag, request| (Client, tag, Message::LinkRequest(request));
    let asked = |tag, link, text| (Server, tag, Message::LinkNotice(LinkNotice::Asked { link, text }));
    let told = |notice| (Server, frame::NO_TAG, Message::LinkNotice(notice));
    let introduced =
        |link, token, address, port| told(LinkNotice::Introduction { link, token, address, port });
    let offer = |user| LinkRequest::OfferFile { user, size: 3, file: "a.txt" };
    let offline = Reply::Refused { code: Refusal::Offline, text: "luke is offline" };
    let [first, second, third] = [0x10, 0x20, 0x30].map(token_from);
    vec![
        ask(1, Request::Hello { version: 2 }),
        reply(1, Reply::Hello { version: 2 }),
        ask(2, Request::LogIn { name: "yoda", udp_port: 8_001 }),
        reply(2, Reply::PasswordWanted { known: true }),
        ask(3, Request::Password("jedi")),
        reply(3, Reply::Welcome { text: "Welcome to the forum" }),
        link(4, LinkRequest::StartPrivate { user: "hans", enabled: false }),
        asked(4, 1, "Start private messaging with hans"),
        introduced(1, first, "192.0.2.7", 50_123),
        link(5, LinkRequest::Up { link: 1 }),
        told(LinkNotice::Stands { link: 1, relayed: false }),
        link(6, LinkRequest::End { link: 1, stopped: true }),
        told(LinkNotice::PrivateQuestion { link: 2, from: "leia" }),
        link(7, LinkRequest::Answer { link: 2, yes: true }),
        told(LinkNotice::Prepare { link: 2, token: second }),
        link(8, LinkRequest::Listening { link: 2, port: 0 }),
        told(LinkNotice::Stands { link: 2, relayed: true }),
        link(9, LinkRequest::RelayText { link: 2, text: "here, I am" }),
        reply(9, Reply::Done { text: "" }),
        told(LinkNotice::RelayedText { link: 2, text: "at last" }),
        told(LinkNotice::Ended { link: 2, stopped: true }),
        told(LinkNotice::FileQuestion { link: 3, from: "hans", size: 1_234, file: "map.txt" }),
        told(LinkNotice::Withdrawn { link: 3 }),
        link(10, offer("luke")),
        reply(10, offline),
        link(11, offer("leia")),
        asked(11, 4, ""),
        told(LinkNotice::Declined { link: 4 }),
        link(12, offer("hans")),
        asked(12, 5, ""),
        told(LinkNotice::Prepare { link: 5, token: third }),
        link(13, LinkRequest::Listening { link: 5, port: 8_001 }),
        introduced(5, third, "", 0),
        told(LinkNotice::Stands { link: 5, relayed: true }),
        told(LinkNotice::RelayedDatagram { link: 5, datagram: &[0x0a, 0x0b] }),
        link(14, LinkRequest::RelayDatagram { link: 5, datagram: &[0x0c, 0x0d] }),
        told(LinkNotice::Ended { link: 5, stopped: false }),
        link(15, LinkRequest::End { link: 5, stopped: false }),
        ask(16, Request::LogOut),
        reply(16, Reply::Done { text: "Goodbye" }),
    ]
}

/// A token whose bytes count up from this one.
fn token_from(first: u8) -> Token {
    std::array::from_fn(|index| first + index as u8)
}

/// The fourth example: what the two clients of the third's first link say to each other.
pub(crate) fn talk() -> Vec<(Side, Tag, Message<'static>)> {
    use Side::{Client, Server};
    let say = |side, peer_frame| (side, frame::NO_TAG, Message::Peer(peer_frame));
    vec![
        say(Client, PeerFrame::Prove(token_from(0x10))),
        say(Server, PeerFrame::Ready),
        say(Client, PeerFrame::Text("hello")),
        say(Server, PeerFrame::Text("hello yourself")),
        say(Client, PeerFrame::Bye),
    ]
}
