//! forumd's own protocol, as `docs/PROTOCOL.md` has it.

use forum_common::limits::FRAME_BYTES_MAX;
use forum_common::wire::{
    Frame, FromServer, Key, Malformed, Notice, Refusal, Reply, Request, Tag, VERSION, frame, kinds,
};

use super::{Event, Identity, Split};

/// Answers come in order, so one tag does for all requests.
pub(crate) const TAG: Tag = 1;

#[inline]
pub(super) fn split(bytes: &[u8]) -> Split<'_> {
    let frame = frame::split(bytes, FRAME_BYTES_MAX).map_err(|error| error.to_string())?;
    let Some((frame, length)) = frame else { return Ok(None) };
    let event = match frame.kind {
        // What comes by the million is told by its kind alone.
        kinds::Pong | kinds::Posted | kinds::Done | kinds::EndOfList => Some(Event::Answer),
        kinds::Broadcast | kinds::BoardPost | kinds::RoomPost => Some(Event::Delivery),
        kinds::PostItem => None,
        _ => decoded(&frame).map_err(|error| error.to_string())?,
    };
    Ok(Some((event, length)))
}

/// Kept out of line: what comes by the million must not pay for its stack frame.
#[inline(never)]
fn decoded<'a>(frame: &Frame<'a>) -> Result<Option<Event<'a>>, Malformed> {
    Ok(match FromServer::decode(frame)? {
        FromServer::Reply(_, Reply::ServerHello { .. }) => None,
        FromServer::Reply(_, Reply::PasswordWanted { known }) => Some(Event::PasswordWanted(known)),
        FromServer::Reply(_, Reply::RoomCreated { room, .. }) => Some(Event::Room(room)),
        FromServer::Reply(_, Reply::Refused { code: Refusal::RoomExists, value: Some(room), .. }) => {
            Some(Event::Room(u32::try_from(room).map_err(|_| Malformed::BadValue)?))
        }
        FromServer::Reply(_, Reply::Refused { text, .. }) => Some(Event::Refused(text.as_bytes())),
        FromServer::Reply(_, reply) => (!reply.is_item()).then_some(Event::Answer),
        FromServer::Notice(Notice::Closing { text, .. }) => Some(Event::Closing(text.as_bytes())),
        FromServer::Notice(Notice::Message { number, .. }) => Some(Event::Mail(number)),
        FromServer::Notice(_) => None,
        // Files are moved elsewhere.
        FromServer::Transfer(..) => return Err(Malformed::UnknownKind(frame.kind)),
    })
}

pub(super) fn greet(who: Identity<'_>, out: &mut Vec<u8>) -> u32 {
    hello(who.presence).encode(TAG, out);
    log_in(who.name).encode(TAG, out);
    1
}

/// The first request of a connection.
pub(crate) fn hello(presence: bool) -> Request<'static> {
    Request::ClientHello { version: VERSION, client: "forum-load", presence }
}

/// The second one.
pub(crate) fn log_in(name: &str) -> Request<'_> {
    Request::LogIn { name, udp_port: 0, take_over: None, session: None }
}

/// The third one: the password, or the sign-up of a new name.
pub(crate) fn proof(password: &str, known: bool) -> Request<'_> {
    if known { Request::Password { password } } else { Request::SignUp { password, confirmation: password } }
}

pub(super) fn prove(who: Identity<'_>, known: bool, out: &mut Vec<u8>) {
    proof(who.password, known).encode(TAG, out);
}

pub(super) fn acknowledge(up_to: u64, out: &mut Vec<u8>) {
    Request::AckMessages { up_to }.encode(TAG, out);
}

pub(super) fn ping(out: &mut Vec<u8>) {
    Request::Ping { payload: b"" }.encode(TAG, out);
}

pub(super) fn post(title: &str, text: &str, key: Option<Key>, out: &mut Vec<u8>) {
    Request::Post { title, text, key }.encode(TAG, out);
}

pub(super) fn broadcast(text: &str, out: &mut Vec<u8>) {
    Request::SendBroadcast { text }.encode(TAG, out);
}
