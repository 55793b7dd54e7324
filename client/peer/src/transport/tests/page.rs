//! The page `docs/UDP.md` against the program: its examples byte for byte, and the numbers in its table.

use std::time::Duration;

use crate::transport::acks::ACK_DELAY_MAX;
use crate::transport::mtu::{BASE_BYTES, FLOOR_BYTES};
use crate::transport::packet::{self, ACK_RANGES_MAX, DATAGRAM_BYTES_MAX, VERSION};
use crate::transport::reassembly::WINDOW_BYTES;
use crate::transport::{IDLE_MAX, LINGER, Offer, RETRY_MAX, RETRY_MIN, Reason, Token};

const PAGE: &str = include_str!("../../../../../docs/UDP.md");

/// The packets of the example, S from the sender and R from the receiver.
fn example() -> Vec<(char, Vec<u8>)> {
    let sessions = Token::new(std::array::from_fn(|index| index as u8)).sessions();
    let (to_receiver, to_sender) = (sessions.to_receiver, sessions.to_sender);
    let content = b"hello, hans\n";
    let offer = Offer { size: content.len() as u64, digest: *blake3::hash(content).as_bytes() };
    let mut packets = Vec::new();
    let mut say = |end, write: &dyn Fn(&mut [u8]) -> usize| {
        let mut buffer = [0; BASE_BYTES];
        let bytes = write(&mut buffer);
        packets.push((end, buffer[..bytes].to_vec()));
    };
    say('R', &|buffer| packet::write_knock(buffer, to_sender));
    say('S', &|buffer| packet::write_hello(buffer, to_receiver, &offer));
    say('R', &|buffer| packet::write_accept(buffer, to_sender, 0, offer.size, DATAGRAM_BYTES_MAX as u16));
    say('S', &|buffer| {
        let header = packet::write_data_header(buffer, to_receiver, 0, 0);
        buffer[header..][..5].copy_from_slice(&content[..5]);
        header + 5
    });
    say('S', &|buffer| packet::write_ping(buffer, to_receiver, 3, 20));
    say('R', &|buffer| {
        let ranges = [3..4, 0..1].into_iter();
        packet::write_ack(buffer, to_sender, Duration::from_micros(1_500), 5, offer.size, ranges)
    });
    say('S', &|buffer| {
        let header = packet::write_data_header(buffer, to_receiver, 4, 5);
        buffer[header..][..7].copy_from_slice(&content[5..]);
        header + 7
    });
    say('R', &|buffer| packet::write_done(buffer, to_sender));
    say('S', &|buffer| packet::write_goodbye(buffer, to_receiver));
    say('S', &|buffer| packet::write_abort(buffer, to_receiver, Reason::Cancelled));
    packets
}

#[test]
fn the_examples_of_the_page_are_what_is_sent() {
    let mut on_page: Vec<(char, Vec<u8>)> = Vec::new();
    let (_, examples) = PAGE.split_once("## Example").unwrap();
    let (_, block) = examples.split_once("```text\n").unwrap();
    for line in block.split_once("```").unwrap().0.lines() {
        let hex = line.split('|').next().unwrap();
        if let Some(end) = line.chars().next().filter(|first| *first != ' ') {
            on_page.push((end, Vec::new()));
        }
        let digits = hex.split_whitespace().filter(|word| word.len() == 2);
        on_page.last_mut().unwrap().1.extend(digits.map(|digits| u8::from_str_radix(digits, 16).unwrap()));
    }
    assert_eq!(on_page, example());
}

#[test]
fn the_numbers_of_the_page_are_those_of_the_program() {
    let seconds = |duration: Duration| duration.as_secs_f64().to_string();
    for (name, number) in [
        ("version", VERSION.to_string()),
        ("bytes of a datagram, at first", BASE_BYTES.to_string()),
        ("bytes of a datagram, at least", FLOOR_BYTES.to_string()),
        ("bytes of a datagram, at most", DATAGRAM_BYTES_MAX.to_string()),
        ("ranges in an Ack, at most", ACK_RANGES_MAX.to_string()),
        ("bytes of the receiver's window", WINDOW_BYTES.to_string()),
        ("seconds that an Ack may wait", seconds(ACK_DELAY_MAX)),
        ("seconds of silence that end a transfer", seconds(IDLE_MAX)),
        ("seconds that an end lingers", seconds(LINGER)),
        ("seconds before something is said again, at first", seconds(RETRY_MIN)),
        ("seconds before something is said again, at most", seconds(RETRY_MAX)),
    ] {
        assert!(PAGE.contains(&format!("| {name} | {number} |")), "| {name} | {number} |");
    }
    for (code, reason) in (1..).zip([
        Reason::Cancelled,
        Reason::Declined,
        Reason::Unreadable,
        Reason::NotStored,
        Reason::DigestDiffers,
        Reason::UnknownVersion,
    ]) {
        assert_eq!(reason as u8, code);
        assert!(PAGE.contains(&format!("| {code} | {reason:?} |")), "| {code} | {reason:?} |");
    }
}
