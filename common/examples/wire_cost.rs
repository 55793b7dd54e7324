//! What a ping and a post cost to encode and to decode, in instructions. Each of the functions below runs a thousand
//! times, so thousands in this table are instructions of one call:
//!
//! ```sh
//! cargo build --release -p forum-common --example wire_cost
//! valgrind --tool=callgrind --callgrind-out-file=cost target/release/examples/wire_cost
//! callgrind_annotate --inclusive=yes --threshold=100 cost | grep -E '=>.*code::.*1,000x'
//! ```
#![forbid(unsafe_code)]

use std::hint::black_box;

use forum_common::limits::FRAME_BYTES_MAX;
use forum_common::wire::{Reply, Request, frame};

const ROUNDS: usize = 1_000;
const TEXT: &str =
    "the quick brown fox jumps over the lazy dog, the quick brown fox jumps over the lazy dog, and so";

macro_rules! cases {
    ($($name:ident: $encode:expr, $decode:expr;)*) => {
        mod encode { use super::*; $(#[inline(never)] pub(crate) fn $name(out: &mut Vec<u8>) { $encode(out) })* }
        mod decode {
            use super::*;
            $(#[inline(never)] pub(crate) fn $name(bytes: &[u8]) -> usize {
                // Something of its own, or two functions with the same code become one.
                $decode(bytes) + black_box(stringify!($name)).len()
            })*
        }

        fn main() {
            let mut out = Vec::with_capacity(FRAME_BYTES_MAX);
            $({
                out.clear();
                encode::$name(&mut out);
                let bytes = out.clone();
                for _ in 0..ROUNDS {
                    out.clear();
                    encode::$name(black_box(&mut out));
                    black_box(decode::$name(black_box(&bytes)));
                }
            })*
        }
    };
}

fn request(bytes: &[u8]) -> usize {
    let (frame, used) = frame::split(bytes, FRAME_BYTES_MAX).unwrap().unwrap();
    match Request::decode(&frame).unwrap() {
        Request::Ping { payload } => used + payload.len(),
        Request::Post { title, text, key } => used + title.len() + text.len() + usize::from(key.is_some()),
        _ => 0,
    }
}

fn reply(bytes: &[u8]) -> usize {
    let (frame, used) = frame::split(bytes, FRAME_BYTES_MAX).unwrap().unwrap();
    match Reply::decode(&frame).unwrap() {
        Reply::Pong { payload } => used + payload.len(),
        Reply::Posted { text, .. } => used + text.len(),
        Reply::PostItem { author, text, .. } => used + author.len() + text.len(),
        _ => 0,
    }
}

const POSTED: &str = "Message posted to 3331 thread";

cases! {
    ping:
        |out: &mut Vec<u8>| black_box(Request::Ping { payload: b"" }).encode(7, out), request;
    pong:
        |out: &mut Vec<u8>| black_box(Reply::Pong { payload: b"" }).encode(7, out), reply;
    post:
        |out: &mut Vec<u8>| black_box(Request::Post { title: "3331", text: TEXT, key: None }).encode(7, out), request;
    post_with_key:
        |out: &mut Vec<u8>| black_box(Request::Post { title: "3331", text: TEXT, key: Some([7; 16]) }).encode(7, out), request;
    posted:
        |out: &mut Vec<u8>| black_box(Reply::Posted { number: 1, id: 2, at_ms: 3, text: POSTED }).encode(7, out), reply;
    post_item:
        |out: &mut Vec<u8>| black_box(Reply::PostItem { number: 1, id: 2, at_ms: 3, author: "yoda", text: TEXT }).encode(7, out), reply;
}
