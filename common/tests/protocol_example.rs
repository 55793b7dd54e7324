//! `docs/PROTOCOL.md` is a promise to people who write clients in other languages, so it is read here and held
//! against the code: every table of kinds with its fields, every code, every limit, every byte of the
//! examples. It fails when either of the two changes alone.
#![forbid(unsafe_code)]

mod examples;

use std::fmt::Debug;
use std::iter::once;

use forum_common::frame::{self, Frame, Tag};
use forum_common::limits;
use forum_common::link::{LinkNotice, LinkRequest, RELAYED_BYTES_MAX, TOKEN_BYTES, Token};
use forum_common::notice::Notice;
use forum_common::peer::PeerFrame;
use forum_common::reader::Malformed;
use forum_common::refusal::{Closing, Refusal};
use forum_common::reply::Reply;
use forum_common::request::Request;
use forum_common::transfer::Transfer;

const PAGE: &str = include_str!("../../docs/PROTOCOL.md");

/// BLAKE3 of `hi` and a newline, as b3sum prints it.
const DIGEST: [u8; limits::DIGEST_BYTES] = [
    0x0b, 0x8b, 0x60, 0x24, 0x8f, 0xad, 0x7a, 0xc6, 0xdf, 0xac, 0x22, 0x1b, 0x7e, 0x01, 0xa8, 0xb9, 0x1c,
    0x77, 0x24, 0x21, 0xa1, 0x5b, 0x38, 0x7d, 0xd1, 0xfb, 0x2d, 0x6a, 0x94, 0xae, 0xe4, 0x38,
];

/// A token as good as any other.
const TOKEN: [u8; TOKEN_BYTES] = [0x5a; TOKEN_BYTES];

/// What stands between this heading and the next.
fn section(heading: &str) -> &'static str {
    let mark = format!("\n{heading}\n");
    let (_, rest) = PAGE.split_once(&mark).unwrap_or_else(|| panic!("no heading {heading:?}"));
    rest.split("\n#").next().unwrap_or(rest)
}

/// The cells of a section's first table, without the row that heads it.
fn rows(heading: &str) -> Vec<Vec<&'static str>> {
    let is_row = |line: &&str| line.starts_with('|');
    let table = section(heading).lines().skip_while(|line| !is_row(line)).take_while(is_row);
    let cells = |line: &'static str| line.trim_matches('|').split('|').map(str::trim).collect();
    let rows: Vec<Vec<&str>> = table.skip(2).map(cells).collect();
    assert!(!rows.is_empty(), "no table below {heading:?}");
    rows
}

/// What stands in backquotes.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// A frame of either side as a value.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Message<'a> {
    Request(Request<'a>),
    Reply(Reply<'a>),
    Transfer(Transfer<'a>),
    Notice(Notice<'a>),
    LinkRequest(LinkRequest<'a>),
    LinkNotice(LinkNotice<'a>),
    Peer(PeerFrame<'a>),
}

/// One of the ways to read a frame.
type Decode = for<'a> fn(&Frame<'a>) -> Result<Message<'a>, Malformed>;

/// The tables of kinds, and the code that each describes.
const TABLES: [(&str, Decode); 7] = [
    ("### Requests: kinds", |frame| Request::decode(frame).map(Message::Request)),
    ("### Replies: kinds", |frame| Reply::decode(frame).map(Message::Reply)),
    ("### Transfers: kinds", |frame| Transfer::decode(frame).map(Message::Transfer)),
    ("### Notices: kinds", |frame| Notice::decode(frame).map(Message::Notice)),
    ("### Links: requests", |frame| LinkRequest::decode(frame).map(Message::LinkRequest)),
    ("### Links: notices", |frame| LinkNotice::decode(frame).map(Message::LinkNotice)),
    ("### From client to client", |frame| PeerFrame::decode(frame).map(Message::Peer)),
];

impl Message<'_> {
    fn encode(&self, tag: Tag) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self {
            Self::Request(request) => request.encode(tag, &mut bytes),
            Self::Reply(reply) => reply.encode(tag, &mut bytes),
            Self::Transfer(transfer) => transfer.encode(tag, &mut bytes),
            Self::Notice(notice) => notice.encode(&mut bytes),
            Self::LinkRequest(request) => request.encode(tag, &mut bytes),
            Self::LinkNotice(notice) => notice.encode_tagged(tag, &mut bytes),
            Self::Peer(peer_frame) => peer_frame.encode(&mut bytes),
        }
        bytes
    }

    /// The name of its kind and all its values.
    fn shown(&self) -> String {
        match self {
            Self::Request(request) => format!("{request:?}"),
            Self::Reply(reply) => format!("{reply:?}"),
            Self::Transfer(transfer) => format!("{transfer:?}"),
            Self::Notice(notice) => format!("{notice:?}"),
            Self::LinkRequest(request) => format!("{request:?}"),
            Self::LinkNotice(notice) => format!("{notice:?}"),
            Self::Peer(peer_frame) => format!("{peer_frame:?}"),
        }
    }

    /// How the examples write it: bytes of files are better read as text, digests and tokens short.
    fn written(&self) -> String {
        match self {
            Self::Transfer(Transfer::Data(bytes)) => format!("Data({:?})", String::from_utf8_lossy(bytes)),
            Self::Transfer(Transfer::End([a, b, c, d, ..])) => format!("End({a:02x}{b:02x}{c:02x}{d:02x}…)"),
            other => {
                let shown = other.shown();
                match other.token() {
                    Some(token) => {
                        let [a, b, c, d, ..] = token;
                        shown.replace(&format!("{token:?}"), &format!("{a:02x}{b:02x}{c:02x}{d:02x}…"))
                    }
                    None => shown,
                }
            }
        }
    }

    fn token(&self) -> Option<Token> {
        match *self {
            Self::LinkNotice(LinkNotice::Prepare { token, .. } | LinkNotice::Introduction { token, .. })
            | Self::Peer(PeerFrame::Prove(token)) => Some(token),
            _ => None,
        }
    }
}

/// A row of a table of kinds.
struct Kind {
    number: u8,
    name: &'static str,
    /// Type and name of each field.
    fields: Vec<(&'static str, &'static str)>,
    /// Whether the fields behind its `bool` are there only if that is 1.
    is_conditional: bool,
}

fn kinds(heading: &str) -> Vec<Kind> {
    let field = |text: &'static str| text.split_once(' ').unwrap_or_else(|| panic!("{text:?} is no field"));
    let kind = |row: Vec<&'static str>| {
        let number = row[0].trim_matches('`').strip_prefix("0x").expect("a number in hexadecimal");
        Kind {
            number: u8::from_str_radix(number, 16).unwrap_or_else(|error| panic!("{number}: {error}")),
            name: row[1],
            fields: quoted(row[2]).into_iter().map(field).collect(),
            is_conditional: row[2].contains("only if that is 1"),
        }
    };
    rows(heading).into_iter().map(kind).collect()
}

/// The bytes of a field with a value of its own, and how the code shows that value; empty where it shows
/// something else.
fn sample((of, name): (&str, &str), at: u8) -> (Vec<u8>, String) {
    // Codes must be known ones, and are shown by their names: 1 is one of both sorts.
    let (number, shown) = match 0x0100 + u16::from(at) {
        _ if name == "code" => (1, String::new()),
        number => (number, number.to_string()),
    };
    let text = name.as_bytes();
    match of {
        "u16" => (number.to_be_bytes().into(), shown),
        "u32" => (u32::from(number).to_be_bytes().into(), shown),
        "u64" => (u64::from(number).to_be_bytes().into(), shown),
        "bool" => (vec![1], String::new()),
        "short" => (once(text.len() as u8).chain(text.iter().copied()).collect(), format!("{name:?}")),
        "rest" => (text.into(), format!("{name:?}")),
        "bytes" => (text.into(), format!("{text:?}")),
        "digest" => (DIGEST.into(), format!("{DIGEST:?}")),
        "token" => (TOKEN.into(), format!("{TOKEN:?}")),
        other => panic!("a field of unknown type {other:?}"),
    }
}

/// Whether a field takes whatever is left of a body, even nothing.
fn is_open(of: &str) -> bool {
    matches!(of, "rest" | "bytes")
}

/// Reads a body as this kind, which must take it and write the same bytes again; how the code shows it.
fn expect_taken(decode: Decode, kind: &Kind, body: &[u8]) -> String {
    let message = decode(&Frame { kind: kind.number, tag: 0, body });
    let message = message.unwrap_or_else(|error| panic!("{} of {body:02x?}: {error}", kind.name));
    let mut bytes = Vec::new();
    frame::append(&mut bytes, kind.number, 0, |out| out.extend_from_slice(body));
    assert_eq!(message.encode(0), bytes, "{}", kind.name);
    message.shown()
}

fn expect_refused(decode: Decode, kind: &Kind, body: &[u8], wanted: Malformed) {
    let got = decode(&Frame { kind: kind.number, tag: 0, body });
    assert_eq!(got, Err(wanted), "{} of {body:02x?}", kind.name);
}

/// Puts a body together by the table alone, insisting on the way that nothing less will do; with how the
/// code shows each value.
fn body_by_table(decode: Decode, kind: &Kind) -> (Vec<u8>, Vec<String>) {
    let (mut body, mut values, mut bools) = (Vec::new(), Vec::new(), Vec::new());
    for (&field, at) in kind.fields.iter().zip(0..) {
        let (bytes, shown) = sample(field, at);
        if !is_open(field.0) {
            expect_refused(decode, kind, &body, Malformed::Truncated);
            let inside = [&body, &bytes[..bytes.len() - 1]].concat();
            expect_refused(decode, kind, &inside, Malformed::Truncated);
        }
        if field.0 == "bool" {
            expect_refused(decode, kind, &[&body[..], &[2]].concat(), Malformed::BadValue);
            bools.push(body.len());
        }
        body.extend(bytes);
        values.push(shown);
    }
    for at in bools {
        let behind = if kind.is_conditional { &[] } else { &body[at + 1..] };
        expect_taken(decode, kind, &[&body[..at], &[0], behind].concat());
    }
    (body, values)
}

#[test]
fn every_kind_of_the_code_is_in_its_table_and_no_other() {
    for (heading, decode) in TABLES {
        let listed: Vec<u8> = kinds(heading).iter().map(|kind| kind.number).collect();
        let is_known =
            |&kind: &u8| decode(&Frame { kind, tag: 0, body: &[] }) != Err(Malformed::UnknownKind(kind));
        assert_eq!(listed, (0..=u8::MAX).filter(is_known).collect::<Vec<u8>>(), "{heading}");
    }
}

#[test]
fn a_body_made_by_the_table_alone_is_understood_field_by_field() {
    for (heading, decode) in TABLES {
        for kind in kinds(heading) {
            let (mut body, values) = body_by_table(decode, &kind);
            let shown = expect_taken(decode, &kind, &body);
            assert_eq!(shown.split([' ', '(']).next(), Some(kind.name), "{shown}");
            let mut rest = &shown[..];
            for ((_, name), value) in kind.fields.iter().zip(&values) {
                // Where the code has names for its fields, they are these.
                let label = format!("{name}: ");
                let wanted = if shown.contains(&label) { label + value } else { value.clone() };
                let found = rest.split_once(&wanted);
                rest = found.unwrap_or_else(|| panic!("no {wanted} in its place: {shown}")).1;
            }
            if !kind.fields.last().is_some_and(|(of, _)| is_open(of)) {
                body.push(0);
                expect_refused(decode, &kind, &body, Malformed::TrailingBytes);
            }
        }
    }
}

/// Number and name of every row of a table of codes.
fn codes(heading: &str) -> Vec<(u16, String)> {
    let code = |row: Vec<&str>| (row[0].parse().unwrap_or_else(|_| panic!("{row:?}")), row[1].to_owned());
    rows(heading).into_iter().map(code).collect()
}

fn named<C: Debug + Copy>(all: &[C], number: impl Fn(C) -> u16) -> Vec<(u16, String)> {
    all.iter().map(|&code| (number(code), format!("{code:?}"))).collect()
}

#[test]
fn every_code_is_in_its_table_with_its_number() {
    assert_eq!(codes("### Refusals: codes"), named(Refusal::ALL, Refusal::number));
    assert_eq!(codes("### Closing: codes"), named(Closing::ALL, Closing::number));
}

#[test]
fn the_table_says_which_refusals_close() {
    let closes: Vec<bool> = rows("### Refusals: codes").iter().map(|row| row[3] == "yes").collect();
    let wanted: Vec<bool> = Refusal::ALL.iter().map(|code| code.closes()).collect();
    assert_eq!(closes, wanted);
}

/// 65536 as `65,536`.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

#[test]
fn the_limits_are_those_of_the_code() {
    let rows = rows("## Limits");
    for (of, bytes) in [
        ("a whole frame", limits::FRAME_BYTES_MAX),
        ("a body", limits::BODY_BYTES_MAX),
        ("the file bytes in one Data frame", limits::DATA_BYTES_MAX),
        ("the payload of a Ping", limits::PING_BYTES_MAX),
        ("a user name", limits::USER_NAME_BYTES_MAX),
        ("a thread title", limits::TITLE_BYTES_MAX),
        ("a file name", limits::FILE_NAME_BYTES_MAX),
        ("a password", limits::PASSWORD_BYTES_MAX),
        ("the text of a message", limits::TEXT_BYTES_MAX),
        ("a datagram that is passed on", RELAYED_BYTES_MAX),
    ] {
        let row = rows.iter().find(|row| row[0] == of).unwrap_or_else(|| panic!("no row for {of}"));
        assert_eq!(row[1], format!("{} bytes", grouped(bytes)), "{of}");
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Client,
    Server,
}

/// A frame of an example as the page has it.
struct Exhibit {
    side: Side,
    bytes: Vec<u8>,
    text: &'static str,
}

/// The examples: each is the frames between one pair of fences.
fn shown_examples() -> Vec<Vec<Exhibit>> {
    PAGE.split("```frames\n").skip(1).map(|rest| exhibits(rest.split("```").next().unwrap_or(rest))).collect()
}

fn exhibits(block: &'static str) -> Vec<Exhibit> {
    let mut exhibits: Vec<Exhibit> = Vec::new();
    for line in block.lines() {
        let (left, text) = line.split_once('|').unwrap_or((line, ""));
        let (mark, hexadecimal) = left.split_at(1);
        let byte = |word| u8::from_str_radix(word, 16).unwrap_or_else(|_| panic!("{word:?} in {line:?}"));
        let bytes = hexadecimal.split_whitespace().map(byte);
        let side = match mark {
            "C" => Side::Client,
            "S" => Side::Server,
            _ => {
                exhibits.last_mut().expect("a line that begins a frame").bytes.extend(bytes);
                continue;
            }
        };
        exhibits.push(Exhibit { side, bytes: bytes.collect(), text: text.trim() });
    }
    exhibits
}

/// Whether a frame of this kind goes from client to client. Then the end that listens stands for the server.
fn is_peer_kind(kind: u8) -> bool {
    (0x70..=0x7f).contains(&kind)
}

impl Exhibit {
    fn decode(&self) -> (Tag, Message<'_>) {
        let (frame, used) = frame::split(&self.bytes).expect("a length that can be").expect("a whole frame");
        assert_eq!(used, self.bytes.len(), "{}", self.text);
        let message = match self.side {
            _ if Transfer::is_kind(frame.kind) => Transfer::decode(&frame).map(Message::Transfer),
            _ if is_peer_kind(frame.kind) => PeerFrame::decode(&frame).map(Message::Peer),
            Side::Client if LinkRequest::is_kind(frame.kind) => {
                LinkRequest::decode(&frame).map(Message::LinkRequest)
            }
            Side::Server if LinkNotice::is_kind(frame.kind) => {
                LinkNotice::decode(&frame).map(Message::LinkNotice)
            }
            Side::Client => Request::decode(&frame).map(Message::Request),
            Side::Server if Notice::is_kind(frame.kind) => Notice::decode(&frame).map(Message::Notice),
            Side::Server => Reply::decode(&frame).map(Message::Reply),
        };
        (frame.tag, message.unwrap_or_else(|error| panic!("{}: {error}", self.text)))
    }
}

#[test]
fn every_frame_of_the_examples_is_what_stands_beside_it() {
    for exhibit in shown_examples().iter().flatten() {
        let (tag, message) = exhibit.decode();
        assert_eq!(exhibit.text, format!("tag {tag}: {}", message.written()));
        assert_eq!(message.encode(tag), exhibit.bytes, "{}", exhibit.text);
    }
}

#[test]
fn the_examples_are_three_sessions_from_hello_to_goodbye_a_talk_of_two_clients_and_a_shutdown() {
    let goodbye = Notice::Closing { code: Closing::ShuttingDown, text: "Goodbye. Server shutting down" };
    let shutdown = vec![(Side::Server, frame::NO_TAG, Message::Notice(goodbye))];
    let wanted = [examples::session(), examples::company(), examples::links(), examples::talk(), shutdown];
    let examples = shown_examples();
    assert_eq!(examples.len(), wanted.len());
    for (exhibits, wanted) in examples.iter().zip(wanted) {
        assert_eq!(exhibits.len(), wanted.len());
        for (exhibit, (side, tag, message)) in exhibits.iter().zip(wanted) {
            assert_eq!((exhibit.side, exhibit.decode()), (side, (tag, message)));
            assert_eq!(message.encode(tag), exhibit.bytes, "{}", exhibit.text);
        }
    }
}

#[test]
fn the_examples_have_every_kind_of_links_and_of_the_talk_of_two_clients() {
    let shown: Vec<u8> = shown_examples().iter().flatten().map(|exhibit| exhibit.bytes[4]).collect();
    let of_links = ["### Links: requests", "### Links: notices", "### From client to client"].map(kinds);
    for kind in of_links.iter().flatten() {
        assert!(shown.contains(&kind.number), "{}", kind.name);
    }
}

#[test]
fn the_examples_have_every_kind_of_messages_presence_board_and_rooms() {
    let shown: Vec<u8> = shown_examples().iter().flatten().map(|exhibit| exhibit.bytes[4]).collect();
    let [requests, replies, _, notices, ..] = TABLES.map(|(heading, _)| kinds(heading));
    let of_company = requests.iter().filter(|kind| kind.number >= 0x30);
    let of_company = of_company.chain(replies.iter().filter(|kind| kind.number >= 0x93)).chain(&notices);
    for kind in of_company {
        assert!(shown.contains(&kind.number), "{}", kind.name);
    }
}
