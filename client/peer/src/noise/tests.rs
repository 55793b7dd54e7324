//! Handshakes and sealed messages, between two ends and with somebody in between.

use proptest::prelude::*;

use super::*;

const TOKEN: Key = [7; 16];

fn secret() -> Secret {
    Secret::new(&TOKEN, 5, Purpose::Private)
}

/// The keys of the end that begins and of the other.
fn keys() -> (Keys, Keys) {
    let (mut begins, mut other) = (secret().begin().unwrap(), secret().await_other().unwrap());
    assert_eq!(other.read(&begins.write(b"first").unwrap()).unwrap(), b"first");
    assert_eq!(begins.read(&other.write(b"second").unwrap()).unwrap(), b"second");
    (begins.finish().unwrap(), other.finish().unwrap())
}

fn sealed(keys: &Keys, number: u64, plain: &[u8]) -> Vec<u8> {
    let mut out = vec![0; plain.len() + TAG_BYTES];
    assert_eq!(keys.seal(number, plain, &mut out), out.len());
    out
}

fn opened(keys: &Keys, number: u64, sealed: &[u8]) -> Option<Vec<u8>> {
    let mut out = vec![0; sealed.len()];
    let bytes = keys.open(number, sealed, &mut out)?;
    Some(out[..bytes].to_vec())
}

#[test]
fn both_ends_have_the_same_hash_and_open_what_the_other_has_sealed() {
    let (begins, other) = keys();
    assert_eq!(begins.hash(), other.hash());
    for (from, to) in [(&begins, &other), (&other, &begins)] {
        for number in [0, 1, 77, u64::MAX - 1] {
            let message = sealed(from, number, b"hello");
            assert_eq!(opened(to, number, &message).unwrap(), b"hello");
            assert_eq!(opened(to, number ^ 1, &message), None, "under another number");
            assert_eq!(opened(from, number, &message), None, "an echo");
        }
    }
    assert_eq!(begins.seal(u64::MAX, b"", &mut [0; 16]), 0, "Noise keeps this number for itself");
}

#[test]
fn a_second_handshake_of_the_same_link_has_other_keys() {
    let ((one, _), (_, other)) = (keys(), keys());
    assert_ne!(one.hash(), other.hash());
    assert_eq!(opened(&other, 0, &sealed(&one, 0, b"hello")), None);
}

#[test]
fn another_token_link_or_purpose_fits_nothing() {
    for wrong in [
        Secret::new(&[8; 16], 5, Purpose::Private),
        Secret::new(&TOKEN, 6, Purpose::Private),
        Secret::new(&TOKEN, 5, Purpose::File),
    ] {
        let message = wrong.begin().unwrap().write(b"").unwrap();
        let mut other = secret().await_other().unwrap();
        assert_eq!(other.read(&message), None);
        let right = secret().begin().unwrap().write(b"").unwrap();
        assert!(other.read(&right).is_some(), "the right one may still come");
    }
}

#[test]
fn a_forged_answer_does_not_spoil_the_handshake() {
    let (mut begins, mut other) = (secret().begin().unwrap(), secret().await_other().unwrap());
    other.read(&begins.write(b"").unwrap()).unwrap();
    let answer = other.write(b"payload").unwrap();
    for at in 0..answer.len() {
        let mut forged = answer.clone();
        forged[at] ^= 1;
        // X25519 ignores the highest bit of a key; the hash does not.
        assert_eq!(begins.read(&forged), None, "byte {at}");
    }
    assert_eq!(begins.read(&answer[..20]), None);
    assert_eq!(begins.read(&answer).unwrap(), b"payload");
    assert_eq!(begins.finish().unwrap().hash(), other.finish().unwrap().hash());
}

#[test]
fn whoever_stands_in_between_gives_the_two_ends_different_hashes() {
    let (mut yoda, mut hans) = (secret().begin().unwrap(), secret().await_other().unwrap());
    // The server knows the token, and so can speak for each to the other.
    let (mut to_yoda, mut to_hans) = (secret().await_other().unwrap(), secret().begin().unwrap());
    to_yoda.read(&yoda.write(b"").unwrap()).unwrap();
    hans.read(&to_hans.write(b"").unwrap()).unwrap();
    yoda.read(&to_yoda.write(b"").unwrap()).unwrap();
    to_hans.read(&hans.write(b"").unwrap()).unwrap();
    assert_ne!(yoda.finish().unwrap().hash(), hans.finish().unwrap().hash());
}

#[test]
fn nothing_secret_is_shown() {
    assert_eq!(format!("{:?}", secret()), "Secret");
    let shown = format!("{:?}", secret().begin().unwrap());
    assert!(!shown.contains("7, 7") && !shown.contains("psk"), "{shown}");
}

proptest! {
    #[test]
    fn whatever_is_changed_on_the_way_is_not_opened(
        plain in prop::collection::vec(any::<u8>(), 0..200),
        number in 0..u64::MAX,
        at: prop::sample::Index,
        bit in 0..8_u8,
    ) {
        let (begins, other) = keys();
        let mut message = sealed(&begins, number, &plain);
        prop_assert_eq!(opened(&other, number, &message), Some(plain));
        let at = at.index(message.len());
        message[at] ^= 1 << bit;
        prop_assert_eq!(opened(&other, number, &message), None);
        message.truncate(at);
        prop_assert_eq!(opened(&other, number, &message), None);
    }
}

const PROTOCOL_PAGE: &str = include_str!("../../../../docs/PROTOCOL.md");

/// The two ends of the example: token `10 11 … 1f`, link 1, and for each end a private key of one byte repeated.
pub(crate) fn example(purpose: Purpose) -> (Secret, Secret) {
    let token = std::array::from_fn(|index| 0x10 + index as u8);
    [0x11, 0x22].map(|byte| Secret::new(&token, 1, purpose).with_key_pair(Some([byte; 32]))).into()
}

/// The bytes of the lines that begin with a mark, or with a space where the bytes of the line before go on.
pub(crate) fn bytes_on_page(block: &str) -> Vec<(char, Vec<u8>)> {
    let mut messages: Vec<(char, Vec<u8>)> = Vec::new();
    for line in block.lines() {
        let (mark, hex) = line.split('|').next().unwrap_or_default().split_at(1);
        messages.extend(mark.chars().filter(|mark| *mark != ' ').map(|mark| (mark, Vec::new())));
        let bytes = hex.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).expect("two digits"));
        messages.last_mut().expect("a mark first").1.extend(bytes);
    }
    messages
}

/// The same the other way round.
pub(crate) fn page_of(messages: &[(char, Vec<u8>)]) -> String {
    let mut page = String::new();
    for (mark, bytes) in messages {
        for (at, line) in bytes.chunks(16).enumerate() {
            let hex: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
            page += &format!("{} {}\n", if at == 0 { *mark } else { ' ' }, hex.join(" "));
        }
    }
    page
}

#[test]
fn the_conversation_of_the_page_is_what_is_said() {
    use forum_common::limits::HEADER_BYTES;
    use forum_common::wire::{Direct, NO_TAG};

    let (caller, door) = example(Purpose::Private);
    let (mut calls, mut answers) = (caller.begin().unwrap(), door.await_other().unwrap());
    let frame_of = |message: &Direct<'_>| {
        let mut frame = Vec::new();
        message.encode(NO_TAG, &mut frame);
        frame
    };
    let first = calls.write(&[]).unwrap();
    answers.read(&first).unwrap();
    let second = answers.write(&[]).unwrap();
    calls.read(&second).unwrap();
    let (calls, answers) = (calls.finish().unwrap(), answers.finish().unwrap());
    let seal = |keys: &Keys, number, message: &Direct<'_>| {
        let plain = [&[message.kind()], &frame_of(message)[HEADER_BYTES..]].concat();
        frame_of(&Direct::Sealed { ciphertext: &sealed(keys, number, &plain) })
    };
    let said = [
        ('C', frame_of(&Direct::Handshake { message: &first })),
        ('S', frame_of(&Direct::Handshake { message: &second })),
        ('C', seal(&calls, 0, &Direct::Ready)),
        ('C', seal(&calls, 1, &Direct::PrivateText { text: "hello" })),
        ('S', seal(&answers, 0, &Direct::PrivateText { text: "hello yourself" })),
        ('C', seal(&calls, 2, &Direct::Bye)),
    ];
    let (_, page) = PROTOCOL_PAGE.split_once("<!-- from the code: frames of direct -->\n```\n").unwrap();
    let on_page = bytes_on_page(page.split_once("```").unwrap().0);
    assert!(on_page == said, "not what the page has:\n{}", page_of(&said));
}
