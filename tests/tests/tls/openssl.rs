//! What another implementation makes of the server: OpenSSL's.

use std::net::SocketAddr;
use std::process::Command;

use forum_tests::{Forumd, Process};

/// Shakes hands as `openssl s_client` with these options does, and says nothing in it; what it said.
fn s_client(address: SocketAddr, options: &[&str]) -> (Option<i32>, String) {
    s_client_saying(b"", address, options)
}

/// The same, but sends this.
fn s_client_saying(input: &[u8], address: SocketAddr, options: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &address.to_string()]).args(options);
    let mut client = Process::start(&mut command);
    client.write(input);
    let finished = client.finish();
    (finished.code, [finished.stdout, finished.stderr].concat().join("\n"))
}

#[test]
fn tls_1_3_and_1_2_are_spoken_and_nothing_older() {
    let server = Forumd::new().with_tls().start();
    let rows = [
        (&["-tls1_3"] as &[&str], Some("TLSv1.3")),
        (&["-tls1_2"], Some("TLSv1.2")),
        (&["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], None),
        (&["-tls1", "-cipher", "ALL:@SECLEVEL=0"], None),
        (&["-tls1_2", "-cipher", "AES256-SHA:@SECLEVEL=0"], None),
        (&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"], None),
        (&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"], Some("TLSv1.2")),
        (&["-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"], Some("TLSv1.3")),
        (&["-tls1_3", "-groups", "X25519"], Some("TLSv1.3")),
        (&["-alpn", "forumd/3"], Some("ALPN protocol: forumd/3")),
        (&["-alpn", "http/1.1"], None),
    ];
    for (options, wanted) in rows {
        let (code, said) = s_client(server.address(), options);
        match wanted {
            Some(wanted) => assert!(code == Some(0) && said.contains(wanted), "{options:?}: {code:?} {said}"),
            None => {
                assert_eq!(code, Some(1), "{options:?}: {said}");
                assert!(said.contains("alert"), "{options:?} is refused with a reason: {said}");
            }
        }
    }
    server.user("yoda").ping();
}

#[test]
fn somebody_in_between_who_makes_tls_1_2_of_1_3_is_noticed() {
    // RFC 8446, section 4.1.3: a server that could speak 1.3 ends its random in TLS 1.2 with DOWNGRD and a 1.
    const SENTINEL: &str = "44 4f 57 4e 47 52 44 01";
    let server = Forumd::new().with_tls().start();
    for (version, is_said) in [("-tls1_2", true), ("-tls1_3", false)] {
        let (_, said) = s_client(server.address(), &[version, "-msg"]);
        let hello =
            said.split("<<<").find(|message| message.contains(", ServerHello\n")).expect("a ServerHello");
        let bytes: Vec<&str> = hello.lines().skip(1).take_while(|line| line.starts_with("    ")).collect();
        let bytes = bytes.iter().flat_map(|line| line.split_whitespace()).collect::<Vec<_>>().join(" ");
        assert_eq!(bytes.contains(SENTINEL), is_said, "{version}: {bytes}");
    }
    // And a client that has fallen back by itself goes no further.
    let (code, said) = s_client(server.address(), &["-tls1_2", "-fallback_scsv"]);
    assert!(code == Some(1) && said.contains("inappropriate fallback"), "{said}");
}

#[test]
fn who_comes_again_with_a_ticket_is_taken_back_in_both_versions() {
    let server = Forumd::new().with_tls().start();
    for (version, name) in [("-tls1_3", "yoda"), ("-tls1_2", "luke")] {
        let ticket = server.launch().directory().join(format!("ticket{version}"));
        let ticket = ticket.to_str().expect("an ASCII path");
        // In TLS 1.3 it comes after the handshake, so this one stays until the server has said goodbye.
        let session = format!("{name}\nsecret-word\nsecret-word\nXIT\n");
        let options = [version, "-ign_eof", "-sess_out", ticket];
        let (_, said) = s_client_saying(session.as_bytes(), server.address(), &options);
        assert!(said.contains("\nNew, TLSv1.") && said.contains("Goodbye"), "{version}: {said}");
        let (code, said) = s_client(server.address(), &[version, "-sess_in", ticket]);
        assert!(code == Some(0) && said.contains("\nReused, TLSv1."), "{version}: {said}");
    }
}

#[test]
fn its_certificate_is_no_longer_verified_when_it_has_expired() {
    let server = Forumd::new().with_tls().start();
    let certificate = server.launch().certificates().join("cert.pem");
    let ca = ["-verify_return_error", "-CAfile", certificate.to_str().expect("an ASCII path")];
    for (seconds, is_good) in [(86_400, true), (11 * 366 * 86_400, false)] {
        let when =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("it is after 1970");
        let when = (when.as_secs() + seconds).to_string();
        let (code, said) = s_client(server.address(), &[&ca[..], &["-attime", &when]].concat());
        assert_eq!(code == Some(0), is_good, "{said}");
        assert_eq!(said.contains("certificate has expired"), !is_good, "{said}");
    }
}

#[test]
fn its_certificate_is_verified_by_the_file_that_init_made() {
    let server = Forumd::new().with_tls().start();
    let certificate = server.launch().certificates().join("cert.pem");
    let ca = ["-verify_return_error", "-CAfile", certificate.to_str().unwrap()];
    for (name, is_good) in [("localhost", true), ("forum.example", false)] {
        let (code, said) = s_client(server.address(), &[&ca[..], &["-verify_hostname", name]].concat());
        assert_eq!(code == Some(0), is_good, "{name}: {said}");
    }
}

#[test]
fn the_keys_of_a_connection_are_written_where_that_is_asked_for() {
    let launch = Forumd::new();
    let keys = launch.directory().join("keys");
    let mut server = launch.env("SSLKEYLOGFILE", keys.to_str().unwrap()).with_tls().start();
    server.logged("THE KEYS OF ALL CONNECTIONS ARE WRITTEN");
    server.tls_user("yoda").ping();
    server.stop();
    let keys = std::fs::read_to_string(keys).unwrap();
    assert!(keys.contains("CLIENT_TRAFFIC_SECRET_0 "), "{keys}");
}

#[test]
fn a_client_that_speaks_tls_to_a_server_without_is_closed_with_a_reason() {
    let mut server = Forumd::new().start();
    assert_eq!(s_client(server.address(), &[]).0, Some(1));
    server.wait_log("closed:");
    server.user("yoda").ping();
}
