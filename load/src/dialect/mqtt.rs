//! MQTT 3.1.1 (<https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/mqtt-v3.1.1.html>): a post is a PUBLISH with
//! QoS 1, which is acknowledged; what everybody hears is one with QoS 0, which is not.

use super::{Event, Identity, Split, TOPIC};
use crate::connection::Role;

pub(super) const PING: &[u8] = &[0xC0, 0];

/// Seconds of silence after which the broker may give a client up; 0 = never, as listeners only listen.
const KEEP_ALIVE: u16 = 0;
/// The packet identifier of every acknowledged packet: acknowledgements come in order.
const PACKET_ID: [u8; 2] = [0, 1];

#[inline]
pub(super) fn split(bytes: &[u8]) -> Split<'_> {
    let Some((remaining, head)) = remaining_length(bytes)? else { return Ok(None) };
    let whole = head + remaining;
    let Some(body) = bytes.get(head..whole) else { return Ok(None) };
    let event = match bytes[0] >> 4 {
        // CONNACK with a return code.
        2 if body.get(1) != Some(&0) => Event::Refused(b"the broker refused the connection"),
        // SUBACK with a failure.
        9 if body.get(2) == Some(&0x80) => Event::Refused(b"the broker refused the subscription"),
        2 | 4 | 9 | 13 => Event::Answer,
        3 => Event::Delivery,
        kind => return Err(format!("MQTT packet of kind {kind}")),
    };
    Ok(Some((Some(event), whole)))
}

/// The length after the first byte, seven bits a byte, lowest first; and the bytes of both.
fn remaining_length(bytes: &[u8]) -> Result<Option<(usize, usize)>, String> {
    let mut length = 0;
    for (place, &byte) in bytes.iter().skip(1).take(4).enumerate() {
        length |= usize::from(byte & 0x7F) << (7 * place);
        if byte & 0x80 == 0 {
            return Ok(Some((length, place + 2)));
        }
    }
    if bytes.len() > 4 {
        Err("MQTT packet with a length of more than four bytes".to_owned())
    } else {
        Ok(None)
    }
}

pub(super) fn greet(who: Identity<'_>, out: &mut Vec<u8>) -> u32 {
    packet(0x10, out, |body| {
        string("MQTT", body);
        // Level 4 is version 3.1.1; flag 2 a clean session.
        body.extend_from_slice(&[4, 2]);
        body.extend_from_slice(&KEEP_ALIVE.to_be_bytes());
        string(who.name, body);
    });
    if who.role == Role::Listener {
        packet(0x82, out, |body| {
            body.extend_from_slice(&PACKET_ID);
            string(TOPIC, body);
            body.push(0);
        });
        return 2;
    }
    1
}

pub(super) fn post(topic: &str, text: &str, out: &mut Vec<u8>) {
    packet(0x32, out, |body| {
        string(topic, body);
        body.extend_from_slice(&PACKET_ID);
        body.extend_from_slice(text.as_bytes());
    });
}

pub(super) fn publish(text: &str, out: &mut Vec<u8>) {
    packet(0x30, out, |body| {
        string(TOPIC, body);
        body.extend_from_slice(text.as_bytes());
    });
}

fn packet(first: u8, out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    let mut body = Vec::new();
    fill(&mut body);
    out.push(first);
    let mut length = body.len();
    while length > 0x7F {
        out.push((length & 0x7F) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(&body);
}

fn string(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(&(text.len() as u16).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}
