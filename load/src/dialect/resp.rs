//! Redis, in RESP version 2 (<https://redis.io/docs/latest/develop/reference/protocol-spec/>): a post is
//! RPUSH to a list, what everybody hears is PUBLISH.

use super::{Event, Identity, Split, TOPIC, decimal, line, shown};
use crate::connection::Role;

pub(super) const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";

/// Arrays in arrays that are looked into; Redis sends two for what is asked here.
const DEPTH_MAX: u32 = 8;

#[inline]
pub(super) fn split(bytes: &[u8]) -> Split<'_> {
    let Some(length) = value_bytes(bytes, DEPTH_MAX)? else { return Ok(None) };
    let event = match bytes[0] {
        b'-' => Event::Refused(bytes[1..length].trim_ascii_end()),
        // The confirmation of a subscription is an array as well, and begins with another word.
        b'*' if bytes.starts_with(b"*3\r\n$7\r\nmessage\r\n") => Event::Delivery,
        _ => Event::Answer,
    };
    Ok(Some((Some(event), length)))
}

/// The bytes of the value that `bytes` begins with.
fn value_bytes(bytes: &[u8], depth: u32) -> Result<Option<usize>, String> {
    let Some((head, mut used)) = line(bytes) else { return Ok(None) };
    let bad = || format!("no RESP value: {}", shown(head));
    match head.first() {
        Some(b'+' | b'-' | b':') => Ok(Some(used)),
        Some(b'$') => {
            let length = decimal(&head[1..]).ok_or_else(bad)?;
            if let Ok(length) = usize::try_from(length) {
                used = used.saturating_add(length).saturating_add(2);
            }
            Ok((used <= bytes.len()).then_some(used))
        }
        Some(b'*') if depth > 0 => {
            for _ in 0..decimal(&head[1..]).ok_or_else(bad)? {
                let Some(more) = value_bytes(&bytes[used..], depth - 1)? else { return Ok(None) };
                used += more;
            }
            Ok(Some(used))
        }
        _ => Err(bad()),
    }
}

pub(super) fn greet(who: Identity<'_>, out: &mut Vec<u8>) -> u32 {
    command(&["HELLO", "2"], out);
    if who.role == Role::Listener {
        command(&["SUBSCRIBE", TOPIC], out);
        return 2;
    }
    1
}

pub(super) fn post(list: &str, text: &str, out: &mut Vec<u8>) {
    command(&["RPUSH", list, text], out);
}

pub(super) fn publish(text: &str, out: &mut Vec<u8>) {
    command(&["PUBLISH", TOPIC, text], out);
}

fn command(words: &[&str], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        out.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
}
