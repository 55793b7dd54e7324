//! `docs/PROTOCOL.md` and `docs/protocol.json` are promises to people who write clients in other languages, so
//! they are held against the code here: every table, every code, every limit, every byte of the examples.
//!
//! `UPDATE_DOCS=1 cargo test -p forum-common --test protocol_page` writes what comes from the code into both. The
//! bytes of the examples are the page's own, and the code says what they mean: a new frame is a line with `C` or `S`
//! and its bytes.
#![forbid(unsafe_code)]

mod dissector;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use forum_common::limits::{self, FRAME_BYTES_MAX};
use forum_common::wire::describe::PROTOCOL;
use forum_common::wire::info::{Direction, FieldInfo, GroupInfo, MessageInfo, direction};
use forum_common::wire::{Direct, Notice, Refusal, Reply, Request, Transfer, frame};

fn docs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").join("docs").join(name)
}

/// Holds a file against what it should be, or makes it that.
fn expect(name: &str, wanted: &str) {
    let path = docs(name);
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, wanted).expect("a place to write to");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    let differs = found.lines().zip(wanted.lines()).find(|(found, wanted)| found != wanted);
    let lengths = (found.lines().count(), wanted.lines().count());
    assert!(
        found == wanted,
        "{name} is not what the code says (UPDATE_DOCS=1 makes it so): {differs:#?}, lines {lengths:?}"
    );
}

#[test]
fn protocol_json_is_what_the_code_says() {
    let json = serde_json::to_string_pretty(&PROTOCOL).expect("a description that is JSON");
    expect("protocol.json", &(json + "\n"));
}

/// The page with everything in it that comes from the code.
fn page_from_code(page: &str) -> String {
    const BEGIN: &str = "<!-- from the code: ";
    let mut parts = page.split(BEGIN);
    let mut written = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once(" -->\n").expect("a name");
        let (found, rest) = rest.split_once("<!-- end -->").expect("an end");
        written += &format!("{BEGIN}{name} -->\n{}\n<!-- end -->{rest}", generated(name, found).trim_end());
    }
    written
}

#[test]
fn every_table_and_every_example_of_the_page_is_what_the_code_says() {
    let page = fs::read_to_string(docs("PROTOCOL.md")).expect("the page");
    expect("PROTOCOL.md", &page_from_code(&page));
    for part in parts() {
        assert!(page.contains(&format!("<!-- from the code: {part} -->")), "the page has no {part}");
    }
}

/// What the page has to have.
fn parts() -> Vec<String> {
    let groups = PROTOCOL.groups.iter().chain(PROTOCOL.drafts);
    let mut parts: Vec<String> = groups.map(|group| format!("kinds of {}", group.name)).collect();
    let frames = ["quick-start", "forum", "people", "links", "direct", "closing"];
    parts.extend(frames.map(|name| format!("frames of {name}")));
    parts
        .extend(["limits", "refusals", "closings", "limit codes", "take-over", "digests"].map(str::to_owned));
    parts
}

/// A part of the page, in place of what was `found` there.
fn generated(part: &str, found: &str) -> String {
    match part.split_once(" of ") {
        Some(("kinds", name)) => {
            let mut groups = PROTOCOL.groups.iter().chain(PROTOCOL.drafts);
            kinds(groups.find(|group| group.name == name).expect("a group"))
        }
        Some(("frames", _)) => frames(found),
        _ => match part {
            "limits" => limit_table(),
            "refusals" => codes(PROTOCOL.refusals),
            "closings" => codes(PROTOCOL.closings),
            "limit codes" => codes(PROTOCOL.limit_codes),
            "digests" => digests(),
            "take-over" => codes(PROTOCOL.take_over),
            other => panic!("nothing in the code is {other:?}"),
        },
    }
}

/// The table of a group of messages.
fn kinds(group: &GroupInfo) -> String {
    let has_answers = group.messages.iter().any(|message| !message.answers.is_empty());
    let mut table = String::from("\n| kind | name | body | ");
    table += if has_answers {
        "answer | meaning |\n|---|---|---|---|---|\n"
    } else {
        "meaning |\n|---|---|---|---|\n"
    };
    for message in group.messages {
        let body: Vec<String> = message.fields.iter().map(field).collect();
        write!(table, "| `0x{:02x}` | {} | {} | ", message.kind, message.name, body.join(", ")).unwrap();
        if has_answers {
            write!(table, "{} | ", message.answers.join(", ")).unwrap();
        }
        writeln!(table, "{} |", meaning(message)).unwrap();
    }
    table
}

fn field(field: &FieldInfo) -> String {
    format!("`{}{} {}`", field.of, if field.optional { "?" } else { "" }, field.name)
}

/// What a message means, and after that its fields where their names don't say it.
fn meaning(message: &MessageInfo) -> String {
    let mut meaning = message.doc.trim().to_owned();
    for field in message.fields.iter().filter(|field| !field.doc.is_empty()) {
        write!(meaning, " `{}`: {}", field.name, lower_first(field.doc.trim())).unwrap();
    }
    meaning
}

/// A sentence that goes on after a colon. Abbreviations keep their capitals.
fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().unwrap_or_default();
    let is_abbreviation = chars.clone().next().is_some_and(|second| second.is_uppercase());
    if is_abbreviation { text.to_owned() } else { first.to_lowercase().chain(chars).collect() }
}

fn codes(codes: &[forum_common::wire::codes::CodeInfo]) -> String {
    let mut table = String::from("\n| code | name | meaning |\n|---|---|---|\n");
    for code in codes {
        writeln!(table, "| {} | {} | {} |", code.number, code.name, code.doc.trim()).unwrap();
    }
    table
}

/// Test vectors, up to several of the chunks of 1,024 bytes that the digest is made of.
fn digests() -> String {
    let mut table = String::from("\n| bytes | digest |\n|---|---|\n");
    for count in [0, 1, 1_024, 1_025, 2_049, 100_000] {
        let bytes: Vec<u8> = (0..count).map(|at| (at % 251) as u8).collect();
        writeln!(table, "| {} | `{}` |", grouped(count), blake3::hash(&bytes)).unwrap();
    }
    table
}

fn limit_table() -> String {
    let mut table = String::from("\n| of | at most |\n|---|---|\n");
    for limit in PROTOCOL.limits {
        writeln!(table, "| {} | {} bytes |", limit.name, grouped(limit.bytes)).unwrap();
    }
    table
}

/// 65536 as `65,536`.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

/// Bytes of a frame in a line of an example.
const ROW_BYTES: usize = 16;

/// A conversation as hexadecimal bytes with what they mean.
fn frames(found: &str) -> String {
    let mut block = String::from("```\n");
    for (mark, bytes) in conversation(found) {
        for (row, at) in bytes.chunks(ROW_BYTES).zip(0..) {
            let hexadecimal: Vec<String> = row.iter().map(|byte| format!("{byte:02x}")).collect();
            let line = format!("{} {}", if at == 0 { mark } else { ' ' }, hexadecimal.join(" "));
            if at == 0 {
                writeln!(block, "{line:<49}  | {}", meant(mark, &bytes)).unwrap();
            } else {
                writeln!(block, "{line}").unwrap();
            }
        }
    }
    block + "```"
}

/// The frames of an example, each with the mark of who says it.
fn conversation(block: &str) -> Vec<(char, Vec<u8>)> {
    let mut frames: Vec<(char, Vec<u8>)> = Vec::new();
    for line in block.lines().filter(|line| !line.is_empty() && !line.starts_with("```")) {
        let (bytes, _) = line.split_once('|').unwrap_or((line, ""));
        let (mark, bytes) = bytes.split_at(1);
        if mark != " " {
            frames.extend(mark.chars().map(|mark| (mark, Vec::new())));
        }
        let bytes = bytes.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).expect("two digits"));
        frames.last_mut().expect("a mark before the first byte").1.extend(bytes);
    }
    frames
}

/// What the frame means that the client (`C`) or the server (`S`) says; between two clients, the one that listens
/// stands for the server. Written again, it is the same bytes.
fn meant(mark: char, bytes: &[u8]) -> String {
    let (frame, used) = frame::split(bytes, FRAME_BYTES_MAX).unwrap().expect("a whole frame");
    assert_eq!(used, bytes.len(), "more than {frame:?}");
    macro_rules! message {
        ($group:ident) => {{
            let message = $group::decode(&frame).unwrap_or_else(|error| panic!("{error} in {frame:?}"));
            let mut again = Vec::new();
            message.encode(frame.tag, &mut again);
            assert_eq!(again, bytes, "{message:?}");
            format!("{message:?}")
        }};
    }
    let shown = match (mark, direction(frame.kind)) {
        ('C', Direction::ToServer) => message!(Request),
        ('C' | 'S', Direction::Both) => message!(Transfer),
        ('C' | 'S', Direction::BetweenClients) => message!(Direct),
        ('S', Direction::ToClient) if Notice::is_kind(frame.kind) => message!(Notice),
        ('S', Direction::ToClient) => message!(Reply),
        other => panic!("a frame that goes the wrong way: {other:?}"),
    };
    format!("tag {}: {}", frame.tag, readable(&shown))
}

/// What the code shows of a message, with lists of numbers as what they are: keys and digests, or text.
fn readable(shown: &str) -> String {
    let mut parts = shown.split('[');
    let mut readable = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (list, rest) = part.split_once(']').expect("a list that ends");
        let bytes: Vec<u8> = list.split(", ").filter_map(|number| number.parse().ok()).collect();
        match &bytes[..] {
            [a, b, c, d, ..] if matches!(bytes.len(), 16 | 32) => {
                write!(readable, "{a:02x}{b:02x}{c:02x}{d:02x}…").unwrap();
            }
            text if text.iter().all(|byte| byte.is_ascii_graphic() || b" \n".contains(byte)) => {
                write!(readable, "{:?}", String::from_utf8_lossy(text)).unwrap();
            }
            [a, b, c, d, .., _] if bytes.len() > 16 => {
                write!(readable, "{a:02x}{b:02x}{c:02x}{d:02x}…").unwrap();
            }
            other => write!(readable, "{other:02x?}").unwrap(),
        }
        readable += rest;
    }
    readable
}

#[test]
fn names_and_texts_have_the_lengths_of_the_code() {
    let page = fs::read_to_string(docs("PROTOCOL.md")).expect("the page");
    for (what, bytes) in [
        ("user name", limits::USER_NAME_BYTES_MAX),
        ("thread title", limits::TITLE_BYTES_MAX),
        ("file name", limits::FILE_NAME_BYTES_MAX),
        ("password", limits::PASSWORD_BYTES_MAX),
        ("text of a message", limits::TEXT_BYTES_MAX),
    ] {
        assert!(page.contains(&format!("| {what} | 1–{} |", grouped(bytes))), "{what}");
    }
}

#[test]
fn the_table_of_refusals_says_which_close() {
    for (code, info) in Refusal::ALL.iter().zip(Refusal::INFO) {
        assert_eq!(code.closes(), info.doc.contains("Closes."), "{}", info.name);
    }
}

#[test]
fn the_digest_of_the_examples_is_that_of_their_file() {
    let page = fs::read_to_string(docs("PROTOCOL.md")).expect("the page");
    let (_, rest) = page.split_once("<!-- from the code: frames of forum -->\n").expect("the example");
    let (block, _) = rest.split_once("<!-- end -->").expect("its end");
    let digest = *blake3::hash(b"hi\n").as_bytes();
    // The upload's answer, and both ends of the download.
    let have_it = |(_, bytes): &(char, Vec<u8>)| bytes.windows(digest.len()).any(|window| window == digest);
    assert_eq!(conversation(block).iter().filter(|frame| have_it(frame)).count(), 3);
}
