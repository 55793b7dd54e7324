//! What a server with TLS, or without, needs to start.

use std::fs;

use forum_tests::{Finished, Forumd};

fn refused(finished: &Finished, code: i32) -> &str {
    assert_eq!((finished.code, finished.stderr.len()), (Some(code), 1), "{finished:#?}");
    &finished.stderr[0]
}

#[test]
fn nobody_listens_in_the_open_without_tls_unless_told_to() {
    let launch = Forumd::bare().args(&["--listen", "0.0.0.0:0"]);
    let finished = launch.run("");
    assert!(refused(&finished, 2).contains("--insecure-plaintext"), "{finished:#?}");
    assert!(!launch.data().exists(), "nothing was changed");
    let mut server = launch.args(&["--insecure-plaintext"]).start();
    server.logged("travel in the clear");
    server.stop();
    let mut server = Forumd::bare().args(&["--listen", "0.0.0.0:0"]).with_tls().start();
    server.stop();
    assert!(!server.log().join("\n").contains("clear"));
}

#[test]
fn a_certificate_that_can_not_be_used_is_one_clear_line() {
    let launch = Forumd::bare().args(&["--listen", "127.0.0.1:0"]).with_tls();
    let [certificate, key] = ["cert.pem", "key.pem"].map(|name| launch.certificates().join(name));
    let whole = [&certificate, &key].map(|path| fs::read(path).unwrap());
    let other = Forumd::bare().with_tls();
    let others = fs::read(other.certificates().join("key.pem")).unwrap();
    for (path, content, why) in [
        (&certificate, &b""[..], "cert.pem: there is no certificate in it"),
        (&certificate, &whole[1], "cert.pem: there is no certificate in it"),
        (&key, b"", "key.pem: "),
        (&key, &whole[0], "key.pem: "),
        (&key, &others, "key.pem: it is not the key of"),
    ] {
        fs::write(path, content).unwrap();
        let finished = launch.run("");
        let line = refused(&finished, 1);
        assert!(
            line.starts_with("forumd: can't use the certificate: ") && line.contains(why),
            "{why}: {line}"
        );
        assert!(!launch.data().exists(), "nothing was changed");
        fs::write(&certificate, &whole[0]).unwrap();
        fs::write(&key, &whole[1]).unwrap();
    }
    fs::remove_file(&key).unwrap();
    assert!(refused(&launch.run(""), 1).contains("key.pem"));
}

#[test]
fn certificate_and_key_go_together() {
    for alone in ["--tls-cert", "--tls-key"] {
        assert_eq!(Forumd::bare().args(&[alone, "x.pem"]).run("").code, Some(2));
    }
}
