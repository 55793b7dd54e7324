//! The real client over TLS: whom it trusts, and that it works there as it does without.

use std::fs;
use std::path::{Path, PathBuf};

use forum_common::tls::Fingerprint;
use forum_tests::{Forum, Forumd, PASSWORD, Server};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// Signs up, or logs in, and leaves.
fn visit(name: &str) -> String {
    format!("{name}\n{PASSWORD}\n{PASSWORD}\n")
}

fn certificate(server: &Server) -> PathBuf {
    server.launch().certificates().join("cert.pem")
}

fn fingerprint(certificate: &Path) -> String {
    Fingerprint::of(&CertificateDer::from_pem_file(certificate).unwrap()).to_string()
}

/// A client of this server with these options.
fn forum(server: &Server, options: &[&str]) -> Forum {
    server.forum().args(options)
}

#[test]
fn with_the_servers_certificate_or_its_fingerprint_a_session_is_like_any_other() {
    let server = Forumd::new().with_tls().start();
    let certificate = certificate(&server);
    let pin = fingerprint(&certificate);
    let script = |name| format!("{}CRT {name}\nMSG {name} hello\nRDT {name}\n", visit(name));
    for (name, options) in
        [("yoda", ["--tls-ca", certificate.to_str().unwrap()]), ("luke", ["--tls-pin", &pin])]
    {
        let finished = forum(&server, &options).run(&script(name));
        finished.expect_success();
        let said = format!("Thread {name} created");
        assert!(finished.stdout.contains(&said), "{finished:#?}");
        assert!(finished.stdout.contains(&format!("1 {name}: hello")), "{finished:#?}");
    }
    // Both went over TLS: plain clients are there as well.
    let mut plain = server.log_in("yoda");
    plain.write("RDT luke\n");
    plain.hears("1 luke: hello");
}

#[test]
fn files_and_long_answers_arrive_whole() {
    let server = Forumd::new().with_tls().start();
    let client = forum(&server, &["--tls-pin", &fingerprint(&certificate(&server))]);
    let content: Vec<u8> = (0..3_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    fs::write(client.directory().join("big"), &content).unwrap();
    let posts: String = (0..200).map(|_| format!("MSG t {}\n", "x".repeat(8_000))).collect();
    let script = format!("{}CRT t\n{posts}UPD t big\nRDT t\n", visit("yoda"));
    let finished = client.run(&script);
    finished.expect_success();
    assert_eq!(finished.stdout.iter().filter(|line| line.len() > 8_000).count(), 200);
    let other = forum(&server, &["--tls-pin", &fingerprint(&certificate(&server))]);
    other.run(&format!("{}DWN t big\n", visit("luke"))).expect_success();
    assert!(fs::read(other.directory().join("big")).unwrap() == content);
}

#[test]
fn a_server_that_is_not_trusted_is_told_nothing_and_the_exit_status_is_77() {
    let mut server = Forumd::new().with_tls().start();
    let other = Forumd::bare().with_tls();
    let foreign = other.certificates().join("cert.pem");
    let pin = fingerprint(&foreign);
    let shown = fingerprint(&certificate(&server));
    for (options, why) in [
        (&["--tls"] as &[&str], "nobody whom you trust vouches for the certificate"),
        (&["--tls-ca", foreign.to_str().unwrap()], "nobody whom you trust vouches for the certificate"),
        (&["--tls-pin", &pin], "the certificate is not the one that was expected"),
    ] {
        // Where nobody is trusted by default, too.
        let finished =
            forum(&server, options).env("SSL_CERT_FILE", foreign.to_str().unwrap()).run(&visit("yoda"));
        assert_eq!(finished.code, Some(77), "{finished:#?}");
        let address = server.address();
        let said = format!("Cannot trust {address}: {why} (SHA-256 fingerprint {shown})");
        assert_eq!(finished.stderr, [said]);
        server.wait_log("TLS handshake failed");
    }
    assert!(!server.log().join("\n").contains("yoda"));
}

/// A server whose certificate is for this name alone, and valid until then.
fn server_called(name: &str, year: i32) -> Server {
    let launch = Forumd::new().with_tls();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(year, 1, 1));
    let certificate = params.self_signed(&key).unwrap();
    fs::write(launch.certificates().join("cert.pem"), certificate.pem()).unwrap();
    fs::write(launch.certificates().join("key.pem"), key.serialize_pem()).unwrap();
    launch.start()
}

#[test]
fn a_certificate_is_good_for_its_names_and_its_time_alone() {
    for (name, year, why) in [
        ("127.0.0.1", 2_100, None),
        ("forum.example", 2_100, Some("not valid for name")),
        ("127.0.0.1", 2_021, Some("expired")),
    ] {
        let server = server_called(name, year);
        let certificate = certificate(&server);
        let finished = forum(&server, &["--tls-ca", certificate.to_str().unwrap()]).run(&visit("yoda"));
        match why {
            None => finished.expect_success(),
            Some(why) => {
                assert_eq!(finished.code, Some(77), "{finished:#?}");
                assert!(finished.stderr[0].contains(why), "{finished:#?}");
            }
        }
        // For who has pinned it the fingerprint is what counts.
        forum(&server, &["--tls-pin", &fingerprint(&certificate)]).run(&visit("luke")).expect_success();
    }
}

#[test]
fn a_server_without_tls_is_said_to_be_one() {
    let server = Server::start(&[]);
    let finished = forum(&server, &["--tls"]).run(&visit("yoda"));
    assert_eq!(finished.code, Some(69), "{finished:#?}");
    assert!(finished.stderr[0].ends_with("it does not speak TLS"), "{finished:#?}");
}

#[test]
fn options_that_can_not_be_used_are_usage_errors() {
    let server = Server::start(&[]);
    for options in [
        &["--tls-pin", "00"] as &[&str],
        &["--tls-ca", "/nonexistent"],
        &["--tls-ca", "/dev/null"],
        &["--tls-ca", "x", "--tls-pin", &"0".repeat(64)],
    ] {
        assert_eq!(forum(&server, options).run("").code, Some(2), "{options:?}");
    }
}

#[test]
fn a_client_that_lost_its_server_comes_back_over_tls() {
    let mut server = Forumd::new().with_tls().start();
    let pin = fingerprint(&certificate(&server));
    let mut client = forum(&server, &["--tls-pin", &pin, "--retry", "60"]).start();
    client.write(&visit("yoda"));
    client.hears("Welcome to the forum");
    server.kill();
    server.start_again_there();
    client.write("CRT t\n");
    client.hears("Thread t created");
}
