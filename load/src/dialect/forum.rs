//! forumd's own protocol, as `docs/PROTOCOL.md` has it.

use forum_common::frame;
use forum_common::request::{Request, VERSION};

use super::{Event, Identity, Split};

/// Answers come in order, so one tag does for all requests but transfers.
pub(crate) const TAG: frame::Tag = 1;

#[inline]
pub(super) fn split(bytes: &[u8]) -> Split<'_> {
    let Some((frame, length)) = frame::split(bytes).map_err(|error| error.to_string())? else {
        return Ok(None);
    };
    let event = match frame.kind {
        0x81 | 0x83 | 0x84 | 0x88 => Some(Event::Answer(frame.body)),
        0x82 => Some(Event::PasswordWanted(frame.body.first() == Some(&1))),
        0x85 => Some(Event::Refused(frame.body.get(2..).unwrap_or_default())),
        // Items of lists, the hello, and who comes and goes: nobody waits for those.
        0x80 | 0x90..=0x96 | 0xc1 | 0xc2 | 0xc7 => None,
        0xc0 => Some(Event::Closing(frame.body.get(2..).unwrap_or_default())),
        0xc3 => {
            let number = frame.body.first_chunk().ok_or("a message without its number")?;
            Some(Event::Mail(u64::from_be_bytes(*number)))
        }
        0xc4..=0xc6 => Some(Event::Delivery),
        kind => return Err(format!("Unknown frame kind 0x{kind:02x}")),
    };
    Ok(Some((event, length)))
}

pub(super) fn greet(who: Identity<'_>, out: &mut Vec<u8>) -> u32 {
    Request::Hello { version: VERSION }.encode(TAG, out);
    Request::LogIn { name: who.name, udp_port: 0 }.encode(TAG, out);
    1
}

pub(super) fn prove(who: Identity<'_>, known: bool, out: &mut Vec<u8>) {
    let password = who.password;
    if known {
        Request::Password(password).encode(TAG, out);
    } else {
        Request::SignUp { password, confirmation: password }.encode(TAG, out);
    }
}

pub(super) fn ping(out: &mut Vec<u8>) {
    Request::Ping(b"").encode(TAG, out);
}

pub(super) fn post(title: &str, text: &str, out: &mut Vec<u8>) {
    Request::Post { title, text }.encode(TAG, out);
}

pub(super) fn broadcast(text: &str, out: &mut Vec<u8>) {
    Request::Broadcast { text }.encode(TAG, out);
}
