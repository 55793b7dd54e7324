//! What waits goes on when what it waits for has ended, and who does not read is cut off with a word.

use super::*;

const STALL: Duration = Duration::from_secs(60);
const TOO_SLOW: &str = "Closing { code: TooSlow, text: \"You have been disconnected: too slow\" }";
const PINGS: Tag = 1_000;

impl Client {
    fn send_pings(&mut self) {
        let payload = [b'?'; 1_000];
        (0..PINGS).for_each(|tag| self.send(1_000 + tag, &Request::Ping { payload: &payload }));
    }

    /// Room for so many bytes more in the kernel, of which the server is not told.
    fn make_room(&self, bytes: usize) {
        self.link.borrow_mut().room += bytes;
    }
}

impl Stage {
    /// Reads a little at a time, until nothing more comes.
    fn read_late(&mut self, client: &mut Client) -> Vec<String> {
        let mut heard = Vec::new();
        for _ in 0..200 {
            client.make_room(10_000);
            self.nudge(client);
            (0..3).for_each(|_| _ = self.server.turn(true));
            heard.extend(client.answers());
        }
        heard
    }

    /// A client whose kernel takes nothing more in the middle of a long list.
    fn stalled_reader(&mut self) -> Client {
        let mut yoda = self.sign_up("yoda");
        self.ask(&mut yoda, 4, &Request::CreateThread { title: "t", key: None });
        let text = "x".repeat(8_000);
        for tag in 0..50 {
            self.ask(&mut yoda, 10 + tag, &Request::Post { title: "t", text: &text, key: None });
        }
        yoda.link.borrow_mut().room = 100;
        let list = Request::ReadThread {
            title: "t",
            range: None,
            after: None,
            at_most: None,
            last: None,
            unread: None,
        };
        yoda.send(100, &list);
        self.settle(&yoda);
        yoda
    }
}

#[test]
fn who_pipelines_before_the_log_in_and_reads_late_is_answered() {
    let mut stage = stage(&[]);
    let _yoda = stage.sign_up("yoda");
    let mut naming = stage.connect();
    let mut proving = stage.connect();
    proving.send(2, &Request::LogIn { name: "yoda2", udp_port: 0, take_over: None, session: None });
    for client in [&mut naming, &mut proving] {
        client.link.borrow_mut().room = 0;
        client.send_pings();
        stage.settle(client);
        let heard = stage.read_late(client);
        let pongs = heard.iter().filter(|answer| answer.contains("Pong")).count();
        assert_eq!(pongs, PINGS as usize);
    }
}

#[test]
fn who_pipelines_before_and_after_a_password_and_reads_late_is_answered() {
    let mut stage = stage(&[]);
    let mut client = stage.connect();
    client.link.borrow_mut().room = 0;
    client.send_pings();
    client.send_sign_up("yoda", NO_PORT);
    client.send_pings();
    stage.settle(&client);
    let mut heard = stage.read_late(&mut client);
    heard.extend(stage.read_late(&mut client));
    assert_eq!(heard.iter().filter(|answer| answer.contains("Pong")).count(), 2 * PINGS as usize);
}

#[test]
fn messages_that_had_no_room_beside_notices_go_on_when_those_have_left() {
    let mut stage = stage(&["--max-notice-bytes", "100000"]);
    let mut yoda = stage.sign_up("yoda");
    let (mut hans, mut luke, mut leia) =
        (stage.sign_up("hans"), stage.sign_up("luke"), stage.sign_up("leia"));
    // In one turn: so many notices that the message has to wait, the message, and notices beyond their limit, for
    // which yoda is written to at once.
    let text = "x".repeat(8_000);
    hans.send(4, &Request::SendMessage { user: "yoda", text: "hi", key: None });
    (0..7).for_each(|tag| luke.send(10 + tag, &Request::SendBroadcast { text: &text }));
    (0..3).for_each(|tag| leia.send(10 + tag, &Request::SendBroadcast { text: &text }));
    (0..4).for_each(|tag| leia.send(20 + tag, &Request::PostToBoard { text: &text, key: None }));
    stage.settle_all(&[hans, luke, leia]);
    assert!(yoda.answers().iter().any(|answer| answer.starts_with("Message")));
}

#[test]
fn output_without_progress_ends_as_too_slow_with_a_last_word() {
    let mut stage = stage(&[]);
    let mut yoda = stage.stalled_reader();
    stage.pass(STALL - Duration::from_secs(1));
    assert!(!stage.server.core.sessions.get(yoda.id).unwrap().is_draining(), "not before its time");
    stage.pass(Duration::from_secs(1));
    // The piece that was begun is finished, the word is last, and it still may be read.
    yoda.make_room(1 << 20);
    stage.settle(&yoda);
    let heard = yoda.answers();
    assert_eq!(heard.last().unwrap(), TOO_SLOW);
    assert!(heard.len() < 20, "{} of 51 items", heard.len());
    assert!(yoda.link.borrow().server_closed);
}

#[test]
fn who_is_cut_off_and_reads_nothing_more_is_gone_after_the_farewell() {
    let mut stage = stage(&[]);
    let _yoda = stage.stalled_reader();
    stage.pass(STALL);
    assert_eq!(stage.server.connections(), 1);
    stage.pass(DRAINING);
    assert_eq!(stage.server.connections(), 0);
}

#[test]
fn a_stranger_that_does_not_read_is_cut_off_too() {
    let mut stage = stage(&["--login-timeout", "1000"]);
    let mut stranger = stage.connect();
    stranger.link.borrow_mut().room = 0;
    stranger.send_pings();
    stage.settle(&stranger);
    stage.pass(STALL);
    stranger.make_room(1 << 20);
    stage.settle(&stranger);
    assert_eq!(stranger.answers(), [TOO_SLOW]);
}

#[test]
fn a_reader_that_is_slow_and_reads_is_never_cut_off() {
    let mut stage = stage(&[]);
    let mut yoda = stage.stalled_reader();
    let mut heard = Vec::new();
    for _ in 0..60 {
        stage.pass(STALL - Duration::from_secs(1));
        yoda.make_room(9_000);
        stage.nudge(&yoda);
        stage.run();
        heard.extend(yoda.answers());
    }
    assert_eq!(heard.last().unwrap(), "100 EndOfList");
    assert_eq!(heard.len(), 51);
}

#[test]
fn room_of_which_the_kernel_says_nothing_is_found_before_somebody_is_cut_off() {
    // The kernel says that a socket is writable when a third of its buffer is free, which may be much.
    let mut stage = stage(&[]);
    let mut yoda = stage.stalled_reader();
    for _ in 0..20 {
        yoda.make_room(1_000);
        stage.pass(STALL);
    }
    assert!(!stage.server.core.sessions.get(yoda.id).unwrap().is_draining());
    assert!(!yoda.answers().is_empty());
}

#[test]
fn room_that_the_kernel_had_left_over_is_not_taken_for_reading() {
    let mut stage = stage(&[]);
    let yoda = stage.stalled_reader();
    yoda.make_room(1_000);
    let mut waited = Duration::ZERO;
    while !stage.server.core.sessions.get(yoda.id).unwrap().is_draining() {
        stage.pass(Duration::from_secs(1));
        waited += Duration::from_secs(1);
    }
    assert!(waited >= STALL && waited <= STALL + STALL / 12, "{waited:?}");
}

#[test]
fn a_stall_that_is_over_leaves_no_deadline() {
    let mut stage = stage(&[]);
    let mut yoda = stage.stalled_reader();
    stage.pass(STALL / 2);
    yoda.make_room(1 << 30);
    stage.settle(&yoda);
    assert_eq!(yoda.answers().len(), 51);
    stage.pass(10 * STALL);
    assert!(!stage.server.core.sessions.get(yoda.id).unwrap().is_draining());
    assert!(stage.is_only_to_probe());
}

#[test]
fn how_long_output_may_stand_still_is_an_option() {
    let mut stage = stage(&["--stall-timeout", "5"]);
    let yoda = stage.stalled_reader();
    stage.pass(Duration::from_secs(4));
    assert!(!stage.server.core.sessions.get(yoda.id).unwrap().is_draining());
    stage.pass(Duration::from_secs(1));
    assert!(stage.server.core.sessions.get(yoda.id).unwrap().is_draining());
}
