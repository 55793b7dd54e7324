//! Lines between real sockets of one process.

use std::net::SocketAddr;

use rustix::event::{Timespec, poll};
use rustix::io::retry_on_intr;

use super::*;

const TOKEN: Key = [7; KEY_BYTES];

fn wait(fds: &mut [PollFd<'_>]) {
    let deadline = Timespec { tv_sec: 60, tv_nsec: 0 };
    assert!(retry_on_intr(|| poll(fds, Some(&deadline))).unwrap() > 0, "nothing has come");
}

fn door() -> (Door, SocketAddr) {
    let door = Door::open([127, 0, 0, 1].into(), TOKEN).unwrap();
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

fn call(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).unwrap()
}

fn line_of(stream: TcpStream, token: Key) -> Line {
    stream.set_nonblocking(true).unwrap();
    Line::calling(stream, token).unwrap()
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
    let answering = open_to_callers(&mut door).expect("the right token opens the door");
    assert_eq!(hear(&mut calling, 1), (vec![Heard::Ready], true));
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
    assert_eq!(door.due(), Some(start + PROVE_TIMEOUT));
    let _calling = line_of(call(address), TOKEN);
    loop {
        let mut fds = Vec::new();
        door.poll_fds(&mut fds);
        wait(&mut fds);
        if door.attend(start + PROVE_TIMEOUT / 2).is_some() {
            break;
        }
    }
    assert_eq!(door.callers.len(), CALLERS_MAX - 1);
    assert!(door.attend(start + PROVE_TIMEOUT).is_none());
    assert!(door.callers.is_empty());
}

#[test]
fn a_token_that_comes_byte_by_byte_is_a_token() {
    let (mut door, address) = door();
    let mut prove = Vec::new();
    Direct::Prove { token: TOKEN }.encode(NO_TAG, &mut prove);
    let mut slow = call(address);
    let mut line = None;
    for byte in prove {
        assert!(line.is_none());
        slow.write_all(&[byte]).unwrap();
        let mut fds = Vec::new();
        door.poll_fds(&mut fds);
        wait(&mut fds);
        line = door.attend(Instant::now());
        // The first look may only have accepted the connection.
        if line.is_none() {
            line = door.attend(Instant::now());
        }
    }
    assert!(line.is_some());
}

#[test]
fn what_a_peer_may_not_say_ends_the_line_behind_what_it_said_before() {
    for nonsense in [&b"\0\0\0\x05\x99\0\0\0\0"[..], &[0xff; 9], b"\0\0\0\x08\x72\0\0\0\0\0\x01\x1b"] {
        let (mut calling, mut answering) = pair();
        assert!(calling.say("first"));
        calling.unsent.extend_from_slice(nonsense);
        calling.write();
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
