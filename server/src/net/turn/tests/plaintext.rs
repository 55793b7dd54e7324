//! Who is served without TLS where TLS is served, and what the others are told.

use super::*;
use crate::tls::Tls;
use crate::workers::handshakes::Handshakes;

const FROM_HERE: &str = "127.0.0.1:1";
const FROM_ELSEWHERE: &str = "192.0.2.1:1";
const TLS_ONLY: &str = "This server takes TLS only. Connect with --tls";

/// A stage on which TLS is served.
fn stage_with_tls(takes_plaintext: bool) -> Stage {
    let mut stage = stage(&[]);
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let [certificate, key] = ["cert.pem", "key.pem"].map(|name| stage.files.path().join(name));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let wake: crate::net::Wake = std::sync::Arc::new(|| {});
    let tls = Tls::load(&certificate, &key).unwrap();
    stage.server.serve_tls(TlsService::new(tls, Handshakes::start(1, &wake).unwrap(), takes_plaintext));
    stage
}

/// Somebody who connects and says this first.
fn newcomer(stage: &mut Stage, address: &str, first: &[u8]) -> Client {
    let link = Rc::new(RefCell::new(Link { room: 1 << 30, ..Link::default() }));
    let id = stage.server.admit(Pipe(Rc::clone(&link)), address.parse().unwrap()).unwrap();
    let client = Client { id, link, input: Input::default() };
    stage.settle(&client);
    assert!(client.link.borrow().to_client.is_empty(), "nothing is said before the first byte");
    client.link.borrow_mut().to_server.extend(first);
    stage.settle(&client);
    client
}

fn hello() -> Vec<u8> {
    let mut bytes = Vec::new();
    Request::ClientHello { version: VERSION, client: "test", presence: true }.encode(1, &mut bytes);
    bytes
}

#[test]
fn plain_bytes_are_served_from_this_machine_alone_unless_told_otherwise() {
    for (takes_plaintext, address) in [(false, FROM_HERE), (true, FROM_HERE), (true, FROM_ELSEWHERE)] {
        let mut stage = stage_with_tls(takes_plaintext);
        let mut client = newcomer(&mut stage, address, &hello());
        assert!(client.answers()[0].starts_with("1 ServerHello"), "{address}");
    }
}

#[test]
fn others_are_told_why_not_in_what_they_speak_and_closed() {
    let mut stage = stage_with_tls(false);
    let mut client = newcomer(&mut stage, FROM_ELSEWHERE, &hello());
    assert_eq!(client.answers(), [format!("Closing {{ code: TlsRequired, text: {TLS_ONLY:?} }}")]);
    let mut typist = newcomer(&mut stage, FROM_ELSEWHERE, b"\n");
    assert_eq!(String::from_utf8(typist.frame()).unwrap(), format!("{TLS_ONLY}\n"));
    for client in [&client, &typist] {
        assert!(client.link.borrow().server_closed);
        stage.close(client);
    }
    assert_eq!(stage.server.connections(), 0);
}

#[test]
fn nothing_of_what_they_sent_with_it_is_done() {
    let mut stage = stage_with_tls(false);
    let mut client = newcomer(&mut stage, FROM_ELSEWHERE, &hello());
    client.answers();
    assert_eq!(stage.ask(&mut client, 2, &Request::Ping { payload: &[] }), Vec::<String>::new());
}

#[test]
fn who_says_nothing_or_no_whole_handshake_is_closed_when_the_time_to_log_in_is_over() {
    let mut stage = stage_with_tls(false);
    let silent = newcomer(&mut stage, FROM_ELSEWHERE, b"");
    let half = newcomer(&mut stage, FROM_ELSEWHERE, &[0x16, 3, 1, 0, 200]);
    stage.pass(Duration::from_secs(61));
    assert_eq!(stage.server.connections(), 0);
    for client in [silent, half] {
        assert!(client.link.borrow().to_client.is_empty());
    }
}

#[test]
fn a_server_that_is_full_says_so_after_the_first_byte() {
    let mut stage = stage_with_tls(false);
    stage.server.core.settings.connections_max = 1;
    let _inside = newcomer(&mut stage, FROM_HERE, &hello());
    let mut client = newcomer(&mut stage, FROM_HERE, &hello());
    assert_eq!(
        client.answers(),
        ["Closing { code: ServerFull, text: \"Server is full. Please try again later\" }"]
    );
}
