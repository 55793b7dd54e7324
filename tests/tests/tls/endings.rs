//! How connections with TLS end.

use std::io::Write;
use std::net::{Shutdown, TcpStream};

use forum_common::wire::{Closing, Request};
use forum_tests::{Forumd, notice};

#[test]
fn close_notify_is_the_end_of_input_and_what_came_before_is_answered() {
    let server = Forumd::new().with_tls().start();
    let mut yoda = server.tls_user("yoda");
    let create = |title| Request::CreateThread { title, key: None };
    let tags = yoda.send_all([create("a"), create("b")]);
    yoda.close_output();
    assert!(yoda.outcomes(tags).iter().all(Result::is_ok));
    assert_eq!(yoda.expect_closing().0, Closing::EndOfInput);
    // It ends as it should: with a close_notify, and not by a mere FIN.
}

#[test]
fn a_fin_without_close_notify_is_a_break() {
    let mut server = Forumd::new().with_tls().start();
    let mut luke = server.user("luke");
    let yoda = server.tls_user("yoda");
    luke.expect_notices(&[notice::logged_in("yoda")]);
    yoda.stream().shutdown(Shutdown::Write).unwrap();
    luke.expect_notices(&[notice::logged_out("yoda")]);
    server.wait_log("connection lost: it ended without a close_notify");
    luke.ping();
}

#[test]
fn a_server_that_ends_says_so_over_tls() {
    let mut server = Forumd::new().with_tls().start();
    let mut yoda = server.tls_user("yoda");
    server.signal(rustix::process::Signal::TERM);
    assert_eq!(yoda.expect_closing().0, Closing::ShuttingDown);
    server.expect_exit_0();
}

#[test]
fn who_does_not_shake_hands_in_time_is_closed() {
    let mut server = Forumd::new().with_tls().args(&["--login-timeout", "1"]).start();
    let mut half = TcpStream::connect(server.address()).unwrap();
    half.write_all(&[0x16, 3, 1]).unwrap();
    let silent = TcpStream::connect(server.address()).unwrap();
    for stream in [half, silent] {
        stream.set_read_timeout(Some(forum_tests::DEADLINE)).unwrap();
        let said = std::io::copy(&mut &stream, &mut std::io::sink());
        assert_eq!(said.unwrap(), 0, "nothing is said");
        server.wait_log("connection lost: timed out");
    }
}
