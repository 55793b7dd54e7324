//! Thousands who begin to shake hands and don't go on.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;

use forum_tests::{DEADLINE, Forumd, Wire, raise_descriptor_limit, tls, until};

/// Of each kind.
const EACH: usize = 1_000;

#[test]
fn thousands_of_stalled_handshakes_hold_up_nobody_and_are_gone_when_their_time_is_over() {
    raise_descriptor_limit();
    let server = Forumd::new().with_tls().args(&["--login-timeout", "20"]).start();
    let hello = tls::client_hello(&server.launch().certificates().join("cert.pem"));
    let mut member = server.tls_user("yoda");
    let stalled: Vec<TcpStream> = (0..3 * EACH)
        .map(|n| {
            let stream = tls::stall(server.address(), &hello, n);
            if n % 100 == 0 {
                member.ping();
            }
            stream
        })
        .collect();
    // Others still get in, with TLS and without.
    server.tls_user("luke").ping();
    server.user("leia").ping();
    member.ping();
    let end = |stream: &TcpStream| {
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        std::io::copy(&mut &*stream, &mut std::io::sink())
    };
    for (n, stream) in stalled.iter().enumerate() {
        let said = end(stream).unwrap_or(0);
        assert_eq!(said > 0, n % 3 == 2, "only a whole first message is answered: {n}, {said} bytes");
    }
    until("all of them being gone", || {
        let descriptors = std::fs::read_dir(format!("/proc/{}/fd", server.pid())).ok()?.count();
        (descriptors < EACH).then_some(())
    });
    member.ping();
}

#[test]
fn half_of_a_handshake_at_a_time_is_a_handshake() {
    let server = Forumd::new().with_tls().start();
    let config = tls::trusting(&server.launch().certificates().join("cert.pem"));
    let mut wire = Wire::connect_tls(server.address(), Arc::new(config), "localhost");
    let mut stream = wire.stream();
    let tls = wire.line().tls_connection().unwrap();
    let mut bytes = Vec::new();
    tls.write_tls(&mut bytes).unwrap();
    for byte in bytes {
        stream.write_all(&[byte]).unwrap();
    }
    wire.hello();
    wire.become_user("yoda");
}

#[test]
fn what_is_no_tls_after_a_first_byte_that_is_ends_that_connection_alone() {
    let server = Forumd::new().with_tls().start();
    let mut member = server.tls_user("yoda");
    for garbage in
        [&[0x16; 100_000][..], &[0x16, 3, 1, 0xff, 0xff], &[0x16, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff]]
    {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        let _ = stream.write_all(garbage);
        let _ = stream.write_all(&[0; 70_000]);
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        // It ends, by a FIN or a reset: not by our own patience.
        let ended = std::io::copy(&mut &stream, &mut std::io::sink());
        assert!(!ended.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock));
        member.ping();
    }
    // The same in the middle of a session.
    let luke = server.tls_user("luke");
    luke.stream().write_all(&[0x17, 3, 3, 0, 50]).unwrap();
    luke.stream().write_all(&[0; 50]).unwrap();
    member.expect_notices(&[forum_tests::notice::logged_in("luke"), forum_tests::notice::logged_out("luke")]);
    member.ping();
}
