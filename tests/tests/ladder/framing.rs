//! Rung 2: a message is a line, however the network cuts it.

use crate::rung::Rung;

const BEFORE: &str = "rung1_echo";
const RUNG: &str = "rung2_framing";

/// The answers to what is said at once, up to this one.
fn answers(rung: &str, text: &str, last: &str) -> String {
    let rung = Rung::start(rung);
    let mut client = rung.connect();
    client.say(text);
    client.through(last)
}

#[test]
fn two_lines_in_one_packet_are_two_messages() {
    assert_eq!(answers(BEFORE, "hello\nworld\n", "world\n"), "1 hello\nworld\n");
    assert_eq!(answers(RUNG, "hello\nworld\n", "world\n"), "1 hello\n2 world\n");
}

/// The answers to a line that comes in two pieces.
fn answers_to_pieces(rung: &str) -> String {
    let rung = Rung::start(rung);
    let mut client = rung.connect();
    client.say("hel");
    rung.barrier();
    client.say("lo\n");
    client.through("lo\n")
}

#[test]
fn a_line_in_two_packets_is_one_message() {
    // Messages 2 and 3 are the barrier's.
    assert_eq!(answers_to_pieces(BEFORE), "1 hel\n4 lo\n");
    assert_eq!(answers_to_pieces(RUNG), "3 hello\n");
}

#[test]
fn a_message_longer_than_the_buffer_is_read_to_its_end() {
    let message = "x".repeat(3_000);
    let before = Rung::start(BEFORE);
    let mut client = before.connect();
    client.say(&format!("{message}\n"));
    assert_eq!(client.line(), format!("1 {}", &message[..1_024]));
    // The kernel has said once that there is something to read, and will not say it again for the rest.
    before.barrier();
    assert_eq!(client.so_far(), "");
    assert_eq!(answers(RUNG, &format!("{message}\n"), "\n"), format!("1 {message}\n"));
}
