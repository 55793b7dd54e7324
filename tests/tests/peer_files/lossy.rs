//! Bad networks: what gets lost, comes twice or late, what strangers send, and what takes long.

use std::io::ErrorKind;
use std::net::UdpSocket;
use std::time::Duration;

use forum_tests::{SAFE_TIMEOUT_SECONDS, Server, Side, Weather};

use super::Across;

/// Sends a file while of a hundred datagrams so many get lost, and as many come twice and late each.
fn arrives_through_losses_of(percent: u8, size: usize) {
    let mut pair = Across::new(percent.into());
    pair.network.set(Weather::Rough { lost: percent, odd: percent });
    pair.begin(size);
    pair.finish();
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

    fn send(&self, pair: &Across, side: Side, datagram: &[u8]) {
        self.0.send_to(datagram, pair.network.client(side)).unwrap();
    }

    /// Insists that nothing has come by the time when both clients have seen all that was sent to them.
    fn expect_silence(&self, pair: &mut Across) {
        // What came first is looked at first, or in the same turn of a client's loop; the second message is shown
        // in a later one.
        for text in ["done?", "really?"] {
            pair.hans.says(&format!("message yoda {text}"));
            pair.yoda.hears(&format!("hans: {text}"));
        }
        pair.hans.hears_nothing_else();
        let heard = self.0.recv_from(&mut [0; 65_536]);
        assert_eq!(heard.unwrap_err().kind(), ErrorKind::WouldBlock);
    }
}

const BOTH: [Side; 2] = [Side::Left, Side::Right];

#[test]
fn a_stranger_gets_no_answer_and_does_no_harm() {
    let mut pair = Across::new(41);
    let mut random = fastrand::Rng::with_seed(41);
    let stranger = Stranger::new();
    // To clients that expect nothing, and then to clients in the middle of a transfer.
    for side in BOTH {
        stranger.send(&pair, side, b"is anybody there?");
    }
    stranger.expect_silence(&mut pair);
    pair.network.set(Weather::Breaks { after_bytes: 1 << 20 });
    pair.begin(2 << 20);
    pair.network.wait_broken();
    for side in BOTH {
        for _ in 0..20 {
            let mut garbage = vec![0; random.usize(0..1_500)];
            random.fill(&mut garbage);
            stranger.send(&pair, side, &garbage);
        }
    }
    stranger.expect_silence(&mut pair);
    // Right in every byte but those of the session.
    for (side, mut datagram) in pair.network.remembered().into_iter().take(40) {
        let at = random.usize(1..9);
        datagram[at] ^= 1 << random.u8(0..8);
        stranger.send(&pair, side, &datagram);
        stranger.send(&pair, side.other(), &datagram);
    }
    stranger.expect_silence(&mut pair);
    pair.network.set(Weather::Fair);
    pair.finish();
}

#[test]
fn copies_of_packets_from_another_address_do_no_harm() {
    let mut pair = Across::new(42);
    let stranger = Stranger::new();
    pair.network.set(Weather::Breaks { after_bytes: 1 << 20 });
    pair.begin(3 << 20);
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
    pair.finish();
}

#[test]
fn a_file_that_takes_longer_than_the_time_out_logs_nobody_out() {
    let server = Server::start(&["--timeout", &SAFE_TIMEOUT_SECONDS.to_string()]);
    let mut pair = Across::of(server, 51, &[]);
    let mut leia = pair.server.sign_up("leia");
    pair.yoda.hears("leia logged in");
    pair.hans.hears("leia logged in");
    // A file of so many bytes takes at least ten round trips.
    pair.network.set(Weather::Far(Duration::from_secs(SAFE_TIMEOUT_SECONDS) / 12));
    pair.begin(2 << 20);
    pair.yoda.hears("leia logged out");
    pair.hans.hears("leia logged out");
    leia.hears(&format!("You have been logged out: no activity for {SAFE_TIMEOUT_SECONDS} seconds"));
    pair.mend();
}
