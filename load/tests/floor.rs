//! The floors do what they are to be compared for: a server that did less would be no floor.
#![forbid(unsafe_code)]

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tempfile::TempDir;

const DEADLINE: Duration = Duration::from_secs(60);

/// A running forum-floor.
struct Floor {
    process: Child,
    address: String,
}

impl Floor {
    fn start<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_forum-floor"))
            .args(args)
            .stderr(Stdio::piped())
            .spawn()
            .expect("it was built");
        let stderr = process.stderr.take().unwrap();
        let deadline = Timespec::try_from(DEADLINE).unwrap();
        assert_eq!(poll(&mut [PollFd::new(&stderr, PollFlags::IN)], Some(&deadline)), Ok(1));
        let mut line = String::new();
        BufReader::new(stderr).read_line(&mut line).unwrap();
        let Some(address) = line.trim_end().strip_prefix("listening on ") else { panic!("{line}") };
        Self { process, address: address.to_owned() }
    }

    fn connect(&self) -> TcpStream {
        let peer = TcpStream::connect_timeout(&self.address.parse().unwrap(), DEADLINE).unwrap();
        peer.set_read_timeout(Some(DEADLINE)).unwrap();
        peer.set_write_timeout(Some(DEADLINE)).unwrap();
        peer.set_nodelay(true).unwrap();
        peer
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        self.process.kill().expect("it runs until it is killed");
        self.process.wait().unwrap();
    }
}

/// What the log answers to each frame, as long as forumd's answer to a post.
const ANSWER_BYTES: usize = 62;

fn frame(tag: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(5 + body.len()).unwrap();
    [&length.to_be_bytes()[..], &[0x21], &tag.to_be_bytes(), body].concat()
}

fn read(peer: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    peer.read_exact(&mut bytes).expect("so many bytes come in time");
    bytes
}

#[test]
fn an_echo_returns_every_byte_in_order_however_much_is_in_flight() {
    let floor = Floor::start(["echo"]);
    let mut reader = floor.connect();
    let mut writer = reader.try_clone().unwrap();
    // More than the sockets' buffers hold.
    let sent: Vec<u8> = (0_u32..4 << 20).flat_map(u32::to_be_bytes).collect();
    let heard = std::thread::spawn(move || read(&mut reader, 16 << 20));
    writer.write_all(&sent).unwrap();
    assert!(heard.join().unwrap() == sent);
}

#[test]
fn connections_come_and_go() {
    let floor = Floor::start(["echo"]);
    for round in 0..3_u8 {
        let mut peers: Vec<_> = (0..200).map(|_| floor.connect()).collect();
        for peer in &mut peers {
            peer.write_all(&[round]).unwrap();
        }
        for peer in &mut peers {
            assert_eq!(read(peer, 1), [round]);
        }
    }
}

fn the_log_has_every_frame_that_is_answered(sync: &str) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("log");
    let floor = Floor::start(["echo", "--sync", sync, "--log", path.to_str().unwrap()]);
    let mut one = floor.connect();
    let mut other = floor.connect();
    let mut logged = Vec::new();
    for tag in 0..50 {
        let frame = frame(tag, b"what is said");
        // In two pieces, with another's frame between them.
        let (head, tail) = frame.split_at(7);
        one.write_all(head).unwrap();
        other.write_all(&frame).unwrap();
        assert_eq!(
            read(&mut other, ANSWER_BYTES)[..9],
            [&[0, 0, 0, 58, 0x8a][..], &tag.to_be_bytes()].concat()
        );
        one.write_all(tail).unwrap();
        assert_eq!(read(&mut one, ANSWER_BYTES)[5..9], tag.to_be_bytes());
        logged.extend([&frame[..], &frame].concat());
        assert_eq!(fs::read(&path).unwrap()[..logged.len()], logged);
    }
    // Many at once are answered one by one, in order.
    let many: Vec<u8> = (100..1100).flat_map(|tag| frame(tag, &[b'x'; 100])).collect();
    one.write_all(&many).unwrap();
    for tag in 100_u32..1100 {
        assert_eq!(read(&mut one, ANSWER_BYTES)[5..9], tag.to_be_bytes());
    }
    logged.extend(many);
    let log = fs::read(&path).unwrap();
    assert!(log.starts_with(&logged));
    assert!(log[logged.len()..].iter().all(|byte| *byte == 0));
}

#[test]
fn a_log_that_is_synced_always_has_every_frame_that_is_answered() {
    the_log_has_every_frame_that_is_answered("always");
}

#[test]
fn a_log_that_is_synced_each_second_has_every_frame_that_is_answered() {
    the_log_has_every_frame_that_is_answered("interval");
}

#[test]
fn a_log_that_is_never_synced_has_every_frame_that_is_answered() {
    the_log_has_every_frame_that_is_answered("none");
}

#[test]
fn a_fan_reaches_everybody_but_the_speaker() {
    let floor = Floor::start(["fan"]);
    let mut listeners: Vec<_> = (0..100).map(|_| floor.connect()).collect();
    let mut speaker = floor.connect();
    let said: Vec<u8> = (0..16).flat_map(|tag| frame(tag, b"all of you")).collect();
    // Connections are accepted in order, so with the speaker all are there.
    speaker.write_all(&said).unwrap();
    for listener in &mut listeners {
        assert_eq!(read(listener, said.len()), said);
    }
    // What the speaker hears is what a listener says then, and nothing of its own before it.
    let answer = frame(99, b"one of us");
    listeners[0].write_all(&answer).unwrap();
    assert_eq!(read(&mut speaker, answer.len()), answer);
    for listener in &mut listeners[1..] {
        assert_eq!(read(listener, answer.len()), answer);
    }
}

#[test]
fn what_is_no_frame_ends_the_connection_and_no_other() {
    let floor = Floor::start(["fan"]);
    let (mut good, mut bad) = (floor.connect(), floor.connect());
    bad.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let ended =
        bad.read(&mut [0]).map_or_else(|error| error.kind() == ErrorKind::ConnectionReset, |n| n == 0);
    assert!(ended);
    let mut other = floor.connect();
    other.write_all(&frame(1, b"still there")).unwrap();
    assert_eq!(read(&mut good, 20), frame(1, b"still there"));
}

/// Sizes around the pieces that files are moved in.
const SIZES: [usize; 5] = [0, 1, 64 * 1024, 64 * 1024 + 1, 3_000_000];

fn content(size: usize) -> Vec<u8> {
    (0..size).map(|index| (index % 251) as u8).collect()
}

fn a_file_is_sent_whole(options: &[&str]) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, b"").unwrap();
    let floor = Floor::start(["send", path.to_str().unwrap()].iter().chain(options));
    for size in SIZES {
        fs::write(&path, content(size)).unwrap();
        let mut peer = floor.connect();
        assert_eq!(read(&mut peer, 8), (size as u64).to_be_bytes());
        assert!(read(&mut peer, size) == content(size));
        assert_eq!(peer.read(&mut [0]).unwrap(), 0);
    }
}

#[test]
fn a_file_is_sent_whole_by_read_and_write() {
    a_file_is_sent_whole(&[]);
}

#[test]
fn a_file_is_sent_whole_by_sendfile() {
    a_file_is_sent_whole(&["--sendfile"]);
}

#[test]
fn a_file_is_stored_whole_and_digested() {
    let dir = TempDir::new().unwrap();
    let floor = Floor::start(["receive", "--blake3", dir.path().to_str().unwrap()]);
    for (number, size) in (1..).zip(SIZES) {
        let mut peer = floor.connect();
        peer.write_all(&(size as u64).to_be_bytes()).unwrap();
        peer.write_all(&content(size)).unwrap();
        assert_eq!(read(&mut peer, 8), (size as u64).to_be_bytes());
        assert_eq!(read(&mut peer, 32), blake3::hash(&content(size)).as_bytes());
        assert!(fs::read(dir.path().join(number.to_string())).unwrap() == content(size));
    }
}

#[test]
fn one_who_breaks_off_is_nobody_elses_trouble() {
    let dir = TempDir::new().unwrap();
    let floor = Floor::start(["receive", dir.path().to_str().unwrap()]);
    drop(floor.connect());
    let mut peer = floor.connect();
    peer.write_all(&5_u64.to_be_bytes()).unwrap();
    peer.write_all(b"whole").unwrap();
    assert_eq!(read(&mut peer, 8), 5_u64.to_be_bytes());
    assert_eq!(fs::read(dir.path().join("2")).unwrap(), b"whole");
}
