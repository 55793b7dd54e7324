//! `forumd tls init`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use forum_tests::{Finished, Forumd};

/// Runs `forumd tls init` in `directory`, for these names more.
fn init(directory: &Path, names: &[&str]) -> Finished {
    let words = ["tls", "init", directory.to_str().unwrap()];
    Forumd::without_data().args(&words).args(names).run("")
}

/// What OpenSSL says of a certificate.
fn openssl(certificate: &Path, options: &[&str]) -> String {
    let mut command = Command::new("openssl");
    let output = command.args(["x509", "-noout", "-in"]).arg(certificate).args(options).output();
    let output = output.expect("openssl is installed");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn it_makes_a_p256_certificate_and_a_key_for_the_owner_alone() {
    let launch = Forumd::bare();
    let directory = launch.directory().join("tls");
    let finished = init(&directory, &["--name", "Forum.example", "--name", "192.0.2.7"]);
    finished.expect_success();
    let (certificate, key) = (directory.join("cert.pem"), directory.join("key.pem"));
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(&directory).unwrap().permissions().mode() & 0o777, 0o700);
    let text = openssl(&certificate, &["-text"]);
    let names = ["DNS:localhost", "DNS:forum.example", "IP Address:127.0.0.1", "IP Address:192.0.2.7"];
    for wanted in names.iter().chain(&["prime256v1", "TLS Web Server Authentication"]) {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    let shown = openssl(&certificate, &["-fingerprint", "-sha256"]).to_lowercase().replace(':', "");
    let (_, fingerprint) = shown.trim().split_once('=').unwrap();
    assert_eq!(finished.stdout.last().unwrap(), &format!("SHA-256 fingerprint: {fingerprint}"));
}

#[test]
fn it_is_valid_today_and_for_years() {
    let launch = Forumd::bare();
    let directory = launch.directory().join("tls");
    init(&directory, &[]).expect_success();
    let nine_years = (9 * 365 * 24 * 60 * 60).to_string();
    openssl(&directory.join("cert.pem"), &["-checkend", &nine_years]);
    let mut command = Command::new("openssl");
    let verify =
        command.arg("verify").arg("-CAfile").arg(directory.join("cert.pem")).arg(directory.join("cert.pem"));
    let output = verify.output().expect("openssl is installed");
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn what_is_there_already_is_left_as_it_is() {
    let launch = Forumd::bare();
    let directory = launch.directory().join("tls");
    init(&directory, &[]).expect_success();
    let before = ["cert.pem", "key.pem"].map(|name| fs::read(directory.join(name)).unwrap());
    let finished = init(&directory, &[]);
    assert_eq!((finished.code, finished.stdout.len()), (Some(1), 0), "{finished:?}");
    assert!(finished.stderr[0].contains("key.pem"), "{finished:?}");
    assert_eq!(["cert.pem", "key.pem"].map(|name| fs::read(directory.join(name)).unwrap()), before);
}

#[test]
fn a_name_that_is_none_is_refused_and_nothing_is_made() {
    let launch = Forumd::bare();
    let directory = launch.directory().join("tls");
    for name in
        ["fórum.example", "a b", "https://forum.example", "forum.example:12345", "10.0.0.1/8", "[::1]"]
    {
        let finished = init(&directory, &["--name", name]);
        assert_eq!(finished.code, Some(2), "{finished:?}");
        assert!(finished.stderr[0].contains("neither a host's name"), "{finished:?}");
        assert!(!directory.exists());
    }
}
