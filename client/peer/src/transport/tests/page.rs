//! The page `docs/UDP.md` against the program: its examples byte for byte, and the numbers in its table.

use std::time::Duration;

use crate::noise::tests::{bytes_on_page, page_of};
use crate::noise::{PROTOCOL, VERSION};
use crate::transport::acks::ACK_DELAY_MAX;
use crate::transport::channel::{Channel, Taken};
use crate::transport::mtu::{BASE_BYTES, FLOOR_BYTES};
use crate::transport::packet::{self, ACK_RANGES_MAX, DATAGRAM_BYTES_MAX, Packet};
use crate::transport::reassembly::WINDOW_BYTES;
use crate::transport::replay::REPLAY_WINDOW;
use crate::transport::{IDLE_MAX, LINGER, Offer, RETRY_MAX, RETRY_MIN, Reason, Token};

const PAGE: &str = include_str!("../../../../../docs/UDP.md");
const CONTENT: &[u8; 12] = b"hello, hans\n";

/// An end of the example, with a private key of one byte repeated.
fn token(byte: u8) -> Token {
    let bytes = std::array::from_fn(|index| index as u8);
    Token::new(bytes, 1).with_key_pair([byte; 32])
}

/// What an end says.
struct End {
    mark: char,
    channel: Channel,
}

impl End {
    fn seal(&mut self, write: impl FnOnce(&mut [u8]) -> usize) -> (char, Vec<u8>) {
        let (mut packet, mut datagram) = ([0; BASE_BYTES], [0; BASE_BYTES]);
        let bytes = write(&mut packet);
        let bytes = self.channel.seal(&packet[..bytes], &mut datagram);
        (self.mark, datagram[..bytes].to_vec())
    }

    fn opening(&self) -> (char, Vec<u8>) {
        let mut datagram = [0; BASE_BYTES];
        let bytes = self.channel.write_opening(&mut datagram);
        (self.mark, datagram[..bytes].to_vec())
    }
}

/// Both ends after the handshake, and what they said until then.
fn handshake() -> (End, End, Vec<(char, Vec<u8>)>) {
    let mut receiver = End { mark: 'R', channel: Channel::of_receiver(&token(0x11)).unwrap() };
    let mut sender = End { mark: 'S', channel: Channel::of_sender(&token(0x22)) };
    let offer = Offer { size: CONTENT.len() as u64, digest: *blake3::hash(CONTENT).as_bytes() };
    let mut said = vec![receiver.opening(), sender.opening()];
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    assert_eq!(sender.channel.take(&said[0].1, &mut buffer), Taken::Knock { is_news: true });
    assert_eq!(receiver.channel.take(&said[1].1, &mut buffer), Taken::Call);
    let bytes = packet::write_hello(&mut buffer, &offer);
    sender.channel.answer(&buffer[..bytes]);
    said.push(sender.opening());
    assert_eq!(receiver.channel.take(&said[2].1, &mut buffer), Taken::Answer(bytes));
    assert_eq!(packet::decode(&buffer[..bytes]), Some(Packet::Hello(offer)));
    assert_eq!(receiver.channel.hash(), sender.channel.hash());
    (sender, receiver, said)
}

/// The datagrams of the example, S from the sender and R from the receiver.
fn example() -> Vec<(char, Vec<u8>)> {
    let (mut sender, mut receiver, mut said) = handshake();
    let size = CONTENT.len() as u64;
    let data = |offset: usize, bytes: &'static [u8]| {
        move |packet: &mut [u8]| {
            let header = packet::write_data_header(packet, offset as u64);
            packet[header..][..bytes.len()].copy_from_slice(bytes);
            header + bytes.len()
        }
    };
    said.push(receiver.seal(|packet| packet::write_accept(packet, 0, size, DATAGRAM_BYTES_MAX as u16)));
    said.push(sender.seal(data(0, &CONTENT[..5])));
    // These two are lost.
    for _ in 1..=2 {
        sender.seal(|packet| packet::write_ping(packet, 0));
    }
    said.push(sender.seal(|packet| packet::write_ping(packet, 4)));
    said.push(receiver.seal(|packet| {
        let ranges = [3..4, 0..1].into_iter();
        packet::write_ack(packet, Duration::from_micros(1_500), 5, size, ranges)
    }));
    said.push(sender.seal(data(5, &CONTENT[5..])));
    said.push(receiver.seal(packet::write_done));
    said.push(sender.seal(packet::write_goodbye));
    said.push(sender.seal(|packet| packet::write_abort(packet, Reason::Cancelled)));
    said
}

fn block(heading: &str) -> &'static str {
    let (_, after) = PAGE.split_once(heading).unwrap_or_else(|| panic!("the page has no {heading}"));
    after.split_once("```text\n").expect("a block").1.split_once("```").expect("its end").0
}

#[test]
fn the_examples_of_the_page_are_what_is_sent() {
    let example = example();
    assert!(
        bytes_on_page(block("### Datagrams of the example")) == example,
        "not what the page has:\n{}",
        page_of(&example)
    );
}

#[test]
fn the_keys_of_the_page_are_those_of_the_program() {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let (sender, ..) = handshake();
    let hash = hex(&sender.channel.hash().expect("keys"));
    let psk = hex(&blake3::derive_key(
        "forum between clients: noise psk",
        &std::array::from_fn::<u8, 16, _>(|n| n as u8),
    ));
    let sessions = token(0).sessions();
    let (to_receiver, to_sender) = (hex(&sessions.to_receiver.bytes()), hex(&sessions.to_sender.bytes()));
    let keys = block("### Keys of the example");
    for (name, value) in
        [("psk", psk), ("hash", hash), ("to the receiver", to_receiver), ("to the sender", to_sender)]
    {
        assert!(keys.contains(&value), "{name} is {value}");
    }
    assert!(PAGE.contains(PROTOCOL));
}

#[test]
fn the_numbers_of_the_page_are_those_of_the_program() {
    let seconds = |duration: Duration| duration.as_secs_f64().to_string();
    for (name, number) in [
        ("version", VERSION.to_string()),
        ("bytes of a datagram, at first", BASE_BYTES.to_string()),
        ("bytes of a datagram, at least", FLOOR_BYTES.to_string()),
        ("bytes of a datagram, at most", DATAGRAM_BYTES_MAX.to_string()),
        ("numbers below the largest that may still come", REPLAY_WINDOW.to_string()),
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
        Reason::Left,
    ]) {
        assert_eq!(reason as u8, code);
        assert!(PAGE.contains(&format!("| {code} | {reason:?} |")), "| {code} | {reason:?} |");
    }
}
