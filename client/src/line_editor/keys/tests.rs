//! Bytes as terminals send them, whole and in pieces.

use proptest::prelude::*;

use super::*;

fn keys_of(pieces: &[&[u8]]) -> Vec<Key> {
    let mut decoder = KeyDecoder::default();
    let mut keys = Vec::new();
    for piece in pieces {
        decoder.feed(piece);
        keys.extend(std::iter::from_fn(|| decoder.next_key()));
    }
    keys
}

#[test]
fn every_sequence_is_its_key() {
    for (bytes, key) in [
        (&b"a"[..], Key::Char('a')),
        ("ü".as_bytes(), Key::Char('ü')),
        ("語".as_bytes(), Key::Char('語')),
        ("🙂".as_bytes(), Key::Char('🙂')),
        (b"\r", Key::Enter),
        (b"\n", Key::Enter),
        (b"\x1bOM", Key::Enter),
        (b"\x7f", Key::Backspace),
        (b"\x08", Key::Backspace),
        (b"\x1b[3~", Key::Delete),
        (b"\x1b[D", Key::Left),
        (b"\x1bOD", Key::Left),
        (b"\x02", Key::Left),
        (b"\x1b[C", Key::Right),
        (b"\x06", Key::Right),
        (b"\x1b[A", Key::Up),
        (b"\x10", Key::Up),
        (b"\x1b[B", Key::Down),
        (b"\x0e", Key::Down),
        (b"\x01", Key::Home),
        (b"\x1b[H", Key::Home),
        (b"\x1bOH", Key::Home),
        (b"\x1b[1~", Key::Home),
        (b"\x05", Key::End),
        (b"\x1b[F", Key::End),
        (b"\x1b[4~", Key::End),
        (b"\x1bb", Key::WordLeft),
        (b"\x1b[1;5D", Key::WordLeft),
        (b"\x1b[1;3D", Key::WordLeft),
        (b"\x1bf", Key::WordRight),
        (b"\x1b[1;5C", Key::WordRight),
        (b"\x17", Key::EraseWord),
        (b"\x1b\x7f", Key::EraseWord),
        (b"\x1bd", Key::EraseWordRight),
        (b"\x1b[3;5~", Key::EraseWordRight),
        (b"\x15", Key::KillLine),
        (b"\x0b", Key::KillToEnd),
        (b"\x19", Key::Yank),
        (b"\x0c", Key::ClearScreen),
        (b"\x12", Key::Search),
        (b"\x07", Key::GiveUp),
        (b"\x03", Key::Interrupt),
        (b"\x04", Key::EndOfInput),
    ] {
        assert_eq!(keys_of(&[bytes]), [key], "{bytes:?}");
    }
}

#[test]
fn unknown_sequences_are_passed_over() {
    for bytes in
        [&b"\x1b[5~x"[..], b"\x1b[?1;2cx", b"\x1b[[Ax", b"\x1bOPx", b"\x1bzx", b"\x00\x1fx", b"\x1b[15;2~x"]
    {
        assert_eq!(keys_of(&[bytes]), [Key::Char('x')], "{bytes:?}");
    }
}

#[test]
fn a_sequence_cut_off_by_a_key_does_not_swallow_the_key() {
    assert_eq!(keys_of(&[b"\x1b[1;\rx"]), [Key::Enter, Key::Char('x')]);
    assert_eq!(keys_of(&[b"\x1b\x1b[A"]), [Key::Up]);
    assert_eq!(keys_of(&[b"\x1b\r"]), [Key::Enter]);
}

#[test]
fn an_escape_alone_is_undecided_until_given_up() {
    let mut decoder = KeyDecoder::default();
    decoder.feed(b"\x1b");
    assert_eq!(decoder.next_key(), None);
    assert!(decoder.is_undecided());
    assert_eq!(decoder.decide(), Some(Key::GiveUp));
    decoder.feed(b"b");
    assert_eq!(decoder.next_key(), Some(Key::Char('b')));
    assert!(!decoder.is_undecided());
}

#[test]
fn bytes_that_are_not_utf8_cost_themselves_only() {
    assert_eq!(keys_of(&[b"a\xffb\xc3(c\xe2\x82x\x80"]), ['a', 'b', '(', 'c', 'x'].map(Key::Char));
    assert_eq!(keys_of(&["\u{9b}A".as_bytes()]), [Key::Char('A')]);
}

#[test]
fn what_is_pasted_is_no_key() {
    let keys = keys_of(&[b"a\x1b[200~LST\r\nXIT\x03\x1b[A\x1b[201~\r"]);
    assert_eq!(keys, [Key::Char('a'), Key::Paste("LST\r\nXIT\x03\x1b[A".to_owned().into()), Key::Enter]);
}

#[test]
fn a_paste_is_bounded() {
    let mut decoder = KeyDecoder::default();
    decoder.feed(b"\x1b[200~");
    for _ in 0..100 {
        decoder.feed(&[b'x'; 4_096]);
        assert_eq!(decoder.next_key(), None);
    }
    decoder.feed(b"\x1b[201~y");
    assert_eq!(decoder.next_key(), Some(Key::Paste("x".repeat(PASTE_BYTES_MAX).into())));
    assert_eq!(decoder.next_key(), Some(Key::Char('y')));
}

proptest! {
    #[test]
    fn keys_cut_at_any_byte_come_out_the_same(cut in 0usize..64) {
        let bytes = "aü\x1b[1;5D語\x1b[200~p\u{1b}ä\x1b[201~🙂\x1b[3~\x1bOA\r".as_bytes();
        let cut = cut.min(bytes.len());
        prop_assert_eq!(keys_of(&[&bytes[..cut], &bytes[cut..]]), keys_of(&[bytes]));
    }

    #[test]
    fn no_bytes_make_the_decoder_panic_or_stall(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut decoder = KeyDecoder::default();
        decoder.feed(&bytes);
        while decoder.next_key().is_some() {}
        decoder.feed(b"\x1b[201~");
        while decoder.next_key().is_some() {}
        decoder.decide();
        decoder.feed(b"\x1b[201~x");
        prop_assert_eq!(std::iter::from_fn(|| decoder.next_key()).last(), Some(Key::Char('x')));
    }
}
