//! NATS (<https://docs.nats.io/reference/reference-protocols/nats-protocol>), with `verbose` on, so that a
//! PUB is answered like every other request. A post goes to a subject that nobody has subscribed to.

use super::{Event, Identity, Split, TOPIC, decimal, line, shown};
use crate::connection::Role;

pub(super) const PING: &[u8] = b"PING\r\n";
pub(super) const PONG: &[u8] = b"PONG\r\n";

#[inline]
pub(super) fn split(bytes: &[u8]) -> Split<'_> {
    let Some((head, used)) = line(bytes) else { return Ok(None) };
    let event = match head {
        b"PONG" | b"+OK" => Some(Event::Answer),
        b"PING" => Some(Event::Probe),
        _ if head.starts_with(b"INFO") => None,
        _ if head.starts_with(b"-ERR") => Some(Event::Refused(head)),
        _ if head.starts_with(b"MSG ") => return message(bytes, head, used),
        _ => return Err(format!("no NATS message: {}", shown(head))),
    };
    Ok(Some((event, used)))
}

/// `MSG subject sid bytes` and so many bytes after it.
fn message<'a>(bytes: &'a [u8], head: &[u8], used: usize) -> Split<'a> {
    let last = head.rsplit(|&byte| byte == b' ').next().and_then(decimal);
    let payload = last.and_then(|bytes| usize::try_from(bytes).ok());
    let payload = payload.ok_or_else(|| format!("no NATS message: {}", shown(head)))?;
    let whole = used.saturating_add(payload).saturating_add(2);
    Ok((whole <= bytes.len()).then_some((Some(Event::Delivery), whole)))
}

pub(super) fn greet(who: Identity<'_>, out: &mut Vec<u8>) -> u32 {
    out.extend_from_slice(b"CONNECT {\"verbose\":true,\"pedantic\":false}\r\n");
    if who.role == Role::Listener {
        out.extend_from_slice(format!("SUB {TOPIC} 1\r\n").as_bytes());
        return 2;
    }
    1
}

pub(super) fn publish(subject: &str, text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("PUB {subject} {}\r\n{text}\r\n", text.len()).as_bytes());
}
