//! How long a member's ping takes while thousands begin to shake hands and don't go on.

use std::array;
use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use forum_tests::{DEADLINE, raise_descriptor_limit, tls};

use super::{RUNS, forumd, micros, quantile, show};

/// As many say nothing, the beginning of a handshake, and as much of one as makes the server sign.
const STALLED: usize = 3_000;
const PINGS_BEFORE: usize = 10_000;

/// 3,000 connect at once and stall in the handshake: how long does a member's ping take before, and until the last of those
/// whose turn it is has an answer?
pub(super) fn stalled_handshakes(program: Option<&str>) {
    raise_descriptor_limit();
    println!(
        "| | before: median µs | 99 % | during: median | 99 % | the longest | pings during | handshakes begun, ms |"
    );
    let runs = array::from_fn::<_, RUNS, _>(|_| {
        let server = forumd(program, &["--durability", "none"], &[]).with_tls().start();
        let hello = tls::client_hello(&server.launch().certificates().join("cert.pem"));
        let mut member = server.tls_user("yoda");
        let before: Vec<f64> = (0..PINGS_BEFORE).map(|_| micros(|| member.ping())).collect();
        let is_over = AtomicBool::new(false);
        let mut during = Vec::new();
        let took = thread::scope(|scope| {
            let storm = scope.spawn(|| {
                let mut stalled = Vec::new();
                let took = micros(|| stalled = stall(server.address(), &hello));
                is_over.store(true, Ordering::Relaxed);
                (took, stalled)
            });
            while !is_over.load(Ordering::Relaxed) {
                during.push(micros(|| member.ping()));
            }
            storm.join().expect("it does not panic").0
        });
        let [before_50, before_99] = [50, 99].map(|percent| quantile(&before, percent));
        let [median, most, longest] = [50, 99, 100].map(|percent| quantile(&during, percent));
        [before_50, before_99, median, most, longest, during.len() as f64, took / 1e3]
    });
    show("3,000 stalled handshakes", runs);
}

/// Opens all of them, and reads what the server has said to those that have said enough.
fn stall(server: SocketAddr, hello: &[u8]) -> Vec<TcpStream> {
    let mut stalled: Vec<TcpStream> = (0..STALLED).map(|number| tls::stall(server, hello, number)).collect();
    for stream in stalled.iter_mut().skip(2).step_by(3) {
        stream.set_read_timeout(Some(DEADLINE)).expect("a TCP socket");
        stream.read_exact(&mut [0]).expect("the server's half of the handshake");
    }
    stalled
}
