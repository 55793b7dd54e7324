//! How two clients come together: who is told what and when, and what the real client does with callers and
//! peers that are not what they should be.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

use forum_common::wire::field::KEY_BYTES;
use forum_common::wire::{Direct, Key, LinkId, NO_TAG, OwnedNotice, Request};
use forum_peer::noise::{Handshake, Purpose, Secret};
use forum_tests::{Client, DEADLINE, Server, Wire, accept};

use crate::sealed::{Relay, Sealed, first_message, handshake_of};
use crate::{accepts, asked, not_enabled, question, said};

/// Strangers at a door, more than stand there at once.
const STRANGERS: usize = 30;

fn ask(user: &str) -> Request<'_> {
    Request::AskPrivate { user, enabled: false }
}

fn bytes_of(frame: &Direct<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame.encode(NO_TAG, &mut bytes);
    bytes
}

fn call(door: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&door, DEADLINE).expect("somebody listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("a TCP socket");
    stream
}

/// Insists that the other end closes without a byte more. It may close by a reset, when it has not read all.
fn expect_end(mut stream: TcpStream) {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
    assert_eq!(bytes, b"");
}

/// yoda, made of nothing but the protocol, who has a yes of the real hans.
struct Introduced {
    yoda: Wire,
    hans: Client,
    link: LinkId,
    token: Key,
    door: SocketAddr,
}

impl Introduced {
    fn on(server: &Server) -> Self {
        let mut yoda = server.user("yoda");
        let mut hans = server.sign_up("hans");
        let (link, text) = yoda.ask(&ask("hans"));
        assert_eq!(text, asked("hans"));
        hans.hears(&question("yoda"));
        hans.says("y");
        let OwnedNotice::LinkIntroduction { token, address, port, .. } = yoda.link_notice() else {
            panic!("no introduction")
        };
        let door = SocketAddr::new(address.parse().expect("an address"), port);
        Self { yoda, hans, link, token, door }
    }

    /// Begins a handshake with this token.
    fn first_message(&self, token: &Key) -> (Handshake, Vec<u8>) {
        first_message(&Secret::new(token, self.link, Purpose::Private))
    }

    /// Comes in by the door, and both have a session.
    fn come_in(&mut self) -> Sealed {
        let mut line = call(self.door);
        let (handshake, first) = self.first_message(&self.token);
        line.write_all(&first).expect("hans listens");
        let mut line = Sealed::begun(line, handshake);
        line.say(&Direct::Ready);
        self.yoda.send(&Request::LinkReached { link: self.link });
        assert_eq!(self.yoda.link_notice(), OwnedNotice::LinkEstablished { link: self.link, relayed: false });
        line
    }

    fn talk(&mut self, line: &mut Sealed) {
        line.say(&Direct::PrivateText { text: "hello" });
        self.hans.hears(&said("yoda", "hello"));
        self.hans.says("private yoda  hello  yourself");
        line.hears(&Direct::PrivateText { text: " hello  yourself" });
    }
}

#[test]
fn nobody_is_told_anything_but_the_question_before_the_yes() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = (server.user("yoda"), server.user("hans"));
    let (link, _) = yoda.ask(&ask("hans"));
    assert_eq!(hans.link_notices_so_far(), [OwnedNotice::PrivateQuestion { link, from: "yoda".into() }]);
    // Whoever says where it is without having been asked to changes nothing.
    for wire in [&mut yoda, &mut hans] {
        wire.send(&Request::LinkListening { link, port: 6_001 });
        wire.send(&Request::LinkReached { link });
        assert_eq!(wire.link_notices_so_far(), []);
    }
    hans.send(&Request::AnswerQuestion { link, yes: true });
    let prepared = hans.link_notices_so_far();
    let [OwnedNotice::PrepareLink { token, .. }] = prepared[..] else { panic!("{prepared:?}") };
    assert_eq!(yoda.link_notices_so_far(), []);
    hans.send(&Request::LinkListening { link, port: 6_001 });
    assert_eq!(hans.link_notices_so_far(), []);
    let address = "127.0.0.1".to_owned();
    assert_eq!(
        yoda.link_notices_so_far(),
        [OwnedNotice::LinkIntroduction { link, token, address, port: 6_001 }]
    );
}

#[test]
fn who_has_the_token_comes_in_and_nobody_after() {
    let server = Server::start(&[]);
    let mut introduced = Introduced::on(&server);
    let mut line = introduced.come_in();
    introduced.talk(&mut line);
    assert!(TcpStream::connect(introduced.door).is_err(), "the door is shut");
}

#[test]
fn a_wrong_token_is_answered_by_nothing_but_the_end() {
    let server = Server::start(&[]);
    let mut introduced = Introduced::on(&server);
    let mut almost = introduced.token;
    almost[KEY_BYTES - 1] ^= 1;
    for wrong in [almost, [0; KEY_BYTES]] {
        let mut stranger = call(introduced.door);
        stranger.write_all(&introduced.first_message(&wrong).1).expect("it is taken");
        expect_end(stranger);
    }
    let mut line = introduced.come_in();
    introduced.talk(&mut line);
}

#[test]
fn garbage_is_answered_by_nothing_but_the_end() {
    let server = Server::start(&[]);
    let mut introduced = Introduced::on(&server);
    let frames =
        [bytes_of(&Direct::PrivateText { text: &"x".repeat(50) }), bytes_of(&Direct::Ready).repeat(10)];
    let http = b"GET / HTTP/1.1\r\nHost: hans\r\n\r\n".to_vec();
    for garbage in [http, vec![0; 100], vec![0xff; 100_000], frames.concat()] {
        let mut stranger = call(introduced.door);
        // It may be cut off before it has said all that.
        let _ = stranger.write_all(&garbage);
        expect_end(stranger);
    }
    let mut line = introduced.come_in();
    introduced.talk(&mut line);
}

#[test]
fn who_says_nothing_holds_up_nobody() {
    let server = Server::start(&[]);
    let mut introduced = Introduced::on(&server);
    let strangers: Vec<_> = (0..STRANGERS).map(|_| call(introduced.door)).collect();
    let mut line = introduced.come_in();
    introduced.talk(&mut line);
    strangers.into_iter().for_each(expect_end);
}

#[test]
fn a_peer_that_talks_nonsense_is_heard_no_more_and_the_user_is_told() {
    let server = Server::start(&[]);
    let mut introduced: Vec<_> = Vec::new();
    for number in 0..4 {
        let server = Server::start(&[]);
        let mut each = Introduced::on(&server);
        let mut line = each.come_in();
        line.say(&Direct::PrivateText { text: "so far so good" });
        match number {
            0 => line.say(&Direct::PrivateText { text: "\u{1b}[2J" }),
            1 => line.say(&Direct::Handshake { message: &[7; 48] }),
            // Once there are keys, nothing counts in the clear.
            2 => line.write(&bytes_of(&Direct::PrivateText { text: "forged" })),
            _ => line.write(&[0xff; 16]),
        }
        introduced.push((server, each, line));
    }
    drop(server);
    for (_server, mut each, line) in introduced {
        each.hans.hears(&said("yoda", "so far so good"));
        each.hans.hears("Private messaging with yoda has ended: the connection is gone");
        expect_end(line.stream);
        each.hans.fails("private yoda hello?", &not_enabled("yoda"));
        // It can be tried again.
        let (_, text) = each.yoda.ask(&ask("hans"));
        assert_eq!(text, asked("hans"));
        each.hans.hears(&question("yoda"));
    }
}

#[test]
fn a_bye_ends_it_at_once() {
    let server = Server::start(&[]);
    let mut introduced = Introduced::on(&server);
    let mut line = introduced.come_in();
    line.say(&Direct::PrivateText { text: "over" });
    line.say(&Direct::Bye);
    introduced.hans.hears(&said("yoda", "over"));
    introduced.hans.hears("yoda stopped private messaging");
    expect_end(line.stream);
    // yoda has told nobody but hans; the server has it from him, before he asks for another one.
    introduced.hans.does("startprivate yoda", &asked("yoda"));
}

/// The real yoda, who has a yes of hans, made of nothing but the protocol: the link and its token. hans is to
/// be found at this listener.
fn yoda_is_sent_to(listener: &TcpListener, server: &Server) -> (Client, Wire, LinkId, Key) {
    let mut hans = server.user("hans");
    let mut yoda = server.sign_up("yoda");
    yoda.does("startprivate hans", &asked("hans"));
    let OwnedNotice::PrivateQuestion { link, .. } = hans.link_notice() else { panic!("no question") };
    hans.send(&Request::AnswerQuestion { link, yes: true });
    let OwnedNotice::PrepareLink { token, .. } = hans.link_notice() else { panic!("no token") };
    let port = listener.local_addr().expect("it is bound").port();
    hans.send(&Request::LinkListening { link, port });
    (yoda, hans, link, token)
}

#[test]
fn who_calls_proves_itself_and_waits_for_the_other() {
    let server = Server::start(&[]);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    let (mut yoda, mut hans, link, token) = yoda_is_sent_to(&listener, &server);
    let mut line = accept(&listener);
    let first = handshake_of(&mut line);
    hans.send(&Request::LinkReached { link });
    assert_eq!(hans.link_notices_so_far(), []);
    yoda.fails("private hans too early", &not_enabled("hans"));
    yoda.hears_nothing_else();
    let mut line = Sealed::answering(line, &Secret::new(&token, link, Purpose::Private), &first);
    line.hears(&Direct::Ready);
    assert_eq!(hans.link_notice(), OwnedNotice::LinkEstablished { link, relayed: false });
    yoda.hears(&accepts("hans"));
    yoda.says("private hans in time");
    line.hears(&Direct::PrivateText { text: "in time" });
    yoda.does("stopprivate hans", "Stop private messaging with hans");
    line.hears(&Direct::Bye);
    expect_end(line.stream);
}

#[test]
fn who_finds_a_stranger_talks_through_the_server() {
    let server = Server::start(&[]);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    let (mut yoda, mut hans, link, token) = yoda_is_sent_to(&listener, &server);
    let mut line = accept(&listener);
    handshake_of(&mut line);
    line.write_all(b"220 mail.example.org ESMTP\r\n").expect("yoda listens");
    expect_end(line);
    assert_eq!(hans.link_notice(), OwnedNotice::LinkEstablished { link, relayed: true });
    let mut relay = Relay::answering(&mut hans, link, &token);
    yoda.hears(&accepts("hans"));
    yoda.hears("Private messages with hans go through the server: no direct connection could be made");
    yoda.says("private hans hello");
    assert_eq!(relay.text(&hans.link_notice()), "hello");
}
