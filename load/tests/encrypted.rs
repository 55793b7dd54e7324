//! The same runs over TLS.
#![forbid(unsafe_code)]

use std::process::Command;

use forum_tests::{Forumd, Server};

/// Runs forum-load against a server with TLS; its table.
fn run(server: &Server, words: &[&str]) -> String {
    let certificate = server.launch().certificates().join("cert.pem");
    let address = format!("localhost:{}", server.address().port());
    let mut command = Command::new(env!("CARGO_BIN_EXE_forum-load"));
    command.args(&words[..1]).arg(address).args(&words[1..]).arg("--tls-ca").arg(certificate);
    let output = command.output().expect("it starts");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn requests_fan_out_and_files_go_over_tls() {
    let server = Forumd::new().with_tls().start();
    let few = ["-c", "3", "-n", "300", "--warm-up", "0s"];
    for scenario in ["ping", "post", "fanout"] {
        let table = run(&server, &[&[scenario], &few[..]].concat());
        assert!(table.contains("tls true"), "{table}");
    }
    run(&server, &["ping", "-c", "3", "--pipeline", "32", "-n", "3000", "--warm-up", "0s", "--tls-resume"]);
    for direction in ["up", "down"] {
        run(&server, &["transfer", "-c", "2", "--size", "3MiB", "--direction", direction]);
    }
}

#[test]
fn a_server_that_is_not_trusted_is_given_nothing_to_do() {
    let server = Forumd::new().with_tls().start();
    let mut command = Command::new(env!("CARGO_BIN_EXE_forum-load"));
    let address = server.address().to_string();
    let output =
        command.args(["ping", &address, "-c", "1", "-n", "1", "--tls-pin", &"0".repeat(64)]).output();
    let output = output.expect("it starts");
    assert!(!output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("the server is not trusted: "), "{said}");
}
