//! What is done over TLS is what is done without it.

use std::sync::Arc;

use forum_common::tls::ALPN;
use forum_common::wire::{Closing, Request};
use forum_tests::{Forumd, Wire, notice, tls};
use rustls::{ClientConfig, HandshakeKind, NamedGroup, ProtocolVersion};

#[test]
fn members_with_and_without_tls_meet_on_one_port() {
    let server = Forumd::new().with_tls().start();
    let mut yoda = server.tls_user("yoda");
    let mut luke = server.user("luke");
    yoda.expect_notices(&[notice::logged_in("luke")]);
    yoda.done(&Request::CreateThread { title: "3331", key: None });
    luke.done(&Request::SendMessage { user: "yoda", text: "hello", key: None });
    luke.close_output();
    assert_eq!(luke.expect_closing().0, Closing::EndOfInput);
    yoda.ping();
}

#[test]
fn keys_are_agreed_on_after_quanta_and_the_protocol_has_a_name() {
    let server = Forumd::new().with_tls().start();
    let mut yoda = server.tls_user("yoda");
    let tls = yoda.line().tls_connection().unwrap();
    assert_eq!(tls.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    assert_eq!(tls.negotiated_key_exchange_group().unwrap().name(), NamedGroup::X25519MLKEM768);
    assert_eq!(tls.alpn_protocol(), Some(ALPN));
}

#[test]
fn much_goes_through_in_both_directions() {
    let server = Forumd::new().with_tls().start();
    let mut yoda = server.tls_user("yoda");
    yoda.done(&Request::CreateThread { title: "t", key: None });
    let text = "x".repeat(8_000);
    let request = Request::Post { title: "t", text: &text, key: None };
    let tags = yoda.send_all(std::iter::repeat_n(request, 200));
    assert!(yoda.outcomes(tags).iter().all(Result::is_ok));
    let lines = yoda.read_thread("t");
    assert_eq!(lines.len(), 200);
    assert!(lines.iter().all(|line| line.len() > 8_000));
}

#[test]
fn who_comes_again_needs_no_new_signature() {
    let server = Forumd::new().with_tls().start();
    let config = Arc::new(tls::trusting(&server.launch().certificates().join("cert.pem")));
    let kind = |config: &Arc<ClientConfig>| {
        let mut wire = Wire::connect_tls(server.address(), Arc::clone(config), "localhost");
        wire.hello();
        wire.line().tls_connection().unwrap().handshake_kind()
    };
    assert_eq!(kind(&config), Some(HandshakeKind::Full));
    assert_eq!(kind(&config), Some(HandshakeKind::Resumed));
    assert_eq!(kind(&config), Some(HandshakeKind::Resumed));
}

#[test]
fn a_frame_before_the_welcome_is_short_with_tls_as_well() {
    let server = Forumd::new().with_tls().start();
    let mut wire = server.tls();
    wire.send_bytes(&3_000_u32.to_be_bytes());
    assert_eq!(wire.expect_closing().0, Closing::ProtocolError);
}
