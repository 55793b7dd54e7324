//! Every message of the table, made from its description alone.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::describe::PROTOCOL;
use super::drafts::Draft;
use super::info::{Direction, FieldInfo, GroupInfo, MessageInfo, direction};
use super::*;
use crate::limits::{FRAME_BYTES_MAX, TEXT_BYTES_MAX};

/// Reads a frame and writes it again, borrowed and owned; the bytes of the frame.
type Again = fn(&Frame<'_>) -> Result<Vec<u8>, Malformed>;

macro_rules! again {
    ($($group:ident),+) => {
        [$((stringify!($group), |frame| {
            let message = $group::decode(frame)?;
            assert_eq!((message.kind(), $group::is_kind(frame.kind)), (frame.kind, true));
            assert_eq!(message.owned().as_ref(), message);
            let mut bytes = Vec::new();
            message.encode(frame.tag, &mut bytes);
            Ok(bytes)
        }),)+]
    };
}

const GROUPS: [(&str, Again); 6] = again!(Request, Transfer, Direct, Reply, Notice, Draft);

fn groups() -> impl Iterator<Item = &'static GroupInfo> {
    PROTOCOL.groups.iter().chain(PROTOCOL.drafts)
}

/// Every message, and how its group reads and writes it.
fn messages() -> impl Iterator<Item = (&'static MessageInfo, Again)> {
    groups().flat_map(|group| {
        let again = GROUPS.iter().find(|(name, _)| *name == group.name).expect("a group of the test").1;
        group.messages.iter().map(move |message| (message, again))
    })
}

/// The bytes of a field, with something in it that depends on `seed`.
fn sample(field: &FieldInfo, seed: u8) -> Vec<u8> {
    let mut bytes = if field.optional { vec![1] } else { Vec::new() };
    let text = format!("{}{}", field.name, "é".repeat(seed.into()));
    bytes.extend(match field.of {
        "u8" => vec![seed],
        "bool" => vec![1],
        "u16" => vec![0, seed],
        "u32" => vec![0, 1, 2, seed],
        "u64" | "time" | "range" => vec![0, 1, 2, 3, 4, 5, 6, seed],
        "key" => vec![seed; 16],
        "digest" => vec![seed; 32],
        "rest" => text.into(),
        "str" | "bytes" => [&(text.len() as u16).to_be_bytes(), text.as_bytes()].concat(),
        "limits" => [&[0, 1], &[0, seed][..], &[seed; 8]].concat(),
        other => panic!("a field of unknown type {other:?}"),
    });
    bytes
}

fn framed(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::append(&mut bytes, kind, 7, body);
    bytes
}

#[test]
fn every_message_comes_back_as_it_went() {
    for (message, again) in messages() {
        for seed in [0, 1, 7] {
            let body: Vec<u8> = message.fields.iter().flat_map(|field| sample(field, seed)).collect();
            let frame = Frame { kind: message.kind, tag: 7, body: &body };
            assert_eq!(again(&frame), Ok(framed(message.kind, &body)), "{}", message.name);
        }
    }
}

#[test]
fn a_body_may_end_before_its_optional_fields_and_nowhere_else() {
    for (message, again) in messages() {
        let fields: Vec<Vec<u8>> = message.fields.iter().map(|field| sample(field, 1)).collect();
        let body = fields.concat();
        let needed = message.fields.iter().rposition(|field| !field.optional).map_or(0, |last| last + 1);
        for length in 0..body.len() {
            let result = again(&Frame { kind: message.kind, tag: 7, body: &body[..length] });
            let mut ends = (0..=fields.len()).map(|count| (count, fields[..count].concat().len()));
            let is_whole = ends.any(|(count, end)| count >= needed && end == length);
            let is_open = message.fields.last().is_some_and(|field| field.of == "rest");
            let is_rest = is_open && length >= fields[..fields.len() - 1].concat().len();
            let context = format!("{} with {length} bytes of {}", message.name, body.len());
            if is_whole || is_rest {
                assert!(result.is_ok(), "{context}: {result:?}");
            } else {
                // Half a character is no text.
                assert!(matches!(result, Err(Malformed::Truncated | Malformed::NotUtf8)), "{context}");
            }
        }
    }
}

#[test]
fn what_a_newer_peer_adds_to_a_body_is_ignored() {
    for (message, again) in messages() {
        if message.fields.last().is_some_and(|field| field.of == "rest") {
            continue;
        }
        let body: Vec<u8> = message.fields.iter().flat_map(|field| sample(field, 1)).collect();
        let longer = [&body[..], &[1, 0, 255]].concat();
        let frame = Frame { kind: message.kind, tag: 7, body: &longer };
        assert_eq!(again(&frame), Ok(framed(message.kind, &body)), "{}", message.name);
    }
}

#[test]
fn only_what_can_never_grow_takes_the_rest_of_a_body() {
    let open = messages().filter(|(message, _)| message.fields.iter().any(|field| field.of == "rest"));
    let open: Vec<&str> = open.map(|(message, _)| message.name).collect();
    assert_eq!(open, ["Ping", "RelayDatagram", "Data", "Pong", "RelayedDatagram"]);
}

#[test]
fn every_kind_has_a_number_and_a_name_of_its_own_in_the_range_of_its_group() {
    let (mut kinds, mut names) = (BTreeSet::new(), BTreeSet::new());
    for group in groups() {
        for message in group.messages {
            assert!(kinds.insert(message.kind), "0x{:02x} is two", message.kind);
            assert!(names.insert(message.name), "{} are two", message.name);
            let wanted = match group.name {
                "Request" => Direction::ToServer,
                "Transfer" => Direction::Both,
                "Direct" => Direction::BetweenClients,
                "Reply" | "Notice" => Direction::ToClient,
                _ => continue,
            };
            assert_eq!(direction(message.kind), wanted, "{}", message.name);
            assert_eq!(group.name == "Notice", message.kind >= 0xc0, "{}", message.name);
            assert_eq!(message.name.ends_with("Item"), (0x90..=0x9f).contains(&message.kind));
        }
    }
    let answers = messages().flat_map(|(message, _)| message.answers);
    for answer in answers {
        assert!(names.contains(answer), "{answer} answers something and is nothing");
    }
}

#[test]
fn optional_fields_stand_before_others_only_where_text_for_people_comes_last() {
    for message in PROTOCOL.messages() {
        let fields = message.fields;
        for (at, _) in fields.iter().enumerate().filter(|(_, field)| field.optional) {
            let after = &fields[at..];
            let is_text_last = after.last().is_some_and(|field| field.name == "text");
            assert!(is_text_last || after.iter().all(|field| field.optional), "{}", message.name);
        }
    }
}

#[test]
fn before_the_welcome_every_message_fits_the_smaller_frames() {
    for message in
        Request::INFO.iter().filter(|message| ["hello", "name", "password"].contains(&message.phase))
    {
        let longest: usize = message
            .fields
            .iter()
            .map(|field| usize::from(field.optional) + 2 + 4 + field.at_most.unwrap_or(8))
            .sum();
        assert!(longest + 9 <= frame::EARLY_FRAME_BYTES_MAX, "{}: {longest}", message.name);
    }
}

#[test]
fn strings_that_are_too_long_stay_too_long_and_fit_the_frame() {
    let long = "é".repeat(100_000);
    let mut bytes = Vec::new();
    let post = Request::Post { title: &long, text: &long, key: None };
    post.encode(1, &mut bytes);
    let (frame, _) = frame::split(&bytes, FRAME_BYTES_MAX).unwrap().unwrap();
    let Ok(Request::Post { title, text, .. }) = Request::decode(&frame) else { panic!("{frame:?}") };
    assert!(title.len() > crate::limits::TITLE_BYTES_MAX && text.len() > TEXT_BYTES_MAX);
    bytes.clear();
    Request::ChangePassword { old: &long, new: &long, confirmation: &long }.encode(1, &mut bytes);
    assert!(bytes.len() <= FRAME_BYTES_MAX);
}

#[test]
fn every_request_with_a_key_says_where_it_is() {
    for message in Request::INFO {
        let body: Vec<u8> = message.fields.iter().flat_map(|field| sample(field, 1)).collect();
        let mut request = Request::decode(&Frame { kind: message.kind, tag: 7, body: &body }).unwrap();
        let key = request.key_mut();
        assert_eq!(key.is_some(), message.fields.iter().any(|field| field.name == "key"), "{}", message.name);
        assert!(key.is_none_or(|key| *key == Some([1; 16])));
    }
}

#[test]
fn the_largest_relayed_datagram_fits_a_frame() {
    let mut bytes = Vec::new();
    Request::RelayDatagram { link: 1, datagram: &[0; messages::RELAYED_BYTES_MAX] }.encode(1, &mut bytes);
    assert_eq!(bytes.len(), FRAME_BYTES_MAX);
}

#[test]
fn every_code_comes_back_from_its_number_and_unknown_ones_are_no_error() {
    for code in Refusal::ALL {
        assert_eq!(Refusal::from_number(code.number()), *code);
    }
    assert_eq!(Refusal::from_number(60_000), Refusal::Other(60_000));
    assert_eq!(Refusal::Other(60_000).number(), 60_000);
    let numbers: Vec<u16> = Limit::INFO.iter().map(|code| code.number).collect();
    assert!(numbers.is_sorted() && numbers.iter().collect::<BTreeSet<_>>().len() == numbers.len());
}

#[test]
fn limits_come_back_with_their_values() {
    let list: LimitListBuf = [(Limit::Threads, 5), (Limit::IdleSeconds, u64::MAX)].into_iter().collect();
    let hello = Reply::ServerHello {
        version: VERSION,
        server: "forumd",
        features: "",
        limits: list.as_list(),
        zone: "UTC",
        now_ms: 1,
        servers: None,
    };
    let mut bytes = Vec::new();
    hello.encode(1, &mut bytes);
    let (frame, _) = frame::split(&bytes, frame::EARLY_FRAME_BYTES_MAX).unwrap().unwrap();
    let Ok(Reply::ServerHello { limits, .. }) = Reply::decode(&frame) else { panic!("{frame:?}") };
    assert_eq!(limits.get(Limit::IdleSeconds), Some(u64::MAX));
    assert_eq!((limits.get(Limit::Threads), limits.get(Limit::Rooms)), (Some(5), None));
}

proptest! {
    #[test]
    fn no_bytes_make_a_decoder_panic(kind in any::<u8>(), body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let frame = Frame { kind, tag: 1, body: &body };
        for (_, again) in GROUPS {
            let _ = again(&frame);
        }
    }
}
