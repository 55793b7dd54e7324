//! `UDP user file` over bad networks: what gets lost, comes twice or late, what strangers send, what takes long,
//! and what goes through the server because there is no other way.
#![forbid(unsafe_code)]

use std::io::ErrorKind;
use std::net::UdpSocket;
use std::time::Duration;

use forum_tests::{Client, Forum, Lossy, Server, Side, Weather};

/// yoda on the left of a network and hans on the right.
struct Pair {
    server: Server,
    network: Lossy,
    yoda: Client,
    hans: Client,
    random: fastrand::Rng,
}

impl Pair {
    fn new(seed: u64) -> Self {
        Self::of(Server::start(&[]), seed)
    }

    fn of(server: Server, seed: u64) -> Self {
        let network = Lossy::around(server.address(), seed);
        let mut yoda = Forum::at(network.left()).sign_up("yoda");
        let hans = Forum::at(network.right()).sign_up("hans");
        yoda.hears("hans logged in");
        Self { server, network, yoda, hans, random: fastrand::Rng::with_seed(seed) }
    }

    /// yoda offers hans a file of so many random bytes, and hans takes it.
    fn begin(&mut self, size: usize) -> Vec<u8> {
        let mut bytes = vec![0; size];
        self.random.fill(&mut bytes);
        self.yoda.put_file("f", &bytes);
        self.yoda.says("UDP hans f");
        self.hans.hears(&format!("yoda would like to send you f ({size} bytes), enter y or n: "));
        self.hans.says("y");
        bytes
    }

    /// It has come to a good end.
    fn finish(&mut self, bytes: &[u8]) {
        self.yoda.hears("f has been uploaded");
        self.hans.hears("Received f from yoda");
        assert!(self.hans.file("yoda_f") == bytes);
        assert_eq!(self.hans.names(), ["yoda_f"]);
    }

    /// leia says something that both hear; she leaves again.
    fn interject(&mut self) {
        let mut leia = self.server.sign_up("leia");
        leia.says("broadcast hello");
        for client in [&mut self.yoda, &mut self.hans] {
            client.hears_all(&["leia logged in", "leia: hello"]);
        }
        leia.leaves();
        for client in [&mut self.yoda, &mut self.hans] {
            client.hears("leia logged out");
        }
    }
}

/// Sends a file while of a hundred datagrams so many get lost, and as many come twice and late each.
fn arrives_through_losses_of(percent: u8, size: usize) {
    let mut pair = Pair::new(percent.into());
    pair.network.set(Weather::Rough { lost: percent, odd: percent });
    let bytes = pair.begin(size);
    pair.finish(&bytes);
    let counts = pair.network.counts();
    assert!(counts.lost > 0 && counts.twice > 0 && counts.late > 0, "{counts:?}");
}

#[test]
fn a_file_survives_losses_of_1_percent() {
    arrives_through_losses_of(1, 4 << 20);
}

#[test]
fn a_file_survives_losses_of_5_percent() {
    arrives_through_losses_of(5, 3 << 20);
}

#[test]
fn a_file_survives_losses_of_10_percent() {
    arrives_through_losses_of(10, 2 << 20);
}

#[test]
fn a_file_survives_losses_of_20_percent() {
    arrives_through_losses_of(20, 1 << 20);
}

/// A socket that belongs to nobody.
struct Stranger(UdpSocket);

impl Stranger {
    fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        Self(socket)
    }

    fn send(&self, pair: &Pair, side: Side, datagram: &[u8]) {
        self.0.send_to(datagram, pair.network.client(side)).unwrap();
    }

    /// Insists that nothing has come by the time when both clients have seen all that was sent to them.
    fn expect_silence(&self, pair: &mut Pair) {
        // What came first is looked at first, or in the same turn of a client's loop.
        pair.hans.says("message yoda done?");
        pair.yoda.hears("hans: done?");
        pair.hans.does("whoelse", "yoda");
        let heard = self.0.recv_from(&mut [0; 65_536]);
        assert_eq!(heard.unwrap_err().kind(), ErrorKind::WouldBlock);
    }
}

const BOTH: [Side; 2] = [Side::Left, Side::Right];

#[test]
fn a_stranger_gets_no_answer_and_does_no_harm() {
    let mut pair = Pair::new(41);
    let stranger = Stranger::new();
    // To clients that expect nothing, and then to clients in the middle of a transfer.
    for side in BOTH {
        stranger.send(&pair, side, b"is anybody there?");
    }
    stranger.expect_silence(&mut pair);
    pair.network.set(Weather::Breaks { after_bytes: 1 << 20 });
    let bytes = pair.begin(2 << 20);
    pair.network.wait_broken();
    for side in BOTH {
        for _ in 0..20 {
            let mut garbage = vec![0; pair.random.usize(0..1_500)];
            pair.random.fill(&mut garbage);
            stranger.send(&pair, side, &garbage);
        }
    }
    stranger.expect_silence(&mut pair);
    // Right in every byte but those of the session.
    for (side, mut datagram) in pair.network.remembered().into_iter().take(40) {
        let at = pair.random.usize(1..9);
        datagram[at] ^= 1 << pair.random.u8(0..8);
        stranger.send(&pair, side, &datagram);
        stranger.send(&pair, side.other(), &datagram);
    }
    stranger.expect_silence(&mut pair);
    pair.network.set(Weather::Fair);
    pair.finish(&bytes);
}

#[test]
fn copies_of_packets_from_another_address_do_no_harm() {
    let mut pair = Pair::new(42);
    let stranger = Stranger::new();
    pair.network.set(Weather::Breaks { after_bytes: 1 << 20 });
    let bytes = pair.begin(3 << 20);
    pair.network.wait_broken();
    // Both ends may take the stranger for the other one, and neither hears the other.
    for (side, datagram) in pair.network.remembered() {
        stranger.send(&pair, side, &datagram);
        stranger.send(&pair, side.other(), &datagram);
    }
    pair.hans.does("whoelse", "yoda");
    pair.network.set(Weather::Rough { lost: 1, odd: 1 });
    for (side, datagram) in pair.network.remembered() {
        stranger.send(&pair, side, &datagram);
    }
    pair.finish(&bytes);
}

#[test]
fn a_file_that_takes_longer_than_the_time_out_logs_nobody_out() {
    let mut pair = Pair::of(Server::start(&["--timeout", "2"]), 51);
    let mut leia = pair.server.sign_up("leia");
    pair.yoda.hears("leia logged in");
    pair.hans.hears("leia logged in");
    pair.network.set(Weather::Far(Duration::from_millis(200)));
    let bytes = pair.begin(2 << 20);
    pair.yoda.hears("leia logged out");
    pair.hans.hears("leia logged out");
    leia.hears("You have been logged out: no activity for 2 seconds");
    pair.finish(&bytes);
}

const GOES: &str = "f goes through the server: no direct connection could be made";
const COMES: &str = "f comes through the server: no direct connection could be made";

#[test]
fn two_who_cannot_meet_are_told_and_the_file_goes_through_the_server() {
    let mut pair = Pair::new(61);
    pair.network.set(Weather::Dead);
    let bytes = pair.begin(1 << 20);
    pair.yoda.hears(GOES);
    pair.hans.hears(COMES);
    pair.finish(&bytes);
    assert_eq!(pair.network.counts().passed, 0);
    assert_eq!(pair.yoda.finish().code, Some(0));
    pair.hans.hears("yoda logged out");
    assert_eq!(pair.hans.finish().code, Some(0));
}

#[test]
fn through_the_server_a_slow_receiver_gets_all_of_it_and_notices_meanwhile() {
    let mut pair = Pair::new(62);
    pair.network.set(Weather::Dead);
    let bytes = pair.begin(1 << 20);
    pair.yoda.hears(GOES);
    pair.hans.hears(COMES);
    pair.network.narrow(400);
    pair.interject();
    pair.finish(&bytes);
}
