//! Lines between real sockets of one process.

use std::net::SocketAddr;
use std::time::Instant;

use forum_common::wire::Key;
use forum_common::wire::field::KEY_BYTES;
use rustix::event::{Timespec, poll};
use rustix::io::retry_on_intr;

use super::*;
use crate::noise::Purpose;
use crate::private::door::{CALLERS_MAX, Door, HANDSHAKE_TIMEOUT};

const TOKEN: Key = [7; KEY_BYTES];

fn secret(token: Key) -> Secret {
    Secret::new(&token, 1, Purpose::Private)
}

fn wait(fds: &mut [PollFd<'_>]) {
    let deadline = Timespec { tv_sec: 60, tv_nsec: 0 };
    assert!(retry_on_intr(|| poll(fds, Some(&deadline))).unwrap() > 0, "nothing has come");
}

fn door() -> (Door, SocketAddr) {
    let door = Door::open([127, 0, 0, 1].into(), secret(TOKEN)).unwrap();
    let address = door.listener.local_addr().unwrap();
    (door, address)
}

/// Attends to a door each time something shows, until somebody is in or nobody stands there any more.
fn open_to_callers(door: &mut Door) -> Option<Line> {
    loop {
        let mut fds = Vec::new();
        door.poll_fds(&mut fds);
        wait(&mut fds);
        let line = door.attend(Instant::now());
        if line.is_some() || door.callers.is_empty() {
            return line;
        }
    }
}

/// Attends to a door and to one who calls there, until the handshake is done.
fn let_in(door: &mut Door, calling: &mut Line, now: Instant) -> Line {
    let mut heard = Vec::new();
    loop {
        let mut fds = vec![calling.poll_fd()];
        door.poll_fds(&mut fds);
        wait(&mut fds);
        heard.extend(calling.attend().0);
        if let Some(line) = door.attend(now) {
            assert_eq!(heard, [Heard::Ready]);
            return line;
        }
    }
}

fn call(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).unwrap()
}

fn line_of(stream: TcpStream, token: Key) -> Line {
    stream.set_nonblocking(true).unwrap();
    Line::calling(stream, &secret(token)).unwrap()
}

/// Everything that comes until the peer has said `count` things or hung up.
fn hear(line: &mut Line, count: usize) -> (Vec<Heard>, bool) {
    let mut all = Vec::new();
    loop {
        wait(&mut [line.poll_fd()]);
        let (heard, goes_on) = line.attend();
        all.extend(heard);
        if all.len() >= count || !goes_on {
            return (all, goes_on);
        }
    }
}

fn pair() -> (Line, Line) {
    let (mut door, address) = door();
    let mut calling = line_of(call(address), TOKEN);
    let answering = let_in(&mut door, &mut calling, Instant::now());
    (calling, answering)
}

#[test]
fn who_has_the_token_comes_in_and_both_talk() {
    let (mut calling, mut answering) = pair();
    assert!(calling.say("hello") && calling.say(" spaces  stay "));
    assert!(answering.say("grüße"));
    let said = |text: &str| Heard::Text(text.to_owned());
    assert_eq!(hear(&mut answering, 2).0, [said("hello"), said(" spaces  stay ")]);
    assert_eq!(hear(&mut calling, 1).0, [said("grüße")]);
    calling.say_bye();
    assert_eq!(hear(&mut answering, 2), (vec![Heard::Bye], false));
}

#[test]
fn a_wrong_token_gets_nothing_but_the_end() {
    let (mut door, address) = door();
    for wrong in [[8; KEY_BYTES], [0; KEY_BYTES]] {
        let mut stranger = line_of(call(address), wrong);
        assert!(open_to_callers(&mut door).is_none());
        assert_eq!(hear(&mut stranger, 1), (vec![], false));
    }
    let mut almost = TOKEN;
    almost[KEY_BYTES - 1] ^= 1;
    let _stranger = line_of(call(address), almost);
    assert!(open_to_callers(&mut door).is_none());
}

#[test]
fn whatever_else_is_said_first_gets_nothing_but_the_end() {
    let (mut door, address) = door();
    for said in [&b"GET / HTTP/1.1\r\nHost: me\r\n\r\n"[..], &[0xff; 64], &[0; 64]] {
        let mut stranger = call(address);
        stranger.write_all(said).unwrap();
        assert!(open_to_callers(&mut door).is_none());
        let mut answer = Vec::new();
        // The end may come as a reset, since not all was read.
        let _ = stranger.read_to_end(&mut answer);
        assert_eq!(answer, b"");
    }
}

#[test]
fn a_silent_caller_is_sent_away_after_five_seconds_and_holds_up_nobody() {
    let (mut door, address) = door();
    let _silent: Vec<_> = (0..CALLERS_MAX - 1).map(|_| call(address)).collect();
    let start = Instant::now();
    while door.callers.len() < CALLERS_MAX - 1 {
        let mut fds = Vec::new();
        door.poll_fds(&mut fds);
        wait(&mut fds);
        assert!(door.attend(start).is_none());
    }
    assert_eq!(door.due(), Some(start + HANDSHAKE_TIMEOUT));
    let_in(&mut door, &mut line_of(call(address), TOKEN), start + HANDSHAKE_TIMEOUT / 2);
    assert_eq!(door.callers.len(), CALLERS_MAX - 1);
    assert!(door.attend(start + HANDSHAKE_TIMEOUT).is_none());
    assert!(door.callers.is_empty());
}

/// The frame with the first message of a handshake, and that handshake.
fn first_frame(token: Key) -> (Handshake, Vec<u8>) {
    let mut handshake = secret(token).begin().unwrap();
    let mut frame = Vec::new();
    let message = handshake.write(&[]).unwrap();
    Direct::Handshake { message: &message }.encode(NO_TAG, &mut frame);
    (handshake, frame)
}

/// Attends to the door until its one caller has been answered, and reads the answer.
fn answer(door: &mut Door, caller: &mut TcpStream) -> Vec<u8> {
    let mut answer = vec![0; first_frame(TOKEN).1.len()];
    caller.set_nonblocking(true).unwrap();
    loop {
        assert!(door.attend(Instant::now()).is_none(), "it has proved nothing yet");
        match caller.peek(&mut answer) {
            Ok(count) if count == answer.len() => return answer,
            Ok(0) => panic!("it was sent away"),
            _ => {
                let mut fds = vec![PollFd::new(&*caller, PollFlags::IN)];
                door.poll_fds(&mut fds);
                wait(&mut fds);
            }
        }
    }
}

#[test]
fn a_handshake_that_comes_byte_by_byte_is_one() {
    let (mut door, address) = door();
    let (mut handshake, frame) = first_frame(TOKEN);
    let mut slow = call(address);
    for byte in frame {
        slow.write_all(&[byte]).unwrap();
        assert!(door.attend(Instant::now()).is_none());
    }
    let frame = answer(&mut door, &mut slow);
    assert!(handshake.read(&frame[HEADER_BYTES + 2..]).is_some());
}

#[test]
fn a_copy_of_the_first_message_gets_an_answer_and_no_further() {
    let (mut door, address) = door();
    let (_, frame) = first_frame(TOKEN);
    let mut copy = call(address);
    copy.write_all(&frame).unwrap();
    answer(&mut door, &mut copy);
    // A copy comes from somebody without keys.
    let mut forged = Vec::new();
    Direct::Sealed { ciphertext: &[7; 17] }.encode(NO_TAG, &mut forged);
    Direct::Ready.encode(NO_TAG, &mut forged);
    copy.write_all(&forged).unwrap();
    assert!(open_to_callers(&mut door).is_none());
    // The right one comes in all the same.
    let_in(&mut door, &mut line_of(call(address), TOKEN), Instant::now());
}

#[test]
fn who_does_not_have_the_token_is_not_believed_by_who_calls() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut calling = line_of(call(listener.local_addr().unwrap()), TOKEN);
    let (mut stranger, _) = listener.accept().unwrap();
    stranger.write_all(&first_frame([8; KEY_BYTES]).1).unwrap();
    assert_eq!(hear(&mut calling, 1), (vec![], false));
}

#[test]
fn nothing_that_is_said_goes_over_the_wire_as_it_is() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut calling = line_of(call(listener.local_addr().unwrap()), TOKEN);
    let (mut stream, _) = listener.accept().unwrap();
    let mut frame = vec![0; first_frame(TOKEN).1.len()];
    stream.read_exact(&mut frame).unwrap();
    let mut answering =
        Line::answering(stream.try_clone().unwrap(), &secret(TOKEN), &frame[HEADER_BYTES + 2..]).unwrap();
    assert_eq!(hear(&mut calling, 1).0, [Heard::Ready]);
    assert_eq!(hear(&mut answering, 1).0, [Heard::Ready]);
    assert!(calling.say("attack at dawn") && calling.say("attack at dawn"));
    let mut records = vec![0; 2 * (HEADER_BYTES + 2 + 1 + 2 + 14 + TAG_BYTES)];
    stream.read_exact(&mut records).unwrap();
    assert!(!records.windows(6).any(|bytes| b"attack at dawn".windows(6).any(|word| word == bytes)));
    let (one, other) = records.split_at(records.len() / 2);
    assert_ne!(one, other, "the same text is never the same bytes");
    // In another order, or one left out: the line ends.
    assert_eq!(answering.input.feed(other), other.len());
    assert!(answering.next_heard().is_err());
}

#[test]
fn what_a_peer_may_not_say_ends_the_line_after_what_it_said_before() {
    let clear = |message: &Direct<'_>| {
        let mut frame = Vec::new();
        message.encode(NO_TAG, &mut frame);
        frame
    };
    let in_clear = [
        clear(&Direct::PrivateText { text: "hello" }),
        clear(&Direct::Bye),
        clear(&Direct::Handshake { message: &[1; 48] }),
        clear(&Direct::Sealed { ciphertext: &[] }),
        clear(&Direct::Sealed { ciphertext: &[1; 40] }),
        vec![0xff; 9],
    ];
    for nonsense in in_clear {
        let (mut calling, mut answering) = pair();
        assert!(calling.say("first"));
        calling.unsent.extend_from_slice(&nonsense);
        calling.write();
        assert_eq!(hear(&mut answering, 2), (vec![Heard::Text("first".into())], false));
    }
    for nonsense in [Direct::PrivateText { text: "\u{1b}[2J" }, Direct::Handshake { message: &[1; 48] }] {
        let (mut calling, mut answering) = pair();
        assert!(calling.say("first"));
        calling.seal(&nonsense);
        assert_eq!(hear(&mut answering, 2), (vec![Heard::Text("first".into())], false));
    }
}

#[test]
fn a_peer_that_does_not_read_is_told_only_so_much() {
    let (mut calling, _answering) = pair();
    let text = "x".repeat(8_000);
    let taken = (0..10_000).take_while(|_| calling.say(&text)).count();
    assert!(taken < 10_000, "there is a limit");
    assert!(calling.unsent.len() < UNSENT_BYTES_MAX + 2 * text.len());
}

#[test]
fn what_was_said_before_hanging_up_arrives() {
    let (mut calling, mut answering) = pair();
    let text = "y".repeat(8_000);
    let count = (0..1_000).take_while(|_| calling.say(&text)).count();
    calling.hang_up();
    let mut came = 0;
    loop {
        calling.write();
        wait(&mut [answering.poll_fd()]);
        let (heard, goes_on) = answering.attend();
        came += heard.len();
        if !goes_on {
            break;
        }
    }
    assert_eq!(came, count);
}
