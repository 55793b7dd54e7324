//! What another implementation makes of the server: OpenSSL's.

use std::net::SocketAddr;
use std::process::Command;

use forum_tests::{Forumd, Process};

/// Shakes hands as `openssl s_client` with these options does, and says nothing in it; what it said.
fn s_client(address: SocketAddr, options: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &address.to_string()]).args(options);
    let finished = Process::start(&mut command).finish();
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
